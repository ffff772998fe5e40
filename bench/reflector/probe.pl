#!/usr/bin/perl

# While a worker lists: how long it lets others wait, and what it holds.
#
#     probe.pl ADDRESS PID [LIMIT]
#
# asks http://ADDRESS/livez again and again on one connection, until it is 200
# (everything is listed) or LIMIT seconds have passed, and prints shell
# assignments: when (s since 1970 of it), p50, p99 and most (ms of an answer), anon
# (kB, most of the process's own memory), answers.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(time sleep);


my ($addr, $pid, $limit) = @ARGV;
my $c = IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp')
    or die "$addr: $!";

$limit //= 120;

sub get {
    my ($path) = @_;
    my $buf = '';

    syswrite($c, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n") or die "gone";

    while ($buf !~ /\r\n\r\n/) {
        sysread($c, $buf, 65536, length $buf) or die "gone";
    }

    my ($head, $body) = $buf =~ /^(.*?\r\n\r\n)(.*)/s;
    my ($code) = $head =~ m{^HTTP/1\.1 (\d+)};

    if ($head =~ /^Content-Length: (\d+)/mi) {
        while (length $body < $1) {
            sysread($c, $body, 65536, length $body) or die "gone";
        }

    } else {
        while ($body !~ /(^|\r\n)0\r\n\r\n$/) {
            sysread($c, $body, 65536, length $body) or die "gone";
        }
    }

    return $code;
}

sub anon {
    open(my $fh, '<', "/proc/$pid/status") or return 0;
    local $/;
    return <$fh> =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

my $start = time;
my ($anon, $looked, $done, @ms) = (0, 0, 0);

while (!$done && time - $start < $limit) {
    my $t0 = time;
    my $code = get('/livez');

    push @ms, 1000 * (time - $t0);
    $done = $code == 200;

    if (time - $looked > 0.02) {
        my $now = anon();

        $looked = time;
        $anon = $now if $now > $anon;
    }

    sleep 0.0005;
}

die "not ready after $limit s" if !$done;

@ms = sort { $a <=> $b } @ms;

printf("when=%.2f p50=%.2f p99=%.2f most=%.2f anon=%d answers=%d\n", time,
       $ms[$#ms / 2], $ms[$#ms * 0.99], $ms[-1], $anon, scalar @ms);
