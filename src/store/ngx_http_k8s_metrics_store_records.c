
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* how many records a sweep looks at under one hold of the lock */
#define NGX_HTTP_K8S_METRICS_SWEEP  256


static size_t ngx_http_k8s_metrics_record_size(ngx_uint_t kind);
static uint32_t *ngx_http_k8s_metrics_record_bucket_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t ns,
    uint32_t name);
static ngx_uint_t ngx_http_k8s_metrics_node_same_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *n,
    ngx_http_k8s_metrics_node_t *node);
static ngx_int_t ngx_http_k8s_metrics_node_set_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *n,
    ngx_http_k8s_metrics_node_t *node);
static ngx_int_t ngx_http_k8s_metrics_put_node_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_node_t *node);
static ngx_int_t ngx_http_k8s_metrics_put_pod_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_pod_t *pod);
static void ngx_http_k8s_metrics_store_delete(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, const ngx_str_t *ns,
    const ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_metrics_sweep_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind,
    ngx_http_k8s_metrics_place_t *place);


static ngx_str_t  ngx_http_k8s_metrics_no_ns = ngx_null_string;


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

    rec->birth = ++store->zone->content.birth;

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
    uint32_t                       *link;
    ngx_uint_t                      i;
    ngx_http_k8s_metrics_shpod_t   *pod;
    ngx_http_k8s_metrics_shnode_t  *node;
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

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        node = (ngx_http_k8s_metrics_shnode_t *) rec;

        ngx_http_k8s_metrics_samples_free_locked(store, node);
        ngx_http_k8s_metrics_shstr_put_locked(store, node->path);
        ngx_http_k8s_metrics_shstr_put_locked(store, node->reason);

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


ngx_int_t
ngx_http_k8s_metrics_store_put_node(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_node_t *node)
{
    ngx_int_t  rc;

    ngx_http_k8s_metrics_store_lock(store);
    rc = ngx_http_k8s_metrics_put_node_locked(store, node);
    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_put_node_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_node_t *node)
{
    uint32_t                        off;
    ngx_uint_t                      fresh;
    ngx_http_k8s_metrics_shnode_t  *n;

    off = ngx_http_k8s_metrics_record_find_locked(store,
                                NGX_HTTP_K8S_METRICS_NODES,
                                &ngx_http_k8s_metrics_no_ns, &node->name);
    fresh = (off == 0);

    if (fresh) {
        off = ngx_http_k8s_metrics_record_create_locked(store,
                                NGX_HTTP_K8S_METRICS_NODES,
                                &ngx_http_k8s_metrics_no_ns, &node->name);
        if (off == 0) {
            return NGX_ABORT;
        }
    }

    n = ngx_http_k8s_metrics_store_ptr(store, off);
    n->head.epoch = store->zone->content.epoch[NGX_HTTP_K8S_METRICS_NODES];

    if (!fresh && ngx_http_k8s_metrics_node_same_locked(store, n, node)) {

        if (ngx_http_k8s_metrics_shlabels_same_locked(store, &n->head,
                                                 node->labels, node->nlabels))
        {
            return NGX_DECLINED;
        }

        return ngx_http_k8s_metrics_shlabels_set_locked(store, &n->head,
                                                  node->labels, node->nlabels);
    }

    if (ngx_http_k8s_metrics_shlabels_set_locked(store, &n->head, node->labels,
                                               node->nlabels)
        != NGX_OK
        || ngx_http_k8s_metrics_node_set_locked(store, n, node) != NGX_OK)
    {
        if (fresh) {
            ngx_http_k8s_metrics_record_delete_locked(store,
                                            NGX_HTTP_K8S_METRICS_NODES, off);
        }

        return NGX_ABORT;
    }

    n->version = ++store->zone->nodes_version;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_node_same_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *n, ngx_http_k8s_metrics_node_t *node)
{
    ngx_uint_t  i;

    if (n->naddrs != node->naddrs || n->port != node->port
        || n->head.ready != node->ready
        || !ngx_http_k8s_metrics_shstr_same_locked(store, n->path, &node->path))
    {
        return 0;
    }

    for (i = 0; i < n->naddrs; i++) {
        if (n->types[i] != node->addrs[i].type
            || !ngx_http_k8s_metrics_shstr_same_locked(store, n->addrs[i],
                                                     &node->addrs[i].text))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_k8s_metrics_node_set_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *n, ngx_http_k8s_metrics_node_t *node)
{
    ngx_uint_t  i;

    if (ngx_http_k8s_metrics_shstr_set_locked(store, &n->path, &node->path)
        != NGX_OK)
    {
        return NGX_ABORT;
    }

    for (i = 0; i < n->naddrs; i++) {
        ngx_http_k8s_metrics_shstr_put_locked(store, n->addrs[i]);
        n->addrs[i] = 0;
    }

    n->naddrs = 0;

    for (i = 0; i < node->naddrs; i++) {

        if (ngx_http_k8s_metrics_shstr_set_locked(store, &n->addrs[i],
                                                &node->addrs[i].text)
            != NGX_OK)
        {
            return NGX_ABORT;
        }

        n->types[i] = (uint8_t) node->addrs[i].type;
        n->naddrs++;
    }

    n->port = node->port;
    n->head.ready = node->ready;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_store_put_pod(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_pod_t *pod)
{
    ngx_int_t  rc;

    ngx_http_k8s_metrics_store_lock(store);
    rc = ngx_http_k8s_metrics_put_pod_locked(store, pod);
    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_put_pod_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_pod_t *pod)
{
    uint32_t                       off;
    ngx_uint_t                     fresh;
    ngx_http_k8s_metrics_shpod_t  *p;

    off = ngx_http_k8s_metrics_record_find_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS,
                                              &pod->ns, &pod->name);

    if (off) {
        p = ngx_http_k8s_metrics_store_ptr(store, off);

        /* on another node it is another pod of the same name */

        if (!ngx_http_k8s_metrics_shstr_same_locked(store, p->node, &pod->node))
        {
            ngx_http_k8s_metrics_record_delete_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS, off);
            off = 0;
        }
    }

    fresh = (off == 0);

    if (fresh) {
        off = ngx_http_k8s_metrics_record_create_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS,
                                              &pod->ns, &pod->name);
        if (off == 0) {
            return NGX_ABORT;
        }
    }

    p = ngx_http_k8s_metrics_store_ptr(store, off);
    p->head.epoch = store->zone->content.epoch[NGX_HTTP_K8S_METRICS_PODS];

    if (!fresh && p->head.ready == pod->ready
        && ngx_http_k8s_metrics_shlabels_same_locked(store, &p->head,
                                                  pod->labels, pod->nlabels))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_k8s_metrics_shlabels_set_locked(store, &p->head, pod->labels,
                                               pod->nlabels)
        != NGX_OK
        || ngx_http_k8s_metrics_shstr_set_locked(store, &p->node, &pod->node)
           != NGX_OK)
    {
        if (fresh) {
            ngx_http_k8s_metrics_record_delete_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS, off);
        }

        return NGX_ABORT;
    }

    p->head.ready = pod->ready;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_store_delete_node(ngx_http_k8s_metrics_store_t *store,
    ngx_str_t *name)
{
    ngx_http_k8s_metrics_store_delete(store, NGX_HTTP_K8S_METRICS_NODES,
                                      &ngx_http_k8s_metrics_no_ns, name);
}


void
ngx_http_k8s_metrics_store_delete_pod(ngx_http_k8s_metrics_store_t *store,
    ngx_str_t *ns, ngx_str_t *name)
{
    ngx_http_k8s_metrics_store_delete(store, NGX_HTTP_K8S_METRICS_PODS, ns,
                                      name);
}


static void
ngx_http_k8s_metrics_store_delete(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name)
{
    uint32_t  off;

    ngx_http_k8s_metrics_store_lock(store);

    off = ngx_http_k8s_metrics_record_find_locked(store, kind, ns, name);

    if (off) {
        ngx_http_k8s_metrics_record_delete_locked(store, kind, off);
    }

    ngx_http_k8s_metrics_store_unlock(store);
}


void
ngx_http_k8s_metrics_store_list_begin(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind)
{
    ngx_http_k8s_metrics_store_lock(store);
    store->zone->content.epoch[kind]++;
    ngx_http_k8s_metrics_store_unlock(store);
}


void
ngx_http_k8s_metrics_store_list_end(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind)
{
    ngx_uint_t                    more;
    ngx_http_k8s_metrics_place_t  place;

    ngx_memzero(&place, sizeof(ngx_http_k8s_metrics_place_t));

    /*
     * Only the one worker that holds the watches changes the order, and that
     * is this one: the place stays good between two holds of the lock; were
     * it not, a record would be looked at twice or left for the next list.
     */

    do {
        ngx_http_k8s_metrics_store_lock(store);
        more = ngx_http_k8s_metrics_sweep_locked(store, kind, &place);
        ngx_http_k8s_metrics_store_unlock(store);

    } while (more);

    ngx_http_k8s_metrics_store_lock(store);
    store->zone->content.complete[kind] = 1;
    ngx_http_k8s_metrics_store_unlock(store);
}


/* 1 while more follows. */

static ngx_uint_t
ngx_http_k8s_metrics_sweep_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, ngx_http_k8s_metrics_place_t *place)
{
    uint32_t                         off, gone[NGX_HTTP_K8S_METRICS_SWEEP];
    ngx_uint_t                       i, n, looked;
    ngx_http_k8s_metrics_record_t   *rec;

    n = 0;

    for (looked = 0; looked < NGX_HTTP_K8S_METRICS_SWEEP; looked++) {

        off = ngx_http_k8s_metrics_index_next_locked(store, kind, place);

        if (off == 0) {
            break;
        }

        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (rec->epoch != store->zone->content.epoch[kind]) {
            gone[n++] = off;
        }
    }

    if (n == 0) {
        return looked == NGX_HTTP_K8S_METRICS_SWEEP;
    }

    for (i = 0; i < n; i++) {
        ngx_http_k8s_metrics_record_delete_locked(store, kind, gone[i]);
    }

    /* places moved: from the first again, what is left is looked at twice */

    ngx_memzero(place, sizeof(ngx_http_k8s_metrics_place_t));

    return 1;
}
