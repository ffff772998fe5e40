
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"
#include "ngx_http_k8s_metrics_selector.h"


#define NGX_HTTP_K8S_METRICS_FIELDS_MAX       1000
#define NGX_HTTP_K8S_METRICS_FIELD_ERROR_LEN  65536


static ngx_int_t ngx_http_k8s_metrics_field_split(u_char *p, u_char *last,
    ngx_array_t *terms);
static ngx_int_t ngx_http_k8s_metrics_field_term(ngx_str_t *term,
    ngx_http_k8s_metrics_requirement_t *r, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_field_unescape(ngx_str_t *value,
    ngx_http_k8s_metrics_out_t *error);
static ngx_int_t ngx_http_k8s_metrics_field_terms(const ngx_str_t *text,
    ngx_array_t *terms, ngx_http_k8s_metrics_selector_t *selector,
    ngx_str_t *values, ngx_http_k8s_metrics_out_t *error);
static int ngx_libc_cdecl ngx_http_k8s_metrics_field_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_http_k8s_metrics_field_selector(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_http_k8s_metrics_selector_t *selector, ngx_str_t *error)
{
    u_char                      *p;
    ngx_int_t                    rc;
    ngx_str_t                   *values;
    ngx_array_t                  terms;
    ngx_http_k8s_metrics_out_t   out;

    selector->nelts = 0;
    selector->elts = NULL;
    ngx_str_null(error);

    if (text->len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text->data, text->len);

    if (ngx_array_init(&terms, pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_metrics_field_split(p, p + text->len, &terms);

    if (rc == NGX_ABORT) {
        ngx_str_set(error, "invalid selector: too many terms");
        return NGX_DECLINED;
    }

    if (rc != NGX_OK
        || ngx_http_k8s_metrics_out_create(&out, pool, 128,
                                        NGX_HTTP_K8S_METRICS_FIELD_ERROR_LEN)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    selector->elts = ngx_pcalloc(pool, (terms.nelts + 1)
                               * sizeof(ngx_http_k8s_metrics_requirement_t));
    if (selector->elts == NULL) {
        return NGX_ERROR;
    }

    values = ngx_palloc(pool, (terms.nelts + 1) * sizeof(ngx_str_t));
    if (values == NULL) {
        return NGX_ERROR;
    }

    /* the terms' order is that of their text, also for the first error */

    ngx_qsort(terms.elts, terms.nelts, sizeof(ngx_str_t),
              ngx_http_k8s_metrics_field_cmp);

    rc = ngx_http_k8s_metrics_field_terms(text, &terms, selector, values,
                                          &out);

    if (rc != NGX_OK) {
        selector->nelts = 0;
        error->data = out.start;
        error->len = ngx_http_k8s_metrics_out_len(&out);
    }

    return rc;
}


/* At commas that no backslash precedes; empty terms are left out. */

static ngx_int_t
ngx_http_k8s_metrics_field_split(u_char *p, u_char *last, ngx_array_t *terms)
{
    u_char      *start;
    ngx_str_t   *term;
    ngx_uint_t   escaped;

    start = p;
    escaped = 0;

    for ( /* void */ ; p <= last; p++) {

        if (p < last && (escaped || *p != ',')) {
            escaped = (!escaped && *p == '\\');
            continue;
        }

        if (p != start) {

            if (terms->nelts == NGX_HTTP_K8S_METRICS_FIELDS_MAX) {
                return NGX_ABORT;
            }

            term = ngx_array_push(terms);
            if (term == NULL) {
                return NGX_ERROR;
            }

            term->data = start;
            term->len = p - start;
        }

        start = p + 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_field_terms(const ngx_str_t *text, ngx_array_t *terms,
    ngx_http_k8s_metrics_selector_t *selector, ngx_str_t *values,
    ngx_http_k8s_metrics_out_t *error)
{
    ngx_str_t                           *term;
    ngx_uint_t                           i, n;
    ngx_http_k8s_metrics_requirement_t  *r;

    term = terms->elts;
    n = 0;

    for (i = 0; i < terms->nelts; i++) {
        r = &selector->elts[n];

        if (ngx_http_k8s_metrics_field_term(&term[i], r, &values[n])
            != NGX_OK)
        {
            ngx_http_k8s_metrics_out_lit(error, "invalid selector: '");
            ngx_http_k8s_metrics_out_str(error, text);
            ngx_http_k8s_metrics_out_lit(error, "'; can't understand '");
            ngx_http_k8s_metrics_out_str(error, &term[i]);
            ngx_http_k8s_metrics_out_byte(error, '\'');

            return NGX_DECLINED;
        }

        if (ngx_http_k8s_metrics_field_unescape(&values[n], error)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        /* no field and no value: selects everything */

        if (r->key.len || values[n].len) {
            r->values = &values[n];
            r->nvalues = 1;
            n++;
        }
    }

    selector->nelts = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_field_term(ngx_str_t *term,
    ngx_http_k8s_metrics_requirement_t *r, ngx_str_t *value)
{
    u_char  *p, *last;

    last = term->data + term->len;

    for (p = term->data; p < last; p++) {

        if (*p == '=') {
            r->op = NGX_HTTP_K8S_METRICS_OP_EQUALS;
            value->data = p + 1;

            if (value->data < last && *value->data == '=') {
                value->data++;
            }

        } else if (*p == '!' && last - p > 1 && p[1] == '=') {
            r->op = NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS;
            value->data = p + 2;

        } else {
            continue;
        }

        r->key.data = term->data;
        r->key.len = p - term->data;
        value->len = last - value->data;

        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* In place. */

static ngx_int_t
ngx_http_k8s_metrics_field_unescape(ngx_str_t *value,
    ngx_http_k8s_metrics_out_t *error)
{
    u_char  *p, *dst, *last, *seq;

    last = value->data + value->len;
    dst = value->data;

    for (p = value->data; p < last; p++) {

        if (*p == '=') {
            ngx_http_k8s_metrics_out_lit(error, "invalid field selector: "
                                         "unescaped character in value: 61");
            return NGX_DECLINED;
        }

        if (*p != '\\') {
            *dst++ = *p;
            continue;
        }

        seq = p++;

        if (p < last && (*p == '\\' || *p == ',' || *p == '=')) {
            *dst++ = *p;
            continue;
        }

        /* the whole character that follows */

        if (p < last) {
            for (p++; p < last && (*p & 0xc0) == 0x80; p++) { /* void */ }
        }

        ngx_http_k8s_metrics_out_lit(error, "invalid field selector: "
                                     "invalid escape sequence: ");
        ngx_http_k8s_metrics_out_mem(error, seq, p - seq);

        return NGX_DECLINED;
    }

    value->len = dst - value->data;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_field_cmp(const void *one, const void *two)
{
    const ngx_str_t  *a, *b;

    a = one;
    b = two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
}
