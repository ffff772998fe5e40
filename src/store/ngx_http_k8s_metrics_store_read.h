
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_READ_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_READ_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store.h"


/*
 * Reading for answers: a batch of items is copied under the lock into memory
 * of the reader and rendered outside.  Order: nodes by name; pods by
 * namespace, then name (bytewise).
 */

typedef struct {
    ngx_str_t                        name;
    uint64_t                         cpu;       /* nanocores */
    uint64_t                         memory;    /* bytes */
} ngx_http_k8s_metrics_usage_t;

/* A node or a pod with its metrics. */
typedef struct {
    ngx_str_t                        ns;        /* empty for a node */
    ngx_str_t                        name;
    ngx_uint_t                       nlabels;
    ngx_http_k8s_metrics_label_t    *labels;    /* sorted by key */
    unsigned                         has_time:1;    /* 0: timestamp null */
    int64_t                          timestamp; /* ns since 1970 */
    int64_t                          window;    /* ns */
    ngx_uint_t                       nusages;   /* node: 1, or 0 */
    ngx_http_k8s_metrics_usage_t    *usages;
} ngx_http_k8s_metrics_item_t;

/* What a reader wants; views must live as long as the reader. */
typedef struct {
    ngx_uint_t                       kind;      /* ..._NODES or ..._PODS */
    ngx_str_t                        ns;        /* empty: all */
    ngx_str_t                        name;      /* empty: all */
    ngx_msec_t                       now;       /* mono */
    ngx_msec_t                       max_age;   /* since the scrape, ms; 0:
                                                   until a scrape fails */
} ngx_http_k8s_metrics_query_t;

/* Where a walk is; zeroed to begin.  Survives any change of the store. */
typedef struct {
    ngx_str_t                        ns;        /* last one seen: views */
    ngx_str_t                        name;      /* into buf */
    u_char                           buf[512];  /* 63 + 253 by Kubernetes */
    unsigned                         done:1;
} ngx_http_k8s_metrics_walk_t;

/*
 * One batch: as many of the following items as fit "mem" and "max"; only
 * those that have metrics and are fresh enough.  The caller sets mem, size and
 * max items.  Strings and arrays of the items are in "mem".
 */
typedef struct {
    u_char                          *mem;
    size_t                           size;
    ngx_http_k8s_metrics_item_t     *items;     /* max of them, the caller's */
    ngx_uint_t                       max;
    ngx_uint_t                       n;         /* out */
    unsigned                         skip:1;    /* what alone does not fit is
                                                   left out */
} ngx_http_k8s_metrics_batch_t;

/*
 * Next batch; walk->done is set when nothing follows.  A batch may be empty
 * while done is 0 (a bounded number of records is looked at under one hold
 * of the lock).  NGX_OK, or NGX_BUSY when the first item alone does not fit
 * (and may not be skipped): nothing was read.
 */
ngx_int_t ngx_http_k8s_metrics_store_read(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_walk_t *walk, ngx_http_k8s_metrics_batch_t *batch);

/*
 * One item by query->ns and query->name, copied into "batch" (max 1 is
 * enough).  NGX_OK; NGX_DECLINED when it is known but has no metrics;
 * NGX_ABORT when it is not known; NGX_BUSY when it does not fit.  In the
 * DECLINED case items[0] has name, namespace and labels.
 */
ngx_int_t ngx_http_k8s_metrics_store_get(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query,
    ngx_http_k8s_metrics_batch_t *batch);


#endif /* _NGX_HTTP_K8S_METRICS_STORE_READ_H_INCLUDED_ */
