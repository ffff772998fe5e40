#!/usr/bin/perl

# /debug/nodes: why there is (no) metric, each reason provoked with the
# stand-in's faults and read as text and as JSON.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics qw(status_of wait_for);


sub node { return sprintf('node-%05d', $_[0]) }

# zones go by the number: node 2, 5, 8 ... are not selected

my $t = K8sMetrics->new(standin => [ '-nodes', 22, '-pods', 1 ],
    http => "k8s_metrics_node_selector zone!=z2;"
        . ' k8s_metrics_kubelet_request_timeout 2s;');

sub set { return $t->control('/node', { name => node(shift), @_ }) }
sub text { return $t->get(path => "/debug/nodes$_[0]")->{body} }

sub json {
    my ($query) = @_;

    my $r = $t->get(path => "/debug/nodes$query",
                    headers => [ 'Accept: application/json' ]);

    return eval { JSON::PP->new->utf8->decode($r->{body}) } // {};
}

# waits for the reason of a query, then reads it in both forms

sub reason {
    my ($query, $reason, $words, $limit) = @_;

    my $o;

    ok(wait_for($limit // 30, sub {
        $o = json($query);
        return ($o->{reason} // '') eq $reason;
    }), "$query: $reason") or diag(JSON::PP->new->pretty->encode($o));

    like($o->{message} // '', $words, "$query: in words");

    my $text = text($query);
    my $served = $o->{served};

    # ages have moved meanwhile
    my $plain = sub { return $_[0] =~ s/\d+(?:\.\d+)? (?:s|min|h)\b/T/gr };

    my $message = quotemeta $plain->($o->{message} // '?');

    like($plain->($text),
         qr/^(?:pod|node) \S+ (?:has no|has|is served).*?: $message\.\n/,
         "$query: the same as text");
    is($text =~ /has no metrics/ ? 1 : 0, $served ? 0 : 1,
       "$query: served or not");

    return $o;
}


# --- faults, by node --------------------------------------------------------

my %faults = (
    1  => [ 'unauthorized', '401', qr/401 Unauthorized: .*webhook authentication is off/ ],
    3  => [ 'forbidden', '403', qr/403 Forbidden: the ClusterRole lacks nodes\/metrics/ ],
    4  => [ 'status', '500', qr/^500, a server error/ ],
    6  => [ 'tls', 'wrongname', qr/certificate is not valid for ".*": IP address mismatch \(it has no IP SAN; serverTLSBootstrap/ ],
    7  => [ 'tls', 'expired', qr/certificate has expired \(is its rotation stuck/ ],
    9  => [ 'tls', 'otherca', qr/not trusted: .*\(another CA signed it: k8s_metrics_kubelet_certificate_authority\)|not trusted: self.signed/ ],
    10 => [ 'timeout', 'hang', qr/2000 ms passed without an answer \(the node is overloaded/ ],
    12 => [ 'no_series', 'html', qr/no usable series: .*looks like HTML/ ],
    13 => [ 'scrape_error', 'scrape_error', qr/scrape_error 1/ ],
    15 => [ 'status', 'redirect', qr/a redirect, which is not followed/ ],
    16 => [ 'protocol', 'half', qr/cut short/ ],
    # reset before the handshake, or in it
    19 => [ 'connect|tls', 'refuse', qr/reset/ ],
);

$t->start_standin;
set($_, fault => $faults{$_}[1]) for keys %faults;
set(18, addresses => [ { type => 'InternalDNS', address => 'x.test' } ]);
$t->start_nginx;

my %nodes;

ok(wait_for(40, sub {
    %nodes = map { $_->{name} => $_ } @{ json('')->{nodes} // [] };
    return 15 == grep { ($_->{lastResult} // 'ok') ne 'ok'
                        || $_->{podsWithMetrics} } values %nodes;
}), 'all nodes have an end to tell of')
    or diag join "\n", map { "$_ " . ($nodes{$_}{lastResult} // '-') }
        sort keys %nodes;

is(join(' ', sort keys %nodes),
   join(' ', map { node($_) } grep { $_ % 3 != 2 } 0 .. 21),
   'the selected nodes are listed, in JSON');

my $list = text('');

is(join(' ', $list =~ /^node (\S+) \(Ready\)$/mg), join(' ', sort keys %nodes),
   'and as text');

for my $n (sort { $a <=> $b } keys %faults) {
    my ($result, $fault, $words) = @{ $faults{$n} };
    my $o = $nodes{node($n)};

    like($o->{lastResult}, qr/^(?:$result)$/, "$fault: $result");
    like($o->{lastError}, $words, "$fault: in words");
    my ($name, $error) = (node($n), quotemeta $o->{lastError});

    like($list, qr/^node $name .*\n.*\n.*\n    last failure: [\d.]+ s ago, in a row: \d+: $error$/m,
         "$fault: as text");
    is($o->{lastSuccessSecondsAgo}, undef, "$fault: never a success");
    cmp_ok($o->{failuresInARow}, '>=', 1, "$fault: counted");
}

is($nodes{node(18)}{lastResult}, 'no_address', 'no address');
like($nodes{node(18)}{lastError}, qr/no address of the preferred types/,
     'in words');
like($list, qr/node node-00018 .*\n    no usable address, by worker 0\n/,
     'as text');

my $good = $nodes{node(0)};

is("$good->{lastResult} $good->{port} $good->{path} $good->{worker}",
   "ok $t->{kubelet_port} /metrics/resource 0", 'a good one: where');
is($good->{address}, $t->{kubelet}, 'its address');
is($good->{lastFailureSecondsAgo}, undef, 'no failure');
cmp_ok($good->{lastSuccessSecondsAgo}, '<', 30, 'a success');


# --- one asked for by name --------------------------------------------------

reason('?node=' . node(0), 'served', qr/^it is served$/);
my $o = reason('?pod=ns-00/app-00000-000', 'served', qr/^it is served$/);

cmp_ok($o->{sampleAgeSeconds}, '<', 40, 'the age of its sample');
cmp_ok($o->{windowSeconds}, '>', 5, 'its window');
is($o->{node}{name}, node(0), 'its node');
is(json('?namespace=ns-00&pod=app-00000-000')->{reason}, 'served',
   'asked for in two parameters');

reason('?pod=ns-00/nobody', 'unknown', qr/no running pod of that name/);
reason('?node=nobody', 'unknown', qr/no such node.*k8s_metrics_node_selector/);
reason('?node=' . node(2), 'unknown', qr/k8s_metrics_node_selector leaves it/);
reason('?pod=ns-00/app-00002-000', 'node_unknown',
       qr/runs on node "node-00002", which is not known/);
reason('?node=' . node(3), 'scrape_failed',
       qr/^it was not scraped; the last attempt failed [\d.]+ s ago: 403/);
reason('?pod=ns-00/app-00003-000', 'scrape_failed',
       qr/^its node was not scraped; .*: 403 Forbidden/);

sub pod {
    my ($name, %o) = @_;
    my %c = (name => 'c', cpu => 1e8, memory => 1e8, %{ $o{c} // {} });

    delete $o{c};
    return $t->control('/pod', { namespace => 'x', name => $name,
        node => node(0), containers => [ \%c ], %o });
}

pod('pending', phase => 'Pending');
pod('future', c => { start => time + 3600 });
pod('idle', c => { cpu => 0 });
pod('empty', c => { memory => 0 });

reason('?pod=x/pending', 'unknown', qr/its phase is Pending/);
reason('?pod=x/future', 'not_reported', qr/kubelet did not name it/);
reason('?pod=x/idle', 'incomplete', qr/incomplete.*: cpu is 0$/);
reason('?pod=x/empty', 'incomplete', qr/incomplete.*: memory is (?:0|missing)/);

# the next scrape of a new pod brings the first point, the one after it a rate

pod('fresh', c => { start => time - 600 });
reason('?pod=x/fresh', 'one_point',
       qr/^its container "c" has one sample only, .*; it is [\d.]+ s old$/);
reason('?pod=x/fresh', 'served', qr/^it is served$/);

# a sample that grows old

set(0, fault => '403');
reason('?node=' . node(0), 'too_old',
       qr/began [\d.]+ s ago, and samples are served for 20 s \(k8s_metrics_sample_max_age\); the last attempt failed .* 403/, 60);
reason('?pod=x/fresh', 'too_old', qr/last good scrape of its node began/);

set(0, fault => '');
reason('?node=' . node(0), 'served', qr/^it is served$/);
is(json('?node=' . node(0))->{node}{lastError}, '', 'no error any more');


# --- what is asked for ------------------------------------------------------

like(status_of($t->get(path => "/debug/nodes$_")),
     qr/^400 BadRequest: ask for \?node=NAME/, "$_ is 400")
    for '?pod=x', '?pod=/x', '?pod=x/', '?namespace=x', '?node=',
        '?node=' . 'x' x 600;

is($t->get(path => '/debug/nodes', method => 'POST')->{status}, 405,
   'no POST');
is($t->get(path => '/debug/nodes', method => 'HEAD')->{body}, '', 'HEAD');
like($t->get(path => '/debug/nodes?output=json')->{body}, qr/^\{"nodes":\[/,
     'JSON for ?output=json');
like($t->get(path => '/debug/nodes?output=text',
             headers => [ 'Accept: application/json' ])->{body},
     qr/^15 nodes, /, 'text for ?output=text');

my $odd = text('?pod=a%0a%1b%22/%3cb%3e%00%ff');

unlike($odd, qr/[^\n\x20-\x7e]/, 'no control characters in text');
like($odd, qr/^pod a\?\?"\/<b>\?\? has no metrics/, 'but their places');
is(json('?pod=a%0a%22/%3cb%3e')->{name}, '<b>', 'JSON is escaped');


# --- who may ----------------------------------------------------------------

like(status_of($t->ask('/debug/nodes', cert => 'alice')),
     qr{^403 Forbidden: .*User "alice" cannot get path "/debug/nodes"},
     'no right, no page');

$t->control('/rules', { rules => [ { user => 'alice', verbs => [ 'get' ],
                            nonResourcePaths => [ '/debug/nodes' ] } ] });

ok(wait_for(20, sub {
    return $t->ask('/debug/nodes', cert => 'alice')->{status} == 200;
}), 'with a rule for the path');


is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');


# --- before the first lists -------------------------------------------------

$t = K8sMetrics->new(standin => [ '-nodes', 1, '-pods', 1, '-apidown' ]);
$t->start;

reason('?pod=ns-00/app-00000-000', 'not_listed', qr/not been listed in full/);
is_deeply(json(''), { nodes => [] }, 'no nodes');

is($t->stop('QUIT'), 0, 'exits');

done_testing();
