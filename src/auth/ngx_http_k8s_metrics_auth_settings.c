
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


static void ngx_http_k8s_metrics_settings_refresh(
    ngx_http_k8s_metrics_auth_t *auth);
static void ngx_http_k8s_metrics_settings_reload(
    ngx_http_k8s_metrics_auth_t *auth);
static ngx_log_t *ngx_http_k8s_metrics_settings_log(
    ngx_http_k8s_metrics_auth_t *auth);
static void ngx_http_k8s_metrics_settings_requestheader(
    ngx_http_k8s_metrics_auth_t *auth, cJSON *data);
static ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_settings_bundle(
    ngx_http_k8s_metrics_auth_t *auth, cJSON *data, const char *key);
static ngx_int_t ngx_http_k8s_metrics_settings_list(
    ngx_http_k8s_metrics_auth_t *auth, cJSON *data, const char *key,
    ngx_array_t **names);
static ngx_int_t ngx_http_k8s_metrics_settings_headers(
    ngx_http_k8s_metrics_auth_t *auth, cJSON *data, const char *key,
    ngx_array_t **names);


void
ngx_http_k8s_metrics_auth_settings(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_settings_t *settings)
{
    ngx_http_k8s_metrics_auth_settings_t  *own;

    ngx_http_k8s_metrics_settings_refresh(auth);

    own = conf->state;

    settings->requestheader = own->requestheader.bundle
                              ? own->requestheader
                              : auth->settings.requestheader;

    settings->client_ca = own->client_ca ? own->client_ca
                                         : auth->settings.client_ca;
}


void
ngx_http_k8s_metrics_auth_refresh(ngx_http_k8s_metrics_auth_t *auth)
{
    ngx_http_k8s_metrics_settings_refresh(auth);
    ngx_http_k8s_metrics_auth_files_look(auth->log);
}


static void
ngx_http_k8s_metrics_settings_refresh(ngx_http_k8s_metrics_auth_t *auth)
{
    ngx_uint_t  generation;

    generation = ngx_http_k8s_metrics_store_setting_generation(auth->store,
                                         NGX_HTTP_K8S_METRICS_SETTING_AUTH);

    if (generation != auth->generation) {
        ngx_http_k8s_metrics_settings_reload(auth);
    }
}


/*
 * A ConfigMap that cannot be read without memory is tried again at the next
 * request; one that is broken leaves what it breaks unset: fail closed.
 */

static void
ngx_http_k8s_metrics_settings_reload(ngx_http_k8s_metrics_auth_t *auth)
{
    cJSON       *data;
    ngx_int_t    rc;
    ngx_str_t    bytes;
    ngx_pool_t  *pool;
    ngx_uint_t   generation;

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
        ngx_log_error(NGX_LOG_WARN, ngx_http_k8s_metrics_settings_log(auth), 0,
                      "k8s_metrics: the cluster has no ConfigMap "
                      "kube-system/extension-apiserver-authentication: no "
                      "front proxy and no client certificate is believed");
        return;
    }

    data = cJSON_ParseWithLength((char *) bytes.data, bytes.len);
    if (data == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_http_k8s_metrics_settings_log(auth), 0,
                      "k8s_metrics: the ConfigMap "
                      "extension-apiserver-authentication cannot be read");
        return;
    }

    ngx_http_k8s_metrics_settings_requestheader(auth, data);

    auth->settings.client_ca = ngx_http_k8s_metrics_settings_bundle(auth, data,
                                                             "client-ca-file");
    cJSON_Delete(data);

    ngx_log_error(NGX_LOG_NOTICE, auth->log, 0,
                  "k8s_metrics: authentication settings read from the "
                  "cluster: front proxy CA %s, client CA %s",
                  auth->settings.requestheader.bundle ? "set" : "not set",
                  auth->settings.client_ca ? "set" : "not set");
}


/* Each worker reads the same: one says what is wrong with it. */

static ngx_log_t *
ngx_http_k8s_metrics_settings_log(ngx_http_k8s_metrics_auth_t *auth)
{
    static ngx_log_t  silent;

    return (ngx_worker == 0) ? auth->log : &silent;
}


/* All of it or nothing: a list that cannot be read lets no front proxy in. */

static void
ngx_http_k8s_metrics_settings_requestheader(ngx_http_k8s_metrics_auth_t *auth,
    cJSON *data)
{
    ngx_http_k8s_metrics_requestheader_t  rh;

    ngx_memzero(&rh, sizeof(ngx_http_k8s_metrics_requestheader_t));

    rh.bundle = ngx_http_k8s_metrics_settings_bundle(auth, data,
                                              "requestheader-client-ca-file");
    if (rh.bundle == NULL) {
        ngx_log_error(NGX_LOG_WARN, ngx_http_k8s_metrics_settings_log(auth), 0,
                      "k8s_metrics: the ConfigMap "
                      "extension-apiserver-authentication has no usable "
                      "\"requestheader-client-ca-file\" (kube-apiserver's "
                      "--requestheader-client-ca-file): the aggregation layer "
                      "is not believed");
        return;
    }

    if (ngx_http_k8s_metrics_settings_list(auth, data,
                              "requestheader-allowed-names", &rh.allowed_names)
        != NGX_OK
        || ngx_http_k8s_metrics_settings_headers(auth, data,
                              "requestheader-username-headers", &rh.username)
           != NGX_OK
        || ngx_http_k8s_metrics_settings_headers(auth, data,
                              "requestheader-uid-headers", &rh.uid)
           != NGX_OK
        || ngx_http_k8s_metrics_settings_headers(auth, data,
                              "requestheader-group-headers", &rh.group)
           != NGX_OK
        || ngx_http_k8s_metrics_settings_headers(auth, data,
                              "requestheader-extra-headers-prefix", &rh.extra)
           != NGX_OK)
    {
        return;
    }

    auth->settings.requestheader = rh;
}


static ngx_http_k8s_metrics_bundle_t *
ngx_http_k8s_metrics_settings_bundle(ngx_http_k8s_metrics_auth_t *auth,
    cJSON *data, const char *key)
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

    bundle = ngx_http_k8s_metrics_bundle(auth->pool, &pem, &error);

    if (bundle == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_http_k8s_metrics_settings_log(auth), 0,
                      "k8s_metrics: \"%s\" of the ConfigMap "
                      "extension-apiserver-authentication cannot be used: %s",
                      key, error);
    }

    return bundle;
}


/*
 * An array of strings in a string; absent: empty.  NGX_OK, NGX_ERROR (logged).
 */

static ngx_int_t
ngx_http_k8s_metrics_settings_list(ngx_http_k8s_metrics_auth_t *auth,
    cJSON *data, const char *key, ngx_array_t **names)
{
    cJSON        *item, *list, *word;
    ngx_str_t    *s;

    *names = ngx_array_create(auth->pool, 4, sizeof(ngx_str_t));
    if (*names == NULL) {
        return NGX_ERROR;
    }

    item = cJSON_GetObjectItemCaseSensitive(data, key);

    if (!cJSON_IsString(item) || item->valuestring[0] == '\0') {
        return NGX_OK;
    }

    list = cJSON_Parse(item->valuestring);

    if (!cJSON_IsArray(list) && !cJSON_IsNull(list)) {
        goto broken;
    }

    cJSON_ArrayForEach(word, list) {

        if (!cJSON_IsString(word)) {
            goto broken;
        }

        s = ngx_array_push(*names);
        if (s == NULL) {
            goto failed;
        }

        s->len = ngx_strlen(word->valuestring);
        s->data = ngx_pnalloc(auth->pool, s->len + 1);

        if (s->data == NULL) {
            goto failed;
        }

        ngx_memcpy(s->data, word->valuestring, s->len);
    }

    cJSON_Delete(list);

    return NGX_OK;

broken:

    ngx_log_error(NGX_LOG_ERR, ngx_http_k8s_metrics_settings_log(auth), 0,
                  "k8s_metrics: \"%s\" of the ConfigMap "
                  "extension-apiserver-authentication is no JSON array of "
                  "strings: the aggregation layer is not believed", key);

failed:

    cJSON_Delete(list);

    return NGX_ERROR;
}


/* As above; an empty name or prefix would take any header for identity. */

static ngx_int_t
ngx_http_k8s_metrics_settings_headers(ngx_http_k8s_metrics_auth_t *auth,
    cJSON *data, const char *key, ngx_array_t **names)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (ngx_http_k8s_metrics_settings_list(auth, data, key, names) != NGX_OK) {
        return NGX_ERROR;
    }

    name = (*names)->elts;

    for (i = 0; i < (*names)->nelts; i++) {

        if (!ngx_http_k8s_metrics_header_name_ok(&name[i])) {
            ngx_log_error(NGX_LOG_ERR,
                          ngx_http_k8s_metrics_settings_log(auth), 0,
                          "k8s_metrics: \"%s\" of the ConfigMap "
                          "extension-apiserver-authentication holds \"%V\", "
                          "which is no header's name: the aggregation layer "
                          "is not believed", key, &name[i]);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
