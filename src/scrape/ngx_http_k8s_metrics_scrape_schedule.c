
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


static void ngx_http_k8s_metrics_kubelet_arm(
    ngx_http_k8s_metrics_kubelet_t *k);
static ngx_msec_t ngx_http_k8s_metrics_kubelet_phase(
    ngx_http_k8s_metrics_kubelet_t *k);
static ngx_msec_t ngx_http_k8s_metrics_kubelet_moves(
    ngx_http_k8s_metrics_kubelet_t *k);


#define ngx_http_k8s_metrics_before(a, b)  ((ngx_msec_int_t) ((a) - (b)) < 0)


void
ngx_http_k8s_metrics_kubelet_first(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t delay)
{
    k->regular = ngx_current_msec + delay;

    ngx_http_k8s_metrics_kubelet_arm(k);
}


void
ngx_http_k8s_metrics_kubelet_next(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_msec_t  moves;
    ngx_uint_t  n, rounds;

    k->regular = ngx_current_msec + ngx_http_k8s_metrics_kubelet_phase(k);

    moves = ngx_http_k8s_metrics_kubelet_moves(k);

    if (moves) {
        k->regular = moves;
    }

    if (!k->ready && k->failures > 1) {
        rounds = 1;

        for (n = 2; n < k->failures && rounds < NGX_HTTP_K8S_METRICS_BACKOFF;
             n++)
        {
            rounds *= 2;
        }

        k->regular += (rounds - 1) * k->scraper->conf->resolution;
    }

    ngx_http_k8s_metrics_kubelet_arm(k);
}


/*
 * The delay to a node's phase: its hash within the resolution, on the monotonic
 * clock that all workers share: the same after a reload or in another worker.
 * From another time than its phase a node comes back to it in a few rounds,
 * each not shorter than a window and not longer than the resolution.
 */

static ngx_msec_t
ngx_http_k8s_metrics_kubelet_phase(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_msec_t  at, from, phase, resolution, window;
    ngx_uint_t  n;

    resolution = k->scraper->conf->resolution;
    phase = k->hash % resolution;
    phase -= phase % NGX_HTTP_K8S_METRICS_SLOT;

    if (k->full == 0) {
        at = (phase + resolution - ngx_current_msec % resolution) % resolution;
        return ngx_max(at, 1);
    }

    window = NGX_HTTP_K8S_METRICS_MIN_WINDOW;

    if (!k->early && resolution < window + NGX_HTTP_K8S_METRICS_LATE) {

        /* this round's timer was late, the next one's may be less so */

        window -= NGX_HTTP_K8S_METRICS_LATE;
    }

    for (n = 1; n <= NGX_HTTP_K8S_METRICS_ROUNDS; n++) {

        /* from "full" to the first phase that leaves room for n rounds */

        from = k->full + n * window;
        at = n * window + (phase + resolution - from % resolution) % resolution;

        if (at <= n * resolution) {
            at = k->full + at / n;
            return ngx_http_k8s_metrics_before(ngx_current_msec, at)
                   ? at - ngx_current_msec : 1;
        }
    }

    /* a resolution that is the window */

    from = k->full + window;
    at = from + (phase + resolution - from % resolution) % resolution;

    return ngx_http_k8s_metrics_before(ngx_current_msec, at)
           ? at - ngx_current_msec : 1;
}


/* When the kubelet's next samples are there, or 0. */

static ngx_msec_t
ngx_http_k8s_metrics_kubelet_moves(ngx_http_k8s_metrics_kubelet_t *k)
{
    int64_t  next, delay;

    if (!k->scraper->conf->cadence || k->failures) {
        return 0;
    }

    next = ngx_http_k8s_metrics_cadence_next(&k->cadence,
                                       NGX_HTTP_K8S_METRICS_MIN_WINDOW,
                                       (int64_t) k->scraper->conf->resolution);
    if (next == 0) {
        return 0;
    }

    delay = next - k->wall - (int64_t) (ngx_current_msec - k->started);

    /* a clock was set */

    if (delay > 2 * (int64_t) k->scraper->conf->resolution + 30000) {
        ngx_memzero(&k->cadence, sizeof(ngx_http_k8s_metrics_cadence_t));
        return 0;
    }

    if (delay < NGX_HTTP_K8S_METRICS_LATE) {
        delay = NGX_HTTP_K8S_METRICS_LATE;
    }

    delay += NGX_HTTP_K8S_METRICS_SLOT - 1;

    return ngx_current_msec + delay - (ngx_current_msec + delay)
                                      % NGX_HTTP_K8S_METRICS_SLOT;
}


/* At the sooner of the two times. */

static void
ngx_http_k8s_metrics_kubelet_arm(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_msec_t  at;

    at = k->regular;

    if (k->due && ngx_http_k8s_metrics_before(k->due, at)) {
        at = k->due;
    }

    /* a timer that is set moves by 300 ms at least */

    if (k->timer.timer_set) {
        ngx_del_timer(&k->timer);
    }

    ngx_add_timer(&k->timer,
                  ngx_http_k8s_metrics_before(ngx_current_msec, at)
                  ? at - ngx_current_msec : 1);
}


void
ngx_http_k8s_metrics_kubelet_timer(ngx_event_t *ev)
{
    ngx_msec_t                       now;
    ngx_http_k8s_metrics_kubelet_t  *k;

    k = ev->data;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    now = ngx_current_msec;

    if (k->due && !ngx_http_k8s_metrics_before(now, k->due)) {
        k->due = 0;
    }

    /* a scrape cannot outlive its resolution: the time-out is below it */

    if (k->fetch || k->waits) {
        ngx_http_k8s_metrics_kubelet_next(k);
        return;
    }

    k->early = ngx_http_k8s_metrics_before(now, k->regular);

    ngx_http_k8s_metrics_scrape_run(k);

    if (k->early) {
        ngx_http_k8s_metrics_kubelet_arm(k);
        return;
    }

    ngx_http_k8s_metrics_kubelet_next(k);
}


void
ngx_http_k8s_metrics_kubelet_starts(ngx_http_k8s_metrics_kubelet_t *k)
{
    k->close = k->started
               && ngx_current_msec - k->started
                  < NGX_HTTP_K8S_METRICS_MIN_WINDOW - k->slack;

    if (k->early) {
        k->slack = 0;
        return;
    }

    /* in turn a timer may be late, and the next one less so */

    k->slack = NGX_HTTP_K8S_METRICS_LATE;
    k->full = ngx_current_msec;

    /* it had to wait: the next one was armed when this one was due */

    if (k->timer.timer_set) {
        ngx_http_k8s_metrics_kubelet_next(k);
    }
}


void
ngx_http_k8s_metrics_kubelet_fresh(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t seen)
{
    k->fresh_last = seen + NGX_HTTP_K8S_METRICS_MIN_WINDOW
                    + NGX_HTTP_K8S_METRICS_MARGIN;
    k->tries = 0;

    if (k->fresh == 0) {
        k->fresh = k->fresh_last;
    }

    if (k->due == 0 && k->timer.timer_set) {
        k->due = k->fresh;
        ngx_http_k8s_metrics_kubelet_arm(k);
    }
}


void
ngx_http_k8s_metrics_kubelet_stored(ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_scrape_t *scrape, int64_t stamp)
{
    int64_t     probe;
    ngx_msec_t  at, soon, wait;

    if (k->early && scrape->nkept == 0) {
        k->full = k->started;
    }

    ngx_http_k8s_metrics_cadence_scraped(&k->cadence, k->wall,
                                         stamp / 1000000);

    soon = k->started + NGX_HTTP_K8S_METRICS_EARLY_GAP;

    /* of those between the first and the last it is not known when */

    if (k->fresh && !ngx_http_k8s_metrics_before(k->started, k->fresh)) {

        k->fresh = !ngx_http_k8s_metrics_before(k->started, k->fresh_last) ? 0
                   : ngx_http_k8s_metrics_before(soon, k->fresh_last)
                     ? soon : k->fresh_last;
    }

    at = k->fresh;

    if (scrape->nstuck == 0) {
        k->tries = 0;

    } else if (k->tries < NGX_HTTP_K8S_METRICS_EARLY_TRIES) {
        k->tries++;
        at = soon;
    }

    /* of two in a row out of turn */

    if (at && k->early && ngx_http_k8s_metrics_before(at, soon)) {
        at = soon;
    }

    if (scrape->wait) {

        /* the sample was taken after the start, and before now */

        wait = ngx_max((ngx_msec_t) (scrape->wait / 1000000),
                       NGX_HTTP_K8S_METRICS_LATE);
        wait += ngx_current_msec + NGX_HTTP_K8S_METRICS_MARGIN;

        /* one scrape for both, where they are close */

        if (at == 0
            || ngx_http_k8s_metrics_before(wait,
                                           at + NGX_HTTP_K8S_METRICS_LATE))
        {
            at = wait;
        }
    }

    k->due = at;

    if (k->early && scrape->nkept) {
        ngx_http_k8s_metrics_kubelet_arm(k);
        return;
    }

    ngx_http_k8s_metrics_kubelet_next(k);

    probe = ngx_http_k8s_metrics_cadence_probe(&k->cadence);

    if (probe) {
        k->regular += (ngx_msec_t) probe;
        ngx_http_k8s_metrics_kubelet_arm(k);
    }
}
