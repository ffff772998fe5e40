package KubeApi;

# A small kube-apiserver for tests: lists (whole, in pages, as a stream) and
# watches of nodes and pods in protobuf and of a ConfigMap in JSON, told to
# misbehave from the test.  A process for each connection; what they share is
# one JSON file under a lock.  It also answers as a kubelet (/metrics...).

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time sleep);

# servers that run, and whose they are
my %running;


my %kinds = (nodes => 'Node', pods => 'Pod', configmaps => 'ConfigMap');


sub new {
    my ($class, $dir, $addr, $port) = @_;

    my $self = bless { dir => $dir, addr => $addr, port => $port }, $class;

    $self->state(sub {
        my ($s) = @_;
        %$s = (rv => 1000, oldest => 0, page => 500, stream => 1,
               token => 'token-1', map { $_ => {} }
               qw(objects history modes cut));
    });

    return $self;
}


# reads, and with a sub that returns true (or changes the first time) writes

sub state {
    my ($self, $change) = @_;

    my $file = "$self->{dir}/state.json";

    open(my $lock, '>', "$file.lock") or die "lock: $!";
    flock($lock, LOCK_EX);

    my $s = {};

    if (open(my $fh, '<', $file)) {
        local $/;
        $s = JSON::PP::decode_json(<$fh>);
        close $fh;
    }

    if ($change) {
        $change->($s);

        open(my $fh, '>', "$file.new") or die "state: $!";
        print $fh JSON::PP::encode_json($s);
        close $fh;
        rename "$file.new", $file;
    }

    return $s;
}


# --- what a test tells it -------------------------------------------------

sub change {
    my ($self, $kind, $type, $object) = @_;

    my $rv;

    $self->state(sub {
        my ($s) = @_;
        my $key = ($object->{ns} // '') . '/' . $object->{name};

        $rv = ++$s->{rv};
        $object->{rv} = $rv;

        if ($type eq 'DELETED') {
            delete $s->{objects}{$kind}{$key};

        } else {
            $s->{objects}{$kind}{$key} = $object;
        }

        push @{ $s->{history}{$kind} }, [ $rv, $type, $object ];
    });

    return $rv;
}

# removes without an event: what is only found by a list
sub vanish {
    my ($self, $kind, $key) = @_;
    $self->state(sub { delete $_[0]{objects}{$kind}{$key} });
}

# the next requests of a kind get these answers: 401, 429, close, ...
sub mode {
    my ($self, $kind, @modes) = @_;
    $self->state(sub { $_[0]{modes}{$kind} = [ @modes ] });
}

# every open watch of a kind: end, cut, half, expire, garbage, bookmark, older
# (a bookmark of long ago), mute (silent from now on)
sub cut {
    my ($self, $kind, $how) = @_;
    $self->state(sub { push @{ $_[0]{cut}{$kind} }, $how });
}

sub set {
    my ($self, %values) = @_;
    $self->state(sub { @{ $_[0] }{ keys %values } = values %values });
}

sub requests {
    my ($self, $match) = @_;

    open(my $fh, '<', "$self->{dir}/requests") or return wantarray ? () : 0;
    my @lines = map { chomp; my @f = split /\t/;
                      { time => $f[0], pid => $f[1], path => $f[2],
                        auth => $f[3], accept => $f[4], agent => $f[5],
                        host => $f[6], subject => $f[7] } } <$fh>;
    close $fh;

    return defined $match ? grep { $_->{path} =~ $match } @lines : @lines;
}


# --- the server -----------------------------------------------------------

sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => $self->{addr},
        LocalPort => $self->{port}, Listen => 128, ReuseAddr => 1,
        Proto => 'tcp') or die "listen $self->{addr}:$self->{port}: $!";

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        setpgrp(0, 0);
        $SIG{CHLD} = 'IGNORE';
        $SIG{PIPE} = 'IGNORE';

        while (1) {
            my $c = $listen->accept() or next;
            my $child = fork();

            if (defined $child && $child == 0) {
                close $listen;
                eval { $self->serve($c) };
                close $c;
                POSIX::_exit(0);
            }

            close $c;
        }
    }

    close $listen;
    $self->{pid} = $pid;
    $running{$pid} = $$;

    return $self;
}

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    # the group is this server's own: it and its connections
    kill 'KILL', -$pid, $pid;
    waitpid($pid, 0);
    delete $running{$pid};
}

# an object that a named sub knows is destroyed too late, or in pieces

END {
    local $?;

    for my $pid (grep { $running{$_} == $$ } keys %running) {
        kill 'KILL', -$pid, $pid;
        waitpid($pid, 0);
    }
}

sub serve {
    my ($self, $c) = @_;

    my $buf = '';

    while (1) {
        while ($buf !~ /\r\n\r\n/) {
            my $n = sysread($c, $buf, 65536, length $buf);
            return if !$n;
        }

        $buf =~ s/^(.*?)\r\n\r\n//s;

        my ($line, @headers) = split /\r\n/, $1;
        my (undef, $path) = split / /, $line;
        my %h = map { /^([^:]+):\s*(.*)$/ ? (lc $1 => $2) : () } @headers;

        open(my $fh, '>>', "$self->{dir}/requests") or die;
        syswrite($fh, join("\t", time, $$, $path,
            map { $h{$_} // '' }
            qw(authorization accept user-agent host x-subject)) . "\n");
        close $fh;

        return if !$self->answer($c, $path, \%h);
    }
}

sub answer {
    my ($self, $c, $path, $h) = @_;

    my ($name, $args) = split /\?/, $path, 2;
    my %q = map { my ($k, $v) = split /=/, $_, 2; $v //= '';
                  $v =~ s/%(..)/chr hex $1/ge; ($k => $v) }
            split /&/, $args // '';
    my ($kind) = $name =~ m{([a-z]+)$};
    my ($mode, $s);

    if ($name =~ m{^/metrics}) {
        return reply($c, 200, $self->metrics($name),
                     "Content-Type: text/plain\r\n");
    }

    $self->state(sub {
        $s = $_[0];
        $mode = shift @{ $s->{modes}{$kind} };
    });

    $mode //= '';

    return 0 if $mode eq 'close';

    if ($mode eq 'hang') {
        sleep 3600;

    } elsif ($mode eq 'reset') {
        setsockopt($c, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
        return 0;

    } elsif ($mode eq 'garbage') {
        syswrite($c, "SSH-2.0-OpenSSH\r\n\r\n");
        return 0;

    } elsif ($mode eq 'half') {
        syswrite($c, "HTTP/1.1 200 OK\r\nContent-Type: "
            . type($kind) . "\r\nContent-Length: 100\r\n\r\nk8s");
        return 0;

    } elsif ($mode eq 'html') {
        return reply($c, 200, '<html>', "Content-Type: text/html\r\n");

    } elsif ($mode =~ /^\d+$/) {
        return reply($c, $mode, '{}', $mode == 429 ? "Retry-After: 2\r\n"
                                                   : '');
    }

    if (($h->{authorization} // '') ne "Bearer $s->{token}") {
        return reply($c, 401, '{}');
    }

    return reply($c, 404, '{}') if !$kinds{$kind};

    if ($q{watch}) {
        return reply($c, 422, '{}')
            if $q{sendInitialEvents} && !$s->{stream};

        return reply($c, 410, '{}')
            if !$q{sendInitialEvents} && $q{resourceVersion} < $s->{oldest};

        return $self->watch($c, $kind, \%q);
    }

    return $self->list($c, $kind, $s, \%q);
}

# as a kubelet: set(metrics => { PATH => [ [ NS, POD, CORES, BYTES ] ] })
sub metrics {
    my ($self, $path) = @_;

    my $pods = ($self->state->{metrics} // {})->{$path} or return "# nothing\n";
    my $now = time;
    my $ms = int($now * 1000);
    my $out = "node_cpu_usage_seconds_total " . ($now - 1e9) . " $ms\n"
        . "node_memory_working_set_bytes 1000000 $ms\n";

    for (@$pods) {
        my ($ns, $pod, $cores, $bytes) = @$_;
        my $l = qq({container="c",namespace="$ns",pod="$pod"});

        $out .= "container_cpu_usage_seconds_total$l "
            . sprintf('%.6f', $cores * ($now - 1.7e9)) . " $ms\n"
            . "container_memory_working_set_bytes$l $bytes $ms\n";
    }

    return $out;
}

sub reply {
    my ($c, $code, $body, $more) = @_;

    return syswrite($c, "HTTP/1.1 $code X\r\n" . ($more // '')
        . "Content-Length: " . length($body) . "\r\n\r\n$body");
}

sub type {
    my ($kind) = @_;
    return $kind eq 'configmaps' ? 'application/json'
                                 : 'application/vnd.kubernetes.protobuf';
}

sub chunk {
    my ($c, $data) = @_;
    my $out = sprintf("%x\r\n", length $data) . $data . "\r\n";

    while (length $out) {
        my $n = syswrite($c, $out) or die "gone";
        substr($out, 0, $n) = '';
    }
}

sub list {
    my ($self, $c, $kind, $s, $q) = @_;

    my $o = $s->{objects}{$kind} // {};
    my @keys = sort keys %$o;
    my $off = $q->{continue} ? ($q->{continue} =~ /^(\d+)=/)[0] : 0;
    my @page = splice(@keys, $off, $s->{page});
    my $cont = @keys > $off ? ($off + @page) . '=+/' : '';
    my $body;

    if ($kind eq 'configmaps') {
        $body = JSON::PP::encode_json({ kind => 'ConfigMapList',
            metadata => { resourceVersion => "$s->{rv}" },
            items => [ map { configmap($o->{$_}) } @page ] });

    } else {
        $body = envelope("$kinds{$kind}List",
            field(1, field(2, $s->{rv} . '')
                     . ($cont ? field(3, $cont) : ''))
            . join('', map { field(2, object($kind, $o->{$_})) } @page));
    }

    syswrite($c, "HTTP/1.1 200 OK\r\nContent-Type: " . type($kind)
        . "\r\nTransfer-Encoding: chunked\r\n\r\n");

    chunk($c, $_) for unpack('(a700)*', $body);

    return syswrite($c, "0\r\n\r\n");
}

sub watch {
    my ($self, $c, $kind, $q) = @_;

    my $s = $self->state;
    my $since = $q->{resourceVersion} // $s->{rv};
    my $cuts = @{ $s->{cut}{$kind} // [] };

    syswrite($c, "HTTP/1.1 200 OK\r\nContent-Type: " . type($kind)
        . "\r\nTransfer-Encoding: chunked\r\n\r\n");

    if ($q->{sendInitialEvents}) {
        my $o = $s->{objects}{$kind} // {};

        chunk($c, event($kind, 'ADDED', $o->{$_})) for sort keys %$o;
        chunk($c, bookmark($kind, $s->{rv}, 1)) if $s->{stream} ne 'unknown';
    }

    # each stream ends with this error, behind an event when it is a storm

    if (my $code = ($s->{error} // {})->{$kind}) {
        chunk($c, event($kind, 'MODIFIED', { name => 'storm', ns => 'a',
                                             node => 'n1', rv => $s->{rv} }))
            if $s->{storm};
        chunk($c, status($code));
        return syswrite($c, "0\r\n\r\n");
    }

    while (1) {
        $s = $self->state;

        for my $e (grep { $_->[0] > $since } @{ $s->{history}{$kind} // [] }) {
            chunk($c, event($kind, $e->[1], $e->[2]));
            $since = $e->[0];
        }

        for my $how (splice @{ $s->{cut}{$kind} // [] }, $cuts) {
            $cuts++;

            return syswrite($c, "0\r\n\r\n") if $how eq 'end';
            return 0 if $how eq 'cut';

            if ($how eq 'half') {
                chunk($c, substr(bookmark($kind, 1, 0), 0, 9));
                return 0;
            }

            if ($how eq 'expire') {
                chunk($c, status(410));
                return syswrite($c, "0\r\n\r\n");
            }

            chunk($c, "\xff" x 100) if $how eq 'garbage';
            chunk($c, bookmark($kind, $s->{rv}, 0)) if $how eq 'bookmark';
            chunk($c, bookmark($kind, 7, 0)) if $how eq 'older';
            sleep 3600 if $how eq 'mute';
        }

        sleep 0.03;
    }
}


# --- Kubernetes' encodings ------------------------------------------------

sub varint {
    my ($n) = @_;
    my $out = '';

    while ($n > 127) {
        $out .= chr($n & 127 | 128);
        $n >>= 7;
    }

    return $out . chr $n;
}

# a string is bytes, a number a varint
sub field {
    my ($number, $value) = @_;

    return varint($number << 3) . varint($value)
        if !(B::svref_2object(\$value)->FLAGS & B::SVf_POK());

    return varint($number << 3 | 2) . varint(length $value) . $value;
}

use B ();

sub envelope {
    my ($kind, $raw) = @_;
    return "k8s\0" . field(1, field(1, 'v1') . field(2, $kind))
           . field(2, $raw);
}

sub frame {
    my ($type, $object) = @_;
    my $e = field(1, $type) . field(2, field(1, $object));
    return pack('N', length $e) . $e;
}

sub status {
    my ($code) = @_;
    return frame('ERROR', envelope('Status', field(2, 'Failure')
                                             . field(6, $code + 0)));
}

sub object {
    my ($kind, $o) = @_;

    my $meta = $o->{nameless} ? '' : field(1, "$o->{name}");
    $meta .= field(3, "$o->{ns}") if defined $o->{ns};
    $meta .= field(6, $o->{version} // "$o->{rv}");

    for (sort { $b cmp $a } keys %{ $o->{labels} // {} }) {
        $meta .= field(11, field(1, "$_") . field(2, "$o->{labels}{$_}"));
    }

    for (sort keys %{ $o->{annotations} // {} }) {
        $meta .= field(12, field(1, "$_")
                           . field(2, "$o->{annotations}{$_}"));
    }

    # what no API server should send: labels by the thousand, cut fields
    for (1 .. $o->{nlabels} // 0) {
        $meta .= field(11, field(1, sprintf('label-%05d', $_))
                           . field(2, "value-of-it"));
    }

    # one that is larger than any other
    $meta .= field(12, field(1, 'fat') . field(2, 'x' x $o->{fat}))
        if $o->{fat};

    my $broken = $o->{broken} // '';

    $meta .= "\x7a\x7f" if $broken eq 'meta';

    if ($broken eq 'spec' || $broken eq 'status') {
        return field(1, $meta)
            . field($broken eq 'spec' ? 2 : 3, "\x52\x7f");
    }

    my $ready = field(1, 'Ready') . field(2, $o->{ready} // 'True');

    if ($kind eq 'pods') {
        return field(1, $meta)
            . field(2, field(2, field(1, 'main'))
                       . (defined $o->{node} ? field(10, "$o->{node}") : ''))
            . field(3, field(1, $o->{phase} // 'Running')
                       . field(2, $ready));
    }

    return field(1, $meta) . field(2, '') . field(3, field(4, $ready)
        . join('', map { field(5, field(1, "$_->[0]") . field(2, "$_->[1]")) }
               @{ $o->{addresses} // [] })
        . field(6, field(1, field(1, ($o->{port} // 10250) + 0))));
}

sub configmap {
    my ($o) = @_;
    return { kind => 'ConfigMap', apiVersion => 'v1',
             metadata => { name => $o->{name}, namespace => $o->{ns},
                           resourceVersion => "$o->{rv}" },
             data => $o->{data} };
}

sub event {
    my ($kind, $type, $o) = @_;

    return JSON::PP::encode_json({ type => $type, object => configmap($o) })
           . "\n" if $kind eq 'configmaps';

    return frame($type, envelope($kinds{$kind}, object($kind, $o)));
}

sub bookmark {
    my ($kind, $rv, $end) = @_;

    return JSON::PP::encode_json({ type => 'BOOKMARK', object => {
               metadata => { resourceVersion => "$rv" } } }) . "\n"
        if $kind eq 'configmaps';

    return frame('BOOKMARK', envelope($kinds{$kind}, field(1,
        field(6, "$rv")
        . ($end ? field(12, field(1, 'k8s.io/initial-events-end')
                            . field(2, 'true')) : ''))));
}


1;
