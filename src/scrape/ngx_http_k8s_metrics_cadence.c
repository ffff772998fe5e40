
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_cadence.h"


/* what may be a kubelet's period, ms */
#define NGX_HTTP_K8S_METRICS_CADENCE_MIN    5000
#define NGX_HTTP_K8S_METRICS_CADENCE_MAX    20000

/* differences that are the same, ms */
#define NGX_HTTP_K8S_METRICS_CADENCE_SAME   300

/* so many of them in a row */
#define NGX_HTTP_K8S_METRICS_CADENCE_AGREE  2

/* so many scrapes that came too early in a row, and it is forgotten */
#define NGX_HTTP_K8S_METRICS_CADENCE_MISSES 4

/* differences that say nothing before, and after, a probe, and its length */
#define NGX_HTTP_K8S_METRICS_CADENCE_PROBE  3
#define NGX_HTTP_K8S_METRICS_CADENCE_REST   50
#define NGX_HTTP_K8S_METRICS_CADENCE_LATE   2000

/* the age that is tried first, and how much later after a miss, ms */
#define NGX_HTTP_K8S_METRICS_CADENCE_AGE    200
#define NGX_HTTP_K8S_METRICS_CADENCE_LATER  500


static void ngx_http_k8s_metrics_cadence_miss(
    ngx_http_k8s_metrics_cadence_t *c, int64_t start);
static void ngx_http_k8s_metrics_cadence_moved(
    ngx_http_k8s_metrics_cadence_t *c, int64_t start, int64_t stamp);
static void ngx_http_k8s_metrics_cadence_learn(
    ngx_http_k8s_metrics_cadence_t *c, int64_t moved, int64_t waited);
static int64_t ngx_http_k8s_metrics_cadence_age(
    const ngx_http_k8s_metrics_cadence_t *c);


void
ngx_http_k8s_metrics_cadence_scraped(ngx_http_k8s_metrics_cadence_t *c,
    int64_t start, int64_t stamp)
{
    /* a clock was set back */

    if (stamp < c->stamp || start < c->start) {
        ngx_memzero(c, sizeof(ngx_http_k8s_metrics_cadence_t));
    }

    if (stamp <= 0) {
        return;
    }

    if (c->stamp && stamp == c->stamp) {
        ngx_http_k8s_metrics_cadence_miss(c, start);

    } else {
        if (c->stamp) {
            ngx_http_k8s_metrics_cadence_moved(c, start, stamp);
        }

        c->misses = 0;
    }

    c->start = start;
    c->stamp = stamp;
}


/* It should have moved "age" ago, and has not. */

static void
ngx_http_k8s_metrics_cadence_miss(ngx_http_k8s_metrics_cadence_t *c,
    int64_t start)
{
    int64_t  age;

    if (c->agree < NGX_HTTP_K8S_METRICS_CADENCE_AGREE) {
        return;
    }

    age = start - (c->stamp + c->period);

    if (age < 0 && c->has_good && age < c->good - c->period / 2) {
        /* out of turn: nothing was expected */
        return;
    }

    if (++c->misses == NGX_HTTP_K8S_METRICS_CADENCE_MISSES) {
        ngx_memzero(c, sizeof(ngx_http_k8s_metrics_cadence_t));
        return;
    }

    if (!c->has_early || age > c->early) {
        c->early = age;
        c->has_early = 1;
    }

    if (c->has_good && c->good <= c->early) {
        c->has_good = 0;
    }
}


static void
ngx_http_k8s_metrics_cadence_moved(ngx_http_k8s_metrics_cadence_t *c,
    int64_t start, int64_t stamp)
{
    int64_t  age;

    ngx_http_k8s_metrics_cadence_learn(c, stamp - c->stamp, start - c->start);

    age = start - stamp;

    /* of several periods the last one was too early */

    if (c->agree == NGX_HTTP_K8S_METRICS_CADENCE_AGREE && c->has_good
        && age > c->good + c->period / 2)
    {
        c->early = age - c->period;
        c->has_early = 1;
    }

    if (!c->has_good || age < c->good) {
        c->good = age;
        c->has_good = 1;
    }

    if (c->has_early && c->early >= c->good) {
        c->has_early = 0;
    }
}


static void
ngx_http_k8s_metrics_cadence_learn(ngx_http_k8s_metrics_cadence_t *c,
    int64_t moved, int64_t waited)
{
    int64_t     n;
    ngx_uint_t  fits, follows;

    n = c->period ? (moved + c->period / 2) / c->period : 0;

    fits = n > 0 && ngx_abs(moved - n * c->period)
                    <= NGX_HTTP_K8S_METRICS_CADENCE_SAME;
    follows = ngx_abs(moved - waited) <= NGX_HTTP_K8S_METRICS_CADENCE_SAME;

    if (fits) {

        if (follows && c->agree < NGX_HTTP_K8S_METRICS_CADENCE_AGREE) {
            c->same++;
            return;
        }

        c->period = moved / n;

        if (c->agree < NGX_HTTP_K8S_METRICS_CADENCE_AGREE) {
            c->agree++;
        }

        c->same = 0;
        return;
    }

    c->agree = 0;
    c->period = 0;
    c->has_early = 0;
    c->has_good = 0;

    if (follows) {
        c->same++;
        return;
    }

    c->same = 0;

    n = (moved >= NGX_HTTP_K8S_METRICS_CADENCE_MAX) ? 2 : 1;

    if (moved / n >= NGX_HTTP_K8S_METRICS_CADENCE_MIN
        && moved / n < NGX_HTTP_K8S_METRICS_CADENCE_MAX)
    {
        c->period = moved / n;
    }
}


/* Between what was too early and what was not: halved until it is enough. */

static int64_t
ngx_http_k8s_metrics_cadence_age(const ngx_http_k8s_metrics_cadence_t *c)
{
    int64_t  later;

    later = NGX_HTTP_K8S_METRICS_CADENCE_LATER;

    if (!c->has_good) {
        return c->early + (later << c->misses) / 2;
    }

    if (c->misses > 1) {
        return c->good;
    }

    if (c->has_early) {
        return (c->good - c->early <= NGX_HTTP_K8S_METRICS_CADENCE_SAME)
               ? c->good : (c->good + c->early) / 2;
    }

    if (c->good > NGX_HTTP_K8S_METRICS_CADENCE_AGE
                  + NGX_HTTP_K8S_METRICS_CADENCE_SAME)
    {
        return NGX_HTTP_K8S_METRICS_CADENCE_AGE;
    }

    /* clocks need not agree: an age below 0 is no wonder */

    return c->good - later;
}


int64_t
ngx_http_k8s_metrics_cadence_next(const ngx_http_k8s_metrics_cadence_t *c,
    int64_t least, int64_t resolution)
{
    int64_t  n;

    if (c->agree < NGX_HTTP_K8S_METRICS_CADENCE_AGREE) {
        return 0;
    }

    if (c->misses) {
        return c->stamp + c->period + ngx_http_k8s_metrics_cadence_age(c);
    }

    n = ngx_max((least + c->period - 1) / c->period,
                resolution / c->period);

    return c->stamp + n * c->period + ngx_http_k8s_metrics_cadence_age(c);
}


int64_t
ngx_http_k8s_metrics_cadence_probe(ngx_http_k8s_metrics_cadence_t *c)
{
    if (c->same < NGX_HTTP_K8S_METRICS_CADENCE_PROBE
        || ngx_abs(c->start - c->stamp) < NGX_HTTP_K8S_METRICS_CADENCE_LATE / 2)
    {
        return 0;
    }

    c->same = -NGX_HTTP_K8S_METRICS_CADENCE_REST;

    return NGX_HTTP_K8S_METRICS_CADENCE_LATE;
}
