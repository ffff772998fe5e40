#!/usr/bin/perl

# No TLS session outlives the check: a checked server resumes none, with and
# without a certificate, where nginx alone does.  Test::Nginx has no TLS of
# its own, so this is openssl's client.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics;


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 1 ],
    extra => <<'END');

    # nginx alone, as a measure for resumption
    server {
        listen ADDR:8609 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:measure:1m;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;

        location / {
            return 200 ok;
        }
    }
END

$t->start;
ok($t->synced, 'synced') or diag($t->log);


# whether a second connection takes up the first one's session; the answer is
# read to its end, since TLS 1.3 sends tickets after the handshake

sub resumed {
    my ($port, $version, @cert) = @_;

    my $sess = $t->dir . '/session';
    my $to = "$t->{addr}:$port";
    my @out;

    unlink $sess;

    for my $file ('-sess_out', '-sess_in') {
        next if $file eq '-sess_in' && !-s $sess;

        my $in = "GET /livez HTTP/1.1\\r\\nHost: x\\r\\n"
            . 'Connection: close\r\n\r\n';

        push @out, scalar qx(printf '$in' | openssl s_client -ign_eof \\
            -connect $to -tls$version @cert $file $sess 2>/dev/null);
    }

    return 'no answer' if grep { !m{^HTTP/1.1 200}m } @out;
    return 'no session' if @out < 2;
    return $out[1] =~ /^Reused, /m ? 'reused' : 'new';
}

my $pair = $t->dir . '/standin/alice';
my @cert = ('-cert', "$pair.crt", '-key', "$pair.key");

for my $v ('1_2', '1_3') {
    is(resumed(8609, $v), 'reused', "TLS $v: nginx alone resumes");
    like(resumed(8602, $v), qr/^(?:new|no session)$/,
         "TLS $v: a checked server does not");
    like(resumed(8602, $v, @cert), qr/^(?:new|no session)$/,
         "TLS $v: nor with a certificate");
}


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
