
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


#define NGX_HTTP_K8S_METRICS_REFLECTOR_CONNECT  5000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_READ     90000   /* bookmarks: 60 s */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_PAGE     "500"
#define NGX_HTTP_K8S_METRICS_REFLECTOR_URI      6144


static u_char *ngx_http_k8s_metrics_reflector_uri(
    ngx_http_k8s_metrics_reflector_t *r, u_char *p);
static size_t ngx_http_k8s_metrics_reflector_uri_len(
    ngx_http_k8s_metrics_reflector_t *r);
static ngx_int_t ngx_http_k8s_metrics_reflector_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_reflector_body(void *data, u_char *p,
    size_t len);


static const ngx_http_k8s_metrics_fetch_handlers_t
    ngx_http_k8s_metrics_reflector_handlers =
{
    ngx_http_k8s_metrics_reflector_header,
    ngx_http_k8s_metrics_reflector_body,
    ngx_http_k8s_metrics_reflector_done
};


ngx_int_t
ngx_http_k8s_metrics_reflector_request(ngx_http_k8s_metrics_reflector_t *r)
{
    u_char                             *p;
    u_char                     uri[NGX_HTTP_K8S_METRICS_REFLECTOR_URI];
    ngx_http_k8s_metrics_fetch_conf_t   fc;

    if (ngx_http_k8s_metrics_reflector_uri_len(r) > sizeof(uri)) {
        r->error = "request is too long";
        return NGX_ERROR;
    }

    p = ngx_http_k8s_metrics_reflector_uri(r, uri);

    ngx_memzero(&fc, sizeof(ngx_http_k8s_metrics_fetch_conf_t));

    ngx_str_set(&fc.method, "GET");
    fc.uri.data = uri;
    fc.uri.len = p - uri;

    if (r->desc->json) {
        ngx_str_set(&fc.headers, "Accept: application/json" CRLF);

    } else {
        ngx_str_set(&fc.headers,
                    "Accept: application/vnd.kubernetes.protobuf" CRLF);
    }

    fc.connect_timeout = NGX_HTTP_K8S_METRICS_REFLECTOR_CONNECT;
    fc.read_timeout = NGX_HTTP_K8S_METRICS_REFLECTOR_READ;
    fc.handlers = &ngx_http_k8s_metrics_reflector_handlers;
    fc.data = r;

    r->ok = 0;
    r->events = 0;
    r->error = NULL;
    r->error_code = 0;
    r->started = ngx_current_msec;

    r->fetch = ngx_http_k8s_metrics_kube_fetch(r->kube->client, &fc,
                                               r->kube->log);
    if (r->fetch == NULL) {
        r->error = "no request could be sent: its host is not resolved, or no "
                   "memory";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static size_t
ngx_http_k8s_metrics_reflector_uri_len(ngx_http_k8s_metrics_reflector_t *r)
{
    return 256 + ngx_strlen(r->desc->path) + ngx_strlen(r->desc->query)
           + r->version.len + 3 * r->cont.len + r->kube->node_query.len;
}


static u_char *
ngx_http_k8s_metrics_reflector_uri(ngx_http_k8s_metrics_reflector_t *r,
    u_char *p)
{
    ngx_uint_t  seconds;

    /* streams end at times of their own, not all at once */

    seconds = 300 + ngx_random() % 301;

    p = ngx_sprintf(p, "%s?", r->desc->path);

    switch (r->state) {

    case ngx_http_k8s_metrics_reflector_stream:
        p = ngx_sprintf(p, "watch=true&sendInitialEvents=true"
                        "&resourceVersionMatch=NotOlderThan"
                        "&allowWatchBookmarks=true&timeoutSeconds=%ui",
                        seconds);
        break;

    case ngx_http_k8s_metrics_reflector_watch:
        p = ngx_sprintf(p, "watch=true&resourceVersion=%V"
                        "&allowWatchBookmarks=true&timeoutSeconds=%ui",
                        &r->version, seconds);
        break;

    default:
        p = ngx_sprintf(p, "limit=" NGX_HTTP_K8S_METRICS_REFLECTOR_PAGE);

        if (r->cont.len) {
            p = ngx_sprintf(p, "&continue=");
            p = (u_char *) ngx_escape_uri(p, r->cont.data, r->cont.len,
                                          NGX_ESCAPE_URI_COMPONENT);

        } else if (!r->consistent) {
            p = ngx_sprintf(p, "&resourceVersion=0");
        }
    }

    p = ngx_sprintf(p, "%s", r->desc->query);

    if (r->desc == &ngx_http_k8s_metrics_kube_nodes) {
        p = ngx_sprintf(p, "%V", &r->kube->node_query);
    }

    return p;
}


static ngx_int_t
ngx_http_k8s_metrics_reflector_header(void *data,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    ngx_str_t  *type, want;

    /* why it is not 200 is in the status alone: the rest is not read */

    if (res->status != 200) {
        return NGX_ERROR;
    }

    if (r->desc->json) {
        ngx_str_set(&want, "application/json");

    } else {
        ngx_str_set(&want, "application/vnd.kubernetes.protobuf");
    }

    type = &res->content_type;

    if (type->len < want.len
        || ngx_strncasecmp(type->data, want.data, want.len) != 0)
    {
        r->error = r->desc->json ? "answer is not JSON"
                                 : "answer is not Kubernetes protobuf";
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_reflector_begin(r);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_reflector_body(void *data, u_char *p, size_t len)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    return ngx_http_k8s_metrics_reflector_feed(r, p, len);
}
