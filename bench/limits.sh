# Figures beside their limits, for benchmarks; sourced by bash.

over=0

# figure NAME VALUE [UNIT [LIMIT]]: a line, and whether it is within the limit
figure() {
    printf '%-26s %s' "$1" "$2${3:+ $3}"
    if [ -z "${4:-}" ]; then
        echo
    elif awk -v v="$2" -v l="$4" 'BEGIN { exit !(v <= l) }'; then
        echo " (limit $4)"
    else
        echo " (limit $4: EXCEEDED)"
        over=1
    fi
}

# verdict: the end of a benchmark
verdict() {
    exit $over
}
