#!/usr/bin/perl

# The cluster's settings of authentication, from the ConfigMap that is watched:
# a change is in force without a reload, for those who come in by it and for
# those who are out.  The blocks go on from one another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

standin(-nodes => 1, -pods => 1);
run_tests();

__DATA__

=== the names of the beginning
--- request eval
["GET /apis", "GET /apis"]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: u\nX-Remote-Group: system:masters",
 "X-Test-Cert: front-other\nX-Remote-User: u\nX-Remote-Group: system:masters"]
--- error_code eval
[200, 401]



=== other names
--- request
POST /control/configmap
{"requestheader-allowed-names": "[\"other-proxy\"]"}



=== are in force
--- init
TestNginxK8s::wait_until('the other name counts', sub {
    TestNginxK8s::ask('/apis', 'X-Test-Cert: front-other', 'X-Remote-User: u',
                      'X-Remote-Group: system:masters') =~ /^HTTP\S+ 200/;
})
--- request eval
["GET /apis", "GET /apis"]
--- more_headers eval
["X-Test-Cert: front-client\nX-Remote-User: u\nX-Remote-Group: system:masters",
 "X-Test-Cert: front-other\nX-Remote-User: u\nX-Remote-Group: system:masters"]
--- error_code eval
[401, 200]



=== other headers
--- request
POST /control/configmap
{"requestheader-username-headers": "[\"X-Who\"]"}



=== are in force, too
--- init
TestNginxK8s::wait_until('the other header counts', sub {
    TestNginxK8s::ask('/apis', 'X-Test-Cert: front-other', 'X-Who: u',
                      'X-Remote-Group: system:masters') =~ /^HTTP\S+ 200/;
})
--- request eval
["GET /apis", "GET /apis"]
--- more_headers eval
["X-Test-Cert: front-other\nX-Remote-User: u\nX-Remote-Group: system:masters",
 "X-Test-Cert: front-other\nX-Who: u\nX-Remote-Group: system:masters"]
--- error_code eval
[401, 200]
