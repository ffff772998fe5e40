
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static ngx_int_t ngx_http_k8s_metrics_fetch_valid(
    const ngx_http_k8s_metrics_fetch_conf_t *conf, ngx_log_t *log);
static ngx_uint_t ngx_http_k8s_metrics_fetch_clean(ngx_str_t *s, u_char least);
static void ngx_http_k8s_metrics_fetch_event(ngx_event_t *ev);
static void ngx_http_k8s_metrics_fetch_begin(ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_fetch_deadline(ngx_event_t *ev);
static void ngx_http_k8s_metrics_fetch_abort(ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_fetch_done(ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_fetch_free(ngx_http_k8s_metrics_fetch_t *f);


ngx_http_k8s_metrics_fetch_t *
ngx_http_k8s_metrics_fetch_start(ngx_http_k8s_metrics_peer_t *peer,
    const ngx_http_k8s_metrics_fetch_conf_t *conf, ngx_log_t *log)
{
    ngx_pool_t                    *pool;
    ngx_http_k8s_metrics_fetch_t  *f;

    if (ngx_http_k8s_metrics_fetch_valid(conf, log) != NGX_OK) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_HTTP_K8S_METRICS_FETCH_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    f = ngx_pcalloc(pool, sizeof(ngx_http_k8s_metrics_fetch_t));
    if (f == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    f->pool = pool;
    f->peer = peer;
    f->handlers = conf->handlers;
    f->data = conf->data;
    f->max_body = conf->max_body;
    f->limit = conf->deadline;
    f->response.content_length = -1;

    if (ngx_http_k8s_metrics_fetch_fake(f, conf) != NGX_OK
        || ngx_http_k8s_metrics_fetch_upstream(f, conf) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ngx_queue_insert_tail(&peer->fetches, &f->queue);

    f->event.data = &f->connection;
    f->event.handler = ngx_http_k8s_metrics_fetch_event;
    f->event.log = &f->log;

    f->deadline.data = &f->connection;
    f->deadline.handler = ngx_http_k8s_metrics_fetch_deadline;
    f->deadline.log = &f->log;

    f->go_on.data = &f->connection;
    f->go_on.handler = ngx_http_k8s_metrics_fetch_go_on;
    f->go_on.log = &f->log;

    if (f->limit) {
        ngx_add_timer(&f->deadline, f->limit);
    }

    ngx_post_event(&f->event, &ngx_posted_events);

    return f;
}


void
ngx_http_k8s_metrics_fetch_cancel(ngx_http_k8s_metrics_fetch_t *f)
{
    if (f->done) {
        return;
    }

    f->cancelled = 1;

    if (f->in_callback) {
        return;
    }

    ngx_http_k8s_metrics_fetch_abort(f);
    ngx_http_k8s_metrics_fetch_free(f);
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_valid(const ngx_http_k8s_metrics_fetch_conf_t *conf,
    ngx_log_t *log)
{
    ngx_str_t  uri, token;

    uri = conf->uri;
    token = conf->token;

    if (uri.len == 0 || uri.data[0] != '/'
        || !ngx_http_k8s_metrics_fetch_clean(&uri, 0x21)
        || !ngx_http_k8s_metrics_fetch_clean(&token, 0x20))
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "a path or a token has bytes that no request can carry");
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_fetch_conf_ctx() == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "no \"server\" is configured: no request can be sent");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_fetch_clean(ngx_str_t *s, u_char least)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < least || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_k8s_metrics_fetch_event(ngx_event_t *ev)
{
    ngx_http_k8s_metrics_fetch_t  *f;

    f = ev->data;

    if (!f->begun) {
        ngx_http_k8s_metrics_fetch_begin(f);
        return;
    }

    if (f->cancelled) {
        ngx_http_k8s_metrics_fetch_free(f);
        return;
    }

    ngx_http_k8s_metrics_fetch_done(f);
}


static void
ngx_http_k8s_metrics_fetch_begin(ngx_http_k8s_metrics_fetch_t *f)
{
    f->begun = 1;

    ngx_http_upstream_init(&f->request);

    if (!f->finished && f->request.count == 1) {

        /* it failed before there was anything to finalize */

        f->finished = 1;

        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_INTERNAL,
                                        "no memory for the request");
        ngx_post_event(&f->event, &ngx_posted_events);
    }
}


void
ngx_http_k8s_metrics_fetch_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_k8s_metrics_fetch_t  *f;

    f = ngx_http_k8s_metrics_fetch_of(r);

    if (rc != NGX_OK && rc != NGX_DONE) {
        ngx_http_k8s_metrics_fetch_failed(f, rc);
    }

    /* ngx_http_finalize_request() then only drops upstream's reference */

    f->connection.error = 1;
    r->header_only = 1;
    r->write_event_handler = NULL;

    f->finished = 1;

    if (f->go_on.posted) {
        ngx_delete_posted_event(&f->go_on);
        r->upstream->peer.connection->read->ready = 1;
    }

    ngx_post_event(&f->event, &ngx_posted_events);
}


static void
ngx_http_k8s_metrics_fetch_deadline(ngx_event_t *ev)
{
    ngx_http_k8s_metrics_fetch_t  *f;

    f = ev->data;

    /* cancelled in a callback: the event that frees it is still to come */

    if (f->cancelled) {
        ngx_http_k8s_metrics_fetch_abort(f);
        ngx_http_k8s_metrics_fetch_free(f);
        return;
    }

    if (!f->finished) {
        f->response.failure = NGX_HTTP_K8S_METRICS_FETCH_OK;

        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT,
                                        "deadline of %M ms passed %s",
                                        f->limit,
                                        f->header_done ? "in the answer"
                                                       : "without an answer");
    }

    ngx_http_k8s_metrics_fetch_abort(f);
    ngx_http_k8s_metrics_fetch_done(f);
}


static void
ngx_http_k8s_metrics_fetch_abort(ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_http_cleanup_t  *cln;

    if (f->begun && !f->finished) {

        cln = f->request.cleanup;
        f->request.cleanup = NULL;

        while (cln) {
            if (cln->handler) {
                cln->handler(cln->data);
            }

            cln = cln->next;
        }
    }

    if (f->event.posted) {
        ngx_delete_posted_event(&f->event);
    }
}


static void
ngx_http_k8s_metrics_fetch_done(ngx_http_k8s_metrics_fetch_t *f)
{
    if (f->deadline.timer_set) {
        ngx_del_timer(&f->deadline);
    }

    if (f->peer) {

        if (f->header_done) {
            f->peer->failures = 0;

        } else {
            f->peer->failures++;
        }

        ngx_queue_remove(&f->queue);
        f->peer = NULL;
    }

    f->done = 1;

    f->handlers->done(f->data, f->response.failure ? NGX_ERROR : NGX_OK,
                      &f->response);

    ngx_http_k8s_metrics_fetch_free(f);
}


static void
ngx_http_k8s_metrics_fetch_free(ngx_http_k8s_metrics_fetch_t *f)
{
    if (f->deadline.timer_set) {
        ngx_del_timer(&f->deadline);
    }

    if (f->peer) {
        ngx_queue_remove(&f->queue);
    }

    ngx_destroy_pool(f->pool);
}
