
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/* What metrics-server serves; some of it comes with later versions. */

static const char *const  ngx_http_k8s_metrics_paths[] = {
    "/apis",
    "/apis/metrics.k8s.io",
    "/apis/metrics.k8s.io/v1beta1",
    "/healthz",
    "/healthz/log",
    "/healthz/metadata-informer-sync",
    "/healthz/ping",
    "/healthz/poststarthook/max-in-flight-filter",
    "/healthz/poststarthook/storage-object-count-tracker-hook",
    "/livez",
    "/livez/log",
    "/livez/metadata-informer-sync",
    "/livez/metric-collection-timely",
    "/livez/ping",
    "/livez/poststarthook/max-in-flight-filter",
    "/livez/poststarthook/storage-object-count-tracker-hook",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/readyz",
    "/readyz/log",
    "/readyz/metadata-informer-sync",
    "/readyz/metric-informer-sync",
    "/readyz/metric-storage-ready",
    "/readyz/ping",
    "/readyz/poststarthook/max-in-flight-filter",
    "/readyz/poststarthook/storage-object-count-tracker-hook",
    "/readyz/shutdown",
    "/statusz",
    "/version"
};


ngx_int_t
ngx_http_k8s_metrics_api_paths(ngx_http_request_t *r, ngx_uint_t code)
{
    ngx_str_t                    body, path;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t   out;
    ngx_http_k8s_metrics_json_t  w;

    if (ngx_http_k8s_metrics_out_create(&out, r->pool, 4096, 65536)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_metrics_json_init(&w, &out, 1);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "paths");
    ngx_http_k8s_metrics_json_array(&w);

    for (i = 0; i < sizeof(ngx_http_k8s_metrics_paths)
                    / sizeof(ngx_http_k8s_metrics_paths[0]); i++)
    {
        path.data = (u_char *) ngx_http_k8s_metrics_paths[i];
        path.len = ngx_strlen(path.data);
        ngx_http_k8s_metrics_json_string(&w, &path);
    }

    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out.start;
    body.len = ngx_http_k8s_metrics_out_len(&out);

    ngx_http_k8s_metrics_answer_content_type(r, NGX_HTTP_K8S_METRICS_JSON);

    return ngx_http_k8s_metrics_answer_send(r, code, &body);
}
