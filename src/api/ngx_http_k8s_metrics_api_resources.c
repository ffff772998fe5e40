
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/* where the memory for one object begins: most fit */
#define NGX_HTTP_K8S_METRICS_GET_MEM   4096


typedef struct {
    ngx_str_t      name;
    ngx_uint_t     kind;
    ngx_uint_t     namespaced;
    ngx_str_t      unknown;     /* of what the cluster does not have */
    ngx_str_t      metrics;     /* of what has no metrics */
} ngx_http_k8s_metrics_resource_t;


static ngx_int_t ngx_http_k8s_metrics_resource_form(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_resource_list(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_resource_t *resource,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_resource_get(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_resource_t *resource);
static ngx_int_t ngx_http_k8s_metrics_resource_none(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_resource_t *resource,
    const ngx_http_k8s_metrics_query_t *query, ngx_uint_t known);
static ngx_int_t ngx_http_k8s_metrics_resource_no_watch(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_attrs_t *attrs);


static const ngx_http_k8s_metrics_resource_t
    ngx_http_k8s_metrics_resource_table[] =
{
    { ngx_string("nodes"), NGX_HTTP_K8S_METRICS_NODES, 0,
      ngx_string("node"), ngx_string("nodemetrics") },

    { ngx_string("pods"), NGX_HTTP_K8S_METRICS_PODS, 1,
      ngx_string("pods"), ngx_string("podmetrics") },

    { ngx_null_string, 0, 0, ngx_null_string, ngx_null_string }
};


/* A new form is one more row here. */

static const ngx_http_k8s_metrics_form_t *const
    ngx_http_k8s_metrics_forms[] =
{
    &ngx_http_k8s_metrics_form_json,
    &ngx_http_k8s_metrics_form_pb,
    NULL
};


/* NGX_DECLINED: no such resource; NGX_ABORT: not with this method. */

ngx_int_t
ngx_http_k8s_metrics_api_resource(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t                               rc;
    ngx_http_k8s_metrics_list_t            *list;
    const ngx_http_k8s_metrics_resource_t  *resource;

    for (resource = ngx_http_k8s_metrics_resource_table;
         resource->name.len;
         resource++)
    {
        if (resource->name.len == attrs->resource.len
            && ngx_memcmp(resource->name.data, attrs->resource.data,
                          resource->name.len)
               == 0)
        {
            break;
        }
    }

    /* an object in a namespace needs it, one that is in none has none */

    if (resource->name.len == 0 || attrs->nparts > 2
        || (attrs->ns.len && !resource->namespaced)
        || (attrs->ns.len == 0 && resource->namespaced && attrs->nparts == 2)
        || (attrs->verb.len == 5
            && (ngx_memcmp(attrs->verb.data, "proxy", 5) == 0
                || (ngx_memcmp(attrs->verb.data, "watch", 5) == 0
                    && !attrs->watch))))
    {
        return NGX_DECLINED;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_ABORT;
    }

    list = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_metrics_list_t));
    if (list == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_k8s_metrics_resource_form(r, list);

    if (rc == NGX_DECLINED) {
        return ngx_http_k8s_metrics_api_not_acceptable(r);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (attrs->nparts == 1) {
        rc = ngx_http_k8s_metrics_api_options(r, attrs);
        if (rc != NGX_DECLINED) {
            return rc;
        }

        if (attrs->watch) {
            return ngx_http_k8s_metrics_resource_no_watch(r, attrs);
        }
    }

    if (!ngx_http_k8s_metrics_store_complete(conf->store)) {
        return ngx_http_k8s_metrics_answer_error(r,
                                   NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "the nodes and pods of the cluster have "
                                   "not been listed yet");
    }

    list->store = conf->store;
    list->query.kind = resource->kind;
    list->query.ns = attrs->ns;
    list->query.now = ngx_current_msec;
    list->query.max_age = conf->sample_max_age;

    if (attrs->nparts == 1) {
        return ngx_http_k8s_metrics_resource_list(r, list, resource, attrs);
    }

    list->query.name = attrs->name;

    return ngx_http_k8s_metrics_resource_get(r, list, resource);
}


/* NGX_OK, NGX_DECLINED (406), NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_resource_form(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    ngx_http_k8s_metrics_offer_t      offer;
    ngx_http_k8s_metrics_accepted_t   accepted;

    offer.media = 0;
    offer.as = 0;

    for (i = 0; ngx_http_k8s_metrics_forms[i]; i++) {
        offer.media |= 1 << ngx_http_k8s_metrics_forms[i]->media;
    }

    rc = ngx_http_k8s_metrics_answer_negotiate(r, &offer, &accepted);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; ngx_http_k8s_metrics_forms[i]; i++) {
        if (ngx_http_k8s_metrics_forms[i]->media == accepted.media) {
            list->form = ngx_http_k8s_metrics_forms[i];
        }
    }

    list->pretty = accepted.pretty;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_resource_list(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_resource_t *resource,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_str_t  *name, *ns;

    list->labels = &attrs->labels;
    list->fields = &attrs->fields;

    /* selectors that spare the walk; they are applied all the same */

    ns = ngx_http_k8s_metrics_selector_exact(&attrs->fields,
                                             "metadata.namespace");

    if (resource->namespaced && ns && list->query.ns.len == 0) {
        list->query.ns = *ns;
    }

    name = ngx_http_k8s_metrics_selector_exact(&attrs->fields,
                                               "metadata.name");

    if (name && (list->query.ns.len || !resource->namespaced)) {
        list->query.name = *name;
    }

    return ngx_http_k8s_metrics_list_send(r, list);
}


static ngx_int_t
ngx_http_k8s_metrics_resource_get(ngx_http_request_t *r,
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_resource_t *resource)
{
    size_t                        size;
    ngx_int_t                     rc;
    ngx_str_t                     body;
    ngx_http_k8s_metrics_out_t   *out;
    ngx_http_k8s_metrics_item_t   item;
    ngx_http_k8s_metrics_batch_t  batch;

    batch.items = &item;
    batch.max = 1;

    for (size = NGX_HTTP_K8S_METRICS_GET_MEM; ; size *= 16) {

        batch.size = size;
        batch.mem = ngx_palloc(r->pool, size);

        if (batch.mem == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_k8s_metrics_store_get(list->store, &list->query, &batch);

        if (rc != NGX_BUSY || size > NGX_HTTP_K8S_METRICS_PIECE_MAX) {
            break;
        }

        (void) ngx_pfree(r->pool, batch.mem);
    }

    if (rc != NGX_OK) {
        return ngx_http_k8s_metrics_resource_none(r, resource, &list->query,
                                                  rc != NGX_ABORT);
    }

    out = &list->out;

    if (ngx_http_k8s_metrics_out_create(out, r->pool, 1024,
                                        NGX_HTTP_K8S_METRICS_PIECE_MAX)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    list->now = ngx_time();
    list->form->object(list, &item);

    if (out->overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out->start;
    body.len = ngx_http_k8s_metrics_out_len(out);

    if (item.has_time) {
        ngx_http_k8s_metrics_fresh_add(&list->fresh,
                          ngx_http_k8s_metrics_list_wall() - item.timestamp);
        ngx_http_k8s_metrics_store_freshness(list->store, &list->fresh);
    }

    ngx_http_k8s_metrics_answer_content_type(r, list->form->media);

    return ngx_http_k8s_metrics_answer_send(r, NGX_HTTP_OK, &body);
}


/* Unknown to the cluster, or known and without metrics: two kinds of 404. */

static ngx_int_t
ngx_http_k8s_metrics_resource_none(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_resource_t *resource,
    const ngx_http_k8s_metrics_query_t *query, ngx_uint_t known)
{
    u_char                         *p;
    size_t                          size;
    ngx_http_k8s_metrics_status_t   status;

    ngx_memzero(&status, sizeof(ngx_http_k8s_metrics_status_t));

    status.code = NGX_HTTP_NOT_FOUND;
    status.reason = ngx_http_k8s_metrics_status_reason(NGX_HTTP_NOT_FOUND);
    status.details = 1;
    status.name = query->name;
    status.kind = resource->unknown;

    size = 2 * (query->ns.len + query->name.len) + 128;

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (known) {
        ngx_str_set(&status.group, NGX_HTTP_K8S_METRICS_GROUP);
        status.kind = resource->metrics;

        if (resource->namespaced) {
            status.name.data = p;
            p = ngx_sprintf(p, "%V/%V", &query->ns, &query->name);
            status.name.len = p - status.name.data;
        }
    }

    status.message.data = p;
    p = ngx_sprintf(p, "%V%s%V \"%V\" not found", &status.kind,
                    known ? "." : "", &status.group, &status.name);
    status.message.len = p - status.message.data;

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
