
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* freed blocks are joined when this part of the zone was freed again */
#define NGX_HTTP_K8S_METRICS_JOIN  64


/*
 * Size classes: 1 to 4 granules, then four for each doubling, so that at most
 * a fifth of an allocation is rounding.  A freed block waits in its class's
 * list for the next of its class; what the classes above hold is taken only
 * when nothing was left that was never used.  If that fails, too, and enough
 * was freed since the last time, neighbours are joined (arena_join.c).
 */

static ngx_uint_t ngx_http_k8s_metrics_arena_class(uint32_t granules);
static uint32_t ngx_http_k8s_metrics_arena_get_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t class);
static uint32_t ngx_http_k8s_metrics_arena_pop_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t class);


static ngx_uint_t
ngx_http_k8s_metrics_arena_class(uint32_t granules)
{
    uint32_t    top;
    ngx_uint_t  shift;

    if (granules <= 4) {
        return granules ? granules - 1 : 0;
    }

    /* the smallest class of 2^shift * (4 + q), q of 0..3, that holds them */

    for (shift = 0, top = granules - 1; top >= 8; shift++) {
        top >>= 1;
    }

    return 4 * shift + (top - 4) + 4;
}


uint32_t
ngx_http_k8s_metrics_arena_class_size(ngx_uint_t class)
{
    if (class < 4) {
        return class + 1;
    }

    class -= 4;

    return (uint32_t) (class % 4 + 5) << (class / 4);
}


size_t
ngx_http_k8s_metrics_arena_room(size_t size)
{
    uint32_t  granules;

    granules = (uint32_t) ((size + NGX_HTTP_K8S_METRICS_GRANULE - 1)
                           / NGX_HTTP_K8S_METRICS_GRANULE);

    return (size_t) ngx_http_k8s_metrics_arena_class_size(
                        ngx_http_k8s_metrics_arena_class(granules))
           * NGX_HTTP_K8S_METRICS_GRANULE;
}


uint32_t
ngx_http_k8s_metrics_arena_alloc_locked(ngx_http_k8s_metrics_store_t *store,
    size_t size)
{
    uint32_t                         off, granules;
    ngx_uint_t                       class;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    ngx_http_k8s_metrics_store_kill_point(store);

    if (size / NGX_HTTP_K8S_METRICS_GRANULE >= store->zone->granules / 2) {
        store->zone->full++;
        return 0;
    }

    granules = (uint32_t) ((size + NGX_HTTP_K8S_METRICS_GRANULE - 1)
                           / NGX_HTTP_K8S_METRICS_GRANULE);

    class = ngx_http_k8s_metrics_arena_class(granules);

    off = ngx_http_k8s_metrics_arena_get_locked(store, class);

    if (off == 0
        && content->freed > store->zone->granules
                            / NGX_HTTP_K8S_METRICS_JOIN)
    {
        ngx_http_k8s_metrics_arena_join_locked(store);
        off = ngx_http_k8s_metrics_arena_get_locked(store, class);
    }

    if (off == 0) {
        store->zone->full++;
        return 0;
    }

    content->used += ngx_http_k8s_metrics_arena_class_size(class);

    return off;
}


static uint32_t
ngx_http_k8s_metrics_arena_get_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t class)
{
    uint32_t                         off, n;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    n = ngx_http_k8s_metrics_arena_class_size(class);

    off = ngx_http_k8s_metrics_arena_pop_locked(store, class);

    if (off) {
        return off;
    }

    if (n <= store->zone->granules - content->brk) {
        off = content->brk;
        content->brk += n;
        return off;
    }

    for (i = class + 1; i < NGX_HTTP_K8S_METRICS_CLASSES; i++) {

        off = ngx_http_k8s_metrics_arena_pop_locked(store, i);

        if (off) {
            ngx_http_k8s_metrics_arena_cut_locked(store, off + n,
                                  ngx_http_k8s_metrics_arena_class_size(i)
                                  - n);
            return off;
        }
    }

    return 0;
}


/* free() goes by the size that was asked for: each part fills its class. */

void
ngx_http_k8s_metrics_arena_cut_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, uint32_t n)
{
    uint32_t                         part, *next;
    ngx_uint_t                       class;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    while (n) {
        class = ngx_http_k8s_metrics_arena_class(n);
        part = ngx_http_k8s_metrics_arena_class_size(class);

        if (part > n) {
            class--;
            part = ngx_http_k8s_metrics_arena_class_size(class);
        }

        next = ngx_http_k8s_metrics_store_ptr(store, off);
        *next = content->free[class];
        content->free[class] = off;

        off += part;
        n -= part;
    }
}


static uint32_t
ngx_http_k8s_metrics_arena_pop_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t class)
{
    uint32_t                         off, *next;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    off = content->free[class];

    if (off) {
        next = ngx_http_k8s_metrics_store_ptr(store, off);
        content->free[class] = *next;
    }

    return off;
}


void
ngx_http_k8s_metrics_arena_free_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, size_t size)
{
    uint32_t                         granules, *next;
    ngx_uint_t                       class;
    ngx_http_k8s_metrics_content_t  *content;

    if (off == 0) {
        return;
    }

    content = &store->zone->content;

    granules = (uint32_t) ((size + NGX_HTTP_K8S_METRICS_GRANULE - 1)
                           / NGX_HTTP_K8S_METRICS_GRANULE);

    class = ngx_http_k8s_metrics_arena_class(granules);

    next = ngx_http_k8s_metrics_store_ptr(store, off);
    *next = content->free[class];
    content->free[class] = off;

    granules = ngx_http_k8s_metrics_arena_class_size(class);

    content->used -= granules;
    content->freed += granules;

    ngx_http_k8s_metrics_store_kill_point(store);
}
