
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_API_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_API_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_answer.h"
#include "ngx_http_k8s_metrics_api.h"
#include "ngx_http_k8s_metrics_json.h"
#include "ngx_http_k8s_metrics_pb.h"
#include "ngx_http_k8s_metrics_store_stats.h"
#include "ngx_http_k8s_metrics_value.h"


#define NGX_HTTP_K8S_METRICS_GROUP          "metrics.k8s.io"
#define NGX_HTTP_K8S_METRICS_VERSION        "v1beta1"
#define NGX_HTTP_K8S_METRICS_GROUP_VERSION  "metrics.k8s.io/v1beta1"

/*
 * A piece of an answer: two TLS records less the framing of a chunk and of
 * HTTP/2 frames, so that no piece ends with a tiny record.
 */
#define NGX_HTTP_K8S_METRICS_PIECE          32690
#define NGX_HTTP_K8S_METRICS_PIECE_MAX      (4 * 1024 * 1024)

#define NGX_HTTP_K8S_METRICS_BATCH_MEM      65536
#define NGX_HTTP_K8S_METRICS_BATCH_MAX      (4 * 1024 * 1024)
#define NGX_HTTP_K8S_METRICS_BATCH_ITEMS    128


typedef struct ngx_http_k8s_metrics_list_s  ngx_http_k8s_metrics_list_t;

/*
 * A form of answer.  Everything is written to list->out; what did not fit
 * (out.overflow) is written again into the next piece, after list->out and
 * list->json were set back.
 */
typedef struct {
    ngx_http_k8s_metrics_media_e     media;

    /* One object that is the whole answer. */
    void   (*object)(ngx_http_k8s_metrics_list_t *list,
                     const ngx_http_k8s_metrics_item_t *item);

    /*
     * A list.  begin fits an empty piece.  end writes as much as there is
     * room for, and sets list->ended with the last byte of it.
     */
    void   (*begin)(ngx_http_k8s_metrics_list_t *list);
    void   (*item)(ngx_http_k8s_metrics_list_t *list,
                   const ngx_http_k8s_metrics_item_t *item);
    void   (*end)(ngx_http_k8s_metrics_list_t *list);

    /*
     * NULL, or for a form that says how long a list is before its first item:
     * the most bytes that an item takes.  A list longer than a piece is then
     * walked twice: list->total is their sum when begin is called again, which
     * sets list->spare; then an item takes of its share (below) what it needs.
     */
    size_t (*bound)(const ngx_http_k8s_metrics_list_t *list,
                    const ngx_http_k8s_metrics_item_t *item);

    /*
     * NULL, or where a page's units come from instead of the store's items: as
     * ngx_http_k8s_metrics_list_next(); list->next is moved back by one when a
     * unit is to come again.
     */
    ngx_int_t (*next)(ngx_http_k8s_metrics_list_t *list,
                      const ngx_http_k8s_metrics_item_t **item);
    ngx_str_t                        type;      /* its Content-Type */
} ngx_http_k8s_metrics_form_t;


typedef enum {
    NGX_HTTP_K8S_METRICS_LIST_FIRST = 0,    /* is one piece enough? */
    NGX_HTTP_K8S_METRICS_LIST_MEASURE,      /* no, and its length is needed */
    NGX_HTTP_K8S_METRICS_LIST_STREAM        /* the header is sent */
} ngx_http_k8s_metrics_list_state_e;


struct ngx_http_k8s_metrics_list_s {
    ngx_http_request_t                     *request;
    ngx_http_k8s_metrics_store_t           *store;
    const ngx_http_k8s_metrics_form_t      *form;
    ngx_http_k8s_metrics_query_t            query;
    const ngx_http_k8s_metrics_selector_t  *labels;
    const ngx_http_k8s_metrics_selector_t  *fields;
    ngx_uint_t                              pretty;
    time_t                                  now;    /* creationTimestamp */

    ngx_http_k8s_metrics_walk_t             walk;
    ngx_http_k8s_metrics_batch_t            batch;  /* mem NULL: given back */
    ngx_uint_t                              next;   /* in the batch */

    ngx_http_k8s_metrics_out_t              out;    /* the piece */
    ngx_http_k8s_metrics_json_t             json;
    u_char                                  created[
                                        NGX_HTTP_K8S_METRICS_TIME_LEN + 2];
    size_t                                  created_len;    /* quoted */
    size_t                                  mark;   /* where protobuf's length
                                                       is to be written */
    uint64_t                                total;  /* of the answer, 0 when
                                                       it is not known */
    uint64_t                                left;   /* of the protobuf list */
    uint64_t                                spare;  /* of it, nobody's share */
    uint64_t                                seed;
    uint32_t                               *shares;

    ngx_http_k8s_metrics_list_state_e       state;
    ngx_buf_t                              *buf;    /* the piece on its way */
    ngx_http_k8s_metrics_freshness_t            fresh;  /* not told yet */
    int64_t                                 wall;   /* this turn's begin, ns
                                                       since 1970 */
    size_t                                  sent;   /* in this turn */
    uint64_t                                since;  /* its begin, us */
    unsigned                                begun:1;
    unsigned                                ended:1;
    unsigned                                filling:1;
    unsigned                                told:1;
};


extern const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_json;
extern const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_pb;


/* Nodes and pods: get and list.  NGX_DECLINED: no such resource. */
ngx_int_t ngx_http_k8s_metrics_api_resource(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs);

/*
 * The options of a list or watch: NGX_DECLINED when they are fine, else what
 * answering 400 or 422 returned.
 */
ngx_int_t ngx_http_k8s_metrics_api_options(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs);

/*
 * Sends a list.  "list" is request pool memory with query, labels, fields,
 * form, pretty and store set, all else zero.  Returns what a content handler
 * returns.
 */
ngx_int_t ngx_http_k8s_metrics_list_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);

/*
 * The next item that the selectors let through.  NGX_OK; NGX_DONE at the end;
 * NGX_AGAIN when this turn's time is over; NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_list_next(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item);

/* Forgets what was read: the walk begins anew. */
void ngx_http_k8s_metrics_list_rewind(ngx_http_k8s_metrics_list_t *list);

/* Gives the batch's memory back while a slow client is waited for. */
void ngx_http_k8s_metrics_list_release(ngx_http_k8s_metrics_list_t *list);

/*
 * Shares in a list of a length that is said before: what the first walk adds
 * for an item, the second one takes.  NGX_DECLINED: the item has outgrown its
 * share, and what is spare; it is to be left out.
 */
ngx_int_t ngx_http_k8s_metrics_share_create(ngx_http_k8s_metrics_list_t *list);
void ngx_http_k8s_metrics_share_add(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item, size_t len);
ngx_int_t ngx_http_k8s_metrics_share_take(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item, size_t len);

/* The time of day, ns since 1970. */
int64_t ngx_http_k8s_metrics_list_wall(void);

/* Begins a turn of the worker; 1 when it has lasted long enough. */
void ngx_http_k8s_metrics_list_turn(ngx_http_k8s_metrics_list_t *list);
ngx_uint_t ngx_http_k8s_metrics_list_spent(ngx_http_k8s_metrics_list_t *list);

/* The group's documents. */
ngx_int_t ngx_http_k8s_metrics_api_groups(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_api_group(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_api_resources(ngx_http_request_t *r);

/* /healthz, /livez, /readyz and below; NGX_DECLINED for an unknown check. */
ngx_int_t ngx_http_k8s_metrics_api_health(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf, const ngx_str_t *path);

/* The index of paths, with 200 at its own path or 404 at an unknown one. */
ngx_int_t ngx_http_k8s_metrics_api_paths(ngx_http_request_t *r,
    ngx_uint_t code);

/* As Go's %q; what is no ASCII is taken for printable. */
void ngx_http_k8s_metrics_api_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s);

/* 406, in the words that clients know. */
ngx_int_t ngx_http_k8s_metrics_api_not_acceptable(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_METRICS_API_INTERNAL_H_INCLUDED_ */
