
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_REVIEWS       10000
#define NGX_HTTP_K8S_METRICS_PENDING       256
#define NGX_HTTP_K8S_METRICS_REVIEW_BYTES  (16 * 1024 * 1024)

/* a question of this size is asked each time, as k8s.io/apiserver does */
#define NGX_HTTP_K8S_METRICS_KEEP_MAX      10000

#define NGX_HTTP_K8S_METRICS_REASON_MAX    1024


static ngx_http_k8s_metrics_review_t *ngx_http_k8s_metrics_review_lookup(
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_str_t *question,
    uint32_t hash);
static ngx_http_k8s_metrics_review_t *ngx_http_k8s_metrics_review_create(
    ngx_http_k8s_metrics_auth_t *auth, ngx_str_t *question, uint32_t hash);
static void ngx_http_k8s_metrics_review_settle(
    ngx_http_k8s_metrics_auth_t *auth, ngx_http_k8s_metrics_review_t *review);
static void ngx_http_k8s_metrics_review_delete(
    ngx_http_k8s_metrics_auth_t *auth, ngx_http_k8s_metrics_review_t *review);
static void ngx_http_k8s_metrics_review_evict(
    ngx_http_k8s_metrics_auth_t *auth);


ngx_http_k8s_metrics_auth_t *
ngx_http_k8s_metrics_auth(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store)
{
    ngx_http_k8s_metrics_auth_t  *auth;

    auth = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_auth_t));
    if (auth == NULL) {
        return NULL;
    }

    auth->client = client;
    auth->store = store;
    auth->log = cycle->log;

    /* each takes a connection: the rest is the clients' and the kubelets' */

    auth->max_pending = ngx_min(cycle->connection_n / 8,
                                NGX_HTTP_K8S_METRICS_PENDING);

    ngx_rbtree_init(&auth->reviews, &auth->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&auth->lru);

    return auth;
}


ngx_int_t
ngx_http_k8s_metrics_review_ask(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_str_t *question,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    uint32_t                        hash;
    ngx_http_k8s_metrics_review_t  *review;

    hash = ngx_murmur_hash2(question->data, question->len);

    review = ngx_http_k8s_metrics_review_lookup(auth, conf, question, hash);

    if (review && !review->pending) {
        ctx->decision = review->decision;

        ctx->reason.len = review->reason.len;
        ctx->reason.data = ngx_pstrdup(ctx->request->pool, &review->reason);

        return (review->reason.len && ctx->reason.data == NULL) ? NGX_ERROR
                                                                : NGX_OK;
    }

    if (review == NULL) {

        if (auth->npending >= auth->max_pending) {
            return NGX_BUSY;
        }

        review = ngx_http_k8s_metrics_review_create(auth, question, hash);
        if (review == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_k8s_metrics_review_start(auth, review) != NGX_OK) {
            ngx_http_k8s_metrics_review_settle(auth, review);
            ngx_http_k8s_metrics_review_delete(auth, review);
            return NGX_ERROR;
        }
    }

    ngx_queue_insert_tail(&review->waiters, &ctx->queue);
    ctx->waiting = 1;

    return NGX_AGAIN;
}


/* A decision is as old as the server that asks for it lets it be. */

static ngx_http_k8s_metrics_review_t *
ngx_http_k8s_metrics_review_lookup(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_str_t *question,
    uint32_t hash)
{
    ngx_msec_t                      ttl;
    ngx_str_node_t                 *sn;
    ngx_http_k8s_metrics_review_t  *review;

    sn = ngx_str_rbtree_lookup(&auth->reviews, question, hash);

    if (sn == NULL) {
        return NULL;
    }

    review = (ngx_http_k8s_metrics_review_t *)
                 ((u_char *) sn - offsetof(ngx_http_k8s_metrics_review_t, sn));

    if (review->pending) {
        return review;
    }

    ttl = (review->decision == NGX_HTTP_K8S_METRICS_ALLOWED)
          ? conf->allow_ttl : conf->deny_ttl;

    if (ngx_current_msec - review->decided >= ttl) {
        ngx_http_k8s_metrics_review_delete(auth, review);
        return NULL;
    }

    ngx_queue_remove(&review->lru);
    ngx_queue_insert_head(&auth->lru, &review->lru);

    return review;
}


static ngx_http_k8s_metrics_review_t *
ngx_http_k8s_metrics_review_create(ngx_http_k8s_metrics_auth_t *auth,
    ngx_str_t *question, uint32_t hash)
{
    size_t                          size;
    ngx_http_k8s_metrics_review_t  *review;

    size = sizeof(ngx_http_k8s_metrics_review_t) + question->len;

    review = ngx_alloc(size, auth->log);
    if (review == NULL) {
        return NULL;
    }

    ngx_memzero(review, sizeof(ngx_http_k8s_metrics_review_t));

    review->size = size;
    review->pending = 1;
    review->keep = (question->len < NGX_HTTP_K8S_METRICS_KEEP_MAX);

    review->sn.node.key = hash;
    review->sn.str.len = question->len;
    review->sn.str.data = (u_char *) &review[1];
    ngx_memcpy(review->sn.str.data, question->data, question->len);

    ngx_queue_init(&review->waiters);

    ngx_rbtree_insert(&auth->reviews, &review->sn.node);

    auth->npending++;
    auth->nreviews++;
    auth->bytes += size;

    ngx_http_k8s_metrics_review_evict(auth);

    return review;
}


/* No longer under way: it may be evicted. */

static void
ngx_http_k8s_metrics_review_settle(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review)
{
    review->pending = 0;
    auth->npending--;

    ngx_queue_insert_head(&auth->lru, &review->lru);
}


static void
ngx_http_k8s_metrics_review_delete(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review)
{
    ngx_rbtree_delete(&auth->reviews, &review->sn.node);
    ngx_queue_remove(&review->lru);

    auth->nreviews--;
    auth->bytes -= review->size;

    if (review->reason.data) {
        ngx_free(review->reason.data);
    }

    ngx_free(review);
}


/* The least recently used go first; those under way are not among them. */

static void
ngx_http_k8s_metrics_review_evict(ngx_http_k8s_metrics_auth_t *auth)
{
    ngx_queue_t                    *q;
    ngx_http_k8s_metrics_review_t  *review;

    while ((auth->nreviews > NGX_HTTP_K8S_METRICS_REVIEWS
            || auth->bytes > NGX_HTTP_K8S_METRICS_REVIEW_BYTES)
           && !ngx_queue_empty(&auth->lru))
    {
        q = ngx_queue_last(&auth->lru);
        review = ngx_queue_data(q, ngx_http_k8s_metrics_review_t, lru);

        ngx_http_k8s_metrics_review_delete(auth, review);
    }
}


void
ngx_http_k8s_metrics_review_done(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review,
    ngx_http_k8s_metrics_decision_e decision, ngx_str_t *reason)
{
    ngx_queue_t                       waiters, *q;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ngx_queue_init(&waiters);

    while (!ngx_queue_empty(&review->waiters)) {
        q = ngx_queue_head(&review->waiters);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&waiters, q);

        ctx = ngx_queue_data(q, ngx_http_k8s_metrics_auth_ctx_t, queue);
        ctx->decision = decision;
        ctx->reason.len = reason->len;
        ctx->reason.data = ngx_pstrdup(ctx->request->pool, reason);

        if (ctx->reason.data == NULL) {
            ctx->reason.len = 0;
        }
    }

    ngx_http_k8s_metrics_review_settle(auth, review);

    if (decision == NGX_HTTP_K8S_METRICS_REVIEW_FAILED || !review->keep) {
        ngx_http_k8s_metrics_review_delete(auth, review);

    } else {
        review->decision = decision;
        review->decided = ngx_current_msec;

        review->reason.len = ngx_min(reason->len,
                                     NGX_HTTP_K8S_METRICS_REASON_MAX);
        review->reason.data = ngx_alloc(review->reason.len + 1, auth->log);

        if (review->reason.data == NULL) {
            review->reason.len = 0;

        } else {
            ngx_memcpy(review->reason.data, reason->data, review->reason.len);
        }

        review->size += review->reason.len;
        auth->bytes += review->reason.len;
    }

    /* a client that goes on may end, and another's with it: one at a time */

    while (!ngx_queue_empty(&waiters)) {
        q = ngx_queue_head(&waiters);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_k8s_metrics_auth_ctx_t, queue);
        ngx_http_k8s_metrics_auth_resume(ctx);
    }
}
