
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * The store beside a naive model of it: random puts, deletions, lists,
 * scrapes, readings and resets in a zone so small that it is often full.  A
 * seed may be given; the one that failed is printed.
 */


#include "store_check.h"
#include "store_model.h"


#define ROUNDS       60
#define STEPS        400


/* 1 when "item" is what the model has of these points. */

static int
same_usages(points_t *p, ngx_http_k8s_metrics_item_t *item)
{
    int                            i, n;
    int64_t                        window, timestamp, least;
    uint64_t                       rate;
    ngx_http_k8s_metrics_usage_t  *u;

    n = 0;
    timestamp = 0;
    least = 0;

    for (i = 0; i < p->n; i++) {
        if (ngx_http_k8s_metrics_points_rate(&p->last[i], &p->prev[i], &rate,
                                             &window)
            != NGX_OK)
        {
            continue;
        }

        if (n >= (int) item->nusages) {
            return 0;
        }

        u = &item->usages[n++];

        if (u->cpu != rate || u->memory != p->last[i].memory) {
            return 0;
        }

        if (item->ns.len
            && (u->name.len != strlen(container_names[i])
                || memcmp(u->name.data, container_names[i], u->name.len)))
        {
            return 0;
        }

        if (timestamp == 0 || p->last[i].timestamp < timestamp) {
            timestamp = p->last[i].timestamp;
            least = window;
        }
    }

    return n == (int) item->nusages && item->has_time == (n > 0)
           && (n == 0 || (item->timestamp == timestamp
                          && item->window == least));
}


static int
same_labels(int labels, ngx_http_k8s_metrics_item_t *item)
{
    int                                   i;
    const ngx_http_k8s_metrics_label_t   *l;

    if (item->nlabels != (ngx_uint_t) labels >> 1) {
        return 0;
    }

    l = label_sets[labels & 1];

    for (i = 0; i < labels >> 1; i++) {
        if (!ngx_http_k8s_metrics_shstr_same(&item->labels[i].key, &l[i].key)
            || !ngx_http_k8s_metrics_shstr_same(&item->labels[i].value,
                                                &l[i].value))
        {
            return 0;
        }
    }

    return 1;
}


/* The points that a pod is served with, or NULL. */

static points_t *
served(model_t *m, int ns, int name, ngx_msec_t max_age)
{
    int         i, node;
    thing_t    *t;
    points_t   *p;
    samples_t  *s;

    t = &m->pods[ns][name];
    node = t->node;

    if (!t->there || !m->nodes[node].there) {
        return NULL;
    }

    s = &m->samples[node];
    p = &s->pods[ns][name];

    if (!p->there || p->birth != t->birth || s->scraped == 0
        || ngx_current_msec - s->scraped > max_age)
    {
        return NULL;
    }

    for (i = 0; i < p->n; i++) {
        if (p->prev[i].timestamp == 0) {
            return NULL;
        }
    }

    return p;
}


static void
read_pods(model_t *m)
{
    int                           at, ns;
    u_char                       *mem;
    points_t                     *p;
    ngx_uint_t                    i, rounds;
    ngx_http_k8s_metrics_item_t   items[32];
    ngx_http_k8s_metrics_walk_t   walk;
    ngx_http_k8s_metrics_batch_t  batch;
    ngx_http_k8s_metrics_query_t  query;

    ns = rnd(2) ? (int) rnd(NNS) : -1;

    memset(&walk, 0, sizeof(walk));
    memset(&query, 0, sizeof(query));
    query.kind = PODS;
    query.ns = str(ns < 0 ? "" : ns_names[ns]);
    query.now = ngx_current_msec;
    query.max_age = rnd(2) ? 30000 : 3000;

    batch.size = 1000 + rnd(10000);
    batch.mem = mem = malloc(batch.size);
    batch.items = items;
    batch.max = 1 + rnd(32);
    batch.skip = 1;

    at = (ns < 0) ? 0 : ns * NNAMES;

    for (rounds = 0; !walk.done; rounds++) {

        if (rounds > 2 * NNS * NNAMES) {
            fail(m, "a walk without an end");
            break;
        }

        ngx_http_k8s_metrics_store_read(m->store, &query, &walk, &batch);

        for (i = 0; i < batch.n; i++) {

            p = NULL;

            while (at < NNS * NNAMES
                   && (p = served(m, at / NNAMES, at % NNAMES, query.max_age))
                      == NULL)
            {
                at++;
            }

            if (p == NULL
                || items[i].name.len != strlen(pod_names[at % NNAMES])
                || memcmp(items[i].name.data, pod_names[at % NNAMES],
                          items[i].name.len)
                || items[i].ns.len != strlen(ns_names[at / NNAMES])
                || memcmp(items[i].ns.data, ns_names[at / NNAMES],
                          items[i].ns.len))
            {
                fail(m, "the order of a list");
                break;
            }

            if (!same_usages(p, &items[i])
                || !same_labels(m->pods[at / NNAMES][at % NNAMES].labels,
                                &items[i]))
            {
                fail(m, "an item of a list");
            }

            at++;
        }
    }

    for ( /* void */ ; at < ((ns < 0) ? NNS : ns + 1) * NNAMES; at++) {
        if (served(m, at / NNAMES, at % NNAMES, query.max_age)) {
            fail(m, "a list ended too early");
        }
    }

    free(mem);
}


static void
get_one(model_t *m)
{
    int                          i, j;
    ngx_int_t                    rc, want;
    thing_t                     *t;
    points_t                    *p;
    ngx_http_k8s_metrics_item_t  item;

    i = rnd(NNS);
    j = rnd(NNAMES);
    t = &m->pods[i][j];
    p = served(m, i, j, 30000);

    want = !t->there ? NGX_ABORT : p ? NGX_OK : NGX_DECLINED;
    rc = get(m->store, PODS, ns_names[i], pod_names[j], &item);

    if (rc != want) {
        fail(m, "get()'s answer");
        return;
    }

    if (rc != NGX_ABORT && !same_labels(t->labels, &item)) {
        fail(m, "get()'s labels");
    }

    if (rc == NGX_OK && !same_usages(p, &item)) {
        fail(m, "get()'s usages");
    }
}


static void
get_a_node(model_t *m)
{
    int                          i;
    int64_t                      window;
    uint64_t                     rate;
    ngx_int_t                    want;
    samples_t                   *s;
    ngx_http_k8s_metrics_item_t  item;

    i = rnd(NNODES);
    s = &m->samples[i];
    want = NGX_DECLINED;

    if (!m->nodes[i].there) {
        want = NGX_ABORT;

    } else if (s->scraped && ngx_current_msec - s->scraped <= 30000
               && s->node.there
               && ngx_http_k8s_metrics_points_rate(&s->node.last[0],
                                                   &s->node.prev[0], &rate,
                                                   &window)
                  == NGX_OK)
    {
        want = NGX_OK;
    }

    if (get(m->store, NODES, "", node_names[i], &item) != want) {
        fail(m, "get()'s answer for a node");
        return;
    }

    if (want == NGX_OK && !same_usages(&s->node, &item)) {
        fail(m, "a node's usage");
    }
}


static void
start_afresh(model_t *m)
{
    m->store->zone->dirty = 1;
    ngx_http_k8s_metrics_store_lock_read(m->store);
    ngx_http_k8s_metrics_store_unlock(m->store);

    memset(m->nodes, 0, sizeof(m->nodes));
    memset(m->pods, 0, sizeof(m->pods));
    memset(m->samples, 0, sizeof(m->samples));
}


static void
step(model_t *m)
{
    static u_char  bytes[20000];

    ngx_str_t      s;
    uint32_t       r;

    r = rnd(1000);

    if (r < 300) {
        put_a_pod(m, rnd(NNS), rnd(NNAMES));

    } else if (r < 400) {
        put_a_node(m);

    } else if (r < 520) {
        delete_one(m);

    } else if (r < 720) {
        scrape(m);

    } else if (r < 760) {
        read_pods(m);

    } else if (r < 860) {
        get_one(m);

    } else if (r < 900) {
        get_a_node(m);

    } else if (r < 920) {
        list_pods(m);

    } else if (r < 980) {
        s.data = bytes;
        s.len = rnd(sizeof(bytes));
        bytes[0]++;

        if (ngx_http_k8s_metrics_store_put_setting(m->store, 0, &s)
            == NGX_ABORT)
        {
            m->full++;
        }

    } else if (r < 999) {
        s = str(rnd(2) ? "connection refused" : "a timeout of 5000 ms");
        ngx_http_k8s_metrics_store_scrape_failed(m->store,
                                ref_of(m->store, node_names[rnd(NNODES)]),
                                NULL, &s);

    } else {
        start_afresh(m);
    }
}


int
main(int argc, char **argv)
{
    int          i, round, full;
    size_t       room;
    uint32_t     first;
    model_t     *m;
    const char  *bad;

    make_names();

    first = (argc > 1) ? (uint32_t) strtoul(argv[1], NULL, 0) : 20231115;
    full = 0;

    for (round = 0; round < ROUNDS; round++) {
        seed = first + round;

        /* small enough to be full often, or just not */

        room = 48 * 1024 + (round % 5) * 24 * 1024;

        m = calloc(1, sizeof(model_t));
        m->store = fixture_create(room);

        if (round % 3 == 0) {
            m->store->records = 100;    /* to the brim */
            m->store->samples = 100;
        }

        bad = NULL;

        for (i = 0; i < STEPS && bad == NULL; i++) {
            step(m);
            bad = m->bad;

            if (bad == NULL && i % 8 == 0) {
                bad = check_zone(m->store);
            }
        }

        ok(bad == NULL, "seed %u: %s after %d steps", first + round,
           bad ? bad : "as the model says", i);

        full += m->full;
        fixture_destroy(m->store);
        free(m);
    }

    ok(full > 100, "the zone was full %d times", full);

    return done();
}
