# CPU for a scrape: that of the whole worker, over some rounds in which it does
# nothing else, by the scrapes that the kubelets counted.  What parsing and
# storing are of it, parts.c measures; the rest is TLS, HTTP and the timers.

# scrape_cpu NODES COMMAND...: ms for a scrape; the command prints a CPU time
scrape_cpu() {
    local n=$1 cpu0 cpu1 n0 n1
    shift
    # the third scrape of a node comes in its phase; from then on a round is
    # a round
    await 180 rounds_of "$n" 3
    cpu0=$("$@")
    n0=$(stat scrapes)
    sleep $((rounds * resolution))
    cpu1=$("$@")
    n1=$(stat scrapes)
    calc "($cpu1 - $cpu0) / ($n1 - $n0) / 1e6" %.4f
}

worker_cpu() {
    cpu "$(worker)"
}

# cpu_row NAME LIMIT [FLAGS]
cpu_row() {
    local name=$1 limit=$2 whole theirs='' split
    shift 2

    standin_up "$nodes" "$@"
    curl -sS -f -k -H "Authorization: Bearer $(cat "$run/d/token")" \
        "https://$net.1.1:$port/metrics/resource" > "$run/body"

    here_up "$nodes"
    whole=$(scrape_cpu "$nodes" worker_cpu)
    here_down

    if [ -n "$ms" ]; then
        count_anew
        ms_up
        theirs=$(scrape_cpu "$nodes" ms_cpu)
        ms_down
    fi

    standin_down

    split=$("$(dirname "$module")/bench-parts" "$run/body" "$nodes")
    row "$name, $(wc -c < "$run/body") bytes" "$whole" ms "$limit" "$theirs"
    row '  of it parsing' "${split% *}" ms ''
    row '  storing' "${split#* }" ms ''
    row '  TLS, HTTP and all else' \
        "$(calc "$whole - ${split% *} - ${split#* }" %.4f)" ms ''
}

part_cpu() {
    cpu_row 'CPU for a scrape' 0.12
    cpu_row '  a current kubelet' 0.12 -full
}
