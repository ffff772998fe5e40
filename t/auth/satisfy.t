#!/usr/bin/perl

# Beside nginx's other ways to let in, and to answer: satisfy any, error pages,
# internal redirects, auth_request.  The decision is on the request as the
# client sent it, a refusal is a Status whose code is the answer's, and what
# stands behind is never shown a name that a client wrote.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics;


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';

my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    server => <<'CONF',

        proxy_set_header X-Who "$k8s_metrics_user $k8s_metrics_auth_method";

        # by the address
        location /any/ {
            satisfy any;
            allow 127.0.0.0/8;
            deny all;
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        # by none but us
        location /none/ {
            satisfy any;
            deny all;
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        # errors whose page is checked
        location /gone/ {
            return 404;
            error_page 404 /checked;
        }

        location /shut/ {
            deny all;
            error_page 403 /checked;
        }

        location = /checked {
            internal;
            k8s_metrics_auth on;
            k8s_metrics;
        }

        # what we refuse has no page of nginx's
        location /paged/ {
            k8s_metrics_auth on;
            error_page 401 403 = @told;
            proxy_pass http://127.0.0.1:APP;
        }

        # but where nginx refuses
        location /told/ {
            satisfy any;
            deny all;
            k8s_metrics_auth on;
            error_page 401 403 = @told;
            proxy_pass http://127.0.0.1:APP;
        }

        location @told {
            return 200 "told\n";
        }

        # redirects
        location /off/ {
            try_files /none /on/end;
        }

        location /on/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }

        location /out/ {
            k8s_metrics_auth on;
            try_files /none @out;
        }

        location @out {
            proxy_pass http://127.0.0.1:APP;
        }

        location /turn/ {
            k8s_metrics_auth on;
            rewrite ^ /turned break;
            proxy_pass http://127.0.0.1:APP;
        }

        # before the access phase
        location /return {
            k8s_metrics_auth on;
            return 200 "open\n";
        }

        # beside auth_request
        location /both/ {
            k8s_metrics_auth on;
            auth_request /gate;
            proxy_pass http://127.0.0.1:APP;
        }

        location /either/ {
            satisfy any;
            k8s_metrics_auth on;
            auth_request /gate;
            proxy_pass http://127.0.0.1:APP;
        }

        location = /gate {
            internal;
            proxy_pass http://127.0.0.1:APP;
        }
CONF
    http => <<'CONF',

    # the application: it believes what it is told
    server {
        listen 127.0.0.1:APP;
        ignore_invalid_headers off;
        underscores_in_headers on;

        location / {
            return 200 "$request_uri who=$http_x_who user=$http_x_remote_user group=$http_x_remote_group uid=$http_x_remote_uid extra=$http_x_remote_extra_a\n";
        }

        location = /gate {
            if ($http_x_gate) { return 204; }
            return 403;
        }
    }
CONF
    extra => <<'CONF');

    # the API by the address
    server {
        listen ADDR:8610 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;

        location / {
            satisfy any;
            allow 127.0.0.0/8;
            deny all;
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }

    # refused, with a page that would show it
    server {
        listen ADDR:8611 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        satisfy any;
        deny all;
        k8s_metrics_auth on;

        location /apis/ {
            error_page 401 403 /shown;
            k8s_metrics;
        }

        location /healthz/ {
            recursive_error_pages on;
            error_page 401 403 = @shown;
            k8s_metrics;
        }

        location = /shown {
            internal;
            allow all;
            k8s_metrics_auth off;
            k8s_metrics;
        }

        location @shown {
            recursive_error_pages on;
            allow all;
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }
CONF

# a port of this run's own
my $port = 20000 + $t->{kubelet_port};
s/\bAPP\b/$port/g for @{$t}{qw(server http)};

$t->start;
ok($t->synced, 'synced') or diag($t->log);

sub app {
    my ($path, @q) = @_;
    my $r = $t->ask($path, @q);
    return "$r->{status} $r->{body}";
}

# "STATUS code message", the code only where it is another
sub told {
    my ($path, @q) = @_;

    my $r = $t->ask($path, @q);
    my $s = eval { JSON::PP->new->utf8->decode($r->{body}) };

    return "$r->{status} $r->{body}" if ref $s ne 'HASH';
    return "$r->{status} a $s->{kind}" if $s->{kind} ne 'Status';
    return "$r->{status} code $s->{code}" if $s->{code} != $r->{status};
    return "$r->{status} $s->{message}";
}

my @at = map { [ args => [ '--connect-to', "::$t->{addr}:$_" ] ] } 8610, 8611;
my @lies = ('X-Remote-User: evil', 'X_Remote_User: evil',
    'X-Remote-Group: system:masters', 'X_Remote_Group: system:masters',
    'X-Remote-Uid: 0', 'X-Remote-Extra-A: all');
my $nobody = 'who=  user= group= uid= extra=' . "\n";
$nobody =~ s/=  /= /;
my $anonymous = 'forbidden: User "system:anonymous" cannot get path ';


# --- satisfy any ---------------------------------------------------------------

for my $who ([ 'nobody' ], [ 'an unknown CA', cert => 'rogue-client' ],
             [ 'a bad token', more => 'Authorization: Bearer x' ],
             [ 'an impersonator', more => 'Impersonate-User: root' ],
             [ 'one who may not', cert => 'alice' ])
{
    my ($name, %q) = @$who;
    my $more = delete $q{more};
    is(app('/any/x', %q, headers => [ @lies, $more // () ]),
       "200 /any/x $nobody", "let in by the address, $name has no name");
}

is(app('/any/x', cert => 'admin', headers => \@lies),
   '200 /any/x who=admin x509 user= group= uid= extra=' . "\n",
   'who is known has one');

is(told($nodes, @{ $at[0] }), '200 a NodeMetricsList',
   'the API answers whom the address lets in');

is(told('/none/x'), "403 $anonymous\"/none/x\"",
   'refused by both, it is the same Status');
is(told('/none/x', cert => 'rogue-client'), '401 Unauthorized',
   'also for who is not believed');
is(told('/none/x', headers => [ 'Impersonate-User: root' ]),
   '403 impersonation is not supported', 'and for impersonation');
like(app('/none/x', cert => 'admin'), qr{^200 /none/x who=\S+ x509 },
     'who is known passes');


# --- error pages ---------------------------------------------------------------

is(told('/gone/x'), "403 $anonymous\"/gone/x\"",
   'a denial as the page of a 404 is a 403');
is(told('/gone/x', method => 'DELETE'), "403 $anonymous\"/gone/x\"",
   'of what is served, which is a GET');
is(told('/shut/x'), "403 $anonymous\"/shut/x\"", 'as the page of a 403, too');
is($t->ask('/shut/x', cert => 'admin')->{status}, 404,
   'an unknown path as the page of a 403 is a 404');

is(told('/paged/x'), "403 $anonymous\"/paged/x\"",
   'error_page is not asked about a refusal');
is(told('/paged/x', cert => 'rogue-client'), '401 Unauthorized', 'of any kind');
is(app('/told/x'), "200 told\n", 'but with satisfy any, where nginx refuses');

like(told($nodes, @{ $at[1] }),
     qr/^403 nodes.metrics.k8s.io is forbidden: User "system:anonymous"/,
     'no page without auth shows what was refused');
is(told($nodes, @{ $at[1] }, cert => 'rogue-client'), '401 Unauthorized',
   'to nobody');
is(told('/healthz/ping', @{ $at[1] }, cert => 'rogue-client'),
   '401 Unauthorized', 'nor a named location, with another code');
is(told($nodes, @{ $at[1] }, cert => 'admin'), '200 a NodeMetricsList',
   'who is known is answered');


# --- redirects -----------------------------------------------------------------

is(told('/off/x'), "403 $anonymous\"/off/x\"",
   "a redirect to where it is checked is the client's request");
$t->control('/rules', { rules => [ { user => 'alice',
    nonResourcePaths => [ '/on/*', '/turned' ] } ] });
like(told('/off/y', cert => 'alice'), qr{^403 .*"alice" cannot get path "/off/y"},
     'whoever may ask for the other path');
like(app('/on/y', cert => 'alice'), qr{^200 /on/y who=alice x509 },
     'and does so');
like(told('/turn/y', cert => 'alice'),
     qr{^403 .*"alice" cannot get path "/turn/y"}, 'as is a rewrite');

$t->control('/rules', { rules => [ { user => 'alice',
    nonResourcePaths => [ '/off/*', '/out/*', '/turn/*' ] } ] });
like(app('/off/z', cert => 'alice', headers => \@lies),
     qr{^200 /on/end who=alice x509 user= group= uid= extra=$},
     'who may ask for it is served what stands there');
like(app('/turn/z', cert => 'alice', headers => \@lies),
     qr{^200 /turned who=alice x509 user= }, 'also after a rewrite');
like(app('/out/z', cert => 'alice', headers => \@lies),
     qr{^200 /out/z who=alice x509 user= },
     'the name is known where it is not checked again');
is(told('/out/z'), "403 $anonymous\"/out/z\"", 'where nobody else comes to');


# --- before, and beside --------------------------------------------------------

is(app('/return'), "200 open\n", 'return is not protected: it is earlier');

my @open = (headers => [ @lies, 'X-Gate: open' ]);

like(app('/both/x', cert => 'admin', @open), qr{^200 /both/x who=\S+ x509 user= },
     'auth_request and we');
like(app('/both/x', cert => 'admin'), qr/^403 <html>/, 'not we alone');
is(told('/both/x', @open), "403 $anonymous\"/both/x\"", 'nor it alone');
like(app('/either/x', cert => 'admin'), qr{^200 /either/x who=\S+ x509 },
     'with satisfy any we');
is(app('/either/x', @open), "200 /either/x $nobody",
   'or it, and then nobody has a name');
is(told('/either/x'), "403 $anonymous\"/either/x\"", 'but not none');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
