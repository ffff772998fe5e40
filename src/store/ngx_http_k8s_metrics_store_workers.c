
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* a slot that was not refreshed for so long, ms, may be a dead worker's */
#define NGX_HTTP_K8S_METRICS_STALE  1000

/* how long a new generation's workers have to come, ms */
#define NGX_HTTP_K8S_METRICS_GRACE  1000


static ngx_uint_t ngx_http_k8s_metrics_slot_alive(
    ngx_http_k8s_metrics_zone_t *zone, ngx_http_k8s_metrics_slot_t *slot);
static ngx_uint_t ngx_http_k8s_metrics_watch_locked(
    ngx_http_k8s_metrics_store_t *store);


void
ngx_http_k8s_metrics_store_enter(ngx_http_k8s_metrics_store_t *store,
    uint64_t generation, ngx_uint_t worker, ngx_uint_t nworkers)
{
    ngx_http_k8s_metrics_zone_t  *zone;

    nworkers = ngx_min(nworkers, NGX_HTTP_K8S_METRICS_WORKERS);

    store->generation = generation;
    store->nworkers = nworkers;
    store->worker = worker;
    store->entered = (worker < nworkers);

    ngx_memset(store->alive, 1, sizeof(store->alive));

    zone = store->zone;

    ngx_http_k8s_metrics_store_lock(store);

    if (generation > zone->generation) {
        zone->generation = generation;
        zone->generation_mono = ngx_current_msec;
        zone->nworkers = nworkers;
        ngx_memzero(zone->slots, sizeof(zone->slots));
    }

    if (zone->generation == generation && store->entered) {
        zone->slots[worker].pid = ngx_pid;
        zone->slots[worker].mono = ngx_current_msec;
        zone->slots[worker].inflight = 0;
    }

    ngx_http_k8s_metrics_store_unlock(store);
}


ngx_uint_t
ngx_http_k8s_metrics_store_inflight(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t n)
{
    ngx_uint_t                    i, sum;
    ngx_http_k8s_metrics_zone_t  *zone;
    ngx_http_k8s_metrics_slot_t  *slot;

    zone = store->zone;

    /* the slot is a newer worker's */

    if (!store->entered
        || *(volatile uint64_t *) &zone->generation != store->generation)
    {
        return n;
    }

    *(volatile uint64_t *) &zone->slots[store->worker].inflight = n;

    sum = n;

    for (i = 0; i < store->nworkers; i++) {
        slot = &zone->slots[i];

        if (i != store->worker && *(volatile ngx_pid_t *) &slot->pid) {
            sum += *(volatile uint64_t *) &slot->inflight;
        }
    }

    return sum;
}


void
ngx_http_k8s_metrics_store_leave(ngx_http_k8s_metrics_store_t *store)
{
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;

    ngx_http_k8s_metrics_store_lock(store);

    if (zone->generation == store->generation && store->entered
        && zone->slots[store->worker].pid == ngx_pid)
    {
        zone->slots[store->worker].pid = 0;
        zone->slots[store->worker].mono = ngx_max(ngx_current_msec, 1);
    }

    if (zone->watch.pid == ngx_pid) {
        zone->watch.pid = 0;
    }

    ngx_http_k8s_metrics_store_unlock(store);

    store->entered = 0;

    if (store->scratch) {
        ngx_free(store->scratch);
        store->scratch = NULL;
        store->scratch_size = 0;
    }
}


ngx_uint_t
ngx_http_k8s_metrics_store_tick(ngx_http_k8s_metrics_store_t *store)
{
    ngx_uint_t                    i, ours, watch, alive;
    ngx_http_k8s_metrics_zone_t  *zone;
    ngx_http_k8s_metrics_full_t   full;
    ngx_http_k8s_metrics_size_t   size;

    zone = store->zone;
    watch = 0;
    full.say = 0;
    size.say = 0;

    if (!store->entered) {
        return 0;
    }

    ngx_http_k8s_metrics_store_lock(store);

    ours = (zone->generation == store->generation);

    if (ours) {
        zone->slots[store->worker].pid = ngx_pid;
        zone->slots[store->worker].mono = ngx_current_msec;

        watch = ngx_http_k8s_metrics_watch_locked(store);

        if (watch) {
            ngx_http_k8s_metrics_full_locked(store, &full);
            ngx_http_k8s_metrics_size_locked(store, &size);
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);

    if (full.say) {
        ngx_http_k8s_metrics_full_say(store, &full);
    }

    if (size.say) {
        ngx_http_k8s_metrics_size_say(store, &size);
    }

    if (!ours) {
        return 0;
    }

    for (i = 0; i < store->nworkers; i++) {
        alive = ngx_http_k8s_metrics_slot_alive(zone, &zone->slots[i]);

        if (alive != store->alive[i]) {
            store->alive[i] = (u_char) alive;
            store->owners++;
        }
    }

    return NGX_HTTP_K8S_METRICS_ROLE_SCRAPE
           | (watch ? NGX_HTTP_K8S_METRICS_ROLE_WATCH : 0);
}


static ngx_uint_t
ngx_http_k8s_metrics_watch_locked(ngx_http_k8s_metrics_store_t *store)
{
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;

    /* a slot that has another pid than its watch had was respawned */

    if (zone->watch.pid != ngx_pid
        && zone->watch_generation == store->generation
        && zone->watch.pid != 0
        && zone->slots[zone->watch_worker].pid == zone->watch.pid
        && ngx_http_k8s_metrics_slot_alive(zone, &zone->watch))
    {
        return 0;
    }

    zone->watch.pid = ngx_pid;
    zone->watch.mono = ngx_current_msec;
    zone->watch_generation = store->generation;
    zone->watch_worker = store->worker;

    return 1;
}


/*
 * A throttled cgroup makes a living worker look stale: it is dead only when
 * the system has no such process.  A slot that nobody has claimed counts as
 * alive for a while after the generation began: its worker is about to start.
 * One that was given back has a time, and no pid.
 */

static ngx_uint_t
ngx_http_k8s_metrics_slot_alive(ngx_http_k8s_metrics_zone_t *zone,
    ngx_http_k8s_metrics_slot_t *slot)
{
    uint64_t   mono;
    ngx_pid_t  pid;

    pid = *(volatile ngx_pid_t *) &slot->pid;
    mono = *(volatile uint64_t *) &slot->mono;

    if (pid == 0) {

        if (mono) {
            return 0;
        }

        mono = *(volatile uint64_t *) &zone->generation_mono;

        return (ngx_msec_int_t) (ngx_current_msec - mono)
               < NGX_HTTP_K8S_METRICS_GRACE;
    }

    if (pid == ngx_pid
        || (ngx_msec_int_t) (ngx_current_msec - mono)
           < NGX_HTTP_K8S_METRICS_STALE)
    {
        return 1;
    }

    return kill(pid, 0) == 0 || ngx_errno != ESRCH;
}


ngx_uint_t
ngx_http_k8s_metrics_store_owns(ngx_http_k8s_metrics_store_t *store,
    uint32_t hash)
{
    ngx_uint_t  i, w;

    if (!store->entered
        || *(volatile uint64_t *) &store->zone->generation
           != store->generation)
    {
        return 0;
    }

    /* spread by other bits than those that make a node's phase */

    w = (hash * 2654435761u >> 16) % store->nworkers;

    for (i = 0; i < store->nworkers; i++) {

        if (w == store->worker) {
            return 1;
        }

        if (store->alive[w]) {
            return 0;
        }

        w = (w + 1) % store->nworkers;
    }

    return 1;
}


ngx_uint_t
ngx_http_k8s_metrics_store_owners(ngx_http_k8s_metrics_store_t *store)
{
    return store->owners;
}
