
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


/* field numbers: k8s.io/apimachinery pkg/apis/meta/v1/generated.proto */

#define NGX_HTTP_K8S_METRICS_META_NAME         1
#define NGX_HTTP_K8S_METRICS_META_NAMESPACE    3
#define NGX_HTTP_K8S_METRICS_META_VERSION      6
#define NGX_HTTP_K8S_METRICS_META_LABELS       11
#define NGX_HTTP_K8S_METRICS_META_ANNOTATIONS  12
#define NGX_HTTP_K8S_METRICS_STATUS_CODE       6


static ngx_int_t ngx_http_k8s_metrics_kube_read_meta(ngx_str_t *bytes,
    ngx_array_t *labels, ngx_http_k8s_metrics_kube_meta_t *meta);
static ngx_int_t ngx_http_k8s_metrics_kube_entry(
    ngx_http_k8s_metrics_pb_field_t *field,
    ngx_http_k8s_metrics_label_t *entry);
static ngx_int_t ngx_http_k8s_metrics_kube_label(ngx_array_t *labels,
    ngx_http_k8s_metrics_label_t *entry);
static void ngx_http_k8s_metrics_kube_annotation(
    ngx_http_k8s_metrics_kube_meta_t *meta,
    ngx_http_k8s_metrics_label_t *entry);
static ngx_uint_t ngx_http_k8s_metrics_kube_is(ngx_str_t *s,
    const char *text, size_t len);
static int ngx_libc_cdecl ngx_http_k8s_metrics_kube_cmp_labels(
    const void *one, const void *two);


const char  ngx_http_k8s_metrics_kube_unreadable[] = "it cannot be read";

static const char  ngx_http_k8s_metrics_kube_labels[] =
    "it has more labels than are kept";


#define ngx_http_k8s_metrics_kube_equals(s, text)                             \
    ngx_http_k8s_metrics_kube_is(s, text, sizeof(text) - 1)


ngx_int_t
ngx_http_k8s_metrics_kube_object(ngx_str_t *object, ngx_array_t *labels,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  r;

    ngx_memzero(meta, sizeof(ngx_http_k8s_metrics_kube_meta_t));
    ngx_str_null(spec);
    ngx_str_null(status);

    labels->nelts = 0;

    ngx_http_k8s_metrics_pb_reader(&r, object->data, object->len);

    for ( ;; ) {
        rc = ngx_http_k8s_metrics_pb_next(&r, &field);

        if (rc == NGX_DONE) {
            return meta->bad ? NGX_DECLINED : NGX_OK;
        }

        if (rc != NGX_OK) {
            meta->bad = ngx_http_k8s_metrics_kube_unreadable;
            return NGX_DECLINED;
        }

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        switch (field.number) {

        case 1:
            if (ngx_http_k8s_metrics_kube_read_meta(&field.bytes, labels, meta)
                == NGX_ERROR)
            {
                return NGX_ERROR;
            }

            break;

        case 2:
            *spec = field.bytes;
            break;

        case 3:
            *status = field.bytes;
            break;
        }
    }
}


static ngx_int_t
ngx_http_k8s_metrics_kube_read_meta(ngx_str_t *bytes, ngx_array_t *labels,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_label_t      entry;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  r;

    ngx_http_k8s_metrics_pb_reader(&r, bytes->data, bytes->len);

    for ( ;; ) {
        rc = ngx_http_k8s_metrics_pb_next(&r, &field);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            meta->bad = ngx_http_k8s_metrics_kube_unreadable;
            return NGX_DECLINED;
        }

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        switch (field.number) {

        case NGX_HTTP_K8S_METRICS_META_NAME:
            meta->name = field.bytes;
            break;

        case NGX_HTTP_K8S_METRICS_META_NAMESPACE:
            meta->ns = field.bytes;
            break;

        case NGX_HTTP_K8S_METRICS_META_VERSION:
            meta->version = field.bytes;
            break;

        case NGX_HTTP_K8S_METRICS_META_LABELS:
            if (ngx_http_k8s_metrics_kube_entry(&field, &entry) != NGX_OK) {
                meta->bad = ngx_http_k8s_metrics_kube_unreadable;
                break;
            }

            /* version and name may come behind them */

            if (labels->nelts == NGX_HTTP_K8S_METRICS_KUBE_LABELS_MAX) {
                meta->bad = ngx_http_k8s_metrics_kube_labels;
                break;
            }

            if (ngx_http_k8s_metrics_kube_label(labels, &entry) != NGX_OK) {
                return NGX_ERROR;
            }

            break;

        case NGX_HTTP_K8S_METRICS_META_ANNOTATIONS:
            if (ngx_http_k8s_metrics_kube_entry(&field, &entry) == NGX_OK) {
                ngx_http_k8s_metrics_kube_annotation(meta, &entry);

            } else {
                meta->bad = ngx_http_k8s_metrics_kube_unreadable;
            }

            break;
        }
    }

    meta->nlabels = labels->nelts;
    meta->labels = labels->elts;

    if (meta->nlabels > 1) {
        ngx_qsort(meta->labels, meta->nlabels,
                  sizeof(ngx_http_k8s_metrics_label_t),
                  ngx_http_k8s_metrics_kube_cmp_labels);
    }

    return NGX_OK;
}


void
ngx_http_k8s_metrics_kube_beginning(ngx_str_t *object,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    ngx_int_t   rc;
    ngx_str_t   bytes;
    ngx_uint_t  i;

    struct {
        ngx_uint_t   number;
        ngx_str_t   *value;
    } fields[] = {
        { NGX_HTTP_K8S_METRICS_META_NAME, &meta->name },
        { NGX_HTTP_K8S_METRICS_META_NAMESPACE, &meta->ns },
        { NGX_HTTP_K8S_METRICS_META_VERSION, &meta->version }
    };

    ngx_memzero(meta, sizeof(ngx_http_k8s_metrics_kube_meta_t));

    meta->bad = "it is too large";

    rc = ngx_http_k8s_metrics_pb_cut(object, 1, &bytes);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return;
    }

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        rc = ngx_http_k8s_metrics_pb_cut(&bytes, fields[i].number,
                                         fields[i].value);
        if (rc != NGX_OK) {
            ngx_str_null(fields[i].value);
        }
    }
}


/* an entry of a map<string, string>: {key = 1, value = 2} */

static ngx_int_t
ngx_http_k8s_metrics_kube_entry(ngx_http_k8s_metrics_pb_field_t *map,
    ngx_http_k8s_metrics_label_t *entry)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  r;

    ngx_str_null(&entry->key);
    ngx_str_null(&entry->value);

    ngx_http_k8s_metrics_pb_enter(&r, map);

    while ((rc = ngx_http_k8s_metrics_pb_next(&r, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        if (field.number == 1) {
            entry->key = field.bytes;

        } else if (field.number == 2) {
            entry->value = field.bytes;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_label(ngx_array_t *labels,
    ngx_http_k8s_metrics_label_t *entry)
{
    ngx_http_k8s_metrics_label_t  *label;

    label = ngx_array_push(labels);
    if (label == NULL) {
        return NGX_ERROR;
    }

    *label = *entry;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_kube_annotation(ngx_http_k8s_metrics_kube_meta_t *meta,
    ngx_http_k8s_metrics_label_t *entry)
{
    if (ngx_http_k8s_metrics_kube_equals(&entry->key,
                                    "metrics.k8s.io/resource-metrics-path"))
    {
        meta->path = entry->value;

    } else if (ngx_http_k8s_metrics_kube_equals(&entry->key,
                                                "k8s.io/initial-events-end"))
    {
        meta->initial_end = ngx_http_k8s_metrics_kube_equals(&entry->value,
                                                             "true");
    }
}


ngx_uint_t
ngx_http_k8s_metrics_kube_ready(ngx_http_k8s_metrics_pb_field_t *condition)
{
    ngx_http_k8s_metrics_label_t  entry;

    /* {type = 1, status = 2} has the shape of a map's entry */

    return ngx_http_k8s_metrics_kube_entry(condition, &entry) == NGX_OK
           && ngx_http_k8s_metrics_kube_equals(&entry.key, "Ready")
           && ngx_http_k8s_metrics_kube_equals(&entry.value, "True");
}


ngx_uint_t
ngx_http_k8s_metrics_kube_status_code(ngx_str_t *object)
{
    ngx_uint_t                        code;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  r;

    code = 0;

    ngx_http_k8s_metrics_pb_reader(&r, object->data, object->len);

    while (ngx_http_k8s_metrics_pb_next(&r, &field) == NGX_OK) {

        if (field.number == NGX_HTTP_K8S_METRICS_STATUS_CODE
            && field.type == NGX_HTTP_K8S_METRICS_PB_VARINT
            && field.value < 1000)
        {
            code = (ngx_uint_t) field.value;
        }
    }

    return code;
}


static ngx_uint_t
ngx_http_k8s_metrics_kube_is(ngx_str_t *s, const char *text, size_t len)
{
    return s->len == len && ngx_memcmp(s->data, text, len) == 0;
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_kube_cmp_labels(const void *one, const void *two)
{
    const ngx_http_k8s_metrics_label_t  *a = one;
    const ngx_http_k8s_metrics_label_t  *b = two;

    return (int) ngx_memn2cmp(a->key.data, b->key.data, a->key.len,
                              b->key.len);
}
