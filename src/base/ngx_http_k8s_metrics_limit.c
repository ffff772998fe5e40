
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_limit.h"


#define NGX_HTTP_K8S_METRICS_MINUTE  60000


ngx_int_t
ngx_http_k8s_metrics_limit(ngx_http_k8s_metrics_limit_t *limit, ngx_msec_t now,
    ngx_uint_t max, ngx_uint_t *dropped)
{
    if (limit->lines == 0
        || (ngx_msec_int_t) (now - limit->since) >= NGX_HTTP_K8S_METRICS_MINUTE)
    {
        limit->since = now;
        limit->lines = 0;
    }

    if (limit->lines >= max) {
        limit->dropped++;
        return NGX_DECLINED;
    }

    limit->lines++;

    *dropped = limit->dropped;
    limit->dropped = 0;

    return NGX_OK;
}
