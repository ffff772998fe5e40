# Each rule of util/style fires on what it is for, and lets nginx's own style
# pass.

use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;
use Check;
use Test::More;

my $path = 'src/base/ngx_http_k8s_metrics_x.c';


# the lines of a function's body; the first is line 6

sub body {
    return ($path => join("\n", '', 'static ngx_int_t', 'f(u_char *p)', '{',
                          '    ngx_uint_t  i;', @_, '    return i;', '}',
                          ''));
}


sub bad {
    my ($rule, @lines) = @_;
    fires('style', $rule, "$path:6", "$rule: $lines[0]", body(@lines));
}


sub good {
    my @lines = @_;
    quiet('style', "nothing of: $lines[0]", body(@lines));
}

bad('width', '    ' . 'x' x 77);
good('    /* ' . "\xc3\xa4" x 70 . ' */');
bad('tab', "\ti = 1;");
bad('trailing', '    i = 1; ');
bad('trailing', "    i = 1;\r");
bad('line-comment', '    i = 1;    // one');
good('    ngx_str_set(&s, "https://x");');
good('    /* https://x */');

for my $word (qw(if for while switch)) {
    bad('keyword-space', "    $word(i) {", '    }');
    bad('keyword-space', "    $word  (i) {", '    }');
}

bad('paren-space', '    if ( i) {', '    }');
bad('paren-space', '    if (i ) {', '    }');
bad('paren-space', '    g(i );');
good('    for (p = x; i; /* void */ ) {', '    }');
good('    for ( /* void */ ; i; i--) {', '    }');
good('    g("( x )", /* y */ i);');

bad('forever', '    for (;;) {', '    }');
bad('forever', '    while (1) {', '    }');
good('    for ( ;; ) {', '    }');

bad('cast', '    p = (u_char *)x;');
bad('cast', '    p = (u_char*) x;');
bad('cast', '    i = (ngx_uint_t)x;');
bad('cast', '    i = (unsigned char)x;');
bad('cast', '    p = (struct sockaddr *)&x;');
bad('cast', '    p = (const u_char **)(x);');
good('    p = (u_char *) x;');
good('    i = sizeof(ngx_uint_t) - 1;');
good('    i = sizeof(u_char *) * (size_t) x;');
good('    i = (a * b) * (i) - (j) + f(i)[0];');
good('    p = (ngx_uint_t (*)(u_char *)) x;');

bad('libc', "    $_(p);") for qw(malloc free calloc realloc strlen memcpy
    memset sprintf snprintf atoi strcmp strncasecmp printf qsort);
good("    ngx_free(p), x->free(p), x.free(p), X509_free(p), ngx_strlen(p);");
good('    /* free(p) */');
good('    p = "free(p)";');

fires('style', 'name-column', "$path:2", 'a type before the name',
      $path => "\nngx_int_t f(void)\n{\n}\n");
fires('style', 'name-column', "$path:3", 'a name not in column 0',
      $path => "\nngx_int_t\n f(void)\n{\n}\n");
fires('style', 'brace-alone', "$path:3", 'a brace on the line of the name',
      $path => "\nngx_int_t\nf(void) {\n}\n");
fires('style', 'brace-alone', "$path:5", 'a brace that is not in column 0',
      $path => "\nngx_int_t\nf(int a,\n    int b)\n {\n}\n");
quiet('style', 'prototypes, tables and structures',
      $path => "\nstatic ngx_int_t f(void);\nngx_int_t g(int a,\n    int b);"
               . "\n\nstruct s {\n    int  a;\n};\n\nstatic s_t  x[] = {\n"
               . "    { f(1), 2 },\n    { g(1, 2), 3 }\n};\n");

fires('style', 'prefix', 'src/base/value.c:1', 'a name without the prefix',
      'src/base/value.c' => "\nint  a;\n");

my $header = 'src/base/ngx_http_k8s_metrics_x.h';
my $guard = '_NGX_HTTP_K8S_METRICS_X_H_INCLUDED_';

fires('style', 'guard', "$header:1", 'a header without a guard',
      $header => "\nint  a;\n");
quiet('style', 'a header with its guard', $header => "\n/* x */\n\n\n"
      . "#ifndef $guard\n#define $guard\n\nint  a;\n\n#endif /* $guard */\n");

fires('style', 'last-line', "$path:2", 'no line feed at the end',
      $path => "\nint  a;");

quiet('style', 'libc in a unit test',
      't/unit/x.c' => "\nint\nmain(void)\n{\n    free(0);\n}\n");

# suppressions

good('    free(p);  /* lint: allow libc */');
good('    /* lint: allow libc */', '    free(p);');

sub out_of { return (run_on('style', body(@_)))[1] }

like(out_of('    /* lint: allow libc */', '    ngx_free(p);'),
     qr/:6: unused suppression: libc/, 'an unused suppression');
like(out_of('    free(p);  /* lint: allow cast */'),
     qr/\[libc\]/, 'a suppression of another rule');
like(out_of('    /* lint: allow lib */'),
     qr/:6: no rule to allow: lib$/m, 'a suppression of no rule');
unlike(out_of('    /* lint: allow held */'), qr/unused/,
       'a suppression for another checker');

done_testing();
