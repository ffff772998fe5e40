
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * What parsing a kubelet's body and storing what it says take: the module's
 * own sources, compiled as nginx is (-O2), fed as from the network, over as
 * many nodes as there are, so that a node's records are as cold as in a
 * worker.  The body is node-00000's of the stand-in cluster; the others' are
 * made of it, and its time stamps move with every round.
 *
 *     bench-parts BODY NODES
 *
 * prints the medians of parsing and storing, ms.
 */


#include "store_fixture.h"

#include <stdio.h>
#include <time.h>

#include "ngx_http_k8s_metrics_exposition.h"


/* rounds, the first of which are not measured; bytes fed at once */
#define ROUNDS  12
#define WARM    2
#define PIECE   4096

#define ROOM    (256 * (size_t) MEGABYTE)


static u_char  *body;
static size_t   body_len;


static int64_t
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * SECOND + ts.tv_nsec;
}


static int
read_body(const char *name)
{
    FILE  *f;

    body = malloc(16 * MEGABYTE);
    f = fopen(name, "r");

    if (f == NULL || body == NULL) {
        return -1;
    }

    body_len = fread(body, 1, 16 * MEGABYTE - 1, f);
    body[body_len] = '\0';
    (void) fclose(f);

    return 0;
}


/* The body of that node and round: names and stamps are replaced. */

static void
move_body(ngx_uint_t node, ngx_uint_t round)
{
    char    text[32];
    u_char  *p, *last;

    last = body + body_len;

    (void) sprintf(text, "%05d", (int) node);

    for (p = (u_char *) strstr((char *) body, "pod=\"app-");
         p;
         p = (u_char *) strstr((char *) p, "pod=\"app-"))
    {
        p += sizeof("pod=\"app-") - 1;
        memcpy(p, text, 5);
    }

    (void) sprintf(text, "%013lld",
                   (long long) (EPOCH / 1000000 + round * 15000));

    for (p = body; p < last; p++) {
        p = memchr(p, '\n', last - p);

        if (p == NULL) {
            break;
        }

        if (p - body > 14 && p[-14] == ' ') {
            memcpy(p - 13, text, 13);
        }
    }
}


static void
parse(ngx_http_k8s_metrics_exposition_t *e)
{
    size_t  at, n;

    ngx_http_k8s_metrics_exposition_start(e, EPOCH);

    for (at = 0; at < body_len; at += n) {
        n = ngx_min(PIECE, body_len - at);

        if (ngx_http_k8s_metrics_exposition_feed(e, body + at, n) != NGX_OK) {
            abort();
        }
    }

    if (ngx_http_k8s_metrics_exposition_end(e) != NGX_OK) {
        abort();
    }
}


/* The pods that the body names, as the API server tells of them. */

static void
register_node(store_t *store, ngx_http_k8s_metrics_exposition_t *e,
    ngx_uint_t node)
{
    char        name[32], pod[256], ns[256];
    ngx_uint_t  i;

    (void) sprintf(name, "node-%05d", (int) node);

    if (put_node(store, name, "127.0.0.1") == NGX_ERROR) {
        abort();
    }

    move_body(node, 0);
    parse(e);

    for (i = 0; i < e->npods; i++) {
        (void) sprintf(ns, "%.*s", (int) e->pods[i].ns.len,
                       e->pods[i].ns.data);
        (void) sprintf(pod, "%.*s", (int) e->pods[i].name.len,
                       e->pods[i].name.data);

        if (put_pod(store, ns, pod, name) == NGX_ERROR) {
            abort();
        }
    }
}


static int
compare(const void *a, const void *b)
{
    int64_t  x = *(int64_t *) a, y = *(int64_t *) b;

    return (x > y) - (x < y);
}


static double
median_ms(int64_t *v, ngx_uint_t n)
{
    qsort(v, n, sizeof(int64_t), compare);

    return v[n / 2] / 1e6;
}


static void
measure(store_t *store, ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_target_t *targets, ngx_uint_t n)
{
    int64_t                         *parsed, *stored, t0, t1;
    ngx_uint_t                       i, round, have;
    ngx_http_k8s_metrics_scrape_t    scrape;

    parsed = calloc(ROUNDS * n, sizeof(int64_t));
    stored = calloc(ROUNDS * n, sizeof(int64_t));
    have = 0;

    if (parsed == NULL || stored == NULL) {
        abort();
    }

    for (round = 1; round <= ROUNDS; round++) {
        for (i = 0; i < n; i++) {
            move_body(i, round);

            t0 = now();
            parse(e);
            t1 = now();

            memset(&scrape, 0, sizeof(scrape));
            scrape.node = targets[i].ref;
            scrape.scraped = ngx_current_msec;
            scrape.has_node = e->has_node;
            scrape.usage = e->node;
            scrape.npods = e->npods;
            scrape.pods = e->pods;

            if (ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION)
                != NGX_OK)
            {
                abort();
            }

            if (round > WARM) {
                stored[have] = now() - t1;
                parsed[have++] = t1 - t0;
            }
        }
    }

    printf("%.4f %.4f\n", median_ms(parsed, have), median_ms(stored, have));

    free(parsed);
    free(stored);
}


int
main(int argc, char **argv)
{
    store_t                            *store;
    ngx_int_t                           n;
    ngx_str_t                           first;
    ngx_uint_t                          i, nodes;
    ngx_http_k8s_metrics_target_t      *targets;
    ngx_http_k8s_metrics_exposition_t   e;

    nodes = (argc == 3) ? (ngx_uint_t) atol(argv[2]) : 0;

    if (nodes == 0 || nodes > 100000 || read_body(argv[1]) != 0) {
        (void) fprintf(stderr, "usage: bench-parts BODY NODES\n");
        return 2;
    }

    store = fixture_create(ROOM);
    targets = calloc(nodes, sizeof(ngx_http_k8s_metrics_target_t));

    if (store == NULL || targets == NULL) {
        return 1;
    }

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 5000, MEGABYTE);

    for (i = 0; i < nodes; i++) {
        register_node(store, &e, i);
    }

    first = str("");
    n = ngx_http_k8s_metrics_store_targets(store, fixture_pool, &first,
                                           targets, nodes);

    if (n != (ngx_int_t) nodes) {
        return 1;
    }

    measure(store, &e, targets, nodes);

    ngx_http_k8s_metrics_exposition_destroy(&e);
    free(targets);
    free(body);

    return 0;
}
