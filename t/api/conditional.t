#!/usr/bin/perl

# If-Match, Range and their like: an API server has nothing that they could be
# compared with, and answers as if they were not there.  Over HTTP/2, to a
# client that takes no data yet, a refusal by nginx ended the worker once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use Test::More;

use K8sMetrics;


my $api = '/apis/metrics.k8s.io/v1beta1';

my $t = K8sMetrics->new(standin => [ -nodes => 10, -pods => 60 ]);

$t->start;
ok($t->ready, 'ready') or diag($t->log);

my @plain = map { $t->ask("$api/$_", cert => 'admin') } 'pods', 'nodes', '';
my $long = length $plain[0]{body};

cmp_ok($long, '>', 100_000, 'a list of several pieces');

for my $h ('If-Match: "x"', 'If-None-Match: *', 'If-None-Match: "x"',
           'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT',
           'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT',
           'Range: bytes=0-1', 'If-Range: "x"')
{
    for my $path ('pods', 'nodes/node-00001', '', 'nodes/none', '/readyz') {
        my $uri = $path =~ m{^/} ? $path : "$api/$path";
        my $r = $t->ask($uri, cert => 'admin', headers => [ $h ]);

        is($r->{status}, $path eq 'nodes/none' ? 404 : 200, "$h: $uri");
        is(length($r->{body}), $long, "$h: the whole list")
            if $path eq 'pods';
        ok(!grep({ /^accept-ranges:/ } @{ $r->{headers} }),
           "$h: no ranges of it");
    }
}


# HTTP/2 by hand: a window of nothing, then one that is opened

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}

sub literal {
    my ($name, $value) = @_;
    return "\0" . chr(length $name) . $name . chr(length $value) . $value;
}

my @workers = $t->workers;

for my $h ([ 'if-match', '"x"' ], [ 'if-none-match', '*' ],
           [ 'range', 'bytes=0-1' ])
{
    my $d = "$t->{dir}/standin";
    my $c = IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602", Timeout => 10,
        SSL_verify_mode => SSL_VERIFY_NONE, SSL_alpn_protocols => [ 'h2' ],
        SSL_cert_file => "$d/admin.crt", SSL_key_file => "$d/admin.key")
        or die $SSL_ERROR;

    print $c "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        . frame(4, 0, 0, pack('nN', 4, 0)) . frame(4, 1, 0, '')
        . frame(1, 5, 1, literal(':method', 'GET')
            . literal(':scheme', 'https') . literal(':path', "$api/pods")
            . literal(':authority', 'x') . literal(@$h));

    my ($buf, $got, $status, $ended) = ('', 0, '', 0);
    my $opened = 0;

    $c->timeout(10);
    local $SIG{ALRM} = sub { die "time\n" };
    alarm 20;

    eval {
        while (!$ended && $c->sysread($buf, 65536, length $buf)) {
            while (length $buf >= 9) {
                my ($len, $type, $flags, $stream)
                    = (unpack('N', "\0$buf"), unpack('x3CCN', $buf));
                last if length $buf < 9 + $len;
                my $payload = substr $buf, 9, $len;
                substr($buf, 0, 9 + $len) = '';

                # 0x88: ":status: 200" of the static table
                $status = ord $payload if $type == 1;

                if ($type == 0) {
                    $got += $len;
                    $ended = 1 if $flags & 1;
                }

                # the headers came: now data may
                if ($type == 1 && !$opened++) {
                    print $c frame(8, 0, 0, pack('N', 1 << 24))
                        . frame(8, 0, 1, pack('N', 1 << 24));
                }
            }
        }
    };

    alarm 0;

    is($status, 0x88, "@$h over HTTP/2: 200");
    is($got, $long, "@$h over HTTP/2: the whole list");
}

is_deeply([ $t->workers ], \@workers, 'the workers are the same');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
