#!/usr/bin/perl

# README.md of this folder says which test proves what: the suites and the
# tests that it names are there.

use strict;
use warnings;

use FindBin;
use Test::More;


sub slurp {
    my ($name) = @_;
    open(my $fh, '<', $name) or return undef;
    local $/;
    return scalar <$fh>;
}

# whether a suite has a test of that name: a block, or a string of the code

sub has {
    my ($text, $name) = @_;

    return $text =~ /^\Q$name\E/m if $name =~ /^=== /;
    return scalar grep { !/^\s*#/ && /['"(\s]\Q$name\E/ } split /\n/, $text;
}

# what is wrong with a table's row; '' for a good one

sub wrong {
    my ($row) = @_;

    my @cells = split /\s*(?<!\\)\|\s*/, $row =~ s/^\|\s*|\s*\|$//gr;
    return 'no three cells' if @cells != 3;

    my @proofs = split /(?<="); /, $cells[2];
    return 'no proof' if !@proofs;

    for my $proof (@proofs) {
        my ($suite, $name) = $proof =~ /^`([\w.-]+\.t)`: "(.+)"$/
            or return "no proof: $proof";
        my $text = slurp("$FindBin::Bin/$suite") // return "no suite $suite";
        return "no test \"$name\" in $suite" if !has($text, $name);
    }

    return '';
}


my @rows = grep { /^\| / && !/^\| (?:---|attack)/ }
    split /\n/, slurp("$FindBin::Bin/README.md");

cmp_ok(scalar @rows, '>', 50, 'rows');
is(wrong($_), '', (/^\| (.{1,60})/)[0]) for @rows;

# it can fail

like(wrong($_->[0]), qr/$_->[1]/, "$_->[1]: is seen") for
    [ '| a | b | `none.t`: "x" |', 'no suite none.t' ],
    [ '| a | b | `readme.t`: "is not' . ' there" |', 'no test' ],
    [ '| a | b | `readme.t`: "=== rows" |', 'no test' ],
    [ '| a | b | `readme.t` |', 'no proof' ],
    [ '| a | b |', 'no three cells' ];

done_testing();
