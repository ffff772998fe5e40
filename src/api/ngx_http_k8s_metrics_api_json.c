
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


static void ngx_http_k8s_metrics_json_form_object(
    ngx_http_k8s_metrics_out_t *out, ngx_uint_t kind,
    const ngx_http_k8s_metrics_item_t *item, ngx_uint_t pretty);
static void ngx_http_k8s_metrics_json_form_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_json_form_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_json_form_end(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_json_members(ngx_http_k8s_metrics_json_t *w,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_metadata(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_usage(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_usage_t *usage);
static void ngx_http_k8s_metrics_json_time(ngx_http_k8s_metrics_json_t *w,
    int64_t sec);


const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_json = {
    NGX_HTTP_K8S_METRICS_JSON,
    ngx_http_k8s_metrics_json_form_object,
    ngx_http_k8s_metrics_json_form_begin,
    ngx_http_k8s_metrics_json_form_item,
    ngx_http_k8s_metrics_json_form_end,
    NULL
};


static void
ngx_http_k8s_metrics_json_form_object(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item,
    ngx_uint_t pretty)
{
    ngx_http_k8s_metrics_json_t  w;

    ngx_http_k8s_metrics_json_init(&w, out, pretty);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_http_k8s_metrics_json_lit(&w, "NodeMetrics");

    } else {
        ngx_http_k8s_metrics_json_lit(&w, "PodMetrics");
    }

    ngx_http_k8s_metrics_json_key(&w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(&w, NGX_HTTP_K8S_METRICS_GROUP_VERSION);

    ngx_http_k8s_metrics_json_members(&w, kind, item);
    ngx_http_k8s_metrics_json_object_end(&w);

    if (!pretty) {
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }
}


static void
ngx_http_k8s_metrics_json_form_begin(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_t  *w;

    w = &list->json;

    ngx_http_k8s_metrics_json_init(w, &list->out, list->pretty);
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_key(w, "kind");

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_http_k8s_metrics_json_lit(w, "NodeMetricsList");

    } else {
        ngx_http_k8s_metrics_json_lit(w, "PodMetricsList");
    }

    ngx_http_k8s_metrics_json_key(w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(w, NGX_HTTP_K8S_METRICS_GROUP_VERSION);
    ngx_http_k8s_metrics_json_key(w, "metadata");
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_object_end(w);
    ngx_http_k8s_metrics_json_key(w, "items");
    ngx_http_k8s_metrics_json_array(w);
}


static void
ngx_http_k8s_metrics_json_form_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_json_object(&list->json);
    ngx_http_k8s_metrics_json_members(&list->json, list->query.kind, item);
    ngx_http_k8s_metrics_json_object_end(&list->json);
}


static ngx_int_t
ngx_http_k8s_metrics_json_form_end(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_array_end(&list->json);
    ngx_http_k8s_metrics_json_object_end(&list->json);

    if (!list->pretty) {
        ngx_http_k8s_metrics_out_byte(&list->out, '\n');
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_json_members(ngx_http_k8s_metrics_json_t *w,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item)
{
    u_char       buf[NGX_HTTP_K8S_METRICS_DURATION_LEN];
    ngx_str_t    s;
    ngx_uint_t   i;

    ngx_http_k8s_metrics_json_metadata(w, item);

    ngx_http_k8s_metrics_json_key(w, "timestamp");

    if (item->has_time) {
        ngx_http_k8s_metrics_json_time(w, item->timestamp / 1000000000);

    } else {
        ngx_http_k8s_metrics_json_null(w);
    }

    s.data = buf;
    s.len = ngx_http_k8s_metrics_duration(buf, item->has_time ? item->window
                                                              : 0)
            - buf;

    ngx_http_k8s_metrics_json_member(w, "window", &s);

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_http_k8s_metrics_json_usage(w, &item->usages[0]);
        return;
    }

    ngx_http_k8s_metrics_json_key(w, "containers");
    ngx_http_k8s_metrics_json_array(w);

    for (i = 0; i < item->nusages; i++) {
        ngx_http_k8s_metrics_json_object(w);
        ngx_http_k8s_metrics_json_member(w, "name", &item->usages[i].name);
        ngx_http_k8s_metrics_json_usage(w, &item->usages[i]);
        ngx_http_k8s_metrics_json_object_end(w);
    }

    ngx_http_k8s_metrics_json_array_end(w);
}


static void
ngx_http_k8s_metrics_json_metadata(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_uint_t  i;

    ngx_http_k8s_metrics_json_key(w, "metadata");
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_member(w, "name", &item->name);

    if (item->ns.len) {
        ngx_http_k8s_metrics_json_member(w, "namespace", &item->ns);
    }

    ngx_http_k8s_metrics_json_key(w, "creationTimestamp");
    ngx_http_k8s_metrics_json_time(w, ngx_time());

    if (item->nlabels) {
        ngx_http_k8s_metrics_json_key(w, "labels");
        ngx_http_k8s_metrics_json_object(w);

        for (i = 0; i < item->nlabels; i++) {
            ngx_http_k8s_metrics_json_key_str(w, &item->labels[i].key);
            ngx_http_k8s_metrics_json_string(w, &item->labels[i].value);
        }

        ngx_http_k8s_metrics_json_object_end(w);
    }

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_json_usage(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_usage_t *usage)
{
    u_char     buf[NGX_HTTP_K8S_METRICS_QUANTITY_LEN];
    ngx_str_t  s;

    s.data = buf;

    ngx_http_k8s_metrics_json_key(w, "usage");
    ngx_http_k8s_metrics_json_object(w);

    s.len = ngx_http_k8s_metrics_quantity_cpu(buf, usage->cpu) - buf;
    ngx_http_k8s_metrics_json_member(w, "cpu", &s);

    s.len = ngx_http_k8s_metrics_quantity_memory(buf, usage->memory) - buf;
    ngx_http_k8s_metrics_json_member(w, "memory", &s);

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_json_time(ngx_http_k8s_metrics_json_t *w, int64_t sec)
{
    u_char     buf[NGX_HTTP_K8S_METRICS_TIME_LEN];
    ngx_str_t  s;

    s.data = buf;
    s.len = ngx_http_k8s_metrics_time_rfc3339(buf, sec) - buf;

    ngx_http_k8s_metrics_json_string(w, &s);
}
