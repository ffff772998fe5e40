
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * Freed blocks, whatever their class, sorted by place and joined: a zone that
 * was full of small things can hold a large one again.
 */

#define NGX_HTTP_K8S_METRICS_RUNS  32


/* A freed block while it is sorted: the least one has 16 bytes. */
typedef struct {
    uint32_t             next;
    uint32_t             n;         /* granules */
} ngx_http_k8s_metrics_free_t;


static uint32_t ngx_http_k8s_metrics_free_sort_locked(
    ngx_http_k8s_metrics_store_t *store);
static uint32_t ngx_http_k8s_metrics_free_merge_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t a, uint32_t b);


void
ngx_http_k8s_metrics_arena_join_locked(ngx_http_k8s_metrics_store_t *store)
{
    uint32_t                         off, next;
    ngx_http_k8s_metrics_free_t     *f, *g;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    content->freed = 0;

    off = ngx_http_k8s_metrics_free_sort_locked(store);

    while (off) {
        f = ngx_http_k8s_metrics_store_ptr(store, off);

        while (f->next == off + f->n) {
            g = ngx_http_k8s_metrics_store_ptr(store, f->next);
            f->n += g->n;
            f->next = g->next;
        }

        next = f->next;

        if (off + f->n == content->brk) {
            content->brk = off;

        } else {
            ngx_http_k8s_metrics_arena_cut_locked(store, off, f->n);
        }

        off = next;
    }
}


/* Takes all lists; runs of 2^i blocks are merged as they come. */

static uint32_t
ngx_http_k8s_metrics_free_sort_locked(ngx_http_k8s_metrics_store_t *store)
{
    uint32_t                         off, runs[NGX_HTTP_K8S_METRICS_RUNS];
    ngx_uint_t                       i, class;
    ngx_http_k8s_metrics_free_t     *f;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    ngx_memzero(runs, sizeof(runs));

    for (class = 0; class < NGX_HTTP_K8S_METRICS_CLASSES; class++) {

        while (content->free[class]) {
            off = content->free[class];

            f = ngx_http_k8s_metrics_store_ptr(store, off);
            content->free[class] = f->next;

            f->n = ngx_http_k8s_metrics_arena_class_size(class);
            f->next = 0;

            for (i = 0; i < NGX_HTTP_K8S_METRICS_RUNS - 1 && runs[i]; i++) {
                off = ngx_http_k8s_metrics_free_merge_locked(store, runs[i],
                                                             off);
                runs[i] = 0;
            }

            runs[i] = ngx_http_k8s_metrics_free_merge_locked(store, runs[i],
                                                             off);
        }
    }

    off = 0;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_RUNS; i++) {
        off = ngx_http_k8s_metrics_free_merge_locked(store, runs[i], off);
    }

    return off;
}


static uint32_t
ngx_http_k8s_metrics_free_merge_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t a, uint32_t b)
{
    uint32_t                      first, *link;
    ngx_http_k8s_metrics_free_t  *f;

    link = &first;

    while (a && b) {

        if (a < b) {
            f = ngx_http_k8s_metrics_store_ptr(store, a);
            *link = a;
            a = f->next;

        } else {
            f = ngx_http_k8s_metrics_store_ptr(store, b);
            *link = b;
            b = f->next;
        }

        link = &f->next;
    }

    *link = a ? a : b;

    return first;
}
