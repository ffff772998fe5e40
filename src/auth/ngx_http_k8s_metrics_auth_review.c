
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_REVIEW_MEMBERS   100     /* of an object */
#define NGX_HTTP_K8S_METRICS_REVIEW_DEADLINE  10000
#define NGX_HTTP_K8S_METRICS_REVIEW_PAUSE     250     /* then doubled */
#define NGX_HTTP_K8S_METRICS_REVIEW_LINES     1       /* a minute */
#define NGX_HTTP_K8S_METRICS_REVIEW_SIZE      1024
#define NGX_HTTP_K8S_METRICS_REASON_MAX       1024
#define NGX_HTTP_K8S_METRICS_REVIEW_MORE      (64 * 1024)


/* One review under way; heap memory, freed at its end. */
typedef struct {
    void                              *data;
    void                              *dummy[2];
    ngx_socket_t                       fd;      /* where the debug log of a
                                                   timer reads it */
    ngx_http_k8s_metrics_reviews_t    *reviews;
    ngx_http_k8s_metrics_review_t     *review;
    ngx_log_t                         *log;
    ngx_str_t                          body;    /* behind this; wiped */
    ngx_event_t                        timer;
    ngx_msec_t                         deadline;
    ngx_msec_t                         pause;
    ngx_pool_t                        *pool;
    ngx_http_k8s_metrics_out_t         answer;
} ngx_http_k8s_metrics_asking_t;


static ngx_uint_t ngx_http_k8s_metrics_review_once(const cJSON *object);
static ngx_uint_t ngx_http_k8s_metrics_review_says(const cJSON *doc,
    const char *name, const ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_review_try(
    ngx_http_k8s_metrics_asking_t *a);
static void ngx_http_k8s_metrics_review_again(ngx_event_t *ev);
static ngx_int_t ngx_http_k8s_metrics_review_header(void *data,
    ngx_http_k8s_metrics_response_t *res);
static ngx_int_t ngx_http_k8s_metrics_review_body(void *data, u_char *p,
    size_t len);
static void ngx_http_k8s_metrics_review_answered(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);
static void ngx_http_k8s_metrics_review_read(ngx_http_k8s_metrics_asking_t *a,
    ngx_http_k8s_metrics_ruling_t *ruling);
static void ngx_http_k8s_metrics_review_log(ngx_http_k8s_metrics_asking_t *a,
    ngx_int_t rc, ngx_http_k8s_metrics_response_t *res);
static ngx_uint_t ngx_http_k8s_metrics_review_may_log(
    ngx_http_k8s_metrics_asking_t *a);
static void ngx_http_k8s_metrics_review_finish(
    ngx_http_k8s_metrics_asking_t *a,
    const ngx_http_k8s_metrics_ruling_t *ruling);
static void ngx_http_k8s_metrics_review_free(ngx_http_k8s_metrics_asking_t *a);


static const ngx_http_k8s_metrics_fetch_handlers_t
    ngx_http_k8s_metrics_review_handlers =
{
    ngx_http_k8s_metrics_review_header,
    ngx_http_k8s_metrics_review_body,
    ngx_http_k8s_metrics_review_answered
};


ngx_int_t
ngx_http_k8s_metrics_review_start(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review, const ngx_str_t *body)
{
    ngx_log_t                      *log;
    ngx_http_k8s_metrics_asking_t  *a;

    log = reviews->auth->log;

    a = ngx_alloc(sizeof(ngx_http_k8s_metrics_asking_t) + body->len, log);
    if (a == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(a, sizeof(ngx_http_k8s_metrics_asking_t));

    a->fd = (ngx_socket_t) -1;
    a->reviews = reviews;
    a->review = review;
    a->log = log;

    a->body.data = (u_char *) &a[1];
    a->body.len = body->len;
    ngx_memcpy(a->body.data, body->data, body->len);

    a->deadline = ngx_current_msec + NGX_HTTP_K8S_METRICS_REVIEW_DEADLINE;
    a->pause = NGX_HTTP_K8S_METRICS_REVIEW_PAUSE;

    /* not cancelable: a client waits for it, the worker may not leave before */

    a->timer.data = a;
    a->timer.log = log;
    a->timer.handler = ngx_http_k8s_metrics_review_again;

    if (ngx_http_k8s_metrics_review_try(a) != NGX_OK) {
        ngx_http_k8s_metrics_review_free(a);
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

    max = 6 * a->body.len + NGX_HTTP_K8S_METRICS_REVIEW_MORE;

    a->pool = ngx_create_pool(1024, a->log);
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
    fc.uri = a->reviews->kind->uri;
    ngx_str_set(&fc.headers, "Content-Type: application/json\r\n"
                             "Accept: application/json\r\n");

    fc.body = a->body;
    fc.deadline = a->deadline - ngx_current_msec;
    fc.connect_timeout = fc.deadline;
    fc.read_timeout = fc.deadline;
    fc.max_body = max;
    fc.handlers = &ngx_http_k8s_metrics_review_handlers;
    fc.data = a;

    if (ngx_http_k8s_metrics_kube_fetch(a->reviews->auth->client, &fc, a->log)
        != NULL)
    {
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

    if (ngx_http_k8s_metrics_review_try(a) != NGX_OK) {
        ngx_http_k8s_metrics_review_finish(a, NULL);
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

    ngx_msec_t                     pause;
    ngx_uint_t                     too_large;
    ngx_http_k8s_metrics_ruling_t  ruling;

    if (rc == NGX_OK
        && (res->status == NGX_HTTP_CREATED || res->status == NGX_HTTP_OK))
    {
        ngx_http_k8s_metrics_review_read(a, &ruling);
        ngx_http_k8s_metrics_review_finish(a, &ruling);
        return;
    }

    too_large = (a->answer.overflow
                 || res->failure == NGX_HTTP_K8S_METRICS_FETCH_TOO_LARGE);

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

    ngx_http_k8s_metrics_review_finish(a, NULL);
}


static void
ngx_http_k8s_metrics_review_read(ngx_http_k8s_metrics_asking_t *a,
    ngx_http_k8s_metrics_ruling_t *ruling)
{
    ngx_str_t  json;

    ngx_memzero(ruling, sizeof(ngx_http_k8s_metrics_ruling_t));
    ruling->decision = NGX_HTTP_K8S_METRICS_REVIEW_FAILED;

    json.data = a->answer.start;
    json.len = ngx_http_k8s_metrics_out_len(&a->answer);

    a->reviews->kind->read(a->pool, &a->body, &json, ruling);

    ruling->reason.len = ngx_min(ruling->reason.len,
                                 NGX_HTTP_K8S_METRICS_REASON_MAX);

    if (ruling->decision == NGX_HTTP_K8S_METRICS_REVIEW_FAILED
        && ngx_http_k8s_metrics_review_may_log(a))
    {
        ngx_log_error(NGX_LOG_ERR, a->log, 0,
                      "k8s_metrics: %s failed: the answer is no review",
                      a->reviews->kind->what);
    }
}


ngx_int_t
ngx_http_k8s_metrics_review_begin(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_review_kind_t *kind,
    ngx_http_k8s_metrics_out_t *out, ngx_http_k8s_metrics_json_t *w)
{
    if (ngx_http_k8s_metrics_out_create(out, pool,
                                        NGX_HTTP_K8S_METRICS_REVIEW_SIZE,
                                        kind->max)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_json_init(w, out, 0);

    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_member(w, "apiVersion", &kind->version);
    ngx_http_k8s_metrics_json_member(w, "kind", &kind->kind);
    ngx_http_k8s_metrics_json_key(w, "spec");
    ngx_http_k8s_metrics_json_object(w);

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_review_end(ngx_http_k8s_metrics_json_t *w,
    ngx_str_t *json)
{
    ngx_http_k8s_metrics_json_object_end(w);
    ngx_http_k8s_metrics_json_object_end(w);

    if (w->out->overflow) {
        return NGX_ERROR;
    }

    json->data = w->out->start;
    json->len = ngx_http_k8s_metrics_out_len(w->out);

    return NGX_OK;
}


struct cJSON *
ngx_http_k8s_metrics_review_document(const ngx_str_t *json,
    const ngx_http_k8s_metrics_review_kind_t *kind, struct cJSON **status)
{
    cJSON       *doc;
    const char  *end, *last;

    doc = cJSON_ParseWithLengthOpts((char *) json->data, json->len, &end, 0);

    if (doc == NULL) {
        return NULL;
    }

    last = (char *) json->data + json->len;

    while (end < last && (*end == ' ' || *end == '\n' || *end == '\r'
                          || *end == '\t'))
    {
        end++;
    }

    *status = cJSON_GetObjectItemCaseSensitive(doc, "status");

    if (end == last
        && ngx_http_k8s_metrics_review_says(doc, "apiVersion", &kind->version)
        && ngx_http_k8s_metrics_review_says(doc, "kind", &kind->kind)
        && ngx_http_k8s_metrics_review_once(doc)
        && ngx_http_k8s_metrics_review_once(*status))
    {
        return doc;
    }

    cJSON_Delete(doc);

    return NULL;
}


static ngx_uint_t
ngx_http_k8s_metrics_review_says(const cJSON *doc, const char *name,
    const ngx_str_t *value)
{
    cJSON  *text;

    text = cJSON_GetObjectItemCaseSensitive(doc, name);

    return cJSON_IsString(text)
           && ngx_strcmp(text->valuestring, value->data) == 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_review_once(const cJSON *object)
{
    const cJSON  *a, *b;

    if (!cJSON_IsObject(object)
        || cJSON_GetArraySize(object) > NGX_HTTP_K8S_METRICS_REVIEW_MEMBERS)
    {
        return 0;
    }

    for (a = object->child; a; a = a->next) {
        for (b = a->next; b; b = b->next) {
            if (ngx_strcmp(a->string, b->string) == 0) {
                return 0;
            }
        }
    }

    return 1;
}


static void
ngx_http_k8s_metrics_review_log(ngx_http_k8s_metrics_asking_t *a, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res)
{
    const char  *what, *colon, *error;

    if (!ngx_http_k8s_metrics_review_may_log(a)) {
        return;
    }

    what = a->reviews->kind->what;

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, a->log, 0,
                      "k8s_metrics: %s failed: %s", what, res->error);
        return;
    }

    colon = ": ";

    switch (res->status) {

    case NGX_HTTP_UNAUTHORIZED:
        error = "our credentials are refused";
        break;

    case NGX_HTTP_FORBIDDEN:
        error = a->reviews->kind->hint;
        break;

    default:
        colon = "";
        error = "";
    }

    ngx_log_error(NGX_LOG_ERR, a->log, 0,
                  "k8s_metrics: %s failed: status %ui%s%s", what, res->status,
                  colon, error);
}


static ngx_uint_t
ngx_http_k8s_metrics_review_may_log(ngx_http_k8s_metrics_asking_t *a)
{
    return ngx_http_k8s_metrics_auth_may_log(a->reviews->auth,
                                             &a->reviews->log_failed,
                                             NGX_HTTP_K8S_METRICS_REVIEW_LINES,
                                             "failed reviews");
}


/* Without a ruling it has failed. */

static void
ngx_http_k8s_metrics_review_finish(ngx_http_k8s_metrics_asking_t *a,
    const ngx_http_k8s_metrics_ruling_t *ruling)
{
    ngx_pool_t                      *pool;
    ngx_http_k8s_metrics_ruling_t    failed;
    ngx_http_k8s_metrics_review_t   *review;
    ngx_http_k8s_metrics_reviews_t  *reviews;

    reviews = a->reviews;
    review = a->review;
    pool = a->pool;

    ngx_http_k8s_metrics_review_free(a);

    if (ruling == NULL) {
        ngx_memzero(&failed, sizeof(ngx_http_k8s_metrics_ruling_t));
        failed.decision = NGX_HTTP_K8S_METRICS_REVIEW_FAILED;
        ruling = &failed;
    }

    ngx_http_k8s_metrics_review_done(reviews, review, ruling);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static void
ngx_http_k8s_metrics_review_free(ngx_http_k8s_metrics_asking_t *a)
{
    /* a token may be in it */

    ngx_explicit_memzero(a->body.data, a->body.len);
    ngx_free(a);
}
