#!/usr/bin/perl

# Directives about kubelets that nginx refuses to start with, or warns about:
# what it says names the directive and the file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics;


my $t = K8sMetrics->new;

$t->start_standin;

my $d = $t->dir;
my $s = "$d/standin";
my $conf = $t->conf;
my $text = K8sMetrics::slurp($conf);

# what "nginx -t" says with these directives

sub check {
    my ($directives) = @_;

    (my $new = $text)
        =~ s/^\s*k8s_metrics_kubelet_certificate_authority.*$/$directives/m
        or die 'no certificate_authority';

    file('nginx.conf', $new);

    my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';

    return scalar qx($nginx -t -c $conf -e $d/t.log 2>&1);
}

sub file {
    my ($name, $bytes) = @_;

    open(my $fh, '>', "$d/$name") or die "$name: $!";
    print $fh $bytes;
    close $fh;

    return "$d/$name";
}

sub pem { return K8sMetrics::slurp("$s/$_[0]") }


# --- certificates -----------------------------------------------------------

my $ca = 'k8s_metrics_kubelet_certificate_authority';
my $cert = 'k8s_metrics_kubelet_client_certificate';
my $key = 'k8s_metrics_kubelet_client_key';
my $ok = qr/test is successful/;
my $none = 'the CA bundle holds no valid PEM certificate';
my $broken = 'the CA bundle holds an invalid certificate';
my $good = pem('kubelet-ca.crt');

(my $garbled = pem('ca.crt')) =~ s/\n(.{40})/\n%%%$1/;
(my $cut = pem('ca.crt')) =~ s/-----END.*//s;
(my $begin = pem('ca.crt')) =~ s/-----BEGIN CERTIFICATE-----/-----BEGIN CERTIFICATE----/;
(my $der = pem('ca.crt')) =~ s/\n.{64}\n/\n/;

mkdir "$d/folder";

for my $case (
    [ 'good', $good, $ok ],
    [ 'two, with comments', "# one\n$good\n# two\n" . pem('ca.crt'), $ok ],
    [ 'with a request beside it',
      "$good-----BEGIN CERTIFICATE REQUEST-----\nYWJj\n"
      . "-----END CERTIFICATE REQUEST-----\n", $ok ],
    [ 'empty', '', $none ],
    [ 'blank', "\n\n", $none ],
    [ 'text', "hello\n", $none ],
    [ 'a key', pem('alice.key'), $none ],
    [ 'garbled', $garbled, $broken ],
    [ 'garbled among good ones', "$good$garbled$good", $broken ],
    [ 'a line missing among good ones', "$good$der$good", $broken ],
    [ 'cut short', "$good$cut", $broken ],
    [ 'cut short in the middle', "$cut$good", $broken ],
    [ 'a dash missing', "$good$begin", $broken ],
) {
    my ($name, $bytes, $want) = @$case;

    my $file = file('ca.pem', $bytes);

    $want = qr/\[emerg\] .*"$ca" "\Q$file\E": \Q$want\E/ if !ref $want;
    like(check("$ca $file;"), $want, "CA: $name");
}

like(check("$ca '';"), qr/\[emerg\] .*"$ca" names no file/,
     'CA: an empty name');
like(check("$ca $d/none;"), qr/\[emerg\] .*"$ca": open\(\) "$d\/none" failed/,
     'CA: no such file');
like(check("$ca $d/folder;"),
     qr/\[emerg\] .*"$ca": "$d\/folder" is no file of at most 1 MB/,
     'CA: a folder');
file('large', 'x' x (1024 * 1024 + 1));
like(check("$ca $d/large;"),
     qr/\[emerg\] .*"$ca": "$d\/large" is no file of at most 1 MB/,
     'CA: too large');

for my $case (
    [ 'good', "$s/alice.crt", "$s/alice.key", $ok ],
    [ 'no certificate', file('x.crt', "x\n"), "$s/alice.key",
      qr/"$cert" "$d\/x.crt": the client certificate is not valid PEM/ ],
    [ 'empty certificate', file('e.crt', ''), "$s/alice.key",
      qr/"$cert" "$d\/e.crt": the client certificate is not valid PEM/ ],
    [ 'broken chain', file('b.crt', pem('alice.crt') . $cut), "$s/alice.key",
      qr/"$cert" "$d\/b.crt": the client certificate is not valid PEM/ ],
    [ 'no key', "$s/alice.crt", file('x.key', "x\n"),
      qr/"$key" "$d\/x.key": the client key is not valid PEM, or encrypted/ ],
    [ 'another key', "$s/alice.crt", "$s/admin.key",
      qr/"$key" "$s\/admin.key": the client key does not belong to the certificate/ ],
    [ 'a folder as key', "$s/alice.crt", "$d/folder",
      qr/"$key": "$d\/folder" is no file of at most 1 MB/ ],
    [ 'empty name of the key', "$s/alice.crt", "''",
      qr/"$key" names no file/ ],
    [ 'empty name of the certificate', "''", "$s/alice.key",
      qr/"$cert" names no file/ ],
) {
    my ($name, $c, $k, $want) = @$case;

    my $said = check("$ca $s/kubelet-ca.crt; $cert $c; $key $k;");

    like($said, $want, "client: $name");
    like($said, qr/\[emerg\]/, "client: $name: not started") if $want ne $ok;
}

like(check("$cert $s/alice.crt;"), qr/"$cert" and "$key" need each other/,
     'client: one of two');


# --- addresses --------------------------------------------------------------

my $types = 'k8s_metrics_kubelet_preferred_address_types';

like(check("$types InternalIP Foo;"),
     qr/\[emerg\] .*invalid address type "Foo" in "$types", it must be one of/,
     'an unknown type');

for my $names ('Hostname', 'InternalDNS ExternalDNS Hostname') {
    my $said = check("$types $names;");

    like($said, $ok, "$names is taken");
    unlike($said, qr/\[warn\]/, 'without a warning');
}

done_testing();
