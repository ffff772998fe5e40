#!/usr/bin/perl

# Paths, methods and options that are refused, in Kubernetes' words; and 503
# until the nodes and pods are known.  The first blocks go on from one another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use JSON::PP ();

use TestNginxK8s 'no_plan';

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => '$TEST_NGINX_K8S_CLUSTER');
    $block->set_value(config => <<'END');
    location / { k8s_metrics_auth off; k8s_metrics; }
    location /control/ { proxy_pass http://$TEST_NGINX_K8S_CONTROL/; }
END
});

our $api = '/apis/metrics.k8s.io/v1beta1';

# the body of a Status; details are text

sub status {
    my ($code, $reason, $message, $details) = @_;

    return '{"kind":"Status","apiVersion":"v1","metadata":{},'
        . '"status":"Failure","message":'
        . JSON::PP->new->allow_nonref->encode($message)
        . qq(,"reason":"$reason",)
        . (defined $details ? qq("details":$details,) : '')
        . qq("code":$code}\n);
}

sub bad_request { return status(400, 'BadRequest', @_) }

# causes: reason, field, message of each

sub invalid {
    my ($message, @causes) = @_;

    my $json = JSON::PP->new->allow_nonref;
    my $details = join ',', map {
        sprintf '{"reason":"%s","message":%s,"field":"%s"}', $_->[0],
            $json->encode($_->[2]), $_->[1]
    } @causes;

    return status(422, 'Invalid',
        'ListOptions.meta.k8s.io "" is invalid: ' . $message,
        '{"group":"meta.k8s.io","kind":"ListOptions","causes":['
        . "$details]}");
}

our $nothing = status(404, 'NotFound',
    'the server could not find the requested resource', '{}');
our $method = status(405, 'MethodNotAllowed', 'the server does not allow this '
    . 'method on the requested resource', '{}');

# filters: each second body against the one before it, and a body's length

my $last;

sub same {
    my ($body) = @_;

    if (!defined $last) {
        $last = $body;
        return 'this';
    }

    my $same = $body eq $last && length $body;
    undef $last;

    return $same ? 'the same' : "not the same: $body";
}

sub form { return $_[0] =~ /^k8s\0/ ? 'protobuf' : 'JSON' }

standin(-nodes => 1, -pods => 2, '-apidown');
run_tests();

__DATA__

=== before the nodes and pods are known
--- request eval
["GET $main::api/nodes", "GET $main::api/namespaces/a/pods/b"]
--- error_code eval
[503, 503]
--- response_headers eval
[("Retry-After: 1\nContent-Type: application/json") x 2]
--- response_body_like eval
[(qr/"reason":"ServiceUnavailable"/) x 2]



=== what needs neither answers all the same
--- request eval
["GET /apis", "GET /apis/metrics.k8s.io", "GET $main::api",
 "GET /healthz/ping"]
--- error_code eval
[200, 200, 200, 200]



=== a wrong question gets its answer
--- request eval
"GET $main::api/nodes?limit=x"
--- error_code: 400
--- response_body eval
main::bad_request('strconv.ParseInt: parsing "x": invalid syntax')



=== the API server is there
--- request
POST /control/api
{"fault": ""}



=== lists when they are known, before anything was scraped
--- init
TestNginxK8s::wait_until('the lists are there', sub {
    TestNginxK8s::ask("$main::api/nodes") =~ /^HTTP\S+ 200/;
})
--- request eval
"GET $main::api/nodes"
--- response_body
{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[]}



=== paths of the group that are none
--- request eval
[(map { "GET $main::api/$_" } qw(foo foo/bar nodes/x/status namespaces/a
  namespaces/a/nodes namespaces/a/nodes/x pods/x namespaces/a/pods/x/log
  watch/nodes watch/namespaces/a/pods proxy/nodes/x)),
 map { "GET /apis/metrics.k8s.io/$_" } qw(v1 v1/nodes v1beta1beta/nodes)]
--- error_code eval
[(404) x 14]
--- response_body eval
[($main::nothing) x 14]



=== paths of nobody get the index
--- request eval
[map { "GET $_" } qw(/api /api/v1 /api/v1/nodes /apis/apps /apis/apps/v1/pods
 /metricsz /debug/pods /version /openapi/v2 /livezz /livez/ /livez/shutdown
 /healthz/metric-collection-timely /apisx)]
--- error_code eval
[(404) x 14]
--- response_body_like eval
[(qr/^\{\n  "paths": \[\n/) x 14]



=== / is the index
--- request
GET /
--- response_body_like eval
qr/^\{\n  "paths": \[\n/



=== with a slash behind it
--- request eval
[map { ("GET $_", "GET $_/") } "/apis", "/apis/metrics.k8s.io", $main::api,
 "$main::api/nodes"]
--- response_body_filters eval
\&main::same
--- error_code eval
[(200) x 8]
--- response_body eval
[("this", "the same") x 4]



=== ambiguous paths
--- request eval
["GET $main::api/nodes/a%2fb", "GET $main::api//nodes",
 "GET $main::api/nodes/../pods", "GET $main::api/./nodes"]
--- error_code eval
[(400) x 4]
--- response_body eval
[(main::bad_request("the path is ambiguous")) x 4]



=== methods that are not allowed
--- request eval
[map { my $m = $_; map { "$m $_" } "/apis", $main::api, "$main::api/nodes",
       "$main::api/nodes/x", "$main::api/namespaces/a/pods" }
 qw(POST PUT PATCH DELETE OPTIONS FOO)]
--- error_code eval
[(405) x 30]
--- response_body eval
[($main::method) x 30]



=== any method of nothing
--- request eval
[map { "$_ $main::api/foo" } qw(POST PUT PATCH DELETE OPTIONS FOO)]
--- error_code eval
[(404) x 6]
--- response_body eval
[($main::nothing) x 6]



=== a body is not in the way
--- request eval
"POST $main::api/nodes\n" . "x" x 100000
--- error_code: 405
--- response_body eval
$main::method



=== HEAD has the length and no body
--- request eval
[map { ("GET $_", "HEAD $_") } "/apis/metrics.k8s.io", "$main::api/nodes",
 "/livez", "/nope"]
--- response_body_filters
length
--- error_code eval
[200, 200, 200, 200, 200, 200, 404, 404]
--- response_headers eval
[map { ("Content-Length: $_") x 2 } 218, 90, 2, 952]
--- response_body eval
[map { ($_, 0) } 218, 90, 2, 952]



=== options that cannot be read
--- request eval
[map { "GET $main::api/nodes?$_" } qw(limit limit= limit=1.5 limit=-
 limit=9223372036854775808 limit=a%22b%0a%00 timeoutSeconds=x&limit=y
 limit=y&labelSelector=a%3D%3D%3Db watch=1&limit=x)]
--- error_code eval
[(400) x 9]
--- response_body eval
[map { main::bad_request("strconv.ParseInt: parsing $_") }
 '"": invalid syntax', '"": invalid syntax', '"1.5": invalid syntax',
 '"-": invalid syntax', '"9223372036854775808": value out of range',
 '"a\"b\n\x00": invalid syntax', '"x": invalid syntax',
 '"y": invalid syntax', '"x": invalid syntax']



=== selectors that cannot be read
--- request eval
[map { "GET $main::api/nodes?$_" } qw(labelSelector=a%3D%3D%3Db
 fieldSelector=metadata.name fieldSelector=metadata.uid%3Dx)]
--- error_code eval
[(400) x 3]
--- response_body eval
[map { main::bad_request($_) }
 q(unable to parse requirement: found '=', expected: identifier),
 q(invalid selector: 'metadata.name'; can't understand 'metadata.name'),
 '"metadata.uid" is not a known field selector: only "metadata.name", '
 . '"metadata.namespace"']



=== options that are fine
--- request eval
[map { "GET $main::api/nodes?$_" } qw(limit=0 limit=%2B1 limit=-5
 limit=9223372036854775807 continue=whatever resourceVersion=0
 labelSelector=&fieldSelector=
 resourceVersion=5&resourceVersionMatch=NotOlderThan
 fieldSelector=metadata.namespace%21%3Dx watch=false nonsense=%)]
--- error_code eval
[(200) x 11]



=== options that exclude each other
--- request eval
["GET $main::api/nodes?sendInitialEvents=true",
 "GET $main::api/nodes?resourceVersionMatch=x"]
--- error_code eval
[422, 422]
--- response_body eval
[main::invalid('sendInitialEvents: Forbidden: sendInitialEvents is forbidden '
    . 'for list', [ 'FieldValueForbidden', 'sendInitialEvents',
    'Forbidden: sendInitialEvents is forbidden for list' ]),
 main::invalid('[resourceVersionMatch: Forbidden: resourceVersionMatch is '
    . 'forbidden unless resourceVersion is provided, resourceVersionMatch: '
    . 'Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""]',
    [ 'FieldValueForbidden', 'resourceVersionMatch', 'Forbidden: '
    . 'resourceVersionMatch is forbidden unless resourceVersion is provided' ],
    [ 'FieldValueNotSupported', 'resourceVersionMatch', 'Unsupported value: '
    . '"x": supported values: "Exact", "NotOlderThan", ""' ])]



=== watch
--- request eval
"GET $main::api/pods?watch=true"
--- error_code: 405
--- response_body eval
main::status(405, 'MethodNotAllowed', 'watch is not supported on resources of '
    . 'kind "pods.metrics.k8s.io"',
    '{"group":"metrics.k8s.io","kind":"pods"}')



=== forms that there are not
--- request eval
[map { ("GET /apis/metrics.k8s.io", "GET $main::api/nodes",
        "GET $main::api/nodes/x") } 1 .. 4]
--- more_headers eval
[map { ("Accept: $_") x 3 } 'text/html', 'application/xml;q=1',
 'application/yaml', 'application/json;as=Table;v=v1;g=meta.k8s.io']
--- error_code eval
[(406) x 12]



=== the form that is preferred
--- request eval
[("GET $main::api/nodes") x 5]
--- more_headers eval
[map { "Accept: $_" } 'application/vnd.kubernetes.protobuf,application/json',
 'application/json;q=0.9,application/vnd.kubernetes.protobuf',
 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
 '*/*', 'text/html,application/*']
--- response_body_filters eval
\&main::form
--- error_code eval
[(200) x 5]
--- response_body eval
['protobuf', 'protobuf', 'JSON', 'JSON', 'JSON']
