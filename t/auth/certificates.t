#!/usr/bin/perl

# Which client certificates count and for what, what a review decides and for
# whom, and that no TLS session outlives the check.  identity.t has the same
# roads with the settings of the cluster; here they come from directives.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(header until_true);


my $json = JSON::PP->new->utf8->canonical;
my $api = '/apis/metrics.k8s.io/v1beta1';
my @masters = ('X-Remote-User: u', 'X-Remote-Group: system:masters');

my $t = K8sMetrics->new(n => 2, standin => [ -nodes => 2, -pods => 4 ],
    http => 'k8s_metrics_authorization_cache_ttl 60s 2s;',
    extra => <<'END',

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
);

$t->start;
ok($t->ready, 'ready') or diag($t->log);


# --- what the tests say it with ----------------------------------------------

# code, reason and message of a Status; or what else it was

sub status {
    my ($r) = @_;

    my $o = eval { $json->decode($r->{body}) };

    return "$r->{status} $r->{body}"
        if ref $o ne 'HASH' || ($o->{kind} // '') ne 'Status';
    return "$r->{status} is not $o->{code}" if $r->{status} != $o->{code};
    return "$o->{code} $o->{reason}: $o->{message}";
}

sub reviews { return $t->control('/stats')->{reviews} }

# what the last review asked

sub asked {
    my $all = $t->control('/reviews');
    return $all->[-1]{spec};
}

sub forbidden {
    my ($user, $verb, $resource, $ns, $name) = @_;

    return "403 Forbidden: $resource.metrics.k8s.io "
        . (defined $name ? "\"$name\" " : '')
        . "is forbidden: User \"$user\" cannot $verb resource \"$resource\""
        . ' in API group "metrics.k8s.io" '
        . (defined $ns ? "in the namespace \"$ns\"" : 'at the cluster scope');
}

my $unauthorized = '401 Unauthorized: Unauthorized';


# --- certificates ------------------------------------------------------------

is($t->ask("$api/nodes", cert => 'front-client',
           headers => \@masters)->{status}, 200, 'the front proxy');

my %bad = (
    'front-expired' => 'expired',
    'front-notyet' => 'not yet valid',
    'front-serverauth' => 'for servers only',
    'front-other' => 'another name',
    'rogue-client' => 'of another CA',
    'alice-expired' => 'expired, of the clients\' CA',
    'serving' => 'for servers only, of the clients\' CA',
);

for my $cert (sort keys %bad) {
    for my $headers ([], \@masters) {
        my $r = $t->ask("$api/nodes", cert => $cert, headers => $headers);

        is(status($r), $unauthorized,
           "$cert: $bad{$cert}" . (@$headers ? ', with a user' : ''));
        is(header($r, 'content-type'), 'application/json', 'in JSON');
    }

    # TLS 1.2 has another road to the certificate
    is(status($t->ask("$api/nodes", cert => $cert, headers => \@masters,
                      args => [ '--tls-max', '1.2' ])), $unauthorized,
       "$cert with TLS 1.2");
}

is($t->ask("$api/nodes", cert => 'admin')->{status}, 200,
   'a client of its own, in system:masters');
is($t->ask("$api/nodes", cert => 'admin', headers => [
    'X-Remote-User: nobody', 'X-Remote-Group: none' ])->{status}, 200,
   'whom headers make no other');


# --- who is believed ---------------------------------------------------------

my $spoof = [ @masters, 'X-Remote-Uid: 7', 'X-Remote-Extra-Scopes: all' ];

is(status($t->ask("$api/nodes", headers => $spoof)),
   forbidden('system:anonymous', 'list', 'nodes'),
   'headers without a certificate are ignored');

my $spec = asked();

is($spec->{user}, 'system:anonymous', 'the review is of the anonymous');
is_deeply($spec->{groups}, [ 'system:unauthenticated' ], 'in their group');
ok(!$spec->{extra} && !$spec->{uid}, 'without an extra and a uid');

is(status($t->ask("$api/nodes", cert => 'alice', headers => $spoof)),
   forbidden('alice', 'list', 'nodes'),
   "nor are they believed with a client's certificate");

$spec = asked();

is($spec->{user}, 'alice', 'the review is of its CN');
is_deeply($spec->{groups}, [ 'system:authenticated' ], 'in its group alone');
is_deeply([ keys %{ $spec->{extra} } ],
          [ 'authentication.kubernetes.io/credential-id' ],
          "with the certificate's own extra alone");
like($spec->{extra}{'authentication.kubernetes.io/credential-id'}[0],
     qr/^X509SHA256=[0-9a-f]{64}$/, 'its fingerprint');

# as kube-apiserver: whoever asks for it, and however

my $before = reviews();

for my $h ('User: root', 'Group: system:masters', 'Uid: 0',
           'Extra-Scopes: all')
{
    for my $as ([ cert => 'admin' ], [ cert => 'alice' ], [],
                [ cert => 'front-client', headers => \@masters ])
    {
        my %q = @$as;
        my $r = $t->ask("$api/nodes", %q,
            headers => [ @{ $q{headers} // [] }, "Impersonate-$h" ]);

        like(status($r), qr/^403 Forbidden: .*impersonation/,
             "Impersonate-$h, " . ($q{cert} // 'no certificate'));
    }
}

is(reviews() - $before, 0, 'and no review is asked for it');


# --- reviews -----------------------------------------------------------------

$t->control('/rules', { reason => 'RBAC: nothing <for> "her"', rules => [
    { user => 'alice', verbs => [ 'get', 'list' ],
      apiGroup => 'metrics.k8s.io', resources => [ 'pods' ],
      namespaces => [ 'ns-01' ] } ] });

# denials from before the rules are forgotten after two seconds

ok(until_true(10, sub {
    status($t->ask("$api/nodes", cert => 'alice')) =~ /RBAC/
}), 'a denial is forgotten after its time');

my $pods = "$api/namespaces/ns-01/pods";

sub allowed {
    my ($path, $code, $what, @as) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $count = reviews();

    is($t->ask($path, @as)->{status}, $code, $what);
    is($t->ask($path, @as)->{status}, $code, 'and again');

    return is(reviews() - $count, 1, 'with one review');
}

my @alice = (cert => 'alice');

allowed($pods, 200, 'alice lists her namespace', @alice);
allowed("$pods/app-00001-001", 200, 'gets a pod of it', @alice);
allowed("$api/namespaces/ns-02/pods", 403, 'no other', @alice);
allowed("$api/pods", 403, 'nor all', @alice);
allowed("$api/nodes/node-00001", 403, 'nor a node', @alice);

is($t->ask($pods, cert => 'front-client',
           headers => [ 'X-Remote-User: alice' ])->{status}, 200,
   'through the front proxy she may, too');
is($t->ask($pods, cert => 'front-client',
           headers => [ 'X-Remote-User: mallory' ])->{status}, 403,
   "another does not get alice's answer");
is($t->ask($pods)->{status}, 403, 'nor do the anonymous');
is($t->ask("$pods/app-00000-001", cert => 'front-client',
           headers => [ 'X-Remote-User: Alice' ])->{status}, 403,
   'names are not alike');

my $why = ': RBAC: nothing <for> "her"';

is(status($t->ask("$api/namespaces/ns-02/pods", @alice)),
   forbidden('alice', 'list', 'pods', 'ns-02') . $why,
   'the reason is told, of a list');
is(status($t->ask("$api/namespaces/ns-02/pods/x", @alice)),
   forbidden('alice', 'get', 'pods', 'ns-02', 'x') . $why, 'of a get');
is(status($t->ask("$api/nodes/n", @alice)),
   forbidden('alice', 'get', 'nodes', undef, 'n') . $why, 'of a node');

# a right that is given is in force when the denial is forgotten

$t->control('/rules', { rules => [ { user => 'alice' } ] });
ok(until_true(10, sub {
    $t->ask("$api/namespaces/ns-02/pods", @alice)->{status} == 200
}), 'a right that is given is in force soon');


# --- many at once ------------------------------------------------------------

$t->control('/api', { slowMillis => 3000 });
$t->control('/api', { fault => 'slow', for => 'sar' });

$before = reviews();
my $since = time;
my @r = $t->ask_all(map { [ "$api/nodes", @alice ] } 1 .. 10);

is(reviews() - $before, 1, 'ten that ask the same make one review');
is_deeply([ map { $_->{status} } @r ], [ (200) x 10 ], 'and get its answer');
cmp_ok(time - $since, '>', 2.5, 'which was slow');

$before = reviews();
$since = time;
@r = $t->ask_all(map { [ "$api/nodes/node-0000$_", @alice ] } 0, 1, 2, 3);

is(reviews() - $before, 4, 'four that ask of different nodes make four');
is("@{[ map { $_->{status} } @r ]}", '200 200 404 404',
   'and get their own answers');
cmp_ok(time - $since, '<', 9, 'which do not wait for one another');

# a client that leaves does not take the others' answer with it

$before = reviews();
@r = $t->ask_all([ "$api/pods", @alice, args => [ '-m', 1 ] ],
                 map { [ "$api/pods", @alice ] } 1, 2);

is("@{[ map { $_->{status} } @r ]}", '0 200 200',
   'the client that asked first leaves, the others are answered');
is(reviews() - $before, 1, 'by one review');

$t->control('/api', { fault => '' });


# --- reviews that fail -------------------------------------------------------

sub tries {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}

my @bob = (cert => 'front-client', headers => [ 'X-Remote-User: bob' ]);

$t->control('/rules', { rules => [ { user => 'bob' } ] });

for my $fault ('500', '429') {
    $t->control('/api', { fault => $fault, for => 'sar', count => 1 });
    my $n = tries();

    is($t->ask("$api/nodes/node-00000", cert => 'front-client', headers => [
        'X-Remote-User: bob', "X-Remote-Group: $fault" ])->{status}, 200,
       "a $fault is tried again");
    is(tries() - $n, 2, 'once');
}

$t->control('/api', { fault => '500', for => 'sar' });

my $n = tries();
$since = time;
my $r = $t->ask("$api/nodes", @bob);
my $took = time - $since;

is($r->{status}, 500, 'a review that fails until the deadline is 500');
like(status($r), qr/^500 InternalError: \S/, 'as a Status');
unlike($r->{body}, qr/NodeMetrics/, 'with nothing of what was asked for');
cmp_ok(tries() - $n, '>', 5, 'after several tries');
ok($took > 5 && $took < 20, 'and in bounded time') or diag("$took s");
is(scalar(grep { /an access review failed/ } $t->log), 1,
   'and one line of the log');

is($t->ask("$api/nodes", cert => 'admin')->{status}, 200,
   'who needs no review is not in its way');

$t->control('/api', { fault => '' });

is($t->ask("$api/nodes", @bob)->{status}, 200, 'a failure is not kept');


# --- resumption --------------------------------------------------------------

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
