#!/usr/bin/perl

# Names and sessions: no connection comes to the checked server without having
# been asked for its certificate, whatever name it began with and whatever
# session it takes up; and a certificate that expires while its connection is
# kept is no longer one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(wait_for);
use Raw qw(h1 h2);
use Zoo;


# a plain server is the default of the address; one more has an SSL_CTX that
# nobody prepared; sessions are kept for all of them

my $t = Zoo->new(standin => [ -nodes => 1, -pods => 1 ],
    http => 'ssl_session_cache shared:all:1m; ssl_session_tickets on;',
    extra => <<'END');

    server {
        listen ADDR:8612 ssl default_server;
        server_name plain.test;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { return 200 plain; }
    }

    server {
        listen ADDR:8612 ssl;
        server_name checked.test;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }

    server {
        listen ADDR:8612 ssl;
        server_name third.test;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { return 200 third; }
    }

    # without any that is checked: what a session is where it is resumed
    server {
        listen ADDR:8613 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { return 200 alone; }
    }
END

$t->start;

my $to = "$t->{addr}:8612";
my $cert = "$t->{dir}/zoo/good";

sub said {
    my ($text) = @_;
    my ($code) = $text =~ m{^HTTP/1\.1 (\d+)}m;
    return ($code // 'none') . ($text =~ /User \\"([^"\\]+)\\"/ ? " $1"
        : $text =~ /\r\n\r\n(plain|third|alone)/ ? " $1" : '');
}

# one connection of openssl's client: what it was answered, and whether its
# session was one from before

sub client {
    my ($port, $version, $sni, $host, @more) = @_;

    my $in = "GET /x HTTP/1.1\\r\\nHost: $host\\r\\n"
        . 'Connection: close\r\n\r\n';
    my $out = qx(printf '$in' | timeout 20 openssl s_client -ign_eof \\
        -connect $t->{addr}:$port -tls$version -servername $sni @more 2>&1);

    return said($out) . ($out =~ /^Reused, /m ? ', reused' : '');
}

my $sess = "$t->{dir}/session";
my @good = ('-cert', "$cert.crt", '-key', "$cert.key");

for my $v ('1_2', '1_3') {

    # the measure: this client resumes where it can

    unlink $sess;
    client(8613, $v, 'alone.test', 'alone.test', '-sess_out', $sess);
    is(client(8613, $v, 'alone.test', 'alone.test', '-sess_in', $sess),
       '200 alone, reused', "TLS $v: a server alone resumes");

    for my $from ('plain.test', 'third.test', 'checked.test') {
        for my $to ('plain.test', 'third.test', 'checked.test') {
            unlink $sess;
            client(8612, $v, $from, $from, '-sess_out', $sess);

            my @in = -s $sess ? ('-sess_in', $sess) : ();
            my $r = client(8612, $v, $to, 'checked.test', @in);

            like($r, $to eq 'third.test' ? qr/^421(?:, reused)?$/
                                         : qr/^403 system:anonymous$/,
                 "TLS $v: a session of $from, taken up as $to, asks as what "
                 . 'it is' . (@in ? '' : ' (there was none)'));

            is(client(8612, $v, $to, 'checked.test', @in, @good),
               $to eq 'third.test' ? $r : '403 good',
               "TLS $v: and its certificate is asked for ($from, $to)");
        }
    }

    # a session that was begun with a certificate is nobody's without

    unlink $sess;
    client(8612, $v, 'checked.test', 'checked.test', '-sess_out', $sess, @good);
    is(client(8612, $v, 'checked.test', 'checked.test',
              -s $sess ? ('-sess_in', $sess) : ()), '403 system:anonymous',
       "TLS $v: a session's certificate is not remembered");
}


# one connection and several hosts, on HTTP/1.1 and HTTP/2

for my $sni ('plain.test', 'checked.test', 'third.test') {
    my $c = h1($to, sni => $sni, cert => $cert);

    my @got = map {
        my $r = $c->ask("GET /x HTTP/1.1\r\nHost: $_\r\n\r\n");
        $r->{status} . ($r->{body} =~ /User \\"([^"\\]+)/ ? " $1" : '');
    } 'plain.test', 'checked.test', 'third.test';

    is("@got", $sni eq 'third.test' ? '200 421 200' : '200 403 good 200',
       "$sni, and another host in each request");
}


# the certificate expires; the connections are kept

my $ends;

sub late {
    my ($life) = @_;
    $ends = time + $life;
    $t->zoo(-late => 'late', -life => "${life}s");
}

late(8);

my $late = "$t->{dir}/zoo/late";
my $one = h1("$t->{addr}:8602", cert => $late);
my $two = h2("$t->{addr}:8602", cert => $late);

my @before = ($one->get('/x')->{status}, $two->ask([], path => '/x')->{status});
my $when = time;

SKIP: {
    # X509 has whole seconds
    skip 'this machine is too slow for it', 6 if $when > $ends - 1;

    is("@before", '403 403', 'believed before');
    like($two->ask([], path => '/y')->{body}, qr/User \\"late\\"/,
         'as who it is');

    ok(wait_for(15, sub { $one->get('/x')->{status} == 401 }),
       'HTTP/1.1: 401 when it has expired, on the same connection');
    cmp_ok(time, '>', $ends - 1.1, 'not before');
    is($two->ask([], path => '/x')->{status}, 401, 'HTTP/2: the same');
    cmp_ok(time, '<', $ends + 3, 'and soon');
}

is($one->get('/livez')->{status}, 401, 'health is no exception');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
