#!/usr/bin/perl

# The API server by a name: one that is not resolved does not end nginx, and
# one that leads to nobody is looked up again; and the API server on ::1.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use K8sMetrics qw(put wait_for);


my $t = K8sMetrics->new;
my $dns = $t->{kubelet} =~ s/1$/249/r;
my $name = 'kubernetes.default.svc';
my ($address, $port) = split /:/, $t->{api};

$t->{standin} = [ '-nodes', 1, '-pods', 1, '-dns', "$dns:53" ];
$t->{http} = "k8s_metrics_resolv_conf $t->{dir}/resolv.conf;";
$t->start_standin;

# fails at once: the record is not there
put("$t->{dir}/resolv.conf", "nameserver $dns\noptions timeout:1\n");

my $file = "$t->{dir}/standin/kubeconfig";
my $text = K8sMetrics::slurp($file);

sub server {
    my ($server) = @_;
    put($file, $text =~ s{server: \S+}{server: https://$server:$port}r);
}

server($name);
$t->start_nginx;

like($t->log(qr/warn/), qr/API server's host "$name" is not resolved yet/,
     'not resolved at the start: a warning');
ok(wait_for(20, sub { $t->log(qr/host is not resolved: name "$name" was/) }),
   'nor in the worker');
ok(wait_for(20, sub { $t->log(qr/list of nodes.*its host is not resolved/) }),
   'which the reflector says')
    or diag $t->log;

$t->control('/dns', { $name => { addresses => [ $dns ], ttl => 1 } });
ok(wait_for(40, sub { $t->log(qr/list of nodes.*refused/) }),
   'it leads to where nobody listens')
    or diag $t->log;

$t->control('/dns', { $name => { addresses => [ $address ], ttl => 1 } });
ok(wait_for(90, sub { $t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes')
                          ->{status} == 200 }),
   'and then to the API server')
    or diag $t->log;
cmp_ok(scalar(my @lines = $t->log(qr/host is not resolved: name/)), '<=', 3,
       'one line a minute');

is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');
$t->stop_standin;


# IPv6

$t = K8sMetrics->new;
$t->{api} = '[::1]:' . (8300 + $t->{kubelet_port} - 8700);
$t->{standin} = [ '-nodes', 1, '-pods', 1 ];
$t->start_standin;

$file = "$t->{dir}/standin/kubeconfig";
$text = K8sMetrics::slurp($file);
put($file, $text =~ s{server: \S+}{server: https://$t->{api}}r);

$t->start_nginx;
ok(wait_for(20, sub { $t->get(path => '/apis/metrics.k8s.io/v1beta1/nodes')
                          ->{status} == 200 }), 'the API server on ::1')
    or diag $t->log;
is($t->stop('QUIT'), 0, 'exits');
is(join('', $t->alerts), '', 'no alert');

done_testing();
