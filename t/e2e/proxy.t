#!/usr/bin/env bash
#
# Kubelets asked through the node proxy of a real kube-apiserver.  That refuses
# addresses of loopback, so all of it runs in a network namespace whose lo has
# another one.  $BIN is where the programs are (t/e2e/build).

set -eu

if [ -z "${E2E_NAMESPACE:-}" ]; then
    export E2E_NAMESPACE=1
    mapped=
    [ "$(id -u)" = 0 ] || mapped=--map-root-user
    exec unshare --net $mapped -- "$BASH" "$0" "$@"
fi

ip link set lo up
ip address add 192.0.2.3/32 dev lo

net=127.93
nginx_port=18743
# shellcheck source=t/e2e/plane.sh
. "$(dirname "$0")/plane.sh"

authority kubelet-ca
certificate kwok kubelet-ca /CN=kwok serverAuth IP:192.0.2.3

start_etcd
start_apiserver $net.0.1 \
    --kubelet-certificate-authority=kubelet-ca.crt \
    "${front_proxy[@]}"
ready 'kube-apiserver is ready'

start kwok "$BIN/kwok" --kubeconfig=admin.conf --config="$here/kwok.yaml" \
    --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake \
    --node-ip=192.0.2.3 --node-port=10247 --server-address=192.0.2.3:10247 \
    --tls-cert-file=kwok.crt --tls-private-key-file=kwok.key

# --- nodes and pods ------------------------------------------------------------

# node NAME [ANNOTATION]
node() {
    k apply -f - > /dev/null << EOF
apiVersion: v1
kind: Node
metadata:
  name: $1
  annotations: {${2:-}}
EOF
}

# at ADDRESS PORT NODE
at() {
    k patch node "$3" --subresource=status -p \
        "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":
          \"$1\"}],\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":$2}}}}" \
        > /dev/null
}

fake='kwok.x-k8s.io/node: fake'
path='metrics.k8s.io/resource-metrics-path: /metrics/nodes'
node node-1 "$fake, $path/node-1/metrics/resource"
node node-2 "$fake, $path/node-2/metrics/resource"
node node-bare "$fake"
node node-gone
at 192.0.2.99 10250 node-gone
node node-loop
at 127.0.0.9 10250 node-loop

# pod NAME NODE CPU MEMORY
pod() {
    k apply -f - > /dev/null << EOF
apiVersion: v1
kind: Pod
metadata:
  name: $1
  annotations: {usage/cpu: "$3", usage/memory: "$4"}
spec:
  nodeName: $2
  containers: [{name: main, image: none}]
EOF
}

pod web node-1 250m 100Mi
pod db node-2 40m 300Mi

register
export KUBERNETES_SERVICE_HOST=$net.0.1 KUBERNETES_SERVICE_PORT=6443
http='k8s_metrics_kubelet_node_proxy on; k8s_metrics_kubelet_stats_summary on;'
configure 127.0.0.1:$nginx_port
run_nginx

# --- what has to hold ----------------------------------------------------------

why() {
    logged "node \"$1\" \(through the API server, .* not scraped: $2"
}

ok 'the APIService turns Available' await 60 available
ok 'without nodes/proxy the log names it' \
    await 30 why node-1 '403 Forbidden: the ClusterRole lacks nodes/proxy,'

k create clusterrole node-proxy --verb=get --resource=nodes/proxy > /dev/null
k create clusterrolebinding node-proxy --clusterrole=node-proxy \
    --serviceaccount=kube-system:metrics-server > /dev/null

# near NAME COLUMN EXPECTED: within 5 %, of "top"
near() {
    awk -v n="$1" -v c="$2" -v b="$3" '$1 == n { a = $c
            sub(/[a-zA-Z]+$/, "", a); d = a - b; if (d < 0) d = -d
            found = (d <= b * 0.05) }
        END { exit !found }' top
}

# settled KIND NAME CPU MEMORY COLUMN
settled() {
    k top "$1" --no-headers > top && near "$2" 2 "$3" && near "$2" "$5" "$4"
}

ok 'with it nodes are served' await 60 settled nodes node-1 250 100 4
ok 'and another' await 30 settled nodes node-2 40 300 4
ok 'and pods' await 30 settled pods web 250 100 3
ok 'and another' await 30 settled pods db 40 300 3

proxied() {
    k get --raw /metrics | awk '/^apiserver_request_total/ \
        && /code="200"/ && /resource="nodes"/ && /subresource="proxy"/ \
        { n += $NF } END { print n + 0 }'
}
ok 'kube-apiserver was asked for them' [ "$(proxied)" -ge 4 ]

# by port

http="$http k8s_metrics_kubelet_port 10247;"
configure 127.0.0.1:$nginx_port
before=$(proxied)
kill -HUP "$nginx_pid"
pod late node-1 70m 50Mi
ok 'with a port in the name, too' await 60 settled pods late 70 50 3
ok 'and again by kube-apiserver' [ "$(proxied)" -gt "$before" ]

# of each the log had a line within a minute: these are other workers
ok 'a kubelet that it cannot reach' await 30 why node-gone \
    '503 Service Unavailable: the API server could not reach the kubelet,'
ok 'an address that it does not take' await 30 why node-loop \
    "400 Bad Request: the API server does not proxy to that node's address,"
ok 'a kubelet that has nothing there' await 30 why node-bare \
    '404 Not Found: no metrics at that path, nor a /stats/summary,'

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
is 'no alert in its log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

[ "$failed" = 0 ] || {
    grep 'not scraped' error.log | tail -n 20
    tail -n 8 kwok.log apiserver.log
} | cut -c 1-300 | sed 's/^/# /'
finished
