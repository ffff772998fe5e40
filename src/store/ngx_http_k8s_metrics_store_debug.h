
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_DEBUG_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_DEBUG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_read.h"
#include "ngx_http_k8s_metrics_store_stats.h"


/*
 * What an operator asks: how each node's scrapes go, and why something is not
 * served.
 */

/* Memory in which any one of them fits, bytes. */
#define NGX_HTTP_K8S_METRICS_DEBUG_MEM  8192

typedef struct {
    ngx_str_t      name;
    ngx_str_t      address;         /* asked last; empty: never */
    ngx_str_t      path;
    in_port_t      port;
    ngx_uint_t     worker;          /* that asked, from 0 */
    ngx_uint_t     asked;           /* 0: not yet, and what is above is none */
    ngx_uint_t     ready;
    ngx_uint_t     result;          /* of the last scrape */
    ngx_str_t      reason;          /* of its failure, in words */
    uint64_t       success;         /* mono, 0 never */
    uint64_t       failure;
    uint64_t       next;            /* mono, 0 unknown */
    uint64_t       ended;           /* s since 1970, 0 never */
    ngx_uint_t     failures;        /* in a row */

    ngx_uint_t     has_samples;     /* 0: and the following are none */
    uint64_t       scraped;         /* mono */
    ngx_uint_t     reported;        /* pods of the API server's that it named */
    ngx_uint_t     served;          /* of them, with two points each */
    ngx_uint_t     missing;         /* bits of the node's own report */

    uint64_t       sum;             /* of request durations, us */
    uint32_t       buckets[NGX_HTTP_K8S_METRICS_DURATIONS + 1];
} ngx_http_k8s_metrics_debug_node_t;

/*
 * Copies nodes with a name greater than "after", in its order, into "nodes"
 * (at most "max", and as many as "size" bytes of "mem" hold the strings of: one
 * at least if that is NGX_HTTP_K8S_METRICS_DEBUG_MEM).  Returns how many; 0 at
 * the end.
 */
ngx_uint_t ngx_http_k8s_metrics_store_debug_nodes(
    ngx_http_k8s_metrics_store_t *store, const ngx_str_t *after, u_char *mem,
    size_t size, ngx_http_k8s_metrics_debug_node_t *nodes, ngx_uint_t max);


typedef enum {
    NGX_HTTP_K8S_METRICS_WHY_FINE = 0,
    NGX_HTTP_K8S_METRICS_WHY_NOT_LISTED,    /* no full list yet */
    NGX_HTTP_K8S_METRICS_WHY_UNKNOWN,       /* no such running pod, or node */
    NGX_HTTP_K8S_METRICS_WHY_NO_NODE,       /* the pod's node is not known */
    NGX_HTTP_K8S_METRICS_WHY_NOT_SCRAPED,   /* not yet */
    NGX_HTTP_K8S_METRICS_WHY_FAILED,        /* nothing was ever brought, or
                                               with max_age 0 the last failed */
    NGX_HTTP_K8S_METRICS_WHY_TOO_OLD,
    NGX_HTTP_K8S_METRICS_WHY_NOT_REPORTED,  /* the kubelet does not name it */
    NGX_HTTP_K8S_METRICS_WHY_INCOMPLETE,    /* "missing" says what */
    NGX_HTTP_K8S_METRICS_WHY_ONE_POINT,     /* no rate yet */
    NGX_HTTP_K8S_METRICS_WHY_REFUSED,       /* a counter went back: a node is
                                               left out, a pod is served
                                               without containers */
    NGX_HTTP_K8S_METRICS_WHYS
} ngx_http_k8s_metrics_why_e;

typedef struct {
    ngx_http_k8s_metrics_why_e          why;
    ngx_str_t                           node_name;  /* the pod's */
    ngx_uint_t                          has_node;
    ngx_http_k8s_metrics_debug_node_t   node;       /* it, or the one asked
                                                       for */
    ngx_uint_t                          left_out;   /* of that kind, by a full
                                                       zone */
    ngx_uint_t                          missing;    /* bits */
    ngx_uint_t                          containers; /* of the pod */
    ngx_uint_t                          points;     /* of them with two */
    ngx_str_t                           container;  /* the first without */
    int64_t                             since;      /* its point, ns */
    int64_t                             timestamp;  /* of the sample, ns; 0 */
    int64_t                             window;     /* ns, 0 none */
} ngx_http_k8s_metrics_explained_t;

/*
 * Why what "query" names is served or not (kind, ns, name, now, max_age as in
 * a get of it).  Strings go to "mem", NGX_HTTP_K8S_METRICS_DEBUG_MEM bytes.
 */
void ngx_http_k8s_metrics_store_explain(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_query_t *query, u_char *mem,
    ngx_http_k8s_metrics_explained_t *explained);


#endif /* _NGX_HTTP_K8S_METRICS_STORE_DEBUG_H_INCLUDED_ */
