
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_EXPOSITION_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_EXPOSITION_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition.h"


#define NGX_HTTP_K8S_METRICS_HAVE_CPU      1
#define NGX_HTTP_K8S_METRICS_HAVE_MEMORY   2

/* of e->metric: none of those that count, which are 0 to 6 */
#define NGX_HTTP_K8S_METRICS_METRIC_NONE  7

/* no entry, no pod */
#define NGX_HTTP_K8S_METRICS_NONE          0xffffffff


/*
 * Names are offsets into e->names, which moves when it grows.  The first line
 * of a container brings its entry; its labels are kept as they were sent,
 * because the lines of the next metric come in the same order with the same
 * bytes, which one comparison finds.
 */

struct ngx_http_k8s_metrics_exposition_entry_s {
    uint32_t      raw;
    uint32_t      raw_len;
    uint32_t      name;
    uint32_t      name_len;
    uint32_t      next;             /* of the same pod */
    uint32_t      have;
    int64_t       time;
    int64_t       start;
    uint64_t      cpu;
    uint64_t      memory;
};

struct ngx_http_k8s_metrics_exposition_pod_s {
    uint64_t      hash;
    uint32_t      ns;
    uint32_t      ns_len;
    uint32_t      name;
    uint32_t      name_len;
    uint32_t      first;            /* entries, in their order */
    uint32_t      last;
    uint32_t      n;
    uint32_t      slot;             /* of e->index */
    ngx_uint_t    bad;              /* why not to be served, bits */
};

/* The three labels that count: views into a line. */
typedef struct {
    ngx_str_t     ns;
    ngx_str_t     pod;
    ngx_str_t     container;
    unsigned      escaped:1;        /* one of the three holds a "\\" */
} ngx_http_k8s_metrics_exposition_labels_t;


/*
 * The entry of the container that a line with the labels "raw" (from behind
 * the "{" to the "}") speaks of, made when it is new.  NGX_OK with "entry";
 * NGX_DECLINED when it was dropped (counted); NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_exposition_entry(
    ngx_http_k8s_metrics_exposition_t *e, const ngx_str_t *raw,
    const ngx_http_k8s_metrics_exposition_labels_t *labels, uint32_t *entry);

/* Forgets all pods and containers; keeps the memory. */
void ngx_http_k8s_metrics_exposition_clear(
    ngx_http_k8s_metrics_exposition_t *e);

/* What a reading lacks, of what it has: bits of store_samples.h, 0 nothing. */
ngx_uint_t ngx_http_k8s_metrics_exposition_missing(ngx_uint_t have,
    uint64_t cpu, uint64_t memory);

/* Makes e->pods of the pods, the complete ones first.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_exposition_result(
    ngx_http_k8s_metrics_exposition_t *e);

/*
 * Makes room for "n" elements of "size" bytes where "*have" fit at "old" (NULL
 * at first).  Returns where they are now, or NULL without memory ("old" is
 * then as it was).
 */
void *ngx_http_k8s_metrics_exposition_room(
    ngx_http_k8s_metrics_exposition_t *e, void *old, size_t *have, size_t n,
    size_t size);

/*
 * Takes a line without its newline.  NGX_OK whatever the line is, or
 * NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_exposition_line(
    ngx_http_k8s_metrics_exposition_t *e, const u_char *p,
    const u_char *last);

/*
 * Reads a decimal floating point number at "p".  NGX_OK with "value" and
 * "end"; NGX_DECLINED for an infinity or no number ("end" is set, too);
 * NGX_ERROR for what is no number at all.
 */
ngx_int_t ngx_http_k8s_metrics_exposition_value(const u_char *p,
    const u_char *last, double *value, const u_char **end);


#endif /* _NGX_HTTP_K8S_METRICS_EXPOSITION_INTERNAL_H_INCLUDED_ */
