
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_samples.h"


/* a container younger than this has no rate of its own yet, ns */
#define NGX_HTTP_K8S_METRICS_FRESH  ((int64_t) 10 * 1000000000)


void
ngx_http_k8s_metrics_points_merge(ngx_http_k8s_metrics_point_t *last,
    ngx_http_k8s_metrics_point_t *prev,
    const ngx_http_k8s_metrics_point_t *point, int64_t resolution)
{
    int64_t                       age;
    ngx_http_k8s_metrics_point_t  old, older;

    old = *last;
    older = *prev;

    *last = *point;
    ngx_memzero(prev, sizeof(ngx_http_k8s_metrics_point_t));

    if (point->start > 0 && point->start < point->timestamp) {
        age = point->timestamp - point->start;

        if (age >= NGX_HTTP_K8S_METRICS_FRESH && age < resolution) {
            *prev = *point;
            prev->timestamp = point->start;
            prev->cpu = 0;
            return;
        }
    }

    if (old.timestamp == 0 || point->start >= old.timestamp) {
        return;
    }

    if (point->timestamp > old.timestamp) {
        *prev = old;
        return;
    }

    if (older.timestamp && older.timestamp < point->timestamp) {
        *prev = older;
    }
}


ngx_int_t
ngx_http_k8s_metrics_points_rate(const ngx_http_k8s_metrics_point_t *last,
    const ngx_http_k8s_metrics_point_t *prev, uint64_t *nanocores,
    int64_t *window)
{
    double  seconds, rate;

    if (last->timestamp == 0 || prev->timestamp == 0
        || last->timestamp <= prev->timestamp
        || last->start < prev->start
        || last->cpu < prev->cpu)
    {
        return NGX_DECLINED;
    }

    *window = last->timestamp - prev->timestamp;

    /* as Go's Duration.Seconds() does it, to the same last bit */

    seconds = (double) (*window / 1000000000)
              + (double) (*window % 1000000000) / 1e9;

    rate = (double) (last->cpu - prev->cpu) / seconds;

    /* a counter that jumps within a nanosecond: what no integer can hold */

    *nanocores = (rate < 18446744073709551616.0) ? (uint64_t) rate
                                                 : (uint64_t) -1;

    return NGX_OK;
}
