
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* of a failure's words, and of what is kept of where a node was asked */
#define NGX_HTTP_K8S_METRICS_REASON_KEPT   255
#define NGX_HTTP_K8S_METRICS_ADDRESS_KEPT  255
#define NGX_HTTP_K8S_METRICS_PATH_KEPT     1024


static ngx_uint_t ngx_http_k8s_metrics_bucket(const uint64_t *bounds,
    ngx_uint_t n, uint64_t value);
static void ngx_http_k8s_metrics_replace_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t *off, const ngx_str_t *s,
    size_t max);
static void ngx_http_k8s_metrics_tick_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_request_t *request);


const uint64_t
    ngx_http_k8s_metrics_durations[NGX_HTTP_K8S_METRICS_DURATIONS] =
{
    5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
    5000000, 10000000
};


/* 1 s, and each by 1.364 more; ns */

static const uint64_t
    ngx_http_k8s_metrics_ages[NGX_HTTP_K8S_METRICS_AGES] =
{
    1000000000, 1364000000, 1860496000, 2537716544, 3461445366, 4721411479,
    6440005257, 8784167171, 11981604021, 16342907885, 22291726356, 30405914750,
    41473667719, 56570082768, 77161592896, 105248412711, 143558834937,
    195814250855, 267090638166, 364311630459
};


static const char *const
    ngx_http_k8s_metrics_results[NGX_HTTP_K8S_METRICS_RESULTS] =
{
    "ok", "no_address", "name_resolution", "connect", "tls", "timeout",
    "protocol", "too_large", "unauthorized", "forbidden", "not_found",
    "status", "no_series", "scrape_error", "no_memory", "zone_full", "internal"
};


const char *
ngx_http_k8s_metrics_result_name(ngx_uint_t result)
{
    return (result < NGX_HTTP_K8S_METRICS_RESULTS)
           ? ngx_http_k8s_metrics_results[result] : "unknown";
}


void
ngx_http_k8s_metrics_store_count(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t stat, uint64_t n)
{
    if (n) {
        (void) ngx_atomic_fetch_add(
                 (ngx_atomic_t *) &store->zone->stats.counters[stat], n);
    }
}


void
ngx_http_k8s_metrics_store_heard(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind)
{
    *(volatile uint64_t *) &store->zone->stats.heard[kind] =
                                                 ngx_max(ngx_current_msec, 1);
}


static ngx_uint_t
ngx_http_k8s_metrics_bucket(const uint64_t *bounds, ngx_uint_t n,
    uint64_t value)
{
    ngx_uint_t  i;

    for (i = 0; i < n && value > bounds[i]; i++) { /* void */ }

    return i;
}


void
ngx_http_k8s_metrics_fresh_add(ngx_http_k8s_metrics_freshness_t *fresh,
    int64_t age)
{
    ngx_uint_t  i;

    age = ngx_max(age, 0);

    i = ngx_http_k8s_metrics_bucket(ngx_http_k8s_metrics_ages,
                                    NGX_HTTP_K8S_METRICS_AGES,
                                    (uint64_t) age);
    fresh->n[i]++;
    fresh->sum += (uint64_t) age / 1000;
}


void
ngx_http_k8s_metrics_store_freshness(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_freshness_t *fresh)
{
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_shstats_t  *stats;

    stats = &store->zone->stats;

    for (i = 0; i <= NGX_HTTP_K8S_METRICS_AGES; i++) {
        if (fresh->n[i]) {
            (void) ngx_atomic_fetch_add((ngx_atomic_t *) &stats->fresh[i],
                                        fresh->n[i]);
        }
    }

    if (fresh->sum) {
        (void) ngx_atomic_fetch_add((ngx_atomic_t *) &stats->fresh_sum,
                                    fresh->sum);
    }

    ngx_memzero(fresh, sizeof(ngx_http_k8s_metrics_freshness_t));
}


void
ngx_http_k8s_metrics_store_scrape_failed(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_ref_t ref,
    const ngx_http_k8s_metrics_request_t *request, ngx_str_t *reason)
{
    uint32_t                        off;
    ngx_str_t                       s;
    ngx_http_k8s_metrics_shnode_t  *node;

    s.data = reason->data;
    s.len = ngx_min(reason->len, NGX_HTTP_K8S_METRICS_REASON_KEPT);

    ngx_http_k8s_metrics_store_lock(store);

    store->zone->scrapes_failed++;

    if (ngx_http_k8s_metrics_node_valid_locked(store, ref)) {
        node = ngx_http_k8s_metrics_store_ptr(store, ref.offset);
        off = ngx_http_k8s_metrics_shstr_get_locked(store, &s);

        /* even if a full zone has no room for why */

        node->failed = 1;

        ngx_http_k8s_metrics_shstr_put_locked(store, node->reason);
        node->reason = off;

        if (request) {
            ngx_http_k8s_metrics_request_record_locked(store, node, request);
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);
}


void
ngx_http_k8s_metrics_request_record_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node,
    const ngx_http_k8s_metrics_request_t *request)
{
    ngx_uint_t                         i;
    ngx_http_k8s_metrics_shrequest_t  *r;

    r = &node->request;

    i = ngx_http_k8s_metrics_bucket(ngx_http_k8s_metrics_durations,
                                    NGX_HTTP_K8S_METRICS_DURATIONS,
                                    request->duration);
    r->buckets[i]++;
    r->sum += request->duration;
    r->ended = request->ended;
    r->next = request->next;
    r->worker = (uint16_t) (store->worker + 1);
    r->port = request->port;
    r->result = (uint16_t) request->result;

    if (request->result == NGX_HTTP_K8S_METRICS_RESULT_OK) {
        r->success = ngx_max(ngx_current_msec, 1);
        r->failures = 0;

    } else {
        r->failure = ngx_max(ngx_current_msec, 1);
        r->failures++;
    }

    ngx_http_k8s_metrics_replace_locked(store, &r->address, &request->address,
                                        NGX_HTTP_K8S_METRICS_ADDRESS_KEPT);
    ngx_http_k8s_metrics_replace_locked(store, &r->path, &request->path,
                                        NGX_HTTP_K8S_METRICS_PATH_KEPT);

    ngx_http_k8s_metrics_tick_locked(store, request);
}


/* Mostly it is the same; a full zone forgets it. */

static void
ngx_http_k8s_metrics_replace_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t *off, const ngx_str_t *s, size_t max)
{
    ngx_str_t  kept;

    kept.data = s->data;
    kept.len = ngx_min(s->len, max);

    if (ngx_http_k8s_metrics_shstr_same_locked(store, *off, &kept)) {
        return;
    }

    ngx_http_k8s_metrics_shstr_put_locked(store, *off);

    *off = kept.len ? ngx_http_k8s_metrics_shstr_get_locked(store, &kept) : 0;
}


void
ngx_http_k8s_metrics_request_free_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *node)
{
    ngx_http_k8s_metrics_shstr_put_locked(store, node->request.address);
    ngx_http_k8s_metrics_shstr_put_locked(store, node->request.path);
}


/*
 * Nodes have clocks of their own, there is no round that all begin with: what
 * is counted for a round is its longest request, which is how long a round of
 * metrics-server lasts.
 */

static void
ngx_http_k8s_metrics_tick_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_request_t *request)
{
    uint64_t                         bounds[NGX_HTTP_K8S_METRICS_TICKS];
    ngx_uint_t                       i, n;
    ngx_http_k8s_metrics_shstats_t  *stats;

    stats = &store->zone->stats;

    if (stats->tick_resolution != request->resolution) {
        ngx_memzero(stats->ticks, sizeof(stats->ticks));
        stats->tick_sum = 0;
        stats->tick_since = 0;
        stats->tick_resolution = request->resolution;
    }

    if (stats->tick_since == 0) {
        stats->tick_since = ngx_max(ngx_current_msec, 1);
        stats->tick_longest = 0;
    }

    stats->tick_longest = ngx_max(stats->tick_longest, request->duration);

    if ((ngx_msec_int_t) (ngx_current_msec - (ngx_msec_t) stats->tick_since)
        < (ngx_msec_int_t) request->resolution)
    {
        return;
    }

    n = ngx_http_k8s_metrics_tick_bounds(request->resolution, bounds);
    i = ngx_http_k8s_metrics_bucket(bounds, n, stats->tick_longest);

    stats->ticks[i]++;
    stats->tick_sum += stats->tick_longest;
    stats->tick_since = 0;
}


ngx_uint_t
ngx_http_k8s_metrics_tick_bounds(ngx_msec_t resolution, uint64_t *bounds)
{
    uint64_t    us, most;
    ngx_uint_t  n;

    n = NGX_HTTP_K8S_METRICS_DURATIONS;

    ngx_memcpy(bounds, ngx_http_k8s_metrics_durations, n * sizeof(uint64_t));

    us = (uint64_t) resolution * 1000;
    most = bounds[n - 1];

    /* a resolution is 10 s at least */

    if (us > most) {
        bounds[n++] = most + (us - most) / 2;
        bounds[n++] = us;
        bounds[n++] = us + us / 2;
        bounds[n++] = us * 2;
    }

    return n;
}


void
ngx_http_k8s_metrics_store_stats(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_store_stats_t *stats)
{
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_zone_t     *zone;
    ngx_http_k8s_metrics_shstats_t  *from;

    zone = store->zone;
    from = &zone->stats;

    ngx_http_k8s_metrics_store_lock_read(store);

    ngx_memcpy(stats->counters, from->counters, sizeof(stats->counters));
    ngx_memcpy(stats->fresh, from->fresh, sizeof(stats->fresh));
    ngx_memcpy(stats->heard, from->heard, sizeof(stats->heard));
    ngx_memcpy(stats->ticks, from->ticks, sizeof(stats->ticks));

    stats->fresh_sum = from->fresh_sum;
    stats->tick_sum = from->tick_sum;
    stats->tick_resolution = from->tick_resolution;
    stats->workers = zone->nworkers;
    stats->inflight = 0;

    for (i = 0; i < zone->nworkers; i++) {
        if (zone->slots[i].pid) {
            stats->inflight += zone->slots[i].inflight;
        }
    }

    stats->bytes_samples = zone->content.samples
                           * NGX_HTTP_K8S_METRICS_GRANULE;
    stats->full_scrapes = zone->full_scrapes;

    ngx_http_k8s_metrics_store_unlock(store);
}
