#!/usr/bin/perl

# When nodes are scraped: fresh pods early, added nodes at once, those that are
# not ready quietly, and kubelets just after their samples move.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);
use Time::Local qw(timegm);

use K8sMetrics qw(wait_for);


my $api = '/apis/metrics.k8s.io/v1beta1';
my $json = JSON::PP->new->utf8;

# begun first: it needs time to learn
my ($learns, $does_not) = map {
    my $c = K8sMetrics->new(resolution => '15s', http => $_,
        standin => [ -nodes => 40, -pods => 2, -stamp => 'cadence' ]);
    $c->start;
    $c;
} ('', 'k8s_metrics_kubelet_cadence off;');

my $begun = time;

my $t = K8sMetrics->new(workers => 2, resolution => '15s',
                        standin => [ -nodes => 6, -pods => 4 ]);

$t->start;
ok($t->ready, 'ready') or diag($t->log);

sub items {
    my ($c, $path) = @_;

    my $r = $c->get(path => "$api/$path");
    return $r->{status} == 200 ? @{ $json->decode($r->{body})->{items} } : ();
}

sub there { return $t->get(path => "$api/$_[0]")->{status} == 200 }

sub seconds {
    my ($s) = @_;
    return $s =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/
        ? timegm($6, $5, $4, $3, $2 - 1, $1) : die "time $s";
}

sub window { return $_[0] =~ /^(?:(\d+)m)?([\d.]+)s$/ ? ($1 // 0) * 60 + $2 : 0 }

my %short;

sub watch_windows {
    for my $o (items($t, 'pods'), items($t, 'nodes')) {
        $short{"$o->{metadata}{name} $o->{window}"} = 1
            if window($o->{window}) < 10;
    }
}

sub scrapes { return $t->control('/stats')->{perNode} }


# --- a fresh pod -------------------------------------------------------------

# by phases a scrape would be up to 15 s away, and its rate another one

my (%start, %took);
my $before = scrapes();

for my $i (0 .. 5) {
    my $name = "fresh-$i";
    $t->control('/pod', { namespace => 'new', name => $name,
        node => sprintf('node-%05d', $i),
        containers => [ { name => 'c', cpu => 1e8, memory => 1 << 24 } ] });
    $start{$name} = time;

    # at different times within the others' rounds
    sleep 0.7;
}

wait_for(30, sub {
    $took{$_->{metadata}{name}} //= time - $start{$_->{metadata}{name}}
        for items($t, 'namespaces/new/pods');
    watch_windows();
    return keys %took == keys %start;
});

is(scalar keys %took, 6, 'fresh pods are served');

for my $name (sort keys %took) {
    ok($took{$name} >= 10 && $took{$name} < 11.5,
       sprintf('%s after %.1f s', $name, $took{$name}));
}

my $end = time + 16;
wait_for(20, sub { watch_windows(); return time > $end });

is_deeply([ sort keys %short ], [], 'and no window is under 10 s');

my $after = scrapes();
my $most = (sort { $b <=> $a } map { $after->{$_} - $before->{$_} }
            keys %$before)[0];
cmp_ok($most, '<=', 6, "nor is a node scraped all the time ($most)");


# --- a node comes, and goes --------------------------------------------------

$t->control('/node', { name => 'node-00009', pods => 3 });
my $t0 = time;

ok(wait_for(3, sub { scrapes()->{'node-00009'} }),
   'an added node is scraped at once');
ok(wait_for(13, sub { there('nodes/node-00009') }), 'and served');
ok(time - $t0 < 11.5, sprintf('as soon as it has a window: %.1f s',
                              time - $t0));
is((grep { $_->{metadata}{name} =~ /^app-00009/ } items($t, 'pods')) + 0, 3,
   'with its pods');

my $open = $t->control('/stats')->{connections};
$t->control('/node', { name => 'node-00009' }, 'DELETE');

ok(wait_for(2, sub {
    return $t->get(path => "$api/nodes/node-00009")->{status} == 404
        && $t->control('/stats')->{connections} < $open;
}), 'a removed one and its connection go at once');
is((grep { $_->{metadata}{name} =~ /^app-00009/ } items($t, 'pods')) + 0, 0,
   'its pods, too');


# --- one that is not ready ---------------------------------------------------

$t->control('/node', { name => 'node-00002', ready => JSON::PP::false,
                       fault => 'refuse' });
$t->control('/node', { name => 'node-00003', fault => 'refuse' });

ok(wait_for(40, sub { $t->log(qr/\[error\].*"node-00003".*not scraped/) }),
   'a ready node that fails is logged');
ok(!wait_for(16, sub { $t->log(qr/\[error\].*"node-00002".*not scraped/) }),
   'one that is not ready is expected to');

$t->control('/node', { name => 'node-00002', ready => JSON::PP::true,
                       fault => '' });
my $had = scrapes()->{'node-00002'};
ok(wait_for(3, sub { scrapes()->{'node-00002'} > $had }),
   'ready again: scraped at once');


# --- a cadence ---------------------------------------------------------------

# mean age of what is served, over 15 s; a timestamp has no part of a second
sub age {
    my ($c) = @_;

    my ($sum, $n) = (0, 0);
    my $until = time + 15;

    wait_for(20, sub {
        my @items = items($c, 'nodes');
        my $now = time;

        $sum += $now - seconds($_->{timestamp}) - 0.5 for @items;
        $n += @items;

        return $now > $until;
    });

    return $n ? $sum / $n : 1000;
}

# a rate, and three differences that agree
wait_for(100, sub { return time - $begun > 90 });

my ($with, $without) = map { age($_) } $learns, $does_not;

cmp_ok($with, '<', 8.5, sprintf('samples that move every 10 to 15 s: %.1f s '
       . 'old in the mean', $with));
cmp_ok($without, '>', $with + 2, sprintf('without what was learned %.1f s',
       $without));

my $stats = $learns->control('/stats');
cmp_ok($stats->{scrapes} / 40, '<', (time - $begun) / 9,
       'for few scrapes that find nothing new');


for my $c ($t, $learns, $does_not) {
    is($c->stop, 0, 'ends');
    is_deeply([ $c->alerts ], [], 'no alerts');
}

done_testing();
