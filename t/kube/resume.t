#!/usr/bin/perl

# What is known survives a reload and the death of a worker: the next holder
# of the watches begins where the last one stood, without a list.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new(workers => 2);
my $api = $t->api;

$api->change(nodes => ADDED => { name => 'n1' });
$api->change(pods => ADDED => { ns => 'a', name => 'p1', node => 'n1' });
$api->start;
$t->start;

sub lists { return scalar $api->requests(qr/(pods|nodes)\?.*(sendIni|limit)/) }
sub watches { return scalar $api->requests(qr/pods\?watch=true&resourceV/) }

ok($t->becomes(pods => 'a/p1', 'known'), 'listed');
is(lists(), 2, 'by one worker');


my $n = watches();
$t->signal('HUP');
ok(wait_for(10, sub { watches() > $n }), 'the new worker watches');
is($t->knows(pods => 'a/p1'), 'known', 'nothing was forgotten');
$api->change(pods => ADDED => { ns => 'a', name => 'p2', node => 'n1' });
ok($t->becomes(pods => 'a/p2', 'known'), 'and follows');
is(lists(), 2, 'no list after a reload');


for my $round (1 .. 2) {
    wait_for(10, sub { $t->workers == 2 });
    $n = watches();
    kill 'KILL', $t->workers;
    ok(wait_for(10, sub { watches() > $n }), 'watched after SIGKILL');
    $api->change(pods => ADDED => { ns => 'a', name => "k$round",
                                    node => 'n1' });
    ok($t->becomes(pods => "a/k$round", 'known'), 'and follows');
}

is(lists(), 2, 'no list after SIGKILL');


# another selector is another set of nodes

$t->{http} = 'k8s_metrics_node_selector "zone in (a,b)";';
$t->conf;
$t->signal('HUP');
ok(wait_for(10, sub { lists() == 3 }), 'nodes are listed for a new selector');
my $last = ($api->requests(qr/nodes\?/))[-1]{path};
like($last, qr/labelSelector=zone%20in%20%28a%2Cb%29/, 'escaped');


is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(crit|emerg)\]/), 0, 'no crit');
is(scalar(grep { !/exited on signal 9|was locked by/ } $t->log(qr/\[alert\]/)),
   0, 'no alert but the core\'s');

done_testing();
