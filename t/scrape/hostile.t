#!/usr/bin/perl

# Everything that a compromised node may send, through a real nginx: what is
# bad is dropped or fails with its reason, the node's good samples are served,
# nobody else suffers, memory stays bounded, and the log has at most a line for
# each node and minute without a byte of what was sent.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Compress::Zlib ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(time sleep);
use Time::Local qw(timegm);

use K8sMetrics qw(wait_for);


my $json = JSON::PP->new->utf8;
my $true = JSON::PP::true;

# in everything that is sent, so in no line of the log
my $mark = 'hostilebytes';


# --- what they send ----------------------------------------------------------

sub series {
    my ($metric, $container, $ns, $pod, $rest) = @_;
    return qq(container_${metric}{container="$container",namespace="$ns",)
        . qq(pod="$pod"} $rest\n);
}

# both lines of a container; "$cpu $memory" with times, if any
sub container {
    my ($container, $ns, $pod, $cpu, $memory) = @_;

    return series('cpu_usage_seconds_total', $container, $ns, $pod, $cpu)
        . series('memory_working_set_bytes', $container, $ns, $pod, $memory);
}

my $ok = "HTTP/1.1 200 OK\r\n";
my $text = "Content-Type: text/plain\r\n";
my $chunked = "Transfer-Encoding: chunked\r\n";

# what is bad follows the node's own body: its pods are to be served. NS and
# POD are its first pod's; OTHER those of a good node's

my %served = (
    'one-byte chunks' => { own => $true, chunk => 1, body => "x 1\n" },

    'no final newline' => { own => $true, chunk => 1000,
        body => 'node_memory_working_set_bytes 1048576' },

    'names of containers' => { own => $true, chunk => 100, body => join '',
        map { container($_, 'NS', 'POD', 1, 1) . "# $mark\n" } (
            '\\"', '\\\\', '\\n', "\e[2J$mark", "\xff\xfe", "\xc3\xa4", "\0",
            "a\0b", '<script>', 'A', '-', '', 'x' x 64, "a\r") },

    'names of pods' => { own => $true, chunk => 100, body => join '',
        map { container('c', 'NS', $_, 1, 1)
            . container('c', $_, 'POD', 1, 1) } (
            '\\"', '\\\\', '\\n', "\e[2J$mark", "\xff", "\0", '', 'x' x 5000,
            "POD\0", 'POD\\n', '../POD', $mark) },

    "another node's pods" => { own => $true, chunk => 4096,
        body => container('c0', 'OTHER', 'OTHER', 4000000000, 9999999) },

    'nobody\'s pods' => { own => $true, chunk => 60000, repeat => 4000,
        body => container('c', $mark, 'p-{#}', 1, 1) },

    'more containers than a node may have' => { own => $true, chunk => 65536,
        repeat => 40000, body => container('c', $mark, 'p-{#}', 1, 1) },

    'a pod with containers without end' => { own => $true, chunk => 65536,
        repeat => 20000, body => container('c{#}', $mark, 'p', 1, 1) },

    'lines of 64 kB and more' => { own => $true, chunk => 65536, repeat => 90,
        body => "x{a=\"" . $mark x 11000 . "\"} 1\n" },

    'labels of 64 kB' => { own => $true, chunk => 65536, repeat => 200,
        body => qq(container_cpu_usage_seconds_total{container="c",)
            . qq(namespace="n",pod="p-{#}",id="$mark) . 'y' x 60000
            . qq("} 1\n) },

    'a line without end' => { own => $true, chunk => 65536, repeat => 1000,
        body => $mark x 1000 },

    'values' => { own => $true, chunk => 333, body => join '',
        map { container('c', $mark, "p-$_", $_, $_) } qw(NaN +Inf -Inf -1 -0
            1e308 1e309 1e-400 0x1p4 0x10 1_000 Infinity 1e .
            18446744073709551616), '1,5', '', '9' x 5000, '1' x 127,
            '0' x 60000 },

    'numbers that are long' => { own => $true, chunk => 65536, repeat => 20000,
        body => container('c', $mark, 'p', '1.' . '3' x 110 . 'e-300', 1) },

    'a series again and again' => { own => $true, chunk => 65536,
        repeat => 50000, body => container('c', $mark, 'p', '{#}', '{#}') },

    'one label twice, no quote, no brace' => { own => $true, chunk => 7,
        body => qq(container_cpu_usage_seconds_total{pod="POD",pod="POD",)
            . qq(container="c0",namespace="NS"} 5\n)
            . qq(container_cpu_usage_seconds_total{pod="POD} 5\n)
            . qq(container_cpu_usage_seconds_total{pod=POD"} 5\n)
            . qq(container_cpu_usage_seconds_total{pod="POD" 5\n)
            . qq({} 5\n{"$mark"} 5\n\n\n) },

    'comments' => { own => $true, chunk => 65536, repeat => 20000,
        body => "# HELP $mark \\\n# TYPE $mark x y z\n#\n# EOF\n# {\"\n" },

    'CR LF after it' => { own => $true, chunk => 5, body => "\r\n# EOF\r\n"
            . container('c', $mark, 'p', "1\r", "2\r") },

    'times' => { own => $true, chunk => 100, body => join '',
        map { container('c', $mark, 'p', "1 $_", "1 $_") } (-1, 0, '1.5',
            '1e3', 'x', '9' x 18, '9' x 40, '9223372036854775807',
            '9223372036855', '1 1', "1763872085123 # {a=\"$mark\"} 1") },

    'collisions and zeros' => { own => $true, chunk => 65536, repeat => 60000,
        body => "\0" x 200 . "\n" },

    '1xx before it' => { raw => [
        { text => "HTTP/1.1 100 Continue\r\n\r\n", repeat => 20 },
        { text => "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n"
            . "Link: <$mark>\r\n\r\n" },
        { text => $ok . "Connection: close\r\n\r\n" },
        { own => $true } ], close => $true },

    'trailers' => { raw => [ { text => $ok . $chunked . "\r\n5\r\nx 12\r\n"
            . "1;$mark=\"x\"\r\n\n\r\n" },
        { text => "0\r\nX-Trailer: $mark\r\nContent-Length: 7\r\n\r\n" } ],
        unserved => 'no usable series: 6 bytes' },
);

# with no answer that counts: why

my %failed = (
    'a million series' => [ 'answer is over 16777216 bytes',
        { own => $true, chunk => 65536, repeat => 1000000,
          body => container('c', $mark, 'p-{#}', 1, 1) } ],

    'CR LF' => [ 'no usable series: .*some other text',
        { chunk => 100, body => "node_cpu_usage_seconds_total 5\r\n"
            . "node_memory_working_set_bytes 5\r\n" } ],

    'gzip' => [ 'a Content-Encoding that was not asked for',
        { headers => [ 'Content-Type: text/plain', 'Content-Encoding: gzip' ],
          body => Compress::Zlib::memGzip("$mark 1\n" x 1000) } ],

    'gzip that is none' => [ 'a Content-Encoding that was not asked for',
        { headers => [ "Content-Encoding: $mark" ], own => $true } ],

    'gzip that is not told of' => [ 'no usable series: .*it is no text',
        { body => Compress::Zlib::memGzip("$mark 1\n" x 1000) } ],

    'another type' => [ 'no usable series: .*Content-Type application/json, '
        . 'it looks like JSON', { body => qq({"$mark":1}),
        headers => [ "Content-Type: application/json;$mark" ] } ],

    'chunked twice' => [ 'unknown Transfer-Encoding', { own => $true,
        chunk => 100, headers => [ 'Transfer-Encoding: chunked' ] } ],

    'gzip, chunked' => [ 'unknown Transfer-Encoding', { raw => [
        { text => $ok . "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" }
    ] } ],

    'chunked in HTTP/1.0' => [ 'unknown Transfer-Encoding', { raw => [
        { text => "HTTP/1.0 200 OK\r\n$chunked\r\n0\r\n\r\n" } ] } ],

    'both lengths' => [ 'both Content-Length and Transfer-Encoding', {
        own => $true, chunk => 100, headers => [ 'Content-Length: 100' ] } ],

    'a length that is none' => [ 'invalid Content-Length', { own => $true,
        chunk => 100, headers => [ "Content-Length: $mark" ] } ],

    'a negative length' => [ 'invalid Content-Length', { raw => [
        { text => $ok . "Content-Length: -1\r\n\r\n" } ] } ],

    'two lengths' => [ 'invalid Content-Length', { raw => [
        { text => $ok . "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"
            . "x 1\n12" } ] } ],

    'a length that is too long' => [ 'cut short', { raw => [
        { text => $ok . "Content-Length: 1000000\r\n\r\n" },
        { own => $true } ], close => $true } ],

    'a length that is too short' => [ 'no usable series: 5 bytes', { raw => [
        { text => $ok . "Content-Length: 5\r\n\r\n" },
        { own => $true } ] } ],

    'a length past all' => [ 'answer is over 16777216 bytes', { raw => [
        { text => $ok . "Content-Length: 9000000000000000000\r\n\r\n" },
        { own => $true } ] } ],

    'a chunk that is none' => [ 'invalid chunk', { raw => [
        { text => $ok . $chunked . "\r\n-5\r\n$mark" } ] } ],

    'a chunk past all' => [ 'invalid chunk', { raw => [
        { text => $ok . $chunked . "\r\nfffffffffffffffff\r\n$mark" } ] } ],

    'extensions without end' => [ 'more of chunks and trailers', { raw => [
        { text => $ok . $chunked . "\r\n1;" },
        { text => "$mark=x;", repeat => 1000000 } ] } ],

    'trailers without end' => [ 'more of chunks and trailers', { raw => [
        { text => $ok . $chunked . "\r\n0\r\n" },
        { text => "X: $mark\r\n", repeat => 1000000 } ] } ],

    'headers without end' => [ 'header is over 16384 bytes', { raw => [
        { text => $ok }, { text => "X: $mark\r\n", repeat => 1000000 } ] } ],

    'a header without end' => [ 'header is over 16384 bytes', { raw => [
        { text => $ok . 'X: ' }, { text => $mark, repeat => 1000000 } ] } ],

    '1xx without end' => [ 'header is over 16384 bytes', { raw => [
        { text => "HTTP/1.1 100 Continue\r\nX: $mark\r\n\r\n",
          repeat => 1000000 } ] } ],

    'a NUL in a header' => [ 'invalid header', { raw => [
        { text => encode_base64($ok . "X\0: $mark\r\n\r\n", ''),
          base64 => $true } ] } ],

    'another protocol' => [ 'not HTTP/1.1', { raw => [
        { text => "HTTP/1.1 101 $mark\r\nUpgrade: $mark\r\n\r\n" } ] } ],

    'a byte a second' => [ 'deadline of 9000 ms', { raw => [
        { text => $ok . "Content-Length: 1000\r\n\r\n" },
        { text => '#', repeat => 1000, wait => 1000 } ] } ],

    'a header of a byte a second' => [ 'deadline of 9000 ms', { raw => [
        { text => $ok }, { text => 'x', repeat => 1000, wait => 1000 } ] } ],

    'chunks of a byte a second' => [ 'deadline of 9000 ms', { raw => [
        { text => $ok . $chunked . "\r\n" },
        { text => "1\r\n#\r\n", repeat => 1000, wait => 1000 } ] } ],

    'no body at all' => [ 'no usable series: 0 bytes', { raw => [
        { text => $ok . "\r\n" } ], close => $true } ],

    'scrape_error' => [ 'scrape_error 1', { own => $true, chunk => 100,
        body => "scrape_error 1 # $mark\nscrape_error 1\n" } ],
);

for my $name (grep { $served{$_}{unserved} } keys %served) {
    $failed{$name} = [ delete $served{$name}{unserved}, delete $served{$name} ];
}

my @bad = sort(keys %served);
my @lost = sort(keys %failed);
my $good = 6;
my $all = $good + @bad + @lost + 1;
my $flapping = sprintf('node-%05d', $all - 1);     # good and bad in turns

my $t = K8sMetrics->new(standin => [ -nodes => $all, -pods => 4 ],
                        workers => 2);

$t->start;


# --- what the tests say it with ----------------------------------------------

sub name { return sprintf('node-%05d', $_[0]) }

# a node's pod: namespace and name
sub pod_of {
    my ($n, $p) = @_;
    return (sprintf('ns-%02d', $p), sprintf('app-%05d-%03d', $n, $p));
}

sub list {
    my ($kind) = @_;

    my $r = $t->get(path => "/apis/metrics.k8s.io/v1beta1/$kind");

    # fatal where it is no UTF-8
    return $r->{status} == 200 ? $json->decode($r->{body})->{items} : [];
}

sub seconds {
    my ($s) = @_;
    return $s =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z$/
        ? timegm($6, $5, $4, $3, $2 - 1, $1) : die "time $s";
}

sub rss {
    my %kb;

    for my $pid ($t->workers) {
        ($kb{$pid}) = K8sMetrics::slurp("/proc/$pid/status")
            =~ /^VmRSS:\s+(\d+)/m;
    }

    return \%kb;
}

sub rounds {
    my ($from, $n) = @_;

    return wait_for(25 + 12 * $n, sub {
        my $now = $t->control('/stats')->{perNode};
        return !grep { $now->{$_} - ($from->{$_} // 0) < $n } keys %$now;
    });
}

# nodes and pods whose rates are not the truth
sub untrue {
    my ($kind, $which) = @_;

    my %truth = map { ($_->{namespace} // '') . "/$_->{name}" => $_ }
        @{ $t->control("/truth?kind=$kind") };
    my %unit = ('' => 1e9, n => 1, u => 1e3, m => 1e6);
    my @wrong;

    for my $o (@{ list($kind) }) {
        next if $o->{metadata}{name} !~ $which;

        my $w = $truth{($o->{metadata}{namespace} // '')
            . "/$o->{metadata}{name}"};
        my @c = $o->{containers} ? @{ $o->{containers} }
                                 : ({ name => '', usage => $o->{usage} });
        my ($cpu, $u) = $c[0]{usage}{cpu} =~ /^(\d+)(\w?)$/;
        my $true = $w->{containers}[0]{cpuNanocores};

        push @wrong, $json->encode($o)
            if @c != 1 || abs($cpu * $unit{$u} - $true) > $true / 1000;
    }

    return @wrong;
}


ok($t->ready, 'ready') or diag($t->log);
ok(rounds({}, 4), 'the steady state');

my $before = $t->control('/stats')->{perNode};
my $rss = rss();
my $begin = time;
my (%of, @told);

for my $i (0 .. @bad + @lost - 1) {
    my $what = $i < @bad ? $bad[$i] : $lost[$i - @bad];
    my %body = %{ $i < @bad ? $served{$what} : $failed{$what}[1] };
    my ($ns, $pod) = pod_of($i + $good, 0);
    my ($ons, $opod) = pod_of(0, 0);

    if (defined $body{body}) {
        $body{body} =~ s/OTHER",pod="OTHER/$ons",pod="$opod/g;
        $body{body} =~ s/\bNS\b/$ns/g;
        $body{body} =~ s/POD/$pod/g;

        # JSON cannot hold all bytes
        $body{base64} = $true;
        $body{body} = encode_base64($body{body}, '');
    }

    $of{$what} = name($i + $good);
    push @told, { name => $of{$what}, %body };
}

$t->control('/bodies', \@told);


# --- three rounds of it ------------------------------------------------------

my $oldest = 0;
my $peak = 0;
my $slowest = 0;
my $turns = 0;
my $turned = -1;
my %odd;

while (time < $begin + 45) {
    my $now = time;
    my %there = map { $_->{metadata}{name} => seconds($_->{timestamp}) }
        @{ list('nodes') };
    my $took = time - $now;

    $slowest = $took if $took > $slowest;

    for my $n (0 .. $good - 1) {
        my $age = $now - ($there{name($n)} // 0);
        $oldest = $age if $age > $oldest;
    }

    $odd{$_}++ for grep { !/^c0$/ }
        map { map { $_->{name} } @{ $_->{containers} } } @{ list('pods') };

    my $rounds = $t->control('/stats')->{perNode}{$flapping};

    if ($rounds > $turned) {
        $turned = $rounds;
        $t->control('/node', { name => $flapping,
                               fault => $turns++ % 2 ? '' : '500' });
    }

    my $kb = rss();
    for my $pid (keys %$kb) {
        my $grown = $kb->{$pid} - ($rss->{$pid} // 0);
        $peak = $grown if $grown > $peak;
    }

    sleep 0.5;
}

my $took = time - $begin;
my $after = $t->control('/stats')->{perNode};
my %node = map { $_->{metadata}{name} => $_ } @{ list('nodes') };
my %pods;

$pods{$_}++ for map { $_->{metadata}{name} =~ /^app-(\d+)-/ } @{ list('pods') };


# --- what is bad alone is dropped alone --------------------------------------

for my $what (@bad) {
    my $n = $of{$what};
    my ($line) = $t->log(qr/node "$n".*not scraped/);

    ok($node{$n} && time - seconds($node{$n}{timestamp}) < 14,
       "$what: the node is served") or diag $line // 'no line';
    is($pods{substr $n, 5}, 4, "$what: and its pods");
}

is_deeply([ sort keys %odd ], [], 'no other containers are');


# --- what is no answer fails, with its reason --------------------------------

for my $what (@lost) {
    my $n = $of{$what};
    my ($line) = $t->log(qr/node "$n".*not scraped/);

    like($line // '', qr/not scraped: .*$failed{$what}[0]/, "$what is said");
    ok(!$node{$n}, "$what: the node is not served");
}


# --- the others --------------------------------------------------------------

# a second for the timestamp's fraction, one for a busy machine

cmp_ok($oldest, '<=', 12.5, 'the others were fresh all the time');
cmp_ok($slowest, '<', 2, 'no answer took long');

for my $n (map { name($_) } 0 .. $good - 1) {
    my $rounds = $after->{$n} - $before->{$n};

    ok($rounds >= int($took / 10) && $rounds <= int($took / 10) + 2,
       "$n was scraped in every round")
        or diag sprintf('%d times in %.1f s', $rounds, $took);
}

my $others = join '|', map { sprintf '%05d', $_ } 0 .. $good - 1;

is_deeply([ untrue('nodes', qr/^node-(?:$others)$/) ], [],
          'with the true rates of nodes');
is_deeply([ untrue('pods', qr/^app-(?:$others)-/) ], [], 'and of pods');


# --- memory, the log ---------------------------------------------------------

note "a worker grew by $peak kB at most";
cmp_ok($peak, '<', 8192, 'memory does not grow with what they send');

my %lines;

$lines{$_}++ for map { /(node "[^"]*")/ ? $1 : () }
    $t->log(qr/not scraped|has more/);
is_deeply([ grep { $lines{$_} > 1 } sort keys %lines ], [],
          'a line for a node, at most');
cmp_ok($turns, '>=', 4, 'also for one that fails every other time');
is(scalar(() = $t->log(qr/node "$flapping" is scraped again/)), 1,
   'and one that it is over');
cmp_ok(scalar(() = $t->log(qr/\[(?:warn|error)\]/)), '<=', $all + 5,
       'no others');
unlike(scalar $t->log, qr/$mark|[^\x20-\x7e\n]/,
       'and not a byte of what they sent');
is(join('', $t->alerts), '', 'no alert');


# --- it ends -----------------------------------------------------------------

$t->control('/bodies', [ map { { name => $_ } } values %of ]);
$t->control('/node', { name => $flapping, fault => '' });

ok(wait_for(45, sub { @{ list('nodes') } == $all && @{ list('pods') }
                      == 4 * $all }), 'all come back');
is_deeply([ untrue('nodes', qr/./), untrue('pods', qr/./) ], [],
          'with their true rates');

my $last = rss();

note join ' ', map { $last->{$_} - ($rss->{$_} // 0) } keys %$last;
cmp_ok($last->{$_} - $rss->{$_}, '<', 4096, 'and the memory is given back')
    for keys %$last;

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert in the end');

done_testing();
