
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Walking the store in batches: filters, small memory, and what has no metrics
 * among what has.
 */


#include "store_check.h"


/* 400 pods with large labels, of which four have metrics. */

typedef struct {
    store_t                            *store;
    char                                names[400][32];
    char                                value[64];
    ngx_http_k8s_metrics_label_t        labels[20];
    ngx_http_k8s_metrics_point_t        points[4];
    ngx_http_k8s_metrics_pod_points_t   pods[4];
    ngx_http_k8s_metrics_scrape_t       scrape;
} large_t;


static void
large_scrape(large_t *l)
{
    int  i;

    for (i = 0; i < 4; i++) {
        l->points[i].timestamp += 10 * SECOND;
    }

    is_int(ngx_http_k8s_metrics_store_scraped(l->store, &l->scrape,
                                              RESOLUTION),
           NGX_OK, "a scrape");
}


static ngx_int_t
large_put(large_t *l, const char *name)
{
    ngx_http_k8s_metrics_pod_t  pod;

    memset(&pod, 0, sizeof(pod));

    pod.ns = str("ns");
    pod.name = str(name);
    pod.node = str("a");
    pod.nlabels = 20;
    pod.labels = l->labels;

    return ngx_http_k8s_metrics_store_put_pod(l->store, &pod);
}


static void
large_create(large_t *l)
{
    int  i;

    memset(l, 0, sizeof(*l));

    l->store = fixture_create(4 * MEGABYTE);
    (void) put_node(l->store, "a", "10.0.0.1");

    memset(l->value, 'v', sizeof(l->value) - 1);

    for (i = 0; i < 20; i++) {
        l->labels[i].key = str(l->value);
        l->labels[i].key.len = 20 + i;
        l->labels[i].value = str(l->value);
    }

    for (i = 0; i < 400; i++) {
        sprintf(l->names[i], "p%03d", i);
        (void) large_put(l, l->names[i]);
    }

    l->scrape.node = ref_of(l->store, "a");
    l->scrape.scraped = ngx_current_msec;
    l->scrape.npods = 4;
    l->scrape.pods = l->pods;

    for (i = 0; i < 4; i++) {
        l->points[i].name = str("c");
        l->points[i].timestamp = EPOCH;
        l->points[i].cpu = 1;
        l->points[i].memory = 1;
        l->pods[i].ns = str("ns");
        l->pods[i].name = str(l->names[100 + 60 * i]);
        l->pods[i].ncontainers = 1;
        l->pods[i].containers = &l->points[i];
    }

    large_scrape(l);
    large_scrape(l);
}


static void
test_read(void)
{
    large_t   l;
    store_t  *store;

    large_create(&l);
    store = l.store;

    is_int(read_all(store, PODS, "", "", 65536, 64), 4,
           "what has no metrics takes no memory from what has");
    is_int(read_all(store, PODS, "", "", 4096, 64), 4, "one item at a time");
    is_int(read_all(store, PODS, "ns", "", 65536, 1), 4, "of a namespace");
    is_int(read_all(store, PODS, "n", "", 65536, 64), 0, "of another");
    is_int(read_all(store, PODS, "", "p160", 65536, 64), 1, "by name");
    is_int(read_all(store, PODS, "ns", "p160", 65536, 64), 1, "by both");
    is_int(read_all(store, PODS, "", "p161", 65536, 64), 0, "no metrics");
    is_int(read_all(store, PODS, "", "nowhere", 65536, 64), 0, "unknown");

    sound(store, "after reading");
    fixture_destroy(store);
}


static void
test_no_room(void)
{
    large_t                        l;
    u_char                         mem[300];
    store_t                       *store;
    ngx_http_k8s_metrics_item_t    item;
    ngx_http_k8s_metrics_batch_t   batch;
    ngx_http_k8s_metrics_walk_t    walk;
    ngx_http_k8s_metrics_query_t   query;

    large_create(&l);
    store = l.store;

    memset(&query, 0, sizeof(query));
    query.kind = PODS;
    query.ns = str("ns");
    query.now = ngx_current_msec;
    query.max_age = 30000;

    batch.items = &item;
    batch.max = 1;
    batch.mem = mem;
    batch.size = sizeof(mem);

    memset(&item, 0xaa, sizeof(item));
    query.name = str("p160");
    is_int(ngx_http_k8s_metrics_store_get(store, &query, &batch), NGX_BUSY,
           "an item that does not fit");
    is_int(item.nlabels, 0, "has no labels that are not there");

    memset(&item, 0xaa, sizeof(item));
    query.name = str("p161");
    is_int(ngx_http_k8s_metrics_store_get(store, &query, &batch), NGX_BUSY,
           "nor does a name with its labels");
    is_int(item.nlabels, 0, "which are not there, either");

    /* one that fits no batch is left out, not what follows it */

    (void) put_pod(store, "ns", "p100", "a");
    (void) put_pod(store, "ns", "p220", "a");
    (void) put_pod(store, "ns", "p280", "a");

    is_int(read_all(store, PODS, "", "", 65536, 64), 4, "four pods");
    is_int(read_all(store, PODS, "", "", 1000, 64), 3,
           "one is too large for the memory");

    /* where it may not be, it is asked for again with more */

    memset(&walk, 0, sizeof(walk));
    query.name = str("");
    batch.max = 1;
    batch.skip = 0;
    batch.size = 16;
    is_int(ngx_http_k8s_metrics_store_read(store, &query, &walk, &batch),
           NGX_BUSY, "no room, and no leave to skip");
    ok(batch.n == 0 && !walk.done, "nothing was read");

    fixture_destroy(store);
}


static void
test_twice(void)
{
    large_t                              l;
    store_t                             *store;
    ngx_http_k8s_metrics_store_state_t   state;

    large_create(&l);
    store = l.store;

    l.pods[1] = l.pods[0];
    l.points[1] = l.points[0];
    large_scrape(&l);

    is_int(read_all(store, PODS, "", "", 65536, 64), 3,
           "a pod that is named twice is there once");
    ngx_http_k8s_metrics_store_state(store, &state);
    is_int(state.container_points, 3, "and counts once");

    sound(store, "after it");
    fixture_destroy(store);
}


int
main(void)
{
    test_read();
    test_no_room();
    test_twice();

    return done();
}
