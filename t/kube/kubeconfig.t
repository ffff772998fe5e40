#!/usr/bin/perl

# Where the API server is and who we are to it: what is read, and what is
# refused with a reason.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;

use KubeTest;


my $t = KubeTest->new;
my $d = $t->dir;
my $ok = qr/test is successful/;

for my $name (qw(one two)) {
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        . " -nodes -days 2 -subj /CN=$name -keyout $d/$name.key"
        . " -out $d/$name.pem 2> $d/openssl.log") == 0
        or die "openssl failed";
}

my $pem = do { local (@ARGV, $/) = "$d/one.pem"; <> };
my $data = encode_base64($pem, '');
my $server = "server: 'https://127.0.0.1:6443'";

my @cases = (
    [ 'token and CA data', "$server, certificate-authority-data: $data",
      'token: t', $ok ],
    [ 'files beside the kubeconfig', "$server, certificate-authority: one.pem",
      'tokenFile: token', $ok ],
    [ 'client certificate', "$server, certificate-authority: $d/one.pem",
      'client-certificate: one.pem, client-key: one.key', $ok ],
    [ 'IPv6 and a prefix', "server: 'https://[::1]:6443/k8s/clusters/c-1'",
      'token: t', $ok ],
    [ 'no verification', "$server, insecure-skip-tls-verify: true",
      'token: t', $ok ],
    [ 'plain HTTP', "server: 'http://127.0.0.1:8001'", 'token: t', $ok ],
    [ 'null is absent', "$server, proxy-url: null", 'token: t, exec: ', $ok ],

    [ 'other key', "$server", 'client-certificate: one.pem,'
      . ' client-key: two.key', qr/key does not belong to the certificate/ ],
    [ 'no key', "$server", 'client-certificate: one.pem',
      qr/need each other/ ],
    [ 'both CA and insecure', "$server, insecure-skip-tls-verify: true,"
      . " certificate-authority: one.pem", 'token: t', qr/has both/ ],
    [ 'missing file', "$server, certificate-authority: none.pem", 'token: t',
      qr/cannot open the API server's certificate-authority ".*none\.pem"/ ],
    [ 'not base64', "$server, certificate-authority-data: '%%%'", 'token: t',
      qr/"certificate-authority-data" in .* is not base64/ ],
    [ 'not PEM', "$server, certificate-authority-data: YWJj", 'token: t',
      qr/CA bundle holds no valid PEM certificate/ ],
    [ 'exec plugin', $server, 'exec: {command: aws}',
      qr/uses "exec", which is not supported/ ],
    [ 'auth provider', $server, 'auth-provider: {name: gcp}',
      qr/uses "auth-provider", which is not supported/ ],
    [ 'impersonation', $server, 'token: t, as: root',
      qr/uses "as", which is not supported/ ],
    [ 'proxy', "$server, proxy-url: 'http://p'", 'token: t',
      qr/uses "proxy-url", which is not supported/ ],
    [ 'other scheme', "server: 'ftp://x'", 'token: t', qr/invalid URL/ ],
    [ 'port out of range', "server: 'https://x:65536'", 'token: t',
      qr/invalid URL/ ],
    [ 'no server', 'a: b', 'token: t', qr/invalid URL/ ],
    [ 'a map as server', 'server: {a: b}', 'token: t',
      qr/"server" in .* is no string/ ],
);

for my $case (@cases) {
    my ($name, $cluster, $user, $want) = @$case;

    $t->kubeconfig($cluster, $user);
    like($t->check, $want, $name);
    like($t->check, qr{\[emerg\] k8s_metrics(_apiserver)?: }, 'with our name')
        if $want != $ok;
}

my $empty = $t->kubeconfig;

for my $case (
    [ 'no context', "clusters: []\n", qr/has no current-context/ ],
    [ 'unknown context', "current-context: x\n", qr/no "x" in its contexts/ ],
    [ 'no YAML', "a: [\n", qr/not valid YAML: .* line 2/ ],
    [ 'empty', '', qr/is no file of 1 to 1048576 bytes/ ],
    [ 'deep', '[' x 20000, qr/\[emerg\]/ ])
{
    $t->write('kubeconfig', $case->[1]);
    like($t->check, $case->[2], $case->[0]);
}


# in a cluster

mkdir "$d/sa";
$t->write('sa/ca.crt', $pem);
$t->write('sa/token', "abc\n");

$t->{source} = "in_cluster=$d/sa";

delete local @ENV{qw(KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT)};
like($t->check, qr/KUBERNETES_SERVICE_PORT are not in the environment/,
     'no cluster around');

$ENV{KUBERNETES_SERVICE_HOST} = '::1';
$ENV{KUBERNETES_SERVICE_PORT} = 443;
like($t->check, $ok, 'service account');

$ENV{KUBERNETES_SERVICE_PORT} = 'x';
like($t->check, qr/invalid KUBERNETES_SERVICE_PORT "x"/, 'port');

$ENV{KUBERNETES_SERVICE_PORT} = 443;
unlink "$d/sa/token";
like($t->check, qr/cannot open the API server's service account token/,
     'no token');

$t->{source} = 'somewhere';
like($t->check, qr/invalid parameter "somewhere"/, 'other parameter');

done_testing();
