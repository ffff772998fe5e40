
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SELECTOR_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SELECTOR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* Label and field selectors (k8s.io/apimachinery, pkg/labels, pkg/fields). */

typedef struct {
    ngx_str_t     key;
    ngx_str_t     value;
} ngx_http_k8s_metrics_label_t;


typedef enum {
    NGX_HTTP_K8S_METRICS_OP_EQUALS = 0,     /* = and == */
    NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS,
    NGX_HTTP_K8S_METRICS_OP_IN,
    NGX_HTTP_K8S_METRICS_OP_NOT_IN,
    NGX_HTTP_K8S_METRICS_OP_EXISTS,
    NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS,
    NGX_HTTP_K8S_METRICS_OP_GT,
    NGX_HTTP_K8S_METRICS_OP_LT
} ngx_http_k8s_metrics_op_e;

typedef struct {
    ngx_str_t                    key;
    ngx_http_k8s_metrics_op_e    op;
    ngx_uint_t                   nvalues;
    ngx_str_t                   *values;    /* sorted, each once */
} ngx_http_k8s_metrics_requirement_t;

typedef struct {
    ngx_uint_t                           nelts;
    ngx_http_k8s_metrics_requirement_t  *elts;  /* sorted by key as there */
} ngx_http_k8s_metrics_selector_t;


/*
 * Parses the whole label selector grammar of labels.Parse.  "text" is decoded
 * already (no %-escapes); an empty one selects everything.  The selector and
 * its strings are pool memory.  At most 1,000 requirements of 1,000 values.
 *
 * NGX_OK; NGX_DECLINED with "error" in Kubernetes' words (as recorded:
 * unable to parse requirement: found '=', expected: identifier) ; NGX_ERROR
 * without memory.
 */
ngx_int_t ngx_http_k8s_metrics_label_selector(ngx_pool_t *pool,
    const ngx_str_t *text, ngx_http_k8s_metrics_selector_t *selector,
    ngx_str_t *error);

/*
 * Parses a field selector (fields.ParseSelector: =, ==, != joined by commas,
 * backslash escapes).  Only syntax; which fields exist is the caller's
 * matter.  Ops are EQUALS and NOT_EQUALS with one value.  Returns as above.
 */
ngx_int_t ngx_http_k8s_metrics_field_selector(ngx_pool_t *pool,
    const ngx_str_t *text, ngx_http_k8s_metrics_selector_t *selector,
    ngx_str_t *error);

/*
 * The value that a field selector demands of "field" by EQUALS, or NULL
 * (fields.Selector.RequiresExactMatch).
 */
ngx_str_t *ngx_http_k8s_metrics_selector_exact(
    const ngx_http_k8s_metrics_selector_t *selector, const char *field);

/* 1 when the object's labels (in any order) satisfy every requirement. */
ngx_uint_t ngx_http_k8s_metrics_selector_match(
    const ngx_http_k8s_metrics_selector_t *selector,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n);


#endif /* _NGX_HTTP_K8S_METRICS_SELECTOR_H_INCLUDED_ */
