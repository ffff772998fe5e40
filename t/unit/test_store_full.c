
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * A full zone: what it says, what it leaves alone, and that it is as good as
 * new when something was deleted.
 */


#include "store_check.h"


/* Pods until no more fits; how many. */

static int
fill(store_t *store)
{
    int        n;
    char       name[32];

    for (n = 0; n < 100000; n++) {
        sprintf(name, "pod-%d", n);

        if (put_pod(store, "ns", name, "a") != NGX_OK) {
            return n;
        }
    }

    return -1;
}


/* A worker that watches, behind full lists of both kinds. */

static void
enter(store_t *store)
{
    ngx_uint_t  kind;

    ngx_http_k8s_metrics_store_enter(store, 1, 0, 1);
    (void) ngx_http_k8s_metrics_store_tick(store);

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {
        ngx_http_k8s_metrics_store_list_begin(store, kind);
        ngx_http_k8s_metrics_store_list_end(store, kind);
    }

    /* what else is said of a list is another test's (test_store_size.c) */

    store->zone->content.sized = 1;
}


/* Lines after so many ms, and the level of the last one. */

static int
lines(store_t *store, ngx_msec_t ms)
{
    stub_logged = 0;
    stub_logged_level = 0;
    ngx_current_msec += ms;

    (void) ngx_http_k8s_metrics_store_tick(store);

    return stub_logged;
}


static void
lose(store_t *store, ngx_uint_t kind, uint64_t missing)
{
    ngx_http_k8s_metrics_store_lost_t  lost;

    lost.missing = missing;
    lost.again = (missing != 0);

    ngx_http_k8s_metrics_store_set_lost(store, kind, &lost);
}


static void
test_full(void)
{
    int                                  i, n;
    store_t                             *store;
    ngx_http_k8s_metrics_full_t          full;
    ngx_http_k8s_metrics_store_lost_t    lost;
    ngx_http_k8s_metrics_store_state_t   state;

    store = fixture_create(MEGABYTE);
    ngx_current_msec += 1000000;
    enter(store);

    (void) put_node(store, "a", "10.0.0.1");
    is_int(lines(store, 250), 0, "no line where there is room");
    is_int(ngx_http_k8s_metrics_store_has_room(store), 1, "there is");

    stub_logged = 0;
    ngx_http_k8s_metrics_store_list_begin(store, PODS);
    n = fill(store);

    ok(n > 3000, "%d pods fit in a megabyte", n);
    sound(store, "when full");
    is_int(ngx_http_k8s_metrics_store_has_room(store), 0, "no room");

    for (i = 0; i < 100; i++) {
        is_int(put_pod(store, "ns", "one-more-of-another-length", "a"),
               NGX_ABORT, "refused");
    }

    is_int(lines(store, 250), 0, "how many is not known yet");
    is_int(lines(store, 9000), 0, "and waited for");
    is_int(lines(store, 1000), 1, "but not for ever");
    is_int(stub_logged_level, NGX_LOG_ERR, "an error");

    store->zone->full_mono = 0;
    ngx_http_k8s_metrics_store_list_end(store, PODS);
    lose(store, PODS, 101);

    is_int(lines(store, 1), 1, "a line as soon as the list is there");
    is_int(lines(store, 59000), 0, "no more within a minute");

    ngx_http_k8s_metrics_store_state(store, &state);
    ok(state.full >= 101, "all of it is counted");
    is_int(state.pods, n, "what was stored is there");
    is_int(state.pods_missing, 101, "what was not is known");

    ngx_http_k8s_metrics_store_get_lost(store, PODS, &lost);
    is_int(lost.missing, 101, "to the next one that watches");
    is_int(lost.again, 1, "too");

    ngx_current_msec += 1000;
    ngx_http_k8s_metrics_store_lock(store);
    ngx_http_k8s_metrics_full_locked(store, &full);
    ngx_http_k8s_metrics_store_unlock(store);
    is_int(full.say, NGX_LOG_ERR, "the next line after a minute");
    is_int(full.stored[NODES], 1, "nodes that are stored");
    is_int(full.known[NODES], 1, "of all");
    is_int(full.stored[PODS], n, "pods that are stored");
    is_int(full.known[PODS], n + 101, "of all");
    is_int(full.scrapes, 0, "no scrape was refused");

    is_int(lines(store, 60000), 1, "a line a minute while some are missing");

    lose(store, PODS, 0);
    is_int(lines(store, 30000), 0, "none is missing");
    is_int(lines(store, 30000), 1, "that is said, too");
    is_int(stub_logged_level, NGX_LOG_NOTICE, "as a notice");
    is_int(lines(store, 600000), 0, "once");

    fixture_destroy(store);
}


/* Pods of node "a", from "from" on, each with 40 containers. */

static ngx_int_t
scrape_pods(store_t *store, const char *node, int from, int n)
{
    int                                i, j;
    ngx_http_k8s_metrics_scrape_t      scrape;

    static char                                 names[200][32];
    static char                                 containers[40][16];
    static ngx_http_k8s_metrics_point_t         points[40];
    static ngx_http_k8s_metrics_pod_points_t    pods[200];

    memset(&scrape, 0, sizeof(scrape));
    memset(points, 0, sizeof(points));

    for (j = 0; j < 40; j++) {
        sprintf(containers[j], "container-%02d", j);
        points[j].name = str(containers[j]);
        points[j].timestamp = EPOCH;
        points[j].cpu = 1;
        points[j].memory = 1;
    }

    for (i = 0; i < n; i++) {
        sprintf(names[i], "pod-%d", from + i);
        pods[i].ns = str(node);
        pods[i].name = str(names[i]);
        pods[i].ncontainers = 40;
        pods[i].containers = points;

        (void) put_pod(store, node, names[i], node);
    }

    scrape.node = ref_of(store, node);
    scrape.scraped = ngx_current_msec;
    scrape.npods = n;
    scrape.pods = pods;

    return ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION);
}


/* Neither samples nor records take the room of the other. */

static void
test_full_parts(void)
{
    int                           i, n, more;
    char                          name[32];
    store_t                      *store;
    ngx_str_t                     ns, s;
    ngx_http_k8s_metrics_full_t   full;

    store = fixture_create(MEGABYTE);
    ngx_current_msec += 1000000;
    enter(store);

    for (i = 0; i < 60; i++) {
        sprintf(name, "node-%d", i);
        (void) put_node(store, name, "10.0.0.1");

        if (scrape_pods(store, name, 0, 10) != NGX_OK) {
            break;
        }
    }

    ok(i > 5 && i < 20, "samples of %d nodes fit", i);

    ngx_http_k8s_metrics_store_lock(store);
    ngx_http_k8s_metrics_full_locked(store, &full);
    ngx_http_k8s_metrics_store_unlock(store);
    is_int(full.say, NGX_LOG_ERR, "those of the next do not, which is said");
    is_int(full.scrapes, 1, "and counted");

    n = fill(store);
    ok(n > 2500, "%d pods fit all the same", n);
    sound(store, "when both are full");

    /* where pods go, pods may come, whatever samples have */

    ns = str("ns");

    for (i = 0; i < 200; i++) {
        sprintf(name, "pod-%d", i);
        s = str(name);
        is_int(ngx_http_k8s_metrics_store_delete_pod(store, &ns, &s), NGX_OK,
               "a pod goes");
    }

    is_int(ngx_http_k8s_metrics_store_delete_pod(store, &ns, &s), NGX_DECLINED,
           "once");
    is_int(ngx_http_k8s_metrics_store_has_room(store), 1, "there is room");

    for (more = 0; more < 1000; more++) {
        sprintf(name, "more-%d", more);

        if (put_pod(store, "ns", name, "a") != NGX_OK) {
            break;
        }
    }

    ok(more >= 150, "%d pods come instead", more);
    sound(store, "in the end");
    fixture_destroy(store);
}


/* One node's samples have a part of that, at most. */

static void
test_full_share(void)
{
    store_t                             *store;
    ngx_http_k8s_metrics_store_state_t   before, after;

    store = fixture_create(MEGABYTE);
    ngx_current_msec += 1000000;

    (void) put_node(store, "a", "10.0.0.1");
    (void) put_node(store, "b", "10.0.0.2");

    is_int(scrape_pods(store, "a", 0, 18), NGX_OK, "nearly 64 kB of samples");
    is_int(scrape_pods(store, "a", 0, 25), NGX_BUSY, "too much for one node");
    (void) scrape_pods(store, "b", 0, 25);

    ngx_http_k8s_metrics_store_state(store, &before);
    stub_logged = 0;
    ngx_current_msec += 60000;

    is_int(scrape_pods(store, "a", 0, 25), NGX_BUSY, "again");
    is_int(stub_logged, 1, "said");
    ok(strstr(stub_logged_fmt, "one node's share") != NULL, "which it was");
    is_int(scrape_pods(store, "b", 0, 25), NGX_BUSY, "another node");
    is_int(stub_logged, 1, "is not, within a minute");

    ngx_http_k8s_metrics_store_state(store, &after);
    is_int(after.bytes_used, before.bytes_used, "what was there stays");
    is_int(after.full, 0, "the zone is not full");

    store->zone->granules *= 128;
    is_int(ngx_http_k8s_metrics_full_share(store), 2 * MEGABYTE,
           "a 64th of a larger zone");
    store->zone->granules /= 128;

    sound(store, "in the end");
    fixture_destroy(store);
}


/* A change that does not fit changes nothing. */

static void
test_full_node(void)
{
    char                            addr[4000];
    store_t                        *store;
    ngx_int_t                       n;
    ngx_str_t                       after;
    ngx_pool_t                     *pool;
    ngx_http_k8s_metrics_node_t     node;
    ngx_http_k8s_metrics_target_t   targets[2];

    store = fixture_create(MEGABYTE);
    store->records = 100;   /* to the brim */

    (void) put_node(store, "a", "10.0.0.1");
    (void) fill(store);

    memset(addr, 'x', sizeof(addr) - 1);
    addr[sizeof(addr) - 1] = '\0';

    memset(&node, 0, sizeof(node));
    node.name = str("a");
    node.naddrs = 3;
    node.addrs[0].text = str("10.0.0.2");
    node.addrs[1].text = str(addr);
    node.addrs[2].text = str("10.0.0.3");
    node.path = str("/");

    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_BUSY,
           "a node's change that does not fit");

    pool = ngx_create_pool(4096, &stub_log);
    after = str("");
    n = ngx_http_k8s_metrics_store_targets(store, pool, &after, targets, 2);

    is_int(n, 1, "the node is there");
    is_int(targets[0].node.naddrs, 1, "with its address");
    is_mem(targets[0].node.addrs[0].text.data,
           targets[0].node.addrs[0].text.len, "10.0.0.1", "as it was");
    is_int(targets[0].node.path.len, 0, "and its path");

    ngx_destroy_pool(pool);

    sound(store, "after a change that did not fit");
    fixture_destroy(store);
}


/* Small things freed make room for a large one. */

static void
test_full_join(void)
{
    int         i, n, again;
    char        name[32];
    u_char     *bytes;
    store_t    *store;
    ngx_str_t   ns, s, got;
    ngx_pool_t *pool;
    ngx_uint_t  generation;

    store = fixture_create(MEGABYTE);
    store->records = 100;

    (void) put_node(store, "a", "10.0.0.1");
    n = fill(store);

    bytes = malloc(300000);
    memset(bytes, 'b', 300000);
    s.data = bytes;
    s.len = 300000;

    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_ABORT,
           "no room for a large setting");

    ns = str("ns");

    for (i = 0; i < n; i++) {
        sprintf(name, "pod-%d", i);
        got = str(name);
        ngx_http_k8s_metrics_store_delete_pod(store, &ns, &got);
    }

    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_OK,
           "room for it when the pods are gone");
    sound(store, "after joining");

    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_DECLINED,
           "the same setting");

    pool = ngx_create_pool(4096, &stub_log);
    is_int(ngx_http_k8s_metrics_store_get_setting(store, 0, pool, &got,
                                                  &generation), NGX_OK,
           "comes back");
    ok(got.len == s.len && memcmp(got.data, bytes, s.len) == 0, "whole");
    ngx_destroy_pool(pool);

    s.len = 0;
    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_OK,
           "nothing removes it");

    again = fill(store);
    ok(again >= n - n / 50, "%d of %d pods fit again", again, n);

    sound(store, "full again");
    free(bytes);
    fixture_destroy(store);
}


int
main(void)
{
    test_full();
    test_full_parts();
    test_full_share();
    test_full_node();
    test_full_join();

    return done();
}
