
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_selector.h"
#include "ngx_http_k8s_metrics_selector_check.h"


static ngx_uint_t ngx_http_k8s_metrics_selector_has(
    const ngx_http_k8s_metrics_requirement_t *r, const ngx_str_t *value);
static ngx_uint_t ngx_http_k8s_metrics_selector_compare(
    const ngx_http_k8s_metrics_requirement_t *r, const ngx_str_t *value);


ngx_str_t *
ngx_http_k8s_metrics_selector_exact(
    const ngx_http_k8s_metrics_selector_t *selector, const char *field)
{
    size_t                               len;
    ngx_uint_t                           i;
    ngx_http_k8s_metrics_requirement_t  *r;

    len = ngx_strlen(field);

    for (i = 0; i < selector->nelts; i++) {
        r = &selector->elts[i];

        if (r->op == NGX_HTTP_K8S_METRICS_OP_EQUALS
            && r->key.len == len && ngx_memcmp(r->key.data, field, len) == 0)
        {
            return &r->values[0];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_k8s_metrics_selector_match(
    const ngx_http_k8s_metrics_selector_t *selector,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n)
{
    ngx_uint_t                           i, j, match;
    ngx_http_k8s_metrics_requirement_t  *r;

    for (i = 0; i < selector->nelts; i++) {
        r = &selector->elts[i];

        for (j = 0; j < n; j++) {
            if (labels[j].key.len == r->key.len
                && ngx_memcmp(labels[j].key.data, r->key.data, r->key.len)
                   == 0)
            {
                break;
            }
        }

        if (j == n) {
            match = (r->op == NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS
                     || r->op == NGX_HTTP_K8S_METRICS_OP_NOT_IN
                     || r->op == NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS);

        } else {
            match = ngx_http_k8s_metrics_selector_compare(r,
                                                          &labels[j].value);
        }

        if (!match) {
            return 0;
        }
    }

    return 1;
}


/* The label is there. */

static ngx_uint_t
ngx_http_k8s_metrics_selector_compare(
    const ngx_http_k8s_metrics_requirement_t *r, const ngx_str_t *value)
{
    int64_t  a, b;

    switch (r->op) {

    case NGX_HTTP_K8S_METRICS_OP_EQUALS:
    case NGX_HTTP_K8S_METRICS_OP_IN:
        return ngx_http_k8s_metrics_selector_has(r, value);

    case NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS:
    case NGX_HTTP_K8S_METRICS_OP_NOT_IN:
        return !ngx_http_k8s_metrics_selector_has(r, value);

    case NGX_HTTP_K8S_METRICS_OP_EXISTS:
        return 1;

    case NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS:
        return 0;

    default:
        break;
    }

    if (ngx_http_k8s_metrics_parse_int(value, &a) != NGX_OK
        || ngx_http_k8s_metrics_parse_int(&r->values[0], &b) != NGX_OK)
    {
        return 0;
    }

    return (r->op == NGX_HTTP_K8S_METRICS_OP_GT) ? a > b : a < b;
}


static ngx_uint_t
ngx_http_k8s_metrics_selector_has(
    const ngx_http_k8s_metrics_requirement_t *r, const ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_uint_t  low, high, mid;

    low = 0;
    high = r->nvalues;

    while (low < high) {
        mid = (low + high) / 2;
        rc = ngx_memn2cmp(value->data, r->values[mid].data, value->len,
                          r->values[mid].len);

        if (rc == 0) {
            return 1;
        }

        if (rc < 0) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return 0;
}
