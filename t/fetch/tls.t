#!/usr/bin/perl

# What the other side's certificate has to be, and that ours is shown.  nginx
# itself is the TLS end in front of the plain API server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../kube/lib";

use Test::More;

use KubeTest qw(wait_for);


my $probe = KubeTest->new;
my $addr = $probe->addr;

my %cases = (
    'IP address' => [ 'ca', "IP:$addr", '', 'ok' ],
    'DNS name' => [ 'ca', 'DNS:api.test', 'tls-server-name: api.test', 'ok' ],
    'other IP address' => [ 'ca', 'IP:127.0.0.9', '',
        "certificate is not valid for \"$addr\": IP address mismatch" ],
    'other DNS name' => [ 'ca', 'DNS:api.test', 'tls-server-name: b.test',
        'certificate is not valid for "b.test": hostname mismatch' ],
    'name in the subject alone' => [ 'ca', 'DNS:x', 'tls-server-name: leaf',
        'certificate is not valid for "leaf": hostname mismatch' ],
    'other CA' => [ 'rogue', "IP:$addr", '',
        'certificate is not trusted: unable to get local issuer certificate' ],
    'expired' => [ 'ca', "IP:$addr", '',
        'certificate is not trusted: certificate has expired', 'expired' ],
    'for clients only' => [ 'ca', "IP:$addr", '',
        'certificate is not trusted: unsuitable certificate purpose', 1,
        'extendedKeyUsage=clientAuth' ],
    'not verified' => [ 'rogue', 'DNS:x', 'insecure', 'ok' ],
);

undef $probe;

sub run { system("$_[0] 2> /dev/null") == 0 or die "$_[0] failed" }

sub ca {
    my ($d, $name) = @_;
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        . " -days 30 -subj /CN=$name -keyout $d/$name.key -out $d/$name.pem");
}

sub leaf {
    my ($d, $ca, $name, $san, $expired, $more) = @_;
    my $days = ($expired // '') eq 'expired'
        ? '-not_before 20200101000000Z -not_after 20200201000000Z' : '';

    open(my $fh, '>', "$d/$name.cnf") or die;
    print $fh "[ca]\ndefault_ca=c\n[c]\ndatabase=$d/index\nserial=$d/serial\n"
        . "new_certs_dir=$d\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
        . "default_days=20\n[p]\ncommonName=supplied\n"
        . "[x]\nsubjectAltName=$san\n" . ($more ? "$more\n" : '');
    close $fh;

    for my $file ([ index => '' ], [ serial => "1000\n" ]) {
        next if -e "$d/$file->[0]";
        open(my $out, '>', "$d/$file->[0]") or die;
        print $out $file->[1];
        close $out;
    }

    $days =~ s/-not_before (\d+Z) -not_after (\d+Z)/-startdate $1 -enddate $2/;

    run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        . " -subj /CN=leaf -keyout $d/$name.key -out $d/$name.csr");
    run("openssl ca -batch -notext -config $d/$name.cnf -extensions x"
        . " -cert $d/$ca.pem -keyfile $d/$ca.key -in $d/$name.csr"
        . " -out $d/$name.pem $days");
}

for my $name (sort keys %cases) {
    my ($ca, $san, $cluster, $want, $expired, $more) = @{ $cases{$name} };

    my $t = KubeTest->new;
    my $d = $t->dir;

    ca($d, 'ca');
    ca($d, 'rogue');
    leaf($d, $ca, 'server', $san, $expired, $more);
    leaf($d, 'ca', 'client', 'DNS:client');

    $t->{http} = <<"END";
    server {
        listen $addr:8402 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $d/server.pem;
        ssl_certificate_key $d/server.key;
        ssl_client_certificate $d/ca.pem;
        ssl_verify_client on;

        location / {
            proxy_pass http://$addr:8400;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host \$http_host;
            proxy_set_header X-Subject \$ssl_client_s_dn;
        }
    }
END

    $t->kubeconfig("server: 'https://$addr:8402', "
        . ($cluster eq 'insecure' ? 'insecure-skip-tls-verify: true'
            : "certificate-authority: ca.pem" . ($cluster ? ", $cluster"
                                                          : '')),
        'tokenFile: token, client-certificate: client.pem,'
        . ' client-key: client.key');

    $t->api->change(nodes => ADDED => { name => 'n1' });
    $t->api->start;
    $t->start;

    if ($want eq 'ok') {
        ok($t->becomes(nodes => 'n1', 'known', 10), "$name: works")
            or diag $t->log(qr/error/);

        my ($r) = $t->api->requests(qr/nodes/);
        is($r->{subject}, 'CN=leaf', "$name: our certificate was shown");
        is($r->{host}, "$addr:8402", "$name: Host");

    } else {
        ok(wait_for(10, sub { $t->log(qr/\[error\].*nodes failed: \Q$want\E/)
                            }), "$name: $want") or diag $t->log(qr/failed/);
        is(scalar $t->api->requests, 0, "$name: nothing was sent");
    }

    is($t->stop('QUIT'), 0, "$name: exits");
    is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, "$name: no alert");
}

done_testing();
