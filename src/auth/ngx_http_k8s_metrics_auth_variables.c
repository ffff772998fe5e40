
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


static ngx_http_k8s_metrics_auth_ctx_t *ngx_http_k8s_metrics_variable_ctx(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_variable_set(
    ngx_http_variable_value_t *v, const ngx_str_t *s);
static ngx_int_t ngx_http_k8s_metrics_variable_join(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const ngx_str_t *strs, ngx_uint_t n);
static ngx_int_t ngx_http_k8s_metrics_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_extra(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_http_k8s_metrics_variable_names(const u_char *name,
    const ngx_str_t *key);
static ngx_int_t ngx_http_k8s_metrics_variable_attr(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_decision(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_audit_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#define NGX_HTTP_K8S_METRICS_EXTRA  "k8s_metrics_extra_"

#define VARIABLE(name, get, data, flags)                                      \
    { ngx_string("k8s_metrics_" name), NULL,                                  \
      ngx_http_k8s_metrics_variable_##get, data,                              \
      NGX_HTTP_VAR_NOCACHEABLE|flags, 0 }

#define IDENTITY(field)  offsetof(ngx_http_k8s_metrics_identity_t, field)
#define ATTR(field)      offsetof(ngx_http_k8s_metrics_attrs_t, field)


/* not cacheable: they have no value before the access phase */

static ngx_http_variable_t  ngx_http_k8s_metrics_variables[] = {

    VARIABLE("user", str, IDENTITY(user), 0),
    VARIABLE("uid", str, IDENTITY(uid), 0),
    VARIABLE("groups", groups, 0, 0),
    VARIABLE("extra_", extra, 0, NGX_HTTP_VAR_PREFIX),
    VARIABLE("verb", attr, ATTR(verb), 0),
    VARIABLE("resource", attr, ATTR(resource), 0),
    VARIABLE("namespace", attr, ATTR(ns), 0),
    VARIABLE("name", attr, ATTR(name), 0),
    VARIABLE("auth_method", method, 0, 0),
    VARIABLE("decision", decision, 0, 0),
    VARIABLE("reason", reason, 0, 0),
    VARIABLE("audit_id", audit_id, 0, 0),

      ngx_http_null_variable
};


ngx_int_t
ngx_http_k8s_metrics_auth_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_k8s_metrics_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/*
 * Of a request that goes on, or that was refused by a Status: who was not let
 * in here but by "satisfy any" is nobody to what stands behind.
 */

static ngx_http_k8s_metrics_auth_ctx_t *
ngx_http_k8s_metrics_variable_ctx(ngx_http_request_t *r)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    return (ctx && (ctx->authorized || ctx->told)
            && ctx->identity.by != NGX_HTTP_K8S_METRICS_BY_NONE)
           ? ctx : NULL;
}


/* An empty one has no value. */

static ngx_int_t
ngx_http_k8s_metrics_variable_set(ngx_http_variable_value_t *v,
    const ngx_str_t *s)
{
    if (s == NULL || s->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = s->len;
    v->data = s->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* By commas: one that is a value's, and "%", is %-escaped. */

static ngx_int_t
ngx_http_k8s_metrics_variable_join(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const ngx_str_t *strs, ngx_uint_t n)
{
    size_t      len, j;
    u_char      c, *p;
    ngx_str_t   joined;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < n; i++) {
        len += 3 * strs[i].len + 1;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    joined.data = p;

    for (i = 0; i < n; i++) {

        if (i) {
            *p++ = ',';
        }

        for (j = 0; j < strs[i].len; j++) {
            c = strs[i].data[j];

            if (c == ',' || c == '%') {
                p = ngx_cpymem(p, (c == ',') ? "%2C" : "%25", 3);

            } else {
                *p++ = c;
            }
        }
    }

    joined.len = p - joined.data;

    return ngx_http_k8s_metrics_variable_set(v, &joined);
}


static ngx_int_t
ngx_http_k8s_metrics_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_variable_ctx(r);

    return ngx_http_k8s_metrics_variable_set(v,
                     ctx ? (ngx_str_t *) ((u_char *) &ctx->identity + data)
                         : NULL);
}


static ngx_int_t
ngx_http_k8s_metrics_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_variable_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_variable_join(r, v, ctx->identity.groups,
                                              ctx->identity.ngroups);
}


/*
 * A name has "_" where the key has what no variable's name can.  When two keys
 * are meant, neither is: one could be taken for the other.
 */

static ngx_int_t
ngx_http_k8s_metrics_variable_extra(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                        *name = (ngx_str_t *) data;

    size_t                            len;
    u_char                           *p;
    ngx_uint_t                        i;
    ngx_http_k8s_metrics_extra_t     *extra, *found;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    v->not_found = 1;

    ctx = ngx_http_k8s_metrics_variable_ctx(r);

    if (ctx == NULL) {
        return NGX_OK;
    }

    p = name->data + sizeof(NGX_HTTP_K8S_METRICS_EXTRA) - 1;
    len = name->len - (sizeof(NGX_HTTP_K8S_METRICS_EXTRA) - 1);

    found = NULL;
    extra = ctx->identity.extra;

    for (i = 0; i < ctx->identity.nextra; i++) {

        if (extra[i].key.len == len
            && ngx_http_k8s_metrics_variable_names(p, &extra[i].key))
        {
            if (found) {
                return NGX_OK;
            }

            found = &extra[i];
        }
    }

    if (found == NULL) {
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_variable_join(r, v, found->values,
                                              found->nvalues);
}


static ngx_uint_t
ngx_http_k8s_metrics_variable_names(const u_char *name, const ngx_str_t *key)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < key->len; i++) {
        c = ngx_tolower(key->data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            c = '_';
        }

        if (name[i] != c) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_k8s_metrics_variable_attr(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                     declined;
    ngx_http_k8s_metrics_attrs_t  *attrs;

    if (ngx_http_k8s_metrics_auth_find(r) == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    attrs = ngx_http_k8s_metrics_answer_attrs(r, &declined);
    if (attrs == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_variable_set(v,
                     declined ? NULL : (ngx_str_t *) ((u_char *) attrs + data));
}


static ngx_int_t
ngx_http_k8s_metrics_variable_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    static ngx_str_t                  methods[] = {
        ngx_null_string,
        ngx_string("requestheader"),
        ngx_string("x509"),
        ngx_string("token"),
        ngx_string("anonymous")
    };

    ctx = ngx_http_k8s_metrics_variable_ctx(r);

    return ngx_http_k8s_metrics_variable_set(v,
                                       ctx ? &methods[ctx->identity.by] : NULL);
}


/* The words are those of audit.k8s.io's annotations. */

static ngx_int_t
ngx_http_k8s_metrics_variable_decision(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                        *s;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    static ngx_str_t                  allow = ngx_string("allow");
    static ngx_str_t                  forbid = ngx_string("forbid");

    ctx = ngx_http_k8s_metrics_auth_find(r);

    s = NULL;

    if (ctx && ctx->authorized) {
        s = &allow;

    } else if (ctx && ctx->refused == 0
               && ctx->decision == NGX_HTTP_K8S_METRICS_DENIED)
    {
        s = &forbid;
    }

    return ngx_http_k8s_metrics_variable_set(v, s);
}


static ngx_int_t
ngx_http_k8s_metrics_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                         s;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = ctx->reason;

    if (s.len == 0 && ctx->message) {
        s.data = (u_char *) ctx->message;
        s.len = ngx_strlen(ctx->message);
    }

    return ngx_http_k8s_metrics_variable_set(v, &s);
}


static ngx_int_t
ngx_http_k8s_metrics_variable_audit_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    return ngx_http_k8s_metrics_variable_set(v, ctx ? &ctx->audit_id : NULL);
}
