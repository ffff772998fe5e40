# From the start of the process until /readyz is 200: the median of three, in
# turns.

# seconds_to_ready ADDRESS SINCE
seconds_to_ready() {
    await 120 is_ready "$1"
    calc "$(date +%s.%N) - $2"
}

median_of() {
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

part_ready() {
    local i since ours=() theirs=() median=

    standin_up "$nodes"

    for i in 1 2 3; do
        since=$(date +%s.%N)
        here_up "$nodes"
        seconds_to_ready "$front" "$since" > "$run/ready"
        ours+=("$(cat "$run/ready")")
        here_down

        [ -n "$ms" ] || continue

        since=$(date +%s.%N)
        ms_up
        seconds_to_ready "$ms_address" "$since" > "$run/ready"
        theirs+=("$(cat "$run/ready")")
        ms_down
    done

    standin_down

    [ -z "$ms" ] || median=$(median_of "${theirs[@]}")
    row "start to ready, $nodes nodes" "$(median_of "${ours[@]}")" s \
        "$(half_of "$median")" "$median"
}
