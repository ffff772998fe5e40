
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

    rc = ngx_http_k8s_metrics_answer_target(r, &uri, &args);

    a->declined = (rc != NGX_OK);

    rc = ngx_http_k8s_metrics_attrs(r->pool, &r->method_name, &uri, &args,
                                    &a->attrs);
    if (rc == NGX_ERROR) {
        return NULL;
    }

    if (rc == NGX_DECLINED) {
        a->declined = 1;
    }
    cln->handler = ngx_http_k8s_metrics_answer_attrs_cleanup;

    *declined = a->declined;

    return &a->attrs;
}


static void
ngx_http_k8s_metrics_answer_attrs_cleanup(void *data)
{
    /* its address is what it is found by */
}


/*
 * As received, not as nginx decoded and merged it.  nginx has taken the scheme
 * and the host of the absolute form off; what may be left then is a query
 * alone.
 */

ngx_int_t
ngx_http_k8s_metrics_answer_target(ngx_http_request_t *r, ngx_str_t *path,
    ngx_str_t *args)
{
    u_char     *p, *last;
    ngx_str_t   raw;

    static u_char  root[] = "/";

    raw = r->unparsed_uri;
    last = raw.data + raw.len;

    *path = raw;
    ngx_str_null(args);

    p = ngx_strlchr(raw.data, last, '?');

    if (p) {
        path->len = p - raw.data;
        args->data = p + 1;
        args->len = last - p - 1;
    }

    if (path->len == 0) {
        path->data = root;
        path->len = 1;
    }

    /* some take a fragment off, some take it for a part of the path */

    return (path->data[0] == '/' && ngx_strlchr(raw.data, last, '#') == NULL)
           ? NGX_OK : NGX_DECLINED;
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

    (void) ngx_http_k8s_metrics_answer_target(r, &uri, &args);

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
