
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


#define NGX_HTTP_K8S_METRICS_FIRST_DIR  64


static ngx_int_t ngx_http_k8s_metrics_index_cmp_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, const ngx_str_t *ns,
    const ngx_str_t *name);
static ngx_int_t ngx_http_k8s_metrics_index_bytes(const ngx_str_t *a,
    const ngx_str_t *b);
static ngx_http_k8s_metrics_leaf_t *ngx_http_k8s_metrics_index_leaf_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index,
    uint32_t n);
static ngx_int_t ngx_http_k8s_metrics_index_room_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index);
static ngx_int_t ngx_http_k8s_metrics_index_split_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index,
    ngx_http_k8s_metrics_place_t *place);
static void ngx_http_k8s_metrics_index_drop_leaf_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index,
    uint32_t n);
static void ngx_http_k8s_metrics_index_merge_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index,
    uint32_t n);


static ngx_int_t
ngx_http_k8s_metrics_index_bytes(const ngx_str_t *a, const ngx_str_t *b)
{
    ngx_int_t  rc;

    if (a->len && b->len) {
        rc = ngx_memcmp(a->data, b->data, ngx_min(a->len, b->len));

        if (rc) {
            return rc;
        }
    }

    return (a->len > b->len) - (a->len < b->len);
}


static ngx_int_t
ngx_http_k8s_metrics_index_cmp_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, const ngx_str_t *ns, const ngx_str_t *name)
{
    ngx_int_t                       rc;
    ngx_str_t                       s;
    ngx_http_k8s_metrics_record_t  *rec;

    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    if (rec->ns) {
        ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &s);

        rc = ngx_http_k8s_metrics_index_bytes(&s, ns);
        if (rc) {
            return rc;
        }
    }

    ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &s);

    return ngx_http_k8s_metrics_index_bytes(&s, name);
}


static ngx_http_k8s_metrics_leaf_t *
ngx_http_k8s_metrics_index_leaf_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_index_t *index, uint32_t n)
{
    uint32_t  *dir;

    dir = ngx_http_k8s_metrics_store_ptr(store, index->dir);

    return ngx_http_k8s_metrics_store_ptr(store, dir[n]);
}


void
ngx_http_k8s_metrics_index_seek_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, const ngx_str_t *ns, const ngx_str_t *name,
    ngx_http_k8s_metrics_place_t *place)
{
    uint32_t                       low, high, mid;
    ngx_http_k8s_metrics_leaf_t   *leaf;
    ngx_http_k8s_metrics_index_t  *index;

    index = &store->zone->content.index[kind];

    /* the last leaf whose first record is not after the key */

    low = 0;
    high = index->n;

    while (low < high) {
        mid = low + (high - low) / 2;
        leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, mid);

        if (ngx_http_k8s_metrics_index_cmp_locked(store, leaf->refs[0], ns,
                                                  name)
            <= 0)
        {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    place->leaf = low ? low - 1 : 0;
    place->pos = 0;

    if (index->n == 0) {
        return;
    }

    leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, place->leaf);

    low = 0;
    high = leaf->n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (ngx_http_k8s_metrics_index_cmp_locked(store, leaf->refs[mid], ns,
                                                  name)
            < 0)
        {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    place->pos = low;
}


uint32_t
ngx_http_k8s_metrics_index_next_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, ngx_http_k8s_metrics_place_t *place)
{
    ngx_http_k8s_metrics_leaf_t   *leaf;
    ngx_http_k8s_metrics_index_t  *index;

    index = &store->zone->content.index[kind];

    while (place->leaf < index->n) {
        leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index,
                                                      place->leaf);

        if (place->pos < leaf->n) {
            return leaf->refs[place->pos++];
        }

        place->leaf++;
        place->pos = 0;
    }

    return 0;
}


ngx_int_t
ngx_http_k8s_metrics_index_insert_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, uint32_t off)
{
    uint32_t                        *dir;
    ngx_str_t                        ns, name;
    ngx_http_k8s_metrics_leaf_t     *leaf;
    ngx_http_k8s_metrics_index_t    *index;
    ngx_http_k8s_metrics_place_t     place;
    ngx_http_k8s_metrics_record_t   *rec;

    index = &store->zone->content.index[kind];
    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);
    ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &name);

    if (ngx_http_k8s_metrics_index_room_locked(store, index) != NGX_OK) {
        return NGX_ABORT;
    }

    if (index->n == 0) {
        dir = ngx_http_k8s_metrics_store_ptr(store, index->dir);

        dir[0] = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                          sizeof(ngx_http_k8s_metrics_leaf_t));
        if (dir[0] == 0) {
            return NGX_ABORT;
        }

        leaf = ngx_http_k8s_metrics_store_ptr(store, dir[0]);
        leaf->n = 0;
        index->n = 1;

        place.leaf = 0;
        place.pos = 0;

    } else {
        ngx_http_k8s_metrics_index_seek_locked(store, kind, &ns, &name,
                                               &place);
    }

    leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, place.leaf);

    if (leaf->n == NGX_HTTP_K8S_METRICS_LEAF) {

        if (ngx_http_k8s_metrics_index_split_locked(store, index, &place)
            != NGX_OK)
        {
            return NGX_ABORT;
        }

        leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index,
                                                      place.leaf);
    }

    ngx_memmove(&leaf->refs[place.pos + 1], &leaf->refs[place.pos],
                (leaf->n - place.pos) * sizeof(uint32_t));

    leaf->refs[place.pos] = off;
    leaf->n++;
    index->count++;

    return NGX_OK;
}


/* Room for one more leaf in the directory. */

static ngx_int_t
ngx_http_k8s_metrics_index_room_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_index_t *index)
{
    uint32_t  dir, size;

    if (index->n < index->size) {
        return NGX_OK;
    }

    size = index->size ? 2 * index->size : NGX_HTTP_K8S_METRICS_FIRST_DIR;

    dir = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                                  size * sizeof(uint32_t));
    if (dir == 0) {
        return NGX_ABORT;
    }

    if (index->dir) {
        ngx_memcpy(ngx_http_k8s_metrics_store_ptr(store, dir),
                   ngx_http_k8s_metrics_store_ptr(store, index->dir),
                   index->n * sizeof(uint32_t));

        ngx_http_k8s_metrics_arena_free_locked(store, index->dir,
                                              index->size * sizeof(uint32_t));
    }

    index->dir = dir;
    index->size = size;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_index_split_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_index_t *index, ngx_http_k8s_metrics_place_t *place)
{
    uint32_t                       off, keep, *dir;
    ngx_http_k8s_metrics_leaf_t   *leaf, *right;

    off = ngx_http_k8s_metrics_arena_alloc_locked(store,
                                          sizeof(ngx_http_k8s_metrics_leaf_t));
    if (off == 0) {
        return NGX_ABORT;
    }

    leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, place->leaf);
    right = ngx_http_k8s_metrics_store_ptr(store, off);

    /* a list arrives in order: what is appended leaves full leaves behind */

    keep = NGX_HTTP_K8S_METRICS_LEAF / 2;

    if (place->leaf == index->n - 1 && place->pos == leaf->n) {
        keep = leaf->n - 1;
    }

    right->n = leaf->n - keep;
    ngx_memcpy(right->refs, &leaf->refs[keep], right->n * sizeof(uint32_t));
    leaf->n = keep;

    dir = ngx_http_k8s_metrics_store_ptr(store, index->dir);

    ngx_memmove(&dir[place->leaf + 2], &dir[place->leaf + 1],
                (index->n - place->leaf - 1) * sizeof(uint32_t));

    dir[place->leaf + 1] = off;
    index->n++;

    if (place->pos > keep) {
        place->leaf++;
        place->pos -= keep;
    }

    return NGX_OK;
}


void
ngx_http_k8s_metrics_index_delete_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, uint32_t off)
{
    ngx_str_t                        ns, name;
    ngx_http_k8s_metrics_leaf_t     *leaf;
    ngx_http_k8s_metrics_index_t    *index;
    ngx_http_k8s_metrics_place_t     place;
    ngx_http_k8s_metrics_record_t   *rec;

    index = &store->zone->content.index[kind];
    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);
    ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &name);

    ngx_http_k8s_metrics_index_seek_locked(store, kind, &ns, &name, &place);

    if (place.leaf >= index->n) {
        return;
    }

    leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, place.leaf);

    if (place.pos >= leaf->n || leaf->refs[place.pos] != off) {
        return;
    }

    leaf->n--;
    index->count--;

    ngx_memmove(&leaf->refs[place.pos], &leaf->refs[place.pos + 1],
                (leaf->n - place.pos) * sizeof(uint32_t));

    if (leaf->n == 0) {
        ngx_http_k8s_metrics_index_drop_leaf_locked(store, index, place.leaf);
        return;
    }

    if (leaf->n < NGX_HTTP_K8S_METRICS_LEAF / 4) {
        ngx_http_k8s_metrics_index_merge_locked(store, index, place.leaf);
    }
}


static void
ngx_http_k8s_metrics_index_drop_leaf_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_index_t *index,
    uint32_t n)
{
    uint32_t  *dir;

    dir = ngx_http_k8s_metrics_store_ptr(store, index->dir);

    ngx_http_k8s_metrics_arena_free_locked(store, dir[n],
                                          sizeof(ngx_http_k8s_metrics_leaf_t));
    index->n--;

    ngx_memmove(&dir[n], &dir[n + 1], (index->n - n) * sizeof(uint32_t));
}


/* Joins a small leaf with the next when both fit into three quarters. */

static void
ngx_http_k8s_metrics_index_merge_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_index_t *index, uint32_t n)
{
    ngx_http_k8s_metrics_leaf_t  *leaf, *right;

    if (n + 1 >= index->n) {
        return;
    }

    leaf = ngx_http_k8s_metrics_index_leaf_locked(store, index, n);
    right = ngx_http_k8s_metrics_index_leaf_locked(store, index, n + 1);

    if (leaf->n + right->n > NGX_HTTP_K8S_METRICS_LEAF / 4 * 3) {
        return;
    }

    ngx_memcpy(&leaf->refs[leaf->n], right->refs,
               right->n * sizeof(uint32_t));
    leaf->n += right->n;

    ngx_http_k8s_metrics_index_drop_leaf_locked(store, index, n + 1);
}
