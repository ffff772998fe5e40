
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


#define ngx_http_k8s_metrics_shstr_size(len)                                  \
    (offsetof(ngx_http_k8s_metrics_shstr_t, data) + (len))


static uint32_t ngx_http_k8s_metrics_shstr_hash(
    ngx_http_k8s_metrics_store_t *store, const ngx_str_t *s);
static uint32_t *ngx_http_k8s_metrics_shstr_bucket_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t hash);
static uint32_t ngx_http_k8s_metrics_shstr_search_locked(
    ngx_http_k8s_metrics_store_t *store, const ngx_str_t *s, uint32_t hash);


static uint32_t
ngx_http_k8s_metrics_shstr_hash(ngx_http_k8s_metrics_store_t *store,
    const ngx_str_t *s)
{
    return (uint32_t) ngx_http_k8s_metrics_siphash(store->zone->key, s->data,
                                                   s->len);
}


static uint32_t *
ngx_http_k8s_metrics_shstr_bucket_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t hash)
{
    uint32_t  *buckets;

    buckets = ngx_http_k8s_metrics_store_ptr(store,
                                             store->zone->content.strings);

    return &buckets[hash & (store->zone->content.nbuckets - 1)];
}


uint32_t
ngx_http_k8s_metrics_shstr_find_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_str_t *s)
{
    return ngx_http_k8s_metrics_shstr_search_locked(store, s,
                                   ngx_http_k8s_metrics_shstr_hash(store, s));
}


static uint32_t
ngx_http_k8s_metrics_shstr_search_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_str_t *s, uint32_t hash)
{
    uint32_t                       off;
    ngx_http_k8s_metrics_shstr_t  *str;

    off = *ngx_http_k8s_metrics_shstr_bucket_locked(store, hash);

    while (off) {
        str = ngx_http_k8s_metrics_store_ptr(store, off);

        if (str->hash == hash && str->len == s->len
            && (s->len == 0 || ngx_memcmp(str->data, s->data, s->len) == 0))
        {
            return off;
        }

        off = str->next;
    }

    return 0;
}


uint32_t
ngx_http_k8s_metrics_shstr_get_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_str_t *s)
{
    uint32_t                       off, hash, *bucket;
    ngx_http_k8s_metrics_shstr_t  *str;

    hash = ngx_http_k8s_metrics_shstr_hash(store, s);
    off = ngx_http_k8s_metrics_shstr_search_locked(store, s, hash);

    if (off) {
        str = ngx_http_k8s_metrics_store_ptr(store, off);
        str->refs++;
        return off;
    }

    if (s->len > NGX_HTTP_K8S_METRICS_MAX_STRING) {
        return 0;
    }

    off = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                     ngx_http_k8s_metrics_shstr_size(s->len));
    if (off == 0) {
        return 0;
    }

    str = ngx_http_k8s_metrics_store_ptr(store, off);

    str->hash = hash;
    str->refs = 1;
    str->len = (uint32_t) s->len;

    if (s->len) {
        ngx_memcpy(str->data, s->data, s->len);
    }

    bucket = ngx_http_k8s_metrics_shstr_bucket_locked(store, str->hash);
    str->next = *bucket;
    *bucket = off;

    return off;
}


void
ngx_http_k8s_metrics_shstr_put_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off)
{
    uint32_t                      *link;
    ngx_http_k8s_metrics_shstr_t  *str, *s;

    if (off == 0) {
        return;
    }

    str = ngx_http_k8s_metrics_store_ptr(store, off);

    if (--str->refs) {
        return;
    }

    link = ngx_http_k8s_metrics_shstr_bucket_locked(store, str->hash);

    while (*link != off) {
        s = ngx_http_k8s_metrics_store_ptr(store, *link);
        link = &s->next;
    }

    *link = str->next;

    ngx_http_k8s_metrics_arena_free_locked(store, off,
                                   ngx_http_k8s_metrics_shstr_size(str->len));
}


void
ngx_http_k8s_metrics_shstr_view_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, ngx_str_t *s)
{
    ngx_http_k8s_metrics_shstr_t  *str;

    if (off == 0) {
        ngx_str_null(s);
        return;
    }

    str = ngx_http_k8s_metrics_store_ptr(store, off);

    s->len = str->len;
    s->data = str->data;
}
