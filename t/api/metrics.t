#!/usr/bin/perl

# GET /metrics: a parser of its own reads every line, metrics-server's six
# families are there to the letter, and what they count is what the stand-in's
# kubelets counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics qw(status_of wait_for);


my $nodes = 6;

my $t = K8sMetrics->new(standin => [ '-nodes', $nodes, '-pods', 2 ],
    workers => 2, resolution => '12s');

my @default = qw(0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10);

# of the recording; of the rounds, what metrics-server makes of 12 s
my %le = (
    metrics_server_api_metric_freshness_seconds => [ qw(1 1.364
        1.8604960000000004 2.5377165440000007 3.4614453660160014
        4.721411479245826 6.440005257691307 8.784167171490942
        11.981604021913647 16.342907885890217 22.291726356354257
        30.405914750067208 41.47366771909167 56.57008276884105
        77.16159289669919 105.2484127110977 143.55883493793726
        195.81425085534644 267.09063816669254 364.31163045936864 +Inf) ],
    metrics_server_kubelet_request_duration_seconds => [ @default, '+Inf' ],
    metrics_server_manager_tick_duration_seconds
        => [ @default, qw(11 12 18 24 +Inf) ],
);

my %six = (
    metrics_server_api_metric_freshness_seconds
        => 'histogram [ALPHA] Freshness of metrics exported',
    metrics_server_kubelet_last_request_time_seconds
        => 'gauge [ALPHA] Time of last request performed to Kubelet API since unix epoch in seconds',
    metrics_server_kubelet_request_duration_seconds
        => 'histogram [ALPHA] Duration of requests to Kubelet API in seconds',
    metrics_server_kubelet_request_total
        => 'counter [ALPHA] Number of requests sent to Kubelet API',
    metrics_server_manager_tick_duration_seconds
        => 'histogram [ALPHA] The total time spent collecting and storing metrics in seconds.',
    metrics_server_storage_points
        => 'gauge [ALPHA] Number of metrics points stored.',
);


# --- the text format, read strictly -----------------------------------------

# a hash of families: type, help, and samples by their labels as text; dies at
# what is not allowed

sub parse {
    my ($text) = @_;

    my (%families, $now);

    die "no newline at its end\n" if $text !~ /\n\z/;

    for my $line (split /\n/, $text) {

        if ($line =~ /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/) {
            die "$1: a second HELP\n" if $families{$1};
            $now = $1;
            $families{$now} = { help => $2, samples => {} };
            next;
        }

        if ($line =~ /^# TYPE (\S+) (counter|gauge|histogram)$/) {
            die "$line: not behind its HELP\n"
                if $1 ne ($now // '') || $families{$now}{type};
            $families{$now}{type} = $2;
            next;
        }

        $line =~ /^([a-zA-Z_:][a-zA-Z0-9_:]*)
                  (?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)
                  \})?[ ](\d+(?:\.\d+)?)$/x
            or die "no sample: $line\n";

        my ($name, $labels, $value) = ($1, $2 // '', $3);
        my $f = $families{$now // ''} or die "$line: of no family\n";

        die "$line: without a TYPE\n" if !$f->{type};

        if ($f->{type} eq 'histogram') {
            $name =~ /^\Q$now\E_(bucket|sum|count)$/
                or die "$line: not of $now\n";
            $labels = "$1 $labels";
        } else {
            die "$line: not of $now\n" if $name ne $now;
        }

        die "$line: twice\n" if exists $f->{samples}{$labels};
        $f->{samples}{$labels} = $value;
        push @{ $f->{order} }, $labels;
    }

    return \%families;
}

# what is wrong with a histogram: buckets of each set of other labels

sub histogram {
    my ($name, $f) = @_;

    my (%buckets, @bad);

    for my $labels (@{ $f->{order} // [] }) {
        $labels =~ /^bucket (?:(.*),)?le="(.*)"$/ or next;
        push @{ $buckets{$1 // ''} }, [ $2, $f->{samples}{$labels} ];
    }

    for my $of (sort keys %buckets) {
        my @b = @{ $buckets{$of} };
        my $last = 0;

        push @bad, "$of: le " . join(' ', map { $_->[0] } @b)
            if "@{ $le{$name} }" ne join(' ', map { $_->[0] } @b);

        for (@b) {
            push @bad, "$of: le $_->[0] goes back" if $_->[1] < $last;
            $last = $_->[1];
        }

        push @bad, "$of: +Inf is not the count"
            if $last != ($f->{samples}{"count $of"} // -1);
        push @bad, "$of: no sum" if !exists $f->{samples}{"sum $of"};
    }

    return @bad;
}

sub metrics { return parse($t->get(path => '/metrics')->{body}) }
sub node { return sprintf('node-%05d', $_[0]) }

sub value {
    my ($m, $name, $labels) = @_;
    return $m->{$name}{samples}{$labels // ''};
}


# --- before anything was scraped --------------------------------------------

$t->start;

ok(wait_for(30, sub { value(metrics(), 'ngx_http_k8s_metrics_objects',
                            'kind="nodes"') == $nodes }), 'nodes are counted');
ok($t->ready, 'ready');


# --- the format -------------------------------------------------------------

my $r = $t->get(path => '/metrics');

is($r->{status}, 200, 'answered');
is((grep { /^content-type/ } @{ $r->{headers} })[0],
   'content-type: text/plain; version=0.0.4; charset=utf-8', 'its type');

my $m = eval { parse($r->{body}) };

ok($m, 'every line is of the text format') or diag $@;

for my $name (sort keys %six) {
    is("$m->{$name}{type} $m->{$name}{help}", $six{$name}, $name);
}

is(join(' ', sort grep { /^metrics_server_/ } keys %$m),
   join(' ', sort keys %six), 'and no seventh');
is(scalar(grep { !/^(?:metrics_server|ngx_http_k8s_metrics|process)_/ }
          keys %$m), 0, 'no other prefixes');

is(join('; ', map { histogram($_, $m->{$_}) } sort keys %le), '',
   'histograms: buckets as metrics-server has them, cumulative, counted');

my $head = $t->get(path => '/metrics', method => 'HEAD');

is($head->{status}, 200, 'HEAD');
is($head->{body}, '', 'without a body');
is($t->get(path => '/metrics', method => 'POST')->{status}, 405, 'no POST');


# --- the values -------------------------------------------------------------

# faults of four nodes, and what they are called

my %faults = (2 => [ '403', 'forbidden' ], 3 => [ '500', 'status' ],
              4 => [ 'scrape_error', 'scrape_error' ],
              5 => [ 'empty', 'no_series' ]);

$t->control('/node', { name => node($_), fault => $faults{$_}[0] })
    for keys %faults;

my $result = sub { return value($_[0], 'ngx_http_k8s_metrics_scrapes_total',
                                qq(result="$_[1]")) };

ok(wait_for(40, sub {
    my $m = metrics();
    return !grep { $result->($m, $_->[1]) < 2 } values %faults;
}), 'each fault is counted under its name');

# between two looks at what the kubelets counted

my ($before, $after);

wait_for(30, sub {
    $before = $t->control('/stats');
    $m = metrics();
    $after = $t->control('/stats');
    return $before->{scrapes} == $after->{scrapes};
});

my $sum = 0;

for my $n (0 .. $nodes - 1) {
    my $of = 'node="' . node($n) . '"';
    my $count = value($m, 'metrics_server_kubelet_request_duration_seconds',
                      "count $of");
    my $last = value($m, 'metrics_server_kubelet_last_request_time_seconds',
                     $of);

    is($count, $after->{perNode}{node($n)}, node($n) . ': requests');
    cmp_ok(abs($last - $after->{lastOf}{node($n)} / 1000), '<=', 2,
           node($n) . ': time of the last one');
    $sum += $count;
}

my $true = value($m, 'metrics_server_kubelet_request_total',
                 'success="true"');
my $false = value($m, 'metrics_server_kubelet_request_total',
                  'success="false"');

is($true + $false, $sum, 'request_total is their sum');
is($true, $result->($m, 'ok'), 'with success');

my $failed = 0;
$failed += $result->($m, $_->[1]) for values %faults;
is($false, $failed, 'without');

is(value($m, 'metrics_server_storage_points', 'type="node"'), $nodes,
   'nodes with two points');
is(value($m, 'metrics_server_storage_points', 'type="container"'), 2 * $nodes,
   'containers with two points');
cmp_ok(value($m, 'metrics_server_manager_tick_duration_seconds', 'count '),
       '>=', 1, 'rounds are counted');

is(value($m, 'ngx_http_k8s_metrics_objects', 'kind="pods"'), 2 * $nodes,
   'pods');
is(value($m, 'ngx_http_k8s_metrics_watch_synced', 'kind="pods"'), 1, 'synced');
cmp_ok(value($m, 'ngx_http_k8s_metrics_kubelet_answers_total',
             'connection="kept"'), '>', 0, 'kept connections are used');

my $owned = $m->{ngx_http_k8s_metrics_nodes_owned}{samples};

is(join(' ', sort keys %$owned), 'worker="0" worker="1"', 'two workers');
is($owned->{'worker="0"'} + $owned->{'worker="1"'}, $nodes,
   'which share the nodes');

for my $w (0, 1) {
    my $rss = value($m, 'process_resident_memory_bytes', qq(worker="$w"));
    my $fds = value($m, 'process_open_fds', qq(worker="$w"));

    cmp_ok($rss, '>', 1 << 20, "worker $w: memory");
    cmp_ok($fds, '>', 3, "worker $w: descriptors");
    cmp_ok(abs(time - value($m, 'process_start_time_seconds',
                            qq(worker="$w"))), '<', 600, "worker $w: start");
}


# --- freshness: what was answered -------------------------------------------

my $fresh = 'metrics_server_api_metric_freshness_seconds';
my $was = value(metrics(), $fresh, 'count ');

$t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes/' . node(0));
is(value(metrics(), $fresh, 'count '), $was + 1, 'a get is one sample');

my $list = $t->get(path => '/apis/metrics.k8s.io/v1beta1/pods')->{body};
my $items = () = $list =~ /"timestamp"/g;

cmp_ok($items, '>=', 4, 'a list');
is(value(metrics(), $fresh, 'count '), $was + 1 + $items,
   'is as many as it has items');

$m = metrics();
my $mean = value($m, $fresh, 'sum ') / value($m, $fresh, 'count ');
cmp_ok($mean, '>', 0, 'they have an age');
cmp_ok($mean, '<', 40, 'below what is served');


# --- a reload keeps what was counted ----------------------------------------

$true = value(metrics(), 'metrics_server_kubelet_request_total',
              'success="true"');

my @old = $t->workers;
kill 'HUP', $t->{pid};
ok(wait_for(20, sub {
    my %now = map { $_ => 1 } $t->workers;
    return !grep { $now{$_} } @old;
}), 'new workers');

cmp_ok(value(metrics(), 'metrics_server_kubelet_request_total',
             'success="true"'), '>=', $true, 'counters go on');
ok(wait_for(10, sub {
    my $start = value(metrics(), 'process_start_time_seconds', 'worker="0"');
    return defined $start && time - $start < 10;
}), 'figures of processes are the new ones');


# --- who may ----------------------------------------------------------------

like(status_of($t->ask('/metrics', cert => 'alice')),
     qr{^403 Forbidden: .*User "alice" cannot get path "/metrics"},
     'no right, no metrics');
is($t->ask('/metrics')->{status}, 403, 'nor without a name');

$t->control('/rules', { rules => [ { user => 'alice', verbs => [ 'get' ],
                                     nonResourcePaths => [ '/metrics' ] } ] });

ok(wait_for(20, sub {
    return $t->ask('/metrics', cert => 'alice')->{status} == 200;
}), 'with a rule for the path');

$m = metrics();

cmp_ok(value($m, 'ngx_http_k8s_metrics_reviews_total',
             'kind="access",result="allowed"'), '>=', 1, 'allowed once');
cmp_ok(value($m, 'ngx_http_k8s_metrics_reviews_total',
             'kind="access",result="denied"'), '>=', 2, 'denied before');
cmp_ok(value($m, 'ngx_http_k8s_metrics_reviews_total',
             'kind="access",result="cached"'), '>=', 1, 'not asked each time');


is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
