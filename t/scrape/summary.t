#!/usr/bin/perl

# Kubelets without /metrics/resource: their /stats/summary is asked for, in the
# same round, where that is wanted; the figures are as true.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use K8sMetrics qw(wait_for);


my $api = '/apis/metrics.k8s.io/v1beta1';
my $stats = '/stats/summary?only_cpu_and_memory=true';

my $t = K8sMetrics->new(standin => [ -nodes => 6, -pods => 4,
                                     -containers => 2 ],
    server => 'k8s_metrics_sample_max_age 0;');

$t->start_standin;

sub node { return sprintf('node-%05d', $_[0]) }
sub set { $t->control('/node', { name => node(shift), @_ }) }
sub stats { return $t->control('/stats') }
sub asked { return stats()->{perNode}{node($_[0])} // 0 }

sub get {
    my ($path) = @_;
    my $r = $t->get(path => "$api/$path", cert => 'admin');
    return $r->{status} == 200 ? JSON::PP::decode_json($r->{body}) : undef;
}

sub served { return defined get('nodes/' . node($_[0])) }

# nanocores and bytes
sub number {
    my ($s) = @_;
    my %unit = ('' => 1, n => 1e-9, u => 1e-6, m => 1e-3, Ki => 1024,
                Mi => 1048576, Gi => 1073741824);
    return $s =~ /^(\d+)(n|u|m|Ki|Mi|Gi|)$/ ? $1 * $unit{$2} : die $s;
}

# what is not as the truth has it
sub wrong {
    my ($what, $is, $want) = @_;
    my $cpu = $want->{cpuNanocores} / 1e9;
    my $memory = $want->{memoryBytes};
    my @u = map { number($is->{usage}{$_}) } qw(cpu memory);

    return abs($u[0] - $cpu) > $cpu * 1e-5 || $u[1] != $memory
        ? "$what: @u, not $cpu $memory" : ();
}

# of a node and its pods
sub compare {
    my ($n) = @_;

    my ($truth) = grep { $_->{name} eq node($n) }
        @{ $t->control('/truth?kind=nodes') };
    my $node = get('nodes/' . node($n)) or return 'no node';
    my @wrong = wrong(node($n), $node, $truth->{containers}[0]);
    my $pods = 0;

    for my $p (grep { $_->{node} eq node($n) }
               @{ $t->control('/truth?kind=pods') })
    {
        my $pod = get("namespaces/$p->{namespace}/pods/$p->{name}")
            or return "no $p->{name}";
        my %is = map { $_->{name} => $_ } @{ $pod->{containers} };

        return JSON::PP::encode_json($pod)
            if keys %is != @{ $p->{containers} };


        push @wrong, map { wrong("$p->{name} $_->{name}", $is{$_->{name}}, $_) }
            @{ $p->{containers} };
        $pods++;
    }

    return join('; ', @wrong) || "$pods pods";
}


# --- off by default ---------------------------------------------------------

set(1, fault => 'noresource');

$t->start_nginx;

ok(wait_for(30, sub { $t->log(qr/node-00001.*not scraped/) }),
   'without the directive it is not scraped');
like($t->log(qr/node-00001.*not scraped/),
     qr{port \d+, /metrics/resource\).*404 Not Found: no metrics at that path.*,},
     'the log says why');
ok(wait_for(30, sub { served(0) }), 'others are');
ok(!stats()->{paths}{$stats}, 'no summary is asked for');
is($t->stop('QUIT'), 0, 'exits');


# --- on ---------------------------------------------------------------------

set(2, fault => 'nostats');
set(3, fault => '403stats');
set(4, fault => 'badstats');
$t->control('/stats', {});

$t->{http} = 'k8s_metrics_kubelet_stats_summary on;';
$t->start_nginx;

ok(wait_for(20, sub { asked(1) >= 1 }), 'it is asked');
ok(wait_for(3, sub { asked(1) >= 2 }), 'and at once for its summary');

ok(wait_for(30, sub { served(1) }), 'it is served')
    or diag $t->log(qr/node-00001/);
is(compare(1), '4 pods', 'what it is');
like($t->get(path => '/debug/nodes')->{body},
     qr{^node node-00001 .*\n    \S+ port \d+, /stats/summary}m,
     'the page of nodes says what is asked for');
is(compare(5), '4 pods', 'beside one with /metrics/resource');

for my $case ([ 2, qr{port \d+, \S+\).*404 Not Found: no metrics at that path.*, nor a /stats/summary} ],
              [ 3, qr{\Q, $stats)\E.*403 Forbidden: the ClusterRole lacks nodes/stats} ],
              [ 4, qr{\Q, $stats)\E.*no usable samples: \d+ bytes, Content-Type application/json, JSON without them, or cut} ])
{
    my ($n, $want) = @$case;

    ok(wait_for(20, sub { $t->log(qr/node-0000$n.*not scraped/) }),
       "node $n is not scraped");
    like($t->log(qr/node-0000$n.*not scraped/), $want, 'the log says why');
    ok(!served($n), 'nor is it served');
}

like($t->log(qr/node-00001/),
     qr{\[info\].*"node-00001" has nothing at "/metrics/resource"},
     'the log says where figures come from');
is(scalar(my @said = $t->log(qr/node-00001.*has nothing/)), 1, 'once');


# --- it is remembered -------------------------------------------------------

ok(wait_for(60, sub { asked(5) >= 5 }), 'five rounds');

my $more = asked(1) - asked(5);

ok($more >= 0 && $more <= 2,
   'where it is not there it is not looked for in each round')
    or diag $more;

# a kubelet whose resource metrics go: no scrape fails

set(0, fault => 'noresource');

my $until = time + 14;
my $gone = 0;

while (time < $until) {
    $gone++ if !served(0);
    sleep 0.1;
}

is($gone, 0, 'one that loses /metrics/resource is served all the time');

# a start was rounded in the other text: the first rate of a container across
# both is refused where it seems to have gone back

ok(wait_for(15, sub { compare(0) eq '4 pods' }), 'what it is')
    or diag compare(0);
is($t->log(qr/node-00000.*not scraped/), '', 'no scrape of it failed');

# all are upgraded: they become unready meanwhile

for my $n (0 .. 4) {
    set($n, fault => '', ready => JSON::PP::false);
}

set($_, ready => JSON::PP::true) for 0 .. 4;

ok(wait_for(30, sub { served($_) }), "node $_ is served") for 0 .. 4;

my $before = stats()->{paths};

ok(wait_for(30, sub {
    return stats()->{paths}{'/metrics/resource'}
           >= $before->{'/metrics/resource'} + 8;
}), 'more than a round');
is(stats()->{paths}{$stats}, $before->{$stats}, 'all at /metrics/resource');
ok(wait_for(15, sub { compare($_) eq '4 pods' }), "node $_: what it is")
    or diag compare($_)
    for 1 .. 4;

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
