
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static void ngx_http_k8s_metrics_fetch_timed_out(
    ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_fetch_tls(ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_fetch_lost(ngx_http_k8s_metrics_fetch_t *f);
static ngx_str_t ngx_http_k8s_metrics_fetch_words(
    ngx_http_k8s_metrics_fetch_t *f);
static ngx_uint_t ngx_http_k8s_metrics_fetch_between(ngx_str_t *s,
    const char *from, ngx_uint_t skip, const char *until);


/* the first reason is the one that counts */

void
ngx_http_k8s_metrics_fetch_fail(ngx_http_k8s_metrics_fetch_t *f,
    ngx_http_k8s_metrics_failure_e failure, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    if (f->response.failure != NGX_HTTP_K8S_METRICS_FETCH_OK) {
        return;
    }

    f->response.failure = failure;

    p = (u_char *) f->response.error;

    va_start(args, fmt);
    p = ngx_vslprintf(p, p + sizeof(f->response.error) - 1, fmt, args);
    va_end(args);

    *p = '\0';
}


void
ngx_http_k8s_metrics_fetch_failed(ngx_http_k8s_metrics_fetch_t *f,
    ngx_int_t rc)
{
    ngx_str_t             words;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;
    c = u->peer.connection;

    if (f->response.failure != NGX_HTTP_K8S_METRICS_FETCH_OK) {
        return;
    }

    if (rc == NGX_HTTP_GATEWAY_TIME_OUT) {
        ngx_http_k8s_metrics_fetch_timed_out(f);
        return;
    }

    words = ngx_http_k8s_metrics_fetch_words(f);

    if (rc == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_INTERNAL,
                                        "no request could be sent: %V",
                                        &words);

    } else if (c == NULL
               || (u->ssl && c->ssl == NULL)
               || (!u->ssl && !u->request_sent))
    {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_CONNECT,
                                        "%V", &words);

    } else if (c->ssl && !c->ssl->handshaked) {
        ngx_http_k8s_metrics_fetch_tls(f);

    } else {
        ngx_http_k8s_metrics_fetch_lost(f);
    }
}


static void
ngx_http_k8s_metrics_fetch_timed_out(ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_msec_t            ms;
    const char           *what;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;
    c = u->peer.connection;

    ms = u->conf->read_timeout;

    if (c == NULL
        || (u->ssl && c->ssl == NULL)
        || (!u->ssl && !u->request_sent))
    {
        ms = u->conf->connect_timeout;
        what = "connection timed out";

    } else if (c->ssl && !c->ssl->handshaked) {
        ms = u->conf->connect_timeout;
        what = "TLS handshake timed out";

    } else if (!u->request_body_sent) {
        what = "sending the request timed out";

    } else if (!f->header_done) {
        what = "no answer";

    } else {
        what = "the answer stalled";
    }

    ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT,
                                    "%s after %M ms", what, ms);
}


static void
ngx_http_k8s_metrics_fetch_tls(ngx_http_k8s_metrics_fetch_t *f)
{
    long                          rc;
    ngx_str_t                     words;
    ngx_connection_t             *c;
    ngx_http_k8s_metrics_peer_t  *peer;

    c = f->request.upstream->peer.connection;
    peer = f->peer;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc == X509_V_ERR_HOSTNAME_MISMATCH
        || rc == X509_V_ERR_IP_ADDRESS_MISMATCH)
    {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TLS,
                                        "certificate is not valid for \"%V\": "
                                        "%s", &peer->tls_name,
                                        X509_verify_cert_error_string(rc));
        return;
    }

    if (rc != X509_V_OK) {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TLS,
                                        "certificate is not trusted: %s",
                                        X509_verify_cert_error_string(rc));
        return;
    }

    words = ngx_http_k8s_metrics_fetch_words(f);

    ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TLS,
                                    "TLS handshake failed: %V", &words);
}


static void
ngx_http_k8s_metrics_fetch_lost(ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_str_t             words, alert;
    ngx_http_upstream_t  *u;

    u = f->request.upstream;

    alert.data = (u_char *) f->words;
    alert.len = ngx_strlen(f->words);

    if (f->header_done) {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                        "answer cut short after %O bytes",
                                        f->received);

    } else if (ngx_http_k8s_metrics_fetch_between(&alert, "SSL routines:", 1,
                                                  ":)"))
    {
        /* with TLS 1.3 a refused client certificate is told this late */

        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_TLS,
                                        "TLS failed: %V", &alert);

    } else if (u->buffer.start && u->buffer.last == u->buffer.end) {
        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                        "answer's header is over %uz bytes",
                                        u->conf->buffer_size);

    } else {
        words = ngx_http_k8s_metrics_fetch_words(f);

        ngx_http_k8s_metrics_fetch_fail(f, NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,
                                        "no answer: %V", &words);
    }
}


/* what upstream or OpenSSL logged, less what only nginx' authors want */

static ngx_str_t
ngx_http_k8s_metrics_fetch_words(ngx_http_k8s_metrics_fetch_t *f)
{
    u_char    *p, *last;
    ngx_str_t  s;

    s.data = (u_char *) f->words;
    s.len = ngx_strlen(f->words);

    if (s.len == 0) {
        ngx_str_set(&s, "unknown reason");
        return s;
    }

    if (ngx_http_k8s_metrics_fetch_between(&s, "SSL routines:", 1, ":)")) {
        return s;
    }

    /* "connect() failed (111: Connection refused)" */

    last = s.data + s.len;

    for (p = s.data; p < last - 1; p++) {

        if (p[0] == '(' && p[1] >= '0' && p[1] <= '9') {
            s.data = p;
            s.len = last - p;

            if (ngx_http_k8s_metrics_fetch_between(&s, ": ", 0, ")")) {
                s.data[0] = ngx_tolower(s.data[0]);
            }

            return s;
        }
    }

    if (ngx_strncmp(s.data, "upstream prematurely", 20) == 0) {
        ngx_str_set(&s, "connection closed");
    }

    return s;
}


/*
 * Narrows "s" to what follows "from" (and "skip" more colons), until one of
 * the bytes of "until".
 */
static ngx_uint_t
ngx_http_k8s_metrics_fetch_between(ngx_str_t *s, const char *from,
    ngx_uint_t skip, const char *until)
{
    u_char  *p, *q, *last;

    last = s->data + s->len;

    p = ngx_strnstr(s->data, (char *) from, s->len);

    if (p == NULL) {
        return 0;
    }

    p += ngx_strlen(from);

    while (skip && p < last) {
        if (*p++ == ':') {
            skip--;
        }
    }

    for (q = p; q < last && ngx_strchr(until, *q) == NULL; q++) { /* void */ }

    if (q == p) {
        return 0;
    }

    s->data = p;
    s->len = q - p;

    return 1;
}
