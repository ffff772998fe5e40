
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * What a node's record will refer to: all of it is there before the record is
 * touched, so that a full zone leaves it as it was.
 */
typedef struct {
    uint32_t             labels;
    uint32_t             path;
    uint32_t             naddrs;
    uint32_t             addrs[NGX_HTTP_K8S_METRICS_ADDRS];
} ngx_http_k8s_metrics_node_parts_t;


static ngx_uint_t ngx_http_k8s_metrics_node_allowed(
    const ngx_http_k8s_metrics_node_t *node);
static ngx_int_t ngx_http_k8s_metrics_put_node_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_node_t *node);
static ngx_uint_t ngx_http_k8s_metrics_node_same_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *n,
    ngx_http_k8s_metrics_node_t *node);
static ngx_int_t ngx_http_k8s_metrics_node_make_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_node_parts_t *parts);
static void ngx_http_k8s_metrics_node_drop_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t path, uint32_t *addrs,
    ngx_uint_t naddrs);
static void ngx_http_k8s_metrics_node_set_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *n,
    ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_node_parts_t *parts);


static ngx_str_t  ngx_http_k8s_metrics_no_ns = ngx_null_string;


ngx_int_t
ngx_http_k8s_metrics_store_put_node(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_node_t *node)
{
    ngx_int_t  rc;

    if (!ngx_http_k8s_metrics_node_allowed(node)) {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_store_lock(store);
    rc = ngx_http_k8s_metrics_put_node_locked(store, node);
    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


static ngx_uint_t
ngx_http_k8s_metrics_node_allowed(const ngx_http_k8s_metrics_node_t *node)
{
    ngx_uint_t  i;

    if (node->name.len > NGX_HTTP_K8S_METRICS_MAX_NAME
        || node->path.len > NGX_HTTP_K8S_METRICS_MAX_STRING
        || node->naddrs > NGX_HTTP_K8S_METRICS_ADDRS)
    {
        return 0;
    }

    for (i = 0; i < node->naddrs; i++) {
        if (node->addrs[i].text.len > NGX_HTTP_K8S_METRICS_MAX_STRING) {
            return 0;
        }
    }

    return ngx_http_k8s_metrics_labels_allowed(node->labels, node->nlabels);
}


static ngx_int_t
ngx_http_k8s_metrics_put_node_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_node_t *node)
{
    uint32_t                            off;
    ngx_uint_t                          same;
    ngx_http_k8s_metrics_shnode_t      *n;
    ngx_http_k8s_metrics_node_parts_t   parts;

    off = ngx_http_k8s_metrics_record_find_locked(store,
                                NGX_HTTP_K8S_METRICS_NODES,
                                &ngx_http_k8s_metrics_no_ns, &node->name);
    same = 0;

    if (off) {
        n = ngx_http_k8s_metrics_store_ptr(store, off);
        n->head.epoch = store->zone->epoch[NGX_HTTP_K8S_METRICS_NODES];

        same = ngx_http_k8s_metrics_node_same_locked(store, n, node);

        if (same
            && ngx_http_k8s_metrics_shlabels_same_locked(store, &n->head,
                                                 node->labels, node->nlabels))
        {
            return NGX_DECLINED;
        }
    }

    if (!ngx_http_k8s_metrics_full_record_locked(store, 1)
        || ngx_http_k8s_metrics_node_make_locked(store, node, &parts) != NGX_OK)
    {
        return off ? NGX_BUSY : NGX_ABORT;
    }

    if (off == 0) {
        off = ngx_http_k8s_metrics_record_create_locked(store,
                                NGX_HTTP_K8S_METRICS_NODES,
                                &ngx_http_k8s_metrics_no_ns, &node->name);
        if (off == 0) {
            ngx_http_k8s_metrics_node_drop_locked(store, parts.path,
                                                  parts.addrs, parts.naddrs);
            ngx_http_k8s_metrics_shlabels_free_locked(store, parts.labels,
                                                      node->nlabels);
            return NGX_ABORT;
        }
    }

    n = ngx_http_k8s_metrics_store_ptr(store, off);
    n->head.epoch = store->zone->epoch[NGX_HTTP_K8S_METRICS_NODES];

    ngx_http_k8s_metrics_node_set_locked(store, n, node, &parts);

    /* labels are nothing to those who scrape */

    if (!same) {
        n->version = ++store->zone->nodes_version;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_node_same_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *n, ngx_http_k8s_metrics_node_t *node)
{
    ngx_uint_t  i;

    if (n->naddrs != node->naddrs || n->port != node->port
        || n->head.ready != node->ready
        || !ngx_http_k8s_metrics_shstr_same_locked(store, n->path,
                                                   &node->path))
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
ngx_http_k8s_metrics_node_make_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_node_parts_t *parts)
{
    uint32_t    off;
    ngx_uint_t  i;

    parts->path = 0;
    parts->naddrs = 0;

    if (ngx_http_k8s_metrics_shlabels_make_locked(store, node->labels,
                                                  node->nlabels, &parts->labels)
        != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (node->path.len) {
        parts->path = ngx_http_k8s_metrics_shstr_get_locked(store,
                                                            &node->path);
        if (parts->path == 0) {
            goto full;
        }
    }

    for (i = 0; i < node->naddrs; i++) {
        off = ngx_http_k8s_metrics_shstr_get_locked(store,
                                                    &node->addrs[i].text);
        if (off == 0) {
            goto full;
        }

        parts->addrs[parts->naddrs++] = off;
    }

    return NGX_OK;

full:

    ngx_http_k8s_metrics_node_drop_locked(store, parts->path, parts->addrs,
                                          parts->naddrs);
    ngx_http_k8s_metrics_shlabels_free_locked(store, parts->labels,
                                              node->nlabels);
    return NGX_ABORT;
}


static void
ngx_http_k8s_metrics_node_drop_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t path, uint32_t *addrs, ngx_uint_t naddrs)
{
    ngx_uint_t  i;

    ngx_http_k8s_metrics_shstr_put_locked(store, path);

    for (i = 0; i < naddrs; i++) {
        ngx_http_k8s_metrics_shstr_put_locked(store, addrs[i]);
    }
}


static void
ngx_http_k8s_metrics_node_set_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *n, ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_node_parts_t *parts)
{
    ngx_uint_t  i;

    ngx_http_k8s_metrics_shlabels_set_locked(store, &n->head, parts->labels,
                                             node->nlabels);
    ngx_http_k8s_metrics_node_drop_locked(store, n->path, n->addrs, n->naddrs);

    n->path = parts->path;
    n->naddrs = (uint16_t) parts->naddrs;

    for (i = 0; i < parts->naddrs; i++) {
        n->addrs[i] = parts->addrs[i];
        n->types[i] = (uint8_t) node->addrs[i].type;
    }

    n->port = node->port;
    n->head.ready = node->ready;
}


ngx_int_t
ngx_http_k8s_metrics_store_delete_node(ngx_http_k8s_metrics_store_t *store,
    ngx_str_t *name)
{
    return ngx_http_k8s_metrics_record_remove(store,
                                      NGX_HTTP_K8S_METRICS_NODES,
                                      &ngx_http_k8s_metrics_no_ns, name);
}
