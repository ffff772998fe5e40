#!/usr/bin/perl

# A protobuf list says how long it is before its first item.  Kubelets that
# report huge figures, or more of them while the list is on its way, do not
# push the pods of others out of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::INET;
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;

use K8sMetrics qw(wait_for);


use constant HONEST => 2000;
use constant HOSTILE => 100;

my $json = JSON::PP->new->utf8;
my $api = '/apis/metrics.k8s.io/v1beta1';
my $pb = 'Accept: application/vnd.kubernetes.protobuf';

my $t = K8sMetrics->new(
    standin => [ -nodes => 20, -pods => HONEST / 20 ],
    extra => <<'END',

    server {
        listen ADDR:8604 sndbuf=8k;
        send_timeout 120s;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }
END
);

$t->start;
ok($t->ready, 'ready') or diag($t->log);

# in the middle of the list, so that there are some before and some behind

my $ns = 'ns-04x';

sub hostile {
    my ($containers, $cpu, $memory, $i) = @_;

    return { namespace => $ns, name => sprintf('hostile-%03d', $i),
             node => sprintf('node-%05d', $i % 20), phase => 'Running',
             containers => [ map { { name => sprintf('c%02d', $_),
                                     cpu => $cpu, memory => $memory } }
                             1 .. $containers ] };
}

sub make {
    my ($containers, $cpu, $memory, @numbers) = @_;

    @numbers = 1 .. HOSTILE if !@numbers;
    $t->control('/pods', [ map { hostile($containers, $cpu, $memory, $_) }
                           @numbers ]);
}

# how many of the hostile ones have so many containers with so much memory

sub reported {
    my ($containers, $memory) = @_;

    my $o = eval { $json->decode($t->get(path => "$api/namespaces/$ns/pods")
                                 ->{body}) } // {};

    return scalar grep {
        my $p = $_;
        @{ $p->{containers} } == $containers
            && !grep { $_->{usage}{memory} ne $memory } @{ $p->{containers} };
    } @{ $o->{items} // [] };
}

my @honest = sort map { my $n = $_; map {
    sprintf 'ns-%02d/app-%05d-%03d', $_ % 10, $n, $_ } 0 .. HONEST / 20 - 1 }
    0 .. 19;


# a length-delimited message: a list of [ number, bytes or a number ]

sub fields {
    my ($bytes) = @_;
    my @fields;

    my $varint = sub {
        my ($n, $shift) = (0, 0);

        for ( ;; ) {
            die "cut\n" if $bytes eq '';
            my $c = ord substr $bytes, 0, 1, '';
            $n |= ($c & 0x7f) << $shift;
            return $n if $c < 0x80;
            $shift += 7;
        }
    };

    while ($bytes ne '') {
        my $tag = $varint->();
        my $value = $varint->();

        if (($tag & 7) == 2) {
            die "cut\n" if $value > length $bytes;
            $value = substr $bytes, 0, $value, '';
        }

        push @fields, [ $tag >> 3, $value ];
    }

    return @fields;
}

sub first {
    my ($bytes, $number) = @_;
    my ($f) = grep { $_->[0] == $number } fields($bytes);
    return $f->[1];
}

# namespace/name => how many containers; an answer that is not whole has none

sub pods {
    my ($body) = @_;
    my @pods;

    eval {
        die "magic\n" if $body !~ s/^k8s\0//;

        for my $f (fields(first($body, 2))) {
            next if $f->[0] != 2;
            my $meta = first($f->[1], 1);
            push @pods, first($meta, 3) . '/' . first($meta, 1),
                scalar grep { $_->[0] == 4 } fields($f->[1]);
        }

        1;
    } or do { diag("no list: $@"); return };

    return @pods;
}

sub all_honest {
    my ($body, $name) = @_;
    my %have = pods($body);

    my @missing = grep { !exists $have{$_} } @honest;

    is(scalar @missing, 0, "$name: the pods of others are there")
        or diag("@missing[0 .. ($#missing < 4 ? $#missing : 4)] ...");

    return %have;
}

# what a client reads that stops after the header until "sub" has returned

sub slow {
    my ($sub) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    $s->setsockopt(SOL_SOCKET, SO_RCVBUF, 8192);
    $s->connect(Socket::pack_sockaddr_in(8604,
                                       Socket::inet_aton($t->{addr})))
        or die "connect: $!";

    syswrite($s, "GET $api/pods HTTP/1.0\r\n$pb\r\n\r\n");
    sysread($s, my $text, 1024);

    $sub->();

    while (sysread($s, $text, 65536, length $text)) { }

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($len) = $head =~ /^Content-Length: (\d+)/mi;

    is(length $body, $len, 'as long as it said');

    return $body;
}


# figures that are as long as they get

my ($huge, $huge_text) = (9_223_372_036_854_774_784,
                           '9007199254740991Ki');

make(80, 3_123_456_789_012_345, $huge);
ok(wait_for(60, sub { reported(80, $huge_text) == HOSTILE }),
   'pods with huge figures');

my %have = all_honest($t->get(path => "$api/pods", headers => [ $pb ])
                      ->{body}, 'huge figures');
is(scalar(grep { m{^$ns/} } keys %have), HOSTILE, 'and so are these');

%have = all_honest(slow(sub { }), 'to a slow client');
is(scalar(grep { m{^$ns/} } keys %have), HOSTILE, 'and so are these');


# while the list is on its way: figures that become long, containers that
# come, pods that come

$t->control('/pods', [ map { { namespace => $ns,
                               name => sprintf('hostile-%03d', $_) } }
                       1 .. HOSTILE ], 'DELETE');

my @figures = 1 .. HOSTILE / 2;
my @containers = HOSTILE / 2 + 1 .. HOSTILE;

make(80, 1_000_000, 1 << 20, @figures);
make(1, 1_000_000, 1 << 20, @containers);
ok(wait_for(60, sub { reported(80, '1Mi') == @figures
                      && reported(1, '1Mi') == @containers }),
   'modest pods');

%have = all_honest(slow(sub {
    make(80, 3_123_456_789_012_345, $huge, @figures);
    make(60, 1_000_000, 1 << 20, @containers,
         HOSTILE + 1 .. 2 * HOSTILE);

    ok(wait_for(60, sub { reported(80, $huge_text) == @figures
                          && reported(60, '1Mi') == @containers + HOSTILE }),
       'that change, and others that come');
}), 'beside what grows');

is(scalar(grep { m{^$ns/} && $have{$_} == 80 } keys %have), @figures,
   'a longer figure has its place');
cmp_ok(scalar(grep { m{^$ns/} && $have{$_} == 60 } keys %have), '<',
       HOSTILE / 4, 'who outgrew his share is left out');

%have = all_honest($t->get(path => "$api/pods", headers => [ $pb ])
                   ->{body}, 'the next list');
is(scalar(grep { m{^$ns/} } keys %have), 2 * HOSTILE,
   'and so are all the others');

is($t->stop('QUIT'), 0, 'nginx ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
