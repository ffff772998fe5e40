
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_KUBE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_KUBE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store.h"
#include "ngx_http_k8s_metrics_kube_client.h"


/*
 * Reflectors: nodes and running pods (protobuf) and the ConfigMap
 * kube-system/extension-apiserver-authentication (JSON), listed and watched
 * into the store by the one worker that holds the watches.
 */

typedef struct ngx_http_k8s_metrics_kube_s  ngx_http_k8s_metrics_kube_t;

typedef struct {
    ngx_str_t        node_selector;     /* label selector, or empty */
    unsigned         want_auth:1;       /* watch the ConfigMap, too */
} ngx_http_k8s_metrics_kube_settings_t;


/* Worker start: nothing runs yet.  NULL without memory. */
ngx_http_k8s_metrics_kube_t *ngx_http_k8s_metrics_kube(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_kube_settings_t *settings);

/* This worker holds the watches (again): begin where the store says. */
void ngx_http_k8s_metrics_kube_start(ngx_http_k8s_metrics_kube_t *kube);

/* It holds them no more, or the worker exits: end every stream at once. */
void ngx_http_k8s_metrics_kube_stop(ngx_http_k8s_metrics_kube_t *kube);


#endif /* _NGX_HTTP_K8S_METRICS_KUBE_H_INCLUDED_ */
