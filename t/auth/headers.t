#!/usr/bin/perl

# Identities as large as the aggregator forwards them: what the access review
# is asked holds every group and every extra value, in order, over HTTP/1.1 and
# HTTP/2; and over HTTP/2 one user's headers end nobody else's requests.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::SSL;
use JSON::PP ();
use Test::More;

use K8sMetrics;


my $nodes = '/apis/metrics.k8s.io/v1beta1/nodes';
my $json = JSON::PP->new->canonical->utf8;

my $t = K8sMetrics->new(standin => [ -nodes => 1, -pods => 2 ])->start;
ok($t->synced, 'synced') or diag($t->log);

my $dir = "$t->{dir}/standin";
my $user = 0;


# --- the two ways to ask; curl does not come to an end with such headers ------

sub http1 {
    my (@headers) = @_;

    my $c = IO::Socket::SSL->new(PeerAddr => "$t->{addr}:8602", Timeout => 20,
        SSL_verify_mode => SSL_VERIFY_NONE,
        SSL_cert_file => "$dir/front-client.crt",
        SSL_key_file => "$dir/front-client.key") or die $SSL_ERROR;

    print $c join "\r\n", "GET $nodes HTTP/1.1", 'Host: x',
        'Connection: close', (map { "$_->[0]: $_->[1]" } @headers), '', '';

    local $/;
    my $text = <$c> // '';

    return $text =~ m{^HTTP/1.1 (\d+)} ? $1 : "no answer: $text";
}

sub http2 {
    my ($cert, $requests, %more) = @_;

    my $file = "$t->{dir}/asking.json";
    open(my $fh, '>', $file) or die $!;
    print $fh $json->encode({ url => "https://$t->{addr}:8602", dir => $dir,
        cert => $cert, requests => $requests, %more });
    close $fh;

    my $standin = $K8sMetrics::module =~ s{[^/]+$}{standin}r;
    return $json->decode(scalar qx($standin ask $file));
}

sub both {
    my ($name, $what, $identity) = @_;

    for my $way (1, 2) {
        # a question that was not asked before
        my $u = 'u' . ++$user;
        my @headers = ([ 'X-Remote-User', $u ], @$identity);

        if ($way == 1) {
            is(http1(@headers), 403, "$name over HTTP/1.1");

        } else {
            my $r = http2('front-client',
                [ { path => $nodes, headers => \@headers } ])->{answers}[0];
            is("$r->{proto} $r->{status}", 'HTTP/2.0 403', "$name over HTTP/2")
                or diag($json->encode($r));
        }

        my $spec = $t->control('/reviews')->[-1]{spec};
        my $got = { user => $spec->{user}, groups => $spec->{groups},
                    extra => $spec->{extra} // {} };

        ok($json->encode($got) eq $json->encode({ user => $u,
               groups => [ @{ $what->{groups} // [] },
                           'system:authenticated' ],
               extra => $what->{extra} // {} }),
           '... arrives whole at the API server')
            or diag(substr($json->encode($got), 0, 2000));
    }
}


# --- whole -------------------------------------------------------------------

both('extra keys with dots, escapes, and more', { extra => {
         'scopes.example.com/x' => [ 'one', 'two' ],
         'authentication.kubernetes.io/pod-name' => [ 'p' ],
         'a%b' => [ 'percent' ], 'a b' => [ 'space' ], 'a_b' => [ '_' ],
         'a~!#$&\'*+^`|' => [ 'every token' ], 'bad%zz' => [ 'as it is' ],
         "\x{fc}" => [ 'two bytes' ], 'empty' => [ '' ], '' => [ 'nameless' ],
     } }, [ [ 'X-Remote-Extra-Scopes.example.com%2Fx', 'one' ],
            [ 'X-Remote-Extra-Authentication.kubernetes.io%2fpod-Name', 'p' ],
            [ 'X-Remote-Extra-Scopes.example.com%2Fx', 'two' ],
            [ 'X-Remote-Extra-A%25b', 'percent' ],
            [ 'X-Remote-Extra-A%20b', 'space' ],
            [ 'X-Remote-Extra-A_b', '_' ],
            [ "X-Remote-Extra-A~!#\$&'*+^`|", 'every token' ],
            [ 'X-Remote-Extra-Bad%zz', 'as it is' ],
            [ 'X-Remote-Extra-%C3%BC', 'two bytes' ],
            [ 'X-Remote-Extra-Empty', '' ],
            [ 'X-Remote-Extra-', 'nameless' ] ]);

my @groups = map { "group-$_" } 1 .. 200;
both('200 groups', { groups => \@groups },
     [ map { [ 'X-Remote-Group', $_ ] } @groups ]);

@groups = map { "oidc:$_-" . 'x' x 500 } 1 .. 128;
both('64 kB of groups', { groups => \@groups },
     [ map { [ 'X-Remote-Group', $_ ] } @groups ]);

@groups = map { $_ x 200_000 } 'a' .. 'd';
both('4 groups of 200 kB', { groups => \@groups },
     [ map { [ 'X-Remote-Group', $_ ] } @groups ]);

# fewer than a thousand lines: t/auth/limits.t
@groups = map { "$_-" . 'y' x 1100 } 1 .. 950;
both('a megabyte of groups', { groups => \@groups },
     [ map { [ 'X-Remote-Group', $_ ] } @groups ]);

both('a group of a megabyte', { groups => [ 'z' x 1_048_576 ] },
     [ [ 'X-Remote-Group', 'z' x 1_048_576 ] ]);

my %extra = map { ("k$_.example.com/x" => [ "v$_" ]) } 1 .. 900;
both('900 extra keys', { extra => \%extra },
     [ map { [ "X-Remote-Extra-K$_.example.com%2Fx", "v$_" ] } 1 .. 900 ]);


# --- nobody else's -----------------------------------------------------------

my @masters = ([ 'X-Remote-User', 'm' ],
               [ 'X-Remote-Group', 'system:masters' ]);

my $r = http2('front-client', [
    { path => $nodes, headers => [ [ 'X-Remote-User', 'many' ],
        map { [ 'X-Remote-Group', $_ x 200_000 ] } 'a' .. 'd' ] },
    { path => $nodes, headers => [ [ 'X-Remote-User', 'large' ],
        [ 'X-Remote-Group', 'z' x 1_048_576 ] ] },
    { path => $nodes, headers => [ [ 'X-Remote-User', 'all' ],
        map { [ 'X-Remote-Group', "$_-" . 'y' x 1100 ] } 1 .. 950 ] },
], beside => { path => $nodes, headers => \@masters }, streams => 4);

is_deeply([ map { $_->{status} } @{ $r->{answers} } ], [ 403, 403, 403 ],
          'large identities among others');
my @beside = @{ $r->{beside} };
cmp_ok(scalar @beside, '>=', 8, 'the others were asking all the time');
is_deeply([ grep { ($_->{status} // 0) != 200 } @beside ], [],
          'and were answered');
my %from = map { ($_->{address} => 1) } @beside, @{ $r->{answers} };
is(scalar keys %from, 1, 'on one connection') or diag(join ' ', keys %from);


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
