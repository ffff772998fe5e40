
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_json.h"


static void ngx_http_k8s_metrics_json_newline(ngx_http_k8s_metrics_json_t *w);
static void ngx_http_k8s_metrics_json_value(ngx_http_k8s_metrics_json_t *w);
static void ngx_http_k8s_metrics_json_open(ngx_http_k8s_metrics_json_t *w,
    u_char c);
static void ngx_http_k8s_metrics_json_close(ngx_http_k8s_metrics_json_t *w,
    u_char c);
static void ngx_http_k8s_metrics_json_quoted(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s);
static const u_char *ngx_http_k8s_metrics_json_escape(
    ngx_http_k8s_metrics_out_t *out, const u_char *p, const u_char *end);


/* bytes that cannot be copied as they are */

static const u_char  ngx_http_k8s_metrics_json_special[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,     /* " & */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0,     /* < > */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,     /* \ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
};


void
ngx_http_k8s_metrics_json_init(ngx_http_k8s_metrics_json_t *w,
    ngx_http_k8s_metrics_out_t *out, ngx_uint_t pretty)
{
    w->out = out;
    w->depth = 0;
    w->pretty = pretty ? 1 : 0;
    w->comma = 0;
    w->key = 0;
}


static void
ngx_http_k8s_metrics_json_newline(ngx_http_k8s_metrics_json_t *w)
{
    size_t  n;

    n = w->depth * 2;

    if (ngx_http_k8s_metrics_out_reserve(w->out, n + 1) != NGX_OK) {
        return;
    }

    *w->out->last++ = '\n';
    ngx_memset(w->out->last, ' ', n);
    w->out->last += n;
}


/* What comes between the last value or key and this one. */

static void
ngx_http_k8s_metrics_json_value(ngx_http_k8s_metrics_json_t *w)
{
    if (w->key) {
        w->key = 0;
        w->comma = 1;
        return;
    }

    if (w->comma) {
        ngx_http_k8s_metrics_out_byte(w->out, ',');
    }

    if (w->pretty && w->depth) {
        ngx_http_k8s_metrics_json_newline(w);
    }

    w->comma = 1;
}


static void
ngx_http_k8s_metrics_json_open(ngx_http_k8s_metrics_json_t *w, u_char c)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_out_byte(w->out, c);

    w->depth++;
    w->comma = 0;
}


static void
ngx_http_k8s_metrics_json_close(ngx_http_k8s_metrics_json_t *w, u_char c)
{
    w->depth--;

    /* without a comma pending nothing was written since it was opened */

    if (w->pretty && w->comma) {
        ngx_http_k8s_metrics_json_newline(w);
    }

    ngx_http_k8s_metrics_out_byte(w->out, c);

    w->comma = 1;
}


void
ngx_http_k8s_metrics_json_object(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_open(w, '{');
}


void
ngx_http_k8s_metrics_json_object_end(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_close(w, '}');
}


void
ngx_http_k8s_metrics_json_array(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_open(w, '[');
}


void
ngx_http_k8s_metrics_json_array_end(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_close(w, ']');
}


void
ngx_http_k8s_metrics_json_key_mem(ngx_http_k8s_metrics_json_t *w,
    const char *key, size_t len)
{
    u_char                      *p;
    ngx_http_k8s_metrics_out_t  *out;

    if (w->pretty) {
        ngx_http_k8s_metrics_json_value(w);
    }

    out = w->out;

    if (ngx_http_k8s_metrics_out_reserve(out, len + sizeof(",\"\": ") - 1)
        != NGX_OK)
    {
        return;
    }

    p = out->last;

    if (w->comma && !w->pretty) {
        *p++ = ',';
    }

    *p++ = '"';
    p = ngx_cpymem(p, key, len);
    *p++ = '"';
    *p++ = ':';

    if (w->pretty) {
        *p++ = ' ';
    }

    out->last = p;
    w->key = 1;
}


void
ngx_http_k8s_metrics_json_key_str(ngx_http_k8s_metrics_json_t *w,
    const ngx_str_t *key)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_json_quoted(w->out, key);

    if (w->pretty) {
        ngx_http_k8s_metrics_out_lit(w->out, ": ");

    } else {
        ngx_http_k8s_metrics_out_byte(w->out, ':');
    }

    w->key = 1;
}


void
ngx_http_k8s_metrics_json_string(ngx_http_k8s_metrics_json_t *w,
    const ngx_str_t *s)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_json_quoted(w->out, s);
}


void
ngx_http_k8s_metrics_json_int(ngx_http_k8s_metrics_json_t *w, int64_t n)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_out_int(w->out, n);
}


void
ngx_http_k8s_metrics_json_bool(ngx_http_k8s_metrics_json_t *w,
    ngx_uint_t value)
{
    ngx_http_k8s_metrics_json_value(w);

    if (value) {
        ngx_http_k8s_metrics_out_lit(w->out, "true");

    } else {
        ngx_http_k8s_metrics_out_lit(w->out, "false");
    }
}


void
ngx_http_k8s_metrics_json_null(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_out_lit(w->out, "null");
}


void
ngx_http_k8s_metrics_json_raw_mem(ngx_http_k8s_metrics_json_t *w,
    const char *p, size_t len)
{
    ngx_http_k8s_metrics_json_value(w);
    ngx_http_k8s_metrics_out_mem(w->out, p, len);
}


static void
ngx_http_k8s_metrics_json_quoted(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s)
{
    const u_char  *p, *end, *run;

    /* enough where nothing is escaped; what is escaped reserves its own */

    if (ngx_http_k8s_metrics_out_reserve(out, s->len + 2) != NGX_OK) {
        return;
    }

    *out->last++ = '"';

    p = s->data;
    end = p + s->len;
    run = p;

    while (p < end) {

        if (!ngx_http_k8s_metrics_json_special[*p]) {
            p++;
            continue;
        }

        ngx_http_k8s_metrics_out_mem(out, run, p - run);
        p = ngx_http_k8s_metrics_json_escape(out, p, end);
        run = p;
    }

    ngx_http_k8s_metrics_out_mem(out, run, p - run);
    ngx_http_k8s_metrics_out_byte(out, '"');
}


/* Writes the one character at "p" and returns what follows it. */

static const u_char *
ngx_http_k8s_metrics_json_escape(ngx_http_k8s_metrics_out_t *out,
    const u_char *p, const u_char *end)
{
    size_t                n;
    u_char                buf[6];
    static const u_char   hex[] = "0123456789abcdef";

    if (*p >= 0x80) {
        n = ngx_http_k8s_metrics_json_utf8(p, end);

        if (n == 0) {
            ngx_http_k8s_metrics_out_lit(out, "\\ufffd");
            return p + 1;
        }

        if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
            ngx_http_k8s_metrics_out_lit(out, "\\u202");
            ngx_http_k8s_metrics_out_byte(out, hex[p[2] & 0x0f]);
            return p + n;
        }

        ngx_http_k8s_metrics_out_mem(out, p, n);
        return p + n;
    }

    buf[0] = '\\';
    n = 2;

    switch (*p) {

    case '"':
    case '\\':
        buf[1] = *p;
        break;

    case '\b':
        buf[1] = 'b';
        break;

    case '\f':
        buf[1] = 'f';
        break;

    case '\n':
        buf[1] = 'n';
        break;

    case '\r':
        buf[1] = 'r';
        break;

    case '\t':
        buf[1] = 't';
        break;

    default:
        buf[1] = 'u';
        buf[2] = '0';
        buf[3] = '0';
        buf[4] = hex[*p >> 4];
        buf[5] = hex[*p & 0x0f];
        n = 6;
    }

    ngx_http_k8s_metrics_out_mem(out, buf, n);

    return p + 1;
}


size_t
ngx_http_k8s_metrics_json_utf8(const u_char *p, const u_char *end)
{
    size_t  i, n;
    u_char  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;

        if (p[0] == 0xe0) {
            low = 0xa0;         /* overlong */

        } else if (p[0] == 0xed) {
            high = 0x9f;        /* surrogates */
        }

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;

        if (p[0] == 0xf0) {
            low = 0x90;

        } else if (p[0] == 0xf4) {
            high = 0x8f;        /* past U+10FFFF */
        }

    } else {
        return 0;
    }

    if ((size_t) (end - p) < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}
