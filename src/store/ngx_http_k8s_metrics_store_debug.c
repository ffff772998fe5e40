
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"
#include "ngx_http_k8s_metrics_store_debug.h"


static ngx_int_t ngx_http_k8s_metrics_debug_node_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_debug_node_t *node);
static ngx_http_k8s_metrics_why_e ngx_http_k8s_metrics_explain_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_explained_t *e);
static ngx_http_k8s_metrics_why_e ngx_http_k8s_metrics_explain_samples_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, uint32_t pod,
    ngx_http_k8s_metrics_shnode_t *node, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_explained_t *e);
static ngx_http_k8s_metrics_why_e ngx_http_k8s_metrics_explain_points(
    ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shcontainer_t *c, ngx_uint_t n,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_explained_t *e);


ngx_uint_t
ngx_http_k8s_metrics_store_debug_nodes(ngx_http_k8s_metrics_store_t *store,
    const ngx_str_t *after, u_char *mem, size_t size,
    ngx_http_k8s_metrics_debug_node_t *nodes, ngx_uint_t max)
{
    uint32_t                        off;
    ngx_str_t                       no_ns;
    ngx_uint_t                      n;
    ngx_http_k8s_metrics_mem_t      m;
    ngx_http_k8s_metrics_place_t    place;
    ngx_http_k8s_metrics_record_t  *rec;

    ngx_str_null(&no_ns);

    m.pos = mem;
    m.end = mem + size;
    n = 0;

    ngx_http_k8s_metrics_store_lock_read(store);

    ngx_http_k8s_metrics_index_seek_locked(store, NGX_HTTP_K8S_METRICS_NODES,
                                           &no_ns, after, &place);
    while (n < max) {
        off = ngx_http_k8s_metrics_index_next_locked(store,
                                          NGX_HTTP_K8S_METRICS_NODES, &place);
        if (off == 0) {
            break;
        }

        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (ngx_http_k8s_metrics_shstr_same_locked(store, rec->name, after)) {
            continue;
        }

        if (ngx_http_k8s_metrics_debug_node_locked(store, &m, off, &nodes[n])
            != NGX_OK)
        {
            break;
        }

        n++;
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return n;
}


static ngx_int_t
ngx_http_k8s_metrics_debug_node_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_mem_t *mem, uint32_t off,
    ngx_http_k8s_metrics_debug_node_t *node)
{
    ngx_http_k8s_metrics_shnode_t     *n;
    ngx_http_k8s_metrics_shblock_t    *block;
    ngx_http_k8s_metrics_shrequest_t  *r;

    n = ngx_http_k8s_metrics_store_ptr(store, off);
    r = &n->request;

    ngx_memzero(node, sizeof(ngx_http_k8s_metrics_debug_node_t));

    node->port = r->port;
    node->asked = (r->worker != 0);
    node->worker = r->worker ? r->worker - 1 : 0;
    node->ready = n->head.ready & 1;
    node->result = r->result;
    node->success = r->success;
    node->failure = r->failure;
    node->next = r->next;
    node->ended = r->ended;
    node->failures = r->failures;
    node->sum = r->sum;
    ngx_memcpy(node->buckets, r->buckets, sizeof(node->buckets));

    if (n->samples) {
        block = ngx_http_k8s_metrics_store_ptr(store, n->samples);

        node->has_samples = 1;
        node->scraped = block->scraped;
        node->reported = block->npods;
        node->served = block->served;
        node->missing = block->missing;
    }

    if (ngx_http_k8s_metrics_copy_str_locked(store, mem, n->head.name,
                                             &node->name)
        != NGX_OK
        || ngx_http_k8s_metrics_copy_str_locked(store, mem, r->address,
                                                &node->address)
           != NGX_OK
        || ngx_http_k8s_metrics_copy_str_locked(store, mem, r->path,
                                                &node->path)
           != NGX_OK
        || ngx_http_k8s_metrics_copy_str_locked(store, mem, n->reason,
                                                &node->reason)
           != NGX_OK)
    {
        return NGX_BUSY;
    }

    return NGX_OK;
}


void
ngx_http_k8s_metrics_store_explain(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, u_char *mem,
    ngx_http_k8s_metrics_explained_t *explained)
{
    ngx_http_k8s_metrics_mem_t  m;

    m.pos = mem;
    m.end = mem + NGX_HTTP_K8S_METRICS_DEBUG_MEM;

    ngx_memzero(explained, sizeof(ngx_http_k8s_metrics_explained_t));

    ngx_http_k8s_metrics_store_lock_read(store);

    explained->why = ngx_http_k8s_metrics_explain_locked(store, query, &m,
                                                         explained);
    ngx_http_k8s_metrics_store_unlock(store);
}


static ngx_http_k8s_metrics_why_e
ngx_http_k8s_metrics_explain_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_explained_t *e)
{
    uint32_t                         off, pod;
    ngx_http_k8s_metrics_shpod_t    *p;
    ngx_http_k8s_metrics_shnode_t   *node;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    e->left_out = content->missing[query->kind];

    off = ngx_http_k8s_metrics_record_find_locked(store, query->kind,
                                                  &query->ns, &query->name);
    if (off == 0) {
        return content->complete[query->kind]
               ? NGX_HTTP_K8S_METRICS_WHY_UNKNOWN
               : NGX_HTTP_K8S_METRICS_WHY_NOT_LISTED;
    }

    pod = 0;

    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        pod = off;
        p = ngx_http_k8s_metrics_store_ptr(store, pod);

        (void) ngx_http_k8s_metrics_copy_str_locked(store, mem, p->node,
                                                    &e->node_name);

        off = ngx_http_k8s_metrics_node_of_locked(store, p->node);

        if (off == 0) {
            return content->complete[NGX_HTTP_K8S_METRICS_NODES]
                   ? NGX_HTTP_K8S_METRICS_WHY_NO_NODE
                   : NGX_HTTP_K8S_METRICS_WHY_NOT_LISTED;
        }
    }

    (void) ngx_http_k8s_metrics_debug_node_locked(store, mem, off, &e->node);

    e->has_node = 1;
    node = ngx_http_k8s_metrics_store_ptr(store, off);

    if (node->samples) {
        return ngx_http_k8s_metrics_explain_samples_locked(store, query, pod,
                                                           node, mem, e);
    }

    return node->failed ? NGX_HTTP_K8S_METRICS_WHY_FAILED
                        : NGX_HTTP_K8S_METRICS_WHY_NOT_SCRAPED;
}


/* The order is that of reading: what would hide it first is said first. */

static ngx_http_k8s_metrics_why_e
ngx_http_k8s_metrics_explain_samples_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, uint32_t pod,
    ngx_http_k8s_metrics_shnode_t *node, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_explained_t *e)
{
    ngx_msec_int_t                    age;
    ngx_http_k8s_metrics_why_e        why;
    ngx_http_k8s_metrics_shpod_t     *p;
    ngx_http_k8s_metrics_shblock_t   *block;
    ngx_http_k8s_metrics_shsample_t  *sample;

    block = ngx_http_k8s_metrics_store_ptr(store, node->samples);

    age = (ngx_msec_int_t) (query->now - (ngx_msec_t) block->scraped);

    if (query->max_age == 0 && node->failed) {
        return NGX_HTTP_K8S_METRICS_WHY_FAILED;
    }

    if (pod == 0) {
        e->missing = block->missing;

        why = (block->node.last.timestamp == 0)
              ? (block->missing ? NGX_HTTP_K8S_METRICS_WHY_INCOMPLETE
                                : NGX_HTTP_K8S_METRICS_WHY_NOT_REPORTED)
              : ngx_http_k8s_metrics_explain_points(block, &block->node, 1,
                                                    mem, e);
    } else {
        p = ngx_http_k8s_metrics_store_ptr(store, pod);
        sample = ngx_http_k8s_metrics_samples_pod(block, pod, p->head.birth);

        if (sample == NULL) {
            why = NGX_HTTP_K8S_METRICS_WHY_NOT_REPORTED;

        } else if (sample->n == 0) {
            e->missing = sample->first;
            why = NGX_HTTP_K8S_METRICS_WHY_INCOMPLETE;

        } else {
            why = ngx_http_k8s_metrics_explain_points(block,
                          &ngx_http_k8s_metrics_block_containers(block)
                                                              [sample->first],
                          sample->n, mem, e);
        }
    }

    if (query->max_age && age > (ngx_msec_int_t) query->max_age) {
        return NGX_HTTP_K8S_METRICS_WHY_TOO_OLD;
    }

    return why;
}


static ngx_http_k8s_metrics_why_e
ngx_http_k8s_metrics_explain_points(ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shcontainer_t *c, ngx_uint_t n,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_explained_t *e)
{
    int64_t                       window;
    uint64_t                      rate;
    ngx_uint_t                    i, rates;

    rates = 0;
    e->containers = n;

    for (i = 0; i < n; i++) {

        if (c[i].prev_timestamp == 0) {

            if (e->since == 0) {
                e->since = c[i].last.timestamp;

                if (c[i].len <= (size_t) (mem->end - mem->pos)) {
                    e->container.data = mem->pos;
                    e->container.len = c[i].len;
                    mem->pos = ngx_cpymem(mem->pos,
                                          (u_char *) block + c[i].name,
                                          c[i].len);
                }
            }

            continue;
        }

        e->points++;

        if (ngx_http_k8s_metrics_samples_rate(&c[i], &rate, &window)
            != NGX_OK)
        {
            continue;
        }

        if (rates++ == 0 || c[i].last.timestamp < e->timestamp) {
            e->timestamp = c[i].last.timestamp;
            e->window = window;
        }
    }

    if (e->points < n) {
        return NGX_HTTP_K8S_METRICS_WHY_ONE_POINT;
    }

    return rates ? NGX_HTTP_K8S_METRICS_WHY_FINE
                 : NGX_HTTP_K8S_METRICS_WHY_REFUSED;
}
