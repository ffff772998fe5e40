#!/usr/bin/env bash
#
# Who a request comes from: only a verified front proxy speaks for others, and
# what does not verify is 401, never anonymous.  Reviews are asked once.

set -eu

net=127.51
port=10291
# shellcheck source=t/lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

start_standin -nodes 2 -pods 4
start_nginx 1 10s 8m 512

nodes=/apis/metrics.k8s.io/v1beta1/nodes

# as CERTIFICATE PATH [curl's options]: status and body
as() {
    local cert=$1 path=$2
    shift 2
    curl -sS -k --http1.1 -A test --max-time 20 -w '\n%{http_code}' \
        ${cert:+--cert "$run/d/$cert.crt" --key "$run/d/$cert.key"} \
        "$@" "https://$front$path"
}

masters=(-H 'X-Remote-User: u' -H 'X-Remote-Group: system:masters')

ok 'ready' await 40 has_items nodes 2

for cert in rogue-client front-other front-expired front-notyet \
            front-serverauth alice-expired; do
    is "$cert is 401" "$(as $cert $nodes "${masters[@]}" | tail -n 1)" 401
done

like 'a 401 is a Status' "$(as rogue-client $nodes)" \
    '"message":"Unauthorized","reason":"Unauthorized","code":401'
is 'a front proxy without a user is 401' \
    "$(as front-client $nodes | tail -n 1)" 401
like 'identity headers without a certificate are nothing' \
    "$(as '' $nodes "${masters[@]}")" 'User \\"system:anonymous\\" cannot list'
like "nor with a certificate of the client's own" \
    "$(as alice $nodes "${masters[@]}")" 'User \\"alice\\" cannot list'
like 'nor in another spelling' \
    "$(as front-client $nodes -H 'X_Remote_User: u' -H 'X-Remote-User: bob' \
       -H 'X_Remote_Group: system:masters')" 'User \\"bob\\" cannot list'
is 'admin by certificate' "$(as admin $nodes | tail -n 1)" 200
is 'a bearer token is 401 in this version' \
    "$(as '' $nodes -H 'Authorization: Bearer x' | tail -n 1)" 401
is 'impersonation is 403' \
    "$(as admin $nodes -H 'Impersonate-User: root' | tail -n 1)" 403
like 'anonymous through the front proxy stays anonymous' \
    "$(as front-client $nodes -H 'X-Remote-User: system:anonymous' \
       -H 'X-Remote-Group: system:unauthenticated')" 'system:anonymous'
is 'health needs no identity' "$(as '' /livez | tail -n 1)" 200
is 'an ambiguous path is 400' \
    "$(as admin /apis/metrics.k8s.io/v1beta1/%2e%2e/nodes --path-as-is \
       | tail -n 1)" 400

# --- reviews ---

control /rules '{"rules": [{"user": "bob", "verbs": ["get", "list"],
    "apiGroup": "metrics.k8s.io", "resources": ["pods"],
    "namespaces": ["ns-01"]}], "reason": "no rule <for> it"}'

bob=(-H 'X-Remote-User: bob' -H 'X-Remote-Extra-Scopes.a%2Fb: one')
pods=/apis/metrics.k8s.io/v1beta1/namespaces

before=$(stat reviews)
is 'bob sees his namespace' \
    "$(as front-client $pods/ns-01/pods "${bob[@]}" | tail -n 1)" 200
is 'again' "$(as front-client $pods/ns-01/pods "${bob[@]}" | tail -n 1)" 200
is 'which took one review' "$(($(stat reviews) - before))" 1
like 'and its extra came with it' \
    "$(curl -sS "http://$control/reviews" | tail -c 2000)" '"scopes.a/b":\["one"\]'
like 'no other, and the reason is told' \
    "$(as front-client $pods/ns-02/pods "${bob[@]}")" \
    'cannot list resource .* in the namespace \\"ns-02\\": no rule'

control /api '{"fault": "slow", "for": "sar", "count": 1}'
before=$(stat reviews)
waiting=()
for i in 1 2 3 4; do
    as front-client $pods/ns-01/pods/x -H 'X-Remote-User: bob' \
        > "$run/same.$i" &
    waiting+=($!)
done
wait "${waiting[@]}"
is 'four at once make one review' "$(($(stat reviews) - before))" 1
is 'and all are answered' \
    "$(for i in 1 2 3 4; do tail -n 1 "$run/same.$i"; echo; done | sort \
       | uniq -c | tr -s ' \n' ' ')" ' 4 404 '

control /api '{"fault": "garbage", "for": "sar"}'
like 'a review that cannot be read is 500' \
    "$(as front-client $nodes -H 'X-Remote-User: carol')" '"code":500'
control /api '{"fault": ""}'

# --- TLS ---

resumed() {
    openssl s_client -connect "$front" "$@" -sess_out "$run/sess" \
        < /dev/null > /dev/null 2>&1 || true
    [ -s "$run/sess" ] || return 1
    openssl s_client -connect "$front" "$@" -sess_in "$run/sess" \
        < /dev/null 2> /dev/null | grep -q '^Reused'
}
for v in -tls1_2 -tls1_3; do
    rm -f "$run/sess"
    ok "no session is resumed with $v" eval "! resumed $v"
done

# --- rotation: in force without a reload ---

control /configmap '{"requestheader-allowed-names": "[\"other-proxy\"]"}'
ok 'a changed list of names is in force' await 5 eval \
    '[ "$(as front-other $nodes "${masters[@]}" | tail -n 1)" = 200 ]'
is 'for those who are not in it any more, too' \
    "$(as front-client $nodes "${masters[@]}" | tail -n 1)" 401

is 'no secret in the log' \
    "$(count_logged "$(cat "$run/d/token")|system:masters")" 0
is 'no alert' "$(count_logged '\[(alert|emerg|crit)\]')" 0

finished
