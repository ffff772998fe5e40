
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_LOG_INTERVAL    60000
#define NGX_HTTP_K8S_METRICS_LOG_LINES       100


static ngx_uint_t ngx_http_k8s_metrics_scrape_may_log(
    ngx_http_k8s_metrics_scraper_t *s, ngx_msec_t *logged);


const char  ngx_http_k8s_metrics_zone_full[] = "the zone is full";
const char  ngx_http_k8s_metrics_zone_share[] =
    "its samples need more than one node's share of the zone";


void
ngx_http_k8s_metrics_scrape_limited(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (!ngx_http_k8s_metrics_scrape_may_log(k->scraper, &k->limited)) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, k->scraper->log, 0,
                  "k8s_metrics: node \"%V\" has more than %ui containers, %ui "
                  "bytes of their names, or too many of one pod: %ui lines of "
                  "its metrics and %ui of its pods were left out",
                  &k->sn.str,
                  (ngx_uint_t) NGX_HTTP_K8S_METRICS_MAX_CONTAINERS,
                  (ngx_uint_t) NGX_HTTP_K8S_METRICS_MAX_NAMES,
                  k->parser->exposition.dropped.limit,
                  k->parser->exposition.dropped.pods);
}


void
ngx_http_k8s_metrics_scrape_failed(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result, const char *reason)
{
    u_char                           buf[NGX_HTTP_K8S_METRICS_WHERE];
    ngx_str_t                        text, where;
    ngx_uint_t                       level;
    ngx_http_k8s_metrics_request_t   request;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    k->failures++;

    text.data = (u_char *) reason;
    text.len = ngx_strlen(reason);

    ngx_http_k8s_metrics_scrape_counted(k, result);
    ngx_http_k8s_metrics_scrape_request(k, result, &request);

    ngx_http_k8s_metrics_store_scrape_failed(s->store, k->ref, &request,
                                             &text);

    if (reason == ngx_http_k8s_metrics_zone_full
        || reason == ngx_http_k8s_metrics_zone_share
        || !ngx_http_k8s_metrics_scrape_may_log(s, &k->logged))
    {
        k->silent++;
        return;
    }

    where = ngx_http_k8s_metrics_scrape_where(k, buf);

    /* of one that is not ready nothing else is expected */

    level = k->ready ? NGX_LOG_ERR : NGX_LOG_INFO;

    ngx_log_error(level, s->log, 0,
                  "k8s_metrics: node \"%V\" (%V) was not scraped: "
                  "%s, failures in a row: %ui",
                  &k->sn.str, &where, reason, k->failures);

    k->silent = 0;
}


/* Once a minute for a node, and so many lines a minute for all of them. */

static ngx_uint_t
ngx_http_k8s_metrics_scrape_may_log(ngx_http_k8s_metrics_scraper_t *s,
    ngx_msec_t *logged)
{
    if (*logged
        && ngx_current_msec - *logged < NGX_HTTP_K8S_METRICS_LOG_INTERVAL)
    {
        return 0;
    }

    if (s->log_since == 0
        || ngx_current_msec - s->log_since >= NGX_HTTP_K8S_METRICS_LOG_INTERVAL)
    {
        if (s->log_dropped) {
            ngx_log_error(NGX_LOG_ERR, s->log, 0,
                          "k8s_metrics: %ui more lines of nodes that were not "
                          "scraped, or not in full, were left out",
                          s->log_dropped);
        }

        s->log_since = ngx_max(ngx_current_msec, 1);
        s->log_lines = 0;
        s->log_dropped = 0;
    }

    if (s->log_lines == NGX_HTTP_K8S_METRICS_LOG_LINES) {
        s->log_dropped++;
        return 0;
    }

    s->log_lines++;
    *logged = ngx_max(ngx_current_msec, 1);

    return 1;
}
