
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


static ngx_int_t ngx_http_k8s_metrics_by_certificate(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_auth_settings_t *settings, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_by_front_proxy(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity);
static ngx_uint_t ngx_http_k8s_metrics_impersonates(ngx_http_request_t *r);
static void ngx_http_k8s_metrics_add_authenticated(
    ngx_http_k8s_metrics_identity_t *identity);


static ngx_str_t  ngx_http_k8s_metrics_anonymous_group =
    ngx_string("system:unauthenticated");


ngx_int_t
ngx_http_k8s_metrics_authenticate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_identity_t *identity)
{
    X509                                  *cert;
    ngx_int_t                              rc;
    ngx_uint_t                             failed;
    ngx_http_k8s_metrics_auth_settings_t   settings;

    cert = NULL;
    failed = 0;

    if (r->connection->ssl) {

        if (!ngx_http_k8s_metrics_ssl_prepared(r)) {
            return NGX_HTTP_MISDIRECTED_REQUEST;
        }

        cert = SSL_get_peer_certificate(r->connection->ssl->connection);
    }

    if (ngx_http_k8s_metrics_impersonates(r)) {
        X509_free(cert);
        return NGX_HTTP_FORBIDDEN;
    }

    ngx_memzero(identity, sizeof(ngx_http_k8s_metrics_identity_t));

    if (cert) {
        ngx_http_k8s_metrics_auth_settings(auth, conf, &settings);

        rc = ngx_http_k8s_metrics_by_certificate(r, &settings, cert, identity);

        X509_free(cert);

        if (rc == NGX_OK) {
            ngx_http_k8s_metrics_add_authenticated(identity);
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* what the cluster has not told yet could have been its CA */

        if (!auth->known
            && (settings.requestheader.bundle == NULL
                || settings.client_ca == NULL))
        {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        failed = 1;
    }

    if (r->headers_in.authorization) {
        failed = 1;
    }

    if (failed || !conf->anonymous) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    ngx_memzero(identity, sizeof(ngx_http_k8s_metrics_identity_t));

    identity->by = NGX_HTTP_K8S_METRICS_BY_ANONYMOUS;
    ngx_str_set(&identity->user, "system:anonymous");
    identity->groups = &ngx_http_k8s_metrics_anonymous_group;
    identity->ngroups = 1;

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED when neither authenticator takes it, NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_by_certificate(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_auth_settings_t *settings, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_int_t  rc;

    if (settings->requestheader.bundle
        && ngx_http_k8s_metrics_x509_verify(r, cert,
                                            NGX_HTTP_K8S_METRICS_FRONT_PROXY,
                                            settings->requestheader.bundle))
    {
        rc = ngx_http_k8s_metrics_by_front_proxy(r, &settings->requestheader,
                                                 cert, identity);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (settings->client_ca
        && ngx_http_k8s_metrics_x509_verify(r, cert,
                                            NGX_HTTP_K8S_METRICS_CLIENT,
                                            settings->client_ca))
    {
        ngx_memzero(identity, sizeof(ngx_http_k8s_metrics_identity_t));

        identity->by = NGX_HTTP_K8S_METRICS_BY_X509;

        return ngx_http_k8s_metrics_x509_identity(r->pool, cert, identity);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_by_front_proxy(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_int_t    rc;
    ngx_str_t    cn, *name;
    ngx_uint_t   i;

    if (rh->allowed_names && rh->allowed_names->nelts) {

        rc = ngx_http_k8s_metrics_x509_common_name(r->pool, cert, &cn);

        if (rc != NGX_OK) {
            return rc;
        }

        name = rh->allowed_names->elts;

        for (i = 0; i < rh->allowed_names->nelts; i++) {
            if (name[i].len == cn.len
                && ngx_memcmp(name[i].data, cn.data, cn.len) == 0)
            {
                break;
            }
        }

        if (i == rh->allowed_names->nelts) {
            return NGX_DECLINED;
        }
    }

    identity->by = NGX_HTTP_K8S_METRICS_BY_REQUESTHEADER;

    return ngx_http_k8s_metrics_requestheader_identity(r, rh, identity);
}


static ngx_uint_t
ngx_http_k8s_metrics_impersonates(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static u_char     prefix[] = "impersonate-";

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len > sizeof(prefix) - 1
                && ngx_strncasecmp(h[i].key.data, prefix, sizeof(prefix) - 1)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* There is room for one group more in every identity from a certificate. */

static void
ngx_http_k8s_metrics_add_authenticated(
    ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_str_t         *group;

    static ngx_str_t   authenticated = ngx_string("system:authenticated");
    static ngx_str_t   anonymous = ngx_string("system:anonymous");

    if (identity->user.len == anonymous.len
        && ngx_memcmp(identity->user.data, anonymous.data, anonymous.len) == 0)
    {
        return;
    }

    if (ngx_http_k8s_metrics_identity_in_group(identity, &authenticated)
        || ngx_http_k8s_metrics_identity_in_group(identity,
                                       &ngx_http_k8s_metrics_anonymous_group))
    {
        return;
    }

    group = &identity->groups[identity->ngroups++];
    *group = authenticated;
}
