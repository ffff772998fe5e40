
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* a bundle of hundreds of CA certificates */
#define NGX_HTTP_K8S_METRICS_MAX_SETTING  (1024 * 1024)


void
ngx_http_k8s_metrics_store_set_version(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, ngx_str_t *version)
{
    u_char  *p;

    ngx_http_k8s_metrics_store_lock(store);

    p = store->zone->content.version[kind];

    p[0] = 0;

    if (version->len < sizeof(store->zone->content.version[kind])) {
        p[0] = (u_char) version->len;
        ngx_memcpy(&p[1], version->data, version->len);
    }

    ngx_http_k8s_metrics_store_unlock(store);
}


ngx_int_t
ngx_http_k8s_metrics_store_get_version(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, u_char *buf, ngx_str_t *version)
{
    u_char      *p;
    ngx_uint_t   complete;

    ngx_http_k8s_metrics_store_lock_read(store);

    p = store->zone->content.version[kind];

    version->len = p[0];
    version->data = buf;
    ngx_memcpy(buf, &p[1], version->len);

    complete = store->zone->content.complete[kind];

    ngx_http_k8s_metrics_store_unlock(store);

    return (complete && version->len) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_metrics_store_put_setting(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t key, ngx_str_t *bytes)
{
    uint32_t                         off;
    ngx_int_t                        rc;
    ngx_http_k8s_metrics_content_t  *content;

    if (bytes->len > NGX_HTTP_K8S_METRICS_MAX_SETTING) {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_store_lock(store);

    content = &store->zone->content;
    off = content->setting[key];
    rc = NGX_DECLINED;

    if (content->setting_put[key]
        && content->setting_len[key] == bytes->len
        && (off == 0
            || ngx_memcmp(ngx_http_k8s_metrics_store_ptr(store, off),
                          bytes->data, bytes->len) == 0))
    {
        goto done;
    }

    off = 0;

    if (bytes->len) {
        off = ngx_http_k8s_metrics_arena_alloc_locked(store, bytes->len);

        if (off == 0) {
            rc = NGX_ABORT;
            goto done;
        }

        ngx_memcpy(ngx_http_k8s_metrics_store_ptr(store, off), bytes->data,
                   bytes->len);
    }

    ngx_http_k8s_metrics_arena_free_locked(store, content->setting[key],
                                           content->setting_len[key]);
    content->setting[key] = off;
    content->setting_len[key] = (uint32_t) bytes->len;
    content->setting_put[key] = 1;
    store->zone->setting_generation[key]++;
    rc = NGX_OK;

done:

    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


ngx_uint_t
ngx_http_k8s_metrics_store_setting_generation(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t key)
{
    return *(volatile uint64_t *) &store->zone->setting_generation[key];
}


ngx_int_t
ngx_http_k8s_metrics_store_get_setting(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t key, ngx_pool_t *pool, ngx_str_t *bytes, ngx_uint_t *generation)
{
    size_t                           size;
    uint32_t                         len, put;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    /* allocated before the lock is taken: again if it grew meanwhile */

    for ( ;; ) {
        size = *(volatile uint32_t *) &content->setting_len[key];

        bytes->data = ngx_pnalloc(pool, size + 1);
        if (bytes->data == NULL) {
            return NGX_ERROR;
        }

        ngx_http_k8s_metrics_store_lock_read(store);

        len = content->setting_len[key];
        put = content->setting_put[key];

        if (len <= size) {
            *generation = store->zone->setting_generation[key];
            bytes->len = len;

            if (len) {
                ngx_memcpy(bytes->data,
                           ngx_http_k8s_metrics_store_ptr(store,
                                                      content->setting[key]),
                           len);
            }
        }

        ngx_http_k8s_metrics_store_unlock(store);

        if (len <= size) {
            return len ? NGX_OK : put ? NGX_DECLINED : NGX_AGAIN;
        }
    }
}
