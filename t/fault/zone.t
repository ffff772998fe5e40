#!/usr/bin/env bash
#
# What becomes of the zone: a reload keeps it, another size or another binary
# begins with an empty one and is not ready before it has two points; the log
# says how large it ought to be; pods that come and go leave nothing in it.

set -eu

net=127.91
port=10313
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

n=80
pods=$((30 * n))

start_standin -nodes $n -pods 30
start_nginx 2 10s 1m 512

ready() {
    [ "$(ask /readyz -o /dev/null -w '%{http_code}')" = 200 ]
}

begins() {
    count_logged 'zone "metrics" of [0-9]+ bytes begins empty'
}

# empty_again NAME: it is collected anew, and not ready meanwhile
empty_again() {
    ok "$1: the log says that it begins empty" await 10 eval \
        '[ "$(begins)" -gt "$was" ]'
    ok "$1: not ready" await 10 eval '! ready'
    ok "$1: no node is served" test "$(items nodes)" = 0
    ok "$1: ready when two points are in" await 40 ready
    ok "$1: all is served" await 40 has_items pods $pods
}

resize() {
    sed -i "s/k8s_metrics_zone .*/k8s_metrics_zone metrics:$1;/" \
        "$run/nginx.conf"
    kill -HUP "$nginx_pid"
}

await 40 ready

line="zone \"metrics\": $n nodes and $pods pods need about [0-9]+ bytes"
ok 'the log says how much is needed, and which size to write' await 10 logged \
    "\[warn\].*$line, 1048576 are set: write \"k8s_metrics_zone metrics:[0-9]+m\""
write=$(grep -oE 'metrics:[0-9]+m"' "$run/error.log" | tr -dc 0-9)
ok "which is no wild guess ($write m)" test "$write" -ge 2 -a "$write" -le 3

was=$(begins)
resize "${write}m"
empty_again 'another size'
ok 'it is enough now' await 10 logged "\[notice\].*$line, ${write}[0-9]+ are set"
is 'nothing is full' "$(count_logged 'is full')" 0

was=$(begins)
kill -HUP "$nginx_pid"
ok 'a reload' await 10 eval '[ "$(count_logged "exited with code 0")" -ge 4 ]'
ok 'keeps the zone' test "$(begins)" = "$was"
is 'and all in it' "$(items pods)" $pods
ok 'ready' ready

# a binary upgrade: it needs a daemon

kill -QUIT "$nginx_pid"
wait "$nginx_pid" || true
sed -i 's/^daemon off/daemon on/' "$run/nginx.conf"
"$nginx" -p "$run" -c "$run/nginx.conf" 2>> "$run/error.log"
await 10 test -s "$run/nginx.pid"
old=$(cat "$run/nginx.pid")
nginx_pid=$old
await 40 ready

was=$(begins)
kill -USR2 "$old"
await 10 test -s "$run/nginx.pid.oldbin"
await 10 test -s "$run/nginx.pid"
nginx_pid=$(cat "$run/nginx.pid")
ok 'another master' test "$nginx_pid" != "$old"
await 10 eval '[ "$(begins)" -gt "$was" ]'
kill -QUIT "$old"
ok 'the old one ends' await 20 eval '! kill -0 "$old"'
was=$((was - 1))
empty_again 'another binary'

is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

kill -QUIT "$nginx_pid"
await 10 eval '! kill -0 "$nginx_pid"'
nginx_pid=
finished
