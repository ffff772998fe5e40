# What the checkers of this folder have in common: reading C without being
# misled by comments and strings, finding its functions, reporting, and
# suppressions.
#
# A line is excused from a rule by a comment on it, or alone on the line before
# it; one that excuses nothing is an error itself:
#
#     /* lint: allow NAME */

package Lint;

use strict;
use warnings;

use Cwd ();
use File::Basename ();
use Getopt::Long ();

# rule => checker
our %RULES = (
    (map { $_ => 'style' } qw(width tab trailing line-comment keyword-space
        paren-space name-column brace-alone libc forever cast prefix guard
        last-line)),
    (map { $_ => 'includes' } qw(room through unknown cycle internal pure
        config-first)),
    (map { $_ => 'funclen' } qw(function-length file-length)),
    (map { $_ => 'lockcheck' } qw(held not-held twice balance follow)),
);

our $root;

my $checker;
my (@reports, %allowed);


# Reads --root (for the tests), returns the files to be checked, relative to
# the root: those named, or all of the module.

sub begin {
    $checker = shift;
    my @patterns = @_ ? @_ : ('*.c', 'src/*/*.[ch]');

    $root = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../..');

    Getopt::Long::GetOptions('root=s' => \$root)
        or die "usage: $checker [--root DIR] [FILE...]\n";

    chdir $root or die "$root: $!\n";

    my @files = @ARGV ? @ARGV : sort map { glob } @patterns;
    die "$checker: nothing to check in $root\n" if !@files;

    return @files;
}


# A file as a hash:
#   path, raw (lines), text   as it is
#   code                      comments blank, the insides of strings "x"
#   marked                    as code, comments a filler that is no space
#   lines, marked_lines       of code, marked
# Offsets and lines are the same in all.

sub slurp {
    my $path = shift;

    open my $fh, '<', $path or die "$path: $!\n";
    local $/;
    my $text = <$fh>;
    close $fh;

    my ($code, $marked) = (mask($text, ' '), mask($text, "\1"));

    my $file = {
        path         => $path,
        text         => $text,
        code         => $code,
        raw          => [ split /\n/, $text, -1 ],
        lines        => [ split /\n/, $code, -1 ],
        marked_lines => [ split /\n/, $marked, -1 ],
    };

    allowances($file);

    return $file;
}


sub mask {
    my ($text, $filler) = @_;

    my $fill = sub {
        my ($s, $c) = @_;
        $s =~ s/[^\n]/$c/g;
        return $s;
    };

    $text =~ s{
          (?<comment> /\*.*?\*/ )
        | (?<line> //[^\n]* )
        | (?<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    }{
        my %m = %+;
          defined $m{comment} ? $fill->($m{comment}, $filler)
        : defined $m{line}    ? '//' . $fill->(substr($m{line}, 2), $filler)
        : substr($m{string}, 0, 1) . $fill->(substr($m{string}, 1, -1), 'x')
          . substr($m{string}, -1)
    }gsex;

    return $text;
}


# Suppressions: the line that each is for.

sub allowances {
    my $file = shift;

    for my $i (0 .. $#{ $file->{raw} }) {
        while ($file->{raw}[$i] =~ m{/\*\s*lint:\s*allow\s+([\w-]+)\s*\*/}g) {
            my $rule = $1;
            my $line = $file->{lines}[$i] =~ /\S/ ? $i + 1 : $i + 2;
            $allowed{ $file->{path} }{$line}{$rule} = { at => $i + 1 };
        }
    }
}


# The definitions of functions: name, first (line of the return type), last
# (line of the brace), line (of the name), and offsets into code: name_at,
# open (of the brace), end.

sub functions {
    my $file = shift;

    my $code = $file->{code};
    $code =~ s{^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*}
              { my $s = $&; $s =~ s/[^\n]/ /g; $s }gme;
    $file->{bare} = $code;

    my ($depth, $open, @found) = (0);

    # branches of #if may open a brace twice: one in column 0 ends them all
    while ($code =~ /^\}|[{}]/gm) {
        my $at = $-[0];

        if (substr($code, $at, 1) eq '{') {
            $open = $at if $depth++ == 0;
            next;
        }

        $depth = ($at == 0 || substr($code, $at - 1, 1) eq "\n")
                 ? 0 : $depth - 1;
        $depth = 0 if $depth < 0;

        next if $depth || !defined $open;

        my $name_at = name_before($code, $open);

        if (defined $name_at) {
            my ($name) = substr($code, $name_at) =~ /^(\w+)/;
            my $head = substr($code, 0, $name_at);
            my $first_at = $head =~ /[;}]\s*([^;}]*)\z/ ? $-[1] : 0;
            $first_at += length $1 if substr($code, $first_at) =~ /^(\s+)/;

            push @found, {
                name    => $name,
                name_at => $name_at,
                open    => $open,
                end     => $at,
                first   => line_of($code, $first_at),
                line    => line_of($code, $name_at),
                last    => line_of($code, $at),
            };
        }

        undef $open;
    }

    return @found;
}


# The function's name when the brace at "open" begins one, else undef.

sub name_before {
    my ($code, $open) = @_;

    my $at = $open - 1;
    $at-- while $at >= 0 && substr($code, $at, 1) =~ /\s/;

    return if $at < 0 || substr($code, $at, 1) ne ')';

    my $depth = 0;

    for (; $at >= 0; $at--) {
        my $c = substr($code, $at, 1);
        $depth++ if $c eq ')';
        $depth-- if $c eq '(';
        last if $depth == 0;
    }

    return if $at < 0;

    return substr($code, 0, $at) =~ /\b([A-Za-z_]\w*)\s*\z/ ? $-[1] : undef;
}


sub line_of {
    my ($text, $at) = @_;
    return 1 + (substr($text, 0, $at) =~ tr/\n//);
}


sub report {
    my ($file, $line, $rule, $message) = @_;

    die "no rule $rule of $checker\n" if ($RULES{$rule} // '') ne $checker;

    push @reports, [ ref $file ? $file->{path} : $file, $line, $rule,
                     $message ];
}


# Prints what was found and is not allowed; the exit status.

sub finish {
    my @out;

    for (@reports) {
        my ($path, $line, $rule, $message) = @$_;
        my $allow = $allowed{$path}{$line}{$rule};

        if ($allow) {
            $allow->{used} = 1;
            next;
        }

        push @out, [ $path, $line, "$message [$rule]" ];
    }

    for my $path (keys %allowed) {
        for my $line (keys %{ $allowed{$path} }) {
            for my $rule (keys %{ $allowed{$path}{$line} }) {
                my $allow = $allowed{$path}{$line}{$rule};

                if (!exists $RULES{$rule}) {
                    push @out, [ $path, $allow->{at},
                                 "no rule to allow: $rule" ];

                } elsif ($RULES{$rule} eq $checker && !$allow->{used}) {
                    push @out, [ $path, $allow->{at},
                                 "unused suppression: $rule" ];
                }
            }
        }
    }

    for (sort { $a->[0] cmp $b->[0] || $a->[1] <=> $b->[1]
                || $a->[2] cmp $b->[2] } @out)
    {
        print "$_->[0]:$_->[1]: $_->[2]\n";
    }

    return @out ? 1 : 0;
}

1;
