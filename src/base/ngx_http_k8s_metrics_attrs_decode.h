
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_ATTRS_DECODE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_ATTRS_DECODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Decodes a raw path into pool memory, also one that is declined.  NGX_OK;
 * NGX_DECLINED when its raw form could be read in another way (see
 * ngx_http_k8s_metrics_attrs); NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_decode_path(ngx_pool_t *pool,
    const ngx_str_t *uri, ngx_str_t *path);


#endif /* _NGX_HTTP_K8S_METRICS_ATTRS_DECODE_H_INCLUDED_ */
