
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_MODULE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api.h"
#include "ngx_http_k8s_metrics_auth.h"
#include "ngx_http_k8s_metrics_fetch.h"
#include "ngx_http_k8s_metrics_kube.h"
#include "ngx_http_k8s_metrics_resolve.h"
#include "ngx_http_k8s_metrics_scrape.h"
#include "ngx_http_k8s_metrics_store.h"
#include "ngx_http_k8s_metrics_store_stats.h"


/* Of the root alone: the rooms' configurations, and what a worker runs. */

/* Made in init_process, in the worker's own memory. */
typedef struct {
    ngx_http_k8s_metrics_resolver_t        *resolver;
    ngx_http_k8s_metrics_kube_client_t     *client;
    ngx_http_k8s_metrics_kube_t            *kube;
    ngx_http_k8s_metrics_scraper_t         *scraper;
    ngx_http_k8s_metrics_auth_t            *auth;
    ngx_http_k8s_metrics_store_t           *store;
    ngx_uint_t                              roles;
    ngx_event_t                             tick;
    ngx_connection_t                        dummy;  /* for debug logging */
} ngx_http_k8s_metrics_worker_t;


typedef struct {
    ngx_http_k8s_metrics_store_t           *store;
    ngx_http_k8s_metrics_kube_conf_t        kube;
    ngx_http_k8s_metrics_scrape_conf_t      scrape;
    ngx_http_k8s_metrics_resolve_conf_t     resolve;
    ngx_http_k8s_metrics_kube_settings_t    settings;
    uint64_t                                generation;
    ngx_http_k8s_metrics_worker_t          *worker;
} ngx_http_k8s_metrics_main_conf_t;


typedef struct {
    ngx_http_k8s_metrics_auth_srv_conf_t    auth;   /* first: see auth.h */
    ngx_http_k8s_metrics_api_conf_t         api;
} ngx_http_k8s_metrics_srv_conf_t;


typedef struct {
    ngx_http_k8s_metrics_auth_loc_conf_t    auth;   /* first, too */
} ngx_http_k8s_metrics_loc_conf_t;


extern ngx_module_t  ngx_http_k8s_metrics_module;


/*
 * The module's init_process: makes what a worker runs and starts its tick.
 * NGX_OK, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_init_process(ngx_cycle_t *cycle);

/* Its exit_process. */
void ngx_http_k8s_metrics_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_K8S_METRICS_MODULE_H_INCLUDED_ */
