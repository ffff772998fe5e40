
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* how many records are looked at under one hold of the lock */
#define NGX_HTTP_K8S_METRICS_LOOK  128


/* A record's readings, in the zone: two points in each. */
typedef struct {
    ngx_http_k8s_metrics_shblock_t      *block;
    ngx_http_k8s_metrics_shcontainer_t  *containers;
    ngx_uint_t                           n;
} ngx_http_k8s_metrics_readings_t;


static ngx_uint_t ngx_http_k8s_metrics_is_at_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_record_t *rec,
    const ngx_str_t *ns, const ngx_str_t *name);
static void *ngx_http_k8s_metrics_mem_get(ngx_http_k8s_metrics_mem_t *mem,
    size_t size);
static ngx_int_t ngx_http_k8s_metrics_readings_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, uint32_t off,
    ngx_http_k8s_metrics_readings_t *r);
static ngx_int_t ngx_http_k8s_metrics_copy_item_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_copy_head_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_record_t *rec, ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_copy_usages_locked(
    ngx_http_k8s_metrics_readings_t *r, ngx_http_k8s_metrics_mem_t *mem,
    ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_walk_set_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_walk_t *walk,
    uint32_t off);


ngx_int_t
ngx_http_k8s_metrics_store_read(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_walk_t *walk, ngx_http_k8s_metrics_batch_t *batch)
{
    uint32_t                        off, last, only;
    ngx_int_t                       rc;
    ngx_uint_t                      looked, busy;
    const ngx_str_t                *from;
    ngx_http_k8s_metrics_mem_t      mem;
    ngx_http_k8s_metrics_place_t    place;
    ngx_http_k8s_metrics_record_t  *rec;

    batch->n = 0;

    mem.pos = batch->mem;
    mem.end = batch->mem + batch->size;

    from = (walk->name.len || query->ns.len == 0) ? &walk->ns : &query->ns;

    ngx_http_k8s_metrics_store_lock_read(store);

    /* a name is kept once: 0 when nothing has it */

    only = query->name.len
           ? ngx_http_k8s_metrics_shstr_find_locked(store, &query->name) : 0;

    ngx_http_k8s_metrics_index_seek_locked(store, query->kind, from,
                                           &walk->name, &place);
    last = 0;
    looked = 0;
    busy = 0;

    while (looked < NGX_HTTP_K8S_METRICS_LOOK && batch->n < batch->max) {

        off = ngx_http_k8s_metrics_index_next_locked(store, query->kind,
                                                     &place);
        if (off == 0) {
            walk->done = 1;
            break;
        }

        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (query->ns.len
            && !ngx_http_k8s_metrics_shstr_same_locked(store, rec->ns,
                                                       &query->ns))
        {
            walk->done = 1;
            break;
        }

        if ((query->name.len && rec->name != only)
            || (looked == 0 && walk->name.len
                && ngx_http_k8s_metrics_is_at_locked(store, rec, &walk->ns,
                                                     &walk->name)))
        {
            looked++;
            last = off;
            continue;
        }

        looked++;

        rc = ngx_http_k8s_metrics_copy_item_locked(store, query, &mem, off,
                                                   &batch->items[batch->n]);

        if (rc == NGX_OK) {
            batch->n++;

        } else if (rc == NGX_BUSY && (batch->n || !batch->skip)) {

            /* no room behind the others: first of the next batch */

            busy = (batch->n == 0);
            break;
        }

        last = off;
    }

    if (last) {
        ngx_http_k8s_metrics_walk_set_locked(store, walk, last);
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return busy ? NGX_BUSY : NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_is_at_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_record_t *rec, const ngx_str_t *ns,
    const ngx_str_t *name)
{
    return ngx_http_k8s_metrics_shstr_same_locked(store, rec->name, name)
           && ngx_http_k8s_metrics_shstr_same_locked(store, rec->ns, ns);
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

    /* together they are never longer than that: no such record is made */

    walk->ns.data = walk->buf;
    walk->ns.len = ns.len;

    if (ns.len) {
        ngx_memcpy(walk->ns.data, ns.data, ns.len);
    }

    walk->name.data = walk->buf + ns.len;
    walk->name.len = name.len;
    ngx_memcpy(walk->name.data, name.data, name.len);
}


ngx_int_t
ngx_http_k8s_metrics_store_get(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_batch_t *batch)
{
    uint32_t                        off;
    ngx_int_t                       rc;
    ngx_http_k8s_metrics_mem_t      mem;
    ngx_http_k8s_metrics_record_t  *rec;

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

    if (rc == NGX_DECLINED) {
        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (ngx_http_k8s_metrics_copy_head_locked(store, &mem, rec,
                                                  &batch->items[0])
            != NGX_OK)
        {
            rc = NGX_BUSY;
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);

    if (rc == NGX_BUSY) {
        ngx_memzero(&batch->items[0], sizeof(ngx_http_k8s_metrics_item_t));
    }

    return rc;
}


/*
 * NGX_OK; NGX_DECLINED when it has no metrics; NGX_BUSY when it does not fit.
 * Nothing of the memory is taken but for NGX_OK.
 */

static ngx_int_t
ngx_http_k8s_metrics_copy_item_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_http_k8s_metrics_item_t *item)
{
    u_char                           *start;
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_record_t    *rec;
    ngx_http_k8s_metrics_readings_t   readings;

    rc = ngx_http_k8s_metrics_readings_locked(store, query, off, &readings);

    if (rc != NGX_OK) {
        return rc;
    }

    start = mem->pos;
    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    rc = ngx_http_k8s_metrics_copy_head_locked(store, mem, rec, item);

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_metrics_copy_usages_locked(&readings, mem, item);
    }

    /* a node whose rate is refused is not there, a pod is, without any */

    if (rc == NGX_OK && item->nusages == 0
        && query->kind == NGX_HTTP_K8S_METRICS_NODES)
    {
        rc = NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        mem->pos = start;
    }

    return rc;
}


/* NGX_OK, or NGX_DECLINED: none, too old, or a container has one point only. */

static ngx_int_t
ngx_http_k8s_metrics_readings_locked(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, uint32_t off,
    ngx_http_k8s_metrics_readings_t *r)
{
    ngx_uint_t                        i;
    ngx_msec_int_t                    age;
    ngx_http_k8s_metrics_shpod_t     *pod;
    ngx_http_k8s_metrics_shnode_t    *node;
    ngx_http_k8s_metrics_shblock_t   *block;
    ngx_http_k8s_metrics_shsample_t  *sample;

    pod = NULL;

    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        pod = ngx_http_k8s_metrics_store_ptr(store, off);

        off = ngx_http_k8s_metrics_node_of_locked(store, pod->node);
        if (off == 0) {
            return NGX_DECLINED;
        }
    }

    node = ngx_http_k8s_metrics_store_ptr(store, off);

    if (node->samples == 0) {
        return NGX_DECLINED;
    }

    block = ngx_http_k8s_metrics_store_ptr(store, node->samples);

    age = (ngx_msec_int_t) (query->now - (ngx_msec_t) block->scraped);

    if (query->max_age ? age > (ngx_msec_int_t) query->max_age
                       : node->failed)
    {
        return NGX_DECLINED;
    }

    r->block = block;
    r->containers = &block->node;
    r->n = 1;

    if (pod) {
        sample = ngx_http_k8s_metrics_samples_pod(block,
                                 (uint32_t) (((u_char *) pod - store->base)
                                             / NGX_HTTP_K8S_METRICS_GRANULE),
                                 pod->head.birth);
        if (sample == NULL || sample->n == 0) {
            return NGX_DECLINED;
        }

        r->containers = &ngx_http_k8s_metrics_block_containers(block)
                                                              [sample->first];
        r->n = sample->n;
    }

    for (i = 0; i < r->n; i++) {
        if (r->containers[i].prev_timestamp == 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
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
ngx_http_k8s_metrics_copy_usages_locked(ngx_http_k8s_metrics_readings_t *r,
    ngx_http_k8s_metrics_mem_t *mem, ngx_http_k8s_metrics_item_t *item)
{
    int64_t                              window;
    uint64_t                             rate;
    ngx_uint_t                           i, n;
    ngx_http_k8s_metrics_usage_t        *u;
    ngx_http_k8s_metrics_shcontainer_t  *c;

    c = r->containers;
    n = r->n;

    item->usages = ngx_http_k8s_metrics_mem_get(mem,
                                   n * sizeof(ngx_http_k8s_metrics_usage_t));
    if (item->usages == NULL) {
        return NGX_BUSY;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_k8s_metrics_samples_rate(&c[i], &rate, &window)
            != NGX_OK)
        {
            continue;
        }

        if (!item->has_time || c[i].last.timestamp < item->timestamp) {
            item->has_time = 1;
            item->timestamp = c[i].last.timestamp;
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

        ngx_memcpy(u->name.data, (u_char *) r->block + c[i].name, c[i].len);
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


ngx_int_t
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
