#!/usr/bin/perl

# Kubelets that nobody but the API server reaches: asked through it, so many
# at a time, and one that hangs holds up no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use K8sMetrics qw(wait_for);


my $api = '/apis/metrics.k8s.io/v1beta1';
my $nodes = 48;

my $t = K8sMetrics->new(standin => [ -nodes => $nodes, -pods => 2 ],
    http => 'k8s_metrics_kubelet_node_proxy on;'
        . ' k8s_metrics_kubelet_stats_summary on;');

# what kubelets' addresses and certificates are is nothing to us
my $port = 1;
my $cluster = \&K8sMetrics::cluster;

{
    no warnings 'redefine';

    *K8sMetrics::cluster = sub {
        my $text = $cluster->(@_);
        $text =~ s/^.*_certificate_authority.*\n//m;
        $text =~ s/^.*_kubelet_port.*\n//m if !$port;
        return $text;
    };
}

$t->start_standin;

sub node { return sprintf('node-%05d', $_[0]) }
sub set { $t->control('/node', { name => node(shift), @_ }) }
sub stats { return $t->control('/stats') }

sub get {
    my ($path) = @_;
    my $r = $t->get(path => "$api/$path", cert => 'admin');
    return $r->{status} == 200 ? JSON::PP::decode_json($r->{body}) : undef;
}

sub served { return defined get('nodes/' . node($_[0])) }
sub items { my $l = get($_[0]); return $l ? scalar @{ $l->{items} } : 0 }

sub cpu {
    my ($s) = @_;
    my %unit = ('' => 1e9, n => 1, u => 1e3, m => 1e6);
    return $s =~ /^(\d+)([num]?)$/ ? $1 * $unit{$2} : die $s;
}

# nodes that are not what the truth says
sub wrong {
    my %is = map { $_->{metadata}{name} => cpu($_->{usage}{cpu}) }
        @{ get('nodes')->{items} };

    return join ' ', map { $_->{name} } grep {
        my $want = $_->{containers}[0]{cpuNanocores};
        abs(($is{$_->{name}} // 0) - $want) > $want * 1e-5;
    } @{ $t->control('/truth?kind=nodes') };
}

# how the API server was asked for one of the nodes
sub asked {
    my ($n) = @_;
    my $name = node($n);
    my %uris = map { $_->{uri} => 1 }
        grep { $_->{uri} =~ m{^/api/v1/nodes/.*\Q$name\E} }
        @{ $t->control('/requests') };
    return join ' ', sort keys %uris;
}

set($_, addresses => [ { type => 'InternalDNS', address => 'none.test' } ])
    for 0 .. $nodes - 1;
set(7, fault => 'noresource');
set(8, path => '/metrics/of/8');


# --- it works ---------------------------------------------------------------

$t->start_nginx;

ok(wait_for(60, sub { items('nodes') == $nodes
                      && items('pods') == 2 * $nodes }),
   'all nodes and pods are served') or diag $t->log(qr/not scraped/);
is(wrong(), '', 'what they are');

my $p = $t->{kubelet_port};

is(asked(3), "/api/v1/nodes/https:node-00003:$p/proxy/metrics/resource",
   'asked for by name and port');
is(asked(8), "/api/v1/nodes/https:node-00008:$p/proxy/metrics/of/8",
   'or another path');
is(asked(7), join(' ', map { "/api/v1/nodes/https:node-00007:$p/proxy$_" }
                  '/metrics/resource',
                  '/stats/summary?only_cpu_and_memory=true'),
   'or for the summary');
is($t->log(qr/\[warn\]/), '', 'nothing to warn of');

my $s = stats();
cmp_ok($s->{proxiedMax}, '<=', 32, 'not too many at a time');


# --- what goes wrong, in words ----------------------------------------------

set(1, fault => 'refuse');
set(2, fault => '401');
set(3, fault => '403');
set(4, fault => 'nostats');

my $page = $t->get(path => '/debug/nodes')->{body};

like($page, qr{^node node-00000 .*\n    through the API server, /metrics/}m,
     'the page of nodes says how they are asked');
unlike($page, qr{no usable address}, 'and that they are');

my %words = (
    1 => '503 Service Unavailable: the API server could not reach the kubelet',
    2 => '401 Unauthorized: the kubelet does not know the API server',
    3 => '403 Forbidden: the kubelet does not allow it to the API server',
    4 => '404 Not Found: no metrics at that path, nor a /stats/summary',
);

for my $n (sort keys %words) {
    ok(wait_for(25, sub { $t->log(qr/node-0000$n.*not scraped/) }),
       "node $n is not scraped");
    like($t->log(qr/node-0000$n.*not scraped/),
         qr{"node-0000$n" \(through the API server, /\S+\) was not scraped: \Q$words{$n}\E, failures},
         'the log says why');
}

set($_, fault => '') for 1 .. 4;
ok(wait_for(25, sub { $t->log(qr/node-0000$_" is scraped again/) }),
   "node $_ is scraped again") for 1 .. 4;

$t->control('/api', { fault => '403', for => 'proxy' });
ok(wait_for(15, sub {
    $t->log(qr/node-0000[5-9].*403 Forbidden: the ClusterRole lacks nodes\/proxy/);
}), 'without the right the log names it') or diag $t->log(qr/not scraped/);

$t->control('/api', { fault => '', for => 'proxy' });
ok(wait_for(30, sub { items('nodes') == $nodes && wrong() eq '' }),
   'all are served again');

$t->control('/api', { fault => '429', for => 'proxy' });
ok(wait_for(15, sub { $t->log(qr/429 Too Many Requests: the API server is busy/) }),
   'nor is a busy API server a kubelet\'s fault');
$t->control('/api', { fault => '', for => 'proxy' });

ok(wait_for(30, sub { items('nodes') == $nodes && wrong() eq '' }),
   'all are served again');


# --- many that hang ---------------------------------------------------------

my @hang = (10 .. $nodes - 1);
my @good = (0 .. 9);

set($_, fault => 'hang') for @hang;

# each has hung once: from then on they share a quarter of the places

ok(wait_for(60, sub {
    return stats()->{proxiedNow} <= 8 && !grep { served($_) } @hang;
}), @hang . ' nodes hang');

my $before = stats();
sleep 31;
my $after = stats();

# three rounds, one less where this machine was late for one; node 7 is asked
# for its summary

my %grew = map {
    $_ => $after->{perNode}{node($_)} - $before->{perNode}{node($_)}
} @good;
my @slow = grep { $grew{$_} < 2 || $grew{$_} > 4 } @good;

is("@slow", '', 'the others are scraped in each round')
    or diag join(' ', map { "$_:$grew{$_}" } @slow), "\n",
            map { $t->log(qr/"node-0000$_"/) } @slow;

# those that were given up count until the API server has seen it
cmp_ok(stats()->{proxiedMax}, '<=', 40, 'not too many at a time');
is(scalar(grep { !served($_) } @good), 0, 'and served');

my $others = $after->{proxied} - $before->{proxied};

$others -= $after->{perNode}{node($_)} - $before->{perNode}{node($_)}
    for @good;

cmp_ok($others, '>=', 8, 'those that hang are tried');

set($_, fault => '') for @hang;
ok(wait_for(60, sub { items('nodes') == $nodes && wrong() eq '' }),
   'all come back');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');


# --- by the port that each node names ---------------------------------------

$port = 0;
$t->{workers} = 2;
$t->control('/stats', {});
$t->start_nginx;

ok(wait_for(60, sub { items('nodes') == $nodes }),
   'without a port, by two workers: all are served');
is(asked(3), '/api/v1/nodes/node-00003/proxy/metrics/resource',
   'asked for by name alone');
is(wrong(), '', 'what they are');

# a reload while scrapes are under way

set($_, fault => 'hang') for 20 .. 40;
sleep 5;
kill 'HUP', $t->{pid};
ok(wait_for(20, sub {
    return 2 <= (my @lines = $t->log(qr/gracefully shutting down/));
}), 'a reload');
set($_, fault => '') for 20 .. 40;
ok(wait_for(60, sub { items('nodes') == $nodes && wrong() eq '' }),
   'all are served');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
