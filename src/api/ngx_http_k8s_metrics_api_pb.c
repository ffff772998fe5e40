
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
 *
 * The length of a list comes first.  One that fits a piece is rendered and
 * then measured; of a longer one a first pass sums what its items may take,
 * the second leaves out what has outgrown its share of it, and a field that
 * no decoder knows takes what is left over.
 */

#define NGX_HTTP_K8S_METRICS_FILLER      15

/* the shortest filler: its tag and a length of 0 */
#define NGX_HTTP_K8S_METRICS_FILLER_MIN  2

/* what may come between the two passes: a part of what is there, and bytes */
#define NGX_HTTP_K8S_METRICS_GROWTH      64
#define NGX_HTTP_K8S_METRICS_NEWCOMERS   1024

/*
 * The longest text of a quantity, in the first pass: one that grew until the
 * second may not live on what others need.
 */
#define NGX_HTTP_K8S_METRICS_PB_TEXT     (NGX_INT64_LEN + 2)

/* the envelope's two last members, which are empty */
#define NGX_HTTP_K8S_METRICS_PB_TAIL     4


static void ngx_http_k8s_metrics_pb_form_object(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_form_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_pb_form_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_form_end(
    ngx_http_k8s_metrics_list_t *list);
static size_t ngx_http_k8s_metrics_pb_form_bound(
    const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static size_t ngx_http_k8s_metrics_pb_field_len(size_t len);
static void ngx_http_k8s_metrics_pb_filler(ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_pb_type(ngx_http_k8s_metrics_list_t *list,
    ngx_uint_t many);
static void ngx_http_k8s_metrics_pb_tail(ngx_http_k8s_metrics_out_t *out);
static void ngx_http_k8s_metrics_pb_list_meta(
    ngx_http_k8s_metrics_out_t *out);
static void ngx_http_k8s_metrics_pb_members(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_metadata(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_pb_time(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, int64_t sec);
static void ngx_http_k8s_metrics_pb_usage(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const ngx_http_k8s_metrics_usage_t *usage);
static void ngx_http_k8s_metrics_pb_quantity(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const ngx_str_t *name, const ngx_str_t *value);


const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_pb = {
    NGX_HTTP_K8S_METRICS_PROTOBUF,
    ngx_http_k8s_metrics_pb_form_object,
    ngx_http_k8s_metrics_pb_form_begin,
    ngx_http_k8s_metrics_pb_form_item,
    ngx_http_k8s_metrics_pb_form_end,
    ngx_http_k8s_metrics_pb_form_bound,
    NULL,
    ngx_null_string
};


static void
ngx_http_k8s_metrics_pb_form_object(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t  raw;

    ngx_http_k8s_metrics_pb_type(list, 0);

    raw = ngx_http_k8s_metrics_pb_put_begin(&list->out, 2);
    ngx_http_k8s_metrics_pb_members(list, item);
    ngx_http_k8s_metrics_pb_put_end(&list->out, raw);

    ngx_http_k8s_metrics_pb_tail(&list->out);
}


static void
ngx_http_k8s_metrics_pb_form_begin(ngx_http_k8s_metrics_list_t *list)
{
    size_t                       len;
    uint64_t                     shares;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    ngx_http_k8s_metrics_pb_type(list, 1);

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_FIRST) {
        list->mark = ngx_http_k8s_metrics_pb_put_begin(out, 2);
        ngx_http_k8s_metrics_pb_list_meta(out);
        return;
    }

    shares = list->total;

    list->left = shares + shares / NGX_HTTP_K8S_METRICS_GROWTH
                 + NGX_HTTP_K8S_METRICS_NEWCOMERS;

    ngx_http_k8s_metrics_out_byte(out, 2 << 3 | NGX_HTTP_K8S_METRICS_PB_BYTES);
    ngx_http_k8s_metrics_pb_put_raw_varint(out, list->left);

    len = ngx_http_k8s_metrics_out_len(out);

    list->total = len + list->left + NGX_HTTP_K8S_METRICS_PB_TAIL;
    list->filling = 0;

    ngx_http_k8s_metrics_pb_list_meta(out);

    len = ngx_http_k8s_metrics_out_len(out) - len;

    list->spare = list->left - shares - len - NGX_HTTP_K8S_METRICS_FILLER_MIN;
    list->left -= len;
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
    ngx_http_k8s_metrics_pb_members(list, item);
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_FIRST || out->overflow) {
        return;
    }

    len = ngx_http_k8s_metrics_out_len(out) - start;

    if (ngx_http_k8s_metrics_share_take(list, item, len) != NGX_OK) {
        out->last = out->start + start;

        if (!list->told) {
            ngx_log_error(NGX_LOG_WARN, list->request->connection->log, 0,
                          "k8s_metrics: a list grew by too much while it was "
                          "sent, \"%V\" is left out", &item->name);
            list->told = 1;
        }

        return;
    }

    list->left -= len;
}


static void
ngx_http_k8s_metrics_pb_form_end(ngx_http_k8s_metrics_list_t *list)
{
    size_t                       n;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    if (list->state == NGX_HTTP_K8S_METRICS_LIST_FIRST) {
        ngx_http_k8s_metrics_pb_put_end(out, list->mark);
        ngx_http_k8s_metrics_pb_tail(out);

        list->ended = !out->overflow;
        return;
    }

    /* nothing below may overflow: it would not be taken back */

    if (!list->filling) {

        if ((size_t) (out->end - out->last)
            < 2 * NGX_HTTP_K8S_METRICS_FILLER_MIN + NGX_INT64_LEN)
        {
            return;
        }

        ngx_http_k8s_metrics_pb_filler(list);
        list->filling = 1;
    }

    n = ngx_min(list->left, (uint64_t) (out->end - out->last));

    ngx_memzero(out->last, n);
    out->last += n;
    list->left -= n;

    if (list->left == 0
        && out->end - out->last >= NGX_HTTP_K8S_METRICS_PB_TAIL)
    {
        ngx_http_k8s_metrics_pb_tail(out);
        list->ended = 1;
    }
}


/*
 * Opens the field that takes all that is left.  Where a length of one byte
 * more would make the field one byte too long, an empty field goes before it.
 */

static void
ngx_http_k8s_metrics_pb_filler(ngx_http_k8s_metrics_list_t *list)
{
    size_t    n;
    uint64_t  len;

    for ( ;; ) {

        for (n = 1; ; n++) {
            len = list->left - 1 - n;

            if (ngx_http_k8s_metrics_pb_varint_len(len) <= n) {
                break;
            }
        }

        if (ngx_http_k8s_metrics_pb_varint_len(len) == n) {
            break;
        }

        ngx_http_k8s_metrics_pb_put_lit(&list->out,
                                        NGX_HTTP_K8S_METRICS_FILLER, "");
        list->left -= NGX_HTTP_K8S_METRICS_FILLER_MIN;
    }

    ngx_http_k8s_metrics_out_byte(&list->out,
                                  NGX_HTTP_K8S_METRICS_FILLER << 3
                                  | NGX_HTTP_K8S_METRICS_PB_BYTES);
    ngx_http_k8s_metrics_pb_put_raw_varint(&list->out, len);

    list->left = len;
}


static size_t
ngx_http_k8s_metrics_pb_form_bound(const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t      n, meta, usage;
    ngx_uint_t  i;

    /* generateName, selfLink, uid, resourceVersion, generation: 2 each */

    meta = ngx_http_k8s_metrics_pb_field_len(item->name.len)
           + ngx_http_k8s_metrics_pb_field_len(item->ns.len)
           + 5 * 2
           + 2 + 1 + ngx_http_k8s_metrics_pb_varint_len(list->now) + 2;

    for (i = 0; i < item->nlabels; i++) {
        meta += ngx_http_k8s_metrics_pb_field_len(
                   ngx_http_k8s_metrics_pb_field_len(item->labels[i].key.len)
                   + ngx_http_k8s_metrics_pb_field_len(
                                               item->labels[i].value.len));
    }

    n = ngx_http_k8s_metrics_pb_field_len(meta);

    /* timestamp, and a window that may have grown by a byte */

    n += 2 + 1 + ngx_http_k8s_metrics_pb_varint_len(list->now) + 2;
    n += 2 + 1 + ngx_http_k8s_metrics_pb_varint_len(item->window) + 1;

    usage = 2 * ngx_http_k8s_metrics_pb_field_len(
                   ngx_http_k8s_metrics_pb_field_len(
                       ngx_http_k8s_metrics_pb_field_len(
                                             NGX_HTTP_K8S_METRICS_PB_TEXT)))
            + ngx_http_k8s_metrics_pb_field_len(sizeof("cpu") - 1)
            + ngx_http_k8s_metrics_pb_field_len(sizeof("memory") - 1);

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
        return ngx_http_k8s_metrics_pb_field_len(n + usage);
    }

    for (i = 0; i < item->nusages; i++) {
        n += ngx_http_k8s_metrics_pb_field_len(usage
                + ngx_http_k8s_metrics_pb_field_len(item->usages[i].name.len));
    }

    return ngx_http_k8s_metrics_pb_field_len(n);
}


/* A length-delimited field with a number under 16. */

static size_t
ngx_http_k8s_metrics_pb_field_len(size_t len)
{
    return 1 + ngx_http_k8s_metrics_pb_varint_len(len) + len;
}


static void
ngx_http_k8s_metrics_pb_type(ngx_http_k8s_metrics_list_t *list,
    ngx_uint_t many)
{
    size_t                       type;
    ngx_str_t                    kind;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_str_set(&kind, "NodeMetricsList");

    } else {
        ngx_str_set(&kind, "PodMetricsList");
    }

    kind.len -= many ? 0 : sizeof("List") - 1;

    ngx_http_k8s_metrics_out_lit(out, "k8s\0");

    type = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1,
                                    NGX_HTTP_K8S_METRICS_GROUP_VERSION);
    ngx_http_k8s_metrics_pb_put_str(out, 2, &kind);
    ngx_http_k8s_metrics_pb_put_end(out, type);
}


static void
ngx_http_k8s_metrics_pb_tail(ngx_http_k8s_metrics_out_t *out)
{
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
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


static void
ngx_http_k8s_metrics_pb_members(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                       mark;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;

    ngx_http_k8s_metrics_pb_metadata(list, item);

    if (item->has_time) {
        ngx_http_k8s_metrics_pb_time(out, 2, item->timestamp / 1000000000);

    } else {
        ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    }

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 3);
    ngx_http_k8s_metrics_pb_put_varint(out, 1,
                                       item->has_time ? item->window : 0);
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    if (list->query.kind == NGX_HTTP_K8S_METRICS_NODES) {
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
ngx_http_k8s_metrics_pb_metadata(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    size_t                       meta, label;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &list->out;
    meta = ngx_http_k8s_metrics_pb_put_begin(out, 1);

    ngx_http_k8s_metrics_pb_put_str(out, 1, &item->name);
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    ngx_http_k8s_metrics_pb_put_str(out, 3, &item->ns);
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 5, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 6, "");
    ngx_http_k8s_metrics_pb_put_varint(out, 7, 0);
    ngx_http_k8s_metrics_pb_time(out, 8, list->now);

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
    u_char                  buf[NGX_HTTP_K8S_METRICS_QUANTITY_LEN];
    ngx_str_t               value;

    static const ngx_str_t  cpu = ngx_string("cpu");
    static const ngx_str_t  memory = ngx_string("memory");

    value.data = buf;

    value.len = ngx_http_k8s_metrics_quantity_cpu(buf, usage->cpu) - buf;
    ngx_http_k8s_metrics_pb_quantity(out, number, &cpu, &value);

    value.len = ngx_http_k8s_metrics_quantity_memory(buf, usage->memory) - buf;
    ngx_http_k8s_metrics_pb_quantity(out, number, &memory, &value);
}


static void
ngx_http_k8s_metrics_pb_quantity(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const ngx_str_t *name, const ngx_str_t *value)
{
    size_t  entry, quantity;

    entry = ngx_http_k8s_metrics_pb_put_begin(out, number);
    ngx_http_k8s_metrics_pb_put_str(out, 1, name);

    quantity = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    ngx_http_k8s_metrics_pb_put_str(out, 1, value);
    ngx_http_k8s_metrics_pb_put_end(out, quantity);

    ngx_http_k8s_metrics_pb_put_end(out, entry);
}
