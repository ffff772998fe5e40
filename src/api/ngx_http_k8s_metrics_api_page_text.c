
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


void
ngx_http_k8s_metrics_page_cstr(ngx_http_k8s_metrics_out_t *out, const char *s)
{
    ngx_http_k8s_metrics_out_mem(out, s, ngx_strlen(s));
}


void
ngx_http_k8s_metrics_page_label(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c == '\n') {
            ngx_http_k8s_metrics_out_lit(out, "\\n");
            continue;
        }

        if (c == '\\' || c == '"') {
            ngx_http_k8s_metrics_out_byte(out, '\\');
        }

        ngx_http_k8s_metrics_out_byte(out, (c < ' ' || c >= 0x7f) ? '?' : c);
    }
}


void
ngx_http_k8s_metrics_page_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s, size_t max)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < s->len && i < max; i++) {
        c = s->data[i];
        ngx_http_k8s_metrics_out_byte(out, (c < ' ' || c >= 0x7f) ? '?' : c);
    }

    if (i < s->len) {
        ngx_http_k8s_metrics_out_lit(out, "...");
    }
}


void
ngx_http_k8s_metrics_page_decimal(ngx_http_k8s_metrics_out_t *out, uint64_t n,
    uint64_t unit)
{
    ngx_http_k8s_metrics_out_uint(out, n / unit);

    n %= unit;

    if (n) {
        ngx_http_k8s_metrics_out_byte(out, '.');
    }

    while (n) {
        unit /= 10;
        ngx_http_k8s_metrics_out_byte(out, (u_char) ('0' + n / unit));
        n %= unit;
    }
}


void
ngx_http_k8s_metrics_page_family(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help)
{
    ngx_http_k8s_metrics_out_lit(out, "# HELP ");
    ngx_http_k8s_metrics_page_cstr(out, name);
    ngx_http_k8s_metrics_out_byte(out, ' ');
    ngx_http_k8s_metrics_page_cstr(out, help);
    ngx_http_k8s_metrics_out_lit(out, "\n# TYPE ");
    ngx_http_k8s_metrics_page_cstr(out, name);
    ngx_http_k8s_metrics_out_byte(out, ' ');
    ngx_http_k8s_metrics_page_cstr(out, type);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


void
ngx_http_k8s_metrics_page_age(ngx_http_k8s_metrics_out_t *out, uint64_t ms)
{
    if (ms < 120000) {
        ngx_http_k8s_metrics_page_decimal(out, ms / 100, 10);
        ngx_http_k8s_metrics_out_lit(out, " s");

    } else if (ms < 7200000) {
        ngx_http_k8s_metrics_out_uint(out, ms / 60000);
        ngx_http_k8s_metrics_out_lit(out, " min");

    } else {
        ngx_http_k8s_metrics_out_uint(out, ms / 3600000);
        ngx_http_k8s_metrics_out_lit(out, " h");
    }
}


void
ngx_http_k8s_metrics_page_missing(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t missing)
{
    ngx_uint_t  i, n;

    static const char *const  words[] = {
        "cpu is missing", "memory is missing", "cpu is 0", "memory is 0",
        "it has more containers or longer names than are kept"
    };

    n = 0;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (!(missing & ((ngx_uint_t) 1 << i))) {
            continue;
        }

        if (n++) {
            ngx_http_k8s_metrics_out_lit(out, ", ");
        }

        ngx_http_k8s_metrics_page_cstr(out, words[i]);
    }
}


uint64_t
ngx_http_k8s_metrics_page_since(ngx_msec_t now, uint64_t then)
{
    ngx_msec_int_t  ms;

    ms = (ngx_msec_int_t) (now - (ngx_msec_t) then);

    return ms > 0 ? (uint64_t) ms : 0;
}
