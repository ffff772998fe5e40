# util/lockcheck breaks good code first, to see it fire.

use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;
use Check;
use Test::More;

my $p = 'ngx_http_k8s_metrics_';
my $path = "src/store/${p}x.c";


# a function; its body begins in line 5; "+" takes and "-" gives the lock

sub code {
    my ($name, @lines) = @_;

    return "\nngx_int_t\n$name(x_t *x)\n{\n"
           . join('', map { s/^(\s*)\+$/$1${p}store_lock(s);/;
                            s/^(\s*)-$/$1${p}store_unlock(s);/; "    $_\n" }
                      @lines)
           . "}\n";
}


# the line is counted within the body

sub bad {
    my ($rule, $line, $what, @lines) = @_;
    fires('lockcheck', $rule, "$path:" . ($line + 4), $what,
          $path => code('f', @lines));
}


sub good {
    my ($what, @lines) = @_;
    quiet('lockcheck', $what, $path => code('f', @lines));
}

good('taken, used, given back', '+', 'x->a = g(x);', '-',
     'ngx_log_error(1, l, 0, "x");', 'return 0;');

# what is not for under the lock

for (qw(ngx_log_error ngx_log_debug1 ngx_conf_log_error ngx_palloc ngx_pnalloc
        ngx_pcalloc ngx_alloc ngx_array_push ngx_slab_alloc ngx_sprintf
        ngx_http_k8s_metrics_json_string ngx_http_k8s_metrics_pb_put_bytes
        ngx_http_k8s_metrics_out_mem ngx_http_output_filter))
{
    bad('held', 2, "$_() under the lock", '+', "$_(a);", '-');
}

bad('held', 2, 'in a condition', '+', 'if (ngx_palloc(p, 1) == NULL) {', '}',
    '-');
bad('held', 3, 'in the second of two ways', '+', 'if (a) {', 'ngx_palloc(p, 1);',
    '}', '-');
bad('held', 2, 'read lock', "${p}store_lock_read(s);", 'ngx_palloc(p, 1);',
    '-');
bad('held', 2, 'the bare mutex', 'ngx_shmtx_lock(m);', 'ngx_palloc(p, 1);',
    'ngx_shmtx_unlock(m);');
good('a member of that name', '+', 'x->ngx_palloc(p);', '-');
good('in a comment', '+', '/* ngx_palloc(p) */', '-');

fires('lockcheck', 'held', "$path:6", 'in a function that is called',
      $path => code('f', '+', 'g(x);', '-')
               . code('g', 'h(x);') . code('h', 'ngx_palloc(p, 1);'));
fires('lockcheck', 'held', "$path:5", 'in a *_locked function',
      $path => code('f_locked', 'ngx_palloc(p, 1);'));

# every way out

bad('balance', 3, 'never given back', '+', 'x->a = 1;');
bad('balance', 3, 'returned from under the lock', '+', 'if (a) {',
    'return 1;', '}', '-', 'return 0;');
good('given back on both ways', '+', 'if (a) {', '-', 'return 1;', '}', '-',
     'return 0;');
bad('balance', 2, 'given back on one way', '+', 'if (a) {', '-', '}',
    'x->a = 1;', '-');
bad('balance', 1, 'taken on one way', 'if (a) {', '+', '}', '-');
good('if and else', '+', 'if (a) {', '-', '} else if (b) {', '-', '} else {',
     '-', '}');
bad('balance', 3, 'goto past the end of the lock', '+', 'if (a) {', 'goto out;',
    '}', '-', 'out:', 'return 0;');
good('goto the end of the lock', '+', 'if (a) {', 'goto out;', '}', 'x->a = 1;',
     'out:', '-', 'return 0;');
bad('balance', 1, 'taken in each round', 'for (i = 0; i < n; i++) {', '+',
    '}');
good('taken and given back in each round', 'for (i = 0; i < n; i++) {', '+',
     'if (a) {', '-', 'continue;', '}', '-', '}');
bad('balance', 4, 'a round ended early', 'for (i = 0; i < n; i++) {', '+',
    'if (a) {', 'continue;', '}', '-', '}');
bad('balance', 4, 'a loop left with the lock', 'while (i) {', '+', 'if (a) {',
    'break;', '}', '-', '}', 'return 0;');
good('a loop that only ends under the lock', 'for ( ;; ) {', '+', 'if (a) {',
     'break;', '}', '-', '}', '-', 'return 0;');
good('do and while', 'do {', '+', '-', '} while (a);');
good('a switch', '+', 'switch (a) {', 'case 1:', 'case X:', 'x->a = 1;',
     'break;', 'case 2:', '-', 'return 1;', 'default:', 'break;', '}', '-');
bad('balance', 6, 'a case that falls through', '+', 'switch (a) {', 'case 1:',
    '-', 'x->a = 1;', 'default:', 'break;', '}', '-');

bad('twice', 2, 'taken twice', '+', '+', '-');

# *_locked

bad('not-held', 1, 'a *_locked function without the lock', 'g_locked(x);');
bad('not-held', 3, 'and after it', '+', '-', 'g_locked(x);');
good('a *_locked function under the lock', '+', 'g_locked(x);', '-');
quiet('lockcheck', 'from another *_locked function',
      $path => code('f_locked', 'return g_locked(x);'));
fires('lockcheck', 'balance', "$path:6", 'a *_locked that gives it back',
      $path => code('f_locked', '-', 'return 0;'));
bad('not-held', 1, 'given back without having been taken', '-');

# the lock's own functions

quiet('lockcheck', 'the lock itself logs when it was given back',
      $path => code("${p}store_lock", 'ngx_shmtx_lock(m);', 'a_locked(x);')
               . code("${p}store_unlock", 'ngx_shmtx_unlock(m);',
                      'ngx_log_error(1, l, 0, "x");'));
fires('lockcheck', 'held', "$path:5", 'but not before',
      $path => code("${p}store_unlock", 'ngx_log_error(1, l, 0, "x");',
                    'ngx_shmtx_unlock(m);'));

bad('follow', -1, 'what cannot be followed is said', '+', 'if a) {', '-');
good('an exception with its reason', '/* lint: allow not-held */',
     'g_locked(x);');

# the module's own code, broken at each place: without giving the lock back,
# and with a log line right before it

for my $source (glob "$FindBin::Bin/../../src/*/*.c") {
    my ($name) = $source =~ m{(src/[^/]+/[^/]+)$};
    my $text = do { local (@ARGV, $/) = $source; <> };

    next if $name =~ m{/${p}store\.c$} || $text !~ /${p}store_unlock\(/;

    my $n = () = $text =~ /^\s*${p}store_unlock\(\w+\);/mg;

    for my $i (1 .. $n) {
        my $at = 0;
        my $without = $text =~ s{^\s*${p}store_unlock\(\w+\);}
                                {++$at == $i ? '' : $&}mger;
        isnt((run_on('lockcheck', $name => $without))[0], 0,
             "$name without unlock $i");

        $at = 0;
        my $logs = $text =~ s{^\s*${p}store_unlock\(\w+\);}
                {(++$at == $i ? 'ngx_log_error(1, l, 0, "x");' : '') . $&}mger;
        like((run_on('lockcheck', $name => $logs))[1], qr/\[held\]/,
             "$name with a log line before unlock $i");
    }
}

done_testing();
