
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SELECTOR_CHECK_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SELECTOR_CHECK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"
#include "ngx_http_k8s_metrics_selector.h"


/* What label keys and values may be, and Kubernetes' words if they are not. */

/*
 * NGX_OK when "key" is a label's key, [subdomain "/"] name.  Otherwise
 * NGX_DECLINED, and "error" gets what is wrong with it.
 */
ngx_int_t ngx_http_k8s_metrics_check_key(const ngx_str_t *key,
    ngx_http_k8s_metrics_out_t *error);

/*
 * NGX_OK when the values of a requirement are labels' values, and a number
 * where the operator wants one.  Otherwise NGX_DECLINED with all that is
 * wrong in "error", in brackets when it is more than one thing.
 */
ngx_int_t ngx_http_k8s_metrics_check_values(
    const ngx_http_k8s_metrics_requirement_t *r,
    ngx_http_k8s_metrics_out_t *error);

/*
 * A decimal number with or without a sign, as strconv.ParseInt(s, 10, 64)
 * takes it.  NGX_OK or NGX_ERROR (out of range, too).
 */
ngx_int_t ngx_http_k8s_metrics_parse_int(const ngx_str_t *s, int64_t *n);


#endif /* _NGX_HTTP_K8S_METRICS_SELECTOR_CHECK_H_INCLUDED_ */
