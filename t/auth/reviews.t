#!/usr/bin/perl

# What an access review decides, for whom and for how long: one review for
# equal questions, nobody gets another's answer, a denial's reason is told,
# and a right that is given is in force when the denial is forgotten.  The
# blocks go on from one another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

standin(-nodes => 2, -pods => 4);

# long for what is allowed: counts of reviews must not depend on time

add_block_preprocessor(sub {
    $_[0]->set_value(http => '$TEST_NGINX_K8S_BELIEVE'
        . ' k8s_metrics_authorization_cache_ttl 60s 2s;');
});

run_tests();

__DATA__

=== a denial counts, though the rules are others
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes",
 'POST /control/rules
{"reason": "RBAC: nothing <for> \"her\"", "rules": [{"user": "alice",
 "verbs": ["get", "list"], "apiGroup": "metrics.k8s.io",
 "resources": ["pods"], "namespaces": ["ns-01"]}]}',
 "GET /apis/metrics.k8s.io/v1beta1/nodes"]
--- more_headers eval
["X-Test-Cert: alice", "", "X-Test-Cert: alice"]
--- error_code eval
[403, 200, 403]
--- response_body_like eval
[qr/at the cluster scope","reason"/, qr//,
 qr/at the cluster scope","reason"/]



=== until its time is over
--- init
TestNginxK8s::wait_until('the denial is forgotten', sub {
    TestNginxK8s::ask('/apis/metrics.k8s.io/v1beta1/nodes',
                      'X-Test-Cert: alice') =~ /RBAC/;
})
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: alice
--- error_code: 403
--- response_body eval
'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
 . '"message":"nodes.metrics.k8s.io is forbidden: User \"alice\" cannot list '
 . 'resource \"nodes\" in API group \"metrics.k8s.io\" at the cluster scope: '
 . 'RBAC: nothing \u003cfor\u003e \"her\"","reason":"Forbidden",'
 . '"details":{"group":"metrics.k8s.io","kind":"nodes"},"code":403}' . "\n"



=== she lists her namespace, by one review
--- request eval
["POST /control/stats",
 ("GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-01/pods") x 2,
 "GET /control/stats"]
--- more_headers eval
["", ("X-Test-Cert: alice") x 2, ""]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
[qr/./, (qr/^\{"kind":"PodMetricsList"/) x 2, qr/"reviews":1,/]



=== gets a pod of it, by one review
--- request eval
["POST /control/stats",
 ("GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-01/pods/none") x 2,
 "GET /control/stats"]
--- more_headers eval
["", ("X-Test-Cert: alice") x 2, ""]
--- error_code eval
[200, 404, 404, 200]
--- response_body_like eval
[qr/./, (qr/"reason":"NotFound"/) x 2, qr/"reviews":1,/]



=== no other, by one review
--- request eval
["POST /control/stats",
 ("GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-02/pods") x 2,
 "GET /control/stats"]
--- more_headers eval
["", ("X-Test-Cert: alice") x 2, ""]
--- error_code eval
[200, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/"message":"pods.metrics.k8s.io is forbidden: User \\"alice\\" cannot list resource \\"pods\\" in API group \\"metrics.k8s.io\\" in the namespace \\"ns-02\\": RBAC: nothing \\u003cfor\\u003e \\"her\\""/) x 2,
 qr/"reviews":1,/]



=== nor all, by one review
--- request eval
["POST /control/stats", ("GET /apis/metrics.k8s.io/v1beta1/pods") x 2,
 "GET /control/stats"]
--- more_headers eval
["", ("X-Test-Cert: alice") x 2, ""]
--- error_code eval
[200, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/at the cluster scope: RBAC/) x 2, qr/"reviews":1,/]



=== nor a node, by one review
--- request eval
["POST /control/stats",
 ("GET /apis/metrics.k8s.io/v1beta1/nodes/node-00001") x 2,
 "GET /control/stats"]
--- more_headers eval
["", ("X-Test-Cert: alice") x 2, ""]
--- error_code eval
[200, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/"message":"nodes.metrics.k8s.io \\"node-00001\\" is forbidden: User \\"alice\\" cannot get resource \\"nodes\\" in API group \\"metrics.k8s.io\\" at the cluster scope: RBAC: nothing \\u003cfor\\u003e \\"her\\""/) x 2,
 qr/"reviews":1,/]



=== the reason is told of a get in a namespace
--- request
GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-02/pods/x
--- more_headers
X-Test-Cert: alice
--- error_code: 403
--- response_body eval
'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
 . '"message":"pods.metrics.k8s.io \"x\" is forbidden: User \"alice\" cannot '
 . 'get resource \"pods\" in API group \"metrics.k8s.io\" in the namespace '
 . '\"ns-02\": RBAC: nothing \u003cfor\u003e \"her\"","reason":"Forbidden",'
 . '"details":{"name":"x","group":"metrics.k8s.io","kind":"pods"},'
 . '"code":403}' . "\n"



=== through the front proxy she may, too; nobody gets her answer
--- request eval
[("GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-01/pods") x 4]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: alice",
 "X-Test-Cert: front-client\nX-Remote-User: mallory",
 "X-Test-Cert: front-client\nX-Remote-User: Alice", ""]
--- error_code eval
[200, 403, 403, 403]



=== an answer is of these groups and this extra alone
--- request eval
["POST /control/stats",
 ("GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-01/pods") x 6,
 "GET /control/stats"]
--- more_headers eval
["", map({ "X-Test-Cert: front-client\nX-Remote-User: alice\n$_" }
    "X-Remote-Group: a", "X-Remote-Group: b",
    "X-Remote-Group: a\nX-Remote-Extra-Scopes: one",
    "X-Remote-Group: a\nX-Remote-Extra-Scopes: two",
    "X-Remote-Group: a\nX-Remote-Extra-Scope: sone",
    "X-Remote-Extra-Scopes: one\nX-Remote-Group: a"), ""]
--- error_code eval
[(200) x 8]
--- response_body_like eval
[(qr//) x 7, qr/"reviews":5,/]



=== a right that is given
--- request
POST /control/rules
{"rules": [{"user": "alice"}]}



=== is in force when the denial is forgotten
--- init
TestNginxK8s::wait_until('the right is in force', sub {
    TestNginxK8s::ask('/apis/metrics.k8s.io/v1beta1/namespaces/ns-02/pods',
                      'X-Test-Cert: alice') =~ /^HTTP\S+ 200/;
})
--- request
GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-02/pods
--- more_headers
X-Test-Cert: alice
--- response_body_like: ^\{"kind":"PodMetricsList"
