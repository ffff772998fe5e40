#!/usr/bin/perl

# What one client can cost the API server, this server and its log is bounded:
# long questions, many at once, many failures; a decision is as old as the
# server that is asked lets it be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(wait_for);


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';

my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    server => 'k8s_metrics_authorization_cache_ttl 1h;', extra => <<'END');

    server {
        listen ADDR:8610 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        k8s_metrics_authorization_cache_ttl 0;

        location / {
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }
END

$t->start;
ok($t->synced, 'synced') or diag($t->log);

sub tries {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}

sub reviews { return $t->control('/stats')->{reviews} }

sub status {
    my ($r) = @_;
    my $o = eval { JSON::PP->new->utf8->decode($r->{body}) };
    return ref $o eq 'HASH' && ($o->{kind} // '') eq 'Status'
        ? "$r->{status} " . ($o->{message} =~ /(too long)/ ? $1 : $o->{message})
        : "$r->{status} $r->{body}";
}

sub logged { return scalar grep { $_ =~ $_[0] } $t->log }


# --- long questions ----------------------------------------------------------

# by hand: curl does not come to an end with headers of this size

sub raw {
    my ($path, $cert, @headers) = @_;

    my $d = "$t->{dir}/standin";
    my $c = IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602", Timeout => 20,
        SSL_verify_mode => SSL_VERIFY_NONE,
        $cert ? (SSL_cert_file => "$d/$cert.crt",
                 SSL_key_file => "$d/$cert.key") : ()) or die $SSL_ERROR;

    print $c join "\r\n", "GET $path HTTP/1.1", 'Host: x',
        'Connection: close', @headers, '', '';

    local $/;
    my $text = <$c> // '';

    return $text =~ /^HTTP\/1.1 (\d+).*?\r\n\r\n(.*)/s
        ? { status => $1, body => $2 } : { status => 0, body => $text };
}

my $n = tries();
is(status(raw('/' . 'a' x 1_000_000)), '414 too long',
   'a path of a megabyte is too long');
is(tries() - $n, 0, 'and is not sent to the API server');
is(status(raw("$nodes?labelSelector=" . 'a' x 60000)),
   '414 too long', 'as is a selector');
is(tries() - $n, 0, 'which is not sent either');

my @alice = ('--cert', "$t->{dir}/standin/alice.crt",
             '--key', "$t->{dir}/standin/alice.key");
is(raw('/' . 'a' x 20000, 'alice')->{status}, 403, 'one of 20 kB is asked');
is(tries() - $n, 1, 'once');

# a large identity is no reason not to be asked, nor to be asked twice

$n = tries();
$t->control('/rules', { rules => [ { user => 'many' } ] });
is(raw($nodes, 'front-client', 'X-Remote-User: many',
       map { 'X-Remote-Group: ' . "group-$_-" . 'x' x 1000 } 1 .. 900)->{status},
   200, '900 groups of a kilobyte');
is(tries() - $n, 1, 'are one review');

is(raw($nodes, 'front-client', 'X-Remote-User: many',
       map { "X-Remote-Extra-K$_: v" } 1 .. 900)->{status}, 200,
   '900 extra keys');


# --- ages --------------------------------------------------------------------

sub both {
    my ($port) = @_;
    my @out = map {
        my $p = $_;
        qx(curl -sS -k -m 20 -o /dev/null -w '%{http_code}' @alice https://$t->{addr}:$p$nodes);
    } 8602, 8610;
    return "@out";
}

$t->control('/rules', { rules => [ { user => 'alice' } ] });
is(both(), '200 200', 'alice may, everywhere');
$t->control('/rules', { rules => [] });
my $before = reviews();
is(qx(curl -sS -k -m 20 -o /dev/null -w '%{http_code}' @alice https://$t->{addr}:8602$nodes),
   200, 'a server that keeps decisions for an hour keeps it');
is(reviews() - $before, 0, 'and does not ask');
is(qx(curl -sS -k -m 20 -o /dev/null -w '%{http_code}' @alice https://$t->{addr}:8610$nodes),
   403, 'one that keeps none does not take that');


# --- many at once ------------------------------------------------------------

# 2,048 connections: 256 reviews

$t->control('/rules', { rules => [ { group => 'system:unauthenticated' } ] });
$t->control('/api', { fault => 'hang', for => 'sar' });

open(my $fh, '>', "$t->{dir}/many") or die $!;
print $fh "url = \"https://$t->{addr}:8602/many/$_\"\noutput = \"/dev/null\"\n"
    for 1 .. 400;
close $fh;

my $pid = fork() // die;
if ($pid == 0) {
    open(STDERR, '>', '/dev/null');
    open(STDOUT, '>', "$t->{dir}/codes");
    exec 'curl', '-s', '-k', '-Z', '--parallel-max', 300, '--http1.1', '-m', 25,
        '-w', '%{http_code}\n', '-K', "$t->{dir}/many";
}

ok(wait_for(20, sub {
    (() = K8sMetrics::slurp("$t->{dir}/codes") =~ /^429$/mg) >= 40
}), 'past the bound of reviews under way it is 429 at once')
    or diag(K8sMetrics::slurp("$t->{dir}/codes"));
cmp_ok(tries() - $n, '<=', 270, 'and the API server is not asked');
is($t->ask($nodes, cert => 'admin')->{status}, 200,
   'who needs no review is served meanwhile');
is($t->ask('/livez')->{status}, 200, 'as is health');

$t->control('/api', { fault => '' });
waitpid($pid, 0);

is($t->ask('/many/again')->{status}, 403, 'and reviews go on after it');


# --- a client that left ------------------------------------------------------

$t->control('/api', { fault => '500', for => 'sar' });
$n = tries();
my $since = time;
$t->ask('/gone', args => [ '-m', '0.5' ]);
wait_for(3, sub { tries() - $n >= 3 });
cmp_ok(tries() - $n, '<=', 3, 'nothing is tried again when nobody waits');


# --- lines of the log --------------------------------------------------------

truncate "$t->{dir}/error.log", 0;
$t->ask("/failing/$_", args => [ '-m', '0.3' ]) for 1 .. 10;
cmp_ok(logged(qr/an access review failed/), '<=', 1,
       'failed reviews are one line a minute');
$t->control('/api', { fault => '' });

truncate "$t->{dir}/error.log", 0;
$t->ask($nodes, cert => 'rogue-client') for 1 .. 30;
my $lines = logged(qr/is not believed/);
ok($lines >= 1 && $lines <= 10, "refused certificates are few lines ($lines)");


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
