
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape.h"
#include "ngx_http_k8s_metrics_exposition.h"
#include "ngx_http_k8s_metrics_summary.h"


/* kubelets refresh a container's counters every 10 to 15 s */
#define NGX_HTTP_K8S_METRICS_MIN_WINDOW      10000

/*
 * Phases are multiples of this, ms: a worker that wakes up for several nodes
 * at once does each with warm caches (half the CPU at 1,000 nodes).
 */
#define NGX_HTTP_K8S_METRICS_SLOT            100

/* by how much a busy worker may be late for a scrape, ms */
#define NGX_HTTP_K8S_METRICS_LATE            500

/*
 * What one node may send and have kept, whatever it is.  The largest real
 * ones run 500 pods (110 is the default): that leaves ten containers for each,
 * of 200 bytes of labels, where 100 are usual.
 */
#define NGX_HTTP_K8S_METRICS_MAX_BODY        (16 * 1024 * 1024)
#define NGX_HTTP_K8S_METRICS_MAX_CONTAINERS  5000
#define NGX_HTTP_K8S_METRICS_MAX_NAMES       (1024 * 1024)

/* the longest reason, with its end */
#define NGX_HTTP_K8S_METRICS_REASON          160

/* where a kubelet is and what it was asked for, with the end */
#define NGX_HTTP_K8S_METRICS_WHERE           1152


typedef struct ngx_http_k8s_metrics_parser_s  ngx_http_k8s_metrics_parser_t;
typedef struct ngx_http_k8s_metrics_kubelet_s
    ngx_http_k8s_metrics_kubelet_t;

/* What a kubelet is asked for, and who reads it; see their parsers' headers. */
typedef struct {
    ngx_str_t                                path;  /* empty: the node's own */
    const char                              *what;  /* for reasons */
    const char                              *resource;  /* that RBAC knows */
    void      (*start)(ngx_http_k8s_metrics_parser_t *p, int64_t time);
    ngx_int_t (*feed)(ngx_http_k8s_metrics_parser_t *p, const u_char *data,
                      size_t len);
    ngx_int_t (*end)(ngx_http_k8s_metrics_parser_t *p);
} ngx_http_k8s_metrics_source_t;

/* A parser that no scrape uses keeps its memory for the next one. */
struct ngx_http_k8s_metrics_parser_s {
    ngx_http_k8s_metrics_exposition_t        exposition;    /* the result */
    ngx_http_k8s_metrics_summary_t           summary;
    size_t                                   received;
    u_char                                   first;     /* no blank */
    ngx_http_k8s_metrics_parser_t           *next;
};


struct ngx_http_k8s_metrics_scraper_s {
    ngx_http_k8s_metrics_scrape_conf_t      *conf;
    ngx_http_k8s_metrics_kube_client_t      *client;
    ngx_http_k8s_metrics_store_t            *store;
    ngx_log_t                               *log;
    ngx_rbtree_t                             tree;      /* by name */
    ngx_rbtree_node_t                        sentinel;
    ngx_queue_t                              nodes;
    ngx_uint_t                               nnodes;
    ngx_uint_t                               epoch;
    ngx_uint_t                               max_idle;  /* connections */
    ngx_uint_t                               nworkers;
    uint64_t                                 version;   /* seen of nodes */
    ngx_msec_t                               synced;
    ngx_http_k8s_metrics_parser_t           *parsers;   /* free ones */
    ngx_queue_t                              waiting;   /* for a place */
    ngx_queue_t                              failing;   /* those that failed */
    ngx_uint_t                               placed;
    ngx_uint_t                               placed_failing;
    ngx_msec_t                               log_since;
    ngx_uint_t                               log_lines;
    ngx_uint_t                               log_dropped;
    unsigned                                 started:1;
    unsigned                                 warned:1;
    unsigned                                 again:1;   /* lacked memory */
    unsigned                                 placing:1;
};


/* A node that this worker scrapes; heap memory. */
struct ngx_http_k8s_metrics_kubelet_s {
    void                                    *data;
    void                                    *dummy[2];
    ngx_socket_t                             fd;    /* where the debug log
                                                       of a timer reads it */
    ngx_str_node_t                           sn;
    ngx_queue_t                              queue;
    ngx_http_k8s_metrics_scraper_t          *scraper;
    ngx_http_k8s_metrics_ref_t               ref;
    uint32_t                                 hash;
    uint64_t                                 version;
    ngx_uint_t                               epoch;
    ngx_event_t                              timer;

    ngx_str_t                                path;
    ngx_str_t                                address;   /* as text */
    in_port_t                                port;
    ngx_http_k8s_metrics_peer_t             *peer;
    char                                     unusable[128]; /* why no peer */

    ngx_http_k8s_metrics_fetch_t            *fetch;
    ngx_http_k8s_metrics_parser_t           *parser;
    const ngx_http_k8s_metrics_source_t     *source;    /* asked last */
    ngx_uint_t                               asked;     /* in this scrape */
    ngx_msec_t                               absent;    /* when resource was
                                                           404; 0: it is not */
    ngx_queue_t                              place;     /* for the proxy */
    ngx_msec_t                               due;
    ngx_msec_t                               started;
    ngx_msec_t                               logged;
    ngx_msec_t                               limited;   /* logged, too */
    ngx_uint_t                               rounds;
    ngx_uint_t                               failures;  /* in a row */
    ngx_uint_t                               silent;    /* since the log */
    unsigned                                 waits:1;
    unsigned                                 placed:1;
    unsigned                                 placed_failing:1;
};


/* --- one kubelet: its connection (scrape_kubelet.c) -------------------- */

/* NULL without memory.  Nothing is armed. */
ngx_http_k8s_metrics_kubelet_t *ngx_http_k8s_metrics_kubelet_create(
    ngx_http_k8s_metrics_scraper_t *s, ngx_http_k8s_metrics_target_t *target);

/*
 * Takes over address, port and path; the connection goes when they differ.
 * NGX_OK, or NGX_ERROR without memory: then again with the next sync.
 */
ngx_int_t ngx_http_k8s_metrics_kubelet_update(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_target_t *target);

/* Cancels its scrape, closes its connection, frees it. */
void ngx_http_k8s_metrics_kubelet_destroy(ngx_http_k8s_metrics_kubelet_t *k);


/* --- where it is (scrape_address.c) ------------------------------------ */

/*
 * The address of a node that the configuration prefers, a view; NULL when
 * there is none, and k->unusable says why.
 */
ngx_str_t *ngx_http_k8s_metrics_kubelet_address(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_node_t *node);

/* 1 when a request may be made of that path. */
ngx_uint_t ngx_http_k8s_metrics_kubelet_path_ok(ngx_str_t *path);


/* --- when (scrape_schedule.c) ------------------------------------------ */

/* Arms the first scrape in "delay" ms, or the next one in its time. */
void ngx_http_k8s_metrics_kubelet_first(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t delay);
void ngx_http_k8s_metrics_kubelet_next(ngx_http_k8s_metrics_kubelet_t *k);

/* The timer's handler. */
void ngx_http_k8s_metrics_kubelet_timer(ngx_event_t *ev);


/* --- one scrape (scrape_run.c) ----------------------------------------- */

/*
 * Begins a scrape, or lets it wait for its turn; a failure is logged and
 * counted, never returned.
 */
void ngx_http_k8s_metrics_scrape_run(ngx_http_k8s_metrics_kubelet_t *k);

/* The same, now; for those whose turn it is. */
void ngx_http_k8s_metrics_scrape_begin(ngx_http_k8s_metrics_kubelet_t *k);

/* Gives back what an ended, cancelled or waiting scrape had. */
void ngx_http_k8s_metrics_scrape_release(ngx_http_k8s_metrics_kubelet_t *k);

/* Frees a parser that no scrape has. */
void ngx_http_k8s_metrics_scrape_free(ngx_http_k8s_metrics_parser_t *parser);


/* --- through the API server (scrape_proxy.c) --------------------------- */

/* Nobody waits. */
void ngx_http_k8s_metrics_proxy_init(ngx_http_k8s_metrics_scraper_t *s);

/*
 * Its scrape is due: it begins now or, when as many are under way as may be,
 * as soon as those that were due before it have begun.  Nodes whose last
 * scrape failed have a part of the places only.
 */
void ngx_http_k8s_metrics_proxy_enter(ngx_http_k8s_metrics_kubelet_t *k);

/* It waits no more, or its scrape has ended; starts nothing. */
void ngx_http_k8s_metrics_proxy_leave(ngx_http_k8s_metrics_kubelet_t *k);

/* Begins scrapes that wait while there are places. */
void ngx_http_k8s_metrics_proxy_next(ngx_http_k8s_metrics_scraper_t *s);

/*
 * Starts a request for "fc->uri" of the kubelet, else as
 * ngx_http_k8s_metrics_kube_fetch(): NULL with *reason.
 */
ngx_http_k8s_metrics_fetch_t *ngx_http_k8s_metrics_proxy_fetch(
    ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_fetch_conf_t *fc, const char **reason);


/* --- why not, in words (scrape_words.c) -------------------------------- */

/*
 * Of a status other than 200, or of a body without a usable series: a constant
 * or "buf", which holds NGX_HTTP_K8S_METRICS_REASON bytes.
 */
const char *ngx_http_k8s_metrics_scrape_status(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    char *buf);
const char *ngx_http_k8s_metrics_scrape_unusable(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res,
    char *buf);

/*
 * Where it was looked for: a view of "buf", which holds
 * NGX_HTTP_K8S_METRICS_WHERE bytes.
 */
ngx_str_t ngx_http_k8s_metrics_scrape_where(ngx_http_k8s_metrics_kubelet_t *k,
    u_char *buf);

/*
 * 1 when the answer is the API server's own, not one of a kubelet behind it:
 * it is a Status.
 */
ngx_uint_t ngx_http_k8s_metrics_scrape_own(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res);


/* --- failures, counted and logged within bounds (scrape_log.c) --------- */

/* the store logs it, once for all nodes */
extern const char  ngx_http_k8s_metrics_zone_full[];

/* A scrape failed for "reason". */
void ngx_http_k8s_metrics_scrape_failed(ngx_http_k8s_metrics_kubelet_t *k,
    const char *reason);

/* A scrape was good for a part of what it brought. */
void ngx_http_k8s_metrics_scrape_limited(ngx_http_k8s_metrics_kubelet_t *k);


#endif /* _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_ */
