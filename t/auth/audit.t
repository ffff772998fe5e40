#!/usr/bin/perl

# What is known of a request afterwards and by an application behind the check:
# the variables, the line of deploy/nginx/k8s_audit.conf, the Audit-ID.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics qw(wait_for);


my $api = '/apis/metrics.k8s.io/v1beta1';
my $audit = "$FindBin::Bin/../../deploy/nginx/k8s_audit.conf";
my $json = JSON::PP->new->utf8;

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 4 ],
    http => "include $audit;\n    k8s_metrics_anonymous on;",
    server => <<'END',

        access_log AUDIT k8s_audit;

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
            proxy_set_header X-Remote-User $k8s_metrics_user;
            proxy_set_header X-Remote-Uid $k8s_metrics_uid;
            proxy_set_header X-Remote-Group $k8s_metrics_groups;
            proxy_set_header X-Scopes
                             $k8s_metrics_extra_scopes_example_com_x;
            proxy_set_header X-Twice $k8s_metrics_extra_a_b;
            proxy_set_header X-What "$k8s_metrics_verb|$k8s_metrics_resource";
            proxy_set_header X-Decided
                 "$k8s_metrics_auth_method|$k8s_metrics_decision";
        }

        # let in by its address, whoever it is
        location /any/ {
            satisfy any;
            allow 127.0.0.0/8;
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
            proxy_set_header X-Remote-User $k8s_metrics_user;
            proxy_set_header X-Remote-Group $k8s_metrics_groups;
            proxy_set_header X-Decided "$k8s_metrics_decision";
        }

        location /plain/ {
            k8s_metrics_auth off;
            add_header X-Audit "[$k8s_metrics_audit_id$k8s_metrics_user$k8s_metrics_verb]" always;
            return 404;
        }
END
    extra => <<'END',

    server {
        listen 127.0.0.1:APP;

        location / {
            add_header Audit-ID "the-application";
            return 200 "user=$http_x_remote_user uid=$http_x_remote_uid groups=$http_x_remote_group scopes=$http_x_scopes twice=$http_x_twice what=$http_x_what decided=$http_x_decided audit=$http_audit_id\n";
        }
    }
END
);

my $port = 20000 + $t->{kubelet_port};
my $log = "$t->{dir}/audit.log";
s/\bAPP\b/$port/g, s/\bAUDIT\b/$log/g for @{$t}{qw(server extra)};

$t->start;
ok($t->ready, 'ready') or diag($t->log);

my $lines = 0;

# the next line, whole
sub line {
    my @all;

    wait_for(5, sub {
        @all = split /\n/, -e $log ? K8sMetrics::slurp($log) : '';
        return @all > $lines;
    }) or return {};

    my $l = $all[$lines++];
    my $o = eval { $json->decode($l) };
    diag("$@: $l") if !$o;
    return $o // {};
}

sub audit_ids {
    my ($r) = @_;
    return map { /^audit-id: (.*)/ ? $1 : () } @{ $r->{headers} };
}

my $uuid = qr/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;

$t->control('/rules', { reason => "RBAC: \"no\"", rules => [
    { user => 'alice' }, { user => 'alice', nonResourcePaths => [ '/app/*' ] },
    { group => 'team', nonResourcePaths => [ '/app/*' ] } ] });
$t->control('/tokens', { secret => { user => 'robot', uid => 'u7',
    groups => [ 'team', 'a,b', '50%' ],
    extra => { 'Scopes.Example.com/X' => [ 'one', 'two,three' ],
               'a.b' => [ 'x' ], 'a/b' => [ 'y' ] } } });


# the line

my $r = $t->ask("$api/namespaces/ns-01/pods/app-00000-001?x=\"y\"",
    cert => 'front-client', headers => [ 'X-Remote-User: alice',
        'X-Remote-Group: g,1', 'X-Remote-Group: h', 'X-Remote-Uid: 17',
        'Audit-ID: 0b2a-from_the.aggregator' ],
    args => [ -A => "kubectl \"x\"\t" ]);
my $l = line();

is($r->{status}, 200, 'allowed');
is_deeply([ audit_ids($r) ], [ '0b2a-from_the.aggregator' ],
          "the aggregator's Audit-ID is returned");
like($l->{latency}, qr/^\d+(?:\.\d+)?$/, 'how long it took');
cmp_ok($l->{bytes}, '>', 300, 'how much was sent');
like($l->{time}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d/, 'when');
delete @{$l}{qw(latency bytes time)};
is_deeply($l, { auditID => '0b2a-from_the.aggregator', client => '127.0.0.1',
    authMethod => 'requestheader', user => 'alice', uid => '',
    groups => 'g%2C1,h,system:authenticated', verb => 'get',
    resource => 'pods', namespace => 'ns-01', name => 'app-00000-001',
    uri => "$api/namespaces/ns-01/pods/app-00000-001?x=\"y\"",
    userAgent => "kubectl \"x\"\t", decision => 'allow', reason => '',
    status => 200 }, 'who, what and what was decided')
    or diag(explain($l));

$r = $t->ask("$api/nodes", cert => 'front-client', headers => [
    'X-Remote-User: bob', 'Audit-ID: has a space' ]);
$l = line();
is("$r->{status} $l->{user} $l->{verb} $l->{resource} $l->{decision} "
   . "$l->{reason} $l->{status}", '403 bob list nodes forbid RBAC: "no" 403',
   'a denial');
like(join(' ', audit_ids($r)), qr/^$uuid$/, 'an Audit-ID that is none is not '
     . 'taken');
is($l->{auditID}, (audit_ids($r))[0], 'the same in both');

$r = $t->ask("$api/nodes", cert => 'admin',
             headers => [ 'Audit-ID: forged' ]);
$l = line();
is("$l->{authMethod} $l->{user} $l->{groups} $l->{decision} $l->{reason}",
   'x509 admin system:masters,system:authenticated allow group system:masters',
   'an administrator');
like(join(' ', audit_ids($r)), qr/^$uuid$/,
     'whose client writes no Audit-ID');

$r = $t->ask('/readyz', headers => [ 'Audit-ID: forged' ]);
$l = line();
is("$l->{authMethod} $l->{user} $l->{verb} $l->{uri} $l->{decision} "
   . $l->{reason}, 'anonymous system:anonymous get /readyz allow a path that '
   . 'is always allowed', 'a health check');

$r = $t->ask("$api/nodes", cert => 'rogue-client',
             headers => [ 'X-Remote-User: evil' ]);
$l = line();
is("$l->{status} $l->{user}$l->{groups}$l->{authMethod}$l->{decision}",
   '401 ', 'nobody is nobody');
like($l->{reason}, qr/certificate: as front proxy: unable to get local/,
     'and why');
like(join(' ', audit_ids($r)), qr/^$uuid$/, 'has an Audit-ID');

$t->ask("$api/nodes", headers => [ 'Authorization: Bearer wrong' ]);
$l = line();
is("$l->{status} $l->{user} $l->{reason}", '401  invalid bearer token',
   'a wrong token');
unlike($json->encode($l), qr/wrong/, 'which is not told');

$t->ask("$api//nodes", cert => 'admin');
$l = line();
is("$l->{status} $l->{user} $l->{verb}$l->{decision} $l->{reason}",
   '400 admin  the path is ambiguous', 'a path that could be two');

$t->ask("/app/" . 'x' x 6000, cert => 'alice',
        headers => [ 'User-Agent: ' . 'y' x 1000 ]);
$l = line();
is(length($l->{uri}) . ' ' . length($l->{userAgent}), '2048 256',
   'what is long is cut');
is($l->{decision}, 'allow', 'and it was allowed');


# an application

sub app {
    my ($path, @q) = @_;
    my $r = $t->ask($path, @q);
    line();
    return "$r->{status} $r->{body}";
}

my $told = app('/app/x', headers => [ 'Authorization: Bearer secret',
    'X-Remote-User: evil', 'Audit-ID: forged' ]);
like($told, qr/^200 user=robot uid=u7 groups=team,a%2Cb,50%25,system:authenticated scopes=one,two%2Cthree twice= what=get\| decided=token\|allow audit=$uuid$/,
     'an application is told who it is');

$r = $t->ask('/app/x', cert => 'alice');
line();
my @ids = audit_ids($r);
is(scalar @ids, 1, 'an answer has one Audit-ID');
like($r->{body}, qr/ audit=$ids[0]$/m, 'which the application has, too');

like(app('/any/x', cert => 'front-client',
         headers => [ 'X-Remote-User: mallory' ]),
     qr/^200 user= uid= groups= .* decided=forbid /,
     'who is let in by an address alone is nobody to it');
like(app('/any/x', cert => 'admin'), qr/^200 user=admin .* decided=allow /,
     'who is let in by the check is somebody');

$r = $t->ask('/plain/x', cert => 'admin');
$l = line();
ok((grep { $_ eq 'x-audit: []' } @{ $r->{headers} }),
   'where nobody is checked nothing is known') or diag("@{$r->{headers}}");
is($l->{auditID} . $l->{user} . $l->{decision}, '', 'nor logged');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
