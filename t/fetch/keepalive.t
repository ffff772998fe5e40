#!/usr/bin/perl

# Connections are kept for the next request; one that the other side closed
# meanwhile costs a second try and nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../kube/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

# a list in pages is a series of requests on one connection

$api->set(stream => 0, page => 1);
$api->change(pods => ADDED => { ns => 'a', name => "p$_", node => 'n1' })
    for 1 .. 6;
$api->change(nodes => ADDED => { name => 'n1' });
$api->start;
$t->start;

ok($t->becomes(pods => 'a/p6', 'known', 10), 'six pages are read');

sub pages { return grep { $_->{path} =~ /limit=/ } $api->requests(qr/pods/) }

my @pages = pages();
my %pids = map { $_->{pid} => 1 } @pages;

is(scalar @pages, 6, 'six requests');
cmp_ok(scalar keys %pids, '<=', 2, 'on a connection or two');


# the third request finds a connection that is being closed

$api->mode(pods => 410, '', '', 'close');
$api->cut(pods => 'end');

ok(wait_for(10, sub { pages() == 6 + 7 }), 'one request was made twice');

@pages = (pages())[6 .. 12];
is($pages[2]{path}, $pages[3]{path}, 'the one that got no answer');
isnt($pages[2]{pid}, $pages[3]{pid}, 'on another connection');

ok(wait_for(5, sub { ($api->requests(qr/pods/))[-1]{path} =~ /watch=true/ }),
   'the list is complete');
is($t->logged(qr/of pods failed/), 0, 'that is no failure');


# idle connections do not hold a worker that exits

is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
