#!/usr/bin/perl

# Configurations that must work: auth that is inherited and turned off again,
# in front of any content handler, in several servers of one address, and in a
# server without a certificate of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

standin(-nodes => 1, -pods => 1);
run_tests();

__DATA__

=== auth of all http, off in a location
--- http
    k8s_metrics_auth on;
--- server
    location = /open.gif { k8s_metrics_auth off; empty_gif; }
    location = /checked.gif { empty_gif; }
    location /open/ {
        k8s_metrics_auth off;
        location = /open/again.gif { k8s_metrics_auth on; empty_gif; }
        location = /open/still.gif { empty_gif; }
    }
--- config
    k8s_metrics_auth off;
--- request eval
["GET /open.gif", "GET /checked.gif", "GET /checked.gif",
 "GET /open/again.gif", "GET /open/still.gif"]
--- more_headers eval
["", "", "X-Test-Cert: admin", "", ""]
--- error_code eval
[200, 403, 200, 403, 200]



=== auth of a server, off in a location
--- server
    k8s_metrics_auth on;
    location = /open.gif { k8s_metrics_auth off; empty_gif; }
    location = /checked.gif { empty_gif; }
    location /apis { k8s_metrics; }
--- request eval
["GET /open.gif", "GET /checked.gif", "GET /checked.gif", "GET /apis",
 "GET /apis"]
--- more_headers eval
["", "", "X-Test-Cert: admin", "", "X-Test-Cert: admin"]
--- error_code eval
[200, 403, 200, 403, 200]



=== in front of stub_status
--- server
    location = /status { k8s_metrics_auth on; stub_status; }
--- request eval
["GET /status", "GET /status", "GET /status"]
--- more_headers eval
["", "X-Test-Cert: alice", "X-Test-Cert: admin"]
--- error_code eval
[403, 403, 200]
--- response_body_like eval
[qr{User \\"system:anonymous\\" cannot get path \\"/status\\"},
 qr{User \\"alice\\" cannot get path \\"/status\\"},
 qr/^Active connections/]



=== in front of a proxy, which is not asked before
--- server
    location /up {
        k8s_metrics_auth on;
        proxy_set_header X-Who "$k8s_metrics_user/$k8s_metrics_uid/$k8s_metrics_groups/$k8s_metrics_auth_method";
        proxy_pass http://$TEST_NGINX_K8S_ADDR:8604;
    }
--- http
    server {
        listen $TEST_NGINX_K8S_ADDR:8604;
        location / { return 200 "$http_x_remote_user for $http_x_who\n"; }
    }
--- request eval
["GET /up", "POST /up\nbody", "GET /up", "POST /up\nbody"]
--- more_headers eval
["", "X-Test-Cert: alice", "X-Test-Cert: admin\nX-Remote-User: spoofed",
 "X-Test-Cert: front-client\nX-Remote-User: u\nX-Remote-Group: system:masters\nX-Remote-Group: b"]
--- error_code eval
[403, 403, 200, 200]
--- response_body_like eval
[qr/cannot get path/, qr/cannot post path/,
 qr{^ for admin//system:masters,system:authenticated/x509$},
 qr{^ for u//system:masters,b,system:authenticated/requestheader$}]



=== in front of files, and of an index's internal redirect
--- server
    location /files/ { k8s_metrics_auth on; root html; }
--- user_files
>>> files/index.html
index
--- request eval
["GET /files/index.html", "GET /files/index.html", "GET /files/"]
--- more_headers eval
["", "X-Test-Cert: admin", "X-Test-Cert: admin"]
--- error_code eval
[403, 200, 200]
--- response_body_like eval
[qr/cannot get path/, qr/^index$/, qr/^index$/]



=== return is before auth, as the README says
--- server
    location = /returned { k8s_metrics_auth on; return 204; }
--- request
GET /returned
--- error_code: 204



=== satisfy any: auth or an address
--- server
    location = /any.gif {
        k8s_metrics_auth on;
        satisfy any;
        deny all;
        empty_gif;
    }
    location = /both.gif {
        k8s_metrics_auth on;
        deny all;
        empty_gif;
    }
--- request eval
["GET /any.gif", "GET /any.gif", "GET /any.gif", "GET /both.gif"]
--- more_headers eval
["", "X-Test-Cert: admin", "X-Test-Cert: rogue-client", "X-Test-Cert: admin"]
--- error_code eval
[403, 200, 401, 403]



=== HEAD and a query go through auth, too
--- server
    location = /q.gif { k8s_metrics_auth on; empty_gif; }
--- request eval
["HEAD /q.gif?a=b", "GET /q.gif?a=b", "HEAD /q.gif?a=b"]
--- more_headers eval
["", "", "X-Test-Cert: admin"]
--- error_code eval
[403, 403, 200]



=== paths of a server's own need no review
--- server
    k8s_metrics_always_allow_paths /open.gif /free/*;
    location ~ gif$ { k8s_metrics_auth on; empty_gif; }
--- request eval
["GET /open.gif", "GET /free/a.gif", "GET /free.gif", "GET /livez"]
--- error_code eval
[200, 200, 403, 403]



=== nobody is anonymous
--- server
    k8s_metrics_anonymous off;
    location = /a.gif { k8s_metrics_auth on; empty_gif; }
--- request eval
["GET /a.gif", "GET /livez", "GET /a.gif"]
--- more_headers eval
["", "", "X-Test-Cert: admin"]
--- error_code eval
[401, 401, 200]



=== a plain server: nobody has a certificate there
--- http
    server {
        listen $TEST_NGINX_K8S_ADDR:8604;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
--- config
    location /plain/ { proxy_pass http://$TEST_NGINX_K8S_ADDR:8604/; }
--- request eval
["GET /plain/livez", "GET /plain/apis", "GET /plain/apis"]
--- more_headers eval
["", "", "X-Remote-User: u\nX-Remote-Group: system:masters"]
--- error_code eval
[200, 403, 403]



=== several servers of one address: only one checks
--- http_config
    $TEST_NGINX_K8S_PAIRS
    $TEST_NGINX_K8S_CLUSTER
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name first;
        $TEST_NGINX_K8S_TLS
        location / { return 200 first; }
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name checked;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name third;
        $TEST_NGINX_K8S_TLS
        location / { return 200 third; }
    }
--- config
    $TEST_NGINX_K8S_AGGREGATOR
--- init
TestNginxK8s::synced("Host: checked\nX-Test-SNI: checked")
--- request eval
["GET /apis", "GET /apis", "GET /apis", "GET /x", "GET /x"]
--- more_headers eval
["Host: checked\nX-Test-SNI: checked\nX-Test-Cert: admin",
 "Host: checked\nX-Test-SNI: checked\nX-Test-Cert: rogue-client",
 "Host: checked\nX-Test-SNI: checked",
 "Host: first\nX-Test-SNI: first\nX-Test-Cert: rogue-client",
 "Host: third\nX-Test-SNI: third\nX-Test-Cert: rogue-client"]
--- error_code eval
[200, 401, 403, 200, 200]



=== a connection that was made for another server of the address
--- http_config
    $TEST_NGINX_K8S_PAIRS
    $TEST_NGINX_K8S_CLUSTER
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name first;
        $TEST_NGINX_K8S_TLS
        location / { return 200 first; }
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name checked;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name third;
        $TEST_NGINX_K8S_TLS
        location / { return 200 third; }
    }
--- config
    $TEST_NGINX_K8S_AGGREGATOR
--- init
TestNginxK8s::synced("Host: checked\nX-Test-SNI: checked")
--- request eval
["GET /apis", "GET /apis", "GET /apis"]
--- more_headers eval
["Host: checked\nX-Test-SNI: third\nX-Test-Cert: admin",
 "Host: checked\nX-Test-SNI: third",
 "Host: checked\nX-Test-SNI: first\nX-Test-Cert: admin"]
--- error_code eval
[421, 421, 200]
--- response_body_like eval
[qr/the TLS connection is not one for this server/,
 qr/the TLS connection is not one for this server/,
 qr/APIGroupList/]



=== a server without a certificate of its own
--- http_config
    $TEST_NGINX_K8S_PAIRS
    $TEST_NGINX_K8S_CLUSTER
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name first;
        $TEST_NGINX_K8S_TLS
        location / { return 200 first; }
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8602 ssl;
        server_name checked;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
--- config
    $TEST_NGINX_K8S_AGGREGATOR
--- init
TestNginxK8s::synced("Host: checked\nX-Test-SNI: checked")
--- request eval
["GET /apis", "GET /apis", "GET /apis"]
--- more_headers eval
["Host: checked\nX-Test-SNI: checked\nX-Test-Cert: admin",
 "Host: checked\nX-Test-SNI: checked\nX-Test-Cert: rogue-client",
 "Host: checked\nX-Test-SNI: checked"]
--- error_code eval
[200, 401, 403]



=== ignore_invalid_headers is turned off, with a notice
--- server
    ignore_invalid_headers on;
    server_name checked;
--- request
GET /livez
--- error_log eval
qr/\[notice\] .* "k8s_metrics_auth" turns "ignore_invalid_headers" off for server "checked" in \S+:\d+/
