
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * Size classes: 1 to 4 granules, then four for each doubling, so that at most
 * a fifth of an allocation is rounding.  A freed block waits in its class's
 * list for the next of its class; what the classes above hold is taken only
 * when nothing was left that was never used.
 */

static ngx_uint_t ngx_http_k8s_metrics_arena_class(uint32_t granules);
static uint32_t ngx_http_k8s_metrics_arena_class_size(ngx_uint_t class);
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


static uint32_t
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
    uint32_t                         off, granules, n;
    ngx_uint_t                       class, i;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    if (size / NGX_HTTP_K8S_METRICS_GRANULE >= store->zone->granules) {
        store->zone->full++;
        return 0;
    }

    granules = (uint32_t) ((size + NGX_HTTP_K8S_METRICS_GRANULE - 1)
                           / NGX_HTTP_K8S_METRICS_GRANULE);

    class = ngx_http_k8s_metrics_arena_class(granules);
    n = ngx_http_k8s_metrics_arena_class_size(class);

    off = ngx_http_k8s_metrics_arena_pop_locked(store, class);

    if (off == 0 && n <= store->zone->granules - content->brk) {
        off = content->brk;
        content->brk += n;
    }

    /*
     * The block of a larger class: its tail is cut off into classes that it
     * fills, so that free() may go by the size that was asked for.
     */

    for (i = class + 1; off == 0 && i < NGX_HTTP_K8S_METRICS_CLASSES; i++) {
        uint32_t  rest, part, tail;

        off = ngx_http_k8s_metrics_arena_pop_locked(store, i);

        if (off == 0) {
            continue;
        }

        rest = ngx_http_k8s_metrics_arena_class_size(i) - n;
        tail = off + n;

        while (rest) {
            ngx_uint_t  c;
            uint32_t   *next;

            c = ngx_http_k8s_metrics_arena_class(rest);

            if (ngx_http_k8s_metrics_arena_class_size(c) > rest) {
                c--;
            }

            part = ngx_http_k8s_metrics_arena_class_size(c);

            next = ngx_http_k8s_metrics_store_ptr(store, tail);
            *next = content->free[c];
            content->free[c] = tail;

            tail += part;
            rest -= part;
        }
    }

    if (off == 0) {
        store->zone->full++;
        return 0;
    }

    content->used += n;

    return off;
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

    content->used -= ngx_http_k8s_metrics_arena_class_size(class);
}
