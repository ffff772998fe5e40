# From a pod's start, as its container's start time says it, until its metrics
# are served: 20 pods on a node each, the same ones for both servers, which run
# at once.

# fresh_of NAME COLUMN: 2 median, 4 largest
fresh_of() {
    awk -F '\t' -v n="$1" -v c="$2" '$1 == n { print $c }' "$run/fresh"
}

part_fresh() {
    local stamp list n=200

    [ "$n" -le "$nodes" ] || n=$nodes

    for stamp in scrape cadence; do
        standin_up $n -stamp $stamp
        here_up $n
        list=("here=https://$front")

        if [ -n "$ms" ]; then
            ms_up
            list+=("ms=https://$ms_address")
            await 120 serves "$ms_address" $n
        fi

        await 120 serves "$front" $n
        sleep $((3 * resolution))

        "$standin" fresh -control "$control" -nodes $n \
            -cert "$run/d/front-client" "${list[@]}" > "$run/fresh"

        here_down
        [ -z "$ms" ] || ms_down
        standin_down

        row "pod's start to metrics, $stamp, median" "$(fresh_of here 2)" s \
            "$(half_of "$(fresh_of ms 2)")" "$(fresh_of ms 2)"
        row '  largest of 20' "$(fresh_of here 4)" s '' "$(fresh_of ms 4)"
    done
}
