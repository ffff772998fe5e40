
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


static size_t ngx_http_k8s_metrics_record_size(ngx_uint_t kind);
static uint32_t *ngx_http_k8s_metrics_record_bucket_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t ns,
    uint32_t name);
static void ngx_http_k8s_metrics_record_unlink_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t off);


static size_t
ngx_http_k8s_metrics_record_size(ngx_uint_t kind)
{
    return (kind == NGX_HTTP_K8S_METRICS_NODES)
           ? sizeof(ngx_http_k8s_metrics_shnode_t)
           : sizeof(ngx_http_k8s_metrics_shpod_t);
}


/* Strings are kept once: equal names are equal offsets. */

static uint32_t *
ngx_http_k8s_metrics_record_bucket_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, uint32_t ns, uint32_t name)
{
    uint32_t                         hash, *buckets;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    buckets = ngx_http_k8s_metrics_store_ptr(store, content->records[kind]);

    hash = name * 2654435761u ^ ns * 2246822519u;
    hash ^= hash >> 15;

    return &buckets[hash & (content->nbuckets - 1)];
}


uint32_t
ngx_http_k8s_metrics_record_find_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name)
{
    uint32_t                        off, ns_off, name_off;
    ngx_http_k8s_metrics_record_t  *rec;

    ns_off = 0;

    if (kind == NGX_HTTP_K8S_METRICS_PODS) {
        ns_off = ngx_http_k8s_metrics_shstr_find_locked(store, ns);

        if (ns_off == 0) {
            return 0;
        }
    }

    name_off = ngx_http_k8s_metrics_shstr_find_locked(store, name);

    if (name_off == 0) {
        return 0;
    }

    off = *ngx_http_k8s_metrics_record_bucket_locked(store, kind, ns_off,
                                                     name_off);
    while (off) {
        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (rec->name == name_off && rec->ns == ns_off) {
            return off;
        }

        off = rec->next;
    }

    return 0;
}


uint32_t
ngx_http_k8s_metrics_node_of_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t name)
{
    uint32_t                        off;
    ngx_http_k8s_metrics_record_t  *rec;

    off = *ngx_http_k8s_metrics_record_bucket_locked(store,
                                         NGX_HTTP_K8S_METRICS_NODES, 0, name);
    while (off) {
        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (rec->name == name) {
            return off;
        }

        off = rec->next;
    }

    return 0;
}


uint32_t
ngx_http_k8s_metrics_record_create_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name)
{
    size_t                          size;
    uint32_t                        off, *bucket;
    ngx_http_k8s_metrics_record_t  *rec;

    size = ngx_http_k8s_metrics_record_size(kind);

    off = ngx_http_k8s_metrics_arena_alloc_locked(store, size);
    if (off == 0) {
        return 0;
    }

    rec = ngx_http_k8s_metrics_store_ptr(store, off);
    ngx_memzero(rec, size);

    rec->birth = ++store->zone->birth;

    if (kind == NGX_HTTP_K8S_METRICS_PODS) {
        rec->ns = ngx_http_k8s_metrics_shstr_get_locked(store, ns);

        if (rec->ns == 0) {
            goto full;
        }
    }

    rec->name = ngx_http_k8s_metrics_shstr_get_locked(store, name);

    if (rec->name == 0
        || ngx_http_k8s_metrics_index_insert_locked(store, kind, off)
           != NGX_OK)
    {
        goto full;
    }

    bucket = ngx_http_k8s_metrics_record_bucket_locked(store, kind, rec->ns,
                                                       rec->name);
    rec->next = *bucket;
    *bucket = off;

    return off;

full:

    ngx_http_k8s_metrics_shstr_put_locked(store, rec->ns);
    ngx_http_k8s_metrics_shstr_put_locked(store, rec->name);
    ngx_http_k8s_metrics_arena_free_locked(store, off, size);

    return 0;
}


void
ngx_http_k8s_metrics_record_delete_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, uint32_t off)
{
    ngx_uint_t                      i;
    ngx_http_k8s_metrics_shpod_t   *pod;
    ngx_http_k8s_metrics_shnode_t  *node;
    ngx_http_k8s_metrics_record_t  *rec;

    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_record_unlink_locked(store, kind, off);

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        node = (ngx_http_k8s_metrics_shnode_t *) rec;

        ngx_http_k8s_metrics_samples_free_locked(store, node);
        ngx_http_k8s_metrics_session_free_locked(store, node);
        ngx_http_k8s_metrics_shstr_put_locked(store, node->path);
        ngx_http_k8s_metrics_shstr_put_locked(store, node->reason);
        ngx_http_k8s_metrics_request_free_locked(store, node);

        for (i = 0; i < node->naddrs; i++) {
            ngx_http_k8s_metrics_shstr_put_locked(store, node->addrs[i]);
        }

        store->zone->nodes_version++;

    } else {
        pod = (ngx_http_k8s_metrics_shpod_t *) rec;
        ngx_http_k8s_metrics_shstr_put_locked(store, pod->node);
    }

    ngx_http_k8s_metrics_shlabels_free_locked(store, rec->labels, rec->nlabels);
    ngx_http_k8s_metrics_shstr_put_locked(store, rec->ns);
    ngx_http_k8s_metrics_shstr_put_locked(store, rec->name);

    rec->birth = 0;

    ngx_http_k8s_metrics_arena_free_locked(store, off,
                                      ngx_http_k8s_metrics_record_size(kind));
}


static void
ngx_http_k8s_metrics_record_unlink_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, uint32_t off)
{
    uint32_t                       *link;
    ngx_http_k8s_metrics_record_t  *rec, *r;

    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_index_delete_locked(store, kind, off);

    link = ngx_http_k8s_metrics_record_bucket_locked(store, kind, rec->ns,
                                                     rec->name);
    while (*link != off) {
        r = ngx_http_k8s_metrics_store_ptr(store, *link);
        link = &r->next;
    }

    *link = rec->next;
}


ngx_int_t
ngx_http_k8s_metrics_record_remove(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name)
{
    uint32_t  off;

    ngx_http_k8s_metrics_store_lock(store);

    off = ngx_http_k8s_metrics_record_find_locked(store, kind, ns, name);

    if (off) {
        ngx_http_k8s_metrics_record_delete_locked(store, kind, off);
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return off ? NGX_OK : NGX_DECLINED;
}
