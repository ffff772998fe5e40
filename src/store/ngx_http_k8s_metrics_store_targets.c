
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* the longest name, addresses and path of a usual node are far shorter */
#define NGX_HTTP_K8S_METRICS_TARGET  1024

/* and the longest that are stored */
#define NGX_HTTP_K8S_METRICS_LONGEST                                          \
    ((NGX_HTTP_K8S_METRICS_ADDRS + 2)                                \
     * NGX_HTTP_K8S_METRICS_MAX_STRING)


static ngx_int_t ngx_http_k8s_metrics_copy_target_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_target_t *t);


ngx_int_t
ngx_http_k8s_metrics_store_targets(ngx_http_k8s_metrics_store_t *store,
    ngx_pool_t *pool, ngx_str_t *after, ngx_http_k8s_metrics_target_t *targets,
    ngx_uint_t max)
{
    size_t                         size;
    uint32_t                       off;
    ngx_str_t                      no_ns, from;
    ngx_uint_t                     n, more;
    ngx_http_k8s_metrics_mem_t     mem;
    ngx_http_k8s_metrics_place_t   place;
    ngx_http_k8s_metrics_record_t  *rec;

    ngx_str_null(&no_ns);
    from = *after;
    n = 0;

    /* memory before the lock is taken; it holds one node at least */

    do {
        more = 0;

        size = ngx_max((max - n) * NGX_HTTP_K8S_METRICS_TARGET,
                       NGX_HTTP_K8S_METRICS_LONGEST);

        mem.pos = ngx_palloc(pool, size);
        if (mem.pos == NULL) {
            return NGX_ERROR;
        }

        mem.end = mem.pos + size;

        ngx_http_k8s_metrics_store_lock_read(store);

        ngx_http_k8s_metrics_index_seek_locked(store,
                                               NGX_HTTP_K8S_METRICS_NODES,
                                               &no_ns, &from, &place);
        while (n < max) {
            off = ngx_http_k8s_metrics_index_next_locked(store,
                                          NGX_HTTP_K8S_METRICS_NODES, &place);
            if (off == 0) {
                break;
            }

            rec = ngx_http_k8s_metrics_store_ptr(store, off);

            if (ngx_http_k8s_metrics_shstr_same_locked(store, rec->name, &from))
            {
                continue;
            }

            if (ngx_http_k8s_metrics_copy_target_locked(store, &mem, off,
                                                        &targets[n])
                != NGX_OK)
            {
                more = 1;
                break;
            }

            from = targets[n++].node.name;
        }

        ngx_http_k8s_metrics_store_unlock(store);

    } while (more);

    return (ngx_int_t) n;
}


static ngx_int_t
ngx_http_k8s_metrics_copy_target_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_mem_t *mem, uint32_t off,
    ngx_http_k8s_metrics_target_t *t)
{
    ngx_str_t                        name;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_shnode_t   *node;
    ngx_http_k8s_metrics_shblock_t  *block;

    node = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_shstr_view_locked(store, node->head.name, &name);

    ngx_memzero(t, sizeof(ngx_http_k8s_metrics_target_t));

    t->ref.offset = off;
    t->ref.birth = node->head.birth;
    /* without the zone's key: who owns a node, and when, outlives the zone */

    t->hash = ngx_murmur_hash2(name.data, name.len);
    t->version = node->version;

    if (node->samples) {
        block = ngx_http_k8s_metrics_store_ptr(store, node->samples);
        t->scraped = (ngx_msec_t) block->scraped;
    }

    t->node.port = node->port;
    t->node.ready = node->head.ready & 1;
    t->node.naddrs = node->naddrs;

    if (ngx_http_k8s_metrics_copy_str_locked(store, mem, node->head.name,
                                             &t->node.name)
        != NGX_OK
        || ngx_http_k8s_metrics_copy_str_locked(store, mem, node->path,
                                                &t->node.path)
           != NGX_OK)
    {
        return NGX_BUSY;
    }

    for (i = 0; i < node->naddrs; i++) {
        t->node.addrs[i].type = node->types[i];

        if (ngx_http_k8s_metrics_copy_str_locked(store, mem, node->addrs[i],
                                                 &t->node.addrs[i].text)
            != NGX_OK)
        {
            return NGX_BUSY;
        }
    }

    return NGX_OK;
}
