
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STORE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STORE_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store.h"
#include "ngx_http_k8s_metrics_store_read.h"
#include "ngx_http_k8s_metrics_store_samples.h"
#include "ngx_http_k8s_metrics_store_stats.h"


/*
 * The layout of the zone.  Everything in it is addressed by u32 offsets in
 * granules of 16 bytes from "base"; 0 is nothing.  Bytes on a 64-bit machine,
 * before the arena's rounding up (a quarter at most):
 *
 *     node       224 and its strings, and a block of samples
 *     session     32 for a node's, and its bytes, about 2000
 *     pod         32, 4 in the index (leaves are half full or more), strings
 *     label        8 (two references to strings)
 *     string      16 and its bytes, once for all that use it
 *     samples     96 for a node, 16 a pod, 64 a container and its name
 *
 * and 32 for each kilobyte of the zone or less, for what leads to names and a
 * bit for each granule.
 */

#define NGX_HTTP_K8S_METRICS_LAYOUT     8
#define NGX_HTTP_K8S_METRICS_GRANULE    16
#define NGX_HTTP_K8S_METRICS_CLASSES    128
#define NGX_HTTP_K8S_METRICS_LEAF       128
#define NGX_HTTP_K8S_METRICS_WORKERS    256
#define NGX_HTTP_K8S_METRICS_FRESH_RING      256

/* the longest string kept; a label's value is 63 bytes, a name 253 */
#define NGX_HTTP_K8S_METRICS_MAX_STRING 4096

/* namespace and name together: what a walk can remember */
#define NGX_HTTP_K8S_METRICS_MAX_NAME   512


typedef struct {
    uint32_t             next;      /* in the bucket */
    uint32_t             hash;
    uint32_t             refs;
    uint32_t             len;
    u_char               data[1];
} ngx_http_k8s_metrics_shstr_t;


/* What nodes and pods have in common; a node's namespace is 0. */
typedef struct {
    uint32_t             next;      /* in the bucket */
    uint32_t             birth;
    uint32_t             ns;        /* strings */
    uint32_t             name;
    uint32_t             labels;    /* pairs of strings */
    uint16_t             nlabels;
    uint16_t             ready;
    uint32_t             epoch;     /* of the list that named it last */
} ngx_http_k8s_metrics_record_t;


typedef struct {
    ngx_http_k8s_metrics_record_t   head;
    uint32_t                        node;       /* string */
} ngx_http_k8s_metrics_shpod_t;


/*
 * How a node's requests went: the last one and, since it is known, their
 * durations.
 */
typedef struct {
    uint64_t             success;   /* mono of its end, 0 never */
    uint64_t             failure;
    uint64_t             next;      /* mono, 0 unknown */
    uint64_t             ended;     /* s since 1970, 0 never */
    uint64_t             sum;       /* of durations, us */
    uint32_t             buckets[NGX_HTTP_K8S_METRICS_DURATIONS + 1];
    uint32_t             address;   /* strings, or 0 */
    uint32_t             path;
    uint32_t             failures;  /* in a row */
    uint16_t             port;
    uint16_t             worker;    /* who asked, from 1 */
    uint16_t             result;
    uint16_t             unused;
} ngx_http_k8s_metrics_shrequest_t;


typedef struct {
    ngx_http_k8s_metrics_record_t   head;
    uint32_t                        samples;    /* block, or 0 */
    uint32_t                        path;       /* string, or 0 */
    uint32_t                        reason;     /* of the last failure */
    uint32_t                        points;     /* containers with two */
    uint32_t                        session;    /* TLS, or 0 */
    uint32_t                        session_len;
    uint64_t                        version;
    uint32_t                        addrs[NGX_HTTP_K8S_METRICS_ADDRS];
    uint8_t                         types[NGX_HTTP_K8S_METRICS_ADDRS];
    uint16_t                        naddrs;
    uint16_t                        port;
    uint16_t                        node_point; /* the node has two */
    uint16_t                        failed;     /* the last scrape did */
    ngx_http_k8s_metrics_shrequest_t
                                    request;
} ngx_http_k8s_metrics_shnode_t;


/* A sorted set of records: a directory of leaves. */
typedef struct {
    uint32_t             dir;       /* array of leaves */
    uint32_t             n;
    uint32_t             size;
    uint32_t             count;     /* records */
} ngx_http_k8s_metrics_index_t;

typedef struct {
    uint32_t             n;
    uint32_t             refs[NGX_HTTP_K8S_METRICS_LEAF];
} ngx_http_k8s_metrics_leaf_t;


typedef struct {
    int64_t              timestamp;
    int64_t              start;
    uint64_t             cpu;
    uint64_t             memory;
} ngx_http_k8s_metrics_shpoint_t;

typedef struct {
    uint32_t             pod;       /* sorted by it */
    uint32_t             birth;
    uint32_t             first;     /* container; without any: what the
                                       kubelet's report lacked */
    uint32_t             n;
} ngx_http_k8s_metrics_shsample_t;

typedef struct {
    ngx_http_k8s_metrics_shpoint_t   last;
    int64_t                          prev_timestamp;    /* 0: no point */
    int64_t                          prev_start;
    uint64_t                         prev_cpu;
    uint32_t                         name;      /* byte in the block */
    uint32_t                         len;
} ngx_http_k8s_metrics_shcontainer_t;

/* A node's samples: followed by pods, containers, names. */
typedef struct {
    uint32_t                             size;      /* bytes in use */
    uint32_t                             room;      /* bytes allocated */
    uint32_t                             npods;
    uint32_t                             ncontainers;
    uint32_t                             served;    /* pods with two points */
    uint32_t                             missing;   /* of the node's report */
    uint64_t                             scraped;   /* mono */
    ngx_http_k8s_metrics_shcontainer_t   node;      /* last.timestamp 0: no
                                                       point */
} ngx_http_k8s_metrics_shblock_t;


typedef struct {
    ngx_pid_t            pid;
    uint64_t             mono;
    uint64_t             inflight;  /* requests; its worker alone writes it */
} ngx_http_k8s_metrics_slot_t;

/* Without the lock, by atomic additions, unless it says otherwise. */
typedef struct {
    uint64_t             counters[NGX_HTTP_K8S_METRICS_STATS];
    uint64_t             fresh[NGX_HTTP_K8S_METRICS_AGES + 1];
    uint64_t             fresh_sum;             /* us */
    uint64_t             heard[NGX_HTTP_K8S_METRICS_KINDS];     /* mono */

    /* rounds: under the lock */
    uint64_t             ticks[NGX_HTTP_K8S_METRICS_TICKS + 1];
    uint64_t             tick_sum;              /* us */
    uint64_t             tick_resolution;       /* ms, of the buckets */
    uint64_t             tick_since;            /* mono, 0 none yet */
    uint64_t             tick_longest;          /* request since, us */

    /* each worker writes its own */
    ngx_http_k8s_metrics_figures_t
                         figures[NGX_HTTP_K8S_METRICS_WORKERS];
} ngx_http_k8s_metrics_shstats_t;

/* What is lost when the zone is started afresh. */
typedef struct {
    uint32_t                         free[NGX_HTTP_K8S_METRICS_CLASSES];
    uint32_t                         filled[NGX_HTTP_K8S_METRICS_CLASSES / 32];
    uint32_t                         map;       /* ends of free pieces */
    uint32_t                         brk;       /* all behind it is free */
    uint64_t                         used;      /* granules */
    uint64_t                         samples;   /* of them */

    uint32_t                         strings;   /* buckets */
    uint32_t                         records[NGX_HTTP_K8S_METRICS_KINDS];
    uint32_t                         nbuckets;

    ngx_http_k8s_metrics_index_t     index[NGX_HTTP_K8S_METRICS_KINDS];
    uint32_t                         complete[NGX_HTTP_K8S_METRICS_KINDS];
    uint64_t                         missing[NGX_HTTP_K8S_METRICS_KINDS];
    uint32_t                         again[NGX_HTTP_K8S_METRICS_KINDS];
    u_char                           version[NGX_HTTP_K8S_METRICS_KINDS][32];

    uint32_t                         sized;     /* the log says what is
                                                   needed */

    uint32_t                         setting[NGX_HTTP_K8S_METRICS_SETTINGS];
    uint32_t                         setting_len[NGX_HTTP_K8S_METRICS_SETTINGS];
    uint32_t                         setting_put[NGX_HTTP_K8S_METRICS_SETTINGS];

    uint64_t                         node_points;
    uint64_t                         container_points;
} ngx_http_k8s_metrics_content_t;

typedef struct {
    uint32_t                         layout;
    uint32_t                         dirty;
    uint32_t                         granules;  /* of the whole arena */
    uint64_t                         key[2];    /* of the strings' hash */

    /* a birth and a list's epoch are never given twice, resets or not */

    uint32_t                         birth;
    uint32_t                         epoch[NGX_HTTP_K8S_METRICS_KINDS];

    uint64_t                         resets;
    uint64_t                         full;
    uint64_t                         full_scrapes;
    uint64_t                         full_told;     /* what the log says */
    uint64_t                         full_mono;     /* 0: not, or no more */
    uint64_t                         nodes_version;
    uint64_t                         setting_generation
                                         [NGX_HTTP_K8S_METRICS_SETTINGS];
    uint64_t                         scrape_started;
    uint64_t                         scrapes;
    uint64_t                         scrapes_failed;

    uint64_t                         generation;
    uint64_t                         generation_mono;
    uint64_t                         nworkers;
    ngx_http_k8s_metrics_slot_t      slots[NGX_HTTP_K8S_METRICS_WORKERS];
    ngx_http_k8s_metrics_slot_t      watch;
    uint64_t                         watch_generation;
    uint64_t                         watch_worker;

    /* a ring: the newest is at (fresh_seq - 1) % its size */

    uint64_t                         fresh_seq;
    ngx_http_k8s_metrics_fresh_t     fresh[NGX_HTTP_K8S_METRICS_FRESH_RING];
    ngx_http_k8s_metrics_shstats_t   stats;

    ngx_http_k8s_metrics_content_t   content;
} ngx_http_k8s_metrics_zone_t;


struct ngx_http_k8s_metrics_store_s {
    ngx_shm_zone_t                  *shm_zone;
    ngx_slab_pool_t                 *shpool;
    ngx_http_k8s_metrics_zone_t     *zone;
    u_char                          *base;
    ngx_log_t                       *log;

    ngx_uint_t                       records;   /* percent of the zone */
    ngx_uint_t                       samples;   /* percent of the zone */

    /* this worker's */
    uint64_t                         generation;
    ngx_uint_t                       worker;
    ngx_uint_t                       nworkers;
    uint32_t                         listing[NGX_HTTP_K8S_METRICS_KINDS];
    u_char                           alive[NGX_HTTP_K8S_METRICS_WORKERS];
    ngx_uint_t                       owners;    /* moves with "alive" */
    ngx_msec_t                       full_since;    /* not told yet */
    ngx_msec_t                       large_said;    /* a node's samples */
    u_char                          *scratch;       /* a block being made */
    size_t                           scratch_size;
    unsigned                         entered:1;
    unsigned                         announce:1;    /* zone begun afresh */
#if (NGX_DEBUG)
    unsigned                         killing:1;
    ngx_uint_t                       kill_after;
#endif
};


#define ngx_http_k8s_metrics_store_ptr(store, off)                            \
    ((void *) ((store)->base + (size_t) (off) * NGX_HTTP_K8S_METRICS_GRANULE))


/* --- the lock (store.c) ------------------------------------------------ */

/*
 * Take the lock to read, or to write (the dirty mark is set).  If the zone was
 * left dirty by a dead worker it is started afresh first; unlock says so in
 * the log after the lock is given back.
 */
void ngx_http_k8s_metrics_store_lock_read(ngx_http_k8s_metrics_store_t *store);
void ngx_http_k8s_metrics_store_lock(ngx_http_k8s_metrics_store_t *store);
void ngx_http_k8s_metrics_store_unlock(ngx_http_k8s_metrics_store_t *store);


#if (NGX_DEBUG)

/*
 * For tests: this process is killed in the middle of the n-th hold of the
 * write lock from now; 0 takes it back.
 */
void ngx_http_k8s_metrics_store_debug_kill(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t n);

#define ngx_http_k8s_metrics_store_kill_point(store)                          \
    do {                                                                      \
        if ((store)->killing) {                                               \
            (void) raise(SIGKILL);                                            \
        }                                                                     \
    } while (0)

#else

#define ngx_http_k8s_metrics_store_kill_point(store)

#endif


/* --- a full zone (store_full.c) ---------------------------------------- */

/* What the log says of a full zone. */
typedef struct {
    ngx_uint_t           say;
    uint64_t             stored[NGX_HTTP_K8S_METRICS_KINDS];
    uint64_t             known[NGX_HTTP_K8S_METRICS_KINDS];
    uint64_t             scrapes;
} ngx_http_k8s_metrics_full_t;

/* In the worker that watches: is there something to be said now? */
void ngx_http_k8s_metrics_full_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_full_t *full);
void ngx_http_k8s_metrics_full_say(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_full_t *full);

/* 1 when a pod may come; with "more" a node, or a change of what is there. */
ngx_uint_t ngx_http_k8s_metrics_full_record_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t more);

/* Bytes of samples that one node may have. */
size_t ngx_http_k8s_metrics_full_share(ngx_http_k8s_metrics_store_t *store);


/* --- its size (store_size.c) ------------------------------------------- */

/* What the log says of the zone's size. */
typedef struct {
    ngx_uint_t           say;
    uint64_t             known[NGX_HTTP_K8S_METRICS_KINDS];
    uint64_t             needed;    /* bytes */
} ngx_http_k8s_metrics_size_t;

/*
 * In the worker that watches: once, when both kinds are listed, what they need
 * (docs/zone.md).
 */
void ngx_http_k8s_metrics_size_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_size_t *size);
void ngx_http_k8s_metrics_size_say(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_size_t *size);


/* --- memory (store_arena.c); under the write lock ---------------------- */

/* "size" in bytes; 0 when the zone is full (counted). */
uint32_t ngx_http_k8s_metrics_arena_alloc_locked(
    ngx_http_k8s_metrics_store_t *store, size_t size);
void ngx_http_k8s_metrics_arena_free_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, size_t size);

/* The smallest class that holds so many granules. */
ngx_uint_t ngx_http_k8s_metrics_arena_class(uint32_t granules);

/* Granules of a class. */
uint32_t ngx_http_k8s_metrics_arena_class_size(ngx_uint_t class);

/* Bytes that an allocation of "size" bytes really has. */
size_t ngx_http_k8s_metrics_arena_room(size_t size);

/* --- free pieces (store_arena_free.c) */

/* A piece of that class, cut off a larger one if need be; 0: there is none. */
uint32_t ngx_http_k8s_metrics_piece_take_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t class);

/* "n" granules are free again. */
void ngx_http_k8s_metrics_piece_give_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, uint32_t n);

/* Granules from behind the brk are used: they are no piece's end. */
void ngx_http_k8s_metrics_map_clear_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, uint32_t n);


/* Two words of key (store_hash.c). */
uint64_t ngx_http_k8s_metrics_siphash(const uint64_t *key, const u_char *p,
    size_t len);


/* --- strings (store_strings.c); under the lock ------------------------- */

/* Equal bytes; an empty string's data may be NULL. */
#define ngx_http_k8s_metrics_shstr_same(a, b)                                 \
    ((a)->len == (b)->len                                                     \
     && ((a)->len == 0 || ngx_memcmp((a)->data, (b)->data, (a)->len) == 0))

/* A reference to the string, or 0 (full). */
uint32_t ngx_http_k8s_metrics_shstr_get_locked(
    ngx_http_k8s_metrics_store_t *store, const ngx_str_t *s);

/* The string if it is there, without a reference; else 0. */
uint32_t ngx_http_k8s_metrics_shstr_find_locked(
    ngx_http_k8s_metrics_store_t *store, const ngx_str_t *s);
void ngx_http_k8s_metrics_shstr_put_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off);

/* A view into the zone: under the lock only. */
void ngx_http_k8s_metrics_shstr_view_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, ngx_str_t *s);

/* 1 when the string (0: the empty one) has these bytes. */
ngx_uint_t ngx_http_k8s_metrics_shstr_same_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, const ngx_str_t *s);

/* 1 when a record may have these labels (store_labels.c). */
ngx_uint_t ngx_http_k8s_metrics_labels_allowed(
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n);

/* Labels in the zone, or NGX_ABORT; "off" 0 for none. */
ngx_int_t ngx_http_k8s_metrics_shlabels_make_locked(
    ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n, uint32_t *off);
void ngx_http_k8s_metrics_shlabels_free_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t labels, ngx_uint_t n);

/* Replaces a record's labels by made ones. */
void ngx_http_k8s_metrics_shlabels_set_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_record_t *rec,
    uint32_t labels, ngx_uint_t n);
ngx_uint_t ngx_http_k8s_metrics_shlabels_same_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_record_t *rec,
    const ngx_http_k8s_metrics_label_t *labels, ngx_uint_t n);

/* A reader's memory, filled from its start. */
typedef struct {
    u_char              *pos;
    u_char              *end;
} ngx_http_k8s_metrics_mem_t;

/* A copy of the string (store_read.c), or NGX_BUSY: no room. */
ngx_int_t ngx_http_k8s_metrics_copy_str_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_mem_t *mem,
    uint32_t off, ngx_str_t *s);


/* --- order (store_index.c); under the lock ----------------------------- */

/* A place between records. */
typedef struct {
    uint32_t             leaf;      /* number in the directory */
    uint32_t             pos;
} ngx_http_k8s_metrics_place_t;

/* The first record that is not before (ns, name). */
void ngx_http_k8s_metrics_index_seek_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, const ngx_str_t *ns,
    const ngx_str_t *name, ngx_http_k8s_metrics_place_t *place);

/* The record there, or 0 at the end; moves on. */
uint32_t ngx_http_k8s_metrics_index_next_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind,
    ngx_http_k8s_metrics_place_t *place);

ngx_int_t ngx_http_k8s_metrics_index_insert_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t off);
void ngx_http_k8s_metrics_index_delete_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t off);


/* --- records (store_records.c); under the lock ------------------------- */

/* A pod began to run on the node of that interned name (store_fresh.c). */
void ngx_http_k8s_metrics_fresh_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t name);

/* By name; 0 when it is not there. */
uint32_t ngx_http_k8s_metrics_record_find_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, const ngx_str_t *ns,
    const ngx_str_t *name);

/* The node of that interned name; 0 when it is not known. */
uint32_t ngx_http_k8s_metrics_node_of_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t name);

/* Makes a record with its strings and places; 0 when full. */
uint32_t ngx_http_k8s_metrics_record_create_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, const ngx_str_t *ns,
    const ngx_str_t *name);
void ngx_http_k8s_metrics_record_delete_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind, uint32_t off);

/* Finds and deletes, with the lock taken inside.  NGX_OK, NGX_DECLINED. */
ngx_int_t ngx_http_k8s_metrics_record_remove(
    ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name);

/* 1 when the reference still names a living node. */
ngx_uint_t ngx_http_k8s_metrics_node_valid_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_ref_t ref);

/* How a node's request went, when its result is known (store_stats.c). */
void ngx_http_k8s_metrics_request_record_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node,
    const ngx_http_k8s_metrics_request_t *request);

/* Gives the strings of that back. */
void ngx_http_k8s_metrics_request_free_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node);

/* Gives a node's samples back. */
void ngx_http_k8s_metrics_samples_free_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node);


/* Gives a node's TLS session back (store_sessions.c). */
void ngx_http_k8s_metrics_session_free_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node);

/*
 * A container's, or the node's, new point joins its old ones (NULL: it has
 * none): "new" is what is to be stored, without a name
 * (store_samples_merge.c).
 */
void ngx_http_k8s_metrics_samples_merge(ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shcontainer_t *old,
    const ngx_http_k8s_metrics_point_t *point,
    ngx_http_k8s_metrics_shcontainer_t *new, int64_t resolution);

/* The rate between a container's two points, as of points_rate(). */
ngx_int_t ngx_http_k8s_metrics_samples_rate(
    const ngx_http_k8s_metrics_shcontainer_t *c, uint64_t *nanocores,
    int64_t *window);

/* The pod's entry in a block, or NULL; the block may be a copy. */
ngx_http_k8s_metrics_shsample_t *ngx_http_k8s_metrics_samples_pod(
    ngx_http_k8s_metrics_shblock_t *block, uint32_t pod, uint32_t birth);


#define ngx_http_k8s_metrics_block_pods(block)                                \
    ((ngx_http_k8s_metrics_shsample_t *) ((u_char *) (block)                  \
     + sizeof(ngx_http_k8s_metrics_shblock_t)))

#define ngx_http_k8s_metrics_block_containers(block)                          \
    ((ngx_http_k8s_metrics_shcontainer_t *)                                   \
     (ngx_http_k8s_metrics_block_pods(block) + (block)->npods))


#endif /* _NGX_HTTP_K8S_METRICS_STORE_INTERNAL_H_INCLUDED_ */
