
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SUMMARY_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SUMMARY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition.h"


/*
 * Reads a kubelet's /stats/summary (JSON) as its bytes arrive, cut anywhere,
 * into the same tables as an exposition, under the same rules and maxima: the
 * result is the exposition's.  Pure: no request, no store, no clock.
 *
 * What counts:
 *
 *     node.cpu.usageCoreNanoSeconds, .time       ns of CPU
 *     node.memory.workingSetBytes, .time         bytes
 *     pods[].podRef.name, .namespace
 *     pods[].containers[].name, .startTime
 *     pods[].containers[].cpu, .memory           as the node's
 *
 * All else is skipped.  As in an exposition a node has no start.  A scanner
 * cuts out the node and one pod after another; cJSON reads each, and it is
 * forgotten: nothing of the whole body is kept.  Numbers are read from their
 * digits, exactly; one that is no integer of 64 bits is dropped and counted.
 * A time that is null or not there is the default one.  A kubelet's times are
 * whole seconds here: a start seems to go back when a kubelet loses its
 * exposition, and the store refuses one rate of each container.
 *
 * Memory is bounded: what the exposition's maxima allow, and one piece of
 * NGX_HTTP_K8S_METRICS_SUMMARY_PIECE bytes with its tree, which is freed
 * within the call.
 */

/* The node or a pod, at most, bytes; a longer one is dropped ("too_long"). */
#define NGX_HTTP_K8S_METRICS_SUMMARY_PIECE  (256 * 1024)

/* Objects and arrays within each other, at most. */
#define NGX_HTTP_K8S_METRICS_SUMMARY_DEPTH  32


typedef struct {
    ngx_http_k8s_metrics_exposition_t          *exposition;

    /* private */
    ngx_uint_t                                  depth;
    uint64_t                                    arrays; /* a bit a depth */
    ngx_uint_t                                  top;    /* in the object */
    ngx_uint_t                                  key;    /* of the object */
    u_char                                      name[4];
    ngx_uint_t                                  name_len;
    ngx_uint_t                                  hex;    /* of \uXXXX left */

    ngx_uint_t                                  kind;   /* of the piece */
    u_char                                     *piece;
    size_t                                      piece_len;
    size_t                                      piece_size;
    const u_char                               *run;    /* to be copied */

    unsigned                                    string:1;
    unsigned                                    escape:1;
    unsigned                                    zero:1; /* \u0000 so far */
    unsigned                                    number:1;
    unsigned                                    word:1;
    unsigned                                    bad:1;  /* the piece is */
    unsigned                                    over:1; /* too long */
    unsigned                                    complete:1;
    unsigned                                    broken:1;
} ngx_http_k8s_metrics_summary_t;


/*
 * Prepares a parser that fills "e", which is initialized already, outlives it
 * and may read expositions in between.  Allocates nothing.
 */
void ngx_http_k8s_metrics_summary_init(ngx_http_k8s_metrics_summary_t *s,
    ngx_http_k8s_metrics_exposition_t *e);

/*
 * Begins a scrape and forgets the last one, also one that was not ended.
 * "time" (ns since 1970, the time before the request) is for what has none.
 */
void ngx_http_k8s_metrics_summary_start(ngx_http_k8s_metrics_summary_t *s,
    int64_t time);

/*
 * Takes "len" bytes.  NGX_OK, or NGX_ERROR without memory: then this scrape
 * is lost.  What is no JSON is no error here, but at the end.
 */
ngx_int_t ngx_http_k8s_metrics_summary_feed(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p, size_t len);

/*
 * The body is complete: NGX_OK with the result in s->exposition, as of
 * ngx_http_k8s_metrics_exposition_end(); NGX_DECLINED when it was no whole
 * JSON object (or one of too great a depth), so that what is missing does not
 * look as if it were gone; NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_summary_end(ngx_http_k8s_metrics_summary_t *s);

/* Frees what was allocated (not "e"); may be called more than once. */
void ngx_http_k8s_metrics_summary_destroy(ngx_http_k8s_metrics_summary_t *s);


#endif /* _NGX_HTTP_K8S_METRICS_SUMMARY_H_INCLUDED_ */
