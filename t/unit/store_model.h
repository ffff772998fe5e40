
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _STORE_MODEL_H_INCLUDED_
#define _STORE_MODEL_H_INCLUDED_


#include "store_fixture.h"


/*
 * A model of the store in plain arrays, and the changes that are made to both:
 * each is told what the store answered.
 */

#define NNODES       6
#define NNS          5
#define NNAMES       48
#define NCONTAINERS  3


typedef struct {
    int                            there;
    int                            labels;      /* which of the sets */
    int                            node;        /* a pod's */
    int                            seen;        /* by the list */
    uint64_t                       birth;
} thing_t;

typedef struct {
    int                            there;
    uint64_t                       birth;
    int                            n;
    ngx_http_k8s_metrics_point_t   last[NCONTAINERS];
    ngx_http_k8s_metrics_point_t   prev[NCONTAINERS];
} points_t;

typedef struct {
    ngx_msec_t                     scraped;     /* 0: never */
    points_t                       node;
    points_t                       pods[NNS][NNAMES];
} samples_t;

typedef struct {
    store_t                       *store;
    thing_t                        nodes[NNODES];
    thing_t                        pods[NNS][NNAMES];
    samples_t                      samples[NNODES];
    uint64_t                       births;
    int64_t                        clock;       /* ns */
    int                            full;
    const char                    *bad;
} model_t;


static uint32_t  seed;

static char  node_names[NNODES][16];
static char  ns_names[NNS][64];
static char  pod_names[NNAMES][128];
static char  container_names[NCONTAINERS][16] = { "app", "sidecar", "x" };

static const ngx_http_k8s_metrics_label_t  label_sets[][3] = {
    { { ngx_string("app"), ngx_string("web") },
      { ngx_string("tier"), ngx_string("") },
      { ngx_string("version"), ngx_string("1.2.3-a-rather-long-value") } },
    { { ngx_string("app"), ngx_string("db") },
      { ngx_string("tier"), ngx_string("back") },
      { ngx_string("zone"), ngx_string("eu-1") } }
};


static uint32_t
rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;

    return (seed >> 4) % n;
}


static void
fail(model_t *m, const char *what)
{
    if (m->bad == NULL) {
        m->bad = what;
    }
}


/* Sorted as the store sorts: by bytes. */

static void
make_names(void)
{
    int  i, j, k;

    for (i = 0; i < NNODES; i++) {
        sprintf(node_names[i], "node-%d", i);
    }

    for (i = 0; i < NNS; i++) {
        for (j = 0; j < i * 9 + 1; j++) {
            ns_names[i][j] = 'a' + i;
        }
    }

    for (i = 0; i < NNAMES; i++) {
        j = sprintf(pod_names[i], "p%02d", i);

        for (k = 0; k < (i * 37) % 100; k++) {
            pod_names[i][j++] = 'z';
        }
    }
}


static void
put_a_node(model_t *m)
{
    int                          i, labels;
    ngx_int_t                    rc;
    thing_t                     *t;
    ngx_http_k8s_metrics_node_t  node;

    i = rnd(NNODES);
    labels = rnd(8);
    t = &m->nodes[i];

    memset(&node, 0, sizeof(node));
    node.name = str(node_names[i]);
    node.nlabels = labels >> 1;
    node.labels = (ngx_http_k8s_metrics_label_t *) label_sets[labels & 1];

    if (node.nlabels == 0) {
        labels = 0;
    }

    rc = ngx_http_k8s_metrics_store_put_node(m->store, &node);

    if (rc == NGX_ABORT || rc == NGX_BUSY) {
        m->full++;
        t->seen = 1;

        if ((rc == NGX_BUSY) != t->there) {
            fail(m, "put_node's answer when full");
        }

        return;
    }

    if ((rc == NGX_DECLINED) != (t->there && t->labels == labels)) {
        fail(m, "put_node's answer");
    }

    if (!t->there) {
        memset(&m->samples[i], 0, sizeof(samples_t));
    }

    t->there = 1;
    t->seen = 1;
    t->labels = labels;
}


static void
put_a_pod(model_t *m, int ns, int name)
{
    int                         labels, node;
    ngx_int_t                   rc;
    thing_t                    *t;
    ngx_http_k8s_metrics_pod_t  pod;

    labels = rnd(8);
    t = &m->pods[ns][name];
    node = (t->there && rnd(4)) ? t->node : (int) rnd(NNODES);

    memset(&pod, 0, sizeof(pod));
    pod.ns = str(ns_names[ns]);
    pod.name = str(pod_names[name]);
    pod.node = str(node_names[node]);
    pod.nlabels = labels >> 1;
    pod.labels = (ngx_http_k8s_metrics_label_t *) label_sets[labels & 1];

    if (pod.nlabels == 0) {
        labels = 0;
    }

    rc = ngx_http_k8s_metrics_store_put_pod(m->store, &pod);

    if (rc == NGX_ABORT || rc == NGX_BUSY) {
        m->full++;

        if (t->there && t->node != node) {
            t->there = 0;
        }

        if ((rc == NGX_BUSY) != t->there) {
            fail(m, "put_pod's answer when full");
        }

        t->seen = 1;
        return;
    }

    if ((rc == NGX_DECLINED)
        != (t->there && t->labels == labels && t->node == node))
    {
        fail(m, "put_pod's answer");
    }

    if (!t->there || t->node != node) {
        t->birth = ++m->births;
    }

    t->there = 1;
    t->seen = 1;
    t->labels = labels;
    t->node = node;
}


static void
delete_one(model_t *m)
{
    int        i, j;
    ngx_str_t  ns, name;

    if (rnd(20) == 0) {
        i = rnd(NNODES);
        name = str(node_names[i]);
        ngx_http_k8s_metrics_store_delete_node(m->store, &name);
        m->nodes[i].there = 0;
        return;
    }

    i = rnd(NNS);
    j = rnd(NNAMES);
    ns = str(ns_names[i]);
    name = str(pod_names[j]);
    ngx_http_k8s_metrics_store_delete_pod(m->store, &ns, &name);
    m->pods[i][j].there = 0;
}


static void
list_pods(model_t *m)
{
    int  i, j, keep;

    keep = rnd(100);

    for (i = 0; i < NNS; i++) {
        for (j = 0; j < NNAMES; j++) {
            m->pods[i][j].seen = 0;
        }
    }

    ngx_http_k8s_metrics_store_list_begin(m->store, PODS);

    for (i = 0; i < NNS; i++) {
        for (j = 0; j < NNAMES; j++) {
            if ((int) rnd(100) < keep) {
                put_a_pod(m, i, j);
            }
        }
    }

    ngx_http_k8s_metrics_store_list_end(m->store, PODS);

    for (i = 0; i < NNS; i++) {
        for (j = 0; j < NNAMES; j++) {
            if (!m->pods[i][j].seen) {
                m->pods[i][j].there = 0;
            }
        }
    }
}


static void
merge(points_t *was, points_t *now, int i, ngx_http_k8s_metrics_point_t *point)
{
    memset(&now->last[i], 0, sizeof(*point));
    memset(&now->prev[i], 0, sizeof(*point));

    if (was->there && i < was->n) {
        now->last[i] = was->last[i];
        now->prev[i] = was->prev[i];
    }

    ngx_http_k8s_metrics_points_merge(&now->last[i], &now->prev[i], point,
                                      RESOLUTION);
}


static void
make_point(model_t *m, ngx_http_k8s_metrics_point_t *p)
{
    memset(p, 0, sizeof(*p));

    p->timestamp = EPOCH + m->clock - (int64_t) rnd(3) * 8 * SECOND;
    p->start = rnd(3) ? EPOCH - 3600 * SECOND : p->timestamp - rnd(20) * SECOND;
    p->cpu = rnd(10) ? (uint64_t) m->clock * (1 + rnd(3)) : rnd(1000);
    p->memory = 1 + rnd(1000000);
}


/* Pods of any node are in it: those of others do not count. */

static void
scrape(model_t *m)
{
    int                                i, j, k, node;
    ngx_int_t                          rc;
    samples_t                         *now, *was;
    thing_t                           *t;
    points_t                          *p;
    ngx_http_k8s_metrics_scrape_t      s;
    ngx_http_k8s_metrics_pod_points_t *pod;

    static ngx_http_k8s_metrics_point_t
        points[NNS * NNAMES][NCONTAINERS];
    static ngx_http_k8s_metrics_pod_points_t
        pods[NNS * NNAMES];

    node = rnd(NNODES);
    was = &m->samples[node];
    now = calloc(1, sizeof(samples_t));

    if (now == NULL) {
        abort();
    }

    m->clock += rnd(20) * SECOND;
    ngx_current_msec += 1000;

    memset(&s, 0, sizeof(s));
    s.node = ref_of(m->store, node_names[node]);
    s.scraped = ngx_current_msec;
    s.pods = pods;

    now->scraped = ngx_current_msec;

    if (rnd(10)) {
        s.has_node = 1;
        make_point(m, &s.usage);
        now->node.there = 1;
        now->node.n = 1;
        merge(&was->node, &now->node, 0, &s.usage);
    }

    for (i = NNS - 1; i >= 0; i--) {
        for (j = 0; j < NNAMES; j++) {
            t = &m->pods[i][j];

            if (rnd(4) == 0 || (t->node != node && rnd(4))) {
                continue;
            }

            pod = &pods[s.npods];
            pod->ns = str(ns_names[i]);
            pod->name = str(pod_names[j]);
            pod->ncontainers = 1 + rnd(NCONTAINERS);
            pod->containers = points[s.npods++];

            p = &now->pods[i][j];
            p->there = t->there && t->node == node;
            p->birth = t->birth;
            p->n = pod->ncontainers;

            if (was->pods[i][j].birth != t->birth) {
                was->pods[i][j].there = 0;
            }

            for (k = 0; k < (int) pod->ncontainers; k++) {
                make_point(m, &pod->containers[k]);
                pod->containers[k].name = str(container_names[k]);
                merge(&was->pods[i][j], p, k, &pod->containers[k]);
            }
        }
    }

    rc = ngx_http_k8s_metrics_store_scraped(m->store, &s, RESOLUTION);

    if ((rc == NGX_DECLINED) != !m->nodes[node].there) {
        fail(m, "scraped()'s answer");
    }

    if (rc == NGX_ABORT) {
        m->full++;
    }

    if (rc == NGX_OK) {
        *was = *now;
    }

    free(now);
}


#endif /* _STORE_MODEL_H_INCLUDED_ */
