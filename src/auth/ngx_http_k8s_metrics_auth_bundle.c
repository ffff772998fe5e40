
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/pem.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_BUNDLE_CERTS  1000


static ngx_int_t ngx_http_k8s_metrics_bundle_make(
    ngx_http_k8s_metrics_bundle_t *bundle, ngx_str_t *pem, const char **error);
static ngx_int_t ngx_http_k8s_metrics_bundle_fill(
    ngx_http_k8s_metrics_bundle_t *bundle, BIO *bio, const char **error);
static void ngx_http_k8s_metrics_bundle_cleanup(void *data);
static ngx_int_t ngx_http_k8s_metrics_bundle_load(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle(ngx_pool_t *pool, ngx_str_t *pem,
    const char **error)
{
    ngx_pool_cleanup_t             *cln;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    *error = "no memory";

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_http_k8s_metrics_bundle_t));
    if (cln == NULL) {
        return NULL;
    }

    bundle = cln->data;
    bundle->file = NULL;

    if (ngx_http_k8s_metrics_bundle_make(bundle, pem, error) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_http_k8s_metrics_bundle_cleanup;

    return bundle;
}


/* NGX_OK with a store and an id, NGX_ERROR without. */

static ngx_int_t
ngx_http_k8s_metrics_bundle_make(ngx_http_k8s_metrics_bundle_t *bundle,
    ngx_str_t *pem, const char **error)
{
    BIO                *bio;
    ngx_int_t           rc;

    static ngx_uint_t   id;     /* new in a process, never again */

    *error = "no memory";

    bundle->store = X509_STORE_new();

    if (bundle->store == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    bio = BIO_new_mem_buf(pem->data, (int) pem->len);

    if (bio) {
        rc = ngx_http_k8s_metrics_bundle_fill(bundle, bio, error);
        BIO_free(bio);
    }

    ERR_clear_error();

    if (rc != NGX_OK) {
        X509_STORE_free(bundle->store);
        return NGX_ERROR;
    }

    bundle->id = ++id;

    return NGX_OK;
}


/*
 * All or nothing: a bundle that lost a certificate in the middle would refuse
 * clients without a reason.  Blocks of other kinds are passed over, as by
 * client-go's cert.ParseCertsPEM.
 */

static ngx_int_t
ngx_http_k8s_metrics_bundle_fill(ngx_http_k8s_metrics_bundle_t *bundle,
    BIO *bio, const char **error)
{
    char                 *name, *header;
    long                  len;
    X509                 *cert;
    u_char               *der;
    ngx_uint_t            n;
    unsigned long         err;
    const unsigned char  *p;

    n = 0;

    while (PEM_read_bio(bio, &name, &header, &der, &len) == 1) {

        cert = NULL;

        if (ngx_strcmp(name, PEM_STRING_X509) == 0 && header[0] == '\0') {
            p = der;
            cert = d2i_X509(NULL, &p, len);
            *error = cert ? NULL : "a certificate in it cannot be read";

        } else {
            *error = NULL;
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);

        if (*error) {
            return NGX_ERROR;
        }

        if (cert == NULL) {
            continue;
        }

        if (n == NGX_HTTP_K8S_METRICS_BUNDLE_CERTS) {
            *error = "it has over 1000 certificates";

        } else if (X509_STORE_add_cert(bundle->store, cert) == 0) {
            *error = "a certificate in it cannot be used";
        }

        X509_free(cert);

        if (*error) {
            return NGX_ERROR;
        }

        n++;
    }

    err = ERR_peek_last_error();

    if (ERR_GET_LIB(err) != ERR_LIB_PEM
        || ERR_GET_REASON(err) != PEM_R_NO_START_LINE)
    {
        *error = "a PEM block in it is broken";
        return NGX_ERROR;
    }

    if (n == 0) {
        *error = "no certificate in it";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_bundle_cleanup(void *data)
{
    ngx_http_k8s_metrics_bundle_t *bundle = data;

    X509_STORE_free(bundle->store);
}


/* Nothing holds a store longer than it takes to verify a certificate. */

static ngx_int_t
ngx_http_k8s_metrics_bundle_load(void *data, ngx_str_t *bytes, ngx_log_t *log,
    ngx_uint_t level)
{
    ngx_http_k8s_metrics_bundle_t *bundle = data;

    const char                     *error;
    ngx_http_k8s_metrics_bundle_t   changed;

    if (ngx_http_k8s_metrics_bundle_make(&changed, bytes, &error) != NGX_OK) {
        ngx_log_error(level, log, 0,
                      "k8s_metrics: %s \"%V\" has changed and cannot be used: "
                      "%s: the old one stays in force", bundle->file->what,
                      &bundle->file->name, error);
        return NGX_ERROR;
    }

    X509_STORE_free(bundle->store);

    bundle->store = changed.store;
    bundle->id = changed.id;

    return NGX_OK;
}


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle_file(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file)
{
    ngx_int_t                       rc;
    ngx_str_t                       pem;
    ngx_err_t                       err;
    const char                     *error;
    ngx_http_k8s_metrics_file_t     named;
    ngx_http_k8s_metrics_files_t   *files;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NULL;
    }

    ngx_memzero(&named, sizeof(ngx_http_k8s_metrics_file_t));

    named.what = directive;
    named.name = *file;

    files = ngx_http_k8s_metrics_auth_files_find(cf, &named, 1);

    if (files) {
        return files->data;
    }

    files = ngx_http_k8s_metrics_auth_files_add(cf, &named, 1);
    if (files == NULL) {
        return NULL;
    }

    rc = ngx_http_k8s_metrics_file_read(files->file, cf->temp_pool, &pem,
                                        &err);
    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      "\"%s\" \"%V\" %s", directive, file,
                      (rc == NGX_ABORT) ? "cannot be opened"
                      : (rc == NGX_DECLINED) ? "is no file of 1m at most"
                      : "cannot be read");
        return NULL;
    }

    bundle = ngx_http_k8s_metrics_bundle(cf->pool, &pem, &error);

    if (bundle == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" \"%V\" cannot be used: %s", directive, file,
                      error);
        return NULL;
    }

    bundle->file = files->file;

    ngx_http_k8s_metrics_file_known(files->file, &pem);

    files->load = ngx_http_k8s_metrics_bundle_load;
    files->data = bundle;

    return bundle;
}
