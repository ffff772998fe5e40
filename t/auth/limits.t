#!/usr/bin/perl

# What nginx refuses before any phase: on servers of this module the client is
# told by a Status whose code is that of the answer, elsewhere by nginx's page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::INET;
use IO::Socket::SSL;
use JSON::PP ();
use Test::More;

use K8sMetrics qw(wait_for);


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    http => q{log_format answered '$status'; lingering_timeout 200ms;},
    extra => <<'END');

    server {
        listen ADDR:8610 ssl;
        server_name checked;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        access_log DIR/answered.log answered;

        location / {
            k8s_metrics_auth on;
            k8s_metrics;
        }

        location /closed {
            deny all;
            k8s_metrics_auth off;
            k8s_metrics;
        }

        location /in/ {
            internal;
            k8s_metrics_auth off;
            k8s_metrics;
        }

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:1;
        }
    }

    # a site beside one that is checked; told apart by SNI
    server {
        listen ADDR:8611 ssl default_server;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { empty_gif; }
    }

    server {
        listen ADDR:8611 ssl;
        server_name localhost;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }

    # the operator's own page
    server {
        listen ADDR:8612;
        error_page 413 = /told;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }

        location = /told { return 200 "told\n"; }
    }

    # a site without the module
    server {
        listen ADDR:8613;
        location / { empty_gif; }
    }

    # many lines, where nginx counts them
    server {
        listen ADDR:8614 ssl http2;
        large_client_header_buffers 4 1100k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
END

$t->start;
ok($t->synced, 'synced') or diag($t->log);


# one connection: what was sent is the text, the answer all that came back

sub raw {
    my ($port, $text, %o) = @_;

    my $c = $o{plain}
        ? IO::Socket::INET->new(PeerAddr => $t->{addr}, PeerPort => $port)
        : IO::Socket::SSL->new(PeerAddr => "$t->{addr}:$port",
              SSL_verify_mode => SSL_VERIFY_NONE,
              $o{sni} ? (SSL_hostname => $o{sni}) : ());
    die "no connection: $@" if !$c;

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no end of the answer\n" };
    alarm 20;
    print $c $text;
    local $/;
    my $answer = <$c> // '';
    alarm 0;

    return $answer;
}

# "STATUS LINE; reason; message" of a Status that agrees with itself

sub told {
    my ($answer) = @_;

    my ($head, $body) = $answer =~ m{^HTTP/1.1 (.*?)\r\n\r\n(.*)\z}s
        or return "no answer: $answer";
    my ($line) = $head =~ /^(.*)/;
    $line =~ s/\r//;

    return "$line; html" if $body =~ /^<html>/;

    my ($length) = $head =~ /^Content-Length: (\d+)/m;
    return "$line; Content-Length $length of " . length $body
        if $length != length $body;
    return "$line; no JSON" if $head !~ m{^Content-Type: application/json\r}m;

    my $s = eval { JSON::PP->new->utf8->decode($body) };
    return "$line; $body" if ref $s ne 'HASH' || $s->{kind} ne 'Status'
        || $s->{apiVersion} ne 'v1' || $s->{status} ne 'Failure';
    return "$line; code $s->{code}" if $line !~ /^$s->{code} /;

    return "$line; " . ($s->{reason} // 'none') . '; ' . $s->{message};
}

sub get { return join "\r\n", "GET $_[0] HTTP/1.1", @_[1 .. $#_], '', '' }

my $uri = '414 Request-URI Too Large; RequestEntityTooLarge; '
    . "the request's URI is too long";
my $headers = '431 Request Header Fields Too Large; RequestEntityTooLarge; '
    . "the request's headers are too large or too many";
my $malformed = '400 Bad Request; BadRequest; the request is malformed';


# --- too large ---------------------------------------------------------------

my $long = 'x' x 9000;

is(told(raw(8610, get("/$long", 'Host: x'))), $uri, 'a URI');
is(told(raw(8610, get('/', 'Host: x', "X-Remote-Group: $long"))), $headers,
   'a header');
is(told(raw(8610, get('/', 'Host: x', map { "X-$_: " . 'x' x 7000 } 1 .. 5))),
   $headers, 'headers together');
is(told(raw(8610, get('/', 'Host: x', 'X-Remote-Group: ' . 'x' x 3_000_000))),
   $headers, 'one that is still being sent');
is(told(raw(8610, get('/' . 'x' x 3_000_000))), $uri,
   'a URI that is still being sent');

my $answer = raw(8610, get('/', 'Host: x', "X-A: $long") =~ s/GET/HEAD/r);
like($answer, qr/^HTTP\/1\.1 431 .*\r\n\r\n\z/s, 'HEAD has no body');
like($answer, qr/^Content-Length: [1-9]/m, 'but its length');
like($answer, qr/^Connection: close\r$/m, 'and the connection ends');

$answer = raw(8610, get('/livez', 'Host: x') . get('/', "X-A: $long"));
like($answer, qr/^HTTP\/1\.1 200 OK.*?\r\n\r\nok/s, 'a request that is good');
is(told($answer =~ s/^.*?\r\n\r\nok//sr), $headers,
   'and one that is not on its connection');

like(raw(8610, get('/', 'Host: x',
                   'Accept: application/vnd.kubernetes.protobuf',
                   "X-A: $long")),
     qr{^HTTP/1.1 431 .*protobuf\r\n.*\r\n\r\nk8s\0}s,
     'in the form that the client takes, where that was read');


# --- malformed ---------------------------------------------------------------

is(told(raw(8610, "GET / HTTP/1.1\r\nHost: x\r\nbad\0: x\r\n\r\n")), $malformed,
   'a header with a NUL');
is(told(raw(8610, get('/'))), $malformed, 'no Host');
is(told(raw(8610, get('/', 'Host: a/b'))), $malformed, 'a Host that is none');
is(told(raw(8610, "get / HTTP/1.1\r\n\r\n")), $malformed, 'no method');
is(told(raw(8610, get('/../..', 'Host: x'))), $malformed, 'above the root');
is(told(raw(8610, get('/', 'Host: x', 'Content-Length: x'))), $malformed,
   'a length that is none');
is(told(raw(8610, get('/', 'Host: x', 'Transfer-Encoding: gzip'))),
   '501 Not Implemented; none; '
   . "the request's transfer encoding is not implemented",
   'a transfer encoding');
is(told(raw(8610, "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n")),
   '405 Not Allowed; MethodNotAllowed; '
   . 'the server does not allow this method on the requested resource',
   'TRACE');
is(told(raw(8610, "GET / HTTP/3.0\r\nHost: x\r\n\r\n")),
   '505 HTTP Version Not Supported; none; '
   . "the request's version of HTTP is not supported", 'HTTP/3.0');
is(told(raw(8610, get('/', 'Host: x'), plain => 1)),
   '400 Bad Request; BadRequest; an HTTP request was sent to an HTTPS port',
   'plain HTTP');

ok(wait_for(5, sub {
    (() = K8sMetrics::slurp("$t->{dir}/answered.log") =~ /^431$/mg) >= 6
}), 'the access log has the code that was sent')
    or diag(K8sMetrics::slurp("$t->{dir}/answered.log"));


# --- in a location -----------------------------------------------------------

my $post = "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n";

is(told(raw(8610, sprintf $post, '/')),
   '413 Request Entity Too Large; RequestEntityTooLarge; '
   . "the request's body is too large", 'a body that is too large');
is(told(raw(8610, sprintf $post, '/app/')),
   '413 Request Entity Too Large; html',
   "for what stands behind it is nginx's");
is(told(raw(8610, get('/closed', 'Host: x', 'Connection: close'))),
   '403 Forbidden; Forbidden; forbidden', 'deny');
is(told(raw(8610, get('/in/', 'Host: x', 'Connection: close'))),
   '404 Not Found; NotFound; '
   . 'the server could not find the requested resource', 'internal');


# --- whose answer it is ------------------------------------------------------

like(told(raw(8613, get("/$long"), plain => 1)), qr/^414 .*; html$/,
     "a site without the module has nginx's page");
like(told(raw(8613, get('/', 'Host: x', "X-A: $long"), plain => 1)),
     qr/^400 .*; html$/, 'for headers, too');
like(told(raw(8611, get("/$long"))), qr/^414 .*; html$/,
     'before Host is known it is the default server who answers');
is(told(raw(8611, get("/$long"), sni => 'localhost')), $uri,
   'or that of the SNI');
is(told(raw(8611, get('/', 'Host: localhost', "X-A: $long"))), $headers,
   'then that of the Host');
is(told(raw(8603, get("/$long"), plain => 1)), $uri,
   'one that serves without auth, too');
like(raw(8612, sprintf($post, '/'), plain => 1),
     qr{^HTTP/1.1 200 .*told\n\z}s, "the operator's error_page goes first");


# --- lines: newer nginx has a bound, Debian's 1.22 as a backport ---------------

my $counts = K8sMetrics::slurp($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx')
    =~ /\0max_headers\0/;
my @groups = map { "group-$_" } 1 .. 1100;

is(told(raw(8614, get('/apis', 'Host: x', 'Connection: close',
                      map { "X-Group: $_" } @groups)))
   =~ s/; Forbidden; .*/; Forbidden/r,
   $counts ? $headers : '403 Forbidden; Forbidden', 'over a thousand lines');

my $file = "$t->{dir}/asking.json";
open(my $fh, '>', $file) or die $!;
print $fh JSON::PP::encode_json({ url => "https://$t->{addr}:8614",
    requests => [ { path => '/apis',
                    headers => [ map { [ 'X-Group', $_ ] } @groups ] },
                  { path => '/livez' } ] });
close $fh;

my $standin = $K8sMetrics::module =~ s{[^/]+$}{standin}r;
my ($many, $next) = @{ JSON::PP::decode_json(scalar qx($standin ask $file))
    ->{answers} };
is("$many->{proto} $many->{status}", $counts ? 'HTTP/2.0 400' : 'HTTP/2.0 403',
   'over HTTP/2');
my $status = JSON::PP::decode_json($many->{body});
is($status->{code}, $many->{status}, 'with a Status that agrees');
like($status->{message}, $counts ? qr/has too many headers/ : qr/forbidden/,
     'and says why');
is("$next->{status} $next->{address}", "200 $many->{address}",
   'and the connection goes on');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
