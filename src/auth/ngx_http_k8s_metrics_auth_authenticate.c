
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


/* lines a minute about clients that are not believed */
#define NGX_HTTP_K8S_METRICS_REFUSED_LINES  10
#define NGX_HTTP_K8S_METRICS_LOGGED_NAME    64
#define NGX_HTTP_K8S_METRICS_LOGGED_REASON  256


static ngx_int_t ngx_http_k8s_metrics_by_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_by_nobody(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_believed(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_by_certificate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    const ngx_http_k8s_metrics_auth_settings_t *settings, X509 *cert,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_refused(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth, ngx_http_k8s_metrics_auth_ctx_t *ctx,
    X509 *cert, const char *front, const char *client);
static void ngx_http_k8s_metrics_log_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth, const ngx_str_t *reason);
static ngx_int_t ngx_http_k8s_metrics_by_front_proxy(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity, const char **error);
static ngx_uint_t ngx_http_k8s_metrics_impersonates(ngx_http_request_t *r);
static void ngx_http_k8s_metrics_add_authenticated(
    ngx_http_k8s_metrics_identity_t *identity);


static ngx_str_t  ngx_http_k8s_metrics_anonymous_group =
    ngx_string("system:unauthenticated");


ngx_int_t
ngx_http_k8s_metrics_authenticate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    X509                                  *cert;
    ngx_int_t                              rc;
    ngx_http_k8s_metrics_auth_settings_t   settings;

    cert = NULL;

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

    ngx_memzero(&ctx->identity, sizeof(ngx_http_k8s_metrics_identity_t));

    ngx_http_k8s_metrics_auth_settings(auth, conf, &settings);

    if (cert) {
        rc = ngx_http_k8s_metrics_by_certificate(r, auth, &settings, cert,
                                                 ctx);
        X509_free(cert);

        switch (rc) {

        case NGX_OK:
            return ngx_http_k8s_metrics_believed(r, auth, conf, ctx);

        case NGX_ABORT:
            return NGX_HTTP_BAD_REQUEST;

        case NGX_ERROR:
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        /* what the cluster has not told yet could have been its CA */

        if (!auth->known
            && (settings.requestheader.bundle == NULL
                || settings.client_ca == NULL))
        {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        ctx->failed = 1;
    }

    return ngx_http_k8s_metrics_by_token(r, auth, conf, ctx);
}


static ngx_int_t
ngx_http_k8s_metrics_by_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_str_t                        token;
    ngx_http_k8s_metrics_question_t  question;

    rc = ngx_http_k8s_metrics_token(r, &token);

    if (rc == NGX_DECLINED) {
        return ngx_http_k8s_metrics_by_nobody(r, auth, conf, ctx);
    }

    if (rc == NGX_ABORT) {
        ngx_str_set(&ctx->reason, "it is no bearer token");
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (ngx_http_k8s_metrics_token_question(r->pool, auth,
                                            conf->token_audiences, &token,
                                            &question)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    question.allow_ttl = conf->token_ttl;
    question.deny_ttl = conf->token_ttl;

    rc = ngx_http_k8s_metrics_review_ask(&auth->tokens, &question, ctx);

    switch (rc) {

    case NGX_OK:
        return ngx_http_k8s_metrics_authenticate_token(r, auth, conf, ctx);

    case NGX_AGAIN:
        ctx->token = 1;
        return NGX_AGAIN;

    case NGX_BUSY:
        return NGX_HTTP_TOO_MANY_REQUESTS;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


ngx_int_t
ngx_http_k8s_metrics_authenticate_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ctx->token = 0;

    switch (ctx->decision) {

    case NGX_HTTP_K8S_METRICS_ALLOWED:
        break;

    case NGX_HTTP_K8S_METRICS_DENIED:
        ngx_http_k8s_metrics_log_token(r, auth, &ctx->reason);
        return NGX_HTTP_UNAUTHORIZED;

    default:
        ngx_str_set(&ctx->reason, "the token review failed");
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ctx->decision = NGX_HTTP_K8S_METRICS_UNDECIDED;

    return ngx_http_k8s_metrics_believed(r, auth, conf, ctx);
}


static ngx_int_t
ngx_http_k8s_metrics_by_nobody(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_http_k8s_metrics_identity_t  *identity;

    if (ctx->failed) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (!conf->anonymous) {
        ngx_str_set(&ctx->reason, "no credential");
        return NGX_HTTP_UNAUTHORIZED;
    }

    identity = &ctx->identity;

    ngx_memzero(identity, sizeof(ngx_http_k8s_metrics_identity_t));

    identity->by = NGX_HTTP_K8S_METRICS_BY_ANONYMOUS;
    ngx_str_set(&identity->user, "system:anonymous");
    identity->groups = &ngx_http_k8s_metrics_anonymous_group;
    identity->ngroups = 1;

    return ngx_http_k8s_metrics_believed(r, auth, conf, ctx);
}


ngx_int_t
ngx_http_k8s_metrics_unname(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_uint_t token)
{
    ngx_http_k8s_metrics_auth_settings_t  settings;

    ngx_http_k8s_metrics_auth_settings(auth, conf, &settings);

    return (ngx_http_k8s_metrics_requestheader_strip(r,
                                                     &settings.requestheader,
                                                     token)
            == NGX_OK)
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* Somebody is who they say. */

static ngx_int_t
ngx_http_k8s_metrics_believed(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    if (ngx_http_k8s_metrics_identity_unsafe(&ctx->identity)) {
        ngx_str_set(&ctx->reason, "a control character in the identity");
        ngx_memzero(&ctx->identity, sizeof(ngx_http_k8s_metrics_identity_t));
        return NGX_HTTP_UNAUTHORIZED;
    }

    ngx_str_null(&ctx->reason);

    ngx_http_k8s_metrics_add_authenticated(&ctx->identity);

    return ngx_http_k8s_metrics_unname(r, auth, conf, ctx->identity.by
                                             == NGX_HTTP_K8S_METRICS_BY_TOKEN);
}


/*
 * NGX_OK, NGX_DECLINED when neither authenticator takes it (logged),
 * NGX_ABORT, NGX_ERROR.
 */

static ngx_int_t
ngx_http_k8s_metrics_by_certificate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    const ngx_http_k8s_metrics_auth_settings_t *settings, X509 *cert,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    int          error;
    ngx_int_t    rc;
    const char  *front, *client;

    front = "no CA is known";
    client = "no CA is known";

    if (settings->requestheader.bundle) {
        error = ngx_http_k8s_metrics_x509_verify(r, cert,
                                             NGX_HTTP_K8S_METRICS_FRONT_PROXY,
                                             settings->requestheader.bundle);
        front = X509_verify_cert_error_string(error);

        if (error == X509_V_OK) {
            rc = ngx_http_k8s_metrics_by_front_proxy(r,
                                                     &settings->requestheader,
                                                     cert, &ctx->identity,
                                                     &front);
            if (rc != NGX_DECLINED) {
                return rc;
            }
        }
    }

    if (settings->client_ca) {
        error = ngx_http_k8s_metrics_x509_verify(r, cert,
                                                 NGX_HTTP_K8S_METRICS_CLIENT,
                                                 settings->client_ca);
        client = X509_verify_cert_error_string(error);

        if (error == X509_V_OK) {
            ngx_memzero(&ctx->identity,
                        sizeof(ngx_http_k8s_metrics_identity_t));

            ctx->identity.by = NGX_HTTP_K8S_METRICS_BY_X509;

            rc = ngx_http_k8s_metrics_x509_identity(r->pool, cert,
                                                    &ctx->identity);

            if (rc != NGX_DECLINED) {
                return rc;
            }

            client = "its subject names no user";
        }
    }

    return ngx_http_k8s_metrics_refused(r, auth, ctx, cert, front, client);
}


/* NGX_DECLINED, or NGX_ERROR without memory. */

static ngx_int_t
ngx_http_k8s_metrics_refused(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth, ngx_http_k8s_metrics_auth_ctx_t *ctx,
    X509 *cert, const char *front, const char *client)
{
    size_t      i;
    u_char     *p;
    ngx_str_t   cn;

    static char  words[] = "certificate: as front proxy: , as client: ";

    p = ngx_pnalloc(r->pool, sizeof(words) + ngx_strlen(front)
                             + ngx_strlen(client));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->reason.data = p;
    ctx->reason.len = ngx_sprintf(p, "certificate: as front proxy: %s, as "
                                  "client: %s", front, client) - p;

    ngx_memzero(&ctx->identity, sizeof(ngx_http_k8s_metrics_identity_t));

    if (!ngx_http_k8s_metrics_auth_may_log(auth, &auth->log_refused,
                                           NGX_HTTP_K8S_METRICS_REFUSED_LINES,
                                           "refused credentials"))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_k8s_metrics_x509_common_name(r->pool, cert, &cn) != NGX_OK) {
        ngx_str_set(&cn, "?");

    } else {
        cn.len = ngx_min(cn.len, NGX_HTTP_K8S_METRICS_LOGGED_NAME);

        for (i = 0; i < cn.len; i++) {
            if (cn.data[i] < ' ' || cn.data[i] == 0x7f) {
                cn.data[i] = '?';
            }
        }
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "k8s_metrics: the client certificate of \"%V\" is not "
                  "believed, as front proxy: %s, as client: %s", &cn, front,
                  client);

    return NGX_DECLINED;
}


/* An API server's words may be long, and hold anything. */

static void
ngx_http_k8s_metrics_log_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth, const ngx_str_t *reason)
{
    size_t  i, len;
    u_char  text[NGX_HTTP_K8S_METRICS_LOGGED_REASON];

    if (!ngx_http_k8s_metrics_auth_may_log(auth, &auth->log_refused,
                                           NGX_HTTP_K8S_METRICS_REFUSED_LINES,
                                           "refused credentials"))
    {
        return;
    }

    len = ngx_min(reason->len, sizeof(text));

    for (i = 0; i < len; i++) {
        text[i] = (reason->data[i] < ' ' || reason->data[i] >= 0x7f)
                  ? '?' : reason->data[i];
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "k8s_metrics: a bearer token is not believed: %*s", len,
                  text);
}


ngx_uint_t
ngx_http_k8s_metrics_auth_may_log(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_limit_t *limit, ngx_uint_t max, const char *what)
{
    ngx_uint_t  dropped;

    if (ngx_http_k8s_metrics_limit(limit, ngx_current_msec, max, &dropped)
        != NGX_OK)
    {
        return 0;
    }

    if (dropped) {
        ngx_log_error(NGX_LOG_WARN, auth->log, 0,
                      "k8s_metrics: %ui more %s were not logged", dropped,
                      what);
    }

    return 1;
}


static ngx_int_t
ngx_http_k8s_metrics_by_front_proxy(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity, const char **error)
{
    ngx_int_t    rc;
    ngx_str_t    cn, *name;
    ngx_uint_t   i;

    if (rh->allowed_names && rh->allowed_names->nelts) {

        *error = "its name is not an allowed one";

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

    *error = "the request has no user header";

    identity->by = NGX_HTTP_K8S_METRICS_BY_REQUESTHEADER;

    return ngx_http_k8s_metrics_requestheader_identity(r, rh, identity);
}


static ngx_uint_t
ngx_http_k8s_metrics_impersonates(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static u_char     prefix[] = "impersonate";

    /* "_" is "-" to CGI and its like, as in names of the identity */

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len > sizeof(prefix)
                && (h[i].key.data[sizeof(prefix) - 1] == '-'
                    || h[i].key.data[sizeof(prefix) - 1] == '_')
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
