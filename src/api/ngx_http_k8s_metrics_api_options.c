
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"
#include "ngx_http_k8s_metrics_selector_check.h"


/*
 * The options of a list (k8s.io/apimachinery, meta.v1 ListOptions): read in
 * the order and refused in the words of k8s.io/apiserver.
 */

#define NGX_HTTP_K8S_METRICS_INVALID     422

/* one at the most for each rule about resourceVersionMatch */
#define NGX_HTTP_K8S_METRICS_CAUSES      5

#define NGX_HTTP_K8S_METRICS_ERROR_SIZE  512
#define NGX_HTTP_K8S_METRICS_ERROR_MAX   65536


typedef struct {
    ngx_str_t                      match;
    ngx_str_t                      version;
    ngx_str_t                      more;    /* continue */
    ngx_uint_t                     initial; /* sendInitialEvents is there */
    ngx_uint_t                     n;
    ngx_http_k8s_metrics_cause_t   causes[NGX_HTTP_K8S_METRICS_CAUSES];
} ngx_http_k8s_metrics_options_t;


static ngx_int_t ngx_http_k8s_metrics_options_numbers(ngx_http_request_t *r,
    const ngx_str_t *args);
static ngx_int_t ngx_http_k8s_metrics_options_number(ngx_http_request_t *r,
    const ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_options_rules(ngx_http_request_t *r,
    const ngx_str_t *args);
static void ngx_http_k8s_metrics_options_forbid(
    ngx_http_k8s_metrics_options_t *o, const char *field,
    const char *message);
static ngx_int_t ngx_http_k8s_metrics_options_unsupported(
    ngx_http_request_t *r, ngx_http_k8s_metrics_options_t *o);
static ngx_int_t ngx_http_k8s_metrics_options_invalid(ngx_http_request_t *r,
    ngx_http_k8s_metrics_options_t *o);
static ngx_int_t ngx_http_k8s_metrics_options_fields(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_selector_t *fields);
static ngx_int_t ngx_http_k8s_metrics_options_bad(ngx_http_request_t *r,
    const ngx_str_t *message);
static ngx_uint_t ngx_http_k8s_metrics_options_is(const ngx_str_t *s,
    const char *text);


ngx_int_t
ngx_http_k8s_metrics_api_options(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t  rc;
    ngx_str_t  path, args;

    (void) ngx_http_k8s_metrics_answer_target(r, &path, &args);

    rc = ngx_http_k8s_metrics_options_numbers(r, &args);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (attrs->label_error.len) {
        return ngx_http_k8s_metrics_options_bad(r, &attrs->label_error);
    }

    if (attrs->field_error.len) {
        return ngx_http_k8s_metrics_options_bad(r, &attrs->field_error);
    }

    if (!attrs->watch) {
        rc = ngx_http_k8s_metrics_options_rules(r, &args);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_k8s_metrics_options_fields(r, &attrs->fields);
}


/*
 * Only that they are numbers: like metrics-server, a list is always given as
 * a whole.
 */

static ngx_int_t
ngx_http_k8s_metrics_options_numbers(ngx_http_request_t *r,
    const ngx_str_t *args)
{
    ngx_int_t                  rc;
    ngx_str_t                  value;
    ngx_uint_t                 i;

    static const char *const   names[] = { "timeoutSeconds", "limit" };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        rc = ngx_http_k8s_metrics_query(r->pool, args, names[i], 0, &value);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_k8s_metrics_options_number(r, &value);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_options_number(ngx_http_request_t *r,
    const ngx_str_t *value)
{
    u_char                      *p, *last;
    int64_t                      n;
    ngx_str_t                    message;
    ngx_http_k8s_metrics_out_t   out;

    if (ngx_http_k8s_metrics_parse_int(value, &n) == NGX_OK) {
        return NGX_DECLINED;
    }

    /* what is made of digits alone is too large */

    p = value->data;
    last = p + value->len;

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    if (p == last) {
        last++;
    }

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    if (ngx_http_k8s_metrics_out_create(&out, r->pool,
                                        NGX_HTTP_K8S_METRICS_ERROR_SIZE,
                                        NGX_HTTP_K8S_METRICS_ERROR_MAX)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_metrics_out_lit(&out, "strconv.ParseInt: parsing ");
    ngx_http_k8s_metrics_api_quote(&out, value);

    if (p == last) {
        ngx_http_k8s_metrics_out_lit(&out, ": value out of range");

    } else {
        ngx_http_k8s_metrics_out_lit(&out, ": invalid syntax");
    }

    message.data = out.start;
    message.len = ngx_http_k8s_metrics_out_len(&out);

    return ngx_http_k8s_metrics_options_bad(r, &message);
}


/* k8s.io/apimachinery, internalversion/validation: ValidateListOptions. */

static ngx_int_t
ngx_http_k8s_metrics_options_rules(ngx_http_request_t *r,
    const ngx_str_t *args)
{
    ngx_int_t                        rc[4];
    ngx_str_t                        value;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_options_t   o;

    ngx_memzero(&o, sizeof(ngx_http_k8s_metrics_options_t));

    rc[0] = ngx_http_k8s_metrics_query(r->pool, args, "resourceVersionMatch",
                                       0, &o.match);
    rc[1] = ngx_http_k8s_metrics_query(r->pool, args, "resourceVersion", 0,
                                       &o.version);
    rc[2] = ngx_http_k8s_metrics_query(r->pool, args, "continue", 0, &o.more);
    rc[3] = ngx_http_k8s_metrics_query(r->pool, args, "sendInitialEvents", 0,
                                       &value);

    for (i = 0; i < 4; i++) {
        if (rc[i] == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (o.match.len) {

        if (o.version.len == 0) {
            ngx_http_k8s_metrics_options_forbid(&o, "resourceVersionMatch",
                                "Forbidden: resourceVersionMatch is forbidden "
                                "unless resourceVersion is provided");
        }

        if (o.more.len) {
            ngx_http_k8s_metrics_options_forbid(&o, "resourceVersionMatch",
                                "Forbidden: resourceVersionMatch is forbidden "
                                "when continue is provided");
        }

        if (!ngx_http_k8s_metrics_options_is(&o.match, "Exact")
            && !ngx_http_k8s_metrics_options_is(&o.match, "NotOlderThan")
            && ngx_http_k8s_metrics_options_unsupported(r, &o) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_http_k8s_metrics_options_is(&o.match, "Exact")
            && ngx_http_k8s_metrics_options_is(&o.version, "0"))
        {
            ngx_http_k8s_metrics_options_forbid(&o, "resourceVersionMatch",
                                "Forbidden: resourceVersionMatch \"exact\" is "
                                "forbidden for resourceVersion \"0\"");
        }
    }

    if (rc[3] == NGX_OK) {
        ngx_http_k8s_metrics_options_forbid(&o, "sendInitialEvents",
                                "Forbidden: sendInitialEvents is forbidden "
                                "for list");
    }

    return o.n ? ngx_http_k8s_metrics_options_invalid(r, &o) : NGX_DECLINED;
}


static void
ngx_http_k8s_metrics_options_forbid(ngx_http_k8s_metrics_options_t *o,
    const char *field, const char *message)
{
    ngx_http_k8s_metrics_cause_t  *cause;

    cause = &o->causes[o->n++];

    ngx_str_set(&cause->reason, "FieldValueForbidden");
    cause->message.data = (u_char *) message;
    cause->message.len = ngx_strlen(message);
    cause->field.data = (u_char *) field;
    cause->field.len = ngx_strlen(field);
}


static ngx_int_t
ngx_http_k8s_metrics_options_unsupported(ngx_http_request_t *r,
    ngx_http_k8s_metrics_options_t *o)
{
    ngx_http_k8s_metrics_out_t     out;
    ngx_http_k8s_metrics_cause_t  *cause;

    if (ngx_http_k8s_metrics_out_create(&out, r->pool,
                                        NGX_HTTP_K8S_METRICS_ERROR_SIZE,
                                        NGX_HTTP_K8S_METRICS_ERROR_MAX)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_out_lit(&out, "Unsupported value: ");
    ngx_http_k8s_metrics_api_quote(&out, &o->match);
    ngx_http_k8s_metrics_out_lit(&out, ": supported values: \"Exact\", "
                                       "\"NotOlderThan\", \"\"");

    cause = &o->causes[o->n++];

    ngx_str_set(&cause->reason, "FieldValueNotSupported");
    ngx_str_set(&cause->field, "resourceVersionMatch");
    cause->message.data = out.start;
    cause->message.len = ngx_http_k8s_metrics_out_len(&out);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_options_invalid(ngx_http_request_t *r,
    ngx_http_k8s_metrics_options_t *o)
{
    ngx_uint_t                      i;
    ngx_http_k8s_metrics_out_t      out;
    ngx_http_k8s_metrics_status_t   status;

    if (ngx_http_k8s_metrics_out_create(&out, r->pool,
                                        NGX_HTTP_K8S_METRICS_ERROR_SIZE,
                                        NGX_HTTP_K8S_METRICS_ERROR_MAX)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_k8s_metrics_out_lit(&out, "ListOptions.meta.k8s.io \"\" is "
                                       "invalid: ");
    if (o->n > 1) {
        ngx_http_k8s_metrics_out_byte(&out, '[');
    }

    for (i = 0; i < o->n; i++) {
        if (i) {
            ngx_http_k8s_metrics_out_lit(&out, ", ");
        }

        ngx_http_k8s_metrics_out_str(&out, &o->causes[i].field);
        ngx_http_k8s_metrics_out_lit(&out, ": ");
        ngx_http_k8s_metrics_out_str(&out, &o->causes[i].message);
    }

    if (o->n > 1) {
        ngx_http_k8s_metrics_out_byte(&out, ']');
    }

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = NGX_HTTP_K8S_METRICS_INVALID;
    status.reason = ngx_http_k8s_metrics_status_reason(status.code);
    status.message.data = out.start;
    status.message.len = ngx_http_k8s_metrics_out_len(&out);
    status.details = 1;
    ngx_str_set(&status.group, "meta.k8s.io");
    ngx_str_set(&status.kind, "ListOptions");
    status.ncauses = o->n;
    status.causes = o->causes;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}


static ngx_int_t
ngx_http_k8s_metrics_options_fields(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_selector_t *fields)
{
    ngx_str_t                    message, *key;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t   out;

    for (i = 0; i < fields->nelts; i++) {
        key = &fields->elts[i].key;

        if (ngx_http_k8s_metrics_options_is(key, "metadata.name")
            || ngx_http_k8s_metrics_options_is(key, "metadata.namespace"))
        {
            continue;
        }

        if (ngx_http_k8s_metrics_out_create(&out, r->pool,
                                            NGX_HTTP_K8S_METRICS_ERROR_SIZE,
                                            NGX_HTTP_K8S_METRICS_ERROR_MAX)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_k8s_metrics_api_quote(&out, key);
        ngx_http_k8s_metrics_out_lit(&out, " is not a known field selector: "
                                           "only \"metadata.name\", "
                                           "\"metadata.namespace\"");
        message.data = out.start;
        message.len = ngx_http_k8s_metrics_out_len(&out);

        return ngx_http_k8s_metrics_options_bad(r, &message);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_options_bad(ngx_http_request_t *r,
    const ngx_str_t *message)
{
    ngx_http_k8s_metrics_status_t  status;

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = NGX_HTTP_BAD_REQUEST;
    status.reason = ngx_http_k8s_metrics_status_reason(status.code);
    status.message = *message;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}


void
ngx_http_k8s_metrics_api_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s)
{
    u_char                c;
    size_t                i;
    u_char               *p;

    static const u_char   hex[] = "0123456789abcdef";
    static u_char         from[] = "\a\b\f\n\r\t\v\"\\";
    static const u_char   to[] = "abfnrtv\"\\";

    ngx_http_k8s_metrics_out_byte(out, '"');

    for (i = 0; i < s->len; i++) {
        c = s->data[i];
        p = ngx_strlchr(from, from + sizeof(from) - 1, c);

        if (p) {
            ngx_http_k8s_metrics_out_byte(out, '\\');
            ngx_http_k8s_metrics_out_byte(out, to[p - from]);

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


static ngx_uint_t
ngx_http_k8s_metrics_options_is(const ngx_str_t *s, const char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_memcmp(s->data, text, s->len) == 0;
}
