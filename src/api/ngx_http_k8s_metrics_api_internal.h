
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
#include "ngx_http_k8s_metrics_value.h"


#define NGX_HTTP_K8S_METRICS_GROUP          "metrics.k8s.io"
#define NGX_HTTP_K8S_METRICS_VERSION        "v1beta1"
#define NGX_HTTP_K8S_METRICS_GROUP_VERSION  "metrics.k8s.io/v1beta1"

/*
 * A piece of an answer: two TLS records less the framing of a chunk and of
 * two HTTP/2 frames, so that no piece ends with a tiny record.
 */
#define NGX_HTTP_K8S_METRICS_PIECE          32690
#define NGX_HTTP_K8S_METRICS_PIECE_MAX      (4 * 1024 * 1024)

#define NGX_HTTP_K8S_METRICS_BATCH_MEM      65536
#define NGX_HTTP_K8S_METRICS_BATCH_ITEMS    64


typedef struct ngx_http_k8s_metrics_list_s     ngx_http_k8s_metrics_list_t;

/*
 * A form of answer.  begin and end enclose a list, item is one of its items;
 * each writes to list->out, and what did not fit is written again into the
 * next piece after list->out and list->json were set back.
 */
typedef struct {
    ngx_http_k8s_metrics_media_e     media;

    /* A whole object of its own. */
    void   (*object)(ngx_http_k8s_metrics_out_t *out, ngx_uint_t kind,
                     const ngx_http_k8s_metrics_item_t *item,
                     ngx_uint_t pretty);
    void   (*begin)(ngx_http_k8s_metrics_list_t *list);
    void   (*item)(ngx_http_k8s_metrics_list_t *list,
                   const ngx_http_k8s_metrics_item_t *item);

    /* NGX_AGAIN: the piece is full and more of the end follows. */
    ngx_int_t (*end)(ngx_http_k8s_metrics_list_t *list);

    /*
     * For a form whose length comes first, which takes a pass before the one
     * that sends: the bytes to announce for an item, whose values may be
     * others by the time it is sent.  Uses list->out.  NULL elsewhere.
     */
    size_t (*bound)(ngx_http_k8s_metrics_list_t *list,
                    const ngx_http_k8s_metrics_item_t *item);
} ngx_http_k8s_metrics_form_t;


struct ngx_http_k8s_metrics_list_s {
    ngx_http_request_t                    *request;
    ngx_http_k8s_metrics_store_t          *store;
    const ngx_http_k8s_metrics_form_t     *form;
    ngx_http_k8s_metrics_query_t           query;
    ngx_http_k8s_metrics_walk_t            walk;
    ngx_http_k8s_metrics_batch_t           batch;
    ngx_uint_t                             next;    /* in the batch */
    const ngx_http_k8s_metrics_selector_t *labels;
    const ngx_http_k8s_metrics_selector_t *fields;
    ngx_uint_t                             pretty;

    ngx_http_k8s_metrics_out_t             out;     /* the piece */
    ngx_http_k8s_metrics_json_t            json;

    uint64_t                               total;   /* announced, bytes */
    uint64_t                               left;    /* of it */

    ngx_chain_t                           *free;
    ngx_chain_t                           *busy;
    size_t                                 sent;    /* since the last yield */
    ngx_msec_t                             since;
    unsigned                               begun:1;
    unsigned                               ended:1;
    unsigned                               whole:1; /* in one piece */
    unsigned                               filling:1;
};


extern const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_json;
extern const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_pb;


/* nodes and pods: get and list (api_resources.c). */
ngx_int_t ngx_http_k8s_metrics_api_resource(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs);

/* Sends a list; list->query, labels, fields, form and pretty are set. */
ngx_int_t ngx_http_k8s_metrics_list_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);

/* The next item that the selectors let through; NULL at the end. */
const ngx_http_k8s_metrics_item_t *ngx_http_k8s_metrics_list_next(
    ngx_http_k8s_metrics_list_t *list);

/* The group's documents (api_discovery.c). */
ngx_int_t ngx_http_k8s_metrics_api_groups(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_api_group(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_api_resources(ngx_http_request_t *r);

/* /healthz, /livez, /readyz and below; NGX_DECLINED for an unknown check. */
ngx_int_t ngx_http_k8s_metrics_api_health(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf, const ngx_str_t *path);

/* 404 with the index of paths. */
ngx_int_t ngx_http_k8s_metrics_api_unknown_path(ngx_http_request_t *r);


#endif /* _NGX_HTTP_K8S_METRICS_API_INTERNAL_H_INCLUDED_ */
