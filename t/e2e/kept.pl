#!/usr/bin/perl

# A client that keeps one connection and asks again and again: kept.pl PORT
# NAME PATH OUT [HEADER ...].  NAME is that of its certificate's files, "-" of
# none.  Each answer is a line of OUT: the time in seconds, the status, and how
# often it has connected.  It ends when OUT.stop is there, or after 5 minutes.

use strict;
use warnings;

use IO::Socket::SSL;
use Time::HiRes qw(sleep time);

my ($addr, $name, $path, $out, @headers) = @ARGV;

my $end = time + 300;
my ($s, $connected) = (undef, 0);

open(my $fh, '>', $out) or die "$out: $!";
$fh->autoflush(1);

sub connected {
    $connected++;
    return IO::Socket::SSL->new(PeerAddr => $addr, Timeout => 10,
        SSL_verify_mode => 0, SSL_hostname => 'localhost',
        SSL_alpn_protocols => [ 'http/1.1' ],
        $name eq '-' ? () : (SSL_cert_file => "$name.crt",
                             SSL_key_file => "$name.key"));
}

# the status, or 0 when the connection was closed

sub asked {
    my $head = '';

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "late\n" };

    return eval {
        alarm 15;

        print $s join("\r\n", "GET $path HTTP/1.1", 'Host: localhost',
                      'User-Agent: kept', 'Accept: application/json', @headers,
                      '', '');

        while (defined(my $l = <$s>)) {
            $head .= $l;
            last if $l eq "\r\n";
        }

        my ($status) = $head =~ /^HTTP\/1.1 (\d+)/ or die "closed\n";

        if ($head =~ /^Content-Length: (\d+)/mi) {
            my ($left, $piece) = ($1, '');
            while ($left > 0) {
                my $n = read($s, $piece, $left) or die "cut\n";
                $left -= $n;
            }

        } elsif ($head =~ /^Transfer-Encoding: chunked/mi) {
            while (defined(my $l = <$s>)) {
                my $n = hex($l =~ s/\r\n//r) + 2;
                my $piece;
                while ($n > 0) {
                    my $m = read($s, $piece, $n) or die "cut\n";
                    $n -= $m;
                }
                last if $l =~ /^0\r/;
            }
        }

        alarm 0;

        undef $s if $head =~ /^Connection: close/mi;
        $status;
    } // do { alarm 0; undef $s; 0 };
}

while (time < $end && !-e "$out.stop") {
    $s = connected() if !$s;

    my $status = $s ? asked() : 0;

    print $fh sprintf("%.3f %d %d\n", time, $status, $connected);
    sleep 0.1;
}
