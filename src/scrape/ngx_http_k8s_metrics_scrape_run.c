
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SCRAPE_OK       200

/*
 * What one node may send and have kept, whatever it is.  The largest real
 * ones run 500 pods (110 is the default): that leaves ten containers for each,
 * of 200 bytes of labels, where 100 are usual.
 */
#define NGX_HTTP_K8S_METRICS_MAX_BODY        (16 * 1024 * 1024)
#define NGX_HTTP_K8S_METRICS_MAX_CONTAINERS  5000
#define NGX_HTTP_K8S_METRICS_MAX_NAMES       (1024 * 1024)

/* the longest reason, with its end */
#define NGX_HTTP_K8S_METRICS_REASON          160


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
static const char *ngx_http_k8s_metrics_scrape_status(ngx_uint_t status,
    char *buf);
static const char *ngx_http_k8s_metrics_scrape_unusable(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    char *buf);
static u_char *ngx_http_k8s_metrics_scrape_type(u_char *p, ngx_str_t *type);
static void ngx_http_k8s_metrics_scrape_limited(
    ngx_http_k8s_metrics_kubelet_t *k);
static void ngx_http_k8s_metrics_scrape_failed(
    ngx_http_k8s_metrics_kubelet_t *k, const char *reason);
static ngx_uint_t ngx_http_k8s_metrics_scrape_may_log(
    ngx_http_k8s_metrics_scraper_t *s, ngx_msec_t *logged);


/* the store logs it, once for all nodes */
static const char  ngx_http_k8s_metrics_zone_full[] = "the zone is full";


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


static const char *
ngx_http_k8s_metrics_scrape_status(ngx_uint_t status, char *buf)
{
    u_char      *last;
    const char  *what;

    switch (status) {

    case 401:
        return "401 Unauthorized: the kubelet does not take our token (is its "
               "webhook authentication on?)";

    case 403:
        return "403 Forbidden: the ClusterRole lacks nodes/metrics";

    case 404:
        return "404 Not Found: no metrics at that path";

    default:
        break;
    }

    what = (status >= 500) ? "a server error"
           : (status >= 300 && status < 400)
             ? "a redirect, which is not followed" : "a status other than 200";

    last = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                        "%ui, %s", status, what);
    *last = '\0';

    return buf;
}


/* What was sent instead, without a byte of it. */

static const char *
ngx_http_k8s_metrics_scrape_unusable(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res, char *buf)
{
    u_char      *p, first;
    const char  *what;

    first = k->parser->first;

    what = (first == '\0') ? "it is empty"
           : (first == '<') ? "it looks like HTML"
           : (first == '{' || first == '[') ? "it looks like JSON"
           : (first >= 0x7f) ? "it is no text" : "it is some other text";

    p = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                     "the answer has no usable series: %uz bytes, ",
                     k->parser->received);

    p = ngx_http_k8s_metrics_scrape_type(p, &res->content_type);

    p = ngx_snprintf(p, (u_char *) buf + NGX_HTTP_K8S_METRICS_REASON - 1 - p,
                     ", %s", what);
    *p = '\0';

    return buf;
}


/* A Content-Type is another's text: what no media type has ends it. */

static u_char *
ngx_http_k8s_metrics_scrape_type(u_char *p, ngx_str_t *type)
{
    u_char   c;
    size_t   i, len;

    len = ngx_min(type->len, 64);

    if (len == 0) {
        return ngx_cpymem(p, "no Content-Type",
                          sizeof("no Content-Type") - 1);
    }

    p = ngx_cpymem(p, "Content-Type ", sizeof("Content-Type ") - 1);

    for (i = 0; i < len; i++) {
        c = type->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-'
              || c == '+'))
        {
            break;
        }

        *p++ = c;
    }

    return p;
}


static void
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


static void
ngx_http_k8s_metrics_scrape_failed(ngx_http_k8s_metrics_kubelet_t *k,
    const char *reason)
{
    ngx_str_t                        text;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    k->failures++;

    text.data = (u_char *) reason;
    text.len = ngx_strlen(reason);

    ngx_http_k8s_metrics_store_scrape_failed(s->store, k->ref, &text);

    if (reason == ngx_http_k8s_metrics_zone_full
        || !ngx_http_k8s_metrics_scrape_may_log(s, &k->logged))
    {
        k->silent++;
        return;
    }

    ngx_log_error(NGX_LOG_ERR, s->log, 0,
                  "k8s_metrics: node \"%V\" (%V port %d, %V) was not scraped: "
                  "%s, failures in a row: %ui",
                  &k->sn.str, &k->address, (int) k->port, &k->path, reason,
                  k->failures);

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
