
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


ngx_uint_t
ngx_http_k8s_metrics_labels_allowed(const ngx_http_k8s_metrics_label_t *labels,
    ngx_uint_t n)
{
    size_t      size;
    ngx_uint_t  i;

    size = 0;

    for (i = 0; i < n; i++) {

        if (labels[i].key.len > NGX_HTTP_K8S_METRICS_MAX_STRING
            || labels[i].value.len > NGX_HTTP_K8S_METRICS_MAX_STRING)
        {
            return 0;
        }

        size += sizeof(ngx_http_k8s_metrics_label_t)
                + ngx_align(labels[i].key.len, 8)
                + ngx_align(labels[i].value.len, 8);

        if (size > NGX_HTTP_K8S_METRICS_MAX_LABELS) {
            return 0;
        }
    }

    return 1;
}


void
ngx_http_k8s_metrics_shlabels_free_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t labels, ngx_uint_t n)
{
    uint32_t    *pairs;
    ngx_uint_t   i;

    if (labels == 0) {
        return;
    }

    pairs = ngx_http_k8s_metrics_store_ptr(store, labels);

    for (i = 0; i < 2 * n; i++) {
        ngx_http_k8s_metrics_shstr_put_locked(store, pairs[i]);
    }

    ngx_http_k8s_metrics_arena_free_locked(store, labels,
                                           2 * n * sizeof(uint32_t));
}


ngx_int_t
ngx_http_k8s_metrics_shlabels_make_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n, uint32_t *off)
{
    uint32_t    *pairs;
    ngx_uint_t   i;

    *off = 0;

    if (n == 0) {
        return NGX_OK;
    }

    *off = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                                   2 * n * sizeof(uint32_t));
    if (*off == 0) {
        return NGX_ABORT;
    }

    pairs = ngx_http_k8s_metrics_store_ptr(store, *off);
    ngx_memzero(pairs, 2 * n * sizeof(uint32_t));

    for (i = 0; i < n; i++) {
        pairs[2 * i] = ngx_http_k8s_metrics_shstr_get_locked(store,
                                                             &labels[i].key);
        pairs[2 * i + 1] = ngx_http_k8s_metrics_shstr_get_locked(store,
                                                            &labels[i].value);

        if (pairs[2 * i] == 0 || pairs[2 * i + 1] == 0) {
            ngx_http_k8s_metrics_shlabels_free_locked(store, *off, n);
            *off = 0;
            return NGX_ABORT;
        }
    }

    return NGX_OK;
}


void
ngx_http_k8s_metrics_shlabels_set_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_record_t *rec, uint32_t labels, ngx_uint_t n)
{
    ngx_http_k8s_metrics_shlabels_free_locked(store, rec->labels, rec->nlabels);

    rec->labels = labels;
    rec->nlabels = (uint16_t) n;
}


ngx_uint_t
ngx_http_k8s_metrics_shlabels_same_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_record_t *rec,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n)
{
    uint32_t    *pairs;
    ngx_uint_t   i;

    if (rec->nlabels != n) {
        return 0;
    }

    if (n == 0) {
        return 1;
    }

    pairs = ngx_http_k8s_metrics_store_ptr(store, rec->labels);

    for (i = 0; i < n; i++) {
        if (!ngx_http_k8s_metrics_shstr_same_locked(store, pairs[2 * i],
                                                    &labels[i].key)
            || !ngx_http_k8s_metrics_shstr_same_locked(store, pairs[2 * i + 1],
                                                       &labels[i].value))
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_http_k8s_metrics_shstr_same_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, const ngx_str_t *s)
{
    ngx_str_t  have;

    ngx_http_k8s_metrics_shstr_view_locked(store, off, &have);

    return ngx_http_k8s_metrics_shstr_same(&have, s);
}
