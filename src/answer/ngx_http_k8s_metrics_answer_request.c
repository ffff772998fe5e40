
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_answer.h"


/* Kept as a pool cleanup, as realip keeps its context: redirects clear ctx. */
typedef struct {
    ngx_http_k8s_metrics_attrs_t   attrs;
    ngx_uint_t                     declined;
} ngx_http_k8s_metrics_answer_attrs_t;


static void ngx_http_k8s_metrics_answer_attrs_cleanup(void *data);
static void ngx_http_k8s_metrics_answer_raw_uri(ngx_http_request_t *r,
    ngx_str_t *uri, ngx_str_t *args);
static ngx_int_t ngx_http_k8s_metrics_answer_pretty(ngx_http_request_t *r,
    ngx_http_k8s_metrics_accepted_t *accepted);


ngx_http_k8s_metrics_attrs_t *
ngx_http_k8s_metrics_answer_attrs(ngx_http_request_t *r, ngx_uint_t *declined)
{
    ngx_int_t                             rc;
    ngx_str_t                             uri, args;
    ngx_pool_cleanup_t                   *cln;
    ngx_http_k8s_metrics_answer_attrs_t  *a;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_k8s_metrics_answer_attrs_cleanup) {
            a = cln->data;
            *declined = a->declined;

            return &a->attrs;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_k8s_metrics_answer_attrs_t));
    if (cln == NULL) {
        return NULL;
    }

    a = cln->data;
    ngx_memzero(a, sizeof(ngx_http_k8s_metrics_answer_attrs_t));

    ngx_http_k8s_metrics_answer_raw_uri(r, &uri, &args);

    rc = ngx_http_k8s_metrics_attrs(r->pool, &r->method_name, &uri, &args,
                                    &a->attrs);
    if (rc == NGX_ERROR) {
        return NULL;
    }

    a->declined = (rc == NGX_DECLINED);
    cln->handler = ngx_http_k8s_metrics_answer_attrs_cleanup;

    *declined = a->declined;

    return &a->attrs;
}


static void
ngx_http_k8s_metrics_answer_attrs_cleanup(void *data)
{
    /* its address is what it is found by */
}


/* The URI as received, not as nginx decoded and merged it. */

static void
ngx_http_k8s_metrics_answer_raw_uri(ngx_http_request_t *r, ngx_str_t *uri,
    ngx_str_t *args)
{
    u_char     *p, *last;
    ngx_str_t   raw;

    raw = r->unparsed_uri;

    /* the absolute form: http://host/path */

    if (raw.len && raw.data[0] != '/') {
        last = raw.data + raw.len;
        p = ngx_strlchr(raw.data, last, ':');

        if (p && last - p > 3 && p[1] == '/' && p[2] == '/') {
            p = ngx_strlchr(p + 3, last, '/');

            if (p) {
                raw.len = last - p;
                raw.data = p;
            }
        }
    }

    *uri = raw;
    ngx_str_null(args);

    p = ngx_strlchr(raw.data, raw.data + raw.len, '?');

    if (p) {
        uri->len = p - raw.data;
        args->data = p + 1;
        args->len = raw.data + raw.len - p - 1;
    }

    /* a fragment is not the server's */

    p = ngx_strlchr(uri->data, uri->data + uri->len, '#');

    if (p) {
        uri->len = p - uri->data;
        args->len = 0;
    }
}


ngx_int_t
ngx_http_k8s_metrics_answer_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char           *p;
    size_t            len;
    ngx_str_t        *one;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);
    n = 0;
    one = NULL;

    ngx_str_null(value);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                one = &h[i].value;
                value->len += h[i].value.len + 2;
                n++;
            }
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    if (n == 1) {
        *value = *one;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                if (p != value->data) {
                    *p++ = ',';
                    *p++ = ' ';
                }

                p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
            }
        }
    }

    value->len = p - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_answer_negotiate(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_offer_t *offer,
    ngx_http_k8s_metrics_accepted_t *accepted)
{
    ngx_int_t  rc;
    ngx_str_t  accept;

    if (ngx_http_k8s_metrics_answer_header(r, "accept", &accept) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_metrics_accept(&accept, offer, accepted);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_k8s_metrics_answer_pretty(r, accepted);
}


/* A boolean in the query decides; else Accept's; else a person's User-Agent. */

static ngx_int_t
ngx_http_k8s_metrics_answer_pretty(ngx_http_request_t *r,
    ngx_http_k8s_metrics_accepted_t *accepted)
{
    ngx_int_t         rc;
    ngx_str_t         uri, args, value;
    ngx_uint_t        i;

    static ngx_str_t  agents[] = {
        ngx_string("curl"),
        ngx_string("Wget"),
        ngx_string("Mozilla/5.0"),
        ngx_null_string
    };

    ngx_http_k8s_metrics_answer_raw_uri(r, &uri, &args);

    rc = ngx_http_k8s_metrics_query(r->pool, &args, "pretty", 0, &value);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK && value.len) {
        accepted->pretty = (ngx_http_k8s_metrics_parse_bool(&value) == 1);
        return NGX_OK;
    }

    if (accepted->pretty) {
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_answer_header(r, "user-agent", &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; agents[i].len; i++) {
        if (value.len >= agents[i].len
            && ngx_strncmp(value.data, agents[i].data, agents[i].len) == 0)
        {
            accepted->pretty = 1;
        }
    }

    return NGX_OK;
}
