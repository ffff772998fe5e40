#!/usr/bin/perl

# Headers that other clients refuse to send, over HTTP/1.1 and HTTP/2: nobody
# comes to a name, a group or a right by the way a header is written, and the
# application behind sees none of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics;
use Raw qw(h1 h2);


my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 1 ],
    server => <<'END', http => <<'END2');

        location /app/ {
            k8s_metrics_auth on;
            proxy_pass http://ADDR:8611;
        }
END

    k8s_metrics_always_allow_paths /app/public/*;

    # the application: it believes what it is told
    server {
        listen ADDR:8611;
        ignore_invalid_headers off;
        underscores_in_headers on;

        location / {
            return 200 "user=$http_x_remote_user group=$http_x_remote_group";
        }
    }
END2

s/\bADDR\b/$t->{addr}/g for @{$t}{qw(server http)};

$t->start;
ok($t->synced, 'synced') or diag($t->log);

my $to = "$t->{addr}:8602";
my $d = "$t->{dir}/standin";

# whom the denial names, or what else it was

sub who {
    my ($r) = @_;

    my $o = eval { JSON::PP->new->utf8->decode($r->{body}) };
    my $m = ref $o eq 'HASH' ? $o->{message} // '' : '';

    return $1 if $r->{status} == 403
        && $m =~ /^forbidden: User "(.*)" cannot \w+ path/;

    return $m =~ /impersonation/ ? "$r->{status} impersonation"
        : defined $r->{goaway} ? "goaway $r->{goaway}"
        : defined $r->{reset} ? "reset $r->{reset}"
        : $r->{status};
}

# a name that is in no other answer, so that each denial is a review's
my $n = 0;

sub over_h1 {
    my ($cert, @lines) = @_;
    $n++;
    return who(h1($to, $cert ? (cert => "$d/$cert") : ())
               ->get("/x$n", @lines));
}

sub over_h2 {
    my ($cert, $fields, %o) = @_;
    $n++;
    return who(h2($to, $cert ? (cert => "$d/$cert") : ())
               ->ask($fields, path => "/x$n", %o));
}

sub groups {
    my ($r) = reverse @{ $t->control('/reviews') };
    return join ',', @{ $r->{spec}{groups} };
}


my $masters = 'X-Remote-Group: system:masters';

# HTTP/1.1, as the front proxy (what it is answered) and as alice and nobody,
# who never are another

my @lines = (
    [ 'underscores', 401, "X_Remote_User: root",
      "X_Remote_Group: system:masters" ],
    [ 'half an underscore', 401, "X-Remote_User: root" ],
    [ 'mixed case', 'bob', "x-ReMoTe-uSeR: bob" ],
    [ 'repeated', 'bob', "X-Remote-User: bob", "X-Remote-User: root" ],
    [ 'the first is empty', 401, "X-Remote-User:", "X-Remote-User: root" ],
    [ 'empty', 401, "X-Remote-User:", $masters ],
    [ 'only blanks', 401, "X-Remote-User:   ", $masters ],
    [ 'a list is one name', 'bob, root', "X-Remote-User: bob, root" ],
    [ 'a CR within', 400, "X-Remote-User: bob\r$masters" ],
    [ 'a NUL', 400, "X-Remote-User: bob\0" ],
    [ 'a NUL in the name', 400, "X-Remote\0-User: bob" ],
    [ 'obs-fold', 400, "X-Remote-User: bob", " $masters" ],
    [ 'obs-fold of a group', 400, "X-Remote-User: bob",
      "X-Remote-Group: a", "\tsystem:masters" ],
    [ 'a blank before the colon', 400, "X-Remote-User : bob" ],
    [ 'a blank before the name', 400, "X-Other: 1", " X-Remote-User: bob" ],
    [ 'no colon', 400, "X-Remote-User bob" ],
    [ 'hop by hop', 'bob', "Connection: X-Remote-User, X-Remote-Group",
      'X-Remote-User: bob' ],
    [ 'hop by hop and closed', 'bob', "Connection: close, X-Remote-User",
      'X-Remote-User: bob' ],
    [ 'another header\'s value', 401, "X-Other: X-Remote-User: root" ],
    [ 'an encoded name', 401, "X%2DRemote%2DUser: root" ],
);

for my $l (@lines) {
    my ($what, $want, @h) = @$l;

    is(over_h1('front-client', @h), $want, "HTTP/1.1, $what: front proxy");
    is(over_h1('alice', @h), $want eq 400 ? 400 : 'alice',
       "HTTP/1.1, $what: a client");
    is(over_h1('', @h), $want eq 400 ? 400 : 'system:anonymous',
       "HTTP/1.1, $what: nobody");
}

# groups are whole values, of exact headers

is(over_h1('front-client', 'X-Remote-User: bob',
           'X-Remote-Group: a, system:masters',
           'X_Remote_Group: system:masters',
           'X-Remote-Groups: system:masters',
           'X-Remote-Group:', 'X-Remote-Group: b'), 'bob', 'groups of bob');
is(groups(), 'a, system:masters,b,system:authenticated', 'are whole values');

# a bare LF ends a line, as nginx reads it, of whoever wrote the line before

is(over_h1('alice', "X-Other: 1\nX-Remote-User: root\n$masters"), 'alice',
   'bare LF: a client stays who it is');
is(over_h1('', "X-Other: 1\nX-Remote-User: root\n$masters"),
   'system:anonymous', 'bare LF: nobody stays nobody');


# trailers

my $trailed = "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    . "X-Remote-User: root\r\n$masters\r\n\r\n";

for my $as ([ 'front-client', 'bob', 'X-Remote-User: bob' ],
            [ 'front-client', 401 ], [ 'alice', 'alice' ],
            [ '', 'system:anonymous' ])
{
    my ($cert, $want, @h) = @$as;
    my $c = h1($to, $cert ? (cert => "$d/$cert") : ());
    my $head = join "\r\n", 'GET /y HTTP/1.1', 'Host: x', @h, '';

    is(who($c->ask($head . $trailed)), $want, "trailers name nobody: $want");
    is(who($c->get('/z', @h)), $want, "nor in the request after it: $want");
}


# one request within another's body is none

for my $te ("Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Content-Length: 1\r\nContent-Length: 2")
{
    my $r = h1($to, cert => "$d/front-client")->ask("POST /y HTTP/1.1\r\n"
        . "Host: x\r\nX-Remote-User: bob\r\n$te\r\n\r\n0\r\n\r\n");
    like($r->{status}, qr/^(?:400|501)$/, 'refused: ' . $te =~ s/\r\n/ and /r);
}


# HTTP/2

my $u = 'x-remote-user';

my @fields = (
    [ 'underscores', 401, x_remote_user => 'root' ],
    [ 'the user', 'bob', $u => 'bob' ],
    [ 'repeated', 'bob', $u => 'bob', $u => 'root' ],
    [ 'the first is empty', 401, $u => '', $u => 'root' ],
    [ 'empty', 401, $u => '' ],
    [ 'upper case', 'reset 1', 'X-Remote-User' => 'bob' ],
    [ 'CR LF in a value', 'reset 1', 'x-a' => "1\r\nx-remote-user: root" ],
    [ 'LF in a value', 'reset 1', $u => "bob\nx-remote-group: system:masters" ],
    [ 'CR in a value', 'reset 1', $u => "bob\r" ],
    [ 'a NUL in a value', 'reset 1', $u => "bob\0" ],
    [ 'CR LF in a name', 'reset 1', "x-a: 1\r\nx-remote-user" => 'root' ],
    [ 'a colon in a name', 'reset 1', 'x-remote-user: root' => 'x' ],
    [ 'a blank in a name', 'reset 1', 'x-remote-user ' => 'root' ],
    [ 'an empty name', 'goaway 1', '' => 'root' ],
);

for my $f (@fields) {
    my ($what, $want, @h) = @$f;

    is(over_h2('front-client', \@h), $want, "HTTP/2, $what: front proxy");
    is(over_h2('alice', \@h), $want =~ /^(?:400|\w+ 1)\z/ ? $want : 'alice',
       "HTTP/2, $what: a client");
    is(over_h2('', \@h), $want =~ /^(?:400|\w+ 1)\z/ ? $want
       : 'system:anonymous', "HTTP/2, $what: nobody");
}

for my $cert ('front-client', 'alice') {
    like(over_h2($cert, [ $u => 'bob' ], method => 'POST',
                 trailers => [ $u => 'root', 'x-remote-group' =>
                               'system:masters' ]),
         # nginx 1.22 takes no trailers, and ends the connection
         qr/^(?:goaway 1|bob|alice)$/, "HTTP/2: trailers name nobody ($cert)");
}


# tokens that are no header's value, or too large for one

is(over_h1('', "Authorization: Bearer a\rX-Remote-User: root"), 400,
   'a token with a newline: CR');
is(over_h1('', 'Authorization: Bearer a', ' b'), 400,
   'a token with a newline: folded');
is(over_h2('', [ authorization => "Bearer a\nb" ]), 'reset 1',
   'a token with a newline: HTTP/2');

like(over_h1('', 'Authorization: Bearer ' . 'x' x 1_000_000), qr/^40[01]$/,
     'a token of 1 MB');
like(over_h1('', 'Authorization: Bearer ' . 'x' x 2_000_000), qr/^431$/,
     'a token of 1 MB and more than a header may have');
is(scalar(grep { $_->{uri} =~ /tokenreviews/ }
          @{ $t->control('/requests') }), 0,
   'and nobody was asked about any of them');


# Impersonate-, in any case, on both

for my $name (qw(Impersonate-User IMPERSONATE-GROUP impersonate-uid
                 iMpErSoNaTe-eXtRa-Scopes Impersonate-Anything
                 Impersonate_User))
{
    for my $cert ('front-client', 'admin', 'alice', '') {
        is(over_h1($cert, 'X-Remote-User: bob', "$name: root"),
           '403 impersonation', "$name, HTTP/1.1, " . ($cert || 'nobody'));
        is(over_h2($cert, [ $u => 'bob', lc $name => 'root' ]),
           '403 impersonation', "$name, HTTP/2, " . ($cert || 'nobody'));
    }
}


# an application sees nobody's word

for my $h ([ 'X_Remote_User: root' ], [ 'x-remote_USER: root' ],
           [ 'X-Remote-User: root', 'X-Remote-User: root2' ],
           [ 'Connection: X-Remote-User', 'X-Remote-User: root' ],
           [ 'X-REMOTE_GROUP: system:masters' ])
{
    is(h1($to)->get('/app/public/', @$h)->{body}, 'user= group=',
       "behind, HTTP/1.1: $h->[-1]");
}

for my $h ([ x_remote_user => 'root' ], [ $u => 'root' ],
           [ 'x-remote_group' => 'system:masters' ])
{
    is(h2($to)->ask($h, path => '/app/public/')->{body}, 'user= group=',
       "behind, HTTP/2: $h->[0]");
}


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
