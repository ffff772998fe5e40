#!/usr/bin/env bash
#
# A zone that is too small: one clear line, what fits is served.

set -eu

net=127.74
port=10284
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -nodes 200 -pods 60
start_nginx 2 10s 1m 1024

ok 'the log says that the zone is full' \
    await 20 logged 'zone "metrics" of 1048576 bytes is full'
ok 'nodes are served' await 40 has_items nodes 1
ok 'pods are served' await 40 has_items pods 1
ok 'but not all' test "$(items pods)" -lt 12000
is 'health answers' "$(ask /livez -o /dev/null -w '%{http_code}')" 200
ok 'the line is not repeated all the time' \
    test "$(count_logged 'is full')" -le 4
is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
