
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


#define NGX_HTTP_K8S_METRICS_KUBE_CHECK  1000


static ngx_int_t ngx_http_k8s_metrics_kube_selector(
    ngx_http_k8s_metrics_kube_t *kube, ngx_pool_t *pool,
    const ngx_str_t *selector);
static void ngx_http_k8s_metrics_kube_check(ngx_event_t *ev);


ngx_http_k8s_metrics_kube_t *
ngx_http_k8s_metrics_kube(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_kube_settings_t *settings)
{
    ngx_uint_t                         i;
    ngx_http_k8s_metrics_kube_t       *kube;
    ngx_http_k8s_metrics_reflector_t  *r;

    kube = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_kube_t));
    if (kube == NULL) {
        return NULL;
    }

    kube->client = client;
    kube->store = store;
    kube->log = cycle->log;

    if (ngx_http_k8s_metrics_kube_selector(kube, cycle->pool,
                                           &settings->node_selector)
        != NGX_OK)
    {
        return NULL;
    }

    kube->dummy.fd = (ngx_socket_t) -1;
    kube->dummy.data = kube;

    kube->check.data = &kube->dummy;
    kube->check.handler = ngx_http_k8s_metrics_kube_check;
    kube->check.log = cycle->log;
    kube->check.cancelable = 1;

    r = kube->reflectors;

    ngx_http_k8s_metrics_reflector_init(&r[0], kube,
                                        &ngx_http_k8s_metrics_kube_nodes);
    ngx_http_k8s_metrics_reflector_init(&r[1], kube,
                                        &ngx_http_k8s_metrics_kube_pods);
    ngx_http_k8s_metrics_reflector_init(&r[2], kube,
                                        &ngx_http_k8s_metrics_kube_configmap);

    kube->nreflectors = settings->want_auth ? 3 : 2;

    for (i = 0; i < kube->nreflectors; i++) {
        if (ngx_array_init(&r[i].labels, cycle->pool, 32,
                           sizeof(ngx_http_k8s_metrics_label_t))
            != NGX_OK)
        {
            return NULL;
        }
    }

    return kube;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_selector(ngx_http_k8s_metrics_kube_t *kube,
    ngx_pool_t *pool, const ngx_str_t *selector)
{
    u_char  *p;
    size_t   len;

    if (selector->len == 0) {
        return NGX_OK;
    }

    len = sizeof("&labelSelector=") - 1 + selector->len
          + 2 * ngx_escape_uri(NULL, selector->data, selector->len,
                               NGX_ESCAPE_URI_COMPONENT);

    kube->node_query.data = ngx_pnalloc(pool, len);
    if (kube->node_query.data == NULL) {
        return NGX_ERROR;
    }

    kube->node_query.len = len;

    p = ngx_cpymem(kube->node_query.data, "&labelSelector=",
                   sizeof("&labelSelector=") - 1);

    (void) ngx_escape_uri(p, selector->data, selector->len,
                          NGX_ESCAPE_URI_COMPONENT);

    return NGX_OK;
}


void
ngx_http_k8s_metrics_kube_start(ngx_http_k8s_metrics_kube_t *kube)
{
    ngx_uint_t  i;

    for (i = 0; i < kube->nreflectors; i++) {
        ngx_http_k8s_metrics_reflector_start(&kube->reflectors[i]);
    }

    if (!kube->check.timer_set) {
        ngx_add_timer(&kube->check, NGX_HTTP_K8S_METRICS_KUBE_CHECK);
    }
}


void
ngx_http_k8s_metrics_kube_stop(ngx_http_k8s_metrics_kube_t *kube)
{
    ngx_uint_t  i;

    for (i = 0; i < kube->nreflectors; i++) {
        ngx_http_k8s_metrics_reflector_stop(&kube->reflectors[i]);
    }

    if (kube->check.timer_set) {
        ngx_del_timer(&kube->check);
    }
}


/* a store that began afresh, after a death under its lock, knows nothing */

static void
ngx_http_k8s_metrics_kube_check(ngx_event_t *ev)
{
    ngx_uint_t                         i;
    ngx_connection_t                  *c;
    ngx_http_k8s_metrics_kube_t       *kube;
    ngx_http_k8s_metrics_reflector_t  *r;

    c = ev->data;
    kube = c->data;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_K8S_METRICS_KUBE_CHECK);

    if (ngx_http_k8s_metrics_store_complete(kube->store)) {

        for (i = 0; i < kube->nreflectors; i++) {
            ngx_http_k8s_metrics_reflector_heal(&kube->reflectors[i]);
        }

        return;
    }

    for (i = 0; i < kube->nreflectors; i++) {
        r = &kube->reflectors[i];

        if (r->desc->stored
            && r->state != ngx_http_k8s_metrics_reflector_watch)
        {
            return;
        }
    }

    for (i = 0; i < kube->nreflectors; i++) {
        ngx_http_k8s_metrics_reflector_relist(&kube->reflectors[i]);
    }
}
