
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


static void ngx_http_k8s_metrics_words_unknown(
    ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e);
static void ngx_http_k8s_metrics_words_failed(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_debug_node_t *node);
static void ngx_http_k8s_metrics_words_one_point(
    ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now);


#define ngx_http_k8s_metrics_words_of(pod, p, n)                              \
    ngx_http_k8s_metrics_page_cstr(out, (pod) ? p : n)


const char *
ngx_http_k8s_metrics_why_name(ngx_http_k8s_metrics_why_e why)
{
    static const char *const  names[NGX_HTTP_K8S_METRICS_WHYS] = {
        "served", "not_listed", "unknown", "node_unknown", "not_scraped",
        "scrape_failed", "too_old", "not_reported", "incomplete", "one_point",
        "counter_went_back"
    };

    return (why < NGX_HTTP_K8S_METRICS_WHYS) ? names[why] : "";
}


void
ngx_http_k8s_metrics_why_words(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now)
{
    ngx_uint_t  pod;

    pod = (query->kind == NGX_HTTP_K8S_METRICS_PODS);

    switch (e->why) {

    case NGX_HTTP_K8S_METRICS_WHY_FINE:
        ngx_http_k8s_metrics_out_lit(out, "it is served");
        break;

    case NGX_HTTP_K8S_METRICS_WHY_NOT_LISTED:
        ngx_http_k8s_metrics_out_lit(out,
                     "the API server's nodes and pods have not been listed in "
                     "full yet: the error log says whether that fails");
        break;

    case NGX_HTTP_K8S_METRICS_WHY_UNKNOWN:
        ngx_http_k8s_metrics_words_unknown(out, query, e);
        break;

    case NGX_HTTP_K8S_METRICS_WHY_NO_NODE:
        ngx_http_k8s_metrics_out_lit(out, "the pod runs on node \"");
        ngx_http_k8s_metrics_page_text(out, &e->node_name, 253);
        ngx_http_k8s_metrics_out_lit(out,
                     "\", which is not known: the API server has no such node, "
                     "or k8s_metrics_node_selector leaves it out");
        break;

    case NGX_HTTP_K8S_METRICS_WHY_NOT_SCRAPED:
        ngx_http_k8s_metrics_words_of(pod, "its node has", "it has");
        ngx_http_k8s_metrics_out_lit(out, " not been scraped yet");
        break;

    case NGX_HTTP_K8S_METRICS_WHY_FAILED:
        ngx_http_k8s_metrics_words_of(pod, "its node was", "it was");
        ngx_http_k8s_metrics_out_lit(out, " not scraped");
        ngx_http_k8s_metrics_words_failed(out, query, &e->node);
        break;

    case NGX_HTTP_K8S_METRICS_WHY_TOO_OLD:
        ngx_http_k8s_metrics_out_lit(out, "the last good scrape of ");
        ngx_http_k8s_metrics_words_of(pod, "its node", "it");
        ngx_http_k8s_metrics_out_lit(out, " began ");
        ngx_http_k8s_metrics_page_age(out,
                      ngx_http_k8s_metrics_page_since(query->now,
                                                      e->node.scraped));
        ngx_http_k8s_metrics_out_lit(out, " ago, and samples are served for ");
        ngx_http_k8s_metrics_page_age(out, query->max_age);
        ngx_http_k8s_metrics_out_lit(out, " (k8s_metrics_sample_max_age)");
        ngx_http_k8s_metrics_words_failed(out, query, &e->node);
        break;

    case NGX_HTTP_K8S_METRICS_WHY_NOT_REPORTED:
        ngx_http_k8s_metrics_words_of(pod,
                     "its node was scraped, and the kubelet did not name it: "
                     "its containers have not started, or have ended",
                     "it was scraped, and its kubelet said nothing of the node "
                     "itself");
        break;

    case NGX_HTTP_K8S_METRICS_WHY_INCOMPLETE:
        ngx_http_k8s_metrics_words_of(pod,
                     "the kubelet's report of a container is incomplete, which "
                     "hides its pod: ",
                     "the kubelet's report of the node is incomplete: ");
        ngx_http_k8s_metrics_page_missing(out, e->missing);
        break;

    case NGX_HTTP_K8S_METRICS_WHY_ONE_POINT:
        ngx_http_k8s_metrics_words_one_point(out, query, e, now);
        break;

    case NGX_HTTP_K8S_METRICS_WHY_REFUSED:
        ngx_http_k8s_metrics_out_lit(out,
                     "its CPU counter or its time went back between the last "
                     "two scrapes: there is no rate until the next one");
        break;

    default:
        break;
    }
}


static void
ngx_http_k8s_metrics_words_unknown(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e)
{
    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        ngx_http_k8s_metrics_out_lit(out,
                     "the API server has no running pod of that name in that "
                     "namespace: it does not exist, or its phase is Pending, "
                     "Succeeded, Failed or Unknown");
    } else {
        ngx_http_k8s_metrics_out_lit(out,
                     "the API server has no such node, or "
                     "k8s_metrics_node_selector leaves it out");
    }

    if (e->left_out) {
        ngx_http_k8s_metrics_out_lit(out, "; or it is one of the ");
        ngx_http_k8s_metrics_out_uint(out, e->left_out);
        ngx_http_k8s_metrics_out_lit(out,
                     " that did not fit the zone: make it larger");
    }
}


/* Nothing, unless the last scrape failed. */

static void
ngx_http_k8s_metrics_words_failed(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_debug_node_t *node)
{
    if (node->failures == 0 && node->reason.len == 0) {
        return;
    }

    ngx_http_k8s_metrics_out_lit(out, "; the last attempt failed");

    if (node->failure) {
        ngx_http_k8s_metrics_out_byte(out, ' ');
        ngx_http_k8s_metrics_page_age(out,
                      ngx_http_k8s_metrics_page_since(query->now,
                                                      node->failure));
        ngx_http_k8s_metrics_out_lit(out, " ago");
    }

    ngx_http_k8s_metrics_out_lit(out, ": ");

    if (node->reason.len) {
        ngx_http_k8s_metrics_page_text(out, &node->reason, 255);

    } else {
        ngx_http_k8s_metrics_page_cstr(out,
                             ngx_http_k8s_metrics_result_name(node->result));
    }

    if (node->failures > 1) {
        ngx_http_k8s_metrics_out_lit(out, ", failures in a row: ");
        ngx_http_k8s_metrics_out_uint(out, node->failures);
    }
}


static void
ngx_http_k8s_metrics_words_one_point(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now)
{
    if (query->kind == NGX_HTTP_K8S_METRICS_PODS) {
        ngx_http_k8s_metrics_out_lit(out, "its container \"");
        ngx_http_k8s_metrics_page_text(out, &e->container, 63);
        ngx_http_k8s_metrics_out_lit(out, "\" has");

    } else {
        ngx_http_k8s_metrics_out_lit(out, "it has");
    }

    ngx_http_k8s_metrics_out_lit(out,
                     " one sample only, a rate needs two of different times; "
                     "it is ");
    ngx_http_k8s_metrics_page_age(out, (e->since > 0 && now > e->since)
                                       ? (uint64_t) (now - e->since) / 1000000
                                       : 0);
    ngx_http_k8s_metrics_out_lit(out, " old");
}
