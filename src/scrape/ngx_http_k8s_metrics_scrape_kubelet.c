
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"
#include "ngx_http_k8s_metrics_fetch_peer.h"


/* longer than two resolutions of a minute: a kubelet closes at its own time */
#define NGX_HTTP_K8S_METRICS_KUBELET_IDLE  150000


static ngx_int_t ngx_http_k8s_metrics_kubelet_copy(ngx_str_t *dst,
    ngx_str_t *src, ngx_log_t *log);


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
    ngx_uint_t                       named;
    ngx_http_k8s_metrics_ip_t        ip;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    k->ref = target->ref;
    k->ready = target->node.ready;

    /* it may be another version of itself */

    k->absent = 0;

    (void) ngx_cpystrn((u_char *) k->unusable, (u_char *) "no memory",
                       sizeof(k->unusable));

    path = ngx_http_k8s_metrics_kubelet_path(k, &target->node.path);

    if ((path->len != k->path.len
         || ngx_memcmp(path->data, k->path.data, path->len) != 0)
        && ngx_http_k8s_metrics_kubelet_copy(&k->path, path, s->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (s->conf->node_proxy) {
        goto done;
    }

    port = (in_port_t) s->conf->kubelet_port;

    if (s->conf->use_node_status_port && target->node.port) {
        port = target->node.port;
    }

    address = ngx_http_k8s_metrics_kubelet_address(k, &target->node, &ip,
                                                   &named);

    if ((k->peer || k->name) && address && port == k->port
        && address->len == k->address.len
        && ngx_memcmp(address->data, k->address.data, address->len) == 0)
    {
        goto done;
    }

    ngx_http_k8s_metrics_kubelet_unname(k);

    if (k->peer) {
        ngx_http_k8s_metrics_peer_destroy(k->peer);
        ngx_http_k8s_metrics_scrape_release(k);
        k->peer = NULL;
    }

    k->port = port;

    if (address) {
        if (ngx_http_k8s_metrics_kubelet_copy(&k->address, address, s->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if ((named ? ngx_http_k8s_metrics_kubelet_name(k)
                   : ngx_http_k8s_metrics_kubelet_connect(k, &ip))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

done:

    /* seen: what failed before this is tried again */

    k->version = target->version;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_kubelet_connect(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_ip_t *ip)
{
    u_char                             text[NGX_SOCKADDR_STRLEN], *p;
    u_char               host[NGX_HTTP_K8S_METRICS_RESOLVE_NAME + 16];
    socklen_t                          socklen;
    ngx_sockaddr_t                     sa;
    ngx_http_k8s_metrics_scraper_t    *s;
    ngx_http_k8s_metrics_peer_conf_t   pc;

    s = k->scraper;

    socklen = ngx_http_k8s_metrics_ip_sockaddr(ip, k->port, &sa);

    if (k->peer) {
        ngx_http_k8s_metrics_peer_move(k->peer, &sa.sockaddr, socklen);
        return NGX_OK;
    }

    ngx_memzero(&pc, sizeof(ngx_http_k8s_metrics_peer_conf_t));

    pc.sockaddr = &sa.sockaddr;
    pc.socklen = socklen;
    pc.name.data = text;
    pc.name.len = ngx_sock_ntop(&sa.sockaddr, socklen, text,
                                NGX_SOCKADDR_STRLEN, 1);
    pc.host = pc.name;
    pc.tls_name = k->address;

    if (k->name) {
        p = ngx_sprintf(host, "%V:%ui", &k->address, (ngx_uint_t) k->port);

        pc.host.data = host;
        pc.host.len = p - host;

        if (pc.tls_name.data[pc.tls_name.len - 1] == '.') {
            pc.tls_name.len--;
        }
    }

    pc.ssl = s->conf->credentials.ssl;
    pc.verify = s->conf->verify;
    pc.max_idle = (s->conf->keepalive && s->nnodes < s->max_idle);
    pc.idle_timeout = NGX_HTTP_K8S_METRICS_KUBELET_IDLE;
    pc.sessions = &ngx_http_k8s_metrics_kubelet_sessions;
    pc.session_data = k;
    pc.identity = s->conf->credentials.identity;

    k->peer = ngx_http_k8s_metrics_peer_create(&pc, s->log);

    return k->peer ? NGX_OK : NGX_ERROR;
}


void
ngx_http_k8s_metrics_kubelet_destroy(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->timer.timer_set) {
        ngx_del_timer(&k->timer);
    }

    ngx_http_k8s_metrics_kubelet_unname(k);

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
