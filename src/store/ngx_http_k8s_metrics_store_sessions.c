
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* The key, then the session's bytes. */

#define ngx_http_k8s_metrics_session_size(len)                                \
    (NGX_HTTP_K8S_METRICS_SESSION_KEY + (len))


static uint32_t ngx_http_k8s_metrics_session_alloc_locked(
    ngx_http_k8s_metrics_store_t *store, size_t size);


void
ngx_http_k8s_metrics_store_put_session(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_ref_t ref, const u_char *key, const u_char *bytes,
    size_t len)
{
    u_char                         *p;
    size_t                          size;
    ngx_http_k8s_metrics_shnode_t  *node;

    size = ngx_http_k8s_metrics_session_size(len);

    ngx_http_k8s_metrics_store_lock(store);

    if (!ngx_http_k8s_metrics_node_valid_locked(store, ref)) {
        goto done;
    }

    node = ngx_http_k8s_metrics_store_ptr(store, ref.offset);

    /* mostly the next one is as long as the last, and takes its place */

    if (node->session
        && (len == 0 || len > NGX_HTTP_K8S_METRICS_SESSION_MAX
            || ngx_http_k8s_metrics_arena_room(size)
               != ngx_http_k8s_metrics_arena_room(
                      ngx_http_k8s_metrics_session_size(node->session_len))))
    {
        ngx_http_k8s_metrics_session_free_locked(store, node);
    }

    if (len == 0 || len > NGX_HTTP_K8S_METRICS_SESSION_MAX) {
        goto done;
    }

    if (node->session == 0) {
        node->session = ngx_http_k8s_metrics_session_alloc_locked(store, size);

        if (node->session == 0) {
            goto done;
        }
    }

    node->session_len = (uint32_t) len;

    p = ngx_http_k8s_metrics_store_ptr(store, node->session);
    p = ngx_cpymem(p, key, NGX_HTTP_K8S_METRICS_SESSION_KEY);
    ngx_memcpy(p, bytes, len);

done:

    ngx_http_k8s_metrics_store_unlock(store);
}


/* A session is a convenience: it takes nothing from records or samples. */

static uint32_t
ngx_http_k8s_metrics_session_alloc_locked(ngx_http_k8s_metrics_store_t *store,
    size_t size)
{
    uint32_t                      off;
    uint64_t                      full;
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;

    if (zone->content.used - zone->content.samples
        > (uint64_t) zone->granules * store->records / 100)
    {
        return 0;
    }

    full = zone->full;
    off = ngx_http_k8s_metrics_arena_alloc_locked(store, size);
    zone->full = full;

    return off;
}


size_t
ngx_http_k8s_metrics_store_get_session(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_ref_t ref, const u_char *key, u_char *bytes)
{
    u_char                         *p;
    size_t                          len;
    ngx_http_k8s_metrics_shnode_t  *node;

    len = 0;

    ngx_http_k8s_metrics_store_lock_read(store);

    if (ngx_http_k8s_metrics_node_valid_locked(store, ref)) {
        node = ngx_http_k8s_metrics_store_ptr(store, ref.offset);
        p = ngx_http_k8s_metrics_store_ptr(store, node->session);

        if (node->session
            && ngx_memcmp(p, key, NGX_HTTP_K8S_METRICS_SESSION_KEY) == 0)
        {
            len = node->session_len;
            ngx_memcpy(bytes, p + NGX_HTTP_K8S_METRICS_SESSION_KEY, len);
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return len;
}


void
ngx_http_k8s_metrics_session_free_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *node)
{
    ngx_http_k8s_metrics_arena_free_locked(store, node->session,
                         ngx_http_k8s_metrics_session_size(node->session_len));
    node->session = 0;
    node->session_len = 0;
}
