
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"
#include "ngx_http_k8s_metrics_store_stats.h"


#define NGX_HTTP_K8S_METRICS_REFLECTOR_BACKOFF_MIN  500
#define NGX_HTTP_K8S_METRICS_REFLECTOR_BACKOFF_MAX  30000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_RETRY_MAX    120000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_GAP          500     /* of reconnects */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_LIVED        1000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_SILENT       60000   /* no bookmark */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_SILENT_MAX   2       /* in a row */


static void ngx_http_k8s_metrics_reflector_list_again(
    ngx_http_k8s_metrics_reflector_t *r);
static ngx_uint_t ngx_http_k8s_metrics_reflector_complete(
    ngx_http_k8s_metrics_reflector_t *r);
static void ngx_http_k8s_metrics_reflector_schedule(
    ngx_http_k8s_metrics_reflector_t *r, ngx_msec_t delay);
static void ngx_http_k8s_metrics_reflector_timer(ngx_event_t *ev);
static void ngx_http_k8s_metrics_reflector_whole(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res);
static void ngx_http_k8s_metrics_reflector_broken(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res);
static ngx_uint_t ngx_http_k8s_metrics_reflector_no_stream(
    ngx_http_k8s_metrics_reflector_t *r, ngx_uint_t code);
static void ngx_http_k8s_metrics_reflector_expired(
    ngx_http_k8s_metrics_reflector_t *r);
static void ngx_http_k8s_metrics_reflector_retry(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res, ngx_msec_t least);
static ngx_msec_t ngx_http_k8s_metrics_reflector_backoff(ngx_msec_t *backoff);
static ngx_uint_t ngx_http_k8s_metrics_reflector_stale(
    ngx_http_k8s_metrics_reflector_t *r, ngx_uint_t code);
static ngx_msec_t ngx_http_k8s_metrics_reflector_relist_delay(
    ngx_http_k8s_metrics_reflector_t *r);


void
ngx_http_k8s_metrics_reflector_init(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_t *kube,
    const ngx_http_k8s_metrics_reflector_desc_t *desc)
{
    r->kube = kube;
    r->desc = desc;
    r->no_stream = desc->json;

    r->dummy.fd = (ngx_socket_t) -1;
    r->dummy.data = r;

    r->timer.data = &r->dummy;
    r->timer.handler = ngx_http_k8s_metrics_reflector_timer;
    r->timer.log = kube->log;
    r->timer.cancelable = 1;
}


void
ngx_http_k8s_metrics_reflector_start(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_store_lost_t  lost;

    if (r->state != ngx_http_k8s_metrics_reflector_stopped) {
        return;
    }

    r->backoff = 0;
    r->relist = 0;
    r->silent = 0;
    r->older = 0;
    r->failures = 0;
    r->unsaved = 0;
    r->last[0] = '\0';

    if (ngx_http_k8s_metrics_reflector_complete(r)
        && ngx_http_k8s_metrics_reflector_load(r) == NGX_OK)
    {
        ngx_http_k8s_metrics_store_get_lost(r->kube->store, r->desc->kind,
                                            &lost);
        r->missing = lost.missing;
        r->lossy = lost.again;
        r->healed = ngx_current_msec;
        r->heal = NGX_HTTP_K8S_METRICS_REFLECTOR_HEAL;

        r->state = ngx_http_k8s_metrics_reflector_watch;

    } else {
        ngx_http_k8s_metrics_reflector_list_again(r);
    }

    ngx_http_k8s_metrics_reflector_schedule(r, 0);
}


void
ngx_http_k8s_metrics_reflector_stop(ngx_http_k8s_metrics_reflector_t *r)
{
    if (r->state == ngx_http_k8s_metrics_reflector_stopped) {
        return;
    }

    if (r->state == ngx_http_k8s_metrics_reflector_watch) {
        ngx_http_k8s_metrics_reflector_save(r);
    }

    r->state = ngx_http_k8s_metrics_reflector_stopped;

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    if (r->fetch) {
        ngx_http_k8s_metrics_fetch_cancel(r->fetch);
        r->fetch = NULL;
    }

    ngx_http_k8s_metrics_reflector_release(r);

    if (r->cont.data) {
        ngx_free(r->cont.data);
        ngx_str_null(&r->cont);
    }
}


/* what the store had is gone */

void
ngx_http_k8s_metrics_reflector_relist(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_reflector_stop(r);

    ngx_http_k8s_metrics_reflector_list_again(r);
    ngx_http_k8s_metrics_reflector_schedule(r, 0);
}


/* what a full zone has left out comes by a list, when there is room again */

void
ngx_http_k8s_metrics_reflector_heal(ngx_http_k8s_metrics_reflector_t *r)
{
    if (!r->lossy || r->state != ngx_http_k8s_metrics_reflector_watch
        || ngx_current_msec - r->healed < r->heal
        || !ngx_http_k8s_metrics_store_has_room(r->kube->store))
    {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->kube->log, 0,
                  "k8s_metrics: API server \"%V\": listing %s again, the zone "
                  "has room for what was left out",
                  ngx_http_k8s_metrics_kube_server(r->kube->client),
                  r->desc->name);

    ngx_http_k8s_metrics_reflector_relist(r);
    r->healing = 1;
}


static ngx_uint_t
ngx_http_k8s_metrics_reflector_complete(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_store_state_t  state;

    if (!r->desc->stored) {
        return 0;
    }

    ngx_http_k8s_metrics_store_state(r->kube->store, &state);

    return (r->desc->kind == NGX_HTTP_K8S_METRICS_NODES)
           ? state.nodes_complete != 0 : state.pods_complete != 0;
}


static void
ngx_http_k8s_metrics_reflector_list_again(ngx_http_k8s_metrics_reflector_t *r)
{
    r->state = r->no_stream ? ngx_http_k8s_metrics_reflector_list
                            : ngx_http_k8s_metrics_reflector_stream;
    r->listing = 0;
    r->version.len = 0;
    r->cont.len = 0;
}


static void
ngx_http_k8s_metrics_reflector_schedule(ngx_http_k8s_metrics_reflector_t *r,
    ngx_msec_t delay)
{
    ngx_add_timer(&r->timer, ngx_max(delay, 1));
}


static void
ngx_http_k8s_metrics_reflector_timer(ngx_event_t *ev)
{
    ngx_connection_t                  *c;
    ngx_http_k8s_metrics_response_t    res;
    ngx_http_k8s_metrics_reflector_t  *r;

    c = ev->data;
    r = c->data;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    if (r->desc->stored && r->state == ngx_http_k8s_metrics_reflector_watch) {
        ngx_http_k8s_metrics_store_count(r->kube->store,
                      NGX_HTTP_K8S_METRICS_STAT_WATCHES + r->desc->kind, 1);
    }

    if (ngx_http_k8s_metrics_reflector_request(r) != NGX_OK) {
        ngx_memzero(&res, sizeof(ngx_http_k8s_metrics_response_t));
        ngx_http_k8s_metrics_reflector_retry(r, &res, 0);
    }
}


void
ngx_http_k8s_metrics_reflector_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    r->fetch = NULL;

    if (rc == NGX_OK && r->ok) {
        ngx_http_k8s_metrics_reflector_whole(r, res);

    } else {
        ngx_http_k8s_metrics_reflector_broken(r, res);
    }

    ngx_http_k8s_metrics_reflector_release(r);
}


/* an answer that ended as it should */

static void
ngx_http_k8s_metrics_reflector_whole(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_msec_t  lived;

    switch (r->state) {

    case ngx_http_k8s_metrics_reflector_list:

        if (ngx_http_k8s_metrics_reflector_end(r) != NGX_OK) {
            ngx_http_k8s_metrics_reflector_broken(r, res);
            return;
        }

        ngx_http_k8s_metrics_reflector_schedule(r, 0);
        return;

    case ngx_http_k8s_metrics_reflector_stream:

        r->error = "list ended before all was there";
        ngx_http_k8s_metrics_reflector_broken(r, res);
        return;

    default: /* watch */

        ngx_http_k8s_metrics_reflector_save(r);

        lived = ngx_current_msec - r->started;

        if (r->events || lived >= NGX_HTTP_K8S_METRICS_REFLECTOR_LIVED) {
            r->backoff = 0;
            ngx_http_k8s_metrics_reflector_works(r);
        }

        if (ngx_http_k8s_metrics_reflector_stale(r, 0)) {
            ngx_http_k8s_metrics_reflector_broken(r, res);
            return;
        }

        /* a server that stops ends the streams of all its clients at once */

        ngx_http_k8s_metrics_reflector_schedule(r,
            ngx_random() % NGX_HTTP_K8S_METRICS_REFLECTOR_GAP
            + ((lived < NGX_HTTP_K8S_METRICS_REFLECTOR_GAP)
                   ? NGX_HTTP_K8S_METRICS_REFLECTOR_GAP - lived : 0));
    }
}


static void
ngx_http_k8s_metrics_reflector_broken(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_uint_t  code;
    ngx_msec_t  least;

    least = 0;
    code = r->error_code;

    if (code == 0 && res->status && res->status != 200) {
        code = res->status;
    }

    if (r->state == ngx_http_k8s_metrics_reflector_watch) {
        ngx_http_k8s_metrics_reflector_save(r);
    }

    if (ngx_http_k8s_metrics_reflector_no_stream(r, code)) {
        r->no_stream = 1;
        ngx_http_k8s_metrics_reflector_list_again(r);
        ngx_http_k8s_metrics_reflector_schedule(r, 0);
        return;
    }

    if (code == 410) {
        ngx_http_k8s_metrics_reflector_expired(r);
        return;
    }

    if (code == 401) {
        ngx_http_k8s_metrics_kube_token_refused(r->kube->client);
    }

    if (r->state != ngx_http_k8s_metrics_reflector_watch) {
        ngx_http_k8s_metrics_reflector_list_again(r);

    } else if (ngx_http_k8s_metrics_reflector_stale(r, code)) {
        least = ngx_http_k8s_metrics_reflector_relist_delay(r);
        r->consistent = 1;
        ngx_http_k8s_metrics_reflector_list_again(r);

    } else if (code == 0 && r->ok
               && (r->events || ngx_current_msec - r->started
                                >= NGX_HTTP_K8S_METRICS_REFLECTOR_LIVED))
    {
        ngx_log_error(NGX_LOG_INFO, r->kube->log, 0,
                      "k8s_metrics: API server \"%V\": watch of %s goes on "
                      "from version %V: %s",
                      ngx_http_k8s_metrics_kube_server(r->kube->client),
                      r->desc->name, &r->version, res->error);

        r->backoff = 0;

        ngx_http_k8s_metrics_reflector_works(r);
        ngx_http_k8s_metrics_reflector_schedule(r,
                                   NGX_HTTP_K8S_METRICS_REFLECTOR_GAP / 2
                                   + ngx_random()
                                     % NGX_HTTP_K8S_METRICS_REFLECTOR_GAP);
        return;
    }

    ngx_http_k8s_metrics_reflector_retry(r, res, least);
}


/* a server without streaming lists refuses them, or never ends one */

static ngx_uint_t
ngx_http_k8s_metrics_reflector_no_stream(ngx_http_k8s_metrics_reflector_t *r,
    ngx_uint_t code)
{
    if (r->state != ngx_http_k8s_metrics_reflector_stream) {
        return 0;
    }

    if (code == 400 || code == 405 || code == 406 || code == 415
        || code == 422)
    {
        return 1;
    }

    return code == 0 && r->ok
           && ++r->stream_failures >= NGX_HTTP_K8S_METRICS_REFLECTOR_STREAMS;
}


/*
 * May what we have been told be wrong by now?  What cannot be read would be
 * sent again from the same version; a version that a restored server never had
 * fails for good, or is waited for in silence, with not even a bookmark.
 */

static ngx_uint_t
ngx_http_k8s_metrics_reflector_stale(ngx_http_k8s_metrics_reflector_t *r,
    ngx_uint_t code)
{
    if (r->error) {
        return 1;
    }

    if (code) {
        return r->failures >= 2
               && (code == 400 || code == 404 || code == 504
                   || (r->error_code && code != 429));
    }

    if (r->ok && !r->events
        && ngx_current_msec - r->started
           >= NGX_HTTP_K8S_METRICS_REFLECTOR_SILENT
        && ++r->silent >= NGX_HTTP_K8S_METRICS_REFLECTOR_SILENT_MAX)
    {
        r->error = "neither events nor bookmarks come";
        return 1;
    }

    return 0;
}


static void
ngx_http_k8s_metrics_reflector_expired(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_msec_t  delay;

    ngx_log_error(NGX_LOG_INFO, r->kube->log, 0,
                  "k8s_metrics: API server \"%V\": listing %s again, version "
                  "%V is no longer kept there",
                  ngx_http_k8s_metrics_kube_server(r->kube->client),
                  r->desc->name, &r->version);

    /* one in the middle of a list, or a list that did not help */

    delay = ngx_http_k8s_metrics_reflector_relist_delay(r);

    /* a list from a cache could be as old again */

    r->consistent = 1;

    ngx_http_k8s_metrics_reflector_list_again(r);
    ngx_http_k8s_metrics_reflector_schedule(r, delay);
}


static void
ngx_http_k8s_metrics_reflector_retry(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res, ngx_msec_t least)
{
    ngx_msec_t  delay, asked;

    ngx_http_k8s_metrics_reflector_failed(r, res);

    delay = ngx_http_k8s_metrics_reflector_backoff(&r->backoff);
    delay = ngx_max(delay, least);

    if (res->retry_after > 0) {
        asked = (ngx_msec_t) ngx_min(res->retry_after,
                                 NGX_HTTP_K8S_METRICS_REFLECTOR_RETRY_MAX
                                 / 1000)
                * 1000;
        delay = ngx_max(delay, asked + ngx_random() % 500);
    }

    ngx_http_k8s_metrics_reflector_schedule(r, delay);
}


/*
 * Lists are expensive where the cluster is large.  A stream that brings
 * something and ends is no failure, but one that soon asks for another list
 * is, whatever it brought.
 */

static ngx_msec_t
ngx_http_k8s_metrics_reflector_relist_delay(
    ngx_http_k8s_metrics_reflector_t *r)
{
    if (r->state == ngx_http_k8s_metrics_reflector_watch
        && (r->listed == 0
            || ngx_current_msec - r->listed
               >= NGX_HTTP_K8S_METRICS_REFLECTOR_RELIST))
    {
        r->relist = 0;
        return ngx_random() % NGX_HTTP_K8S_METRICS_REFLECTOR_GAP;
    }

    return ngx_http_k8s_metrics_reflector_backoff(&r->relist);
}


static ngx_msec_t
ngx_http_k8s_metrics_reflector_backoff(ngx_msec_t *backoff)
{
    *backoff = *backoff ? 2 * *backoff
                        : NGX_HTTP_K8S_METRICS_REFLECTOR_BACKOFF_MIN;

    if (*backoff > NGX_HTTP_K8S_METRICS_REFLECTOR_BACKOFF_MAX) {
        *backoff = NGX_HTTP_K8S_METRICS_REFLECTOR_BACKOFF_MAX;
    }

    /* three quarters to five quarters of it */

    return *backoff * 3 / 4 + ngx_random() % (*backoff / 2);
}
