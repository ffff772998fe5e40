
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _STORE_FIXTURE_H_INCLUDED_
#define _STORE_FIXTURE_H_INCLUDED_


/* the hook that kills is compiled in, whatever nginx is installed */

#ifndef NGX_DEBUG
#define NGX_DEBUG  1
#endif

#include <ngx_config.h>
#include <ngx_core.h>

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tap.h"
#include "stubs.h"


/*
 * The store compiled into the test, in memory that processes share, with a
 * lock that works between them.  "room" is the arena's size, so that a zone
 * can be far smaller than a configuration allows.
 */

static void fixture_lock(ngx_shmtx_t *mtx);
static void fixture_unlock(ngx_shmtx_t *mtx);
static void *fixture_slab_alloc(ngx_slab_pool_t *pool, size_t size);
static int fixture_random(u_char *p, int len);

#define ngx_shmtx_lock    fixture_lock
#define ngx_shmtx_unlock  fixture_unlock
#define ngx_slab_alloc    fixture_slab_alloc
#define RAND_bytes        fixture_random

#include "ngx_http_k8s_metrics_store.c"
#include "ngx_http_k8s_metrics_store_arena.c"
#include "ngx_http_k8s_metrics_store_arena_free.c"
#include "ngx_http_k8s_metrics_store_debug.c"
#include "ngx_http_k8s_metrics_store_full.c"
#include "ngx_http_k8s_metrics_store_hash.c"
#include "ngx_http_k8s_metrics_store_index.c"
#include "ngx_http_k8s_metrics_store_labels.c"
#include "ngx_http_k8s_metrics_store_list.c"
#include "ngx_http_k8s_metrics_store_nodes.c"
#include "ngx_http_k8s_metrics_store_fresh.c"
#include "ngx_http_k8s_metrics_store_pods.c"
#include "ngx_http_k8s_metrics_store_points.c"
#include "ngx_http_k8s_metrics_store_read.c"
#include "ngx_http_k8s_metrics_store_records.c"
#include "ngx_http_k8s_metrics_store_samples.c"
#include "ngx_http_k8s_metrics_store_samples_merge.c"
#include "ngx_http_k8s_metrics_store_sessions.c"
#include "ngx_http_k8s_metrics_store_settings.c"
#include "ngx_http_k8s_metrics_store_stats.c"
#include "ngx_http_k8s_metrics_store_size.c"
#include "ngx_http_k8s_metrics_store_strings.c"
#include "ngx_http_k8s_metrics_store_targets.c"
#include "ngx_http_k8s_metrics_store_workers.c"

#undef ngx_shmtx_lock
#undef ngx_shmtx_unlock
#undef ngx_slab_alloc
#undef RAND_bytes


#define NODES       NGX_HTTP_K8S_METRICS_NODES
#define PODS        NGX_HTTP_K8S_METRICS_PODS

#define MEGABYTE    (1024 * 1024)

#define SECOND      ((int64_t) 1000000000)
#define EPOCH       (1700000000 * SECOND)
#define RESOLUTION  (15 * SECOND)


typedef ngx_http_k8s_metrics_store_t  store_t;


static size_t       fixture_room;
static u_char       fixture_seed;       /* 255: there is nothing random */
static ngx_pool_t  *fixture_pool;
static ngx_str_t    fixture_name = ngx_string("test");


/* Between processes by the word in the zone; within one by the stub. */

static void
fixture_lock(ngx_shmtx_t *mtx)
{
    ngx_shmtx_lock(mtx);

    while (!ngx_atomic_cmp_set(mtx->lock, 0, ngx_pid)) {
        (void) sched_yield();
    }
}


static void
fixture_unlock(ngx_shmtx_t *mtx)
{
    if (!ngx_atomic_cmp_set(mtx->lock, ngx_pid, 0)) {
        printf("Bail out! unlocked what this process had not locked\n");
        abort();
    }

    ngx_shmtx_unlock(mtx);
}


/* What the master does when a worker is gone. */

__attribute__((unused))
static int
fixture_force_unlock(store_t *store, pid_t pid)
{
    return ngx_atomic_cmp_set(store->shpool->mutex.lock, pid, 0);
}


static void *
fixture_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    return (size == fixture_room) ? pool->start : NULL;
}


static int
fixture_random(u_char *p, int len)
{
    memset(p, ++fixture_seed, len);

    return fixture_seed != 0;
}


/* A zone in memory of its own, with a page behind it that nobody may touch. */

__attribute__((unused))
static store_t *
fixture_create(size_t room)
{
    u_char            *p;
    store_t           *store;
    ngx_conf_t         cf;
    ngx_cycle_t        cycle;
    ngx_slab_pool_t   *shpool;

    memset(&cf, 0, sizeof(cf));
    memset(&cycle, 0, sizeof(cycle));
    memset(&stub_zone, 0, sizeof(stub_zone));

    if (fixture_pool == NULL) {
        fixture_pool = ngx_create_pool(4096, &stub_log);
    }

    cf.pool = fixture_pool;
    cf.cycle = &cycle;

    store = ngx_http_k8s_metrics_store_zone(&cf, &fixture_name,
                                            ngx_max(room, 1024 * 1024), &cf);
    if (store == NULL) {
        return NULL;
    }

    room = ngx_align(room, ngx_pagesize);

    p = mmap(NULL, room + 2 * ngx_pagesize, PROT_READ|PROT_WRITE,
             MAP_ANON|MAP_SHARED, -1, 0);

    if (p == MAP_FAILED
        || mprotect(p + ngx_pagesize + room, ngx_pagesize, PROT_NONE) != 0)
    {
        abort();
    }

    shpool = (ngx_slab_pool_t *) p;
    shpool->start = p + ngx_pagesize;
    shpool->pfree = room / ngx_pagesize;
    shpool->mutex.lock = (ngx_atomic_t *) &shpool->lock;

    fixture_room = room;

    stub_zone.shm.addr = p;
    stub_zone.shm.log = &stub_log;

    if (stub_zone.init(&stub_zone, NULL) != NGX_OK) {
        return NULL;
    }

    return store;
}


__attribute__((unused))
static void
fixture_destroy(store_t *store)
{
    free(store->scratch);

    (void) munmap(store->shpool, fixture_room + 2 * ngx_pagesize);

    ngx_destroy_pool(fixture_pool);
    fixture_pool = NULL;
}


__attribute__((unused))
static ngx_str_t
str(const char *s)
{
    ngx_str_t  r;

    r.data = (u_char *) s;
    r.len = strlen(s);

    return r;
}


__attribute__((unused))
static ngx_int_t
put_node(store_t *store, const char *name, const char *addr)
{
    ngx_http_k8s_metrics_node_t  node;

    memset(&node, 0, sizeof(node));

    node.name = str(name);
    node.naddrs = 1;
    node.addrs[0].type = NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP;
    node.addrs[0].text = str(addr);
    node.port = 10250;
    node.ready = 1;

    return ngx_http_k8s_metrics_store_put_node(store, &node);
}


__attribute__((unused))
static ngx_int_t
put_pod(store_t *store, const char *ns, const char *name, const char *node)
{
    ngx_http_k8s_metrics_pod_t    pod;
    ngx_http_k8s_metrics_label_t  label;

    memset(&pod, 0, sizeof(pod));

    label.key = str("app");
    label.value = str(name);

    pod.ns = str(ns);
    pod.name = str(name);
    pod.node = str(node);
    pod.nlabels = 1;
    pod.labels = &label;
    pod.ready = 1;

    return ngx_http_k8s_metrics_store_put_pod(store, &pod);
}


__attribute__((unused))
static ngx_http_k8s_metrics_ref_t
ref_of(store_t *store, const char *name)
{
    ngx_int_t                        i, n;
    ngx_str_t                        after;
    ngx_pool_t                      *pool;
    ngx_http_k8s_metrics_ref_t       ref;
    ngx_http_k8s_metrics_target_t    targets[64];

    memset(&ref, 0, sizeof(ref));

    pool = ngx_create_pool(4096, &stub_log);
    after = str("");

    n = ngx_http_k8s_metrics_store_targets(store, pool, &after, targets, 64);

    for (i = 0; i < n; i++) {
        if (targets[i].node.name.len == strlen(name)
            && memcmp(targets[i].node.name.data, name, strlen(name)) == 0)
        {
            ref = targets[i].ref;
        }
    }

    ngx_destroy_pool(pool);

    return ref;
}


/* Of the last good scrape; 0: never. */

__attribute__((unused))
static ngx_msec_t
scraped_of(store_t *store, const char *name)
{
    ngx_msec_t                      scraped;
    ngx_str_t                       after;
    ngx_pool_t                     *pool;
    ngx_int_t                       i, n;
    ngx_http_k8s_metrics_target_t   targets[64];

    scraped = 0;
    pool = ngx_create_pool(4096, &stub_log);
    after = str("");

    n = ngx_http_k8s_metrics_store_targets(store, pool, &after, targets, 64);

    for (i = 0; i < n; i++) {
        if (targets[i].node.name.len == strlen(name)
            && memcmp(targets[i].node.name.data, name, strlen(name)) == 0)
        {
            scraped = targets[i].scraped;
        }
    }

    ngx_destroy_pool(pool);

    return scraped;
}


/*
 * A scrape of one pod of one container, "c", and of the node: a core each
 * since "seconds" after EPOCH, memory "memory".
 */

__attribute__((unused))
static ngx_int_t
scrape_one(store_t *store, ngx_http_k8s_metrics_ref_t ref, const char *ns,
    const char *name, int seconds, uint64_t memory)
{
    ngx_http_k8s_metrics_point_t       point;
    ngx_http_k8s_metrics_scrape_t      scrape;
    ngx_http_k8s_metrics_pod_points_t  pod;

    memset(&scrape, 0, sizeof(scrape));
    memset(&point, 0, sizeof(point));

    point.name = str("c");
    point.timestamp = EPOCH + seconds * SECOND;
    point.start = EPOCH - 3600 * SECOND;
    point.cpu = seconds * SECOND;
    point.memory = memory;

    pod.ns = str(ns);
    pod.name = str(name);
    pod.ncontainers = 1;
    pod.containers = &point;

    scrape.node = ref;
    scrape.scraped = ngx_current_msec;
    scrape.has_node = 1;
    scrape.usage = point;
    scrape.usage.start = 0;
    scrape.npods = 1;
    scrape.pods = &pod;

    return ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION);
}


/* A get; "item" and its strings live until the next one. */

__attribute__((unused))
static ngx_int_t
get(store_t *store, ngx_uint_t kind, const char *ns, const char *name,
    ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_batch_t  batch;
    ngx_http_k8s_metrics_query_t  query;

    static u_char                 mem[65536];

    memset(&query, 0, sizeof(query));

    query.kind = kind;
    query.ns = str(ns);
    query.name = str(name);
    query.now = ngx_current_msec;
    query.max_age = 30000;

    batch.mem = mem;
    batch.size = sizeof(mem);
    batch.items = item;
    batch.max = 1;

    return ngx_http_k8s_metrics_store_get(store, &query, &batch);
}


/* The answer of a get of a node with another age. */

__attribute__((unused))
static ngx_int_t
get_aged(store_t *store, ngx_uint_t kind, const char *name,
    ngx_msec_t max_age)
{
    ngx_http_k8s_metrics_item_t   item;
    ngx_http_k8s_metrics_batch_t  batch;
    ngx_http_k8s_metrics_query_t  query;

    static u_char                 mem[65536];

    memset(&query, 0, sizeof(query));

    query.kind = kind;
    query.name = str(name);
    query.now = ngx_current_msec;
    query.max_age = max_age;

    batch.mem = mem;
    batch.size = sizeof(mem);
    batch.items = &item;
    batch.max = 1;

    return ngx_http_k8s_metrics_store_get(store, &query, &batch);
}


/* Every item once, in order, however small the batches; how many. */

__attribute__((unused))
static ngx_uint_t
read_all(store_t *store, ngx_uint_t kind, const char *ns, const char *name,
    size_t size, ngx_uint_t max)
{
    char                          last[600], this[600];
    u_char                       *mem;
    ngx_uint_t                    i, n, rounds;
    ngx_http_k8s_metrics_walk_t   walk;
    ngx_http_k8s_metrics_item_t   items[64];
    ngx_http_k8s_metrics_batch_t  batch;
    ngx_http_k8s_metrics_query_t  query;

    memset(&walk, 0, sizeof(walk));
    memset(&query, 0, sizeof(query));

    query.kind = kind;
    query.ns = str(ns);
    query.name = str(name);
    query.now = ngx_current_msec;
    query.max_age = 30000;

    mem = malloc(size);
    batch.mem = mem;
    batch.size = size;
    batch.items = items;
    batch.max = max;
    batch.skip = 1;

    last[0] = '\0';
    n = 0;

    for (rounds = 0; !walk.done && rounds < 100000; rounds++) {
        ngx_http_k8s_metrics_store_read(store, &query, &walk, &batch);

        for (i = 0; i < batch.n; i++, n++) {
            sprintf(this, "%.*s\001%.*s", (int) items[i].ns.len,
                    items[i].ns.data, (int) items[i].name.len,
                    items[i].name.data);

            if (strcmp(last, this) >= 0) {
                ok(0, "\"%s\" follows \"%s\"", this, last);
            }

            strcpy(last, this);
        }
    }

    free(mem);

    return walk.done ? n : (ngx_uint_t) -1;
}


#endif /* _STORE_FIXTURE_H_INCLUDED_ */
