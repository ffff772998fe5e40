#!/usr/bin/perl

# Answers to access reviews that are no good: none of them is a right, each is
# a 500 in bounded time, and none is kept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(wait_for);


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';

my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ],
    http => 'k8s_metrics_authorization_cache_ttl 60s 60s;');

$t->start;
ok($t->synced, 'synced') or diag($t->log);

# each question is another one
my $n = 0;

sub ask {
    $n++;
    return $t->ask($nodes, cert => 'front-client', headers => [
        'X-Remote-User: bob', "X-Remote-Group: g$n" ], @_);
}

sub told { $t->control('/answer', { for => 'sar', @_ }) }

sub status {
    my ($r) = @_;
    my $o = eval { JSON::PP->new->utf8->decode($r->{body}) } // {};
    return join ' ', $r->{status}, $o->{reason} // $r->{body},
        $o->{message} // '';
}

sub review {
    my ($status, %more) = @_;
    return JSON::PP->new->encode({ kind => 'SubjectAccessReview',
        apiVersion => 'authorization.k8s.io/v1', metadata => {}, spec => {},
        status => $status, %more });
}

my $head = '"kind":"SubjectAccessReview",'
    . '"apiVersion":"authorization.k8s.io/v1"';
my $long = 'x' x 30000;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);


# how a good one looks, so that what follows is refused for what it is

told(body => review({ allowed => $true }));
is(ask()->{status}, 200, 'allowed');
told(body => review({ allowed => $true, evaluationError => 'x',
                      reason => 'because' }));
is(ask()->{status}, 200, 'allowed in spite of an error of one authorizer');
told(body => review({ allowed => $true }), status => 200);
is(ask()->{status}, 200, 'with 200');
told(body => review({ allowed => $false, reason => 'no <reason>' }));
like(status(ask()), qr/^403 Forbidden .*: no <reason>$/, 'denied');
told(body => review({ denied => $true, allowed => $false }));
like(status(ask()), qr/^403 Forbidden /, 'denied once for all');
told(body => review({}));
like(status(ask()), qr/^403 Forbidden /, 'nothing said is denied');


# no rights

my $failed = qr/^500 InternalError the access review failed$/;

my @bad = (
    [ 'nothing', '' ],
    [ 'no JSON', 'allowed: true' ],
    [ 'HTML', '<html>{"status":{"allowed":true}}</html>' ],
    [ 'an array', '[{"status":{"allowed":true}}]' ],
    [ 'a string', '"allowed"' ],
    [ 'no status', "{$head}" ],
    [ 'a status that is a word', "{$head,\"status\":\"allowed\"}" ],
    [ 'a status that is a list', "{$head,\"status\":[{\"allowed\":true}]}" ],
    [ 'allowed and denied', review({ allowed => $true, denied => $true }) ],
    [ 'allowed twice',
      "{$head,\"status\":{\"allowed\":true,\"allowed\":false}}" ],
    [ 'two statuses',
      "{$head,\"status\":{\"allowed\":true},\"status\":{\"allowed\":false}}" ],
    [ 'allowed, and denied as a word',
      "{$head,\"status\":{\"allowed\":true,\"denied\":\"true\"}}" ],
    [ 'allowed as a word', review({ allowed => 'true' }) ],
    [ 'allowed as a number', review({ allowed => 1 }) ],
    [ 'allowed as a list', review({ allowed => [ $true ] }) ],
    [ 'another kind', review({ allowed => $true }, kind => 'TokenReview') ],
    [ 'a kind that is close', review({ allowed => $true },
                                 kind => 'SelfSubjectAccessReview') ],
    [ 'another version', review({ allowed => $true },
        apiVersion => 'authentication.k8s.io/v1') ],
    [ 'no kind', '{"status":{"allowed":true}}' ],
    [ 'a Status', '{"kind":"Status","apiVersion":"v1","status":"Success"}' ],
    [ 'cut within', substr(review({ allowed => $true }), 0, -2) ],
    [ 'more behind it', review({ allowed => $false })
        . review({ allowed => $true }) ],
    [ 'a NUL', "{$head,\"status\":{\"allowed\":true}}\0" ],
    [ 'deep', ('[' x 5000) . (']' x 5000) ],
);

for my $b (@bad) {
    told(body => $b->[1]);
    like(status(ask()), $failed, "no review: $b->[0]");
}

# the same of a token's review

sub token_review {
    my ($status, %more) = @_;
    return JSON::PP->new->encode({ kind => 'TokenReview',
        apiVersion => 'authentication.k8s.io/v1', metadata => {}, spec => {},
        status => $status, %more });
}

my $known = { authenticated => $true, user => { username => 'root',
              groups => [ 'system:masters' ] } };
my $text = JSON::PP->new->encode($known);

sub token_status {
    $t->control('/answer', { for => 'tokenreviews', body => $_[0] });
    $n++;
    return status($t->ask($nodes,
                          headers => [ "Authorization: Bearer token-$n" ]));
}

like(token_status(token_review($known)), qr/^200 /, 'a token is believed');

for my $b ([ 'another kind', review($known) ],
           [ 'another version', token_review($known,
               apiVersion => 'authentication.k8s.io/v1beta1') ],
           [ 'no kind', "{\"status\":$text}" ],
           [ 'two statuses', token_review($known)
               =~ s/\}$/,"status":{"authenticated":false}}/r ],
           [ 'authenticated twice', token_review($known)
               =~ s/"authenticated":true/$&,"authenticated":false/r ],
           [ 'more behind it', token_review($known) . '{}' ],
           [ 'no JSON', 'authenticated' ])
{
    like(token_status($b->[1]),
         qr/^503 ServiceUnavailable the token review failed$/,
         "no token review: $b->[0]");
}


# rights that are somewhere else

my @elsewhere = (
    [ 'outside of the status', "{$head,\"allowed\":true,\"status\":{}}" ],
    [ 'in the spec', "{$head,\"spec\":{\"allowed\":true},"
        . '"status":{"allowed":false}}' ],
    [ 'in the metadata', "{$head,\"metadata\":{\"status\":{\"allowed\":true}},"
        . '"status":{"allowed":false}}' ],
    [ 'in the reason', review({ allowed => $false,
        reason => '"},"status":{"allowed":true' }) ],
    [ 'below the status', review({ x => { allowed => $true } }) ],
    [ 'in another spelling', review({ Allowed => $true, ALLOWED => $true }) ],
);

for my $e (@elsewhere) {
    told(body => $e->[1]);
    like(status(ask()), qr/^403 Forbidden /, "allowed $e->[0]: denied");
}


# statuses that no right comes with

for my $code (202, 204, 301, 400, 401, 403, 404, 409, 422) {
    told(status => $code,
         body => $code == 204 ? '' : review({ allowed => $true }),
         $code == 301 ? (headers => { Location => '/elsewhere' }) : ());
    like(status(ask()), $failed, "allowed with $code");
}

# what may pass is tried again until the time is over, but not past it

told(status => 429, headers => { 'Retry-After' => '60' },
     body => review({ allowed => $true }));
my $since = time;
like(status(ask()), $failed, '429 that asks for a minute');
cmp_ok(time - $since, '<', 5, 'is not waited for');

sub tries {
    return scalar grep { $_->{uri} =~ /subjectaccessreviews/ }
                       @{ $t->control('/requests') };
}

# a question, whose answer gets better while it is waited for

sub later {
    my ($what, $min) = @_;

    my $before = tries();
    my $pid = fork() // die;
    if ($pid == 0) {
        my $r = ask();
        POSIX::_exit($r->{status} == 200 ? 0 : 1);
    }
    ok(wait_for(9, sub { tries() - $before >= 2 }), "$what: is tried again");
    $t->control('/answer', {});
    $t->control('/rules', { rules => [ { user => 'bob' } ] });
    waitpid($pid, 0);
    is($? >> 8, 0, "$what: and then answered");
    $n++;
}

told(status => 429, headers => { 'Retry-After' => '1' },
     body => 'Too many requests, please try again later.');
$since = time;
later('429 with Retry-After');
cmp_ok(time - $since, '>', 0.9, 'not before its time');

told(body => review({ allowed => $true }), cut => $true);
later('an answer that ends before its length');

told(status => 503, body => review({ allowed => $true }));
later('503');


# huge

told(body => ' ' x 1024, repeat => 4096);
$since = time;
my $before = tries();
like(status(ask()), $failed, 'an answer of 4 MB');
cmp_ok(time - $since, '<', 5, 'is refused at once');
is(tries() - $before, 1, 'and not asked for again');

told(body => "{$head,\"status\":{\"allowed\":true,\"reason\":\"$long\"}}");
is(ask()->{status}, 200, 'a long reason is none to refuse');
told(body => "{$head,\"status\":{\"allowed\":false,\"reason\":\"$long\"}}");
like(status(ask()), qr/^403 Forbidden .*x{1000}/, 'nor not to tell it');


# slow: the deadline is the review's, not the try's

$t->control('/answer', {});
$t->control('/api', { fault => 'hang', for => 'sar' });
$since = time;
like(status(ask()), $failed, 'no answer');
cmp_ok(time - $since, '<', 12, 'is waited for no longer than 10 s');
$t->control('/api', { fault => '' });


# nothing of it was kept

$n = 0;
is(ask()->{status}, 200, 'the first question, allowed, is kept');
my $kept = tries();
$n = 10;
is(ask()->{status}, 200, 'one that failed is asked anew');
is(tries() - $kept, 1, 'once');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
