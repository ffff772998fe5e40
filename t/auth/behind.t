#!/usr/bin/perl

# What stands behind k8s_metrics_auth: an application is never shown a name
# that a client wrote, and a request that made a subrequest of the check is not
# let through by it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics;


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    server => <<'END',

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        location /healthz/app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        # a check that is asked by another location
        location = /check {
            internal;
            k8s_metrics_auth on;
            empty_gif;
        }

        location /asked/ {
            auth_request /check;
            proxy_pass http://127.0.0.1:APP;
        }

        # a subrequest of a request that was checked
        location /mirrored/ {
            k8s_metrics_auth on;
            mirror /mirror;
            proxy_pass http://127.0.0.1:APP;
        }

        location /mirror {
            internal;
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP/mirror;
        }

        # refused here, let in by the address there
        location /any/ {
            satisfy any;
            allow 127.0.0.0/8;
            deny all;
            k8s_metrics_auth on;
            try_files /nonexistent /any/end/;
        }

        location /any/end/ {
            satisfy any;
            allow 127.0.0.0/8;
            deny all;
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        # refused by both, told by a page
        location /page/ {
            satisfy any;
            deny all;
            k8s_metrics_auth on;
            error_page 401 403 /page/told;
            proxy_pass http://127.0.0.1:APP;
        }
END
    http => <<'END',

    log_format seen '$request_uri';
    k8s_metrics_always_allow_paths /healthz /healthz/*;

    # the application: it believes what it is told
    server {
        listen 127.0.0.1:APP;
        ignore_invalid_headers off;
        underscores_in_headers on;
        access_log seen.log seen;

        location / {
            return 200 "user=$http_x_remote_user group=$http_x_remote_group extra=$http_x_remote_extra_scopes uid=$http_x_remote_uid own=$http_x_mine host=$http_host cookie=$http_cookie forwarded=$http_x_forwarded_for all=$http_x_user\n";
        }
    }
END
);

# a port of this run's own
my $port = 20000 + $t->{kubelet_port};
s/\bAPP\b/$port/g, s/seen\.log/$t->{dir}\/seen.log/ for @{$t}{qw(server http)};

$t->start;
ok($t->synced, 'synced') or diag($t->log);

sub app {
    my ($path, @q) = @_;
    my $r = $t->ask($path, @q);
    return "$r->{status} $r->{body}";
}

my @lies = ('X-Remote-User: evil', 'X_Remote_User: evil',
    'x-remote_user: evil', 'X-Remote-Group: system:masters',
    'X_Remote_Group: system:masters', 'X-Remote-Extra-Scopes: all',
    'X_REMOTE_EXTRA_SCOPES: all', 'X-Remote-Uid: 0');
my @own = ('X-Mine: 1', 'Cookie: a=b', 'X-Forwarded-For: 192.0.2.1',
           'X-User: me');
my $nothing = 'user= group= extra= uid= own=1 host=app.test cookie=a=b '
    . "forwarded=192.0.2.1 all=me\n";
my @host = ('Host: app.test');

# proxy_pass writes a Host of its own, so this one is the backend's
$nothing =~ s/app\.test/127.0.0.1:$port/;


# an application

is(app('/app/', cert => 'admin', headers => [ @lies, @own ]), "200 $nothing",
   "a client's own certificate: no header names anybody");
is(app('/app/', cert => 'front-client', headers => [
    'X-Remote-User: u', 'X-Remote-Group: system:masters', @own ]),
   "200 $nothing", 'nor does the front proxy, past the check');
is(app('/healthz/app/', headers => [ @lies, @own ]), "200 $nothing",
   'nor do the anonymous, where they may go');
is(app('/app/', cert => 'admin', headers => [ @own ]), "200 $nothing",
   'and without such headers nothing is touched');
like(app('/app/', cert => 'admin',
         headers => [ map { ("X-Fill-$_: $_", "X-Remote-Extra-K$_: v") }
                          1 .. 100 ], args => [ '-H', 'X-Mine: last' ]),
     qr/^200 user= .* own=last /, 'many headers');
like(app('/app/', cert => 'admin', headers => [ @lies, 'X-Mine: h2' ],
         args => [ '--http2' ]),
     qr/^200 user= group= extra= uid= own=h2 /, 'over HTTP/2');
is(app('/app/', cert => 'admin', method => 'POST', headers => [ @lies, @own ],
       args => [ '-d', 'x' x 50000 ]), "200 $nothing", 'with a body');


# subrequests

unlink "$t->{dir}/none";

like(app('/asked/x'), qr/^403 /, 'auth_request of a check that cannot be');
like(app('/asked/x', cert => 'admin'), qr/^403 /, 'whoever asks');
like(app('/mirrored/x', cert => 'admin'), qr/^200 /, 'a checked request');
ok(K8sMetrics::wait_for(5, sub {
    K8sMetrics::slurp("$t->{dir}/seen.log") =~ m{^/mirror}m
}), 'may have subrequests') or diag(K8sMetrics::slurp("$t->{dir}/seen.log"));


# satisfy any

like(app('/any/x', cert => 'rogue-client'), qr/^200 user= /,
     'satisfy any: who comes from there may, also past an internal redirect');
like(app('/any/x', cert => 'admin'), qr/^200 user= /, 'as may who is known');
my $r = $t->ask('/page/x', cert => 'rogue-client');
is($r->{status}, 401, 'satisfy any: a refusal stays what it was');
unlike($r->{body}, qr/InternalError/, 'also in the page that tells it');
like(app('/page/x', cert => 'admin'), qr/^200 user= /, 'who is known passes');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
