
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_auth_internal.h"
#include "ngx_http_k8s_metrics_json.h"


#define NGX_HTTP_K8S_METRICS_REVIEW_URI                                       \
    "/apis/authorization.k8s.io/v1/subjectaccessreviews"

#define NGX_HTTP_K8S_METRICS_REVIEW_DEADLINE  10000
#define NGX_HTTP_K8S_METRICS_REVIEW_PAUSE     250     /* then doubled */
#define NGX_HTTP_K8S_METRICS_REVIEW_LINES     1       /* a minute */
#define NGX_HTTP_K8S_METRICS_REVIEW_SIZE      1024
#define NGX_HTTP_K8S_METRICS_REVIEW_MAX       (2 * 1024 * 1024)
#define NGX_HTTP_K8S_METRICS_ANSWER_MORE      (64 * 1024)


/* One review under way; heap memory, freed at its end. */
typedef struct {
    void                              *data;
    void                              *dummy[2];
    ngx_socket_t                       fd;      /* where the debug log of a
                                                   timer reads it */
    ngx_http_k8s_metrics_auth_t       *auth;
    ngx_http_k8s_metrics_review_t     *review;
    ngx_event_t                        timer;
    ngx_msec_t                         deadline;
    ngx_msec_t                         pause;
    ngx_pool_t                        *pool;
    ngx_http_k8s_metrics_out_t         answer;
} ngx_http_k8s_metrics_asking_t;


static void ngx_http_k8s_metrics_review_resource(
    ngx_http_k8s_metrics_json_t *w, const ngx_http_k8s_metrics_attrs_t *attrs);
static void ngx_http_k8s_metrics_review_selector(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_selector_t *selector);
static void ngx_http_k8s_metrics_review_subject(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_review_try(
    ngx_http_k8s_metrics_asking_t *a);
static void ngx_http_k8s_metrics_review_again(ngx_event_t *ev);
static ngx_int_t ngx_http_k8s_metrics_review_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_review_body(void *data, u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_review_answered(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);
static void ngx_http_k8s_metrics_review_log(ngx_http_k8s_metrics_asking_t *a,
    ngx_int_t rc, ngx_http_k8s_metrics_response_t *res);
static ngx_uint_t ngx_http_k8s_metrics_review_may_log(
    ngx_http_k8s_metrics_asking_t *a);
static ngx_http_k8s_metrics_decision_e ngx_http_k8s_metrics_review_read(
    ngx_http_k8s_metrics_asking_t *a, ngx_str_t *reason);
static void ngx_http_k8s_metrics_review_finish(
    ngx_http_k8s_metrics_asking_t *a, ngx_http_k8s_metrics_decision_e decision,
    ngx_str_t *reason);


static const ngx_http_k8s_metrics_fetch_handlers_t
    ngx_http_k8s_metrics_review_handlers =
{
    ngx_http_k8s_metrics_review_header,
    ngx_http_k8s_metrics_review_body,
    ngx_http_k8s_metrics_review_answered
};


ngx_int_t
ngx_http_k8s_metrics_review_question(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_identity_t *identity,
    const ngx_http_k8s_metrics_attrs_t *attrs, ngx_str_t *json)
{
    ngx_http_k8s_metrics_out_t   out;
    ngx_http_k8s_metrics_json_t  w;

    if (ngx_http_k8s_metrics_out_create(&out, pool,
                                        NGX_HTTP_K8S_METRICS_REVIEW_SIZE,
                                        NGX_HTTP_K8S_METRICS_REVIEW_MAX)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_json_init(&w, &out, 0);

    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(&w, "authorization.k8s.io/v1");
    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "SubjectAccessReview");
    ngx_http_k8s_metrics_json_key(&w, "spec");
    ngx_http_k8s_metrics_json_object(&w);

    if (attrs->resource_request) {
        ngx_http_k8s_metrics_review_resource(&w, attrs);

    } else {
        ngx_http_k8s_metrics_json_key(&w, "nonResourceAttributes");
        ngx_http_k8s_metrics_json_object(&w);
        ngx_http_k8s_metrics_json_member(&w, "path", &attrs->path);
        ngx_http_k8s_metrics_json_member(&w, "verb", &attrs->verb);
        ngx_http_k8s_metrics_json_object_end(&w);
    }

    ngx_http_k8s_metrics_review_subject(&w, identity);

    ngx_http_k8s_metrics_json_object_end(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    if (out.overflow) {
        return NGX_ERROR;
    }

    json->data = out.start;
    json->len = ngx_http_k8s_metrics_out_len(&out);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_review_resource(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_http_k8s_metrics_json_key(w, "resourceAttributes");
    ngx_http_k8s_metrics_json_object(w);

    ngx_http_k8s_metrics_json_member(w, "namespace", &attrs->ns);
    ngx_http_k8s_metrics_json_member(w, "verb", &attrs->verb);
    ngx_http_k8s_metrics_json_member(w, "group", &attrs->group);
    ngx_http_k8s_metrics_json_member(w, "version", &attrs->version);
    ngx_http_k8s_metrics_json_member(w, "resource", &attrs->resource);
    ngx_http_k8s_metrics_json_member(w, "subresource", &attrs->subresource);
    ngx_http_k8s_metrics_json_member(w, "name", &attrs->name);

    if (attrs->fields.nelts) {
        ngx_http_k8s_metrics_json_key(w, "fieldSelector");
        ngx_http_k8s_metrics_review_selector(w, &attrs->fields);
    }

    if (attrs->labels.nelts) {
        ngx_http_k8s_metrics_json_key(w, "labelSelector");
        ngx_http_k8s_metrics_review_selector(w, &attrs->labels);
    }

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_review_selector(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_selector_t *selector)
{
    ngx_str_t                            op;
    ngx_uint_t                           i, n;
    ngx_http_k8s_metrics_requirement_t  *req;

    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_key(w, "requirements");
    ngx_http_k8s_metrics_json_array(w);

    for (i = 0; i < selector->nelts; i++) {
        req = &selector->elts[i];

        switch (req->op) {

        case NGX_HTTP_K8S_METRICS_OP_EQUALS:
        case NGX_HTTP_K8S_METRICS_OP_IN:
            ngx_str_set(&op, "In");
            break;

        case NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS:
        case NGX_HTTP_K8S_METRICS_OP_NOT_IN:
            ngx_str_set(&op, "NotIn");
            break;

        case NGX_HTTP_K8S_METRICS_OP_EXISTS:
            ngx_str_set(&op, "Exists");
            break;

        case NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS:
            ngx_str_set(&op, "DoesNotExist");
            break;

        default:
            /* the review has no word for Gt and Lt: asked without them */
            continue;
        }

        ngx_http_k8s_metrics_json_object(w);
        ngx_http_k8s_metrics_json_member(w, "key", &req->key);
        ngx_http_k8s_metrics_json_member(w, "operator", &op);

        if (req->nvalues) {
            ngx_http_k8s_metrics_json_key(w, "values");
            ngx_http_k8s_metrics_json_array(w);

            for (n = 0; n < req->nvalues; n++) {
                ngx_http_k8s_metrics_json_string(w, &req->values[n]);
            }

            ngx_http_k8s_metrics_json_array_end(w);
        }

        ngx_http_k8s_metrics_json_object_end(w);
    }

    ngx_http_k8s_metrics_json_array_end(w);
    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_review_subject(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_uint_t  i, n;

    ngx_http_k8s_metrics_json_member(w, "user", &identity->user);

    if (identity->uid.len) {
        ngx_http_k8s_metrics_json_member(w, "uid", &identity->uid);
    }

    ngx_http_k8s_metrics_json_key(w, "groups");
    ngx_http_k8s_metrics_json_array(w);

    for (i = 0; i < identity->ngroups; i++) {
        ngx_http_k8s_metrics_json_string(w, &identity->groups[i]);
    }

    ngx_http_k8s_metrics_json_array_end(w);

    if (identity->nextra == 0) {
        return;
    }

    ngx_http_k8s_metrics_json_key(w, "extra");
    ngx_http_k8s_metrics_json_object(w);

    for (i = 0; i < identity->nextra; i++) {
        ngx_http_k8s_metrics_json_key_str(w, &identity->extra[i].key);
        ngx_http_k8s_metrics_json_array(w);

        for (n = 0; n < identity->extra[i].nvalues; n++) {
            ngx_http_k8s_metrics_json_string(w,
                                             &identity->extra[i].values[n]);
        }

        ngx_http_k8s_metrics_json_array_end(w);
    }

    ngx_http_k8s_metrics_json_object_end(w);
}


ngx_int_t
ngx_http_k8s_metrics_review_start(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review)
{
    ngx_http_k8s_metrics_asking_t  *a;

    a = ngx_calloc(sizeof(ngx_http_k8s_metrics_asking_t), auth->log);
    if (a == NULL) {
        return NGX_ERROR;
    }

    a->fd = (ngx_socket_t) -1;
    a->auth = auth;
    a->review = review;
    a->deadline = ngx_current_msec + NGX_HTTP_K8S_METRICS_REVIEW_DEADLINE;
    a->pause = NGX_HTTP_K8S_METRICS_REVIEW_PAUSE;

    /* not cancelable: a client waits for it, the worker may not leave before */

    a->timer.data = a;
    a->timer.log = auth->log;
    a->timer.handler = ngx_http_k8s_metrics_review_again;

    if (ngx_http_k8s_metrics_review_try(a) != NGX_OK) {
        ngx_free(a);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_review_try(ngx_http_k8s_metrics_asking_t *a)
{
    size_t                             max;
    ngx_http_k8s_metrics_fetch_conf_t  fc;

    /* the answer holds the question again, with other escapes */

    max = 6 * a->review->sn.str.len + NGX_HTTP_K8S_METRICS_ANSWER_MORE;

    a->pool = ngx_create_pool(1024, a->auth->log);
    if (a->pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_out_create(&a->answer, a->pool,
                                        NGX_HTTP_K8S_METRICS_REVIEW_SIZE, max)
        != NGX_OK)
    {
        goto failed;
    }

    ngx_memzero(&fc, sizeof(ngx_http_k8s_metrics_fetch_conf_t));

    ngx_str_set(&fc.method, "POST");
    ngx_str_set(&fc.uri, NGX_HTTP_K8S_METRICS_REVIEW_URI);
    ngx_str_set(&fc.headers, "Content-Type: application/json\r\n"
                             "Accept: application/json\r\n");

    fc.body = a->review->sn.str;
    fc.deadline = a->deadline - ngx_current_msec;
    fc.connect_timeout = fc.deadline;
    fc.read_timeout = fc.deadline;
    fc.max_body = max;
    fc.handlers = &ngx_http_k8s_metrics_review_handlers;
    fc.data = a;

    if (ngx_http_k8s_metrics_kube_fetch(a->auth->client, &fc, a->auth->log)) {
        return NGX_OK;
    }

failed:

    ngx_destroy_pool(a->pool);
    a->pool = NULL;

    return NGX_ERROR;
}


static void
ngx_http_k8s_metrics_review_again(ngx_event_t *ev)
{
    ngx_http_k8s_metrics_asking_t *a = ev->data;

    ngx_str_t  reason;

    if (ngx_http_k8s_metrics_review_try(a) != NGX_OK) {
        ngx_str_set(&reason, "no request could be started");
        ngx_http_k8s_metrics_review_finish(a,
                                   NGX_HTTP_K8S_METRICS_REVIEW_FAILED,
                                   &reason);
    }
}


static ngx_int_t
ngx_http_k8s_metrics_review_header(void *data,
    ngx_http_k8s_metrics_response_t *res)
{
    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_review_body(void *data, u_char *p, size_t len)
{
    ngx_http_k8s_metrics_asking_t *a = data;

    ngx_http_k8s_metrics_out_mem(&a->answer, p, len);

    return a->answer.overflow ? NGX_ERROR : NGX_OK;
}


static void
ngx_http_k8s_metrics_review_answered(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_asking_t *a = data;

    ngx_str_t                        reason;
    ngx_msec_t                       pause;
    ngx_uint_t                       too_large;
    ngx_http_k8s_metrics_decision_e  decision;

    if (rc == NGX_OK
        && (res->status == NGX_HTTP_CREATED || res->status == NGX_HTTP_OK))
    {
        decision = ngx_http_k8s_metrics_review_read(a, &reason);
        ngx_http_k8s_metrics_review_finish(a, decision, &reason);
        return;
    }

    too_large = a->answer.overflow;

    ngx_destroy_pool(a->pool);
    a->pool = NULL;

    /*
     * What may pass is tried again while the deadline lets it and somebody
     * waits; what was too large would be so again.
     */

    pause = a->pause;
    a->pause = ngx_min(2 * pause, 2000);

    if (res->retry_after > 0) {
        pause = ngx_min(res->retry_after, 60) * 1000;
    }

    if ((rc != NGX_OK || res->status == NGX_HTTP_TOO_MANY_REQUESTS
         || res->status >= NGX_HTTP_INTERNAL_SERVER_ERROR)
        && !too_large
        && !ngx_queue_empty(&a->review->waiters)
        && (ngx_msec_int_t) (a->deadline - ngx_current_msec - pause) > 0)
    {
        ngx_add_timer(&a->timer, pause);
        return;
    }

    ngx_http_k8s_metrics_review_log(a, rc, res);

    ngx_str_set(&reason, "");
    ngx_http_k8s_metrics_review_finish(a, NGX_HTTP_K8S_METRICS_REVIEW_FAILED,
                                       &reason);
}


static void
ngx_http_k8s_metrics_review_log(ngx_http_k8s_metrics_asking_t *a, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    const char  *error;

    if (!ngx_http_k8s_metrics_review_may_log(a)) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, a->auth->log, 0,
                      "k8s_metrics: an access review failed: %s", res->error);
        return;
    }

    switch (res->status) {

    case NGX_HTTP_UNAUTHORIZED:
        error = ": our credentials are refused";
        break;

    case NGX_HTTP_FORBIDDEN:
        error = ": is our service account bound to the ClusterRole "
                "system:auth-delegator?";
        break;

    default:
        error = "";
    }

    ngx_log_error(NGX_LOG_ERR, a->auth->log, 0,
                  "k8s_metrics: an access review failed: status %ui%s",
                  res->status, error);
}


static ngx_uint_t
ngx_http_k8s_metrics_review_may_log(ngx_http_k8s_metrics_asking_t *a)
{
    return ngx_http_k8s_metrics_auth_may_log(a->auth, &a->auth->log_failed,
                                             NGX_HTTP_K8S_METRICS_REVIEW_LINES,
                                             "failed access reviews");
}


static ngx_http_k8s_metrics_decision_e
ngx_http_k8s_metrics_review_read(ngx_http_k8s_metrics_asking_t *a,
    ngx_str_t *reason)
{
    cJSON                            *doc, *status, *text;
    ngx_uint_t                        allowed, denied;
    ngx_http_k8s_metrics_decision_e   decision;

    ngx_str_null(reason);

    doc = cJSON_ParseWithLength((char *) a->answer.start,
                                ngx_http_k8s_metrics_out_len(&a->answer));

    status = cJSON_GetObjectItemCaseSensitive(doc, "status");

    decision = NGX_HTTP_K8S_METRICS_REVIEW_FAILED;

    if (!cJSON_IsObject(status)) {
        goto done;
    }

    allowed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status,
                                                            "allowed"));
    denied = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "denied"));

    if (allowed && denied) {
        goto done;
    }

    decision = allowed ? NGX_HTTP_K8S_METRICS_ALLOWED
                       : NGX_HTTP_K8S_METRICS_DENIED;

    text = cJSON_GetObjectItemCaseSensitive(status, "reason");

    if (cJSON_IsString(text)) {
        reason->len = ngx_strlen(text->valuestring);
        reason->data = ngx_pnalloc(a->pool, reason->len + 1);

        if (reason->data == NULL) {
            reason->len = 0;

        } else {
            ngx_memcpy(reason->data, text->valuestring, reason->len);
        }
    }

done:

    cJSON_Delete(doc);

    if (decision == NGX_HTTP_K8S_METRICS_REVIEW_FAILED
        && ngx_http_k8s_metrics_review_may_log(a))
    {
        ngx_log_error(NGX_LOG_ERR, a->auth->log, 0,
                      "k8s_metrics: an access review failed: the answer is no "
                      "review");
    }

    return decision;
}


static void
ngx_http_k8s_metrics_review_finish(ngx_http_k8s_metrics_asking_t *a,
    ngx_http_k8s_metrics_decision_e decision, ngx_str_t *reason)
{
    ngx_pool_t                     *pool;
    ngx_http_k8s_metrics_auth_t    *auth;
    ngx_http_k8s_metrics_review_t  *review;

    auth = a->auth;
    review = a->review;
    pool = a->pool;

    ngx_free(a);

    ngx_http_k8s_metrics_review_done(auth, review, decision, reason);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}
