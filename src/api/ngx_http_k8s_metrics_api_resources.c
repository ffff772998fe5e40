
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


#define NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE  406
#define NGX_HTTP_K8S_METRICS_INVALID         422


static ngx_int_t ngx_http_k8s_metrics_resource_form(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_form_t **form, ngx_uint_t *pretty);
static ngx_int_t ngx_http_k8s_metrics_resource_get(ngx_http_request_t *r,
    ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_form_t *form, ngx_uint_t pretty);
static ngx_int_t ngx_http_k8s_metrics_resource_none(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_query_t *query, ngx_uint_t known);
static ngx_int_t ngx_http_k8s_metrics_resource_options(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_resource_limit(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_resource_match(ngx_http_request_t *r);
static ngx_int_t ngx_http_k8s_metrics_resource_no_watch(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs);


ngx_int_t
ngx_http_k8s_metrics_api_resource(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t                           rc;
    ngx_uint_t                          pretty;
    ngx_http_k8s_metrics_list_t        *list;
    ngx_http_k8s_metrics_query_t        query;
    const ngx_http_k8s_metrics_form_t  *form;

    ngx_memzero(&query, sizeof(ngx_http_k8s_metrics_query_t));

    if (attrs->resource.len == 5
        && ngx_memcmp(attrs->resource.data, "nodes", 5) == 0)
    {
        if (attrs->ns.len) {
            return NGX_DECLINED;
        }

        query.kind = NGX_HTTP_K8S_METRICS_NODES;

    } else if (attrs->resource.len == 4
               && ngx_memcmp(attrs->resource.data, "pods", 4) == 0)
    {
        /* a pod is in a namespace; nparts counts what stands in the path */

        if (attrs->nparts > 1 && attrs->ns.len == 0) {
            return NGX_DECLINED;
        }

        query.kind = NGX_HTTP_K8S_METRICS_PODS;

    } else {
        return NGX_DECLINED;
    }

    if (attrs->watch && attrs->nparts == 1) {
        return ngx_http_k8s_metrics_resource_no_watch(r, attrs);
    }

    rc = ngx_http_k8s_metrics_resource_form(r, &form, &pretty);

    if (rc == NGX_DECLINED) {
        return ngx_http_k8s_metrics_answer_error(r,
                     NGX_HTTP_K8S_METRICS_NOT_ACCEPTABLE,
                     "only the following media types are accepted: "
                     "application/json, application/vnd.kubernetes.protobuf");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_http_k8s_metrics_store_complete(conf->store)) {
        return ngx_http_k8s_metrics_answer_error(r,
                                   NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "the nodes and pods of the cluster have "
                                   "not been listed yet");
    }

    query.ns = attrs->ns;
    query.now = ngx_current_msec;
    query.max_age = conf->sample_max_age;

    if (attrs->nparts > 1) {
        query.name = attrs->name;
        return ngx_http_k8s_metrics_resource_get(r, &query, conf->store, form,
                                                 pretty);
    }

    rc = ngx_http_k8s_metrics_resource_options(r, attrs);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    list = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_metrics_list_t));
    if (list == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    list->request = r;
    list->store = conf->store;
    list->form = form;
    list->pretty = pretty;
    list->query = query;
    list->labels = &attrs->labels;
    list->fields = &attrs->fields;

    return ngx_http_k8s_metrics_list_send(r, list);
}


/* NGX_OK, NGX_DECLINED (406), NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_resource_form(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_form_t **form, ngx_uint_t *pretty)
{
    ngx_int_t                                  rc;
    ngx_uint_t                                 i;
    ngx_http_k8s_metrics_offer_t               offer;
    ngx_http_k8s_metrics_accepted_t            accepted;

    static const ngx_http_k8s_metrics_form_t  *forms[] = {
        &ngx_http_k8s_metrics_form_json,
        &ngx_http_k8s_metrics_form_pb,
        NULL
    };

    offer.media = 0;
    offer.as = 0;

    for (i = 0; forms[i]; i++) {
        offer.media |= 1 << forms[i]->media;
    }

    rc = ngx_http_k8s_metrics_answer_negotiate(r, &offer, &accepted);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; forms[i]; i++) {
        if (forms[i]->media == accepted.media) {
            *form = forms[i];
        }
    }

    *pretty = accepted.pretty;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_resource_get(ngx_http_request_t *r,
    ngx_http_k8s_metrics_query_t *query, ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_form_t *form, ngx_uint_t pretty)
{
    size_t                         size;
    ngx_int_t                      rc;
    ngx_str_t                      body;
    ngx_http_k8s_metrics_out_t     out;
    ngx_http_k8s_metrics_item_t    item;
    ngx_http_k8s_metrics_batch_t   batch;

    /* most pods fit the first try */

    batch.items = &item;
    batch.max = 1;

    for (size = 4096; ; size *= 16) {

        batch.size = size;
        batch.mem = ngx_palloc(r->pool, size);

        if (batch.mem == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_k8s_metrics_store_get(store, query, &batch);

        if (rc != NGX_BUSY || size > NGX_HTTP_K8S_METRICS_PIECE_MAX) {
            break;
        }
    }

    if (rc != NGX_OK) {
        return ngx_http_k8s_metrics_resource_none(r, query,
                                                  rc != NGX_ABORT);
    }

    if (ngx_http_k8s_metrics_out_create(&out, r->pool, 1024,
                                        NGX_HTTP_K8S_METRICS_PIECE_MAX)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    form->object(&out, query->kind, &item, pretty);

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out.start;
    body.len = ngx_http_k8s_metrics_out_len(&out);

    ngx_http_k8s_metrics_answer_content_type(r, form->media);

    return ngx_http_k8s_metrics_answer_send(r, NGX_HTTP_OK, &body);
}


/* Unknown to the cluster, or known and without metrics: two kinds of 404. */

static ngx_int_t
ngx_http_k8s_metrics_resource_none(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_query_t *query, ngx_uint_t known)
{
    u_char                         *p;
    ngx_http_k8s_metrics_status_t   status;

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = NGX_HTTP_NOT_FOUND;
    status.reason = ngx_http_k8s_metrics_status_reason(NGX_HTTP_NOT_FOUND);
    status.details = 1;
    status.name = query->name;

    p = ngx_pnalloc(r->pool, query->ns.len + query->name.len + 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!known) {
        if (query->kind == NGX_HTTP_K8S_METRICS_NODES) {
            ngx_str_set(&status.kind, "node");

        } else {
            ngx_str_set(&status.kind, "pods");
        }

        status.message.data = p;
        status.message.len = ngx_sprintf(p, "%V \"%V\" not found",
                                         &status.kind, &status.name)
                             - p;

        return ngx_http_k8s_metrics_answer_status(r, &status);
    }

    ngx_str_set(&status.group, NGX_HTTP_K8S_METRICS_GROUP);

    if (query->kind == NGX_HTTP_K8S_METRICS_NODES) {
        ngx_str_set(&status.kind, "nodemetrics");

    } else {
        ngx_str_set(&status.kind, "podmetrics");

        status.name.data = p;
        p = ngx_sprintf(p, "%V/%V", &query->ns, &query->name);
        status.name.len = p - status.name.data;

        p = ngx_pnalloc(r->pool, status.name.len + 256);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    status.message.data = p;
    status.message.len = ngx_sprintf(p, "%V.%V \"%V\" not found",
                                     &status.kind, &status.group,
                                     &status.name)
                         - p;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}


/* NGX_DECLINED when the list's options are fine, else what was answered. */

static ngx_int_t
ngx_http_k8s_metrics_resource_options(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t                                  rc;
    ngx_str_t                                 *key;
    ngx_uint_t                                 i;

    static ngx_str_t                           name =
        ngx_string("metadata.name");
    static ngx_str_t                           ns =
        ngx_string("metadata.namespace");

    rc = ngx_http_k8s_metrics_resource_limit(r);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_http_k8s_metrics_resource_match(r);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (attrs->label_error.len) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                                                 "%V", &attrs->label_error);
    }

    if (attrs->field_error.len) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                                                 "%V", &attrs->field_error);
    }

    for (i = 0; i < attrs->fields.nelts; i++) {
        key = &attrs->fields.elts[i].key;

        if ((key->len == name.len
             && ngx_memcmp(key->data, name.data, name.len) == 0)
            || (key->len == ns.len
                && ngx_memcmp(key->data, ns.data, ns.len) == 0))
        {
            continue;
        }

        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                    "\"%V\" is not a known field selector: only "
                    "\"metadata.name\", \"metadata.namespace\"", key);
    }

    return NGX_DECLINED;
}


/* Only that it is a number: the whole list is always given. */

static ngx_int_t
ngx_http_k8s_metrics_resource_limit(ngx_http_request_t *r)
{
    u_char      *p, *last;
    ngx_int_t    rc;
    ngx_str_t    limit;
    ngx_uint_t   digits;

    rc = ngx_http_k8s_metrics_query(r->pool, &r->args, "limit", 0, &limit);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED || limit.len == 0) {
        return NGX_DECLINED;
    }

    p = limit.data;
    last = p + limit.len;
    digits = 0;

    if (*p == '-' || *p == '+') {
        p++;
    }

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        digits++;
    }

    if (digits == 0 || p != last) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                        "strconv.ParseInt: parsing \"%V\": invalid syntax",
                        &limit);
    }

    if (digits > 18) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                        "strconv.ParseInt: parsing \"%V\": value out of range",
                        &limit);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_resource_match(ngx_http_request_t *r)
{
    ngx_int_t                      match, version;
    ngx_str_t                      value;
    ngx_http_k8s_metrics_cause_t   cause;
    ngx_http_k8s_metrics_status_t  status;

    match = ngx_http_k8s_metrics_query(r->pool, &r->args,
                                       "resourceVersionMatch", 0, &value);
    if (match == NGX_OK && value.len == 0) {
        match = NGX_DECLINED;
    }

    version = ngx_http_k8s_metrics_query(r->pool, &r->args, "resourceVersion",
                                         0, &value);

    if (match == NGX_ERROR || version == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (match == NGX_DECLINED || (version == NGX_OK && value.len)) {
        return NGX_DECLINED;
    }

    ngx_memzero(&cause, sizeof(ngx_http_k8s_metrics_cause_t));
    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    ngx_str_set(&cause.reason, "FieldValueForbidden");
    ngx_str_set(&cause.message, "Forbidden: resourceVersionMatch is forbidden "
                                "unless resourceVersion is provided");
    ngx_str_set(&cause.field, "resourceVersionMatch");

    status.code = NGX_HTTP_K8S_METRICS_INVALID;
    status.reason = ngx_http_k8s_metrics_status_reason(status.code);
    ngx_str_set(&status.message, "ListOptions.meta.k8s.io \"\" is invalid: "
                                 "resourceVersionMatch: Forbidden: "
                                 "resourceVersionMatch is forbidden unless "
                                 "resourceVersion is provided");
    status.details = 1;
    ngx_str_set(&status.group, "meta.k8s.io");
    ngx_str_set(&status.kind, "ListOptions");
    status.ncauses = 1;
    status.causes = &cause;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}


static ngx_int_t
ngx_http_k8s_metrics_resource_no_watch(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    u_char                         *p;
    ngx_http_k8s_metrics_status_t   status;

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = NGX_HTTP_NOT_ALLOWED;
    status.reason = ngx_http_k8s_metrics_status_reason(status.code);
    status.details = 1;
    status.group = attrs->group;
    status.kind = attrs->resource;
    status.message.data = p;
    status.message.len = ngx_sprintf(p, "watch is not supported on resources "
                                     "of kind \"%V.%V\"", &attrs->resource,
                                     &attrs->group)
                         - p;

    return ngx_http_k8s_metrics_answer_status(r, &status);
}
