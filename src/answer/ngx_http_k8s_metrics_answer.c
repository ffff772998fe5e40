
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_answer.h"


/* a Status: its message may quote a selector or a reason */
#define NGX_HTTP_K8S_METRICS_STATUS_SIZE   1024
#define NGX_HTTP_K8S_METRICS_STATUS_MAX    (256 * 1024)
#define NGX_HTTP_K8S_METRICS_MESSAGE_SIZE  2048

#define NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE  406


static ngx_int_t ngx_http_k8s_metrics_answer_retry_after(
    ngx_http_request_t *r, ngx_uint_t seconds);


ngx_int_t
ngx_http_k8s_metrics_answer_add_header(ngx_http_request_t *r,
    const char *name, const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}


void
ngx_http_k8s_metrics_answer_content_type(ngx_http_request_t *r,
    ngx_http_k8s_metrics_media_e media)
{
    switch (media) {

    case NGX_HTTP_K8S_METRICS_PROTOBUF:
        ngx_str_set(&r->headers_out.content_type,
                    "application/vnd.kubernetes.protobuf");
        break;

    case NGX_HTTP_K8S_METRICS_YAML:
        ngx_str_set(&r->headers_out.content_type, "application/yaml");
        break;

    default:
        ngx_str_set(&r->headers_out.content_type, "application/json");
        break;
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
}


ngx_int_t
ngx_http_k8s_metrics_answer_send(ngx_http_request_t *r, ngx_uint_t code,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    /* as the page of another error, too: clients go by the code in the body */

    if (code >= NGX_HTTP_BAD_REQUEST) {
        r->err_status = 0;
    }

    r->headers_out.status = code;
    r->headers_out.content_length_n = body->len;

    if (ngx_http_k8s_metrics_answer_add_header(r, "Cache-Control",
                                               "no-cache, private")
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* there is nothing that If-Match and its like could be compared with */

    r->disable_not_modified = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    if (body->len) {
        b->pos = body->data;
        b->last = body->data + body->len;
        b->memory = 1;
    }

    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_k8s_metrics_answer_status(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status)
{
    ngx_str_t                         body;
    ngx_http_k8s_metrics_out_t        out;
    ngx_http_k8s_metrics_offer_t      offer;
    ngx_http_k8s_metrics_accepted_t   accepted;

    offer.media = (1 << NGX_HTTP_K8S_METRICS_JSON)
                  | (1 << NGX_HTTP_K8S_METRICS_PROTOBUF);
    offer.as = 0;

    switch (ngx_http_k8s_metrics_answer_negotiate(r, &offer, &accepted)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ngx_memzero(&accepted, sizeof(ngx_http_k8s_metrics_accepted_t));
        accepted.media = NGX_HTTP_K8S_METRICS_JSON;
        break;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status->code == NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE) {
        accepted.media = NGX_HTTP_K8S_METRICS_JSON;
        accepted.pretty = 1;
    }

    if (ngx_http_k8s_metrics_out_create(&out, r->pool,
                                        NGX_HTTP_K8S_METRICS_STATUS_SIZE,
                                        NGX_HTTP_K8S_METRICS_STATUS_MAX)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (accepted.media == NGX_HTTP_K8S_METRICS_PROTOBUF) {
        ngx_http_k8s_metrics_status_pb(&out, status);

    } else {
        ngx_http_k8s_metrics_status_json(&out, status, accepted.pretty);
    }

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_metrics_answer_content_type(r, accepted.media);

    if (status->code == NGX_HTTP_FORBIDDEN
        && ngx_http_k8s_metrics_answer_add_header(r, "X-Content-Type-Options",
                                                  "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status->retry_after
        && ngx_http_k8s_metrics_answer_retry_after(r, status->retry_after)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out.start;
    body.len = ngx_http_k8s_metrics_out_len(&out);

    return ngx_http_k8s_metrics_answer_send(r, status->code, &body);
}


static ngx_int_t
ngx_http_k8s_metrics_answer_retry_after(ngx_http_request_t *r,
    ngx_uint_t seconds)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_sprintf(p, "%ui", seconds) = '\0';

    return ngx_http_k8s_metrics_answer_add_header(r, "Retry-After",
                                                  (char *) p);
}


ngx_int_t
ngx_http_k8s_metrics_answer_error(ngx_http_request_t *r, ngx_uint_t code,
    const char *fmt, ...)
{
    u_char                         *p;
    va_list                         args;
    ngx_http_k8s_metrics_status_t   status;

    p = ngx_pnalloc(r->pool, NGX_HTTP_K8S_METRICS_MESSAGE_SIZE);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    va_start(args, fmt);
    status.message.len = ngx_vslprintf(p,
                                       p + NGX_HTTP_K8S_METRICS_MESSAGE_SIZE,
                                       fmt, args)
                         - p;
    va_end(args);

    status.message.data = p;
    status.code = code;
    status.reason = ngx_http_k8s_metrics_status_reason(code);

    if (code == NGX_HTTP_SERVICE_UNAVAILABLE
        || code == NGX_HTTP_TOO_MANY_REQUESTS)
    {
        status.retry_after = 1;
    }

    return ngx_http_k8s_metrics_answer_status(r, &status);
}
