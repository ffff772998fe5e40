#!/usr/bin/env bash
#
# With several workers each node is scraped by exactly one, once a round: also
# after a reload and after a worker was killed.

set -eu

net=127.81
port=10295
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

n=40
start_standin -nodes $n -pods 2
start_nginx 4 10s 8m 512
await 40 has_items nodes $n

# lines of "node count", sorted
per_node() {
    curl -sS "http://$control/stats" | tr -d ' \n' \
        | sed 's/.*"perNode":{\([^}]*\)}.*/\1/' | tr , '\n' | tr -d '"' \
        | tr : ' ' | sort
}

# rounds NAME: over three rounds of all nodes together, none is left out and
# none is scraped by two
rounds() {
    local total
    per_node > "$run/before"
    total=$(stat scrapes)
    ok "$1: three rounds are made" \
        await 45 eval '[ "$(stat scrapes)" -ge $((total + 3 * n)) ]'
    per_node | join "$run/before" - | awk '{ print $3 - $2 }' | sort -n \
        > "$run/counts"
    is "$1: every node counts" "$(wc -l < "$run/counts")" $n
    ok "$1: none was left out ($(head -n 1 "$run/counts") at least)" \
        test "$(head -n 1 "$run/counts")" -ge 2
    ok "$1: none was scraped twice ($(tail -n 1 "$run/counts") at most)" \
        test "$(tail -n 1 "$run/counts")" -le 4
}

rounds 'four workers'

kill -HUP "$nginx_pid"
rounds 'after a reload'

kill -KILL "$(worker | head -n 1)"
rounds 'after a killed worker'

is 'every node is served' "$(items nodes)" $n
is "no alert but the core's own" \
    "$(grep -E '\[(alert|emerg|crit)\]' "$run/error.log" \
       | grep -cvE 'exited on signal 9|was locked by' || true)" 0

finished
