#!/usr/bin/env bash
#
# Bearer tokens straight at nginx: those that a real kube-apiserver makes for
# service accounts, and what it says of them by TokenReview.

set -eu

net=127.92
nginx_port=18643
# shellcheck source=t/e2e/plane.sh
. "$(dirname "$0")/plane.sh"

start_etcd
start_apiserver $net.0.1 "${front_proxy[@]}"
ready 'kube-apiserver is ready'
register

k create namespace one > /dev/null
for a in with without gone soon; do
    k create serviceaccount $a -n one > /dev/null
done
k apply -f - > /dev/null << EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: metrics, namespace: one}
rules:
- {apiGroups: [metrics.k8s.io], resources: [pods], verbs: [get, list]}
EOF
for a in with gone soon; do
    k create rolebinding $a -n one --role=metrics --serviceaccount=one:$a \
        > /dev/null
done

export KUBERNETES_SERVICE_HOST=$net.0.1 KUBERNETES_SERVICE_PORT=6443
audience_port=$((nginx_port + 1))
conf_location='add_header X-Who "$k8s_metrics_user|$k8s_metrics_groups|$k8s_metrics_auth_method" always;'
location=$conf_location
http="server {
        listen 127.0.0.1:$audience_port ssl http2;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $run/serving.crt;
        ssl_certificate_key $run/serving.key;
        k8s_metrics_token_audiences metrics.example.com;
        location / { k8s_metrics_auth on; k8s_metrics; $conf_location }
    }"
configure 127.0.0.1:$nginx_port
run_nginx
ok 'the APIService turns Available' await 60 available

one=/apis/metrics.k8s.io/v1beta1/namespaces/one/pods
url=https://localhost:$nginx_port$one
audience_url=https://localhost:$audience_port$one

token() {
    local account=$1
    shift
    k create token "$account" -n one "$@"
}

# status and who, of a request with a token, or with the one in a file
ask() {
    local to=$1 bearer=$2
    shift 2
    [ ! -f "$bearer" ] || bearer=$(cat "$bearer")
    get "$to" -i -H "Authorization: Bearer $bearer" "$@" | tr -d '\r' \
        | sed -nE 's/^HTTP[^ ]* ([0-9]+).*/\1/p; s/^x-who: ([^|]+\|.*)/\1/Ip
                   s/.*User \\"(.*)\\" cannot .*/cannot: \1/p' | paste -s -d ' '
}
who() {
    echo "system:serviceaccount:one:$1|system:serviceaccounts,system:serviceaccounts:one,system:authenticated|token"
}
answers() {
    local expected=$1
    shift
    [ "$(ask "$@")" = "$expected" ]
}

# Expires while the rest is done: the shortest life there is is 10 minutes, so
# it is signed here, with kube-apiserver's key; a minute is let pass there.
short() {
    perl -MJSON::PP -MMIME::Base64=encode_base64url,decode_base64url -e '
        my ($t) = @ARGV;
        my ($h, $p) = split /\./, $t;
        my $c = decode_json(decode_base64url($p));
        $c->{exp} = time() - 60 + 12;
        print $h, ".", encode_base64url(encode_json($c))' "$1" > unsigned
    printf '%s.%s' "$(cat unsigned)" "$(openssl dgst -sha256 -sign sa.key \
        unsigned | basenc -w 0 --base64url | tr -d =)"
}
short "$(token soon)" > expiring
is 'a token that expires soon' "$(ask "$url" expiring)" "200 $(who soon)"

is 'a service account with a role' "$(ask "$url" "$(token with)")" \
    "200 $(who with)"
is 'over HTTP/1.1, too' "$(ask "$url" "$(token with)" --http1.1)" \
    "200 $(who with)"
is 'one without' "$(ask "$url" "$(token without)")" \
    "403 $(who without) cannot: system:serviceaccount:one:without"
is 'nothing that is a token' "$(ask "$url" no-token)" 401
is 'a token with another signature' \
    "$(ask "$url" "$(token with | sed 's/\.[^.]*$//').$(token without \
        | sed 's/.*\.//')")" 401
is "an unknown key's" "$(openssl genpkey -algorithm RSA -out sa2.key \
    2> /dev/null; mv sa.key sa1.key; cp sa2.key sa.key
    ask "$url" "$(short "$(token with)")"; mv sa1.key sa.key)" 401

is 'a token for another audience' \
    "$(ask "$url" "$(token with --audience=other.example.com)")" 401
is 'an audience that is asked for' "$(ask "$audience_url" \
    "$(token with --audience=metrics.example.com)")" "200 $(who with)"
is "there the API server's audience is another" \
    "$(ask "$audience_url" "$(token with)")" 401

is 'a token does not help against impersonation' "$(ask "$url" \
    "$(token with)" -H 'Impersonate-User: admin')" 403
is "nor do headers of the front proxy's" "$(ask "$url" "$(token without)" \
    -H 'X-Remote-User: admin' -H 'X-Remote-Group: system:masters')" \
    "403 $(who without) cannot: system:serviceaccount:one:without"

token gone > gone
is 'a token of an account' "$(ask "$url" gone)" "200 $(who gone)"
k delete serviceaccount gone -n one > /dev/null
# 10 s of the cache here and those of kube-apiserver's own
ok 'is nobody when the account is deleted' await 25 answers 401 "$url" gone
ok 'and one that expired' await 25 answers 401 "$url" expiring

ok 'no token is in the log' eval '! grep -q eyJ error.log'
is 'no alert in the log' "$(count_logged '\[(alert|emerg|crit)\]')" 0

kill -QUIT "$nginx_pid"
ok 'nginx quits' await 20 eval '! kill -0 "$nginx_pid"'
finished
