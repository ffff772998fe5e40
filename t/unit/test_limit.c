
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/* So many lines a minute, and none is lost without being counted. */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_limit.h"
#include "tap.h"


static ngx_http_k8s_metrics_limit_t  limit;
static ngx_uint_t                    dropped;


static int
at(ngx_msec_t now)
{
    return ngx_http_k8s_metrics_limit(&limit, now, 2, &dropped) == NGX_OK;
}


int
main(void)
{
    ngx_msec_t  start;

    /* the clock runs over in the middle */

    start = (ngx_msec_t) -30000;

    ok(at(start), "the first line");
    is_int(dropped, 0, "none before it");
    ok(at(start + 1), "the second");
    ok(!at(start + 2), "the third is one too many");
    ok(!at(start + 59999), "as is one at the end of the minute");
    ok(at(start + 60000), "the next minute");
    is_int(dropped, 2, "says how many were left out");
    ok(at(start + 60001), "and has its own");
    is_int(dropped, 0, "none since");
    ok(!at(start + 119999), "two of them");
    ok(at(start + 500000), "after a pause");
    is_int(dropped, 1, "it is still told");

    return done();
}
