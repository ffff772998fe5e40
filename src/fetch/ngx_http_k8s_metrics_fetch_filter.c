
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static ngx_int_t ngx_http_k8s_metrics_fetch_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_fetch_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


/* of this worker, set once when it starts */

static ngx_http_conf_ctx_t               ngx_http_k8s_metrics_fetch_ctx;
static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


#define ngx_http_k8s_metrics_fetch_ours(r)                                    \
    ((r)->connection->send_chain == ngx_http_k8s_metrics_fetch_send_chain)


ngx_int_t
ngx_http_k8s_metrics_fetch_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   n;
    ngx_http_conf_ctx_t         *ctx, *own;
    ngx_http_core_loc_conf_t    *clcf, *copy;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;

    own = &ngx_http_k8s_metrics_fetch_ctx;
    ngx_memzero(own, sizeof(ngx_http_conf_ctx_t));

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    if (cmcf == NULL || cmcf->servers.nelts == 0) {
        return NGX_OK;
    }

    servers = cmcf->servers.elts;
    ctx = servers[0]->ctx;
    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    n = sizeof(void *) * ngx_http_max_module;

    own->loc_conf = ngx_palloc(cycle->pool, n);
    if (own->loc_conf == NULL) {
        return NGX_ERROR;
    }

    copy = ngx_palloc(cycle->pool, sizeof(ngx_http_core_loc_conf_t));
    if (copy == NULL) {
        return NGX_ERROR;
    }

    *copy = *clcf;
    copy->tcp_nodelay = 1;
    copy->error_pages = NULL;
    ngx_str_null(&copy->post_action);
    copy->lingering_close = NGX_HTTP_LINGERING_OFF;
    copy->sendfile_max_chunk = 0;
    copy->send_lowat = 0;

    ngx_memcpy(own->loc_conf, ctx->loc_conf, n);
    own->loc_conf[ngx_http_core_module.ctx_index] = copy;
    own->srv_conf = ctx->srv_conf;
    own->main_conf = ctx->main_conf;

    if (ngx_http_top_header_filter
        != ngx_http_k8s_metrics_fetch_header_filter)
    {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_http_k8s_metrics_fetch_header_filter;

        ngx_http_next_body_filter = ngx_http_top_body_filter;
        ngx_http_top_body_filter = ngx_http_k8s_metrics_fetch_body_filter;
    }

    return NGX_OK;
}


ngx_http_conf_ctx_t *
ngx_http_k8s_metrics_fetch_conf_ctx(void)
{
    ngx_http_conf_ctx_t  *own;

    own = &ngx_http_k8s_metrics_fetch_ctx;

    return own->main_conf ? own : NULL;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_header_filter(ngx_http_request_t *r)
{
    if (ngx_http_k8s_metrics_fetch_ours(r)) {
        return NGX_OK;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    if (ngx_http_k8s_metrics_fetch_ours(r)) {
        return NGX_OK;
    }

    return ngx_http_next_body_filter(r, in);
}


/* swallows what passes by the filters, and marks a connection as ours */

ngx_chain_t *
ngx_http_k8s_metrics_fetch_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    return NULL;
}
