#!/usr/bin/perl

# Pods that come and go: every second RATE new ones, and those of the second
# before are deleted; for SECONDS.
#
#     churn.pl CONTROL RATE SECONDS

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time sleep);


my ($addr, $rate, $seconds) = @ARGV;
my $c = IO::Socket::INET->new(PeerAddr => $addr, Proto => 'tcp')
    or die "$addr: $!";

sub order {
    my ($method, $pod) = @_;
    my $body = JSON::PP::encode_json($pod);
    my $buf = '';

    syswrite($c, "$method /pod HTTP/1.1\r\nHost: x\r\nContent-Length: "
             . length($body) . "\r\n\r\n$body") or die "gone";

    while ($buf !~ /\r\n\r\n/) {
        sysread($c, $buf, 65536, length $buf) or die "gone";
    }

    $buf =~ m{^HTTP/1\.1 20} or die $buf;

    my ($len) = $buf =~ /^Content-Length: (\d+)/mi;
    my $have = length(($buf =~ /\r\n\r\n(.*)/s)[0]);

    while ($have < ($len // 0)) {
        $have += sysread($c, my $more, 65536) || die "gone";
    }
}

my $start = time;

for my $i (0 .. $seconds * $rate - 1) {
    my $late = $start + $i / $rate - time;

    sleep $late if $late > 0;

    order(POST => { namespace => 'churn', name => "p-$i",
                    node => sprintf('node-%05d', $i % 100),
                    containers => [ { name => 'c', cpu => 1, memory => 1 } ] });
    order(DELETE => { namespace => 'churn', name => 'p-' . ($i - $rate) })
        if $i >= $rate;
}
