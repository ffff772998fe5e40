#!/usr/bin/perl

# Objects that are far larger than others are in lists, whole and once, and
# take nothing from the others: also from those behind them in a protobuf
# list, whose length is sent before its items are known.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics qw(wait_for);


my $api = '/apis/metrics.k8s.io/v1beta1';
my $json = JSON::PP->new->utf8;

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 40,
                                     -namespaces => 2 ]);

$t->start;
ok($t->ready, 'ready') or diag($t->log);

# many labels, many containers; values that no other has

sub pod {
    my ($ns, $name, $labels, $containers, $value) = @_;

    $t->control('/pod', { namespace => $ns, name => $name,
        node => 'node-00001',
        labels => { map { ("label-$_" => 'v' x 60) } 1 .. $labels },
        containers => [ map { { name => "c$_", cpu => $value,
                                memory => 4503599627370496 } } 1 .. $containers ] });
}

pod('aa', 'labels', 200, 1, 1e6);
pod('aa', 'plain', 0, 1, 1e6);
pod('aa', "wide-$_", 0, 200, 1_234_567) for 1 .. 20;
pod('zz', 'last', 1, 1, 1e6);

sub items {
    my ($path) = @_;
    my $r = $t->get(path => "$api/$path");
    return map { "$_->{metadata}{namespace}/$_->{metadata}{name}" }
               @{ $r->{status} == 200 ? $json->decode($r->{body})->{items}
                                      : [] };
}

my @all;
ok(wait_for(60, sub { @all = items('pods'); @all == 80 + 23 }),
   'all are listed') or diag(scalar @all);
is_deeply([ sort @all ], \@all, 'in order');

my ($big) = grep { $_->{metadata}{name} eq 'labels' } @{
    $json->decode($t->get(path => "$api/namespaces/aa/pods")->{body})->{items}
};
is(scalar(keys %{ $big->{metadata}{labels} }), 200, 'with all its labels');
is(scalar(items('namespaces/aa/pods?fieldSelector=metadata.name%3Dlabels')), 1,
   'also by its name');
is(scalar(items('pods?labelSelector=label-200')), 1, 'and by its label');


# protobuf: names of the items

sub varint {
    my ($p) = @_;
    my ($v, $shift) = (0, 0);
    for (;;) {
        $$p =~ s/^(.)//s or die 'short';
        $v |= (ord($1) & 127) << $shift;
        return $v if ord($1) < 128;
        $shift += 7;
    }
}

sub fields {
    my ($s) = @_;
    my @out;
    while (length $s) {
        my $tag = varint(\$s);
        my $v = ($tag & 7) == 0 ? varint(\$s)
            : do { my $n = varint(\$s); substr($s, 0, $n, '') };
        push @out, [ $tag >> 3, $v ];
    }
    return @out;
}

sub all {
    my ($n, $s) = @_;
    return map { $_->[0] == $n ? $_->[1] : () } fields($s);
}

sub pb_names {
    my $r = $t->get(path => "$api/pods", headers =>
        [ 'Accept: application/vnd.kubernetes.protobuf' ]);
    my ($list) = all(2, substr $r->{body}, 4);
    return map { my ($m) = all(1, $_); (all(3, $m))[0] . '/' . (all(1, $m))[0] }
               all(2, $list);
}

is_deeply([ pb_names() ], \@all, 'in protobuf, too');

# a kubelet whose figures are of another length at each scrape: lists that run
# over it again and again never miss who is behind it

my @missed;
my $end = time + 15;

for (my $i = 0; time < $end; $i++) {
    pod('aa', "wide-$_", 0, 200, $i % 2 ? 1 : 1_234_567_890_123)
        for $i % 5 ? () : 1 .. 20;
    my %have = map { $_ => 1 } pb_names();
    push @missed, grep { !/^aa/ && !$have{$_} } @all;
}

is_deeply(\@missed, [], 'who is behind growing items is not left out');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
