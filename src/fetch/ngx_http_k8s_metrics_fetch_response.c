
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static ngx_int_t ngx_http_k8s_metrics_fetch_status(ngx_http_request_t *r,
    ngx_http_k8s_metrics_fetch_t *f);
static ngx_int_t ngx_http_k8s_metrics_fetch_header(ngx_http_request_t *r,
    ngx_http_k8s_metrics_fetch_t *f);
static ngx_uint_t ngx_http_k8s_metrics_fetch_is(ngx_str_t *name,
    const char *lowcase, size_t len);
static ngx_int_t ngx_http_k8s_metrics_fetch_length(
    ngx_http_k8s_metrics_fetch_t *f, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_fetch_transfer(
    ngx_http_k8s_metrics_fetch_t *f, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_fetch_invalid(
    ngx_http_k8s_metrics_fetch_t *f, const char *why);
static time_t ngx_http_k8s_metrics_fetch_retry(ngx_str_t *value);
static void ngx_http_k8s_metrics_fetch_yield(
    ngx_http_k8s_metrics_fetch_t *f);
static ngx_int_t ngx_http_k8s_metrics_fetch_chunks(
    ngx_http_k8s_metrics_fetch_t *f, u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_fetch_piece(
    ngx_http_k8s_metrics_fetch_t *f, u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_fetch_verdict(
    ngx_http_k8s_metrics_fetch_t *f, ngx_int_t rc);


#define ngx_http_k8s_metrics_fetch_header_is(name, s)                         \
    ngx_http_k8s_metrics_fetch_is(name, s, sizeof(s) - 1)


ngx_int_t
ngx_http_k8s_metrics_fetch_reinit(ngx_http_request_t *r)
{
    ngx_uint_t                     reused;
    ngx_http_k8s_metrics_fetch_t  *f;

    f = ngx_http_k8s_metrics_fetch_of(r);

    reused = f->response.reused;

    ngx_memzero(&f->response, sizeof(ngx_http_k8s_metrics_response_t));
    f->response.content_length = -1;
    f->response.reused = reused;

    ngx_memzero(&f->status, sizeof(ngx_http_status_t));
    ngx_memzero(&f->chunked, sizeof(ngx_http_chunked_t));

    f->words[0] = '\0';
    f->status_done = 0;
    f->has_length = 0;
    f->is_chunked = 0;
    f->is_encoded = 0;
    f->close = 0;

    r->state = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_fetch_process_header(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_upstream_t           *u;
    ngx_http_k8s_metrics_fetch_t  *f;

    u = r->upstream;
    f = ngx_http_k8s_metrics_fetch_of(r);

    for ( ;; ) {

        if (!f->status_done) {
            rc = ngx_http_k8s_metrics_fetch_status(r, f);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        rc = ngx_http_parse_header_line(r, &u->buffer, 1);

        if (rc == NGX_OK) {
            rc = ngx_http_k8s_metrics_fetch_header(r, f);

            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_HTTP_PARSE_HEADER_DONE) {
            return ngx_http_k8s_metrics_fetch_invalid(f,
                                            "answer has an invalid header");
        }

        if (f->response.status >= 200) {
            break;
        }

        ngx_http_k8s_metrics_fetch_reinit(r);
    }

    if (f->is_chunked && f->has_length) {
        return ngx_http_k8s_metrics_fetch_invalid(f,
                          "both Content-Length and Transfer-Encoding");
    }

    u->headers_in.status_n = f->response.status;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_status(ngx_http_request_t *r,
    ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_int_t  rc;

    rc = ngx_http_parse_status_line(r, &r->upstream->buffer, &f->status);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK || f->status.code < 100 || f->status.code == 101) {
        return ngx_http_k8s_metrics_fetch_invalid(f, "answer is not HTTP/1.1");
    }

    f->response.status = f->status.code;
    f->close = (f->status.http_version < NGX_HTTP_VERSION_11);
    f->status_done = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_header(ngx_http_request_t *r,
    ngx_http_k8s_metrics_fetch_t *f)
{
    size_t     len;
    ngx_str_t  name, value;

    name.data = r->header_name_start;
    name.len = r->header_name_end - r->header_name_start;
    value.data = r->header_start;
    value.len = r->header_end - r->header_start;

    if (ngx_http_k8s_metrics_fetch_header_is(&name, "content-type")) {
        len = ngx_min(value.len, sizeof(f->content_type));

        ngx_memcpy(f->content_type, value.data, len);
        f->response.content_type.data = f->content_type;
        f->response.content_type.len = len;

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name, "content-length")) {
        return ngx_http_k8s_metrics_fetch_length(f, &value);

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name,
                                                    "transfer-encoding"))
    {
        return ngx_http_k8s_metrics_fetch_transfer(f, &value);

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name, "content-encoding"))
    {
        if (!ngx_http_k8s_metrics_fetch_header_is(&value, "identity")) {
            f->is_encoded = 1;
        }

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name, "connection")) {
        if (ngx_strlcasestrn(value.data, value.data + value.len,
                             (u_char *) "close", 5 - 1)
            != NULL)
        {
            f->close = 1;
        }

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name, "retry-after")) {
        f->response.retry_after = ngx_http_k8s_metrics_fetch_retry(&value);

    } else if (ngx_http_k8s_metrics_fetch_header_is(&name, "date")) {
        f->response.date = ngx_parse_http_time(value.data, value.len);

        if (f->response.date == (time_t) NGX_ERROR) {
            f->response.date = 0;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_fetch_is(ngx_str_t *name, const char *lowcase, size_t len)
{
    return name->len == len
           && ngx_strncasecmp(name->data, (u_char *) lowcase, len) == 0;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_length(ngx_http_k8s_metrics_fetch_t *f,
    ngx_str_t *value)
{
    off_t  n;

    n = ngx_atoof(value->data, value->len);

    if (n == (off_t) NGX_ERROR
        || (f->has_length && n != f->response.content_length))
    {
        return ngx_http_k8s_metrics_fetch_invalid(f, "invalid Content-Length");
    }

    f->has_length = 1;
    f->response.content_length = n;

    return NGX_OK;
}


/* Chunked, once, and not before there was such a thing: all else is a trick. */

static ngx_int_t
ngx_http_k8s_metrics_fetch_transfer(ngx_http_k8s_metrics_fetch_t *f,
    ngx_str_t *value)
{
    if (f->is_chunked || f->status.http_version < NGX_HTTP_VERSION_11
        || !ngx_http_k8s_metrics_fetch_header_is(value, "chunked"))
    {
        return ngx_http_k8s_metrics_fetch_invalid(f,
                                                "unknown Transfer-Encoding");
    }

    f->is_chunked = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_invalid(ngx_http_k8s_metrics_fetch_t *f,
    const char *why)
{
    ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                    "%s", why);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


static time_t
ngx_http_k8s_metrics_fetch_retry(ngx_str_t *value)
{
    time_t  t;

    t = ngx_atotm(value->data, value->len);

    if (t != (time_t) NGX_ERROR) {
        return t;
    }

    t = ngx_parse_http_time(value->data, value->len);

    if (t == (time_t) NGX_ERROR || t <= ngx_time()) {
        return 0;
    }

    return t - ngx_time();
}


ngx_int_t
ngx_http_k8s_metrics_fetch_filter_init(void *data)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    ngx_int_t             rc;
    ngx_uint_t            status;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;
    status = f->response.status;

    f->header_done = 1;

    if (f->head || status == NGX_HTTP_NO_CONTENT
        || status == NGX_HTTP_NOT_MODIFIED)
    {
        u->length = 0;

    } else if (f->is_chunked) {
        f->response.content_length = -1;
        u->length = 1;

    } else if (f->has_length) {
        u->length = f->response.content_length;

    } else {
        f->close = 1;
        u->length = -1;
    }

    if (f->is_encoded && u->length != 0) {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                        "answer has a Content-Encoding that "
                                        "was not asked for");
        return NGX_ERROR;
    }

    if (f->max_body && !f->head && u->length != 0
        && f->response.content_length > f->max_body)
    {
        ngx_http_k8s_metrics_fetch_fail(f,
                                        NGX_HTTP_K8S_METRICS_FETCH_TOO_LARGE,
                                        "answer is over %O bytes",
                                        f->max_body);
        return NGX_ERROR;
    }

    if (u->length == 0) {
        u->keepalive = !f->close && u->buffer.pos == u->buffer.last;
    }

    c = u->peer.connection;

    f->response.resumed = (c->ssl && SSL_session_reused(c->ssl->connection));

    if (f->handlers->header == NULL) {
        return NGX_OK;
    }

    f->in_callback = 1;
    rc = f->handlers->header(f->data, &f->response);
    f->in_callback = 0;

    return ngx_http_k8s_metrics_fetch_verdict(f, rc);
}


ngx_int_t
ngx_http_k8s_metrics_fetch_filter(void *data, ssize_t bytes)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    size_t                len;
    u_char               *p;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;
    p = u->buffer.last;
    len = bytes;

    f->turn += len;

    if (f->turn >= NGX_HTTP_K8S_METRICS_FETCH_TURN) {
        ngx_http_k8s_metrics_fetch_yield(f);
    }

    if (u->length == 0) {
        u->keepalive = 0;
        return NGX_OK;
    }

    if (f->is_chunked) {
        return ngx_http_k8s_metrics_fetch_chunks(f, p, len);
    }

    if (u->length == -1) {
        return ngx_http_k8s_metrics_fetch_piece(f, p, len);
    }

    if ((off_t) len > u->length) {
        len = (size_t) u->length;
        f->close = 1;
    }

    u->length -= len;

    if (u->length == 0) {
        u->keepalive = !f->close;
    }

    return ngx_http_k8s_metrics_fetch_piece(f, p, len);
}


/*
 * Upstream reads on as long as there is something, and what sends a long list
 * may be faster than we are: others have their turn between two pieces.
 */

static void
ngx_http_k8s_metrics_fetch_yield(ngx_http_k8s_metrics_fetch_t *f)
{
    f->turn = 0;

    f->request.upstream->peer.connection->read->ready = 0;

    ngx_post_event(&f->go_on, &ngx_posted_next_events);
}


void
ngx_http_k8s_metrics_fetch_go_on(ngx_event_t *ev)
{
    ngx_event_t                   *rev;
    ngx_http_k8s_metrics_fetch_t  *f;

    f = ev->data;

    f->turn = 0;

    rev = f->request.upstream->peer.connection->read;
    rev->ready = 1;
    rev->handler(rev);
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_chunks(ngx_http_k8s_metrics_fetch_t *f, u_char *p,
    size_t len)
{
    off_t                 size;
    ngx_int_t             rc;
    ngx_buf_t             b;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;

    ngx_memzero(&b, sizeof(ngx_buf_t));
    b.pos = p;
    b.last = p + len;

    f->framed += len;

    for ( ;; ) {

#if (nginx_version >= 1027002)
        rc = ngx_http_parse_chunked(&f->request, &b, &f->chunked, 0);
#else
        rc = ngx_http_parse_chunked(&f->request, &b, &f->chunked);
#endif

        if (rc == NGX_AGAIN) {
            u->length = 1;
            break;
        }

        if (rc == NGX_DONE) {
            u->length = 0;
            u->keepalive = !f->close && b.pos == b.last;
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            ngx_http_k8s_metrics_fetch_fail(f,
                                           NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                           "answer has an invalid chunk");
            return NGX_ERROR;
        }

        size = ngx_min(f->chunked.size, b.last - b.pos);

        rc = ngx_http_k8s_metrics_fetch_piece(f, b.pos, (size_t) size);

        if (rc != NGX_OK) {
            return rc;
        }

        b.pos += size;
        f->chunked.size -= size;
    }

    /* bytes that are never counted otherwise: extensions, trailers */

    if (f->framed - f->received > NGX_HTTP_K8S_METRICS_FETCH_FRAMING
                           + NGX_HTTP_K8S_METRICS_FETCH_FRAMED * f->received)
    {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                        "answer has more of chunks and "
                                        "trailers than of a body");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_piece(ngx_http_k8s_metrics_fetch_t *f, u_char *p,
    size_t len)
{
    ngx_int_t  rc;

    if (len == 0) {
        return NGX_OK;
    }

    f->received += len;

    if (f->max_body && f->received > f->max_body) {
        ngx_http_k8s_metrics_fetch_fail(f,
                                        NGX_HTTP_K8S_METRICS_FETCH_TOO_LARGE,
                                        "answer is over %O bytes",
                                        f->max_body);
        return NGX_ERROR;
    }

    if (f->handlers->body == NULL) {
        return NGX_OK;
    }

    f->in_callback = 1;
    rc = f->handlers->body(f->data, p, len);
    f->in_callback = 0;

    return ngx_http_k8s_metrics_fetch_verdict(f, rc);
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_verdict(ngx_http_k8s_metrics_fetch_t *f,
    ngx_int_t rc)
{
    if (rc == NGX_OK && !f->cancelled) {
        return NGX_OK;
    }

    ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_REFUSED,
                                    "answer was refused");
    return NGX_ERROR;
}
