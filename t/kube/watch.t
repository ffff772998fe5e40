#!/usr/bin/perl

# Nodes and pods are listed once and then followed: what comes, goes, ends,
# breaks or expires on a watch shows, and nothing is listed again that need
# not be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

$api->change(nodes => ADDED => { name => 'n1', labels => { b => 2, a => 1 },
    addresses => [ [ InternalIP => $t->addr ], [ Hostname => 'n1' ] ],
    port => 8400, annotations => {
        'metrics.k8s.io/resource-metrics-path' => '/metrics/of/n1' } });
$api->change(pods => ADDED => { ns => 'a', name => 'p1', node => 'n1' });
$api->change(pods => ADDED => { ns => 'a', name => 'unbound' });
$api->start;
$t->start;

sub lists { return scalar $api->requests(qr/$_[0]\?.*(sendInitial|limit=)/) }
sub watches { return scalar $api->requests(qr/$_[0]\?watch=true&resourceV/) }


# the first list, as a stream

ok($t->becomes(nodes => 'n1', 'known'), 'node is listed');
ok($t->becomes(pods => 'a/p1', 'known'), 'pod is listed');
is($t->knows(pods => 'a/unbound'), 'unknown', 'pod without a node is not');

my ($r) = $api->requests(qr{/api/v1/pods});
like($r->{path}, qr/fieldSelector=status\.phase%3DRunning/, 'running pods');
like($r->{path}, qr/sendInitialEvents=true/, 'as a stream');
is($r->{accept}, 'application/vnd.kubernetes.protobuf', 'in protobuf');
is($r->{auth}, 'Bearer token-1', 'with the token');
is($r->{host}, $t->addr . ':8400', 'with the host');

ok(wait_for(5, sub { $api->requests(qr{^/metrics/of/n1$}) }),
   'address, port and path of the node are used');


# events

$api->change(pods => ADDED => { ns => 'a', name => 'p2', node => 'n1' });
$api->change(nodes => ADDED => { name => 'n2' });
$api->change(pods => DELETED => { ns => 'a', name => 'p1', node => 'n1' });
ok($t->becomes(pods => 'a/p2', 'known'), 'new pod');
ok($t->becomes(nodes => 'n2', 'known'), 'new node');
ok($t->becomes(pods => 'a/p1', 'unknown'), 'deleted pod');

$api->change(pods => MODIFIED => { ns => 'a', name => 'unbound',
                                   node => 'n2' });
ok($t->becomes(pods => 'a/unbound', 'known'), 'pod that is bound later');

$api->change(pods => MODIFIED => { ns => 'a', name => 'unbound', node => 'n2',
                                   phase => 'Succeeded' });
ok($t->becomes(pods => 'a/unbound', 'unknown'), 'pod that has finished');


# ends that are no failure: the next watch begins where the last one stood

for my $how (qw(end cut half)) {
    my $n = watches('pods');

    $api->cut(pods => $how);
    ok(wait_for(5, sub { watches('pods') > $n }), "watch again after $how");

    my $rv = $api->change(pods => ADDED =>
                          { ns => 'a', name => "after-$how", node => 'n1' });
    ok($t->becomes(pods => "a/after-$how", 'known'), 'and it goes on');

    my $last = ($api->requests(qr/pods\?watch=true&resourceV/))[-1]{path};
    my ($from) = $last =~ /resourceVersion=(\d+)/;
    cmp_ok($from, '>', 1000, 'from a version');
    cmp_ok($from, '<', $rv, 'that it had seen');
}

is(lists('pods'), 1, 'pods were listed once');
is(lists('nodes'), 1, 'nodes, too');
is($t->logged(qr/\[(error|alert|crit|emerg)\].*API server/), 0,
   'none of it is an error');


# a bookmark moves the version on

my $rv = $api->change(nodes => ADDED => { name => 'n3' });
$api->cut(pods => $_) for qw(bookmark end);
ok(wait_for(5, sub {
    my $last = ($api->requests(qr/pods\?watch=true&resourceV/))[-1]{path};
    return $last =~ /resourceVersion=$rv&/;
}), 'version of a bookmark');


# versions that are gone: as an event, and as an answer

for my $how (qw(expire 410)) {
    my $n = lists('pods');

    $api->vanish(pods => 'a/after-' . ($how eq '410' ? 'cut' : 'end'));
    $api->set(oldest => $rv + 1);

    if ($how eq '410') {
        $api->cut(pods => 'end');
        ok(wait_for(8, sub { lists('pods') > $n }), 'list after HTTP 410');
        ok($t->becomes(pods => 'a/after-cut', 'unknown', 8),
           'what vanished is gone');

    } else {
        $api->cut(pods => 'expire');
        ok(wait_for(8, sub { lists('pods') > $n }), 'list after event 410');
        ok($t->becomes(pods => 'a/after-end', 'unknown', 8),
           'what vanished is gone');
    }

    $api->set(oldest => 0);
    is($t->knows(pods => 'a/p2'), 'known', 'the rest is there');
}


# bytes that are no protobuf: said, and listed again

my $n = lists('nodes');

$api->cut(nodes => 'garbage');
ok(wait_for(8, sub { lists('nodes') > $n }), 'list after garbage');
ok(wait_for(8, sub { $t->log(qr/\[notice\].* nodes works again/) }),
   'it recovers, and says so');
is($t->logged(qr/\[error\].* of nodes failed: /), 1, 'one error line');


is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');
is($t->logged(qr/(?<!k8s_metrics: )API server "/), 0, 'each line has our name');
is($t->logged(qr/token-1/), 0, 'no token in the log');

done_testing();
