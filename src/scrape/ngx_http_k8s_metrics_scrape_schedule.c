
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


void
ngx_http_k8s_metrics_kubelet_first(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t delay)
{
    ngx_add_timer(&k->timer, delay);
}


/*
 * A node's phase is its hash within the resolution, on the monotonic clock
 * that all workers share: the same after a reload or in another worker.  The
 * second scrape comes as soon as the counters can have moved.
 */

void
ngx_http_k8s_metrics_kubelet_next(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_msec_t  delay, phase, resolution, since;

    if (k->rounds == 1) {
        since = ngx_current_msec - k->started;
        delay = (since < NGX_HTTP_K8S_METRICS_MIN_WINDOW)
                ? NGX_HTTP_K8S_METRICS_MIN_WINDOW - since : 1;

        ngx_add_timer(&k->timer, delay);
        return;
    }

    resolution = k->scraper->conf->resolution;
    phase = k->hash % resolution;
    phase -= phase % NGX_HTTP_K8S_METRICS_SLOT;

    delay = (phase + resolution - ngx_current_msec % resolution) % resolution;

    if (k->rounds) {
        since = ngx_current_msec + delay - k->started;

        /* this round's timer was late, the next one's may be less so */

        if (since + NGX_HTTP_K8S_METRICS_LATE
            < NGX_HTTP_K8S_METRICS_MIN_WINDOW)
        {
            delay += resolution;
        }
    }

    ngx_add_timer(&k->timer, ngx_max(delay, 1));
}


void
ngx_http_k8s_metrics_kubelet_timer(ngx_event_t *ev)
{
    ngx_http_k8s_metrics_kubelet_t  *k;

    k = ev->data;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    /* a scrape cannot outlive its resolution: the time-out is below it */

    if (k->fetch == NULL) {
        ngx_http_k8s_metrics_scrape_run(k);
    }

    ngx_http_k8s_metrics_kubelet_next(k);
}
