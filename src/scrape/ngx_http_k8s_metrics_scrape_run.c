
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SCRAPE_OK       200


static ngx_int_t ngx_http_k8s_metrics_scrape_parser(
    ngx_http_k8s_metrics_kubelet_t *k);
static ngx_int_t ngx_http_k8s_metrics_scrape_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_scrape_body(void *data, u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_scrape_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);
static const char *ngx_http_k8s_metrics_scrape_result(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    char *buf);


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
    struct timeval                      tv;
    ngx_http_k8s_metrics_scraper_t     *s;
    ngx_http_k8s_metrics_fetch_conf_t   fc;

    s = k->scraper;

    /* another worker's by now: the next tick gives it up */

    if (!ngx_http_k8s_metrics_store_owns(s->store, k->hash)) {
        return;
    }

    k->started = ngx_current_msec;
    k->rounds++;

    ngx_http_k8s_metrics_store_scrape_started(s->store, k->started);

    if (k->peer == NULL) {
        ngx_http_k8s_metrics_scrape_failed(k, k->unusable);
        return;
    }

    if (ngx_http_k8s_metrics_scrape_parser(k) != NGX_OK) {
        ngx_http_k8s_metrics_scrape_failed(k, "no memory");
        return;
    }

    k->parser->received = 0;
    k->parser->first = '\0';

    ngx_gettimeofday(&tv);

    ngx_http_k8s_metrics_exposition_start(&k->parser->exposition,
                                          (int64_t) tv.tv_sec * 1000000000
                                          + (int64_t) tv.tv_usec * 1000);

    ngx_memzero(&fc, sizeof(ngx_http_k8s_metrics_fetch_conf_t));

    ngx_str_set(&fc.method, "GET");
    ngx_str_set(&fc.headers, "Accept: */*\r\n"
                             "User-Agent: ngx_http_k8s_metrics\r\n");

    fc.uri = k->path;
    fc.connect_timeout = s->conf->request_timeout;
    fc.read_timeout = s->conf->request_timeout;
    fc.deadline = s->conf->request_timeout;
    fc.max_body = NGX_HTTP_K8S_METRICS_MAX_BODY;
    fc.handlers = &ngx_http_k8s_metrics_scrape_handlers;
    fc.data = k;

    if (!s->conf->completely_insecure) {
        fc.token = ngx_http_k8s_metrics_kube_token(s->client);
    }

    k->fetch = ngx_http_k8s_metrics_fetch_start(k->peer, &fc, s->log);

    if (k->fetch == NULL) {
        ngx_http_k8s_metrics_scrape_release(k);
        ngx_http_k8s_metrics_scrape_failed(k, "no request could be started");
    }
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
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_parser(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_parser_t   *parser;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

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

    return ngx_http_k8s_metrics_exposition_feed(&parser->exposition, p, len);
}


static void
ngx_http_k8s_metrics_scrape_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    char         buf[NGX_HTTP_K8S_METRICS_REASON];
    const char  *reason;

    if (res->status && res->status != NGX_HTTP_K8S_METRICS_SCRAPE_OK) {
        reason = ngx_http_k8s_metrics_scrape_status(res->status, buf);

    } else if (rc != NGX_OK) {
        reason = res->error;

    } else {
        reason = ngx_http_k8s_metrics_scrape_result(k, res, buf);
    }

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

    if (ngx_http_k8s_metrics_exposition_end(e) != NGX_OK) {
        return "no memory";
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
