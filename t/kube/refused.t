#!/usr/bin/perl

# An API server that is down, refuses, or has no streaming lists.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

$api->change(nodes => ADDED => { name => 'n1' });
$api->change(pods => ADDED => { ns => 'a', name => "p$_", node => 'n1' })
    for 1 .. 7;


# down at start

$t->start;
ok(wait_for(5, sub { $t->log(qr/list of nodes failed: connection refused/) }),
   'nginx starts without it, and says why it knows nothing');
is($t->knows(nodes => 'n1'), 'not ready', 'it is not ready');

# no streaming lists, and pages of three

$api->set(stream => 0, page => 3);
$api->start;

ok($t->becomes(nodes => 'n1', 'known', 15), 'it recovers');
ok($t->becomes(pods => 'a/p7', 'known', 15), 'the last page is read');

my @pages = grep { /limit=/ } map { $_->{path} } $api->requests(qr/pods\?/);
is(scalar @pages, 3, 'three pages');
like($pages[1], qr/continue=3%3D%2B%2F(&|$)/, 'continue is escaped');
unlike($pages[1], qr/resourceVersion/, 'and goes without a version');
is($t->logged(qr/\[error\].*of pods failed/), 1,
   'one line for all failures of a kind');

ok(wait_for(5, sub { $api->requests(qr/pods\?watch=true&resourceV/) }),
   'the watch follows');

# a list that expires between two pages begins again

$api->set(oldest => 5000);
$api->mode(pods => 410, '', 410);
$api->cut(pods => 'end');
ok(wait_for(10, sub {
    my @p = map { $_->{path} } $api->requests(qr/pods\?/);
    return scalar grep { /limit=500&field/ } @p;
}), 'listed again, not from a cache');
$api->set(oldest => 0);
ok($t->becomes(pods => 'a/p7', 'known', 15), 'all is there');


# a token that is no longer valid is read again

$api->set(token => 'token-2');
$t->write('token', "token-2\n");
$api->cut(nodes => 'end');
ok(wait_for(15, sub { $api->requests(qr/nodes/)
                      && ($api->requests(qr/nodes/))[-1]{auth}
                         eq 'Bearer token-2' }), 'token is read again');
ok(wait_for(5, sub { $t->log(qr/of nodes failed: answered 401/) }),
   '401 is said');


# 429 says when to come again

wait_for(10, sub { $t->log(qr/\[notice\].* nodes works again/) });
$api->mode(pods => 429);
my $n = $api->requests(qr/pods\?/);
$api->cut(pods => 'end');
ok(wait_for(15, sub { $api->requests(qr/pods\?/) >= $n + 2 }),
   'asked again after 429');

my @r = ($api->requests(qr/pods\?/))[$n, $n + 1];
cmp_ok($r[1]{time} - $r[0]{time}, '>=', 1.9, 'not before Retry-After');


# failures back off, and are told once

$api->mode(nodes => (500) x 3);
$n = $api->requests(qr/nodes\?/);
$api->cut(nodes => 'end');
ok(wait_for(20, sub { $api->requests(qr/nodes\?/) >= $n + 4 }),
   'asked again after 500');
@r = ($api->requests(qr/nodes\?/))[$n .. $n + 3];
cmp_ok($r[3]{time} - $r[2]{time}, '>', $r[1]{time} - $r[0]{time},
       'later each time');
is($t->logged(qr/of nodes failed: answered 500/), 1, 'one line');


# a node without rights to list

$api->mode(pods => (403) x 2);
$n = $api->requests(qr/pods\?/);
$api->cut(pods => 'end');
wait_for(15, sub { $api->requests(qr/pods\?/) >= $n + 3 });
is($t->logged(qr/of pods failed: answered 403/), 1, '403 is said once');


is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');
is($t->logged(qr/(?<!k8s_metrics: )API server "/), 0, 'each line has our name');

done_testing();
