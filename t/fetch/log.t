#!/usr/bin/perl

# What the core logs of outbound requests: debug lines wherever the log goes,
# and alerts as what they are, but not one for each request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use IO::Select;
use IO::Socket::INET;
use Test::More;

use K8sMetrics qw(wait_for);


# nginx.conf with some of its lines replaced

package Conf {
    our @ISA = ('K8sMetrics');

    sub conf {
        my ($self) = @_;

        my $file = $self->SUPER::conf;
        my $text = K8sMetrics::slurp($file);

        for my $change (@{ $self->{changes} }) {
            $text =~ s/$change->[0]/$change->[1]/ or die "no $change->[0]";
        }

        open(my $fh, '>', $file) or die "$file: $!";
        print $fh $text;
        close $fh;

        return $file;
    }
}


# --- a debug log that is no file --------------------------------------------

my $udp = IO::Socket::INET->new(LocalAddr => '127.66.11.1', Proto => 'udp')
    or die "udp: $!";
my $syslog = 'syslog:server=127.66.11.1:' . $udp->sockport;

my %got;

for my $to ('memory:1m', $syslog) {
    my $t = Conf->new(standin => [ '-nodes', 2, '-pods', 1 ]);

    $t->{changes} = [ [ qr/(?=error_log )/, "error_log $to debug;\n" ] ];
    $t->start;

    my @before = $t->workers;
    my $name = $to =~ /^(\w+)/ ? $1 : $to;

    ok($t->synced, "debug to $name: it works");

    my $end = time + 12;
    my $select = IO::Select->new($udp);

    while (time < $end && !$got{upstream}) {
        next if !$select->can_read(0.2);
        $udp->recv(my $line, 4096);
        $got{upstream} = 1 if $line =~ /http upstream process header/;
    }

    is_deeply([ $t->workers ], \@before, "debug to $name: the worker lives");
    is(scalar(() = $t->log(qr/http upstream/)), 0,
       "debug to $name: the file of another level has none of it");
    is($t->stop('QUIT'), 0, "debug to $name: it exits");
    is(join('', $t->alerts), '', "debug to $name: no alert");
}

ok($got{upstream}, 'debug lines of outbound requests come to syslog');


# --- no connection is free --------------------------------------------------

my $t = Conf->new(standin => [ '-nodes', 200, '-pods', 1 ]);

$t->{changes} = [ [ qr/worker_connections 2048/, 'worker_connections 24' ] ];
$t->start;

ok(wait_for(20, sub { $t->log(qr/\[alert\].*connections are not enough/) }),
   'an alert of an outbound request is an alert of the log');
ok(wait_for(20, sub { $t->log(qr/was not scraped: .*not enough/) }),
   'and the reason of the failure');

# a round is over
sleep 11;

my @alerts = $t->log(qr/\[alert\]/);

cmp_ok(scalar @alerts, '<=', 20, 'they are limited') or diag @alerts;

done_testing();
