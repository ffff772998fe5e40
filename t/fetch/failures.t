#!/usr/bin/perl

# A request that fails says why in one line that an operator understands,
# without a line of the machinery beneath; and it does no harm: the next one
# works, nothing leaks.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../kube/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

$api->change(nodes => ADDED => { name => 'n1' });
$api->start;
$t->start;
ok($t->becomes(nodes => 'n1', 'known'), 'it works');

my ($worker) = $t->workers;

sub fds {
    opendir(my $dh, "/proc/$worker/fd") or return;
    my @fds = grep { /\d/ } readdir $dh;
    return scalar @fds;
}

my %says = (
    close => 'no answer: connection closed',
    reset => 'no answer: connection (closed|reset by peer)',
    garbage => 'answer is not HTTP/1\.1',
    half => 'answer cut short after 3 bytes',
    html => 'answer is not Kubernetes protobuf',
    302 => 'answered 302',
    503 => 'answered 503',
);

my $open = fds();

for my $mode (sort keys %says) {
    # a failure that was retried on a new connection is none
    $api->mode(nodes => ($mode) x 2);
    $api->cut(nodes => 'end');

    ok(wait_for(10, sub { $t->log(qr/of nodes failed: $says{$mode}\b/) }),
       "$mode is said") or diag $t->log(qr/failed/);

    $api->mode('nodes');
    $api->change(nodes => ADDED => { name => "n-$mode" });
    ok($t->becomes(nodes => "n-$mode", 'known', 15), 'and overcome');
}

# what waits is nodes' and pods' watch, and connections kept for the next
cmp_ok(fds(), '<=', $open + 3, 'no descriptor leaks');
is($t->logged(qr/upstream|recv\(\)|connect\(\)/), 0,
   'nothing but our own words');


# nothing listens

$api->stop;
ok(wait_for(10, sub { $t->log(qr/of nodes failed: connection refused/) }),
   'refused is said');


is(scalar(($t->workers)[0]), $worker, 'the worker is the same');
is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
