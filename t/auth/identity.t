#!/usr/bin/perl

# Who a request is held to come from, and what the access review is asked of
# them: only a verified front proxy's headers count, in their exact spelling,
# and nobody impersonates.  Whose certificate verifies is in certificates.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

standin(-nodes => 2, -pods => 4);
run_tests();

__DATA__

=== headers without a certificate are ignored
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes", "GET /control/reviews"]
--- more_headers eval
["X-Remote-User: u\nX-Remote-Group: system:masters\nX-Remote-Uid: 7\n"
 . "X-Remote-Extra-Scopes: all", ""]
--- error_code eval
[403, 200]
--- response_body eval
['{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
 . '"message":"nodes.metrics.k8s.io is forbidden: User '
 . '\"system:anonymous\" cannot list resource \"nodes\" in API group '
 . '\"metrics.k8s.io\" at the cluster scope","reason":"Forbidden",'
 . '"details":{"group":"metrics.k8s.io","kind":"nodes"},"code":403}' . "\n",
 '{"groups":["system:unauthenticated"],"resourceAttributes":{'
 . '"group":"metrics.k8s.io","name":"","namespace":"","resource":"nodes",'
 . '"subresource":"","verb":"list","version":"v1beta1"},'
 . '"user":"system:anonymous"}' . "\n"]



=== nor are they believed with a client's certificate
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes", "GET /control/reviews"]
--- more_headers eval
["X-Test-Cert: alice\nX-Remote-User: u\nX-Remote-Group: system:masters\n"
 . "X-Remote-Uid: 7\nX-Remote-Extra-Scopes: all", ""]
--- error_code eval
[403, 200]
--- response_body_like eval
[qr/User \\"alice\\" cannot list resource \\"nodes\\"/,
 qr/^\{"extra":\{"authentication.kubernetes.io\/credential-id":
    \["X509SHA256=[0-9a-f]{64}"\]\},"groups":\["system:authenticated"\],
    "resourceAttributes":\{"group":"metrics.k8s.io","name":"","namespace":"",
    "resource":"nodes","subresource":"","verb":"list","version":"v1beta1"\},
    "user":"alice"\}$/x]



=== only in the exact spelling
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes", "GET /control/reviews"]
--- more_headers eval
["X-Test-Cert: front-client\nX_Remote_User: u\nX-Remote-User: bob\n"
 . "X_Remote_Group: system:masters", ""]
--- error_code eval
[403, 200]
--- response_body_like eval
[qr/User \\"bob\\" cannot list/, qr/"groups":\["system:authenticated"\]/]



=== in upper and lower case
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: front-client
x-remote-user: u
X-REMOTE-GROUP: system:masters



=== whom the front proxy speaks for: groups in order, extra decoded
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/namespaces/ns-01/pods/a?x=y",
 "GET /control/reviews"]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: carol\nX-Remote-Group: z\n"
 . "X-Remote-Group: a\nX-Remote-Extra-Scopes.a%2Fb: one\n"
 . "X-Remote-Extra-scopes.a%2fb: two\nX-Remote-Extra-Other: 3", ""]
--- error_code eval
[403, 200]
--- response_body eval
['{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
 . '"message":"pods.metrics.k8s.io \"a\" is forbidden: User \"carol\" cannot '
 . 'get resource \"pods\" in API group \"metrics.k8s.io\" in the namespace '
 . '\"ns-01\"","reason":"Forbidden","details":{"name":"a",'
 . '"group":"metrics.k8s.io","kind":"pods"},"code":403}' . "\n",
 '{"extra":{"other":["3"],"scopes.a/b":["one","two"]},'
 . '"groups":["z","a","system:authenticated"],"resourceAttributes":{'
 . '"group":"metrics.k8s.io","name":"a","namespace":"ns-01",'
 . '"resource":"pods","subresource":"","verb":"get","version":"v1beta1"},'
 . '"user":"carol"}' . "\n"]



=== a path that is no resource
--- request eval
["GET /metrics?a=b", "GET /control/reviews"]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: carol", ""]
--- error_code eval
[403, 200]
--- response_body eval
['{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
 . '"message":"forbidden: User \"carol\" cannot get path \"/metrics\"",'
 . '"reason":"Forbidden","details":{},"code":403}' . "\n",
 '{"groups":["system:authenticated"],"nonResourceAttributes":{'
 . '"path":"/metrics","verb":"get"},"user":"carol"}' . "\n"]



=== the first user counts
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: front-client
X-Remote-User: first
X-Remote-User: second
--- error_code: 403
--- response_body_like: User \\"first\\" cannot list



=== a user without a name is nobody
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: front-client
X-Remote-User:
X-Remote-Group: system:masters
--- error_code: 401



=== anonymous through the front proxy stays anonymous
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes/a", "GET /control/reviews"]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: system:anonymous\n"
 . "X-Remote-Group: system:unauthenticated", ""]
--- error_code eval
[403, 200]
--- response_body_like eval
[qr/User \\"system:anonymous\\" cannot get/,
 qr/^\{"groups":\["system:unauthenticated"\],.*"user":"system:anonymous"\}$/]



=== a bearer token that is not valid is 401, unless the certificate is good
--- request eval
["GET /apis", "GET /apis", "GET /apis", "GET /apis", "GET /livez"]
--- more_headers eval
["Authorization: Bearer x", "Authorization: Bearer x\nX-Test-Cert: admin",
 "Authorization: Bearer x\nX-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters",
 "Authorization: Bearer x\nX-Test-Cert: rogue-client",
 "Authorization: Bearer x"]
--- error_code eval
[401, 200, 200, 401, 401]



=== health needs no identity, but no false one either
--- request eval
["GET /livez", "GET /livez", "GET /healthz", "GET /livez"]
--- more_headers eval
["", "X-Test-Cert: alice", "X-Test-Cert: front-client\nX-Remote-User: u",
 "X-Test-Cert: rogue-client"]
--- error_code eval
[200, 200, 200, 401]



=== an ambiguous path is 400, even for system:masters
--- request eval
["GET /apis/metrics.k8s.io/v1beta1/%2e%2e/nodes",
 "GET /apis/metrics.k8s.io/v1beta1//nodes",
 "GET /apis/metrics.k8s.io/v1beta1/nodes/a%2Fb",
 "GET /livez/../apis"]
--- more_headers
X-Test-Cert: admin
--- error_code eval
[400, 400, 400, 400]
--- response_body_like eval
[(qr/"message":"the path is ambiguous","reason":"BadRequest","code":400\}$/)
 x 4]



=== Impersonate-User, whoever asks for it, and without a review
--- request eval
["POST /control/stats", ("GET /apis") x 4, "GET /control/stats"]
--- more_headers eval
["", map({ "Impersonate-User: root\n$_" } "", "X-Test-Cert: alice",
 "X-Test-Cert: admin", "X-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters"), ""]
--- error_code eval
[200, 403, 403, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/"message":"impersonation is not supported","reason":"Forbidden"/)
 x 4, qr/"reviews":0,/]



=== Impersonate-Group
--- request eval
["POST /control/stats", ("GET /apis") x 4, "GET /control/stats"]
--- more_headers eval
["", map({ "Impersonate-Group: system:masters\n$_" } "", "X-Test-Cert: alice",
 "X-Test-Cert: admin", "X-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters"), ""]
--- error_code eval
[200, 403, 403, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/impersonation/) x 4, qr/"reviews":0,/]



=== Impersonate-Uid
--- request eval
["POST /control/stats", ("GET /apis") x 4, "GET /control/stats"]
--- more_headers eval
["", map({ "Impersonate-Uid: 0\n$_" } "", "X-Test-Cert: alice",
 "X-Test-Cert: admin", "X-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters"), ""]
--- error_code eval
[200, 403, 403, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/impersonation/) x 4, qr/"reviews":0,/]



=== Impersonate-Extra-
--- request eval
["POST /control/stats", ("GET /apis") x 4, "GET /control/stats"]
--- more_headers eval
["", map({ "Impersonate-Extra-Scopes: all\n$_" } "", "X-Test-Cert: alice",
 "X-Test-Cert: admin", "X-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters"), ""]
--- error_code eval
[200, 403, 403, 403, 403, 200]
--- response_body_like eval
[qr/./, (qr/impersonation/) x 4, qr/"reviews":0,/]



=== no secret and nobody's groups are in the log
--- request
GET /livez
--- no_error_log eval
[K8sMetrics::slurp("$ENV{TEST_NGINX_K8S_DIR}/token") || die,
 'system:masters', '[alert]', '[crit]', '[emerg]']



=== headers of other names, by directives
--- http
    $TEST_NGINX_K8S_BELIEVE
    k8s_metrics_requestheader_username_headers X-First X-User;
    k8s_metrics_requestheader_uid_headers X-Uid;
    k8s_metrics_requestheader_group_headers X-Group X-Team;
    k8s_metrics_requestheader_extra_headers_prefix X-Extra- X-More-;
--- request eval
["GET /apis", "GET /control/reviews", "GET /apis"]
--- more_headers eval
["X-Test-Cert: front-client\nX-User: dora\nX-Uid: 7\nX-Team: t\nX-Group: g\n"
 . "X-More-A: 1\nX-Extra-B: 2\nX-Remote-Group: system:masters", "",
 "X-Test-Cert: front-client\nX-Remote-User: u\n"
 . "X-Remote-Group: system:masters"]
--- error_code eval
[403, 200, 401]
--- response_body_like eval
[qr/User \\"dora\\" cannot get path \\"\/apis\\"/,
 qr/^\{"extra":\{"a":\["1"\],"b":\["2"\]\},
    "groups":\["g","t","system:authenticated"\],
    "nonResourceAttributes":\{"path":"\/apis","verb":"get"\},"uid":"7",
    "user":"dora"\}$/x,
 qr/Unauthorized/]
