
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


/* field numbers of NodeStatus: k8s.io/api core/v1/generated.proto */

#define NGX_HTTP_K8S_METRICS_NODE_CONDITIONS  4
#define NGX_HTTP_K8S_METRICS_NODE_ADDRS       5
#define NGX_HTTP_K8S_METRICS_NODE_ENDPOINTS   6


static ngx_int_t ngx_http_k8s_metrics_kube_put_node(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status);
static ngx_int_t ngx_http_k8s_metrics_kube_delete_node(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta);
static ngx_int_t ngx_http_k8s_metrics_kube_node_address(
    ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_pb_field_t *address);
static ngx_int_t ngx_http_k8s_metrics_kube_address_type(ngx_str_t *type);
static in_port_t ngx_http_k8s_metrics_kube_node_port(
    ngx_http_k8s_metrics_pb_field_t *endpoints);


const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_nodes =
{
    "nodes",
    "/api/v1/nodes",
    "",
    NGX_HTTP_K8S_METRICS_NODES,
    0,
    1,
    ngx_http_k8s_metrics_kube_put_node,
    ngx_http_k8s_metrics_kube_delete_node
};


static const char  *ngx_http_k8s_metrics_kube_address_types[] = {
    "Hostname", "InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS", NULL
};


static ngx_int_t
ngx_http_k8s_metrics_kube_put_node(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_node_t       node;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  pb;

    if (meta->name.len == 0) {
        meta->bad = "it has no name";
        return NGX_ERROR;
    }

    meta->bad = ngx_http_k8s_metrics_kube_unreadable;

    ngx_memzero(&node, sizeof(ngx_http_k8s_metrics_node_t));

    node.name = meta->name;
    node.nlabels = meta->nlabels;
    node.labels = meta->labels;
    node.path = meta->path;

    ngx_http_k8s_metrics_pb_reader(&pb, status->data, status->len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&pb, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        switch (field.number) {

        case NGX_HTTP_K8S_METRICS_NODE_CONDITIONS:
            if (ngx_http_k8s_metrics_kube_ready(&field)) {
                node.ready = 1;
            }

            break;

        case NGX_HTTP_K8S_METRICS_NODE_ADDRS:
            if (ngx_http_k8s_metrics_kube_node_address(&node, &field)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            break;

        case NGX_HTTP_K8S_METRICS_NODE_ENDPOINTS:
            node.port = ngx_http_k8s_metrics_kube_node_port(&field);
            break;
        }
    }

    if (rc != NGX_DONE) {
        return NGX_ERROR;
    }

    meta->bad = NULL;

    return ngx_http_k8s_metrics_store_put_node(r->kube->store, &node);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_delete_node(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    return ngx_http_k8s_metrics_store_delete_node(r->kube->store,
                                                  &meta->name);
}


/* NodeAddress {type = 1, address = 2}; more than the store holds: dropped */

static ngx_int_t
ngx_http_k8s_metrics_kube_node_address(ngx_http_k8s_metrics_node_t *node,
    ngx_http_k8s_metrics_pb_field_t *address)
{
    ngx_int_t                         rc, n;
    ngx_str_t                         type, text;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  pb;

    ngx_str_null(&type);
    ngx_str_null(&text);

    ngx_http_k8s_metrics_pb_enter(&pb, address);

    while ((rc = ngx_http_k8s_metrics_pb_next(&pb, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        if (field.number == 1) {
            type = field.bytes;

        } else if (field.number == 2) {
            text = field.bytes;
        }
    }

    if (rc != NGX_DONE) {
        return NGX_ERROR;
    }

    n = ngx_http_k8s_metrics_kube_address_type(&type);

    if (n == NGX_DECLINED || text.len == 0
        || node->naddrs == NGX_HTTP_K8S_METRICS_ADDRS)
    {
        return NGX_OK;
    }

    node->addrs[node->naddrs].type = (ngx_http_k8s_metrics_addr_e) n;
    node->addrs[node->naddrs].text = text;
    node->naddrs++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_address_type(ngx_str_t *type)
{
    size_t       len;
    ngx_int_t    i;
    const char  *name;

    /* in the order of ngx_http_k8s_metrics_addr_e */

    for (i = 0; ngx_http_k8s_metrics_kube_address_types[i]; i++) {

        name = ngx_http_k8s_metrics_kube_address_types[i];
        len = ngx_strlen(name);

        if (type->len == len && ngx_memcmp(type->data, name, len) == 0) {
            return i;
        }
    }

    return NGX_DECLINED;
}


/* NodeDaemonEndpoints {kubeletEndpoint = 1 {Port = 1}} */

static in_port_t
ngx_http_k8s_metrics_kube_node_port(
    ngx_http_k8s_metrics_pb_field_t *endpoints)
{
    in_port_t                         port;
    ngx_http_k8s_metrics_pb_field_t   field, value;
    ngx_http_k8s_metrics_pb_reader_t  outer, inner;

    port = 0;

    ngx_http_k8s_metrics_pb_enter(&outer, endpoints);

    while (ngx_http_k8s_metrics_pb_next(&outer, &field) == NGX_OK) {

        if (field.number != 1 || field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        ngx_http_k8s_metrics_pb_enter(&inner, &field);

        while (ngx_http_k8s_metrics_pb_next(&inner, &value) == NGX_OK) {

            if (value.number == 1
                && value.type == NGX_HTTP_K8S_METRICS_PB_VARINT
                && value.value <= 65535)
            {
                port = (in_port_t) value.value;
            }
        }
    }

    return port;
}
