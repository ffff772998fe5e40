
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/x509v3.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_MAX_GROUPS  1000


/* Verdicts of a connection, in its pool. */
typedef struct {
    ngx_uint_t               id[2];     /* of the bundle; 0: none yet */
    int                      error[2];  /* X509_V_OK or why not */
    time_t                   until[2];
} ngx_http_k8s_metrics_verdicts_t;


static int ngx_http_k8s_metrics_x509_slot(void);
static ngx_http_k8s_metrics_verdicts_t *ngx_http_k8s_metrics_x509_verdicts(
    ngx_http_request_t *r);
static int ngx_http_k8s_metrics_x509_check(SSL *ssl, X509 *cert,
    ngx_http_k8s_metrics_bundle_t *bundle, time_t *until);
static int ngx_http_k8s_metrics_x509_try(SSL *ssl, X509 *cert,
    ngx_http_k8s_metrics_bundle_t *bundle, X509 *anchor, time_t *until,
    STACK_OF(X509) **same);
static int ngx_http_k8s_metrics_x509_strict(X509_STORE_CTX *ctx);
static time_t ngx_http_k8s_metrics_x509_until(X509_STORE_CTX *ctx);
static ngx_int_t ngx_http_k8s_metrics_x509_text(ngx_pool_t *pool,
    X509_NAME_ENTRY *entry, ngx_str_t *text);
static ngx_int_t ngx_http_k8s_metrics_x509_extra(ngx_pool_t *pool, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity);


int
ngx_http_k8s_metrics_x509_verify(ngx_http_request_t *r, X509 *cert,
    ngx_uint_t which, ngx_http_k8s_metrics_bundle_t *bundle)
{
    int                               error;
    time_t                            until;
    ngx_http_k8s_metrics_verdicts_t  *v;

    v = ngx_http_k8s_metrics_x509_verdicts(r);

    if (v && v->id[which] == bundle->id && ngx_time() < v->until[which]) {
        return v->error[which];
    }

    error = ngx_http_k8s_metrics_x509_check(r->connection->ssl->connection,
                                            cert, bundle, &until);

    if (v) {
        v->id[which] = bundle->id;
        v->error[which] = error;
        v->until[which] = until;
    }

    return error;
}


static int
ngx_http_k8s_metrics_x509_slot(void)
{
    static int  slot = -1;

    if (slot == -1) {
        slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }

    return slot;
}


/* NULL without memory: then each request verifies for itself. */

static ngx_http_k8s_metrics_verdicts_t *
ngx_http_k8s_metrics_x509_verdicts(ngx_http_request_t *r)
{
    int                               slot;
    SSL                              *ssl;
    ngx_connection_t                 *c;
    ngx_http_k8s_metrics_verdicts_t  *v;

    ssl = r->connection->ssl->connection;
    slot = ngx_http_k8s_metrics_x509_slot();

    if (slot == -1) {
        return NULL;
    }

    v = SSL_get_ex_data(ssl, slot);
    if (v) {
        return v;
    }

    /* not r->connection: a stream of HTTP/2 has a connection of its own */

    c = ngx_ssl_get_connection(ssl);

    v = ngx_pcalloc(c->pool, sizeof(ngx_http_k8s_metrics_verdicts_t));
    if (v == NULL || SSL_set_ex_data(ssl, slot, v) == 0) {
        return NULL;
    }

    return v;
}


/*
 * OpenSSL takes the first anchor that has the issuer's name, and the key's
 * identifier where there is one; Go tries all.  CAs that were made anew under
 * the old name are both in a bundle while they rotate.
 */

static int
ngx_http_k8s_metrics_x509_check(SSL *ssl, X509 *cert,
    ngx_http_k8s_metrics_bundle_t *bundle, time_t *until)
{
    int              error, i;
    STACK_OF(X509)  *same;

    same = NULL;
    error = ngx_http_k8s_metrics_x509_try(ssl, cert, bundle, NULL, until,
                                          &same);

    for (i = 0;
         i < sk_X509_num(same) && error == X509_V_ERR_CERT_SIGNATURE_FAILURE;
         i++)
    {
        error = ngx_http_k8s_metrics_x509_try(ssl, cert, bundle,
                                              sk_X509_value(same, i), until,
                                              NULL);
    }

    sk_X509_pop_free(same, X509_free);
    ERR_clear_error();

    return error;
}


/*
 * With all anchors of the bundle, or with one of them.  Where a signature does
 * not fit the anchor that was taken, "same" are those of its name, the
 * caller's to free.
 */

static int
ngx_http_k8s_metrics_x509_try(SSL *ssl, X509 *cert,
    ngx_http_k8s_metrics_bundle_t *bundle, X509 *anchor, time_t *until,
    STACK_OF(X509) **same)
{
    int                 error, level;
    X509_STORE_CTX     *ctx;
    STACK_OF(X509)     *only, *chain;
    X509_VERIFY_PARAM  *param;

    /* a certificate that is not valid yet may be so soon */

    *until = ngx_time() + 5;

    only = NULL;
    error = X509_V_ERR_OUT_OF_MEM;

    ctx = X509_STORE_CTX_new();
    if (ctx == NULL) {
        return error;
    }

    if (X509_STORE_CTX_init(ctx, bundle->store, cert,
                            SSL_get_peer_cert_chain(ssl))
        != 1)
    {
        goto done;
    }

    if (anchor) {
        only = sk_X509_new_null();

        if (only == NULL || sk_X509_push(only, anchor) == 0) {
            goto done;
        }

        X509_STORE_CTX_set0_trusted_stack(ctx, only);
    }

    param = X509_STORE_CTX_get0_param(ctx);

    /* at level 0 OpenSSL takes SHA-1 and MD5; Go never does */

    level = SSL_get_security_level(ssl);

    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_auth_level(param, ngx_max(level, 1));
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);

    error = X509_V_ERR_UNSPECIFIED;

    if (X509_verify_cert(ctx) == 1) {
        error = ngx_http_k8s_metrics_x509_strict(ctx);

    } else if (X509_STORE_CTX_get_error(ctx) != X509_V_OK) {
        error = X509_STORE_CTX_get_error(ctx);
    }

    chain = X509_STORE_CTX_get0_chain(ctx);

    if (error == X509_V_OK) {
        *until = ngx_http_k8s_metrics_x509_until(ctx);

    } else if (error == X509_V_ERR_CERT_SIGNATURE_FAILURE && same
               && sk_X509_num(chain) > 1)
    {
        *same = X509_STORE_CTX_get1_certs(ctx,
                    X509_get_subject_name(sk_X509_value(chain,
                                                   sk_X509_num(chain) - 1)));
    }

done:

    X509_STORE_CTX_free(ctx);
    sk_X509_free(only);

    return error;
}


/*
 * What Go's crypto/x509 demands of issuers beyond OpenSSL: that an anchor of
 * version 3 says it is a CA, and that certificates issued under their issuer's
 * own name count for the length of the path.
 */

static int
ngx_http_k8s_metrics_x509_strict(X509_STORE_CTX *ctx)
{
    int              i;
    long             len;
    X509            *cert;
    STACK_OF(X509)  *chain;

    chain = X509_STORE_CTX_get0_chain(ctx);

    for (i = 1; i < sk_X509_num(chain); i++) {
        cert = sk_X509_value(chain, i);

        if (X509_get_version(cert) == 2
            && (X509_get_extension_flags(cert) & EXFLAG_CA) == 0)
        {
            return X509_V_ERR_INVALID_CA;
        }

        len = X509_get_pathlen(cert);

        if (len != -1 && i - 1 > len) {
            return X509_V_ERR_PATH_LENGTH_EXCEEDED;
        }
    }

    return X509_V_OK;
}


/* The first second at which a certificate of the verified chain is expired. */

static time_t
ngx_http_k8s_metrics_x509_until(X509_STORE_CTX *ctx)
{
    int              i, days, seconds;
    time_t           left, least;
    STACK_OF(X509)  *chain;

    least = 3600;
    chain = X509_STORE_CTX_get0_chain(ctx);

    for (i = 0; i < sk_X509_num(chain); i++) {

        if (ASN1_TIME_diff(&days, &seconds, NULL,
                           X509_get0_notAfter(sk_X509_value(chain, i)))
            == 0)
        {
            return ngx_time();
        }

        left = (time_t) days * 86400 + seconds;
        least = ngx_min(least, left);
    }

    return ngx_time() + ngx_max(least, 0);
}


static ngx_int_t
ngx_http_k8s_metrics_x509_text(ngx_pool_t *pool, X509_NAME_ENTRY *entry,
    ngx_str_t *text)
{
    int      len;
    u_char  *p;

    len = ASN1_STRING_to_UTF8(&p, X509_NAME_ENTRY_get_data(entry));

    if (len < 0) {
        ERR_clear_error();
        return NGX_DECLINED;
    }

    text->len = len;
    text->data = ngx_pnalloc(pool, len + 1);

    if (text->data) {
        ngx_memcpy(text->data, p, len);
    }

    OPENSSL_free(p);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strlchr(text->data, text->data + len, '\0')) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_x509_common_name(ngx_pool_t *pool, X509 *cert,
    ngx_str_t *name)
{
    int         last, i;
    X509_NAME  *subject;

    subject = X509_get_subject_name(cert);
    last = -1;

    for ( ;; ) {
        i = X509_NAME_get_index_by_NID(subject, NID_commonName, last);

        if (i < 0) {
            break;
        }

        last = i;
    }

    if (last == -1) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_metrics_x509_text(pool,
                                          X509_NAME_get_entry(subject, last),
                                          name);
}


ngx_int_t
ngx_http_k8s_metrics_x509_identity(ngx_pool_t *pool, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity)
{
    int          i, n;
    char         oid[64];
    ngx_int_t    rc;
    ngx_str_t    text;
    X509_NAME   *subject;
    ASN1_OBJECT *object;

    rc = ngx_http_k8s_metrics_x509_common_name(pool, cert, &identity->user);

    if (rc != NGX_OK || identity->user.len == 0) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DECLINED;
    }

    subject = X509_get_subject_name(cert);
    n = X509_NAME_entry_count(subject);

    if (n > NGX_HTTP_K8S_METRICS_MAX_GROUPS) {
        return NGX_DECLINED;
    }

    /* one more than there can be: system:authenticated */

    identity->groups = ngx_palloc(pool, (n + 1) * sizeof(ngx_str_t));
    if (identity->groups == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        object = X509_NAME_ENTRY_get_object(X509_NAME_get_entry(subject, i));

        (void) OBJ_obj2txt(oid, sizeof(oid), object, 1);

        if (OBJ_obj2nid(object) != NID_organizationName
            && ngx_strcmp(oid, "1.3.6.1.4.1.57683.2") != 0)
        {
            continue;
        }

        rc = ngx_http_k8s_metrics_x509_text(pool,
                                       X509_NAME_get_entry(subject, i), &text);
        if (rc != NGX_OK) {
            return rc;
        }

        if (OBJ_obj2nid(object) == NID_organizationName) {
            identity->groups[identity->ngroups++] = text;

        } else if (identity->uid.len) {
            return NGX_DECLINED;

        } else {
            identity->uid = text;
        }
    }

    return ngx_http_k8s_metrics_x509_extra(pool, cert, identity);
}


static ngx_int_t
ngx_http_k8s_metrics_x509_extra(ngx_pool_t *pool, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity)
{
    u_char                         digest[EVP_MAX_MD_SIZE], *p;
    unsigned int                   len;
    ngx_http_k8s_metrics_extra_t  *extra;

    if (X509_digest(cert, EVP_sha256(), digest, &len) != 1) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    extra = ngx_palloc(pool, sizeof(ngx_http_k8s_metrics_extra_t)
                             + sizeof(ngx_str_t));
    if (extra == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, sizeof("X509SHA256=") - 1 + 2 * len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&extra->key, "authentication.kubernetes.io/credential-id");
    extra->nvalues = 1;
    extra->values = (ngx_str_t *) &extra[1];
    extra->values[0].data = p;

    p = ngx_cpymem(p, "X509SHA256=", sizeof("X509SHA256=") - 1);
    p = ngx_hex_dump(p, digest, len);

    extra->values[0].len = p - extra->values[0].data;

    identity->extra = extra;
    identity->nextra = 1;

    return NGX_OK;
}
