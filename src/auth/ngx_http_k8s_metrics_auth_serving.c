
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/pem.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_MAX_PAIRS  8   /* OpenSSL has no more types */


/* What the files of a server hold. */
typedef struct {
    X509                             *cert;
    STACK_OF(X509)                   *chain;    /* may be NULL */
    EVP_PKEY                         *key;
} ngx_http_k8s_metrics_pair_t;

/* Certificates and keys in turn, and whom they serve. */
typedef struct {
    ngx_http_k8s_metrics_files_t     *files;
    int                               types[NGX_HTTP_K8S_METRICS_MAX_PAIRS];
    ngx_array_t                       ctxs;     /* of SSL_CTX * */
} ngx_http_k8s_metrics_serving_t;


static const char *ngx_http_k8s_metrics_serving_unwatched(
    ngx_http_ssl_srv_conf_t *sscf);
static ngx_http_k8s_metrics_files_t *ngx_http_k8s_metrics_serving_create(
    ngx_conf_t *cf, ngx_http_k8s_metrics_file_t *file, ngx_uint_t n,
    SSL_CTX *ctx, const char **reason);
static const char *ngx_http_k8s_metrics_serving_known(ngx_conf_t *cf,
    ngx_http_k8s_metrics_file_t *file, SSL_CTX *ctx, int *type);
static ngx_int_t ngx_http_k8s_metrics_serving_add(
    ngx_http_k8s_metrics_files_t *files, SSL_CTX *ctx);
static ngx_int_t ngx_http_k8s_metrics_serving_load(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);
static const char *ngx_http_k8s_metrics_serving_swap(
    ngx_http_k8s_metrics_serving_t *serving,
    ngx_http_k8s_metrics_pair_t *pairs);
static const char *ngx_http_k8s_metrics_pair_read(
    ngx_http_k8s_metrics_pair_t *pair, ngx_str_t *cert, ngx_str_t *key);
static const char *ngx_http_k8s_metrics_pair_chain(
    ngx_http_k8s_metrics_pair_t *pair, BIO *bio);
static void ngx_http_k8s_metrics_pair_free(ngx_http_k8s_metrics_pair_t *pair);
static int ngx_http_k8s_metrics_pair_no_password(char *buf, int size,
    int rwflag, void *data);


ngx_int_t
ngx_http_k8s_metrics_serving_watch(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_str_t                     *name[2];
    ngx_uint_t                     i, n;
    const char                    *reason;
    ngx_http_ssl_srv_conf_t       *sscf;
    ngx_http_k8s_metrics_file_t    file[2 * NGX_HTTP_K8S_METRICS_MAX_PAIRS];
    ngx_http_k8s_metrics_files_t  *files;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

    if (sscf->certificates == NULL || sscf->certificate_values) {
        return NGX_OK;
    }

    reason = ngx_http_k8s_metrics_serving_unwatched(sscf);

    if (reason) {
        goto unwatched;
    }

    ngx_memzero(file, sizeof(file));

    n = sscf->certificates->nelts;
    name[0] = sscf->certificates->elts;
    name[1] = sscf->certificate_keys->elts;

    for (i = 0; i < 2 * n; i++) {
        file[i].name = name[i % 2][i / 2];
        file[i].what = (i % 2) ? "ssl_certificate_key" : "ssl_certificate";

        if (ngx_conf_full_name(cf->cycle, &file[i].name, 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /* one for all servers with the same files */

    files = ngx_http_k8s_metrics_auth_files_find(cf, file, 2 * n);

    if (files == NULL) {
        files = ngx_http_k8s_metrics_serving_create(cf, file, 2 * n,
                                                    sscf->ssl.ctx, &reason);

        if (reason) {
            goto unwatched;
        }
    }

    return files ? ngx_http_k8s_metrics_serving_add(files, sscf->ssl.ctx)
                 : NGX_ERROR;

unwatched:

    ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                  "\"k8s_metrics_auth\": a change of the certificate of the "
                  "server in %s:%ui needs a reload: it has %s",
                  cscf->file_name, cscf->line, reason);

    return NGX_OK;
}


/* Why a worker could not, or should not, replace it; NULL when it may. */

static const char *
ngx_http_k8s_metrics_serving_unwatched(ngx_http_ssl_srv_conf_t *sscf)
{
    ngx_str_t   *cert, *key;
    ngx_uint_t   i;

    if (sscf->passwords) {
        return "\"ssl_password_file\"";
    }

    /* a staple belongs to a certificate */

    if (sscf->stapling) {
        return "\"ssl_stapling on\"";
    }

    if (sscf->certificates->nelts > NGX_HTTP_K8S_METRICS_MAX_PAIRS
        || sscf->certificate_keys == NULL
        || sscf->certificate_keys->nelts < sscf->certificates->nelts)
    {
        return "too many certificates";
    }

    cert = sscf->certificates->elts;
    key = sscf->certificate_keys->elts;

    for (i = 0; i < sscf->certificates->nelts; i++) {

        if (ngx_strncmp(cert[i].data, "data:", 5) == 0
            || ngx_strncmp(key[i].data, "data:", 5) == 0
            || ngx_strncmp(key[i].data, "engine:", 7) == 0
            || ngx_strncmp(key[i].data, "store:", 6) == 0)
        {
            return "a certificate or a key that is in no file";
        }
    }

    return NULL;
}


/* NULL with a reason, or for want of memory. */

static ngx_http_k8s_metrics_files_t *
ngx_http_k8s_metrics_serving_create(ngx_conf_t *cf,
    ngx_http_k8s_metrics_file_t *file, ngx_uint_t n, SSL_CTX *ctx,
    const char **reason)
{
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_files_t    *files;
    ngx_http_k8s_metrics_serving_t  *serving;

    serving = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_serving_t));
    if (serving == NULL) {
        return NULL;
    }

    if (ngx_array_init(&serving->ctxs, cf->pool, 2, sizeof(SSL_CTX *))
        != NGX_OK)
    {
        return NULL;
    }

    for (i = 0; i < n; i += 2) {
        *reason = ngx_http_k8s_metrics_serving_known(cf, &file[i],
                                                     (n == 2) ? ctx : NULL,
                                                     &serving->types[i / 2]);
        if (*reason) {
            return NULL;
        }
    }

    files = ngx_http_k8s_metrics_auth_files_add(cf, file, n);
    if (files == NULL) {
        return NULL;
    }

    files->load = ngx_http_k8s_metrics_serving_load;
    files->data = serving;
    files->again = (file[0].hash == 0);

    serving->files = files;

    return files;
}


static const char *
ngx_http_k8s_metrics_serving_known(ngx_conf_t *cf,
    ngx_http_k8s_metrics_file_t *file, SSL_CTX *ctx, int *type)
{
    ngx_str_t                    cert, key;
    ngx_err_t                    err;
    const char                  *reason;
    ngx_http_k8s_metrics_pair_t  pair;

    if (ngx_http_k8s_metrics_file_read(&file[0], cf->temp_pool, &cert, &err)
        != NGX_OK
        || ngx_http_k8s_metrics_file_read(&file[1], cf->temp_pool, &key, &err)
           != NGX_OK)
    {
        return "a certificate or a key in no plain file";
    }

    reason = ngx_http_k8s_metrics_pair_read(&pair, &cert, &key);

    if (reason) {
        reason = "an encrypted key, or one that was just replaced";

    } else {
        *type = EVP_PKEY_base_id(pair.key);

        /* replaced since nginx read it: the first look will tell */

        if (ctx
            && X509_cmp(SSL_CTX_get0_certificate(ctx), pair.cert) != 0)
        {
            goto done;
        }

        ngx_http_k8s_metrics_file_known(&file[0], &cert);
        ngx_http_k8s_metrics_file_known(&file[1], &key);
    }

done:

    ngx_http_k8s_metrics_pair_free(&pair);
    ngx_explicit_memzero(key.data, key.len);

    return reason;
}


static ngx_int_t
ngx_http_k8s_metrics_serving_add(ngx_http_k8s_metrics_files_t *files,
    SSL_CTX *ctx)
{
    SSL_CTX                         **p;
    ngx_http_k8s_metrics_serving_t   *serving;

    serving = files->data;

    p = ngx_array_push(&serving->ctxs);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = ctx;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_serving_load(void *data, ngx_str_t *bytes,
    ngx_log_t *log, ngx_uint_t level)
{
    ngx_http_k8s_metrics_serving_t *serving = data;

    ngx_uint_t                    i, n;
    const char                   *error;
    ngx_http_k8s_metrics_file_t  *file;
    ngx_http_k8s_metrics_pair_t   pairs[NGX_HTTP_K8S_METRICS_MAX_PAIRS];

    n = serving->files->n / 2;
    file = serving->files->file;
    error = NULL;

    ngx_memzero(pairs, sizeof(pairs));

    for (i = 0; i < n; i++) {
        error = ngx_http_k8s_metrics_pair_read(&pairs[i], &bytes[2 * i],
                                               &bytes[2 * i + 1]);

        /* OpenSSL would keep the old one beside it */

        if (error == NULL
            && EVP_PKEY_base_id(pairs[i].key) != serving->types[i])
        {
            error = "another type of key needs a reload";
        }

        if (error) {
            break;
        }
    }

    if (error == NULL) {
        i = 0;
        error = ngx_http_k8s_metrics_serving_swap(serving, pairs);
    }

    if (error) {
        ngx_log_error(level, log, 0,
                      "k8s_metrics: %s \"%V\" or its key \"%V\" has changed "
                      "and cannot be used: %s: the old one stays in force",
                      file[2 * i].what, &file[2 * i].name,
                      &file[2 * i + 1].name, error);
    }

    for (i = 0; i < n; i++) {
        ngx_http_k8s_metrics_pair_free(&pairs[i]);
    }

    ERR_clear_error();

    return error ? NGX_ERROR : NGX_OK;
}


/*
 * All or nothing: an SSL has a copy of what its SSL_CTX holds, so one of them
 * tries what OpenSSL thinks of it, and connections that there are keep theirs.
 */

static const char *
ngx_http_k8s_metrics_serving_swap(ngx_http_k8s_metrics_serving_t *serving,
    ngx_http_k8s_metrics_pair_t *pairs)
{
    int           rc;
    SSL          *ssl;
    SSL_CTX     **ctx;
    ngx_uint_t    i, c, n;

    n = serving->files->n / 2;
    ctx = serving->ctxs.elts;

    for (c = 0; c < serving->ctxs.nelts; c++) {
        ssl = SSL_new(ctx[c]);

        if (ssl == NULL) {
            return "no memory";
        }

        for (rc = 1, i = 0; rc == 1 && i < n; i++) {
            rc = SSL_use_cert_and_key(ssl, pairs[i].cert, pairs[i].key,
                                      pairs[i].chain, 1);
        }

        SSL_free(ssl);

        if (rc != 1) {
            return "OpenSSL does not take it";
        }
    }

    for (c = 0; c < serving->ctxs.nelts; c++) {
        for (i = 0; i < n; i++) {

            if (SSL_CTX_use_cert_and_key(ctx[c], pairs[i].cert, pairs[i].key,
                                         pairs[i].chain, 1)
                != 1)
            {
                return "no memory";
            }
        }
    }

    return NULL;
}


/* NULL, or what is wrong; to be freed in both cases. */

static const char *
ngx_http_k8s_metrics_pair_read(ngx_http_k8s_metrics_pair_t *pair,
    ngx_str_t *cert, ngx_str_t *key)
{
    BIO         *bio;
    const char  *error;

    ngx_memzero(pair, sizeof(ngx_http_k8s_metrics_pair_t));

    bio = BIO_new_mem_buf(cert->data, (int) cert->len);
    if (bio == NULL) {
        return "no memory";
    }

    error = ngx_http_k8s_metrics_pair_chain(pair, bio);

    BIO_free(bio);

    if (error) {
        return error;
    }

    bio = BIO_new_mem_buf(key->data, (int) key->len);
    if (bio == NULL) {
        return "no memory";
    }

    pair->key = PEM_read_bio_PrivateKey(bio, NULL,
                                        ngx_http_k8s_metrics_pair_no_password,
                                        NULL);
    BIO_free(bio);

    if (pair->key == NULL) {
        return "the key is not valid PEM, or encrypted";
    }

    if (X509_check_private_key(pair->cert, pair->key) != 1) {
        return "the key does not belong to the certificate";
    }

    return NULL;
}


static const char *
ngx_http_k8s_metrics_pair_chain(ngx_http_k8s_metrics_pair_t *pair, BIO *bio)
{
    X509    *cert;
    u_long   n;

    pair->cert = PEM_read_bio_X509_AUX(bio, NULL,
                                       ngx_http_k8s_metrics_pair_no_password,
                                       NULL);
    if (pair->cert == NULL) {
        return "no valid certificate in it";
    }

    for ( ;; ) {
        cert = PEM_read_bio_X509(bio, NULL,
                                 ngx_http_k8s_metrics_pair_no_password, NULL);
        if (cert == NULL) {
            break;
        }

        if (pair->chain == NULL) {
            pair->chain = sk_X509_new_null();
        }

        if (pair->chain == NULL || sk_X509_push(pair->chain, cert) == 0) {
            X509_free(cert);
            return "no memory";
        }
    }

    n = ERR_peek_last_error();

    if (ERR_GET_LIB(n) != ERR_LIB_PEM
        || ERR_GET_REASON(n) != PEM_R_NO_START_LINE)
    {
        return "a certificate of its chain is broken";
    }

    ERR_clear_error();

    return NULL;
}


static void
ngx_http_k8s_metrics_pair_free(ngx_http_k8s_metrics_pair_t *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
    sk_X509_pop_free(pair->chain, X509_free);

    ERR_clear_error();
}


static int
ngx_http_k8s_metrics_pair_no_password(char *buf, int size, int rwflag,
    void *data)
{
    return -1;
}
