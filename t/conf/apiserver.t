#!/usr/bin/perl

# Where the API server is and who we are to it: a service account or a
# kubeconfig that cannot work stops nginx and is named, with what is wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

# "--- kubeconfig" is one made of these parts, each of which a block may
# replace: a line "user:", say, and what belongs into it

my %parts = (
    'current-context' => 'c',
    context => '{cluster: a, user: b}',
    cluster => '{server: "https://API", certificate-authority: "DIR/ca.crt"}',
    user => '{tokenFile: "DIR/token"}',
);

add_block_preprocessor(sub {
    my ($block) = @_;

    return if !defined $block->kubeconfig;

    my %p = (%parts, $block->kubeconfig =~ /^([\w-]+): (.*)$/mg);

    my $yaml = <<"END";
current-context: $p{'current-context'}
contexts: [{name: other, context: {}}, {name: c, context: $p{context}}]
clusters: [{name: a, cluster: $p{cluster}}]
users: [{name: b, user: $p{user}}]
END

    $yaml =~ s/\bAPI\b/\$TEST_NGINX_K8S_API/g;
    $yaml =~ s/\bDIR\b/\$TEST_NGINX_K8S_DIR/g;

    $block->set_value(user_files => ($block->user_files // '')
                      . ">>> kubeconfig\n$yaml");
    $block->set_value(http_config => <<'END');
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
END
    $block->set_value(config => 'location / { empty_gif; }');
    $block->set_value(request => 'GET /');
});

run_tests();

__DATA__

=== a word that is none
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver cluster;
--- must_die
--- error_log eval
qr/invalid parameter "cluster", it must be "in_cluster", "in_cluster=FOLDER" or "kubeconfig=FILE" in \S+:\d+/



=== a folder that is not named
--- http_config
    k8s_metrics_apiserver in_cluster=;
--- must_die
--- error_log
invalid parameter "in_cluster=", it must be



=== a kubeconfig that is not named
--- http_config
    k8s_metrics_apiserver kubeconfig=;
--- must_die
--- error_log
invalid parameter "kubeconfig=", it must be



=== nothing
--- http_config
    k8s_metrics_apiserver "";
--- must_die
--- error_log
invalid parameter "", it must be



=== no cluster around, and nothing said
--- http_config
    k8s_metrics_zone zone:1m;
--- environment
--- must_die
--- error_log
KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not in the environment; outside a cluster write "k8s_metrics_apiserver kubeconfig=FILE"



=== a host without a port
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster;
--- environment
KUBERNETES_SERVICE_HOST=127.0.0.1
--- must_die
--- error_log
KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not in the environment



=== an empty host
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster;
--- environment
KUBERNETES_SERVICE_HOST=
KUBERNETES_SERVICE_PORT=443
--- must_die
--- error_log
KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not in the environment



=== a port of 0
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- environment
KUBERNETES_SERVICE_HOST=127.0.0.1
KUBERNETES_SERVICE_PORT=0
--- must_die
--- error_log
invalid KUBERNETES_SERVICE_PORT "0"



=== a port of 65536
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- environment
KUBERNETES_SERVICE_HOST=127.0.0.1
KUBERNETES_SERVICE_PORT=65536
--- must_die
--- error_log
invalid KUBERNETES_SERVICE_PORT "65536"



=== a port that is an address, as of a Docker link
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- environment
KUBERNETES_SERVICE_HOST=127.0.0.1
KUBERNETES_SERVICE_PORT=tcp://127.0.0.1:443
--- must_die
--- error_log
invalid KUBERNETES_SERVICE_PORT "tcp://127.0.0.1:443"



=== a host with a blank
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- environment
KUBERNETES_SERVICE_HOST=127.0.0.1 x
KUBERNETES_SERVICE_PORT=443
--- must_die
--- error_log
invalid host of the API server "127.0.0.1 x"



=== a host that is a URL
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- environment
KUBERNETES_SERVICE_HOST=https://127.0.0.1
KUBERNETES_SERVICE_PORT=443
--- must_die
--- error_log
invalid host of the API server "https://127.0.0.1"



=== a folder that is not there
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=/nowhere;
--- must_die
--- error_log
cannot open the API server's CA bundle "/nowhere/ca.crt" (2: No such file or directory)



=== no Pod: the default folder is not there
--- http_config
    k8s_metrics_zone zone:1m;
--- must_die
--- error_log
cannot open the API server's CA bundle "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt" (2: No such file or directory)



=== a CA that is garbage
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=../html/sa;
--- user_files
>>> sa/ca.crt
garbage
>>> sa/token
token
--- must_die
--- error_log
k8s_metrics_apiserver: the CA bundle holds no valid PEM certificate



=== a CA that is empty
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=../html/sa;
--- user_files
>>> sa/ca.crt
>>> sa/token
token
--- must_die
--- error_log eval
qr{the API server's CA bundle "\S+/html/sa/ca.crt" is no file of 1 to \d+ bytes}



=== a CA without a token
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=../html/sa;
--- user_files
>>> sa/ca.crt
garbage
--- must_die
--- error_log eval
qr{cannot open the API server's service account token "\S+/html/sa/token" \(2: No such file or directory\)}



=== a token that is empty
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=../html/sa;
--- user_files
>>> sa/ca.crt
garbage
>>> sa/token
--- must_die
--- error_log eval
qr{the API server's service account token "\S+/html/sa/token" is no file of 1 to \d+ bytes}



=== a service account
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver in_cluster=$TEST_NGINX_K8S_DIR/sa;
--- config
    location / { k8s_metrics_auth off; k8s_metrics; }
--- init
TestNginxK8s::wait_until("lists", sub { TestNginxK8s::ask("/livez") =~ m{^HTTP\S+ 200} })
--- request
GET /livez
--- response_body: ok



=== a kubeconfig that is not there
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=missing;
--- must_die
--- error_log eval
qr{cannot open the API server's kubeconfig "/\S+/conf/missing" \(2: No such file or directory\)}



=== a kubeconfig that is a folder
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html;
--- must_die
--- error_log eval
qr{the API server's kubeconfig "/\S+/html" is no file of 1 to \d+ bytes}



=== a kubeconfig that is empty
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- user_files
>>> kubeconfig
--- must_die
--- error_log eval
qr{the API server's kubeconfig "/\S+/kubeconfig" is no file of 1 to \d+ bytes}



=== a kubeconfig that is no YAML
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- user_files
>>> kubeconfig
apiVersion: v1
clusters: [
--- must_die
--- error_log eval
qr{kubeconfig "/\S+/kubeconfig" is not valid YAML: .* in line 3}



=== a kubeconfig with a tab
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- user_files eval
">>> kubeconfig\napiVersion: v1\n\tclusters: []\n"
--- must_die
--- error_log eval
qr{kubeconfig "/\S+/kubeconfig" is not valid YAML: .* in line 2}



=== a kubeconfig that is a comment
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- user_files
>>> kubeconfig
# nothing
--- must_die
--- error_log eval
qr{kubeconfig "/\S+/kubeconfig" has no current-context}



=== a kubeconfig that is a certificate
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=$TEST_NGINX_K8S_DIR/ca.crt;
--- must_die
--- error_log eval
qr{kubeconfig "/\S+/ca.crt" }



=== a kubeconfig of JSON
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- user_files
>>> kubeconfig
{"current-context": "c",
 "contexts": [{"name": "c", "context": {"cluster": "a"}}],
 "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}]}
--- config
    location / { empty_gif; }
--- request
GET /



=== the kubeconfig of the blocks below is good
--- kubeconfig



=== no current context
--- kubeconfig
current-context: ""
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no current-context}



=== a current context that is null
--- kubeconfig
current-context: null
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no current-context}



=== a current context that is a list
--- kubeconfig
current-context: [c]
--- must_die
--- error_log eval
qr{"current-context" in kubeconfig "\S+" is no string}



=== a current context that is not there
--- kubeconfig
current-context: d
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no "d" in its contexts}



=== a context that is a word
--- kubeconfig
context: word
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no "c" in its contexts}



=== a context whose cluster is not there
--- kubeconfig
context: {cluster: z, user: b}
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no "z" in its clusters}



=== a context whose user is not there
--- kubeconfig
context: {cluster: a, user: z}
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has no "z" in its users}



=== a context without a user is one without a credential
--- kubeconfig
context: {cluster: a}



=== a cluster without a server
--- kubeconfig
cluster: {certificate-authority: "DIR/ca.crt"}
--- must_die
--- error_log eval
qr{invalid URL of the API server "" in "\S+"}



=== a server that is a list
--- kubeconfig
cluster: {server: [a]}
--- must_die
--- error_log eval
qr{"server" in kubeconfig "\S+" is no string}



=== a server without a scheme
--- kubeconfig
cluster: {server: "127.0.0.1:6443"}
--- must_die
--- error_log eval
qr{invalid URL of the API server "127.0.0.1:6443" in "\S+"}



=== a server of another scheme
--- kubeconfig
cluster: {server: "ftp://127.0.0.1"}
--- must_die
--- error_log
invalid URL of the API server "ftp://127.0.0.1"



=== a server without a host
--- kubeconfig
cluster: {server: "https://:6443"}
--- must_die
--- error_log
invalid URL of the API server "https://:6443"



=== a server with the port 0
--- kubeconfig
cluster: {server: "https://127.0.0.1:0"}
--- must_die
--- error_log
invalid URL of the API server "https://127.0.0.1:0"



=== a server with the port 65536
--- kubeconfig
cluster: {server: "https://127.0.0.1:65536"}
--- must_die
--- error_log
invalid URL of the API server "https://127.0.0.1:65536"



=== a server with an open bracket
--- kubeconfig
cluster: {server: "https://[::1"}
--- must_die
--- error_log
invalid URL of the API server "https://[::1"



=== a server with a user
--- kubeconfig
cluster: {server: "https://me@127.0.0.1"}
--- must_die
--- error_log
invalid host of the API server "me@127.0.0.1"



=== a server that cannot be resolved yet
--- kubeconfig
cluster: {server: "https://no-such-host.invalid"}
--- error_log
the API server's host "no-such-host.invalid" is not resolved yet: host not found



=== a server that can never be resolved
--- kubeconfig
cluster: {server: "https://no..host"}
--- must_die
--- error_log
the API server's host "no..host" cannot be used: host not found



=== a server by a proxy
--- kubeconfig
cluster: {server: "https://API", proxy-url: "http://127.0.0.1:1"}
--- must_die
--- error_log eval
qr{kubeconfig "\S+" uses "proxy-url", which is not supported}



=== a server without TLS, with a path
--- kubeconfig
cluster: {server: "http://127.0.0.1:9/k8s/clusters/c-1/"}



=== a server of IPv6
--- kubeconfig
cluster: {server: "https://[::1]:9", certificate-authority: "DIR/ca.crt"}



=== a CA that is not there
--- kubeconfig
cluster: {server: "https://API", certificate-authority: nowhere.crt}
--- must_die
--- error_log eval
qr{cannot open the API server's certificate-authority "\S+/html/nowhere.crt" \(2: No such file or directory\)}



=== a CA that is garbage, beside the kubeconfig
--- user_files
>>> garbage.crt
garbage
--- kubeconfig
cluster: {server: "https://API", certificate-authority: garbage.crt}
--- must_die
--- error_log
k8s_metrics_apiserver: the CA bundle holds no valid PEM certificate



=== an inline CA that is not base64
--- kubeconfig
cluster: {server: "https://API", certificate-authority-data: "-----"}
--- must_die
--- error_log eval
qr{"certificate-authority-data" in kubeconfig "\S+" is not base64}



=== an inline CA that is garbage
--- kubeconfig
cluster: {server: "https://API", certificate-authority-data: Z2FyYmFnZQ==}
--- must_die
--- error_log
k8s_metrics_apiserver: the CA bundle holds no valid PEM certificate



=== a CA, and none is wanted
--- kubeconfig
cluster: {server: "https://API", insecure-skip-tls-verify: true, certificate-authority: "DIR/ca.crt"}
--- must_die
--- error_log eval
qr{kubeconfig "\S+" has both insecure-skip-tls-verify and a certificate-authority}



=== no CA is wanted
--- kubeconfig
cluster: {server: "https://API", insecure-skip-tls-verify: true}



=== a plugin
--- kubeconfig
user: {exec: {command: aws}}
--- must_die
--- error_log eval
qr{kubeconfig "\S+" uses "exec", which is not supported: use a token, a tokenFile or a client certificate}



=== a plugin of old
--- kubeconfig
user: {auth-provider: {name: gcp}}
--- must_die
--- error_log
uses "auth-provider", which is not supported



=== a password
--- kubeconfig
user: {username: me}
--- must_die
--- error_log
uses "username", which is not supported



=== a password alone
--- kubeconfig
user: {password: secret}
--- must_die
--- error_log
uses "password", which is not supported



=== impersonation
--- kubeconfig
user: {token: t, as: root}
--- must_die
--- error_log
uses "as", which is not supported



=== impersonation of a uid
--- kubeconfig
user: {token: t, as-uid: "0"}
--- must_die
--- error_log
uses "as-uid", which is not supported



=== impersonation of groups
--- kubeconfig
user: {token: t, as-groups: [a]}
--- must_die
--- error_log
uses "as-groups", which is not supported



=== impersonation with extra
--- kubeconfig
user: {token: t, as-user-extra: {a: [b]}}
--- must_die
--- error_log
uses "as-user-extra", which is not supported



=== a client certificate without its key
--- kubeconfig
user: {client-certificate: "DIR/admin.crt"}
--- must_die
--- error_log
k8s_metrics_apiserver: a client certificate and its key need each other



=== a client key without its certificate
--- kubeconfig
user: {client-key: "DIR/admin.key"}
--- must_die
--- error_log
k8s_metrics_apiserver: a client certificate and its key need each other



=== the key of another
--- kubeconfig
user: {client-certificate: "DIR/admin.crt", client-key: "DIR/alice.key"}
--- must_die
--- error_log
k8s_metrics_apiserver: the client key does not belong to the certificate



=== a client certificate that is garbage
--- kubeconfig
user: {client-certificate-data: Z2FyYmFnZQ==, client-key: "DIR/alice.key"}
--- must_die
--- error_log
k8s_metrics_apiserver: the client certificate is not valid PEM



=== a client key that is garbage
--- kubeconfig
user: {client-certificate: "DIR/admin.crt", client-key-data: Z2FyYmFnZQ==}
--- must_die
--- error_log
k8s_metrics_apiserver: the client key is not valid PEM, or encrypted



=== a client key that is not base64
--- kubeconfig
user: {client-certificate: "DIR/admin.crt", client-key-data: "*"}
--- must_die
--- error_log eval
qr{"client-key-data" in kubeconfig "\S+" is not base64}



=== a client certificate
--- kubeconfig
user: {client-certificate: "DIR/admin.crt", client-key: "DIR/admin.key"}



=== a token file that is not there
--- kubeconfig
user: {tokenFile: nowhere}
--- must_die
--- error_log eval
qr{cannot open the API server's token "\S+/html/nowhere" \(2: No such file or directory\)}



=== a token file that is empty, though there is a token
--- user_files
>>> empty
--- kubeconfig
user: {tokenFile: empty, token: t}
--- must_die
--- error_log eval
qr{the API server's token "\S+/html/empty" is no file of 1 to \d+ bytes}



=== a token
--- kubeconfig
user: {token: t}



=== a token with the end of its header
--- user_files eval
my $d = $ENV{TEST_NGINX_K8S_DIR}; ">>> kubeconfig\n" . qq(current-context: c\ncontexts: [{name: c, context: {cluster: a, user: b}}]\nclusters: [{name: a, cluster: {server: "https://$ENV{TEST_NGINX_K8S_API}", certificate-authority: "$d/ca.crt"}}]\nusers: [{name: b, user: {token: "a\\r\\nX-Evil: 1"}}]\n)
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- must_die
--- error_log
token



=== a context without a cluster
--- user_files
>>> kubeconfig
current-context: c
contexts: [{name: c, context: {user: b}}]
--- http_config
    k8s_metrics_zone zone:1m;
    k8s_metrics_apiserver kubeconfig=../html/kubeconfig;
--- must_die
--- error_log eval
qr{kubeconfig "\S+" .*context "c".*cluster}
