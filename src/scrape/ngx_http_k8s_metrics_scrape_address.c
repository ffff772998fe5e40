
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


/* The first address of the first preferred type that the node has. */

ngx_str_t *
ngx_http_k8s_metrics_kubelet_address(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_node_t *node)
{
    u_char       addr[16];
    ngx_str_t   *text;
    ngx_uint_t   i, n, *types, named;

    types = k->scraper->conf->address_types->elts;
    named = 0;

    for (i = 0; i < k->scraper->conf->address_types->nelts; i++) {
        for (n = 0; n < node->naddrs; n++) {

            if ((ngx_uint_t) node->addrs[n].type != types[i]) {
                continue;
            }

            text = &node->addrs[n].text;

            if (ngx_inet_addr(text->data, text->len) != INADDR_NONE
                || ngx_inet6_addr(text->data, text->len, addr) == NGX_OK)
            {
                return text;
            }

            named = 1;
        }
    }

    (void) ngx_cpystrn((u_char *) k->unusable,
                 (u_char *) (named
                    ? "its addresses of the preferred types are names, "
                      "and this version takes IP addresses only"
                    : "it has no address of the preferred types"),
                 sizeof(k->unusable));

    return NULL;
}


/*
 * A request line is made of it: printable, no blank, below /metrics, also
 * after the kubelet has decoded it.
 */

ngx_uint_t
ngx_http_k8s_metrics_kubelet_path_ok(ngx_str_t *path)
{
    size_t  i;

    if (path->len < 8 || path->len > 1024
        || ngx_strncmp(path->data, "/metrics", 8) != 0
        || (path->len > 8 && path->data[8] != '/'))
    {
        return 0;
    }

    for (i = 0; i < path->len; i++) {

        if (path->data[i] <= ' ' || path->data[i] >= 0x7f
            || path->data[i] == '#' || path->data[i] == '?'
            || path->data[i] == '%')
        {
            return 0;
        }

        if (path->data[i] == '.' && path->data[i - 1] == '/') {
            return 0;
        }
    }

    return 1;
}
