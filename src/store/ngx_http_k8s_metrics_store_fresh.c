
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


void
ngx_http_k8s_metrics_fresh_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t name)
{
    uint32_t                        off;
    ngx_str_t                       s;
    ngx_http_k8s_metrics_zone_t    *zone;
    ngx_http_k8s_metrics_fresh_t   *f;
    ngx_http_k8s_metrics_record_t  *rec;

    zone = store->zone;

    if (!zone->content.complete[NGX_HTTP_K8S_METRICS_PODS]) {
        return;
    }

    off = ngx_http_k8s_metrics_node_of_locked(store, name);

    if (off == 0) {
        return;
    }

    rec = ngx_http_k8s_metrics_store_ptr(store, off);
    ngx_http_k8s_metrics_shstr_view_locked(store, name, &s);

    f = &zone->fresh[zone->fresh_seq % NGX_HTTP_K8S_METRICS_FRESH_RING];

    f->node.offset = off;
    f->node.birth = rec->birth;
    f->hash = ngx_murmur_hash2(s.data, s.len);
    f->seen = ngx_current_msec;

    zone->fresh_seq++;
}


ngx_uint_t
ngx_http_k8s_metrics_store_fresh(ngx_http_k8s_metrics_store_t *store,
    uint64_t *seq, ngx_http_k8s_metrics_fresh_t *fresh, ngx_uint_t max)
{
    uint64_t                      last;
    ngx_uint_t                    n;
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;

    if (*(volatile uint64_t *) &zone->fresh_seq == *seq) {
        return 0;
    }

    ngx_http_k8s_metrics_store_lock_read(store);

    last = zone->fresh_seq;

    if (*seq > last || last - *seq > NGX_HTTP_K8S_METRICS_FRESH_RING) {
        *seq = (last > NGX_HTTP_K8S_METRICS_FRESH_RING)
               ? last - NGX_HTTP_K8S_METRICS_FRESH_RING : 0;
    }

    for (n = 0; n < max && *seq < last; n++, (*seq)++) {
        fresh[n] = zone->fresh[*seq % NGX_HTTP_K8S_METRICS_FRESH_RING];
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return n;
}
