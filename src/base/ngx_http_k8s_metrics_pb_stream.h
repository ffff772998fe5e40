
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_PB_STREAM_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_PB_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_pb.h"


/*
 * Cuts what kube-apiserver sends into objects as its bytes arrive, so that
 * memory follows the largest object and not the cluster.  Two forms:
 *
 * LIST   one protobuf envelope whose raw bytes are a XxxList {metadata = 1
 *        ListMeta, items = 2, repeated};
 * WATCH  frames of a 4-byte big-endian length and a meta.v1 WatchEvent
 *        {type = 1, object = 2 RawExtension {raw = 1}}, whose raw bytes are
 *        an envelope.
 *
 * A piece that arrives whole is handed out in place; otherwise it is gathered
 * in a buffer that grows to that piece's own length, "max" bytes at most.  Of
 * an object that is larger its beginning is, and the rest is skipped as it
 * arrives.
 */

/* of a larger object, gathered at most; and what no object is larger than */
#define NGX_HTTP_K8S_METRICS_PB_CUT      4096
#define NGX_HTTP_K8S_METRICS_PB_MAX_CUT  (256 * 1048576)

typedef struct ngx_http_k8s_metrics_pb_stream_s
    ngx_http_k8s_metrics_pb_stream_t;

/*
 * One object: its bytes are a view that is valid during the call only.
 * "event" is empty for a list's item, else ADDED, MODIFIED, DELETED, BOOKMARK
 * or ERROR.  "kind" is empty for a list's item (that of the list less "List").
 * Returns NGX_OK, or NGX_ERROR to stop.
 */
typedef ngx_int_t (*ngx_http_k8s_metrics_pb_object_pt)(void *data,
    ngx_str_t *event, ngx_str_t *kind, ngx_str_t *object);

/*
 * One object over "max": "object" is its beginning, less than
 * NGX_HTTP_K8S_METRICS_PB_CUT bytes; else as above.
 */
typedef ngx_int_t (*ngx_http_k8s_metrics_pb_large_pt)(void *data,
    ngx_str_t *event, ngx_str_t *object);

/* A list's metadata; views valid during the call. */
typedef ngx_int_t (*ngx_http_k8s_metrics_pb_list_meta_pt)(void *data,
    ngx_str_t *resource_version, ngx_str_t *cont);

typedef enum {
    NGX_HTTP_K8S_METRICS_PB_LIST = 0,
    NGX_HTTP_K8S_METRICS_PB_WATCH
} ngx_http_k8s_metrics_pb_stream_e;

struct ngx_http_k8s_metrics_pb_stream_s {
    ngx_http_k8s_metrics_pb_stream_e       form;
    size_t                                 max;       /* of one piece */
    ngx_http_k8s_metrics_pb_object_pt      object;
    ngx_http_k8s_metrics_pb_list_meta_pt   list_meta; /* LIST only */
    ngx_http_k8s_metrics_pb_large_pt       large;     /* NULL: refused */
    void                                  *data;
    ngx_log_t                             *log;
    const char                            *error;     /* after NGX_ERROR */

    /* private */
    u_char                                *buf;
    size_t                                 size;
    size_t                                 len;
    size_t                                 need;
    uint64_t                               left;
    uint64_t                               raw_left;
    uint64_t                               rest;      /* of a large object */
    ngx_uint_t                             state;
};


/*
 * The caller sets the public members (the rest zero), feeds, and destroys.
 * feed: NGX_OK, or NGX_ERROR with "error" set (not protobuf, a piece over
 * "max" that is no object or without "large", one over
 * NGX_HTTP_K8S_METRICS_PB_MAX_CUT, no memory, or a callback's refusal).  end,
 * once after the last byte of a LIST: NGX_ERROR when it stopped in the middle.
 * destroy frees the gathering buffer (ngx_alloc'ed) and may be called more
 * than once.
 */
ngx_int_t ngx_http_k8s_metrics_pb_stream_feed(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
ngx_int_t ngx_http_k8s_metrics_pb_stream_end(
    ngx_http_k8s_metrics_pb_stream_t *s);
void ngx_http_k8s_metrics_pb_stream_destroy(
    ngx_http_k8s_metrics_pb_stream_t *s);

/*
 * Reads a tag and the varint behind it, a value or a length, into number,
 * type and value; "used" bytes.  NGX_OK, NGX_AGAIN when it is cut, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_pb_header(const u_char *p, size_t len,
    ngx_http_k8s_metrics_pb_field_t *field, size_t *used);

/*
 * The first field "number" of a message that is cut off somewhere: its bytes,
 * or those of them that are there.  NGX_OK, NGX_AGAIN when they are cut, too,
 * NGX_DECLINED when it has none before the cut, or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_pb_cut(const ngx_str_t *message,
    ngx_uint_t number, ngx_str_t *bytes);


#endif /* _NGX_HTTP_K8S_METRICS_PB_STREAM_H_INCLUDED_ */
