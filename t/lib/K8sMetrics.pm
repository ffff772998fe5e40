package K8sMetrics;

# What a suite of requests needs beyond ApiTest: addresses and a kubelet port
# that are fixed, questions through TLS, several at once, and one word for
# "no alerts".

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use POSIX ();

use lib dirname(__FILE__) . '/../api/lib';
use ApiTest ();

use Exporter qw(import);
our @ISA = qw(ApiTest);
our @EXPORT_OK = qw(until_true header);


# n: the file's own number, 0 to 9 (127.60.n.0, the kubelets' port 10270 + n);
# the rest as of ApiTest.  The stand-in is the one beside MODULE.

sub new {
    my ($class, %o) = @_;

    my $n = delete $o{n} // die 'n is missing';

    $ENV{BUILD} //= dirname(abs_path($ENV{MODULE})) if $ENV{MODULE};

    return $class->SUPER::new(addr => "127.60.$n.2",
        api => "127.60.$n.1:8600", control => "127.60.$n.1:8601",
        kubelet => "127.60.$n.11", kubelet_port => 10270 + $n, %o);
}

# polls until the sub returns true; what it last returned after "limit" s
sub until_true { return ApiTest::wait_for(@_) }

# the first header of that name of an answer
sub header { return scalar ApiTest::header(@_) }

# through TLS and HTTP/1.1; cert (none: without), headers (a list of lines),
# accept, method, args (of curl)
sub ask {
    my ($self, $path, %q) = @_;

    my @headers = @{ $q{headers} // [] };
    push @headers, "Accept: $q{accept}" if defined $q{accept};

    return $self->get(tls => 1, path => $path, method => $q{method},
        cert => $q{cert}, headers => \@headers,
        args => [ '--http1.1', @{ $q{args} // [] } ]);
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
        my ($status, $body) = split /\n/, ApiTest::slurp($file), 2;

        push @out, { status => $status // 0, body => $body // '' };
        unlink $file;
    }

    return @out;
}

# lines of the error log that no test may leave behind
sub alerts { return $_[0]->log(qr/\[(?:alert|emerg|crit)\]/) }


1;
