# A control plane on loopback for the suites here, sourced by bash after
# t/lib/cluster.sh's $net is set: certificates, etcd, kube-apiserver, and nginx
# registered by the project's manifests.  $BIN is where the programs are
# (t/e2e/build); $nginx_port is the suite's own.

# shellcheck source=t/lib/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/cluster.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=https://$net.0.1:6443
started=()

finish_e2e() {
    local p
    for p in ${nginx_pid:-} ${started[@]+"${started[@]}"}; do
        kill "$p" 2> /dev/null || true
    done
    sleep 0.5
    for p in ${started[@]+"${started[@]}"}; do
        kill -KILL "$p" 2> /dev/null || true
    done
    wait 2> /dev/null || true
    rm -rf "$run"
}
trap finish_e2e EXIT

cd "$run"
: > error.log
: > standin.log

# --- certificates -----------------------------------------------------------

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.crt" -days 2 -subj "/CN=$1" 2> /dev/null
    chmod 644 "$1.key"
}

# certificate NAME CA SUBJECT USAGE [SAN [DAYS]]
certificate() {
    printf 'extendedKeyUsage=%s\n%s' "$4" "${5:+subjectAltName=$5}" > ext
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.csr" -subj "$3" 2> /dev/null
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" \
        -days "${6:-2}" -CAcreateserial -extfile ext -out "$1.crt" \
        2> /dev/null
    chmod 644 "$1.key"
}

authority ca
authority front-ca
certificate apiserver ca /CN=kube-apiserver serverAuth \
    "IP:$net.0.1,IP:$net.0.2,DNS:kubernetes.default.svc"
certificate admin ca /O=system:masters/CN=admin clientAuth
certificate alice ca /CN=alice clientAuth
certificate front-proxy front-ca /CN=front-proxy-client clientAuth
certificate serving ca /CN=metrics-server serverAuth \
    DNS:metrics-server.kube-system.svc,DNS:localhost
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key \
    2> /dev/null
openssl pkey -in sa.key -pubout -out sa.pub 2> /dev/null
chmod 644 sa.key

# kubeconfig FILE USER-LINES
kubeconfig() {
    cat > "$1" << EOF
apiVersion: v1
kind: Config
clusters:
- name: e2e
  cluster: {server: "$server", certificate-authority: "$run/ca.crt"}
users:
- name: user
  user: {$2}
contexts:
- name: e2e
  context: {cluster: e2e, user: user}
current-context: e2e
EOF
}

kubeconfig admin.conf \
    "client-certificate: $run/admin.crt, client-key: $run/admin.key"
kubeconfig alice.conf \
    "client-certificate: $run/alice.crt, client-key: $run/alice.key"
kubeconfig nginx.kubeconfig "tokenFile: $run/token"

export HOME=$run    # kubectl's cache
k() {
    "$BIN/kubectl" --kubeconfig admin.conf "$@"
}
k_as() {
    local who=$1
    shift
    "$BIN/kubectl" --kubeconfig "$who.conf" "$@" 2>&1
}

# get URL [curl's options]
get() {
    local url=$1
    shift
    curl -sS -A e2e -m 30 --cacert "$run/ca.crt" "$@" "$url"
}

# as NAME: curl's options for a client certificate
as() {
    printf -- '--cert %s.crt --key %s.key' "$1" "$1"
}

says() {
    local pattern=$1
    shift
    grep -qE -e "$pattern" <<< "$("$@" 2>&1)"
}

# --- the programs -----------------------------------------------------------

start() {
    local name=$1
    shift
    "$@" > "$name.log" 2>&1 &
    started+=($!)
}

start_etcd() {
    start etcd "$BIN/etcd" --data-dir "$run/etcd" \
        --listen-client-urls "http://$net.0.1:12379" \
        --advertise-client-urls "http://$net.0.1:12379" \
        --listen-peer-urls "http://$net.0.1:12380" \
        --initial-advertise-peer-urls "http://$net.0.1:12380" \
        --initial-cluster "default=http://$net.0.1:12380"
}

# of a front proxy as kubeadm sets it up, for start_apiserver
front_proxy=(
    --requestheader-client-ca-file=front-ca.crt
    --requestheader-allowed-names=front-proxy-client
    --requestheader-username-headers=X-Remote-User
    --requestheader-uid-headers=X-Remote-Uid
    --requestheader-group-headers=X-Remote-Group
    --requestheader-extra-headers-prefix=X-Remote-Extra-
    --proxy-client-cert-file=front-proxy.crt
    --proxy-client-key-file=front-proxy.key
)

# start_apiserver ADDRESS FLAG...
start_apiserver() {
    local address=$1
    shift
    start apiserver "$BIN/kube-apiserver" \
        --etcd-servers="http://$net.0.1:12379" \
        --bind-address="$address" --secure-port=6443 \
        --advertise-address=192.0.2.1 --endpoint-reconciler-type=none \
        --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key \
        --client-ca-file=ca.crt --authorization-mode=RBAC \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file=sa.pub \
        --service-account-signing-key-file=sa.key \
        --service-cluster-ip-range=10.96.0.0/16 \
        --disable-admission-plugins=ServiceAccount "$@"
    apiserver_pid=${started[-1]}
}

ready() {
    ok "$1" await 90 k get --raw /readyz || {
        tail -n 20 apiserver.log etcd.log | sed 's/^/# /'; finished; }
}

# the manifests as they are, but for where nginx is: no Pod, and a CA of its
# own; and as in a Pod, a service account's folder and two variables

register() {
    local manifest
    for manifest in rbac service apiservice; do
        k apply -f "$root/deploy/manifests/$manifest.yaml" > /dev/null
    done
    k patch service metrics-server -n kube-system --type merge -p \
        '{"spec": {"type": "ExternalName", "externalName": "localhost"}}' \
        > /dev/null
    k patch apiservice v1beta1.metrics.k8s.io --type merge -p \
        "{\"spec\": {\"insecureSkipTLSVerify\": false, \"caBundle\":
          \"$(base64 -w 0 ca.crt)\", \"service\": {\"port\": $nginx_port}}}" \
        > /dev/null

    mkdir -p sa
    cp ca.crt sa
    k create token metrics-server -n kube-system --duration=2h > sa/token
    cp sa/token token
}

available() {
    says True k get apiservice v1beta1.metrics.k8s.io -o \
        'jsonpath={.status.conditions[?(@.type=="Available")].status}'
}

# configure LISTEN: nginx.conf; $kubernetes is where the API server is, $http
# and $location hold more lines
configure() {
    cat > nginx.conf << EOF
load_module $module;
daemon off;
worker_processes 2;
pid $run/nginx.pid;
error_log $run/error.log info;
env KUBERNETES_SERVICE_HOST;
env KUBERNETES_SERVICE_PORT;
events {}
http {
    log_format e2e '\$status \$request';
    access_log $run/access.log e2e;
    client_body_temp_path $run/t1; proxy_temp_path $run/t2;
    fastcgi_temp_path $run/t3; uwsgi_temp_path $run/t4; scgi_temp_path $run/t5;
    k8s_metrics_zone metrics:16m;
    k8s_metrics_apiserver ${kubernetes:-in_cluster=$run/sa};
    k8s_metrics_resolution 10s;
    ${http:-}
    server {
        listen $1 ssl http2;
        large_client_header_buffers 4 1100k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $run/serving.crt;
        ssl_certificate_key $run/serving.key;
        location / { k8s_metrics_auth on; k8s_metrics; ${location:-} }
    }
}
EOF
}

run_nginx() {
    "$nginx" -p "$run" -c "$run/nginx.conf" 2>> error.log &
    nginx_pid=$!
    await 10 test -s nginx.pid
}
