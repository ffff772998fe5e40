
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_CADENCE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_CADENCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * When does a kubelet take its samples?  cAdvisor takes a node's every 10 to
 * 15 s at a time of its own: asked at any other time, a kubelet gives what is
 * up to that old.  Learned from the timestamps, so that a scrape comes just
 * after they move; where they follow the requests (CRI statistics) there is
 * nothing to be learned, and nothing is chased.  Pure: no clock, no store.
 *
 * "start" is when a scrape began, by our clock, "stamp" the time of the
 * kubelet's samples, by its clock, both in ms since 1970.  The clocks need not
 * agree: what counts is at which age a sample was seen.
 */

typedef struct {
    int64_t      stamp;         /* of the last scrape; 0: there was none */
    int64_t      start;         /* of the last scrape */
    int64_t      period;        /* 0: not known */
    int64_t      good;          /* the least age at which a new one was seen */
    int64_t      early;         /* the greatest at which it was not yet */
    ngx_uint_t   agree;         /* differences in a row that fit the period */
    ngx_uint_t   misses;        /* in a row */
    ngx_int_t    same;          /* differences that say nothing: the requests'
                                   own; below 0: not to be probed yet */
    unsigned     has_good:1;
    unsigned     has_early:1;
} ngx_http_k8s_metrics_cadence_t;


/* A scrape brought samples of "stamp"; zeroed memory is a new kubelet. */
void ngx_http_k8s_metrics_cadence_scraped(ngx_http_k8s_metrics_cadence_t *c,
    int64_t start, int64_t stamp);

/*
 * When to scrape next, by our clock, with the newest sample that is at least
 * "least" and, if more than one period fits, at most "resolution" (both ms)
 * after the last one; 0 when the cadence is not known.
 */
int64_t ngx_http_k8s_metrics_cadence_next(
    const ngx_http_k8s_metrics_cadence_t *c, int64_t least,
    int64_t resolution);

/*
 * By how much, ms, the next scrape is to be late for once: samples are old, and
 * move as often as they are asked for, which is either a period that is the
 * resolution or one that follows the requests.  Mostly 0.
 */
int64_t ngx_http_k8s_metrics_cadence_probe(
    ngx_http_k8s_metrics_cadence_t *c);


#endif /* _NGX_HTTP_K8S_METRICS_CADENCE_H_INCLUDED_ */
