# A stand-in cluster, nginx with the module, and the CPU time and memory of
# nginx's processes: shared by tests and benchmarks, sourced by bash.  $net (as
# in 127.22) and $port, the kubelets', are the caller's own.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
module=${MODULE:-$root/build/ngx_http_k8s_metrics_module.so}
standin=$(dirname "$module")/standin
nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
run=$(mktemp -d)
chmod 755 "$run"    # workers read the token

net=${net:-127.22}
port=${port:-10260}
api=$net.0.1:6443
control=$net.0.1:6480
front=$net.0.2:8443

# more of http and of the server, for start_nginx
http=
server=

finish() {
    [ -z "${nginx_pid:-}" ] || kill "$nginx_pid" 2> /dev/null || true
    [ -z "${standin_pid:-}" ] || kill "$standin_pid" 2> /dev/null || true
    wait 2> /dev/null || true
    rm -rf "$run"
}
trap finish EXIT
trap 'exit 130' INT TERM

await() {
    local limit=$1 i
    shift
    for ((i = 0; i < limit * 10; i++)); do
        ! "$@" > /dev/null 2>&1 || return 0
        sleep 0.1
    done
    echo "waited $limit s in vain for: $*" >&2
    tail -n 5 "$run/error.log" "$run/standin.log" >&2 || true
    return 1
}

start_standin() {
    ulimit -n "$(ulimit -Hn)"
    "$standin" -dir "$run/d" -api $api -control $control -life 30m \
        -kubelet-first $net.1.1 -kubelet-port "$port" "$@" \
        2> "$run/standin.log" &
    standin_pid=$!
    await 30 test -f "$run/d/ready"
}

# start_nginx WORKERS RESOLUTION ZONE CONNECTIONS
start_nginx() {
    cat > "$run/nginx.conf" << EOF
load_module $module;
daemon off;
worker_processes $1;
worker_rlimit_nofile 20000;
pid $run/nginx.pid;
error_log $run/error.log notice;
events { worker_connections $4; }
http {
    access_log off;
    client_body_temp_path $run/t1; proxy_temp_path $run/t2;
    fastcgi_temp_path $run/t3; uwsgi_temp_path $run/t4; scgi_temp_path $run/t5;
    keepalive_requests 100000;
    k8s_metrics_zone metrics:$3;
    k8s_metrics_apiserver kubeconfig=$run/d/kubeconfig;
    k8s_metrics_kubelet_certificate_authority $run/d/kubelet-ca.crt;
    k8s_metrics_kubelet_port $port;
    k8s_metrics_resolution $2;
    $http
    server {
        listen $front ssl http2;
        large_client_header_buffers 4 1100k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $run/d/serving.crt;
        ssl_certificate_key $run/d/serving.key;
        $server
        location / { k8s_metrics_auth on; k8s_metrics; }
    }
}
EOF
    : > "$run/error.log"
    "$nginx" -p "$run" -c "$run/nginx.conf" 2>> "$run/error.log" &
    nginx_pid=$!
    await 10 test -s "$run/nginx.pid"
}

pids() {
    echo "$nginx_pid $(cat "/proc/$nginx_pid/task/$nginx_pid/children")"
}

# pids of the workers, a line each
worker() {
    tr -s ' ' '\n' < "/proc/$nginx_pid/task/$nginx_pid/children" | grep .
}

# time on a processor of a process, ns
cpu() {
    awk '{ print $1 }' "/proc/$1/schedstat"
}

# proportional set size of all of nginx, kB
pss() {
    local p sum=0
    for p in $(pids); do
        sum=$((sum + $(awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup")))
    done
    echo $sum
}

# ask PATH [curl's options]: through the front proxy's certificate
ask() {
    local path=$1
    shift
    curl -sS -k --http1.1 -A bench --max-time 30 \
        --cert "$run/d/front-client.crt" --key "$run/d/front-client.key" \
        -H 'X-Remote-User: bench' -H 'X-Remote-Group: system:masters' \
        "$@" "https://$front$path"
}

items() {
    ask "/apis/metrics.k8s.io/v1beta1/$1" | grep -o '"creationTimestamp"' | wc -l
}

has_items() {
    [ "$(items "$1")" -ge "$2" ]
}

# control PATH JSON [curl's options]: tell the stand-in
control() {
    local path=$1 json=$2
    shift 2
    curl -sS -f -X POST "http://$control$path" -d "$json" "$@"
}

# fault NODE NAME: the node's kubelet misbehaves; an empty name ends it
fault() {
    control /node "{\"name\": \"$1\", \"fault\": \"$2\"}"
}

# a number of the stand-in's statistics
stat() {
    curl -sS "http://$control/stats" \
        | grep -o "\"$1\":[0-9]*" | head -n 1 | cut -d : -f 2
}

# --- TAP ---

tests=0
failed=0

# ok NAME COMMAND...: passes when the command does
ok() {
    local name=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $name"
    else
        failed=$((failed + 1))
        echo "not ok $tests - $name"
        echo "# $*"
    fi
}

# is NAME GOT EXPECTED
is() {
    ok "$1" test "$2" = "$3"
    [ "$2" = "$3" ] || printf '# got:      %s\n# expected: %s\n' "$2" "$3"
}

# like NAME GOT PATTERN: an extended regular expression
like() {
    ok "$1" grep -qE -e "$3" <<< "$2"
    grep -qE -e "$3" <<< "$2" || printf '# got: %s\n# not: %s\n' "$2" "$3"
}

logged() {
    grep -qE -e "$1" "$run/error.log"
}

count_logged() {
    grep -cE -e "$1" "$run/error.log" || true
}

finished() {
    echo "1..$tests"
    if [ "$failed" -gt 0 ]; then
        tail -n 30 "$run/error.log" | sed 's/^/# /'
        exit 1
    fi
    exit 0
}

machine() {
    echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo \
        | head -n 1), nginx $("$nginx" -v 2>&1 | sed 's,.*/,,')," \
        "$(date -u +%Y-%m-%d)"
}
