
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_REVIEWED_URI  (32 * 1024)


static ngx_http_k8s_metrics_auth_ctx_t *ngx_http_k8s_metrics_auth_create(
    ngx_http_request_t *r, ngx_http_k8s_metrics_auth_t *auth);
static void ngx_http_k8s_metrics_auth_cleanup(void *data);
static ngx_uint_t ngx_http_k8s_metrics_always_allowed(
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_auth_authorize(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_auth_count(
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_auth_park(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_auth_unknown(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx, ngx_uint_t code);
static ngx_int_t ngx_http_k8s_metrics_auth_decided(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);
static ngx_int_t ngx_http_k8s_metrics_auth_refuse(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx, ngx_uint_t code,
    const char *message);
static ngx_int_t ngx_http_k8s_metrics_auth_deny(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);


ngx_int_t
ngx_http_k8s_metrics_auth_access(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    if (ctx == NULL) {
        ctx = ngx_http_k8s_metrics_auth_create(r, auth);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_k8s_metrics_authenticate(r, auth, conf, ctx);

    } else if (ctx->waiting) {
        return NGX_AGAIN;

    } else if (ctx->refused) {

        /* an internal redirect: the request is the one that was decided on */

        return ngx_http_k8s_metrics_auth_refuse(r, ctx, ctx->refused,
                                                ctx->message);

    } else if (ctx->token) {
        rc = ngx_http_k8s_metrics_authenticate_token(r, auth, conf, ctx);

    } else {
        return ctx->authorized ? NGX_OK
                               : ngx_http_k8s_metrics_auth_decided(r, ctx);
    }

    switch (rc) {

    case NGX_OK:
        return ngx_http_k8s_metrics_auth_authorize(r, auth, conf, ctx);

    case NGX_AGAIN:
        return ngx_http_k8s_metrics_auth_park(r);

    default:

        if (ngx_http_k8s_metrics_unname(r, auth, conf, 0) != NGX_OK) {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_k8s_metrics_auth_unknown(r, ctx, rc);
    }
}


static ngx_int_t
ngx_http_k8s_metrics_auth_park(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

#if (NGX_HTTP_V2)
    if (r->stream) {
        return NGX_AGAIN;
    }
#endif

    /* a client that has left already is not told of again */

    if (r->connection->read->pending_eof) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


/* Nobody knows who it is. */

static ngx_int_t
ngx_http_k8s_metrics_auth_unknown(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx, ngx_uint_t code)
{
    const char  *message;

    switch (code) {

    case NGX_HTTP_UNAUTHORIZED:
        message = "Unauthorized";
        break;

    case NGX_HTTP_FORBIDDEN:
        message = "impersonation is not supported";
        break;

    case NGX_HTTP_MISDIRECTED_REQUEST:
        message = "the TLS connection is not one for this server";
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        message = ctx->reason.len
                  ? "the token review failed"
                  : "the cluster's authentication settings have not been read "
                    "yet";
        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        message = "too many token reviews are under way";
        break;

    case NGX_HTTP_BAD_REQUEST:
        message = "the identity has too many extra keys";
        break;

    default:
        code = NGX_HTTP_INTERNAL_SERVER_ERROR;
        message = "no memory";
    }

    return ngx_http_k8s_metrics_auth_refuse(r, ctx, code, message);
}


ngx_int_t
ngx_http_k8s_metrics_auth_precontent(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_auth_loc_conf_t *conf)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    if (!conf->enable && !conf->serves) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_k8s_metrics_auth_find(r);

    if (conf->enable) {

        if (r != r->main) {
            return (ctx && ctx->authorized) ? NGX_DECLINED
                                            : NGX_HTTP_FORBIDDEN;
        }

        if (ctx) {
            ctx->passed = 1;
        }

        return NGX_DECLINED;
    }

    return (ctx && !ctx->passed && !ctx->authorized) ? NGX_HTTP_FORBIDDEN
                                                     : NGX_DECLINED;
}


ngx_http_k8s_metrics_auth_ctx_t *
ngx_http_k8s_metrics_auth_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_k8s_metrics_auth_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static ngx_http_k8s_metrics_auth_ctx_t *
ngx_http_k8s_metrics_auth_create(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_k8s_metrics_auth_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_k8s_metrics_auth_ctx_t));

    ctx->request = r;
    ctx->auth = auth;
    cln->handler = ngx_http_k8s_metrics_auth_cleanup;

    return ctx;
}


/* A client that leaves stops to wait; the review goes on for the others. */

static void
ngx_http_k8s_metrics_auth_cleanup(void *data)
{
    ngx_http_k8s_metrics_auth_ctx_t *ctx = data;

    if (ctx->waiting) {
        ngx_queue_remove(&ctx->queue);
        ctx->waiting = 0;
    }

    if (ctx->inflight) {
        ctx->inflight = 0;
        ctx->auth->inflight--;

        (void) ngx_http_k8s_metrics_store_inflight(ctx->auth->store,
                                                   ctx->auth->inflight);
    }
}


ngx_http_k8s_metrics_identity_t *
ngx_http_k8s_metrics_identity(ngx_http_request_t *r)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    return (ctx && ctx->authorized) ? &ctx->identity : NULL;
}


static ngx_int_t
ngx_http_k8s_metrics_auth_authorize(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_uint_t                       declined;
    ngx_http_k8s_metrics_attrs_t    *attrs;
    ngx_http_k8s_metrics_question_t  question;

    static ngx_str_t                 masters = ngx_string("system:masters");

    attrs = ngx_http_k8s_metrics_answer_attrs(r, &declined);

    if (attrs == NULL || ngx_http_k8s_metrics_audit(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (declined) {
        return ngx_http_k8s_metrics_auth_refuse(r, ctx, NGX_HTTP_BAD_REQUEST,
                                                "the path is ambiguous");
    }

    if (ngx_http_k8s_metrics_identity_in_group(&ctx->identity, &masters)) {
        ctx->decision = NGX_HTTP_K8S_METRICS_ALLOWED;
        ngx_str_set(&ctx->reason, "group system:masters");
        return ngx_http_k8s_metrics_auth_decided(r, ctx);
    }

    if (ngx_http_k8s_metrics_always_allowed(conf, attrs)) {
        ctx->decision = NGX_HTTP_K8S_METRICS_ALLOWED;
        ngx_str_set(&ctx->reason, "a path that is always allowed");
        return ngx_http_k8s_metrics_auth_decided(r, ctx);
    }

    if (!attrs->watch
        && ngx_http_k8s_metrics_auth_count(auth, conf, ctx) != NGX_OK)
    {
        return ngx_http_k8s_metrics_auth_refuse(r, ctx,
                                                NGX_HTTP_TOO_MANY_REQUESTS,
                                                "Too many requests, please "
                                                "try again later.");
    }

    /* the API server would be sent all of it, and send it back */

    if (r->unparsed_uri.len > NGX_HTTP_K8S_METRICS_REVIEWED_URI) {
        return ngx_http_k8s_metrics_auth_refuse(r, ctx,
                                                NGX_HTTP_REQUEST_URI_TOO_LARGE,
                                                "the request's URI is too "
                                                "long to be reviewed");
    }

    if (ngx_http_k8s_metrics_access_question(r->pool, &ctx->identity, attrs,
                                             &question.body)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    question.key = question.body;
    question.allow_ttl = conf->allow_ttl;
    question.deny_ttl = conf->deny_ttl;

    rc = ngx_http_k8s_metrics_review_ask(&auth->access, &question, ctx);

    if (rc == NGX_AGAIN) {
        return ngx_http_k8s_metrics_auth_park(r);
    }

    if (rc == NGX_BUSY) {
        return ngx_http_k8s_metrics_auth_refuse(r, ctx,
                                                NGX_HTTP_TOO_MANY_REQUESTS,
                                                "too many access reviews are "
                                                "under way");
    }

    if (rc == NGX_ERROR) {
        ctx->decision = NGX_HTTP_K8S_METRICS_REVIEW_FAILED;
    }

    return ngx_http_k8s_metrics_auth_decided(r, ctx);
}


/*
 * As k8s.io/apiserver's filter of requests in flight.  NGX_OK, or NGX_BUSY
 * when there are too many.
 */

static ngx_int_t
ngx_http_k8s_metrics_auth_count(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_uint_t  n;

    n = ngx_http_k8s_metrics_store_inflight(auth->store, auth->inflight + 1);

    if (conf->max_inflight && n > conf->max_inflight) {
        (void) ngx_http_k8s_metrics_store_inflight(auth->store,
                                                   auth->inflight);
        return NGX_BUSY;
    }

    auth->inflight++;
    ctx->inflight = 1;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_auth_resume(ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->waiting = 0;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static ngx_uint_t
ngx_http_k8s_metrics_always_allowed(ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_str_t   *path;
    ngx_uint_t   i;

    if (attrs->resource_request) {
        return 0;
    }

    path = conf->always_allow_paths->elts;

    for (i = 0; i < conf->always_allow_paths->nelts; i++) {

        if (path[i].len && path[i].data[path[i].len - 1] == '*') {

            if (attrs->path.len >= path[i].len - 1
                && ngx_memcmp(attrs->path.data, path[i].data, path[i].len - 1)
                   == 0)
            {
                return 1;
            }

        } else if (attrs->path.len == path[i].len
                   && ngx_memcmp(attrs->path.data, path[i].data, path[i].len)
                      == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_k8s_metrics_auth_decided(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    switch (ctx->decision) {

    case NGX_HTTP_K8S_METRICS_ALLOWED:
        ctx->authorized = 1;
        return NGX_OK;

    case NGX_HTTP_K8S_METRICS_DENIED:
        return ngx_http_k8s_metrics_auth_deny(r, ctx);

    default:
        return ngx_http_k8s_metrics_auth_refuse(r, ctx,
                                         NGX_HTTP_INTERNAL_SERVER_ERROR,
                                         "the access review failed");
    }
}


static ngx_int_t
ngx_http_k8s_metrics_auth_refuse(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx, ngx_uint_t code, const char *message)
{
    ngx_http_core_loc_conf_t  *clcf;

    ctx->refused = code;
    ctx->message = message;

    if (ngx_http_k8s_metrics_audit(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY
        && (code == NGX_HTTP_UNAUTHORIZED || code == NGX_HTTP_FORBIDDEN))
    {
        return code;
    }

    ctx->told = 1;

    ngx_http_finalize_request(r, ngx_http_k8s_metrics_answer_error(r, code,
                                                            "%s", message));
    return NGX_DONE;
}


static ngx_int_t
ngx_http_k8s_metrics_auth_deny(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_k8s_metrics_status_t   status;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_k8s_metrics_auth_denial(r, ctx, &status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->told = 1;

    ngx_http_finalize_request(r, ngx_http_k8s_metrics_answer_status(r,
                                                                   &status));
    return NGX_DONE;
}


ngx_int_t
ngx_http_k8s_metrics_auth_refusal(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status)
{
    ngx_http_k8s_metrics_auth_ctx_t  *ctx;

    ctx = ngx_http_k8s_metrics_auth_find(r);

    if (ctx && ctx->decision == NGX_HTTP_K8S_METRICS_DENIED) {
        return ngx_http_k8s_metrics_auth_denial(r, ctx, status);
    }

    if (ctx == NULL || ctx->refused == 0) {
        return NGX_DECLINED;
    }

    ngx_memzero(status, sizeof(ngx_http_k8s_metrics_status_t));

    status->code = ctx->refused;
    status->reason = ngx_http_k8s_metrics_status_reason(ctx->refused);
    status->message.data = (u_char *) ctx->message;
    status->message.len = ngx_strlen(ctx->message);

    return NGX_OK;
}
