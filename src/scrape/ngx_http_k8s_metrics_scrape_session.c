
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


static size_t ngx_http_k8s_metrics_kubelet_get_session(void *data,
    const u_char *key, u_char *bytes);
static void ngx_http_k8s_metrics_kubelet_put_session(void *data,
    const u_char *key, const u_char *bytes, size_t len);


const ngx_http_k8s_metrics_sessions_t  ngx_http_k8s_metrics_kubelet_sessions = {
    ngx_http_k8s_metrics_kubelet_get_session,
    ngx_http_k8s_metrics_kubelet_put_session
};


static size_t
ngx_http_k8s_metrics_kubelet_get_session(void *data, const u_char *key,
    u_char *bytes)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    return ngx_http_k8s_metrics_store_get_session(k->scraper->store, k->ref,
                                                  key, bytes);
}


static void
ngx_http_k8s_metrics_kubelet_put_session(void *data, const u_char *key,
    const u_char *bytes, size_t len)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    ngx_http_k8s_metrics_store_put_session(k->scraper->store, k->ref, key,
                                           bytes, len);
}
