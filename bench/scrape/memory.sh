# Memory: the proportional set size of all processes, some rounds after the
# start; no list of all pods was asked for.

# memory_here NODES [LINE]: MB
memory_here() {
    count_anew
    here_up "$@"
    await 240 rounds_of "$1" 4
    await 60 serves "$front" "$1"
    calc "$(pss) / 1024" %.1f
}

# memory_rows NODES KEPT RESUMED: their limits
memory_rows() {
    local n=$1 kept other=- theirs='' each=-

    zone=128
    [ "$n" -le 3000 ] || zone=256

    standin_up "$n"

    memory_here "$n" > "$run/memory"
    kept=$(cat "$run/memory")
    here_down

    if [ -n "$resumed" ]; then
        memory_here "$n" "$resumed" > "$run/memory"
        other=$(cat "$run/memory")
        each=$(calc "($kept - $other) * 1024 / $n" %.1f)
        here_down
    fi

    if [ -n "$ms" ]; then
        count_anew
        ms_up
        await 300 rounds_of "$n" 4
        await 60 serves "$ms_address" "$n"
        theirs=$(calc "$(ms_pss) / 1024" %.1f)
        ms_down
    fi

    standin_down

    row "memory, $n x 30, kept" "$kept" MB "$2" "$theirs"
    row "memory, $n x 30, resumed" "$other" MB "$3"
    row '  what a kept connection costs' "$each" kB ''
}

part_memory() {
    memory_rows "$nodes" 50 35
    memory_rows "$large" 250 150
}
