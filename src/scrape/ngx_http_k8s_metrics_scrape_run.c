
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SCRAPE_OK       200
#define NGX_HTTP_K8S_METRICS_SCRAPE_ABSENT   404


static void ngx_http_k8s_metrics_scrape_ask(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source);
static void ngx_http_k8s_metrics_scrape_direct(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_fetch_conf_t *fc);
static ngx_int_t ngx_http_k8s_metrics_scrape_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_scrape_body(void *data, u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_scrape_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);
static void ngx_http_k8s_metrics_scrape_lost(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result, const char *reason);
static void ngx_http_k8s_metrics_scrape_good(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_scrape_t *scrape);
static const char *ngx_http_k8s_metrics_scrape_result(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    ngx_http_k8s_metrics_scrape_t *scrape, char *buf,
    ngx_http_k8s_metrics_result_e *result);
static const char *ngx_http_k8s_metrics_scrape_store(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_result_e *result);
static int64_t ngx_http_k8s_metrics_scrape_stamp(
    const ngx_http_k8s_metrics_scrape_t *scrape);


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
    /* another worker's by now: the next tick gives it up */

    if (!ngx_http_k8s_metrics_store_owns(k->scraper->store, k->hash)) {
        return;
    }

    if (k->scraper->conf->node_proxy) {
        ngx_http_k8s_metrics_proxy_enter(k);
        return;
    }

    ngx_http_k8s_metrics_kubelet_starts(k);
    ngx_http_k8s_metrics_scrape_start(k);
}


void
ngx_http_k8s_metrics_scrape_start(ngx_http_k8s_metrics_kubelet_t *k)
{
    struct timeval  tv;

    ngx_gettimeofday(&tv);

    k->started = ngx_current_msec;
    k->wall = (int64_t) tv.tv_sec * 1000 + tv.tv_usec / 1000;
    k->asked = 0;

    ngx_http_k8s_metrics_scrape_begins(k);
    ngx_http_k8s_metrics_store_scrape_started(k->scraper->store, k->started);

    if (k->scraper->conf->node_proxy
        || ngx_http_k8s_metrics_kubelet_locate(k) == NGX_OK)
    {
        ngx_http_k8s_metrics_scrape_begin(k);
    }
}


void
ngx_http_k8s_metrics_scrape_begin(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->peer == NULL && !k->scraper->conf->node_proxy) {
        ngx_http_k8s_metrics_scrape_lost(k,
                                       NGX_HTTP_K8S_METRICS_RESULT_NO_ADDRESS,
                                       k->unusable);
        return;
    }

    ngx_http_k8s_metrics_scrape_ask(k, ngx_http_k8s_metrics_scrape_usual(k));
}


static void
ngx_http_k8s_metrics_scrape_ask(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source)
{
    ngx_msec_t                          spent;
    const char                         *reason;
    struct timeval                      tv;
    ngx_http_k8s_metrics_scraper_t     *s;
    ngx_http_k8s_metrics_fetch_conf_t   fc;

    s = k->scraper;

    ngx_http_k8s_metrics_scrape_source(k, source);

    if (ngx_http_k8s_metrics_scrape_parser(k) != NGX_OK) {
        ngx_http_k8s_metrics_scrape_lost(k,
                                       NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY,
                                       "no memory");
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

    /* what was spent on a name, and on other answers, counts */

    spent = ngx_min(ngx_current_msec - k->started,
                    s->conf->request_timeout - 1);

    fc.deadline = s->conf->request_timeout - spent;
    fc.read_timeout = fc.deadline;
    fc.connect_timeout = fc.deadline;
    fc.max_body = NGX_HTTP_K8S_METRICS_MAX_BODY;
    fc.handlers = &ngx_http_k8s_metrics_scrape_handlers;
    fc.data = k;

    if (s->conf->node_proxy) {
        ngx_str_set(&fc.headers, "Accept: */*\r\n");

        k->fetch = ngx_http_k8s_metrics_proxy_fetch(k, &fc, &reason);

    } else {
        ngx_http_k8s_metrics_scrape_direct(k, &fc);
        reason = "no request could be started";
    }

    if (k->fetch == NULL) {
        ngx_http_k8s_metrics_scrape_lost(k,
                                       NGX_HTTP_K8S_METRICS_RESULT_INTERNAL,
                                       reason);
    }
}


static void
ngx_http_k8s_metrics_scrape_direct(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_fetch_conf_t *fc)
{
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    ngx_str_set(&fc->headers, "Accept: */*\r\n"
                              "User-Agent: ngx_http_k8s_metrics\r\n");

    fc->connect_timeout = ngx_http_k8s_metrics_kubelet_patience(k,
                                                                fc->deadline);

    if (!s->conf->completely_insecure) {
        fc->token = ngx_http_k8s_metrics_kube_token(s->client);
    }

    k->fetch = ngx_http_k8s_metrics_fetch_start(k->peer, fc, s->log);
}


void
ngx_http_k8s_metrics_scrape_release(ngx_http_k8s_metrics_kubelet_t *k)
{
    k->fetch = NULL;

    ngx_http_k8s_metrics_scrape_unparser(k);
    ngx_http_k8s_metrics_proxy_leave(k);
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

    char                             buf[NGX_HTTP_K8S_METRICS_REASON];
    ngx_uint_t                       source;
    const char                      *reason;
    ngx_http_k8s_metrics_scrape_t    scrape;
    ngx_http_k8s_metrics_result_e    result;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    ngx_memzero(&scrape, sizeof(ngx_http_k8s_metrics_scrape_t));

    result = ngx_http_k8s_metrics_scrape_code(res);

    if (res->status == NGX_HTTP_K8S_METRICS_SCRAPE_ABSENT
        && !ngx_http_k8s_metrics_scrape_own(k, res)
        && ngx_http_k8s_metrics_scrape_other(k, &source) == NGX_OK)
    {
        k->fetch = NULL;
        ngx_http_k8s_metrics_scrape_ask(k, source);
        return;
    }

    if (res->status == NGX_HTTP_K8S_METRICS_SCRAPE_OK) {
        ngx_http_k8s_metrics_scrape_present(k);
    }

    if (res->status && res->status != NGX_HTTP_K8S_METRICS_SCRAPE_OK) {
        reason = ngx_http_k8s_metrics_scrape_status(k, res, buf);

    } else if (rc != NGX_OK) {

        if (!s->conf->node_proxy
            && ngx_http_k8s_metrics_kubelet_elsewhere(k, res) == NGX_OK)
        {
            return;
        }

        reason = ngx_http_k8s_metrics_scrape_unanswered(res, buf);

    } else {
        reason = ngx_http_k8s_metrics_scrape_result(k, res, &scrape, buf,
                                                    &result);
    }

    ngx_http_k8s_metrics_scrape_connected(k, res);

    if (reason) {
        ngx_http_k8s_metrics_scrape_lost(k, result, reason);

    } else {
        ngx_http_k8s_metrics_scrape_good(k, &scrape);
    }

    ngx_http_k8s_metrics_proxy_next(s);
}


static void
ngx_http_k8s_metrics_scrape_lost(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result, const char *reason)
{
    ngx_http_k8s_metrics_scrape_release(k);
    ngx_http_k8s_metrics_scrape_failed(k, result, reason);
}


static void
ngx_http_k8s_metrics_scrape_good(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_scrape_t *scrape)
{
    int64_t  stamp;

    ngx_http_k8s_metrics_scrape_counted(k, NGX_HTTP_K8S_METRICS_RESULT_OK);

    /* a node that fails now and then has its line a minute, no more */

    if (k->failures > k->silent) {
        ngx_log_error(NGX_LOG_NOTICE, k->scraper->log, 0,
                      "k8s_metrics: node \"%V\" is scraped again after %ui "
                      "failures", &k->sn.str, k->failures);
    }

    k->failures = 0;
    k->silent = 0;

    /* of the parser's memory */

    stamp = ngx_http_k8s_metrics_scrape_stamp(scrape);

    ngx_http_k8s_metrics_scrape_release(k);
    ngx_http_k8s_metrics_kubelet_stored(k, scrape, stamp);
}


/* NULL, or why this body is a failed scrape. */

static const char *
ngx_http_k8s_metrics_scrape_result(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res,
    ngx_http_k8s_metrics_scrape_t *scrape, char *buf,
    ngx_http_k8s_metrics_result_e *result)
{
    ngx_int_t                           rc;
    ngx_http_k8s_metrics_exposition_t  *e;

    e = &k->parser->exposition;

    rc = k->source->end(k->parser);

    if (rc == NGX_ERROR) {
        *result = NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY;
        return "no memory";
    }

    ngx_http_k8s_metrics_scrape_dropped(k);

    if (rc == NGX_DECLINED) {
        *result = NGX_HTTP_K8S_METRICS_RESULT_NO_SERIES;
        return ngx_http_k8s_metrics_scrape_unusable(k, res, buf);
    }

    if (e->scrape_error) {
        *result = NGX_HTTP_K8S_METRICS_RESULT_SCRAPE_ERROR;
        return "the kubelet says that it could not collect (scrape_error 1)";
    }

    if (!e->has_node && e->npods == 0) {
        *result = NGX_HTTP_K8S_METRICS_RESULT_NO_SERIES;
        return ngx_http_k8s_metrics_scrape_unusable(k, res, buf);
    }

    if (e->dropped.limit) {
        ngx_http_k8s_metrics_scrape_limited(k);
    }

    return ngx_http_k8s_metrics_scrape_store(k, scrape, result);
}


/* The same of what the store says. */

static const char *
ngx_http_k8s_metrics_scrape_store(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_result_e *result)
{
    ngx_int_t                           rc;
    ngx_http_k8s_metrics_request_t      request;
    ngx_http_k8s_metrics_scraper_t     *s;
    ngx_http_k8s_metrics_exposition_t  *e;

    s = k->scraper;
    e = &k->parser->exposition;

    scrape->node = k->ref;
    scrape->scraped = k->started;
    scrape->has_node = e->has_node;
    scrape->usage = e->node;
    scrape->npods = e->npods + e->nincomplete;
    scrape->pods = e->pods;
    scrape->early = k->early;
    scrape->close = k->close;
    scrape->window = (int64_t) NGX_HTTP_K8S_METRICS_MIN_WINDOW * 1000000;

    scrape->missing = e->node_missing;
    scrape->request = &request;

    ngx_http_k8s_metrics_scrape_request(k, NGX_HTTP_K8S_METRICS_RESULT_OK,
                                        &request);

    rc = ngx_http_k8s_metrics_store_scraped(s->store, scrape,
                                            (int64_t) s->conf->resolution
                                            * 1000000);
    scrape->request = NULL;

    switch (rc) {

    case NGX_ABORT:
        *result = NGX_HTTP_K8S_METRICS_RESULT_ZONE_FULL;
        return ngx_http_k8s_metrics_zone_full;

    case NGX_BUSY:
        *result = NGX_HTTP_K8S_METRICS_RESULT_ZONE_FULL;
        return ngx_http_k8s_metrics_zone_share;

    case NGX_ERROR:
        *result = NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY;
        return "no memory";

    default:
        return NULL;
    }
}


/*
 * The time of a node's samples, where it is one for most of them: a kubelet
 * that takes each container's at a time of its own has no better moment.
 */

static int64_t
ngx_http_k8s_metrics_scrape_stamp(const ngx_http_k8s_metrics_scrape_t *scrape)
{
    int64_t                              stamp, t;
    ngx_uint_t                           i, j, n, near;
    ngx_http_k8s_metrics_pod_points_t   *pod;

    stamp = scrape->has_node ? scrape->usage.timestamp : 0;
    n = 0;
    near = 0;

    for (i = 0; i < scrape->npods; i++) {
        pod = &scrape->pods[i];

        for (j = 0; j < pod->ncontainers; j++) {
            t = pod->containers[j].timestamp;

            if (stamp == 0) {
                stamp = t;
            }

            n++;
            near += (t > stamp - 1000000000 && t < stamp + 1000000000);
        }
    }

    return (2 * near >= n) ? stamp : 0;
}
