#!/usr/bin/env bash
#
# Who may ask, with a real kube-apiserver in front: one without an aggregation
# layer, headers of other names, the rotation of the front proxy's CA while
# requests flow, tokens.  $BIN is where the programs are (t/e2e/build).

set -eu

here=$(cd "$(dirname "$0")" && pwd)
net=127.31
# shellcheck source=t/e2e/lib.sh
. "$here/lib.sh"

nginx_port=18453
nodes=/apis/metrics.k8s.io/v1beta1/nodes
direct=https://localhost:$nginx_port

control_plane_keys
authority front-ca-2
certificate front-proxy-2 front-ca-2 /CN=front-proxy-client clientAuth
certificate other front-ca /CN=other-proxy clientAuth
certificate wrong ca /CN=front-proxy-client clientAuth
faked=(-H 'X-Remote-User: root' -H 'X-Remote-Group: system:masters')
chmod 644 ./*.key

# replaced as Secrets are: nobody reads a half
put() {
    cp "$1" "$2.new"
    mv "$2.new" "$2"
}

put front-ca.crt requestheader.crt
put front-proxy.crt proxy.crt
put front-proxy.key proxy.key

# code NAME [curl's options]: the status of a request straight at nginx
code() {
    local name=$1
    shift
    curl -sS -o /dev/null -w '%{http_code}' --cacert ca.crt \
        --cert "$name.crt" --key "$name.key" "$@" "$direct$nodes"
}

# who NAME [curl's options]: user, uid, groups and extra as nginx has them
who() {
    local name=$1
    shift
    get "$direct$nodes" -o /dev/null -D - --http1.1 --cert "$name.crt" \
        --key "$name.key" "$@" | sed -n 's/\r$//; s/^x-who: //ip'
}

# whom [curl's options]: the same of an impersonating request to kube-apiserver
whom() {
    get "$server$nodes" -o /dev/null -D - --http1.1 --cert admin.crt \
        --key admin.key "$@" | sed -n 's/\r$//; s/^x-who: //ip'
}

start_etcd

: > error.log
: > standin.log

# --- without an aggregation layer ----------------------------------------------

start_apiserver
ok 'kube-apiserver is ready' await 90 k get --raw /readyz || {
    tail -n 20 apiserver.log etcd.log | sed 's/^/# /'; finished; }

register $nginx_port

cat > nginx.conf << EOF
load_module $module;
daemon off;
worker_processes 2;
pid $run/nginx.pid;
error_log $run/error.log info;
env KUBERNETES_SERVICE_HOST;
env KUBERNETES_SERVICE_PORT;
events {}
http {
    include $root/deploy/nginx/k8s_audit.conf;
    log_format e2e '\$ssl_client_i_dn|\$status|\$k8s_metrics_user';
    access_log $run/access.log e2e;
    access_log $run/audit.log k8s_audit;
    client_body_temp_path $run/t1; proxy_temp_path $run/t2;
    fastcgi_temp_path $run/t3; uwsgi_temp_path $run/t4; scgi_temp_path $run/t5;
    keepalive_requests 100000;
    k8s_metrics_zone metrics:16m;
    k8s_metrics_apiserver in_cluster=$run/sa;
    server {
        listen 127.0.0.1:$nginx_port ssl http2;
        large_client_header_buffers 4 1100k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $run/serving.crt;
        ssl_certificate_key $run/serving.key;
        location / {
            add_header X-Who "\$k8s_metrics_user|\$k8s_metrics_uid|\$k8s_metrics_groups|\$k8s_metrics_extra_scopes_example_com_a" always;
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }
}
EOF
"$nginx" -p "$run" -c "$run/nginx.conf" 2>> error.log &
nginx_pid=$!

ok 'the log says which flag is missing' \
    await 30 logged '"requestheader-client-ca-file" \(kube-apiserver.s --requestheader-client-ca-file\)'
ok 'an administrator is believed straight at nginx' \
    await 20 eval '[ "$(code admin)" = 200 ]'
is 'a front proxy is not' "$(code front-proxy "${faked[@]}")" 401
is 'twice' "$(code front-proxy "${faked[@]}")" 401
is 'it was said once' \
    "$(count_logged 'no usable "requestheader-client-ca-file"')" 1

# --- with one, and headers of other names --------------------------------------

kill "$apiserver_pid"
wait "$apiserver_pid" 2> /dev/null || true

start_apiserver \
    --requestheader-client-ca-file=requestheader.crt \
    --requestheader-allowed-names=somebody,front-proxy-client \
    --requestheader-username-headers=X-Custom-User,X-Remote-User \
    --requestheader-uid-headers=X-Custom-Uid,X-Remote-Uid \
    --requestheader-group-headers=X-Custom-Group,X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Custom-Extra-,X-Remote-Extra- \
    --proxy-client-cert-file=proxy.crt --proxy-client-key-file=proxy.key

ok 'kube-apiserver has an aggregation layer' await 90 k get --raw /readyz
ok 'the front proxy is believed without a reload' \
    await 60 eval '[ "$(code front-proxy "${faked[@]}")" = 200 ]'
ok 'the APIService turns Available' await 60 available

is 'a custom name comes first' "$(who front-proxy -H 'X-Remote-User: b' \
    -H 'X-Custom-User: a' -H 'X-Remote-Uid: 2' -H 'X-Custom-Uid: 1' \
    -H 'X-Remote-Group: h' -H 'X-Custom-Group: g' \
    -H 'X-Custom-Extra-Scopes.Example.com%2Fa: v')" \
    'a|1|g,h,system:authenticated|v'
is 'another name of the same CA is not allowed' \
    "$(code other "${faked[@]}")" 401
is 'the name of another CA is not, either' "$(code wrong "${faked[@]}")" 403
is 'who is a client of its own there' \
    "$(who wrong "${faked[@]}")" 'front-proxy-client||system:authenticated|'
is 'X_Remote_User is no header' "$(who front-proxy -H 'X_Remote_User: root' \
    -H 'X_Remote_Group: system:masters' -H 'X-Remote-User: alice')" \
    'alice||system:authenticated|'
is 'nobody impersonates straight at nginx' \
    "$(code admin -H 'Impersonate-User: alice')" 403

like 'an anonymous one stays so' "$(get "$server$nodes" "${faked[@]}" -D -)" \
    'User \\"system:anonymous\\" cannot list'

# --- large identities beside others, and the CA's rotation ----------------------

cat > role.yaml << EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: readers}
subjects: [{kind: User, name: alice, apiGroup: rbac.authorization.k8s.io},
           {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io},
           {kind: User, name: kept, apiGroup: rbac.authorization.k8s.io},
           {kind: Group, name: g0150, apiGroup: rbac.authorization.k8s.io},
           {kind: ServiceAccount, name: robot, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: readers}
rules:
- {apiGroups: [metrics.k8s.io], resources: [nodes, pods], verbs: [get, list]}
EOF
k apply -f role.yaml > /dev/null
ok 'a right that is given is in force' \
    await 30 eval '[ "$(code alice)" = 200 ]'

is 'through kube-apiserver an identity is whole' "$(whom \
    -H 'Impersonate-User: bob' -H 'Impersonate-Uid: 17' \
    -H 'Impersonate-Group: dev' -H 'Impersonate-Group: ops' \
    -H 'Impersonate-Extra-Scopes.example.com%2Fa: one' \
    -H 'Impersonate-Extra-Scopes.example.com%2Fa: two')" \
    'bob|17|dev,ops,system:authenticated|one,two'

workers=$(worker | sort)

perl "$here/kept.pl" "$net.0.1:6443" alice "$nodes" through.1 &
flows=($!)
perl "$here/kept.pl" "$net.0.1:6443" alice "$nodes" through.2 &
flows+=($!)
perl "$here/kept.pl" "127.0.0.1:$nginx_port" front-proxy "$nodes" kept.old \
    'X-Remote-User: kept' &
flows+=($!)
started+=("${flows[@]}")

answered() {
    [ "$(grep -c " $2 " "$1")" -ge "$3" ]
}
ok 'requests flow' await 20 answered through.1 200 10
ok 'and straight on a kept connection' await 20 answered kept.old 200 10

# the last of them has the right; 64 kB in all
groups=()
for i in $(seq 0 199); do
    groups+=(-H "Impersonate-Group: $(printf 'g%04d' "$i")")
done
for i in $(seq 1 64); do
    groups+=(-H "Impersonate-Group: $(printf '%01000d' "$i")")
done
large() {
    get "$server$nodes" -o /dev/null -w '%{http_code}' --http1.1 \
        --cert admin.crt --key admin.key -H 'Impersonate-User: many' "$@"
}
is 'without these groups' "$(large)" 403
is 'a user with 264 groups of 65 kB in all' "$(large "${groups[@]}")" 200

# configmap CA...: until the ConfigMap has these
configmap() {
    [ "$(k get configmap extension-apiserver-authentication -n kube-system -o \
         'jsonpath={.data.requestheader-client-ca-file}' | grep -v '^$')" \
      = "$(cat "$@")" ]
}

is 'a certificate of the new CA is not believed yet' \
    "$(code front-proxy-2 "${faked[@]}")" 401

cat front-ca.crt front-ca-2.crt > both.crt
put both.crt requestheader.crt
ok 'the ConfigMap has both CAs' await 120 configmap front-ca.crt front-ca-2.crt
ok 'within 5 s the new one is believed' \
    await 5 eval '[ "$(code front-proxy-2 "${faked[@]}")" = 200 ]'
is 'and the old one still is' "$(code front-proxy "${faked[@]}")" 200

put front-proxy-2.key proxy.key
put front-proxy-2.crt proxy.crt
by_new() {
    tail -n 50 access.log | grep -q '^CN=front-ca-2|200|alice$'
}
ok 'kube-apiserver comes with the new certificate' await 150 by_new

# kube-apiserver adds to the ConfigMap and takes nothing out before it expires:
# an administrator has to, when no kube-apiserver has the old CA any more
put front-ca-2.crt requestheader.crt
shrunk() {
    k patch configmap extension-apiserver-authentication -n kube-system \
        --type merge -p "{\"data\": {\"requestheader-client-ca-file\":
            \"$(awk '{ printf "%s\\n", $0 }' front-ca-2.crt)\"}}" > /dev/null
    configmap front-ca-2.crt
}
ok 'the ConfigMap has the new CA alone' await 60 shrunk
since=$(date +%s.%N)
ok 'within 5 s the old one is refused' \
    await 5 eval '[ "$(code front-proxy "${faked[@]}")" = 401 ]'
ok 'on a connection that was kept, too' await 5 answered kept.old 401 3

touch through.1.stop through.2.stop kept.old.stop
wait "${flows[@]}" || true

echo "# $(cat through.? | wc -l) requests through kube-apiserver," \
    "$(wc -l < kept.old) on the connection that was kept;" \
    "refused $(awk -v s="$since" '$2 == 401 { printf "%.1f", $1 - s; exit }' \
               kept.old) s after the ConfigMap was seen"
is 'no request through kube-apiserver failed' \
    "$(cat through.? | grep -cv ' 200 ' || true)" 0
is 'the kept connection was one' "$(awk '{ n = $3 } END { print n }' kept.old)" 1
is 'it was answered by 200 until it was refused' \
    "$(awk '$2 != p { printf "%s ", $2 } { p = $2 }' kept.old)" '200 401 '
is 'no worker was started for it' "$(worker | sort)" "$workers"
ok 'the APIService is still Available' available

# --- tokens ---------------------------------------------------------------------

# bearer TOKEN: the status straight at nginx
bearer() {
    curl -sS -o /dev/null -w '%{http_code}' --cacert ca.crt \
        -H "Authorization: Bearer $1" "$direct$nodes"
}

k create serviceaccount robot > /dev/null
k create serviceaccount other > /dev/null
robot=$(k create token robot)

ok "a service account's token" await 20 eval '[ "$(bearer "$robot")" = 200 ]'
is 'one without a right' "$(bearer "$(k create token other)")" 403
ok 'whose name is in the audit line' await 5 grep -q \
    '"authMethod":"token","user":"system:serviceaccount:default:other"' \
    audit.log
is 'one for another audience' \
    "$(bearer "$(k create token robot --audience=https://else.test)")" 401
is 'one that was changed' "$(bearer "${robot}x")" 401
k delete serviceaccount robot > /dev/null
ok 'one of an account that is gone, 10 s later' \
    await 25 eval '[ "$(bearer "$robot")" = 401 ]'
is 'no token is in the log' "$(cat error.log audit.log | grep -cF "$robot" \
    || true)" 0

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
is 'no alert in its log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

[ "$failed" = 0 ] || tail -n 8 apiserver.log | sed 's/^/# /'
finished
