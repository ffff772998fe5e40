
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * Free memory: pieces that are joined with their neighbours as they come back,
 * so that a zone that was full of small things can hold a large one again,
 * without a time when all of them are sorted.
 *
 * A piece has its size at both ends, and in a map of all granules a bit is set
 * for the first and for the last one of each piece, for no other.  A piece is
 * in the list of the largest class that it fills.
 */


/* The last four bytes of a piece have its size, too: at least 16 bytes. */
typedef struct {
    uint32_t             next;
    uint32_t             prev;
    uint32_t             n;         /* granules */
} ngx_http_k8s_metrics_piece_t;


static void ngx_http_k8s_metrics_piece_add_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, uint32_t n);
static void ngx_http_k8s_metrics_piece_remove_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off);
static ngx_uint_t ngx_http_k8s_metrics_piece_class(uint32_t n);
static ngx_uint_t ngx_http_k8s_metrics_piece_find_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t class);
static ngx_uint_t ngx_http_k8s_metrics_map_is_set_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off);
static void ngx_http_k8s_metrics_map_mark_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, ngx_uint_t set);


#define ngx_http_k8s_metrics_piece_end(store, off)                            \
    ((uint32_t *) ngx_http_k8s_metrics_store_ptr(store, off) - 1)


uint32_t
ngx_http_k8s_metrics_piece_take_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t class)
{
    uint32_t                       off, n, rest;
    ngx_uint_t                     found;
    ngx_http_k8s_metrics_piece_t  *piece;

    found = ngx_http_k8s_metrics_piece_find_locked(store, class);

    if (found == NGX_HTTP_K8S_METRICS_CLASSES) {
        return 0;
    }

    off = store->zone->content.free[found];
    piece = ngx_http_k8s_metrics_store_ptr(store, off);

    n = ngx_http_k8s_metrics_arena_class_size(class);
    rest = piece->n - n;

    ngx_http_k8s_metrics_piece_remove_locked(store, off);

    if (rest) {
        ngx_http_k8s_metrics_piece_add_locked(store, off + n, rest);
    }

    return off;
}


void
ngx_http_k8s_metrics_piece_give_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, uint32_t n)
{
    uint32_t                         before, behind;
    ngx_http_k8s_metrics_piece_t    *piece;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    /* what is first in the arena is never given back: there is an off - 1 */

    if (ngx_http_k8s_metrics_map_is_set_locked(store, off - 1)) {
        before = *ngx_http_k8s_metrics_piece_end(store, off);

        off -= before;
        n += before;

        ngx_http_k8s_metrics_piece_remove_locked(store, off);
    }

    behind = off + n;

    if (behind < content->brk
        && ngx_http_k8s_metrics_map_is_set_locked(store, behind))
    {
        piece = ngx_http_k8s_metrics_store_ptr(store, behind);
        n += piece->n;

        ngx_http_k8s_metrics_piece_remove_locked(store, behind);
    }

    if (off + n == content->brk) {
        content->brk = off;
        return;
    }

    ngx_http_k8s_metrics_piece_add_locked(store, off, n);
}


static void
ngx_http_k8s_metrics_piece_add_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, uint32_t n)
{
    ngx_uint_t                       class;
    ngx_http_k8s_metrics_piece_t    *piece, *next;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    class = ngx_http_k8s_metrics_piece_class(n);

    piece = ngx_http_k8s_metrics_store_ptr(store, off);

    piece->next = content->free[class];
    piece->prev = 0;
    piece->n = n;

    *ngx_http_k8s_metrics_piece_end(store, off + n) = n;

    if (piece->next) {
        next = ngx_http_k8s_metrics_store_ptr(store, piece->next);
        next->prev = off;
    }

    content->free[class] = off;
    content->filled[class / 32] |= (uint32_t) 1 << class % 32;

    ngx_http_k8s_metrics_map_mark_locked(store, off, 1);
    ngx_http_k8s_metrics_map_mark_locked(store, off + n - 1, 1);
}


static void
ngx_http_k8s_metrics_piece_remove_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off)
{
    ngx_uint_t                       class;
    ngx_http_k8s_metrics_piece_t    *piece, *p;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    piece = ngx_http_k8s_metrics_store_ptr(store, off);
    class = ngx_http_k8s_metrics_piece_class(piece->n);

    if (piece->next) {
        p = ngx_http_k8s_metrics_store_ptr(store, piece->next);
        p->prev = piece->prev;
    }

    if (piece->prev) {
        p = ngx_http_k8s_metrics_store_ptr(store, piece->prev);
        p->next = piece->next;

    } else {
        content->free[class] = piece->next;

        if (piece->next == 0) {
            content->filled[class / 32] &= ~((uint32_t) 1 << class % 32);
        }
    }

    ngx_http_k8s_metrics_map_mark_locked(store, off, 0);
    ngx_http_k8s_metrics_map_mark_locked(store, off + piece->n - 1, 0);
}


/* The largest class that "n" granules fill. */

static ngx_uint_t
ngx_http_k8s_metrics_piece_class(uint32_t n)
{
    ngx_uint_t  class;

    class = ngx_http_k8s_metrics_arena_class(n);

    return (ngx_http_k8s_metrics_arena_class_size(class) > n) ? class - 1
                                                              : class;
}


/* The first class from "class" on that has a piece, or CLASSES. */

static ngx_uint_t
ngx_http_k8s_metrics_piece_find_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t class)
{
    uint32_t    bits;
    ngx_uint_t  i;

    bits = store->zone->content.filled[class / 32]
           & (uint32_t) 0xffffffff << class % 32;

    for (i = class / 32; bits == 0; /* void */ ) {

        if (++i == NGX_HTTP_K8S_METRICS_CLASSES / 32) {
            return NGX_HTTP_K8S_METRICS_CLASSES;
        }

        bits = store->zone->content.filled[i];
    }

    for (class = i * 32; (bits & 1) == 0; class++) {
        bits >>= 1;
    }

    return class;
}


static ngx_uint_t
ngx_http_k8s_metrics_map_is_set_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off)
{
    u_char  *map;

    map = ngx_http_k8s_metrics_store_ptr(store, store->zone->content.map);

    return map[off / 8] >> off % 8 & 1;
}


static void
ngx_http_k8s_metrics_map_mark_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, ngx_uint_t set)
{
    u_char  *map;

    map = ngx_http_k8s_metrics_store_ptr(store, store->zone->content.map);

    if (set) {
        map[off / 8] |= 1 << off % 8;

    } else {
        map[off / 8] &= ~(1 << off % 8);
    }
}


void
ngx_http_k8s_metrics_map_clear_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, uint32_t n)
{
    u_char  *map;

    map = ngx_http_k8s_metrics_store_ptr(store, store->zone->content.map);

    for ( /* void */ ; n && off % 8; off++, n--) {
        map[off / 8] &= ~(1 << off % 8);
    }

    ngx_memzero(&map[off / 8], n / 8);

    for (off += n / 8 * 8, n %= 8; n; off++, n--) {
        map[off / 8] &= ~(1 << off % 8);
    }
}
