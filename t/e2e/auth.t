#!/usr/bin/env bash
#
# Who asks, with a real kube-apiserver: what its six requestheader flags say is
# in force in nginx, identities arrive whole, the front proxy's CA is rotated
# while requests flow, and a kube-apiserver without these flags.

set -eu

net=127.90
nginx_port=18543
# shellcheck source=t/e2e/plane.sh
. "$(dirname "$0")/plane.sh"

clients=()

certificate carol ca /CN=carol/O=dev clientAuth
certificate other-name front-ca /CN=other clientAuth
certificate server-use front-ca /CN=front-proxy-client serverAuth
certificate expired front-ca /CN=front-proxy-client clientAuth '' -1
authority stranger
certificate wrong-ca stranger /CN=front-proxy-client clientAuth
authority new-ca
certificate new-proxy new-ca /CN=front-proxy-client clientAuth

# what kube-apiserver reads again when it changes
cp front-ca.crt trusted.crt
cp front-proxy.crt proxy.crt
cp front-proxy.key proxy.key

cat > audit.yaml << EOF
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Request
  resources: [{group: authorization.k8s.io, resources: [subjectaccessreviews]}]
- level: None
EOF

start_etcd
start_apiserver $net.0.1 \
    --requestheader-client-ca-file=trusted.crt \
    --requestheader-allowed-names=front-proxy-client,another-client \
    --requestheader-username-headers=X-Custom-User,X-Remote-User \
    --requestheader-uid-headers=X-Custom-Uid,X-Remote-Uid \
    --requestheader-group-headers=X-Custom-Group,X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Custom-Extra-,X-Remote-Extra- \
    --proxy-client-cert-file=proxy.crt --proxy-client-key-file=proxy.key \
    --audit-policy-file=audit.yaml --audit-log-path=audit.log
ready 'kube-apiserver is ready'
register

k create namespace one > /dev/null
k apply -f - > /dev/null << EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: metrics, namespace: one}
rules:
- {apiGroups: ["", metrics.k8s.io], resources: [pods], verbs: [get, list]}
EOF
k create rolebinding metrics -n one --role=metrics --user=alice --group=dev \
    --group=last --group=system:unauthenticated > /dev/null

export KUBERNETES_SERVICE_HOST=$net.0.1 KUBERNETES_SERVICE_PORT=6443
http="map \$arg_who \$who {
        1 \"\$k8s_metrics_user|\$k8s_metrics_uid|\$k8s_metrics_groups\";
    }
    log_format proxied '\$status \$http_user_agent \$ssl_client_i_dn';
    access_log $run/proxied.log proxied;"
location='add_header X-Who $who always;'
configure 127.0.0.1:$nginx_port
run_nginx

ok 'the APIService turns Available' await 60 available

nginx_url=https://localhost:$nginx_port
path=/apis/metrics.k8s.io/v1beta1
one=$path/namespaces/one/pods
two=$path/namespaces/two/pods

# The answer's status, and who it was: as nginx saw it, or as is forbidden.
ask() {
    get "$@" -i | tr -d '\r' \
        | sed -nE 's/^HTTP[^ ]* ([0-9]+).*/\1/p; /^x-who: \|\|$/Id
                   s/^x-who: //Ip; s/.*(User .*) cannot .*/\1/p' \
        | tr -d '\\' | paste -s -d ' '
}

proxy=$(as front-proxy)
admin=$(as admin)
alice=$(as alice)

# --- the six flags, as published and as in force ----------------------------

published() {
    k get configmap extension-apiserver-authentication -n kube-system \
        -o "jsonpath={.data.requestheader-$1}"
}

is 'published: the allowed names' "$(published allowed-names)" \
    '["front-proxy-client","another-client"]'
is 'published: the users' "$(published username-headers)" \
    '["X-Custom-User","X-Remote-User"]'
is 'published: the uids' "$(published uid-headers)" \
    '["X-Custom-Uid","X-Remote-Uid"]'
is 'published: the groups' "$(published group-headers)" \
    '["X-Custom-Group","X-Remote-Group"]'
is 'published: the prefixes' "$(published extra-headers-prefix)" \
    '["X-Custom-Extra-","X-Remote-Extra-"]'

is 'alice through the aggregator' "$(ask "$server$one?who=1" $alice)" \
    '200 alice||system:authenticated'
is 'and only where her role is' "$(ask "$server$two" $alice)" \
    '403 User "alice"'
is "a certificate's group" "$(ask "$server$one?who=1" $(as carol))" \
    '200 carol||dev,system:authenticated'

like 'kubectl top' "$(k_as alice top pods -n one)" 'No resources found'
like 'kubectl get --raw, impersonating a group' \
    "$(k get --raw "$one" --as bob --as-group dev)" 'PodMetricsList'
like 'and one without rights' \
    "$(k get --raw "$one" --as bob --as-group ops 2>&1 || true)" \
    'pods.metrics.k8s.io is forbidden: User "bob" cannot list'

is 'user, uid and groups arrive' "$(ask "$server$one?who=1" $admin \
    -H 'Impersonate-User: jane' -H 'Impersonate-Uid: u-1' \
    -H 'Impersonate-Group: dev' -H 'Impersonate-Group: a b')" \
    '200 jane|u-1|dev,a b,system:authenticated'

# extra is seen in what nginx asks: kube-apiserver's audit log

asked() {
    grep "\"user\":\"$1\"" audit.log | tail -n 1 \
        | perl -MJSON::PP -e '
            my $s = decode_json(scalar <>)->{requestObject}{spec};
            my $e = $s->{extra} // {};
            print join "|", $s->{user}, $s->{uid} // "",
                scalar @{ $s->{groups} }, map { "$_=@{ $e->{$_} }" }
                sort keys %$e'
}

ask "$server$one" $admin -H 'Impersonate-User: extra' \
    -H 'Impersonate-Uid: u-2' -H 'Impersonate-Group: dev' \
    -H 'Impersonate-Extra-Scopes.example.com%2fRead: view' \
    -H 'Impersonate-Extra-Scopes.example.com%2fRead: edit' \
    -H 'Impersonate-Extra-a_b%25.c: %20 as it is' > ask
is 'extra keys with dots and escapes: allowed' "$(cat ask)" 200
is 'and asked about, decoded' "$(asked extra)" \
    'extra|u-2|2|a_b%.c=%20 as it is|scopes.example.com/read=view edit'

is 'straight at nginx: the custom names' "$(ask "$nginx_url$one?who=1" $proxy \
    -H 'X-Custom-User: kim' -H 'X-Custom-Uid: 7' -H 'X-Custom-Group: dev')" \
    '200 kim|7|dev,system:authenticated'
is 'the first name that is there counts, of groups all' \
    "$(ask "$nginx_url$one?who=1" $proxy \
    -H 'X-Remote-User: no' -H 'X-Custom-User: kim' \
    -H 'X-Remote-Group: ops' -H 'X-Custom-Group: dev')" \
    '200 kim||dev,ops,system:authenticated'
is 'the later name alone' "$(ask "$nginx_url$one?who=1" $proxy \
    -H 'X-Remote-User: kim' -H 'X-Remote-Uid: 8' -H 'X-Remote-Group: dev')" \
    '200 kim|8|dev,system:authenticated'

ask "$nginx_url$one" $proxy -H 'X-Custom-User: custom' \
    -H 'X-Custom-Extra-A: 1' -H 'X-Remote-Extra-B.c: 2' > ask
is 'both prefixes' "$(asked custom)" 'custom||1|a=1|b.c=2'

# --- bad inputs -------------------------------------------------------------

x='X-Remote-User: admin'
xg='X-Remote-Group: system:masters'

for c in other-name server-use expired wrong-ca; do
    is "front proxy's headers with a certificate \"$c\"" \
        "$(ask "$nginx_url$one?who=1" $(as $c) -H "$x" -H "$xg")" 401
done
ok 'the log says why: the name' logged \
    'certificate of "other" is not believed, as front proxy: '
is 'with no certificate' "$(ask "$nginx_url$one?who=1" -H "$x" -H "$xg")" \
    '200 system:anonymous||system:unauthenticated'
is "with alice's certificate" \
    "$(ask "$nginx_url$two?who=1" $alice -H "$x" -H "$xg")" \
    '403 alice||system:authenticated User "alice"'
is 'underscores name nobody' \
    "$(ask "$nginx_url$one?who=1" $proxy -H 'X_Remote_User: admin')" 401
is 'nor more than somebody' "$(ask "$nginx_url$two?who=1" $proxy \
    -H 'X-Remote-User: bob' -H 'X_Remote_User: admin' \
    -H 'X_Custom_User: admin' -H 'X_Remote_Group: system:masters')" \
    '403 bob||system:authenticated User "bob"'
is 'impersonation straight at nginx' "$(ask "$nginx_url$one?who=1" $admin \
    -H 'Impersonate-User: jane')" 403
is 'nor through the front proxy' "$(ask "$nginx_url$one" $proxy -H "$x" \
    -H "$xg" -H 'Impersonate-Group: dev')" 403

forged=(-H "$x" -H "$xg" -H 'X-Custom-User: admin' -H 'X_Remote_User: admin'
        -H 'X-Custom-Group: system:masters' -H 'X_Custom_User: admin'
        -H 'X_Remote_Group: system:masters' -H 'X-Remote-Extra-A: b')
is 'anonymous through the aggregator is anonymous' \
    "$(ask "$server$one?who=1")" '200 system:anonymous||system:unauthenticated'
is 'with forged headers, too' "$(ask "$server$one?who=1" "${forged[@]}")" \
    '200 system:anonymous||system:unauthenticated'
is 'and alice is alice' "$(ask "$server$one?who=1" $alice "${forged[@]}")" \
    '200 alice||system:authenticated'
is 'who may not impersonate does not' "$(ask "$server$one?who=1" $alice \
    -H 'Impersonate-User: admin')" '403 User "alice"'

# --- requests flow ----------------------------------------------------------

# client NAME URL [curl's options]: requests without end on one connection;
# status and number of connections made, a line each, none kept back
client() {
    local name=$1 url=$2
    shift 2
    stdbuf -oL curl -sS -A "$name" --cacert ca.crt --rate 1200/m \
        "$url?n=[1-100000]" -o /dev/null "$@" \
        -w '%{http_code} %{num_connects}\n' > "flow.$name" \
        2> "flow.$name.err" &
    clients+=($!)
    started+=($!)
}

client alice "$server$one" $alice
client carol "$server$one" $(as carol)
client dave "$server$one" $admin --http1.1 -H 'Impersonate-User: dave' \
    -H 'Impersonate-Group: dev'
client kept "$nginx_url$one" $proxy -H 'X-Remote-User: alice'

workers=$(worker | sort)
lines() { wc -l < "flow.$1"; }
flows() { [ "$(lines "$1")" -ge "$2" ]; }

for c in alice carol dave kept; do
    ok "requests of $c flow" await 10 flows $c 20
done

# groups LENGTH NUMBER FILE: curl's headers, with the one that counts last
groups() {
    perl -e 'my ($l, $n) = @ARGV;
        print "Impersonate-User: many\n";
        printf "Impersonate-Group: %s%06d\n", "g" x ($l - 6), $_ for 1 .. $n;
        print "Impersonate-Group: last\n"' "$1" "$2" > "$3"
}

# curl 7.88 does not end a request of over 64 kB
large() {
    perl -MIO::Socket::SSL -e '
        my ($host, $path, $file) = @ARGV;
        my $s = IO::Socket::SSL->new(PeerAddr => $host, PeerPort => 6443,
            SSL_ca_file => "ca.crt", SSL_cert_file => "admin.crt",
            SSL_key_file => "admin.key", Timeout => 10) or die $SSL_ERROR;
        open(my $fh, "<", $file) or die $!;
        my $h = join "", map { s/\n/\r\n/r } <$fh>;
        $s->print("GET $path HTTP/1.1\r\nHost: e2e\r\n${h}"
                  . "Connection: close\r\n\r\n");
        print <$s> =~ /^HTTP\S+ (\d+)/' $net.0.1 "$one" "$1"
}

groups 8 200 h200
is '200 groups: the last one lets them in' "$(large h200)" 200
is 'and all were asked about' "$(asked many)" 'many||202'
groups 320 205 h64k
is '64 kB of groups' "$(large h64k)" 200
is 'and all were asked about' "$(asked many)" 'many||207'
groups 3000 300 h900k
is '900 kB' "$(large h900k)" 200
is 'and all were asked about' "$(asked many)" 'many||302'
groups 3000 400 h1200k
is 'over the limit of kube-apiserver' "$(large h1200k)" 431

n=$(lines alice)
ok 'requests of others still flow' await 10 flows alice $((n + 40))

# --- the front proxy's CA is rotated ----------------------------------------

# replace FILE NEW: as files are, when they are replaced at once
replace() {
    cp "$2" "$1.tmp" && mv "$1.tmp" "$1"
}

cas() {
    published client-ca-file | grep -c BEGIN || true
}
has_cas() { [ "$(cas)" = "$1" ]; }
answers() {
    local expected=$1
    shift
    [ "$(ask "$@")" = "$expected" ]
}
new=("$nginx_url$one" $(as new-proxy) -A direct -H 'X-Remote-User: alice')

is 'a certificate of the new CA is not believed yet' "$(ask "${new[@]}")" 401

cat front-ca.crt new-ca.crt > both.crt
replace trusted.crt both.crt
ok 'kube-apiserver publishes both CAs' await 90 has_cas 2
ok 'and in 5 s a certificate of the new one is believed' \
    await 5 answers 200 "${new[@]}"

replace proxy.key new-proxy.key
replace proxy.crt new-proxy.crt
since=$(wc -l < proxied.log)
by_new() {
    tail -n +"$since" proxied.log | grep -q '^200 alice .*CN=new-ca'
}
by_old() {
    tail -n 30 proxied.log | grep -E ' (alice|carol|dave) ' | grep -v CN=new-ca
}
ok 'kube-apiserver comes with the new certificate' await 90 by_new
ok 'and with no other' await 30 eval '! by_old'

replace trusted.crt new-ca.crt
n=$(lines alice)
await 10 flows alice $((n + 40))
is 'kube-apiserver takes no CA away by itself' "$(cas)" 2
is 'so the old certificate is still good' "$(tail -n 1 flow.kept)" '200 0'

k patch configmap extension-apiserver-authentication -n kube-system \
    --type merge -p "$(perl -MJSON::PP -0777 -ne 'print encode_json({ data =>
        { "requestheader-client-ca-file" => $_ } })' new-ca.crt)" > /dev/null
refused() { [ "$(tail -n 1 flow.kept)" = '401 0' ]; }
ok 'without it the old one is refused in 5 s, on a kept connection' \
    await 5 refused
is 'on a new one, too' "$(ask "$nginx_url$one" $proxy \
    -H 'X-Remote-User: alice')" 401
is 'and the new one is not' "$(ask "${new[@]}")" 200

n=$(lines alice)
ok 'requests flow' await 10 flows alice $((n + 60))
is 'kube-apiserver does not bring the old CA back' "$(cas)" 1

for p in "${clients[@]}"; do
    kill "$p" 2> /dev/null || true
    wait "$p" 2> /dev/null || true
done

for c in alice carol dave; do
    n=$(grep -c '^200' flow.$c)
    is "none of $n requests of $c failed" "$(grep -cv '^200' flow.$c)" 0
    is "on one connection" "$(awk '{ n += $2 } END { print n }' flow.$c)" 1
done
is 'the kept connection was one' \
    "$(awk '{ n += $2 } END { print n }' flow.kept)" 1
is 'and refused only at the end' "$(cut -d ' ' -f 1 flow.kept | uniq \
    | paste -s -d ' ')" '200 401'
is "nginx's workers are the same" "$(worker | sort)" "$workers"
ok 'the APIService is Available' available
is 'nothing asked for a reload' "$(count_logged 'reconfiguring')" 0
is 'no alert in the log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
kill "$apiserver_pid"
wait "$apiserver_pid" 2> /dev/null || true

# --- a kube-apiserver without an aggregation layer --------------------------

server=https://$net.0.2:6443
kubeconfig admin.conf \
    "client-certificate: $run/admin.crt, client-key: $run/admin.key"
kubeconfig nginx.kubeconfig "tokenFile: $run/token"
start_apiserver $net.0.2 --etcd-prefix=/bare
ready 'kube-apiserver without requestheader flags is ready'
is 'it publishes no front proxy' "$(published client-ca-file)" ''
register
k create namespace one > /dev/null
k create clusterrole metrics --verb=get --non-resource-url=/apis > /dev/null
k create clusterrolebinding metrics --clusterrole=metrics --user=alice \
    > /dev/null

kubernetes=kubeconfig=$run/nginx.kubeconfig
: > error.log
rm -f nginx.pid
configure 127.0.0.1:$nginx_port
run_nginx
missing='no usable "requestheader-client-ca-file" \(kube-apiserver.s '
missing+='--requestheader-client-ca-file\)'
ok 'nginx starts, and the log says which flag is missing' \
    await 20 logged "$missing"
ok "a user's certificate is believed" await 10 answers \
    '200 admin||system:masters,system:authenticated' "$nginx_url$one?who=1" \
    $admin
is 'with its rights' "$(ask "$nginx_url/apis?who=1" $alice)" \
    '200 alice||system:authenticated'
is 'and no others' "$(ask "$nginx_url$one?who=1" $alice)" \
    '403 alice||system:authenticated User "alice"'
for c in front-proxy new-proxy; do
    is "front proxy's headers with a certificate \"$c\"" \
        "$(ask "$nginx_url$one?who=1" $(as $c) -H "$x" -H "$xg")" 401
done
is "nor with a user's" "$(ask "$nginx_url$one?who=1" $alice -H "$x" \
    -H "$xg")" '403 alice||system:authenticated User "alice"'
is 'it was said once' "$(count_logged "$missing")" 1
is 'no alert in the log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
finished
