#!/usr/bin/env bash
#
# The demo shows this machine within 40 s, with kubectl and without, in plain
# lines where stdout is no terminal, and ends at SIGINT and SIGTERM with
# nothing left running and nothing left behind.

set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/tmp" "$dir/bin"
export TMPDIR=$dir/tmp

tests=0
bad=0

ok() {
    local name=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $name"
    else
        bad=$((bad + 1))
        echo "not ok $tests - $name"
        sed 's/^/# /' "$dir/out"
    fi
}

shows() {
    grep -qE "$1" "$dir/out"
}

# processes of a demo that was started here: its folder is in their arguments
left() {
    grep -l -a -s -F "$TMPDIR/" /proc/[0-9]*/cmdline || true
}

clean() {
    local i
    for ((i = 0; i < 50; i++)); do
        [ -n "$(left)$(ls -A "$TMPDIR")" ] || return 0
        sleep 0.1
    done
    return 1
}

# without kubectl: a path with nothing but what the demo needs

for name in bash cat dirname grep id mktemp nginx rm sleep tail; do
    ln -s "$(PATH=$PATH:/usr/sbin command -v $name)" "$dir/bin/$name"
done

start=$SECONDS
timeout 60 env PATH="$dir/bin" "$root/util/demo" 1 > "$dir/out" 2>&1
ok 'ends by itself after a table' test $? = 0
ok 'within 40 s' test $((SECONDS - start)) -le 40
ok 'the nodes, as kubectl top prints them' \
    shows '^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\)'
ok 'with figures of this machine' shows '^[^ ]+ +[0-9]+m +[0-9]+% +[0-9]+Mi +[0-9]+%'
ok 'the pods' shows '^NAMESPACE +NAME +CPU\(cores\) +MEMORY\(bytes\)'
ok 'processes of this machine' shows '^processes +[^ ]+-[0-9]+ +[0-9]+m +[0-9]+Mi'
ok 'in plain lines' test -z "$(tr -d '\n -~' < "$dir/out")"
ok 'nothing is left' clean

if command -v kubectl > /dev/null; then
    timeout 60 "$root/util/demo" 1 > "$dir/out" 2>&1
    ok 'with kubectl: ends by itself' test $? = 0
    ok 'its table of nodes' shows '^[^ ]+ +[0-9]+m +[0-9]+% +[0-9]+Mi +[0-9]+% *$'
    ok 'and of pods' shows '^processes +[^ ]+-[0-9]+ +[0-9]+m +[0-9]+Mi'
    ok 'in plain lines, too' test -z "$(tr -d '\n -~' < "$dir/out")"
    ok 'nothing is left then' clean
fi

for signal in INT TERM; do
    : > "$dir/out"
    # what runs in a shell's background has SIGINT ignored
    setsid env --default-signal=INT "$root/util/demo" \
        > "$dir/out" 2>&1 &
    pid=$!
    for ((i = 0; i < 400; i++)); do
        ! shows '^processes' || break
        sleep 0.1
    done
    ok 'goes on' kill -0 $pid
    kill -$signal $pid
    wait $pid
    ok "SIG$signal ends it" test $? = 0
    ok "nothing is left after SIG$signal" clean
done

echo "1..$tests"
exit $bad
