#!/usr/bin/perl

# Each health check says what is so: when the API server is not there yet, when
# nothing can be scraped, when all is well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use ApiTest qw(wait_for);


my $t = ApiTest->new(standin => [ -nodes => 1, -pods => 2, '-apidown' ]);

$t->start;

# the checks that fail, by name; the verdict must fit

sub failing {
    my ($endpoint, $args) = @_;

    my $r = $t->get(path => "/$endpoint?verbose" . ($args // ''));
    my @bad = $r->{body} =~ /^\[-\](\S+) failed: reason withheld$/mg;
    my $end = @bad ? 'failed' : 'passed';

    return "status $r->{status} for:\n$r->{body}"
        if $r->{status} != (@bad ? 500 : 200)
           || $r->{body} !~ /^$endpoint check $end\n\z/m;

    return join ' ', @bad;
}


# no API server

is(failing('livez'), 'metadata-informer-sync', 'livez without lists');
is(failing('healthz'), 'metadata-informer-sync', 'healthz without lists');
is(failing('readyz'), 'metric-storage-ready metric-informer-sync '
   . 'metadata-informer-sync', 'readyz without lists');
is(failing('readyz', '&exclude=metric-storage-ready'
           . '&exclude=metric-informer-sync'), 'metadata-informer-sync',
   'without those that are excluded');
is(failing('readyz', '&exclude=metric-storage-ready'
           . '&exclude=metric-informer-sync&exclude=metadata-informer-sync'),
   '', 'without all that fail');

my $r = $t->get(path => '/readyz');
is($r->{status}, 500, 'failing is 500');
is(ApiTest::header($r, 'content-type'), 'text/plain; charset=utf-8',
   'in plain text');
is(ApiTest::header($r, 'x-content-type-options'), 'nosniff', 'for sure');
like($r->{body}, qr/^\[\+\]ping ok\n/, 'and verbose without being asked');

$r = $t->get(path => '/readyz/metric-informer-sync');
is($r->{status}, 500, 'a single check fails');
like($r->{body}, qr/^internal server error: .*\n\z/, 'with its line');

$r = $t->get(path => '/readyz?verbose&exclude=a&exclude=b%22');
like($r->{body}, qr/^warn: some health checks cannot be excluded: (.*)\n/m,
     'unknown exclusions get a line');
is($r->{body} =~ /excluded: (.*)/ ? $1 : '', 'no matches for "a","b\""',
   'and are named');


# lists, but nothing scraped

$t->control('/node', { Name => 'node-00000', Fault => '500' });
$t->control('/api', { fault => '' });

ok(wait_for(30, sub { failing('readyz') eq 'metric-storage-ready' }),
   'readyz without a sample') or diag(failing('readyz'));
is(failing('livez'), '', 'livez with lists');
is(failing('healthz'), '', 'healthz with lists');
is($t->get(path => '/readyz/metric-informer-sync')->{body}, 'ok',
   'a single check passes');
is($t->get(path => '/livez')->{body}, 'ok', 'a verdict without asking more');


# two points

$t->control('/node', { Name => 'node-00000', Fault => '' });

ok($t->ready, 'readyz with samples') or diag($t->log);
is(failing($_), '', "$_ when all is well") for qw(livez readyz healthz);


# failing scrapes are no reason to restart

$t->control('/node', { Name => 'node-00000', Fault => '500' });
my ($before) = $t->control('/stats')->{scrapes};
ok(wait_for(30, sub { $t->control('/stats')->{scrapes} > $before + 1 }),
   'scrapes go on');
is(failing('livez'), '', 'livez when scrapes fail');

done_testing();
