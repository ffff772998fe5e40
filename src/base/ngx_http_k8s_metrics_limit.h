
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_LIMIT_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_LIMIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * So many lines of a log a minute: what others make happen may not fill it.
 * Zeroed memory is a fresh limit.
 */
typedef struct {
    ngx_msec_t    since;        /* when this minute began */
    ngx_uint_t    lines;        /* in it */
    ngx_uint_t    dropped;      /* since the last line */
} ngx_http_k8s_metrics_limit_t;


/*
 * NGX_OK when a line may be logged at "now" (ngx_current_msec-like), of which
 * "max" fit into a minute; "dropped" is then the number of those that were
 * left out before it.  Else NGX_DECLINED, and it is counted.
 */
ngx_int_t ngx_http_k8s_metrics_limit(ngx_http_k8s_metrics_limit_t *limit,
    ngx_msec_t now, ngx_uint_t max, ngx_uint_t *dropped);


#endif /* _NGX_HTTP_K8S_METRICS_LIMIT_H_INCLUDED_ */
