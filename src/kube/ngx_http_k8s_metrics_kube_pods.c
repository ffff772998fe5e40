
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


/* field numbers: k8s.io/api core/v1/generated.proto */

#define NGX_HTTP_K8S_METRICS_POD_NODE_NAME   10     /* of PodSpec */
#define NGX_HTTP_K8S_METRICS_POD_PHASE       1      /* of PodStatus */
#define NGX_HTTP_K8S_METRICS_POD_CONDITIONS  2


static ngx_int_t ngx_http_k8s_metrics_kube_put_pod(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status);
static ngx_int_t ngx_http_k8s_metrics_kube_delete_pod(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta);
static ngx_int_t ngx_http_k8s_metrics_kube_pod_node(ngx_str_t *spec,
    ngx_str_t *node);
static ngx_int_t ngx_http_k8s_metrics_kube_pod_status(ngx_str_t *status,
    ngx_uint_t *running, ngx_uint_t *ready);


const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_pods =
{
    "pods",
    "/api/v1/pods",
    "&fieldSelector=status.phase%3DRunning",
    NGX_HTTP_K8S_METRICS_PODS,
    0,
    1,
    ngx_http_k8s_metrics_kube_put_pod,
    ngx_http_k8s_metrics_kube_delete_pod
};


static ngx_int_t
ngx_http_k8s_metrics_kube_put_pod(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status)
{
    ngx_uint_t                  running, ready;
    ngx_http_k8s_metrics_pod_t  pod;

    if (meta->name.len == 0 || meta->ns.len == 0) {
        meta->bad = "it has no name";
        return NGX_ERROR;
    }

    ngx_memzero(&pod, sizeof(ngx_http_k8s_metrics_pod_t));

    if (ngx_http_k8s_metrics_kube_pod_node(spec, &pod.node) != NGX_OK
        || ngx_http_k8s_metrics_kube_pod_status(status, &running, &ready)
           != NGX_OK)
    {
        meta->bad = ngx_http_k8s_metrics_kube_unreadable;
        return NGX_ERROR;
    }

    if (pod.node.len == 0 || !running) {
        (void) ngx_http_k8s_metrics_kube_delete_pod(r, meta);
        return NGX_DECLINED;
    }

    pod.ns = meta->ns;
    pod.name = meta->name;
    pod.nlabels = meta->nlabels;
    pod.labels = meta->labels;
    pod.ready = ready;

    return ngx_http_k8s_metrics_store_put_pod(r->kube->store, &pod);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_delete_pod(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    return ngx_http_k8s_metrics_store_delete_pod(r->kube->store, &meta->ns,
                                                 &meta->name);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_pod_node(ngx_str_t *spec, ngx_str_t *node)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  pb;

    ngx_http_k8s_metrics_pb_reader(&pb, spec->data, spec->len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&pb, &field)) == NGX_OK) {

        if (field.number == NGX_HTTP_K8S_METRICS_POD_NODE_NAME
            && field.type == NGX_HTTP_K8S_METRICS_PB_BYTES)
        {
            *node = field.bytes;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_pod_status(ngx_str_t *status, ngx_uint_t *running,
    ngx_uint_t *ready)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  pb;

    *running = 1;
    *ready = 0;

    ngx_http_k8s_metrics_pb_reader(&pb, status->data, status->len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&pb, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        switch (field.number) {

        case NGX_HTTP_K8S_METRICS_POD_PHASE:
            *running = (field.bytes.len == 7
                        && ngx_memcmp(field.bytes.data, "Running", 7) == 0);
            break;

        case NGX_HTTP_K8S_METRICS_POD_CONDITIONS:
            if (ngx_http_k8s_metrics_kube_ready(&field)) {
                *ready = 1;
            }

            break;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}
