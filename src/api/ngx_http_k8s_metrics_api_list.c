
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/* a list gives way to scrapes after so much, bytes or ms */
#define NGX_HTTP_K8S_METRICS_YIELD_BYTES  (256 * 1024)
#define NGX_HTTP_K8S_METRICS_YIELD_TIME   2


static ngx_int_t ngx_http_k8s_metrics_list_memory(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_list_rewind(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_list_measure(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_piece(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_step(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_list_grow(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_list_write(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_list_output(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_list_wait(ngx_http_request_t *r);


ngx_int_t
ngx_http_k8s_metrics_list_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    if (ngx_http_k8s_metrics_list_memory(r, list) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_metrics_answer_content_type(r, list->form->media);

    /* a short list goes out in one piece, with its length */

    list->whole = 1;

    rc = ngx_http_k8s_metrics_list_piece(list);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (list->ended) {
        body.data = list->out.start;
        body.len = ngx_http_k8s_metrics_out_len(&list->out);

        return ngx_http_k8s_metrics_answer_send(r, NGX_HTTP_OK, &body);
    }

    list->whole = 0;

    if (list->form->bound) {
        ngx_http_k8s_metrics_list_rewind(list);
        ngx_http_k8s_metrics_list_measure(list);
        ngx_http_k8s_metrics_list_rewind(list);

        if (ngx_http_k8s_metrics_list_piece(list) == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = NGX_HTTP_OK;

    if (list->total) {
        r->headers_out.content_length_n = list->total;

    } else {
        ngx_http_clear_content_length(r);
    }

    if (ngx_http_k8s_metrics_answer_add_header(r, "Cache-Control",
                                               "no-cache, private")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    ngx_http_set_ctx(r, list, ngx_http_k8s_metrics_module);

    r->write_event_handler = ngx_http_k8s_metrics_list_write;
    r->main->count++;

    ngx_http_k8s_metrics_list_write(r);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_k8s_metrics_list_memory(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    list->batch.max = NGX_HTTP_K8S_METRICS_BATCH_ITEMS;
    list->batch.size = NGX_HTTP_K8S_METRICS_BATCH_MEM;

    list->batch.items = ngx_palloc(r->pool,
                                   NGX_HTTP_K8S_METRICS_BATCH_ITEMS
                                   * sizeof(ngx_http_k8s_metrics_item_t));
    if (list->batch.items == NULL) {
        return NGX_ERROR;
    }

    list->batch.mem = ngx_palloc(r->pool, NGX_HTTP_K8S_METRICS_BATCH_MEM);
    if (list->batch.mem == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_out_create(&list->out, r->pool,
                                        NGX_HTTP_K8S_METRICS_PIECE,
                                        NGX_HTTP_K8S_METRICS_PIECE)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_json_init(&list->json, &list->out, list->pretty);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_list_rewind(ngx_http_k8s_metrics_list_t *list)
{
    ngx_memzero(&list->walk, sizeof(ngx_http_k8s_metrics_walk_t));

    list->batch.n = 0;
    list->next = 0;
    list->begun = 0;
    list->ended = 0;

    list->out.last = list->out.start;
    list->out.overflow = 0;
}


const ngx_http_k8s_metrics_item_t *
ngx_http_k8s_metrics_list_next(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_item_t   *item;
    ngx_http_k8s_metrics_label_t   fields[2];

    for ( ;; ) {

        while (list->next == list->batch.n) {

            if (list->walk.done) {
                return NULL;
            }

            list->next = 0;
            ngx_http_k8s_metrics_store_read(list->store, &list->query,
                                            &list->walk, &list->batch);
        }

        item = &list->batch.items[list->next++];

        if (list->labels->nelts
            && !ngx_http_k8s_metrics_selector_match(list->labels,
                                                    item->labels,
                                                    item->nlabels))
        {
            continue;
        }

        if (list->fields->nelts) {
            ngx_str_set(&fields[0].key, "metadata.name");
            fields[0].value = item->name;
            ngx_str_set(&fields[1].key, "metadata.namespace");
            fields[1].value = item->ns;

            if (!ngx_http_k8s_metrics_selector_match(list->fields, fields, 2))
            {
                continue;
            }
        }

        return item;
    }
}


/* Sums what the items will take: their length is sent first. */

static void
ngx_http_k8s_metrics_list_measure(ngx_http_k8s_metrics_list_t *list)
{
    const ngx_http_k8s_metrics_item_t  *item;

    list->total = 0;

    while ((item = ngx_http_k8s_metrics_list_next(list)) != NULL) {
        list->total += list->form->bound(list, item);
    }
}


/*
 * Fills the piece.  NGX_OK, or NGX_ERROR without memory (or for an item past
 * any bound).  list->ended is set when nothing follows it.
 */

static ngx_int_t
ngx_http_k8s_metrics_list_piece(ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t                           rc;
    const ngx_http_k8s_metrics_item_t  *item;

    list->out.last = list->out.start;
    list->out.overflow = 0;

    if (!list->begun) {
        list->form->begin(list);
        list->begun = 1;
    }

    for ( ;; ) {
        item = ngx_http_k8s_metrics_list_next(list);

        rc = ngx_http_k8s_metrics_list_step(list, item);

        if (rc == NGX_AGAIN) {

            /* it opens the next piece */

            if (item) {
                list->next--;
            }

            return NGX_OK;
        }

        if (rc != NGX_OK || item == NULL) {
            return rc;
        }
    }
}


/* One item, or the end; NGX_AGAIN when the piece has no room for it. */

static ngx_int_t
ngx_http_k8s_metrics_list_step(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                       mark;
    ngx_int_t                    rc;
    ngx_http_k8s_metrics_json_t  json;

    for ( ;; ) {
        mark = ngx_http_k8s_metrics_out_len(&list->out);
        json = list->json;
        rc = NGX_OK;

        if (item) {
            list->form->item(list, item);

        } else {
            rc = list->form->end(list);
        }

        if (!list->out.overflow) {
            list->ended = (item == NULL && rc == NGX_OK);
            return rc;
        }

        list->out.last = list->out.start + mark;
        list->out.overflow = 0;
        list->json = json;

        if (mark) {
            return NGX_AGAIN;
        }

        if (ngx_http_k8s_metrics_list_grow(list) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


/* An item larger than a piece: a larger piece from here on. */

static ngx_int_t
ngx_http_k8s_metrics_list_grow(ngx_http_k8s_metrics_list_t *list)
{
    size_t               size;
    ngx_http_request_t  *r;

    r = list->request;
    size = 2 * (list->out.end - list->out.start);

    if (size > NGX_HTTP_K8S_METRICS_PIECE_MAX) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "k8s_metrics: an object is too large to be listed");
        return NGX_ERROR;
    }

    if (ngx_pfree(r->pool, list->out.start) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_out_create(&list->out, r->pool, size, size);
}


static void
ngx_http_k8s_metrics_list_write(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_event_t                  *wev;
    ngx_connection_t             *c;
    ngx_http_k8s_metrics_list_t  *list;

    c = r->connection;
    wev = c->write;

    list = ngx_http_get_module_ctx(r, ngx_http_k8s_metrics_module);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed || r->aio) {
        ngx_http_k8s_metrics_list_wait(r);
        return;
    }

    list->sent = 0;
    list->since = ngx_current_msec;

    for ( ;; ) {

        rc = ngx_http_k8s_metrics_list_output(r, list);

        if (rc == NGX_ERROR || list->ended) {

            /* what is still buffered is finalize's to wait for */

            ngx_http_finalize_request(r, rc);
            return;
        }

        if (list->busy) {
            ngx_http_k8s_metrics_list_wait(r);
            return;
        }

        ngx_time_update();

        if (list->sent >= NGX_HTTP_K8S_METRICS_YIELD_BYTES
            || ngx_current_msec - list->since
               >= NGX_HTTP_K8S_METRICS_YIELD_TIME)
        {
            /* armed: at QUIT a worker without timers leaves */

            ngx_http_k8s_metrics_list_wait(r);
            ngx_post_event(wev, &ngx_posted_next_events);
            return;
        }
    }
}


/* Drains what is under way, or sends the next piece. */

static ngx_int_t
ngx_http_k8s_metrics_list_output(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t          rc;
    ngx_buf_t         *b;
    ngx_chain_t       *cl, *out;
    ngx_connection_t  *c;

    c = r->connection;
    out = NULL;

    if (list->busy) {
        rc = ngx_http_output_filter(r, NULL);

        if (rc != NGX_ERROR) {
            ngx_chain_update_chains(r->pool, &list->free, &list->busy, &out,
                                (ngx_buf_tag_t) &ngx_http_k8s_metrics_module);
        }

        return rc;
    }

    /* the first piece was made before the header was sent */

    if (ngx_http_k8s_metrics_out_len(&list->out) == 0
        && ngx_http_k8s_metrics_list_piece(list) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cl = ngx_chain_get_free_buf(r->pool, &list->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = list->out.start;
    b->pos = list->out.start;
    b->last = list->out.last;
    b->end = list->out.end;
    b->temporary = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_k8s_metrics_module;
    b->flush = !list->ended;
    b->last_buf = list->ended;
    b->last_in_chain = list->ended;

    list->sent += b->last - b->pos;
    list->out.last = list->out.start;

    out = cl;

    rc = ngx_http_output_filter(r, out);

    if (rc == NGX_ERROR || list->ended) {
        return rc;
    }

    ngx_chain_update_chains(r->pool, &list->free, &list->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_k8s_metrics_module);

    /*
     * The end of a chunk comes after the buffer that flushes: where the TLS
     * buffer is full by then it stays in it, and no event would come.
     */

    if (list->busy == NULL && (c->buffered & NGX_SSL_BUFFERED)
        && c->write->ready && !c->write->delayed)
    {
        rc = ngx_http_output_filter(r, NULL);
    }

    return rc;
}


static void
ngx_http_k8s_metrics_list_wait(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}
