
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* how many records are looked at under one hold of the lock */
#define NGX_HTTP_K8S_METRICS_LOOK  128


/* The reader's memory, filled from its start. */
typedef struct {
    u_char      *pos;
    u_char      *end;
} ngx_http_k8s_metrics_mem_t;


static void *ngx_http_k8s_metrics_mem_get(ngx_http_k8s_metrics_mem_t *mem,
    size_t size);
static ngx_int_t ngx_http_k8s_metrics_copy_str_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_str_t *s);
static ngx_int_t ngx_http_k8s_metrics_copy_head_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_record_t *rec, ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_copy_item_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_copy_usages_locked(
    ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shcontainer_t *c, ngx_uint_t n,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_walk_set_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_walk_t *walk,
    uint32_t off);


void
ngx_http_k8s_metrics_store_read(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_walk_t *walk, ngx_http_k8s_metrics_batch_t *batch)
{
    uint32_t                        off, last;
    ngx_int_t                       rc;
    ngx_str_t                       ns;
    ngx_uint_t                      looked;
    const ngx_str_t                *from;
    ngx_http_k8s_metrics_mem_t      mem;
    ngx_http_k8s_metrics_place_t    place;
    ngx_http_k8s_metrics_record_t  *rec;

    batch->n = 0;

    mem.pos = batch->mem;
    mem.end = batch->mem + batch->size;

    from = (walk->name.len || query->ns.len == 0) ? &walk->ns : &query->ns;

    ngx_http_k8s_metrics_store_lock_read(store);

    ngx_http_k8s_metrics_index_seek_locked(store, query->kind, from,
                                           &walk->name, &place);
    last = 0;
    looked = 0;

    while (looked < NGX_HTTP_K8S_METRICS_LOOK && batch->n < batch->max) {

        off = ngx_http_k8s_metrics_index_next_locked(store, query->kind,
                                                     &place);
        if (off == 0) {
            walk->done = 1;
            break;
        }

        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (query->ns.len) {
            ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);

            if (ns.len != query->ns.len
                || ngx_memcmp(ns.data, query->ns.data, ns.len) != 0)
            {
                walk->done = 1;
                break;
            }
        }

        looked++;

        if (last == 0 && walk->name.len) {
            ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &ns);

            if (ns.len == walk->name.len
                && ngx_memcmp(ns.data, walk->name.data, ns.len) == 0)
            {
                ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);

                if (ns.len == walk->ns.len
                    && ngx_memcmp(ns.data, walk->ns.data, ns.len) == 0)
                {
                    last = off;
                    continue;
                }
            }
        }

        rc = ngx_http_k8s_metrics_copy_item_locked(store, query, &mem, off,
                                                   &batch->items[batch->n]);

        if (rc == NGX_OK) {
            batch->n++;

        } else if (rc == NGX_BUSY && batch->n) {

            /* no room behind the others: first of the next batch */

            break;
        }

        last = off;
    }

    if (last) {
        ngx_http_k8s_metrics_walk_set_locked(store, walk, last);
    }

    ngx_http_k8s_metrics_store_unlock(store);
}


static void
ngx_http_k8s_metrics_walk_set_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_walk_t *walk, uint32_t off)
{
    ngx_str_t                       ns, name;
    ngx_http_k8s_metrics_record_t  *rec;

    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);
    ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &name);

    /* Kubernetes' names are shorter; a longer one ends the walk */

    if (ns.len + name.len > sizeof(walk->buf)) {
        walk->done = 1;
        return;
    }

    walk->ns.data = walk->buf;
    walk->ns.len = ns.len;
    walk->name.data = ngx_cpymem(walk->buf, ns.data, ns.len);
    walk->name.len = name.len;
    ngx_memcpy(walk->name.data, name.data, name.len);
}


ngx_int_t
ngx_http_k8s_metrics_store_get(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_batch_t *batch)
{
    uint32_t                    off;
    ngx_int_t                   rc;
    ngx_http_k8s_metrics_mem_t  mem;

    batch->n = 0;

    mem.pos = batch->mem;
    mem.end = batch->mem + batch->size;

    ngx_http_k8s_metrics_store_lock_read(store);

    off = ngx_http_k8s_metrics_record_find_locked(store, query->kind,
                                                  &query->ns, &query->name);
    rc = NGX_ABORT;

    if (off) {
        rc = ngx_http_k8s_metrics_copy_item_locked(store, query, &mem, off,
                                                   &batch->items[0]);
        batch->n = (rc == NGX_OK);
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


/*
 * NGX_OK; NGX_DECLINED when it has no metrics (name and labels are copied);
 * NGX_BUSY when it does not fit.
 */

static ngx_int_t
ngx_http_k8s_metrics_copy_item_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_item_t *item)
{
    u_char                             *start;
    uint32_t                            node_off;
    ngx_int_t                           rc;
    ngx_uint_t                          n;
    ngx_http_k8s_metrics_shnode_t      *node;
    ngx_http_k8s_metrics_shblock_t     *block;
    ngx_http_k8s_metrics_record_t      *rec;
    ngx_http_k8s_metrics_shsample_t    *sample;
    ngx_http_k8s_metrics_shcontainer_t *c;

    start = mem->pos;
    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    if (ngx_http_k8s_metrics_copy_head_locked(store, mem, rec, item)
        != NGX_OK)
    {
        mem->pos = start;
        return NGX_BUSY;
    }

    node_off = off;

    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        node_off = ngx_http_k8s_metrics_node_of_locked(store,
                                ((ngx_http_k8s_metrics_shpod_t *) rec)->node);
        if (node_off == 0) {
            return NGX_DECLINED;
        }
    }

    node = ngx_http_k8s_metrics_store_ptr(store, node_off);

    if (node->samples == 0) {
        return NGX_DECLINED;
    }

    block = ngx_http_k8s_metrics_store_ptr(store, node->samples);

    if ((ngx_msec_t) (query->now - block->scraped) > query->max_age
        && (ngx_msec_int_t) (query->now - block->scraped) > 0)
    {
        return NGX_DECLINED;
    }

    if (query->kind == NGX_HTTP_K8S_METRICS_NODES) {
        c = &block->node;
        n = 1;

    } else {
        sample = ngx_http_k8s_metrics_samples_pod(block, off, rec->birth);

        if (sample == NULL) {
            return NGX_DECLINED;
        }

        c = &ngx_http_k8s_metrics_block_containers(block)[sample->first];
        n = sample->n;
    }

    rc = ngx_http_k8s_metrics_copy_usages_locked(block, c, n, mem, item);

    if (rc == NGX_BUSY) {
        mem->pos = start;
    }

    /* a node whose rate is refused is not there, a pod is, without any */

    if (rc == NGX_OK && item->nusages == 0
        && query->kind == NGX_HTTP_K8S_METRICS_NODES)
    {
        return NGX_DECLINED;
    }

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_copy_head_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_record_t *rec,
    ngx_http_k8s_metrics_item_t *item)
{
    uint32_t    *pairs;
    ngx_uint_t   i;

    ngx_memzero(item, sizeof(ngx_http_k8s_metrics_item_t));

    item->nlabels = rec->nlabels;

    item->labels = ngx_http_k8s_metrics_mem_get(mem,
                       rec->nlabels * sizeof(ngx_http_k8s_metrics_label_t));
    if (item->labels == NULL) {
        return NGX_BUSY;
    }

    if (ngx_http_k8s_metrics_copy_str_locked(store, mem, rec->ns, &item->ns)
        != NGX_OK
        || ngx_http_k8s_metrics_copy_str_locked(store, mem, rec->name,
                                                &item->name)
           != NGX_OK)
    {
        return NGX_BUSY;
    }

    pairs = ngx_http_k8s_metrics_store_ptr(store, rec->labels);

    for (i = 0; i < rec->nlabels; i++) {
        if (ngx_http_k8s_metrics_copy_str_locked(store, mem, pairs[2 * i],
                                                 &item->labels[i].key)
            != NGX_OK
            || ngx_http_k8s_metrics_copy_str_locked(store, mem,
                                                    pairs[2 * i + 1],
                                                    &item->labels[i].value)
               != NGX_OK)
        {
            return NGX_BUSY;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_copy_usages_locked(ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shcontainer_t *c, ngx_uint_t n,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_item_t *item)
{
    int64_t                        window;
    uint64_t                       rate;
    ngx_uint_t                     i;
    ngx_http_k8s_metrics_point_t   last, prev;
    ngx_http_k8s_metrics_usage_t  *u;

    for (i = 0; i < n; i++) {
        if (c[i].prev_timestamp == 0) {
            return NGX_DECLINED;
        }
    }

    item->usages = ngx_http_k8s_metrics_mem_get(mem,
                                   n * sizeof(ngx_http_k8s_metrics_usage_t));
    if (item->usages == NULL) {
        return NGX_BUSY;
    }

    for (i = 0; i < n; i++) {
        last.timestamp = c[i].last.timestamp;
        last.start = c[i].last.start;
        last.cpu = c[i].last.cpu;
        prev.timestamp = c[i].prev_timestamp;
        prev.start = c[i].prev_start;
        prev.cpu = c[i].prev_cpu;

        if (ngx_http_k8s_metrics_points_rate(&last, &prev, &rate, &window)
            != NGX_OK)
        {
            continue;
        }

        if (!item->has_time || last.timestamp < item->timestamp) {
            item->has_time = 1;
            item->timestamp = last.timestamp;
            item->window = window;
        }

        u = &item->usages[item->nusages++];
        u->cpu = rate;
        u->memory = c[i].last.memory;

        u->name.len = c[i].len;
        u->name.data = ngx_http_k8s_metrics_mem_get(mem, c[i].len);

        if (u->name.data == NULL) {
            return NGX_BUSY;
        }

        ngx_memcpy(u->name.data, (u_char *) block + c[i].name, c[i].len);
    }

    return NGX_OK;
}


static void *
ngx_http_k8s_metrics_mem_get(ngx_http_k8s_metrics_mem_t *mem, size_t size)
{
    u_char  *p;

    p = mem->pos;
    size = ngx_align(size, 8);

    if ((size_t) (mem->end - p) < size) {
        return NULL;
    }

    mem->pos = p + size;

    return p;
}


static ngx_int_t
ngx_http_k8s_metrics_copy_str_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_mem_t *mem, uint32_t off, ngx_str_t *s)
{
    u_char     *p;
    ngx_str_t   view;

    ngx_http_k8s_metrics_shstr_view_locked(store, off, &view);

    p = ngx_http_k8s_metrics_mem_get(mem, view.len);
    if (p == NULL) {
        return NGX_BUSY;
    }

    if (view.len) {
        ngx_memcpy(p, view.data, view.len);
    }

    s->len = view.len;
    s->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_store_targets(ngx_http_k8s_metrics_store_t *store,
    ngx_pool_t *pool, ngx_str_t *after, ngx_http_k8s_metrics_target_t *targets,
    ngx_uint_t max)
{
    size_t                          size;
    uint32_t                        off;
    ngx_int_t                       i;
    ngx_str_t                       no_ns, view;
    ngx_uint_t                      n, a;
    ngx_http_k8s_metrics_mem_t      mem, at;
    ngx_http_k8s_metrics_place_t    place;
    ngx_http_k8s_metrics_target_t  *t;
    ngx_http_k8s_metrics_shnode_t  *node;

    /* the longest name, addresses and path; before the lock is taken */

    size = max * 4096;

    mem.pos = ngx_palloc(pool, size);
    if (mem.pos == NULL) {
        return NGX_ERROR;
    }

    mem.end = mem.pos + size;
    ngx_str_null(&no_ns);
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

        node = ngx_http_k8s_metrics_store_ptr(store, off);
        ngx_http_k8s_metrics_shstr_view_locked(store, node->head.name, &view);

        if (view.len == after->len
            && ngx_memcmp(view.data, after->data, view.len) == 0)
        {
            continue;
        }

        t = &targets[n];
        at = mem;

        ngx_memzero(t, sizeof(ngx_http_k8s_metrics_target_t));

        t->ref.offset = off;
        t->ref.birth = node->head.birth;
        t->hash = ngx_http_k8s_metrics_shstr_hash(view.data, view.len);
        t->version = node->version;
        t->node.port = node->port;
        t->node.ready = node->head.ready & 1;
        t->node.naddrs = node->naddrs;

        i = ngx_http_k8s_metrics_copy_str_locked(store, &mem, node->head.name,
                                                 &t->node.name);

        if (i == NGX_OK) {
            i = ngx_http_k8s_metrics_copy_str_locked(store, &mem, node->path,
                                                     &t->node.path);
        }

        for (a = 0; i == NGX_OK && a < node->naddrs; a++) {
            t->node.addrs[a].type = node->types[a];
            i = ngx_http_k8s_metrics_copy_str_locked(store, &mem,
                                                     node->addrs[a],
                                                     &t->node.addrs[a].text);
        }

        if (i != NGX_OK) {

            /*
             * An average node is far smaller; one that alone is larger than
             * all this memory cannot be: strings are bounded.
             */

            mem = at;
            break;
        }

        n++;
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return (ngx_int_t) n;
}
