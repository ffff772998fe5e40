
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_store_internal.h"


static ngx_int_t ngx_http_k8s_metrics_samples_scratch(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_scrape_t *scrape,
    size_t *size);
static ngx_uint_t ngx_http_k8s_metrics_samples_resolve_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shsample_t *found);
static ngx_uint_t ngx_http_k8s_metrics_samples_sort(
    ngx_http_k8s_metrics_shsample_t *a, ngx_uint_t n);
static ngx_uint_t ngx_http_k8s_metrics_samples_build(
    ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shsample_t *found, ngx_uint_t npods,
    ngx_http_k8s_metrics_shblock_t *old, ngx_http_k8s_metrics_shblock_t *new,
    int64_t resolution);
static ngx_http_k8s_metrics_shcontainer_t *
    ngx_http_k8s_metrics_samples_container(
    ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shsample_t *sample, ngx_uint_t at,
    const ngx_str_t *name);
static void ngx_http_k8s_metrics_samples_too_large(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_ref_t ref,
    size_t size);
static uint32_t ngx_http_k8s_metrics_samples_alloc_locked(
    ngx_http_k8s_metrics_store_t *store, size_t size, size_t old);
static void ngx_http_k8s_metrics_samples_give_locked(
    ngx_http_k8s_metrics_store_t *store, uint32_t off, size_t room);
static ngx_int_t ngx_http_k8s_metrics_samples_publish_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node,
    ngx_http_k8s_metrics_shblock_t *new, ngx_uint_t points);


/*
 * A block is made in this worker's own memory and copied into the zone in one
 * piece: what is looked up needs the lock, the merging does not.
 */

ngx_int_t
ngx_http_k8s_metrics_store_scraped(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_scrape_t *scrape, int64_t resolution)
{
    size_t                            size;
    uint64_t                          resets;
    ngx_int_t                         rc;
    ngx_uint_t                        n, points;
    ngx_http_k8s_metrics_shnode_t    *node;
    ngx_http_k8s_metrics_shblock_t   *block, *old, *new;
    ngx_http_k8s_metrics_shsample_t  *found;

    if (ngx_http_k8s_metrics_samples_scratch(store, scrape, &size) != NGX_OK) {
        return NGX_ERROR;
    }

    found = (ngx_http_k8s_metrics_shsample_t *) store->scratch;
    new = (ngx_http_k8s_metrics_shblock_t *) (found + scrape->npods);
    old = (ngx_http_k8s_metrics_shblock_t *) ((u_char *) new + size);

    ngx_http_k8s_metrics_store_lock_read(store);

    if (!ngx_http_k8s_metrics_node_valid_locked(store, scrape->node)) {
        ngx_http_k8s_metrics_store_unlock(store);
        return NGX_DECLINED;
    }

    resets = store->zone->resets;
    n = ngx_http_k8s_metrics_samples_resolve_locked(store, scrape, found);

    ngx_http_k8s_metrics_store_count(store,
                                     NGX_HTTP_K8S_METRICS_STAT_UNPLACED,
                                     scrape->npods - n);

    node = ngx_http_k8s_metrics_store_ptr(store, scrape->node.offset);
    block = node->samples ? ngx_http_k8s_metrics_store_ptr(store,
                                                           node->samples)
                          : NULL;

    if (block
        && block->size <= store->scratch_size
                          - (size_t) ((u_char *) old - store->scratch))
    {
        ngx_memcpy(old, block, block->size);

    } else {
        old = NULL;
    }

    ngx_http_k8s_metrics_store_unlock(store);

    n = ngx_http_k8s_metrics_samples_sort(found, n);

    points = ngx_http_k8s_metrics_samples_build(scrape, found, n, old, new,
                                                resolution);

    if (new->size > ngx_http_k8s_metrics_full_share(store)) {
        ngx_http_k8s_metrics_samples_too_large(store, scrape->node, new->size);
        return NGX_BUSY;
    }

    ngx_http_k8s_metrics_store_lock(store);

    if (resets != store->zone->resets
        || !ngx_http_k8s_metrics_node_valid_locked(store, scrape->node))
    {
        rc = NGX_DECLINED;

    } else {
        node = ngx_http_k8s_metrics_store_ptr(store, scrape->node.offset);
        rc = ngx_http_k8s_metrics_samples_publish_locked(store, node, new,
                                                         points);
        store->zone->full_scrapes += (rc == NGX_ABORT);

        if (rc == NGX_OK && scrape->request) {
            ngx_http_k8s_metrics_request_record_locked(store, node,
                                                       scrape->request);
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);

    return rc;
}


/*
 * Room for the pods found, the new block and a copy of the old one, which may
 * be twice as large as the new one and a little; grown in halves.
 */

static ngx_int_t
ngx_http_k8s_metrics_samples_scratch(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_scrape_t *scrape, size_t *size)
{
    size_t                          need, old;
    uint32_t                        off;
    ngx_uint_t                      i, j;
    ngx_http_k8s_metrics_shnode_t  *node;
    ngx_http_k8s_metrics_shblock_t *block;

    *size = sizeof(ngx_http_k8s_metrics_shblock_t)
            + scrape->npods * sizeof(ngx_http_k8s_metrics_shsample_t);

    for (i = 0; i < scrape->npods; i++) {
        for (j = 0; j < scrape->pods[i].ncontainers; j++) {
            *size += sizeof(ngx_http_k8s_metrics_shcontainer_t)
                     + scrape->pods[i].containers[j].name.len;
        }
    }

    *size = ngx_align(*size, 16);

    old = 0;

    ngx_http_k8s_metrics_store_lock_read(store);

    if (ngx_http_k8s_metrics_node_valid_locked(store, scrape->node)) {
        node = ngx_http_k8s_metrics_store_ptr(store, scrape->node.offset);
        off = node->samples;

        if (off) {
            block = ngx_http_k8s_metrics_store_ptr(store, off);
            old = block->size;
        }
    }

    ngx_http_k8s_metrics_store_unlock(store);

    need = scrape->npods * sizeof(ngx_http_k8s_metrics_shsample_t)
           + *size + old;

    if (need <= store->scratch_size) {
        return NGX_OK;
    }

    if (store->scratch) {
        ngx_free(store->scratch);
    }

    store->scratch_size = need + need / 2;
    store->scratch = ngx_alloc(store->scratch_size, ngx_cycle->log);

    if (store->scratch == NULL) {
        store->scratch_size = 0;
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* "first" is the pod's number in the scrape for now. */

static ngx_uint_t
ngx_http_k8s_metrics_samples_resolve_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shsample_t *found)
{
    uint32_t                        off;
    ngx_uint_t                      i, n;
    ngx_http_k8s_metrics_shpod_t   *pod;
    ngx_http_k8s_metrics_shnode_t  *node;

    node = ngx_http_k8s_metrics_store_ptr(store, scrape->node.offset);
    n = 0;

    for (i = 0; i < scrape->npods; i++) {

        off = ngx_http_k8s_metrics_record_find_locked(store,
                                                  NGX_HTTP_K8S_METRICS_PODS,
                                                  &scrape->pods[i].ns,
                                                  &scrape->pods[i].name);
        if (off == 0) {
            continue;
        }

        pod = ngx_http_k8s_metrics_store_ptr(store, off);

        if (pod->node != node->head.name) {
            continue;
        }

        found[n].pod = off;
        found[n].birth = pod->head.birth;
        found[n].first = (uint32_t) i;
        found[n].n = (uint32_t) scrape->pods[i].ncontainers;
        n++;
    }

    return n;
}


/*
 * Shell sort: pods mostly come in the order in which they were stored.  A pod
 * that was named twice is left once.
 */

static ngx_uint_t
ngx_http_k8s_metrics_samples_sort(ngx_http_k8s_metrics_shsample_t *a,
    ngx_uint_t n)
{
    ngx_uint_t                       gap, i, j;
    ngx_http_k8s_metrics_shsample_t  x;

    for (gap = 1; gap < n / 3; gap = 3 * gap + 1) { /* void */ }

    for ( /* void */ ; gap; gap /= 3) {
        for (i = gap; i < n; i++) {
            x = a[i];

            for (j = i; j >= gap && a[j - gap].pod > x.pod; j -= gap) {
                a[j] = a[j - gap];
            }

            a[j] = x;
        }
    }

    for (i = 0, j = 0; i < n; i++) {
        if (j == 0 || a[j - 1].pod != a[i].pod) {
            a[j++] = a[i];
        }
    }

    return j;
}


/* Returns how many containers have two points. */

static ngx_uint_t
ngx_http_k8s_metrics_samples_build(ngx_http_k8s_metrics_scrape_t *scrape,
    ngx_http_k8s_metrics_shsample_t *found, ngx_uint_t npods,
    ngx_http_k8s_metrics_shblock_t *old, ngx_http_k8s_metrics_shblock_t *new,
    int64_t resolution)
{
    u_char                              *names;
    ngx_uint_t                           i, j, n, one, points;
    ngx_http_k8s_metrics_shsample_t     *pods, *was;
    ngx_http_k8s_metrics_shcontainer_t  *c, *o;
    ngx_http_k8s_metrics_pod_points_t   *pod;

    scrape->nkept = 0;
    scrape->nstuck = 0;
    scrape->wait = 0;

    new->npods = (uint32_t) npods;
    new->scraped = scrape->scraped;
    new->served = 0;
    new->missing = (uint32_t) scrape->missing;

    ngx_memzero(&new->node, sizeof(ngx_http_k8s_metrics_shcontainer_t));

    if (scrape->has_node) {
        ngx_http_k8s_metrics_samples_merge(scrape, old ? &old->node : NULL,
                                           &scrape->usage, &new->node,
                                           resolution);
    }

    for (n = 0, i = 0; i < npods; i++) {
        n += found[i].n;
    }

    new->ncontainers = (uint32_t) n;

    pods = ngx_http_k8s_metrics_block_pods(new);
    c = ngx_http_k8s_metrics_block_containers(new);
    names = (u_char *) (c + n);

    n = 0;
    points = 0;

    for (i = 0; i < npods; i++) {
        pod = &scrape->pods[found[i].first];
        pods[i] = found[i];
        pods[i].first = (uint32_t) (pod->ncontainers ? n : pod->missing);
        one = 0;

        was = old ? ngx_http_k8s_metrics_samples_pod(old, found[i].pod,
                                                     found[i].birth)
                  : NULL;

        for (j = 0; j < pod->ncontainers; j++, n++) {
            o = was ? ngx_http_k8s_metrics_samples_container(old, was, j,
                                                    &pod->containers[j].name)
                    : NULL;

            ngx_http_k8s_metrics_samples_merge(scrape, o, &pod->containers[j],
                                               &c[n], resolution);

            c[n].name = (uint32_t) (names - (u_char *) new);
            c[n].len = (uint32_t) pod->containers[j].name.len;
            names = ngx_cpymem(names, pod->containers[j].name.data,
                               c[n].len);

            points += (c[n].prev_timestamp != 0);
            one |= (c[n].prev_timestamp == 0);
        }

        new->served += (pod->ncontainers && !one);
    }

    new->size = (uint32_t) (names - (u_char *) new);

    return points;
}


ngx_http_k8s_metrics_shsample_t *
ngx_http_k8s_metrics_samples_pod(ngx_http_k8s_metrics_shblock_t *block,
    uint32_t pod, uint32_t birth)
{
    ngx_uint_t                        low, high, mid;
    ngx_http_k8s_metrics_shsample_t  *pods;

    pods = ngx_http_k8s_metrics_block_pods(block);

    low = 0;
    high = block->npods;

    while (low < high) {
        mid = (low + high) / 2;

        if (pods[mid].pod < pod) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low < block->npods && pods[low].pod == pod
        && pods[low].birth == birth)
    {
        return &pods[low];
    }

    return NULL;
}


/* Looks first where it was in the last scrape. */

static ngx_http_k8s_metrics_shcontainer_t *
ngx_http_k8s_metrics_samples_container(ngx_http_k8s_metrics_shblock_t *block,
    ngx_http_k8s_metrics_shsample_t *sample, ngx_uint_t at,
    const ngx_str_t *name)
{
    ngx_uint_t                           i, n;
    ngx_http_k8s_metrics_shcontainer_t  *c;

    for (i = 0; i < sample->n; i++) {
        n = (at + i) % sample->n;
        c = &ngx_http_k8s_metrics_block_containers(block)[sample->first + n];

        if (c->len == name->len
            && ngx_memcmp((u_char *) block + c->name, name->data, name->len)
               == 0)
        {
            return c;
        }
    }

    return NULL;
}


/* Once a minute in each worker. */

static void
ngx_http_k8s_metrics_samples_too_large(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_ref_t ref, size_t size)
{
    u_char                          buf[NGX_HTTP_K8S_METRICS_MAX_NAME];
    ngx_str_t                       name;
    ngx_http_k8s_metrics_record_t  *rec;

    if (store->large_said
        && (ngx_msec_int_t) (ngx_current_msec - store->large_said) < 60000)
    {
        return;
    }

    store->large_said = ngx_max(ngx_current_msec, 1);

    ngx_str_null(&name);

    ngx_http_k8s_metrics_store_lock_read(store);

    if (ngx_http_k8s_metrics_node_valid_locked(store, ref)) {
        rec = ngx_http_k8s_metrics_store_ptr(store, ref.offset);

        ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &name);
        ngx_memcpy(buf, name.data, name.len);
    }

    ngx_http_k8s_metrics_store_unlock(store);

    name.data = buf;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "k8s_metrics: node \"%V\" reports %uz bytes of samples, more "
                  "than one node's share of zone \"%V\", %uz: they are left "
                  "out; if so many containers run there, make the zone larger",
                  &name, size, &store->shm_zone->shm.name,
                  ngx_http_k8s_metrics_full_share(store));
}


/* Room for a block instead of one that has "old" bytes. */

static uint32_t
ngx_http_k8s_metrics_samples_alloc_locked(ngx_http_k8s_metrics_store_t *store,
    size_t size, size_t old)
{
    uint32_t                      off;
    uint64_t                      n;
    ngx_http_k8s_metrics_zone_t  *zone;

    zone = store->zone;
    n = ngx_http_k8s_metrics_arena_room(size) / NGX_HTTP_K8S_METRICS_GRANULE;

    if (zone->content.samples + n - old / NGX_HTTP_K8S_METRICS_GRANULE
        > (uint64_t) zone->granules * store->samples / 100)
    {
        zone->full++;
        return 0;
    }

    off = ngx_http_k8s_metrics_arena_alloc_locked(store, size);

    if (off) {
        zone->content.samples += n;
    }

    return off;
}


static void
ngx_http_k8s_metrics_samples_give_locked(ngx_http_k8s_metrics_store_t *store,
    uint32_t off, size_t room)
{
    ngx_http_k8s_metrics_arena_free_locked(store, off, room);

    store->zone->content.samples -= room / NGX_HTTP_K8S_METRICS_GRANULE;
}


static ngx_int_t
ngx_http_k8s_metrics_samples_publish_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_http_k8s_metrics_shnode_t *node,
    ngx_http_k8s_metrics_shblock_t *new, ngx_uint_t points)
{
    size_t                           room, old;
    uint32_t                         off;
    ngx_http_k8s_metrics_shblock_t  *block;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    block = node->samples ? ngx_http_k8s_metrics_store_ptr(store,
                                                           node->samples)
                          : NULL;

    room = ngx_http_k8s_metrics_arena_room(new->size);
    old = block ? block->room : 0;

    /* a block that is far too large is given back, unless there is no other */

    if (old < new->size || old > 2 * room) {

        off = ngx_http_k8s_metrics_samples_alloc_locked(store, new->size, old);

        if (off) {
            if (block) {
                ngx_http_k8s_metrics_samples_give_locked(store, node->samples,
                                                         old);
            }

            node->samples = off;
            block = ngx_http_k8s_metrics_store_ptr(store, off);

        } else if (old < new->size) {
            return NGX_ABORT;

        } else {
            room = old;
        }

    } else {
        room = old;
    }

    ngx_http_k8s_metrics_store_kill_point(store);

    new->room = (uint32_t) room;
    ngx_memcpy(block, new, new->size);

    content->container_points += points;
    content->container_points -= node->points;
    node->points = (uint32_t) points;

    content->node_points -= node->node_point;
    node->node_point = (new->node.prev_timestamp != 0);
    content->node_points += node->node_point;

    ngx_http_k8s_metrics_shstr_put_locked(store, node->reason);
    node->reason = 0;
    node->failed = 0;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_samples_free_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_shnode_t *node)
{
    ngx_http_k8s_metrics_shblock_t  *block;

    if (node->samples == 0) {
        return;
    }

    block = ngx_http_k8s_metrics_store_ptr(store, node->samples);

    ngx_http_k8s_metrics_samples_give_locked(store, node->samples,
                                             block->room);

    store->zone->content.container_points -= node->points;
    store->zone->content.node_points -= node->node_point;

    node->samples = 0;
    node->points = 0;
    node->node_point = 0;
}


ngx_uint_t
ngx_http_k8s_metrics_node_valid_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_ref_t ref)
{
    uint32_t                        off;
    ngx_http_k8s_metrics_record_t  *rec;

    off = ref.offset;

    if (off == 0 || off >= store->zone->content.brk) {
        return 0;
    }

    rec = ngx_http_k8s_metrics_store_ptr(store, off);

    /*
     * The memory may be another thing by now: only a record that its name
     * leads to is that record.
     */

    return rec->birth == ref.birth && rec->name != 0
           && rec->name < store->zone->content.brk
           && ngx_http_k8s_metrics_node_of_locked(store, rec->name) == off;
}


void
ngx_http_k8s_metrics_store_scrape_started(ngx_http_k8s_metrics_store_t *store,
    ngx_msec_t mono)
{
    ngx_http_k8s_metrics_store_lock(store);
    store->zone->scrape_started = mono;
    store->zone->scrapes++;
    ngx_http_k8s_metrics_store_unlock(store);
}
