
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"
#include "ngx_http_k8s_metrics_store_stats.h"


/* of a kind, in a worker */
#define NGX_HTTP_K8S_METRICS_REVIEWS       10000
#define NGX_HTTP_K8S_METRICS_PENDING       256
#define NGX_HTTP_K8S_METRICS_REVIEW_BYTES  (16 * 1024 * 1024)

/* a question of this size is asked each time, as k8s.io/apiserver does */
#define NGX_HTTP_K8S_METRICS_KEEP_MAX      10000


static ngx_http_k8s_metrics_review_t *ngx_http_k8s_metrics_review_lookup(
    ngx_http_k8s_metrics_reviews_t *reviews,
    const ngx_http_k8s_metrics_question_t *question, uint32_t hash);
static ngx_http_k8s_metrics_review_t *ngx_http_k8s_metrics_review_create(
    ngx_http_k8s_metrics_reviews_t *reviews, const ngx_str_t *key,
    uint32_t hash);
static ngx_int_t ngx_http_k8s_metrics_review_tell(
    ngx_http_k8s_metrics_auth_ctx_t *ctx,
    const ngx_http_k8s_metrics_ruling_t *ruling);
static void ngx_http_k8s_metrics_review_keep(
    ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review,
    const ngx_http_k8s_metrics_ruling_t *ruling);
static void ngx_http_k8s_metrics_review_settle(
    ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review);
static void ngx_http_k8s_metrics_review_delete(
    ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review);
static void ngx_http_k8s_metrics_review_evict(
    ngx_http_k8s_metrics_reviews_t *reviews);
static void ngx_http_k8s_metrics_review_count(
    ngx_http_k8s_metrics_reviews_t *reviews, ngx_uint_t answer);


ngx_http_k8s_metrics_auth_t *
ngx_http_k8s_metrics_auth(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store)
{
    ngx_uint_t                    pending;
    ngx_http_k8s_metrics_auth_t  *auth;

    auth = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_auth_t));
    if (auth == NULL) {
        return NULL;
    }

    auth->client = client;
    auth->store = store;
    auth->log = cycle->log;

    /* each takes a connection: the rest is the clients' and the kubelets' */

    pending = ngx_min(cycle->connection_n / 8, NGX_HTTP_K8S_METRICS_PENDING);
    pending = ngx_max(pending, 1);

    ngx_http_k8s_metrics_reviews_init(&auth->access, auth,
                                      &ngx_http_k8s_metrics_access_review,
                                      pending);

    ngx_http_k8s_metrics_reviews_init(&auth->tokens, auth,
                                      &ngx_http_k8s_metrics_token_review,
                                      pending);

    if (ngx_http_k8s_metrics_token_init(auth) != NGX_OK) {
        return NULL;
    }

    ngx_http_k8s_metrics_limits_init_process();

    return auth;
}


void
ngx_http_k8s_metrics_reviews_init(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_auth_t *auth,
    const ngx_http_k8s_metrics_review_kind_t *kind, ngx_uint_t max_pending)
{
    reviews->kind = kind;
    reviews->auth = auth;
    reviews->max_pending = max_pending;

    ngx_rbtree_init(&reviews->tree, &reviews->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&reviews->lru);
}


ngx_int_t
ngx_http_k8s_metrics_review_ask(ngx_http_k8s_metrics_reviews_t *reviews,
    const ngx_http_k8s_metrics_question_t *question,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    uint32_t                        hash;
    ngx_http_k8s_metrics_review_t  *review;

    hash = ngx_murmur_hash2(question->key.data, question->key.len);

    review = ngx_http_k8s_metrics_review_lookup(reviews, question, hash);

    if (review && !review->pending) {
        ngx_http_k8s_metrics_review_count(reviews,
                                          NGX_HTTP_K8S_METRICS_STAT_CACHED);
        return ngx_http_k8s_metrics_review_tell(ctx, &review->ruling);
    }

    if (review == NULL) {

        if (reviews->npending >= reviews->max_pending) {
            return NGX_BUSY;
        }

        review = ngx_http_k8s_metrics_review_create(reviews, &question->key,
                                                    hash);
        if (review == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_k8s_metrics_review_start(reviews, review, &question->body)
            != NGX_OK)
        {
            ngx_http_k8s_metrics_review_settle(reviews, review);
            ngx_http_k8s_metrics_review_delete(reviews, review);
            return NGX_ERROR;
        }
    }

    ngx_queue_insert_tail(&review->waiters, &ctx->queue);
    ctx->waiting = 1;

    return NGX_AGAIN;
}


/* A ruling is as old as the server that asks for it lets it be. */

static ngx_http_k8s_metrics_review_t *
ngx_http_k8s_metrics_review_lookup(ngx_http_k8s_metrics_reviews_t *reviews,
    const ngx_http_k8s_metrics_question_t *question, uint32_t hash)
{
    ngx_str_t                       key;
    ngx_msec_t                      ttl;
    ngx_str_node_t                 *sn;
    ngx_http_k8s_metrics_review_t  *review;

    key = question->key;

    sn = ngx_str_rbtree_lookup(&reviews->tree, &key, hash);

    if (sn == NULL) {
        return NULL;
    }

    review = (ngx_http_k8s_metrics_review_t *)
                 ((u_char *) sn - offsetof(ngx_http_k8s_metrics_review_t, sn));

    if (review->pending) {
        return review;
    }

    ttl = (review->ruling.decision == NGX_HTTP_K8S_METRICS_ALLOWED)
          ? question->allow_ttl : question->deny_ttl;

    if (ngx_current_msec - review->decided >= ttl) {
        ngx_http_k8s_metrics_review_delete(reviews, review);
        return NULL;
    }

    ngx_queue_remove(&review->lru);
    ngx_queue_insert_head(&reviews->lru, &review->lru);

    return review;
}


static ngx_http_k8s_metrics_review_t *
ngx_http_k8s_metrics_review_create(ngx_http_k8s_metrics_reviews_t *reviews,
    const ngx_str_t *key, uint32_t hash)
{
    size_t                          size;
    ngx_http_k8s_metrics_review_t  *review;

    size = sizeof(ngx_http_k8s_metrics_review_t) + key->len;

    review = ngx_alloc(size, reviews->auth->log);
    if (review == NULL) {
        return NULL;
    }

    ngx_memzero(review, sizeof(ngx_http_k8s_metrics_review_t));

    review->size = size;
    review->pending = 1;

    review->sn.node.key = hash;
    review->sn.str.len = key->len;
    review->sn.str.data = (u_char *) &review[1];
    ngx_memcpy(review->sn.str.data, key->data, key->len);

    ngx_queue_init(&review->waiters);

    ngx_rbtree_insert(&reviews->tree, &review->sn.node);

    reviews->npending++;
    reviews->n++;
    reviews->bytes += size;

    ngx_http_k8s_metrics_review_evict(reviews);

    return review;
}


/* No longer under way: it may be evicted. */

static void
ngx_http_k8s_metrics_review_settle(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review)
{
    review->pending = 0;
    reviews->npending--;

    ngx_queue_insert_head(&reviews->lru, &review->lru);
}


static void
ngx_http_k8s_metrics_review_delete(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review)
{
    ngx_rbtree_delete(&reviews->tree, &review->sn.node);
    ngx_queue_remove(&review->lru);

    reviews->n--;
    reviews->bytes -= review->size;

    if (review->ruling.reason.data) {
        ngx_free(review->ruling.reason.data);
    }

    if (review->ruling.identity) {
        ngx_free(review->ruling.identity);
    }

    ngx_free(review);
}


/* The least recently used go first; those under way are not among them. */

static void
ngx_http_k8s_metrics_review_evict(ngx_http_k8s_metrics_reviews_t *reviews)
{
    ngx_queue_t                    *q;
    ngx_http_k8s_metrics_review_t  *review;

    while ((reviews->n > NGX_HTTP_K8S_METRICS_REVIEWS
            || reviews->bytes > NGX_HTTP_K8S_METRICS_REVIEW_BYTES)
           && !ngx_queue_empty(&reviews->lru))
    {
        q = ngx_queue_last(&reviews->lru);
        review = ngx_queue_data(q, ngx_http_k8s_metrics_review_t, lru);

        ngx_http_k8s_metrics_review_delete(reviews, review);
    }
}


static void
ngx_http_k8s_metrics_review_count(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_uint_t answer)
{
    ngx_http_k8s_metrics_store_count(reviews->auth->store,
        ((reviews == &reviews->auth->access)
         ? NGX_HTTP_K8S_METRICS_STAT_ACCESS : NGX_HTTP_K8S_METRICS_STAT_TOKEN)
        + answer, 1);
}


/* NGX_OK, or NGX_ERROR: without memory nothing was decided. */

static ngx_int_t
ngx_http_k8s_metrics_review_tell(ngx_http_k8s_metrics_auth_ctx_t *ctx,
    const ngx_http_k8s_metrics_ruling_t *ruling)
{
    void                             *p;
    ngx_str_t                         reason;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_identity_t  *identity;

    pool = ctx->request->pool;

    ctx->decision = NGX_HTTP_K8S_METRICS_REVIEW_FAILED;

    reason = ruling->reason;

    if (reason.len) {
        reason.data = ngx_pstrdup(pool, &reason);
        if (reason.data == NULL) {
            return NGX_ERROR;
        }
    }

    identity = ruling->identity;

    if (identity) {
        p = ngx_palloc(pool, ngx_http_k8s_metrics_identity_size(identity));
        if (p == NULL) {
            return NGX_ERROR;
        }

        ctx->identity = *ngx_http_k8s_metrics_identity_copy(p, identity);
    }

    ctx->decision = ruling->decision;
    ctx->reason = reason;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_review_done(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review,
    const ngx_http_k8s_metrics_ruling_t *ruling)
{
    ngx_queue_t                       waiters, *q;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ngx_http_k8s_metrics_review_count(reviews,
        (ruling->decision == NGX_HTTP_K8S_METRICS_ALLOWED)
            ? NGX_HTTP_K8S_METRICS_STAT_ALLOWED
            : (ruling->decision == NGX_HTTP_K8S_METRICS_DENIED)
              ? NGX_HTTP_K8S_METRICS_STAT_DENIED
              : NGX_HTTP_K8S_METRICS_STAT_FAILED);

    ngx_queue_init(&waiters);

    while (!ngx_queue_empty(&review->waiters)) {
        q = ngx_queue_head(&review->waiters);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&waiters, q);

        ctx = ngx_queue_data(q, ngx_http_k8s_metrics_auth_ctx_t, queue);

        (void) ngx_http_k8s_metrics_review_tell(ctx, ruling);
    }

    ngx_http_k8s_metrics_review_settle(reviews, review);
    ngx_http_k8s_metrics_review_keep(reviews, review, ruling);

    /* a client that goes on may end, and another's with it: one at a time */

    while (!ngx_queue_empty(&waiters)) {
        q = ngx_queue_head(&waiters);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_k8s_metrics_auth_ctx_t, queue);
        ngx_http_k8s_metrics_auth_resume(ctx);
    }
}


static void
ngx_http_k8s_metrics_review_keep(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review,
    const ngx_http_k8s_metrics_ruling_t *ruling)
{
    void                           *p;
    size_t                          size;
    ngx_log_t                      *log;
    ngx_http_k8s_metrics_ruling_t  *kept;

    log = reviews->auth->log;
    kept = &review->ruling;

    if (ruling->decision == NGX_HTTP_K8S_METRICS_REVIEW_FAILED
        || !ruling->keep
        || review->sn.str.len >= NGX_HTTP_K8S_METRICS_KEEP_MAX)
    {
        goto forget;
    }

    if (ruling->identity) {
        size = ngx_http_k8s_metrics_identity_size(ruling->identity);

        p = ngx_alloc(size, log);
        if (p == NULL) {
            goto forget;
        }

        kept->identity = ngx_http_k8s_metrics_identity_copy(p,
                                                            ruling->identity);
        review->size += size;
        reviews->bytes += size;
    }

    if (ruling->reason.len) {
        size = ruling->reason.len;

        kept->reason.data = ngx_alloc(size, log);
        if (kept->reason.data == NULL) {
            goto forget;
        }

        ngx_memcpy(kept->reason.data, ruling->reason.data, size);
        kept->reason.len = size;

        review->size += size;
        reviews->bytes += size;
    }

    kept->decision = ruling->decision;
    review->decided = ngx_current_msec;

    ngx_http_k8s_metrics_review_evict(reviews);

    return;

forget:

    ngx_http_k8s_metrics_review_delete(reviews, review);
}
