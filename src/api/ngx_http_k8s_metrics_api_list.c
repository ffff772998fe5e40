
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/*
 * A list is rendered into one buffer, a piece at a time: the next piece when
 * the last one has left.  A turn of the worker ends after so many bytes or so
 * much time, and the rest follows in the next round of the event loop.
 */


static void ngx_http_k8s_metrics_list_write(ngx_http_request_t *r);
static void ngx_http_k8s_metrics_list_run(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_prepare(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_measure(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_header(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_piece(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_list_output(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_list_drain(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list, ngx_chain_t *out);
static void ngx_http_k8s_metrics_list_wait(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list, ngx_uint_t yield);


ngx_int_t
ngx_http_k8s_metrics_list_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t  rc;

    list->request = r;
    list->now = ngx_time();

    if (ngx_http_k8s_metrics_out_create(&list->out, r->pool,
                                        NGX_HTTP_K8S_METRICS_PIECE,
                                        NGX_HTTP_K8S_METRICS_PIECE)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    list->buf = ngx_calloc_buf(r->pool);
    if (list->buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_set_ctx(r, list, ngx_http_k8s_metrics_module);

    r->write_event_handler = ngx_http_k8s_metrics_list_write;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->main->count++;

    ngx_http_k8s_metrics_list_turn(list);
    ngx_http_k8s_metrics_list_run(r, list);

    return NGX_DONE;
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

    if (list == NULL) {

        /* a filter answered in our place */

        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed || r->aio) {
        ngx_http_k8s_metrics_list_wait(r, list, 0);
        return;
    }

    if (wev->posted) {
        ngx_delete_posted_event(wev);
    }

    if (list->buf->pos != list->buf->last || c->buffered) {

        rc = ngx_http_k8s_metrics_list_drain(r, list, NULL);

        if (rc == NGX_ERROR) {
            ngx_http_finalize_request(r, rc);
            return;
        }

        if (rc == NGX_AGAIN) {
            ngx_http_k8s_metrics_list_wait(r, list, 0);
            return;
        }
    }

    ngx_http_k8s_metrics_list_turn(list);
    ngx_http_k8s_metrics_list_run(r, list);
}


static void
ngx_http_k8s_metrics_list_run(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t  rc;

    for ( ;; ) {

        rc = NGX_OK;

        if (list->state != NGX_HTTP_K8S_METRICS_LIST_STREAM) {
            rc = ngx_http_k8s_metrics_list_prepare(r, list);
        }

        if (rc == NGX_OK && !list->ended) {
            rc = ngx_http_k8s_metrics_list_piece(list);
        }

        if (rc == NGX_AGAIN) {
            ngx_http_k8s_metrics_list_wait(r, list, 1);
            return;
        }

        if (rc == NGX_OK) {
            rc = ngx_http_k8s_metrics_list_output(r, list);

        } else if (rc == NGX_ERROR && !r->header_sent) {
            rc = ngx_http_k8s_metrics_answer_error(r,
                                  NGX_HTTP_INTERNAL_SERVER_ERROR,
                                  "there is no memory to answer");
            list->ended = 1;

        } else {
            list->ended = 1;
        }

        if (rc == NGX_ERROR || list->ended) {

            /* what is still buffered is finalize's to wait for */

            ngx_http_k8s_metrics_list_release(list);
            ngx_http_finalize_request(r, (rc == NGX_DONE) ? NGX_OK : rc);
            return;
        }

        if (rc == NGX_AGAIN) {
            ngx_http_k8s_metrics_list_wait(r, list, 0);
            return;
        }

        if (ngx_http_k8s_metrics_list_spent(list)) {
            ngx_http_k8s_metrics_list_wait(r, list, 1);
            return;
        }
    }
}


/*
 * Up to the header.  NGX_OK when it is sent; NGX_DONE when nothing follows
 * it; NGX_AGAIN when the turn is over; else what to finalize with.
 */

static ngx_int_t
ngx_http_k8s_metrics_list_prepare(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t  rc;

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_MEASURE) {
        rc = ngx_http_k8s_metrics_list_measure(list);

    } else {
        rc = ngx_http_k8s_metrics_list_piece(list);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_FIRST && !list->ended
        && list->form->bound)
    {
        ngx_http_k8s_metrics_list_rewind(list);

        list->state = NGX_HTTP_K8S_METRICS_LIST_MEASURE;
        list->total = 0;

        if (ngx_http_k8s_metrics_share_create(list) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_k8s_metrics_list_prepare(r, list);
    }

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_MEASURE) {
        ngx_http_k8s_metrics_list_rewind(list);

        /* what opens the list knows the length of the whole */

        list->form->begin(list);
        list->begun = 1;
    }

    list->state = NGX_HTTP_K8S_METRICS_LIST_STREAM;

    return ngx_http_k8s_metrics_list_header(r, list);
}


/* Sums what the items may take: it is sent before the first of them. */

static ngx_int_t
ngx_http_k8s_metrics_list_measure(ngx_http_k8s_metrics_list_t *list)
{
    size_t                              bound;
    ngx_int_t                           rc;
    const ngx_http_k8s_metrics_item_t  *item;

    for ( ;; ) {
        rc = ngx_http_k8s_metrics_list_next(list, &item);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : rc;
        }

        bound = list->form->bound(list, item);

        list->total += bound;
        ngx_http_k8s_metrics_share_add(list, item, bound);
    }
}


static ngx_int_t
ngx_http_k8s_metrics_list_header(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t  rc;

    if (list->form->type.len) {
        r->headers_out.content_type = list->form->type;
        r->headers_out.content_type_len = list->form->type.len;
        r->headers_out.content_type_lowcase = NULL;

    } else {
        ngx_http_k8s_metrics_answer_content_type(r, list->form->media);
    }

    r->headers_out.status = NGX_HTTP_OK;

    if (list->ended) {
        r->headers_out.content_length_n =
                                     ngx_http_k8s_metrics_out_len(&list->out);

    } else if (list->total) {
        r->headers_out.content_length_n = list->total;
    }

    if (ngx_http_k8s_metrics_answer_add_header(r, "Cache-Control",
                                               "no-cache, private")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->connection->log->action = "sending metrics to client";

    /* there is nothing that If-Match and its like could be compared with */

    r->disable_not_modified = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    if (r->filter_finalize) {
        return NGX_ERROR;
    }

    return r->header_only ? NGX_DONE : NGX_OK;
}


/*
 * Fills the piece, where it was left.  NGX_OK when it is full or the last;
 * NGX_AGAIN when the turn is over before that; NGX_ERROR.
 */

static ngx_int_t
ngx_http_k8s_metrics_list_piece(ngx_http_k8s_metrics_list_t *list)
{
    size_t                              mark;
    ngx_int_t                           rc;
    ngx_http_k8s_metrics_json_t         json;
    const ngx_http_k8s_metrics_item_t  *item;

    if (!list->begun) {
        list->form->begin(list);
        list->begun = 1;
    }

    for ( ;; ) {
        rc = list->form->next ? list->form->next(list, &item)
                              : ngx_http_k8s_metrics_list_next(list, &item);

        if (rc != NGX_OK) {
            break;
        }

        rc = ngx_http_k8s_metrics_list_item(list, item);

        if (rc == NGX_AGAIN) {

            /* it opens the next piece */

            list->next--;
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (list->form->next == NULL && item->has_time) {
            ngx_http_k8s_metrics_fresh_add(&list->fresh,
                                           list->wall - item->timestamp);
        }
    }

    if (rc != NGX_DONE) {
        return rc;
    }

    mark = ngx_http_k8s_metrics_out_len(&list->out);
    json = list->json;

    list->form->end(list);

    if (list->out.overflow) {
        list->out.last = list->out.start + mark;
        list->out.overflow = 0;
        list->json = json;
    }

    return NGX_OK;
}


/* NGX_AGAIN when the piece has no room for it. */

static ngx_int_t
ngx_http_k8s_metrics_list_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                        mark;
    ngx_http_k8s_metrics_out_t   *out;
    ngx_http_k8s_metrics_json_t   json;

    out = &list->out;
    mark = ngx_http_k8s_metrics_out_len(out);
    json = list->json;

    list->form->item(list, item);

    if (!out->overflow) {
        return NGX_OK;
    }

    out->last = out->start + mark;
    out->overflow = 0;
    list->json = json;

    if (mark) {
        return NGX_AGAIN;
    }

    /* larger than any piece: this one grows */

    out->max = NGX_HTTP_K8S_METRICS_PIECE_MAX;

    list->form->item(list, item);

    out->max = out->end - out->start;

    if (!out->overflow) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, list->request->connection->log, 0,
                  "k8s_metrics: \"%V\" is too large to be listed",
                  &item->name);

    out->last = out->start;
    out->overflow = 0;
    list->json = json;

    return NGX_OK;
}


/* Hands the piece on.  NGX_AGAIN when it did not leave at once. */

static ngx_int_t
ngx_http_k8s_metrics_list_output(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = list->buf;

    b->start = list->out.start;
    b->pos = list->out.start;
    b->last = list->out.last;
    b->end = list->out.end;
    b->temporary = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_k8s_metrics_module;
    b->flush = !list->ended;
    b->last_buf = list->ended;
    b->last_in_chain = list->ended;

    ngx_http_k8s_metrics_store_freshness(list->store, &list->fresh);

    list->sent += b->last - b->pos;
    list->out.last = list->out.start;

    out.buf = b;
    out.next = NULL;

    return ngx_http_k8s_metrics_list_drain(r, list, &out);
}


static ngx_int_t
ngx_http_k8s_metrics_list_drain(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list, ngx_chain_t *out)
{
    ngx_int_t          rc;
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = r->connection;
    wev = c->write;

    rc = ngx_http_output_filter(r, out);

    if (rc == NGX_ERROR || list->ended) {
        return rc;
    }

    /*
     * The end of a chunk comes after the buffer that flushes: where the TLS
     * buffer is full by then it stays in it, and no event would come.
     */

    if ((c->buffered & NGX_SSL_BUFFERED) && wev->ready && !wev->delayed
        && list->buf->pos == list->buf->last)
    {
        rc = ngx_http_output_filter(r, NULL);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return (list->buf->pos != list->buf->last || c->buffered) ? NGX_AGAIN
                                                              : NGX_OK;
}


/*
 * For the client, or with "yield" for the next round of the event loop.  The
 * timer is armed then, too: at QUIT a worker without timers leaves.
 */

static void
ngx_http_k8s_metrics_list_wait(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list, ngx_uint_t yield)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (yield) {
        ngx_post_event(wev, &ngx_posted_next_events);
        return;
    }

    ngx_http_k8s_metrics_list_release(list);

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}
