#!/usr/bin/perl

# When a watch cannot go on another list follows, but lists are expensive:
# each one that does not help makes the next one wait longer.

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

# the stream of the list is the watch, until it ends
sub watching {
    my ($kind) = @_;
    my $n = watches($kind);

    $api->cut($kind => 'end');
    return wait_for(5, sub { watches($kind) > $n });
}

ok($t->becomes(pods => 'a/p1', 'known'), 'listed');


# streams end at times of their own, and none is asked for at once

my (@after, $start);

for (1 .. 5) {
    my %n = map { $_ => watches($_) } qw(nodes pods);

    $start = time;
    $api->cut($_ => 'end') for qw(nodes pods);

    ok(wait_for(5, sub { watches('nodes') > $n{nodes}
                         && watches('pods') > $n{pods} }), 'watched again');
    push @after, map { ($api->requests(qr/$_\?watch=true&resourceV/))[-1]
                       ->{time} - $start } qw(nodes pods);

    # what lives shorter waits longer
    sleep 0.6;
}

@after = sort { $a <=> $b } @after;
cmp_ok($after[-1] - $after[0], '>', 0.1, 'reconnects are spread');
cmp_ok($after[-1], '<', 1.1, 'over half a second');

my %seconds = map { $_->{path} =~ /timeoutSeconds=(\d+)/ ? ($1 => 1) : () }
    $api->requests(qr/watch=true/);
cmp_ok(scalar keys %seconds, '>=', 5, 'each stream has another length');
is(scalar(grep { $_ < 300 || $_ > 600 } keys %seconds), 0, '5 to 10 minutes');


# an error event that is no 410: tried again, and then listed

my $n = lists('pods');
my $w = watches('pods');

$api->set(error => { pods => 500 });
$api->cut(pods => 'end');
ok(wait_for(5, sub { watches('pods') >= $w + 2 }), 'watched again after 500');
is(lists('pods'), $n, 'from the same version');
ok(wait_for(15, sub { lists('pods') > $n }), 'a list when that does not help');
ok($t->log(qr/of pods failed: error event with code 500/), 'which is said');
$api->set(error => {});
ok(wait_for(15, sub { $t->log(qr/\[notice\].* pods works again/) }),
   'it works again');


# a version that the server has not reached: restored from a backup

$n = lists('nodes');
$w = watches('nodes');
$api->mode(nodes => (504) x 3);
$api->cut(nodes => 'end');
ok(wait_for(15, sub { lists('nodes') > $n }), 'a list after 504 three times');
is(watches('nodes'), $w + 3, 'not before');
ok(wait_for(5, sub { $t->log(qr/\[notice\].* nodes works again/) }),
   'it works again');

# bookmarks of long ago: one may be of a server that lags

ok(watching('nodes'), 'a watch of nodes');
$n = lists('nodes');
$w = watches('nodes');
$api->cut(nodes => $_) for qw(older end);
ok(wait_for(5, sub { watches('nodes') > $w }), 'an older bookmark is ignored');

my ($last) = ($api->requests(qr/nodes\?watch=true&resourceV/))[-1]{path}
    =~ /resourceVersion=(\d+)/;
cmp_ok($last, '>=', 1000, 'the version stays');
is(lists('nodes'), $n, 'without a list');

$api->cut(nodes => 'older') for 1 .. 2;
ok(wait_for(10, sub { lists('nodes') > $n }), 'a list after two');
ok($t->log(qr/nodes failed: versions are older than those seen before/),
   'which is said');


# a storm of 410, each behind an event that shows that the server is fine

wait_for(10, sub { $t->knows(pods => 'a/p1') eq 'known' });
$api->set(error => { pods => 410 }, storm => 1);
$n = lists('pods');
$start = time;
$api->cut(pods => 'end');
ok(wait_for(40, sub { lists('pods') >= $n + 4 }), 'lists after 410');

my @lists = map { $_->{time} } $api->requests(qr/pods\?.*(sendInit|limit=)/);
cmp_ok($lists[-1] - $lists[-2], '>', 2.9, 'later each time');
is($t->logged(qr/\[error\].*410/), 0, 'which is no error');
$api->set(error => {}, storm => 0);
$api->change(pods => ADDED => { ns => 'a', name => 'p2', node => 'n1' });
ok($t->becomes(pods => 'a/p2', 'known', 45), 'it ends');


is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');
$api->stop;


# a server that never heard of streaming lists sends all there is, and goes on

$t = KubeTest->new;
$api = $t->api;
$api->set(stream => 'unknown');
$api->change(pods => ADDED => { ns => 'a', name => 'p1', node => 'n1' });
$api->start;
$t->start;

ok(wait_for(5, sub { $api->requests(qr/pods\?.*sendInitial/) }), 'asked');
is($t->knows(pods => 'a/p1'), 'not ready', 'that all is there is not known');
sleep 0.3;
$api->cut($_ => 'bookmark') for qw(nodes pods);
ok($t->becomes(pods => 'a/p1', 'known'), 'its first bookmark tells');
is(scalar $api->requests(qr/pods\?.*sendInitial/), 1, 'asked for once');
is(scalar $api->requests(qr/pods\?limit=/), 1, 'and then for pages');

is($t->stop('QUIT'), 0, 'exits');

done_testing();
