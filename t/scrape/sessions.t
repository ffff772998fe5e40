#!/usr/bin/env bash
#
# TLS sessions of kubelets are shared by workers, warm after a reload and after
# a worker's death, and never used under another CA, name or verification.

set -eu

net=127.89
port=10311
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

n=20
http='k8s_metrics_kubelet_keepalive off;'
start_standin -nodes $n -pods 2
start_nginx 2 10s 8m 512
await 40 has_items nodes $n

count_anew() {
    curl -sS -o "$run/stats" -X POST "http://$control/stats"
}

handshakes() {
    [ $(($(stat handshakesFull) + $(stat handshakesResumed))) -ge "$1" ]
}

# kubelets NAME FULL COMMAND...: after it all are scraped, with so many full
# handshakes
kubelets() {
    local name=$1 full=$2
    shift 2
    count_anew
    "$@"
    ok "$name: kubelets are scraped" await 40 handshakes $((n + n / 2))
    is "$name: full handshakes" "$(stat handshakesFull)" "$full"
    is "$name: failed ones" "$(stat handshakesFailed)" 0
}

reload() {
    kill -HUP "$nginx_pid"
}

# shellcheck disable=SC2317
kill_all() {
    # shellcheck disable=SC2046
    kill -KILL $(worker)
}

# one that was begun before the counting is not counted
round() {
    await 40 handshakes $((n + n / 2))
}

count_anew
round

kubelets 'connections not kept' 0 true
is 'none is kept' "$(stat connections)" 0
kubelets 'a reload' 0 reload
kubelets 'workers killed' 0 kill_all

# insecure sessions are nothing to one that verifies, and the other way round

verified=$(grep certificate_authority "$run/nginx.conf")

insecure() {
    sed -i 's/.*certificate_authority .*/k8s_metrics_kubelet_insecure_tls on;/' \
        "$run/nginx.conf"
    reload
}

secure() {
    sed -i "s|k8s_metrics_kubelet_insecure_tls on;|$verified|" "$run/nginx.conf"
    reload
}

kubelets 'no verification' $n insecure
kubelets 'verification again' $n secure

# a bundle that differs, and no less trusts the kubelets' CA

other_ca() {
    cat "$run/d/kubelet-ca.crt" "$run/d/ca.crt" > "$run/both.crt"
    sed -i "s|/d/kubelet-ca.crt|/both.crt|" "$run/nginx.conf"
    reload
}

kubelets 'another CA bundle' $n other_ca

# the file changes while workers run: they look every five seconds

count_anew
cat "$run/both.crt" "$run/d/kubelet-ca.crt" > "$run/new.crt"
mv "$run/new.crt" "$run/both.crt"
ok 'a file that changes: kubelets are scraped' await 60 handshakes $((4 * n))
is 'a file that changes: full handshakes' "$(stat handshakesFull)" $n

is "no alert but the core's own" \
    "$(grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
       | grep -cvE 'exited on signal 9|was locked by' || true)" 0

finished
