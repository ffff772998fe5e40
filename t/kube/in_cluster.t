#!/usr/bin/perl

# As in a Pod: where the API server is comes from the environment, who we are
# from the folder of the service account, whose token changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics qw(wait_for);


package InCluster;

our @ISA = ('K8sMetrics');

sub cluster {
    my ($self) = @_;

    my $sa = $self->dir . '/standin/sa';
    my $text = $self->SUPER::cluster;

    $text =~ s/kubeconfig=\S+;/in_cluster=$sa;/ or die 'no API server';

    return $text;
}

# a binary upgrade hands on what "env" names, and nothing else
sub conf {
    my ($self) = @_;

    my $name = $self->SUPER::conf;
    my $text = K8sMetrics::slurp($name);

    open(my $fh, '>', $name) or die "$name: $!";
    print $fh "env KUBERNETES_SERVICE_HOST;\nenv KUBERNETES_SERVICE_PORT;\n",
        $text;
    close $fh;

    return $name;
}

package main;


my $t = InCluster->new(standin => [ qw(-nodes 2 -pods 3) ]);
my $api = '/apis/metrics.k8s.io/v1beta1';

# the code and what a 404 is of
sub status {
    my $r = $t->get(path => "$api/$_[0]");
    return "$r->{status}" . ($r->{body} =~ /"kind":"(\w+metrics)"/ ? ' known'
                                                                    : '');
}

sub known {
    my ($path) = @_;
    return wait_for(30, sub { status($path) =~ /known|200/ });
}

my $pods = 0;

sub new_pod {
    my $name = 'p' . ++$pods;

    $t->control('/pod', { namespace => 'new', name => $name,
        node => 'node-00001', containers => [ { name => 'c',
        cpu => 1000000, memory => 1048576 } ] });

    return "namespaces/new/pods/$name";
}

sub logged {
    my @lines = $t->log($_[0]);
    return scalar @lines;
}

sub answered_401 { return logged(qr/API server .* answered 401/) }


# listed, with the service account's token and CA

@ENV{qw(KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT)}
    = $t->{api} =~ /(.*):(\d+)/;

$t->start;

ok(known('nodes/node-00000'), 'nodes are listed');
ok(known('namespaces/ns-02/pods/app-00001-002'), 'pods, too');
is(logged(qr/k8s_metrics: API server "\Q$t->{api}\E": nodes listed/), 1,
   'where the environment says');
is(answered_401(), 0, 'the token is taken');


# another token: read again when the old one is refused

$t->control('/token', { token => 'another-token' });
$t->control('/cut', {});
ok(known(new_pod()), 'a pod is seen after the token was replaced');
ok(answered_401(), 'because the old one was refused');
is(logged(qr/another-token/), 0, 'no token in the log');


# new workers begin with the one that is there

my $before = answered_401();
my ($worker) = $t->workers;

$t->control('/token', { token => 'a-third-token' });
kill 'HUP', $t->{pid};
ok(wait_for(20, sub { my @w = $t->workers; @w == 1 && $w[0] != $worker }),
   'reload');
ok(known(new_pod()), 'a pod is seen after a reload');
is(answered_401(), $before, 'with the new token from the start');


# a token that cannot be read is no reason to forget the one that is known

my $sa = $t->dir . '/standin/sa';

rename "$sa/token", "$sa/token.away";
$t->control('/cut', {});
ok(known(new_pod()), 'a pod is seen while the file is away');
rename "$sa/token.away", "$sa/token";


# a binary upgrade has the environment that the configuration names; only a
# daemon can be upgraded

is($t->alerts // '', '', 'no alert');
is($t->stop, 0, 'exits');

my $name = $t->conf;
my $file = $t->dir . '/nginx.pid';
my %daemons;

sub daemon {
    my ($pid) = K8sMetrics::slurp($file) =~ /^(\d+)/;
    return if !$pid || $daemons{$pid};
    $daemons{$pid} = 1;
    return $pid;
}

# a zombie has no program
sub gone { return !defined readlink "/proc/$_[0]/exe" }

END {
    for (grep { !gone($_) } keys %daemons) {
        kill 'TERM', $_;
    }
}

system('sed', '-i', 's/^daemon off/daemon on/', $name);
system($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', '-c', $name,
       '-e', $t->dir . '/error.log') == 0 or die 'nginx failed';

my $old = wait_for(10, \&daemon) or die 'no daemon';
ok(known('nodes/node-00000'), 'a daemon');

kill 'USR2', $old;
my $new = wait_for(20, \&daemon);
ok($new, 'another binary starts');

# its own zone begins empty: what it knows, it has listed
kill 'QUIT', $old;
ok(wait_for(20, sub { gone($old) }), 'the old one ends');
ok(known('nodes/node-00001'), 'nodes are listed by the new one');

for (grep { $_ } $new) {
    kill 'QUIT', $_;
    ok(wait_for(20, sub { gone($new) }), 'which ends, too');
}

is($t->alerts // '', '', 'no alert');


# an IPv6 address, as dual-stack clusters have it

unlink $t->dir . '/error.log';
@ENV{qw(KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT)} = ('::1', 8699);
$t->start_nginx;
ok(wait_for(10, sub { $t->log(qr/API server "\[::1\]:8699": list of nodes /) }),
   'an IPv6 address is connected to');
is(logged(qr/list of nodes failed: (?!connection refused)/), 0,
   'where nobody listens here');
is($t->stop, 0, 'exits');

done_testing();
