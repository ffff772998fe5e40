#!/usr/bin/env bash
#
# Kubelets that misbehave: the last good sample is served until two resolutions
# after the scrape that brought it, then left out; others are not delayed; one
# line says which node and why; they come back.

set -eu

net=127.71
port=10281
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

faults=(refuse hang 401 403 500 html half garbage huge redirect drip reset
        badchunk wrongname expired otherca scrape_error)
words=('connection reset' 'deadline of 9000 ms passed'
       '401 Unauthorized: .*token' '403 Forbidden: .*nodes/metrics'
       'server error' 'no usable series' 'cut short' 'not HTTP'
       'over 16777216 bytes' 'redirect, which is not followed'
       'deadline of 9000 ms passed' 'connection closed' 'invalid chunk'
       'not valid for .*IP address mismatch' 'has expired'
       'unable to get local issuer' 'scrape_error 1')
n=${#faults[@]}

start_standin -nodes $((n + 3)) -pods 5
start_nginx 2 10s 16m 1024
await 40 has_items nodes $((n + 3))
await 40 has_items pods $(((n + 3) * 5))

name() {
    printf 'node-%05d' "$1"
}

node_status() {
    ask "/apis/metrics.k8s.io/v1beta1/nodes/$(name "$1")" -o /dev/null \
        -w '%{http_code}'
}

answers() {
    [ "$(node_status "$1")" = "$2" ]
}

# age of a sample in seconds
age() {
    local t
    t=$(ask "/apis/metrics.k8s.io/v1beta1/nodes/$(name "$1")" \
        | sed 's/.*"timestamp":"\([^"]*\)".*/\1/')
    echo $(($(date +%s) - $(date -d "$t" +%s)))
}

for ((i = 0; i < n; i++)); do
    fault "$(name $i)" "${faults[i]}"
done

is 'all nodes are served just after the faults began' \
    "$(items nodes)" $((n + 3))

for ((i = 0; i < n; i++)); do
    ok "a line says why ${faults[i]} was not scraped" \
        await 25 logged "node \"$(name $i)\" .* not scraped: .*${words[i]}"
done

worst=0
for ((i = 0; i < n; i++)); do
    await 40 answers $i 404 || true
    is "${faults[i]}: left out in the end" "$(node_status $i)" 404
    for ((k = n; k < n + 3; k++)); do
        a=$(age $k)
        [ "$a" -le $worst ] || worst=$a
    done
done

is 'its pods, too' "$(items pods)" 15
ok "the others were fresh all the time ($worst s at most)" test $worst -le 22
is 'no fault is logged twice in a minute' \
    "$(grep -oE 'node "[^"]*" .* not scraped' "$run/error.log" | sort \
       | uniq -d | wc -l)" 0

for ((i = 0; i < n; i++)); do
    fault "$(name $i)" ''
done

ok 'all come back' await 40 has_items nodes $((n + 3))
is 'and the log says so' "$(count_logged 'scraped again')" "$n"
is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
