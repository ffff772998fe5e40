#!/usr/bin/perl

# Clients that leave while their review is under way: their connections and
# memory are given back at once, not when the review ends, and those who wait
# for the same review get their answers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics qw(wait_for);
use Raw qw(h1 h2);

use constant {
    MANY => 100,
    ROUNDS => 40,
};


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 1 ],
    http => 'k8s_metrics_authorization_cache_ttl 0 0;');

$t->start;
ok($t->synced, 'synced') or diag($t->log);

my $to = "$t->{addr}:8602";
my @front = (cert => "$t->{dir}/standin/front-client");
my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';
my ($worker) = $t->workers;

sub sockets {
    my @fds = glob "/proc/$worker/fd/*";
    return scalar grep { (readlink // '') =~ /^socket:/ } @fds;
}

sub resident {
    return K8sMetrics::slurp("/proc/$worker/status") =~ /^VmRSS:\s+(\d+) kB/m
        ? $1 : die;
}

sub tries {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}

# 40 kB each that no two share, so that what is kept shows

sub fill { return map { "X-Fill-$_: " . ("$_" x 5000) } 1 .. 8 }

sub h2_fill { return map { ("x-fill-$_" => "$_" x 5000) } 1 .. 8 }

# all before it was read, when this is answered: there is one worker
sub settled { return $t->ask('/livez')->{status} == 200 }

$t->control('/rules', { rules => [ { user => 'bob' } ] });
$t->control('/api', { fault => 'hang', for => 'sar' });


# one that stays, first

my $n = tries();
my $stays = h1($to, @front);
$stays->{c}->print(join "\r\n", "GET $nodes HTTP/1.1", 'Host: x',
    'X-Remote-User: bob', '', '');
ok(wait_for(5, sub { tries() > $n }), 'its review is under way');

my $base = sockets();
my @sizes;

my $flat;

for my $round (1 .. ROUNDS) {

    # by connection

    my @leave = map { h1($to, @front) } 1 .. MANY;
    $_->{c}->print(join "\r\n", "GET $nodes HTTP/1.1", 'Host: x',
        'X-Remote-User: bob', fill(), '', '') for @leave;

    settled();
    cmp_ok(sockets(), '>=', $base + MANY, "round $round: many wait");
    $_->{c}->close for @leave;

    ok(wait_for(5, sub { sockets() <= $base }),
       "round $round: their connections are closed") or diag(sockets(), $base);

    # by stream, and the connection is used on

    my $c = h2($to, @front);
    my @sid = map { $c->begin([ 'x-remote-user' => 'bob', h2_fill() ],
                              path => $nodes) } 1 .. MANY;
    settled();
    $c->cancel($_) for @sid;
    is($c->ask([ 'x-remote-user' => 'u', 'x-remote-group' => 'system:masters' ],
               path => $nodes)->{status}, 200,
       "round $round: a connection whose streams were taken back goes on");
    $c->{c}->close;
    ok(wait_for(5, sub { sockets() <= $base }), "round $round: until it ends");

    # malloc needs some rounds until it has room for what lives at the same
    # time; of a leak of all that left a round is 8 MB

    push @sizes, resident();
    $flat = @sizes > 4 && $sizes[-1] - $sizes[-5] < 4000;

    last if $flat;
}

ok($flat, 'memory does not grow with those who left')
    or diag("@sizes kB");
cmp_ok(tries() - $n, '<', 12, 'and few reviews were asked, not one for each');


# the answer

$t->control('/api', { fault => '' });

# the stand-in hangs until its caller goes, at the review's deadline
is($stays->ask('')->{status}, 500, 'who stayed hears of the review\'s end');

# where the rounds took longer than that, those who left began another one

ok(wait_for(12, sub {
    $t->ask($nodes, cert => 'front-client', headers => [ 'X-Remote-User: bob' ])
        ->{status} == 200
}), 'and the next is answered');

# those who wait with a client that left

$t->control('/api', { slowMillis => 2000 });
$t->control('/api', { fault => 'slow', for => 'sar' });

$n = tries();
my ($first, $second) = (h1($to, @front), h2($to, @front));
$first->{c}->print(join "\r\n", "GET $nodes HTTP/1.1", 'Host: x',
    'X-Remote-User: bob', '', '');
ok(wait_for(5, sub { tries() > $n }), 'a slow review');
my $sid = $second->begin([ 'x-remote-user' => 'bob' ], path => $nodes);
settled();
$first->{c}->close;
$second->cancel($sid);
is($second->ask([ 'x-remote-user' => 'bob' ], path => $nodes)->{status}, 200,
   'is another\'s answer, when those who asked for it have left');
is(tries() - $n, 1, 'one review');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
