#!/usr/bin/perl

# Files of directives that are replaced under running workers: CA bundles and
# the serving certificate are in force soon in each of them, connections that
# are kept included; what is broken leaves the old in force and is told once;
# what a worker cannot read is told at start.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use Test::More;

use K8sMetrics qw(on_kept wait_for);

{
    package Files;
    our @ISA = qw(K8sMetrics);

    sub believe {
        my ($self) = @_;

        return <<"END";
    k8s_metrics_requestheader_client_ca $self->{dir}/front.crt;
    k8s_metrics_requestheader_allowed_names front-proxy-client;
    k8s_metrics_client_ca $self->{dir}/client.crt;
    ssl_certificate $self->{dir}/tls/tls.crt;
    ssl_certificate_key $self->{dir}/tls/tls.key;
END
    }

    sub tls { return '        ssl_protocols TLSv1.2 TLSv1.3;' }
}

plan skip_all => 'needs root, for workers of another user' if $> != 0;

my $look = 20;      # s: a look comes every 5
my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';
my @masters = ('X-Remote-User: u', 'X-Remote-Group: system:masters');

# the second server has an SSL_CTX of its own, of the same files
my $t = Files->new(workers => 2, standin => [ -nodes => 1, -pods => 2 ],
    extra => "server { listen ADDR:8602 ssl; server_name other.example;
        location / { k8s_metrics_auth on; k8s_metrics; } }");
my $dir = $t->{dir};

$t->start_standin;

sub slurp { return K8sMetrics::slurp("$dir/$_[0]") }

sub put {
    my ($name, $text) = @_;
    K8sMetrics::put("$dir/$name", $text);
}

sub pair {
    my ($name, @type) = @_;

    @type = qw(ec -pkeyopt ec_paramgen_curve:P-256) if !@type;

    system("openssl req -x509 -newkey @type -nodes -days 2 -subj /CN=$name"
           . " -keyout $dir/$name.key -out $dir/$name.crt"
           . " 2> $dir/openssl.log") == 0 or die slurp('openssl.log');

    return (slurp("$name.crt"), slurp("$name.key"));
}

# as kubelet does: a folder for each version, and a symlink that is swapped
my $versions = 0;

sub secret {
    my ($crt, $key) = @_;

    my $version = '..v' . ++$versions;

    mkdir "$dir/tls";
    mkdir "$dir/tls/$version";
    put("tls/$version/tls.crt", $crt);
    put("tls/$version/tls.key", $key);
    symlink $version, "$dir/tls/..new" or die "symlink: $!";
    rename "$dir/tls/..new", "$dir/tls/..data" or die "rename: $!";

    for my $name ('tls.crt', 'tls.key') {
        symlink "..data/$name", "$dir/tls/$name" if !-l "$dir/tls/$name";
    }
}

my @one = pair('one');
my @two = pair('two');
my @three = pair('three');
my @rsa = pair('rsa', 'rsa:2048');
my $requestheader = slurp('standin/requestheader-ca.crt');
my $ca = slurp('standin/ca.crt');

secret(@one);
put('front.crt', $requestheader);
put('client.crt', $ca);

$t->start_nginx;
ok($t->synced, 'synced') or diag($t->log);


# --- who asks, and who answers ----------------------------------------------

sub connection {
    my $c = IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602",
        SSL_verify_mode => SSL_VERIFY_NONE, Timeout => 10,
        SSL_cert_file => "$dir/standin/front-client.crt",
        SSL_key_file => "$dir/standin/front-client.key", @_);

    return $c // die $SSL_ERROR;
}

my $kept = connection();
is($kept->peer_certificate('cn'), 'one', 'the first certificate');

sub kept {
    return on_kept($kept, '/livez/ping', @masters);
}

# over several connections, as each may be another worker's
sub answers {
    my ($cert, @headers) = @_;
    my %seen;

    for (1 .. 6) {
        $seen{$t->ask($nodes, cert => $cert, headers => \@headers)->{status}}
            = 1;
    }

    return join ' ', sort keys %seen;
}

sub front { return answers('front-client', @masters) }
sub client { return answers('admin') }

# names of the certificates that both servers show, and how many are sent
sub shown {
    my %seen;

    for my $name (('localhost', 'other.example') x 4) {
        my $c = connection(SSL_hostname => $name);
        my @chain = $c->peer_certificates;
        $seen{$c->peer_certificate('cn') . ' ' . @chain} = 1;
        close $c;
    }

    return join ', ', sort keys %seen;
}

# both workers log these lines, once each
sub told {
    my ($what, @lines) = @_;

    for my $line (@lines) {
        ok(wait_for($look, sub { (() = $t->log($line)) >= 2 }),
           "$what: is told: $line") or diag(scalar $t->log(qr/k8s_metrics:/));
    }
}

sub changed { return qr/\[notice\].*$_[0]" has changed: the new one is in f/ }
sub broken { return qr/\[error\].*$_[0]\S* has changed and .*$_[1]: the old / }

is(front(), 200, 'the front proxy is believed');
is(client(), 200, 'a client, too');
is(kept(), 200, 'on a connection that is kept');
is(shown(), 'one 1', 'both servers show it');
is((() = $t->log(qr/cannot be read by a worker/)), 0, 'all can be read');


# --- other ones --------------------------------------------------------------

secret(@two);
put('front.crt', $ca);
put('client.crt', $one[0]);
told('replaced', changed('/front.crt'), changed('/client.crt'),
     changed('/tls.crt'), changed('/tls.key'));
is(front(), 401, 'another front proxy CA: not believed');
is(client(), 401, 'another client CA: not believed');
is(kept(), 401, 'nor on a connection that is kept');
is(shown(), 'two 1', 'another certificate');


# --- broken ones, of which each is told --------------------------------------

secret($three[0], $two[1]);
put('front.crt', substr($requestheader, 0, 300));
put('client.crt', 'none');
told('broken', broken('/front.crt"', 'a PEM block in it is broken'),
     broken('/client.crt"', 'no certificate in it'),
     broken('/tls.key"', 'the key does not belong to the certificate'));

secret($three[0] . substr($ca, 0, 300), $three[1]);
unlink "$dir/front.crt";
told('more', broken('/front.crt"', 'cannot be opened'),
     broken('/tls.key"', 'a certificate of its chain is broken'));

secret(@rsa);
told('another type', broken('/tls.key"', 'another type of key needs a reload'));

is(front(), 401, 'the CA before it is in force');
is(client(), 401, 'the clients\' CA, too');
is(kept(), 401, 'on a connection that is kept');
is(shown(), 'two 1', 'the certificate before it');


# --- good ones again ----------------------------------------------------------

my $before = () = $t->log(changed('/tls.crt'));

secret($three[0] . $ca, $three[1]);
put('front.crt', $ca . $requestheader);
put('client.crt', $ca);
ok(wait_for($look, sub { (() = $t->log(changed('/front.crt'))) == 4
                         && (() = $t->log(changed('/client.crt'))) == 4
                         && (() = $t->log(changed('/tls.crt'))) == 4 }),
   'good ones') or diag(scalar $t->log(qr/k8s_metrics:/));
is(front(), 200, 'the front proxy is believed');
is(client(), 200, 'a client, too');
is(kept(), 200, 'on the connection that is kept');
is(shown(), 'three 2', 'a certificate with its chain');
is($before, 2, 'nothing of it was in force before');

# tried again with each look, told once by each worker
my %lines;
$lines{ s/^\S+ \S+ \S+ (\d+)#\d+: /$1 /r }++ for $t->log(qr/ has changed and /);
is_deeply([ grep { $lines{$_} > 1 } keys %lines ], [], 'each is told once');
is(scalar keys %lines, 12, 'and by both') or diag(join '', sort keys %lines);


# --- a worker that takes over begins with what there is -------------------------

is_deeply([ $t->alerts ], [], 'no alerts');

my @workers = $t->workers;
kill 'KILL', @workers;
ok(wait_for(10, sub {
    my @w = $t->workers;
    return @w == 2 && !grep { $_ == $workers[0] || $_ == $workers[1] } @w;
}), 'other workers');
ok(wait_for($look, sub { (() = $t->log(changed('/tls.crt'))) == 6 }),
   'look at once') or diag(scalar $t->log(qr/k8s_metrics:/));
is(shown(), 'three 2', 'the certificate that is there');
is(front(), 200, 'the CA, too');
is($t->stop, 0, 'ends');


# --- what a worker cannot read -------------------------------------------------

unlink "$dir/error.log";
chmod 0600, map { "$dir/tls/..data/$_" } 'tls.key';
chmod 0600, "$dir/client.crt";
$t->{main} = "user nobody nogroup;\n";

# and one whose key only nginx itself can read
put('password', "secret\n");
system("openssl ec -aes256 -in $dir/two.key -out $dir/locked.key"
       . " -passout file:$dir/password 2> $dir/openssl.log") == 0
    or die slurp('openssl.log');
$t->{extra} .= " server { listen ADDR:8604 ssl; ssl_certificate DIR/two.crt;
    ssl_certificate_key DIR/locked.key; ssl_password_file DIR/password;
    location / { k8s_metrics_auth on; k8s_metrics; } }";

$t->start_nginx;
ok($t->synced, 'starts') or diag($t->log);

for my $name ('ssl_certificate_key "\S+/tls.key"',
              'k8s_metrics_client_ca "\S+/client.crt"')
{
    my $line = qr/\[warn\].*$name cannot be read by a worker process: a change/;
    ok(wait_for($look, sub { scalar $t->log($line) }), 'told at start');
    is((() = $t->log($line)), 1, 'once');
}

is((() = $t->log(qr/cannot be read by a worker/)), 2, 'of these alone');
my $left = qr/certificate of the server in \S+ needs a reload: it has "ssl_pas/;
is((() = $t->log($left)), 1, 'and what is left alone');

secret(@one);
chmod 0600, "$dir/tls/..data/tls.key";
ok(wait_for($look, sub { (() = $t->log(qr/\[info\].*key" has changed and c/))
                         == 2 }), 'a change of it is no error');
is(shown(), 'three 2', 'and not in force');

@workers = $t->workers;
kill 'HUP', $t->{pid};
ok(wait_for(20, sub {
    my @w = $t->workers;
    return @w == 2 && !grep { $_ == $workers[0] || $_ == $workers[1] } @w;
}), 'reload');
is(shown(), 'one 1', 'which takes it');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');
is((() = $t->log(qr/\[error\].*has changed/)), 0, 'no errors');

done_testing();
