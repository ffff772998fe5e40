
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


static void ngx_http_k8s_metrics_json_form_object(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_form_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_json_form_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_form_end(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_json_type(ngx_http_k8s_metrics_list_t *list,
    ngx_uint_t many);
static void ngx_http_k8s_metrics_json_members(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_metadata(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_json_usage(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_usage_t *usage);
static void ngx_http_k8s_metrics_json_time(ngx_http_k8s_metrics_json_t *w,
    int64_t sec);
static void ngx_http_k8s_metrics_json_text(ngx_http_k8s_metrics_json_t *w,
    const u_char *p, const u_char *last);


const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_json = {
    NGX_HTTP_K8S_METRICS_JSON,
    ngx_http_k8s_metrics_json_form_object,
    ngx_http_k8s_metrics_json_form_begin,
    ngx_http_k8s_metrics_json_form_item,
    ngx_http_k8s_metrics_json_form_end,
    NULL,
    NULL,
    ngx_null_string
};


static void
ngx_http_k8s_metrics_json_form_object(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_json_type(list, 0);
    ngx_http_k8s_metrics_json_members(list, item);
    ngx_http_k8s_metrics_json_object_end(&list->json);

    if (!list->pretty) {
        ngx_http_k8s_metrics_out_byte(&list->out, '\n');
    }
}


static void
ngx_http_k8s_metrics_json_form_begin(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_type(list, 1);
    ngx_http_k8s_metrics_json_key(&list->json, "metadata");
    ngx_http_k8s_metrics_json_object(&list->json);
    ngx_http_k8s_metrics_json_object_end(&list->json);
    ngx_http_k8s_metrics_json_key(&list->json, "items");
    ngx_http_k8s_metrics_json_array(&list->json);
}


static void
ngx_http_k8s_metrics_json_form_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_json_object(&list->json);
    ngx_http_k8s_metrics_json_members(list, item);
    ngx_http_k8s_metrics_json_object_end(&list->json);
}


static void
ngx_http_k8s_metrics_json_form_end(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_array_end(&list->json);
    ngx_http_k8s_metrics_json_object_end(&list->json);

    if (!list->pretty) {
        ngx_http_k8s_metrics_out_byte(&list->out, '\n');
    }

    list->ended = !list->out.overflow;
}


/* Opens the document. */

static void
ngx_http_k8s_metrics_json_type(ngx_http_k8s_metrics_list_t *list,
    ngx_uint_t many)
{
    u_char                       *p;
    ngx_str_t                     kind;
    ngx_http_k8s_metrics_json_t  *w;

    w = &list->json;

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_str_set(&kind, "NodeMetricsList");

    } else {
        ngx_str_set(&kind, "PodMetricsList");
    }

    kind.len -= many ? 0 : sizeof("List") - 1;

    /* the same in all items */

    list->created[0] = '"';
    p = ngx_http_k8s_metrics_time_rfc3339(list->created + 1, list->now);
    *p++ = '"';
    list->created_len = p - list->created;

    ngx_http_k8s_metrics_json_init(w, &list->out, list->pretty);
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_member(w, "kind", &kind);
    ngx_http_k8s_metrics_json_key(w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(w, NGX_HTTP_K8S_METRICS_GROUP_VERSION);
}


static void
ngx_http_k8s_metrics_json_members(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    u_char                        buf[NGX_HTTP_K8S_METRICS_DURATION_LEN];
    ngx_uint_t                    i;
    ngx_http_k8s_metrics_json_t  *w;

    w = &list->json;

    ngx_http_k8s_metrics_json_metadata(list, item);

    ngx_http_k8s_metrics_json_key(w, "timestamp");

    if (item->has_time) {
        ngx_http_k8s_metrics_json_time(w, item->timestamp / 1000000000);

    } else {
        ngx_http_k8s_metrics_json_null(w);
    }

    ngx_http_k8s_metrics_json_key(w, "window");
    ngx_http_k8s_metrics_json_text(w, buf,
              ngx_http_k8s_metrics_duration(buf, item->has_time ? item->window
                                                                : 0));

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
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
ngx_http_k8s_metrics_json_metadata(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_uint_t                    i;
    ngx_http_k8s_metrics_json_t  *w;

    w = &list->json;

    ngx_http_k8s_metrics_json_key(w, "metadata");
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_member(w, "name", &item->name);

    if (item->ns.len) {
        ngx_http_k8s_metrics_json_member(w, "namespace", &item->ns);
    }

    ngx_http_k8s_metrics_json_key(w, "creationTimestamp");
    ngx_http_k8s_metrics_json_raw_mem(w, (char *) list->created,
                                      list->created_len);

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
    u_char  buf[NGX_HTTP_K8S_METRICS_QUANTITY_LEN];

    ngx_http_k8s_metrics_json_key(w, "usage");
    ngx_http_k8s_metrics_json_object(w);

    ngx_http_k8s_metrics_json_key(w, "cpu");
    ngx_http_k8s_metrics_json_text(w, buf,
                        ngx_http_k8s_metrics_quantity_cpu(buf, usage->cpu));

    ngx_http_k8s_metrics_json_key(w, "memory");
    ngx_http_k8s_metrics_json_text(w, buf,
                  ngx_http_k8s_metrics_quantity_memory(buf, usage->memory));

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_json_time(ngx_http_k8s_metrics_json_t *w, int64_t sec)
{
    u_char  buf[NGX_HTTP_K8S_METRICS_TIME_LEN];

    ngx_http_k8s_metrics_json_text(w, buf,
                                ngx_http_k8s_metrics_time_rfc3339(buf, sec));
}


/* A string value that needs no escaping: it is not looked through. */

static void
ngx_http_k8s_metrics_json_text(ngx_http_k8s_metrics_json_t *w,
    const u_char *p, const u_char *last)
{
    u_char   buf[NGX_HTTP_K8S_METRICS_DURATION_LEN + 2];
    u_char  *end;

    buf[0] = '"';
    end = ngx_cpymem(buf + 1, p, last - p);
    *end++ = '"';

    ngx_http_k8s_metrics_json_raw_mem(w, (char *) buf, end - buf);
}
