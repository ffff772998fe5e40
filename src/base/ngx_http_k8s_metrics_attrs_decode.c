
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_attrs.h"
#include "ngx_http_k8s_metrics_attrs_decode.h"
#include "ngx_http_k8s_metrics_json.h"


static ngx_uint_t ngx_http_k8s_metrics_decode_ambiguous(
    const ngx_str_t *path);
static ngx_uint_t ngx_http_k8s_metrics_decode_dots(const u_char *p,
    const u_char *last);
static ngx_int_t ngx_http_k8s_metrics_query_pair(const u_char *p,
    const u_char *last, const char *name, const u_char **value);
static ngx_int_t ngx_http_k8s_metrics_query_char(const u_char **pos,
    const u_char *last);
static ngx_int_t ngx_http_k8s_metrics_hex(const u_char *p);


ngx_int_t
ngx_http_k8s_metrics_decode_path(ngx_pool_t *pool, const ngx_str_t *uri,
    ngx_str_t *path)
{
    u_char      *p, *dst, *last;
    ngx_int_t    c;
    ngx_uint_t   declined;

    dst = ngx_pnalloc(pool, uri->len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    path->data = dst;
    declined = 0;

    p = uri->data;
    last = uri->data + uri->len;

    while (p < last) {
        c = *p++;

        if (c == '%') {

            c = (last - p >= 2) ? ngx_http_k8s_metrics_hex(p) : NGX_ERROR;

            if (c == NGX_ERROR) {
                declined = 1;
                c = '%';

            } else {
                p += 2;

                if (c == '/' || c == '.') {
                    declined = 1;
                }
            }
        }

        if (c == '\0') {
            declined = 1;
        }

        *dst++ = (u_char) c;
    }

    path->len = dst - path->data;

    if (declined || ngx_http_k8s_metrics_decode_ambiguous(path)) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * An empty part within the path; one of only one or two dots, also before
 * parameters, which some take off first; a backslash, which some take for a
 * slash; bytes that are no UTF-8: a review has no form for them, and some read
 * overlong forms as what they stand for.
 */

static ngx_uint_t
ngx_http_k8s_metrics_decode_ambiguous(const ngx_str_t *path)
{
    size_t       n;
    u_char      *p, *start, *last;

    last = path->data + path->len;
    start = path->data;

    for (p = path->data; p < last; p += n) {
        n = 1;

        if (*p >= 0x80) {
            n = ngx_http_k8s_metrics_json_utf8(p, last);

            if (n == 0) {
                return 1;
            }
        }

        if (*p == '\\') {
            return 1;
        }

        if (*p != '/') {
            continue;
        }

        if ((p == start && p != path->data)
            || ngx_http_k8s_metrics_decode_dots(start, p))
        {
            return 1;
        }

        start = p + 1;
    }

    return ngx_http_k8s_metrics_decode_dots(start, last);
}


static ngx_uint_t
ngx_http_k8s_metrics_decode_dots(const u_char *p, const u_char *last)
{
    ngx_uint_t  n;

    for (n = 0; n < 2 && p < last && *p == '.'; n++) {
        p++;
    }

    return n && (p == last || *p == ';');
}


ngx_int_t
ngx_http_k8s_metrics_query(ngx_pool_t *pool, const ngx_str_t *args,
    const char *name, ngx_uint_t n, ngx_str_t *value)
{
    u_char        *dst;
    ngx_int_t      c;
    const u_char  *p, *end, *last;

    ngx_str_null(value);

    if (args->len == 0) {
        return NGX_DECLINED;
    }

    last = args->data + args->len;

    for (p = args->data; p < last; p = end + 1) {

        end = ngx_strlchr((u_char *) p, (u_char *) last, '&');

        if (end == NULL) {
            end = last;
        }

        if (ngx_http_k8s_metrics_query_pair(p, end, name, &p) != NGX_OK
            || n-- > 0)
        {
            continue;
        }

        value->data = ngx_pnalloc(pool, end - p + 1);
        if (value->data == NULL) {
            return NGX_ERROR;
        }

        dst = value->data;

        while (p < end) {
            c = ngx_http_k8s_metrics_query_char(&p, end);
            *dst++ = (u_char) c;
        }

        value->len = dst - value->data;

        return NGX_OK;
    }

    return NGX_DECLINED;
}


/*
 * NGX_OK with "value" where the value begins, when the pair has this name and
 * both can be decoded; a pair with a semicolon does not count either, as in
 * Go.
 */

static ngx_int_t
ngx_http_k8s_metrics_query_pair(const u_char *p, const u_char *last,
    const char *name, const u_char **value)
{
    ngx_int_t  c;

    while (p < last && *p != '=') {

        if (*p == ';') {
            return NGX_DECLINED;
        }

        c = ngx_http_k8s_metrics_query_char(&p, last);

        if (c == NGX_ERROR || *name == '\0' || c != (u_char) *name) {
            return NGX_DECLINED;
        }

        name++;
    }

    if (*name != '\0') {
        return NGX_DECLINED;
    }

    if (p < last) {
        p++;
    }

    *value = p;

    while (p < last) {
        if (*p == ';'
            || ngx_http_k8s_metrics_query_char(&p, last) == NGX_ERROR)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_query_char(const u_char **pos, const u_char *last)
{
    ngx_int_t      c;
    const u_char  *p;

    p = *pos;

    if (*p == '%') {

        if (last - p < 3) {
            return NGX_ERROR;
        }

        c = ngx_http_k8s_metrics_hex(p + 1);
        *pos = p + 3;

        return c;
    }

    *pos = p + 1;

    return (*p == '+') ? ' ' : *p;
}


/* The byte that two hexadecimal digits stand for, or NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_hex(const u_char *p)
{
    u_char      c;
    ngx_int_t   n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < 2; i++) {
        c = p[i];

        if (c >= '0' && c <= '9') {
            n = n * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return NGX_ERROR;
        }

        n = n * 16 + (c - 'a' + 10);
    }

    return n;
}
