
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


static ngx_int_t ngx_http_k8s_metrics_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_k8s_metrics_variable_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* not cacheable: they have no value before the access phase */

static ngx_http_variable_t  ngx_http_k8s_metrics_variables[] = {

    { ngx_string("k8s_metrics_user"), NULL, ngx_http_k8s_metrics_variable_str,
      offsetof(ngx_http_k8s_metrics_identity_t, user),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("k8s_metrics_uid"), NULL, ngx_http_k8s_metrics_variable_str,
      offsetof(ngx_http_k8s_metrics_identity_t, uid),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("k8s_metrics_groups"), NULL,
      ngx_http_k8s_metrics_variable_groups, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("k8s_metrics_auth_method"), NULL,
      ngx_http_k8s_metrics_variable_method, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

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


static ngx_int_t
ngx_http_k8s_metrics_variable_str(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                        *s;
    ngx_http_k8s_metrics_identity_t  *identity;

    identity = ngx_http_k8s_metrics_identity(r);

    if (identity == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    s = (ngx_str_t *) ((u_char *) identity + data);

    v->len = s->len;
    v->data = s->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_variable_groups(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                            len;
    u_char                           *p;
    ngx_uint_t                        i;
    ngx_http_k8s_metrics_identity_t  *identity;

    identity = ngx_http_k8s_metrics_identity(r);

    if (identity == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    len = 0;

    for (i = 0; i < identity->ngroups; i++) {
        len += identity->groups[i].len + 1;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->data = p;

    for (i = 0; i < identity->ngroups; i++) {

        if (i) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, identity->groups[i].data, identity->groups[i].len);
    }

    v->len = p - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_variable_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                        *s;
    ngx_http_k8s_metrics_identity_t  *identity;

    static ngx_str_t                  front = ngx_string("requestheader");
    static ngx_str_t                  x509 = ngx_string("x509");
    static ngx_str_t                  token = ngx_string("token");
    static ngx_str_t                  anonymous = ngx_string("anonymous");

    identity = ngx_http_k8s_metrics_identity(r);

    if (identity == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    switch (identity->by) {

    case NGX_HTTP_K8S_METRICS_BY_REQUESTHEADER:
        s = &front;
        break;

    case NGX_HTTP_K8S_METRICS_BY_X509:
        s = &x509;
        break;

    case NGX_HTTP_K8S_METRICS_BY_TOKEN:
        s = &token;
        break;

    default:
        s = &anonymous;
    }

    v->len = s->len;
    v->data = s->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
