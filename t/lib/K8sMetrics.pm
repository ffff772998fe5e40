package K8sMetrics;

# The one harness of the Perl suites: nginx with the module beside a stand-in
# cluster, in a folder of its own, and curl as the client.  Suites of blocks
# have it behind TestNginxK8s.

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:DEFAULT :flock);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);

use Exporter qw(import);
our @EXPORT_OK = qw(on_kept put status_of wait_for);

my $root = abs_path(dirname(__FILE__) . '/../..');

our $module = $ENV{MODULE} || ($ENV{BUILD} || "$root/build")
    . '/ngx_http_k8s_metrics_module.so';

# what was started is ended then, too
$SIG{$_} = sub { exit 1 } for qw(INT TERM);


# polls until the sub returns true; what it last returned after "limit" s

sub wait_for {
    my ($limit, $sub) = @_;

    my $end = time + $limit;
    my $r;

    while (!($r = $sub->()) && time < $end) {
        sleep 0.1;
    }

    return $r;
}

# a number that is this process's alone: several suites may go on at once

sub slot {
    my $dir = "/tmp/k8s-metrics-slots.$>";
    mkdir $dir;

    for my $n (1 .. 200) {
        sysopen(my $lock, "$dir/$n", O_CREAT | O_RDWR) or die "$dir/$n: $!";
        next if !flock($lock, LOCK_EX | LOCK_NB);

        # what runs elsewhere on this machine has locks of its own
        return ($n, $lock) if IO::Socket::INET->new(Listen => 1,
            LocalAddr => "127.60.$n.250", LocalPort => 8600, ReuseAddr => 1);
    }

    die "all slots in $dir are taken";
}


# standin: flags of the stand-in; http, server: lines of nginx.conf in its
# block; extra: more servers, with DIR and ADDR filled in; main: before all

sub new {
    my ($class, %o) = @_;

    my $dir = tempdir(CLEANUP => 1);
    chmod 0755, $dir;

    my ($n, $lock) = slot();
    my $net = "127.60.$n";

    return bless { dir => $dir, owner => $$, lock => $lock,
        addr => "$net.251", api => "$net.250:8600",
        control => "$net.250:8601", kubelet => "$net.1",
        kubelet_port => 8700 + $n, workers => 1, resolution => '10s',
        http => '', server => '', extra => '', main => '', %o }, $class;
}

sub dir { return $_[0]{dir} }

sub start {
    my ($self) = @_;

    $self->start_standin;
    $self->start_nginx;

    return $self;
}

sub start_standin {
    my ($self) = @_;

    my $d = "$self->{dir}/standin";
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        # the addresses are taken as long as it lives
        fcntl($self->{lock}, F_SETFD, 0);

        open(STDERR, '>', "$self->{dir}/standin.log");
        open(STDOUT, '>&', \*STDERR);
        exec dirname($module) . '/standin', '-dir', $d, '-api', $self->{api},
            '-control', $self->{control}, '-kubelet-first', $self->{kubelet},
            '-kubelet-port', $self->{kubelet_port},
            '-life', '20m', @{ $self->{standin} // [] }
            or POSIX::_exit(127);
    }

    $self->{standin_pid} = $pid;

    wait_for(30, sub { -e "$d/ready" || waitpid($pid, POSIX::WNOHANG()) });
    die "the stand-in did not start: " . slurp("$self->{dir}/standin.log")
        if !-e "$d/ready";
}

# replaced at once: nobody reads a half

sub put {
    my ($name, $text) = @_;

    open(my $fh, '>', "$name.new") or die "$name: $!";
    print $fh $text;
    close $fh;
    chmod 0644, "$name.new";
    rename "$name.new", $name or die "$name: $!";
}

sub slurp {
    my ($name) = @_;
    open(my $fh, '<', $name) or return '';
    local $/;
    return scalar <$fh>;
}


# --- nginx.conf -------------------------------------------------------------

# of http: the zone, the API server, the kubelets
sub cluster {
    my ($self) = @_;

    my $d = "$self->{dir}/standin";

    return <<"END";
    k8s_metrics_zone zone:64m;
    k8s_metrics_apiserver kubeconfig=$d/kubeconfig;
    k8s_metrics_resolution $self->{resolution};
    k8s_metrics_kubelet_port $self->{kubelet_port};
    k8s_metrics_kubelet_certificate_authority $d/kubelet-ca.crt;
END
}

# of http: whom to believe, where the cluster's own settings are not asked
sub believe {
    my ($self) = @_;

    my $d = "$self->{dir}/standin";

    return <<"END";
    k8s_metrics_requestheader_client_ca $d/requestheader-ca.crt;
    k8s_metrics_requestheader_allowed_names front-proxy-client;
    k8s_metrics_client_ca $d/ca.crt;
END
}

# of a server: TLS with the stand-in's certificate
sub tls {
    my ($self) = @_;

    my $d = "$self->{dir}/standin";

    return <<"END";
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $d/serving.crt;
        ssl_certificate_key $d/serving.key;
END
}

# the server that checks who asks; "more" are lines of it
sub checked_server {
    my ($self, $more) = @_;

    my $tls = $self->tls;

    return <<"END";
    server {
        listen $self->{addr}:8602 ssl http2;
        large_client_header_buffers 4 1100k;
$tls
        $more

        location / {
            k8s_metrics_auth on;
            k8s_metrics;
        }
    }
END
}

sub conf {
    my ($self) = @_;

    my $d = $self->{dir};
    my %o = %$self;

    $o{extra} =~ s/\bADDR\b/$o{addr}/g;
    $o{extra} =~ s/\bDIR\b/$d/g;

    my ($cluster, $believe, $checked)
        = ($self->cluster, $self->believe, $self->checked_server($o{server}));

    open(my $fh, '>', "$d/nginx.conf") or die "nginx.conf: $!";
    print $fh $o{main}, <<"END";
load_module $module;
daemon off;
worker_processes $o{workers};
worker_rlimit_nofile 8192;
pid $d/nginx.pid;
error_log $d/error.log info;

events {
    worker_connections 2048;
}

http {
    access_log off;
    client_body_temp_path $d/client_body;
    proxy_temp_path $d/proxy;
    fastcgi_temp_path $d/fastcgi;
    uwsgi_temp_path $d/uwsgi;
    scgi_temp_path $d/scgi;

$cluster
$believe
    $o{http}

$checked
    server {
        listen $o{addr}:8603;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }
    $o{extra}
}
END
    close $fh;

    return "$d/nginx.conf";
}

sub start_nginx {
    my ($self) = @_;

    my $conf = $self->conf;
    my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        exec $nginx, '-c', $conf, '-e', "$self->{dir}/error.log"
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    my $ended;

    wait_for(20, sub {
        $ended = waitpid($pid, POSIX::WNOHANG()) == $pid;
        return $ended || IO::Socket::INET->new(PeerAddr => $self->{addr},
            PeerPort => 8603, Proto => 'tcp', Timeout => 1);
    });

    if ($ended) {
        delete $self->{pid};
        die "nginx ended:\n" . $self->log;
    }
}

# every node that can be scraped has been so often enough
sub ready {
    my ($self, $limit) = @_;

    my $ready = wait_for($limit // 60, sub {
        return $self->get(path => '/readyz')->{body} eq 'ok';
    });

    # that says the first of them; those with a fault are not waited for long

    my $all = @{ $self->control('/truth?kind=nodes') };

    wait_for(3, sub {
        my $r = $self->get(path => '/apis/metrics.k8s.io/v1beta1/nodes');
        return (() = $r->{body} =~ /"timestamp"/g) >= $all;
    }) if $ready;

    return $ready;
}

# nodes, pods and the cluster's settings are read; nothing needs to be scraped
sub synced {
    my ($self) = @_;

    return wait_for(30, sub {
        my $r = $self->ask('/apis/metrics.k8s.io/v1beta1/nodes',
                           cert => 'admin');
        return $r->{status} == 200;
    });
}

# the exit code; undef when it had to be killed
sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal // 'QUIT', $pid;

    return $? >> 8
        if wait_for(20, sub { waitpid($pid, POSIX::WNOHANG()) == $pid });

    kill 'KILL', $pid;
    waitpid($pid, 0);

    return undef;
}

sub workers {
    my ($self) = @_;

    my @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my $line = slurp($stat);
        push @pids, $1
            if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $self->{pid};
    }

    return sort { $a <=> $b } @pids;
}

sub log {
    my ($self, $match) = @_;

    my @lines = split /^/, slurp("$self->{dir}/error.log");

    @lines = grep { $_ =~ $match } @lines if defined $match;

    return wantarray ? @lines : join '', @lines;
}

# lines of the error log that no test may leave behind
sub alerts { return $_[0]->log(qr/\[(?:alert|emerg|crit)\]/) }

sub stop_standin {
    my ($self) = @_;

    my $pid = delete $self->{standin_pid} or return;

    kill 'TERM', $pid;
    waitpid($pid, 0);
}

sub DESTROY {
    my ($self) = @_;

    return if $self->{owner} != $$;

    local $?;
    $self->stop('TERM');
    $self->stop_standin;
}


# --- the stand-in's control calls -------------------------------------------

sub control {
    my ($self, $path, $data, $method) = @_;

    my @args;

    if (defined $data) {
        my $file = "$self->{dir}/control.json";

        open(my $out, '>', $file) or die "$file: $!";
        print $out JSON::PP::encode_json($data);
        close $out;

        @args = ('-X', $method // 'POST', '--data-binary', '@' . $file);
    }

    open(my $fh, '-|', 'curl', '-sS', '-f', @args,
         "http://$self->{control}$path") or die "curl: $!";
    local $/;
    my $body = <$fh>;
    close $fh or die "control $path failed";

    return length($body // '') ? JSON::PP::decode_json($body) : undef;
}


# --- a client ---------------------------------------------------------------

# path, method, cert (as in the stand-in's folder), headers (a list of lines),
# tls (with no certificate; neither: plain), args (of curl); the answer:
# status, headers, body

sub get {
    my ($self, %q) = @_;

    my $base = $q{cert} || $q{tls} ? "https://$self->{addr}:8602"
                                   : "http://$self->{addr}:8603";
    my @args = ('-A', 'test', '-H', 'Accept:');
    my $method = $q{method} // 'GET';

    push @args, '--cert', "$self->{dir}/standin/$q{cert}.crt",
        '--key', "$self->{dir}/standin/$q{cert}.key" if $q{cert};
    push @args, $method eq 'HEAD' ? '-I' : ('-X', $method);
    push @args, map { ('-H', $_) } @{ $q{headers} // [] };
    push @args, @{ $q{args} // [] };

    open(my $fh, '-|', 'curl', '-sS', '-k', '-i', '-m', 30, '--path-as-is',
         @args, "$base$q{path}") or die "curl: $!";
    binmode $fh;
    local $/;
    my $text = <$fh> // '';
    close $fh;

    return { status => 0, headers => [], body => '', code => $? >> 8 }
        if $text !~ s/^(HTTP\S+ (\d+).*?)\r\n\r\n//s;

    my ($head, $status) = ($1, $2);
    my @headers = map { /^([^:]+): ?(.*)$/ ? lc($1) . ": $2" : () }
        split /\r\n/, $head;

    return { status => $status, headers => \@headers, body => $text,
             code => $? >> 8 };
}

# through TLS and, unless "args" say so, HTTP/1.1; the rest as of get
sub ask {
    my ($self, $path, %q) = @_;

    return $self->get(tls => 1, path => $path, %q,
                      args => [ '--http1.1', @{ $q{args} // [] } ]);
}

# code, reason and message of a Status; or what else it was
sub status_of {
    my ($r) = @_;

    my $o = eval { JSON::PP->new->utf8->decode($r->{body}) };

    return "$r->{status} $r->{body}"
        if ref $o ne 'HASH' || ($o->{kind} // '') ne 'Status';
    return "$r->{status} is not $o->{code}" if $r->{status} != $o->{code};
    return "$o->{code} $o->{reason}: $o->{message}";
}

# the status of a request on a connection that is kept, or "cut"
sub on_kept {
    my ($c, $path, @headers) = @_;

    print $c join("\r\n", "GET $path HTTP/1.1", 'Host: x', @headers, '', '');

    my ($status, $len);

    while (defined(my $line = <$c>)) {
        $status = $1 if $line =~ m{^HTTP/1.1 (\d+)};
        $len = $1 if $line =~ /^content-length: (\d+)/i;
        last if $line eq "\r\n";
    }

    return 'cut' if !defined $status || !defined $len;
    read $c, my ($body), $len;

    return $status;
}

# several at once: a list of [ path, options of ask ]; status and body of each
sub ask_all {
    my ($self, @questions) = @_;

    my (@out, @pids);

    for my $i (0 .. $#questions) {
        my ($path, %q) = @{ $questions[$i] };
        my $pid = fork() // die "fork: $!";

        if ($pid == 0) {
            my $r = $self->ask($path, %q);
            open(my $fh, '>', "$self->{dir}/answer.$i") or POSIX::_exit(1);
            print $fh "$r->{status}\n$r->{body}";
            close $fh;
            POSIX::_exit(0);
        }

        push @pids, $pid;
    }

    for my $i (0 .. $#pids) {
        waitpid($pids[$i], 0);

        my $file = "$self->{dir}/answer.$i";
        my ($status, $body) = split /\n/, slurp($file), 2;

        push @out, { status => $status // 0, body => $body // '' };
        unlink $file;
    }

    return @out;
}


1;
