
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


/* longer than two resolutions of a minute: a kubelet closes at its own time */
#define NGX_HTTP_K8S_METRICS_KUBELET_IDLE  150000


static ngx_int_t ngx_http_k8s_metrics_kubelet_connect(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_str_t *address);
static ngx_int_t ngx_http_k8s_metrics_kubelet_copy(ngx_str_t *dst,
    ngx_str_t *src, ngx_log_t *log);


static ngx_str_t  ngx_http_k8s_metrics_resource_path =
    ngx_string("/metrics/resource");


ngx_http_k8s_metrics_kubelet_t *
ngx_http_k8s_metrics_kubelet_create(ngx_http_k8s_metrics_scraper_t *s,
    ngx_http_k8s_metrics_target_t *target)
{
    ngx_http_k8s_metrics_kubelet_t  *k;

    k = ngx_calloc(sizeof(ngx_http_k8s_metrics_kubelet_t), s->log);
    if (k == NULL) {
        return NULL;
    }

    if (ngx_http_k8s_metrics_kubelet_copy(&k->sn.str, &target->node.name,
                                          s->log)
        != NGX_OK)
    {
        ngx_free(k);
        return NULL;
    }

    k->fd = (ngx_socket_t) -1;
    k->scraper = s;
    k->hash = target->hash;
    k->sn.node.key = target->hash;

    k->timer.data = k;
    k->timer.log = s->log;
    k->timer.handler = ngx_http_k8s_metrics_kubelet_timer;
    k->timer.cancelable = 1;

    /* what is missing for want of memory is made up for with the next sync */

    if (ngx_http_k8s_metrics_kubelet_update(k, target) != NGX_OK) {
        s->again = 1;
    }

    return k;
}


ngx_int_t
ngx_http_k8s_metrics_kubelet_update(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_target_t *target)
{
    in_port_t                        port;
    ngx_str_t                       *address, *path;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    k->ref = target->ref;

    /* it may be another version of itself */

    k->absent = 0;

    (void) ngx_cpystrn((u_char *) k->unusable, (u_char *) "no memory",
                       sizeof(k->unusable));

    path = &target->node.path;

    if (!ngx_http_k8s_metrics_kubelet_path_ok(path)) {

        if (path->len) {
            ngx_log_error(NGX_LOG_WARN, s->log, 0,
                          "k8s_metrics: the annotation "
                          "metrics.k8s.io/resource-metrics-path of node "
                          "\"%V\" is no plain path under /metrics: ignored",
                          &k->sn.str);
        }

        path = &ngx_http_k8s_metrics_resource_path;
    }

    if (path->len != k->path.len
        || ngx_memcmp(path->data, k->path.data, path->len) != 0)
    {
        if (ngx_http_k8s_metrics_kubelet_copy(&k->path, path, s->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (s->conf->node_proxy) {
        goto done;
    }

    port = (in_port_t) s->conf->kubelet_port;

    if (s->conf->use_node_status_port && target->node.port) {
        port = target->node.port;
    }

    address = ngx_http_k8s_metrics_kubelet_address(k, &target->node);

    if (k->peer && address && port == k->port
        && address->len == k->address.len
        && ngx_memcmp(address->data, k->address.data, address->len) == 0)
    {
        goto done;
    }

    if (k->peer) {
        ngx_http_k8s_metrics_peer_destroy(k->peer);
        ngx_http_k8s_metrics_scrape_release(k);
        k->peer = NULL;
    }

    k->port = port;

    if (address
        && ngx_http_k8s_metrics_kubelet_connect(k, address) != NGX_OK)
    {
        return NGX_ERROR;
    }

done:

    /* seen: what failed before this is tried again */

    k->version = target->version;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kubelet_connect(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_str_t *address)
{
    u_char                             text[NGX_SOCKADDR_STRLEN];
    ngx_addr_t                         addr;
    ngx_pool_t                        *pool;
    ngx_http_k8s_metrics_scraper_t    *s;
    ngx_http_k8s_metrics_peer_conf_t   pc;

    s = k->scraper;

    if (ngx_http_k8s_metrics_kubelet_copy(&k->address, address, s->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(1024, s->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&pc, sizeof(ngx_http_k8s_metrics_peer_conf_t));

    if (ngx_parse_addr(pool, &addr, address->data, address->len) != NGX_OK) {
        goto done;
    }

    ngx_inet_set_port(addr.sockaddr, k->port);

    pc.sockaddr = addr.sockaddr;
    pc.socklen = addr.socklen;
    pc.name.data = text;
    pc.name.len = ngx_sock_ntop(addr.sockaddr, addr.socklen, text,
                                NGX_SOCKADDR_STRLEN, 1);
    pc.host = pc.name;
    pc.ssl = s->conf->credentials.ssl;
    pc.verify = s->conf->verify;
    pc.tls_name = *address;
    pc.max_idle = (s->nnodes < s->max_idle);
    pc.idle_timeout = NGX_HTTP_K8S_METRICS_KUBELET_IDLE;

    k->peer = ngx_http_k8s_metrics_peer_create(&pc, s->log);

done:

    ngx_destroy_pool(pool);

    return k->peer ? NGX_OK : NGX_ERROR;
}


void
ngx_http_k8s_metrics_kubelet_destroy(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->timer.timer_set) {
        ngx_del_timer(&k->timer);
    }

    if (k->peer) {
        ngx_http_k8s_metrics_peer_destroy(k->peer);

    } else if (k->fetch) {
        ngx_http_k8s_metrics_fetch_cancel(k->fetch);
    }

    ngx_http_k8s_metrics_scrape_release(k);

    if (k->address.data) {
        ngx_free(k->address.data);
    }

    if (k->path.data) {
        ngx_free(k->path.data);
    }

    ngx_free(k->sn.str.data);
    ngx_free(k);
}


static ngx_int_t
ngx_http_k8s_metrics_kubelet_copy(ngx_str_t *dst, ngx_str_t *src,
    ngx_log_t *log)
{
    u_char  *p;

    p = ngx_alloc(src->len + 1, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, src->data, src->len);
    p[src->len] = '\0';

    if (dst->data) {
        ngx_free(dst->data);
    }

    dst->data = p;
    dst->len = src->len;

    return NGX_OK;
}
