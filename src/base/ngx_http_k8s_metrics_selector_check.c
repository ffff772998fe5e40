
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_selector_check.h"


#define NGX_HTTP_K8S_METRICS_LABEL_LEN      63
#define NGX_HTTP_K8S_METRICS_SUBDOMAIN_LEN  253

#define NGX_HTTP_K8S_METRICS_LABEL_CHARS                                      \
    "consist of alphanumeric characters, '-', '_' or '.', and must start "    \
    "and end with an alphanumeric character"

#define NGX_HTTP_K8S_METRICS_NAME_REGEX                                       \
    "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

#define NGX_HTTP_K8S_METRICS_NAME_WORDS                                       \
    "must " NGX_HTTP_K8S_METRICS_LABEL_CHARS " (e.g. 'MyName',  or "          \
    "'my.name',  or '123-abc', regex used for validation is '"                \
    NGX_HTTP_K8S_METRICS_NAME_REGEX "')"

#define NGX_HTTP_K8S_METRICS_VALUE_WORDS                                      \
    "a valid label must be an empty string or "                               \
    NGX_HTTP_K8S_METRICS_LABEL_CHARS " (e.g. 'MyValue',  or 'my_value',  "    \
    "or '12345', regex used for validation is '("                             \
    NGX_HTTP_K8S_METRICS_NAME_REGEX ")?')"

#define NGX_HTTP_K8S_METRICS_SUBDOMAIN_WORDS                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric " \
    "characters, '-' or '.', and must start and end with an alphanumeric "    \
    "character (e.g. 'example.com', regex used for validation is "            \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"


static ngx_uint_t ngx_http_k8s_metrics_is_name(const u_char *p, size_t len);
static ngx_uint_t ngx_http_k8s_metrics_is_subdomain(const u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_check_also(ngx_http_k8s_metrics_out_t *error,
    ngx_uint_t *n, const char *words, size_t len);
static void ngx_http_k8s_metrics_check_prefix(const u_char *p, size_t len,
    ngx_http_k8s_metrics_out_t *error, ngx_uint_t *n);
static void ngx_http_k8s_metrics_check_at(
    const ngx_http_k8s_metrics_requirement_t *r, ngx_uint_t i,
    ngx_uint_t keyed, ngx_http_k8s_metrics_out_t *error, ngx_uint_t *n);
static void ngx_http_k8s_metrics_check_value(
    const ngx_http_k8s_metrics_requirement_t *r, ngx_uint_t i,
    ngx_http_k8s_metrics_out_t *error, ngx_uint_t *n);
static void ngx_http_k8s_metrics_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s);
static size_t ngx_http_k8s_metrics_quote_utf8(ngx_http_k8s_metrics_out_t *out,
    const u_char *p, const u_char *last);
static ngx_uint_t ngx_http_k8s_metrics_printable(uint32_t c);


#define ngx_http_k8s_metrics_also(error, n, words)                            \
    ngx_http_k8s_metrics_check_also(error, n, words, sizeof(words) - 1)

#define ngx_http_k8s_metrics_alnum(c)                                         \
    (((c) >= '0' && (c) <= '9') || ((c) >= 'a' && (c) <= 'z')                 \
     || ((c) >= 'A' && (c) <= 'Z'))


/* Letters and digits, with "-", "_" and "." between them; not empty. */

static ngx_uint_t
ngx_http_k8s_metrics_is_name(const u_char *p, size_t len)
{
    size_t  i;

    if (len == 0 || !ngx_http_k8s_metrics_alnum(p[0])
        || !ngx_http_k8s_metrics_alnum(p[len - 1]))
    {
        return 0;
    }

    for (i = 1; i < len; i++) {
        if (!ngx_http_k8s_metrics_alnum(p[i])
            && p[i] != '-' && p[i] != '_' && p[i] != '.')
        {
            return 0;
        }
    }

    return 1;
}


/* Labels of small letters and digits, with "-" within, joined by dots. */

static ngx_uint_t
ngx_http_k8s_metrics_is_subdomain(const u_char *p, size_t len)
{
    size_t  i;
    u_char  c, last;

    last = '.';

    for (i = 0; i < len; i++) {
        c = p[i];

        if (c == '.') {
            if (last == '.' || last == '-') {
                return 0;
            }

        } else if (c == '-') {
            if (last == '.') {
                return 0;
            }

        } else if (!ngx_http_k8s_metrics_alnum(c) || (c >= 'A' && c <= 'Z')) {
            return 0;
        }

        last = c;
    }

    return last != '.' && last != '-';
}


/* One more thing that is wrong with a key or a value. */

static void
ngx_http_k8s_metrics_check_also(ngx_http_k8s_metrics_out_t *error,
    ngx_uint_t *n, const char *words, size_t len)
{
    if (*n) {
        ngx_http_k8s_metrics_out_lit(error, "; ");
    }

    ngx_http_k8s_metrics_out_mem(error, words, len);
    (*n)++;
}


ngx_int_t
ngx_http_k8s_metrics_check_key(const ngx_str_t *key,
    ngx_http_k8s_metrics_out_t *error)
{
    size_t       len, prefix;
    u_char      *name, *p, *last;
    ngx_uint_t   n, slashes;

    name = key->data;
    last = key->data + key->len;
    slashes = 0;

    for (p = key->data; p < last; p++) {
        if (*p == '/') {
            slashes++;
            name = p + 1;
        }
    }

    len = last - name;
    prefix = slashes ? name - 1 - key->data : 0;

    if (slashes <= 1
        && len <= NGX_HTTP_K8S_METRICS_LABEL_LEN
        && ngx_http_k8s_metrics_is_name(name, len)
        && (slashes == 0
            || (prefix <= NGX_HTTP_K8S_METRICS_SUBDOMAIN_LEN
                && ngx_http_k8s_metrics_is_subdomain(key->data, prefix))))
    {
        return NGX_OK;
    }

    ngx_http_k8s_metrics_out_lit(error, "<nil>: Invalid value: ");
    ngx_http_k8s_metrics_quote(error, key);
    ngx_http_k8s_metrics_out_lit(error, ": ");

    n = 0;

    if (slashes > 1) {
        ngx_http_k8s_metrics_also(error, &n,
                        "a valid label key " NGX_HTTP_K8S_METRICS_NAME_WORDS
                        " with an optional DNS subdomain prefix and '/' "
                        "(e.g. 'example.com/MyName')");
        return NGX_DECLINED;
    }

    if (slashes) {
        ngx_http_k8s_metrics_check_prefix(key->data, prefix, error, &n);
    }

    if (len == 0) {
        ngx_http_k8s_metrics_also(error, &n, "name part must be non-empty");

    } else if (len > NGX_HTTP_K8S_METRICS_LABEL_LEN) {
        ngx_http_k8s_metrics_also(error, &n,
                                  "name part must be no more than 63 bytes");
    }

    if (!ngx_http_k8s_metrics_is_name(name, len)) {
        ngx_http_k8s_metrics_also(error, &n,
                                  "name part " NGX_HTTP_K8S_METRICS_NAME_WORDS);
    }

    return NGX_DECLINED;
}


static void
ngx_http_k8s_metrics_check_prefix(const u_char *p, size_t len,
    ngx_http_k8s_metrics_out_t *error, ngx_uint_t *n)
{
    if (len == 0) {
        ngx_http_k8s_metrics_also(error, n, "prefix part must be non-empty");
        return;
    }

    if (len > NGX_HTTP_K8S_METRICS_SUBDOMAIN_LEN) {
        ngx_http_k8s_metrics_also(error, n,
                                "prefix part must be no more than 253 bytes");
    }

    if (!ngx_http_k8s_metrics_is_subdomain(p, len)) {
        ngx_http_k8s_metrics_also(error, n,
                         "prefix part " NGX_HTTP_K8S_METRICS_SUBDOMAIN_WORDS);
    }
}


ngx_int_t
ngx_http_k8s_metrics_check_values(
    const ngx_http_k8s_metrics_requirement_t *r,
    ngx_http_k8s_metrics_out_t *error)
{
    size_t      start;
    int64_t     number;
    ngx_uint_t  i, n;

    start = ngx_http_k8s_metrics_out_len(error);
    n = 0;

    if ((r->op == NGX_HTTP_K8S_METRICS_OP_GT
         || r->op == NGX_HTTP_K8S_METRICS_OP_LT)
        && ngx_http_k8s_metrics_parse_int(&r->values[0], &number) != NGX_OK)
    {
        ngx_http_k8s_metrics_check_at(r, 0, 0, error, &n);
        ngx_http_k8s_metrics_out_lit(error, "for 'Gt', 'Lt' operators, the "
                                            "value must be an integer");
    }

    for (i = 0; i < r->nvalues; i++) {
        ngx_http_k8s_metrics_check_value(r, i, error, &n);
    }

    if (n == 0) {
        return NGX_OK;
    }

    if (n > 1
        && ngx_http_k8s_metrics_out_reserve(error, 2) == NGX_OK)
    {
        ngx_memmove(error->start + start + 1, error->start + start,
                    error->last - error->start - start);
        error->start[start] = '[';
        error->last++;
        *error->last++ = ']';
    }

    return NGX_DECLINED;
}


static void
ngx_http_k8s_metrics_check_value(
    const ngx_http_k8s_metrics_requirement_t *r, ngx_uint_t i,
    ngx_http_k8s_metrics_out_t *error, ngx_uint_t *n)
{
    ngx_str_t   *value;
    ngx_uint_t   also, form;

    value = &r->values[i];

    form = value->len == 0
           || ngx_http_k8s_metrics_is_name(value->data, value->len);

    if (form && value->len <= NGX_HTTP_K8S_METRICS_LABEL_LEN) {
        return;
    }

    ngx_http_k8s_metrics_check_at(r, i, 1, error, n);

    also = 0;

    if (value->len > NGX_HTTP_K8S_METRICS_LABEL_LEN) {
        ngx_http_k8s_metrics_also(error, &also,
                                  "must be no more than 63 bytes");
    }

    if (!form) {
        ngx_http_k8s_metrics_also(error, &also,
                                  NGX_HTTP_K8S_METRICS_VALUE_WORDS);
    }
}


/* Where it is: values[0] or values[0][key], and what stands there. */

static void
ngx_http_k8s_metrics_check_at(const ngx_http_k8s_metrics_requirement_t *r,
    ngx_uint_t i, ngx_uint_t keyed, ngx_http_k8s_metrics_out_t *error,
    ngx_uint_t *n)
{
    if (*n) {
        ngx_http_k8s_metrics_out_lit(error, ", ");
    }

    (*n)++;

    ngx_http_k8s_metrics_out_lit(error, "values[");
    ngx_http_k8s_metrics_out_uint(error, i);
    ngx_http_k8s_metrics_out_byte(error, ']');

    if (keyed) {
        ngx_http_k8s_metrics_out_byte(error, '[');
        ngx_http_k8s_metrics_out_str(error, &r->key);
        ngx_http_k8s_metrics_out_byte(error, ']');
    }

    ngx_http_k8s_metrics_out_lit(error, ": Invalid value: ");
    ngx_http_k8s_metrics_quote(error, &r->values[i]);
    ngx_http_k8s_metrics_out_lit(error, ": ");
}


/* A string as Go's %q prints it. */

static void
ngx_http_k8s_metrics_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s)
{
    u_char               *p, *last, c;
    static const u_char   control[] = "abtnvfr";
    static const u_char   hex[] = "0123456789abcdef";

    ngx_http_k8s_metrics_out_byte(out, '"');

    p = s->data;
    last = s->data + s->len;

    while (p < last) {
        c = *p;

        if (c >= 0x80) {
            p += ngx_http_k8s_metrics_quote_utf8(out, p, last);
            continue;
        }

        p++;

        if (c == '"' || c == '\\') {
            ngx_http_k8s_metrics_out_byte(out, '\\');
            ngx_http_k8s_metrics_out_byte(out, c);

        } else if (c >= '\a' && c <= '\r') {
            ngx_http_k8s_metrics_out_byte(out, '\\');
            ngx_http_k8s_metrics_out_byte(out, control[c - '\a']);

        } else if (c < 0x20 || c == 0x7f) {
            ngx_http_k8s_metrics_out_lit(out, "\\x");
            ngx_http_k8s_metrics_out_byte(out, hex[c >> 4]);
            ngx_http_k8s_metrics_out_byte(out, hex[c & 0x0f]);

        } else {
            ngx_http_k8s_metrics_out_byte(out, c);
        }
    }

    ngx_http_k8s_metrics_out_byte(out, '"');
}


/* One character that is not ASCII; returns its bytes. */

static size_t
ngx_http_k8s_metrics_quote_utf8(ngx_http_k8s_metrics_out_t *out,
    const u_char *p, const u_char *last)
{
    size_t               n;
    uint32_t             c, shift;
    u_char              *pos;
    static const u_char  hex[] = "0123456789abcdef";

    pos = (u_char *) p;
    c = ngx_utf8_decode(&pos, last - p);
    n = pos - p;

    /* nginx's decoder takes surrogates, which Go's does not */

    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        ngx_http_k8s_metrics_out_lit(out, "\\x");
        ngx_http_k8s_metrics_out_byte(out, hex[*p >> 4]);
        ngx_http_k8s_metrics_out_byte(out, hex[*p & 0x0f]);
        return 1;
    }

    if (ngx_http_k8s_metrics_printable(c)) {
        ngx_http_k8s_metrics_out_mem(out, p, n);
        return n;
    }

    if (c > 0xffff) {
        ngx_http_k8s_metrics_out_lit(out, "\\U");
        shift = 32;

    } else {
        ngx_http_k8s_metrics_out_lit(out, "\\u");
        shift = 16;
    }

    while (shift) {
        shift -= 4;
        ngx_http_k8s_metrics_out_byte(out, hex[c >> shift & 0x0f]);
    }

    return n;
}


/*
 * Controls, format characters, other spaces and private use; of the code
 * points without a character only the last two of each plane.
 */

static ngx_uint_t
ngx_http_k8s_metrics_printable(uint32_t c)
{
    return !(c <= 0xa0 || c == 0xad
             || c == 0x1680 || c == 0x180e || c == 0x3000 || c == 0xfeff
             || (c >= 0x2000 && c <= 0x200f)
             || (c >= 0x2028 && c <= 0x202f)
             || (c >= 0x205f && c <= 0x206f)
             || (c >= 0xe000 && c <= 0xf8ff)
             || c >= 0xe0000
             || (c & 0xfffe) == 0xfffe);
}


ngx_int_t
ngx_http_k8s_metrics_parse_int(const ngx_str_t *s, int64_t *n)
{
    size_t      i;
    uint64_t    u, limit;
    ngx_uint_t  negative;

    i = 0;
    negative = 0;

    if (s->len && (s->data[0] == '-' || s->data[0] == '+')) {
        negative = (s->data[0] == '-');
        i = 1;
    }

    if (i == s->len) {
        return NGX_ERROR;
    }

    limit = 0x7fffffffffffffffULL + negative;

    for (u = 0; i < s->len; i++) {

        if (s->data[i] < '0' || s->data[i] > '9'
            || u > (limit - (s->data[i] - '0')) / 10)
        {
            return NGX_ERROR;
        }

        u = u * 10 + (s->data[i] - '0');
    }

    *n = (int64_t) (negative ? 0 - u : u);

    return NGX_OK;
}
