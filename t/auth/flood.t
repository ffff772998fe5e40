#!/usr/bin/perl

# Very many distinct callers, paths and tokens: the caches stay within their
# bounds, who asks regularly is not asked about again, nobody gets
# another's answer, also not where the hashes of questions are equal.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use File::Basename qw(dirname);
use JSON::PP ();
use Test::More;

use K8sMetrics;


# as in auth_cache.c
my $entries = 10_000;
my $megabytes = 16;

my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    server => 'keepalive_requests 10000000;'
        . ' k8s_metrics_authorization_cache_ttl 10m 10m;'
        . ' k8s_metrics_token_cache_ttl 10m;');

$t->start;
ok($t->synced, 'synced') or diag($t->log);

my ($worker) = $t->workers;

sub flood {
    my (@args) = @_;

    open(my $fh, '-|', dirname($K8sMetrics::module) . '/standin', 'flood',
         '-url', "https://$t->{addr}:8602", '-control', $t->{control},
         '-cert', "$t->{dir}/standin/front-client", '-pid', $worker, @args)
        or die "flood: $!";
    local $/;
    my $r = JSON::PP::decode_json(<$fh> || '{"wrong": -1}');
    close $fh;

    note("@args: ", JSON::PP->new->canonical->encode($r));

    return $r;
}

sub right {
    my ($r, $name) = @_;
    is($r->{wrong}, 0, $name) or diag($r->{first});
}

sub reviews { return $t->control('/stats')->{reviews} }

# how many reviews what is done takes
sub asks {
    my (@args) = @_;

    my $n = reviews();
    my $r = flood(@args);

    return (reviews() - $n, $r);
}

# of the worker, MB: what is its own
sub memory {
    my $text = K8sMetrics::slurp("/proc/$worker/smaps_rollup");
    my $kb = 0;
    $kb += $1 while $text =~ /^Private_\w+:\s+(\d+)/mg;
    return $kb / 1024;
}


# --- who comes regularly -----------------------------------------------------

my ($n, $r) = asks('-kind', 'both', '-n', 2000);
right($r, 'answers before the flood');
is($n, 2000, 'are a review each');

my $before = memory();

($n, $r) = asks('-kind', 'both', '-from', 100_000, '-n', 100_000,
                '-regulars', 20);
right($r, '100,000 callers and paths get their own answers');
cmp_ok($r->{asked}, '>=', 105_000, 'as do those who ask among them');
is($n, 100_020, 'and are not asked about again');

my $full = memory();
cmp_ok($full - $before, '<', $megabytes + 4,
       sprintf 'memory is bounded (%.1f MB and %.1f)', $before, $full);


# --- what is kept ------------------------------------------------------------

($n, $r) = asks('-kind', 'both', '-from', 191_000, '-n', 9_000);
right($r, 'the last 9,000 get the same answers');
is($n, 0, 'without a review');

($n, $r) = asks('-kind', 'both', '-from', 188_000, '-n', 300);
right($r, "so do those more than $entries before the end");
is($n, 300, 'with a review each: they were not kept');


# --- bytes -------------------------------------------------------------------

# of 9 kB fewer are kept; the rest must have gone

($n, $r) = asks('-from', 300_000, '-n', 4_000, '-bulk', 9_000, '-http2');
right($r, 'large questions, HTTP/2');
is($n, 4_000, 'are a review each');

my $large = memory();
cmp_ok($large - $before, '<', $megabytes + 8,
       sprintf 'memory is bounded (%.1f MB)', $large);

($n, $r) = asks('-from', 302_500, '-n', 1_500, '-bulk', 9_000);
right($r, 'the last of them');
is($n, 0, 'are kept');

($n, $r) = asks('-from', 301_000, '-n', 200, '-bulk', 9_000);
is($n, 200, 'those before are not');


# --- tokens ------------------------------------------------------------------

sub tokens { return $t->control('/stats')->{tokenReviews} }

$n = tokens();
$r = flood('-tokens', '-n', 100_000);
right($r, '100,000 tokens get their own answers');
is(tokens() - $n, 100_000, 'are a token review each');

my $tokens = memory();
cmp_ok($tokens - $before, '<', 2 * $megabytes + 8,
       sprintf 'memory is bounded (%.1f MB)', $tokens);

$n = tokens();
$r = flood('-tokens', '-from', 92_000, '-n', 8_000);
right($r, 'the last 8,000 get the same answers');
is(tokens() - $n, 2667,
   'without a token review, but for a third: an error is not kept');

$n = tokens();
$r = flood('-tokens', '-n', 300);
right($r, 'so do the first');
is(tokens() - $n, 300, 'with a token review each');


# --- equal hashes ------------------------------------------------------------

my $many = 9_000;

flood('-from', 400_000, '-n', $many);
($n, my $plain) = asks('-from', 400_000, '-n', $many, '-conns', 1);
is($n, 0, 'as many callers as are kept');

($n, $r) = asks('-kind', 'collide', '-n', $many);
right($r, 'callers whose questions have the same hash get their own answers');
cmp_ok($n, '>=', $many, 'and are a review each');

($n, $r) = asks('-kind', 'collide', '-n', $many, '-conns', 1);
right($r, 'when they are kept, too');
cmp_ok($n, '<=', 4, 'without a review');
cmp_ok($r->{cpu}, '<', 3 * $plain->{cpu},
       sprintf 'they cost no more (%.0f us, others %.0f)', $r->{cpu},
       $plain->{cpu});


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
