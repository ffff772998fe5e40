
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"


static ngx_int_t ngx_http_k8s_metrics_out_grow(
    ngx_http_k8s_metrics_out_t *out, size_t n);


void
ngx_http_k8s_metrics_out_fixed(ngx_http_k8s_metrics_out_t *out, u_char *buf,
    size_t size)
{
    out->start = buf;
    out->last = buf;
    out->end = buf + size;
    out->max = size;
    out->pool = NULL;
    out->overflow = 0;
}


ngx_int_t
ngx_http_k8s_metrics_out_create(ngx_http_k8s_metrics_out_t *out,
    ngx_pool_t *pool, size_t size, size_t max)
{
    u_char  *p;

    if (size > max) {
        size = max;
    }

    p = ngx_pnalloc(pool, size ? size : 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_out_fixed(out, p, size);

    out->max = max;
    out->pool = pool;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_out_reserve(ngx_http_k8s_metrics_out_t *out, size_t n)
{
    if (out->overflow) {
        return NGX_ERROR;
    }

    if (n <= (size_t) (out->end - out->last)) {
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_out_grow(out, n);
}


static ngx_int_t
ngx_http_k8s_metrics_out_grow(ngx_http_k8s_metrics_out_t *out, size_t n)
{
    u_char  *p;
    size_t   len, size;

    len = out->last - out->start;

    if (out->pool == NULL || n > out->max - len) {
        out->overflow = 1;
        return NGX_ERROR;
    }

    size = out->end - out->start;
    size = (size > out->max / 2) ? out->max : size * 2;

    if (size < len + n) {
        size = len + n;
    }

    p = ngx_pnalloc(out->pool, size);
    if (p == NULL) {
        out->overflow = 1;
        return NGX_ERROR;
    }

    ngx_memcpy(p, out->start, len);

    /* only large allocations can be given back; others stay in the pool */
    (void) ngx_pfree(out->pool, out->start);

    out->start = p;
    out->last = p + len;
    out->end = p + size;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_out_mem(ngx_http_k8s_metrics_out_t *out, const void *p,
    size_t len)
{
    if (len == 0
        || ngx_http_k8s_metrics_out_reserve(out, len) != NGX_OK)
    {
        return;
    }

    out->last = ngx_cpymem(out->last, p, len);
}


void
ngx_http_k8s_metrics_out_byte(ngx_http_k8s_metrics_out_t *out, u_char c)
{
    if (ngx_http_k8s_metrics_out_reserve(out, 1) == NGX_OK) {
        *out->last++ = c;
    }
}


void
ngx_http_k8s_metrics_out_uint(ngx_http_k8s_metrics_out_t *out, uint64_t n)
{
    u_char   buf[NGX_INT64_LEN + 1];
    u_char  *p;

    p = buf + sizeof(buf);

    do {
        *--p = (u_char) (n % 10 + '0');
        n /= 10;
    } while (n);

    ngx_http_k8s_metrics_out_mem(out, p, buf + sizeof(buf) - p);
}


void
ngx_http_k8s_metrics_out_int(ngx_http_k8s_metrics_out_t *out, int64_t n)
{
    u_char    buf[NGX_INT64_LEN + 1];
    u_char   *p;
    uint64_t  u;

    /* the sign goes with the digits, so that a number is never half there */

    u = (n < 0) ? 0 - (uint64_t) n : (uint64_t) n;
    p = buf + sizeof(buf);

    do {
        *--p = (u_char) (u % 10 + '0');
        u /= 10;
    } while (u);

    if (n < 0) {
        *--p = '-';
    }

    ngx_http_k8s_metrics_out_mem(out, p, buf + sizeof(buf) - p);
}
