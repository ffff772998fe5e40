
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


static ngx_int_t ngx_http_k8s_metrics_put_pod_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_pod_t *pod);
static ngx_int_t ngx_http_k8s_metrics_new_pod_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_pod_t *pod,
    uint32_t labels);


ngx_int_t
ngx_http_k8s_metrics_store_put_pod(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_pod_t *pod)
{
    ngx_int_t  rc;

    if (pod->ns.len + pod->name.len > NGX_HTTP_K8S_METRICS_MAX_NAME
        || pod->node.len > NGX_HTTP_K8S_METRICS_MAX_NAME
        || !ngx_http_k8s_metrics_labels_allowed(pod->labels, pod->nlabels))
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_store_lock(store);
    rc = ngx_http_k8s_metrics_put_pod_locked(store, pod);
    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_put_pod_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_pod_t *pod)
{
    uint32_t                       off, labels;
    ngx_http_k8s_metrics_shpod_t  *p;

    off = ngx_http_k8s_metrics_record_find_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS,
                                              &pod->ns, &pod->name);

    if (off) {
        p = ngx_http_k8s_metrics_store_ptr(store, off);

        /* on another node it is another pod of the same name */

        if (!ngx_http_k8s_metrics_shstr_same_locked(store, p->node, &pod->node))
        {
            ngx_http_k8s_metrics_record_delete_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS, off);
            off = 0;
        }
    }

    if (off) {
        p = ngx_http_k8s_metrics_store_ptr(store, off);
        p->head.epoch = store->zone->epoch[NGX_HTTP_K8S_METRICS_PODS];

        if (ngx_http_k8s_metrics_shlabels_same_locked(store, &p->head,
                                                    pod->labels, pod->nlabels))
        {
            if (p->head.ready == pod->ready) {
                return NGX_DECLINED;
            }

            p->head.ready = pod->ready;
            return NGX_OK;
        }
    }

    if (!ngx_http_k8s_metrics_full_record_locked(store, off != 0)
        || ngx_http_k8s_metrics_shlabels_make_locked(store, pod->labels,
                                                     pod->nlabels, &labels)
           != NGX_OK)
    {
        return off ? NGX_BUSY : NGX_ABORT;
    }

    if (off == 0) {
        return ngx_http_k8s_metrics_new_pod_locked(store, pod, labels);
    }

    p = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_shlabels_set_locked(store, &p->head, labels,
                                             pod->nlabels);
    p->head.ready = pod->ready;

    return NGX_OK;
}


/* Takes the labels over, or gives them back when the zone is full. */

static ngx_int_t
ngx_http_k8s_metrics_new_pod_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_pod_t *pod, uint32_t labels)
{
    uint32_t                       off, node;
    ngx_http_k8s_metrics_shpod_t  *p;

    node = ngx_http_k8s_metrics_shstr_get_locked(store, &pod->node);
    off = 0;

    if (node) {
        off = ngx_http_k8s_metrics_record_create_locked(store,
                                              NGX_HTTP_K8S_METRICS_PODS,
                                              &pod->ns, &pod->name);
    }

    if (off == 0) {
        ngx_http_k8s_metrics_shstr_put_locked(store, node);
        ngx_http_k8s_metrics_shlabels_free_locked(store, labels, pod->nlabels);
        return NGX_ABORT;
    }

    p = ngx_http_k8s_metrics_store_ptr(store, off);

    p->head.epoch = store->zone->epoch[NGX_HTTP_K8S_METRICS_PODS];
    p->head.labels = labels;
    p->head.nlabels = (uint16_t) pod->nlabels;
    p->head.ready = pod->ready;
    p->node = node;

    ngx_http_k8s_metrics_fresh_locked(store, node);

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_store_delete_pod(ngx_http_k8s_metrics_store_t *store,
    ngx_str_t *ns, ngx_str_t *name)
{
    return ngx_http_k8s_metrics_record_remove(store, NGX_HTTP_K8S_METRICS_PODS,
                                              ns, name);
}
