
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_SYNC_BATCH     256
#define NGX_HTTP_K8S_METRICS_SYNC_INTERVAL  2000

/* a first round goes out no faster than this, ms for each node */
#define NGX_HTTP_K8S_METRICS_FIRST_SPREAD   2


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
static void ngx_http_k8s_metrics_scraper_drop(
    ngx_http_k8s_metrics_scraper_t *s, ngx_http_k8s_metrics_kubelet_t *k);
static void ngx_http_k8s_metrics_scraper_connections(
    ngx_http_k8s_metrics_scraper_t *s);


ngx_http_k8s_metrics_scraper_t *
ngx_http_k8s_metrics_scraper(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store)
{
    ngx_core_conf_t                 *ccf;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_scraper_t));
    if (s == NULL) {
        return NULL;
    }

    s->conf = conf;
    s->client = client;
    s->store = store;
    s->log = cycle->log;

    /* idle connections leave half of them to clients */

    s->max_idle = cycle->connection_n / 2;

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
    ngx_uint_t  due;

    ngx_http_k8s_metrics_scraper_renew(s);
    ngx_http_k8s_metrics_proxy_next(s);

    if (!ngx_http_k8s_metrics_store_complete(s->store)) {
        return;
    }

    version = ngx_http_k8s_metrics_store_nodes_version(s->store);

    due = !s->started || s->again || version != s->version;

    /* another worker's death makes its nodes ours, and its return takes them */

    if (s->nworkers > 1
        && ngx_current_msec - s->synced >= NGX_HTTP_K8S_METRICS_SYNC_INTERVAL)
    {
        due = 1;
    }

    if (!due) {
        return;
    }

    if (ngx_http_k8s_metrics_scraper_sync(s) != NGX_OK) {
        s->again = 1;
        return;
    }

    s->version = version;
    s->synced = ngx_current_msec;
    s->started = 1;

    ngx_http_k8s_metrics_scraper_connections(s);
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
    ngx_msec_t                       delay;
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
            if (ngx_http_k8s_metrics_kubelet_update(k, target) != NGX_OK) {
                s->again = 1;
            }
        }

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

    if (warm) {
        ngx_http_k8s_metrics_kubelet_next(k);

    } else {
        delay = s->started ? 0
                           : s->nnodes * NGX_HTTP_K8S_METRICS_FIRST_SPREAD;

        delay -= delay % NGX_HTTP_K8S_METRICS_SLOT;

        ngx_http_k8s_metrics_kubelet_first(k, delay % s->conf->resolution + 1);
    }

    return NGX_OK;
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


static void
ngx_http_k8s_metrics_scraper_connections(ngx_http_k8s_metrics_scraper_t *s)
{
    if (s->warned || s->conf->node_proxy || s->nnodes <= s->max_idle) {
        return;
    }

    s->warned = 1;

    ngx_log_error(NGX_LOG_WARN, s->log, 0,
                  "k8s_metrics: this worker scrapes %ui nodes and keeps "
                  "connections to %ui of them; to keep all, set "
                  "worker_connections to %ui at least (it is %ui)",
                  s->nnodes, s->max_idle, 2 * s->nnodes,
                  ngx_cycle->connection_n);
}
