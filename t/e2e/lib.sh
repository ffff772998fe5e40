# The real control plane on loopback, for suites of bash: its programs are in
# $BIN (t/e2e/build), $net.0.1 is where they listen (net, as in 127.30, is the
# suite's own), and its files are in $run.

# shellcheck source=t/lib/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/cluster.sh"

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

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.crt" -days 2 -subj "/CN=$1" 2> /dev/null
}

# certificate NAME CA SUBJECT USAGE [SAN]
certificate() {
    printf 'extendedKeyUsage=%s\n%s' "$4" "${5:+subjectAltName=$5}" > ext
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$1.key" -out "$1.csr" -subj "$3" 2> /dev/null
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -days 2 \
        -CAcreateserial -extfile ext -out "$1.crt" 2> /dev/null
}

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

export HOME=$run    # kubectl's cache
k() {
    "$BIN/kubectl" --kubeconfig admin.conf "$@"
}
k_as() {
    local who=$1
    shift
    "$BIN/kubectl" --kubeconfig "$who.conf" "$@" 2>&1
}

start() {
    local name=$1
    shift
    "$@" > "$name.log" 2>&1 &
    started+=($!)
}

# start_apiserver [FLAG ...]: its pid is $apiserver_pid
start_apiserver() {
    start apiserver "$BIN/kube-apiserver" \
        --etcd-servers="http://$net.0.1:12379" \
        --bind-address="$net.0.1" --secure-port=6443 \
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

start_etcd() {
    start etcd "$BIN/etcd" --data-dir "$run/etcd" \
        --listen-client-urls "http://$net.0.1:12379" \
        --advertise-client-urls "http://$net.0.1:12379" \
        --listen-peer-urls "http://$net.0.1:12380" \
        --initial-advertise-peer-urls "http://$net.0.1:12380" \
        --initial-cluster "default=http://$net.0.1:12380"
}

# kube-apiserver's own keys, and those of the users of every suite
control_plane_keys() {
    authority ca
    authority front-ca
    certificate apiserver ca /CN=kube-apiserver serverAuth \
        "IP:$net.0.1,DNS:kubernetes.default.svc"
    certificate admin ca /O=system:masters/CN=admin clientAuth
    certificate alice ca /CN=alice clientAuth
    certificate front-proxy front-ca /CN=front-proxy-client clientAuth
    certificate serving ca /CN=metrics-server serverAuth \
        DNS:metrics-server.kube-system.svc,DNS:localhost
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key \
        2> /dev/null
    openssl pkey -in sa.key -pubout -out sa.pub 2> /dev/null
    chmod 644 ./*.key

    kubeconfig admin.conf \
        "client-certificate: $run/admin.crt, client-key: $run/admin.key"
    kubeconfig alice.conf \
        "client-certificate: $run/alice.crt, client-key: $run/alice.key"
}

# the manifests as they are, but for where nginx is (a port): no Pod, and a CA
# of its own; then as in a Pod: a service account's folder and two variables
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
          \"$(base64 -w 0 ca.crt)\", \"service\": {\"port\": $1}}}" \
        > /dev/null

    mkdir sa
    cp ca.crt sa
    k create token metrics-server -n kube-system --duration=2h > sa/token
    export KUBERNETES_SERVICE_HOST=$net.0.1 KUBERNETES_SERVICE_PORT=6443
}

available() {
    says True k get apiservice v1beta1.metrics.k8s.io -o \
        'jsonpath={.status.conditions[?(@.type=="Available")].status}'
}

says() {
    local pattern=$1
    shift
    grep -qE -e "$pattern" <<< "$("$@" 2>&1)"
}

get() {
    local path=$1
    shift
    curl -sS -A e2e --cacert ca.crt "$@" "$path"
}
