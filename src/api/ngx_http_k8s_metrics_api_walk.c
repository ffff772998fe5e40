
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/* a list gives way to scrapes after so much, bytes and microseconds */
#define NGX_HTTP_K8S_METRICS_TURN_BYTES  (256 * 1024)
#define NGX_HTTP_K8S_METRICS_TURN_TIME   2000


static ngx_int_t ngx_http_k8s_metrics_list_read(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_fetch(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_alloc(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_list_free(ngx_http_k8s_metrics_list_t *list);
static ngx_uint_t ngx_http_k8s_metrics_list_selected(
    const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static uint64_t ngx_http_k8s_metrics_list_clock(void);


ngx_int_t
ngx_http_k8s_metrics_list_next(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item)
{
    for ( ;; ) {

        while (list->next < list->batch.n) {
            *item = &list->batch.items[list->next++];

            if (ngx_http_k8s_metrics_list_selected(list, *item)) {
                return NGX_OK;
            }
        }

        if (list->walk.done) {
            return NGX_DONE;
        }

        if (ngx_http_k8s_metrics_list_spent(list)) {
            return NGX_AGAIN;
        }

        if (ngx_http_k8s_metrics_list_read(list) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


/*
 * What does not fit the usual block is read into a larger one, and the next
 * into the usual one again; what no block holds is left out.
 */

static ngx_int_t
ngx_http_k8s_metrics_list_read(ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t                      rc;
    ngx_http_k8s_metrics_batch_t  *batch;

    batch = &list->batch;
    list->next = 0;

    if (batch->mem && batch->size > NGX_HTTP_K8S_METRICS_BATCH_MEM) {
        ngx_http_k8s_metrics_list_free(list);
    }

    if (batch->mem == NULL) {
        batch->size = NGX_HTTP_K8S_METRICS_BATCH_MEM;
    }

    for ( ;; ) {

        if (batch->mem == NULL
            && ngx_http_k8s_metrics_list_alloc(list) != NGX_OK)
        {
            return NGX_ERROR;
        }

        rc = ngx_http_k8s_metrics_list_fetch(list);

        if (rc != NGX_BUSY) {
            return NGX_OK;
        }

        batch->n = 0;

        ngx_http_k8s_metrics_list_free(list);

        if (batch->size < NGX_HTTP_K8S_METRICS_BATCH_MAX) {
            batch->size *= 8;
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, list->request->connection->log, 0,
                      "k8s_metrics: what follows \"%V\" in a list is too large "
                      "and left out", &list->walk.name);

        batch->size = NGX_HTTP_K8S_METRICS_BATCH_MEM;
        batch->skip = 1;
    }
}


static ngx_int_t
ngx_http_k8s_metrics_list_fetch(ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t                      rc;
    ngx_http_k8s_metrics_batch_t  *batch;

    batch = &list->batch;

    if (list->query.name.len == 0) {
        return ngx_http_k8s_metrics_store_read(list->store, &list->query,
                                               &list->walk, batch);
    }

    list->walk.done = 1;

    rc = ngx_http_k8s_metrics_store_get(list->store, &list->query, batch);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    batch->n = 0;

    return (rc == NGX_BUSY && !batch->skip) ? NGX_BUSY : NGX_DECLINED;
}


/* One block of batch->size and the items, so that it is given back as one. */

static ngx_int_t
ngx_http_k8s_metrics_list_alloc(ngx_http_k8s_metrics_list_t *list)
{
    size_t                         items;
    ngx_http_k8s_metrics_batch_t  *batch;

    batch = &list->batch;
    items = NGX_HTTP_K8S_METRICS_BATCH_ITEMS
            * sizeof(ngx_http_k8s_metrics_item_t);

    batch->items = ngx_palloc(list->request->pool, items + batch->size);
    if (batch->items == NULL) {
        return NGX_ERROR;
    }

    batch->mem = (u_char *) batch->items + items;
    batch->max = NGX_HTTP_K8S_METRICS_BATCH_ITEMS;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_list_free(ngx_http_k8s_metrics_list_t *list)
{
    list->batch.n = 0;
    list->batch.mem = NULL;

    (void) ngx_pfree(list->request->pool, list->batch.items);
}


static ngx_uint_t
ngx_http_k8s_metrics_list_selected(const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_label_t  fields[2];

    if (list->labels->nelts
        && !ngx_http_k8s_metrics_selector_match(list->labels, item->labels,
                                                item->nlabels))
    {
        return 0;
    }

    if (list->fields->nelts == 0) {
        return 1;
    }

    /* a node has an empty namespace, which is what an absent field equals */

    ngx_str_set(&fields[0].key, "metadata.name");
    fields[0].value = item->name;
    ngx_str_set(&fields[1].key, "metadata.namespace");
    fields[1].value = item->ns;

    return ngx_http_k8s_metrics_selector_match(list->fields, fields, 2);
}


void
ngx_http_k8s_metrics_list_rewind(ngx_http_k8s_metrics_list_t *list)
{
    ngx_memzero(&list->walk, sizeof(ngx_http_k8s_metrics_walk_t));

    list->batch.n = 0;
    list->next = 0;
    list->begun = 0;

    list->out.last = list->out.start;
    list->out.overflow = 0;
}


void
ngx_http_k8s_metrics_list_release(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_walk_t        *walk;
    const ngx_http_k8s_metrics_item_t  *item;

    if (list->batch.mem == NULL) {
        return;
    }

    if (list->next < list->batch.n) {

        if (list->next == 0) {
            return;
        }

        /* what is not rendered yet will be read again */

        walk = &list->walk;
        item = &list->batch.items[list->next - 1];

        if (item->ns.len + item->name.len > sizeof(walk->buf)) {
            return;
        }

        walk->done = 0;
        walk->ns.len = item->ns.len;
        walk->ns.data = walk->buf;
        walk->name.len = item->name.len;
        walk->name.data = ngx_cpymem(walk->buf, item->ns.data, item->ns.len);
        ngx_memcpy(walk->name.data, item->name.data, item->name.len);
    }

    list->next = 0;

    ngx_http_k8s_metrics_list_free(list);
}


void
ngx_http_k8s_metrics_list_turn(ngx_http_k8s_metrics_list_t *list)
{
    list->sent = 0;
    list->since = ngx_http_k8s_metrics_list_clock();
    list->wall = ngx_http_k8s_metrics_list_wall();
}


ngx_uint_t
ngx_http_k8s_metrics_list_spent(ngx_http_k8s_metrics_list_t *list)
{
    return list->sent >= NGX_HTTP_K8S_METRICS_TURN_BYTES
           || ngx_http_k8s_metrics_list_clock() - list->since
              >= NGX_HTTP_K8S_METRICS_TURN_TIME;
}


int64_t
ngx_http_k8s_metrics_list_wall(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* nginx's own time stands still during a turn. */

static uint64_t
ngx_http_k8s_metrics_list_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
