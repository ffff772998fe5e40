
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition_internal.h"


#define NGX_HTTP_K8S_METRICS_POD_CONTAINERS  256
#define NGX_HTTP_K8S_METRICS_PROBES          64

/* of DNS: a namespace and a container are labels, a pod is a subdomain */
#define NGX_HTTP_K8S_METRICS_LABEL           63
#define NGX_HTTP_K8S_METRICS_SUBDOMAIN       253


static uint64_t ngx_http_k8s_metrics_exposition_hash(uint64_t h,
    const ngx_str_t *s);
static ngx_int_t ngx_http_k8s_metrics_exposition_pod(
    ngx_http_k8s_metrics_exposition_t *e, const ngx_str_t *ns,
    const ngx_str_t *name, uint32_t *pod);
static ngx_int_t ngx_http_k8s_metrics_exposition_rehash(
    ngx_http_k8s_metrics_exposition_t *e);
static ngx_int_t ngx_http_k8s_metrics_exposition_add(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *t, const ngx_str_t *container,
    size_t raw_len, uint32_t *entry);
static uint32_t ngx_http_k8s_metrics_exposition_find(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod, const ngx_str_t *name);
static ngx_uint_t ngx_http_k8s_metrics_exposition_named(const ngx_str_t *name);
static ngx_int_t ngx_http_k8s_metrics_exposition_fill(
    ngx_http_k8s_metrics_exposition_t *e, ngx_uint_t npods,
    ngx_uint_t npoints);
static void ngx_http_k8s_metrics_exposition_incomplete(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_pod_points_t *pod);
static void ngx_http_k8s_metrics_exposition_check(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod);
static ngx_int_t ngx_http_k8s_metrics_exposition_cmp(
    ngx_http_k8s_metrics_exposition_t *e, uint32_t one, uint32_t two);
static void ngx_http_k8s_metrics_exposition_sort(
    ngx_http_k8s_metrics_exposition_t *e, uint32_t *order, uint32_t *tmp,
    ngx_uint_t n);
static ngx_uint_t ngx_http_k8s_metrics_exposition_run(
    ngx_http_k8s_metrics_exposition_t *e, const uint32_t *order,
    ngx_uint_t start, ngx_uint_t n);
static void ngx_http_k8s_metrics_exposition_merge(
    ngx_http_k8s_metrics_exposition_t *e, uint32_t *order,
    const uint32_t *left, ngx_uint_t nleft, ngx_uint_t n);
static void ngx_http_k8s_metrics_exposition_points(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod,
    ngx_http_k8s_metrics_point_t *points);


void *
ngx_http_k8s_metrics_exposition_room(ngx_http_k8s_metrics_exposition_t *e,
    void *old, size_t *have, size_t n, size_t size)
{
    void    *p;
    size_t   room;

    if (old && n <= *have) {
        return old;
    }

    room = ngx_max(n, *have * 2);
    room = ngx_max(room, 512 / size + 1);

    p = ngx_alloc(room * size, e->log);
    if (p == NULL) {
        return NULL;
    }

    if (old) {
        ngx_memcpy(p, old, *have * size);
        ngx_free(old);
    }

    *have = room;

    return p;
}


void
ngx_http_k8s_metrics_exposition_clear(ngx_http_k8s_metrics_exposition_t *e)
{
    ngx_uint_t  i;

    for (i = 0; i < e->ntable; i++) {
        e->index[e->table[i].slot] = NGX_HTTP_K8S_METRICS_NONE;
    }

    e->ntable = 0;
    e->nentries = 0;
    e->names_len = 0;
    e->full = 0;
}


ngx_int_t
ngx_http_k8s_metrics_exposition_entry(ngx_http_k8s_metrics_exposition_t *e,
    const ngx_str_t *raw,
    const ngx_http_k8s_metrics_exposition_labels_t *labels, uint32_t *entry)
{
    u_char                                    *p;
    uint32_t                                   pod;
    ngx_int_t                                  rc;
    ngx_str_t                                  ns, name, container;
    ngx_http_k8s_metrics_exposition_pod_t     *t;

    /* room past the maximum for the line at hand, which is not kept there */

    p = ngx_http_k8s_metrics_exposition_room(e, e->names, &e->names_size,
                                             e->names_len + raw->len, 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    e->names = p;
    p += e->names_len;
    ngx_memcpy(p, raw->data, raw->len);

    ns.data = p + (labels->ns.data - raw->data);
    ns.len = labels->ns.len;
    name.data = p + (labels->pod.data - raw->data);
    name.len = labels->pod.len;
    container.data = p + (labels->container.data - raw->data);
    container.len = labels->container.len;

    /* the store knows which namespaces and pods there are, not containers */

    if (ns.len > NGX_HTTP_K8S_METRICS_LABEL
        || name.len > NGX_HTTP_K8S_METRICS_SUBDOMAIN
        || !ngx_http_k8s_metrics_exposition_named(&container))
    {
        e->dropped.unnamed++;
        return NGX_DECLINED;
    }

    if (e->nentries >= e->max_containers
        || raw->len > e->max_names - e->names_len)
    {
        e->full = 1;
    }

    rc = ngx_http_k8s_metrics_exposition_pod(e, &ns, &name, &pod);

    if (rc != NGX_OK) {
        return rc;
    }

    t = &e->table[pod];

    *entry = ngx_http_k8s_metrics_exposition_find(e, t, &container);

    if (*entry != NGX_HTTP_K8S_METRICS_NONE) {
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_exposition_add(e, t, &container, raw->len,
                                              entry);
}


/* 1 when a container may have that name: it is served as it was sent. */

static ngx_uint_t
ngx_http_k8s_metrics_exposition_named(const ngx_str_t *name)
{
    u_char   c;
    size_t   i;

    if (name->len > NGX_HTTP_K8S_METRICS_LABEL) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return 0;
        }
    }

    return name->data[0] != '-' && name->data[name->len - 1] != '-';
}


/* A container that is new; its labels become part of the names. */

static ngx_int_t
ngx_http_k8s_metrics_exposition_add(ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *t, const ngx_str_t *container,
    size_t raw_len, uint32_t *entry)
{
    ngx_http_k8s_metrics_exposition_entry_t  *n;

    if (e->full || t->n >= NGX_HTTP_K8S_METRICS_POD_CONTAINERS) {
        t->bad |= NGX_HTTP_K8S_METRICS_OVER_LIMIT;
        e->dropped.limit++;
        return NGX_DECLINED;
    }

    n = ngx_http_k8s_metrics_exposition_room(e, e->entries,
                             &e->entries_size, e->nentries + 1,
                             sizeof(ngx_http_k8s_metrics_exposition_entry_t));
    if (n == NULL) {
        return NGX_ERROR;
    }

    e->entries = n;
    *entry = (uint32_t) e->nentries++;
    n += *entry;

    ngx_memzero(n, sizeof(ngx_http_k8s_metrics_exposition_entry_t));

    n->raw = (uint32_t) e->names_len;
    n->raw_len = (uint32_t) raw_len;
    n->name = (uint32_t) (container->data - e->names);
    n->name_len = (uint32_t) container->len;
    n->next = NGX_HTTP_K8S_METRICS_NONE;

    if (t->n++ == 0) {
        t->first = *entry;

    } else {
        e->entries[t->last].next = *entry;
    }

    t->last = *entry;
    e->names_len += raw_len;

    return NGX_OK;
}


/*
 * The pod's names lie where those of the line at hand do: a pod is only made
 * if the line is to be kept.  Once something did not fit nothing is made any
 * more: a pod must not appear with some of its containers.
 */

static ngx_int_t
ngx_http_k8s_metrics_exposition_pod(ngx_http_k8s_metrics_exposition_t *e,
    const ngx_str_t *ns, const ngx_str_t *name, uint32_t *pod)
{
    size_t                                   i, mask;
    uint64_t                                 hash;
    ngx_uint_t                               probes;
    ngx_http_k8s_metrics_exposition_pod_t   *t;

    if (e->ntable * 2 >= e->index_size
        && ngx_http_k8s_metrics_exposition_rehash(e) != NGX_OK)
    {
        return NGX_ERROR;
    }

    hash = ngx_http_k8s_metrics_exposition_hash(0, ns);
    hash = ngx_http_k8s_metrics_exposition_hash(hash, name);

    mask = e->index_size - 1;
    i = (size_t) hash & mask;

    for (probes = 0; e->index[i] != NGX_HTTP_K8S_METRICS_NONE; probes++) {
        t = &e->table[e->index[i]];

        if (t->hash == hash
            && t->ns_len == ns->len && t->name_len == name->len
            && ngx_memcmp(e->names + t->ns, ns->data, ns->len) == 0
            && ngx_memcmp(e->names + t->name, name->data, name->len) == 0)
        {
            *pod = e->index[i];
            return NGX_OK;
        }

        /* no chance does that at half load, only an adversary */

        if (probes == NGX_HTTP_K8S_METRICS_PROBES) {
            e->full = 1;
            e->dropped.limit++;
            return NGX_DECLINED;
        }

        i = (i + 1) & mask;
    }

    if (e->full) {
        e->dropped.limit++;
        return NGX_DECLINED;
    }

    t = ngx_http_k8s_metrics_exposition_room(e, e->table, &e->table_size,
                               e->ntable + 1,
                               sizeof(ngx_http_k8s_metrics_exposition_pod_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    e->table = t;
    *pod = (uint32_t) e->ntable++;
    t += *pod;

    t->hash = hash;
    t->ns = (uint32_t) (ns->data - e->names);
    t->ns_len = (uint32_t) ns->len;
    t->name = (uint32_t) (name->data - e->names);
    t->name_len = (uint32_t) name->len;
    t->first = NGX_HTTP_K8S_METRICS_NONE;
    t->last = NGX_HTTP_K8S_METRICS_NONE;
    t->n = 0;
    t->slot = (uint32_t) i;
    t->bad = 0;

    e->index[i] = *pod;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_rehash(ngx_http_k8s_metrics_exposition_t *e)
{
    size_t       size, slot;
    uint32_t    *index;
    ngx_uint_t   i;

    size = e->index_size ? e->index_size * 2 : 128;

    index = ngx_alloc(size * sizeof(uint32_t), e->log);
    if (index == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(index, 0xff, size * sizeof(uint32_t));

    for (i = 0; i < e->ntable; i++) {
        slot = (size_t) e->table[i].hash & (size - 1);

        while (index[slot] != NGX_HTTP_K8S_METRICS_NONE) {
            slot = (slot + 1) & (size - 1);
        }

        index[slot] = (uint32_t) i;
        e->table[i].slot = (uint32_t) slot;
    }

    if (e->index) {
        ngx_free(e->index);
    }

    e->index = index;
    e->index_size = size;

    return NGX_OK;
}


static uint64_t
ngx_http_k8s_metrics_exposition_hash(uint64_t h, const ngx_str_t *s)
{
    size_t    len;
    u_char   *p;
    uint64_t  word;

    h ^= s->len * 0x9e3779b97f4a7c15ULL;

    for (p = s->data, len = s->len; len >= 8; p += 8, len -= 8) {
        ngx_memcpy(&word, p, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdULL;
        h ^= h >> 32;
    }

    word = 0;

    while (len) {
        word = word << 8 | p[--len];
    }

    h = (h ^ word) * 0xc4ceb9fe1a85ec53ULL;

    return h ^ h >> 29;
}


static uint32_t
ngx_http_k8s_metrics_exposition_find(ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod, const ngx_str_t *name)
{
    uint32_t                                   i;
    ngx_http_k8s_metrics_exposition_entry_t   *n;

    for (i = pod->first; i != NGX_HTTP_K8S_METRICS_NONE; i = n->next) {
        n = &e->entries[i];

        if (n->name_len == name->len
            && ngx_memcmp(e->names + n->name, name->data, name->len) == 0)
        {
            break;
        }
    }

    return i;
}


ngx_int_t
ngx_http_k8s_metrics_exposition_result(ngx_http_k8s_metrics_exposition_t *e)
{
    uint32_t                                *order;
    ngx_uint_t                               i, n, npoints;
    ngx_http_k8s_metrics_exposition_pod_t   *t;

    /* the second half is for the sorting */

    order = ngx_http_k8s_metrics_exposition_room(e, e->order, &e->order_size,
                                                 e->ntable * 2,
                                                 sizeof(uint32_t));
    if (order == NULL) {
        return NGX_ERROR;
    }

    e->order = order;

    n = 0;
    npoints = 0;

    for (i = 0; i < e->ntable; i++) {
        t = &e->table[i];
        ngx_http_k8s_metrics_exposition_check(e, t);

        if (t->bad) {
            e->dropped.pods++;
            continue;
        }

        order[n++] = (uint32_t) i;
        npoints += t->n;
    }

    ngx_http_k8s_metrics_exposition_sort(e, order, order + n, n);

    return ngx_http_k8s_metrics_exposition_fill(e, n, npoints);
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_fill(ngx_http_k8s_metrics_exposition_t *e,
    ngx_uint_t npods, ngx_uint_t npoints)
{
    ngx_uint_t                               i;
    ngx_http_k8s_metrics_point_t            *points;
    ngx_http_k8s_metrics_pod_points_t       *pod;
    ngx_http_k8s_metrics_exposition_pod_t   *t;

    points = ngx_http_k8s_metrics_exposition_room(e, e->points,
                                       &e->points_size, npoints,
                                       sizeof(ngx_http_k8s_metrics_point_t));
    if (points == NULL) {
        return NGX_ERROR;
    }

    e->points = points;

    pod = ngx_http_k8s_metrics_exposition_room(e, e->pods, &e->pods_size,
                                   e->ntable,
                                   sizeof(ngx_http_k8s_metrics_pod_points_t));
    if (pod == NULL) {
        return NGX_ERROR;
    }

    e->pods = pod;

    for (i = 0; i < npods; i++) {
        t = &e->table[e->order[i]];

        pod[i].ns.data = e->names + t->ns;
        pod[i].ns.len = t->ns_len;
        pod[i].name.data = e->names + t->name;
        pod[i].name.len = t->name_len;
        pod[i].missing = 0;
        pod[i].ncontainers = t->n;
        pod[i].containers = points;

        ngx_http_k8s_metrics_exposition_points(e, t, points);
        points += t->n;
    }

    e->npods = npods;
    e->ncontainers = npoints;

    ngx_http_k8s_metrics_exposition_incomplete(e, pod + npods);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_exposition_incomplete(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_pod_points_t *pod)
{
    ngx_uint_t                               i;
    ngx_http_k8s_metrics_exposition_pod_t   *t;

    for (i = 0; i < e->ntable; i++) {
        t = &e->table[i];

        if (!t->bad) {
            continue;
        }

        pod->ns.data = e->names + t->ns;
        pod->ns.len = t->ns_len;
        pod->name.data = e->names + t->name;
        pod->name.len = t->name_len;
        pod->missing = t->bad;
        pod->ncontainers = 0;
        pod->containers = NULL;

        pod++;
        e->nincomplete++;
    }
}


static void
ngx_http_k8s_metrics_exposition_check(ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod)
{
    uint32_t                                   i;
    ngx_uint_t                                 missing;
    ngx_http_k8s_metrics_exposition_entry_t   *n;

    if (pod->n == 0) {
        pod->bad |= NGX_HTTP_K8S_METRICS_OVER_LIMIT;
    }

    for (i = pod->first; i != NGX_HTTP_K8S_METRICS_NONE; i = n->next) {
        n = &e->entries[i];

        missing = ngx_http_k8s_metrics_exposition_missing(n->have, n->cpu,
                                                          n->memory);
        pod->bad |= missing;
        e->dropped.containers += (missing != 0);
    }
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_cmp(ngx_http_k8s_metrics_exposition_t *e,
    uint32_t one, uint32_t two)
{
    ngx_int_t                                rc;
    ngx_http_k8s_metrics_exposition_pod_t   *a, *b;

    a = &e->table[one];
    b = &e->table[two];

    rc = ngx_memn2cmp(e->names + a->ns, e->names + b->ns, a->ns_len,
                      b->ns_len);

    if (rc) {
        return rc;
    }

    return ngx_memn2cmp(e->names + a->name, e->names + b->name, a->name_len,
                        b->name_len);
}


/* Merges runs that are sorted already; kubelets mostly send a single one. */

static void
ngx_http_k8s_metrics_exposition_sort(ngx_http_k8s_metrics_exposition_t *e,
    uint32_t *order, uint32_t *tmp, ngx_uint_t n)
{
    ngx_uint_t  start, mid, end, merged;

    do {
        merged = 0;

        for (start = 0; start < n; start = end) {
            mid = ngx_http_k8s_metrics_exposition_run(e, order, start, n);

            if (mid == n) {
                break;
            }

            end = ngx_http_k8s_metrics_exposition_run(e, order, mid, n);

            ngx_memcpy(tmp, order + start, (mid - start) * sizeof(uint32_t));
            ngx_http_k8s_metrics_exposition_merge(e, order + start, tmp,
                                                  mid - start, end - start);
            merged = 1;
        }

    } while (merged);
}


/* Where the sorted run that begins at "start" ends. */

static ngx_uint_t
ngx_http_k8s_metrics_exposition_run(ngx_http_k8s_metrics_exposition_t *e,
    const uint32_t *order, ngx_uint_t start, ngx_uint_t n)
{
    while (++start < n) {
        if (ngx_http_k8s_metrics_exposition_cmp(e, order[start - 1],
                                                order[start])
            > 0)
        {
            break;
        }
    }

    return start;
}


/* "left" is a copy of the first "nleft" of the "n" at "order". */

static void
ngx_http_k8s_metrics_exposition_merge(ngx_http_k8s_metrics_exposition_t *e,
    uint32_t *order, const uint32_t *left, ngx_uint_t nleft, ngx_uint_t n)
{
    ngx_uint_t  i, l, r;

    l = 0;
    r = nleft;

    for (i = 0; l < nleft; i++) {
        if (r < n
            && ngx_http_k8s_metrics_exposition_cmp(e, left[l], order[r]) > 0)
        {
            order[i] = order[r++];

        } else {
            order[i] = left[l++];
        }
    }
}


/* By name; there are few, and they come in order. */

static void
ngx_http_k8s_metrics_exposition_points(ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_pod_t *pod,
    ngx_http_k8s_metrics_point_t *points)
{
    u_char                                    *name;
    uint32_t                                   i;
    ngx_uint_t                                 k;
    ngx_http_k8s_metrics_point_t              *p;
    ngx_http_k8s_metrics_exposition_entry_t   *n;

    k = 0;

    for (i = pod->first; i != NGX_HTTP_K8S_METRICS_NONE; i = n->next) {
        n = &e->entries[i];
        name = e->names + n->name;

        for (p = points + k++; p > points; p--) {
            if (ngx_memn2cmp(p[-1].name.data, name, p[-1].name.len,
                             n->name_len)
                < 0)
            {
                break;
            }

            p[0] = p[-1];
        }

        p->name.data = name;
        p->name.len = n->name_len;
        p->timestamp = n->time;
        p->start = n->start;
        p->cpu = n->cpu;
        p->memory = n->memory;
    }
}
