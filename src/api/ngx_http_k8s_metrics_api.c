
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"
#include "ngx_http_k8s_metrics_api_page.h"


#define NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE  406


typedef ngx_int_t (*ngx_http_k8s_metrics_document_pt)(ngx_http_request_t *r);

typedef struct {
    ngx_str_t                          path;
    ngx_http_k8s_metrics_document_pt   handler;
} ngx_http_k8s_metrics_document_t;


static ngx_int_t ngx_http_k8s_metrics_api_group_path(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_uint_t ngx_http_k8s_metrics_api_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_api_refuse(ngx_http_request_t *r,
    ngx_uint_t code, const char *message);


static const ngx_http_k8s_metrics_document_t
    ngx_http_k8s_metrics_documents[] =
{
    { ngx_string("/apis"),
      ngx_http_k8s_metrics_api_groups },

    { ngx_string("/apis/" NGX_HTTP_K8S_METRICS_GROUP),
      ngx_http_k8s_metrics_api_group },

    { ngx_string("/apis/" NGX_HTTP_K8S_METRICS_GROUP_VERSION),
      ngx_http_k8s_metrics_api_resources },

    { ngx_null_string, NULL }
};


ngx_int_t
ngx_http_k8s_metrics_api(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf)
{
    ngx_int_t                               rc;
    ngx_str_t                               path;
    ngx_uint_t                              declined;
    ngx_http_k8s_metrics_page_pt            page;
    ngx_http_k8s_metrics_attrs_t           *attrs;
    const ngx_http_k8s_metrics_document_t  *d;

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "k8s_metrics does not answer subrequests");
        return NGX_HTTP_FORBIDDEN;
    }

    attrs = ngx_http_k8s_metrics_answer_attrs(r, &declined);
    if (attrs == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (declined) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                                                 "the path is ambiguous");
    }

    /* a document's path may end with a slash */

    path = attrs->path;

    if (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }

    for (d = ngx_http_k8s_metrics_documents; d->handler; d++) {
        if (d->path.len != path.len
            || ngx_memcmp(d->path.data, path.data, path.len) != 0)
        {
            continue;
        }

        if (!ngx_http_k8s_metrics_api_read(r)) {
            return ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                "the server does not allow this method on "
                                "the requested resource");
        }

        return d->handler(r);
    }

    if (path.len > sizeof("/apis/" NGX_HTTP_K8S_METRICS_GROUP "/") - 1
        && ngx_memcmp(path.data, "/apis/" NGX_HTTP_K8S_METRICS_GROUP "/",
                      sizeof("/apis/" NGX_HTTP_K8S_METRICS_GROUP "/") - 1)
           == 0)
    {
        return ngx_http_k8s_metrics_api_group_path(r, conf, attrs);
    }

    page = ngx_http_k8s_metrics_api_page(&path);

    if (page) {
        return ngx_http_k8s_metrics_api_read(r)
               ? page(r, conf)
               : ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                "the server does not allow this method on "
                                "the requested resource");
    }

    rc = ngx_http_k8s_metrics_api_health(r, conf, &attrs->path);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    return ngx_http_k8s_metrics_api_paths(r, (attrs->path.len == 1)
                                             ? NGX_HTTP_OK
                                             : NGX_HTTP_NOT_FOUND);
}


/* Below the group an unknown path gets a Status, elsewhere the index. */

static ngx_int_t
ngx_http_k8s_metrics_api_group_path(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t  rc;

    rc = NGX_DECLINED;

    if (attrs->resource_request
        && attrs->version.len == sizeof(NGX_HTTP_K8S_METRICS_VERSION) - 1
        && ngx_memcmp(attrs->version.data, NGX_HTTP_K8S_METRICS_VERSION,
                      attrs->version.len)
           == 0)
    {
        rc = ngx_http_k8s_metrics_api_resource(r, conf, attrs);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_FOUND,
                                "the server could not find the requested "
                                "resource");
    }

    if (rc == NGX_ABORT) {
        return ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                "the server does not allow this method on "
                                "the requested resource");
    }

    return rc;
}


static ngx_uint_t
ngx_http_k8s_metrics_api_read(ngx_http_request_t *r)
{
    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0;
}


/* With details, if empty ones: what go-restful's routing answers there. */

static ngx_int_t
ngx_http_k8s_metrics_api_refuse(ngx_http_request_t *r, ngx_uint_t code,
    const char *message)
{
    ngx_http_k8s_metrics_status_t  status;

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = code;
    status.reason = ngx_http_k8s_metrics_status_reason(code);
    status.message.data = (u_char *) message;
    status.message.len = ngx_strlen(message);
    status.details = 1;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}


/* It names all that will be there: clients compare the text, if anything. */

ngx_int_t
ngx_http_k8s_metrics_api_not_acceptable(ngx_http_request_t *r)
{
    return ngx_http_k8s_metrics_api_refuse(r,
                                NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE,
                                "406: Not Acceptable\n\nAvailable "
                                "representations: application/json, "
                                "application/yaml, "
                                "application/vnd.kubernetes.protobuf");
}
