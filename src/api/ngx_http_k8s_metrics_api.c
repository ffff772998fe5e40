
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


static ngx_uint_t ngx_http_k8s_metrics_api_is(const ngx_str_t *s,
    const char *text);
static ngx_int_t ngx_http_k8s_metrics_api_known(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_api_refuse(ngx_http_request_t *r,
    ngx_uint_t code, const char *message);


ngx_int_t
ngx_http_k8s_metrics_api(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf)
{
    ngx_uint_t                     declined;
    ngx_http_k8s_metrics_attrs_t  *attrs;

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

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_ALLOWED,
                                "the server does not allow this method on "
                                "the requested resource");
    }

    return ngx_http_k8s_metrics_api_known(r, conf, attrs);
}


static ngx_int_t
ngx_http_k8s_metrics_api_known(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t  rc;

    if (ngx_http_k8s_metrics_api_is(&attrs->path, "/apis")
        || ngx_http_k8s_metrics_api_is(&attrs->path, "/apis/"))
    {
        return ngx_http_k8s_metrics_api_groups(r);
    }

    if (ngx_http_k8s_metrics_api_is(&attrs->path,
                                    "/apis/" NGX_HTTP_K8S_METRICS_GROUP)
        || ngx_http_k8s_metrics_api_is(&attrs->path,
                                  "/apis/" NGX_HTTP_K8S_METRICS_GROUP "/"))
    {
        return ngx_http_k8s_metrics_api_group(r);
    }

    if (ngx_http_k8s_metrics_api_is(&attrs->path,
                               "/apis/" NGX_HTTP_K8S_METRICS_GROUP_VERSION)
        || ngx_http_k8s_metrics_api_is(&attrs->path,
                            "/apis/" NGX_HTTP_K8S_METRICS_GROUP_VERSION "/"))
    {
        return ngx_http_k8s_metrics_api_resources(r);
    }

    if (attrs->resource_request
        && ngx_http_k8s_metrics_api_is(&attrs->group,
                                       NGX_HTTP_K8S_METRICS_GROUP)
        && ngx_http_k8s_metrics_api_is(&attrs->version,
                                       NGX_HTTP_K8S_METRICS_VERSION))
    {
        rc = NGX_DECLINED;

        if (attrs->subresource.len == 0
            && attrs->nparts <= (attrs->name.len ? 2u : 1u))
        {
            rc = ngx_http_k8s_metrics_api_resource(r, conf, attrs);
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }

        return ngx_http_k8s_metrics_api_refuse(r, NGX_HTTP_NOT_FOUND,
                                "the server could not find the requested "
                                "resource");
    }

    rc = ngx_http_k8s_metrics_api_health(r, conf, &attrs->path);

    return (rc == NGX_DECLINED) ? ngx_http_k8s_metrics_api_unknown_path(r)
                                : rc;
}


static ngx_uint_t
ngx_http_k8s_metrics_api_is(const ngx_str_t *s, const char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_memcmp(s->data, text, s->len) == 0;
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
