#!/usr/bin/perl

# A watch that stays silent, with not even the bookmark of each minute: the
# connection is dead, or the server waits for versions that it had before it
# was restored.  It takes its time: twice 90 seconds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time sleep);

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

$api->change(nodes => ADDED => { name => 'n1' });
$api->change(pods => ADDED => { ns => 'a', name => 'p1', node => 'n1' });
$api->start;
$t->start;

sub lists { return scalar $api->requests(qr/$_[0]\?.*(sendInitial|limit=)/) }
sub watches { return scalar $api->requests(qr/$_[0]\?watch=true&resourceV/) }

ok($t->becomes(pods => 'a/p1', 'known'), 'listed');

# the stream of the list is the watch, until it ends
$api->cut($_ => 'end') for qw(nodes pods);
ok(wait_for(5, sub { watches('pods') && watches('nodes') }), 'watched');

my $start = time;
$api->cut($_ => 'mute') for qw(nodes pods);
sleep 0.5;
$api->change(pods => ADDED => { ns => 'a', name => 'p2', node => 'n1' });

ok(wait_for(100, sub { watches('pods') > 1 && watches('nodes') > 1 }),
   'watched again');
cmp_ok(time - $start, '>', 75, 'not while a bookmark may come');
ok($t->becomes(pods => 'a/p2', 'known'), 'what happened meanwhile is told');
is(lists('pods'), 1, 'without a list');

# pods had an event, nodes had none
$api->cut($_ => 'mute') for qw(nodes pods);

ok(wait_for(100, sub { watches('pods') > 2 && lists('nodes') > 1 }),
   'nodes are listed after the second time');
is(lists('pods'), 1, 'pods are not');
ok($t->log(qr/nodes failed: neither events nor bookmarks come/),
   'which is said');

is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
