
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/* Discovery (k8s.io/apimachinery, meta.v1 APIGroupList and below). */

typedef struct {
    ngx_str_t            name;
    ngx_str_t            kind;
    ngx_uint_t           namespaced;
} ngx_http_k8s_metrics_resource_t;


static ngx_int_t ngx_http_k8s_metrics_discovery_begin(ngx_http_request_t *r,
    ngx_http_k8s_metrics_out_t *out,
    ngx_http_k8s_metrics_accepted_t *accepted);
static ngx_int_t ngx_http_k8s_metrics_discovery_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_accepted_t *accepted);
static ngx_int_t ngx_http_k8s_metrics_discovery_failed(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_http_k8s_metrics_discovery_version(
    ngx_http_k8s_metrics_json_t *w);
static void ngx_http_k8s_metrics_discovery_versions(
    ngx_http_k8s_metrics_json_t *w);
static void ngx_http_k8s_metrics_discovery_address(ngx_http_request_t *r,
    ngx_http_k8s_metrics_json_t *w);
static size_t ngx_http_k8s_metrics_discovery_pb(
    ngx_http_k8s_metrics_out_t *out, const char *kind);
static void ngx_http_k8s_metrics_discovery_pb_end(
    ngx_http_k8s_metrics_out_t *out, size_t raw);
static void ngx_http_k8s_metrics_discovery_pb_group(
    ngx_http_k8s_metrics_out_t *out);
static void ngx_http_k8s_metrics_discovery_pb_resources(
    ngx_http_k8s_metrics_out_t *out);


static ngx_http_k8s_metrics_resource_t  ngx_http_k8s_metrics_resources[] = {
    { ngx_string("nodes"), ngx_string("NodeMetrics"), 0 },
    { ngx_string("pods"), ngx_string("PodMetrics"), 1 },
    { ngx_null_string, ngx_null_string, 0 }
};


static ngx_int_t
ngx_http_k8s_metrics_discovery_begin(ngx_http_request_t *r,
    ngx_http_k8s_metrics_out_t *out, ngx_http_k8s_metrics_accepted_t *accepted)
{
    ngx_int_t                      rc;
    ngx_http_k8s_metrics_offer_t   offer;

    offer.media = (1 << NGX_HTTP_K8S_METRICS_JSON)
                  | (1 << NGX_HTTP_K8S_METRICS_PROTOBUF);
    offer.as = 0;

    rc = ngx_http_k8s_metrics_answer_negotiate(r, &offer, accepted);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_k8s_metrics_out_create(out, r->pool, 1024, 65536);
}


static ngx_int_t
ngx_http_k8s_metrics_discovery_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_accepted_t *accepted)
{
    ngx_str_t  body;

    if (accepted->media == NGX_HTTP_K8S_METRICS_JSON && !accepted->pretty) {
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    if (out->overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out->start;
    body.len = ngx_http_k8s_metrics_out_len(out);

    ngx_http_k8s_metrics_answer_content_type(r, accepted->media);

    return ngx_http_k8s_metrics_answer_send(r, NGX_HTTP_OK, &body);
}


/* 406 or 500 for what begin returned. */

static ngx_int_t
ngx_http_k8s_metrics_discovery_failed(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc != NGX_DECLINED) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_metrics_api_not_acceptable(r);
}


ngx_int_t
ngx_http_k8s_metrics_api_groups(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_out_t        out;
    ngx_http_k8s_metrics_json_t       w;
    ngx_http_k8s_metrics_accepted_t   accepted;

    rc = ngx_http_k8s_metrics_discovery_begin(r, &out, &accepted);
    if (rc != NGX_OK) {
        return ngx_http_k8s_metrics_discovery_failed(r, rc);
    }

    /* this document is JSON only, as metrics-server's */

    accepted.media = NGX_HTTP_K8S_METRICS_JSON;

    ngx_http_k8s_metrics_json_init(&w, &out, accepted.pretty);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "APIGroupList");
    ngx_http_k8s_metrics_json_key(&w, "groups");
    ngx_http_k8s_metrics_json_array(&w);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "name");
    ngx_http_k8s_metrics_json_lit(&w, NGX_HTTP_K8S_METRICS_GROUP);
    ngx_http_k8s_metrics_discovery_versions(&w);
    ngx_http_k8s_metrics_discovery_address(r, &w);
    ngx_http_k8s_metrics_json_object_end(&w);
    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    return ngx_http_k8s_metrics_discovery_send(r, &out, &accepted);
}


ngx_int_t
ngx_http_k8s_metrics_api_group(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_out_t        out;
    ngx_http_k8s_metrics_json_t       w;
    ngx_http_k8s_metrics_accepted_t   accepted;

    rc = ngx_http_k8s_metrics_discovery_begin(r, &out, &accepted);
    if (rc != NGX_OK) {
        return ngx_http_k8s_metrics_discovery_failed(r, rc);
    }

    if (accepted.media == NGX_HTTP_K8S_METRICS_PROTOBUF) {
        ngx_http_k8s_metrics_discovery_pb_group(&out);
        return ngx_http_k8s_metrics_discovery_send(r, &out, &accepted);
    }

    ngx_http_k8s_metrics_json_init(&w, &out, accepted.pretty);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "APIGroup");
    ngx_http_k8s_metrics_json_key(&w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(&w, "v1");
    ngx_http_k8s_metrics_json_key(&w, "name");
    ngx_http_k8s_metrics_json_lit(&w, NGX_HTTP_K8S_METRICS_GROUP);
    ngx_http_k8s_metrics_discovery_versions(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    return ngx_http_k8s_metrics_discovery_send(r, &out, &accepted);
}


ngx_int_t
ngx_http_k8s_metrics_api_resources(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    ngx_http_k8s_metrics_out_t        out;
    ngx_http_k8s_metrics_json_t       w;
    ngx_http_k8s_metrics_accepted_t   accepted;

    rc = ngx_http_k8s_metrics_discovery_begin(r, &out, &accepted);
    if (rc != NGX_OK) {
        return ngx_http_k8s_metrics_discovery_failed(r, rc);
    }

    if (accepted.media == NGX_HTTP_K8S_METRICS_PROTOBUF) {
        ngx_http_k8s_metrics_discovery_pb_resources(&out);
        return ngx_http_k8s_metrics_discovery_send(r, &out, &accepted);
    }

    ngx_http_k8s_metrics_json_init(&w, &out, accepted.pretty);
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "APIResourceList");
    ngx_http_k8s_metrics_json_key(&w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(&w, "v1");
    ngx_http_k8s_metrics_json_key(&w, "groupVersion");
    ngx_http_k8s_metrics_json_lit(&w, NGX_HTTP_K8S_METRICS_GROUP_VERSION);
    ngx_http_k8s_metrics_json_key(&w, "resources");
    ngx_http_k8s_metrics_json_array(&w);

    for (i = 0; ngx_http_k8s_metrics_resources[i].name.len; i++) {
        ngx_http_k8s_metrics_json_object(&w);
        ngx_http_k8s_metrics_json_member(&w, "name",
                                     &ngx_http_k8s_metrics_resources[i].name);
        ngx_http_k8s_metrics_json_key(&w, "singularName");
        ngx_http_k8s_metrics_json_lit(&w, "");
        ngx_http_k8s_metrics_json_key(&w, "namespaced");
        ngx_http_k8s_metrics_json_bool(&w,
                                ngx_http_k8s_metrics_resources[i].namespaced);
        ngx_http_k8s_metrics_json_member(&w, "kind",
                                     &ngx_http_k8s_metrics_resources[i].kind);
        ngx_http_k8s_metrics_json_key(&w, "verbs");
        ngx_http_k8s_metrics_json_array(&w);
        ngx_http_k8s_metrics_json_lit(&w, "get");
        ngx_http_k8s_metrics_json_lit(&w, "list");
        ngx_http_k8s_metrics_json_array_end(&w);
        ngx_http_k8s_metrics_json_object_end(&w);
    }

    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    return ngx_http_k8s_metrics_discovery_send(r, &out, &accepted);
}


static void
ngx_http_k8s_metrics_discovery_version(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_key(w, "groupVersion");
    ngx_http_k8s_metrics_json_lit(w, NGX_HTTP_K8S_METRICS_GROUP_VERSION);
    ngx_http_k8s_metrics_json_key(w, "version");
    ngx_http_k8s_metrics_json_lit(w, NGX_HTTP_K8S_METRICS_VERSION);
    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_discovery_versions(ngx_http_k8s_metrics_json_t *w)
{
    ngx_http_k8s_metrics_json_key(w, "versions");
    ngx_http_k8s_metrics_json_array(w);
    ngx_http_k8s_metrics_discovery_version(w);
    ngx_http_k8s_metrics_json_array_end(w);
    ngx_http_k8s_metrics_json_key(w, "preferredVersion");
    ngx_http_k8s_metrics_discovery_version(w);
}


static void
ngx_http_k8s_metrics_discovery_address(ngx_http_request_t *r,
    ngx_http_k8s_metrics_json_t *w)
{
    u_char     buf[sizeof(":65535")];
    ngx_str_t  s;

    s.data = buf;
    s.len = 0;

    if (ngx_connection_local_sockaddr(r->connection, NULL, 0) == NGX_OK) {
        s.len = ngx_sprintf(buf, ":%d",
                      (int) ngx_inet_get_port(r->connection->local_sockaddr))
                - buf;
    }

    ngx_http_k8s_metrics_json_key(w, "serverAddressByClientCIDRs");
    ngx_http_k8s_metrics_json_array(w);
    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_key(w, "clientCIDR");
    ngx_http_k8s_metrics_json_lit(w, "0.0.0.0/0");
    ngx_http_k8s_metrics_json_member(w, "serverAddress", &s);
    ngx_http_k8s_metrics_json_object_end(w);
    ngx_http_k8s_metrics_json_array_end(w);
}


static size_t
ngx_http_k8s_metrics_discovery_pb(ngx_http_k8s_metrics_out_t *out,
    const char *kind)
{
    size_t  type;

    ngx_http_k8s_metrics_out_lit(out, "k8s\0");

    type = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "v1");
    ngx_http_k8s_metrics_pb_put_bytes(out, 2, kind, ngx_strlen(kind));
    ngx_http_k8s_metrics_pb_put_end(out, type);

    return ngx_http_k8s_metrics_pb_put_begin(out, 2);
}


static void
ngx_http_k8s_metrics_discovery_pb_end(ngx_http_k8s_metrics_out_t *out,
    size_t raw)
{
    ngx_http_k8s_metrics_pb_put_end(out, raw);
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
}


static void
ngx_http_k8s_metrics_discovery_pb_group(ngx_http_k8s_metrics_out_t *out)
{
    size_t      raw, version;
    ngx_uint_t  i;

    raw = ngx_http_k8s_metrics_discovery_pb(out, "APIGroup");

    ngx_http_k8s_metrics_pb_put_lit(out, 1, NGX_HTTP_K8S_METRICS_GROUP);

    /* versions = 2, and the preferred one = 3 */

    for (i = 2; i <= 3; i++) {
        version = ngx_http_k8s_metrics_pb_put_begin(out, i);
        ngx_http_k8s_metrics_pb_put_lit(out, 1,
                                        NGX_HTTP_K8S_METRICS_GROUP_VERSION);
        ngx_http_k8s_metrics_pb_put_lit(out, 2, NGX_HTTP_K8S_METRICS_VERSION);
        ngx_http_k8s_metrics_pb_put_end(out, version);
    }

    ngx_http_k8s_metrics_discovery_pb_end(out, raw);
}


/* APIResource: name 1, namespaced 2, kind 3, verbs 4 {items 1}. */

static void
ngx_http_k8s_metrics_discovery_pb_resources(ngx_http_k8s_metrics_out_t *out)
{
    size_t      raw, resource, verbs;
    ngx_uint_t  i;

    raw = ngx_http_k8s_metrics_discovery_pb(out, "APIResourceList");

    ngx_http_k8s_metrics_pb_put_lit(out, 1,
                                    NGX_HTTP_K8S_METRICS_GROUP_VERSION);

    for (i = 0; ngx_http_k8s_metrics_resources[i].name.len; i++) {
        resource = ngx_http_k8s_metrics_pb_put_begin(out, 2);

        ngx_http_k8s_metrics_pb_put_str(out, 1,
                                    &ngx_http_k8s_metrics_resources[i].name);
        ngx_http_k8s_metrics_pb_put_varint(out, 2,
                               ngx_http_k8s_metrics_resources[i].namespaced);
        ngx_http_k8s_metrics_pb_put_str(out, 3,
                                    &ngx_http_k8s_metrics_resources[i].kind);

        verbs = ngx_http_k8s_metrics_pb_put_begin(out, 4);
        ngx_http_k8s_metrics_pb_put_lit(out, 1, "get");
        ngx_http_k8s_metrics_pb_put_lit(out, 1, "list");
        ngx_http_k8s_metrics_pb_put_end(out, verbs);

        /* singularName, group, version, storageVersionHash */

        ngx_http_k8s_metrics_pb_put_lit(out, 6, "");
        ngx_http_k8s_metrics_pb_put_lit(out, 8, "");
        ngx_http_k8s_metrics_pb_put_lit(out, 9, "");
        ngx_http_k8s_metrics_pb_put_lit(out, 10, "");

        ngx_http_k8s_metrics_pb_put_end(out, resource);
    }

    ngx_http_k8s_metrics_discovery_pb_end(out, raw);
}
