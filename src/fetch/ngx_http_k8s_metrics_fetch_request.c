
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static void ngx_http_k8s_metrics_fetch_connection(
    ngx_http_k8s_metrics_fetch_t *f);
static ngx_int_t ngx_http_k8s_metrics_fetch_request(
    ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf);
static ngx_uint_t ngx_http_k8s_metrics_fetch_method(const ngx_str_t *method);
static ngx_int_t ngx_http_k8s_metrics_fetch_bytes(
    ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf);
static u_char *ngx_http_k8s_metrics_fetch_head(u_char *p,
    ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf);
static ngx_int_t ngx_http_k8s_metrics_fetch_create(ngx_http_request_t *r);
static void ngx_http_k8s_metrics_fetch_abort_request(ngx_http_request_t *r);
static ssize_t ngx_http_k8s_metrics_fetch_no_recv(ngx_connection_t *c,
    u_char *buf, size_t size);
static void ngx_http_k8s_metrics_fetch_no_event(ngx_event_t *ev);


/* the same for every fetch: what varies is found through the request */

static ngx_http_upstream_srv_conf_t  ngx_http_k8s_metrics_fetch_srv_conf = {
    .peer = { NULL, ngx_http_k8s_metrics_fetch_init_peer, NULL },
    .host = ngx_string("k8s_metrics")
};


ngx_int_t
ngx_http_k8s_metrics_fetch_fake(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf)
{
    ngx_http_k8s_metrics_fetch_connection(f);

    return ngx_http_k8s_metrics_fetch_request(f, conf);
}


static void
ngx_http_k8s_metrics_fetch_connection(ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_connection_t  *c;

    /* upstream's errors become words for the caller, not lines of the log */

    f->log.log_level = NGX_LOG_ERR;

    if (ngx_cycle->log->log_level & NGX_LOG_DEBUG_ALL) {
        f->log.log_level = ngx_cycle->log->log_level;
    }

    f->log.writer = ngx_http_k8s_metrics_fetch_log_writer;
    f->log.wdata = f;
    f->log.data = &f->log_ctx;

    c = &f->connection;

    c->fd = (ngx_socket_t) -1;
    c->data = &f->request;
    c->read = &f->read;
    c->write = &f->write;
    c->log = &f->log;
    c->pool = f->pool;
    c->recv = ngx_http_k8s_metrics_fetch_no_recv;
    c->send_chain = ngx_http_k8s_metrics_fetch_send_chain;
    c->log_error = NGX_ERROR_ERR;
    c->error = 1;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    f->log_ctx.connection = c;
    f->log_ctx.request = &f->request;

    f->read.data = c;
    f->read.log = &f->log;
    f->read.handler = ngx_http_k8s_metrics_fetch_no_event;

    f->write.data = c;
    f->write.log = &f->log;
    f->write.handler = ngx_http_k8s_metrics_fetch_no_event;
    f->write.write = 1;
    f->write.ready = 1;
    f->write.active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_request(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf)
{
    ngx_http_request_t   *r;
    ngx_http_conf_ctx_t  *ctx;

    r = &f->request;
    ctx = ngx_http_k8s_metrics_fetch_conf_ctx();

    r->signature = NGX_HTTP_MODULE;
    r->connection = &f->connection;
    r->main = r;
    r->count = 2;               /* upstream's and ours */
    r->pool = f->pool;
    r->main_conf = ctx->main_conf;
    r->srv_conf = ctx->srv_conf;
    r->loc_conf = ctx->loc_conf;

    r->ctx = ngx_pcalloc(f->pool, sizeof(void *) * ngx_http_max_module);
    if (r->ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_list_init(&r->headers_out.headers, f->pool, 1,
                      sizeof(ngx_table_elt_t))
        != NGX_OK
        || ngx_list_init(&r->headers_out.trailers, f->pool, 1,
                         sizeof(ngx_table_elt_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_in.content_length_n = -1;
    r->headers_in.keep_alive_n = -1;
    r->headers_out.content_length_n = -1;
    r->headers_out.last_modified_time = -1;

    r->method = ngx_http_k8s_metrics_fetch_method(&conf->method);
    r->http_version = NGX_HTTP_VERSION_11;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->start_sec = ngx_time();
    r->uri_changes = 1;
    r->subrequests = 1;
    r->internal = 1;
    r->logged = 1;

    ngx_str_set(&r->uri, "k8s_metrics");

    f->head = (r->method == NGX_HTTP_HEAD);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_fetch_method(const ngx_str_t *method)
{
    if (method->len == 3 && ngx_strncmp(method->data, "GET", 3) == 0) {
        return NGX_HTTP_GET;
    }

    if (method->len == 4 && ngx_strncmp(method->data, "HEAD", 4) == 0) {
        return NGX_HTTP_HEAD;
    }

    return NGX_HTTP_POST;
}


ngx_int_t
ngx_http_k8s_metrics_fetch_upstream(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf)
{
    ngx_http_request_t        *r;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *ucf;

    r = &f->request;

    if (ngx_http_upstream_create(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ucf = &f->upstream;
    ucf->upstream = &ngx_http_k8s_metrics_fetch_srv_conf;
    ucf->connect_timeout = conf->connect_timeout;
    ucf->send_timeout = conf->read_timeout;
    ucf->read_timeout = conf->read_timeout;
    ucf->buffer_size = NGX_HTTP_K8S_METRICS_FETCH_BUFFER;
    ucf->ignore_client_abort = 1;
    ucf->next_upstream = NGX_HTTP_UPSTREAM_FT_ERROR
                         |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;
    ucf->ssl = f->peer->ssl;
    ucf->ssl_session_reuse = 1;
    ngx_str_set(&ucf->module, "k8s_metrics");

    u = r->upstream;
    u->conf = ucf;
    u->ssl = (f->peer->ssl != NULL);
    u->create_request = ngx_http_k8s_metrics_fetch_create;
    u->reinit_request = ngx_http_k8s_metrics_fetch_reinit;
    u->process_header = ngx_http_k8s_metrics_fetch_process_header;
    u->abort_request = ngx_http_k8s_metrics_fetch_abort_request;
    u->finalize_request = ngx_http_k8s_metrics_fetch_finalize;
    u->input_filter_init = ngx_http_k8s_metrics_fetch_filter_init;
    u->input_filter = ngx_http_k8s_metrics_fetch_filter;
    u->input_filter_ctx = f;

    return ngx_http_k8s_metrics_fetch_bytes(f, conf);
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_bytes(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf)
{
    size_t        len;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    len = conf->method.len + conf->uri.len + f->peer->host.len
          + conf->headers.len + conf->token.len + conf->body.len
          + sizeof("  HTTP/1.1" CRLF "Host: " CRLF
                   "Authorization: Bearer " CRLF
                   "Connection: close" CRLF
                   "Content-Length: " CRLF CRLF) - 1
          + NGX_SIZE_T_LEN;

    b = ngx_create_temp_buf(f->pool, len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    cl = ngx_alloc_chain_link(f->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_http_k8s_metrics_fetch_head(b->last, f, conf);
    b->last = ngx_cpymem(b->last, conf->body.data, conf->body.len);
    b->flush = 1;

    cl->buf = b;
    cl->next = NULL;

    f->request.upstream->request_bufs = cl;

    return NGX_OK;
}


static u_char *
ngx_http_k8s_metrics_fetch_head(u_char *p, ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf)
{
    ngx_str_t  method, uri, token, headers;

    method = conf->method;
    uri = conf->uri;
    token = conf->token;
    headers = conf->headers;

    p = ngx_cpymem(p, method.data, method.len);
    *p++ = ' ';
    p = ngx_cpymem(p, uri.data, uri.len);
    p = ngx_cpymem(p, " HTTP/1.1" CRLF "Host: ",
                   sizeof(" HTTP/1.1" CRLF "Host: ") - 1);
    p = ngx_cpymem(p, f->peer->host.data, f->peer->host.len);
    *p++ = CR; *p++ = LF;

    if (token.len) {
        p = ngx_cpymem(p, "Authorization: Bearer ",
                       sizeof("Authorization: Bearer ") - 1);
        p = ngx_cpymem(p, token.data, token.len);
        *p++ = CR; *p++ = LF;
    }

    if (f->peer->max_idle == 0) {
        p = ngx_cpymem(p, "Connection: close" CRLF,
                       sizeof("Connection: close" CRLF) - 1);
    }

    p = ngx_cpymem(p, headers.data, headers.len);

    if (conf->body.data) {
        p = ngx_sprintf(p, "Content-Length: %uz" CRLF, conf->body.len);
    }

    *p++ = CR; *p++ = LF;

    return p;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_create(ngx_http_request_t *r)
{
    return NGX_OK;
}


static void
ngx_http_k8s_metrics_fetch_abort_request(ngx_http_request_t *r)
{
    return;
}


static ssize_t
ngx_http_k8s_metrics_fetch_no_recv(ngx_connection_t *c, u_char *buf,
    size_t size)
{
    return NGX_AGAIN;
}


static void
ngx_http_k8s_metrics_fetch_no_event(ngx_event_t *ev)
{
    return;
}
