#!/usr/bin/perl

# A worker that starts with no file or no connection to spare: nginx does not
# start one again whose init_process failed, so this module's must not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use K8sMetrics qw(wait_for);


my $t = K8sMetrics->new(standin => [ '-nodes', 1, '-pods', 1 ]);
my $d = $t->dir;

$t->start_standin;

# with "ours" off: nginx alone, as far as files and connections go

sub nginx_conf {
    my ($ours, $files, $connections) = @_;

    my $file = $t->conf;
    my $text = K8sMetrics::slurp($file);

    $text =~ s/worker_rlimit_nofile \d+/worker_rlimit_nofile $files/;
    $text =~ s/worker_connections \d+/worker_connections $connections/;
    $text =~ s/^\s*k8s_metrics\S* [^;]*;|^\s*k8s_metrics;//mg if !$ours;

    open(my $fh, '>', $file) or die "$file: $!";
    print $fh $text;
    close $fh;

    return $file;
}

# true when there is a worker in the end

sub lives {
    my $conf = nginx_conf(@_);

    unlink "$d/error.log";

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open(STDERR, '>', "$d/stderr");
        exec $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx', '-c', $conf,
            '-e', "$d/error.log" or POSIX::_exit(127);
    }

    $t->{pid} = $pid;

    wait_for(10, sub { scalar $t->log(qr/start worker process \d/) });

    # one whose start fails is gone at once, and not started again
    sleep 0.7;

    return K8sMetrics::slurp("/proc/$pid/task/$pid/children") =~ /\d/;
}

for my $case ([ files => 8 .. 20 ], [ connections => 3 .. 20 ]) {
    my ($what, @numbers) = @$case;

    my $least;

    for my $n (@numbers) {
        my @n = $what eq 'files' ? ($n, 100) : (1000, $n);

        my $lives = lives(0, @n);

        $t->stop('TERM');

        if ($lives) {
            $least = $n;
            last;
        }
    }

    ok($least, "nginx alone starts with some $what") or next;
    note "$least $what";

    my @n = $what eq 'files' ? ($least, 100) : (1000, $least);

    ok(lives(1, @n), "with the module, too, with $least $what")
        or diag $t->log;

    ok(wait_for(5, sub { $t->log(qr/no connection is free/) }),
       'it says that none is free for the end')
        if $what eq 'connections';

    is($t->stop('QUIT'), 0, "it exits with $least $what")
        or diag $t->log;

    next if $what eq 'files';

    # with one connection more that one is a watch's, which lasts for minutes

    ok(lives(1, 1000, $least + 1), 'with one connection more');
    ok(wait_for(10, sub { $t->control('/stats')->{watchesOpen} }),
       'it is used');

    my $start = time;

    is($t->stop('QUIT'), 0, 'it exits');
    cmp_ok(time - $start, '<', 5, 'soon');
}

done_testing();
