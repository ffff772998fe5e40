
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


static void ngx_http_k8s_metrics_samples_points(
    const ngx_http_k8s_metrics_shcontainer_t *c,
    ngx_http_k8s_metrics_point_t *last, ngx_http_k8s_metrics_point_t *prev);
static ngx_uint_t ngx_http_k8s_metrics_samples_keep(
    ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shcontainer_t *old,
    const ngx_http_k8s_metrics_point_t *last,
    const ngx_http_k8s_metrics_point_t *prev);
static void ngx_http_k8s_metrics_samples_wait(
    ngx_http_k8s_metrics_scrape_t *scrape, int64_t wait);


void
ngx_http_k8s_metrics_samples_merge(ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shcontainer_t *old,
    const ngx_http_k8s_metrics_point_t *point,
    ngx_http_k8s_metrics_shcontainer_t *new, int64_t resolution)
{
    ngx_http_k8s_metrics_point_t  last, prev;

    if (old) {
        ngx_http_k8s_metrics_samples_points(old, &last, &prev);

    } else {
        ngx_memzero(&last, sizeof(ngx_http_k8s_metrics_point_t));
        ngx_memzero(&prev, sizeof(ngx_http_k8s_metrics_point_t));
    }

    ngx_http_k8s_metrics_points_merge(&last, &prev, point, resolution);

    if (ngx_http_k8s_metrics_samples_keep(scrape, old, &last, &prev)) {
        *new = *old;
        scrape->nkept++;

        if (old->prev_timestamp == 0) {
            ngx_http_k8s_metrics_samples_wait(scrape, scrape->window
                                 - (last.timestamp - old->last.timestamp));
        }

        return;
    }

    if (prev.timestamp == 0) {

        if (old && old->last.timestamp && last.start < old->last.timestamp) {
            scrape->nstuck++;

        } else {
            ngx_http_k8s_metrics_samples_wait(scrape, scrape->window);
        }
    }

    new->last.timestamp = last.timestamp;
    new->last.start = last.start;
    new->last.cpu = last.cpu;
    new->last.memory = last.memory;
    new->prev_timestamp = prev.timestamp;
    new->prev_start = prev.start;
    new->prev_cpu = prev.cpu;
}


/*
 * A scrape out of turn is for what has no rate yet, and neither it nor the
 * next one in turn makes a window that is too short.  A restart is taken.
 */

static ngx_uint_t
ngx_http_k8s_metrics_samples_keep(ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shcontainer_t *old,
    const ngx_http_k8s_metrics_point_t *last,
    const ngx_http_k8s_metrics_point_t *prev)
{
    if (old == NULL || old->last.timestamp == 0
        || last->start >= old->last.timestamp
        || last->timestamp <= old->last.timestamp)
    {
        return 0;
    }

    if (scrape->early && old->prev_timestamp) {
        return 1;
    }

    return (scrape->early || scrape->close) && prev->timestamp
           && last->timestamp - prev->timestamp < scrape->window;
}


static void
ngx_http_k8s_metrics_samples_wait(ngx_http_k8s_metrics_scrape_t *scrape,
    int64_t wait)
{
    if (scrape->wait == 0 || wait < scrape->wait) {
        scrape->wait = wait;
    }
}


ngx_int_t
ngx_http_k8s_metrics_samples_rate(const ngx_http_k8s_metrics_shcontainer_t *c,
    uint64_t *nanocores, int64_t *window)
{
    ngx_http_k8s_metrics_point_t  last, prev;

    ngx_http_k8s_metrics_samples_points(c, &last, &prev);

    return ngx_http_k8s_metrics_points_rate(&last, &prev, nanocores, window);
}


static void
ngx_http_k8s_metrics_samples_points(
    const ngx_http_k8s_metrics_shcontainer_t *c,
    ngx_http_k8s_metrics_point_t *last, ngx_http_k8s_metrics_point_t *prev)
{
    ngx_memzero(last, sizeof(ngx_http_k8s_metrics_point_t));
    ngx_memzero(prev, sizeof(ngx_http_k8s_metrics_point_t));

    last->timestamp = c->last.timestamp;
    last->start = c->last.start;
    last->cpu = c->last.cpu;
    last->memory = c->last.memory;

    prev->timestamp = c->prev_timestamp;
    prev->start = c->prev_start;
    prev->cpu = c->prev_cpu;
}
