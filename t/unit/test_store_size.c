
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * How large a zone has to be: what a node, a pod, a label and a container take,
 * computed (docs/zone.md) and measured; that the size which the log names is
 * enough; and that pods which come and go take no more than those that stay.
 */


#include "store_check.h"


#define PODS_OF_NODE  30


static size_t
used(store_t *store)
{
    return store->zone->content.used * NGX_HTTP_K8S_METRICS_GRANULE;
}


static size_t
samples(store_t *store)
{
    return store->zone->content.samples * NGX_HTTP_K8S_METRICS_GRANULE;
}


/* Pods of replica sets of ten: three labels, of which one is their own. */

static ngx_int_t
put(store_t *store, int node, int pod, ngx_uint_t nlabels)
{
    int                           set;
    char                          name[96], on[32], app[32], hash[32];
    ngx_http_k8s_metrics_pod_t    p;
    ngx_http_k8s_metrics_label_t  labels[3];

    set = (node * PODS_OF_NODE + pod) / 10;

    sprintf(on, "node-%05d", node);
    sprintf(app, "application-%04d", set);
    sprintf(hash, "%08x%02d", set * 2654435761u, set % 100);
    sprintf(name, "%s-%s-%05d", app, hash, pod);

    memset(&p, 0, sizeof(p));

    labels[0].key = str("app");
    labels[0].value = str(app);
    labels[1].key = str("pod-template-hash");
    labels[1].value = str(hash);
    labels[2].key = str("tier");
    labels[2].value = str("web");

    p.ns = str("default");
    p.name = str(name);
    p.node = str(on);
    p.nlabels = nlabels;
    p.labels = labels;
    p.ready = 1;

    return ngx_http_k8s_metrics_store_put_pod(store, &p);
}


/* A scrape with so many containers in each pod. */

static ngx_int_t
scrape(store_t *store, int node, ngx_uint_t containers)
{
    int                                pod, set;
    char                               on[32];
    ngx_str_t                          name, none;
    static char                        names[PODS_OF_NODE][96];
    ngx_uint_t                         i;
    ngx_http_k8s_metrics_point_t       points[4];
    ngx_http_k8s_metrics_scrape_t      s;
    ngx_http_k8s_metrics_pod_points_t  pods[PODS_OF_NODE];

    ngx_str_null(&none);
    memset(&s, 0, sizeof(s));
    memset(points, 0, sizeof(points));

    for (i = 0; i < containers; i++) {
        points[i].name = str(i ? "sidecar-prox" : "application0");
        points[i].timestamp = EPOCH;
        points[i].cpu = 1;
    }

    for (pod = 0; pod < PODS_OF_NODE; pod++) {
        set = (node * PODS_OF_NODE + pod) / 10;
        sprintf(names[pod], "application-%04d-%08x%02d-%05d", set,
                set * 2654435761u, set % 100, pod);

        pods[pod].ns = str("default");
        pods[pod].name = str(names[pod]);
        pods[pod].ncontainers = containers;
        pods[pod].containers = points;
    }

    sprintf(on, "node-%05d", node);
    name = str(on);

    s.node.offset = ngx_http_k8s_metrics_record_find_locked(store, NODES,
                                                            &none, &name);
    s.node.birth = ((ngx_http_k8s_metrics_record_t *)
                    ngx_http_k8s_metrics_store_ptr(store, s.node.offset))
                   ->birth;
    s.scraped = ngx_current_msec;
    s.npods = PODS_OF_NODE;
    s.pods = pods;

    return ngx_http_k8s_metrics_store_scraped(store, &s, RESOLUTION);
}


/* How many did not find room. */

static int
cluster(store_t *store, int nodes)
{
    int   i, j, lost;
    char  name[32];

    lost = 0;

    for (i = 0; i < nodes; i++) {
        sprintf(name, "node-%05d", i);
        lost += (put_node(store, name, "10.0.0.1") != NGX_OK);

        for (j = 0; j < PODS_OF_NODE; j++) {
            lost += (put(store, i, j, 3) != NGX_OK);
        }
    }

    return lost;
}


static void
about(const char *what, double computed, double measured)
{
    ok(measured <= computed * 1.15 && measured >= computed * 0.6,
       "%s: computed %.0f, measured %.0f", what, computed, measured);
}


static void
test_bytes(void)
{
    int      i, j, n;
    char     name[32];
    size_t   before, pod, label, one;
    store_t *store;

    n = 60;
    store = fixture_create(16 * MEGABYTE);

    before = used(store);

    for (i = 0; i < n; i++) {
        sprintf(name, "node-%05d", i);
        (void) put_node(store, name, name);
    }

    /* its record, the string that is name and address, its label */

    about("a node", ngx_http_k8s_metrics_arena_room(
                        sizeof(ngx_http_k8s_metrics_shnode_t)) + 32 + 16 + 6,
          (double) (used(store) - before) / n);

    before = used(store);

    for (i = 0; i < n; i++) {
        for (j = 0; j < PODS_OF_NODE; j++) {
            (void) put(store, i, j, 0);
        }
    }

    pod = used(store) - before;
    about("a pod without labels", 32 + 4 * 1.5 + 64,
          (double) pod / n / PODS_OF_NODE);

    before = used(store);

    for (i = 0; i < n; i++) {
        for (j = 0; j < PODS_OF_NODE; j++) {
            (void) put(store, i, j, 3);
        }
    }

    /* pairs in whole granules; values of one in ten are strings of their own */

    label = used(store) - before;
    about("a label", (32 + 64.0 / 10) / 3,
          (double) label / n / PODS_OF_NODE / 3);

    for (i = 0; i < n; i++) {
        (void) scrape(store, i, 1);
    }

    one = samples(store);
    about("a pod's samples and its container's", (16 + 64 + 12) * 5 / 4,
          (double) one / n / PODS_OF_NODE);

    for (i = 0; i < n; i++) {
        (void) scrape(store, i, 2);
    }

    about("a second container", (64 + 12) * 5 / 4,
          (double) (samples(store) - one) / n / PODS_OF_NODE);

    ok(check_zone(store) == NULL, "the zone is sound");
    fixture_destroy(store);
}


static void
listed(store_t *store, int nodes)
{
    ngx_uint_t  kind;

    ngx_http_k8s_metrics_store_enter(store, 1, 0, 1);
    (void) ngx_http_k8s_metrics_store_tick(store);

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {
        ngx_http_k8s_metrics_store_list_begin(store, kind);
    }

    (void) cluster(store, nodes);

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {
        ngx_http_k8s_metrics_store_list_end(store, kind);
    }
}


static void
test_needed(void)
{
    int                          i, lost;
    size_t                       room;
    store_t                     *store;
    ngx_http_k8s_metrics_size_t  size;

    store = fixture_create(64 * MEGABYTE);
    listed(store, 200);
    size.say = 0;
    ngx_http_k8s_metrics_store_lock(store);
    ngx_http_k8s_metrics_size_locked(store, &size);
    ngx_http_k8s_metrics_store_unlock(store);

    is_int(size.say, NGX_LOG_NOTICE, "enough is a notice");
    is_int(size.known[NODES], 200, "nodes");
    is_int(size.known[PODS], 6000, "pods");
    printf("# 200 nodes of 30 pods: %lu bytes\n", (unsigned long) size.needed);

    stub_logged = 0;
    (void) ngx_http_k8s_metrics_store_tick(store);
    (void) ngx_http_k8s_metrics_store_tick(store);
    is_int(stub_logged, 0, "once");
    fixture_destroy(store);

    room = (size_t) size.needed;
    store = fixture_create(room);
    lost = cluster(store, 200);

    for (i = 0; i < 200; i++) {
        lost += (scrape(store, i, 2) != NGX_OK);
    }

    is_int(lost, 0, "all of it has room in a zone of that size");
    is_int(store->zone->full, 0, "and nothing was refused");
    fixture_destroy(store);

    store = fixture_create(MEGABYTE);
    listed(store, 200);
    stub_logged = 0;
    (void) ngx_http_k8s_metrics_store_tick(store);
    ok(stub_logged >= 1, "too small a zone is said");
    ok(store->zone->content.sized, "with its size");
    fixture_destroy(store);
}


/* A pod's name is new each time. */

static void
test_churn(void)
{
    int         i, n;
    char        name[64];
    size_t      first, most;
    store_t    *store;
    ngx_str_t   ns, s;

    store = fixture_create(8 * MEGABYTE);
    (void) cluster(store, 20);

    ns = str("default");
    first = 0;
    most = 0;

    for (i = 0; i < 20000; i++) {
        sprintf(name, "job-%d", i);
        (void) put_pod(store, "default", name, "node-00001");

        if (i >= 100) {
            n = sprintf(name, "job-%d", i - 100);
            s.data = (u_char *) name;
            s.len = n;
            (void) ngx_http_k8s_metrics_store_delete_pod(store, &ns, &s);
        }

        if (i % 100 == 0) {
            (void) scrape(store, 1, 1 + i / 100 % 3);
        }

        if (i == 2000) {
            first = store->zone->content.brk;
        }

        most = ngx_max(most, store->zone->content.brk);
    }

    is_int(most, first, "pods that come and go take no more and more");
    is_int(store->zone->full, 0, "nothing was refused");
    ok(check_zone(store) == NULL, "the zone is sound");
    fixture_destroy(store);
}


int
main(void)
{
    test_bytes();
    test_needed();
    test_churn();

    return done();
}
