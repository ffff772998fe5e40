
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition_internal.h"


#define NGX_HTTP_K8S_METRICS_VALUE_LEN  128


static ngx_uint_t ngx_http_k8s_metrics_exposition_special(const u_char *p,
    size_t len);
static ngx_int_t ngx_http_k8s_metrics_exposition_slow(const u_char *p,
    size_t len, double *value);
static const u_char *ngx_http_k8s_metrics_exposition_exponent(const u_char *p,
    const u_char *last, ngx_int_t *exponent);


ngx_int_t
ngx_http_k8s_metrics_exposition_value(const u_char *p, const u_char *last,
    double *value, const u_char **end)
{
    double                d;
    uint64_t              mantissa;
    ngx_int_t             exponent, scale;
    ngx_uint_t            digits;
    const u_char         *start, *first;
    static const double   power[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
    };

    start = p;

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    first = p;
    mantissa = 0;
    digits = 0;
    scale = 0;

    /* nineteen digits fit 64 bits; of more than that strtod() takes care */

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        mantissa = mantissa * 10 + (*p - '0');
        digits++;
    }

    if (p < last && *p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) {
            mantissa = mantissa * 10 + (*p - '0');
            digits++;
            scale--;
        }
    }

    if (digits == 0) {

        for (p = first; p < last && *p != ' ' && *p != '\t'; p++) {
            /* void */
        }

        *end = p;

        return ngx_http_k8s_metrics_exposition_special(first, p - first)
               ? NGX_DECLINED : NGX_ERROR;
    }

    exponent = 0;

    if (p < last && (*p == 'e' || *p == 'E')) {
        p = ngx_http_k8s_metrics_exposition_exponent(p + 1, last, &exponent);

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    *end = p;

    if (p < last && *p != ' ' && *p != '\t') {
        return NGX_ERROR;
    }

    exponent += scale;

    if (digits > 19 || mantissa > 1ULL << 53
        || exponent < -22 || exponent > 22)
    {
        return ngx_http_k8s_metrics_exposition_slow(start, p - start, value);
    }

    /* both are exact, so that one rounding makes the nearest double */

    d = (double) mantissa;
    d = (exponent < 0) ? d / power[-exponent] : d * power[exponent];

    *value = (*start == '-') ? -d : d;

    return NGX_OK;
}


static const u_char *
ngx_http_k8s_metrics_exposition_exponent(const u_char *p, const u_char *last,
    ngx_int_t *exponent)
{
    ngx_int_t      n;
    ngx_uint_t     negative;
    const u_char  *first;

    negative = 0;

    if (p < last && (*p == '-' || *p == '+')) {
        negative = (*p++ == '-');
    }

    n = 0;

    for (first = p; p < last && *p >= '0' && *p <= '9'; p++) {
        if (n < 100000) {
            n = n * 10 + (*p - '0');
        }
    }

    *exponent = negative ? -n : n;

    return (p == first) ? NULL : p;
}


static ngx_uint_t
ngx_http_k8s_metrics_exposition_special(const u_char *p, size_t len)
{
    return (len == 3
            && (ngx_strncasecmp((u_char *) p, (u_char *) "nan", 3) == 0
                || ngx_strncasecmp((u_char *) p, (u_char *) "inf", 3) == 0))
           || (len == 8
               && ngx_strncasecmp((u_char *) p, (u_char *) "infinity", 8)
                  == 0);
}


/* A number of digits only, as was seen already, of any length and size. */

static ngx_int_t
ngx_http_k8s_metrics_exposition_slow(const u_char *p, size_t len,
    double *value)
{
    char  buf[NGX_HTTP_K8S_METRICS_VALUE_LEN];

    if (len >= sizeof(buf)) {
        return NGX_ERROR;
    }

    ngx_memcpy(buf, p, len);
    buf[len] = '\0';

    *value = strtod(buf, NULL);

    return NGX_OK;
}
