#!/usr/bin/perl

# Nodes whose address is a name: hosts, search domains and name servers, TLS to
# the name, addresses that change, servers that fail; IPv6; and kubelets that
# are spoken to without TLS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use Time::HiRes qw(time);

use K8sMetrics qw(put wait_for);


my $types = 'k8s_metrics_kubelet_preferred_address_types'
    . ' Hostname InternalDNS InternalIP;';

my $t;

sub begin {
    my ($nodes, @args) = @_;

    $t = K8sMetrics->new(server => 'k8s_metrics_sample_max_age 0;');
    $t->{dns} = $t->{kubelet} =~ s/1$/249/r;
    $t->{standin} = [ '-nodes', $nodes, '-pods', 1, '-dns', "$t->{dns}:53",
                      @args ];
    $t->start_standin;
    $t->{http} = "$types k8s_metrics_resolv_conf $t->{dir}/resolv.conf;"
        . " k8s_metrics_hosts $t->{dir}/hosts;";
    resolv('ndots:1');
}

sub resolv {
    my ($options) = @_;
    put("$t->{dir}/resolv.conf", "nameserver $t->{dns}\n"
        . "search a.test b.test\noptions timeout:1 attempts:2 $options\n");
}

sub node { return sprintf('node-%05d', $_[0]) }
sub own { return $t->{kubelet} =~ s/1$//r . (1 + $_[0]) }
sub stats { return $t->control('/stats') }

sub addresses {
    my ($n, @list) = @_;
    my @out;

    while (my ($type, $address) = splice @list, 0, 2) {
        push @out, { type => $type, address => $address };
    }

    $t->control('/node', { name => node($n), addresses => \@out });
}

sub status {
    my ($n) = @_;
    return $t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes/' . node($n),
                   cert => 'admin')->{status};
}

sub served {
    my ($n, $what, $limit) = @_;
    ok(wait_for($limit // 30, sub { status($n) == 200 }), $what)
        or diag $t->log(qr/node-0*$n\b/);
}

sub refused {
    my ($n, $why, $what) = @_;
    ok(wait_for(20, sub { $t->log(qr/"@{[ node($n) ]}".*not scraped.*$why/) }),
       $what) or diag $t->log(qr/node-0*$n\b/);
    isnt(status($n), 200, "$what: not served");
}

# nginx's open connections to an address of a kubelet
sub connections {
    my ($address) = @_;
    my @lines = qx(ss -Htn state established dst $address);
    return scalar grep { /\Q$address\E:$t->{kubelet_port}\s*$/ } @lines;
}


# --- names, TLS -------------------------------------------------------------

begin(12);

my %names = (
    'node-00000.b.test' => { addresses => [ own(0) ], ttl => 1 },
    'node-00002' => { addresses => [ own(2) ], ttl => 60 },
    'node-00002.a.test' => { addresses => [ own(0) ], ttl => 60 },
    'node-00004.a.test' => { fault => 'silent' },
    'node-00006.a.test' => { fault => 'servfail' },
    'other.test' => { addresses => [ own(9) ], ttl => 60 },
    'node-00011.b.test' => { addresses => [ own(11) ], ttl => 60 },
    'node-00011.a.test' => { fault => 'servfail' },
);

$t->control('/dns', \%names);
put("$t->{dir}/hosts", "127.0.0.1 localhost\n" . own(3) . " x Node-00003\n");

addresses($_, InternalIP => own($_), Hostname => node($_))
    for 0, 3, 4, 5, 6, 11;
addresses(1, InternalIP => '192.0.2.1', Hostname => own(1));
addresses(2, Hostname => node(2) . '.');
addresses(7, InternalIP => own(7));
addresses(8, InternalDNS => '::1');
addresses(9, Hostname => 'other.test', InternalIP => own(9));
addresses(10, Hostname => 'bad name', InternalIP => own(10));

my $began = time;

$t->start_nginx;

served(7, 'an IP address where there is no name');
cmp_ok(time - $began, '<', 20, 'which waits for no name server');
served(1, 'an IP address that stands as Hostname');
served(0, 'a name, found in the second search domain');
served(2, 'an absolute name');
served(3, 'a name of hosts, in another case');
served(11, 'a domain whose server fails is passed over');
served(8, 'IPv6');

refused(4, 'no answer from the name server about "node-00004"',
        'a silent server');
refused(5, 'name "node-00005" was not found', 'no such name');
refused(6, 'the name server failed for "node-00006" Server failure',
        'SERVFAIL');
refused(9, 'certificate is not valid for "other.test"',
        'a certificate without that name');
refused(10, 'neither an IP address nor a host', 'no name at all');
is($t->log(qr/bad name/), '', 'what is no name is not logged');

my $s = stats();

ok($s->{names}{node($_)}, node($_) . ' is sent as SNI') for 0, 2, 3;
is(join(' ', grep { /^[\d.:]+$/ } keys %{ $s->{names} }), '',
   'an address is not');
ok($s->{hosts}{"[::1]:$t->{kubelet_port}"}, 'Host is in brackets');
ok($s->{hosts}{node(0) . ":$t->{kubelet_port}"}, 'or the name');

my $asked = $t->control('/dns');

ok(!$asked->{"node-00003.$_ 1"}, "hosts come first ($_)") for 'a.test', '';
ok(!$asked->{'node-00002.a.test 1'}, 'absolute is absolute');
ok($asked->{'node-00000.a.test 1'}, 'search domains in their order');
ok(!$asked->{'node-00000 1'}, 'as is comes last');
ok($asked->{'node-00005 1'}, 'but it comes');
cmp_ok($asked->{'node-00005 1'}, '<=', (time - $began) / 10 + 2,
       'never faster than scrapes');
ok($asked->{'other.test 1'}, 'a name with a dot is tried as is');
ok(!$asked->{'other.test.a.test 1'}, 'and first');
ok($asked->{'node-00000.b.test 28'}, 'IPv6 is asked for, too');


# --- changes ----------------------------------------------------------------

is(connections(own(0)), 1, 'a connection to the address');

$t->control('/node', { name => node(0), ip => own(40) });
$names{'node-00000.b.test'}{addresses} = [ own(40) ];
$t->control('/dns', \%names);

ok(wait_for(35, sub { connections(own(40)) == 1 }), 'it follows the name');
is(connections(own(0)), 0, 'and the old one is closed');
is(status(0), 200, 'without a gap');

put("$t->{dir}/hosts", own(4) . " node-00004\n");
served(4, 'hosts has changed', 40);
is($t->log(qr/notice.*k8s_metrics_hosts.*has changed/) ne '', 1,
   'and the log says so');

# now names with a dot go through the search first
$names{'other.test.b.test'} = { addresses => [ own(9) ], ttl => 1 };
delete $names{'other.test'};
$t->control('/dns', \%names);
resolv('ndots:2');
ok(wait_for(60, sub { $t->control('/dns')->{'other.test.a.test 1'} }),
   'resolv.conf has changed');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');


# --- plain HTTP, a second address, paths ------------------------------------

begin(3, '-kubelet-plain', '-kubelet6=false', '-path', '/stats/it');

put("$t->{dir}/hosts", "::1 node-00000\n" . own(0) . " node-00000\n");
$t->control('/node', { name => node(1), path => '/stats/../it' });
addresses(1, Hostname => own(1));
addresses(2, Hostname => node(2));

# nginx's own directive: its servers, with the file's search domains
$t->control('/dns', { 'node-00002.a.test' => { addresses => [ own(2) ],
                                               ttl => 60 } });
put("$t->{dir}/resolv.conf", "nameserver 127.0.0.99\nsearch a.test\n");

{
    no warnings 'redefine';
    my $cluster = \&K8sMetrics::cluster;

    local *K8sMetrics::cluster = sub {
        return $cluster->(@_)
            =~ s/k8s_metrics_kubelet_certificate_authority.*;/k8s_metrics_kubelet_completely_insecure on;/r;
    };

    $t->{http} .= " k8s_metrics_kubelet_any_path on; resolver $t->{dns};";
    $t->start_nginx;
}

served(2, 'plain HTTP, by the directive resolver');
served(0, 'the second address, where the first refuses');
served(1, 'a path with dots: the default one');

$s = stats();

is($s->{authorized}, 0, 'no credential at all');
is($s->{handshakesFull} + $s->{handshakesFailed}, 0, 'no TLS');
is_deeply([ sort keys %{ $s->{paths} } ], [ '/metrics/resource', '/stats/it' ],
          'paths outside /metrics are allowed, others not');
is(scalar(my @lines = $t->log(qr/annotation/)), 1, 'one line about a path');
like($lines[0], qr/"node-00001" is no plain path/, 'which names the node');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
