
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_BUNDLE_SIZE   (1024 * 1024)
#define NGX_HTTP_K8S_METRICS_BUNDLE_CERTS  1000


static void ngx_http_k8s_metrics_bundle_cleanup(void *data);
static void ngx_http_k8s_metrics_settings_reload(
    ngx_http_k8s_metrics_auth_t *auth);
static ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_settings_bundle(
    ngx_http_k8s_metrics_auth_t *auth, ngx_pool_t *pool, cJSON *data,
    const char *key);
static ngx_array_t *ngx_http_k8s_metrics_settings_list(ngx_pool_t *pool,
    cJSON *data, const char *key);


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle(ngx_pool_t *pool, ngx_str_t *pem,
    const char **error)
{
    BIO                            *bio;
    X509                           *cert;
    ngx_uint_t                      n;
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

    for (n = 0; n < NGX_HTTP_K8S_METRICS_BUNDLE_CERTS; n++) {
        cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (cert == NULL) {
            break;
        }

        (void) X509_STORE_add_cert(bundle->store, cert);
        X509_free(cert);
    }

    BIO_free(bio);
    ERR_clear_error();

    if (n == 0) {
        *error = "no certificate in it";
        return NULL;
    }

    return bundle;
}


static void
ngx_http_k8s_metrics_bundle_cleanup(void *data)
{
    ngx_http_k8s_metrics_bundle_t *bundle = data;

    X509_STORE_free(bundle->store);
}


ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_bundle_file(ngx_conf_t *cf, ngx_str_t *file)
{
    ssize_t                         n;
    ngx_str_t                       pem;
    ngx_file_t                      f;
    const char                     *error;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NULL;
    }

    ngx_memzero(&f, sizeof(ngx_file_t));

    f.name = *file;
    f.log = cf->log;
    f.fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (f.fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed", file);
        return NULL;
    }

    bundle = NULL;

    pem.data = ngx_pnalloc(cf->pool, NGX_HTTP_K8S_METRICS_BUNDLE_SIZE);

    if (pem.data) {
        n = ngx_read_file(&f, pem.data, NGX_HTTP_K8S_METRICS_BUNDLE_SIZE, 0);

        if (n >= 0) {
            pem.len = n;
            bundle = ngx_http_k8s_metrics_bundle(cf->pool, &pem, &error);

            if (bundle == NULL) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "CA bundle \"%V\" cannot be used: %s", file,
                              error);
            }
        }
    }

    (void) ngx_close_file(f.fd);

    return bundle;
}


void
ngx_http_k8s_metrics_auth_settings(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_settings_t *settings)
{
    ngx_uint_t                             generation;
    ngx_http_k8s_metrics_auth_settings_t  *own;

    generation = ngx_http_k8s_metrics_store_setting_generation(auth->store,
                                         NGX_HTTP_K8S_METRICS_SETTING_AUTH);

    if (generation != auth->generation) {
        ngx_http_k8s_metrics_settings_reload(auth);
    }

    own = conf->state;

    settings->requestheader = own->requestheader.bundle
                              ? own->requestheader
                              : auth->settings.requestheader;

    settings->client_ca = own->client_ca ? own->client_ca
                                         : auth->settings.client_ca;
}


/*
 * A ConfigMap that cannot be read without memory is tried again at the next
 * request; one that is broken leaves what it breaks unset: fail closed.
 */

static void
ngx_http_k8s_metrics_settings_reload(ngx_http_k8s_metrics_auth_t *auth)
{
    cJSON                                 *data;
    ngx_int_t                              rc;
    ngx_str_t                              bytes;
    ngx_pool_t                            *pool;
    ngx_uint_t                             generation;
    ngx_http_k8s_metrics_requestheader_t  *rh;

    pool = ngx_create_pool(4096, auth->log);
    if (pool == NULL) {
        return;
    }

    rc = ngx_http_k8s_metrics_store_get_setting(auth->store,
                                            NGX_HTTP_K8S_METRICS_SETTING_AUTH,
                                            pool, &bytes, &generation);
    if (rc == NGX_ERROR || rc == NGX_AGAIN) {
        ngx_destroy_pool(pool);
        return;
    }

    if (auth->pool) {
        ngx_destroy_pool(auth->pool);
    }

    auth->pool = pool;
    auth->generation = generation;
    auth->known = 1;
    ngx_memzero(&auth->settings, sizeof(ngx_http_k8s_metrics_auth_settings_t));

    if (rc == NGX_DECLINED) {
        return;
    }

    data = cJSON_ParseWithLength((char *) bytes.data, bytes.len);
    if (data == NULL) {
        ngx_log_error(NGX_LOG_ERR, auth->log, 0,
                      "k8s_metrics: the ConfigMap "
                      "extension-apiserver-authentication cannot be read");
        return;
    }

    rh = &auth->settings.requestheader;

    rh->bundle = ngx_http_k8s_metrics_settings_bundle(auth, pool, data,
                                              "requestheader-client-ca-file");
    rh->allowed_names = ngx_http_k8s_metrics_settings_list(pool, data,
                                              "requestheader-allowed-names");
    rh->username = ngx_http_k8s_metrics_settings_list(pool, data,
                                           "requestheader-username-headers");
    rh->uid = ngx_http_k8s_metrics_settings_list(pool, data,
                                           "requestheader-uid-headers");
    rh->group = ngx_http_k8s_metrics_settings_list(pool, data,
                                           "requestheader-group-headers");
    rh->extra = ngx_http_k8s_metrics_settings_list(pool, data,
                                      "requestheader-extra-headers-prefix");

    /* a list that should limit names and cannot be read allows nobody */

    if (rh->allowed_names == NULL) {
        rh->bundle = NULL;
    }

    auth->settings.client_ca = ngx_http_k8s_metrics_settings_bundle(auth,
                                            pool, data, "client-ca-file");

    cJSON_Delete(data);

    ngx_log_error(NGX_LOG_NOTICE, auth->log, 0,
                  "k8s_metrics: authentication settings read from the "
                  "cluster: front proxy CA %s, client CA %s",
                  rh->bundle ? "set" : "not set (kube-apiserver's "
                                       "--requestheader-client-ca-file)",
                  auth->settings.client_ca ? "set" : "not set");
}


static ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_settings_bundle(ngx_http_k8s_metrics_auth_t *auth,
    ngx_pool_t *pool, cJSON *data, const char *key)
{
    cJSON                          *item;
    ngx_str_t                       pem;
    const char                     *error;
    ngx_http_k8s_metrics_bundle_t  *bundle;

    item = cJSON_GetObjectItemCaseSensitive(data, key);

    if (!cJSON_IsString(item) || item->valuestring[0] == '\0') {
        return NULL;
    }

    pem.data = (u_char *) item->valuestring;
    pem.len = ngx_strlen(item->valuestring);

    bundle = ngx_http_k8s_metrics_bundle(pool, &pem, &error);

    if (bundle == NULL) {
        ngx_log_error(NGX_LOG_ERR, auth->log, 0,
                      "k8s_metrics: \"%s\" of the ConfigMap "
                      "extension-apiserver-authentication cannot be used: %s",
                      key, error);
    }

    return bundle;
}


/* An array of strings in a string; absent: empty; broken: NULL. */

static ngx_array_t *
ngx_http_k8s_metrics_settings_list(ngx_pool_t *pool, cJSON *data,
    const char *key)
{
    size_t        len;
    cJSON        *item, *list, *word;
    ngx_str_t    *s;
    ngx_array_t  *a;

    a = ngx_array_create(pool, 4, sizeof(ngx_str_t));
    if (a == NULL) {
        return NULL;
    }

    item = cJSON_GetObjectItemCaseSensitive(data, key);

    if (!cJSON_IsString(item) || item->valuestring[0] == '\0') {
        return a;
    }

    list = cJSON_Parse(item->valuestring);

    if (!cJSON_IsArray(list) && !cJSON_IsNull(list)) {
        cJSON_Delete(list);
        return NULL;
    }

    cJSON_ArrayForEach(word, list) {

        if (!cJSON_IsString(word)) {
            a = NULL;
            break;
        }

        len = ngx_strlen(word->valuestring);

        s = ngx_array_push(a);
        if (s == NULL) {
            a = NULL;
            break;
        }

        s->len = len;
        s->data = ngx_pnalloc(pool, len + 1);

        if (s->data == NULL) {
            a = NULL;
            break;
        }

        ngx_memcpy(s->data, word->valuestring, len);
    }

    cJSON_Delete(list);

    return a;
}
