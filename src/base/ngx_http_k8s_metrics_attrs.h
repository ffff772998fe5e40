
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_ATTRS_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_ATTRS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_selector.h"


/*
 * What a request asks for in Kubernetes' terms (k8s.io/apiserver,
 * pkg/endpoints/request, RequestInfoFactory): made from the method and the
 * URI as received, so that authorization and routing see the same thing.
 */

typedef struct {
    unsigned                          resource_request:1;
    unsigned                          watch:1;
    unsigned                          has_label_selector:1;
    unsigned                          has_field_selector:1;
    ngx_str_t                         path;     /* decoded */
    ngx_str_t                         verb;
    ngx_str_t                         prefix;   /* "api" or "apis" */
    ngx_str_t                         group;
    ngx_str_t                         version;
    ngx_str_t                         ns;
    ngx_str_t                         resource;
    ngx_str_t                         subresource;
    ngx_str_t                         name;
    ngx_uint_t                        nparts;   /* past the namespace */

    /* first values of the query, decoded; data is NULL where absent */
    ngx_str_t                         label_text;
    ngx_str_t                         field_text;

    /* parsed; nelts 0 where absent or broken (then *_error is set) */
    ngx_http_k8s_metrics_selector_t   labels;
    ngx_http_k8s_metrics_selector_t   fields;
    ngx_str_t                         label_error;
    ngx_str_t                         field_error;
} ngx_http_k8s_metrics_attrs_t;


/*
 * "method" as sent (upper case), "uri" the raw path as received up to '?',
 * "args" what follows it.  Strings are views or pool memory.
 *
 * NGX_OK; NGX_DECLINED when the raw path has %2F, %2E, "//", "/./" or "/../"
 * in any spelling (also "..;x"), a backslash, a NUL, a broken escape or bytes
 * that are no UTF-8, so that decoding it could mean another thing to another
 * reader ("path" is then set, nothing else); NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_attrs(ngx_pool_t *pool,
    const ngx_str_t *method, const ngx_str_t *uri, const ngx_str_t *args,
    ngx_http_k8s_metrics_attrs_t *attrs);

/*
 * The "n"th (from 0) value of a query parameter, %- and plus-decoded into
 * pool memory.  NGX_OK, NGX_DECLINED when there is none, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_query(ngx_pool_t *pool, const ngx_str_t *args,
    const char *name, ngx_uint_t n, ngx_str_t *value);


#endif /* _NGX_HTTP_K8S_METRICS_ATTRS_H_INCLUDED_ */
