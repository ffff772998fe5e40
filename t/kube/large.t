#!/usr/bin/perl

# An object over 8 MB is skipped as its bytes arrive: what was known of it is
# forgotten, all others stay, in a list, in pages and on a watch.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use KubeTest qw(wait_for);


my $most = 8 * 1048576;

my $t = KubeTest->new;
my $api = $t->api;

sub lists { return scalar $api->requests(qr/$_[0]\?.*(sendInitial|limit=)/) }

sub anon {
    my ($pid) = $t->workers;
    open(my $fh, '<', "/proc/$pid/status") or return 0;
    local $/;
    return <$fh> =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

sub pod {
    my ($name, $fat) = @_;
    return { ns => 'a', name => $name, node => 'n1', fat => $fat // 0 };
}

$api->change(nodes => ADDED => { name => 'n0', fat => $most + 1 });
$api->change(nodes => ADDED => { name => 'n1' });
$api->change(pods => ADDED => pod('p1'));
$api->change(pods => ADDED => pod('p2', $most + 1));
$api->change(pods => ADDED => pod('p3'));
$api->start;
$t->start;


# in a streaming list

ok($t->becomes(pods => 'a/p3', 'known', 10), 'the pod behind it');
ok($t->becomes(nodes => 'n1', 'known', 10), 'the node behind it');
is($t->knows(pods => 'a/p1'), 'known', 'the pod before it');
is($t->knows(pods => 'a/p2'), 'unknown', 'it is left out');
is($t->knows(nodes => 'n0'), 'unknown', 'and a node');

my $anon = anon();


# on a watch

$api->change(pods => ADDED => pod('p4', $most - 1000));
ok($t->becomes(pods => 'a/p4', 'known', 10), 'almost as large is none');

$api->change(pods => MODIFIED => pod('p3', 3 * $most));
$api->change(pods => ADDED => pod('p5'));
ok($t->becomes(pods => 'a/p5', 'known', 10), 'the watch goes on');
is($t->knows(pods => 'a/p3'), 'unknown', 'one that became so is forgotten');

$api->change(pods => MODIFIED => pod('p3'));
ok($t->becomes(pods => 'a/p3', 'known'), 'until it is no more');

my $rv = $api->change(pods => DELETED => pod('p1', $most + 1));
ok($t->becomes(pods => 'a/p1', 'unknown', 10), 'it can be deleted');

$api->cut(pods => 'end');
ok(wait_for(5, sub { $api->requests(qr/pods\?watch=true&resourceV/) }),
   'the next watch follows');
my ($from) = ($api->requests(qr/pods\?watch=true&resourceV/))[-1]{path}
    =~ /resourceVersion=(\d+)/;
is($from, $rv, 'from the version of what was skipped');

is(lists('pods'), 1, 'pods were listed once');
cmp_ok(anon() - $anon, '<', 2048, 'nothing of it is held');


# in pages

$api->set(stream => 0, page => 2);
$api->change(pods => MODIFIED => pod('p5', $most + 1));
$api->change(pods => MODIFIED => pod('p4'));
$api->change(pods => ADDED => pod('p6'));
$api->cut(pods => 'expire');
ok(wait_for(10, sub { lists('pods') > 3 }), 'pages');
$api->change(pods => ADDED => pod('p7'));
ok($t->becomes(pods => 'a/p7', 'known', 10), 'and the watch behind them');
is($t->knows(pods => 'a/p6'), 'known', 'the last page');
is($t->knows(pods => 'a/p5'), 'unknown', 'without what is too large');


my @said = $t->log(qr/\[warn\].* pods is left out/);
is(scalar @said, 1, 'one line a minute');
like($said[0], qr{"a/p2": it is too large, 1 in all}, 'with its name');
is($t->logged(qr/\[error\].*API server/), 0, 'nothing failed');

is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
