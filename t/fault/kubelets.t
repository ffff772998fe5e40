#!/usr/bin/perl

# Kubelets that misbehave: the last good sample is served until two
# resolutions after the scrape that brought it, then left out; others are not
# delayed, memory does not grow with what they send; one line says which node
# and why; they come back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time sleep);
use Time::Local qw(timegm);

use K8sMetrics qw(wait_for);


# of the log's times
$ENV{TZ} = 'UTC';

my %faults = (
    refuse => 'connection reset',
    hang => 'deadline of 9000 ms passed',
    401 => '401 Unauthorized: .*token',
    403 => '403 Forbidden: .*nodes/metrics',
    500 => '500, a server error',
    status => '418, a status other than 200',
    html => 'no usable series: 33 bytes, Content-Type text/html, it looks'
        . ' like HTML',
    empty => 'no usable series: 0 bytes, Content-Type text/plain, it is empty',
    half => 'cut short',
    garbage => 'not HTTP',
    huge => 'over 16777216 bytes',
    redirect => '302, a redirect, which is not followed',
    drip => 'deadline of 9000 ms passed',
    reset => 'connection (closed|reset)',
    badchunk => 'invalid chunk',
    wrongname => 'not valid for .*IP address mismatch',
    expired => 'has expired',
    otherca => 'unable to get local issuer',
    scrape_error => 'scrape_error 1',
);

my @faults = sort keys %faults;
my $bad = @faults;
my $all = $bad + 4;
my $flood = $all - 1;       # sends too much, and what is good of it counts
my @good = $bad .. $all - 2;

my $t = K8sMetrics->new(standin => [ '-nodes', $all, '-pods', 5 ],
                        workers => 2);

$t->start;

sub name { return sprintf('node-%05d', $_[0]) }
sub stats { return $t->control('/stats') }

# names of a list and the times of their samples
sub list {
    my ($kind) = @_;

    my $r = $t->get(path => "/apis/metrics.k8s.io/v1beta1/$kind",
                    cert => 'admin');

    return {} if $r->{status} != 200;

    my %list;

    for my $item (@{ JSON::PP::decode_json($r->{body})->{items} }) {
        my ($y, $m, $d, $h, $min, $s)
            = $item->{timestamp} =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z/
            or die "timestamp $item->{timestamp}";
        $list{$item->{metadata}{name}} = timegm($s, $min, $h, $d, $m - 1, $y);
    }

    return \%list;
}

# the largest that a worker ever was, kB
sub peak {
    my $peak = 0;

    for my $pid ($t->workers) {
        my ($kb) = K8sMetrics::slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
        $peak = $kb if $kb > $peak;
    }

    return $peak;
}


# the third scrape of a node comes in its phase, up to 20 s after the second

ok(wait_for(60, sub {
    my $n = stats()->{perNode};
    return keys %$n == $all && !grep { $_ < 4 } values %$n;
}), 'the steady state');

my $pods = 5 * $all;

is(scalar keys %{ list('pods') }, $pods, 'all pods are served');

my $peak = peak();


# --- it begins --------------------------------------------------------------

my $before = stats();

$t->control('/nodes', [
    (map { { name => name($_), fault => $faults[$_] } } 0 .. $bad - 1),
    { name => name($flood), fault => 'flood' } ]);

my $begin = time;
my $list = list('nodes');
my %last;

is(scalar keys %$list, $all, 'all nodes are served just after it began');

# when each was last scraped well, s; one may have been just before the fault

for my $n (map { name($_) } 0 .. $bad - 1) {
    $last{$n} = $before->{lastOf}{$n} / 1000;
    $last{$n} = $list->{$n} + 1 if $list->{$n} > $last{$n};
}

# looks go on until all must be gone

my (%present, %gone, $short);
my $oldest = 0;

while (time < $begin + 35) {
    my $now = time;

    $list = list('nodes');

    my $took = time - $now;

    for my $i (0 .. $all - 1) {
        my $n = name($i);

        if ($list->{$n}) {
            $present{$n} = $now;

        } else {
            $gone{$n} //= $now + $took;
        }

        next if $i < $bad;

        my $age = $now - ($list->{$n} // 0);
        $oldest = $age if $age > $oldest;
    }

    sleep 0.2;
}

my $after = stats();
my $took = time - $begin;

for my $i (0 .. $bad - 1) {
    my ($fault, $n) = ($faults[$i], name($i));
    my ($line) = $t->log(qr/node "$n" .* not scraped/);

    like($line // '', qr/not scraped: .*$faults{$fault}/,
         "$fault: a line says why");

    my $late = ($gone{$n} // $begin + 35) - $last{$n};
    my $kept = ($present{$n} // 0) - $last{$n};

    ok($late > 17, "$fault: served until two resolutions after its sample")
        or diag sprintf('gone after %.1f s', $late);
    ok($kept < 23, "$fault: and no longer")
        or diag sprintf('there after %.1f s', $kept);

    next if $fault eq 'hang' || $fault eq 'drip';

    # the line's time is of whole seconds
    my ($h, $m, $s) = ($line // '') =~ / (\d+):(\d+):(\d+) /;
    my $of = $last{$n} % 86400;
    my $failed = defined $s ? ($h * 3600 + $m * 60 + $s - $of) % 86400 : -1;

    cmp_ok($failed, '<', 16, "$fault: also after the scrape that failed");
}

is(scalar keys %{ list('pods') }, 5 * ($all - $bad), 'their pods are gone');


# --- the others -------------------------------------------------------------

# a second for the timestamp's fraction, half of one for a busy worker

cmp_ok($oldest, '<=', 12, 'the others were fresh all the time');

for my $n (map { name($_) } @good, $flood) {
    my $rounds = $after->{perNode}{$n} - $before->{perNode}{$n};

    ok($rounds >= int($took / 10) && $rounds <= int($took / 10) + 2,
       "$n was scraped in every round")
        or diag sprintf('%d times in %.1f s', $rounds, $took);
}

my $grown = peak() - $peak;

note "memory grew by $grown kB";
cmp_ok($grown, '<', 8192, 'memory does not grow with what they send');

ok(!$after->{paths}{'/redirected'}, 'nobody went where the redirect points');

like(join('', $t->log(qr/\[warn\]/)),
     qr/node "\Q${\ name($flood) }\E" has more than 5000 containers/,
     'of too many containers the log says so');

my %lines;

$lines{$_}++ for map { /node ("[^"]*") .*(not scraped|has more)/ ? "$1 $2" : () }
    $t->log;
is_deeply([ grep { $lines{$_} > 1 } keys %lines ], [],
          'nothing is logged twice in a minute');


# --- it ends ----------------------------------------------------------------

$t->control('/nodes', [ map { { name => name($_), fault => '' } }
                        0 .. $all - 1 ]);

ok(wait_for(40, sub { keys %{ list('nodes') } == $all }), 'all come back');
ok(wait_for(40, sub { keys %{ list('pods') } == $pods }), 'with their pods');
is(scalar(() = $t->log(qr/scraped again/)), $bad, 'and the log says so');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
