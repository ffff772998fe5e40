#!/usr/bin/perl

# Requests in flight: more than k8s_metrics_max_inflight, in all workers, are
# 429, before anything is asked about them; who administers the cluster, health
# checks and what is over are not counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics qw(wait_for);


my $pods = '/apis/metrics.k8s.io/v1beta1/pods';

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 4 ], workers => 2,
    http => 'k8s_metrics_max_inflight 6;');

$t->start;
ok($t->ready, 'ready') or diag($t->log);

$t->control('/rules', { rules => [ { group => 'g' } ] });

sub by {
    my ($user, $path) = @_;

    return [ $path // $pods, cert => 'front-client',
             headers => [ "X-Remote-User: $user", 'X-Remote-Group: g' ] ];
}

sub statuses {
    my %n;
    $n{ $_->{status} }++ for @_;
    return join ' ', map { "$_ x $n{$_}" } sort keys %n;
}

sub asked {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}


# whose decisions take time

$t->control('/api', { slowMillis => 3000 });
$t->control('/api', { fault => 'slow', for => 'sar' });

my $n = asked();
my @r = $t->ask_all(map { by("u$_") } 1 .. 15);

is(statuses(@r), '200 x 6 429 x 9', 'six of 15 at once, over both workers');
is(asked(), $n + 6, 'the others are not asked about');

my ($refused) = grep { $_->{status} == 429 } @r;

is_deeply(eval { JSON::PP->new->decode($refused->{body}) },
    { kind => 'Status', apiVersion => 'v1', metadata => {},
      status => 'Failure', reason => 'TooManyRequests', code => 429,
      message => 'Too many requests, please try again later.' }, 'a Status')
    or diag($refused->{body});

# while they wait

$n = asked();
my $pid = fork() // die "fork: $!";
if ($pid == 0) {
    $t->ask_all(map { by("v$_") } 1 .. 6);
    POSIX::_exit(0);
}

ok(wait_for(10, sub { asked() == $n + 6 }), 'six wait');

my $r = $t->ask(@{ by('w') });
is($r->{status}, 429, 'one more may not');
is_deeply([ grep { /^retry-after:/ } @{ $r->{headers} } ],
          [ 'retry-after: 1' ], 'and may come again');
is($t->ask($pods, cert => 'admin')->{status}, 200, 'system:masters may');
is($t->ask(@{ by('w', '/readyz') })->{status}, 200, 'a health check may');

waitpid($pid, 0);

is($t->ask(@{ by('v1') })->{status}, 200, 'who comes later, too');

# whoever leaves is not counted any more

$n = asked();
$pid = fork() // die "fork: $!";
if ($pid == 0) {
    $t->ask_all(map { my $q = by("x$_");
        [ @$q, args => [ '--no-show-error', '-m', 1 ] ] } 1 .. 6);
    POSIX::_exit(0);
}

ok(wait_for(10, sub { asked() == $n + 6 }), 'six wait and leave');
waitpid($pid, 0);

ok(wait_for(2, sub { $t->ask(@{ by('v2') })->{status} == 200 }),
   'their places are free');

# nor is what a dead worker had

$n = asked();
$pid = fork() // die "fork: $!";
if ($pid == 0) {
    $t->ask_all(map { my $q = by("y$_");
        [ @$q, args => [ '--no-show-error' ] ] } 1 .. 6);
    POSIX::_exit(0);
}

ok(wait_for(10, sub { asked() == $n + 6 }), 'six wait');
kill 'KILL', $t->workers;
waitpid($pid, 0);

$t->control('/api', { fault => '' });

ok(wait_for(10, sub { $t->ask(@{ by('v3') })->{status} == 200 }),
   'a worker that died had none');
is(statuses($t->ask_all(map { by('v3') } 1 .. 6)), '200 x 6', 'all places');


is($t->stop, 0, 'ends');
is_deeply([ grep { !/exited on signal 9/ } $t->alerts ], [], 'no alerts');

done_testing();
