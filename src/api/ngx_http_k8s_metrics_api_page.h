
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_API_PAGE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_API_PAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"
#include "ngx_http_k8s_metrics_store_debug.h"


/*
 * Pages for operators: /metrics and /debug/nodes.  They go out as lists do, a
 * piece at a time; what they are made of are units: a family of metrics, or a
 * node.
 */

#define NGX_HTTP_K8S_METRICS_PAGE_NODES  32

typedef struct {
    ngx_http_k8s_metrics_list_t           list;     /* must be first */
    ngx_http_k8s_metrics_api_conf_t      *conf;
    ngx_http_k8s_metrics_store_state_t    state;
    ngx_http_k8s_metrics_store_stats_t    stats;

    ngx_uint_t                            section;  /* of /metrics, from 1 */
    ngx_uint_t                            n;        /* units read */
    ngx_uint_t                            unit;     /* the one at hand */
    ngx_uint_t                            in_nodes; /* they are nodes */

    ngx_str_t                             after;    /* the last node read */
    u_char                                after_buf[512];
    ngx_http_k8s_metrics_debug_node_t     nodes[
                                            NGX_HTTP_K8S_METRICS_PAGE_NODES];
    u_char                                mem[NGX_HTTP_K8S_METRICS_DEBUG_MEM];
} ngx_http_k8s_metrics_page_t;

typedef ngx_int_t (*ngx_http_k8s_metrics_page_pt)(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf);


/* The page at that path, or NULL. */
ngx_http_k8s_metrics_page_pt ngx_http_k8s_metrics_api_page(
    const ngx_str_t *path);

/* Sends a page in "form"; returns what a content handler returns. */
ngx_int_t ngx_http_k8s_metrics_page_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_form_t *form);

/*
 * Reads the next nodes: NGX_OK with page->n of them, NGX_DONE when there are
 * no more (the next call begins with the first again).
 */
ngx_int_t ngx_http_k8s_metrics_page_nodes(ngx_http_k8s_metrics_page_t *page);

/* The handlers. */
ngx_int_t ngx_http_k8s_metrics_api_metrics(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf);
ngx_int_t ngx_http_k8s_metrics_api_debug(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf);


/* Sections of /metrics under this module's names (api_metrics_own.c). */
void ngx_http_k8s_metrics_own_scrapes(ngx_http_k8s_metrics_page_t *page);
void ngx_http_k8s_metrics_own_zone(ngx_http_k8s_metrics_page_t *page);
void ngx_http_k8s_metrics_own_watch(ngx_http_k8s_metrics_page_t *page);
void ngx_http_k8s_metrics_own_requests(ngx_http_k8s_metrics_page_t *page);
void ngx_http_k8s_metrics_own_workers(ngx_http_k8s_metrics_page_t *page);


/* --- rendering (api_page_text.c); pure --------------------------------- */

/* A label's value: escaped, and what is no printable ASCII is a "?". */
void ngx_http_k8s_metrics_page_label(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s);

/* Others' text on a line of ours, at most "max" bytes of it. */
void ngx_http_k8s_metrics_page_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s, size_t max);

/* A number of "unit"ths, as 1.25; no zeros at its end. */
void ngx_http_k8s_metrics_page_decimal(ngx_http_k8s_metrics_out_t *out,
    uint64_t n, uint64_t unit);

/* # HELP and # TYPE of a family. */
void ngx_http_k8s_metrics_page_family(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help);

/* Seconds of so many ms: "4.2 s", "3 min", "2 h". */
void ngx_http_k8s_metrics_page_age(ngx_http_k8s_metrics_out_t *out,
    uint64_t ms);

/* "no cpu, memory is 0": what bits of store_samples.h say. */
void ngx_http_k8s_metrics_page_missing(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t missing);

/* A zero-terminated text. */
void ngx_http_k8s_metrics_page_cstr(ngx_http_k8s_metrics_out_t *out,
    const char *s);


/* --- a node, an explanation (api_debug_node.c); pure ------------------- */

/* "now" is mono for a node; of explanations ns since 1970. */
void ngx_http_k8s_metrics_node_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_debug_node_t *node, ngx_msec_t now);
void ngx_http_k8s_metrics_node_json(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_debug_node_t *node, ngx_msec_t now);
void ngx_http_k8s_metrics_explained_text(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now);
void ngx_http_k8s_metrics_explained_json(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now);


/* --- why, in words (api_debug_words.c); pure --------------------------- */

/* "served", "too_old" ...: for programs. */
const char *ngx_http_k8s_metrics_why_name(ngx_http_k8s_metrics_why_e why);

/*
 * One sentence without its full stop.  "query" is what was asked; its "now"
 * and max_age count.
 */
void ngx_http_k8s_metrics_why_words(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_query_t *query,
    const ngx_http_k8s_metrics_explained_t *e, int64_t now);

/* ms since "then", a time of the same clock; 0 if that is later. */
uint64_t ngx_http_k8s_metrics_page_since(ngx_msec_t now, uint64_t then);


#endif /* _NGX_HTTP_K8S_METRICS_API_PAGE_H_INCLUDED_ */
