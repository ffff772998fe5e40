
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/* The capped buffer: what does not fit, rolling back, growing to the cap. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_out.h"


static ngx_uint_t
holds(ngx_http_k8s_metrics_out_t *out, const char *want)
{
    return ngx_http_k8s_metrics_out_len(out) == strlen(want)
           && memcmp(out->start, want, strlen(want)) == 0;
}


static void
fixed(void)
{
    u_char                      *buf, *mark;
    ngx_http_k8s_metrics_out_t   out;

    buf = malloc(8);
    ngx_http_k8s_metrics_out_fixed(&out, buf, 8);

    ngx_http_k8s_metrics_out_lit(&out, "abcd");
    mark = out.last;
    ngx_http_k8s_metrics_out_lit(&out, "efgh");
    ok(holds(&out, "abcdefgh") && !out.overflow, "a fixed buffer is filled");

    ngx_http_k8s_metrics_out_mem(&out, "", 0);
    ok(!out.overflow, "nothing fits a full buffer");

    ngx_http_k8s_metrics_out_byte(&out, 'i');
    ok(holds(&out, "abcdefgh") && out.overflow, "a byte too many");

    out.last = mark;
    ngx_http_k8s_metrics_out_byte(&out, 'x');
    ok(holds(&out, "abcd"), "nothing is written after an overflow");

    out.overflow = 0;
    ngx_http_k8s_metrics_out_byte(&out, 'x');
    ok(holds(&out, "abcdx"), "rolled back");

    ngx_http_k8s_metrics_out_uint(&out, 1234);
    ok(holds(&out, "abcdx") && out.overflow, "no half of a number");

    out.overflow = 0;
    ok(ngx_http_k8s_metrics_out_reserve(&out, 3) == NGX_OK
       && ngx_http_k8s_metrics_out_reserve(&out, 4) == NGX_ERROR
       && out.overflow, "reserve");

    out.overflow = 0;
    ok(ngx_http_k8s_metrics_out_reserve(&out, (size_t) -1) == NGX_ERROR,
       "reserve of everything");

    free(buf);
}


static void
numbers(void)
{
    u_char                      buf[256];
    ngx_http_k8s_metrics_out_t  out;

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));

    ngx_http_k8s_metrics_out_uint(&out, 0);
    ngx_http_k8s_metrics_out_byte(&out, ' ');
    ngx_http_k8s_metrics_out_uint(&out, UINT64_MAX);
    ngx_http_k8s_metrics_out_byte(&out, ' ');
    ngx_http_k8s_metrics_out_int(&out, INT64_MIN);
    ngx_http_k8s_metrics_out_byte(&out, ' ');
    ngx_http_k8s_metrics_out_int(&out, INT64_MAX);
    ngx_http_k8s_metrics_out_byte(&out, ' ');
    ngx_http_k8s_metrics_out_int(&out, -1);

    ok(holds(&out, "0 18446744073709551615 -9223372036854775808 "
                   "9223372036854775807 -1"), "numbers");
}


static void
grows(void)
{
    size_t                       i;
    ngx_pool_t                  *pool;
    ngx_http_k8s_metrics_out_t   out;

    pool = ngx_create_pool(4096, NULL);

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_OK,
       "created");

    for (i = 0; i < 1000; i++) {
        ngx_http_k8s_metrics_out_byte(&out, (u_char) ('a' + i % 26));
    }

    ok(!out.overflow && ngx_http_k8s_metrics_out_len(&out) == 1000,
       "grows to its cap");

    for (i = 0; i < 1000; i++) {
        if (out.start[i] != 'a' + i % 26) {
            break;
        }
    }

    ok(i == 1000, "and keeps what is there");

    ngx_http_k8s_metrics_out_byte(&out, 'x');
    ok(out.overflow && ngx_http_k8s_metrics_out_len(&out) == 1000,
       "but not past it");

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_OK
       && ngx_http_k8s_metrics_out_reserve(&out, 1000) == NGX_OK
       && (size_t) (out.end - out.start) >= 1000, "grows at once");

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_OK
       && ngx_http_k8s_metrics_out_reserve(&out, 1001) == NGX_ERROR
       && out.overflow, "no more than its cap at once");

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_OK
       && ngx_http_k8s_metrics_out_reserve(&out, (size_t) -1) == NGX_ERROR,
       "nor everything");

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 2000, 10) == NGX_OK
       && out.end - out.start == 10, "begins with no more than its cap");

    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_OK,
       "created again");
    ngx_http_k8s_metrics_out_lit(&out, "abc");

    stub_allocations = 0;
    ngx_http_k8s_metrics_out_lit(&out, "def");
    ok(out.overflow && holds(&out, "abc"), "without memory it overflows");
    ok(ngx_http_k8s_metrics_out_create(&out, pool, 4, 1000) == NGX_ERROR,
       "or is not created");
    stub_allocations = -1;

    ngx_destroy_pool(pool);
}


int
main(void)
{
    fixed();
    numbers();
    grows();

    return done();
}
