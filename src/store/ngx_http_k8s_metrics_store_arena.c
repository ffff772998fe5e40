
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * Size classes: 1 to 4 granules, then four for each doubling, so that at most
 * a fifth of an allocation is rounding.  An allocation takes the smallest
 * free piece that holds it (arena_free.c), and what was never used only when
 * there is none.  Each step takes the same time, however many pieces there
 * are: nothing is put off to a time when the lock would be held for long.
 */


ngx_uint_t
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
    uint32_t                         off, n, granules;
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

    n = ngx_http_k8s_metrics_arena_class_size(class);

    off = ngx_http_k8s_metrics_piece_take_locked(store, class);

    if (off == 0 && n <= store->zone->granules - content->brk) {
        off = content->brk;
        content->brk += n;

        ngx_http_k8s_metrics_map_clear_locked(store, off, n);
    }

    if (off == 0) {
        store->zone->full++;
        return 0;
    }

    content->used += n;

    ngx_http_k8s_metrics_store_kill_point(store);

    return off;
}


void
ngx_http_k8s_metrics_arena_free_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, size_t size)
{
    uint32_t  n;

    if (off == 0) {
        return;
    }

    n = (uint32_t) (ngx_http_k8s_metrics_arena_room(size)
                    / NGX_HTTP_K8S_METRICS_GRANULE);

    store->zone->content.used -= n;

    ngx_http_k8s_metrics_piece_give_locked(store, off, n);

    ngx_http_k8s_metrics_store_kill_point(store);
}
