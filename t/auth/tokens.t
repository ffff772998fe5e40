#!/usr/bin/perl

# Bearer tokens: who the API server says they are, for how long, and what is
# no token.  Nobody gets in by one that is not valid, and no answer that cannot
# be right lets anybody in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(status_of wait_for);


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';

my $t = K8sMetrics->new(standin => [ -nodes => 2, -pods => 4 ],
    http => 'k8s_metrics_authorization_cache_ttl 60s 60s;'
        . ' k8s_metrics_token_cache_ttl 2s;',
    server => <<'END',

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://127.0.0.1:APP;
        }
END
    extra => <<'END',

    server {
        listen 127.0.0.1:APP;

        location / {
            return 200 "authorization=$http_authorization mine=$http_x_mine\n";
        }
    }

    # for other audiences, and for nobody without a credential
    server {
        listen ADDR:8605 ssl http2;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        large_client_header_buffers 4 1100k;
        k8s_metrics_token_audiences metrics https://x.test/<b>;
        k8s_metrics_anonymous off;

        location / {
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }
END
);

my $port = 20000 + $t->{kubelet_port};
s/\bAPP\b/$port/g for @{$t}{qw(server extra)};

$t->start;
ok($t->ready, 'ready') or diag($t->log);


sub bearer {
    my ($token, %q) = @_;

    return $t->ask($q{path} // $nodes, %q,
        headers => [ "Authorization: Bearer $token",
                     @{ $q{headers} // [] } ]);
}

# the same at the other server
sub other {
    my ($token, @args) = @_;

    my $authorization = defined $token ? "-HAuthorization: Bearer $token"
                                       : '-HX: y';
    open(my $fh, '-|', 'curl', '-sSk', '-m', 30, '-o', '/dev/null', '-w',
         '%{http_code}', $authorization, @args,
         "https://$t->{addr}:8605$nodes") or die "curl: $!";

    return scalar <$fh>;
}

sub asked { return $t->control('/stats')->{tokenReviews} }

# what the last access review was asked about
sub subject {
    my ($spec) = map { $_->{spec} } @{ $t->control('/reviews') }[-1];

    return JSON::PP->new->canonical->encode({ map { ($_ => $spec->{$_}) }
        grep { exists $spec->{$_} } qw(user uid groups extra) });
}

my $who = { user => 'system:serviceaccount:ns:her', uid => 'u-1',
    groups => [ 'system:serviceaccounts', 'system:authenticated' ],
    extra => { 'z/last' => [ 'b', 'a' ], 'a.first' => [ 'c' ] } };

$t->control('/rules', { rules => [
    { user => $who->{user} }, { group => 'system:authenticated',
      nonResourcePaths => [ '/app/*' ] } ] });
$t->control('/tokens', {
    good => $who,
    plain => { user => 'somebody' },
    denied => { denied => JSON::PP::true },
    broken => { error => "token \"x\" has\nexpired" },
    master => { user => 'm', groups => [ 'system:masters' ] },
    anonymous => { user => 'system:anonymous',
                   groups => [ 'system:unauthenticated' ] },
    ours => { %$who, audiences => [ 'else', 'metrics' ] },
    theirs => { %$who, audiences => [ 'else' ] },
    line => { user => "a\nb" },
    group => { user => 'a', groups => [ "b\r\nX-Remote-User: root" ] },
    (map { ("status$_->[0]" => { status => $_->[1] }) }
        [ contradicts => { authenticated => JSON::PP::true, error => 'no',
                           user => { username => 'a' } } ],
        [ nobody => { authenticated => JSON::PP::true } ],
        [ nul => { authenticated => JSON::PP::true,
                   user => { username => "$who->{user}\0x" } } ],
        [ nulgroup => { authenticated => JSON::PP::true,
                        user => { username => 'a',
                                  groups => [ "system:masters\0x" ] } } ],
        [ empty => { authenticated => JSON::PP::true,
                     user => { username => '' } } ],
        [ text => { authenticated => 'true', user => { username => 'a' } } ],
        [ number => { authenticated => 1, user => { username => 'a' } } ],
        [ groups => { authenticated => JSON::PP::true,
                      user => { username => 'a', groups => 'b' } } ],
        [ mixed => { authenticated => JSON::PP::true,
                     user => { username => 'a', groups => [ 'b', 1 ] } } ],
        [ extra => { authenticated => JSON::PP::true,
                     user => { username => 'a', extra => { k => 'v' } } } ],
        [ uid => { authenticated => JSON::PP::true,
                   user => { username => 'a', uid => 7 } } ]),
});


# who it is

is(bearer('good')->{status}, 200, 'a valid token');
is(subject(), '{"extra":{"a.first":["c"],"z/last":["b","a"]},"groups":'
   . '["system:serviceaccounts","system:authenticated"],'
   . '"uid":"u-1","user":"system:serviceaccount:ns:her"}',
   'all that the API server says of its user is asked about');
like(status_of(bearer('plain')),
     qr/^403 Forbidden: nodes.* User "somebody" cannot list/,
     'whose user may not');
is(subject(), '{"groups":["system:authenticated"],"user":"somebody"}',
   'system:authenticated is added');
is(bearer('master')->{status}, 200, 'one of system:masters');
like(status_of(bearer('anonymous')), qr/^403 .*User "system:anonymous"/,
     'system:anonymous');
is(subject(), '{"groups":["system:unauthenticated"],'
   . '"user":"system:anonymous"}', 'stays anonymous');

# whose word counts first

is(bearer('broken', cert => 'admin')->{status}, 200,
   'a good certificate counts, whatever the token is');
is(bearer('good', cert => 'rogue-client')->{status}, 200,
   'a good token counts, whatever the certificate is');
is(status_of(bearer('broken', cert => 'rogue-client')),
   '401 Unauthorized: Unauthorized', 'neither is good');
is(bearer('good', cert => 'front-client')->{status}, 200,
   "the front proxy's own certificate without a user is nobody, the token is");

# what is no token

is(status_of(bearer($_->[0])), '401 Unauthorized: Unauthorized', $_->[1])
    for [ 'broken', 'one that has expired' ], [ 'denied', 'one refused' ],
        [ 'unknown', 'one unknown' ], [ "a\tb", 'one with a tab' ],
        [ "\xff\xfe", 'one that is no text' ],
        [ 'line', "one whose user's name has a line break" ],
        [ 'group', 'one whose group would be a header of its own' ];
like(status_of(bearer('Good')), qr/^401/, 'tokens have cases');

my $n = asked();

like(status_of($t->ask($nodes, headers => [ $_ ])),
     qr/^403 .*User "system:anonymous"/, "no bearer token: $_")
    for 'Authorization: Basic Z29vZDpnb29k', 'Authorization: Bearer',
        'Authorization: Bearergood', 'Authorization: good',
        'Proxy-Authorization: Bearer good', 'X-Token: good';
is(asked(), $n, 'nobody is asked about what is none');
is($t->ask($nodes, headers => [ $_ ])->{status}, 200, "one: $_")
    for 'Authorization: bearer good', 'AUTHORIZATION: BEARER good',
        'Authorization:   Bearer good  ', 'Authorization: Bearer good more';
is($t->ask("$nodes?access_token=good")->{status}, 403, 'not in the query');

is(other('x' x 60_000, '--http1.1'), 401, 'one of 60 kB that is not known');
$n = asked();
is(other('x' x 70_000, '--http1.1'), 401, 'one of 70 kB');
is(other('x' x 100_000, '--http1.1'), 401, 'one of 100 kB');
is(asked(), $n, 'is no token');

# answers that cannot be right

like(status_of(bearer("status$_")), qr/^503 ServiceUnavailable: the token review/,
     "an answer that is none: $_")
    for qw(contradicts nobody nul nulgroup empty text number groups mixed extra uid);


# for how long

sub anew {
    my ($token, $status) = @_;

    return wait_for(6, sub {
        my $before = asked();
        return bearer($token)->{status} == $status && asked() > $before;
    });
}

ok(anew('good', 200), 'asked about anew when its time is over');

$n = asked();
my $since = time;

is(bearer('good')->{status}, 200, 'a token that is known') for 1 .. 3;
is(bearer('good', path => '/apis/metrics.k8s.io/v1beta1/pods')->{status}, 200,
   'also for another question');
SKIP: {
    skip 'a slow machine', 1 if time - $since > 1.5;
    is(asked(), $n, 'is asked about once');
}

ok(anew('denied', 401), 'a refusal');
$n = asked();
$since = time;
is(bearer('denied')->{status}, 401, 'is kept') for 1 .. 3;
SKIP: {
    skip 'a slow machine', 1 if time - $since > 1.5;
    is(asked(), $n, 'is asked about once');
}

$n = asked();
is(bearer('broken')->{status}, 401, 'an error') for 1 .. 3;
is(asked(), $n + 3, 'is not kept');

$t->control('/tokens', { denied => $who });
ok(wait_for(6, sub { bearer('denied')->{status} == 200 }),
   'a refusal is forgotten');
ok(wait_for(6, sub { bearer('good')->{status} == 401 }),
   'a token that is not valid any more, too');


# audiences

$t->control('/tokens', { ours => { %$who, audiences => [ 'else', 'metrics' ] },
    theirs => { %$who, audiences => [ 'else' ] }, good => $who });

is(bearer('theirs')->{status}, 200, 'no audience is asked for by default');
is(other('ours'), 200, 'an audience that is asked for');
is(other('theirs'), 401, 'another audience');
is(other('good'), 401, 'an API server that does not know of audiences');
is(other('ours', '--http2'), 200, 'over HTTP/2');

is(other(undef), 401, 'no credential where nobody is anonymous');


# the API server

$t->control('/api', { slowMillis => 2000 });
$t->control('/api', { fault => 'slow', for => 'tokenreviews' });
ok(wait_for(5, sub { asked() }), 'asked');
$t->control('/tokens', { slow => $who });
$n = asked();

my @r = $t->ask_all(map { [ $nodes,
    headers => [ 'Authorization: Bearer slow' ] ] } 1 .. 6);

is(join(' ', map { $_->{status} } @r), '200 200 200 200 200 200',
   'six with one token');
is(asked(), $n + 1, 'make one review');

$t->control('/tokens', { slow2 => $who });
@r = $t->ask_all([ $nodes, headers => [ 'Authorization: Bearer slow2' ],
                   args => [ '--no-show-error', '-m', 1 ] ],
                 [ $nodes, headers => [ 'Authorization: Bearer slow2' ] ]);
is(join(' ', map { $_->{status} } @r), '0 200',
   'a client that leaves does not take the answer along');

$t->control('/api', { fault => '' });
$t->control('/tokens', { good => $who });

$t->control('/api', { fault => '429', for => 'tokenreviews', count => 1 });
is(bearer('good', headers => [ 'X-A: 429' ])->{status}, 200,
   'a 429 is tried again');

for my $fault ('403', '401', 'garbage') {
    $t->control('/api', { fault => '', for => 'tokenreviews' });
    $t->control('/api', { fault => $fault, for => 'tokenreviews' });
    like(status_of(bearer("new-$fault")),
         qr/^503 ServiceUnavailable: the token review/, "a $fault is a 503");
}

$t->control('/api', { fault => '', for => 'tokenreviews' });
$t->control('/api', { fault => '500', for => 'tokenreviews' });
$since = time;
like(status_of(bearer('other')), qr/^503 ServiceUnavailable: the token review/,
     'an API server that fails is a 503');
my $took = time - $since;
ok($took > 5 && $took <= 11, 'within 10 s') or diag("$took s");
is($t->ask($nodes, cert => 'admin')->{status}, 200,
   'who has a certificate is not in its way');
like(join(' ', $t->log), qr/a token review failed: the answer is no review/,
     'the log says so');

$t->control('/api', { fault => '' });


# what stands behind does not see it

like(bearer('good', path => '/app/x', headers => [ 'X-Mine: 1' ])->{body},
     qr/^authorization= mine=1$/m, 'a token that is believed is taken out');
like(bearer('good', path => '/app/x', cert => 'admin')->{body},
     qr/^authorization=Bearer good /m,
     'one that nobody looked at is not');


unlike(join("\n", $t->log), qr/\b(?:good|ours|theirs|slow2)\b/,
       'no token in the log');
is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
