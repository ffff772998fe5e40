
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


/* One node, or one explanation, as text and as JSON. */

static void ngx_http_k8s_metrics_node_where(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_debug_node_t *node);
static void ngx_http_k8s_metrics_node_ago(ngx_http_k8s_metrics_out_t *out,
    ngx_msec_t now, uint64_t then);
static void ngx_http_k8s_metrics_json_seconds(ngx_http_k8s_metrics_json_t *w,
    uint64_t ms);
static void ngx_http_k8s_metrics_json_ago(ngx_http_k8s_metrics_json_t *w,
    ngx_msec_t now, uint64_t then);
static void ngx_http_k8s_metrics_json_cstr(ngx_http_k8s_metrics_json_t *w,
    const char *s);
static uint64_t ngx_http_k8s_metrics_explained_age(
    const ngx_http_k8s_metrics_explained_t *e, int64_t now);


void
ngx_http_k8s_metrics_node_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_debug_node_t *node, ngx_msec_t now)
{
    ngx_http_k8s_metrics_out_lit(out, "node ");
    ngx_http_k8s_metrics_page_text(out, &node->name, 253);

    if (node->ready) {
        ngx_http_k8s_metrics_out_lit(out, " (Ready)\n");

    } else {
        ngx_http_k8s_metrics_out_lit(out, " (not Ready)\n");
    }

    if (!node->asked) {
        ngx_http_k8s_metrics_out_lit(out, "    not scraped yet\n");
        return;
    }

    ngx_http_k8s_metrics_node_where(out, node);

    ngx_http_k8s_metrics_out_lit(out, "    last success: ");
    ngx_http_k8s_metrics_node_ago(out, now, node->success);

    if (node->has_samples) {
        ngx_http_k8s_metrics_out_lit(out, "; pods reported: ");
        ngx_http_k8s_metrics_out_uint(out, node->reported);
        ngx_http_k8s_metrics_out_lit(out, ", with metrics: ");
        ngx_http_k8s_metrics_out_uint(out, node->served);
    }

    ngx_http_k8s_metrics_out_byte(out, '\n');

    if (node->has_samples && node->missing) {
        ngx_http_k8s_metrics_out_lit(out, "    of the node itself: ");
        ngx_http_k8s_metrics_page_missing(out, node->missing);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    if (node->failure) {
        ngx_http_k8s_metrics_out_lit(out, "    last failure: ");
        ngx_http_k8s_metrics_node_ago(out, now, node->failure);

        if (node->failures) {
            ngx_http_k8s_metrics_out_lit(out, ", in a row: ");
            ngx_http_k8s_metrics_out_uint(out, node->failures);
            ngx_http_k8s_metrics_out_lit(out, ": ");
            ngx_http_k8s_metrics_page_text(out, &node->reason, 255);
        }

        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    if ((ngx_msec_int_t) ((ngx_msec_t) node->next - now) > 0) {
        ngx_http_k8s_metrics_out_lit(out, "    next attempt: in ");
        ngx_http_k8s_metrics_page_age(out, (ngx_msec_t) node->next - now);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }
}


static void
ngx_http_k8s_metrics_node_where(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_debug_node_t *node)
{
    ngx_http_k8s_metrics_out_lit(out, "    ");

    if (node->address.len) {
        ngx_http_k8s_metrics_page_text(out, &node->address, 255);

        if (node->port) {
            ngx_http_k8s_metrics_out_lit(out, " port ");
            ngx_http_k8s_metrics_out_uint(out, node->port);
        }

        ngx_http_k8s_metrics_out_lit(out, ", ");
        ngx_http_k8s_metrics_page_text(out, &node->path, 255);

    } else {
        ngx_http_k8s_metrics_out_lit(out, "no usable address");
    }

    ngx_http_k8s_metrics_out_lit(out, ", by worker ");
    ngx_http_k8s_metrics_out_uint(out, node->worker);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_node_ago(ngx_http_k8s_metrics_out_t *out, ngx_msec_t now,
    uint64_t then)
{
    if (then == 0) {
        ngx_http_k8s_metrics_out_lit(out, "never");
        return;
    }

    ngx_http_k8s_metrics_page_age(out, ngx_http_k8s_metrics_page_since(now,
                                                                       then));
    ngx_http_k8s_metrics_out_lit(out, " ago");
}


void
ngx_http_k8s_metrics_node_json(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_debug_node_t *node, ngx_msec_t now)
{
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_member(w, "name", &node->name);
    ngx_http_k8s_metrics_json_key(w, "ready");
    ngx_http_k8s_metrics_json_bool(w, node->ready);

    if (node->asked) {
        ngx_http_k8s_metrics_json_member(w, "address", &node->address);
        ngx_http_k8s_metrics_json_key(w, "port");
        ngx_http_k8s_metrics_json_int(w, node->port);
        ngx_http_k8s_metrics_json_member(w, "path", &node->path);
        ngx_http_k8s_metrics_json_key(w, "worker");
        ngx_http_k8s_metrics_json_int(w, (int64_t) node->worker);
        ngx_http_k8s_metrics_json_key(w, "lastResult");
        ngx_http_k8s_metrics_json_cstr(w,
                              ngx_http_k8s_metrics_result_name(node->result));
        ngx_http_k8s_metrics_json_member(w, "lastError", &node->reason);
        ngx_http_k8s_metrics_json_key(w, "failuresInARow");
        ngx_http_k8s_metrics_json_int(w, (int64_t) node->failures);
    }

    ngx_http_k8s_metrics_json_key(w, "lastSuccessSecondsAgo");
    ngx_http_k8s_metrics_json_ago(w, now, node->success);
    ngx_http_k8s_metrics_json_key(w, "lastFailureSecondsAgo");
    ngx_http_k8s_metrics_json_ago(w, now, node->failure);
    ngx_http_k8s_metrics_json_key(w, "nextAttemptInSeconds");

    if ((ngx_msec_int_t) ((ngx_msec_t) node->next - now) > 0) {
        ngx_http_k8s_metrics_json_seconds(w, (ngx_msec_t) node->next - now);

    } else {
        ngx_http_k8s_metrics_json_null(w);
    }

    ngx_http_k8s_metrics_json_key(w, "podsReported");
    ngx_http_k8s_metrics_json_int(w, (int64_t) node->reported);
    ngx_http_k8s_metrics_json_key(w, "podsWithMetrics");
    ngx_http_k8s_metrics_json_int(w, (int64_t) node->served);
    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_json_seconds(ngx_http_k8s_metrics_json_t *w, uint64_t ms)
{
    u_char                      buf[64];
    ngx_http_k8s_metrics_out_t  out;

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_page_decimal(&out, ms, 1000);

    ngx_http_k8s_metrics_json_raw_mem(w, (char *) buf,
                                      ngx_http_k8s_metrics_out_len(&out));
}


static void
ngx_http_k8s_metrics_json_ago(ngx_http_k8s_metrics_json_t *w, ngx_msec_t now,
    uint64_t then)
{
    if (then == 0) {
        ngx_http_k8s_metrics_json_null(w);
        return;
    }

    ngx_http_k8s_metrics_json_seconds(w,
                               ngx_http_k8s_metrics_page_since(now, then));
}


static void
ngx_http_k8s_metrics_json_cstr(ngx_http_k8s_metrics_json_t *w, const char *s)
{
    ngx_str_t  str;

    str.data = (u_char *) s;
    str.len = ngx_strlen(s);

    ngx_http_k8s_metrics_json_string(w, &str);
}


/* ms */

static uint64_t
ngx_http_k8s_metrics_explained_age(const ngx_http_k8s_metrics_explained_t *e,
    int64_t now)
{
    return (now > e->timestamp) ? (uint64_t) (now - e->timestamp) / 1000000
                                : 0;
}


void
ngx_http_k8s_metrics_explained_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now)
{
    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        ngx_http_k8s_metrics_out_lit(out, "pod ");
        ngx_http_k8s_metrics_page_text(out, &query->ns, 253);
        ngx_http_k8s_metrics_out_byte(out, '/');

    } else {
        ngx_http_k8s_metrics_out_lit(out, "node ");
    }

    ngx_http_k8s_metrics_page_text(out, &query->name, 253);

    ngx_http_k8s_metrics_page_cstr(out,
                         (e->why == NGX_HTTP_K8S_METRICS_WHY_FINE)
                         ? " has metrics: "
                         : (e->why == NGX_HTTP_K8S_METRICS_WHY_REFUSED
                            && query->kind == NGX_HTTP_K8S_METRICS_PODS)
                           ? " is served without containers: "
                           : " has no metrics: ");

    ngx_http_k8s_metrics_why_words(out, query, e, now);
    ngx_http_k8s_metrics_out_lit(out, ".\n");

    if (e->timestamp) {
        ngx_http_k8s_metrics_out_lit(out, "sample: ");
        ngx_http_k8s_metrics_page_age(out,
                               ngx_http_k8s_metrics_explained_age(e, now));
        ngx_http_k8s_metrics_out_lit(out, " old, over a window of ");
        ngx_http_k8s_metrics_page_age(out, (uint64_t) e->window / 1000000);

        if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
            ngx_http_k8s_metrics_out_lit(out, ", containers with a rate: ");
            ngx_http_k8s_metrics_out_uint(out, e->points);
            ngx_http_k8s_metrics_out_lit(out, " of ");
            ngx_http_k8s_metrics_out_uint(out, e->containers);
        }

        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    if (e->has_node) {
        ngx_http_k8s_metrics_node_text(out, &e->node, query->now);
    }
}


void
ngx_http_k8s_metrics_explained_json(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now)
{
    u_char                       buf[1024];
    ngx_str_t                    words;
    ngx_http_k8s_metrics_out_t   text;
    ngx_http_k8s_metrics_json_t  w;

    ngx_http_k8s_metrics_out_fixed(&text, buf, sizeof(buf));
    ngx_http_k8s_metrics_why_words(&text, query, e, now);

    words.data = buf;
    words.len = ngx_http_k8s_metrics_out_len(&text);

    ngx_http_k8s_metrics_json_init(&w, out, 1);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");

    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        ngx_http_k8s_metrics_json_lit(&w, "pod");
        ngx_http_k8s_metrics_json_member(&w, "namespace", &query->ns);

    } else {
        ngx_http_k8s_metrics_json_lit(&w, "node");
    }

    ngx_http_k8s_metrics_json_member(&w, "name", &query->name);
    ngx_http_k8s_metrics_json_key(&w, "served");
    ngx_http_k8s_metrics_json_bool(&w,
                    e->why == NGX_HTTP_K8S_METRICS_WHY_FINE
                    || (e->why == NGX_HTTP_K8S_METRICS_WHY_REFUSED
                        && query->kind == NGX_HTTP_K8S_METRICS_PODS));
    ngx_http_k8s_metrics_json_key(&w, "reason");
    ngx_http_k8s_metrics_json_cstr(&w, ngx_http_k8s_metrics_why_name(e->why));
    ngx_http_k8s_metrics_json_member(&w, "message", &words);

    if (e->timestamp) {
        ngx_http_k8s_metrics_json_key(&w, "sampleAgeSeconds");
        ngx_http_k8s_metrics_json_seconds(&w,
                               ngx_http_k8s_metrics_explained_age(e, now));
        ngx_http_k8s_metrics_json_key(&w, "windowSeconds");
        ngx_http_k8s_metrics_json_seconds(&w, (uint64_t) e->window / 1000000);
    }

    if (e->has_node) {
        ngx_http_k8s_metrics_json_key(&w, "node");
        ngx_http_k8s_metrics_node_json(&w, &e->node, query->now);
    }

    ngx_http_k8s_metrics_json_object_end(&w);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}
