
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_EXPOSITION_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_EXPOSITION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_samples.h"


/*
 * Reads a kubelet's /metrics/resource (Prometheus' text format 0.0.4) as its
 * bytes arrive, cut anywhere, into the points of one scrape.  Pure: no
 * request, no store, no clock.
 *
 * The series that count:
 *
 *     node_cpu_usage_seconds_total           ns of CPU: (uint64) (v * 1e9)
 *     node_memory_working_set_bytes          bytes: (uint64) v
 *     container_cpu_usage_seconds_total      as the node's
 *     container_memory_working_set_bytes     as the node's
 *     container_start_time_seconds           ns since 1970
 *     scrape_error, resource_scrape_error    not 0: "scrape_error" is set
 *
 * All others are skipped.  Labels may come in any order; those other than
 * namespace, pod and container are ignored.  A point's time is the later one
 * of its cpu and memory lines (metrics-server: that of the line which comes
 * last); a line without a time has the default one.
 * A repeated series: the last value that is one counts, as in metrics-server.
 *
 * A line that is none, or has a value, time or name that cannot be, is dropped
 * alone and counted (metrics-server fails the scrape).  So is one with CR LF
 * at its end, a hexadecimal number, or one of the three labels twice.
 *
 * One parser serves any number of scrapes, one after another; what it has
 * allocated (ngx_alloc) it keeps for the next, so that in the steady state
 * nothing is allocated.  Memory is bounded: 64 kB for a line cut by the
 * feeding, and what the two maxima allow.
 */

/* Longest line, bytes; a longer one is dropped. */
#define NGX_HTTP_K8S_METRICS_EXPOSITION_LINE  65536


typedef struct ngx_http_k8s_metrics_exposition_pod_s
    ngx_http_k8s_metrics_exposition_pod_t;
typedef struct ngx_http_k8s_metrics_exposition_entry_s
    ngx_http_k8s_metrics_exposition_entry_t;

/* What was dropped and why; each counts lines unless it says otherwise. */
typedef struct {
    ngx_uint_t   malformed;     /* no line of this format */
    ngx_uint_t   value;         /* NaN, infinite, negative, out of range */
    ngx_uint_t   timestamp;     /* no number, not past 1970, out of range */
    ngx_uint_t   too_long;
    ngx_uint_t   unnamed;       /* container, pod or namespace empty, or
                                   none that Kubernetes would give */
    ngx_uint_t   limit;         /* over a maximum; takes its pod with it */
    ngx_uint_t   containers;    /* containers: cpu or memory missing or 0 */
    ngx_uint_t   pods;          /* pods: such a container, or a limit */
    ngx_uint_t   nodes;         /* 1: the node's cpu or memory is missing */
} ngx_http_k8s_metrics_exposition_dropped_t;

typedef struct {
    /* the result: valid from end to the next start or destroy */
    unsigned                                    has_node:1;
    unsigned                                    scrape_error:1;
    ngx_http_k8s_metrics_point_t                node;
    ngx_uint_t                                  npods;
    ngx_http_k8s_metrics_pod_points_t          *pods;   /* by ns, name */
    ngx_uint_t                                  nincomplete;    /* behind
                                                   them: not to be served */
    ngx_uint_t                                  node_missing;   /* bits */
    ngx_uint_t                                  ncontainers;    /* in all */
    ngx_uint_t                                  nlines; /* no comments */
    ngx_uint_t                                  nsamples;   /* that counted */
    ngx_http_k8s_metrics_exposition_dropped_t   dropped;

    /* private */
    ngx_log_t                                  *log;
    ngx_uint_t                                  max_containers;
    size_t                                      max_names;
    int64_t                                     time;
    ngx_uint_t                                  node_have;
    ngx_uint_t                                  metric; /* of last line */
    ngx_uint_t                                  next;   /* entry expected */
    ngx_uint_t                                  skip;   /* to the newline */
    ngx_uint_t                                  full;   /* nothing new */

    u_char                                     *line;   /* a cut one */
    size_t                                      line_len;
    size_t                                      line_size;

    u_char                                     *names;
    size_t                                      names_len;
    size_t                                      names_size;

    ngx_http_k8s_metrics_exposition_entry_t    *entries;
    ngx_uint_t                                  nentries;
    size_t                                      entries_size;

    ngx_http_k8s_metrics_exposition_pod_t      *table;
    ngx_uint_t                                  ntable;
    size_t                                      table_size;
    uint32_t                                   *index;  /* hash of pods */
    size_t                                      index_size;

    uint32_t                                   *order;
    size_t                                      order_size;
    ngx_http_k8s_metrics_point_t               *points;
    size_t                                      points_size;
    size_t                                      pods_size;
} ngx_http_k8s_metrics_exposition_t;


/*
 * Prepares a parser; allocates nothing.  At most "max_containers" containers
 * (a million at most) and "max_names" bytes of labels (a gigabyte at most)
 * are kept of a scrape, and 256 containers of a pod.  About 100 bytes of
 * labels a container are usual.
 */
void ngx_http_k8s_metrics_exposition_init(
    ngx_http_k8s_metrics_exposition_t *e, ngx_log_t *log,
    ngx_uint_t max_containers, size_t max_names);

/*
 * Begins a scrape and forgets the last one, also one that was not ended.
 * "time" (ns since 1970, the time before the request) is for lines without
 * one, in whole milliseconds.
 */
void ngx_http_k8s_metrics_exposition_start(
    ngx_http_k8s_metrics_exposition_t *e, int64_t time);

/*
 * Takes "len" bytes.  NGX_OK, or NGX_ERROR without memory: then this scrape
 * is lost.  What is no exposition at all is no error here but counted.
 */
ngx_int_t ngx_http_k8s_metrics_exposition_feed(
    ngx_http_k8s_metrics_exposition_t *e, const u_char *p, size_t len);

/*
 * The body is complete: a last line without a newline counts, and the result
 * is made.  Each pod is there once, with the containers it has, sorted by
 * namespace, pod and container; the node has an empty name.  Behind them, in
 * no order, are those that were dropped, without containers and with what was
 * missing: pods[npods] to pods[npods + nincomplete - 1].  Strings and
 * arrays are the parser's memory.  A body of which nothing could be used
 * gives !has_node and npods == 0.  NGX_OK, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_exposition_end(
    ngx_http_k8s_metrics_exposition_t *e);

/* Bytes that are allocated. */
size_t ngx_http_k8s_metrics_exposition_size(
    ngx_http_k8s_metrics_exposition_t *e);

/* Frees what was allocated; may be called more than once after init. */
void ngx_http_k8s_metrics_exposition_destroy(
    ngx_http_k8s_metrics_exposition_t *e);


#endif /* _NGX_HTTP_K8S_METRICS_EXPOSITION_H_INCLUDED_ */
