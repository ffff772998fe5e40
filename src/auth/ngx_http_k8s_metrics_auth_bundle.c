
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/pem.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_BUNDLE_SIZE   (1024 * 1024)
#define NGX_HTTP_K8S_METRICS_BUNDLE_CERTS  1000


static ngx_int_t ngx_http_k8s_metrics_bundle_fill(
    ngx_http_k8s_metrics_bundle_t *bundle, BIO *bio, const char **error);
static void ngx_http_k8s_metrics_bundle_cleanup(void *data);


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle(ngx_pool_t *pool, ngx_str_t *pem,
    const char **error)
{
    BIO                            *bio;
    ngx_int_t                       rc;
    ngx_pool_cleanup_t             *cln;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    static ngx_uint_t               id;     /* new in a process, never again */

    *error = "no memory";

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_http_k8s_metrics_bundle_t));
    if (cln == NULL) {
        return NULL;
    }

    bundle = cln->data;
    bundle->id = ++id;
    bundle->store = X509_STORE_new();

    if (bundle->store == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_k8s_metrics_bundle_cleanup;

    bio = BIO_new_mem_buf(pem->data, (int) pem->len);
    if (bio == NULL) {
        return NULL;
    }

    rc = ngx_http_k8s_metrics_bundle_fill(bundle, bio, error);

    BIO_free(bio);
    ERR_clear_error();

    return (rc == NGX_OK) ? bundle : NULL;
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


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle_file(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file)
{
    off_t                           size;
    ngx_fd_t                        fd;
    ngx_str_t                       pem;
    const char                     *error;
    ngx_file_info_t                 fi;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NULL;
    }

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE || ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\" \"%V\" cannot be opened", directive, file);
        goto failed;
    }

    size = ngx_file_size(&fi);

    if (!ngx_is_file(&fi) || size > NGX_HTTP_K8S_METRICS_BUNDLE_SIZE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" \"%V\" is no file of 1m at most",
                      directive, file);
        goto failed;
    }

    pem.len = (size_t) size;
    pem.data = ngx_pnalloc(cf->temp_pool, pem.len + 1);

    if (pem.data == NULL) {
        goto failed;
    }

    if (ngx_read_fd(fd, pem.data, pem.len) != (ssize_t) pem.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "\"%s\" \"%V\" cannot be read", directive, file);
        goto failed;
    }

    bundle = ngx_http_k8s_metrics_bundle(cf->pool, &pem, &error);

    if (bundle == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" \"%V\" cannot be used: %s", directive, file,
                      error);
    }

    (void) ngx_close_file(fd);

    return bundle;

failed:

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    return NULL;
}
