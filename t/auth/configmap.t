#!/usr/bin/perl

# What is wrong with the cluster's settings is told in the log at once, by the
# key that it is wrong with, and lets nobody in; what is mended is in force
# within five seconds, on connections that are kept, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use Test::More;

use K8sMetrics qw(on_kept wait_for);

{
    package Cluster;
    our @ISA = qw(K8sMetrics);
    sub believe { return '' }       # the settings are the cluster's
}


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';
my @masters = ('X-Remote-User: u', 'X-Remote-Group: system:masters');

my $t = Cluster->new(workers => 2, standin => [ -nodes => 1, -pods => 2 ]);

$t->start;
ok($t->synced, 'synced') or diag($t->log);

sub slurp { return K8sMetrics::slurp("$t->{dir}/standin/$_[0]") }

sub front {
    return $t->ask($nodes, cert => 'front-client', headers => \@masters)
        ->{status};
}

sub client { return $t->ask($nodes, cert => 'admin')->{status} }

# who is not believed, and why

my %why = (
    'front-expired' => 'as front proxy: certificate has expired',
    'front-notyet' => 'as front proxy: certificate is not yet valid',
    'front-other' => 'as front proxy: its name is not an allowed one',
    'front-serverauth' => 'as front proxy: uns\w+ certificate purpose',
    'rogue-client' => 'as front proxy: unable to get local issuer.*'
        . 'as client: unable to get local issuer',
    'alice-expired' => 'as client: certificate has expired',
    'front-client' => 'as front proxy: the request has no user header',
);

for my $cert (sort keys %why) {
    is($t->ask($nodes, cert => $cert)->{status}, 401, "$cert: 401");
    ok($t->log(qr/\[warn\].*"[^"]+" is not believed, .*$why{$cert}/),
       "$cert: the log says why") or diag(scalar $t->log);
}


# one connection over all that happens; what it is answered

my $d = "$t->{dir}/standin";
my $kept;

sub kept {
    $kept //= IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602",
        SSL_verify_mode => SSL_VERIFY_NONE, Timeout => 10,
        SSL_cert_file => "$d/front-client.crt",
        SSL_key_file => "$d/front-client.key") or die $SSL_ERROR;

    return on_kept($kept, '/livez/ping', @masters);
}

my @good = (front(), client(), kept());
is("@good", '200 200 200', 'both are believed');


# a change, that both workers log it without being asked and one of them what
# is wrong with it, and answers

sub change {
    my ($what, $map, $line, $front, $client) = @_;

    truncate "$t->{dir}/error.log", 0;
    $t->control('/configmap', $map);

    ok(wait_for(5, sub { (() = $t->log(qr/settings read/)) == 2 }),
       "$what: is read by both") or diag($t->log);
    is(scalar(() = $t->log($line)), $line =~ /notice/ ? 2 : 1,
       "$what: is told") or diag($t->log);
    is(front(), $front, "$what: the front proxy");
    is(client(), $client, "$what: a client");
    is(kept(), $front, "$what: on a connection that is kept");

    $t->control('/configmap', {
        'requestheader-client-ca-file' => slurp('requestheader-ca.crt'),
        'client-ca-file' => slurp('ca.crt'),
        'requestheader-allowed-names' => '["front-proxy-client"]',
        'requestheader-username-headers' => '["X-Remote-User"]',
        'requestheader-group-headers' => '["X-Remote-Group"]',
        'requestheader-uid-headers' => '["X-Remote-Uid"]',
        'requestheader-extra-headers-prefix' => '["X-Remote-Extra-"]' });
    ok(wait_for(5, sub { front() == 200 }), "$what: mended");
    is(kept(), 200, "$what: mended on that connection");
}

my $key = '\[error\].*"requestheader-%s" of the ConfigMap .*: '
    . 'the aggregation layer is not believed';

change('names that are no list', { 'requestheader-allowed-names' => 'x' },
       sprintf($key, 'allowed-names') =~ s/\.\*:/\\S+ is no JSON array.*:/r,
       401, 200);
change('names that are numbers', { 'requestheader-allowed-names' => '[1]' },
       sprintf($key, 'allowed-names'), 401, 200);
change('an empty prefix', { 'requestheader-extra-headers-prefix' => '[""]' },
       sprintf($key, 'extra-headers-prefix') =~ s/\.\*:/\\S+ holds "".*:/r,
       401, 200);
change('a header that is none',
       { 'requestheader-username-headers' => '["X Remote"]' },
       sprintf($key, 'username-headers') =~ s/\.\*:/\\S+ holds "X Remote".*:/r,
       401, 200);
change('no front proxy CA', { 'requestheader-client-ca-file' => undef },
       '\[warn\].*no usable "requestheader-client-ca-file".*'
       . '--requestheader-client-ca-file', 401, 200);
change('a broken front proxy CA', { 'requestheader-client-ca-file' =>
           slurp('requestheader-ca.crt') =~ s/.{9}(?=\n-----END)/????/r },
       '\[error\].*"requestheader-client-ca-file" of the ConfigMap .* '
       . 'cannot be used: a PEM block in it is broken', 401, 200);
change('a client CA with a part that is none', { 'client-ca-file' =>
           slurp('ca.crt') . "-----BEGIN CERTIFICATE-----\nMAA=\n"
           . "-----END CERTIFICATE-----\n" },
       '\[error\].*"client-ca-file" of the ConfigMap .* cannot be used: '
       . 'a certificate in it cannot be read', 200, 401);


# another CA, then both, as in a rotation

change('a front proxy CA of another', { 'requestheader-client-ca-file' =>
           slurp('ca.crt') },
       '\[notice\].*front proxy CA set, client CA set', 401, 200);
change('a bundle of both', { 'requestheader-client-ca-file' =>
           slurp('ca.crt') . slurp('requestheader-ca.crt') },
       '\[notice\].*front proxy CA set, client CA set', 200, 200);


# the ConfigMap goes

truncate "$t->{dir}/error.log", 0;
$t->control('/configmap', {}, 'DELETE');
ok(wait_for(5, sub { (() = $t->log(qr/\[warn\].*has no ConfigMap/)) == 1 }),
   'no ConfigMap: is told');
is(front(), 401, 'no ConfigMap: the front proxy');
is(client(), 401, 'no ConfigMap: a client');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
