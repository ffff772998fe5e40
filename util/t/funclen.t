# util/funclen counts from the name to the closing brace.

use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;
use Check;
use Test::More;

my $path = 'src/base/ngx_http_k8s_metrics_x.c';


sub function {
    my ($name, $lines) = @_;
    return "\nstatic void\n$name(void)\n{\n" . "    g();\n" x ($lines - 3)
           . "}\n";
}

quiet('funclen', '100 lines', $path => function('f', 100));
fires('funclen', 'function-length', "$path:2", '101 lines',
      $path => function('f', 101));
fires('funclen', 'function-length', "$path:63", 'the second of two',
      $path => function('f', 59) . function('g', 101));
quiet('funclen', 'two of 60', $path => function('f', 60) . function('g', 60));

fires('funclen', 'function-length', "$path:2", 'braces in #if and in strings',
      $path => "\nvoid\nf(void)\n{\n#if (X)\n    if (a) {\n#else\n"
               . "    if (b) {\n#endif\n    }\n    g(\"}\", '}'); /* } */\n"
               . "    h();\n" x 100 . "}\n");

quiet('funclen', 'a long one that is allowed',
      $path => "/* lint: allow function-length */"
               . function('f', 101) =~ s/^\n/\n/r);

like((run_on('funclen', $path => function('f', 60) . function('g', 61)))[1],
     qr/^1 of 2 functions past 60 lines, 0 files past 500$/m, 'counted');

quiet('funclen', 'a file of 700 lines', $path => "int  a;\n" x 700);
fires('funclen', 'file-length', "$path:1", 'a file of 701 lines',
      $path => "int  a;\n" x 701);

done_testing();
