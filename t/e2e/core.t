#!/usr/bin/env bash
#
# The whole road with real parts: etcd, kube-apiserver, kube-controller-manager
# and kwok on loopback, nginx registered by an APIService, real clients.  $BIN
# is where the programs are (t/e2e/build).

set -eu

net=127.30
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

here=$(cd "$(dirname "$0")" && pwd)
server=https://127.30.0.1:6443
nginx_port=18443
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

# --- certificates -----------------------------------------------------------

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

authority ca
authority front-ca
authority kubelet-ca
certificate apiserver ca /CN=kube-apiserver serverAuth \
    IP:127.30.0.1,DNS:kubernetes.default.svc
certificate admin ca /O=system:masters/CN=admin clientAuth
certificate alice ca /CN=alice clientAuth
certificate front-proxy front-ca /CN=front-proxy-client clientAuth
certificate kwok kubelet-ca /CN=kwok serverAuth IP:127.30.0.3
certificate serving ca /CN=metrics-server serverAuth \
    DNS:metrics-server.kube-system.svc,DNS:localhost
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key \
    2> /dev/null
openssl pkey -in sa.key -pubout -out sa.pub 2> /dev/null
chmod 644 ./*.key

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
kubeconfig anonymous.conf ''
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

# --- the control plane ------------------------------------------------------

start() {
    local name=$1
    shift
    "$@" > "$name.log" 2>&1 &
    started+=($!)
}

start_apiserver() {
    start apiserver "$BIN/kube-apiserver" \
        --etcd-servers=http://127.30.0.1:12379 \
        --bind-address=127.30.0.1 --secure-port=6443 \
        --advertise-address=192.0.2.1 --endpoint-reconciler-type=none \
        --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key \
        --client-ca-file=ca.crt --authorization-mode=RBAC \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file=sa.pub \
        --service-account-signing-key-file=sa.key \
        --service-cluster-ip-range=10.96.0.0/16 \
        --disable-admission-plugins=ServiceAccount \
        --requestheader-client-ca-file=front-ca.crt \
        --requestheader-allowed-names=front-proxy-client \
        --requestheader-username-headers=X-Remote-User \
        --requestheader-uid-headers=X-Remote-Uid \
        --requestheader-group-headers=X-Remote-Group \
        --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file=front-proxy.crt \
        --proxy-client-key-file=front-proxy.key
    apiserver_pid=${started[-1]}
}

start etcd "$BIN/etcd" --data-dir "$run/etcd" \
    --listen-client-urls http://127.30.0.1:12379 \
    --advertise-client-urls http://127.30.0.1:12379 \
    --listen-peer-urls http://127.30.0.1:12380 \
    --initial-advertise-peer-urls http://127.30.0.1:12380 \
    --initial-cluster default=http://127.30.0.1:12380
start_apiserver

: > error.log
: > standin.log
ok 'kube-apiserver is ready' await 90 k get --raw /readyz || {
    tail -n 20 apiserver.log etcd.log | sed 's/^/# /'; finished; }

start controllers "$BIN/kube-controller-manager" --kubeconfig=admin.conf \
    --authentication-kubeconfig=admin.conf \
    --authorization-kubeconfig=admin.conf \
    --bind-address=127.30.0.1 --leader-elect=false \
    --controllers=deployment-controller,replicaset-controller,horizontal-pod-autoscaler-controller,clusterrole-aggregation-controller \
    --horizontal-pod-autoscaler-sync-period=3s \
    --horizontal-pod-autoscaler-initial-readiness-delay=1s \
    --horizontal-pod-autoscaler-cpu-initialization-period=1s

start kwok "$BIN/kwok" --kubeconfig=admin.conf --config="$here/kwok.yaml" \
    --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake \
    --node-ip=127.30.0.3 --node-port=10247 --server-address=127.30.0.3:10247 \
    --tls-cert-file=kwok.crt --tls-private-key-file=kwok.key

# --- nodes, pods, registration --------------------------------------------------

for n in node-1 node-2; do
    k apply -f - > /dev/null << EOF
apiVersion: v1
kind: Node
metadata:
  name: $n
  annotations:
    kwok.x-k8s.io/node: fake
    metrics.k8s.io/resource-metrics-path: /metrics/nodes/$n/metrics/resource
EOF
done
k apply -f - > /dev/null << EOF
apiVersion: v1
kind: Node
metadata: {name: node-gone}
EOF
k patch node node-gone --subresource=status -p \
    '{"status":{"addresses":[{"type":"InternalIP","address":"127.30.0.99"}]}}' \
    > /dev/null

# pod NAMESPACE NAME NODE CPU MEMORY
pod() {
    k apply -f - > /dev/null << EOF
apiVersion: v1
kind: Pod
metadata:
  name: $2
  namespace: $1
  labels: {app: $2}
  annotations: {usage/cpu: "$4", usage/memory: "$5"}
spec:
  nodeName: $3
  containers: [{name: main, image: none}, {name: side, image: none}]
EOF
}

k create namespace one > /dev/null
k create namespace two > /dev/null
pod one web node-1 250m 100Mi
pod two db node-2 40m 300Mi

# the manifests as they are, but for where nginx is: no Pod, and a CA of its own

for manifest in rbac service apiservice; do
    k apply -f "$root/deploy/manifests/$manifest.yaml" > /dev/null
done
k patch service metrics-server -n kube-system --type merge -p \
    '{"spec": {"type": "ExternalName", "externalName": "localhost"}}' > /dev/null
k patch apiservice v1beta1.metrics.k8s.io --type merge -p \
    "{\"spec\": {\"insecureSkipTLSVerify\": false, \"caBundle\":
      \"$(base64 -w 0 ca.crt)\", \"service\": {\"port\": $nginx_port}}}" > /dev/null

# as in a Pod: a service account's folder and two variables

mkdir sa
cp ca.crt sa
k create token metrics-server -n kube-system --duration=2h > sa/token
cp sa/token token
export KUBERNETES_SERVICE_HOST=127.30.0.1 KUBERNETES_SERVICE_PORT=6443

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
    k8s_metrics_apiserver in_cluster=$run/sa;
    k8s_metrics_resolution 10s;
    k8s_metrics_kubelet_use_node_status_port on;
    k8s_metrics_kubelet_certificate_authority $run/kubelet-ca.crt;
    server {
        listen 127.0.0.1:$nginx_port ssl http2;
        large_client_header_buffers 4 1100k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $run/serving.crt;
        ssl_certificate_key $run/serving.key;
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
}
EOF
"$nginx" -p "$run" -c "$run/nginx.conf" 2>> error.log &
nginx_pid=$!

# --- what has to hold ----------------------------------------------------------

says() {
    local pattern=$1
    shift
    grep -qE -e "$pattern" <<< "$("$@" 2>&1)"
}

ok 'the APIService turns Available' await 60 says True k get apiservice \
    v1beta1.metrics.k8s.io -o \
    'jsonpath={.status.conditions[?(@.type=="Available")].status}'
ok 'kubectl api-versions lists it' \
    await 20 says '^metrics.k8s.io/v1beta1$' k api-versions
ok 'kubectl top pods prints both pods' await 60 eval \
    'says " web " k top pods -A && says " db " k top pods -A'

# near NAME GOT EXPECTED: within 5 %
near() {
    ok "$1: $2 is within 5 % of $3" \
        awk -v a="$2" -v b="$3" 'BEGIN { d = a - b; if (d < 0) d = -d
            exit !(b > 0 && d <= b * 0.05) }'
}

value() {
    awk -v n="$1" -v c="$2" '$0 ~ n { v = $c; sub(/[a-zA-Z]+$/, "", v)
                                      print v; exit }'
}

settled() {
    k top pods --containers -A --no-headers > top || return 1
    awk '$2 == "web" && $3 == "main" { v = $4; sub(/m/, "", v)
         exit !(v > 237 && v < 263) }' top
}
ok 'the rates settle' await 60 settled
near 'cpu of a container' "$(value 'web +main' 4 < top)" 250
near 'memory of a container' "$(value 'web +main' 5 < top)" 100
near 'cpu of another' "$(value 'db +side' 4 < top)" 40
near 'memory of another' "$(value 'db +side' 5 < top)" 300

k top nodes --no-headers > top || true
near "a node's cpu" "$(value '^node-1' 2 < top)" 500
near "a node's memory" "$(value '^node-1' 4 < top)" 200
like 'a node that cannot be scraped is <unknown>' "$(cat top)" \
    '^node-gone +<unknown>'
ok 'and the log says why' logged 'node "node-gone" .* not scraped: conn'

like 'kubectl get --raw' \
    "$(k get --raw /apis/metrics.k8s.io/v1beta1/namespaces/one/pods/web)" \
    '"kind":"PodMetrics".*"name":"side"'

like 'kubectl get podmetrics' "$(k get podmetrics -n two -o name)" \
    '^podmetrics.metrics.k8s.io/db$'

like 'a user without rights is forbidden' "$(k_as alice top pods -n one)" \
    'Forbidden.*pods.metrics.k8s.io is forbidden: User "alice" cannot list'
k create rolebinding alice -n one --clusterrole=view --user=alice > /dev/null
ok 'with a RoleBinding they see their namespace' \
    await 60 says 'web ' k_as alice top pods -n one
like 'and no other' "$(k_as alice top pods -n two)" 'Forbidden'
like 'nor all' "$(k_as alice top pods -A)" 'Forbidden'

get() {
    local path=$1
    shift
    curl -sS -A e2e --cacert ca.crt "$@" "$path"
}
list=/apis/metrics.k8s.io/v1beta1/pods
like 'an anonymous caller is anonymous' "$(get $server$list)" \
    'User \\"system:anonymous\\" cannot list'
like 'and headers do not help' "$(get $server$list \
    -H 'X-Remote-User: admin' -H 'X-Remote-Group: system:masters')" \
    'User \\"system:anonymous\\" cannot list'
direct=https://localhost:$nginx_port$list
like 'nor do they straight at nginx' "$(get "$direct" \
    -H 'X-Remote-User: admin' -H 'X-Remote-Group: system:masters')" \
    'User \\"system:anonymous\\" cannot list'
like 'nor with a certificate of their own' "$(get "$direct" \
    --cert alice.crt --key alice.key -H 'X-Remote-User: admin' \
    -H 'X-Remote-Group: system:masters')" 'User \\"alice\\" cannot list'
like 'admin is admin, straight at nginx, too' \
    "$(get "$direct" --cert admin.crt --key admin.key)" 'PodMetricsList'

# --- the horizontal pod autoscaler -----------------------------------------------

k apply -f - > /dev/null << EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: one}
spec:
  replicas: 1
  selector: {matchLabels: {app: app}}
  template:
    metadata:
      labels: {app: app}
      annotations: {usage/cpu: 100m, usage/memory: 10Mi}
    spec:
      nodeName: node-1
      containers:
      - {name: main, image: none, resources: {requests: {cpu: 100m}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: app, namespace: one}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  minReplicas: 1
  maxReplicas: 3
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 0}
EOF

replicas() {
    [ "$(k get deployment app -n one -o 'jsonpath={.spec.replicas}')" "$1" "$2" ]
}
ok 'the HPA scales up' await 90 replicas -ge 3 \
    || k describe hpa app -n one | tail -n 20 | sed 's/^/# /'
k annotate pods -n one -l app=app --overwrite usage/cpu=5m > /dev/null
ok 'and down when the load falls' await 120 replicas -eq 1 \
    || k describe hpa app -n one | tail -n 20 | sed 's/^/# /'
is "all that the HPA asked was answered" \
    "$(grep labelSelector access.log | grep -cv '^200 ' || true)" 0
ok 'and it did ask' grep -q '^200 .*/namespaces/one/pods?labelSelector' \
    access.log

# --- what goes wrong -----------------------------------------------------------------

kill -KILL "$apiserver_pid"
wait "$apiserver_pid" 2> /dev/null || true
start_apiserver
ok 'kube-apiserver is back' await 90 k get --raw /readyz
pod two late node-2 70m 50Mi
ok 'a pod that came after it is seen' \
    await 90 says 'late ' k top pods -n two

# from the Pod's way to a kubeconfig

sed -i "s,in_cluster=[^;]*,kubeconfig=$run/nginx.kubeconfig," nginx.conf
kill -HUP "$nginx_pid"
ok 'the API answers after a reload' await 10 says 'node-1 ' k top nodes
pod one later node-1 30m 20Mi
ok 'and watches go on, with a kubeconfig' \
    await 60 says 'later ' k top pods -n one
ok 'the APIService is still Available' says True k get apiservice \
    v1beta1.metrics.k8s.io -o \
    'jsonpath={.status.conditions[?(@.type=="Available")].status}'

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
is 'no alert in its log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

[ "$failed" = 0 ] || tail -n 8 kwok.log controllers.log | sed 's/^/# /'
finished
