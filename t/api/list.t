#!/usr/bin/perl

# A list longer than a piece: whole and in order in every form and protocol,
# for clients that are slow, leave, or never read; across a reload and a quit;
# in memory that does not follow its length.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Socket::INET;
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);

use K8sMetrics qw(wait_for);


use constant PODS => 4000;

my $json = JSON::PP->new->utf8;
my $api = '/apis/metrics.k8s.io/v1beta1';
my $pb = 'Accept: application/vnd.kubernetes.protobuf';

# small socket buffers: the kernel would take most of such a list at once

my $t = K8sMetrics->new(
    standin => [ -nodes => 40, -pods => PODS / 40 ],
    extra => <<'END',

    server {
        listen ADDR:8604 sndbuf=8k;
        listen ADDR:8605 ssl http2 sndbuf=8k;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/standin/serving.crt;
        ssl_certificate_key DIR/standin/serving.key;
        send_timeout 30s;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }

    server {
        listen ADDR:8606 sndbuf=8k;
        send_timeout 1s;
        root DIR/html;

        location /apis/ {
            k8s_metrics_auth off;
            k8s_metrics;
        }

        location = /page.html {
            ssi on;
        }
    }

    server {
        listen ADDR:8607;
        gzip on;
        gzip_comp_level 1;
        gzip_types application/json application/vnd.kubernetes.protobuf;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }

    server {
        listen ADDR:8608;
        limit_rate 400k;

        location / {
            k8s_metrics_auth off;
            k8s_metrics;
        }
    }
END
);

my $dir = $t->dir;
my $plain = "http://$t->{addr}:8604$api";
my $tls = "https://$t->{addr}:8605$api";

mkdir "$dir/html";
open(my $fh, '>', "$dir/html/page.html") or die $!;
print $fh qq{before <!--# include virtual="$api/nodes" --> after\n};
close $fh;

$t->start;

ok($t->ready, 'ready') or diag($t->log);
ok(wait_for(60, sub { names(fetch("$plain/pods")) == PODS }),
   'every pod is there') or BAIL_OUT('no list to test with');

# of a compact list; that it is JSON through and through is proven once

sub names {
    my ($body) = @_;

    return if $body !~ /^\{"kind":"PodMetricsList",.*"items":\[(.*)\]\}\n\z/s;

    my @names;

    while ($body =~ /\{"metadata":\{"name":"([^"]+)","namespace":"([^"]+)"/g) {
        push @names, "$2/$1";
    }

    return @names;
}

sub decoded_names {
    my ($body) = @_;
    my $o = eval { $json->decode($body) } or return;
    return map { "$_->{metadata}{namespace}/$_->{metadata}{name}" }
               @{ $o->{items} };
}

# the body; the headers by -D, curl's own verdict in $?

sub fetch {
    my ($url, @args) = @_;

    open(my $fh, '-|', 'curl', '-sSk', '-m', 60, '-A', 'test', @args, $url)
        or die "curl: $!";
    binmode $fh;
    local $/;
    my $body = <$fh> // '';
    close $fh;

    return $body;
}

# as it would be sorted: by namespace, then name

my @want = sort map {
    my $n = $_;
    map { sprintf('ns-%02d/app-%05d-%03d', $_ % 10, $n, $_) } 0 .. 99
} 0 .. 39;

cmp_ok(scalar @want, '==', PODS, 'and known by name');


# forms and protocols

for my $how ([ 'HTTP/1.1', $plain ], [ 'TLS', $tls, '--http1.1' ],
             [ 'TLS 1.2', $tls, '--http1.1', '--tls-max', '1.2' ],
             [ 'HTTP/2', $tls, '--http2' ],
             [ 'HTTP/1.0', $plain, '--http1.0' ])
{
    my ($what, $base, @args) = @$how;

    my $body = fetch("$base/pods", @args, '-D', "$dir/head");
    my $head = K8sMetrics::slurp("$dir/head");

    is_deeply([ names($body) ], \@want, "all of it in order, $what");
    unlike($head, qr/^content-length/mi, 'without a length');

    $body = fetch("$base/pods", @args, '-H', $pb, '-D', "$dir/head");
    ($head) = K8sMetrics::slurp("$dir/head") =~ /^content-length: (\d+)/mi;

    is($?, 0, "as protobuf, $what");
    is(length $body, $head, 'as long as announced');
    is_deeply([ pb_names($body) ], \@want, 'all of it in order');
}

# field by field; what is left over is in field 15 of the list, and little

sub pb_names {
    my ($s) = @_;

    my ($list) = map { $_->[0] == 2 ? $_->[1] : () } pb(substr $s, 4);
    my @names;
    my $filler = 0;

    for my $f (pb($list)) {
        if ($f->[0] == 2) {
            my ($meta) = map { $_->[0] == 1 ? $_->[1] : () } pb($f->[1]);
            my %m = map { @$_ } grep { $_->[0] < 4 } pb($meta);
            push @names, "$m{3}/$m{1}";

        } elsif ($f->[0] == 15) {
            $filler += length $f->[1];
            push @names, 'filler' if $f->[1] =~ /[^\0]/;
        }
    }

    push @names, "filler of $filler" if $filler > length($s) / 4;

    return @names;
}

sub pb {
    my ($s) = @_;

    my @fields;
    my $pos = 0;
    my $varint = sub {
        my ($n, $shift) = (0, 0);

        while (1) {
            my $b = ord substr($s, $pos++, 1);
            $n |= ($b & 127) << $shift;
            return $n if $b < 128;
            $shift += 7;
        }
    };

    while ($pos < length $s) {
        my $tag = $varint->();
        my $n = $varint->();

        if (($tag & 7) == 2) {
            die "past the end" if $pos + $n > length $s;
            push @fields, [ $tag >> 3, substr($s, $pos, $n) ];
            $pos += $n;

        } else {
            push @fields, [ $tag >> 3, $n ];
        }
    }

    return @fields;
}

is_deeply([ decoded_names(fetch("$plain/pods")) ], \@want, 'it is JSON');

# each with the labels and the figures of the stand-in's truth

my %truth = map { ("$_->{namespace}/$_->{name}", $_) }
                @{ $t->control('/truth?kind=pods') };

sub number {
    my ($s) = @_;
    my %unit = ('' => 1e9, n => 1, u => 1e3, m => 1e6, Ki => 1024,
                Mi => 1048576);
    return ($s // '') =~ /^(\d+)(n|u|m|Ki|Mi|)$/ ? $1 * $unit{$2} : -1;
}

# items are [ key, labels, { container => [ cpu, memory ] } ]; what is wrong,
# ten at most

sub untrue {
    my (@items) = @_;

    my @wrong = @items == PODS ? () : (@items . ' items');

    for my $item (@items) {
        my ($key, $labels, $have) = @$item;
        my $want = $truth{$key};
        my %c = map { ($_->{name}, $_) } @{ $want->{containers} };
        my $same = "@{[ sort %$labels ]}" eq "@{[ sort %{ $want->{labels} } ]}"
            && "@{[ sort keys %$have ]}" eq "@{[ sort keys %c ]}";

        for my $name ($same ? keys %c : ()) {
            my ($cpu, $memory) = map { number($_) } @{ $have->{$name} };
            my $rate = $c{$name}{cpuNanocores};

            $same &&= $memory == $c{$name}{memoryBytes}
                      && abs($cpu - $rate) <= $rate / 1000;
        }

        push @wrong, $json->canonical->encode([ $item, $want ]) if !$same;
    }

    return splice @wrong, 0, 10;
}

sub json_items {
    my ($body) = @_;
    my $o = eval { $json->decode($body) } or return;
    return map {
        my $i = $_;
        [ "$i->{metadata}{namespace}/$i->{metadata}{name}",
          $i->{metadata}{labels} // {},
          { map { ($_->{name}, [ @{ $_->{usage} }{qw(cpu memory)} ]) }
                @{ $i->{containers} } } ]
    } @{ $o->{items} };
}

# the values of a field that comes more than once
sub all {
    my ($n, $s) = @_;
    return map { $_->[0] == $n ? $_->[1] : () } pb($s);
}

sub pb_items {
    my ($s) = @_;

    my @items;
    my ($list) = all(2, substr $s, 4);

    for my $i (all(2, $list)) {
        my ($meta) = all(1, $i);
        my ($name, $ns) = (all(1, $meta), all(3, $meta));
        my %labels = map { (all(1, $_), all(2, $_)) } all(11, $meta);
        my %have;

        for my $c (all(4, $i)) {
            my %usage = map { (all(1, $_), all(1, (all(2, $_))[0])) }
                            all(2, $c);
            $have{ (all(1, $c))[0] } = [ @usage{qw(cpu memory)} ];
        }

        push @items, [ "$ns/$name", \%labels, \%have ];
    }

    return @items;
}

is_deeply([ untrue(json_items(fetch("$tls/pods", '--http2'))) ], [],
          'HTTP/2, each as it is');
is_deeply([ untrue(json_items(fetch("$plain/pods?pretty=1"))) ], [],
          'indented, each as it is');
is_deeply([ untrue(pb_items(fetch("$tls/pods", '--http1.1', '-H', $pb))) ],
          [], 'protobuf, each as it is');

my $pretty = fetch("$plain/pods?pretty=1");
is_deeply([ decoded_names($pretty) ], \@want, 'indented, all of it in order');
like($pretty, qr/^\{\n  "kind": "PodMetricsList",\n/, 'and indented');
is(substr($pretty, -5), "  ]\n}", 'to its end');


# a part of it

my @part = grep { m{^ns-03/} } @want;
is_deeply([ names(fetch("$plain/namespaces/ns-03/pods")) ], \@part,
          'a namespace');
is_deeply([ pb_names(fetch("$plain/namespaces/ns-03/pods", '-H', $pb)) ],
          \@part, 'a namespace as protobuf');
is_deeply([ names(fetch("$plain/pods?fieldSelector="
                        . 'metadata.namespace%3Dns-03')) ], \@part,
          'by the field of the namespace');
is_deeply([ names(fetch("$plain/pods?labelSelector=app%3Dapp-03")) ],
          \@part, 'by a label');
is(scalar(names(fetch("$plain/pods?labelSelector=app%20notin%20(app-03)"))),
   PODS - @part, 'by a label that others have');
is_deeply([ names(fetch("$plain/pods?fieldSelector="
                        . 'metadata.name%3Dapp-00039-099')) ],
          [ 'ns-09/app-00039-099' ], 'by name, in all namespaces');
is_deeply([ names(fetch("$plain/namespaces/ns-09/pods?fieldSelector="
                        . 'metadata.name%3Dapp-00039-099')) ],
          [ 'ns-09/app-00039-099' ], 'by name, in its namespace');
is_deeply([ names(fetch("$plain/namespaces/ns-08/pods?fieldSelector="
                        . 'metadata.name%3Dapp-00039-099')) ],
          [], 'by name, in another');
is_deeply([ names(fetch("$plain/namespaces/ns-09/pods?fieldSelector="
                        . 'metadata.name%3Dapp-00039-099,'
                        . 'metadata.namespace!%3Dns-09')) ],
          [], 'by what contradicts itself');
is(scalar(names(fetch("$plain/pods?limit=5"))), PODS,
   'a limit does not cut it');


# HEAD, gzip, a limited rate, a subrequest

fetch("$plain/pods", '-I', '-D', "$dir/head");
is($?, 0, 'HEAD');
like(K8sMetrics::slurp("$dir/head"), qr{^HTTP/1.1 200.*application/json}s,
     'has the headers');

my $gz = "http://$t->{addr}:8607$api";

is_deeply([ names(fetch("$gz/pods", '--compressed', '-D', "$dir/head")) ],
          \@want, 'gzip, all of it');
like(K8sMetrics::slurp("$dir/head"), qr/^content-encoding: gzip/mi,
     'and is compressed');
is_deeply([ pb_names(fetch("$gz/pods", '--compressed', '-H', $pb)) ],
          \@want, 'gzip, protobuf');

my $since = time;
is_deeply([ names(fetch("http://$t->{addr}:8608$api/pods")) ], \@want,
          'limit_rate, all of it');
cmp_ok(time - $since, '>', 1, 'and limited');

like(fetch("http://$t->{addr}:8606/page.html"),
     qr/^before (?!.*NodeMetrics).* after$/s, 'a subrequest is refused');


# a pod larger than a piece, and one that is larger than what is kept

for my $n (240, 3000) {
    $t->control('/pod', { Namespace => 'big', Name => "big-$n",
        Node => 'node-00000', Containers => [ { Name => 'c0', CPU => 1000000,
                                                Memory => 1048576 } ],
        Labels => { map { (sprintf('key-%05d-%s', $_, 'k' x 40),
                           'v' x 63) } 1 .. $n } });
}

ok(wait_for(60, sub {
    names(fetch("$plain/namespaces/big/pods")) == 1
}), 'a pod with 30 kB of labels');

is_deeply([ names(fetch("$plain/namespaces/big/pods")) ], [ 'big/big-240' ],
          'is listed alone');
is_deeply([ names(fetch("$plain/pods")) ], [ 'big/big-240', @want ],
          'is listed with all others');
is_deeply([ pb_names(fetch("$plain/pods", '-H', $pb)) ],
          [ 'big/big-240', @want ], 'in protobuf, too');
ok(scalar($t->log(qr/one of pods is left out, "big\/big-3000"/)),
   'one with more than are kept is left out, and named');

$t->control('/pod', { Namespace => 'big', Name => "big-$_" }, 'DELETE')
    for 240, 3000;
ok(wait_for(10, sub { names(fetch("$plain/pods")) == PODS }),
   'and gone again');


# slow clients, all at once

sub crowd {
    my ($n, $rate, @urls) = @_;

    my @pids;

    for my $i (0 .. $n - 1) {
        my $pid = fork() // die "fork: $!";

        if ($pid == 0) {
            open(STDERR, '>', "$dir/crowd.$i.err");
            exec 'curl', '-sSk', '-m', 120, '-A', 'test', '--limit-rate',
                $rate, '-o', "$dir/crowd.$i", @{ $urls[$i % @urls] }
                or POSIX::_exit(127);
        }

        push @pids, $pid;
    }

    return @pids;
}

sub all_whole {
    my @pids = @_;

    my $whole = 0;

    for my $i (0 .. $#pids) {
        waitpid($pids[$i], 0);

        if ($?) {
            diag("curl: $? " . K8sMetrics::slurp("$dir/crowd.$i.err"));
            next;
        }

        my $body = K8sMetrics::slurp("$dir/crowd.$i");
        my @got = $body =~ /^k8s\0/ ? pb_names($body) : names($body);

        $whole++ if "@got" eq "@want";
    }

    return $whole;
}

sub memory {
    my ($pid) = @_;
    my ($kb) = K8sMetrics::slurp("/proc/$pid/smaps_rollup")
        =~ /^Private_Dirty:\s+(\d+)/m;
    return $kb;
}

my @both = ([ "$tls/pods", '--http2' ], [ "$tls/pods", '--http1.1' ],
            [ "$tls/pods", '-H', $pb ], [ "$plain/pods" ]);

my ($worker) = $t->workers;
my $before = memory($worker);
my @crowd = crowd(48, '300k', @both);
my ($max, $n) = (0, 0);

for (1 .. 20) {
    my $m = memory($worker);
    $max = $m if $m > $max;
    sleep 0.1;
}

# 1.2 MB each, if they were rendered whole
cmp_ok($max - $before, '<', 48 * 200,
       "48 slow clients take memory for a piece each, not for a list");
is(all_whole(@crowd), 48, 'and get all of it');


# reload and quit while they read

@crowd = crowd(16, '300k', @both);
sleep 1;
kill 'HUP', $t->{pid};
is(all_whole(@crowd), 16, 'a reload cuts no list');
ok(wait_for(20, sub { my @w = $t->workers; @w == 1 && $w[0] != $worker }),
   'the old worker leaves when they are done');

# a client that leaves, and one that never reads

@crowd = crowd(8, '100k', @both);
sleep 0.5;
kill 'TERM', @crowd;
waitpid($_, 0) for @crowd;
is(scalar(names(fetch("$plain/pods"))), PODS, 'clients that leave');

my $s = IO::Socket::INET->new(PeerAddr => $t->{addr}, PeerPort => 8606,
                              Proto => 'tcp') or die "connect: $!";
print $s "GET $api/pods HTTP/1.1\r\nHost: x\r\n\r\n";
ok(wait_for(20, sub { $t->log(qr/client timed out/) }),
   'one that never reads is left after send_timeout');
close $s;

@crowd = crowd(8, '300k', @both);
sleep 1;
is(do { my $pid = $t->{pid}; kill('QUIT', $pid) }, 1, 'quit');
is(all_whole(@crowd), 8, 'a quit cuts no list');
is($t->stop('QUIT'), 0, 'and ends');

is_deeply([ $t->log(qr/\[(?:alert|crit|emerg)\]/) ], [], 'no alerts');

done_testing();
