# The mean age of a served sample: the time of an answer less the item's
# "timestamp", over all nodes of lists that are asked for twice a second.
# Timestamps are in whole seconds, half a second of the age is that.  Both
# servers run at once and are asked at the same times.

# age_of NAME: of what "standin ages" printed
age_of() {
    awk -F '\t' -v name="$1" '$1 == name { printf "%.2f", $2 }' "$run/ages"
}

# ages NODES NAME=ADDRESS...: four resolutions
ages() {
    local n=$1 list=() x
    shift
    for x in "$@"; do
        await 120 serves "${x#*=}" "$n"
        list+=("${x%%=*}=https://${x#*=}")
    done
    "$standin" ages -cert "$run/d/front-client" -for $((4 * resolution))s \
        ${without:+-without "$without"} "${list[@]}" > "$run/ages"
}

# age_row NAME LIMIT [LINE [ms]]: with metrics-server or without it
age_row() {
    local name=$1 limit=$2 line=${3:-} with=${4:-} list=("here=$front")

    here_up "$nodes" "$line"

    if [ -n "$with" ] && [ -n "$ms" ]; then
        ms_up
        list+=("ms=$ms_address")
    fi

    # what is learned of a kubelet takes some rounds
    await 120 serves "$front" "$nodes"
    sleep $((5 * resolution))
    ages "$nodes" "${list[@]}"
    here_down

    [ "${#list[@]}" = 1 ] || ms_down
    row "$name" "$(age_of here)" s "$limit" "$(age_of ms)"
}

part_age() {
    local stamp

    for stamp in scrape cadence; do
        standin_up "$nodes" -stamp $stamp

        if [ -n "$cadence" ]; then
            age_row "mean age, stamped by $stamp, learning" 8.5 \
                "$cadence on" ms
            age_row '  not learning' '' "$cadence off"
        else
            age_row "mean age, stamped by $stamp" 8.5 '' ms
        fi

        standin_down
    done
}
