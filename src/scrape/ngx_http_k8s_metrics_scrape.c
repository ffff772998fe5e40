
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SYNC_BATCH     256
#define NGX_HTTP_K8S_METRICS_FRESH_BATCH    64

/* a first round goes out no faster than this, ms for each node */
#define NGX_HTTP_K8S_METRICS_FIRST_SPREAD   2

/*
 * How long another generation's worker may take to end the scrapes that are
 * under way, ms: a node whose turn has come waits so long to be taken over.
 */
#define NGX_HTTP_K8S_METRICS_SETTLE         500


static void ngx_http_k8s_metrics_scraper_renew(
    ngx_http_k8s_metrics_scraper_t *s);
static ngx_int_t ngx_http_k8s_metrics_scraper_sync(
    ngx_http_k8s_metrics_scraper_t *s);
static ngx_int_t ngx_http_k8s_metrics_scraper_batch(
    ngx_http_k8s_metrics_scraper_t *s, ngx_pool_t *pool, ngx_str_t *after,
    ngx_uint_t warm);
static ngx_int_t ngx_http_k8s_metrics_scraper_take(
    ngx_http_k8s_metrics_scraper_t *s, ngx_http_k8s_metrics_target_t *target,
    ngx_uint_t warm);
static void ngx_http_k8s_metrics_scraper_arm(
    ngx_http_k8s_metrics_scraper_t *s, ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t scraped, ngx_uint_t warm);
static void ngx_http_k8s_metrics_scraper_drop(
    ngx_http_k8s_metrics_scraper_t *s, ngx_http_k8s_metrics_kubelet_t *k);
static void ngx_http_k8s_metrics_scraper_connections(
    ngx_http_k8s_metrics_scraper_t *s);
static void ngx_http_k8s_metrics_scraper_fresh(
    ngx_http_k8s_metrics_scraper_t *s);
static ngx_http_k8s_metrics_kubelet_t *ngx_http_k8s_metrics_scraper_find(
    ngx_http_k8s_metrics_scraper_t *s,
    const ngx_http_k8s_metrics_fresh_t *fresh);


ngx_http_k8s_metrics_scraper_t *
ngx_http_k8s_metrics_scraper(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_resolver_t *resolver,
    ngx_http_k8s_metrics_store_t *store)
{
    struct rlimit                    limit;
    ngx_core_conf_t                 *ccf;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_scraper_t));
    if (s == NULL) {
        return NULL;
    }

    s->conf = conf;
    s->client = client;
    s->resolver = resolver;
    s->store = store;
    s->log = cycle->log;

    /* idle connections leave half of them to clients */

    s->open_files = cycle->connection_n;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0
        && limit.rlim_cur != RLIM_INFINITY)
    {
        s->open_files = (ngx_uint_t) limit.rlim_cur;
    }

    s->max_idle = ngx_min(cycle->connection_n, s->open_files) / 2;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    s->nworkers = ngx_max(ccf->worker_processes, 1);

    ngx_rbtree_init(&s->tree, &s->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&s->nodes);
    ngx_http_k8s_metrics_proxy_init(s);

    ngx_http_k8s_metrics_files_begin(&conf->credentials.files, cycle->log,
                                     ngx_worker == 0);

    return s;
}


static void
ngx_http_k8s_metrics_scraper_renew(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_queue_t                     *q;
    ngx_http_k8s_metrics_kubelet_t  *k;

    if (ngx_http_k8s_metrics_credentials_look(&s->conf->credentials, s->log)
        != NGX_OK)
    {
        return;
    }

    for (q = ngx_queue_head(&s->nodes);
         q != ngx_queue_sentinel(&s->nodes);
         q = ngx_queue_next(q))
    {
        k = ngx_queue_data(q, ngx_http_k8s_metrics_kubelet_t, queue);

        if (k->peer) {
            ngx_http_k8s_metrics_peer_renew(k->peer);
        }
    }
}


void
ngx_http_k8s_metrics_scraper_tick(ngx_http_k8s_metrics_scraper_t *s)
{
    uint64_t    version;
    ngx_uint_t  due, owners;

    ngx_http_k8s_metrics_scraper_renew(s);
    ngx_http_k8s_metrics_proxy_next(s);

    if (!ngx_http_k8s_metrics_store_complete(s->store)) {
        return;
    }

    version = ngx_http_k8s_metrics_store_nodes_version(s->store);

    due = s->again || version != s->version;

    /* another worker's death makes its nodes ours, and its return takes them */

    owners = ngx_http_k8s_metrics_store_owners(s->store);

    if (!s->started || owners != s->owners) {
        s->owners = owners;
        s->moved = ngx_current_msec;
        due = 1;
    }

    if (due) {

        if (ngx_http_k8s_metrics_scraper_sync(s) != NGX_OK) {
            s->again = 1;
            return;
        }

        s->version = version;
        s->started = 1;

        ngx_http_k8s_metrics_scraper_connections(s);
    }

    ngx_http_k8s_metrics_scraper_fresh(s);
}


static void
ngx_http_k8s_metrics_scraper_fresh(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_uint_t                       i, n;
    ngx_http_k8s_metrics_fresh_t     fresh[NGX_HTTP_K8S_METRICS_FRESH_BATCH];
    ngx_http_k8s_metrics_kubelet_t  *k;

    do {
        n = ngx_http_k8s_metrics_store_fresh(s->store, &s->fresh, fresh,
                                            NGX_HTTP_K8S_METRICS_FRESH_BATCH);

        for (i = 0; i < n; i++) {
            k = ngx_http_k8s_metrics_scraper_find(s, &fresh[i]);

            if (k) {
                ngx_http_k8s_metrics_kubelet_fresh(k,
                                                  (ngx_msec_t) fresh[i].seen);
            }
        }

    } while (n == NGX_HTTP_K8S_METRICS_FRESH_BATCH);
}


/* Of two nodes with one hash either may be found, or none. */

static ngx_http_k8s_metrics_kubelet_t *
ngx_http_k8s_metrics_scraper_find(ngx_http_k8s_metrics_scraper_t *s,
    const ngx_http_k8s_metrics_fresh_t *fresh)
{
    ngx_rbtree_node_t               *node;
    ngx_http_k8s_metrics_kubelet_t  *k;

    node = s->tree.root;

    while (node != s->tree.sentinel) {

        if (fresh->hash == node->key) {
            k = (ngx_http_k8s_metrics_kubelet_t *)
                ((u_char *) node - offsetof(ngx_http_k8s_metrics_kubelet_t,
                                            sn));

            return (k->ref.offset == fresh->node.offset
                    && k->ref.birth == fresh->node.birth) ? k : NULL;
        }

        node = (fresh->hash < node->key) ? node->left : node->right;
    }

    return NULL;
}


void
ngx_http_k8s_metrics_scraper_stop(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_queue_t                     *q;
    ngx_http_k8s_metrics_parser_t   *parser;
    ngx_http_k8s_metrics_kubelet_t  *k;

    while (!ngx_queue_empty(&s->nodes)) {
        q = ngx_queue_head(&s->nodes);
        k = ngx_queue_data(q, ngx_http_k8s_metrics_kubelet_t, queue);

        ngx_http_k8s_metrics_scraper_drop(s, k);
    }

    while (s->parsers) {
        parser = s->parsers;
        s->parsers = parser->next;

        ngx_http_k8s_metrics_scrape_free(parser);
    }

    s->started = 0;
}


/* Makes the list of kubelets what the store says: mark, then sweep. */

static ngx_int_t
ngx_http_k8s_metrics_scraper_sync(ngx_http_k8s_metrics_scraper_t *s)
{
    u_char                               buf[256];
    ngx_int_t                            rc;
    ngx_str_t                            after;
    ngx_pool_t                          *pool;
    ngx_uint_t                           warm;
    ngx_queue_t                         *q, *next;
    ngx_http_k8s_metrics_kubelet_t      *k;
    ngx_http_k8s_metrics_store_state_t   state;

    /*
     * After a reload or a worker's death the samples are there: each node
     * goes on in its phase.  Otherwise a node is scraped at once.
     */

    warm = 0;

    if (!s->started) {
        ngx_http_k8s_metrics_store_state(s->store, &state);
        warm = (state.node_points != 0);
    }

    s->epoch++;
    s->known = 0;
    s->again = 0;
    after.len = 0;
    after.data = buf;

    do {
        pool = ngx_create_pool(16384, s->log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_http_k8s_metrics_scraper_batch(s, pool, &after, warm);

        ngx_destroy_pool(pool);

    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    for (q = ngx_queue_head(&s->nodes);
         q != ngx_queue_sentinel(&s->nodes);
         q = next)
    {
        next = ngx_queue_next(q);
        k = ngx_queue_data(q, ngx_http_k8s_metrics_kubelet_t, queue);

        if (k->epoch != s->epoch) {
            ngx_http_k8s_metrics_scraper_drop(s, k);
        }
    }

    return NGX_OK;
}


/* NGX_AGAIN while more follow; the last name is copied to "after". */

static ngx_int_t
ngx_http_k8s_metrics_scraper_batch(ngx_http_k8s_metrics_scraper_t *s,
    ngx_pool_t *pool, ngx_str_t *after, ngx_uint_t warm)
{
    ngx_int_t                       i, n;
    ngx_str_t                      *name;
    ngx_http_k8s_metrics_target_t  *targets;

    targets = ngx_palloc(pool, NGX_HTTP_K8S_METRICS_SYNC_BATCH
                               * sizeof(ngx_http_k8s_metrics_target_t));
    if (targets == NULL) {
        return NGX_ERROR;
    }

    n = ngx_http_k8s_metrics_store_targets(s->store, pool, after, targets,
                                           NGX_HTTP_K8S_METRICS_SYNC_BATCH);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    s->known += n;

    for (i = 0; i < n; i++) {

        if (!ngx_http_k8s_metrics_store_owns(s->store, targets[i].hash)) {
            continue;
        }

        if (ngx_http_k8s_metrics_scraper_take(s, &targets[i], warm)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (n < NGX_HTTP_K8S_METRICS_SYNC_BATCH) {
        return NGX_OK;
    }

    /* names of nodes are DNS subdomains: 253 bytes at most */

    name = &targets[n - 1].node.name;

    if (name->len > 255) {
        return NGX_ERROR;
    }

    ngx_memcpy(after->data, name->data, name->len);
    after->len = name->len;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_k8s_metrics_scraper_take(ngx_http_k8s_metrics_scraper_t *s,
    ngx_http_k8s_metrics_target_t *target, ngx_uint_t warm)
{
    ngx_uint_t                       ready;
    ngx_str_node_t                  *sn;
    ngx_http_k8s_metrics_kubelet_t  *k;

    sn = ngx_str_rbtree_lookup(&s->tree, &target->node.name, target->hash);

    if (sn) {
        k = (ngx_http_k8s_metrics_kubelet_t *)
                ((u_char *) sn - offsetof(ngx_http_k8s_metrics_kubelet_t, sn));

        k->epoch = s->epoch;

        if (k->ref.offset != target->ref.offset
            || k->ref.birth != target->ref.birth
            || k->version != target->version)
        {
            ready = k->ready;

            if (ngx_http_k8s_metrics_kubelet_update(k, target) != NGX_OK) {
                s->again = 1;
            }

            /* it was tried seldom */

            if (k->ready && !ready && k->failures) {
                ngx_http_k8s_metrics_kubelet_first(k, 1);
            }
        }

        return NGX_OK;
    }

    if (target->scraped
        && ngx_current_msec - target->scraped >= s->conf->resolution
        && ngx_current_msec - s->moved < NGX_HTTP_K8S_METRICS_SETTLE)
    {
        s->again = 1;
        return NGX_OK;
    }

    k = ngx_http_k8s_metrics_kubelet_create(s, target);
    if (k == NULL) {
        return NGX_ERROR;
    }

    k->epoch = s->epoch;

    ngx_rbtree_insert(&s->tree, &k->sn.node);
    ngx_queue_insert_tail(&s->nodes, &k->queue);
    s->nnodes++;

    ngx_http_k8s_metrics_scraper_arm(s, k, target->scraped, warm);

    return NGX_OK;
}


/*
 * A node that another worker scraped goes on a resolution after that; whose
 * last scrape was lost with its worker has its turn at once.  One that was not
 * scraped for long is failing: it goes on in its phase.
 */

static void
ngx_http_k8s_metrics_scraper_arm(ngx_http_k8s_metrics_scraper_t *s,
    ngx_http_k8s_metrics_kubelet_t *k, ngx_msec_t scraped, ngx_uint_t warm)
{
    ngx_msec_t  delay, since, resolution;

    resolution = s->conf->resolution;
    since = ngx_current_msec - scraped;

    if ((ngx_msec_int_t) since < 0) {
        /* its worker's clock was read later than ours */
        since = 0;
    }

    if (scraped && since < 2 * resolution) {
        k->started = scraped;
        k->full = scraped;

        ngx_http_k8s_metrics_kubelet_first(k, (since < resolution)
                                              ? resolution - since : 1);
        return;
    }

    if (scraped || warm) {
        ngx_http_k8s_metrics_kubelet_next(k);
        return;
    }

    delay = s->started ? 0 : s->nnodes * NGX_HTTP_K8S_METRICS_FIRST_SPREAD;
    delay -= delay % NGX_HTTP_K8S_METRICS_SLOT;

    ngx_http_k8s_metrics_kubelet_first(k, delay % resolution + 1);
}


static void
ngx_http_k8s_metrics_scraper_drop(ngx_http_k8s_metrics_scraper_t *s,
    ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_queue_remove(&k->queue);
    ngx_rbtree_delete(&s->tree, &k->sn.node);
    s->nnodes--;

    ngx_http_k8s_metrics_kubelet_destroy(k);
}


/*
 * Once, in one worker, how many connections are wanted; and again when nodes
 * have become too many.  Half of a worker's are for kubelets, and of nodes a
 * worker has up to a fifth more than its share (t/unit).
 */

static void
ngx_http_k8s_metrics_scraper_connections(ngx_http_k8s_metrics_scraper_t *s)
{
    ngx_uint_t  needed, few, level;

    /* through the API server there are few */

    if (ngx_worker != 0 || !s->conf->keepalive || s->conf->node_proxy
        || s->warned)
    {
        return;
    }

    needed = s->nworkers == 1
             ? 2 * s->known
             : 2 * ((s->known * 6 + 5 * s->nworkers - 1) / (5 * s->nworkers));

    few = (needed > 2 * s->max_idle);

    if (s->told && !few) {
        return;
    }

    s->told = 1;
    s->warned = few;

    level = few ? NGX_LOG_WARN : NGX_LOG_NOTICE;

    ngx_log_error(level, s->log, 0,
                  "k8s_metrics: to keep connections to %ui nodes, %ui "
                  "worker(s) need %ui worker_connections each and as many "
                  "open files, set are %ui worker_connections and %ui open "
                  "files%s", s->known, s->nworkers, needed,
                  ngx_cycle->connection_n, s->open_files,
                  few ? ": some connections are made for each scrape" : "");
}
