# A table of figures, beside their limits and those of metrics-server; sourced
# by bash, after bench/limits.sh, whose verdict it shares.

heading() {
    printf '%-40s %-32s %s\n' '' here 'metrics-server v0.9.0'
}

# row NAME VALUE UNIT LIMIT [THEIRS]: a value of "-" was not to be had
row() {
    local said=
    if [ -n "$4" ] && [ "$2" != - ]; then
        if awk -v v="$2" -v l="$4" 'BEGIN { exit !(v <= l) }'; then
            said=" (limit $4)"
        else
            said=" (limit $4: EXCEEDED)"
            # shellcheck disable=SC2034
            over=1
        fi
    fi
    printf '%-40s %-32s %s\n' "$1" "$2${3:+ $3}$said" "${5:+$5${3:+ $3}}"
}

# calc EXPRESSION [FORMAT]: of awk
calc() {
    awk "BEGIN { printf \"${2:-%.2f}\", $1 }"
}

# half_of THEIRS: half of it, or 11 s where that is more
half_of() {
    calc "(${1:-0} / 2 > 11) ? ${1:-0} / 2 : 11"
}
