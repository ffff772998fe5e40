#!/usr/bin/perl

# How kubelets are spoken to: at which address and path, with which
# certificates, on which connections, when.  What the stand-in counted says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(sleep);

use K8sMetrics qw(wait_for);


my $nodes = 24;

my $t = K8sMetrics->new(standin => [ '-nodes', $nodes, '-pods', 1 ],
    server => 'k8s_metrics_sample_max_age 0;');

$t->start_standin;

sub stats { return $t->control('/stats') }
sub node { return sprintf('node-%05d', $_[0]) }
sub set { return $t->control('/node', { name => node(shift), @_ }) }

# by how many the node's scrapes grew, between two looks
sub grew {
    my ($before, $after, $n) = @_;
    return $after->{perNode}{node($n)} - ($before->{perNode}{node($n)} // 0);
}

sub status {
    my ($n) = @_;
    return $t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes/' . node($n),
                   cert => 'admin')->{status};
}


# --- addresses and paths ----------------------------------------------------

# what is no address answers nobody: an RST from where no kubelet is

my $nobody = '127.66.12.1';
my $other = '127.66.12.' . (100 + $t->{kubelet_port} - 8700);
my $own = sub { return $t->{kubelet} =~ s/1$//r . (1 + $_[0]) };

my %addresses = (
    1 => [ 'InternalIP before ExternalIP, whatever the order',
           [ ExternalIP => $nobody ], [ InternalIP => $own->(1) ] ],
    2 => [ 'ExternalIP where that is all', [ Hostname => 'n2' ],
           [ ExternalIP => $other ] ],
    3 => [ 'Hostname that is an address', [ InternalDNS => 'x.test' ],
           [ Hostname => $own->(3) ] ],
    4 => [ 'the first of a type', [ InternalIP => $own->(4) ],
           [ InternalIP => $nobody ] ],
);

for my $n (sort keys %addresses) {
    my (undef, @list) = @{ $addresses{$n} };
    set($n, addresses => [ map { { type => $_->[0], address => $_->[1] } }
                           @list ]);
}

set(6, addresses => [ { type => 'Hostname', address => 'name.test' } ]);
set(7, addresses => [ { type => 'InternalDNS', address => $own->(7) } ]);

my %paths = (8 => '/metrics/%2e%2e/pods', 9 => '/metrics/%70ods',
             10 => '/metrics/../pods', 11 => '/pods', 12 => '/metrics?a=b',
             13 => '/metrics/nodes/n13/metrics/resource');

set($_, path => $paths{$_}) for keys %paths;

$t->start_nginx;

ok(wait_for(40, sub { status(0) == 200 }), 'a node is served');
ok(wait_for(20, sub { status($_) == 200 }), $addresses{$_}[0])
    or diag $t->log(qr/node-0000$_/)
    for sort keys %addresses;

like($t->log(qr/node-00006.*not scraped/), qr/name.test/,
     'a name that leads nowhere is named');
like($t->log(qr/node-00007.*not scraped/), qr/no address of the preferred/,
     'other types do not count');

my $asked = stats()->{paths};

for my $n (sort { $a <=> $b } keys %paths) {
    my $path = $paths{$n};

    ok(wait_for(20, sub { status($n) == 200 }), "$path: the node is served");

    if ($n == 13) {
        ok($asked->{$path}, "$path is asked for");
        is($t->log(qr/annotation.*node-00013/), '', "$path is plain");
        next;
    }

    ok(!$asked->{$path}, "$path is not asked for");
    like($t->log(qr/annotation/), qr/"node-000*$n" is no (?:plain )?path/,
         "$path: the log says why");
}

is_deeply([ sort keys %$asked ], [ sort '/metrics/resource', $paths{13} ],
          'nothing else was asked for');


# --- when, and on which connections -----------------------------------------

# in the steady state: two looks at the last scrape of each, a round apart

my @good = grep { $_ != 6 && $_ != 7 } 0 .. $nodes - 1;

ok(wait_for(60, sub {
    my $s = stats();
    return !grep { ($s->{perNode}{node($_)} // 0) < 4 } @good;
}), 'four rounds are over');

my $before = stats();

sleep 10.5;

my $after = stats();

my @grew = map { grew($before, $after, $_) } @good;

is(scalar(grep { $_ < 1 || $_ > 2 } @grew), 0, 'each was scraped in a round')
    or diag "@grew";
is($after->{handshakesFull} + $after->{handshakesResumed},
   $before->{handshakesFull} + $before->{handshakesResumed},
   'on the connections that were there');
is($after->{connections}, scalar @good, 'one for each');

my %seconds;
my $moved = 0;

for my $n (map { node($_) } @good) {
    my ($one, $two) = ($before->{lastOf}{$n}, $after->{lastOf}{$n});
    my $off = ($two - $one) % 10000;

    $off = 10000 - $off if $off > 5000;
    $moved++ if $off > 700;
    $seconds{int($two % 10000 / 1000)}++;
}

is($moved, 0, 'each in its own phase');

my ($most) = sort { $b <=> $a } values %seconds;

cmp_ok(scalar keys %seconds, '>=', 6, 'phases are spread over the resolution');
cmp_ok($most, '<=', @good / 2, 'and not many at once');


# --- no time for samples to grow old ----------------------------------------

is(status(20), 200, 'a node is served');
set(20, fault => '500');

ok(wait_for(12, sub { $t->log(qr/node-00020.*not scraped/) }), 'it fails');
is(status(20), 404, 'and is gone with the first scrape that fails');
is(status(21), 200, 'others are served');

set(20, fault => '');
ok(wait_for(25, sub { status(20) == 200 }), 'it comes back');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');


# --- certificates -----------------------------------------------------------

# the module without and with a certificate, at kubelets that want one, one of
# which has a certificate of another CA

$t = K8sMetrics->new(standin => [ '-nodes', 2, '-pods', 1,
                                  '-kubelet-client-cert' ],
    server => 'k8s_metrics_sample_max_age 0;');
$t->start;
set(1, fault => 'otherca');

ok(wait_for(20, sub { $t->log(qr/node-00000.*not scraped: TLS failed: .*(?:certificate required|bad certificate)/) }),
   'without a certificate: refused, and the log says so')
    or diag $t->log(qr/not scraped/);
ok(!%{ stats()->{clients} }, 'none was shown');
is($t->stop('QUIT'), 0, 'exits');

my $s = $t->dir . '/standin';

$t->{http} = "k8s_metrics_kubelet_client_certificate $s/alice.crt;"
    . " k8s_metrics_kubelet_client_key $s/alice.key;";
$t->start_nginx;

ok(wait_for(40, sub { status(0) == 200 }), 'with one: served');
is(join(' ', keys %{ stats()->{clients} }), 'alice', 'it was shown');
isnt(status(1), 200, 'a certificate of another CA is not taken');
like($t->log(qr/node-00001.*not scraped/), qr/certificate is not trusted/,
     'and the log says so');
is($t->stop('QUIT'), 0, 'exits');


# insecure_tls instead of the CA

{
    no warnings 'redefine';
    my $cluster = \&K8sMetrics::cluster;

    local *K8sMetrics::cluster = sub {
        return $cluster->(@_)
            =~ s/k8s_metrics_kubelet_certificate_authority.*;/k8s_metrics_kubelet_insecure_tls on;/r;
    };

    $t->start_nginx;
}

ok(wait_for(40, sub { status(0) == 200 && status(1) == 200 }),
   'insecure_tls on: taken')
    or diag $t->log(qr/not scraped/);

set(1, fault => 'expired');
sleep 11;
is(status(1), 200, 'an expired one, too');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
