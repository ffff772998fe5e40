# One kubelet in a hundred hangs: the mean age of all others before and after,
# in one run of each server.

# shellcheck source=bench/scrape/age.sh
. "$here/age.sh"

# hang_all FAULT
hang_all() {
    local i list=
    for ((i = 50; i < large; i += 100)); do
        list="$list${list:+,}{\"name\": \"node-$(printf %05d "$i")\",
            \"fault\": \"$1\"}"
    done
    control /node "[$list]"
}

# hang_of NAME ADDRESS: leaves "before after"
hang_of() {
    local without=100 before
    await 300 serves "$2" "$large"
    sleep $((3 * resolution))
    ages "$((large - large / 100))" "$1=$2"
    before=$(age_of "$1")
    hang_all hang
    sleep $((2 * resolution))
    ages "$((large - large / 100))" "$1=$2"
    hang_all ''
    echo "$before $(age_of "$1")" > "$run/$1.hang"
}

part_hang() {
    local ours theirs=

    zone=256
    standin_up "$large"
    here_up "$large"
    hang_of here "$front"
    here_down

    if [ -n "$ms" ]; then
        ms_up
        hang_of ms "$ms_address"
        ms_down
        theirs=$(cat "$run/ms.hang")
    fi

    standin_down
    ours=$(cat "$run/here.hang")

    row "mean age of the others, $large nodes" "${ours% *}" s '' "${theirs% *}"
    row '  one in a hundred hangs' "${ours#* }" s '' "${theirs#* }"
    row '  by how much more' "$(calc "${ours#* } - ${ours% *}")" s 0.25 \
        "${theirs:+$(calc "${theirs#* } - ${theirs% *}")}"
}
