#!/usr/bin/perl

# Each health check says what is so: when the API server is not there yet, when
# nothing can be scraped, when all is well, and that scrapes that fail are no
# reason to restart.  The blocks go on from one another.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value(http_config => '$TEST_NGINX_K8S_CLUSTER');
    $block->set_value(config => <<'END');
    location / { k8s_metrics_auth off; k8s_metrics; }
    location /control/ { proxy_pass http://$TEST_NGINX_K8S_CONTROL/; }
END
});

# the checks of each endpoint, in order

my @always = qw(ping log poststarthook/max-in-flight-filter
                poststarthook/storage-object-count-tracker-hook);

my %checks = (
    livez => [ @always, 'metric-collection-timely',
               'metadata-informer-sync' ],
    healthz => [ @always, 'metadata-informer-sync' ],
    readyz => [ @always, 'metric-storage-ready', 'metric-informer-sync',
                'metadata-informer-sync', 'shutdown' ],
);

# a verbose answer, with the checks that fail (-name) or are excluded (name)

sub verdict {
    my ($endpoint, @other) = @_;

    my %says = map { /^-(.*)/ ? ($1 => "[-]$1 failed: reason withheld")
                              : ($_ => "[+]$_ excluded: ok") } @other;

    return join("\n", map { $says{$_} // "[+]$_ ok" } @{ $checks{$endpoint} })
        . "\n$endpoint check " . ((grep { /^-/ } @other) ? 'failed' : 'passed')
        . "\n";
}

standin(-nodes => 1, -pods => 2, '-apidown');
run_tests();

__DATA__

=== no API server
--- request eval
["GET /livez?verbose", "GET /healthz?verbose", "GET /readyz?verbose"]
--- error_code eval
[500, 500, 500]
--- response_body eval
[main::verdict('livez', '-metadata-informer-sync'),
 main::verdict('healthz', '-metadata-informer-sync'),
 main::verdict('readyz', '-metric-storage-ready', '-metric-informer-sync',
               '-metadata-informer-sync')]



=== without those that are excluded
--- request
GET /readyz?verbose&exclude=metric-storage-ready&exclude=metric-informer-sync
--- error_code: 500
--- response_body eval
main::verdict('readyz', 'metric-storage-ready', 'metric-informer-sync',
              '-metadata-informer-sync')



=== without all that fail
--- request
GET /readyz?verbose&exclude=metric-storage-ready&exclude=metric-informer-sync&exclude=metadata-informer-sync
--- response_body eval
main::verdict('readyz', 'metric-storage-ready', 'metric-informer-sync',
              'metadata-informer-sync')



=== failing is 500 and verbose without being asked, in plain text for sure
--- request
GET /readyz
--- error_code: 500
--- response_headers
Content-Type: text/plain; charset=utf-8
X-Content-Type-Options: nosniff
--- response_body eval
main::verdict('readyz', '-metric-storage-ready', '-metric-informer-sync',
              '-metadata-informer-sync')



=== a single check
--- request eval
["GET /readyz/metric-informer-sync", "GET /readyz/ping"]
--- error_code eval
[500, 200]
--- response_body eval
["internal server error: reason withheld\n", "ok"]



=== unknown exclusions are named
--- request
GET /readyz?verbose&exclude=a&exclude=b%22
--- error_code: 500
--- response_body_like: \nwarn: some health checks cannot be excluded: no matches for "a","b\\""\nreadyz check failed\n$



=== the lists are there, and nothing can be scraped
--- request eval
['POST /control/node
{"name": "node-00000", "fault": "500"}',
 'POST /control/api
{"fault": ""}']
--- error_code eval
[200, 200]



=== ready is what has samples
--- init
TestNginxK8s::wait_until('the lists are there', sub {
    TestNginxK8s::ask('/livez') =~ /^HTTP\S+ 200/
    && TestNginxK8s::ask('/readyz/metric-informer-sync') =~ /^HTTP\S+ 200/;
})
--- request eval
["GET /readyz?verbose", "GET /livez?verbose", "GET /healthz?verbose",
 "GET /readyz/metric-informer-sync", "GET /livez"]
--- error_code eval
[500, 200, 200, 200, 200]
--- response_body eval
[main::verdict('readyz', '-metric-storage-ready'), main::verdict('livez'),
 main::verdict('healthz'), "ok", "ok"]



=== it can be scraped
--- request
POST /control/node
{"name": "node-00000", "fault": ""}



=== all is well
--- init
TestNginxK8s::wait_until('there are samples', sub {
    TestNginxK8s::ask('/readyz') =~ /^HTTP\S+ 200/;
})
--- request eval
["GET /readyz?verbose", "GET /livez?verbose", "GET /healthz?verbose",
 "GET /readyz"]
--- error_code eval
[200, 200, 200, 200]
--- response_body eval
[main::verdict('readyz'), main::verdict('livez'), main::verdict('healthz'),
 "ok"]



=== scrapes fail
--- request eval
['POST /control/node
{"name": "node-00000", "fault": "500"}', "POST /control/stats"]
--- error_code eval
[200, 200]



=== which is no reason to restart
--- init
TestNginxK8s::wait_until('scrapes go on', sub {
    TestNginxK8s::ask('/control/stats') =~ /"scrapes":[2-9]/;
})
--- request
GET /livez?verbose
--- response_body eval
main::verdict('livez')
