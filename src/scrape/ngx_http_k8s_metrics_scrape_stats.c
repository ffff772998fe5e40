
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_fetch_peer.h"
#include "ngx_http_k8s_metrics_scrape_internal.h"


static uint64_t ngx_http_k8s_metrics_scrape_clock(void);


void
ngx_http_k8s_metrics_scrape_begins(ngx_http_k8s_metrics_kubelet_t *k)
{
    k->clock = ngx_http_k8s_metrics_scrape_clock();
}


/* nginx's own time stands still while events are handled. */

static uint64_t
ngx_http_k8s_metrics_scrape_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_http_k8s_metrics_scrape_request(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result,
    ngx_http_k8s_metrics_request_t *request)
{
    ngx_memzero(request, sizeof(ngx_http_k8s_metrics_request_t));

    request->result = result;
    request->duration = ngx_http_k8s_metrics_scrape_clock() - k->clock;
    request->ended = (uint64_t) ngx_time();
    request->resolution = k->scraper->conf->resolution;
    request->next = k->timer.timer_set ? k->timer.timer.key : 0;
    request->path = (k->source && k->source->path.len) ? k->source->path
                                                       : k->path;

    if (k->scraper->conf->node_proxy) {
        ngx_str_set(&request->address, "through the API server");
        return;
    }

    request->port = k->port;

    if (k->peer) {
        request->address = k->address;
    }
}


void
ngx_http_k8s_metrics_scrape_counted(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result)
{
    ngx_http_k8s_metrics_store_count(k->scraper->store,
                              NGX_HTTP_K8S_METRICS_STAT_SCRAPES + result, 1);
}


void
ngx_http_k8s_metrics_scrape_connected(ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_response_t *res)
{
    ngx_uint_t  how;

    if (res->status == 0) {
        return;
    }

    how = res->reused ? NGX_HTTP_K8S_METRICS_STAT_KEPT
          : (k->scraper->conf->credentials.ssl == NULL)
            ? NGX_HTTP_K8S_METRICS_STAT_PLAIN
            : res->resumed ? NGX_HTTP_K8S_METRICS_STAT_RESUMED
                           : NGX_HTTP_K8S_METRICS_STAT_FULL;

    ngx_http_k8s_metrics_store_count(k->scraper->store, how, 1);
}


void
ngx_http_k8s_metrics_scrape_dropped(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_store_t               *store;
    ngx_http_k8s_metrics_exposition_dropped_t  *d;

    store = k->scraper->store;
    d = &k->parser->exposition.dropped;

    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_MALFORMED, d->malformed);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_VALUE, d->value);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_TIMESTAMP, d->timestamp);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_TOO_LONG, d->too_long);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_UNNAMED, d->unnamed);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_LIMIT, d->limit);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_INCOMPLETE, d->pods);
    ngx_http_k8s_metrics_store_count(store,
                      NGX_HTTP_K8S_METRICS_STAT_NODE, d->nodes);
}


ngx_http_k8s_metrics_result_e
ngx_http_k8s_metrics_scrape_code(const ngx_http_k8s_metrics_response_t *res)
{
    switch (res->status) {

    case 0:
    case 200:
        break;

    case 401:
        return NGX_HTTP_K8S_METRICS_RESULT_UNAUTHORIZED;

    case 403:
        return NGX_HTTP_K8S_METRICS_RESULT_FORBIDDEN;

    case 404:
        return NGX_HTTP_K8S_METRICS_RESULT_NOT_FOUND;

    default:
        return NGX_HTTP_K8S_METRICS_RESULT_STATUS;
    }

    switch (res->failure) {

    case NGX_HTTP_K8S_METRICS_FETCH_OK:
        return NGX_HTTP_K8S_METRICS_RESULT_OK;

    case NGX_HTTP_K8S_METRICS_FETCH_CONNECT:
        return NGX_HTTP_K8S_METRICS_RESULT_CONNECT;

    case NGX_HTTP_K8S_METRICS_FETCH_TLS:
        return NGX_HTTP_K8S_METRICS_RESULT_TLS;

    case NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT:
        return NGX_HTTP_K8S_METRICS_RESULT_TIMEOUT;

    case NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL:
        return NGX_HTTP_K8S_METRICS_RESULT_PROTOCOL;

    case NGX_HTTP_K8S_METRICS_FETCH_TOO_LARGE:
        return NGX_HTTP_K8S_METRICS_RESULT_TOO_LARGE;

    case NGX_HTTP_K8S_METRICS_FETCH_REFUSED:
        return NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY;

    default:
        return NGX_HTTP_K8S_METRICS_RESULT_INTERNAL;
    }
}


void
ngx_http_k8s_metrics_scraper_figures(ngx_http_k8s_metrics_scraper_t *s,
    ngx_uint_t *nodes, ngx_uint_t *connections)
{
    ngx_queue_t                     *q;
    ngx_http_k8s_metrics_kubelet_t  *k;

    *nodes = s->nnodes;
    *connections = 0;

    for (q = ngx_queue_head(&s->nodes);
         q != ngx_queue_sentinel(&s->nodes);
         q = ngx_queue_next(q))
    {
        k = ngx_queue_data(q, ngx_http_k8s_metrics_kubelet_t, queue);

        if (k->peer) {
            *connections += ngx_http_k8s_metrics_peer_kept(k->peer);
        }
    }
}
