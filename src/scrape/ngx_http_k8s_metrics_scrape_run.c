
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SCRAPE_OK       200
#define NGX_HTTP_K8S_METRICS_SCRAPE_ABSENT   404

/* then /metrics/resource is tried again: the kubelet may be a newer one */
#define NGX_HTTP_K8S_METRICS_SCRAPE_AGAIN    600000


static void ngx_http_k8s_metrics_scrape_ask(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source, ngx_msec_t limit);
static ngx_uint_t ngx_http_k8s_metrics_scrape_other(
    ngx_http_k8s_metrics_kubelet_t *k);
static ngx_int_t ngx_http_k8s_metrics_scrape_parser(
    ngx_http_k8s_metrics_kubelet_t *k);
static ngx_int_t ngx_http_k8s_metrics_scrape_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_scrape_body(void *data, u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_scrape_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);
static void ngx_http_k8s_metrics_scrape_ended(
    ngx_http_k8s_metrics_kubelet_t *k, const char *reason);
static const char *ngx_http_k8s_metrics_scrape_result(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    char *buf);

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


#define NGX_HTTP_K8S_METRICS_RESOURCE  0
#define NGX_HTTP_K8S_METRICS_STATS     1

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


static const ngx_http_k8s_metrics_fetch_handlers_t
    ngx_http_k8s_metrics_scrape_handlers =
{
    ngx_http_k8s_metrics_scrape_header,
    ngx_http_k8s_metrics_scrape_body,
    ngx_http_k8s_metrics_scrape_done
};


void
ngx_http_k8s_metrics_scrape_run(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->scraper->conf->node_proxy) {
        ngx_http_k8s_metrics_proxy_enter(k);

    } else {
        ngx_http_k8s_metrics_scrape_begin(k);
    }
}


void
ngx_http_k8s_metrics_scrape_begin(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    k->started = ngx_current_msec;
    k->rounds++;
    k->asked = 0;

    ngx_http_k8s_metrics_store_scrape_started(s->store, k->started);

    if (k->peer == NULL && !s->conf->node_proxy) {
        ngx_http_k8s_metrics_scrape_ended(k, k->unusable);
        return;
    }

    if (k->absent && s->conf->stats_summary
        && ngx_current_msec - k->absent < NGX_HTTP_K8S_METRICS_SCRAPE_AGAIN)
    {
        ngx_http_k8s_metrics_scrape_ask(k, NGX_HTTP_K8S_METRICS_STATS,
                                        s->conf->request_timeout);
        return;
    }

    ngx_http_k8s_metrics_scrape_ask(k, NGX_HTTP_K8S_METRICS_RESOURCE,
                                    s->conf->request_timeout);
}


/* Asks for one of the two; "limit" is what is left of the time, ms. */

static void
ngx_http_k8s_metrics_scrape_ask(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source, ngx_msec_t limit)
{
    const char                         *reason;
    struct timeval                      tv;
    ngx_http_k8s_metrics_scraper_t     *s;
    ngx_http_k8s_metrics_fetch_conf_t   fc;

    s = k->scraper;

    k->source = &ngx_http_k8s_metrics_scrape_sources[source];
    k->asked |= 1 << source;

    if (ngx_http_k8s_metrics_scrape_parser(k) != NGX_OK) {
        ngx_http_k8s_metrics_scrape_ended(k, "no memory");
        return;
    }

    k->parser->received = 0;
    k->parser->first = '\0';

    ngx_gettimeofday(&tv);

    k->source->start(k->parser, (int64_t) tv.tv_sec * 1000000000
                                + (int64_t) tv.tv_usec * 1000);

    ngx_memzero(&fc, sizeof(ngx_http_k8s_metrics_fetch_conf_t));

    ngx_str_set(&fc.method, "GET");

    fc.uri = k->source->path.len ? k->source->path : k->path;
    fc.connect_timeout = limit;
    fc.read_timeout = limit;
    fc.deadline = limit;
    fc.max_body = NGX_HTTP_K8S_METRICS_MAX_BODY;
    fc.handlers = &ngx_http_k8s_metrics_scrape_handlers;
    fc.data = k;

    if (s->conf->node_proxy) {
        ngx_str_set(&fc.headers, "Accept: */*\r\n");

        k->fetch = ngx_http_k8s_metrics_proxy_fetch(k, &fc, &reason);

    } else {
        ngx_str_set(&fc.headers, "Accept: */*\r\n"
                                 "User-Agent: ngx_http_k8s_metrics\r\n");

        if (!s->conf->completely_insecure) {
            fc.token = ngx_http_k8s_metrics_kube_token(s->client);
        }

        k->fetch = ngx_http_k8s_metrics_fetch_start(k->peer, &fc, s->log);
        reason = "no request could be started";
    }

    if (k->fetch == NULL) {
        ngx_http_k8s_metrics_scrape_ended(k, reason);
    }
}


/*
 * One of the two is not there: asks for the other, once in a scrape, and
 * remembers.  1 when it did.
 */

static ngx_uint_t
ngx_http_k8s_metrics_scrape_other(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_msec_t                           passed;
    ngx_uint_t                           other;
    ngx_http_k8s_metrics_scrape_conf_t  *conf;

    conf = k->scraper->conf;
    passed = ngx_current_msec - k->started;

    other = (k->asked & (1 << NGX_HTTP_K8S_METRICS_STATS))
            ? NGX_HTTP_K8S_METRICS_RESOURCE : NGX_HTTP_K8S_METRICS_STATS;

    if (!conf->stats_summary || (k->asked & (1 << other))
        || passed >= conf->request_timeout)
    {
        k->absent = 0;
        return 0;
    }

    if (other == NGX_HTTP_K8S_METRICS_RESOURCE) {
        k->absent = 0;

    } else {
        if (k->absent == 0) {
            ngx_log_error(NGX_LOG_INFO, k->scraper->log, 0,
                          "k8s_metrics: node \"%V\" has nothing at \"%V\", "
                          "its /stats/summary is asked for", &k->sn.str,
                          &k->path);
        }

        k->absent = ngx_max(ngx_current_msec, 1);
    }

    k->fetch = NULL;

    ngx_http_k8s_metrics_scrape_ask(k, other, conf->request_timeout - passed);

    return 1;
}


void
ngx_http_k8s_metrics_scrape_release(ngx_http_k8s_metrics_kubelet_t *k)
{
    k->fetch = NULL;

    if (k->parser) {
        k->parser->next = k->scraper->parsers;
        k->scraper->parsers = k->parser;
        k->parser = NULL;
    }

    ngx_http_k8s_metrics_proxy_leave(k);
}


void
ngx_http_k8s_metrics_scrape_free(ngx_http_k8s_metrics_parser_t *parser)
{
    ngx_http_k8s_metrics_summary_destroy(&parser->summary);
    ngx_http_k8s_metrics_exposition_destroy(&parser->exposition);
    ngx_free(parser);
}


static ngx_int_t
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


static ngx_int_t
ngx_http_k8s_metrics_scrape_header(void *data,
    ngx_http_k8s_metrics_response_t *res)
{
    return (res->status == NGX_HTTP_K8S_METRICS_SCRAPE_OK) ? NGX_OK
                                                           : NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_body(void *data, u_char *p, size_t len)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    size_t                          i;
    ngx_http_k8s_metrics_parser_t  *parser;

    parser = k->parser;
    parser->received += len;

    for (i = 0; parser->first == '\0' && i < len; i++) {
        if (p[i] > ' ') {
            parser->first = p[i];
        }
    }

    return k->source->feed(parser, p, len);
}


static void
ngx_http_k8s_metrics_scrape_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    char         buf[NGX_HTTP_K8S_METRICS_REASON];
    const char  *reason;

    if (res->status == NGX_HTTP_K8S_METRICS_SCRAPE_ABSENT
        && !ngx_http_k8s_metrics_scrape_own(k, res)
        && ngx_http_k8s_metrics_scrape_other(k))
    {
        return;
    }

    if (res->status == NGX_HTTP_K8S_METRICS_SCRAPE_OK
        && (k->asked & (1 << NGX_HTTP_K8S_METRICS_STATS)) == 0)
    {
        k->absent = 0;
    }

    if (res->status && res->status != NGX_HTTP_K8S_METRICS_SCRAPE_OK) {
        reason = ngx_http_k8s_metrics_scrape_status(k, res, buf);

    } else if (rc != NGX_OK) {
        reason = res->error;

    } else {
        reason = ngx_http_k8s_metrics_scrape_result(k, res, buf);
    }

    ngx_http_k8s_metrics_scrape_ended(k, reason);
    ngx_http_k8s_metrics_proxy_next(k->scraper);
}


/* "reason" is NULL when it was good. */

static void
ngx_http_k8s_metrics_scrape_ended(ngx_http_k8s_metrics_kubelet_t *k,
    const char *reason)
{
    ngx_http_k8s_metrics_scrape_release(k);

    if (reason) {
        ngx_http_k8s_metrics_scrape_failed(k, reason);
        return;
    }

    if (k->failures) {
        ngx_log_error(NGX_LOG_NOTICE, k->scraper->log, 0,
                      "k8s_metrics: node \"%V\" is scraped again after %ui "
                      "failures", &k->sn.str, k->failures);
    }

    k->failures = 0;
    k->silent = 0;
    k->logged = 0;
}


/* NULL, or why this body is a failed scrape. */

static const char *
ngx_http_k8s_metrics_scrape_result(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res, char *buf)
{
    ngx_int_t                          rc;
    ngx_http_k8s_metrics_scrape_t      scrape;
    ngx_http_k8s_metrics_scraper_t    *s;
    ngx_http_k8s_metrics_exposition_t *e;

    s = k->scraper;
    e = &k->parser->exposition;

    rc = k->source->end(k->parser);

    if (rc == NGX_ERROR) {
        return "no memory";
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_k8s_metrics_scrape_unusable(k, res, buf);
    }

    if (e->scrape_error) {
        return "the kubelet says that it could not collect (scrape_error 1)";
    }

    if (!e->has_node && e->npods == 0) {
        return ngx_http_k8s_metrics_scrape_unusable(k, res, buf);
    }

    if (e->dropped.limit) {
        ngx_http_k8s_metrics_scrape_limited(k);
    }

    ngx_memzero(&scrape, sizeof(ngx_http_k8s_metrics_scrape_t));

    scrape.node = k->ref;
    scrape.scraped = k->started;
    scrape.has_node = e->has_node;
    scrape.usage = e->node;
    scrape.npods = e->npods;
    scrape.pods = e->pods;

    rc = ngx_http_k8s_metrics_store_scraped(s->store, &scrape,
                                            (int64_t) s->conf->resolution
                                            * 1000000);

    return (rc == NGX_ABORT) ? ngx_http_k8s_metrics_zone_full : NULL;
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
