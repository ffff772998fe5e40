#!/usr/bin/perl

# How often and how kubelets are asked: values out of range, files that are
# not what they should be, and directives that contradict each other stop
# nginx at the start, where somebody reads the log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

# files that are none of what is wanted
my $garbage = <<'END';
>>> empty
>>> garbage
not a certificate
>>> broken.crt
-----BEGIN CERTIFICATE-----
bm90IGEgY2VydGlmaWNhdGU=
-----END CERTIFICATE-----
END

add_block_preprocessor(sub {
    $_[0]->set_value(user_files => $garbage . ($_[0]->user_files // ''));
});

standin(-nodes => 1, -pods => 1);
run_tests();

__DATA__

=== resolution: no time
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_resolution often;
--- must_die
--- error_log
"k8s_metrics_resolution" directive invalid value



=== resolution: negative
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_resolution -15s;
--- must_die
--- error_log
"k8s_metrics_resolution" directive invalid value



=== resolution: 0
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_resolution 0;
--- must_die
--- error_log
"k8s_metrics_resolution" must be 10s at least



=== resolution: a millisecond below 10s
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_resolution 9999ms;
--- must_die
--- error_log
"k8s_metrics_resolution" must be 10s at least



=== resolution: 10s
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_resolution 10000ms;
--- config
    location / { empty_gif; }
--- request
GET /



=== request_timeout: no time
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout soon;
--- must_die
--- error_log
"k8s_metrics_kubelet_request_timeout" directive invalid value



=== request_timeout: 0
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout 0;
--- must_die
--- error_log
"k8s_metrics_kubelet_request_timeout" must be over 0 and at most 9/10 of "k8s_metrics_resolution"



=== request_timeout: over 9/10 of the resolution that is the default
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout 13501ms;
--- must_die
--- error_log
"k8s_metrics_kubelet_request_timeout" must be over 0 and at most 9/10 of "k8s_metrics_resolution"



=== request_timeout: 9/10 of the resolution that is the default
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout 13500ms;
--- config
    location / { empty_gif; }
--- request
GET /



=== request_timeout: over 9/10 of a resolution
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout 9001ms;
    k8s_metrics_resolution 10s;
--- must_die
--- error_log
"k8s_metrics_kubelet_request_timeout" must be over 0 and at most 9/10 of "k8s_metrics_resolution"



=== request_timeout: longer than the default resolution, beside a longer one
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_request_timeout 27s;
    k8s_metrics_resolution 30s;
--- config
    location / { empty_gif; }
--- request
GET /



=== port: 0
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port 0;
--- must_die
--- error_log
"k8s_metrics_kubelet_port" must be 1 to 65535



=== port: 65536
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port 65536;
--- must_die
--- error_log
"k8s_metrics_kubelet_port" must be 1 to 65535



=== port: beyond 32 bits
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port 4294977546;
--- must_die
--- error_log
"k8s_metrics_kubelet_port" must be 1 to 65535



=== port: negative
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port -1;
--- must_die
--- error_log
"k8s_metrics_kubelet_port" directive invalid number



=== port: a name
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port https;
--- must_die
--- error_log
"k8s_metrics_kubelet_port" directive invalid number



=== port: the least and the most
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_port 65535;
--- config
    location / { empty_gif; }
--- request
GET /



=== address types: unknown
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_preferred_address_types InternalIP Phone;
--- must_die
--- error_log eval
qr/invalid address type "Phone" in "k8s_metrics_kubelet_preferred_address_types", it must be one of Hostname, InternalIP, ExternalIP, InternalDNS, ExternalDNS in \S+:\d+/



=== address types: in another case
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_preferred_address_types internalip;
--- must_die
--- error_log
invalid address type "internalip"



=== address types: separated by commas
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_preferred_address_types InternalIP,Hostname;
--- must_die
--- error_log
invalid address type "InternalIP,Hostname"



=== address types: nothing
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_preferred_address_types "";
--- must_die
--- error_log
invalid address type ""



=== address types: all
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_preferred_address_types Hostname InternalDNS
        InternalIP ExternalDNS ExternalIP;
--- config
    location / { empty_gif; }
--- request
GET /



=== selector: three equals signs
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector a===b;
--- must_die
--- error_log
invalid "k8s_metrics_node_selector" "a===b": unable to parse requirement: found '=', expected: identifier



=== selector: an open parenthesis
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "a in (b";
--- must_die
--- error_log eval
qr/invalid "k8s_metrics_node_selector" "a in \(b": unable to parse requirement: found '', expected: ','/



=== selector: an operator alone
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "!";
--- must_die
--- error_log
invalid "k8s_metrics_node_selector" "!": 



=== selector: a key that cannot be a label's
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "-a=b";
--- must_die
--- error_log
invalid "k8s_metrics_node_selector" "-a=b": 



=== selector: a comma at the end
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "a=b,";
--- must_die
--- error_log
invalid "k8s_metrics_node_selector" "a=b,": 



=== selector: every operator
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "a=b,c!=d,e in (f,g),h notin (i),j,!k,n/l==m";
--- config
    location / { empty_gif; }
--- request
GET /



=== selector: all nodes
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_node_selector "";
--- config
    location / { empty_gif; }
--- request
GET /



=== CA: not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority missing.crt;
--- must_die
--- error_log eval
qr{"k8s_metrics_kubelet_certificate_authority": open\(\) "/\S+/conf/missing.crt" failed \(2: No such file or directory\)}



=== CA: of more than 1 MB
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority $TEST_NGINX_LOAD_MODULES;
--- must_die
--- error_log eval
qr{"k8s_metrics_kubelet_certificate_authority": "/\S+\.so" is no file of at most 1 MB}



=== CA: garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html/garbage;
--- must_die
--- error_log eval
qr/k8s_metrics_kubelet_certificate_authority.*the CA bundle holds (?:no valid PEM|an invalid) certificate/



=== CA: PEM, but no certificate
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html/broken.crt;
--- must_die
--- error_log eval
qr/k8s_metrics_kubelet_certificate_authority.*the CA bundle holds (?:no valid PEM|an invalid) certificate/



=== CA: a key
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log eval
qr/k8s_metrics_kubelet_certificate_authority.*the CA bundle holds (?:no valid PEM|an invalid) certificate/



=== CA: a certificate, and then one that is none
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html/two.crt;
--- user_files eval
">>> two.crt\n" . K8sMetrics::slurp("$ENV{TEST_NGINX_K8S_DIR}/kubelet-ca.crt")
    . "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
--- must_die
--- error_log
the CA bundle holds an invalid certificate



=== a client certificate without its key
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
--- must_die
--- error_log
"k8s_metrics_kubelet_client_certificate" and "k8s_metrics_kubelet_client_key" need each other



=== a client key without its certificate
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log
"k8s_metrics_kubelet_client_certificate" and "k8s_metrics_kubelet_client_key" need each other



=== a client certificate that is not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate missing.crt;
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log eval
qr{"k8s_metrics_kubelet_client_certificate": open\(\) "/\S+/conf/missing.crt" failed \(2: No such file or directory\)}



=== a client key that is not there
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
    k8s_metrics_kubelet_client_key missing.key;
--- must_die
--- error_log eval
qr{"k8s_metrics_kubelet_client_key": open\(\) "/\S+/conf/missing.key" failed \(2: No such file or directory\)}



=== a client certificate that is garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate ../html/garbage;
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log
the client certificate is not valid PEM



=== a client key that is garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
    k8s_metrics_kubelet_client_key ../html/garbage;
--- must_die
--- error_log
the client key is not valid PEM, or encrypted



=== the key of another
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/alice.key;
--- must_die
--- error_log
the client key does not belong to the certificate



=== insecure_tls beside a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_insecure_tls on;
    k8s_metrics_kubelet_certificate_authority $TEST_NGINX_K8S_DIR/ca.crt;
--- must_die
--- error_log
"k8s_metrics_kubelet_certificate_authority" and "k8s_metrics_kubelet_insecure_tls on" exclude each other



=== completely_insecure beside insecure_tls
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_insecure_tls on;
--- must_die
--- error_log
"k8s_metrics_kubelet_completely_insecure on" and "k8s_metrics_kubelet_insecure_tls on" exclude each other



=== completely_insecure beside a CA
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_certificate_authority $TEST_NGINX_K8S_DIR/ca.crt;
--- must_die
--- error_log
"k8s_metrics_kubelet_completely_insecure on" and "k8s_metrics_kubelet_certificate_authority" exclude each other



=== completely_insecure beside a client certificate
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/admin.key;
--- must_die
--- error_log
"k8s_metrics_kubelet_completely_insecure on" and "k8s_metrics_kubelet_client_certificate" exclude each other



=== completely_insecure alone
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_insecure_tls off;
--- config
    location / { empty_gif; }
--- request
GET /



=== insecure_tls with a certificate of its own
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_insecure_tls on;
    k8s_metrics_kubelet_client_certificate $TEST_NGINX_K8S_DIR/admin.crt;
    k8s_metrics_kubelet_client_key $TEST_NGINX_K8S_DIR/admin.key;
    k8s_metrics_kubelet_use_node_status_port on;
--- config
    location / { empty_gif; }
--- request
GET /



=== CA: empty
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html/empty;
--- user_files
>>> empty
--- must_die
--- error_log
"k8s_metrics_kubelet_certificate_authority"



=== CA: not named
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority "";
--- must_die
--- error_log
"k8s_metrics_kubelet_certificate_authority"



=== CA: a folder
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html;
--- must_die
--- error_log
"k8s_metrics_kubelet_certificate_authority"



=== CA: garbage
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_certificate_authority ../html/garbage;
--- user_files
>>> garbage
garbage
--- must_die
--- error_log eval
qr/k8s_metrics_kubelet_certificate_authority.*no valid PEM certificate/



=== a client certificate and a key that are empty
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_client_certificate ../html/empty;
    k8s_metrics_kubelet_client_key ../html/empty;
--- user_files
>>> empty
--- must_die
--- error_log
"k8s_metrics_kubelet_client_certificate"



=== node_proxy beside completely_insecure
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_node_proxy on;
--- must_die
--- error_log
"k8s_metrics_kubelet_completely_insecure on" and "k8s_metrics_kubelet_node_proxy on" exclude each other



=== node_proxy off beside completely_insecure
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_node_proxy off;
--- config
    location / { empty_gif; }
--- request
GET /



=== node_proxy: what has no effect is said
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_insecure_tls on;
    k8s_metrics_kubelet_preferred_address_types InternalIP;
    k8s_metrics_kubelet_node_proxy on;
--- config
    location / { empty_gif; }
--- request
GET /
--- grep_error_log eval
qr/"k8s_metrics_kubelet_\w+" has no effect with "k8s_metrics_kubelet_node_proxy on"/
--- grep_error_log_out
"k8s_metrics_kubelet_insecure_tls" has no effect with "k8s_metrics_kubelet_node_proxy on"
"k8s_metrics_kubelet_preferred_address_types" has no effect with "k8s_metrics_kubelet_node_proxy on"



=== node_proxy and stats_summary: nothing to say
--- http_config
    $TEST_NGINX_K8S_BASE
    k8s_metrics_kubelet_stats_summary on;
    k8s_metrics_kubelet_node_proxy on;
--- config
    location / { empty_gif; }
--- request
GET /
--- no_error_log
[warn]
