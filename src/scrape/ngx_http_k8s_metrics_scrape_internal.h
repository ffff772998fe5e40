
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape.h"
#include "ngx_http_k8s_metrics_cadence.h"
#include "ngx_http_k8s_metrics_exposition.h"
#include "ngx_http_k8s_metrics_store_stats.h"
#include "ngx_http_k8s_metrics_limit.h"
#include "ngx_http_k8s_metrics_summary.h"


/* kubelets refresh a container's counters every 10 to 15 s */
#define NGX_HTTP_K8S_METRICS_MIN_WINDOW      10000

/*
 * Phases are multiples of this, ms: a worker that wakes up for several nodes
 * at once does each with warm caches (half the CPU at 1,000 nodes).
 */
#define NGX_HTTP_K8S_METRICS_SLOT            100

/* a timer is never sooner than this behind the time that it is for, ms */
#define NGX_HTTP_K8S_METRICS_MARGIN          50

/*
 * Scrapes out of turn of one node: not sooner after the last such, and so many
 * for one reason.
 */
#define NGX_HTTP_K8S_METRICS_EARLY_GAP       3000
#define NGX_HTTP_K8S_METRICS_EARLY_TRIES     3

/* a node that is not ready and fails: so many resolutions at most */
#define NGX_HTTP_K8S_METRICS_BACKOFF         8

/* so many until a node is back at its phase */
#define NGX_HTTP_K8S_METRICS_ROUNDS          8

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

/* what a parser may keep for the next scrape: 1,000 containers need 250 kB */
#define NGX_HTTP_K8S_METRICS_MAX_KEPT        (512 * 1024)

/* the longest reason, with its end */
#define NGX_HTTP_K8S_METRICS_REASON          256

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

/* Where a kubelet is that has a name for an address (scrape_name.c). */
typedef struct ngx_http_k8s_metrics_kubelet_name_s
    ngx_http_k8s_metrics_kubelet_name_t;

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
    ngx_http_k8s_metrics_resolver_t         *resolver;
    ngx_http_k8s_metrics_limit_t             paths;     /* rejected ones */
    ngx_http_k8s_metrics_store_t            *store;
    ngx_log_t                               *log;
    ngx_rbtree_t                             tree;      /* by name */
    ngx_rbtree_node_t                        sentinel;
    ngx_queue_t                              nodes;
    ngx_uint_t                               nnodes;
    ngx_uint_t                               epoch;
    ngx_uint_t                               known;     /* nodes, anybody's */
    ngx_uint_t                               max_idle;  /* connections */
    ngx_uint_t                               open_files;
    ngx_uint_t                               nworkers;
    uint64_t                                 version;   /* seen of nodes */
    uint64_t                                 fresh;     /* seen of fresh pods */
    ngx_uint_t                               owners;    /* seen of workers */
    ngx_msec_t                               moved;     /* nodes, the last
                                                           time */
    ngx_http_k8s_metrics_parser_t           *parsers;   /* free ones */
    ngx_queue_t                              waiting;   /* for a place */
    ngx_queue_t                              failing;   /* those that failed */
    ngx_uint_t                               placed;
    ngx_uint_t                               placed_failing;
    ngx_msec_t                               log_since;
    ngx_uint_t                               log_lines;
    ngx_uint_t                               log_dropped;
    unsigned                                 started:1;
    unsigned                                 told:1;    /* of connections */
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
    ngx_http_k8s_metrics_kubelet_name_t     *name;      /* NULL: an IP */
    uint32_t                                 bad_path;  /* logged; its hash */
    ngx_http_k8s_metrics_peer_t             *peer;
    char                                     unusable[128]; /* why no peer */

    ngx_http_k8s_metrics_fetch_t            *fetch;
    ngx_http_k8s_metrics_parser_t           *parser;
    const ngx_http_k8s_metrics_source_t     *source;    /* asked last */
    ngx_uint_t                               asked;     /* in this scrape */
    ngx_msec_t                               absent;    /* when resource was
                                                           404; 0: it is not */
    ngx_queue_t                              place;     /* for the proxy */
    ngx_msec_t                               queued;    /* since when */
    ngx_msec_t                               started;   /* last scrape */
    int64_t                                  wall;      /* the same, ms since
                                                           1970 */
    ngx_msec_t                               full;      /* the last that was
                                                           not out of turn */
    ngx_msec_t                               regular;   /* next in turn */
    ngx_msec_t                               due;       /* next out of turn,
                                                           0: none */
    ngx_msec_t                               fresh;     /* the first and the
                                                           last fresh pod's
                                                           due, 0: none */
    ngx_msec_t                               fresh_last;
    ngx_uint_t                               tries;     /* out of turn */
    ngx_msec_t                               slack;     /* of a window, after
                                                           the last scrape */
    ngx_http_k8s_metrics_cadence_t           cadence;
    uint64_t                                 clock;     /* at that time, us */
    ngx_msec_t                               logged;
    ngx_msec_t                               limited;   /* logged, too */
    ngx_uint_t                               failures;  /* in a row */
    ngx_uint_t                               silent;    /* since the log */
    unsigned                                 ready:1;   /* says the API
                                                           server */
    unsigned                                 early:1;   /* scrape out of
                                                           turn */
    unsigned                                 close:1;   /* the one before was
                                                           a moment ago */
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

/*
 * Makes its peer at that address, or moves it there.  NGX_OK, or NGX_ERROR
 * without memory.
 */
ngx_int_t ngx_http_k8s_metrics_kubelet_connect(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_ip_t *ip);

/* Cancels its scrape, closes its connection, frees it. */
void ngx_http_k8s_metrics_kubelet_destroy(ngx_http_k8s_metrics_kubelet_t *k);


/* --- its TLS session, in the store (scrape_session.c) ------------------ */

extern const ngx_http_k8s_metrics_sessions_t
    ngx_http_k8s_metrics_kubelet_sessions;


/* --- where it is (scrape_address.c) ------------------------------------ */

/*
 * The first address of the first preferred type of which the node has one, a
 * view: an IP address (then *ip) or a name (then *named is 1).  NULL when there
 * is none that can be used, and k->unusable says why.
 */
ngx_str_t *ngx_http_k8s_metrics_kubelet_address(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_ip_t *ip, ngx_uint_t *named);

/*
 * The path of the annotation, or the default: where it has none, or one that
 * no request may be made of, which is logged once.
 */
ngx_str_t *ngx_http_k8s_metrics_kubelet_path(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_str_t *path);


/* --- where a name leads (scrape_name.c) -------------------------------- */

/* k->address is a name: nothing is asked yet.  NGX_OK, or NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_kubelet_name(ngx_http_k8s_metrics_kubelet_t *k);
void ngx_http_k8s_metrics_kubelet_unname(ngx_http_k8s_metrics_kubelet_t *k);

/*
 * NGX_OK: the scrape goes on now.  NGX_AGAIN: it goes on, or fails, when the
 * name is resolved.  An address that is known is used while it is asked for
 * again.
 */
ngx_int_t ngx_http_k8s_metrics_kubelet_locate(
    ngx_http_k8s_metrics_kubelet_t *k);

/*
 * After a scrape that found no connection: NGX_OK when it has begun anew at the
 * name's next address, else NGX_DECLINED.
 */
ngx_int_t ngx_http_k8s_metrics_kubelet_elsewhere(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res);

/* How long a connection may take: shared among a name's addresses, ms. */
ngx_msec_t ngx_http_k8s_metrics_kubelet_patience(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_msec_t left);


/* --- when (scrape_schedule.c) ------------------------------------------ */

/*
 * Arms the first scrape in "delay" ms, or the next one in turn: at the node's
 * phase, just after the kubelet's samples move, or with back-off.
 */
void ngx_http_k8s_metrics_kubelet_first(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t delay);
void ngx_http_k8s_metrics_kubelet_next(ngx_http_k8s_metrics_kubelet_t *k);

/* Its scrape starts now: in turn, or k->early. */
void ngx_http_k8s_metrics_kubelet_starts(ngx_http_k8s_metrics_kubelet_t *k);

/* A pod was seen to run on it at "seen" (mono): out of turn when it can have
 * a rate. */
void ngx_http_k8s_metrics_kubelet_fresh(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t seen);

/*
 * A scrape was good and is stored, or its node gone; "stamp" is the time of its
 * samples, ns since 1970, 0 when they have not one.
 */
void ngx_http_k8s_metrics_kubelet_stored(ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_scrape_t *scrape, int64_t stamp);

/* The timer's handler. */
void ngx_http_k8s_metrics_kubelet_timer(ngx_event_t *ev);


/* --- one scrape (scrape_run.c) ----------------------------------------- */

/*
 * Begins a scrape, or lets it wait for its turn; a failure is logged and
 * counted, never returned.
 */
void ngx_http_k8s_metrics_scrape_run(ngx_http_k8s_metrics_kubelet_t *k);

/* The same, now; for those whose turn it is. */
void ngx_http_k8s_metrics_scrape_start(ngx_http_k8s_metrics_kubelet_t *k);

/* The same, when it is known where the kubelet is. */
void ngx_http_k8s_metrics_scrape_begin(ngx_http_k8s_metrics_kubelet_t *k);

/* Gives back what an ended, cancelled or waiting scrape had. */
void ngx_http_k8s_metrics_scrape_release(ngx_http_k8s_metrics_kubelet_t *k);


/* --- what a kubelet is asked for (scrape_source.c) ---------------------- */

/* the annotation's path, too; and /stats/summary */
#define NGX_HTTP_K8S_METRICS_SOURCE_RESOURCE  0
#define NGX_HTTP_K8S_METRICS_SOURCE_STATS     1

/* That of the two; k->source is it from now on. */
void ngx_http_k8s_metrics_scrape_source(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t source);

/* The one that the kubelet is known to have. */
ngx_uint_t ngx_http_k8s_metrics_scrape_usual(
    ngx_http_k8s_metrics_kubelet_t *k);

/* What was asked for is there: remembers. */
void ngx_http_k8s_metrics_scrape_present(ngx_http_k8s_metrics_kubelet_t *k);

/*
 * What was asked for is not there: remembers, and says in *source what to ask
 * for instead.  NGX_OK, or NGX_DECLINED: there is nothing else, or no time.
 */
ngx_int_t ngx_http_k8s_metrics_scrape_other(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_uint_t *source);

/* A parser for k->parser, unless it has one; NGX_ERROR without memory. */
ngx_int_t ngx_http_k8s_metrics_scrape_parser(
    ngx_http_k8s_metrics_kubelet_t *k);

/* Takes it back. */
void ngx_http_k8s_metrics_scrape_unparser(ngx_http_k8s_metrics_kubelet_t *k);

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
 * Of a fetch that failed: what it says, and what an operator can do about it;
 * "buf" holds NGX_HTTP_K8S_METRICS_REASON bytes.
 */
const char *ngx_http_k8s_metrics_scrape_unanswered(
    ngx_http_k8s_metrics_response_t *res, char *buf);

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


/* --- what operators see of it (scrape_stats.c) -------------------------- */

/* A scrape begins: from here on it lasts. */
void ngx_http_k8s_metrics_scrape_begins(ngx_http_k8s_metrics_kubelet_t *k);

/* What is kept of a scrape that ends with "result": views of k. */
void ngx_http_k8s_metrics_scrape_request(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result,
    ngx_http_k8s_metrics_request_t *request);

/* Counts an end; the connection that an answer came on. */
void ngx_http_k8s_metrics_scrape_counted(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result);
void ngx_http_k8s_metrics_scrape_connected(ngx_http_k8s_metrics_kubelet_t *k,
    const ngx_http_k8s_metrics_response_t *res);

/* Counts what was left out of a body. */
void ngx_http_k8s_metrics_scrape_dropped(ngx_http_k8s_metrics_kubelet_t *k);

/* The result that a fetch's failure, or a status other than 200, is. */
ngx_http_k8s_metrics_result_e ngx_http_k8s_metrics_scrape_code(
    const ngx_http_k8s_metrics_response_t *res);


/* --- failures, kept and logged within bounds (scrape_log.c) --------- */

/* the store logs these, once for all nodes */
extern const char  ngx_http_k8s_metrics_zone_full[];
extern const char  ngx_http_k8s_metrics_zone_share[];

/* A scrape failed for "reason". */
void ngx_http_k8s_metrics_scrape_failed(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_result_e result, const char *reason);

/* A scrape was good for a part of what it brought. */
void ngx_http_k8s_metrics_scrape_limited(ngx_http_k8s_metrics_kubelet_t *k);


#endif /* _NGX_HTTP_K8S_METRICS_SCRAPE_INTERNAL_H_INCLUDED_ */
