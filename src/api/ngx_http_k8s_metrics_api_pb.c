
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/*
 * k8s.io/metrics, generated.proto: NodeMetrics and PodMetrics {metadata = 1,
 * timestamp = 2, window = 3, usage | containers = 4}, their lists {metadata =
 * 1, items = 2}, in Kubernetes' envelope.  Empty members are written as Go's
 * generated code does.
 */

/* a field of the list that nobody knows: decoders skip it */
#define NGX_HTTP_K8S_METRICS_FILLER       15

/* the shortest filler: its tag and the length 0 */
#define NGX_HTTP_K8S_METRICS_FILLER_MIN   2
#define NGX_HTTP_K8S_METRICS_FILLER_HEAD  6

/* pods that came between the two passes, bytes */
#define NGX_HTTP_K8S_METRICS_NEWCOMERS    8192

/* by how much a usage or a window may grow from one pass to the other */
#define NGX_HTTP_K8S_METRICS_PB_SLACK     4

/* an object's members other than strings, at the most */
#define NGX_HTTP_K8S_METRICS_PB_FIXED     128
#define NGX_HTTP_K8S_METRICS_PB_USAGE     96
#define NGX_HTTP_K8S_METRICS_PB_LABEL     16


static void ngx_http_k8s_metrics_pb_form_object(
    ngx_http_k8s_metrics_out_t *out, ngx_uint_t kind,
    const ngx_http_k8s_metrics_item_t *item, ngx_uint_t pretty);
static void ngx_http_k8s_metrics_pb_form_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_pb_form_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static ngx_int_t ngx_http_k8s_metrics_pb_form_end(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_pb_filler_head(
    ngx_http_k8s_metrics_list_t *list);
static size_t ngx_http_k8s_metrics_pb_form_bound(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_type(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t kind, ngx_uint_t list);
static void ngx_http_k8s_metrics_pb_list_meta(
    ngx_http_k8s_metrics_out_t *out);
static void ngx_http_k8s_metrics_pb_members(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_metadata(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_time(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, int64_t sec);
static void ngx_http_k8s_metrics_pb_usage(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const ngx_http_k8s_metrics_usage_t *usage);
static void ngx_http_k8s_metrics_pb_quantity(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, ngx_str_t *name, ngx_str_t *value);


const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_pb = {
    NGX_HTTP_K8S_METRICS_PROTOBUF,
    ngx_http_k8s_metrics_pb_form_object,
    ngx_http_k8s_metrics_pb_form_begin,
    ngx_http_k8s_metrics_pb_form_item,
    ngx_http_k8s_metrics_pb_form_end,
    ngx_http_k8s_metrics_pb_form_bound
};


static void
ngx_http_k8s_metrics_pb_form_object(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item,
    ngx_uint_t pretty)
{
    size_t  raw;

    ngx_http_k8s_metrics_pb_type(out, kind, 0);

    raw = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    ngx_http_k8s_metrics_pb_members(out, kind, item);
    ngx_http_k8s_metrics_pb_put_end(out, raw);

    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
}


static void
ngx_http_k8s_metrics_pb_type(ngx_http_k8s_metrics_out_t *out, ngx_uint_t kind,
    ngx_uint_t list)
{
    size_t     type;
    ngx_str_t  name;

    ngx_http_k8s_metrics_out_lit(out, "k8s\0");

    type = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1,
                                    NGX_HTTP_K8S_METRICS_GROUP_VERSION);

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_str_set(&name, "NodeMetricsList");

    } else {
        ngx_str_set(&name, "PodMetricsList");
    }

    name.len -= list ? 0 : sizeof("List") - 1;

    ngx_http_k8s_metrics_pb_put_str(out, 2, &name);
    ngx_http_k8s_metrics_pb_put_end(out, type);
}


static void
ngx_http_k8s_metrics_pb_list_meta(ngx_http_k8s_metrics_out_t *out)
{
    size_t  meta;

    meta = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_end(out, meta);
}


/*
 * The length of the list comes first.  One that fits a piece is rendered and
 * then measured; of a longer one a pass before this has summed what its items
 * will take, and a little (list->total), and a filler takes what is left over.
 */

static void
ngx_http_k8s_metrics_pb_form_begin(ngx_http_k8s_metrics_list_t *list)
{
    size_t                       mark;
    uint64_t                     raw;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    ngx_http_k8s_metrics_pb_type(out, list->query.kind, 1);

    if (list->whole) {
        list->total = ngx_http_k8s_metrics_pb_put_begin(out, 2);
        ngx_http_k8s_metrics_pb_list_meta(out);
        return;
    }

    raw = list->total + NGX_HTTP_K8S_METRICS_NEWCOMERS
          + NGX_HTTP_K8S_METRICS_FILLER_MIN;

    list->left = raw;

    ngx_http_k8s_metrics_out_byte(out, 2 << 3 | NGX_HTTP_K8S_METRICS_PB_BYTES);
    ngx_http_k8s_metrics_pb_put_raw_varint(out, raw);

    list->total = ngx_http_k8s_metrics_out_len(out) + raw
                  + 4;  /* the envelope's two empty members */

    mark = ngx_http_k8s_metrics_out_len(out);
    ngx_http_k8s_metrics_pb_list_meta(out);
    list->left -= ngx_http_k8s_metrics_out_len(out) - mark;
}


static void
ngx_http_k8s_metrics_pb_form_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                       mark, len, start;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;
    start = ngx_http_k8s_metrics_out_len(out);

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    ngx_http_k8s_metrics_pb_members(out, list->query.kind, item);
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    if (list->whole || out->overflow) {
        return;
    }

    len = ngx_http_k8s_metrics_out_len(out) - start;

    /* what came after the first pass and has no room is left out */

    if (len + NGX_HTTP_K8S_METRICS_FILLER_MIN > list->left) {
        out->last = out->start + start;
        return;
    }

    list->left -= len;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_form_end(ngx_http_k8s_metrics_list_t *list)
{
    size_t                       n;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    if (list->whole) {
        ngx_http_k8s_metrics_pb_put_end(out, (size_t) list->total);

        ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
        ngx_http_k8s_metrics_pb_put_lit(out, 4, "");

        if (!out->overflow) {
            list->total = 0;
        }

        return NGX_OK;
    }

    if (!list->filling) {

        if (out->end - out->last < NGX_HTTP_K8S_METRICS_FILLER_HEAD) {
            return NGX_AGAIN;
        }

        ngx_http_k8s_metrics_pb_filler_head(list);
        list->filling = 1;
    }

    n = ngx_min(list->left, (uint64_t) (out->end - out->last));

    ngx_memzero(out->last, n);
    out->last += n;
    list->left -= n;

    if (list->left || out->end - out->last < 4) {
        return NGX_AGAIN;
    }

    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_pb_filler_head(ngx_http_k8s_metrics_list_t *list)
{
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    ngx_http_k8s_metrics_out_byte(out, NGX_HTTP_K8S_METRICS_FILLER << 3
                                       | NGX_HTTP_K8S_METRICS_PB_BYTES);

    if (list->left - NGX_HTTP_K8S_METRICS_FILLER_MIN < 128) {
        list->left -= NGX_HTTP_K8S_METRICS_FILLER_MIN;
        ngx_http_k8s_metrics_out_byte(out, (u_char) list->left);
        return;
    }

    /* five bytes whatever the length: any remainder can be filled */

    list->left -= NGX_HTTP_K8S_METRICS_FILLER_HEAD;

    for (i = 0; i < 4; i++) {
        ngx_http_k8s_metrics_out_byte(out, (u_char) (list->left >> (7 * i)
                                                     | 0x80));
    }

    ngx_http_k8s_metrics_out_byte(out, (u_char) (list->left >> 28));
}


/* What it takes now and a little; or a sum, for one larger than a piece. */

static size_t
ngx_http_k8s_metrics_pb_form_bound(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                       n, mark;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;
    out->last = out->start;

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    ngx_http_k8s_metrics_pb_members(out, list->query.kind, item);
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    n = ngx_http_k8s_metrics_out_len(out)
        + (item->nusages + 1) * NGX_HTTP_K8S_METRICS_PB_SLACK;

    out->last = out->start;

    if (!out->overflow) {
        return n;
    }

    out->overflow = 0;

    n = NGX_HTTP_K8S_METRICS_PB_FIXED + item->ns.len + item->name.len;

    for (i = 0; i < item->nlabels; i++) {
        n += NGX_HTTP_K8S_METRICS_PB_LABEL + item->labels[i].key.len
             + item->labels[i].value.len;
    }

    for (i = 0; i < item->nusages; i++) {
        n += NGX_HTTP_K8S_METRICS_PB_USAGE + item->usages[i].name.len;
    }

    return n;
}


static void
ngx_http_k8s_metrics_pb_members(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t kind, const ngx_http_k8s_metrics_item_t *item)
{
    size_t      mark;
    ngx_uint_t  i;

    ngx_http_k8s_metrics_pb_metadata(out, item);

    if (item->has_time) {
        ngx_http_k8s_metrics_pb_time(out, 2, item->timestamp / 1000000000);

    } else {
        ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    }

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 3);
    ngx_http_k8s_metrics_pb_put_varint(out, 1,
                                       item->has_time ? item->window : 0);
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    if (kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_http_k8s_metrics_pb_usage(out, 4, &item->usages[0]);
        return;
    }

    for (i = 0; i < item->nusages; i++) {
        mark = ngx_http_k8s_metrics_pb_put_begin(out, 4);
        ngx_http_k8s_metrics_pb_put_str(out, 1, &item->usages[i].name);
        ngx_http_k8s_metrics_pb_usage(out, 2, &item->usages[i]);
        ngx_http_k8s_metrics_pb_put_end(out, mark);
    }
}


static void
ngx_http_k8s_metrics_pb_metadata(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t      meta, label;
    ngx_uint_t  i;

    meta = ngx_http_k8s_metrics_pb_put_begin(out, 1);

    ngx_http_k8s_metrics_pb_put_str(out, 1, &item->name);
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    ngx_http_k8s_metrics_pb_put_str(out, 3, &item->ns);
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 5, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 6, "");
    ngx_http_k8s_metrics_pb_put_varint(out, 7, 0);
    ngx_http_k8s_metrics_pb_time(out, 8, ngx_time());

    for (i = 0; i < item->nlabels; i++) {
        label = ngx_http_k8s_metrics_pb_put_begin(out, 11);
        ngx_http_k8s_metrics_pb_put_str(out, 1, &item->labels[i].key);
        ngx_http_k8s_metrics_pb_put_str(out, 2, &item->labels[i].value);
        ngx_http_k8s_metrics_pb_put_end(out, label);
    }

    ngx_http_k8s_metrics_pb_put_end(out, meta);
}


static void
ngx_http_k8s_metrics_pb_time(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, int64_t sec)
{
    size_t  mark;

    mark = ngx_http_k8s_metrics_pb_put_begin(out, number);
    ngx_http_k8s_metrics_pb_put_varint(out, 1, (uint64_t) sec);
    ngx_http_k8s_metrics_pb_put_varint(out, 2, 0);
    ngx_http_k8s_metrics_pb_put_end(out, mark);
}


static void
ngx_http_k8s_metrics_pb_usage(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const ngx_http_k8s_metrics_usage_t *usage)
{
    u_char            buf[NGX_HTTP_K8S_METRICS_QUANTITY_LEN];
    ngx_str_t         value;

    static ngx_str_t  cpu = ngx_string("cpu");
    static ngx_str_t  memory = ngx_string("memory");

    value.data = buf;

    value.len = ngx_http_k8s_metrics_quantity_cpu(buf, usage->cpu) - buf;
    ngx_http_k8s_metrics_pb_quantity(out, number, &cpu, &value);

    value.len = ngx_http_k8s_metrics_quantity_memory(buf, usage->memory) - buf;
    ngx_http_k8s_metrics_pb_quantity(out, number, &memory, &value);
}


static void
ngx_http_k8s_metrics_pb_quantity(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, ngx_str_t *name, ngx_str_t *value)
{
    size_t  entry, quantity;

    entry = ngx_http_k8s_metrics_pb_put_begin(out, number);
    ngx_http_k8s_metrics_pb_put_str(out, 1, name);

    quantity = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    ngx_http_k8s_metrics_pb_put_str(out, 1, value);
    ngx_http_k8s_metrics_pb_put_end(out, quantity);

    ngx_http_k8s_metrics_pb_put_end(out, entry);
}
