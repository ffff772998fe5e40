
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_JSON_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"


/*
 * A JSON writer that produces what Go's encoding/json does: compact, or
 * indented by two spaces as json.Indent(..., "", "  ") prints it (empty
 * objects and arrays stay "{}" and "[]").  Commas, colons and indentation are
 * the writer's; the caller calls in document order.  The writer is a plain
 * value: a copy of it taken with out->last is a point to roll back to, and a
 * list can be continued in another buffer by changing "out".
 */

typedef struct {
    ngx_http_k8s_metrics_out_t  *out;
    ngx_uint_t                   depth;
    unsigned                     pretty:1;
    unsigned                     comma:1;   /* next value needs a comma */
    unsigned                     key:1;     /* a key was just written */
} ngx_http_k8s_metrics_json_t;


void ngx_http_k8s_metrics_json_init(ngx_http_k8s_metrics_json_t *w,
    ngx_http_k8s_metrics_out_t *out, ngx_uint_t pretty);

void ngx_http_k8s_metrics_json_object(ngx_http_k8s_metrics_json_t *w);
void ngx_http_k8s_metrics_json_object_end(ngx_http_k8s_metrics_json_t *w);
void ngx_http_k8s_metrics_json_array(ngx_http_k8s_metrics_json_t *w);
void ngx_http_k8s_metrics_json_array_end(ngx_http_k8s_metrics_json_t *w);

/* A key that needs no escaping; use the macro with a literal. */
void ngx_http_k8s_metrics_json_key_mem(ngx_http_k8s_metrics_json_t *w,
    const char *key, size_t len);

#define ngx_http_k8s_metrics_json_key(w, s)                                   \
    ngx_http_k8s_metrics_json_key_mem(w, s, sizeof(s) - 1)

/* A key with outside bytes (a label's): escaped as a string is. */
void ngx_http_k8s_metrics_json_key_str(ngx_http_k8s_metrics_json_t *w,
    const ngx_str_t *key);

/*
 * A string, escaped as Go's encoder does by default: quote, backslash, \b \f
 * \n \r \t, other controls as \u00xx, <, >, & as \u003c \u003e \u0026,
 * U+2028 and U+2029 as \u2028 \u2029, a byte that is no UTF-8 as \ufffd.
 */
void ngx_http_k8s_metrics_json_string(ngx_http_k8s_metrics_json_t *w,
    const ngx_str_t *s);

void ngx_http_k8s_metrics_json_int(ngx_http_k8s_metrics_json_t *w, int64_t n);
void ngx_http_k8s_metrics_json_bool(ngx_http_k8s_metrics_json_t *w,
    ngx_uint_t value);
void ngx_http_k8s_metrics_json_null(ngx_http_k8s_metrics_json_t *w);

/* A value that is JSON already and has no line breaks of its own. */
void ngx_http_k8s_metrics_json_raw_mem(ngx_http_k8s_metrics_json_t *w,
    const char *p, size_t len);

/* A string value from a literal that needs no escaping. */
#define ngx_http_k8s_metrics_json_lit(w, s)                                   \
    ngx_http_k8s_metrics_json_raw_mem(w, "\"" s "\"", sizeof(s) + 1)

/* key: "string" in one call. */
#define ngx_http_k8s_metrics_json_member(w, k, s)                             \
    do {                                                                      \
        ngx_http_k8s_metrics_json_key(w, k);                                  \
        ngx_http_k8s_metrics_json_string(w, s);                               \
    } while (0)

/*
 * Bytes of the valid UTF-8 sequence at "p", a byte over 0x7f that is before
 * "end"; 0: there is none (RFC 3629: no overlong forms, no surrogates).
 */
size_t ngx_http_k8s_metrics_json_utf8(const u_char *p, const u_char *end);


#endif /* _NGX_HTTP_K8S_METRICS_JSON_H_INCLUDED_ */
