
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


#include <openssl/rand.h>


#define NGX_HTTP_K8S_METRICS_FETCH_SSL_BUFFER  4096


static ngx_int_t ngx_http_k8s_metrics_credentials_load(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);
static ngx_int_t ngx_http_k8s_metrics_credentials_identity(
    ngx_http_k8s_metrics_credentials_t *c, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_fetch_ssl(ngx_ssl_t *ssl,
    ngx_uint_t level, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_fetch_ssl_fill(ngx_ssl_t *ssl,
    ngx_uint_t level, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_fetch_ca(ngx_ssl_t *ssl,
    ngx_uint_t level, ngx_http_k8s_metrics_pem_t *ca);
static ngx_uint_t ngx_http_k8s_metrics_fetch_certificates(ngx_str_t *text);
static ngx_int_t ngx_http_k8s_metrics_fetch_cert(ngx_ssl_t *ssl,
    ngx_uint_t level, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_fetch_key(ngx_ssl_t *ssl,
    ngx_uint_t level, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_fetch_read_x509(BIO *bio, X509 **cert);
static int ngx_http_k8s_metrics_fetch_no_password(char *buf, int size,
    int rwflag, void *data);


ngx_int_t
ngx_http_k8s_metrics_credentials(ngx_pool_t *pool, ngx_log_t *log,
    ngx_http_k8s_metrics_credentials_t *c)
{
    ngx_uint_t                    i, n;
    ngx_pool_cleanup_t           *cln;
    ngx_http_k8s_metrics_pem_t   *pem;
    ngx_http_k8s_metrics_file_t  *file;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    c->ssl = ngx_pcalloc(pool, sizeof(ngx_ssl_t));
    if (c->ssl == NULL) {
        return NGX_ERROR;
    }

    c->ssl->log = log;

    if (ngx_http_k8s_metrics_fetch_ssl(c->ssl, NGX_LOG_EMERG, c->pem)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = c->ssl;

    if (RAND_bytes(c->salt, sizeof(c->salt)) != 1
        || ngx_http_k8s_metrics_credentials_identity(c, c->pem) != NGX_OK)
    {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() or SHA-256 failed");
        return NGX_ERROR;
    }

    file = ngx_pcalloc(pool, NGX_HTTP_K8S_METRICS_PEMS
                             * sizeof(ngx_http_k8s_metrics_file_t));
    if (file == NULL) {
        return NGX_ERROR;
    }

    for (n = 0, i = 0; i < NGX_HTTP_K8S_METRICS_PEMS; i++) {
        pem = &c->pem[i];
        c->slot[i] = n;

        if (pem->file.name.len) {
            file[n] = pem->file;
            ngx_http_k8s_metrics_file_known(&file[n], &pem->bytes);
            n++;
        }
    }

    c->files.file = file;
    c->files.n = n;
    c->files.load = ngx_http_k8s_metrics_credentials_load;
    c->files.data = c;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_credentials_look(ngx_http_k8s_metrics_credentials_t *c,
    ngx_log_t *log)
{
    return ngx_http_k8s_metrics_files_look(&c->files, log);
}


/*
 * Connections hold their SSL_CTX themselves; the ngx_ssl_t that everybody
 * points to stays where it is.
 */

static ngx_int_t
ngx_http_k8s_metrics_credentials_load(void *data, ngx_str_t *bytes,
    ngx_log_t *log, ngx_uint_t level)
{
    ngx_http_k8s_metrics_credentials_t *c = data;

    SSL_CTX                      *old;
    ngx_uint_t                    i;
    ngx_http_k8s_metrics_pem_t    pem[NGX_HTTP_K8S_METRICS_PEMS];
    ngx_http_k8s_metrics_file_t  *file;

    old = c->ssl->ctx;

    c->ssl->ctx = NULL;
    c->ssl->log = log;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_PEMS; i++) {
        pem[i] = c->pem[i];

        if (pem[i].file.name.len) {
            pem[i].bytes = bytes[c->slot[i]];
        }
    }

    if (ngx_http_k8s_metrics_fetch_ssl(c->ssl, level, pem) != NGX_OK
        || ngx_http_k8s_metrics_credentials_identity(c, pem) != NGX_OK)
    {
        if (c->ssl->ctx) {
            SSL_CTX_free(c->ssl->ctx);
        }

        c->ssl->ctx = old;

        for (i = 0; i < c->files.n; i++) {
            file = &c->files.file[i];

            if (file->differs) {
                ngx_log_error(level, log, 0,
                              "k8s_metrics: %s \"%V\" has changed and cannot "
                              "be used: the old one stays in force",
                              file->what, &file->name);
            }
        }

        return NGX_ERROR;
    }

    SSL_CTX_free(old);

    return NGX_OK;
}


/*
 * A private key is no part of it: whoever changes the key changes the
 * certificate.  What the system's CAs are may differ from one configuration to
 * the next without a sign.
 */

static ngx_int_t
ngx_http_k8s_metrics_credentials_identity(
    ngx_http_k8s_metrics_credentials_t *c, ngx_http_k8s_metrics_pem_t *pem)
{
    u_char       md[NGX_HTTP_K8S_METRICS_FETCH_KEY];
    uint64_t     len;
    ngx_int_t    rc;
    ngx_str_t   *bytes;
    ngx_uint_t   i;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 0) {
        goto done;
    }

    for (i = 0; i < NGX_HTTP_K8S_METRICS_PEM_KEY; i++) {
        bytes = &pem[i].bytes;
        len = bytes->data ? bytes->len + 1 : 0;

        if (EVP_DigestUpdate(ctx, &len, sizeof(len)) == 0
            || (bytes->data
                && EVP_DigestUpdate(ctx, bytes->data, bytes->len) == 0))
        {
            goto done;
        }
    }

    if (pem[NGX_HTTP_K8S_METRICS_PEM_CA].bytes.data == NULL
        && EVP_DigestUpdate(ctx, c->salt, sizeof(c->salt)) == 0)
    {
        goto done;
    }

    if (EVP_DigestFinal_ex(ctx, md, NULL) == 0) {
        goto done;
    }

    ngx_memcpy(c->identity, md, sizeof(md));
    rc = NGX_OK;

done:

    EVP_MD_CTX_free(ctx);

    return rc;
}


/* NGX_OK with ssl->ctx, NGX_ERROR without. */

static ngx_int_t
ngx_http_k8s_metrics_fetch_ssl(ngx_ssl_t *ssl, ngx_uint_t level,
    ngx_http_k8s_metrics_pem_t *pem)
{
    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) == NGX_OK
        && ngx_ssl_client_session_cache(NULL, ssl, 1) == NGX_OK
        && ngx_http_k8s_metrics_fetch_ssl_fill(ssl, level, pem) == NGX_OK)
    {
        ssl->buffer_size = NGX_HTTP_K8S_METRICS_FETCH_SSL_BUFFER;
        return NGX_OK;
    }

    if (ssl->ctx) {
        SSL_CTX_free(ssl->ctx);
        ssl->ctx = NULL;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_ssl_fill(ngx_ssl_t *ssl, ngx_uint_t level,
    ngx_http_k8s_metrics_pem_t *pem)
{
    ngx_http_k8s_metrics_pem_t  *cert, *key;

    cert = &pem[NGX_HTTP_K8S_METRICS_PEM_CERT];
    key = &pem[NGX_HTTP_K8S_METRICS_PEM_KEY];

    if (ngx_http_k8s_metrics_fetch_ca(ssl, level,
                                      &pem[NGX_HTTP_K8S_METRICS_PEM_CA])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cert->bytes.data == NULL && key->bytes.data == NULL) {
        return NGX_OK;
    }

    if (cert->bytes.data == NULL || key->bytes.data == NULL) {
        ngx_log_error(level, ssl->log, 0,
                      "%s: a client certificate and its key need each other",
                      cert->bytes.data ? cert->what : key->what);
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_fetch_cert(ssl, level, cert) != NGX_OK
        || ngx_http_k8s_metrics_fetch_key(ssl, level, key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_ca(ngx_ssl_t *ssl, ngx_uint_t level,
    ngx_http_k8s_metrics_pem_t *ca)
{
    BIO         *bio;
    X509        *cert;
    ngx_int_t    rc;
    ngx_uint_t   n;
    X509_STORE  *store;

    /* as Go: an intermediate in the bundle is an anchor */

    store = SSL_CTX_get_cert_store(ssl->ctx);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);

    if (ca->bytes.data == NULL) {
        if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
            ngx_ssl_error(level, ssl->log, 0,
                          "%s: the system's CA bundle cannot be read",
                          ca->what);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    bio = BIO_new_mem_buf(ca->bytes.data, (int) ca->bytes.len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    for (n = 0; /* void */; n++) {

        rc = ngx_http_k8s_metrics_fetch_read_x509(bio, &cert);

        if (rc != NGX_OK) {
            break;
        }

        if (X509_STORE_add_cert(store, cert) == 0) {
            X509_free(cert);
            rc = NGX_ERROR;
            break;
        }

        X509_free(cert);
    }

    BIO_free(bio);

    /* OpenSSL passes over what it does not take for a certificate's begin */

    if (rc == NGX_ERROR || n == 0
        || n < ngx_http_k8s_metrics_fetch_certificates(&ca->bytes))
    {
        ngx_ssl_error(level, ssl->log, 0, "%s: the CA bundle holds %s",
                      ca->what, (rc == NGX_ERROR || n)
                                ? "an invalid certificate"
                                : "no valid PEM certificate");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* How many there ought to be. */

static ngx_uint_t
ngx_http_k8s_metrics_fetch_certificates(ngx_str_t *text)
{
    size_t       len;
    u_char      *p, *last;
    ngx_uint_t   n;

    n = 0;
    p = text->data;
    last = p + text->len;
    len = sizeof("-----BEGIN CERTIFICATE-") - 1;

    while ((size_t) (last - p) >= len) {
        p = ngx_strnstr(p, "-----BEGIN CERTIFICATE-", last - p);

        if (p == NULL) {
            break;
        }

        p += len;
        n++;
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_cert(ngx_ssl_t *ssl, ngx_uint_t level,
    ngx_http_k8s_metrics_pem_t *pem)
{
    BIO         *bio;
    X509        *cert;
    ngx_int_t    rc;
    ngx_uint_t   n;

    bio = BIO_new_mem_buf(pem->bytes.data, (int) pem->bytes.len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    for (n = 0; /* void */; n++) {

        rc = ngx_http_k8s_metrics_fetch_read_x509(bio, &cert);

        if (rc != NGX_OK) {
            break;
        }

        if (n == 0) {
            rc = SSL_CTX_use_certificate(ssl->ctx, cert) ? NGX_OK : NGX_ERROR;

        } else {
            rc = SSL_CTX_add1_chain_cert(ssl->ctx, cert) ? NGX_OK : NGX_ERROR;
        }

        X509_free(cert);

        if (rc != NGX_OK) {
            break;
        }
    }

    BIO_free(bio);

    if (rc == NGX_ERROR || n == 0) {
        ngx_ssl_error(level, ssl->log, 0,
                      "%s: the client certificate is not valid PEM",
                      pem->what);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_fetch_key(ngx_ssl_t *ssl, ngx_uint_t level,
    ngx_http_k8s_metrics_pem_t *pem)
{
    int        ok;
    BIO       *bio;
    EVP_PKEY  *key;

    bio = BIO_new_mem_buf(pem->bytes.data, (int) pem->bytes.len);
    if (bio == NULL) {
        return NGX_ERROR;
    }

    key = PEM_read_bio_PrivateKey(bio, NULL,
                                  ngx_http_k8s_metrics_fetch_no_password,
                                  NULL);
    BIO_free(bio);

    if (key == NULL) {
        ngx_ssl_error(level, ssl->log, 0,
                      "%s: the client key is not valid PEM, or encrypted",
                      pem->what);
        return NGX_ERROR;
    }

    ok = SSL_CTX_use_PrivateKey(ssl->ctx, key)
         && SSL_CTX_check_private_key(ssl->ctx);

    EVP_PKEY_free(key);

    if (!ok) {
        ngx_ssl_error(level, ssl->log, 0,
                      "%s: the client key does not belong to the certificate",
                      pem->what);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* NGX_OK, NGX_DONE at the end, NGX_ERROR with OpenSSL's errors queued */

static ngx_int_t
ngx_http_k8s_metrics_fetch_read_x509(BIO *bio, X509 **cert)
{
    u_long  n;

    *cert = PEM_read_bio_X509(bio, NULL,
                              ngx_http_k8s_metrics_fetch_no_password, NULL);

    if (*cert) {
        return NGX_OK;
    }

    n = ERR_peek_last_error();

    if (ERR_GET_LIB(n) == ERR_LIB_PEM
        && ERR_GET_REASON(n) == PEM_R_NO_START_LINE)
    {
        ERR_clear_error();
        return NGX_DONE;
    }

    return NGX_ERROR;
}


static int
ngx_http_k8s_metrics_fetch_no_password(char *buf, int size, int rwflag,
    void *data)
{
    return -1;
}
