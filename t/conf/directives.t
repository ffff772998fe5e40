#!/usr/bin/perl

# What is nginx's to say of each directive: where it may stand, how many words
# it takes, that it stands once.  The table here, made into blocks, is the
# README's list of directives: one that is missing on either side fails.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use TestNginxK8s 'no_plan';

# name => [ contexts (h, s, l), words: least, most (0: any), a good argument ]

my %directives = (
    zone => [ 'h', 1, 1, 'other:1m' ],
    apiserver => [ 'h', 1, 1, 'in_cluster' ],
    resolution => [ 'h', 1, 1, '20s' ],
    node_selector => [ 'h', 1, 1, 'a=b' ],
    kubelet_port => [ 'h', 1, 1, '10250' ],
    kubelet_use_node_status_port => [ 'h', 1, 1, 'on' ],
    kubelet_preferred_address_types => [ 'h', 1, 0, 'Hostname' ],
    kubelet_certificate_authority => [ 'h', 1, 1, 'a.crt' ],
    kubelet_insecure_tls => [ 'h', 1, 1, 'on' ],
    kubelet_client_certificate => [ 'h', 1, 1, 'a.crt' ],
    kubelet_client_key => [ 'h', 1, 1, 'a.key' ],
    kubelet_completely_insecure => [ 'h', 1, 1, 'on' ],
    kubelet_cadence => [ 'h', 1, 1, 'on' ],
    kubelet_keepalive => [ 'h', 1, 1, 'on' ],
    kubelet_stats_summary => [ 'h', 1, 1, 'on' ],
    kubelet_node_proxy => [ 'h', 1, 1, 'on' ],
    kubelet_request_timeout => [ 'h', 1, 1, '5s' ],
    kubelet_any_path => [ 'h', 1, 1, 'on' ],
    resolv_conf => [ 'h', 1, 1, 'a.conf' ],
    hosts => [ 'h', 1, 1, 'a.hosts' ],
    requestheader_client_ca => [ 'hs', 1, 1, 'a.crt' ],
    requestheader_allowed_names => [ 'hs', 1, 0, 'a' ],
    requestheader_username_headers => [ 'hs', 1, 0, 'X-User' ],
    requestheader_uid_headers => [ 'hs', 1, 0, 'X-Uid' ],
    requestheader_group_headers => [ 'hs', 1, 0, 'X-Group' ],
    requestheader_extra_headers_prefix => [ 'hs', 1, 0, 'X-Extra-' ],
    client_ca => [ 'hs', 1, 1, 'a.crt' ],
    max_inflight => [ 'hs', 1, 1, '1' ],
    anonymous => [ 'hs', 1, 1, 'on' ],
    always_allow_paths => [ 'hs', 1, 0, '/a' ],
    token_audiences => [ 'hs', 1, 0, 'a' ],
    token_cache_ttl => [ 'hs', 1, 1, '1s' ],
    authorization_cache_ttl => [ 'hs', 1, 2, '1s' ],
    sample_max_age => [ 'hs', 1, 1, '1s' ],
    auth => [ 'hsl', 1, 1, 'on' ],
    '' => [ 'l', 0, 0, '' ],
);

my @flags = grep { $directives{$_}[3] eq 'on' } sort keys %directives;


# a configuration in which the text stands in that context

my %context = (
    main => "--- main_config\n    TEXT\n--- http_config\n",
    h => "--- http_config\n    \$TEST_NGINX_K8S_BASE\n    TEXT\n",
    s => "--- http_config\n    \$TEST_NGINX_K8S_BASE\n--- config\n    TEXT\n",
    l => "--- http_config\n    \$TEST_NGINX_K8S_BASE\n--- config\n"
        . "    location /l { TEXT }\n",
    if => "--- http_config\n    \$TEST_NGINX_K8S_BASE\n--- config\n"
        . "    location /l { if (\$args) { TEXT } }\n",
    limit_except => "--- http_config\n    \$TEST_NGINX_K8S_BASE\n"
        . "--- config\n    location /l { limit_except GET { TEXT } }\n",
);

sub block {
    my ($title, $context, $text, $fault) = @_;

    my $conf = $context{$context};
    $conf =~ s/TEXT/$text/;

    return "=== $title\n$conf--- must_die\n--- error_log\n$fault\n\n";
}

my $spec = '';

for my $name (sort keys %directives) {
    my ($contexts, $least, $most, $word) = @{ $directives{$name} };

    my $d = 'k8s_metrics' . ($name ne '' ? "_$name" : '');
    my $good = $word ne '' ? "$d $word;" : "$d;";
    my $in = substr $contexts, -1;

    for my $where (qw(main h s l if limit_except)) {
        next if index($contexts, $where) >= 0;
        $spec .= block("$d in $where", $where, $good,
                       "\"$d\" directive is not allowed here");
    }

    my @counts = $least ? "$d;" : ();
    push @counts, "$d " . join(' ', ('on') x ($most + 1)) . ';'
        if $most || !$least;

    $spec .= block($_, $in, $_,
                   "invalid number of arguments in \"$d\" directive")
        for @counts;

    # the zone and the API server stand before it already
    $spec .= block("$d twice", $in,
                   $name =~ /^(?:zone|apiserver)$/ ? $good : "$good $good",
                   "\"$d\" directive is duplicate");
}

for my $name (@flags) {
    $spec .= block("k8s_metrics_$name maybe", 'h', "k8s_metrics_$name maybe;",
        "invalid value \"maybe\" in \"k8s_metrics_$name\" directive, it must "
        . 'be "on" or "off"');
}

# the README's list

open(my $fh, '<', "$FindBin::Bin/../../README.md") or die "README.md: $!";
my %told = map { $_ => 1 }
    map { /\*\*k8s_metrics(\w*)\*\*/g } <$fh>;
close $fh;

is(join(' ', sort keys %told),
   join(' ', map { $_ ne '' ? "_$_" : '' } sort keys %directives),
   'README.md has these directives');

spec_string($spec);
run_tests();
