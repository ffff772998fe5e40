#!/usr/bin/env bash
#
# The whole road with real parts: etcd, kube-apiserver, kube-controller-manager
# and kwok on loopback, nginx registered by an APIService, real clients.  $BIN
# is where the programs are (t/e2e/build).

set -eu

net=127.30
nginx_port=18443
# shellcheck source=t/e2e/plane.sh
. "$(dirname "$0")/plane.sh"

authority kubelet-ca
certificate kwok kubelet-ca /CN=kwok serverAuth IP:127.30.0.3

control_plane() {
    start_apiserver $net.0.1 "${front_proxy[@]}"
}

start_etcd
control_plane
ready 'kube-apiserver is ready'

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

register
export KUBERNETES_SERVICE_HOST=$net.0.1 KUBERNETES_SERVICE_PORT=6443
http="k8s_metrics_kubelet_use_node_status_port on;
    k8s_metrics_kubelet_certificate_authority $run/kubelet-ca.crt;"
configure 127.0.0.1:$nginx_port
run_nginx

# --- what has to hold ----------------------------------------------------------

ok 'the APIService turns Available' await 60 available
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
control_plane
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
ok 'the APIService is still Available' available

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
is 'no alert in its log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

[ "$failed" = 0 ] || tail -n 8 kwok.log controllers.log | sed 's/^/# /'
finished
