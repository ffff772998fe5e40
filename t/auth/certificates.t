#!/usr/bin/perl

# Which client certificates count, and for what: those of a front proxy speak
# for others, those of the clients' CA for themselves, and one that does not
# verify is 401 whatever comes with it, never anonymous.  With the settings of
# the cluster and with those of directives, in TLS 1.3 and 1.2, which have
# roads of their own to the certificate.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

my %bad = (
    'front-expired' => 'expired',
    'front-notyet' => 'not yet valid',
    'front-serverauth' => 'for servers only',
    'front-other' => 'another name',
    'rogue-client' => 'of another CA',
    'alice-expired' => 'expired, of the clients\' CA',
    'serving' => 'for servers only, of the clients\' CA',
);

my @settings = (
    [ "the cluster's settings", 'TLSv1.3', '' ],
    [ 'directives', 'TLSv1.3', '$TEST_NGINX_K8S_BELIEVE' ],
    [ 'directives', 'TLSv1.2', '$TEST_NGINX_K8S_BELIEVE' ],
);

my $blocks = join '', <DATA>;
my $spec = '';

for my $s (@settings) {
    my ($from, $tls, $http) = @$s;

    my $conf = "--- http\n    $http\n--- config\n"
        . "    proxy_ssl_protocols $tls;\n--- server\n"
        . "    add_header X-Protocol \$ssl_protocol always;\n";

    for my $cert (sort keys %bad) {
        $spec .= <<"END";
=== $cert: $bad{$cert}; $from, $tls
$conf--- request eval
["GET /apis/metrics.k8s.io/v1beta1/nodes",
 "GET /apis/metrics.k8s.io/v1beta1/nodes"]
--- more_headers eval
["X-Test-Cert: $cert",
 "X-Test-Cert: $cert\\nX-Remote-User: u\\nX-Remote-Group: system:masters"]
--- error_code eval
[401, 401]
--- response_headers eval
["Content-Type: application/json\\nX-Protocol: $tls",
 "Content-Type: application/json\\nX-Protocol: $tls"]
--- response_body eval
my \$status = '{"kind":"Status","apiVersion":"v1","metadata":{},'
    . '"status":"Failure","message":"Unauthorized","reason":"Unauthorized",'
    . "\\"code\\":401}\\n";
[\$status, \$status]

END
    }

    my $more = $blocks;
    $more =~ s/^(=== .*)\n/$1; $from, $tls\n$conf/mg;
    $spec .= $more;
}

spec_string($spec);
run_tests();

__DATA__

=== the front proxy's, of members of system:masters
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: front-client
X-Remote-User: u
X-Remote-Group: system:masters
--- response_body_like: ^\{"kind":"NodeMetricsList"



=== the front proxy's alone speaks for nobody
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: front-client
--- error_code: 401
--- response_body_like: "reason":"Unauthorized"



=== a client's own, in system:masters
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: admin
--- response_body_like: ^\{"kind":"NodeMetricsList"



=== a client's own, whom headers make no other
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: admin
X-Remote-User: nobody
X-Remote-Group: none
--- response_body_like: ^\{"kind":"NodeMetricsList"



=== a client's own, without rights
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- more_headers
X-Test-Cert: alice
--- error_code: 403
--- response_body_like: User \\"alice\\" cannot list resource \\"nodes\\"



=== none
--- request
GET /apis/metrics.k8s.io/v1beta1/nodes
--- error_code: 403
--- response_body_like: User \\"system:anonymous\\" cannot list resource \\"nodes\\"
