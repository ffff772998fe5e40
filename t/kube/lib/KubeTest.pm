package KubeTest;

# nginx with the module beside a KubeApi, in a folder of its own.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time sleep);

use KubeApi;

our @EXPORT_OK = qw(wait_for);

my $root = "$FindBin::Bin/../..";


# polls until the sub returns true; false after "limit" seconds

sub wait_for {
    my ($limit, $sub) = @_;

    my $end = time + $limit;

    while (time < $end) {
        my $r = $sub->();
        return $r if $r;
        sleep 0.05;
    }

    return $sub->();
}


sub new {
    my ($class, %o) = @_;

    my $dir = tempdir(CLEANUP => 1);
    chmod 0755, $dir;

    # an address for each run: suites may run side by side
    my $addr = sprintf('127.40.%d.%d', ($$ >> 7) & 255, 1 + ($$ & 127));

    my $self = bless { dir => $dir, addr => $addr, main => $$,
                       workers => 1, http => '', %o }, $class;

    $self->{api} = KubeApi->new($dir, $addr, 8400);

    $self->write('token', "token-1\n");
    $self->kubeconfig;

    return $self;
}

sub api { return $_[0]{api} }
sub dir { return $_[0]{dir} }
sub addr { return $_[0]{addr} }

sub write {
    my ($self, $name, $text) = @_;

    open(my $fh, '>', "$self->{dir}/$name.new") or die "$name: $!";
    print $fh $text;
    close $fh;
    rename "$self->{dir}/$name.new", "$self->{dir}/$name";

    return "$self->{dir}/$name";
}

# "cluster" and "user" are YAML's flow maps without their braces
sub kubeconfig {
    my ($self, $cluster, $user) = @_;

    $cluster //= "server: 'http://$self->{addr}:8400'";
    $user //= 'tokenFile: token';

    return $self->write('kubeconfig', <<"END");
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {$cluster}}]
users: [{name: u, user: {$user}}]
END
}

sub conf {
    my ($self) = @_;

    my $module = $ENV{MODULE} || "$root/build/ngx_http_k8s_metrics_module.so";
    my $d = $self->{dir};
    my $source = $self->{source} // "kubeconfig=$d/kubeconfig";

    return $self->write('nginx.conf', <<"END");
load_module $module;
daemon off;
worker_processes $self->{workers};
pid $d/nginx.pid;
error_log $d/error.log info;

events {
    worker_connections 256;
}

http {
    access_log off;
    client_body_temp_path $d/client_body;
    proxy_temp_path $d/proxy;
    fastcgi_temp_path $d/fastcgi;
    uwsgi_temp_path $d/uwsgi;
    scgi_temp_path $d/scgi;

    k8s_metrics_zone zone:8m;
    k8s_metrics_apiserver $source;
    k8s_metrics_kubelet_completely_insecure on;
    k8s_metrics_kubelet_use_node_status_port on;
    $self->{http}

    server {
        listen $self->{addr}:8401;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }
}
END
}

sub nginx { return $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx' }

# what "nginx -t" says
sub check {
    my ($self) = @_;

    my $conf = $self->conf;
    my $nginx = nginx();

    return scalar qx($nginx -t -c $conf -e $self->{dir}/t.log 2>&1);
}

sub start {
    my ($self) = @_;

    my $conf = $self->conf;
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        exec nginx(), '-c', $conf, '-e', "$self->{dir}/error.log"
            or die "exec: $!";
    }

    $self->{pid} = $pid;

    my $ended;

    wait_for(10, sub {
        $ended = waitpid($pid, POSIX::WNOHANG()) == $pid;
        return $ended || defined $self->get('/healthz');
    });

    if ($ended) {
        delete $self->{pid};
        die "nginx ended:\n" . $self->log;
    }

    return $self;
}

sub signal { return kill $_[1], $_[0]{pid} }

# the exit code; undef when it had to be killed
sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal // 'QUIT', $pid;

    for (1 .. 200) {
        return $? >> 8 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        sleep 0.05;
    }

    kill 'KILL', $pid;
    waitpid($pid, 0);

    return undef;
}

sub workers {
    my ($self) = @_;

    my @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open(my $fh, '<', $stat) or next;
        my $line = <$fh> // next;
        push @pids, $1
            if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $self->{pid};
    }

    @pids = sort { $a <=> $b } @pids;

    return @pids;
}

sub log {
    my ($self, $match) = @_;

    open(my $fh, '<', "$self->{dir}/error.log") or return;
    my @lines = <$fh>;
    close $fh;

    @lines = grep { $_ =~ $match } @lines if defined $match;

    return wantarray ? @lines : join '', @lines;
}

sub logged {
    my ($self, $match) = @_;
    my @lines = $self->log($match);
    return scalar @lines;
}

# status and body, or nothing when nothing answers
sub get {
    my ($self, $path) = @_;

    my $c = IO::Socket::INET->new(PeerAddr => $self->{addr}, PeerPort => 8401,
        Proto => 'tcp', Timeout => 5) or return;

    print $c "GET $path HTTP/1.0\r\nHost: x\r\n"
        . "Accept: application/json\r\n\r\n";

    local $/;
    my $answer = <$c> // '';

    return if $answer !~ m{^HTTP/1\.\d (\d+).*?\r\n\r\n(.*)}s;

    return wantarray ? ($1, $2) : $1;
}

# "known", "unknown" or "not ready", by the kind of 404 that it gets
sub knows {
    my ($self, $kind, $name) = @_;

    my ($ns, $n) = $name =~ m{/} ? split(m{/}, $name) : (undef, $name);
    my $path = '/apis/metrics.k8s.io/v1beta1/'
        . (defined $ns ? "namespaces/$ns/" : '') . "$kind/$n";
    my ($status, $body) = $self->get($path);

    return 'not ready' if !defined $status || $status == 503;
    return 'known' if $status == 200 || $body =~ /(node|pod)metrics\./;
    return 'unknown' if $status == 404;
    return "status $status";
}

sub becomes {
    my ($self, $kind, $name, $what, $limit) = @_;
    return wait_for($limit // 5, sub { $self->knows($kind, $name) eq $what });
}

sub DESTROY {
    my ($self) = @_;

    return if $self->{main} != $$;

    local $?;
    $self->stop('TERM');
    $self->{api}->stop if $self->{api};
}


1;
