
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_API_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_API_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_store_read.h"


/*
 * The content handler: what is asked, in which form, streamed.
 */

extern ngx_module_t  ngx_http_k8s_metrics_module;   /* its ctx slot is ours */

typedef struct {
    ngx_http_k8s_metrics_store_t    *store;
    ngx_msec_t                       resolution;    /* ms */
    ngx_msec_t                       sample_max_age;    /* ms */
} ngx_http_k8s_metrics_api_conf_t;


/*
 * Answers the request: discovery, nodes, pods, health.  "conf" must outlive
 * the request.  Returns what a content handler returns.
 */
ngx_int_t ngx_http_k8s_metrics_api(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf);


#endif /* _NGX_HTTP_K8S_METRICS_API_H_INCLUDED_ */
