
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_OUT_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_OUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A flat output buffer with a hard cap.  What does not fit sets "overflow",
 * and from then on nothing is written: a writer checks once, at the end of
 * an item, and rolls the item back by resetting "last" and "overflow".
 *
 * With a pool the buffer grows by doubling up to "max" bytes; old memory is
 * given back to the pool.  Without one it keeps its size.
 */

typedef struct {
    u_char      *start;
    u_char      *last;              /* next byte to be written */
    u_char      *end;
    size_t       max;               /* cap when growing, bytes */
    ngx_pool_t  *pool;              /* NULL: fixed size */
    ngx_uint_t   overflow;          /* did not fit, or no memory */
} ngx_http_k8s_metrics_out_t;


/* Writes into the caller's "buf" of "size" bytes; never grows. */
void ngx_http_k8s_metrics_out_fixed(ngx_http_k8s_metrics_out_t *out,
    u_char *buf, size_t size);

/*
 * Allocates "size" bytes from "pool" and may grow to "max".
 * NGX_OK or NGX_ERROR (no memory).  The bytes belong to the pool.
 */
ngx_int_t ngx_http_k8s_metrics_out_create(ngx_http_k8s_metrics_out_t *out,
    ngx_pool_t *pool, size_t size, size_t max);

/*
 * Makes room for "n" bytes at "last".  NGX_OK, or NGX_ERROR with "overflow"
 * set.  After NGX_OK the caller may write at out->last and move it.
 */
ngx_int_t ngx_http_k8s_metrics_out_reserve(ngx_http_k8s_metrics_out_t *out,
    size_t n);

/* Append "len" bytes; a byte; a decimal number. */
void ngx_http_k8s_metrics_out_mem(ngx_http_k8s_metrics_out_t *out,
    const void *p, size_t len);
void ngx_http_k8s_metrics_out_byte(ngx_http_k8s_metrics_out_t *out, u_char c);
void ngx_http_k8s_metrics_out_uint(ngx_http_k8s_metrics_out_t *out,
    uint64_t n);
void ngx_http_k8s_metrics_out_int(ngx_http_k8s_metrics_out_t *out, int64_t n);

#define ngx_http_k8s_metrics_out_str(out, s)                                  \
    ngx_http_k8s_metrics_out_mem(out, (s)->data, (s)->len)

/* Append a string literal. */
#define ngx_http_k8s_metrics_out_lit(out, s)                                  \
    ngx_http_k8s_metrics_out_mem(out, s, sizeof(s) - 1)

/* Bytes written so far. */
#define ngx_http_k8s_metrics_out_len(out)  ((size_t) ((out)->last             \
                                                      - (out)->start))


#endif /* _NGX_HTTP_K8S_METRICS_OUT_H_INCLUDED_ */
