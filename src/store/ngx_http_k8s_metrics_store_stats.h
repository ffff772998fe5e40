
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_STATS_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_STATS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store.h"
#include "ngx_http_k8s_metrics_store_samples.h"


/*
 * What the pages count: in the zone, for all workers, past a reload.  Counting
 * takes no lock.
 */

/* Upper bounds of histograms, without the infinite one. */
#define NGX_HTTP_K8S_METRICS_DURATIONS  11      /* of requests to kubelets */
#define NGX_HTTP_K8S_METRICS_AGES       20      /* of answered samples */
#define NGX_HTTP_K8S_METRICS_TICKS      15      /* of rounds, at most */

extern const uint64_t
    ngx_http_k8s_metrics_durations[NGX_HTTP_K8S_METRICS_DURATIONS]; /* us */

/* The counters; those with "+" are the first of several. */
#define NGX_HTTP_K8S_METRICS_STAT_SCRAPES       0   /* + a result */
#define NGX_HTTP_K8S_METRICS_STAT_MALFORMED     24  /* lines left out */
#define NGX_HTTP_K8S_METRICS_STAT_VALUE         25
#define NGX_HTTP_K8S_METRICS_STAT_TIMESTAMP     26
#define NGX_HTTP_K8S_METRICS_STAT_TOO_LONG      27
#define NGX_HTTP_K8S_METRICS_STAT_UNNAMED       28
#define NGX_HTTP_K8S_METRICS_STAT_LIMIT         29
#define NGX_HTTP_K8S_METRICS_STAT_INCOMPLETE    30  /* pods left out */
#define NGX_HTTP_K8S_METRICS_STAT_UNPLACED      31  /* no such pod there */
#define NGX_HTTP_K8S_METRICS_STAT_NODE          32  /* nodes left out */
#define NGX_HTTP_K8S_METRICS_STAT_KEPT          33  /* connections used */
#define NGX_HTTP_K8S_METRICS_STAT_RESUMED       34
#define NGX_HTTP_K8S_METRICS_STAT_FULL          35
#define NGX_HTTP_K8S_METRICS_STAT_PLAIN         36
#define NGX_HTTP_K8S_METRICS_STAT_LISTS         40  /* + a kind: complete */
#define NGX_HTTP_K8S_METRICS_STAT_WATCHES       44  /* + a kind: begun */
#define NGX_HTTP_K8S_METRICS_STAT_UNHEARD       48  /* + a kind: failed */
#define NGX_HTTP_K8S_METRICS_STAT_ACCESS        52  /* + an answer */
#define NGX_HTTP_K8S_METRICS_STAT_TOKEN         56  /* + an answer */
#define NGX_HTTP_K8S_METRICS_STATS              60

/* Answers of reviews. */
#define NGX_HTTP_K8S_METRICS_STAT_ALLOWED       0
#define NGX_HTTP_K8S_METRICS_STAT_DENIED        1
#define NGX_HTTP_K8S_METRICS_STAT_FAILED        2
#define NGX_HTTP_K8S_METRICS_STAT_CACHED        3   /* not asked again */

/* Adds "n" to a counter. */
void ngx_http_k8s_metrics_store_count(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t stat, uint64_t n);

/* Something came of a kind's list or watch: now. */
void ngx_http_k8s_metrics_store_heard(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind);

/* "ok", "connect" ...: what a label's value is; a constant. */
const char *ngx_http_k8s_metrics_result_name(ngx_uint_t result);


/* Ages of samples at the time of their answer, gathered by one reader. */
typedef struct {
    uint32_t       n[NGX_HTTP_K8S_METRICS_AGES + 1];
    uint64_t       sum;                         /* us */
} ngx_http_k8s_metrics_freshness_t;

/* Takes one age, in ns; one below 0 is 0. */
void ngx_http_k8s_metrics_fresh_add(ngx_http_k8s_metrics_freshness_t *fresh,
    int64_t age);

/* Adds what was gathered to the zone's, and begins anew. */
void ngx_http_k8s_metrics_store_freshness(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_freshness_t *fresh);


/* What a worker says of itself. */
typedef struct {
    uint64_t       pid;
    uint64_t       mono;                        /* when */
    uint64_t       started;                     /* ms since 1970 */
    uint64_t       cpu;                         /* us, user and system */
    uint64_t       resident;                    /* bytes */
    uint64_t       fds;                         /* open */
    uint64_t       nodes;                       /* that it scrapes */
    uint64_t       connections;                 /* idle ones to kubelets */
} ngx_http_k8s_metrics_figures_t;

/*
 * 1 when this worker's figures are older than five seconds; it sets "nodes"
 * and "connections", the rest is found by store_figures().
 */
ngx_uint_t ngx_http_k8s_metrics_store_figures_due(
    ngx_http_k8s_metrics_store_t *store);
void ngx_http_k8s_metrics_store_figures(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t nodes, ngx_uint_t connections);

/* Those of a worker: NGX_OK, or NGX_DECLINED when it has none, or is gone. */
ngx_int_t ngx_http_k8s_metrics_store_figures_of(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t worker,
    ngx_http_k8s_metrics_figures_t *figures);


/*
 * Upper bounds of a round's duration at a resolution in ms, as metrics-server
 * has them; in us.  Returns how many, NGX_HTTP_K8S_METRICS_TICKS at most.
 */
ngx_uint_t ngx_http_k8s_metrics_tick_bounds(ngx_msec_t resolution,
    uint64_t *bounds);

/* A copy of all that is counted. */
typedef struct {
    uint64_t       counters[NGX_HTTP_K8S_METRICS_STATS];
    uint64_t       fresh[NGX_HTTP_K8S_METRICS_AGES + 1];
    uint64_t       fresh_sum;                   /* us */
    uint64_t       heard[NGX_HTTP_K8S_METRICS_KINDS];   /* mono, 0 never */
    uint64_t       ticks[NGX_HTTP_K8S_METRICS_TICKS + 1];
    uint64_t       tick_sum;                    /* us */
    uint64_t       tick_resolution;             /* ms, 0: none yet */
    uint64_t       inflight;                    /* requests */
    uint64_t       workers;                     /* 0 to this less one */
    uint64_t       bytes_samples;
    uint64_t       full_scrapes;
} ngx_http_k8s_metrics_store_stats_t;

void ngx_http_k8s_metrics_store_stats(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_store_stats_t *stats);


#endif /* _NGX_HTTP_K8S_METRICS_STORE_STATS_H_INCLUDED_ */
