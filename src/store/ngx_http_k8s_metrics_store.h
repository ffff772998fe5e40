
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_selector.h"


/*
 * The shared zone: what every worker knows of the cluster.  Written by the
 * worker that holds the watches (nodes, pods, settings) and by the worker
 * that owns a node's scrapes (samples); read by all.
 *
 * One lock (the slab's mutex, which the master frees when its holder dies)
 * and a dirty mark: the next locker that finds the mark set starts the zone
 * afresh.  The lock never leaves this room: every call below takes it,
 * copies, and gives it back; nothing is rendered, logged or waited for while
 * it is held.  No pointer into the zone is ever handed out.
 *
 * Strings go in and out as copies.  Times: "mono" is ngx_current_msec-like
 * monotonic milliseconds; "ns" is nanoseconds since 1970.
 */

typedef struct ngx_http_k8s_metrics_store_s  ngx_http_k8s_metrics_store_t;

/* A record in the zone: valid until the record is deleted, then NGX_DECLINED
 * from every call that takes it (it carries a birth number). */
typedef struct {
    uint32_t      offset;
    uint32_t      birth;
} ngx_http_k8s_metrics_ref_t;


/*
 * Configuration time: declares the zone and returns the handle, pool memory
 * of the cycle.  NULL on error (logged).  The zone survives a reload; a
 * layout of another version refuses it.
 */
ngx_http_k8s_metrics_store_t *ngx_http_k8s_metrics_store_zone(ngx_conf_t *cf,
    ngx_str_t *name, size_t size, void *tag);

/* The same of a directive's "name:size". */
ngx_http_k8s_metrics_store_t *ngx_http_k8s_metrics_store_zone_named(
    ngx_conf_t *cf, const ngx_str_t *value, void *tag);


/* --- workers: who does what -------------------------------------------- */

/*
 * Worker start (init_process).  "generation" is the same in all workers of a
 * cycle and greater in a later cycle; the zone's moves on when the first
 * worker of a later cycle enters.  Claims the slot of "worker".
 */
void ngx_http_k8s_metrics_store_enter(ngx_http_k8s_metrics_store_t *store,
    uint64_t generation, ngx_uint_t worker, ngx_uint_t nworkers);

/* Worker end: gives the slot and the watches back. */
void ngx_http_k8s_metrics_store_leave(ngx_http_k8s_metrics_store_t *store);

#define NGX_HTTP_K8S_METRICS_ROLE_SCRAPE  0x1   /* generation is ours */
#define NGX_HTTP_K8S_METRICS_ROLE_WATCH   0x2   /* holds the watches */

/*
 * Every 250 ms in every worker: says so when the zone is full, once a minute
 * and in the worker that watches; refreshes its slot, takes the watches when
 * nobody has them (the holder left, or is stale for over a second and gone:
 * kill(pid, 0) says ESRCH), and returns the roles that it has now.  A worker
 * of an older generation gets 0: it stops scraping and watching.
 */
ngx_uint_t ngx_http_k8s_metrics_store_tick(
    ngx_http_k8s_metrics_store_t *store);

/*
 * 1 when this worker scrapes the node of that name hash: its own share, and
 * that of a worker that is gone and was not respawned.  Nothing is an older
 * generation's, from the moment on when a later one's first worker enters.  No
 * lock.
 */
ngx_uint_t ngx_http_k8s_metrics_store_owns(
    ngx_http_k8s_metrics_store_t *store, uint32_t hash);

/* Moves with a tick that found another worker gone, or back: owns() differs. */
ngx_uint_t ngx_http_k8s_metrics_store_owners(
    ngx_http_k8s_metrics_store_t *store);

/*
 * Says that this worker has "n" requests in flight, and returns how many all
 * workers of its generation have.  No lock.
 */
ngx_uint_t ngx_http_k8s_metrics_store_inflight(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t n);


/* --- written by the watch holder --------------------------------------- */

#define NGX_HTTP_K8S_METRICS_NODES   0
#define NGX_HTTP_K8S_METRICS_PODS    1
#define NGX_HTTP_K8S_METRICS_KINDS   2

#define NGX_HTTP_K8S_METRICS_ADDRS  8

typedef enum {
    NGX_HTTP_K8S_METRICS_ADDR_HOSTNAME = 0,
    NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP,
    NGX_HTTP_K8S_METRICS_ADDR_EXTERNAL_IP,
    NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_DNS,
    NGX_HTTP_K8S_METRICS_ADDR_EXTERNAL_DNS
} ngx_http_k8s_metrics_addr_e;

typedef struct {
    ngx_http_k8s_metrics_addr_e      type;
    ngx_str_t                        text;
} ngx_http_k8s_metrics_node_addr_t;

typedef struct {
    ngx_str_t                           name;
    ngx_uint_t                          nlabels;
    ngx_http_k8s_metrics_label_t       *labels;     /* sorted by key */
    ngx_uint_t                          naddrs;
    ngx_http_k8s_metrics_node_addr_t    addrs[NGX_HTTP_K8S_METRICS_ADDRS];
    in_port_t                           port;   /* status.daemonEndpoints */
    ngx_str_t                           path;   /* annotation, or empty */
    unsigned                            ready:1;
} ngx_http_k8s_metrics_node_t;

typedef struct {
    ngx_str_t                           ns;
    ngx_str_t                           name;
    ngx_str_t                           node;
    ngx_uint_t                          nlabels;
    ngx_http_k8s_metrics_label_t       *labels;     /* sorted by key */
    unsigned                            ready:1;
} ngx_http_k8s_metrics_pod_t;

/*
 * Labels that a record may have, in bytes: 32 for each, and its key and value
 * rounded up to 8.  With a pod's 256 containers a record still fits the memory
 * that a list reads into, 64 kB.
 */
#define NGX_HTTP_K8S_METRICS_MAX_LABELS  40000

/*
 * Add or replace.  NGX_OK; NGX_DECLINED when nothing differs from what is
 * there; when the zone is full (counted) NGX_ABORT, the record is left out, or
 * NGX_BUSY, it stays as it was; NGX_ERROR when no zone would take it: its name,
 * labels or addresses are longer or more than a record may have (it stays as
 * it was, too).
 */
ngx_int_t ngx_http_k8s_metrics_store_put_node(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_node_t *node);
ngx_int_t ngx_http_k8s_metrics_store_put_pod(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_pod_t *pod);

/* NGX_OK, or NGX_DECLINED: it was not there. */
ngx_int_t ngx_http_k8s_metrics_store_delete_node(
    ngx_http_k8s_metrics_store_t *store, ngx_str_t *name);
ngx_int_t ngx_http_k8s_metrics_store_delete_pod(
    ngx_http_k8s_metrics_store_t *store, ngx_str_t *ns, ngx_str_t *name);

/*
 * A full list of a kind: begin, put every object, end.  End deletes what was
 * not put since begin (in bounded steps, the lock given back between them)
 * and marks the kind complete.  An abandoned list is simply begun again.
 */
void ngx_http_k8s_metrics_store_list_begin(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind);
void ngx_http_k8s_metrics_store_list_end(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind);

/*
 * What a full zone has left out of a kind, as far as the watch holder knows:
 * how many objects, and whether a list could bring something.  The next holder
 * of the watches finds it there.
 */
typedef struct {
    uint64_t      missing;
    unsigned      again:1;
} ngx_http_k8s_metrics_store_lost_t;

void ngx_http_k8s_metrics_store_set_lost(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind,
    const ngx_http_k8s_metrics_store_lost_t *lost);
void ngx_http_k8s_metrics_store_get_lost(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind,
    ngx_http_k8s_metrics_store_lost_t *lost);

/* 1 when new records would be taken. */
ngx_uint_t ngx_http_k8s_metrics_store_has_room(
    ngx_http_k8s_metrics_store_t *store);

/* Where a watch goes on after reload or death; at most 31 bytes are kept. */
void ngx_http_k8s_metrics_store_set_version(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, ngx_str_t *version);

/*
 * Copies the kept version into "buf" (32 bytes); "version" becomes a view.
 * NGX_OK, or NGX_DECLINED when there is none (list first).
 */
ngx_int_t ngx_http_k8s_metrics_store_get_version(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, u_char *buf,
    ngx_str_t *version);


/* --- settings: one opaque document for each key ------------------------ */

#define NGX_HTTP_K8S_METRICS_SETTING_AUTH  0    /* the auth ConfigMap's data */
#define NGX_HTTP_K8S_METRICS_SETTINGS      1

/*
 * Replaces a setting's bytes when they differ (the generation moves).
 * NGX_OK, NGX_DECLINED (the same), NGX_ABORT (full), NGX_ERROR (too large for
 * any zone).  Empty removes it.
 */
ngx_int_t ngx_http_k8s_metrics_store_put_setting(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t key, ngx_str_t *bytes);

/*
 * The current generation of a setting: 0 before it was ever set.  Cheap, no
 * lock: callers compare it on each request.
 */
ngx_uint_t ngx_http_k8s_metrics_store_setting_generation(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t key);

/*
 * Copies a setting into pool memory.  NGX_OK, NGX_DECLINED (it is empty),
 * NGX_AGAIN (not put since the zone began afresh: what a caller has from
 * before still holds), NGX_ERROR (no memory).
 */
ngx_int_t ngx_http_k8s_metrics_store_get_setting(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t key, ngx_pool_t *pool,
    ngx_str_t *bytes, ngx_uint_t *generation);


/* --- state, for health and logs ---------------------------------------- */

typedef struct {
    uint64_t      nodes;
    uint64_t      pods;
    uint64_t      nodes_complete;       /* 1 after the first full list */
    uint64_t      pods_complete;
    uint64_t      node_points;          /* nodes that have two points */
    uint64_t      container_points;     /* containers that have two points */
    uint64_t      scrape_started;       /* mono of the last start, 0 none */
    uint64_t      scrapes;
    uint64_t      scrapes_failed;
    uint64_t      full;                 /* refused for want of memory */
    uint64_t      nodes_missing;        /* known, and not stored */
    uint64_t      pods_missing;
    uint64_t      resets;               /* started afresh after a death */
    uint64_t      bytes_used;
    uint64_t      bytes_size;
    uint64_t      nodes_version;        /* moves when a node comes, goes or
                                           changes */
} ngx_http_k8s_metrics_store_state_t;

void ngx_http_k8s_metrics_store_state(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_store_state_t *state);

/* Moves with every change of the node set; no lock. */
uint64_t ngx_http_k8s_metrics_store_nodes_version(
    ngx_http_k8s_metrics_store_t *store);

/* Moves when the zone was started afresh: list again; no lock. */
uint64_t ngx_http_k8s_metrics_store_resets(
    ngx_http_k8s_metrics_store_t *store);

/* 1 when both kinds were listed in full since the zone began; no lock. */
ngx_uint_t ngx_http_k8s_metrics_store_complete(
    ngx_http_k8s_metrics_store_t *store);


#endif /* _NGX_HTTP_K8S_METRICS_STORE_H_INCLUDED_ */
