
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"

#include <cjson/cJSON.h>


#define NGX_HTTP_K8S_METRICS_CONFIGMAP  "extension-apiserver-authentication"


static ngx_int_t ngx_http_k8s_metrics_kube_json_gather(
    ngx_http_k8s_metrics_reflector_t *r, u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_kube_json_line(
    ngx_http_k8s_metrics_reflector_t *r);
static ngx_int_t ngx_http_k8s_metrics_kube_json_event(
    ngx_http_k8s_metrics_reflector_t *r, cJSON *root);
static ngx_int_t ngx_http_k8s_metrics_kube_json_put(
    ngx_http_k8s_metrics_reflector_t *r, cJSON *object);
static void ngx_http_k8s_metrics_kube_json_set(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *bytes);
static cJSON *ngx_http_k8s_metrics_kube_json_ours(cJSON *object);
static cJSON *ngx_http_k8s_metrics_kube_json_get(cJSON *object,
    const char *key);
static void ngx_http_k8s_metrics_kube_json_version(cJSON *object,
    ngx_str_t *version);


const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_configmap =
{
    "the ConfigMap kube-system/" NGX_HTTP_K8S_METRICS_CONFIGMAP,
    "/api/v1/namespaces/kube-system/configmaps",
    "&fieldSelector=metadata.name%3D" NGX_HTTP_K8S_METRICS_CONFIGMAP,
    0,
    1,
    0,
    NULL,
    NULL
};


/* a list is one document, a watch a document in each line */

ngx_int_t
ngx_http_k8s_metrics_kube_json_feed(ngx_http_k8s_metrics_reflector_t *r,
    u_char *p, size_t len)
{
    u_char  *lf, *last;

    if (r->state == ngx_http_k8s_metrics_reflector_list) {
        return ngx_http_k8s_metrics_kube_json_gather(r, p, len);
    }

    last = p + len;

    while (p < last) {

        lf = ngx_strlchr(p, last, LF);

        if (lf == NULL) {
            return ngx_http_k8s_metrics_kube_json_gather(r, p, last - p);
        }

        if (ngx_http_k8s_metrics_kube_json_gather(r, p, lf - p) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_http_k8s_metrics_kube_json_line(r) != NGX_OK) {
            return NGX_ERROR;
        }

        r->json.len = 0;
        p = lf + 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_json_gather(ngx_http_k8s_metrics_reflector_t *r,
    u_char *p, size_t len)
{
    size_t   size;
    u_char  *buf;

    if (r->json.len + len > NGX_HTTP_K8S_METRICS_KUBE_JSON_MAX) {
        r->error = "object is over 1 MB";
        return NGX_ERROR;
    }

    if (r->json.len + len > r->json_size) {

        size = ngx_max(2 * r->json_size, 16384);
        size = ngx_max(size, r->json.len + len);

        buf = ngx_alloc(size, r->kube->log);
        if (buf == NULL) {
            r->error = "no memory";
            return NGX_ERROR;
        }

        if (r->json.data) {
            ngx_memcpy(buf, r->json.data, r->json.len);
            ngx_free(r->json.data);
        }

        r->json.data = buf;
        r->json_size = size;
    }

    ngx_memcpy(r->json.data + r->json.len, p, len);
    r->json.len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_json_line(ngx_http_k8s_metrics_reflector_t *r)
{
    cJSON      *root;
    ngx_int_t   rc;

    if (r->json.len == 0) {
        return NGX_OK;
    }

    root = cJSON_ParseWithLength((char *) r->json.data, r->json.len);
    if (root == NULL) {
        r->error = "event is not JSON";
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_metrics_kube_json_event(r, root);

    cJSON_Delete(root);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_json_event(ngx_http_k8s_metrics_reflector_t *r,
    cJSON *root)
{
    cJSON      *type, *object, *code;
    ngx_str_t   event, version, none;

    ngx_str_null(&none);

    type = ngx_http_k8s_metrics_kube_json_get(root, "type");
    object = ngx_http_k8s_metrics_kube_json_get(root, "object");

    if (!cJSON_IsString(type) || !cJSON_IsObject(object)) {
        r->error = "event without type or object";
        return NGX_ERROR;
    }

    event.data = (u_char *) type->valuestring;
    event.len = ngx_strlen(event.data);

    if (ngx_strcmp(event.data, "ERROR") == 0) {
        code = ngx_http_k8s_metrics_kube_json_get(object, "code");
        r->error_code = cJSON_IsNumber(code) ? code->valueint : 0;

        if (r->error_code < 400 || r->error_code > 599) {
            r->error_code = 500;
        }

        return NGX_ERROR;
    }

    if (ngx_strcmp(event.data, "DELETED") == 0) {
        if (ngx_http_k8s_metrics_kube_json_ours(object)) {
            ngx_http_k8s_metrics_kube_json_set(r, &none);
        }

    } else if (ngx_strcmp(event.data, "ADDED") == 0
               || ngx_strcmp(event.data, "MODIFIED") == 0)
    {
        if (ngx_http_k8s_metrics_kube_json_put(r, object) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_k8s_metrics_kube_json_version(object, &version);

    return ngx_http_k8s_metrics_reflector_event(r, &event, &version);
}


ngx_int_t
ngx_http_k8s_metrics_kube_json_list(ngx_http_k8s_metrics_reflector_t *r)
{
    cJSON       *root, *items, *item, *ours;
    ngx_int_t    rc;
    ngx_str_t    version, none;

    ngx_str_null(&none);

    root = cJSON_ParseWithLength((char *) r->json.data, r->json.len);
    items = ngx_http_k8s_metrics_kube_json_get(root, "items");

    if (root == NULL || (items && !cJSON_IsArray(items)
                         && !cJSON_IsNull(items)))
    {
        cJSON_Delete(root);
        r->error = "list is not JSON";
        return NGX_ERROR;
    }

    ours = NULL;

    cJSON_ArrayForEach(item, items) {
        if (ngx_http_k8s_metrics_kube_json_ours(item)) {
            ours = item;
        }
    }

    if (ours) {
        rc = ngx_http_k8s_metrics_kube_json_put(r, ours);

    } else {
        ngx_http_k8s_metrics_kube_json_set(r, &none);
        rc = NGX_OK;
    }

    if (rc == NGX_OK) {
        ngx_http_k8s_metrics_kube_json_version(root, &version);
        rc = ngx_http_k8s_metrics_reflector_listed(r, &version, &none);
    }

    cJSON_Delete(root);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_json_put(ngx_http_k8s_metrics_reflector_t *r,
    cJSON *object)
{
    char       *text;
    cJSON      *data;
    ngx_str_t   bytes;

    if (ngx_http_k8s_metrics_kube_json_ours(object) == NULL) {
        return NGX_OK;
    }

    data = ngx_http_k8s_metrics_kube_json_get(object, "data");

    if (!cJSON_IsObject(data)) {
        ngx_str_set(&bytes, "{}");
        ngx_http_k8s_metrics_kube_json_set(r, &bytes);
        return NGX_OK;
    }

    text = cJSON_PrintUnformatted(data);
    if (text == NULL) {
        r->error = "no memory";
        return NGX_ERROR;
    }

    bytes.data = (u_char *) text;
    bytes.len = ngx_strlen(text);

    ngx_http_k8s_metrics_kube_json_set(r, &bytes);

    cJSON_free(text);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_kube_json_set(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *bytes)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_kube_meta_t  meta;

    rc = ngx_http_k8s_metrics_store_put_setting(r->kube->store,
                                            NGX_HTTP_K8S_METRICS_SETTING_AUTH,
                                            bytes);
    if (rc == NGX_ABORT) {
        r->lossy = 1;

    } else if (rc == NGX_ERROR) {
        ngx_memzero(&meta, sizeof(ngx_http_k8s_metrics_kube_meta_t));
        ngx_str_set(&meta.ns, "kube-system");
        ngx_str_set(&meta.name, NGX_HTTP_K8S_METRICS_CONFIGMAP);
        meta.bad = "it is larger than is kept";

        ngx_http_k8s_metrics_reflector_bad(r, &meta);
    }
}


/* the object itself when it has the name that was asked for */

static cJSON *
ngx_http_k8s_metrics_kube_json_ours(cJSON *object)
{
    cJSON  *name;

    name = ngx_http_k8s_metrics_kube_json_get(
               ngx_http_k8s_metrics_kube_json_get(object, "metadata"), "name");

    if (cJSON_IsString(name)
        && ngx_strcmp(name->valuestring, NGX_HTTP_K8S_METRICS_CONFIGMAP) == 0)
    {
        return object;
    }

    return NULL;
}


static cJSON *
ngx_http_k8s_metrics_kube_json_get(cJSON *object, const char *key)
{
    return cJSON_IsObject(object)
           ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}


static void
ngx_http_k8s_metrics_kube_json_version(cJSON *object, ngx_str_t *version)
{
    cJSON  *v;

    ngx_str_null(version);

    v = ngx_http_k8s_metrics_kube_json_get(
            ngx_http_k8s_metrics_kube_json_get(object, "metadata"),
            "resourceVersion");

    if (cJSON_IsString(v)) {
        version->data = (u_char *) v->valuestring;
        version->len = ngx_strlen(v->valuestring);
    }
}
