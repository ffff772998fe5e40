#!/usr/bin/perl

# What is served is what the kubelets measured, while pods start, restart, move
# and end: an answer may be missing for a while, it is never a wrong one.

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
my $Mi = 1048576;

my $t = K8sMetrics->new(workers => 2, standin => [ -nodes => 4,
    -pods => 4, -containers => 2, '-full', -path => '/metrics/of/a-node' ]);

$t->start;
ok($t->ready, 'ready') or diag($t->log);


# --- what the tests say it with ----------------------------------------------

sub get {
    my ($path) = @_;

    my $r = $t->get(path => "$api/$path");

    return $r->{status} == 200 ? $json->decode($r->{body}) : undef;
}

sub pod {
    my ($ns, $name) = @_;
    return get("namespaces/$ns/pods/$name");
}

# nanocores and bytes
sub cpu {
    my ($s) = @_;
    my %unit = ('' => 1e9, n => 1, u => 1e3, m => 1e6);
    return $s =~ /^(\d+)([num]?)$/ ? $1 * $unit{$2} : die "cpu $s";
}

sub memory {
    my ($s) = @_;
    my %unit = ('' => 1, Ki => 1024, Mi => $Mi);
    return $s =~ /^(\d+)(|Ki|Mi)$/ ? $1 * $unit{$2} : die "memory $s";
}

sub seconds {
    my ($s) = @_;
    return $s =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/
        ? timegm($6, $5, $4, $3, $2 - 1, $1) : die "time $s";
}

# a duration, as Go prints it
sub window {
    my ($s) = @_;
    return $s =~ /^(?:(\d+)m)?([\d.]+)s$/ ? ($1 // 0) * 60 + $2 : die $s;
}

# "name cpu memory, ..." with the rate in millicores
sub usage {
    my ($o) = @_;

    return 'none' if !$o;

    return join ', ', map {
        sprintf '%s %.0f %d', $_->{name}, cpu($_->{usage}{cpu}) / 1e6,
            memory($_->{usage}{memory}) / $Mi
    } sort { $a->{name} cmp $b->{name} } @{ $o->{containers} };
}

# asks of the pod until it is as wanted; everything that it was meanwhile
sub becomes {
    my ($ns, $name, $want, $limit) = @_;

    my %seen;
    my $now;

    wait_for($limit // 35, sub {
        my $o = pod($ns, $name);
        $now = usage($o);
        $seen{$now} = 1;
        bad_window($o);
        return $now eq $want;
    });

    return ($now, join '; ', sort keys %seen);
}

my @bad_windows;

sub bad_window {
    my ($o) = @_;

    return if !$o;

    my $w = window($o->{window});
    my $age = time - seconds($o->{timestamp});

    push @bad_windows, "$o->{metadata}{name}: $o->{window} at "
        . sprintf('%.1f s', $age) if $w < 9.5 || $w > 21 || $age > 23;
}

sub make_pod {
    my ($ns, $name, $node, %more) = @_;
    $t->control('/pod', { namespace => $ns, name => $name, node => $node,
                          %more });
}

sub container {
    my ($name, $millis, $mi) = @_;
    return { name => $name, cpu => $millis * 1e6, memory => $mi * $Mi };
}


# --- all of it ---------------------------------------------------------------

sub truth {
    my ($kind) = @_;
    return @{ $t->control("/truth?kind=$kind") };
}

sub untrue_nodes {
    my @wrong;

    for my $w (truth('nodes')) {
        my $o = get("nodes/$w->{name}") or push(@wrong, $w->{name}), next;
        my $c = $w->{containers}[0];
        my $rate = cpu($o->{usage}{cpu});

        push @wrong, $json->encode([ $o, $w ])
            if abs($rate - $c->{cpuNanocores}) > $c->{cpuNanocores} / 1000
               || memory($o->{usage}{memory}) != $c->{memoryBytes};
    }

    return @wrong;
}

# ready is who has one of them
wait_for(5, sub { !untrue_nodes() });

is_deeply([ untrue_nodes() ], [], 'nodes are as they are');
is(usage(pod('ns-03', 'app-00002-003')), 'c0 24 25, c1 25 26',
   'and the containers of a pod');


# --- a kubelet's path --------------------------------------------------------

# the stand-in answers at the annotated path and the usual one; what is asked
# shows in what is served when the other one is wrong

$t->control('/node', { name => 'node-00003', path => '/metrics/moved/there' });
sleep 0.1;
my $scrapes = sub { $t->control('/stats')->{perNode}{'node-00003'} };
my $before = $scrapes->();
ok(wait_for(45, sub { $scrapes->() >= $before + 2 }),
   'scrapes of a node with another path');
ok(!$t->log(qr/node-00003.*not scraped/), 'succeed');

for my $path ('/stats/summary', '/metrics/../pods', '/metrics/a b',
              '/metricsx', 'http://127.0.0.1/metrics', "/metrics/a\nb")
{
    $t->control('/node', { name => 'node-00003', path => $path });
    ok(wait_for(10, sub {
        return $t->log(qr/resource-metrics-path of node "node-00003" .*: ignored/);
    }), 'a path that is none is refused: ' . ($path =~ s/\n/\\n/r));

    # the next one has to log it again
    $t->control('/node', { name => 'node-00003', path => '/metrics/x' });
    truncate "$t->{dir}/error.log", 0;
}

$t->control('/node', { name => 'node-00003', path => 'bad' });
$before = $scrapes->();
ok(wait_for(45, sub { $scrapes->() >= $before + 2 }),
   'and the usual one is asked');
ok(!$t->log(qr/node-00003.*not scraped/), 'with success');


# --- a pod that starts -------------------------------------------------------

make_pod('new', 'starts', 'node-00001',
         containers => [ container('a', 250, 10), container('b', 50, 20) ]);

my ($now, $seen) = becomes('new', 'starts', 'a 250 10, b 50 20');

is($now, 'a 250 10, b 50 20', 'a new pod is served');
is($seen, 'a 250 10, b 50 20; none', 'with all its containers or not at all');


# --- a container that is added, one that ends --------------------------------

make_pod('new', 'starts', 'node-00001', containers => [ container('c', 5, 1) ]);
($now, $seen) = becomes('new', 'starts', 'a 250 10, b 50 20, c 5 1');
is($now, 'a 250 10, b 50 20, c 5 1', 'a container that is added is served');
like($seen, qr/^a 250 10, b 50 20(?:, c 5 1; a 250 10, b 50 20)?(?:, c 5 1)?(?:; none)?$|^a 250 10, b 50 20; a 250 10, b 50 20, c 5 1(?:; none)?$/,
     'with the others');

make_pod('new', 'starts', 'node-00001',
         containers => [ { name => 'a', remove => JSON::PP::true } ]);
($now, $seen) = becomes('new', 'starts', 'b 50 20, c 5 1');
is($now, 'b 50 20, c 5 1', 'one that ended is not');
is($seen, 'a 250 10, b 50 20, c 5 1; b 50 20, c 5 1',
   'and the others are served all the time');


# --- load that changes, a restart --------------------------------------------

make_pod('new', 'starts', 'node-00001',
         containers => [ container('b', 900, 40), container('c', 900, 40) ]);
($now) = becomes('new', 'starts', 'b 900 40, c 900 40');
is($now, 'b 900 40, c 900 40', 'a load that changed');

make_pod('new', 'starts', 'node-00001', restart => JSON::PP::true);
my $restarted = time;

# the last good answer first, then nothing or the true rate of the new life

my %rates;
my $fresh;

wait_for(40, sub {
    my $o = pod('new', 'starts');
    $rates{ usage($o) } = 1;
    bad_window($o);
    $fresh = $o && seconds($o->{timestamp}) > $restarted + 1
             && seconds($o->{timestamp}) - window($o->{window})
                >= $restarted - 1;
    return $fresh;
});

ok($fresh, 'a restarted pod is served from its new life');
is(join('; ', grep { $_ ne 'none' } sort keys %rates), 'b 900 40, c 900 40',
   'and a smaller counter was never taken for a rate');


# --- a pod that moves --------------------------------------------------------

make_pod('new', 'moves', 'node-00000', containers => [ container('a', 100, 8) ]);
($now) = becomes('new', 'moves', 'a 100 8');
is($now, 'a 100 8', 'a pod of one node');

# of a stateful set: the same name, elsewhere, another load
$t->control('/pod', { namespace => 'new', name => 'moves' }, 'DELETE');
make_pod('new', 'moves', 'node-00002', containers => [ container('a', 700, 9) ]);
($now, $seen) = becomes('new', 'moves', 'a 700 9');
is($now, 'a 700 9', 'the same on another');
like($seen, qr/^(?:a 100 8; )?a 700 9(?:; none)?$/,
     'never with a mixture of both');


# --- labels, ends ------------------------------------------------------------

make_pod('new', 'moves', 'node-00002', labels => { tier => 'two' });
ok(wait_for(10, sub {
    my $o = get('namespaces/new/pods?labelSelector=tier%3Dtwo');
    return $o && @{ $o->{items} } == 1
           && $o->{items}[0]{metadata}{labels}{tier} eq 'two';
}), 'labels that change are selected by, and shown');

make_pod('new', 'moves', 'node-00002', phase => 'Succeeded');
ok(wait_for(10, sub { !pod('new', 'moves') }), 'a pod that ended is gone');

$t->control('/pod', { namespace => 'new', name => 'starts' }, 'DELETE');
ok(wait_for(10, sub { !pod('new', 'starts') }), 'as is a deleted one');

$t->control('/node', { name => 'node-00003' }, 'DELETE');
ok(wait_for(10, sub { !get('nodes/node-00003') }), 'and a deleted node');

$t->control('/node', { name => 'node-00009', pods => 1 });
ok(wait_for(35, sub { get('nodes/node-00009') }), 'a new node is served');


is_deeply(\@bad_windows, [], 'windows and ages were as they should');
is_deeply([ untrue_nodes() ], [], 'nodes are as they are, in the end');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
