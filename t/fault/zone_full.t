#!/usr/bin/env bash
#
# A zone that is too small: a line a minute with what is missing, what fits is
# served, and what did not fit comes when there is room.

set -eu

net=127.65
port=10284
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -nodes 200 -pods 60
start_nginx 2 10s 1m 1024

line='\[error\].*k8s_metrics: zone "metrics" of 1048576 bytes is full: '

code() {
    ask "$1" -o "$run/body" -w '%{http_code}'
}

# lines N: at least so many of them
lines() {
    [ "$(count_logged "$line")" -ge "$1" ]
}

# number N: of the last line, in order: nodes stored, known, pods stored, ...
number() {
    grep -E "$line" "$run/error.log" | tail -n 1 | sed 's/.*is full: //' \
        | grep -oE '[0-9]+' | sed -n "$1p"
}

seconds() {
    grep -E "$line" "$run/error.log" | sed -n "$1s/^[^ ]* \([0-9:]*\) .*/\1/p" \
        | awk -F: '{ print $1 * 3600 + $2 * 60 + $3 }'
}


ok 'the log says that the zone is full' await 20 lines 1
is 'all nodes are stored' "$(number 1)" 200
is 'of those that there are' "$(number 2)" 200
stored=$(number 3)
ok "not all pods are ($stored)" test "$stored" -gt 1000 -a "$stored" -lt 12000
is 'of those that there are' "$(number 4)" 12000
ok 'and what to do' logged "$line.*give \"k8s_metrics_zone\" a larger size"

ok 'nodes are served' await 40 has_items nodes 1
ok 'pods are served' await 40 has_items pods 1
ok 'no more than are stored' test "$(items pods)" -le "$stored"
is 'health answers' "$(code /livez)" 200
is 'what is stored is ready' "$(code /readyz)" 200
like 'by its checks' "$(ask '/readyz?verbose')" \
    '^\[\+\]metric-storage-ready ok'

# of the last namespace: known to the API server, and not stored
missing=/apis/metrics.k8s.io/v1beta1/namespaces/ns-09/pods/app-00001-009
is 'one that is missing is 404' "$(code $missing)" 404
like 'as one that is not there' "$(cat "$run/body")" 'pods \\"app-00001-009\\"'

ok 'the next line comes' await 75 lines 2
apart=$(( ($(seconds 2) - $(seconds 1) + 86400) % 86400 ))
ok "after a minute ($apart s)" test "$apart" -ge 59 -a "$apart" -le 72
is 'and no other line says so' "$(count_logged 'is full')" 2
ok 'it has the scrapes that had no room' test "$(number 5)" -gt 0

# room again: of 10 nodes the pods stay, the others go
for n in $(seq 10 199); do
    for p in $(seq 0 59); do
        printf ',{"namespace":"ns-%02d","name":"app-%05d-%03d"}\n' \
            $((p % 10)) "$n" "$p"
    done
done | sed '1s/^,/[/; $s/$/]/' > "$run/pods.json"
curl -sS -f -X DELETE "http://$control/pods" --data-binary "@$run/pods.json"

ok 'pods are listed again' await 20 logged \
    '\[notice\].*k8s_metrics: .*listing pods again, the zone has room'
ok 'what was missing comes' await 40 eval '[ "$(code $missing)" = 200 ]'
ok 'all of it' await 40 has_items pods 600
ok 'and that is said' await 130 logged \
    'no longer full: 200 nodes and 600 pods are stored, none is missing'
is 'it was listed again once' "$(count_logged 'listing pods again')" 1
lines=$(count_logged "$line")
ok "no line without a reason ($lines)" test "$lines" -le 3
is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
