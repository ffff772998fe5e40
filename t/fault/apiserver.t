#!/usr/bin/env bash
#
# An API server that is down at start, cuts watches, forgets versions, and
# answers 401, 429 and 500: nginx waits, says so, and recovers.

set -eu

net=127.73
port=10283
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -apidown -nodes 5 -pods 4
server="k8s_metrics_requestheader_client_ca $run/d/requestheader-ca.crt;"
start_nginx 2 10s 8m 512

code() {
    ask "$1" -o "$run/body" -D "$run/head" -w '%{http_code}'
}

nodes=/apis/metrics.k8s.io/v1beta1/nodes

is 'not ready while the API server is down' "$(code /readyz)" 500
like 'and says what is missing' "$(cat "$run/body")" \
    '\[-\]metadata-informer-sync failed'
is 'nodes are 503' "$(code $nodes)" 503
like 'with Retry-After' "$(cat "$run/head")" '^Retry-After: 1'
like 'as a Status' "$(cat "$run/body")" '"reason":"ServiceUnavailable"'
is 'discovery answers' "$(code /apis/metrics.k8s.io/v1beta1)" 200

control /api '{"fault": ""}'
ok 'ready when it is up' await 60 eval '[ "$(code /readyz)" = 200 ]'
ok 'all nodes are there' await 3 has_items nodes 5

# each of these, then a new pod has to be seen
p=0
seen() {
    p=$((p + 1))
    control /pod "{\"namespace\": \"new\", \"name\": \"p$p\",
        \"node\": \"node-00001\", \"containers\":
        [{\"name\": \"c\", \"cpu\": 1000000, \"memory\": 1048576}]}"
    ok "a pod is seen after $1" await 60 eval \
        'ask /apis/metrics.k8s.io/v1beta1/namespaces/new/pods/p'$p' \
             | grep -qE "podmetrics.metrics.k8s.io|PodMetrics"'
}

seen start
control /cut ''
seen 'a cut watch'
control /api '{"forget": true}'
control /cut ''
seen '410 to a watch'
for f in 401 429 500 garbage; do
    control /api "{\"fault\": \"$f\", \"count\": 3}"
    control /cut ''
    seen "$f"
done
control /api '{"fault": "down"}'
is 'what is known is served meanwhile' "$(code $nodes)" 200
control /api '{"fault": ""}'
seen 'an API server that was away'

is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
