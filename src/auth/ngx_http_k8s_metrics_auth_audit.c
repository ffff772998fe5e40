
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


/* that of k8s.io/apiserver; a UUID has 36 */
#define NGX_HTTP_K8S_METRICS_AUDIT_MAX  64
#define NGX_HTTP_K8S_METRICS_UUID       36


static ngx_uint_t ngx_http_k8s_metrics_audit_is(const ngx_table_elt_t *h);
static ngx_uint_t ngx_http_k8s_metrics_audit_ok(const ngx_str_t *id);
static ngx_int_t ngx_http_k8s_metrics_audit_new(ngx_pool_t *pool,
    ngx_str_t *id);


static ngx_str_t  ngx_http_k8s_metrics_audit_name = ngx_string("Audit-ID");
static u_char     ngx_http_k8s_metrics_audit_lower[] = "audit-id";


ngx_int_t
ngx_http_k8s_metrics_audit(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_uint_t        i, found;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ctx->audit_id.len) {
        return NGX_OK;
    }

    found = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_k8s_metrics_audit_is(&h[i])) {
                continue;
            }

            if (ctx->audit_id.len == 0) {

                if (ctx->identity.by == NGX_HTTP_K8S_METRICS_BY_REQUESTHEADER
                    && ngx_http_k8s_metrics_audit_ok(&h[i].value))
                {
                    ctx->audit_id = h[i].value;

                } else if (ngx_http_k8s_metrics_audit_new(r->pool,
                                                          &ctx->audit_id)
                           != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }

            h[i].value = ctx->audit_id;
            found = 1;
        }
    }

    if (found) {
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_audit_new(r->pool, &ctx->audit_id) != NGX_OK) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = ngx_hash_key(ngx_http_k8s_metrics_audit_lower,
                           sizeof(ngx_http_k8s_metrics_audit_lower) - 1);
    h->key = ngx_http_k8s_metrics_audit_name;
    h->value = ctx->audit_id;
    h->lowcase_key = ngx_http_k8s_metrics_audit_lower;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_audit_is(const ngx_table_elt_t *h)
{
    return h->key.len == ngx_http_k8s_metrics_audit_name.len
           && ngx_strncasecmp(h->key.data,
                              ngx_http_k8s_metrics_audit_name.data,
                              h->key.len)
              == 0;
}


/* What is logged and sent on holds nothing that could be something else. */

static ngx_uint_t
ngx_http_k8s_metrics_audit_ok(const ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.'))
        {
            return 0;
        }
    }

    return id->len != 0 && id->len <= NGX_HTTP_K8S_METRICS_AUDIT_MAX;
}


static ngx_int_t
ngx_http_k8s_metrics_audit_new(ngx_pool_t *pool, ngx_str_t *id)
{
    u_char      random[16], *p;
    ngx_uint_t  i;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;

    p = ngx_pnalloc(pool, NGX_HTTP_K8S_METRICS_UUID);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id->data = p;

    for (i = 0; i < sizeof(random); i++) {

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }

        p = ngx_hex_dump(p, &random[i], 1);
    }

    id->len = p - id->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_audit_answer(ngx_http_request_t *r)
{
    ngx_uint_t                        i;
    ngx_list_part_t                  *part;
    ngx_table_elt_t                  *h;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    if (ctx == NULL || ctx->audit_id.len == 0) {
        return NGX_OK;
    }

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_k8s_metrics_audit_is(&h[i])) {
                h[i].hash = 0;
            }
        }
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = ngx_http_k8s_metrics_audit_name;
    h->value = ctx->audit_id;

    return NGX_OK;
}
