#!/usr/bin/perl

# Two kubelets report a pod of the same name: what counts is said by the node
# that the API server places it on, also when it comes back on the other one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);

use KubeTest qw(wait_for);


my $t = KubeTest->new(http => 'k8s_metrics_resolution 10s;');
my $api = $t->api;

for my $i (1, 2) {
    $api->change(nodes => ADDED => { name => "n$i", port => 8400,
        addresses => [ [ InternalIP => $t->addr ] ], annotations => {
            'metrics.k8s.io/resource-metrics-path' => "/metrics/of/n$i" } });
}

# 1 core and 1,000 Ki by n1, twice as much by n2
$api->set(metrics => { map { ("/metrics/of/n$_" =>
                              [ [ 'a', 'p', $_, $_ * 1024000 ] ]) } 1, 2 });
$api->change(pods => ADDED => { ns => 'a', name => 'p', node => 'n1' });
$api->start;
$t->start;

# the memory that is served in 1,000 Ki, 0 while there is none
sub served {
    my ($status, $body)
        = $t->get('/apis/metrics.k8s.io/v1beta1/namespaces/a/pods/p');

    return 0 if ($status // 0) != 200;
    return JSON::PP::decode_json($body)->{containers}[0]{usage}{memory} =~
        /^(\d+)Ki$/ ? $1 / 1000 : -1;
}

# until it is $want; never anything else but nothing
sub becomes {
    my ($want) = @_;
    my %other;

    my $got = wait_for(35, sub {
        my $now = served();
        $other{$now} = 1 if $now != 0 && $now != $want;
        return $now == $want;
    });

    return $got && !%other;
}

ok(becomes(1), 'what its node says');

$api->change(pods => DELETED => { ns => 'a', name => 'p', node => 'n1' });
$api->change(pods => ADDED => { ns => 'a', name => 'p', node => 'n2' });
ok(wait_for(5, sub { served() != 1 }), 'created again on the other node');
ok(becomes(2), 'what that one says, and never the old one');

# the deletion was missed: it is on another node all at once
$api->change(pods => MODIFIED => { ns => 'a', name => 'p', node => 'n1' });
ok(wait_for(5, sub { served() != 2 }), 'back, without a deletion');
ok(becomes(1), 'what the first one says');

is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
