#!/usr/bin/perl

# Requests that wait for a review: those that ask the same share one, others
# do not wait for them, and a client that leaves does not take the answer
# along.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time);

use K8sMetrics;


my $api = '/apis/metrics.k8s.io/v1beta1';
my @alice = (cert => 'alice');

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 4 ],
    http => 'k8s_metrics_authorization_cache_ttl 60s 2s;');

$t->start;
ok($t->synced, 'synced') or diag($t->log);

# two points of each node: its own answer is 200, not 404
ok($t->ready, 'ready') or diag($t->log);

sub reviews { return $t->control('/stats')->{reviews} }

sub statuses { return join ' ', map { $_->{status} } @_ }


$t->control('/rules', { rules => [ { user => 'alice' }, { user => 'bob',
    verbs => [ 'get' ], apiGroup => 'metrics.k8s.io',
    resources => [ 'pods' ], namespaces => [ 'ns-01' ] } ] });
$t->control('/api', { slowMillis => 3000 });
$t->control('/api', { fault => 'slow', for => 'sar' });

my $before = reviews();
my $since = time;
my @r = $t->ask_all(map { [ "$api/nodes", @alice ] } 1 .. 10);

is(reviews() - $before, 1, 'ten that ask the same make one review');
is(statuses(@r), join(' ', (200) x 10), 'and get its answer');
cmp_ok(time - $since, '>', 2.5, 'which was slow');

$before = reviews();
$since = time;
@r = $t->ask_all(map { [ "$api/nodes/node-0000$_", @alice ] } 0, 1, 2, 3);

is(reviews() - $before, 4, 'four that ask of different nodes make four');
is(statuses(@r), '200 200 404 404', 'and get their own answers');
cmp_ok(time - $since, '<', 9, 'which do not wait for one another');

# through the front proxy, with an answer that is no 200

$before = reviews();
@r = $t->ask_all(map { [ "$api/namespaces/ns-01/pods/x", cert => 'front-client',
    headers => [ 'X-Remote-User: bob' ] ] } 1 .. 4);

is(reviews() - $before, 1, 'four of the front proxy make one review');
is(statuses(@r), '404 404 404 404', 'and all are answered');
is($t->ask("$api/namespaces/ns-01/pods/app-00001-001", cert => 'front-client',
           headers => [ 'X-Remote-User: bob' ])->{status}, 200,
   'what is there, he gets');

# HTTP/2 hears of it in another way

for my $q ([ pods => '--http1.1' ], [ 'namespaces/ns-01/pods' => '--http2' ]) {
    my ($path, $http) = @$q;

    $before = reviews();
    @r = $t->ask_all([ "$api/$path", @alice, args => [ $http, '--no-show-error',
                       '-m', 1 ] ],
                     map { [ "$api/$path", @alice, args => [ $http ] ] } 1, 2);

    is(statuses(@r), '0 200 200', 'the client that asked first leaves, the '
       . "others are answered, with $http");
    is(reviews() - $before, 1, 'by one review');
}


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
