#!/usr/bin/perl

# The zone: what its name and size may be, and who cannot do without it.  A
# wrong one stops nginx with a line that says so, not a worker later.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

run_tests();

__DATA__

=== a name alone
--- http_config
    k8s_metrics_zone metrics;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive needs name:size in \S+:\d+/



=== a size alone
--- http_config
    k8s_metrics_zone :1m;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive needs name:size in \S+:\d+/



=== no size behind the colon
--- http_config
    k8s_metrics_zone metrics:;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== a size that is no number
--- http_config
    k8s_metrics_zone metrics:big;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== a negative size
--- http_config
    k8s_metrics_zone metrics:-1m;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== a unit that is none
--- http_config
    k8s_metrics_zone metrics:1t;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== a second colon
--- http_config
    k8s_metrics_zone metrics:1m:1m;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== a size beyond any number
--- http_config
    k8s_metrics_zone metrics:99999999999999999999g;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive has an invalid size in \S+:\d+/



=== too small by a byte
--- http_config
    k8s_metrics_zone metrics:1048575;
--- must_die
--- error_log eval
qr/zone "metrics" is too small, 1m is the least in \S+:\d+/



=== nothing
--- http_config
    k8s_metrics_zone metrics:0;
--- must_die
--- error_log
zone "metrics" is too small, 1m is the least



=== too large
--- http_config
    k8s_metrics_zone metrics:66560m;
--- must_die
--- error_log eval
qr/zone "metrics" is too large, .* in \S+:\d+/



=== two zones
--- http_config
    k8s_metrics_zone one:1m;
    k8s_metrics_zone two:1m;
--- must_die
--- error_log eval
qr/"k8s_metrics_zone" directive is duplicate in \S+:\d+/



=== a name that is another module's zone
--- http_config
    limit_req_zone $remote_addr zone=taken:1m rate=1r/s;
    k8s_metrics_zone taken:1m;
--- must_die
--- error_log
the shared memory zone "taken" is already declared for a different use



=== answers without a zone
--- http_config
--- config
    location / { k8s_metrics_auth off; k8s_metrics; }
--- must_die
--- error_log
"k8s_metrics" and "k8s_metrics_auth" need "k8s_metrics_zone name:size" in http



=== auth without a zone
--- http_config
--- config
    location / { k8s_metrics_auth on; empty_gif; }
--- must_die
--- error_log
"k8s_metrics" and "k8s_metrics_auth" need "k8s_metrics_zone name:size" in http



=== auth of all http without a zone
--- http_config
    k8s_metrics_auth on;
--- must_die
--- error_log
"k8s_metrics" and "k8s_metrics_auth" need "k8s_metrics_zone name:size" in http



=== the module loaded, and nothing of it used
--- http_config
--- config
    location / { empty_gif; }
--- request
GET /



=== other directives without a zone do no harm
--- http_config
    k8s_metrics_resolution 20s;
    k8s_metrics_auth off;
--- config
    location / { empty_gif; }
--- request
GET /



=== the least
--- http_config
    k8s_metrics_zone metrics:1m;
    k8s_metrics_apiserver kubeconfig=$TEST_NGINX_K8S_DIR/kubeconfig;
--- config
    location / { k8s_metrics_auth off; k8s_metrics; }
--- request
GET /healthz/ping
--- response_body: ok



=== pages that are not touched cost nothing
--- http_config
    k8s_metrics_zone metrics:8192m;
    k8s_metrics_apiserver kubeconfig=$TEST_NGINX_K8S_DIR/kubeconfig;
--- config
    location / { k8s_metrics_auth off; k8s_metrics; }
--- request
GET /healthz/ping
--- response_body: ok
