
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_summary_internal.h"
#include "ngx_http_k8s_metrics_value.h"


/* longest a name; the table has shorter limits */
#define NGX_HTTP_K8S_METRICS_SUMMARY_NAME    255


/* What the table takes for the labels of a container: its names in a row. */
typedef struct {
    ngx_http_k8s_metrics_exposition_labels_t   labels;
    size_t                                     len;
    u_char     buf[3 * NGX_HTTP_K8S_METRICS_SUMMARY_NAME];
} ngx_http_k8s_metrics_summary_names_t;


static void ngx_http_k8s_metrics_summary_node(
    ngx_http_k8s_metrics_summary_t *s, cJSON *node);
static ngx_int_t ngx_http_k8s_metrics_summary_pod(
    ngx_http_k8s_metrics_summary_t *s, cJSON *pod);
static ngx_int_t ngx_http_k8s_metrics_summary_container(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_summary_names_t *names, cJSON *container);
static ngx_uint_t ngx_http_k8s_metrics_summary_name(
    ngx_http_k8s_metrics_summary_names_t *names, cJSON *object,
    const char *key, ngx_str_t *name);
static void ngx_http_k8s_metrics_summary_usage(
    ngx_http_k8s_metrics_exposition_t *e, cJSON *of, uint64_t *cpu,
    uint64_t *memory, int64_t *time, ngx_uint_t *have);
static ngx_int_t ngx_http_k8s_metrics_summary_reading(
    ngx_http_k8s_metrics_exposition_t *e, cJSON *reading, const char *key,
    uint64_t *value, int64_t *time);
static ngx_int_t ngx_http_k8s_metrics_summary_number(cJSON *item,
    uint64_t *value);
static ngx_int_t ngx_http_k8s_metrics_summary_time(
    ngx_http_k8s_metrics_exposition_t *e, cJSON *object, const char *key,
    int64_t *time);


ngx_int_t
ngx_http_k8s_metrics_summary_piece(ngx_http_k8s_metrics_summary_t *s)
{
    cJSON                              *json;
    ngx_int_t                           rc;
    ngx_http_k8s_metrics_exposition_t  *e;

    e = s->exposition;
    e->nlines++;

    if (s->over) {
        e->dropped.too_long++;
        return NGX_OK;
    }

    json = s->bad ? NULL : cJSON_ParseWithLength((char *) s->piece,
                                                 s->piece_len);
    if (json == NULL) {
        e->dropped.malformed++;
        return NGX_OK;
    }

    rc = NGX_OK;

    if (s->kind == NGX_HTTP_K8S_METRICS_SUMMARY_NODE) {
        ngx_http_k8s_metrics_summary_node(s, json);

    } else {
        rc = ngx_http_k8s_metrics_summary_pod(s, json);
    }

    cJSON_Delete(json);

    return rc;
}


static void
ngx_http_k8s_metrics_summary_node(ngx_http_k8s_metrics_summary_t *s,
    cJSON *node)
{
    ngx_http_k8s_metrics_exposition_t  *e;

    e = s->exposition;

    ngx_http_k8s_metrics_summary_usage(e, node, &e->node.cpu,
                                       &e->node.memory, &e->node.timestamp,
                                       &e->node_have);
}


/* The pod's names are looked for once, however many containers there are. */

static ngx_int_t
ngx_http_k8s_metrics_summary_pod(ngx_http_k8s_metrics_summary_t *s, cJSON *pod)
{
    cJSON                                  *ref, *containers, *container;
    ngx_http_k8s_metrics_summary_names_t    names;

    containers = cJSON_GetObjectItemCaseSensitive(pod, "containers");

    if (!cJSON_IsArray(containers)) {
        return NGX_OK;
    }

    ref = cJSON_GetObjectItemCaseSensitive(pod, "podRef");

    names.len = 0;
    ngx_memzero(&names.labels,
                sizeof(ngx_http_k8s_metrics_exposition_labels_t));

    if (!ngx_http_k8s_metrics_summary_name(&names, ref, "namespace",
                                           &names.labels.ns)
        || !ngx_http_k8s_metrics_summary_name(&names, ref, "name",
                                              &names.labels.pod))
    {
        s->exposition->dropped.unnamed++;
        return NGX_OK;
    }

    cJSON_ArrayForEach(container, containers) {

        if (ngx_http_k8s_metrics_summary_container(s->exposition, &names,
                                                   container)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* NGX_OK; NGX_DECLINED when it was dropped (counted); NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_summary_container(ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_summary_names_t *names, cJSON *container)
{
    size_t                                     len;
    int64_t                                    start;
    uint32_t                                   entry;
    ngx_int_t                                  rc;
    ngx_str_t                                  raw;
    ngx_uint_t                                 have;
    ngx_http_k8s_metrics_exposition_entry_t   *n;

    len = names->len;

    if (!ngx_http_k8s_metrics_summary_name(names, container, "name",
                                           &names->labels.container))
    {
        e->dropped.unnamed++;
        return NGX_DECLINED;
    }

    raw.data = names->buf;
    raw.len = names->len;

    names->len = len;

    rc = ngx_http_k8s_metrics_exposition_entry(e, &raw, &names->labels,
                                               &entry);
    if (rc != NGX_OK) {
        return rc;
    }

    n = &e->entries[entry];

    have = n->have;
    ngx_http_k8s_metrics_summary_usage(e, container, &n->cpu, &n->memory,
                                       &n->time, &have);
    n->have = (uint32_t) have;

    if (ngx_http_k8s_metrics_summary_time(e, container, "startTime", &start)
        == NGX_OK)
    {
        n->start = start;
    }

    return NGX_OK;
}


/* Appends a name to "names" and makes a view of it; 0 when there is none. */

static ngx_uint_t
ngx_http_k8s_metrics_summary_name(ngx_http_k8s_metrics_summary_names_t *names,
    cJSON *object, const char *key, ngx_str_t *name)
{
    cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsString(item)
        || item->valuestring[0] == NGX_HTTP_K8S_METRICS_SUMMARY_NUMBER)
    {
        return 0;
    }

    name->data = names->buf + names->len;
    name->len = ngx_strlen(item->valuestring);

    if (name->len == 0 || name->len > NGX_HTTP_K8S_METRICS_SUMMARY_NAME) {
        return 0;
    }

    ngx_memcpy(name->data, item->valuestring, name->len);
    names->len += name->len;

    return 1;
}


/* Both readings of a container or the node; what is not good stays as it is. */

static void
ngx_http_k8s_metrics_summary_usage(ngx_http_k8s_metrics_exposition_t *e,
    cJSON *of, uint64_t *cpu, uint64_t *memory, int64_t *time,
    ngx_uint_t *have)
{
    int64_t  t;

    if (ngx_http_k8s_metrics_summary_reading(e,
                                cJSON_GetObjectItemCaseSensitive(of, "cpu"),
                                "usageCoreNanoSeconds", cpu, &t)
        == NGX_OK)
    {
        *have |= NGX_HTTP_K8S_METRICS_HAVE_CPU;
        *time = ngx_max(*time, t);
    }

    if (ngx_http_k8s_metrics_summary_reading(e,
                               cJSON_GetObjectItemCaseSensitive(of, "memory"),
                               "workingSetBytes", memory, &t)
        == NGX_OK)
    {
        *have |= NGX_HTTP_K8S_METRICS_HAVE_MEMORY;
        *time = ngx_max(*time, t);
    }
}


/* NGX_OK, or NGX_DECLINED: it is not there, or it is not good (counted). */

static ngx_int_t
ngx_http_k8s_metrics_summary_reading(ngx_http_k8s_metrics_exposition_t *e,
    cJSON *reading, const char *key, uint64_t *value, int64_t *time)
{
    cJSON      *item;
    int64_t     t;
    uint64_t    v;
    ngx_int_t   rc;

    item = cJSON_GetObjectItemCaseSensitive(reading, key);

    if (item == NULL || cJSON_IsNull(item)) {
        return NGX_DECLINED;
    }

    if (ngx_http_k8s_metrics_summary_number(item, &v) != NGX_OK) {
        e->dropped.value++;
        return NGX_DECLINED;
    }

    rc = ngx_http_k8s_metrics_summary_time(e, reading, "time", &t);

    if (rc == NGX_ERROR) {
        return NGX_DECLINED;
    }

    *value = v;
    *time = (rc == NGX_OK) ? t : e->time;
    e->nsamples++;

    return NGX_OK;
}


/* An integer of 64 bits, as Go reads one: digits alone, no leading zero. */

static ngx_int_t
ngx_http_k8s_metrics_summary_number(cJSON *item, uint64_t *value)
{
    char         *p;
    uint64_t      v;
    ngx_uint_t    digit;

    if (!cJSON_IsString(item)
        || item->valuestring[0] != NGX_HTTP_K8S_METRICS_SUMMARY_NUMBER)
    {
        return NGX_ERROR;
    }

    p = item->valuestring + 1;

    if (*p == '\0' || (*p == '0' && p[1] != '\0')) {
        return NGX_ERROR;
    }

    for (v = 0; *p; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        digit = *p - '0';

        if (v > (UINT64_MAX - digit) / 10) {
            return NGX_ERROR;
        }

        v = v * 10 + digit;
    }

    *value = v;

    return NGX_OK;
}


/* NGX_OK; NGX_DECLINED when there is none; NGX_ERROR when it is bad. */

static ngx_int_t
ngx_http_k8s_metrics_summary_time(ngx_http_k8s_metrics_exposition_t *e,
    cJSON *object, const char *key, int64_t *time)
{
    cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (item == NULL || cJSON_IsNull(item)) {
        return NGX_DECLINED;
    }

    if (!cJSON_IsString(item)
        || ngx_http_k8s_metrics_time_parse((u_char *) item->valuestring,
                                           ngx_strlen(item->valuestring),
                                           time)
           != NGX_OK
        || *time <= 0)
    {
        e->dropped.timestamp++;
        return NGX_ERROR;
    }

    return NGX_OK;
}
