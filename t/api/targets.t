#!/usr/bin/perl

# Request targets that could be authorized as one thing and served as another:
# the absolute form, fragments, escapes.  In front of an application they have
# to mean what it will take them for, or be refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use Test::More;

use K8sMetrics;


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    server => <<'END', http => <<'END');

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        location = / {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        location /healthz {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }
END
    server {
        listen 127.0.0.1:APP;
        location / { return 200 "app: $request_uri"; }
    }
END

my $port = 20000 + $t->{kubelet_port};
s/\bAPP\b/$port/g for @{$t}{qw(server http)};

$t->start;
ok($t->synced, 'synced') or diag($t->log);

# the request line as it is; status and body

sub raw {
    my ($line, @cert) = @_;

    my $d = "$t->{dir}/standin";
    my $c = IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602", Timeout => 10,
        SSL_verify_mode => SSL_VERIFY_NONE,
        map { (SSL_cert_file => "$d/$_.crt", SSL_key_file => "$d/$_.key") }
            @cert) or die $SSL_ERROR;

    print $c "$line\r\nHost: x\r\nConnection: close\r\n\r\n";

    local $/;
    my $text = <$c> // '';

    return $text =~ m{^HTTP/1.1 (\d+).*?\r\n\r\n(.*)}s ? "$1 $2" : $text;
}

my $root = qr/^403 .*cannot get path \\"\/\\"/s;
my $ambiguous = qr/^400 .*the path is ambiguous/s;


# anonymous: only health is free

like(raw('GET /healthz HTTP/1.1'), qr{^200 app: /healthz}, 'health is free');
like(raw('GET http://x/healthz HTTP/1.1'), qr{^200 app: /healthz},
     'in the absolute form, too');
like(raw('GET http://x HTTP/1.1'), $root, 'the absolute form without a path');
like(raw('GET http://x?x=://h/healthz HTTP/1.1'), $root,
     'whose query looks like one');
like(raw('GET http://x?a=://h/apis/g/v1/pods HTTP/1.1'), $root,
     'or like a resource');
like(raw('GET http://x/app/?x=://h/healthz HTTP/1.1'), qr/^403 /,
     'or with a path of its own');

for my $path ('/healthz#/../secret', '/healthz#', '/healthz?a#b',
              '/healthz#/%2e%2e/%2e%2e/secret//x', '/healthz/../app/',
              '/healthz/%2e%2e/app/', '/healthz/%2E%2e/app/', '/healthz//x',
              '/healthz/./x', '/healthz%2Fx', '/healthz/..', '/healthz/%2f')
{
    like(raw("GET $path HTTP/1.1"), $ambiguous, "$path is refused");
    like(raw("GET http://x$path HTTP/1.1"), $ambiguous,
         "$path is refused in the absolute form");
    like(raw("GET $path HTTP/1.1", 'admin'), $ambiguous,
         "$path is refused to system:masters");
}


# who may all: what is served is what was asked

like(raw('GET http://x?a=b HTTP/1.1', 'admin'), qr{^200 app: /\?a=b},
     'a query alone is of the root');
like(raw('GET /app/a%20b?c=%2F HTTP/1.1', 'admin'),
     qr{^200 app: /app/a%20b\?c=%2F}, 'escapes of no meaning go through');


# the module's own answers

my $api = '/apis/metrics.k8s.io/v1beta1';

like(raw("GET $api/nodes?labelSelector=a%3Db#c HTTP/1.1", 'admin'),
     $ambiguous, 'a fragment behind a selector');
like(raw("GET http://x$api/nodes?limit=x HTTP/1.1", 'admin'), qr/^400 /,
     'a query in the absolute form is read');
like(raw("GET http://x$api/nodes HTTP/1.1", 'admin'),
     qr/^200 .*NodeMetricsList/s, 'as is its path');

is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
