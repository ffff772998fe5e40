
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * What nodes, without which their pods are nothing, and changes of records may
 * take beyond what new pods may, percent.
 */
#define NGX_HTTP_K8S_METRICS_MORE     10

#define NGX_HTTP_K8S_METRICS_SHARE    65536

/* a line so often, ms, and so long does it wait for a list that is coming */
#define NGX_HTTP_K8S_METRICS_SAY      60000
#define NGX_HTTP_K8S_METRICS_LISTED   10000


static uint64_t ngx_http_k8s_metrics_full_part_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t percent);
static ngx_uint_t ngx_http_k8s_metrics_full_listed_locked(
    ngx_http_k8s_metrics_store_t *store);


/* All but samples is of records, or leads to them. */

#define ngx_http_k8s_metrics_full_records(store)                              \
    ((store)->zone->content.used - (store)->zone->content.samples)


static uint64_t
ngx_http_k8s_metrics_full_part_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t percent)
{
    return (uint64_t) store->zone->granules * percent / 100;
}


ngx_uint_t
ngx_http_k8s_metrics_full_record_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t more)
{
    ngx_uint_t  percent;

    percent = store->records + (more ? NGX_HTTP_K8S_METRICS_MORE : 0);

    if (ngx_http_k8s_metrics_full_records(store)
        <= ngx_http_k8s_metrics_full_part_locked(store, percent))
    {
        return 1;
    }

    store->zone->full++;

    return 0;
}


size_t
ngx_http_k8s_metrics_full_share(ngx_http_k8s_metrics_store_t *store)
{
    size_t  size;

    size = (size_t) store->zone->granules / 64 * NGX_HTTP_K8S_METRICS_GRANULE;

    return ngx_max(size, NGX_HTTP_K8S_METRICS_SHARE);
}


/* Enough of it for a list to be worth its while. */

ngx_uint_t
ngx_http_k8s_metrics_store_has_room(ngx_http_k8s_metrics_store_t *store)
{
    uint64_t    granules;
    ngx_uint_t  room;

    granules = store->zone->granules;

    ngx_http_k8s_metrics_store_lock_read(store);

    room = ngx_http_k8s_metrics_full_records(store) + granules / 128
           <= ngx_http_k8s_metrics_full_part_locked(store, store->records)
           && store->zone->content.used + granules / 128 <= granules;

    ngx_http_k8s_metrics_store_unlock(store);

    return room;
}


void
ngx_http_k8s_metrics_store_set_lost(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_http_k8s_metrics_store_lost_t *lost)
{
    ngx_http_k8s_metrics_store_lock(store);
    store->zone->content.missing[kind] = lost->missing;
    store->zone->content.again[kind] = lost->again;
    ngx_http_k8s_metrics_store_unlock(store);
}


void
ngx_http_k8s_metrics_store_get_lost(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, ngx_http_k8s_metrics_store_lost_t *lost)
{
    ngx_http_k8s_metrics_store_lock_read(store);
    lost->missing = store->zone->content.missing[kind];
    lost->again = store->zone->content.again[kind];
    ngx_http_k8s_metrics_store_unlock(store);
}


/*
 * Once a minute, as long as something is missing or was refused since; and
 * once more when it no longer is.
 */

void
ngx_http_k8s_metrics_full_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_full_t *full)
{
    ngx_uint_t                       kind, lost;
    ngx_http_k8s_metrics_zone_t     *zone;
    ngx_http_k8s_metrics_content_t  *content;

    zone = store->zone;
    content = &zone->content;

    full->say = 0;

    lost = content->missing[NGX_HTTP_K8S_METRICS_NODES]
           || content->missing[NGX_HTTP_K8S_METRICS_PODS]
           || zone->full != zone->full_told;

    if (zone->full_mono) {
        if ((ngx_msec_int_t) (ngx_current_msec - zone->full_mono)
            < NGX_HTTP_K8S_METRICS_SAY)
        {
            return;
        }

    } else if (!lost) {
        store->full_since = 0;
        return;
    }

    if (!ngx_http_k8s_metrics_full_listed_locked(store)) {
        return;
    }

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {
        full->stored[kind] = content->index[kind].count;
        full->known[kind] = full->stored[kind] + content->missing[kind];
    }

    full->scrapes = zone->full_scrapes;
    full->say = lost ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    zone->full_told = zone->full;
    zone->full_scrapes = 0;
    zone->full_mono = lost ? ngx_max(ngx_current_msec, 1) : 0;
    store->full_since = 0;
}


/* How many there are is known at the end of a list: that is waited for. */

static ngx_uint_t
ngx_http_k8s_metrics_full_listed_locked(ngx_http_k8s_metrics_store_t *store)
{
    ngx_uint_t  kind, listed;

    listed = 1;

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {
        if (!store->zone->content.complete[kind] || store->listing[kind]) {
            listed = 0;
        }
    }

    if (listed) {
        return 1;
    }

    if (store->full_since == 0) {
        store->full_since = ngx_max(ngx_current_msec, 1);
    }

    return (ngx_msec_int_t) (ngx_current_msec - store->full_since)
           >= NGX_HTTP_K8S_METRICS_LISTED;
}


void
ngx_http_k8s_metrics_full_say(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_full_t *full)
{
    if (full->say == NGX_LOG_NOTICE) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "k8s_metrics: zone \"%V\" is no longer full: %uL nodes "
                      "and %uL pods are stored, none is missing",
                      &store->shm_zone->shm.name,
                      full->stored[NGX_HTTP_K8S_METRICS_NODES],
                      full->stored[NGX_HTTP_K8S_METRICS_PODS]);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "k8s_metrics: zone \"%V\" of %uz bytes is full: %uL of %uL "
                  "nodes and %uL of %uL pods are stored, %uL scrapes had no "
                  "room; what is stored is served; give \"k8s_metrics_zone\" "
                  "a larger size", &store->shm_zone->shm.name,
                  store->shm_zone->shm.size,
                  full->stored[NGX_HTTP_K8S_METRICS_NODES],
                  full->known[NGX_HTTP_K8S_METRICS_NODES],
                  full->stored[NGX_HTTP_K8S_METRICS_PODS],
                  full->known[NGX_HTTP_K8S_METRICS_PODS], full->scrapes);
}
