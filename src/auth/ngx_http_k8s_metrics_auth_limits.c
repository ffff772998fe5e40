
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#if (NGX_HTTP_V2)
#include <ngx_http_v2_module.h>
#endif

#include "ngx_http_k8s_metrics_auth_internal.h"


/*
 * kube-apiserver takes a megabyte of headers, and what it forwards may be one
 * of that size; beside it there is the rest.
 */
#define NGX_HTTP_K8S_METRICS_HEADER   (1024 * 1024)
#define NGX_HTTP_K8S_METRICS_HEADERS  (2 * NGX_HTTP_K8S_METRICS_HEADER)

/* RFC 6585; nginx has no code for it that goes to a client */
#define NGX_HTTP_K8S_METRICS_HEADERS_TOO_LARGE  431


static ngx_int_t ngx_http_k8s_metrics_limits_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_limits_early(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status);
static ngx_int_t ngx_http_k8s_metrics_limits_late(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status);
static void ngx_http_k8s_metrics_limits_words(
    ngx_http_k8s_metrics_status_t *status);


typedef struct {
    ngx_uint_t    code;
    ngx_str_t     message;
} ngx_http_k8s_metrics_limits_words_t;


static const ngx_http_k8s_metrics_limits_words_t
    ngx_http_k8s_metrics_limits_messages[] =
{
    { NGX_HTTP_BAD_REQUEST, ngx_string("the request is malformed") },
    { NGX_HTTP_UNAUTHORIZED, ngx_string("Unauthorized") },
    { NGX_HTTP_FORBIDDEN, ngx_string("forbidden") },
    { NGX_HTTP_NOT_FOUND,
      ngx_string("the server could not find the requested resource") },
    { NGX_HTTP_NOT_ALLOWED, ngx_string("the server does not allow this method "
                                       "on the requested resource") },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
      ngx_string("the request's body is too large") },
    { NGX_HTTP_REQUEST_URI_TOO_LARGE,
      ngx_string("the request's URI is too long") },
    { NGX_HTTP_MISDIRECTED_REQUEST,
      ngx_string("the TLS connection is not one for this server") },
    { NGX_HTTP_TOO_MANY_REQUESTS, ngx_string("too many requests") },
    { NGX_HTTP_K8S_METRICS_HEADERS_TOO_LARGE,
      ngx_string("the request's headers are too large or too many") },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_string("internal error") },
    { NGX_HTTP_NOT_IMPLEMENTED,
      ngx_string("the request's transfer encoding is not implemented") },
    { NGX_HTTP_SERVICE_UNAVAILABLE,
      ngx_string("the server is currently unable to handle the request") },
    { NGX_HTTP_VERSION_NOT_SUPPORTED,
      ngx_string("the request's version of HTTP is not supported") },
    { 0, ngx_string("the request was refused") }
};


extern ngx_module_t  ngx_http_k8s_metrics_module;

/* of this worker, set once when it starts */

static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


void
ngx_http_k8s_metrics_limits_check(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_uint_t http2)
{
    ngx_bufs_t  *bufs;

#if (NGX_HTTP_V2 && nginx_version >= 1025001)
    {
    ngx_http_v2_srv_conf_t  *h2scf;

    h2scf = cscf->ctx->srv_conf[ngx_http_v2_module.ctx_index];
    http2 |= h2scf->enable;
    }
#endif

    bufs = &cscf->large_client_header_buffers;

    if (!http2
        || (bufs->size >= NGX_HTTP_K8S_METRICS_HEADER
            && bufs->num * bufs->size >= NGX_HTTP_K8S_METRICS_HEADERS))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"large_client_header_buffers %i %uz\" of server \"%V\" in "
                  "%s:%ui is less than kube-apiserver may forward: a request "
                  "with more headers ends all others on its HTTP/2 "
                  "connection, write \"large_client_header_buffers 4 1100k;\" "
                  "there", bufs->num, bufs->size, &cscf->server_name,
                  cscf->file_name, cscf->line);
}


void
ngx_http_k8s_metrics_limits_init_process(void)
{
    if (ngx_http_top_header_filter != ngx_http_k8s_metrics_limits_filter) {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_http_k8s_metrics_limits_filter;
    }
}


/*
 * nginx answers some requests before any phase, where no handler and no
 * variable of ours is asked.  Its page is on its way when this is called: the
 * Status is sent instead, and "header_only" keeps the page's body back.
 */

static ngx_int_t
ngx_http_k8s_metrics_limits_filter(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_k8s_metrics_status_t  status;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (r->err_status < NGX_HTTP_BAD_REQUEST) {

        if (ngx_http_k8s_metrics_audit_answer(r) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    rc = (r->write_event_handler == NULL)
         ? ngx_http_k8s_metrics_limits_early(r, &status)
         : ngx_http_k8s_metrics_limits_late(r, &status);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {

        if (ngx_http_k8s_metrics_audit_answer(r) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    if (status.code == NGX_HTTP_K8S_METRICS_HEADERS_TOO_LARGE) {
        ngx_str_set(&r->headers_out.status_line,
                    "431 Request Header Fields Too Large");
    }

    rc = ngx_http_k8s_metrics_answer_status(r, &status);

    r->header_only = 1;

    /* nginx would begin with another page */

    return (rc > NGX_OK) ? NGX_ERROR : rc;
}


/* Nothing of the request may be there yet; a handler is set with the phases. */

static ngx_int_t
ngx_http_k8s_metrics_limits_early(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status)
{
    ngx_http_k8s_metrics_auth_srv_conf_t  *conf;

    if (r->internal) {
        return NGX_DECLINED;
    }

    conf = ngx_http_get_module_srv_conf(r, ngx_http_k8s_metrics_module);

    if (!conf->authenticates && !conf->serves) {
        return NGX_DECLINED;
    }

    status->code = r->err_status;

    /* 494 is told as 400, and of these alone it leaves lingering_close on */

    if (status->code == NGX_HTTP_BAD_REQUEST && r->lingering_close) {
        status->code = NGX_HTTP_K8S_METRICS_HEADERS_TOO_LARGE;
    }

    ngx_http_k8s_metrics_limits_words(status);

    if (status->code != NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    if (r->stream) {
        ngx_str_set(&status->message,
                    "the request is malformed, or it has too many headers");

    } else if (r->http_connection->ssl && r->connection->ssl == NULL) {
        ngx_str_set(&status->message,
                    "an HTTP request was sent to an HTTPS port");
    }

    return NGX_OK;
}


/* A page of nginx's own, and neither a file nor what an upstream sent. */

static ngx_int_t
ngx_http_k8s_metrics_limits_late(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status)
{
    ngx_int_t                              rc;
    ngx_http_k8s_metrics_auth_loc_conf_t  *conf;

    static ngx_str_t                       html = ngx_string("text/html");

    conf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_metrics_module);

    if ((!conf->serves && !conf->enable)
        || r->upstream
        || r->headers_out.last_modified_time != -1
        || r->headers_out.content_length_n <= 0
        || r->headers_out.content_type.len != html.len
        || ngx_strncmp(r->headers_out.content_type.data, html.data, html.len)
           != 0)
    {
        return NGX_DECLINED;
    }

    if (r->err_status == NGX_HTTP_UNAUTHORIZED
        || r->err_status == NGX_HTTP_FORBIDDEN)
    {
        rc = ngx_http_k8s_metrics_auth_refusal(r, status);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (!conf->serves) {
        return NGX_DECLINED;
    }

    status->code = r->err_status;
    ngx_http_k8s_metrics_limits_words(status);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_limits_words(ngx_http_k8s_metrics_status_t *status)
{
    const ngx_http_k8s_metrics_limits_words_t  *w;

    w = ngx_http_k8s_metrics_limits_messages;

    while (w->code && w->code != status->code) {
        w++;
    }

    status->message = w->message;
    status->reason = ngx_http_k8s_metrics_status_reason(status->code);
}
