#!/usr/bin/perl

# Paths, methods and options that are refused, in Kubernetes' words; and 503
# until the nodes and pods are known.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use ApiTest qw(wait_for);


my $json = JSON::PP->new->utf8;
my $api = '/apis/metrics.k8s.io/v1beta1';

my $t = ApiTest->new(standin => [ -nodes => 1, -pods => 2, '-apidown' ]);

$t->start;

# code, reason, message and details of a Status; or what else it was

sub status {
    my ($path, %q) = @_;

    my $r = $t->get(path => $path, %q);
    my $o = eval { $json->decode($r->{body}) };

    return "$r->{status} $r->{body}" if ($o->{kind} // '') ne 'Status';
    return "$r->{status} is not $o->{code}" if $r->{status} != $o->{code};
    return "$o->{code} $o->{reason}: $o->{message}"
        . ($o->{details} ? ' ' . JSON::PP->new->canonical
                                   ->encode($o->{details}) : '');
}

sub is_status {
    my ($path, $want, $what, %q) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(status($path, %q), $want, $what // $path);
}


# before the API server was ever there

my $r = $t->get(path => "$api/nodes");
is($r->{status}, 503, 'a list before the nodes are known');
is(ApiTest::header($r, 'retry-after'), 1, 'comes with Retry-After');
like($r->{body}, qr/"reason":"ServiceUnavailable"/, 'and is a Status');
is($t->get(path => "$api/namespaces/a/pods/b")->{status}, 503, 'a get, too');

is($t->get(path => $_)->{status}, 200, "$_ answers all the same")
    for '/apis', '/apis/metrics.k8s.io', $api, '/healthz/ping';

is_status("$api/nodes?limit=x", '400 BadRequest: strconv.ParseInt: parsing '
          . '"x": invalid syntax', 'a wrong question gets its answer');

$t->control('/api', { fault => '' });

ok(wait_for(30, sub { $t->get(path => "$api/nodes")->{status} == 200 }),
   '200 when the lists are complete') or diag($t->log);
is($t->get(path => "$api/nodes")->{body}, '{"kind":"NodeMetricsList",'
   . '"apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[]}' . "\n",
   'before anything was scraped');


# paths

my $nothing = '404 NotFound: the server could not find the requested resource'
    . ' {}';

is_status($_, $nothing) for map { "$api/$_" } qw(
    foo foo/bar nodes/x/status namespaces/a namespaces/a/nodes
    namespaces/a/nodes/x pods/x namespaces/a/pods/x/log watch/nodes
    watch/namespaces/a/pods proxy/nodes/x);
is_status($_, $nothing) for qw(/apis/metrics.k8s.io/v1
    /apis/metrics.k8s.io/v1/nodes /apis/metrics.k8s.io/v1beta1beta/nodes);

for my $path (qw(/api /api/v1 /api/v1/nodes /apis/apps /apis/apps/v1/pods
                 /metrics /version /openapi/v2 /livezz /livez/ /livez/shutdown
                 /healthz/metric-collection-timely /apisx))
{
    $r = $t->get(path => $path);
    ok($r->{status} == 404 && $r->{body} =~ /^\{\n  "paths": \[\n/,
       "$path gets the index");
}

$r = $t->get(path => '/');
ok($r->{status} == 200 && $r->{body} =~ /^\{\n  "paths": \[\n/,
   '/ is the index');

is($t->get(path => "$_/")->{body}, $t->get(path => $_)->{body},
   "$_ with a slash") for '/apis', '/apis/metrics.k8s.io', $api;
is($t->get(path => "$api/nodes/")->{status}, 200, 'a list with a slash');

is_status($_, '400 BadRequest: the path is ambiguous')
    for "$api/nodes/a%2fb", "$api//nodes", "$api/nodes/../pods",
        "$api/./nodes";


# methods

my $method = '405 MethodNotAllowed: the server does not allow this method on '
    . 'the requested resource {}';

for my $m (qw(POST PUT PATCH DELETE OPTIONS FOO)) {
    is_status($_, $method, "$m $_", method => $m)
        for '/apis', $api, "$api/nodes", "$api/nodes/x",
            "$api/namespaces/a/pods";
    is_status("$api/foo", $nothing, "$m of nothing", method => $m);
}

is_status("$api/nodes", $method, 'a body is not in the way', method => 'POST',
          args => [ '--data-binary', 'x' x 100000 ]);

for my $path ('/apis', "$api/nodes", '/livez', '/nope') {
    my $get = $t->get(path => $path);
    my $head = $t->get(path => $path, method => 'HEAD');

    is($head->{status}, $get->{status}, "HEAD $path");
    is(ApiTest::header($head, 'content-length'), length $get->{body},
       'with the length');
    is($head->{body}, '', 'without the body');
}


# options

my %options = (
    'limit' => 'strconv.ParseInt: parsing "": invalid syntax',
    'limit=' => 'strconv.ParseInt: parsing "": invalid syntax',
    'limit=1.5' => 'strconv.ParseInt: parsing "1.5": invalid syntax',
    'limit=-' => 'strconv.ParseInt: parsing "-": invalid syntax',
    'limit=9223372036854775808' => 'strconv.ParseInt: parsing '
        . '"9223372036854775808": value out of range',
    'limit=a%22b%0a%00' => 'strconv.ParseInt: parsing "a\"b\n\x00": invalid '
        . 'syntax',
    'timeoutSeconds=x&limit=y' => 'strconv.ParseInt: parsing "x": invalid '
        . 'syntax',
    'limit=y&labelSelector=a%3D%3D%3Db' => 'strconv.ParseInt: parsing "y": '
        . 'invalid syntax',
    'labelSelector=a%3D%3D%3Db' => q(unable to parse requirement: found '=', )
        . 'expected: identifier',
    'fieldSelector=metadata.name' => 'invalid selector: '
        . q('metadata.name'; can't understand 'metadata.name'),
    'fieldSelector=metadata.uid%3Dx' => '"metadata.uid" is not a known field '
        . 'selector: only "metadata.name", "metadata.namespace"',
    'watch=1&limit=x' => 'strconv.ParseInt: parsing "x": invalid syntax',
);

is_status("$api/nodes?$_", "400 BadRequest: $options{$_}")
    for sort keys %options;

is($t->get(path => "$api/nodes?$_")->{status}, 200, "$_ is fine") for
    'limit=0', 'limit=%2B1', 'limit=-5', 'limit=9223372036854775807',
    'continue=whatever', 'resourceVersion=0', 'labelSelector=&fieldSelector=',
    'resourceVersion=5&resourceVersionMatch=NotOlderThan',
    'fieldSelector=metadata.namespace%21%3Dx', 'watch=false', 'nonsense=%';

sub invalid {
    my ($path, @want) = @_;
    my $o = $json->decode($t->get(path => $path)->{body});
    is_deeply([ @$o{qw(code reason message)},
                map { "$_->{reason} $_->{field} $_->{message}" }
                @{ $o->{details}{causes} } ], [ 422, 'Invalid', @want ],
              $path);
}

invalid("$api/nodes?sendInitialEvents=true",
    'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
    . 'sendInitialEvents is forbidden for list',
    'FieldValueForbidden sendInitialEvents Forbidden: sendInitialEvents is '
    . 'forbidden for list');

my @two = ('Forbidden: resourceVersionMatch is forbidden unless '
           . 'resourceVersion is provided',
           'Unsupported value: "x": supported values: "Exact", '
           . '"NotOlderThan", ""');

invalid("$api/nodes?resourceVersionMatch=x",
    'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: '
    . "$two[0], resourceVersionMatch: $two[1]]",
    "FieldValueForbidden resourceVersionMatch $two[0]",
    "FieldValueNotSupported resourceVersionMatch $two[1]");

is_status("$api/pods?watch=true", '405 MethodNotAllowed: watch is not '
    . 'supported on resources of kind "pods.metrics.k8s.io" '
    . '{"group":"metrics.k8s.io","kind":"pods"}', 'watch');


# Accept

for my $accept ('text/html', 'application/xml;q=1', 'application/yaml',
                'application/json;as=Table;v=v1;g=meta.k8s.io')
{
    for my $path ('/apis/metrics.k8s.io', "$api/nodes", "$api/nodes/x") {
        $r = $t->get(path => $path, headers => [ "Accept: $accept" ]);
        is($r->{status}, 406, "$accept of $path");
    }
}

is($t->get(path => "$api/nodes", headers => [ "Accept: $_->[0]" ])->{body}
       =~ /^k8s\0/ ? 'protobuf' : 'JSON', $_->[1], $_->[0])
    for [ 'application/vnd.kubernetes.protobuf,application/json',
          'protobuf' ],
        [ 'application/json;q=0.9,application/vnd.kubernetes.protobuf',
          'protobuf' ],
        [ 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
          'JSON' ],
        [ '*/*', 'JSON' ],
        [ 'text/html,application/*', 'JSON' ];


is_deeply([ $t->log(qr/\[(?:alert|crit|emerg)\]/) ], [], 'no alerts');

done_testing();
