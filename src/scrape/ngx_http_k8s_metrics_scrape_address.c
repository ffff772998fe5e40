
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NGX_HTTP_K8S_METRICS_PATH_LINES  10     /* of the log, a minute */


static const char *ngx_http_k8s_metrics_kubelet_path_bad(ngx_str_t *path,
    ngx_uint_t any);


static ngx_str_t  ngx_http_k8s_metrics_resource_path =
    ngx_string("/metrics/resource");


ngx_str_t *
ngx_http_k8s_metrics_kubelet_address(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_node_t *node, ngx_http_k8s_metrics_ip_t *ip,
    ngx_uint_t *named)
{
    ngx_str_t   *text;
    ngx_uint_t   i, n, *types;
    const char  *why;

    types = k->scraper->conf->address_types->elts;
    why = "it has no address of the preferred types";

    for (i = 0; i < k->scraper->conf->address_types->nelts; i++) {
        for (n = 0; n < node->naddrs; n++) {

            if ((ngx_uint_t) node->addrs[n].type != types[i]) {
                continue;
            }

            text = &node->addrs[n].text;

            *named = (ngx_http_k8s_metrics_ip(text, ip) != NGX_OK);

            if (!*named || ngx_http_k8s_metrics_resolve_name_ok(text)) {
                return text;
            }

            why = "its address is neither an IP address nor a host's name";
            goto unusable;
        }
    }

unusable:

    k->address.len = 0;

    (void) ngx_cpystrn((u_char *) k->unusable, (u_char *) why,
                       sizeof(k->unusable));

    return NULL;
}


ngx_str_t *
ngx_http_k8s_metrics_kubelet_path(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_str_t *path)
{
    uint32_t                         hash;
    ngx_uint_t                       dropped;
    const char                      *bad;
    ngx_http_k8s_metrics_scraper_t  *s;

    s = k->scraper;

    if (path->len == 0) {
        k->bad_path = 0;
        return &ngx_http_k8s_metrics_resource_path;
    }

    bad = ngx_http_k8s_metrics_kubelet_path_bad(path, s->conf->any_path);

    if (bad == NULL) {
        k->bad_path = 0;
        return path;
    }

    hash = ngx_murmur_hash2(path->data, path->len) | 1;

    if (hash == k->bad_path) {
        return &ngx_http_k8s_metrics_resource_path;
    }

    if (ngx_http_k8s_metrics_limit(&s->paths, ngx_current_msec,
                                   NGX_HTTP_K8S_METRICS_PATH_LINES, &dropped)
        == NGX_OK)
    {
        k->bad_path = hash;

        ngx_log_error(NGX_LOG_WARN, s->log, 0,
                      "k8s_metrics: the annotation "
                      "metrics.k8s.io/resource-metrics-path of node \"%V\" "
                      "%s: ignored, %ui more of these lines were left out",
                      &k->sn.str, bad, dropped);
    }

    return &ngx_http_k8s_metrics_resource_path;
}


/*
 * A request line is made of it: printable, no blank, no query, no segment that
 * begins with a dot, and nothing that a kubelet would decode to one of these.
 * NULL, or what is wrong.
 */

static const char *
ngx_http_k8s_metrics_kubelet_path_bad(ngx_str_t *path, ngx_uint_t any)
{
    u_char  *p;
    size_t   i;

    static const char  plain[] = "is no plain path";

    p = path->data;

    if (path->len > 1024 || p[0] != '/') {
        return plain;
    }

    for (i = 0; i < path->len; i++) {

        if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '#' || p[i] == '?'
            || p[i] == '%' || p[i] == '\\')
        {
            return plain;
        }

        if (i && p[i - 1] == '/' && (p[i] == '.' || p[i] == '/')) {
            return plain;
        }
    }

    if (!any
        && (path->len < 8 || ngx_strncmp(p, "/metrics", 8) != 0
            || (path->len > 8 && p[8] != '/')))
    {
        return "is no path under /metrics, which only "
               "\"k8s_metrics_kubelet_any_path on\" allows";
    }

    return NULL;
}
