package TestNginxK8s;

# Test::Nginx::Socket for this module: a suite of blocks says "use
# TestNginxK8s 'no_plan'" and has, at addresses of its own,
#
#   - the stand-in cluster, until the suite ends;
#   - the checked server, through TLS, as http_config, unless a block has a
#     http_config of its own; "--- http" adds to http, "--- server" to it;
#   - Test::Nginx's own server as the aggregator in front of it.  X-Test-Cert
#     names the pair of the stand-in's folder to come with, X-Test-SNI the
#     name in the handshake; /control/ is the stand-in's control page.
#     "--- config" adds to that server, or replaces it beside a http_config.
#
# A request to it is sent when nodes, pods and settings are read.  Every block
# expects a log without alert, crit and emerg; one with "--- must_die" an emerg
# beside what its error_log says.
#
# "--- environment" is what nginx is started in beside the real one; without
# it a service account's, of the stand-in (reloads: the first block's).
#
# In a block's text there are $TEST_NGINX_K8S_DIR, the stand-in's folder,
# _ADDR, an address to listen on, _API and _CONTROL, the stand-in's,
# and pieces of nginx.conf: _BASE (a zone and the API server), _CLUSTER (these
# and the kubelets), _BELIEVE (whose word counts, by directives), _TLS (for a
# server), and _PAIRS (http) and _AGGREGATOR (its server).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use IO::Socket::INET;
use JSON::PP ();

use K8sMetrics ();

my ($k8s, $blocks);

BEGIN {
    # nothing is made for "perl -c"
    $k8s = K8sMetrics->new if !$^C;

    my $suite = basename(dirname($0)) . '-' . basename($0, '.t');
    my $all = $ENV{TEST_NGINX_SERVROOT}
        // dirname($K8sMetrics::module) . '/servroot';

    if ($k8s) {
        make_path($all);
        $ENV{TEST_NGINX_SERVROOT} = "$all/$suite.$k8s->{kubelet_port}";
    }

    $ENV{TEST_NGINX_BINARY} //= '/usr/sbin/nginx';
    $ENV{TEST_NGINX_LOAD_MODULES} //= $K8sMetrics::module;
    $ENV{TEST_NGINX_FORCE_RESTART_ON_TEST} //= 0;
}

use Test::Nginx::Socket -base;

our @EXPORT = qw(standin);

use constant PORT => 8610;

if ($k8s) {
    server_addr($k8s->{addr});
    server_port(PORT);
    server_port_for_client(PORT);
    environment();
}

master_on();
no_root_location();
no_shuffle();
no_long_string();
worker_connections(256);
timeout(20);
log_level($ENV{TEST_NGINX_LOG_LEVEL} // 'info');


# flags of the stand-in, which then is there; else it is when a block begins

sub standin {
    $k8s->{standin} = [ @_ ];
    $k8s->start_standin;
}

sub environment {
    my $d = "$k8s->{dir}/standin";

    my %pieces = (
        DIR => $d,
        ADDR => $k8s->{addr},
        API => $k8s->{api},
        CONTROL => $k8s->{control},
        BASE => "k8s_metrics_zone zone:1m;\n"
            . "    k8s_metrics_apiserver kubeconfig=$d/kubeconfig;",
        CLUSTER => $k8s->cluster,
        BELIEVE => $k8s->believe,
        TLS => $k8s->tls,
        PAIRS => pairs(),
        AGGREGATOR => aggregator(''),
    );

    $ENV{"TEST_NGINX_K8S_$_"} = $pieces{$_} for keys %pieces;
}

# of the aggregator: which certificate to come with

sub pairs {
    my $d = "$k8s->{dir}/standin";

    return <<"END";
    map \$http_x_test_cert \$test_crt {
        ''       '';
        default  $d/\$http_x_test_cert.crt;
    }

    map \$http_x_test_cert \$test_key {
        ''       '';
        default  $d/\$http_x_test_cert.key;
    }
END
}

sub aggregator {
    my ($more) = @_;

    return <<"END";
        # names of headers are the checked server's to judge
        ignore_invalid_headers off;

        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_ssl_certificate \$test_crt;
        proxy_ssl_certificate_key \$test_key;
        proxy_ssl_server_name on;
        proxy_ssl_name \$http_x_test_sni;
        proxy_set_header Host \$http_host;
        proxy_set_header X-Test-Cert '';
        proxy_set_header X-Test-SNI '';
        $more

        location / {
            proxy_pass https://$k8s->{addr}:8602;
        }

        location /control/ {
            proxy_pass http://$k8s->{control}/;
        }
END
}


add_block_preprocessor(sub {
    my ($block) = @_;

    standin() if !$k8s->{standin};

    my $request = $block->request // '';

    $block->set_value(response_body_filters => \&reviewed)
        if grep { m{ /control/reviews} } ref $request ? @$request : $request;

    if (!defined $block->http_config) {
        $block->set_value(http_config => join "\n", pairs(), $k8s->cluster,
            $block->http // '', $k8s->checked_server($block->server // ''));
        $block->set_value(config => aggregator($block->config // ''));

        $block->set_value(init => 'TestNginxK8s::synced()')
            if !defined $block->init;
    }

    my ($host, $port) = split /:/, $k8s->{api};
    my $environment = $block->environment
        // "KUBERNETES_SERVICE_HOST=$host\nKUBERNETES_SERVICE_PORT=$port\n";

    delete @ENV{qw(KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT)};
    $ENV{$1} = $2 while $environment =~ /^(\w+)=(.*)$/mg;

    # Test::Nginx compares this alone to see whether nginx has to start anew

    $block->set_value(config => ($block->config // '') . "\n# "
        . md5_hex(join "\0", map { $_ // '' } $block->http_config,
                  $block->main_config, $block->user_files, $environment,
                  defined $block->must_die ? ++$blocks : '') . "\n");

    if (defined $block->must_die) {
        my $log = $block->error_log;

        $block->set_value(error_log =>
            [ ref $log ? $log : split(/\n/, $log), '[emerg]' ]);
        $block->set_value(suppress_stderr => 1);
        return;
    }

    for my $when (qw(no_error_log no_shutdown_error_log)) {
        $block->set_value($when => "[alert]\n[crit]\n[emerg]")
            if !defined $block->$when;
    }
});


# Test::Nginx's server listens on every address: here on this suite's alone

{
    no warnings 'redefine';

    my $write = \&Test::Nginx::Util::write_config_file;

    *Test::Nginx::Util::write_config_file = sub ($$$) {
        $write->(@_);

        my $name = $Test::Nginx::Util::ConfFile;
        my $conf = K8sMetrics::slurp($name);

        $conf =~ s/^( *listen +)(?=@{[ PORT ]}\b)/$1$k8s->{addr}:/mg;

        open(my $fh, '>', $name) or bail_out("$name: $!");
        print $fh $conf;
        close $fh;
    };
}


# what Test::Nginx's server answers to a GET; '' without an answer

sub ask {
    my ($path, @headers) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => $k8s->{addr},
        PeerPort => PORT, Proto => 'tcp', Timeout => 5) or return '';

    push @headers, 'Host: localhost' if !grep { /^Host:/ } @headers;

    print $s join("\r\n", "GET $path HTTP/1.1", @headers,
                  'Connection: close'), "\r\n\r\n";

    local $/;
    return scalar <$s> // '';
}

# for --- init: polls until the sub is true, or the block fails
sub wait_until {
    my ($what, $sub) = @_;

    Test::More::fail("waited in vain: $what")
        if !K8sMetrics::wait_for(40, $sub);
}

# headers: what more it takes to come to the checked server

sub synced {
    my @headers = split /\n/, $_[0] // '';

    wait_until('nodes, pods and settings are read', sub {
        return ask('/apis/metrics.k8s.io/v1beta1/nodes',
                   'X-Test-Cert: admin', @headers)
            =~ /^HTTP\S+ (?:200|401|403) /;
    });
}


# of all reviews, what the last one asked: one line, keys in order

sub reviewed {
    my ($body) = @_;

    return $body if $body !~ /^\[\{.*"kind":"SubjectAccessReview"/;

    return JSON::PP->new->canonical->utf8->encode(
        JSON::PP::decode_json($body)->[-1]{spec}) . "\n";
}


1;
