
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_module.h"


#define NGX_HTTP_K8S_METRICS_TICK  250


static void ngx_http_k8s_metrics_tick(ngx_event_t *ev);
static void ngx_http_k8s_metrics_figures(ngx_http_k8s_metrics_worker_t *w);
static void ngx_http_k8s_metrics_take_roles(ngx_http_k8s_metrics_worker_t *w,
    ngx_uint_t roles);
static void ngx_http_k8s_metrics_exiting(void *data);


ngx_int_t
ngx_http_k8s_metrics_init_process(ngx_cycle_t *cycle)
{
    ngx_core_conf_t                   *ccf;
    ngx_http_k8s_metrics_worker_t     *w;
    ngx_http_k8s_metrics_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_k8s_metrics_module);

    if (mcf == NULL || mcf->store == NULL) {
        return NGX_OK;
    }

    /*
     * A worker whose init_process fails is not started again: only want of
     * memory is allowed to be fatal here, nothing from outside.
     */

    w = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_worker_t));
    if (w == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_fetch_init_process(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    w->store = mcf->store;

    w->resolver = ngx_http_k8s_metrics_resolver(cycle, &mcf->resolve);
    w->client = ngx_http_k8s_metrics_kube_client(cycle, &mcf->kube,
                                                 w->resolver);

    if (w->resolver == NULL || w->client == NULL) {
        return NGX_ERROR;
    }

    w->kube = ngx_http_k8s_metrics_kube(cycle, w->client, mcf->store,
                                        &mcf->settings);
    if (w->kube == NULL) {
        return NGX_ERROR;
    }

    w->scraper = ngx_http_k8s_metrics_scraper(cycle, &mcf->scrape, w->client,
                                              w->resolver, mcf->store);
    if (w->scraper == NULL) {
        return NGX_ERROR;
    }

    w->auth = ngx_http_k8s_metrics_auth(cycle, w->client, mcf->store);
    if (w->auth == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_fetch_at_exit(cycle, ngx_http_k8s_metrics_exiting,
                                           w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    ngx_http_k8s_metrics_store_enter(mcf->store, mcf->generation,
                            ngx_worker, ngx_max(ccf->worker_processes, 1));

    mcf->worker = w;

    w->dummy.fd = (ngx_socket_t) -1;
    w->dummy.data = w;
    w->tick.data = &w->dummy;
    w->tick.handler = ngx_http_k8s_metrics_tick;
    w->tick.log = cycle->log;
    w->tick.cancelable = 1;

    ngx_add_timer(&w->tick, 1);

    return NGX_OK;
}


void
ngx_http_k8s_metrics_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_k8s_metrics_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_k8s_metrics_module);

    if (mcf && mcf->worker) {
        ngx_http_k8s_metrics_exiting(mcf->worker);
    }
}


static void
ngx_http_k8s_metrics_tick(ngx_event_t *ev)
{
    ngx_connection_t               *c;
    ngx_http_k8s_metrics_worker_t  *w;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    c = ev->data;
    w = c->data;

    ngx_http_k8s_metrics_take_roles(w,
                                  ngx_http_k8s_metrics_store_tick(w->store));

    if (w->roles & NGX_HTTP_K8S_METRICS_ROLE_SCRAPE) {
        ngx_http_k8s_metrics_scraper_tick(w->scraper);
    }

    ngx_http_k8s_metrics_auth_refresh(w->auth);
    ngx_http_k8s_metrics_figures(w);

    ngx_add_timer(ev, NGX_HTTP_K8S_METRICS_TICK);
}


static void
ngx_http_k8s_metrics_figures(ngx_http_k8s_metrics_worker_t *w)
{
    ngx_uint_t  nodes, connections;

    if (ngx_http_k8s_metrics_store_figures_due(w->store)) {
        ngx_http_k8s_metrics_scraper_figures(w->scraper, &nodes, &connections);
        ngx_http_k8s_metrics_store_figures(w->store, nodes, connections);
    }
}


static void
ngx_http_k8s_metrics_take_roles(ngx_http_k8s_metrics_worker_t *w,
    ngx_uint_t roles)
{
    ngx_uint_t  gained, lost;

    gained = roles & ~w->roles;
    lost = w->roles & ~roles;

    w->roles = roles;

    if (lost & NGX_HTTP_K8S_METRICS_ROLE_SCRAPE) {
        ngx_http_k8s_metrics_scraper_stop(w->scraper);
    }

    if (lost & NGX_HTTP_K8S_METRICS_ROLE_WATCH) {
        ngx_http_k8s_metrics_kube_stop(w->kube);
    }

    if (gained & NGX_HTTP_K8S_METRICS_ROLE_WATCH) {
        ngx_http_k8s_metrics_kube_start(w->kube);
    }
}


static void
ngx_http_k8s_metrics_exiting(void *data)
{
    ngx_http_k8s_metrics_worker_t *w = data;

    ngx_http_k8s_metrics_take_roles(w, 0);
    ngx_http_k8s_metrics_store_leave(w->store);
}
