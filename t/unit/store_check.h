
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _STORE_CHECK_H_INCLUDED_
#define _STORE_CHECK_H_INCLUDED_


#include "store_fixture.h"


/*
 * Whether a zone is sound: every granule below the brk belongs to exactly one
 * thing, a free list among them; every string has as many references as are
 * found; the order is the order of names; the counters count.
 */

typedef struct {
    store_t      *store;
    uint8_t      *owned;        /* granules */
    uint32_t     *refs;         /* of the string there */
    uint64_t      used;
    const char   *bad;
} check_t;


static void
check_take(check_t *c, uint32_t off, size_t size, const char *what)
{
    size_t  i, n;

    n = ngx_http_k8s_metrics_arena_room(size) / NGX_HTTP_K8S_METRICS_GRANULE;

    if (off == 0 || off + n > c->store->zone->content.brk) {
        c->bad = what;
        return;
    }

    for (i = 0; i < n; i++) {
        if (c->owned[off + i]++) {
            c->bad = what;
        }
    }

    c->used += n;
}


/* Each piece in its list, marked at both ends, and next to no other. */

static void
check_free(check_t *c)
{
    uint32_t                         off, n, prev, marks;
    uint64_t                         used;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_piece_t    *piece;
    ngx_http_k8s_metrics_content_t  *content;

    content = &c->store->zone->content;
    used = c->used;
    marks = 0;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_CLASSES && c->bad == NULL; i++) {
        prev = 0;

        if ((content->filled[i / 32] >> i % 32 & 1) != (content->free[i] != 0))
        {
            c->bad = "which classes have pieces";
        }

        for (off = content->free[i]; off && c->bad == NULL; off = piece->next) {
            piece = ngx_http_k8s_metrics_store_ptr(c->store, off);
            n = piece->n;

            if (off + n >= content->brk || piece->prev != prev
                || ngx_http_k8s_metrics_piece_class(n) != i
                || *ngx_http_k8s_metrics_piece_end(c->store, off + n) != n
                || !ngx_http_k8s_metrics_map_is_set_locked(c->store, off)
                || !ngx_http_k8s_metrics_map_is_set_locked(c->store,
                                                           off + n - 1))
            {
                c->bad = "a free piece";
                return;
            }

            prev = off;
            marks += (n == 1) ? 1 : 2;

            while (n--) {
                if (c->owned[off + n]) {
                    c->bad = "a free piece that somebody has";
                }

                c->owned[off + n] = 2;
            }

            if (c->owned[off - 1] == 2 || c->owned[off + piece->n] == 2) {
                c->bad = "free pieces side by side";
            }
        }
    }

    for (off = (sizeof(ngx_http_k8s_metrics_zone_t) + 15) / 16;
         off < content->brk; off++)
    {
        marks -= ngx_http_k8s_metrics_map_is_set_locked(c->store, off);
    }

    if (marks && c->bad == NULL) {
        c->bad = "marks where no piece ends";
    }

    c->used = used;
}


static void
check_record(check_t *c, ngx_uint_t kind, uint32_t off)
{
    uint32_t                        *pairs;
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_shpod_t    *pod;
    ngx_http_k8s_metrics_shnode_t   *node;
    ngx_http_k8s_metrics_record_t   *rec;
    ngx_http_k8s_metrics_shblock_t  *block;

    rec = ngx_http_k8s_metrics_store_ptr(c->store, off);

    check_take(c, off, ngx_http_k8s_metrics_record_size(kind), "a record");

    c->refs[rec->ns]++;
    c->refs[rec->name]++;

    if (rec->nlabels) {
        check_take(c, rec->labels, 8 * rec->nlabels, "labels");
        pairs = ngx_http_k8s_metrics_store_ptr(c->store, rec->labels);

        for (i = 0; i < 2u * rec->nlabels; i++) {
            c->refs[pairs[i]]++;
        }
    }

    if (kind == PODS) {
        pod = (ngx_http_k8s_metrics_shpod_t *) rec;
        c->refs[pod->node]++;
        return;
    }

    node = (ngx_http_k8s_metrics_shnode_t *) rec;

    c->refs[node->path]++;
    c->refs[node->reason]++;

    for (i = 0; i < node->naddrs; i++) {
        c->refs[node->addrs[i]]++;
    }

    if (node->session) {
        check_take(c, node->session,
                   ngx_http_k8s_metrics_session_size(node->session_len),
                   "a session");
    }

    if (node->samples) {
        block = ngx_http_k8s_metrics_store_ptr(c->store, node->samples);
        check_take(c, node->samples, block->room, "samples");

        if (block->size > block->room) {
            c->bad = "samples larger than their block";
        }
    }
}


static void
check_index(check_t *c, ngx_uint_t kind)
{
    uint32_t                         i, j, count, last, *dir, *buckets;
    ngx_str_t                        ns, name;
    ngx_http_k8s_metrics_leaf_t     *leaf;
    ngx_http_k8s_metrics_index_t    *index;
    ngx_http_k8s_metrics_record_t   *rec;
    ngx_http_k8s_metrics_content_t  *content;

    content = &c->store->zone->content;
    index = &content->index[kind];
    count = 0;
    last = 0;

    check_take(c, content->records[kind], 4 * content->nbuckets, "buckets");

    if (index->dir) {
        check_take(c, index->dir, 4 * index->size, "a directory");
    }

    for (i = 0; i < index->n; i++) {
        dir = ngx_http_k8s_metrics_store_ptr(c->store, index->dir);
        leaf = ngx_http_k8s_metrics_store_ptr(c->store, dir[i]);
        check_take(c, dir[i], sizeof(*leaf), "a leaf");

        if (leaf->n == 0 || leaf->n > NGX_HTTP_K8S_METRICS_LEAF) {
            c->bad = "a leaf's count";
            return;
        }

        for (j = 0; j < leaf->n; j++, count++) {
            check_record(c, kind, leaf->refs[j]);

            rec = ngx_http_k8s_metrics_store_ptr(c->store, leaf->refs[j]);
            ngx_http_k8s_metrics_shstr_view_locked(c->store, rec->ns, &ns);
            ngx_http_k8s_metrics_shstr_view_locked(c->store, rec->name, &name);

            if (last && ngx_http_k8s_metrics_index_cmp_locked(c->store, last,
                                                              &ns, &name)
                        >= 0)
            {
                c->bad = "the order";
            }

            last = leaf->refs[j];
        }
    }

    if (count != index->count) {
        c->bad = "the count of records";
    }

    buckets = ngx_http_k8s_metrics_store_ptr(c->store, content->records[kind]);

    for (i = 0; i < content->nbuckets; i++) {
        for (j = buckets[i]; j; j = rec->next, count--) {
            rec = ngx_http_k8s_metrics_store_ptr(c->store, j);
        }
    }

    if (count != 0) {
        c->bad = "records that names do not lead to";
    }
}


static void
check_strings(check_t *c)
{
    uint32_t                         i, off, *buckets;
    ngx_http_k8s_metrics_shstr_t    *s;
    ngx_http_k8s_metrics_content_t  *content;

    content = &c->store->zone->content;

    check_take(c, content->strings, 4 * content->nbuckets, "buckets");
    buckets = ngx_http_k8s_metrics_store_ptr(c->store, content->strings);

    for (i = 0; i < content->nbuckets; i++) {
        for (off = buckets[i]; off; off = s->next) {
            s = ngx_http_k8s_metrics_store_ptr(c->store, off);
            check_take(c, off, ngx_http_k8s_metrics_shstr_size(s->len),
                       "a string");

            if (s->refs == 0 || s->refs != c->refs[off]) {
                c->bad = "a string's references";
            }

            c->refs[off] = 0;
        }
    }

    for (off = 1; off < content->brk; off++) {
        if (c->refs[off]) {
            c->bad = "a reference to no string";
        }
    }
}


static void
check_counters(check_t *c)
{
    uint64_t                         points, nodes, samples;
    ngx_uint_t                       i;
    uint32_t                         off;
    ngx_http_k8s_metrics_place_t     place;
    ngx_http_k8s_metrics_shnode_t   *node;
    ngx_http_k8s_metrics_shblock_t  *block;
    ngx_http_k8s_metrics_content_t  *content;

    content = &c->store->zone->content;

    memset(&place, 0, sizeof(place));
    points = 0;
    nodes = 0;
    samples = 0;

    for ( ;; ) {
        off = ngx_http_k8s_metrics_index_next_locked(c->store, NODES, &place);
        if (off == 0) {
            break;
        }

        node = ngx_http_k8s_metrics_store_ptr(c->store, off);
        if (node->samples == 0) {
            continue;
        }

        block = ngx_http_k8s_metrics_store_ptr(c->store, node->samples);
        samples += block->room / NGX_HTTP_K8S_METRICS_GRANULE;
        nodes += (block->node.prev_timestamp != 0);

        for (i = 0; i < block->ncontainers; i++) {
            points += (ngx_http_k8s_metrics_block_containers(block)[i]
                           .prev_timestamp != 0);
        }
    }

    if (content->container_points != points || content->node_points != nodes) {
        c->bad = "the counters of points";
    }

    if (content->samples != samples) {
        c->bad = "the room that samples have";
    }
}


/* NULL, or what is wrong with the zone. */

static const char *
check_zone(store_t *store)
{
    uint32_t                         i, first;
    check_t                          c;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;
    first = (sizeof(ngx_http_k8s_metrics_zone_t) + 15) / 16;

    c.store = store;
    c.owned = calloc(store->zone->granules, 1);
    c.refs = calloc(store->zone->granules, sizeof(uint32_t));
    c.used = 0;
    c.bad = NULL;

    if (c.owned == NULL || c.refs == NULL) {
        abort();
    }

    check_take(&c, content->map, store->zone->granules / 8 + 1, "the map");
    check_index(&c, NODES);
    check_index(&c, PODS);
    check_strings(&c);
    check_counters(&c);

    for (i = 0; i < NGX_HTTP_K8S_METRICS_SETTINGS; i++) {
        if (content->setting[i]) {
            check_take(&c, content->setting[i], content->setting_len[i],
                       "a setting");
        }
    }

    if (content->used != c.used) {
        c.bad = "the count of used bytes";
    }

    check_free(&c);

    for (i = 0; i < content->brk && c.bad == NULL; i++) {
        if ((c.owned[i] != 0) != (i >= first)) {
            c.bad = "memory that nobody has";
        }
    }

    if (store->zone->dirty || *store->shpool->mutex.lock) {
        c.bad = "dirty or locked at rest";
    }

    free(c.owned);
    free(c.refs);

    return c.bad;
}


#define sound(store, what)                                                    \
    do {                                                                      \
        const char  *bad_ = check_zone(store);                                \
        ok(bad_ == NULL, "%s: %s", what, bad_ ? bad_ : "the zone is sound");  \
    } while (0)


#endif /* _STORE_CHECK_H_INCLUDED_ */
