
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


/* of the places, those for nodes whose last scrape failed: they may hang */
#define NGX_HTTP_K8S_METRICS_PROXIED_FAILING                                  \
    (NGX_HTTP_K8S_METRICS_PROXIED / 4)

#define NGX_HTTP_K8S_METRICS_PROXY_URI  2048


static ngx_http_k8s_metrics_kubelet_t *ngx_http_k8s_metrics_proxy_first(
    ngx_http_k8s_metrics_scraper_t *s);
static ngx_uint_t ngx_http_k8s_metrics_proxy_name_ok(ngx_str_t *name);


void
ngx_http_k8s_metrics_proxy_init(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_queue_init(&s->waiting);
    ngx_queue_init(&s->failing);
}


void
ngx_http_k8s_metrics_proxy_enter(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_scraper_t  *s;

    if (k->waits || k->placed) {
        return;
    }

    s = k->scraper;

    k->waits = 1;
    k->queued = ngx_current_msec;

    ngx_queue_insert_tail(k->failures ? &s->failing : &s->waiting, &k->place);

    ngx_http_k8s_metrics_proxy_next(s);
}


void
ngx_http_k8s_metrics_proxy_leave(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->waits) {
        ngx_queue_remove(&k->place);
        k->waits = 0;
    }

    if (k->placed) {
        k->scraper->placed--;
        k->scraper->placed_failing -= k->placed_failing;
        k->placed = 0;
    }
}


void
ngx_http_k8s_metrics_proxy_next(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_http_k8s_metrics_kubelet_t  *k;

    /* one that fails at once gives its place back: the loop sees it */

    if (s->placing || !s->conf->node_proxy) {
        return;
    }

    s->placing = 1;

    while (s->placed < NGX_HTTP_K8S_METRICS_PROXIED) {

        k = ngx_http_k8s_metrics_proxy_first(s);

        if (k == NULL) {
            break;
        }

        ngx_queue_remove(&k->place);

        k->waits = 0;
        k->placed = 1;
        k->placed_failing = (k->failures != 0);

        s->placed++;
        s->placed_failing += k->placed_failing;

        ngx_http_k8s_metrics_kubelet_starts(k);
        ngx_http_k8s_metrics_scrape_start(k);
    }

    s->placing = 0;
}


/* That of both queues which was due first, or NULL. */

static ngx_http_k8s_metrics_kubelet_t *
ngx_http_k8s_metrics_proxy_first(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_http_k8s_metrics_kubelet_t  *good, *failing;

    good = NULL;
    failing = NULL;

    if (!ngx_queue_empty(&s->waiting)) {
        good = ngx_queue_data(ngx_queue_head(&s->waiting),
                              ngx_http_k8s_metrics_kubelet_t, place);
    }

    if (!ngx_queue_empty(&s->failing)
        && s->placed_failing < NGX_HTTP_K8S_METRICS_PROXIED_FAILING)
    {
        failing = ngx_queue_data(ngx_queue_head(&s->failing),
                                 ngx_http_k8s_metrics_kubelet_t, place);
    }

    if (good && failing) {
        return ((ngx_msec_int_t) (failing->queued - good->queued) < 0) ? failing
                                                                 : good;
    }

    return good ? good : failing;
}


/*
 * A name alone: the API server takes the port that the node names, and its own
 * certificate for it.  A port that is the node's own is as good.  To another
 * one it goes without a certificate.
 */

ngx_http_k8s_metrics_fetch_t *
ngx_http_k8s_metrics_proxy_fetch(ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_fetch_conf_t *fc, const char **reason)
{
    u_char                              *p;
    u_char                               uri[NGX_HTTP_K8S_METRICS_PROXY_URI];
    ngx_http_k8s_metrics_fetch_t        *fetch;
    ngx_http_k8s_metrics_scrape_conf_t  *conf;
    ngx_http_k8s_metrics_fetch_conf_t    proxied;

    conf = k->scraper->conf;

    if (!ngx_http_k8s_metrics_proxy_name_ok(&k->sn.str)
        || fc->uri.len > NGX_HTTP_K8S_METRICS_PROXY_URI - 512)
    {
        *reason = "no request can be made of its name";
        return NULL;
    }

    p = ngx_cpymem(uri, "/api/v1/nodes/", sizeof("/api/v1/nodes/") - 1);

    if (conf->port_set && !conf->use_node_status_port) {
        p = ngx_sprintf(p, "https:%V:%ui", &k->sn.str, conf->kubelet_port);

    } else {
        p = ngx_sprintf(p, "%V", &k->sn.str);
    }

    p = ngx_sprintf(p, "/proxy%V", &fc->uri);

    proxied = *fc;
    proxied.uri.data = uri;
    proxied.uri.len = p - uri;

    fetch = ngx_http_k8s_metrics_kube_fetch(k->scraper->client, &proxied,
                                            k->scraper->log);

    if (fetch == NULL) {
        *reason = "no request could be started";
    }

    return fetch;
}


/* A DNS subdomain, as the API server has them: part of a path. */

static ngx_uint_t
ngx_http_k8s_metrics_proxy_name_ok(ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '.'))
        {
            return 0;
        }
    }

    return name->len != 0 && name->len <= 253 && name->data[0] != '.';
}
