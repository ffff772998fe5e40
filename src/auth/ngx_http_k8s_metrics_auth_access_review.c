
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_QUESTION_MAX   (2 * 1024 * 1024)


static void ngx_http_k8s_metrics_access_resource(
    ngx_http_k8s_metrics_json_t *w, const ngx_http_k8s_metrics_attrs_t *attrs);
static void ngx_http_k8s_metrics_access_selector(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_selector_t *selector);
static void ngx_http_k8s_metrics_access_subject(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_access_bool(const cJSON *status,
    const char *name);
static void ngx_http_k8s_metrics_access_read(ngx_pool_t *pool,
    const ngx_str_t *question, const ngx_str_t *json,
    ngx_http_k8s_metrics_ruling_t *ruling);


const ngx_http_k8s_metrics_review_kind_t
    ngx_http_k8s_metrics_access_review =
{
    "an access review",
    "is our service account bound to the ClusterRole system:auth-delegator?",
    ngx_string("/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ngx_string("authorization.k8s.io/v1"),
    ngx_string("SubjectAccessReview"),
    NGX_HTTP_K8S_METRICS_QUESTION_MAX,
    ngx_http_k8s_metrics_access_read
};


ngx_int_t
ngx_http_k8s_metrics_access_question(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_identity_t *identity,
    const ngx_http_k8s_metrics_attrs_t *attrs, ngx_str_t *json)
{
    ngx_http_k8s_metrics_out_t   out;
    ngx_http_k8s_metrics_json_t  w;

    if (ngx_http_k8s_metrics_review_begin(pool,
                                          &ngx_http_k8s_metrics_access_review,
                                          &out, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (attrs->resource_request) {
        ngx_http_k8s_metrics_access_resource(&w, attrs);

    } else {
        ngx_http_k8s_metrics_json_key(&w, "nonResourceAttributes");
        ngx_http_k8s_metrics_json_object(&w);
        ngx_http_k8s_metrics_json_member(&w, "path", &attrs->path);
        ngx_http_k8s_metrics_json_member(&w, "verb", &attrs->verb);
        ngx_http_k8s_metrics_json_object_end(&w);
    }

    ngx_http_k8s_metrics_access_subject(&w, identity);

    return ngx_http_k8s_metrics_review_end(&w, json);
}


static void
ngx_http_k8s_metrics_access_resource(ngx_http_k8s_metrics_json_t *w,
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
        ngx_http_k8s_metrics_access_selector(w, &attrs->fields);
    }

    if (attrs->labels.nelts) {
        ngx_http_k8s_metrics_json_key(w, "labelSelector");
        ngx_http_k8s_metrics_access_selector(w, &attrs->labels);
    }

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_access_selector(ngx_http_k8s_metrics_json_t *w,
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
ngx_http_k8s_metrics_access_subject(ngx_http_k8s_metrics_json_t *w,
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


static void
ngx_http_k8s_metrics_access_read(ngx_pool_t *pool,
    const ngx_str_t *question, const ngx_str_t *json,
    ngx_http_k8s_metrics_ruling_t *ruling)
{
    cJSON      *doc, *status, *text;
    ngx_int_t   allowed, denied;

    doc = ngx_http_k8s_metrics_review_document(json,
                                           &ngx_http_k8s_metrics_access_review,
                                           &status);
    if (doc == NULL) {
        return;
    }

    allowed = ngx_http_k8s_metrics_access_bool(status, "allowed");
    denied = ngx_http_k8s_metrics_access_bool(status, "denied");

    if (allowed == NGX_ERROR || denied == NGX_ERROR || (allowed && denied)) {
        goto done;
    }

    ruling->decision = allowed ? NGX_HTTP_K8S_METRICS_ALLOWED
                               : NGX_HTTP_K8S_METRICS_DENIED;
    ruling->keep = 1;

    text = cJSON_GetObjectItemCaseSensitive(status, "reason");

    if (cJSON_IsString(text)) {
        ruling->reason.len = ngx_strlen(text->valuestring);
        ruling->reason.data = ngx_pnalloc(pool, ruling->reason.len + 1);

        if (ruling->reason.data == NULL) {
            ruling->reason.len = 0;

        } else {
            ngx_memcpy(ruling->reason.data, text->valuestring,
                       ruling->reason.len);
        }
    }

done:

    cJSON_Delete(doc);
}


/* 1, 0 (not there, too), or NGX_ERROR for what is no boolean. */

static ngx_int_t
ngx_http_k8s_metrics_access_bool(const cJSON *status, const char *name)
{
    cJSON  *value;

    value = cJSON_GetObjectItemCaseSensitive(status, name);

    if (value == NULL || cJSON_IsNull(value)) {
        return 0;
    }

    return cJSON_IsBool(value) ? cJSON_IsTrue(value) : NGX_ERROR;
}
