
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _EXPOSITION_CHECK_H_INCLUDED_
#define _EXPOSITION_CHECK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_exposition.h"


/* What the tests of the exposition's parser say it with. */

#define DEFAULT  500000000


/* the pods that come of it, and what was dropped (in the struct's order) */

typedef struct {
    const char  *name;
    const char  *text;
    const char  *result;
    const char  *dropped;
} case_t;


#define CPU(c, n, p)  "container_cpu_usage_seconds_total{container=\"" c      \
                      "\",namespace=\"" n "\",pod=\"" p "\"} "
#define MEM(c, n, p)  "container_memory_working_set_bytes{container=\"" c     \
                      "\",namespace=\"" n "\",pod=\"" p "\"} "
#define START(c, n, p)  "container_start_time_seconds{container=\"" c         \
                        "\",namespace=\"" n "\",pod=\"" p "\"} "


static const char  usual[] =
    "# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time\n"
    "# TYPE container_cpu_usage_seconds_total counter\n"
    CPU("c0", "ns-1", "a") "12.5 1763872085123\n"
    CPU("c0", "ns-2", "b") "0.000000001 1763872085124\n"
    CPU("c1", "ns-1", "a") "1e-05 1763872085125\n"
    "# HELP container_memory_working_set_bytes [STABLE] Current working set\n"
    "# TYPE container_memory_working_set_bytes gauge\n"
    MEM("c0", "ns-1", "a") "1.048576e+06 1763872085130\n"
    MEM("c0", "ns-2", "b") "4096 1763872085100\n"
    MEM("c1", "ns-1", "a") "1 1763872085125\n"
    "# HELP container_start_time_seconds [STABLE] Start time\n"
    "# TYPE container_start_time_seconds gauge\n"
    START("c0", "ns-1", "a") "1.7638720001234567e+09\n"
    START("c1", "ns-1", "a") "1.763872e+09\n"
    "# HELP container_swap_usage_bytes [ALPHA] Current swap\n"
    "# TYPE container_swap_usage_bytes gauge\n"
    "container_swap_usage_bytes{container=\"c0\",namespace=\"ns-1\","
    "pod=\"a\"} 5 1763872085123\n"
    "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time\n"
    "# TYPE node_cpu_usage_seconds_total counter\n"
    "node_cpu_usage_seconds_total 98765.4321 1763872085200\n"
    "node_memory_working_set_bytes 2.56376832e+09 1763872085201\n"
    "pod_cpu_usage_seconds_total{namespace=\"ns-1\",pod=\"a\"} 13 1\n"
    "pod_memory_working_set_bytes{namespace=\"ns-1\",pod=\"a\"} 13 1\n"
    "# HELP scrape_error [ALPHA] 1 if there was an error\n"
    "# TYPE scrape_error gauge\n"
    "scrape_error 0\n"
    "resource_scrape_error 0\n";

static const char  usual_result[] =
    "node 98765432100000/2563768320@1763872085201000000 "
    "ns-1/a[c0 12500000000/1048576@1763872085130000000+1763872000123456768,"
    "c1 10000/1@1763872085125000000+1763872000000000000] "
    "ns-2/b[c0 1/4096@1763872085124000000] ";


/* What came of it, as a text. */

__attribute__((unused))
static void
result(ngx_http_k8s_metrics_exposition_t *e, char *p)
{
    ngx_uint_t                      i, j;
    ngx_http_k8s_metrics_point_t   *c;

    *p = '\0';

    if (e->scrape_error) {
        p += sprintf(p, "error ");
    }

    if (e->has_node) {
        p += sprintf(p, "node %llu/%llu@%lld ",
                     (unsigned long long) e->node.cpu,
                     (unsigned long long) e->node.memory,
                     (long long) e->node.timestamp);
    }

    for (i = 0; i < e->npods; i++) {
        p += sprintf(p, "%.*s/%.*s[", (int) e->pods[i].ns.len,
                     e->pods[i].ns.data, (int) e->pods[i].name.len,
                     e->pods[i].name.data);

        for (j = 0; j < e->pods[i].ncontainers; j++) {
            c = &e->pods[i].containers[j];

            p += sprintf(p, "%s%.*s %llu/%llu@%lld", j ? "," : "",
                         (int) c->name.len, c->name.data,
                         (unsigned long long) c->cpu,
                         (unsigned long long) c->memory,
                         (long long) c->timestamp);

            if (c->start) {
                p += sprintf(p, "+%lld", (long long) c->start);
            }
        }

        p += sprintf(p, "] ");
    }
}


static void
dropped(ngx_http_k8s_metrics_exposition_t *e, char *p)
{
    ngx_http_k8s_metrics_exposition_dropped_t  *d;

    d = &e->dropped;

    sprintf(p, "%d %d %d %d %d %d %d %d %d", (int) d->malformed,
            (int) d->value, (int) d->timestamp, (int) d->too_long,
            (int) d->unnamed, (int) d->limit, (int) d->containers,
            (int) d->pods, (int) d->nodes);
}


/* Feeds a copy that is as large as it is, so that reading on is seen. */

static ngx_int_t
feed(ngx_http_k8s_metrics_exposition_t *e, const char *p, size_t len)
{
    u_char     *copy;
    ngx_int_t   rc;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);
    rc = ngx_http_k8s_metrics_exposition_feed(e, copy, len);
    free(copy);

    return rc;
}


static ngx_uint_t
gives(ngx_http_k8s_metrics_exposition_t *e, const char *want,
    const char *want_dropped)
{
    char  got[8192], got_dropped[128];

    if (ngx_http_k8s_metrics_exposition_end(e) != NGX_OK) {
        printf("# end failed\n");
        return 0;
    }

    result(e, got);
    dropped(e, got_dropped);

    if (strcmp(got, want) != 0 || strcmp(got_dropped, want_dropped) != 0) {
        printf("# got %s| %s\n", got, got_dropped);
        return 0;
    }

    return 1;
}


static void
splits(ngx_http_k8s_metrics_exposition_t *e, const char *name,
    const char *text, size_t len, const char *want, const char *want_dropped)
{
    size_t      i;
    ngx_uint_t  good;

    ngx_http_k8s_metrics_exposition_start(e, DEFAULT);
    ok(feed(e, text, len) == NGX_OK && gives(e, want, want_dropped),
       "%s", name);

    ngx_http_k8s_metrics_exposition_start(e, DEFAULT);

    for (i = 0; i < len; i++) {
        (void) feed(e, text + i, 1);
    }

    ok(gives(e, want, want_dropped), "%s, byte by byte", name);

    good = 1;

    for (i = 0; i <= len && good; i++) {
        ngx_http_k8s_metrics_exposition_start(e, DEFAULT);

        good = (feed(e, text, i) == NGX_OK
                && feed(e, text + i, len - i) == NGX_OK
                && gives(e, want, want_dropped));
    }

    ok(good, "%s, in two parts", name);
}


#endif /* _EXPOSITION_CHECK_H_INCLUDED_ */
