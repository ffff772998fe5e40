# The two servers that are compared, on one stand-in cluster: nginx with the
# module ("here") and metrics-server ("ms").  Sourced by bash, after
# t/lib/cluster.sh; either may be up alone or beside the other.

ms_address=$net.0.4:8443
resolution=15
zone=128
alerts=0

# what metrics-server is built to; empty where it is not wanted
ms=${ms-}

servers_finish() {
    [ -z "${ms_pid:-}" ] || kill "$ms_pid" 2> /dev/null || true
    finish
}
trap servers_finish EXIT

# has_directive LINE: this build knows that directive
has_directive() {
    cat > "$run/probe.conf" << EOF
load_module $module;
pid $run/probe.pid;
error_log $run/probe.log;
events { }
http { $1; }
EOF
    ! "$nginx" -p "$run" -c "$run/probe.conf" -t 2>&1 \
        | grep -q 'unknown directive'
}

# standin_up NODES [FLAGS]: nodes of 30 pods
standin_up() {
    local n=$1
    shift
    start_standin -nodes "$n" -pods 30 -life 3h "$@"
}

standin_down() {
    kill "$standin_pid" 2> /dev/null || true
    wait "$standin_pid" 2> /dev/null || true
    standin_pid=
    rm -f "$run/d/ready"
}

# here_up NODES [LINE]: one worker, and a line more of its configuration
here_up() {
    http=${2:+$2;}
    start_nginx 1 ${resolution}s ${zone}m $((2 * $1 + 1024))
}

here_down() {
    alerts=$((alerts + $(count_logged '\[(alert|crit|emerg)\]')))
    kill "$nginx_pid" 2> /dev/null || true
    wait "$nginx_pid" 2> /dev/null || true
    nginx_pid=
    rm -f "$run/nginx.pid"
}

# with the flags that a cluster has it with: its own time-out of 10 s
ms_up() {
    mkdir -p "$run/ms"
    "$ms" --kubeconfig="$run/d/kubeconfig" \
        --authentication-kubeconfig="$run/d/kubeconfig" \
        --authorization-kubeconfig="$run/d/kubeconfig" \
        --bind-address="${ms_address%:*}" --secure-port="${ms_address#*:}" \
        --cert-dir="$run/ms" --metric-resolution=${resolution}s \
        --kubelet-preferred-address-types=InternalIP --kubelet-port="$port" \
        --kubelet-certificate-authority="$run/d/kubelet-ca.crt" \
        > "$run/ms.log" 2>&1 &
    ms_pid=$!
}

ms_down() {
    kill "$ms_pid" 2> /dev/null || true
    wait "$ms_pid" 2> /dev/null || true
    ms_pid=
}

# of metrics-server: CPU of its threads, ns; proportional set size, kB
ms_cpu() {
    cat "/proc/$ms_pid"/task/*/schedstat | awk '{ n += $1 }
        END { printf "%.0f", n }'
}

ms_pss() {
    awk '/^Pss:/ { print $2 }' "/proc/$ms_pid/smaps_rollup"
}

# get ADDRESS PATH
get() {
    curl -sS -k -f --http1.1 -A bench --max-time 30 \
        --cert "$run/d/front-client.crt" --key "$run/d/front-client.key" \
        -H 'X-Remote-User: bench' -H 'X-Remote-Group: system:masters' \
        "https://$1$2"
}

# serves ADDRESS NODES: all nodes
serves() {
    [ "$(get "$1" /apis/metrics.k8s.io/v1beta1/nodes \
        | grep -o '"creationTimestamp"' | wc -l)" -ge "$2" ]
}

is_ready() {
    get "$1" /readyz
}

# count_anew: scrapes before this are forgotten
count_anew() {
    control /stats '' > "$run/before"
}

# rounds_of NODES N: each was scraped so often since the counting began
rounds_of() {
    curl -sS "http://$control/stats" | tr -d ' \n' \
        | sed 's/.*"perNode":{\([^}]*\)}.*/\1/' | tr , '\n' \
        | awk -F : '{ if (NR == 1 || $2 < n) n = $2 }
                    END { exit !(NR >= nodes && n >= want) }' \
              nodes="$1" want="$2"
}
