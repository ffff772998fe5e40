
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
 * in a buffer that grows to that piece's own length, "max" bytes at most.
 */

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
    ngx_uint_t                             state;
};


/*
 * The caller sets the public members (the rest zero), feeds, and destroys.
 * feed: NGX_OK, or NGX_ERROR with "error" set (not protobuf, a piece over
 * "max", no memory, or a callback's refusal).  end, once after the last byte
 * of a LIST: NGX_ERROR when it stopped in the middle.  destroy frees the
 * gathering buffer (ngx_alloc'ed) and may be called more than once.
 */
ngx_int_t ngx_http_k8s_metrics_pb_stream_feed(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
ngx_int_t ngx_http_k8s_metrics_pb_stream_end(
    ngx_http_k8s_metrics_pb_stream_t *s);
void ngx_http_k8s_metrics_pb_stream_destroy(
    ngx_http_k8s_metrics_pb_stream_t *s);


#endif /* _NGX_HTTP_K8S_METRICS_PB_STREAM_H_INCLUDED_ */
