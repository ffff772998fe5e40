
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


static void
test_full(void)
{
    int                                  i, n;
    store_t                             *store;
    ngx_http_k8s_metrics_store_state_t   state;

    store = fixture_create(MEGABYTE);
    ngx_current_msec += 1000000;

    (void) put_node(store, "a", "10.0.0.1");

    stub_logged = 0;
    n = fill(store);

    ok(n > 3000, "%d pods fit in a megabyte", n);
    is_int(stub_logged, 1, "one line");
    is_int(stub_logged_level, NGX_LOG_ERR, "an error");
    sound(store, "when full");

    for (i = 0; i < 100; i++) {
        is_int(put_pod(store, "ns", "one-more-of-another-length", "a"),
               NGX_ABORT, "refused");
    }

    is_int(stub_logged, 1, "and no more within a minute");

    ngx_current_msec += 60000;
    (void) put_pod(store, "ns", "one-more-of-another-length", "a");
    is_int(stub_logged, 2, "the next after it");

    ngx_current_msec += 600000;
    ngx_http_k8s_metrics_store_state(store, &state);
    is_int(stub_logged, 2, "none where nothing more was left out");
    ok(state.full >= 102, "all of it is counted");
    is_int(state.pods, n, "what was stored is there");

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

    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_ABORT,
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
    test_full_node();
    test_full_join();

    return done();
}
