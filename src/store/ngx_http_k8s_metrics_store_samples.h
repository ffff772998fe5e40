
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_SAMPLES_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_SAMPLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store.h"


/*
 * What scrapes need of the store and bring to it.
 *
 * Each node has two blocks of samples: the current one, which readers see,
 * and a spare one, which only the node's owner touches.  A scrape fills the
 * spare from the current one and the new points outside the lock, and
 * publishes it by one store under it.  In the steady state nothing is
 * allocated.
 */

/* One reading of a container or a node. */
typedef struct {
    ngx_str_t     name;             /* container; empty for the node */
    int64_t       timestamp;        /* ns since 1970 */
    int64_t       start;            /* ns since 1970; 0 unknown */
    uint64_t      cpu;              /* cumulative ns */
    uint64_t      memory;           /* bytes */
} ngx_http_k8s_metrics_point_t;

/* What a kubelet's report of a pod or of its node lacked. */
#define NGX_HTTP_K8S_METRICS_LACKS_CPU      0x1
#define NGX_HTTP_K8S_METRICS_LACKS_MEMORY   0x2
#define NGX_HTTP_K8S_METRICS_ZERO_CPU       0x4
#define NGX_HTTP_K8S_METRICS_ZERO_MEMORY    0x8
#define NGX_HTTP_K8S_METRICS_OVER_LIMIT     0x10

typedef struct {
    ngx_str_t                       ns;
    ngx_str_t                       name;
    ngx_uint_t                      missing;        /* bits: not served */
    ngx_uint_t                      ncontainers;    /* 0 with such bits */
    ngx_http_k8s_metrics_point_t   *containers;
} ngx_http_k8s_metrics_pod_points_t;


/* How a scrape ended; names: result_name() of store_stats.h. */
typedef enum {
    NGX_HTTP_K8S_METRICS_RESULT_OK = 0,
    NGX_HTTP_K8S_METRICS_RESULT_NO_ADDRESS,
    NGX_HTTP_K8S_METRICS_RESULT_NAME,           /* resolution of it */
    NGX_HTTP_K8S_METRICS_RESULT_CONNECT,
    NGX_HTTP_K8S_METRICS_RESULT_TLS,
    NGX_HTTP_K8S_METRICS_RESULT_TIMEOUT,
    NGX_HTTP_K8S_METRICS_RESULT_PROTOCOL,
    NGX_HTTP_K8S_METRICS_RESULT_TOO_LARGE,
    NGX_HTTP_K8S_METRICS_RESULT_UNAUTHORIZED,
    NGX_HTTP_K8S_METRICS_RESULT_FORBIDDEN,
    NGX_HTTP_K8S_METRICS_RESULT_NOT_FOUND,
    NGX_HTTP_K8S_METRICS_RESULT_STATUS,         /* any other */
    NGX_HTTP_K8S_METRICS_RESULT_NO_SERIES,
    NGX_HTTP_K8S_METRICS_RESULT_SCRAPE_ERROR,
    NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY,
    NGX_HTTP_K8S_METRICS_RESULT_ZONE_FULL,
    NGX_HTTP_K8S_METRICS_RESULT_INTERNAL,       /* no request began */
    NGX_HTTP_K8S_METRICS_RESULTS
} ngx_http_k8s_metrics_result_e;

/* A request to a kubelet, for operators. */
typedef struct {
    ngx_http_k8s_metrics_result_e   result;
    uint64_t                        duration;       /* us */
    uint64_t                        ended;          /* s since 1970 */
    ngx_msec_t                      resolution;     /* ms */
    ngx_msec_t                      next;           /* mono, 0 unknown */
    ngx_str_t                       address;        /* without its port */
    in_port_t                       port;
    ngx_str_t                       path;
} ngx_http_k8s_metrics_request_t;

/* The result of one scrape; the scraper's memory. */
typedef struct {
    ngx_http_k8s_metrics_ref_t           node;
    ngx_msec_t                           scraped;   /* mono, at its start */
    unsigned                             has_node:1;
    ngx_uint_t                           missing;   /* bits, without it */
    ngx_http_k8s_metrics_point_t         usage;     /* of the node */
    ngx_uint_t                           npods;
    ngx_http_k8s_metrics_pod_points_t   *pods;      /* each pod once */
    const ngx_http_k8s_metrics_request_t
                                        *request;   /* NULL: not told */
    unsigned                             early:1;   /* out of turn: what has
                                                       a rate keeps it */
    unsigned                             close:1;   /* the scrape before was
                                                       less than a window ago */
    int64_t                              window;    /* ns: early and close
                                                       ones make none that is
                                                       shorter */

    /* out, of the node and of the containers of pods that are placed on it */
    ngx_uint_t                           nkept;     /* as they were */
    ngx_uint_t                           nstuck;    /* no rate: time did not
                                                       move on */
    int64_t                              wait;      /* ns until one of those
                                                       that have one point has
                                                       a window, 0: none */
} ngx_http_k8s_metrics_scrape_t;


/*
 * Merges a scrape into the store: a pod counts only if the API server placed
 * it on this node; pods and containers that the scrape does not name lose
 * their points; points are merged by metrics-server's rules (kubernetes.md,
 * "Fresh container"), "resolution" in ns.
 *
 * NGX_OK; NGX_DECLINED when the node is gone; NGX_ABORT when there is no room
 * for them: samples have their part of the zone; NGX_BUSY when they are more
 * than one node may have, 64 kB or a 64th of the zone, whichever is more;
 * NGX_ERROR without memory.  But for NGX_OK what was there stays; the store
 * says of the zone in the log which it was.
 */
ngx_int_t ngx_http_k8s_metrics_store_scraped(
    ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_scrape_t *scrape, int64_t resolution);

/*
 * Nodes on which a pod has begun to run since "*seq" (0 to begin with, moves
 * on), oldest first: of the last 256 of them, "max" at most.  Returns how many
 * were put into "fresh".  Nothing before the first list of pods was complete.
 * Without news no lock is taken.
 */
typedef struct {
    ngx_http_k8s_metrics_ref_t      node;
    uint32_t                        hash;       /* of its name */
    uint64_t                        seen;       /* mono */
} ngx_http_k8s_metrics_fresh_t;

ngx_uint_t ngx_http_k8s_metrics_store_fresh(
    ngx_http_k8s_metrics_store_t *store, uint64_t *seq,
    ngx_http_k8s_metrics_fresh_t *fresh, ngx_uint_t max);

/* A scrape began at "mono"; counts it, and moves the last start. */
void ngx_http_k8s_metrics_store_scrape_started(
    ngx_http_k8s_metrics_store_t *store, ngx_msec_t mono);

/*
 * A scrape failed: "reason" (at most 255 bytes) is kept for the operator.
 * "request" may be NULL: then only the reason is known.
 */
void ngx_http_k8s_metrics_store_scrape_failed(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_ref_t node,
    const ngx_http_k8s_metrics_request_t *request, ngx_str_t *reason);


/* What the scraper has to know of a node. */
typedef struct {
    ngx_http_k8s_metrics_ref_t      ref;
    uint32_t                        hash;       /* of the name; stable */
    uint64_t                        version;    /* moves with its address,
                                                   port, path, readiness */
    ngx_msec_t                      scraped;    /* mono, the start of the
                                                   last good one; 0 never */
    ngx_http_k8s_metrics_node_t     node;       /* without labels */
} ngx_http_k8s_metrics_target_t;

/*
 * Copies up to "max" nodes with a name greater than "after" (empty: from the
 * first) in order of names; strings go to "pool".  Returns how many; fewer
 * than "max" means the end.  NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_store_targets(
    ngx_http_k8s_metrics_store_t *store, ngx_pool_t *pool, ngx_str_t *after,
    ngx_http_k8s_metrics_target_t *targets, ngx_uint_t max);


/*
 * The TLS session of a node's kubelet, in the form that i2d_SSL_SESSION()
 * makes: for all workers, warm after a reload or a worker's death, gone with
 * the node.  "key" says under what terms it was made (fetch.h): it is given
 * out under the same ones only.
 */
#define NGX_HTTP_K8S_METRICS_SESSION_KEY  32
#define NGX_HTTP_K8S_METRICS_SESSION_MAX  8192

/*
 * Replaces the session; a longer one, an empty one, and one for which records
 * have left no room, is not kept.
 */
void ngx_http_k8s_metrics_store_put_session(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_ref_t node,
    const u_char *key, const u_char *bytes, size_t len);

/* Copies it into SESSION_MAX bytes; its length, 0 where there is none. */
size_t ngx_http_k8s_metrics_store_get_session(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_ref_t node,
    const u_char *key, u_char *bytes);


/*
 * The rule of two points, pure (t/unit): merges "point" into "last" and
 * "prev" (each with timestamp 0 where absent) as kubernetes.md says.
 */
void ngx_http_k8s_metrics_points_merge(ngx_http_k8s_metrics_point_t *last,
    ngx_http_k8s_metrics_point_t *prev,
    const ngx_http_k8s_metrics_point_t *point, int64_t resolution);

/*
 * The rate between two points: NGX_OK with nanocores and the window in ns,
 * NGX_DECLINED when it is refused (counter or time went back).
 */
ngx_int_t ngx_http_k8s_metrics_points_rate(
    const ngx_http_k8s_metrics_point_t *last,
    const ngx_http_k8s_metrics_point_t *prev, uint64_t *nanocores,
    int64_t *window);


#endif /* _NGX_HTTP_K8S_METRICS_STORE_SAMPLES_H_INCLUDED_ */
