
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


/* then /metrics/resource is tried again: the kubelet may be a newer one */
#define NGX_HTTP_K8S_METRICS_SCRAPE_AGAIN  600000


static void ngx_http_k8s_metrics_resource_start(
    ngx_http_k8s_metrics_parser_t *p, int64_t time);
static ngx_int_t ngx_http_k8s_metrics_resource_feed(
    ngx_http_k8s_metrics_parser_t *p, const u_char *data, size_t len);
static ngx_int_t ngx_http_k8s_metrics_resource_end(
    ngx_http_k8s_metrics_parser_t *p);
static void ngx_http_k8s_metrics_stats_start(
    ngx_http_k8s_metrics_parser_t *p, int64_t time);
static ngx_int_t ngx_http_k8s_metrics_stats_feed(
    ngx_http_k8s_metrics_parser_t *p, const u_char *data, size_t len);
static ngx_int_t ngx_http_k8s_metrics_stats_end(
    ngx_http_k8s_metrics_parser_t *p);


static const ngx_http_k8s_metrics_source_t
    ngx_http_k8s_metrics_scrape_sources[] =
{
    { ngx_null_string, "series", "nodes/metrics",
      ngx_http_k8s_metrics_resource_start,
      ngx_http_k8s_metrics_resource_feed,
      ngx_http_k8s_metrics_resource_end },

    { ngx_string("/stats/summary?only_cpu_and_memory=true"), "samples",
      "nodes/stats",
      ngx_http_k8s_metrics_stats_start,
      ngx_http_k8s_metrics_stats_feed,
      ngx_http_k8s_metrics_stats_end }
};


void
ngx_http_k8s_metrics_scrape_source(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source)
{
    k->source = &ngx_http_k8s_metrics_scrape_sources[source];
    k->asked |= 1 << source;
}


ngx_uint_t
ngx_http_k8s_metrics_scrape_usual(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->absent && k->scraper->conf->stats_summary
        && ngx_current_msec - k->absent < NGX_HTTP_K8S_METRICS_SCRAPE_AGAIN)
    {
        return NGX_HTTP_K8S_METRICS_SOURCE_STATS;
    }

    return NGX_HTTP_K8S_METRICS_SOURCE_RESOURCE;
}


void
ngx_http_k8s_metrics_scrape_present(ngx_http_k8s_metrics_kubelet_t *k)
{
    if ((k->asked & (1 << NGX_HTTP_K8S_METRICS_SOURCE_STATS)) == 0) {
        k->absent = 0;
    }
}


ngx_int_t
ngx_http_k8s_metrics_scrape_other(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t *source)
{
    ngx_http_k8s_metrics_scrape_conf_t  *conf;

    conf = k->scraper->conf;

    *source = (k->asked & (1 << NGX_HTTP_K8S_METRICS_SOURCE_STATS))
              ? NGX_HTTP_K8S_METRICS_SOURCE_RESOURCE
              : NGX_HTTP_K8S_METRICS_SOURCE_STATS;

    if (!conf->stats_summary || (k->asked & (1 << *source))
        || ngx_current_msec - k->started >= conf->request_timeout)
    {
        k->absent = 0;
        return NGX_DECLINED;
    }

    if (*source == NGX_HTTP_K8S_METRICS_SOURCE_RESOURCE) {
        k->absent = 0;
        return NGX_OK;
    }

    if (k->absent == 0) {
        ngx_log_error(NGX_LOG_INFO, k->scraper->log, 0,
                      "k8s_metrics: node \"%V\" has nothing at \"%V\", its "
                      "/stats/summary is asked for", &k->sn.str, &k->path);
    }

    k->absent = ngx_max(ngx_current_msec, 1);

    return NGX_OK;
}


/* --- parsers ------------------------------------------------------------- */

ngx_int_t
ngx_http_k8s_metrics_scrape_parser(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_parser_t   *parser;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    if (k->parser) {
        return NGX_OK;
    }

    if (s->parsers) {
        k->parser = s->parsers;
        s->parsers = k->parser->next;

        return NGX_OK;
    }

    parser = ngx_calloc(sizeof(ngx_http_k8s_metrics_parser_t), s->log);
    if (parser == NULL) {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_exposition_init(&parser->exposition, s->log,
                                         NGX_HTTP_K8S_METRICS_MAX_CONTAINERS,
                                         NGX_HTTP_K8S_METRICS_MAX_NAMES);
    ngx_http_k8s_metrics_summary_init(&parser->summary, &parser->exposition);
    k->parser = parser;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_scrape_unparser(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->parser == NULL) {
        return;
    }

    /* what one node needed once is not kept for all of them */

    if (ngx_http_k8s_metrics_exposition_size(&k->parser->exposition)
        > NGX_HTTP_K8S_METRICS_MAX_KEPT)
    {
        ngx_http_k8s_metrics_summary_destroy(&k->parser->summary);
        ngx_http_k8s_metrics_exposition_destroy(&k->parser->exposition);
    }

    k->parser->next = k->scraper->parsers;
    k->scraper->parsers = k->parser;
    k->parser = NULL;
}


void
ngx_http_k8s_metrics_scrape_free(ngx_http_k8s_metrics_parser_t *parser)
{
    ngx_http_k8s_metrics_summary_destroy(&parser->summary);
    ngx_http_k8s_metrics_exposition_destroy(&parser->exposition);
    ngx_free(parser);
}


/* --- the two sources ---------------------------------------------------- */

static void
ngx_http_k8s_metrics_resource_start(ngx_http_k8s_metrics_parser_t *p,
    int64_t time)
{
    ngx_http_k8s_metrics_exposition_start(&p->exposition, time);
}


static ngx_int_t
ngx_http_k8s_metrics_resource_feed(ngx_http_k8s_metrics_parser_t *p,
    const u_char *data, size_t len)
{
    return ngx_http_k8s_metrics_exposition_feed(&p->exposition, data, len);
}


static ngx_int_t
ngx_http_k8s_metrics_resource_end(ngx_http_k8s_metrics_parser_t *p)
{
    return ngx_http_k8s_metrics_exposition_end(&p->exposition);
}


static void
ngx_http_k8s_metrics_stats_start(ngx_http_k8s_metrics_parser_t *p,
    int64_t time)
{
    ngx_http_k8s_metrics_summary_start(&p->summary, time);
}


static ngx_int_t
ngx_http_k8s_metrics_stats_feed(ngx_http_k8s_metrics_parser_t *p,
    const u_char *data, size_t len)
{
    return ngx_http_k8s_metrics_summary_feed(&p->summary, data, len);
}


static ngx_int_t
ngx_http_k8s_metrics_stats_end(ngx_http_k8s_metrics_parser_t *p)
{
    return ngx_http_k8s_metrics_summary_end(&p->summary);
}
