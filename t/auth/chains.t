#!/usr/bin/perl

# A zoo of client certificates (t/standin/zoo.go): which of them are believed,
# as whom, and that none is that Go's crypto/x509, which Kubernetes asks, would
# not believe.  Where this module is stricter, %stricter says why.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();
use Test::More;

use K8sMetrics ();
use Zoo;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);


# clients and the name that they are known by

my %client = (
    'good' => 'good',
    'in-a-group' => 'in-a-group',
    'for-both' => 'for-both',
    'for-nothing-said' => 'for-nothing-said',
    'unknown' => 'unknown',
    'intermediate-sent' => 'intermediate-sent',
    'intermediate-among-others' => 'intermediate-among-others',
    'two-intermediates' => 'two-intermediates',
    'of-an-anchor' => 'of-an-anchor',
    'of-a-renewed-ca' => 'of-a-renewed-ca',
    'twin-one' => 'twin-one',
    'twin-two' => 'twin-two',
    'twin-three' => 'twin-three',
    'pathlen-kept' => 'pathlen-kept',
    'within-constraints' => 'within-constraints',
    'constrained-without-names' => 'constrained-without-names',
    'p384' => 'p384',
    'ed25519' => 'ed25519',
    'rsa' => 'rsa',
    'rsa-pss' => 'rsa-pss',
    'utf8' => "zo\x{eb}\x{2028}\x{2603}",
    'bmp' => "zo\x{eb}",
    't61' => "zo\x{eb}",
    'two-cns' => 'last',
    'long-cn' => 'long' x 2000,
    'front-of-the-clients' => 'front-proxy-client',
);

# those that speak for others

my %front = map { $_ => 1 } qw(front front-intermediate-sent
    front-after-another);

# what OpenSSL cannot read ends the handshake

my %unread = map { $_ => 1 } qw(bmp-odd bmp-surrogates octets utf8-broken
    utf8-overlong);

# what neither believes

my %refused = map { $_ => 1 } qw(
    expired not-yet for-servers usage-twice critical-unknown
    self-signed self-signed-as-ca rogue rogue-sent twin-unknown

    intermediate-not-sent one-of-two intermediate-no-ca
    intermediate-says-nothing root-says-nothing leaf-of-a-leaf
    pathlen-exceeded pathlen-exceeded-by-itself intermediate-expired
    intermediate-for-servers intermediate-may-not-sign of-an-expired-anchor

    against-constraints against-constraints-uri
    against-an-intermediates-constraints

    sha1 md5 sha1-intermediate

    nul-printable

    front-intermediate-not-sent front-case front-space front-longer
    front-looks-alike front-nul front-then-another front-in-the-group
    front-in-dns front-nameless
);

# what Go believes and this module does not

my %stricter = (
    'for-any' => 'any usage is not the usage of a client',
    'the-ca-itself' => 'its key usage is not a client\'s',
    'constrained-cn' => 'a CN that is a host name is one',
    'rsa-1024' => 'OpenSSL\'s security level',
    'nul' => 'what reads it may end at the NUL',
    'nul-at-the-end' => 'the same',
    'nul-in-the-group' => 'the same',
    'line-breaks' => 'no line of a log or a header begins in a name',
    'two-uids' => 'one user, one uid',
    'empty-cn' => 'nobody, and not anonymous either',
    'no-cn' => 'the same',
    'no-name' => 'the same',
    'two-cns-one-empty' => 'the same',
    'many-groups' => 'over 1,000 attributes',
);


my $t = Zoo->new(standin => [ -nodes => 1, -pods => 1 ], extra => <<'END');

    # one that takes what is weak in TLS
    server {
        listen ADDR:8610 ssl;
        ssl_protocols TLSv1.2;
        ssl_ciphers DEFAULT@SECLEVEL=0;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;

        location / {
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }
END

sub all {
    my ($port, @more) = @_;
    return $t->zoo(-get => "https://$t->{addr}:$port/apis/x", @more);
}

# as the message of a denial has a name

sub quoted {
    my ($s) = @_;
    $s =~ s/(["\\])/\\$1/g;
    $s =~ s/([\x00-\x1f])/sprintf '\x%02x', ord $1/ge;
    return $s;
}

# who was let in, as whom; "401"; or what else it was

sub who {
    my ($a) = @_;

    $a->{error} //= '';

    return 'unread' if $a->{error} =~ /tls: error decoding message/;
    return "no answer: $a->{error}" if $a->{error};

    my $o = eval { JSON::PP->new->decode($a->{body}) } // {};

    return 'masters' if $a->{status} == 404;
    return 401 if $a->{status} == 401 && $a->{body} =~ /"Unauthorized"/;
    return $1 if $a->{status} == 403
        && ($o->{message} // '') =~ /^forbidden: User "(.*)" cannot get path /s;
    return "$a->{status} $a->{body}";
}

$t->start;

my $verdicts = $t->verdicts;

is_deeply([ sort keys %$verdicts ], [ sort keys %client, keys %front,
    keys %unread, keys %refused, keys %stricter ], 'each is known');


# as clients, with headers that would make them system:masters

my @masters = (-header => 'X-Remote-User: u',
               -header => 'X-Remote-Group: system:masters');
my $answers = all(8602, @masters);

for my $name (sort keys %$verdicts) {
    my $want = $front{$name} ? 'masters' : $client{$name}
        // ($unread{$name} ? 'unread' : 401);
    my $got = who($answers->{$name});
    my $go = $verdicts->{$name};

    is($got, $want, "$name: " . ($want eq 401 ? 401 : "is $want"))
        or diag($t->log(qr/not believed/));

    if ($got ne 401 && $got ne 'unread') {
        is($go->{$front{$name} ? 'front' : 'client'}, '',
           "$name: is believed by Go, too");

        SKIP: {
            # what it is to be is seen above
            skip 'an older Go takes a T61String for its bytes', 1
                if $name eq 't61' && $go->{user} =~ /\x{fffd}/;

            is($got, $front{$name} ? 'masters' : quoted($go->{user}),
               "$name: and by the same name");
        }
    }

    # a rule of this module's that it says it has

    if ($got eq 401 && ($go->{client} eq '' || ($go->{front} eq ''
        && $go->{user} eq 'front-proxy-client')))
    {
        ok($stricter{$name}, "$name: Go would believe it, and it is known "
           . 'why this module does not');
    }
}

ok($verdicts->{$_} && $verdicts->{$_}{client} eq '',
   "$_: a difference from Go") for sort keys %stricter;


# the same on a server that takes what is weak in TLS: the signatures are not

my $weak = all(8610, @masters);

for my $name (sort keys %$verdicts) {
    my $want = $front{$name} ? 'masters'
        : $client{$name} // ($unread{$name} ? 'unread'
            : $name eq 'rsa-1024' ? $name : 401);
    is(who($weak->{$name}), $want, "$name: at security level 0");
}


# without headers a front proxy is nobody, and the others who they were

my $bare = all(8602);

for my $name (sort keys %$verdicts) {
    is(who($bare->{$name}), $client{$name}
       // ($unread{$name} ? 'unread' : 401), "$name: without headers");
}

# what the review was told of groups

my ($review) = grep { ($_->{spec}{user} // '') eq 'in-a-group' }
               @{ $t->control('/reviews') };
is_deeply($review->{spec}{groups}, [ qw(b a system:authenticated) ],
          'groups are the organizations, in order');


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts but of what cannot be read');

done_testing();
