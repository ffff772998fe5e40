#!/usr/bin/perl

# Paths that one reader takes for another path than the next: what is
# authorized is what is served, by this module, by an application behind
# proxy_pass that is sent the path as it came, and by one that is sent
# another prefix.

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

        location /uri/ {
            k8s_metrics_auth on;
            proxy_pass http://ADDR:8611/served/;
        }
END

    k8s_metrics_always_allow_paths /app/public/* /uri/public/* /livez;
    large_client_header_buffers 4 32k;

    # the application: what it was asked for
    server {
        listen ADDR:8611;
        merge_slashes off;

        location / {
            return 200 "asked $request_uri";
        }
    }
END2

s/\bADDR\b/$t->{addr}/g for @{$t}{qw(server http)};

$t->start;
ok($t->synced, 'synced') or diag($t->log);

my $to = "$t->{addr}:8602";
my $admin = "$t->{dir}/standin/admin";

sub answer {
    my ($r) = @_;

    return "reset" if defined $r->{reset} || defined $r->{goaway};
    return $r->{body} if $r->{status} == 200;
    return $r->{status};
}

sub shown { return $_[0] =~ s/([^\x21-\x7e])/sprintf '\\x%02x', ord $1/ger }

sub over_h1 { my ($path, @o) = @_; return answer(h1($to, @o)->get($path)) }

sub over_h2 {
    my ($path, @o) = @_;
    return answer(h2($to, @o)->ask([], path => $path));
}


# what leads from what everybody may to what nobody may, behind "public/"

my @odd = (
    '../secret', '..', '.', './', 'a/..', 'a/../../secret', '/secret', '//',
    'a//b', '%2e%2e/secret', '%2E%2E/secret', '.%2e/secret', '%2e./secret',
    '%2e%2e', '%2e', '..%2fsecret', '..%2Fsecret', '%2e%2e%2fsecret',
    '%2fsecret', 'a%2f..%2fsecret', '..;/secret', '..;x=y/secret', '.;/a',
    '..;', '%2e%2e;/secret', '..%3b/secret', "..\\secret", '..%5csecret',
    '..%5Csecret', "a\\b", '%5c', '%00', '../secret%00', 'a%00/../secret',
    '%c0%ae%c0%ae/secret', '%c0%af', '..%c0%afsecret', '%e0%80%ae', '%ff',
    "\xff", "\xc0\xae\xc0\xae/secret", '%u002e', '%', '%2', '%zz', '%2g',
    '..%252f%2e', '#', 'a#b', '#/../secret', '..#',
);

for my $odd (@odd) {
    my $shown = shown($odd);

    for my $prefix ('/app/public/', '/uri/public/') {
        for my $how ([ 'HTTP/1.1', \&over_h1 ], [ 'HTTP/2', \&over_h2 ]) {
            my ($name, $ask) = @$how;

            is($ask->("$prefix$odd"), 400, "$name, $prefix$shown: nobody");
            is($ask->("$prefix$odd", cert => $admin), 400,
               "$name, $prefix$shown: system:masters");
        }
    }
}


# what is what it says; a prefix is a prefix of what is served

my @plain = (
    [ 'a', 'a' ], [ 'a/', 'a/' ], [ '', '' ], [ 'a;b', 'a;b' ],
    [ 'a..b', 'a..b' ], [ '...', '...' ], [ '..a', '..a' ],
    [ '%252e%252e/secret', '%252e%252e/secret' ],
    [ '%252fsecret', '%252fsecret' ],
    [ 'a%20b', 'a%20b' ], [ '%c3%a9', '%C3%A9' ], [ '%3F/../secret', 400 ],
    [ '%3Fa', '%3Fa' ], [ '%23a', '%23a' ],
    [ 'a%0d%0aX-Remote-User:%20root', 'a%0D%0AX-Remote-User:%20root' ],
    [ '?/../secret', '?/../secret' ], [ '?a=%2e%2e%2f', '?a=%2e%2e%2f' ],
);

for my $p (@plain) {
    my ($path, $want) = @$p;
    my ($raw, $again) = $want eq 400 ? (400, 400)
        : ("asked /app/public/$path", "asked /served/public/$want");

    is(over_h1("/app/public/$path"), $raw, "as it came: $path");
    is(over_h1("/uri/public/$path"), $again, "with another prefix: $path");
}

# what only begins like something that is allowed is something else

for my $path ('/app/publicx', '/app/public', '/app/Public/a', '/app/pub%6cicx',
              '/livez/x', '/livez;x', '/Livez', '/livez%20', '/app/public;/a')
{
    is(over_h1($path), 403, "not allowed: $path");
}

is(over_h1('/app/%70ublic/a'), 'asked /app/%70ublic/a',
   'an encoded letter is the letter');
is(over_h1('/%6civez'), 'ok', 'for health, too');


# the absolute form: the path is what follows the host

my @absolute = (
    [ 'http://x/app/public/a', 'asked /app/public/a' ],
    [ 'https://x:1/app/public/a', 'asked /app/public/a' ],
    [ 'http://u@x/app/public/a', 400 ],
    [ 'http://x/app/public/../secret', 400 ],
    [ 'http://x//app/public/a', 400 ],
    [ 'http://app/public/a', 403 ],             # /public/a of host app
    [ 'http://x', 403 ], [ 'http://x?/livez', 403 ],
    [ 'http://x/livez', 'ok' ], [ 'http://x/secret?/livez', 403 ],
    [ 'x/livez', 400 ], [ '*', 400 ], [ '\\livez', 400 ],
    [ 'http:/livez', 400 ], [ 'http:///livez', 400 ], [ '/livez x', 400 ],
);

for my $a (@absolute) {
    my ($target, $want) = @$a;
    is(over_h1($target), $want, "absolute: $target");
}

for my $target ('livez', '*', 'http://x/livez', '', '/livez x', "/livez\r\n",
                "/livez\0")
{
    like(over_h2($target), qr/^(?:400|reset)$/,
         'no :path: ' . shown($target));
}

is(answer(h2($to)->ask([], pseudo => [ ':method' => 'GET', ':scheme' => 'https',
       ':path' => '/livez', ':path' => '/secret', ':authority' => 'x' ])),
   400, 'two :path are none');


# resources: nobody's right to one is a right to another

$t->control('/rules', { rules => [ { user => 'alice',
    verbs => [ 'list', 'get' ], apiGroup => 'metrics.k8s.io',
    resources => [ 'pods' ],
    namespaces => [ 'ns-00' ] } ] });

my @alice = (cert => "$t->{dir}/standin/alice");
my $api = '/apis/metrics.k8s.io/v1beta1';

like(over_h1("$api/namespaces/ns-00/pods", @alice), qr/^\{"kind":"PodMetricsL/,
     'alice lists a namespace');

for my $p ([ 'ns-00/../ns-01/pods', 400 ], [ 'ns-00%2f..%2fns-01/pods', 400 ],
           [ 'ns-00/pods/../../ns-01/pods', 400 ], [ 'ns-00/pods/%2e%2e', 400 ],
           [ 'ns-00//pods', 400 ], [ '/ns-00/pods', 400 ],
           [ "ns-00\\..\\ns-01/pods", 400 ], [ 'ns-00/pods;x', 403 ],
           [ 'ns-00;x/pods', 403 ], [ 'ns-01;/../ns-00/pods', 400 ],
           [ 'ns-00/..;/ns-01/pods', 400 ], [ 'NS-00/pods', 403 ],
           [ 'ns-00%00/pods', 400 ], [ 'ns-00%20/pods', 403 ],
           [ 'ns-0%30/secrets', 403 ], [ 'ns-01/pods?namespace=ns-00', 403 ])
{
    is(over_h1("$api/namespaces/$p->[0]", @alice), $p->[1], "alice: $p->[0]");
}


is($t->stop, 0, 'ends');
is_deeply([ $t->alerts ], [], 'no alerts');

done_testing();
