/* unit: src/api/ngx_*_page_text.c src/api/ngx_*_debug_[nw]*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * What operators see: how requests are counted, why something is not served,
 * and the words and bytes that say it.
 */


#include "store_fixture.h"
#include "ngx_http_k8s_metrics_api_page.h"


#define MINUTE  60000


static ngx_http_k8s_metrics_explained_t  why;
static u_char                            mem[NGX_HTTP_K8S_METRICS_DEBUG_MEM];
static u_char                            buf[4096];
static ngx_http_k8s_metrics_out_t        out;


static ngx_http_k8s_metrics_request_t
request_of(ngx_http_k8s_metrics_result_e result, uint64_t us)
{
    ngx_http_k8s_metrics_request_t  r;

    memset(&r, 0, sizeof(r));

    r.result = result;
    r.duration = us;
    r.ended = 1700000000;
    r.resolution = 15000;
    r.next = ngx_current_msec + 5000;
    r.address = str("10.0.0.1");
    r.port = 10250;
    r.path = str("/metrics/resource");

    return r;
}


static void
fails(store_t *store, const char *node, const char *words)
{
    ngx_str_t                       reason;
    ngx_http_k8s_metrics_request_t  r;

    reason = str(words);
    r = request_of(NGX_HTTP_K8S_METRICS_RESULT_CONNECT, 2000000);

    ngx_http_k8s_metrics_store_scrape_failed(store, ref_of(store, node), &r,
                                             &reason);
}


/*
 * A scrape of pod ns/name with a container for each counter ("c0" ...), the
 * pod incomplete where "missing" says so.
 */

static void
scrapes(store_t *store, const char *node, const char *name, int seconds,
    uint64_t cpu, ngx_uint_t missing)
{
    ngx_http_k8s_metrics_point_t       point;
    ngx_http_k8s_metrics_scrape_t      scrape;
    ngx_http_k8s_metrics_request_t     r;
    ngx_http_k8s_metrics_pod_points_t  pod;

    memset(&scrape, 0, sizeof(scrape));
    memset(&point, 0, sizeof(point));
    memset(&pod, 0, sizeof(pod));

    point.name = str("c0");
    point.timestamp = EPOCH + seconds * SECOND;
    point.start = EPOCH - 3600 * SECOND;
    point.cpu = cpu;
    point.memory = 1000;

    pod.ns = str("ns");
    pod.name = str(name);
    pod.missing = missing;
    pod.ncontainers = missing ? 0 : 1;
    pod.containers = &point;

    r = request_of(NGX_HTTP_K8S_METRICS_RESULT_OK, 3000);

    scrape.node = ref_of(store, node);
    scrape.scraped = ngx_current_msec;
    scrape.missing = missing;
    scrape.has_node = !missing;
    scrape.usage = point;
    scrape.npods = 1;
    scrape.pods = &pod;
    scrape.request = &r;

    is_int(ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION),
           NGX_OK, "a scrape");
}


static ngx_http_k8s_metrics_query_t
query_of(ngx_uint_t kind, const char *name)
{
    ngx_http_k8s_metrics_query_t  q;

    memset(&q, 0, sizeof(q));

    q.kind = kind;
    q.ns = str(kind == PODS ? "ns" : "");
    q.name = str(name);
    q.now = ngx_current_msec;
    q.max_age = 30000;

    return q;
}


/* The reason, and the words behind it. */

static void
because(store_t *store, ngx_uint_t kind, const char *name, const char *reason,
    const char *words)
{
    ngx_http_k8s_metrics_query_t  q;

    q = query_of(kind, name);

    ngx_http_k8s_metrics_store_explain(store, &q, mem, &why);

    is_mem(ngx_http_k8s_metrics_why_name(why.why),
           strlen(ngx_http_k8s_metrics_why_name(why.why)), reason, name);

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_why_words(&out, &q, &why, EPOCH + 100 * SECOND);

    *out.last = '\0';
    ok(strstr((char *) buf, words) != NULL, "%s: %s", name, buf);
}


static void
test_why(void)
{
    store_t  *store;

    store = fixture_create(2 * MEGABYTE);

    because(store, PODS, "p", "not_listed", "not been listed in full yet");

    ngx_http_k8s_metrics_store_list_begin(store, NODES);
    put_node(store, "a", "10.0.0.1");
    put_node(store, "b", "10.0.0.2");
    ngx_http_k8s_metrics_store_list_end(store, NODES);

    ngx_http_k8s_metrics_store_list_begin(store, PODS);
    put_pod(store, "ns", "p", "a");
    put_pod(store, "ns", "q", "gone");
    ngx_http_k8s_metrics_store_list_end(store, PODS);

    because(store, PODS, "x", "unknown", "no running pod of that name");
    because(store, NODES, "x", "unknown", "no such node");
    because(store, PODS, "q", "node_unknown", "node \"gone\", which is not");
    because(store, NODES, "a", "not_scraped", "it has not been scraped yet");
    because(store, PODS, "p", "not_scraped", "its node has not been");

    fails(store, "a", "connection refused");
    because(store, PODS, "p", "scrape_failed", "refused");
    fails(store, "a", "bad \033[31m\nbytes");
    because(store, NODES, "a", "scrape_failed",
            "ago: bad ?[31m?bytes, failures in a row: 2");

    scrapes(store, "a", "other", 0, SECOND, 0);
    because(store, PODS, "p", "not_reported", "did not name it");
    because(store, NODES, "a", "one_point", "it is 100 s old");
    is_int(why.node.failures, 0, "a success ends the row");
    is_int(why.node.reason.len, 0, "and forgets the reason");

    scrapes(store, "a", "p", 15, 2 * SECOND,
            NGX_HTTP_K8S_METRICS_LACKS_CPU|NGX_HTTP_K8S_METRICS_ZERO_MEMORY);
    because(store, PODS, "p", "incomplete", "cpu is missing, memory is 0");
    because(store, NODES, "a", "incomplete", "of the node is incomplete");
    is_int(why.node.reported, 1, "an incomplete pod was reported");
    is_int(why.node.served, 0, "and has no metrics");

    scrapes(store, "a", "p", 30, 3 * SECOND, 0);
    because(store, PODS, "p", "one_point", "\"c0\" has one sample only");

    scrapes(store, "a", "p", 45, 4 * SECOND, 0);
    because(store, PODS, "p", "served", "it is served");
    because(store, NODES, "a", "served", "it is served");
    is_int(why.timestamp, EPOCH + 45 * SECOND, "its time");
    is_int(why.window, 15 * SECOND, "its window");
    is_int(why.node.served, 1, "one pod");

    ngx_current_msec += 30001;
    fails(store, "a", "connection refused");
    because(store, PODS, "p", "too_old",
            "its node began 30 s ago, and samples are served for 30 s");
    ok(strstr((char *) buf, "failed 0 s ago: connection refused") != NULL,
       "and why");

    scrapes(store, "a", "p", 60, 1, 0);
    because(store, PODS, "p", "counter_went_back", "went back");

    is_int(ngx_http_k8s_metrics_store_delete_node(store, &why.node.name),
           NGX_OK, "its memory is given back");

    fixture_destroy(store);
}


static void
test_nodes(void)
{
    int                                 i;
    char                                name[32];
    store_t                            *store;
    ngx_str_t                           after;
    ngx_uint_t                          n, all;
    ngx_http_k8s_metrics_debug_node_t   nodes[8];

    store = fixture_create(2 * MEGABYTE);

    for (i = 0; i < 100; i++) {
        sprintf(name, "node-%03d", i);
        put_node(store, name, "10.0.0.1");
    }

    /* 2 s twice, 3 ms once: buckets of 2.5 s and of 5 ms */

    fails(store, "node-007", "refused");
    fails(store, "node-007", "refused");
    scrapes(store, "node-007", "p", 0, SECOND, 0);

    all = 0;
    after = str("");

    do {
        n = ngx_http_k8s_metrics_store_debug_nodes(store, &after, mem,
                                                   sizeof(mem), nodes, 8);
        for (i = 0; i < (int) n; i++, all++) {
            sprintf(name, "node-%03d", (int) all);
            ok(nodes[i].name.len == 8
               && memcmp(nodes[i].name.data, name, 8) == 0, "%s", name);

            if (all == 7) {
                is_int(nodes[i].buckets[0], 1, "one of 5 ms");
                is_int(nodes[i].buckets[8], 2, "two of 2.5 s");
                is_int(nodes[i].sum, 4003000, "their sum");
                is_int(nodes[i].ended, 1700000000, "the last one's end");
                is_int(nodes[i].port, 10250, "port");
                is_mem(nodes[i].address.data, nodes[i].address.len,
                       "10.0.0.1", "address");

            } else {
                is_int(nodes[i].asked, 0, "never asked");
            }
        }

        if (n) {
            snprintf(name, sizeof(name), "%.*s", (int) nodes[n - 1].name.len,
                     nodes[n - 1].name.data);
            after = str(name);
        }

    } while (n);

    is_int(all, 100, "each once");

    /* the shortest memory still holds one */

    after = str("");
    is_int(ngx_http_k8s_metrics_store_debug_nodes(store, &after, mem, 64,
                                                  nodes, 8) >= 1, 1,
           "a node with short strings in 64 bytes");

    fixture_destroy(store);
}


static void
test_counters(void)
{
    store_t                             *store;
    uint64_t                             bounds[NGX_HTTP_K8S_METRICS_TICKS];
    ngx_uint_t                           i, n;
    ngx_http_k8s_metrics_freshness_t         fresh;
    ngx_http_k8s_metrics_store_stats_t   stats;

    store = fixture_create(2 * MEGABYTE);
    put_node(store, "a", "10.0.0.1");

    memset(&fresh, 0, sizeof(fresh));
    ngx_http_k8s_metrics_fresh_add(&fresh, -5 * SECOND);
    ngx_http_k8s_metrics_fresh_add(&fresh, SECOND);
    ngx_http_k8s_metrics_fresh_add(&fresh, SECOND + 1);
    ngx_http_k8s_metrics_fresh_add(&fresh, 400 * SECOND);
    ngx_http_k8s_metrics_store_freshness(store, &fresh);
    ngx_http_k8s_metrics_store_freshness(store, &fresh);

    ngx_http_k8s_metrics_store_count(store,
                                     NGX_HTTP_K8S_METRICS_STAT_LIMIT, 3);
    ngx_http_k8s_metrics_store_count(store,
                                     NGX_HTTP_K8S_METRICS_STAT_LIMIT, 2);

    /* a round is its longest request */

    fails(store, "a", "x");
    scrapes(store, "a", "p", 0, SECOND, 0);
    ngx_current_msec += 15000;
    scrapes(store, "a", "p", 15, SECOND, 0);

    ngx_http_k8s_metrics_store_stats(store, &stats);

    is_int(stats.fresh[0], 2, "ages of a second at most, and before now");
    is_int(stats.fresh[1], 1, "one over it");
    is_int(stats.fresh[NGX_HTTP_K8S_METRICS_AGES], 1, "one over all bounds");
    is_int(stats.fresh_sum, 402000000, "their sum");
    is_int(stats.counters[NGX_HTTP_K8S_METRICS_STAT_LIMIT], 5, "a counter");
    is_int(stats.ticks[8], 1, "a round of 2 s");
    is_int(stats.tick_sum, 2000000, "its sum");

    /* utils.BucketsForScrapeDuration() of metrics-server */

    n = ngx_http_k8s_metrics_tick_bounds(15000, bounds);
    is_int(n, 15, "15 s: 15 bounds");
    is_int(bounds[11], 12500000, "12.5");
    is_int(bounds[12], 15000000, "15");
    is_int(bounds[13], 22500000, "22.5");
    is_int(bounds[14], 30000000, "30");

    n = ngx_http_k8s_metrics_tick_bounds(10000, bounds);
    is_int(n, 11, "10 s: the usual ones");

    for (i = 0; i < NGX_HTTP_K8S_METRICS_RESULTS; i++) {
        ok(strlen(ngx_http_k8s_metrics_result_name(i)) > 1, "%s",
           ngx_http_k8s_metrics_result_name(i));
    }

    is_int(sizeof(ngx_http_k8s_metrics_shnode_t), 224, "bytes of a node");
    is_int(sizeof(ngx_http_k8s_metrics_shblock_t), 96, "of its samples");

    fixture_destroy(store);
}


static void
test_text(void)
{
    ngx_str_t  s;

#define is_out(want, what)                                                    \
    is_mem(buf, ngx_http_k8s_metrics_out_len(&out), want, what);              \
    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf))

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));

    ngx_http_k8s_metrics_page_decimal(&out, 0, 1000);
    is_out("0", "0");
    ngx_http_k8s_metrics_page_decimal(&out, 12500000, 1000000);
    is_out("12.5", "12.5");
    ngx_http_k8s_metrics_page_decimal(&out, 1000001, 1000000);
    is_out("1.000001", "zeros in the middle");
    ngx_http_k8s_metrics_page_decimal(&out, 7, 1);
    is_out("7", "whole");

    ngx_http_k8s_metrics_page_age(&out, 4249);
    is_out("4.2 s", "seconds");
    ngx_http_k8s_metrics_page_age(&out, 119999);
    is_out("119.9 s", "just below two minutes");
    ngx_http_k8s_metrics_page_age(&out, 3 * MINUTE);
    is_out("3 min", "minutes");
    ngx_http_k8s_metrics_page_age(&out, 121 * MINUTE);
    is_out("2 h", "hours");

    s = str("a\"b\\c\nd\001\303\251");
    ngx_http_k8s_metrics_page_label(&out, &s);
    is_out("a\\\"b\\\\c\\nd???", "a label's value");
    ngx_http_k8s_metrics_page_text(&out, &s, 5);
    is_out("a\"b\\c...", "text is cut");
    ngx_http_k8s_metrics_page_text(&out, &s, 100);
    is_out("a\"b\\c?d???", "text has no control characters");

    ngx_http_k8s_metrics_page_missing(&out,
                                      NGX_HTTP_K8S_METRICS_OVER_LIMIT);
    is_out("it has more containers or longer names than are kept", "limit");

    is_int(ngx_http_k8s_metrics_page_since(5, 7), 0, "later is no time ago");
    is_int(ngx_http_k8s_metrics_page_since(7, 5), 2, "2 ms");
}


/* However long what others sent is, each form fits its bounds. */

static void
test_bounds(void)
{
    char                           name[600];
    store_t                       *store;
    ngx_str_t                      reason;
    ngx_http_k8s_metrics_query_t   q;
    ngx_http_k8s_metrics_request_t r;

    static u_char                  page[32768];

    memset(name, '"', sizeof(name));
    name[510] = '\0';

    store = fixture_create(2 * MEGABYTE);

    is_int(put_node(store, name, "10.0.0.1"), NGX_OK, "a name of 510");

    r = request_of(NGX_HTTP_K8S_METRICS_RESULT_TLS, 1);
    r.address = str(name);
    r.path = str(name);
    reason = str(name);

    ngx_http_k8s_metrics_store_scrape_failed(store, ref_of(store, name), &r,
                                             &reason);

    q = query_of(NODES, name);
    ngx_http_k8s_metrics_store_explain(store, &q, mem, &why);
    is_int(why.why, NGX_HTTP_K8S_METRICS_WHY_FAILED, "it failed");
    is_int(why.node.address.len, 255, "an address is cut");
    is_int(why.node.reason.len, 255, "a reason is cut");

    ngx_http_k8s_metrics_out_fixed(&out, page, sizeof(page));
    ngx_http_k8s_metrics_explained_json(&out, &q, &why, 0);
    is_int(out.overflow, 0, "JSON fits");

    ngx_http_k8s_metrics_out_fixed(&out, page, sizeof(page));
    ngx_http_k8s_metrics_explained_text(&out, &q, &why, 0);
    is_int(out.overflow, 0, "text fits");

    fixture_destroy(store);
}


int
main(int argc, char **argv)
{
    test_why();
    test_nodes();
    test_counters();
    test_text();
    test_bounds();

    return done();
}
