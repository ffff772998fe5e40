#!/usr/bin/perl

# Who is believed and what is checked: a setting that would let somebody in by
# mistake, or keep everybody out, stops nginx instead.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

standin(-nodes => 1, -pods => 1);
run_tests();

__DATA__

=== answers without auth
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    location / { k8s_metrics; }
--- must_die
--- error_log
"k8s_metrics" would answer anybody: add "k8s_metrics_auth on" to its location, or write "k8s_metrics_auth off" there to mean it



=== answers in a server whose auth is off
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    k8s_metrics_auth off;
    location / { k8s_metrics; }
--- must_die
--- error_log
"k8s_metrics" would answer anybody



=== answers in a location within one whose auth is off
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    location / {
        k8s_metrics_auth off;
        k8s_metrics;

        location /apis { k8s_metrics; }
    }
--- must_die
--- error_log
"k8s_metrics" would answer anybody



=== answers where auth is off on purpose
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    k8s_metrics_auth on;
    location / { k8s_metrics_auth off; k8s_metrics; }
--- request
GET /healthz/ping
--- response_body: ok



=== ssl_verify_client on beside auth
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        ssl_verify_client on;
        ssl_client_certificate $TEST_NGINX_K8S_DIR/ca.crt;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
--- must_die
--- error_log eval
qr/"ssl_verify_client" in \S+nginx.conf:\d+ cannot be used beside "k8s_metrics_auth", which asks for the certificate itself/



=== ssl_verify_client optional beside auth
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        ssl_verify_client optional;
        ssl_client_certificate $TEST_NGINX_K8S_DIR/ca.crt;
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- must_die
--- error_log
cannot be used beside "k8s_metrics_auth"



=== ssl_verify_client optional_no_ca beside auth
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        ssl_verify_client optional_no_ca;
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- must_die
--- error_log
cannot be used beside "k8s_metrics_auth"



=== ssl_verify_client of all http
--- http_config
    $TEST_NGINX_K8S_BASE
    ssl_verify_client optional_no_ca;
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- must_die
--- error_log
cannot be used beside "k8s_metrics_auth"



=== ssl_verify_client of the address's default server
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        ssl_verify_client optional_no_ca;
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        server_name checked;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- must_die
--- error_log
cannot be used beside "k8s_metrics_auth"



=== ssl_verify_client at another address
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        ssl_verify_client optional_no_ca;
    }
    server {
        listen $TEST_NGINX_K8S_ADDR:8605 ssl;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { empty_gif; }
--- request
GET /
--- error_log eval
qr/"k8s_metrics_auth" turns TLS session resumption off for the server in \S+:\d+/



=== client CA: not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca missing.crt;
--- must_die
--- error_log eval
qr{"/\S+/conf/missing.crt" .*\(2: No such file or directory\)}



=== client CA: empty
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca ../html/empty;
--- user_files
>>> empty
--- must_die
--- error_log eval
qr{"/\S+/html/empty" cannot be used: no certificate in it}



=== client CA: garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca ../html/garbage;
--- user_files
>>> garbage
garbage
--- must_die
--- error_log eval
qr{"/\S+/html/garbage" cannot be used: no certificate in it}



=== client CA: a key
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log eval
qr{"/\S+/admin.key" cannot be used: no certificate in it}



=== client CA: of a server, PEM that is no certificate
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    k8s_metrics_client_ca ../html/broken.crt;
--- user_files
>>> broken.crt
-----BEGIN CERTIFICATE-----
bm90IGEgY2VydGlmaWNhdGU=
-----END CERTIFICATE-----
--- must_die
--- error_log eval
qr{"/\S+/html/broken.crt" cannot be used: (?:no|a) certificate in it}



=== requestheader CA: not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_client_ca missing.crt;
--- must_die
--- error_log eval
qr{"/\S+/conf/missing.crt" .*\(2: No such file or directory\)}



=== requestheader CA: garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_client_ca ../html/garbage;
--- user_files
>>> garbage
garbage
--- must_die
--- error_log eval
qr{"/\S+/html/garbage" cannot be used: no certificate in it}



=== allowed names without a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_allowed_names front-proxy-client;
--- must_die
--- error_log
"k8s_metrics_requestheader_..." directives need "k8s_metrics_requestheader_client_ca": without it all of these settings come from the cluster



=== username headers without a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_username_headers X-User;
--- must_die
--- error_log
directives need "k8s_metrics_requestheader_client_ca"



=== uid headers without a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_uid_headers X-Uid;
--- must_die
--- error_log
directives need "k8s_metrics_requestheader_client_ca"



=== group headers without a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_group_headers X-Group;
--- must_die
--- error_log
directives need "k8s_metrics_requestheader_client_ca"



=== a prefix of extra headers without a CA, in a server
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    k8s_metrics_requestheader_extra_headers_prefix X-Extra-;
--- must_die
--- error_log
directives need "k8s_metrics_requestheader_client_ca"



=== names of a server with the CA of http
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_client_ca $TEST_NGINX_K8S_DIR/requestheader-ca.crt;
--- config
    k8s_metrics_requestheader_allowed_names front-proxy-client other-proxy;
    k8s_metrics_requestheader_username_headers X-User X-Remote-User;
    k8s_metrics_requestheader_uid_headers X-Uid X-Remote-Uid;
    k8s_metrics_requestheader_group_headers X-Group X-Remote-Group;
    k8s_metrics_requestheader_extra_headers_prefix X-Extra- X-Remote-Extra-;
    location / { empty_gif; }
--- request
GET /



=== always-allowed paths: a star within
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_always_allow_paths /healthz /a*b;
--- must_die
--- error_log
invalid "k8s_metrics_always_allow_paths" "/a*b": a path begins with "/", and "*" is only allowed at the end



=== always-allowed paths: two stars
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_always_allow_paths /a**;
--- must_die
--- error_log
invalid "k8s_metrics_always_allow_paths" "/a**": a path begins with "/", and "*" is only allowed at the end



=== always-allowed paths: a star within, of a server
--- http_config
    $TEST_NGINX_K8S_BASE
--- config
    k8s_metrics_always_allow_paths *a;
--- must_die
--- error_log
invalid "k8s_metrics_always_allow_paths" "*a": a path begins with "/", and "*" is only allowed at the end



=== ttl: no time
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_authorization_cache_ttl long;
--- must_die
--- error_log eval
qr/"k8s_metrics_authorization_cache_ttl" directive has an invalid time, or one over a day in \S+:\d+/



=== ttl: no time for denials
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_authorization_cache_ttl 10s short;
--- must_die
--- error_log
"k8s_metrics_authorization_cache_ttl" directive has an invalid time



=== ttl: negative
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_authorization_cache_ttl -1s;
--- must_die
--- error_log
"k8s_metrics_authorization_cache_ttl" directive has an invalid time



=== ttl: nothing
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_authorization_cache_ttl 10s "";
--- must_die
--- error_log
"k8s_metrics_authorization_cache_ttl" directive has an invalid time



=== ttl: every form
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_authorization_cache_ttl 1m30s 500ms;
--- config
    k8s_metrics_authorization_cache_ttl 0;
    location / { empty_gif; }
--- request
GET /



=== sample_max_age: no time
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_sample_max_age old;
--- must_die
--- error_log
"k8s_metrics_sample_max_age" directive invalid value



=== sample_max_age: 0, and another of a server
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_sample_max_age 0;
--- config
    k8s_metrics_sample_max_age 1m;
    location / { empty_gif; }
--- request
GET /



=== client CA: not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca missing.crt;
--- must_die
--- error_log eval
qr/"k8s_metrics_client_ca".*No such file/



=== client CA: a folder
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca ../html;
--- must_die
--- error_log
"k8s_metrics_client_ca"



=== client CA: not named
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca "";
--- must_die
--- error_log
"k8s_metrics_client_ca"



=== client CA: a certificate, and then one that is none
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_client_ca ../html/two.crt;
--- user_files eval
">>> two.crt\n" . K8sMetrics::slurp("$ENV{TEST_NGINX_K8S_DIR}/ca.crt")
    . "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
--- must_die
--- error_log
"k8s_metrics_client_ca"



=== a prefix of extra headers that is every header's
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_client_ca $TEST_NGINX_K8S_DIR/requestheader-ca.crt;
    k8s_metrics_requestheader_extra_headers_prefix "";
--- must_die
--- error_log
"k8s_metrics_requestheader_extra_headers_prefix"



=== a user header without a name
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_requestheader_client_ca $TEST_NGINX_K8S_DIR/requestheader-ca.crt;
    k8s_metrics_requestheader_username_headers "";
--- must_die
--- error_log
"k8s_metrics_requestheader_username_headers"



=== always-allowed paths: without a slash, which no path is
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_always_allow_paths healthz;
--- must_die
--- error_log
"k8s_metrics_always_allow_paths"



=== token ttl: no time
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_token_cache_ttl long;
--- must_die
--- error_log
"k8s_metrics_token_cache_ttl" directive invalid value



=== token ttl: over a day
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_token_cache_ttl 25h;
--- must_die
--- error_log
"k8s_metrics_token_cache_ttl" directive has a time over a day



=== token audiences: an empty one
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_token_audiences a "";
--- must_die
--- error_log
"k8s_metrics_token_audiences" directive has an empty value



=== tokens: inherited and replaced
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_token_cache_ttl 0;
    k8s_metrics_token_audiences a b;
--- config
    k8s_metrics_token_cache_ttl 24h;
    k8s_metrics_token_audiences c;
    location / { empty_gif; }
--- request
GET /



=== max_inflight: no number
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_max_inflight many;
--- must_die
--- error_log
"k8s_metrics_max_inflight" directive invalid number



=== max_inflight: negative
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_max_inflight -1;
--- must_die
--- error_log
"k8s_metrics_max_inflight" directive invalid number



=== HTTP/2 with nginx's own buffers for headers, on two addresses
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl http2;
        listen $TEST_NGINX_K8S_ADDR:8605 ssl http2;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- error_log eval
qr/\[warn\] .*"large_client_header_buffers 4 8192" of server "" in \S+nginx.conf:\d+ is less than kube-apiserver may forward: a request with more headers ends all others on its HTTP\/2 connection, write "large_client_header_buffers 4 1100k;" there/



=== HTTP/2 with buffers that one header does not fit into
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl http2;
        $TEST_NGINX_K8S_TLS
        large_client_header_buffers 16 1023k;
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- error_log eval
qr/\[warn\] .*"large_client_header_buffers 16 1047552" of server "" in \S+nginx.conf:\d+ is less than kube-apiserver may forward: a request with more headers ends all others on its HTTP\/2 connection, write "large_client_header_buffers 4 1100k;" there/



=== HTTP/2 with a buffer that is all
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl http2;
        $TEST_NGINX_K8S_TLS
        large_client_header_buffers 1 2000k;
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- error_log eval
qr/\[warn\] .*"large_client_header_buffers 1 2048000" of server "" in \S+nginx.conf:\d+ is less than kube-apiserver may forward: a request with more headers ends all others on its HTTP\/2 connection, write "large_client_header_buffers 4 1100k;" there/



=== HTTP/2 with buffers that are large enough
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl http2;
        $TEST_NGINX_K8S_TLS
        large_client_header_buffers 2 1m;
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- no_error_log
[warn]
[alert]
[emerg]



=== HTTP/2 with buffers of all http
--- http_config
    $TEST_NGINX_K8S_BASE
    large_client_header_buffers 4 1100k;
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl http2;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- no_error_log
[warn]
[alert]
[emerg]



=== HTTP/1.1 with nginx's own buffers
--- http_config
    $TEST_NGINX_K8S_BASE
    server {
        listen $TEST_NGINX_K8S_ADDR:8604 ssl;
        $TEST_NGINX_K8S_TLS
        location / { k8s_metrics_auth on; empty_gif; }
    }
--- config
    location / { return 200 "ok\n"; }
--- request
GET /
--- no_error_log
[warn]
[alert]
[emerg]
