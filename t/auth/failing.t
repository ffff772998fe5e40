#!/usr/bin/perl

# Reviews that fail: a passing fault is tried again, one that stays is a 500
# in bounded time with one line of the log, never a right, and not kept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(status_of);


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';
my @bob = (cert => 'front-client', headers => [ 'X-Remote-User: bob' ]);

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 4 ],
    http => 'k8s_metrics_authorization_cache_ttl 60s 2s;');

$t->start;
ok($t->synced, 'synced') or diag($t->log);

sub tries {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}


$t->control('/rules', { rules => [ { user => 'bob' } ] });

for my $fault ('500', '429') {
    $t->control('/api', { fault => $fault, for => 'sar', count => 1 });
    my $n = tries();

    is($t->ask($nodes, cert => 'front-client', headers => [
        'X-Remote-User: bob', "X-Remote-Group: $fault" ])->{status}, 200,
       "a $fault is tried again");
    is(tries() - $n, 2, 'once');
}

$t->control('/api', { fault => '500', for => 'sar' });

my $n = tries();
my $since = time;
my $r = $t->ask($nodes, @bob);
my $took = time - $since;

is($r->{status}, 500, 'a review that fails until the deadline is 500');
like(status_of($r), qr/^500 InternalError: \S/, 'as a Status');
unlike($r->{body}, qr/NodeMetrics/, 'with nothing of what was asked for');
cmp_ok(tries() - $n, '>', 5, 'after several tries');
ok($took > 5 && $took < 20, 'and in bounded time') or diag("$took s");
is(scalar(grep { /an access review failed/ } $t->log), 1,
   'and one line of the log');

is($t->ask($nodes, cert => 'admin')->{status}, 200,
   'who needs no review is not in its way');

$t->control('/api', { fault => '' });

is($t->ask($nodes, @bob)->{status}, 200, 'a failure is not kept');

$t->control('/api', { fault => 'garbage', for => 'sar' });

like(status_of($t->ask($nodes, cert => 'front-client',
                    headers => [ 'X-Remote-User: carol' ])),
     qr/^500 InternalError: \S/, 'a review that cannot be read is 500');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
