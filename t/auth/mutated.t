#!/usr/bin/perl

# Hundreds of client certificates with a few bytes changed, in the leaf or in
# the intermediate: none is believed, none ends a worker.  MUTATIONS is how
# many, SEED another set of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Zoo;


my $t = Zoo->new(workers => 1, standin => [ -nodes => 1, -pods => 1 ]);
my $n = $ENV{MUTATIONS} // 600;

$t->start;

my @workers = $t->workers;

my $r = $t->zoo(-get => "https://$t->{addr}:8602/apis/x", -mutate => $n,
                -seed => $ENV{SEED} // 1);
my $counts = $r->{counts};

is_deeply($r->{accepted}, [], "none of $n is believed");
cmp_ok($counts->{401} // 0, '>', $n / 10,
       'many are read and refused (' . ($counts->{401} // 0) . ')');
is(($counts->{401} // 0) + ($counts->{error} // 0), $n,
   'the others do not come past the handshake');
is($r->{good}{status}, 403, 'the chain as it was is believed');
like($r->{good}{body}, qr/User \\"intermediate-sent\\" cannot/, 'as who it is');

is_deeply([ $t->workers ], \@workers, 'no worker ended');
is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts but of what cannot be read');

done_testing();
