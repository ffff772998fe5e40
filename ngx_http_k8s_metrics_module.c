
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_module.h"


static void *ngx_http_k8s_metrics_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_k8s_metrics_create_srv_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_metrics_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void *ngx_http_k8s_metrics_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_k8s_metrics_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_k8s_metrics_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_k8s_metrics_serve(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_k8s_metrics_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_k8s_metrics_init_servers(ngx_conf_t *cf,
    ngx_http_k8s_metrics_main_conf_t *mcf);
static ngx_int_t ngx_http_k8s_metrics_access_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_precontent(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_content_handler(ngx_http_request_t *r);


#define MAIN(type, set, field)                                                \
    NGX_HTTP_MAIN_CONF|type, set, NGX_HTTP_MAIN_CONF_OFFSET,                  \
    offsetof(ngx_http_k8s_metrics_main_conf_t, field), NULL

#define SRV(type, set, field)                                                 \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|type, set,                           \
    NGX_HTTP_SRV_CONF_OFFSET,                                                 \
    offsetof(ngx_http_k8s_metrics_srv_conf_t, field), NULL


static ngx_command_t  ngx_http_k8s_metrics_commands[] = {

    { ngx_string("k8s_metrics_zone"),
      MAIN(NGX_CONF_TAKE1, ngx_http_k8s_metrics_zone, store) },

    { ngx_string("k8s_metrics_apiserver"),
      MAIN(NGX_CONF_TAKE1, ngx_http_k8s_metrics_kube_apiserver, kube) },

    { ngx_string("k8s_metrics_resolution"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_msec_slot, scrape.resolution) },

    { ngx_string("k8s_metrics_node_selector"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot, scrape.node_selector) },

    { ngx_string("k8s_metrics_kubelet_port"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_num_slot, scrape.kubelet_port) },

    { ngx_string("k8s_metrics_kubelet_use_node_status_port"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot,
           scrape.use_node_status_port) },

    { ngx_string("k8s_metrics_kubelet_preferred_address_types"),
      MAIN(NGX_CONF_1MORE, ngx_http_k8s_metrics_scrape_address_types,
           scrape) },

    { ngx_string("k8s_metrics_kubelet_certificate_authority"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot,
           scrape.certificate_authority) },

    { ngx_string("k8s_metrics_kubelet_cadence"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.cadence) },

    { ngx_string("k8s_metrics_kubelet_insecure_tls"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.insecure_tls) },

    { ngx_string("k8s_metrics_kubelet_client_certificate"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot,
           scrape.client_certificate) },

    { ngx_string("k8s_metrics_kubelet_client_key"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot, scrape.client_key) },

    { ngx_string("k8s_metrics_kubelet_request_timeout"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_msec_slot, scrape.request_timeout) },

    { ngx_string("k8s_metrics_kubelet_completely_insecure"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot,
           scrape.completely_insecure) },

    { ngx_string("k8s_metrics_kubelet_any_path"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.any_path) },

    { ngx_string("k8s_metrics_resolv_conf"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot, resolve.resolv_conf) },

    { ngx_string("k8s_metrics_hosts"),
      MAIN(NGX_CONF_TAKE1, ngx_conf_set_str_slot, resolve.hosts) },

    { ngx_string("k8s_metrics_kubelet_keepalive"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.keepalive) },

    { ngx_string("k8s_metrics_kubelet_stats_summary"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.stats_summary) },

    { ngx_string("k8s_metrics_kubelet_node_proxy"),
      MAIN(NGX_CONF_FLAG, ngx_conf_set_flag_slot, scrape.node_proxy) },

    { ngx_string("k8s_metrics_requestheader_client_ca"),
      SRV(NGX_CONF_TAKE1, ngx_http_k8s_metrics_auth_file,
          auth.requestheader_client_ca) },

    { ngx_string("k8s_metrics_requestheader_allowed_names"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_words,
          auth.allowed_names) },

    { ngx_string("k8s_metrics_requestheader_username_headers"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_headers,
          auth.username_headers) },

    { ngx_string("k8s_metrics_requestheader_uid_headers"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_headers,
          auth.uid_headers) },

    { ngx_string("k8s_metrics_requestheader_group_headers"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_headers,
          auth.group_headers) },

    { ngx_string("k8s_metrics_requestheader_extra_headers_prefix"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_headers,
          auth.extra_prefixes) },

    { ngx_string("k8s_metrics_client_ca"),
      SRV(NGX_CONF_TAKE1, ngx_http_k8s_metrics_auth_file, auth.client_ca) },

    { ngx_string("k8s_metrics_always_allow_paths"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_words,
          auth.always_allow_paths) },

    { ngx_string("k8s_metrics_token_audiences"),
      SRV(NGX_CONF_1MORE, ngx_http_k8s_metrics_auth_words,
          auth.token_audiences) },

    { ngx_string("k8s_metrics_token_cache_ttl"),
      SRV(NGX_CONF_TAKE1, ngx_http_k8s_metrics_auth_token_ttl,
          auth.token_ttl) },

    { ngx_string("k8s_metrics_authorization_cache_ttl"),
      SRV(NGX_CONF_TAKE12, ngx_http_k8s_metrics_auth_ttl, auth) },

    { ngx_string("k8s_metrics_max_inflight"),
      SRV(NGX_CONF_TAKE1, ngx_conf_set_num_slot, auth.max_inflight) },

    { ngx_string("k8s_metrics_anonymous"),
      SRV(NGX_CONF_FLAG, ngx_conf_set_flag_slot, auth.anonymous) },

    { ngx_string("k8s_metrics_sample_max_age"),
      SRV(NGX_CONF_TAKE1, ngx_conf_set_msec_slot, api.sample_max_age) },

    { ngx_string("k8s_metrics_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_k8s_metrics_loc_conf_t, auth.enable),
      NULL },

    { ngx_string("k8s_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_k8s_metrics_serve,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_k8s_metrics_loc_conf_t, auth.serves),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_k8s_metrics_module_ctx = {
    ngx_http_k8s_metrics_auth_variables,      /* preconfiguration */
    ngx_http_k8s_metrics_postconfiguration,   /* postconfiguration */

    ngx_http_k8s_metrics_create_main_conf,    /* create main configuration */
    NULL,                                     /* init main configuration */

    ngx_http_k8s_metrics_create_srv_conf,     /* create server configuration */
    ngx_http_k8s_metrics_merge_srv_conf,      /* merge server configuration */

    ngx_http_k8s_metrics_create_loc_conf,     /* create location conf */
    ngx_http_k8s_metrics_merge_loc_conf       /* merge location conf */
};


ngx_module_t  ngx_http_k8s_metrics_module = {
    NGX_MODULE_V1,
    &ngx_http_k8s_metrics_module_ctx,         /* module context */
    ngx_http_k8s_metrics_commands,            /* module directives */
    NGX_HTTP_MODULE,                          /* module type */
    NULL,                                     /* init master */
    NULL,                                     /* init module */
    ngx_http_k8s_metrics_init_process,        /* init process */
    NULL,                                     /* init thread */
    NULL,                                     /* exit thread */
    ngx_http_k8s_metrics_exit_process,        /* exit process */
    NULL,                                     /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_k8s_metrics_create_main_conf(ngx_conf_t *cf)
{
    struct timespec                    ts;
    ngx_http_k8s_metrics_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    ngx_http_k8s_metrics_kube_conf_init(&mcf->kube);
    ngx_http_k8s_metrics_scrape_conf_init(&mcf->scrape);

    /* grows from one configuration to the next, whatever the wall clock does */

    clock_gettime(CLOCK_MONOTONIC, &ts);

    mcf->generation = (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;

    return mcf;
}


static void *
ngx_http_k8s_metrics_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_k8s_metrics_srv_conf_t  *scf;

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_srv_conf_t));
    if (scf == NULL) {
        return NULL;
    }

    ngx_http_k8s_metrics_auth_srv_conf_init(&scf->auth);
    scf->api.sample_max_age = NGX_CONF_UNSET_MSEC;

    return scf;
}


static char *
ngx_http_k8s_metrics_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_k8s_metrics_srv_conf_t  *prev = parent;
    ngx_http_k8s_metrics_srv_conf_t  *conf = child;

    /* the default, two resolutions, is set when the resolution is known */

    if (conf->api.sample_max_age == NGX_CONF_UNSET_MSEC) {
        conf->api.sample_max_age = prev->api.sample_max_age;
    }

    return ngx_http_k8s_metrics_auth_srv_conf_merge(cf, &prev->auth,
                                                    &conf->auth);
}


static void *
ngx_http_k8s_metrics_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_k8s_metrics_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->auth.enable = NGX_CONF_UNSET;

    return lcf;
}


static char *
ngx_http_k8s_metrics_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_k8s_metrics_loc_conf_t  *prev = parent;
    ngx_http_k8s_metrics_loc_conf_t  *conf = child;

    ngx_http_k8s_metrics_srv_conf_t  *scf;

    conf->auth.written = (conf->auth.enable != NGX_CONF_UNSET);

    ngx_conf_merge_value(conf->auth.enable, prev->auth.enable, 0);

    scf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_k8s_metrics_module);

    if (conf->auth.enable) {
        scf->auth.authenticates = 1;
    }

    if (!conf->auth.serves) {
        return NGX_CONF_OK;
    }

    scf->auth.serves = 1;

    if (!conf->auth.enable && !conf->auth.written) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics\" would answer anybody: add "
                      "\"k8s_metrics_auth on\" to its location, or write "
                      "\"k8s_metrics_auth off\" there to mean it");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_k8s_metrics_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_k8s_metrics_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->store) {
        return "is duplicate";
    }

    value = cf->args->elts;

    mcf->store = ngx_http_k8s_metrics_store_zone_named(cf, &value[1],
                                                 &ngx_http_k8s_metrics_module);

    return mcf->store ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_k8s_metrics_serve(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_k8s_metrics_loc_conf_t  *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->auth.serves) {
        return "is duplicate";
    }

    lcf->auth.serves = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_k8s_metrics_content_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt               *h;
    ngx_http_core_main_conf_t         *cmcf;
    ngx_http_k8s_metrics_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_k8s_metrics_module);

    if (mcf->store
        && (ngx_http_k8s_metrics_resolve_conf_check(cf, &mcf->resolve) != NGX_OK
            || ngx_http_k8s_metrics_kube_conf_load(cf, &mcf->kube) != NGX_OK
            || ngx_http_k8s_metrics_scrape_conf_check(cf, &mcf->scrape,
                                                      &mcf->kube)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    mcf->settings.node_selector = mcf->scrape.node_selector;

    if (ngx_http_k8s_metrics_init_servers(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (mcf->store == NULL) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_k8s_metrics_access_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_k8s_metrics_precontent;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_init_servers(ngx_conf_t *cf,
    ngx_http_k8s_metrics_main_conf_t *mcf)
{
    ngx_uint_t                         i;
    ngx_http_core_srv_conf_t         **cscfp;
    ngx_http_core_main_conf_t         *cmcf;
    ngx_http_k8s_metrics_srv_conf_t   *scf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        scf = cscfp[i]->ctx->srv_conf[ngx_http_k8s_metrics_module.ctx_index];

        if (!scf->auth.authenticates && !scf->auth.serves) {
            continue;
        }

        if (mcf->store == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"k8s_metrics\" and \"k8s_metrics_auth\" need "
                          "\"k8s_metrics_zone name:size\" in http");
            return NGX_ERROR;
        }

        scf->api.store = mcf->store;
        scf->api.resolution = mcf->scrape.resolution;

        if (scf->api.sample_max_age == NGX_CONF_UNSET_MSEC) {
            scf->api.sample_max_age = 2 * mcf->scrape.resolution;
        }

        if (!scf->auth.authenticates) {
            continue;
        }

        mcf->settings.want_auth = 1;

        if (ngx_http_k8s_metrics_auth_prepare(cf, cscfp[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_access_handler(ngx_http_request_t *r)
{
    ngx_http_k8s_metrics_srv_conf_t   *scf;
    ngx_http_k8s_metrics_loc_conf_t   *lcf;
    ngx_http_k8s_metrics_main_conf_t  *mcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_metrics_module);

    if (!lcf->auth.enable) {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_k8s_metrics_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_k8s_metrics_module);

    return ngx_http_k8s_metrics_auth_access(r, mcf->worker->auth, &scf->auth);
}


static ngx_int_t
ngx_http_k8s_metrics_precontent(ngx_http_request_t *r)
{
    ngx_http_k8s_metrics_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_k8s_metrics_module);

    return ngx_http_k8s_metrics_auth_precontent(r, &lcf->auth);
}


static ngx_int_t
ngx_http_k8s_metrics_content_handler(ngx_http_request_t *r)
{
    ngx_http_k8s_metrics_srv_conf_t  *scf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_k8s_metrics_module);

    return ngx_http_k8s_metrics_api(r, &scf->api);
}
