#!/usr/bin/perl

# What metrics-server was recorded to answer (recorded/answers.json), asked of
# this module through TLS: byte for byte, but for times and figures, which are
# held against the stand-in's truth.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX qw(strftime);
use Test::More;
use Time::Local qw(timegm);

use K8sMetrics;


# Forms that are not written yet.  A case that passes has to leave this table.

my %later = map { $_ => 1 } (
    'aggregated discovery',
    'table',
    'table of a pod',
    'partial object metadata',
    'yaml',
    'version',
    'list of a namespace as a table',
    'empty list as a table',
    'table without objects',
    'table with objects',
    'list as partial object metadata',
    'yaml list',
    'openapi v3 index',
);


# protobuf: which fields are messages, by kind and path
my $meta = '1 1.8 1.11';
my %messages = map { my ($k, $v) = @$_; $k => { map { $_ => 1 }
                                                split / /, $v } } (
    [ NodeMetrics => "$meta 2 3 4 4.2" ],
    [ PodMetrics => "$meta 2 3 4 4.2 4.2.2" ],
    [ Status => '1 5 5.4' ],
    [ APIGroup => '2 3' ],
    [ APIResourceList => '2 2.4' ],
    [ NodeMetricsList => join ' ', 1, 2, map { "2.$_" }
      split(/ /, "$meta 2 3 4 4.2") ],
    [ PodMetricsList => join ' ', 1, 2, map { "2.$_" }
      split(/ /, "$meta 2 3 4 4.2 4.2.2") ],
);


my $t = K8sMetrics->new(standin => [ -nodes => 3, -pods => 4, -containers => 2,
                                     -namespaces => 10 ]);
my $json = JSON::PP->new->utf8;

$t->start_standin;

# a node that is known, and its pods, without metrics
$t->control('/node', { Name => 'node-00002', Fault => '500' });

# the pod of the first recordings; it is away for those that list all pods
my $extra = { Namespace => 'ns-03', Name => 'app-00007-003' };

$t->control('/pod', { %$extra, Node => 'node-00001',
    Labels => { app => 'app-03', 'pod-template-hash' => '5d4f8c7b9' },
    Containers => [ { Name => 'c0', CPU => 59000000,
                      Memory => 30 * 1048576 } ] });

$t->start_nginx;

ok($t->ready, 'ready') or diag($t->log);

ok(K8sMetrics::wait_for(40, sub {
    my $r = $t->get(path =>
                    '/apis/metrics.k8s.io/v1beta1/pods');
    my $items = $r->{status} == 200 ? $json->decode($r->{body})->{items} : [];
    $r = $t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes');
    my $nodes = $r->{status} == 200 ? $json->decode($r->{body})->{items} : [];
    return @$items == 9 && @$nodes == 2;
}), 'all that can be served is there') or diag($t->log);

my %truth = truth();

open(my $fh, '<', "$FindBin::Bin/recorded/answers.json") or die $!;
my $cases = do { local $/; $json->decode(<$fh>) };
close $fh;

cmp_ok(scalar @$cases, '>=', 60, 'recordings are there');

for my $case (@$cases) {
    my $name = $case->{case};
    my $q = $case->{request};

    $t->control('/pod', $extra, 'DELETE'), gone()
        if $name eq 'list all pods, two containers each';

    my $r = $t->get(tls => 1, method => $q->{method}, path => $q->{path},
                    cert => $q->{client_certificate},
                    headers => $q->{headers});

    my @wrong = compare($case->{response}, $r);

    if (delete $later{$name}) {
        ok(scalar @wrong, "$name: is for later");
        next;
    }

    ok(!@wrong, $name) or diag(join "\n", @wrong);
}

is_deeply([ sort keys %later ], [], 'every case for later was recorded');

done_testing();


sub gone {
    K8sMetrics::wait_for(10, sub {
        $t->get(path => '/apis/metrics.k8s.io/v1beta1/namespaces/'
                        . "$extra->{Namespace}/pods/$extra->{Name}")->{status}
            == 404;
    }) or diag('the pod did not go');
}


# --- truth ------------------------------------------------------------------

sub truth {
    my %out;

    for my $kind (qw(nodes pods)) {
        for my $o (@{ $t->control("/truth?kind=$kind") }) {
            my $key = join '/', grep { defined } $o->{namespace}, $o->{name};

            $out{$key}{ $_->{name} } = $_ for @{ $o->{containers} };
        }
    }

    return %out;
}


# --- comparison -------------------------------------------------------------

# what is wrong with an answer, in lines

sub compare {
    my ($want, $got) = @_;

    my @wrong;

    push @wrong, "status $got->{status}, not $want->{status}"
        if $got->{status} != $want->{status};

    my @headers = grep { /^(cache-control|content-type|vary|etag
                            |x-content-type-options|retry-after):/x }
                  @{ $got->{headers} };

    push @wrong, "headers: @headers\n    not: @{ $want->{headers} }"
        if "@{[ sort @headers ]}" ne "@{[ sort @{ $want->{headers} } ]}";

    my ($w, $g) = defined $want->{body_base64}
        ? (flat(decode_base64($want->{body_base64})), flat($got->{body}))
        : (undef, undef);

    if (!defined $w) {
        $w = $want->{body};
        utf8::encode($w) if utf8::is_utf8($w);
        $g = $got->{body};
    }

    my ($wn, $gn) = (normal($w), normal($g));

    push @wrong, "body: $gn\n not: $wn" if $wn ne $gn;
    push @wrong, figures($got->{body}) if !@wrong && $got->{status} == 200;

    return @wrong;
}

# times and figures made alike; containers by name: their order is any there

sub normal {
    my ($s) = @_;

    $s =~ s/("(?:creationT|t)imestamp": ?)"\d{4}-\d\d-\d\dT[\d:]{8}Z"/$1TIME/g;
    $s =~ s/("window": ?)"[\d.]+s"/$1WINDOW/g;
    $s =~ s/("cpu": ?)"\d+[num]?"/$1CPU/g;
    $s =~ s/("memory": ?)"\d+(?:[KM]i)?"/$1MEMORY/g;
    $s =~ s/("serverAddress": ?)":\d+"/$1PORT/g;
    $s =~ s/("containers":\[)(.*?)(\](?=\}))/$1 . join(',', sort
            split m{(?<=\}\}),}, $2) . $3/ge;

    return $s;
}


# --- protobuf ---------------------------------------------------------------

sub varint {
    my ($s) = @_;
    my ($n, $shift) = (0, 0);

    while (1) {
        die "no protobuf" if !length $$s;
        my $b = ord substr($$s, 0, 1, '');
        $n |= ($b & 127) << $shift;
        return $n if $b < 128;
        $shift += 7;
    }
}

# every field in order, a line each

sub fields {
    my ($s, $path, $kind) = @_;

    my @lines;

    while (length $s) {
        my $tag = varint(\$s);
        my $p = $path . ($tag >> 3);

        if (($tag & 7) == 0) {
            push @lines, "$p=" . varint(\$s);
            next;
        }

        die "wire type in $p" if ($tag & 7) != 2;

        my $len = varint(\$s);
        die "length of $p" if $len > length $s;
        my $v = substr($s, 0, $len, '');

        if ($messages{$kind}{$p}) {
            push @lines, "$p\{ " . join(' ', fields($v, "$p.", $kind)) . ' }';

        } else {
            push @lines, "$p=\"$v\"";
        }
    }

    # as with JSON
    my ($first) = grep { $kind =~ /^Pod/ && $lines[$_] =~ /^(?:2\.)?4\{/ }
                  0 .. $#lines;

    @lines[ $first .. $#lines ] = sort @lines[ $first .. $#lines ]
        if defined $first;

    return @lines;
}

sub flat {
    my ($s) = @_;

    my $out = eval {
        die "no envelope" if $s !~ s/^k8s\0\x0a//;

        my $type = substr($s, 0, varint(\$s), '');
        my ($kind) = $type =~ /\x12.(.*)$/s;

        die "no object" if $s !~ s/^\x12//;

        my $raw = substr($s, 0, varint(\$s), '');

        "$type | " . join(' ', fields($raw, '', $kind)) . ' | ' . $s;
    };

    return "$@" . unpack('H*', $s) if !defined $out;

    $out =~ s/((?:2\.)?1\.8\{ (?:2\.)?1\.8\.1=)\d+/$1TIME/g;
    $out =~ s/((?<!\.)2\{ 2\.1=|2\.2\{ 2\.2\.1=)\d+/$1TIME/g;
    $out =~ s/((?<!\.)3\{ 3\.1=|2\.3\{ 2\.3\.1=)\d+/$1WINDOW/g;
    $out =~ s/("cpu" [\d.]+\{ [\d.]+=)"\d+[num]?"/$1CPU/g;
    $out =~ s/("memory" [\d.]+\{ [\d.]+=)"\d+(?:[KM]i)?"/$1MEMORY/g;

    return $out;
}


# --- figures ----------------------------------------------------------------

sub seconds {
    my ($s) = @_;
    my @d = $s =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/ or return 0;
    return timegm($d[5], $d[4], $d[3], $d[2], $d[1] - 1, $d[0]);
}

sub number {
    my ($s) = @_;
    my %unit = ('' => 1, n => 1e-9, u => 1e-6, m => 1e-3, Ki => 1024,
                Mi => 1024 * 1024);
    return $s =~ /^(\d+)(n|u|m|Ki|Mi|)$/ ? $1 * $unit{$2} : -1;
}

# what a JSON answer's times and figures have against the truth

sub figures {
    my ($body) = @_;

    my $o = eval { $json->decode($body) } or return;

    return if ($o->{kind} // '') !~ /^(?:Node|Pod)Metrics(?:List)?$/;

    return map { item($_) } $o->{items} ? @{ $o->{items} } : $o;
}

sub item {
    my ($o) = @_;

    my @wrong;
    my $now = time;
    my $key = join '/', grep { defined } @{ $o->{metadata} }{qw(namespace
                                                                name)};

    push @wrong, "$key was created at $o->{metadata}{creationTimestamp}"
        if abs(seconds($o->{metadata}{creationTimestamp}) - $now) > 3;

    my $age = $now - seconds($o->{timestamp});

    push @wrong, "$key is of $o->{timestamp}" if $age < -1 || $age > 25;

    my ($window) = $o->{window} =~ /^([\d.]+)s$/;

    push @wrong, "$key has a window of $o->{window}"
        if !$window || $window < 1 || $window > 40;

    my $want = $truth{$key} or return "$key is not there";
    my @have = $o->{containers} ? @{ $o->{containers} }
                                : { name => '', usage => $o->{usage} };

    push @wrong, "$key has " . @have . ' containers' if @have != keys %$want;

    for my $c (@have) {
        my $w = $want->{ $c->{name} };

        if (!$w) {
            push @wrong, "$key has a container $c->{name}";
            next;
        }

        my $cpu = number($c->{usage}{cpu}) * 1e9;

        push @wrong, "$key $c->{name}: cpu $c->{usage}{cpu}, not "
            . $w->{cpuNanocores} . 'n'
            if abs($cpu - $w->{cpuNanocores}) > $w->{cpuNanocores} / 1000;
        push @wrong, "$key $c->{name}: memory $c->{usage}{memory}, not "
            . $w->{memoryBytes}
            if number($c->{usage}{memory}) != $w->{memoryBytes};
    }

    return @wrong;
}
