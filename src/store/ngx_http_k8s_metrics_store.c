
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/rand.h>

#include "ngx_http_k8s_metrics_store_internal.h"


#define NGX_HTTP_K8S_METRICS_MIN_ZONE  (1024 * 1024)

/*
 * New records are taken while all records have less than so much of the zone,
 * percent, and samples have so much at most: neither takes what the other
 * needs.  The rest is for settings.
 */
#define NGX_HTTP_K8S_METRICS_RECORDS   60
#define NGX_HTTP_K8S_METRICS_SAMPLES   38


static ngx_int_t ngx_http_k8s_metrics_store_init(ngx_shm_zone_t *shm_zone,
    void *data);
static void ngx_http_k8s_metrics_store_afresh_locked(
    ngx_http_k8s_metrics_store_t *store);


ngx_http_k8s_metrics_store_t *
ngx_http_k8s_metrics_store_zone(ngx_conf_t *cf, ngx_str_t *name, size_t size,
    void *tag)
{
    ngx_http_k8s_metrics_store_t  *store;

    if (size < NGX_HTTP_K8S_METRICS_MIN_ZONE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, 1m is the least", name);
        return NULL;
    }

    /* offsets are 32 bits of 16-byte granules */

    if (size / NGX_HTTP_K8S_METRICS_GRANULE > 0xffffffff) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too large, it must be less than "
                           "64g", name);
        return NULL;
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->log = &cf->cycle->new_log;
    store->records = NGX_HTTP_K8S_METRICS_RECORDS;
    store->samples = NGX_HTTP_K8S_METRICS_SAMPLES;

    store->shm_zone = ngx_shared_memory_add(cf, name, size, tag);
    if (store->shm_zone == NULL) {
        return NULL;
    }

    if (store->shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is declared already", name);
        return NULL;
    }

    store->shm_zone->init = ngx_http_k8s_metrics_store_init;
    store->shm_zone->data = store;

    return store;
}


ngx_http_k8s_metrics_store_t *
ngx_http_k8s_metrics_store_zone_named(ngx_conf_t *cf, const ngx_str_t *value,
    void *tag)
{
    off_t       size;
    u_char     *p;
    ngx_str_t   name, s;

    p = ngx_strlchr(value->data, value->data + value->len, ':');

    if (p == NULL || p == value->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"k8s_metrics_zone\" directive needs name:size");
        return NULL;
    }

    name.data = value->data;
    name.len = p - value->data;

    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    size = ngx_parse_offset(&s);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"k8s_metrics_zone\" directive has an invalid "
                           "size");
        return NULL;
    }

    return ngx_http_k8s_metrics_store_zone(cf, &name, (size_t) size, tag);
}


static ngx_int_t
ngx_http_k8s_metrics_store_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_k8s_metrics_store_t *old = data;

    size_t                         size;
    u_char                        *p;
    ngx_slab_pool_t               *shpool;
    ngx_http_k8s_metrics_zone_t   *zone;
    ngx_http_k8s_metrics_store_t  *store;

    store = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    store->shpool = shpool;

    if (old || shm_zone->shm.exists) {
        zone = shpool->data;

        if (zone == NULL || zone->layout != NGX_HTTP_K8S_METRICS_LAYOUT) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "k8s_metrics: zone \"%V\" was laid out by another "
                          "version of the module: restart nginx",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        store->zone = zone;
        store->base = (u_char *) zone;
        return NGX_OK;
    }

    /* "not enough" is this room's to say */

    shpool->log_nomem = 0;

    size = shpool->pfree * ngx_pagesize;

    p = ngx_slab_alloc(shpool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    zone = (ngx_http_k8s_metrics_zone_t *) p;
    ngx_memzero(zone, sizeof(ngx_http_k8s_metrics_zone_t));

    zone->layout = NGX_HTTP_K8S_METRICS_LAYOUT;
    zone->granules = (uint32_t) (size / NGX_HTTP_K8S_METRICS_GRANULE);

    if (RAND_bytes((u_char *) zone->key, sizeof(zone->key)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "k8s_metrics: RAND_bytes() failed");
        return NGX_ERROR;
    }

    /* a first start, another size, or another binary */

    if (!ngx_test_config) {
        ngx_log_error(NGX_LOG_NOTICE, shm_zone->shm.log, 0,
                      "k8s_metrics: zone \"%V\" of %uz bytes begins empty",
                      &shm_zone->shm.name, shm_zone->shm.size);
    }

    shpool->data = zone;
    store->zone = zone;
    store->base = p;

    ngx_shmtx_lock(&shpool->mutex);
    ngx_http_k8s_metrics_store_afresh_locked(store);
    ngx_shmtx_unlock(&shpool->mutex);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_store_afresh_locked(ngx_http_k8s_metrics_store_t *store)
{
    size_t                           len;
    uint32_t                         n;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_zone_t     *zone;
    ngx_http_k8s_metrics_content_t  *content;

    zone = store->zone;
    content = &zone->content;

    ngx_memzero(content, sizeof(ngx_http_k8s_metrics_content_t));

    for (i = 0; i < NGX_HTTP_K8S_METRICS_KINDS; i++) {
        zone->epoch[i]++;
    }

    content->brk = (sizeof(ngx_http_k8s_metrics_zone_t)
                    + NGX_HTTP_K8S_METRICS_GRANULE - 1)
                   / NGX_HTTP_K8S_METRICS_GRANULE;

    /* the map is the first in the arena: it has a bit for itself, too */

    content->map = content->brk;
    (void) ngx_http_k8s_metrics_arena_alloc_locked(store,
                                                   zone->granules / 8 + 1);

    /* a bucket for each 512 bytes of the zone, a power of two */

    for (n = 256; (uint64_t) n * 512 < (uint64_t) zone->granules
                                       * NGX_HTTP_K8S_METRICS_GRANULE; n *= 2)
    {
        /* void */
    }

    content->nbuckets = n / 2;
    len = content->nbuckets * sizeof(uint32_t);

    content->strings = ngx_http_k8s_metrics_arena_alloc_locked(store, len);
    ngx_memzero(ngx_http_k8s_metrics_store_ptr(store, content->strings), len);

    for (i = 0; i < NGX_HTTP_K8S_METRICS_KINDS; i++) {
        content->records[i] = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                                                      len);
        ngx_memzero(ngx_http_k8s_metrics_store_ptr(store,
                                                   content->records[i]), len);
    }

    zone->nodes_version++;

    ngx_memory_barrier();
    zone->dirty = 0;
}


void
ngx_http_k8s_metrics_store_lock_read(ngx_http_k8s_metrics_store_t *store)
{
    ngx_shmtx_lock(&store->shpool->mutex);

    if (store->zone->dirty) {
        store->zone->resets++;
        store->announce = 1;
        ngx_http_k8s_metrics_store_afresh_locked(store);
    }
}


void
ngx_http_k8s_metrics_store_lock(ngx_http_k8s_metrics_store_t *store)
{
    ngx_http_k8s_metrics_store_lock_read(store);

    store->zone->dirty = 1;
    ngx_memory_barrier();

#if (NGX_DEBUG)
    if (store->kill_after && --store->kill_after == 0) {
        store->killing = 1;
    }
#endif
}


#if (NGX_DEBUG)

void
ngx_http_k8s_metrics_store_debug_kill(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t n)
{
    store->kill_after = n;
}

#endif


void
ngx_http_k8s_metrics_store_unlock(ngx_http_k8s_metrics_store_t *store)
{
    ngx_uint_t                    announce;
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;

    ngx_http_k8s_metrics_store_kill_point(store);

    ngx_memory_barrier();
    zone->dirty = 0;

    announce = store->announce;
    store->announce = 0;

    ngx_shmtx_unlock(&store->shpool->mutex);

    if (announce) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "k8s_metrics: a worker died while it wrote to zone "
                      "\"%V\": the zone was started afresh",
                      &store->shm_zone->shm.name);
    }
}


void
ngx_http_k8s_metrics_store_state(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_store_state_t *state)
{
    ngx_http_k8s_metrics_zone_t     *zone;
    ngx_http_k8s_metrics_content_t  *content;

    zone = store->zone;
    content = &zone->content;

    ngx_http_k8s_metrics_store_lock_read(store);

    state->nodes = content->index[NGX_HTTP_K8S_METRICS_NODES].count;
    state->pods = content->index[NGX_HTTP_K8S_METRICS_PODS].count;
    state->nodes_complete = content->complete[NGX_HTTP_K8S_METRICS_NODES];
    state->pods_complete = content->complete[NGX_HTTP_K8S_METRICS_PODS];
    state->node_points = content->node_points;
    state->container_points = content->container_points;
    state->scrape_started = zone->scrape_started;
    state->scrapes = zone->scrapes;
    state->scrapes_failed = zone->scrapes_failed;
    state->full = zone->full;
    state->nodes_missing = content->missing[NGX_HTTP_K8S_METRICS_NODES];
    state->pods_missing = content->missing[NGX_HTTP_K8S_METRICS_PODS];
    state->resets = zone->resets;
    state->bytes_used = content->used * NGX_HTTP_K8S_METRICS_GRANULE;
    state->bytes_size = (uint64_t) zone->granules
                        * NGX_HTTP_K8S_METRICS_GRANULE;
    state->nodes_version = zone->nodes_version;

    ngx_http_k8s_metrics_store_unlock(store);
}


uint64_t
ngx_http_k8s_metrics_store_nodes_version(ngx_http_k8s_metrics_store_t *store)
{
    return *(volatile uint64_t *) &store->zone->nodes_version;
}


uint64_t
ngx_http_k8s_metrics_store_resets(ngx_http_k8s_metrics_store_t *store)
{
    return *(volatile uint64_t *) &store->zone->resets;
}


ngx_uint_t
ngx_http_k8s_metrics_store_complete(ngx_http_k8s_metrics_store_t *store)
{
    volatile uint32_t  *complete;

    complete = store->zone->content.complete;

    return complete[NGX_HTTP_K8S_METRICS_NODES]
           && complete[NGX_HTTP_K8S_METRICS_PODS];
}
