# Runs a checker on a tree made for the purpose.

package Check;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT = qw(tree run_on fires quiet);

my $util = dirname(dirname(__FILE__));


# A folder with these files (path => text).

sub tree {
    my %files = @_;
    my $dir = tempdir(CLEANUP => 1);

    for my $path (keys %files) {
        make_path(dirname("$dir/$path"));
        open my $fh, '>', "$dir/$path" or die "$path: $!";
        print $fh $files{$path};
        close $fh;
    }

    return $dir;
}


# Exit status and output.

sub run_on {
    my ($tool, %files) = @_;
    my $dir = tree(%files);

    open my $pipe, '-|', $^X, "$util/$tool", '--root', $dir or die $!;
    my $out = do { local $/; <$pipe> } // '';
    close $pipe;

    return ($? >> 8, $out);
}


# It says so, with that rule at that line of that file, and of nothing else.

sub fires {
    my ($tool, $rule, $where, $what, %files) = @_;
    my ($status, $out) = run_on($tool, %files);

    my @said = grep { /\[[\w-]+\]$/ } split /\n/, $out;

    ok($status == 1 && @said == 1
       && $said[0] =~ /^\Q$where\E: .*\[\Q$rule\E\]$/, $what)
        or diag("status $status:\n$out");
}


sub quiet {
    my ($tool, $what, %files) = @_;
    my ($status, $out) = run_on($tool, %files);

    ok($status == 0 && $out !~ /^\S+:\d+: /m, $what)
        or diag("status $status:\n$out");
}

1;
