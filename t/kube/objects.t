#!/usr/bin/perl

# An object that cannot be used is left out, and said; the list or watch that
# brought it goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use KubeTest qw(wait_for);


my $t = KubeTest->new;
my $api = $t->api;

my %bad = (
    labels   => { nlabels => 5000 },
    meta     => { broken => 'meta' },
    spec     => { broken => 'spec' },
    status   => { broken => 'status' },
    nameless => { nameless => 1 },
    long     => { name => 'n' x 600 },
    place    => { node => 'n' x 5000 },
    label    => { labels => { k => 'v' x 5000 } },
    version  => { version => 'none' },
);

sub bad {
    my ($name) = @_;
    return { ns => 'bad', name => $name, node => 'n1', %{ $bad{$name} } };
}

sub lists { return scalar $api->requests(qr/$_[0]\?.*(sendInitial|limit=)/) }


# in the first list, before what can be used

$api->change(nodes => ADDED => { name => 'n0', nlabels => 5000 });
$api->change(nodes => ADDED => { name => 'n1' });
$api->change(nodes => ADDED => { name => 'n2', broken => 'status' });
$api->change(pods => ADDED => bad($_)) for sort keys %bad;
$api->change(pods => ADDED => { ns => 'z', name => 'last', node => 'n1',
                                nlabels => 600 });
$api->start;
$t->start;

ok($t->becomes(pods => 'z/last', 'known'), 'the rest of a list is there');
is($t->knows(nodes => 'n1'), 'known', 'of nodes, too');
is($t->knows(nodes => 'n0'), 'unknown', 'a node with too many labels');
is($t->knows(pods => 'bad/labels'), 'unknown', 'a pod with too many labels');
is($t->knows(pods => 'bad/version'), 'known', 'a version is not needed here');


# one after the other on a watch

for my $name (sort keys %bad) {
    $api->change(pods => MODIFIED => bad($name));
    $api->change(pods => ADDED => { ns => 'a', name => "after-$name",
                                    node => 'n1' });
    ok($t->becomes(pods => "a/after-$name", 'known'),
       "the watch goes on after $name");
    is($t->knows(pods => "bad/$name"), 'unknown', 'which is left out')
        if $name ne 'version' && $name ne 'nameless' && $name ne 'long';
}

$api->change(nodes => MODIFIED => { name => 'n2', nlabels => 5000 });
$api->change(nodes => ADDED => { name => 'n3' });
ok($t->becomes(nodes => 'n3', 'known'), 'the watch of nodes, too');


# what was fine and is not any more: old labels would lie

$api->change(pods => MODIFIED => { ns => 'a', name => 'after-meta',
                                   node => 'n1', nlabels => 5000 });
ok($t->becomes(pods => 'a/after-meta', 'unknown'), 'it is forgotten');
$api->change(pods => MODIFIED => { ns => 'a', name => 'after-meta',
                                   node => 'n1' });
ok($t->becomes(pods => 'a/after-meta', 'known'), 'until it is fine again');
$api->change(pods => DELETED => { ns => 'a', name => 'after-spec',
                                  node => 'n1', nlabels => 5000 });
ok($t->becomes(pods => 'a/after-spec', 'unknown'), 'it can be deleted');

$api->cut(pods => 'end');
$api->change(pods => ADDED => { ns => 'a', name => 'end', node => 'n1' });
ok($t->becomes(pods => 'a/end', 'known'), 'the next watch follows');

is(lists('pods'), 1, 'pods were listed once');
is(lists('nodes'), 1, 'nodes, too');
is($t->logged(qr/\[error\].*API server/), 0, 'nothing failed');

my @said = $t->log(qr/\[warn\].* pods is left out/);
is(scalar @said, 1, 'one line a minute about pods');
like($said[0], qr{"bad/label": .*labels.*, 1 in all}, 'the first one');
@said = $t->log(qr/\[warn\].* nodes is left out/);
is(scalar @said, 1, 'and nodes');
like($said[0], qr{k8s_metrics: .*"n0": it has more labels than are kept},
     'by name');

is($t->stop('QUIT'), 0, 'exits');
is($t->logged(qr/\[(alert|crit|emerg)\]/), 0, 'no alert');

done_testing();
