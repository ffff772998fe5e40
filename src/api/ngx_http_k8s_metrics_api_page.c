
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


ngx_http_k8s_metrics_page_pt
ngx_http_k8s_metrics_api_page(const ngx_str_t *path)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t                       path;
        ngx_http_k8s_metrics_page_pt    handler;
    } pages[] = {
        { ngx_string("/metrics"), ngx_http_k8s_metrics_api_metrics },
        { ngx_string("/debug/nodes"), ngx_http_k8s_metrics_api_debug }
    };

    for (i = 0; i < 2; i++) {
        if (path->len == pages[i].path.len
            && ngx_memcmp(path->data, pages[i].path.data, path->len) == 0)
        {
            return pages[i].handler;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_k8s_metrics_page_send(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    const ngx_http_k8s_metrics_form_t *form)
{
    ngx_http_k8s_metrics_page_t  *page;

    page = ngx_pcalloc(r->pool, sizeof(ngx_http_k8s_metrics_page_t));
    if (page == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    page->conf = conf;
    page->list.store = conf->store;
    page->list.form = form;

    ngx_http_k8s_metrics_store_state(conf->store, &page->state);
    ngx_http_k8s_metrics_store_stats(conf->store, &page->stats);

    return ngx_http_k8s_metrics_list_send(r, &page->list);
}


ngx_int_t
ngx_http_k8s_metrics_page_nodes(ngx_http_k8s_metrics_page_t *page)
{
    ngx_str_t  *name;

    page->n = ngx_http_k8s_metrics_store_debug_nodes(page->conf->store,
                                         &page->after, page->mem,
                                         sizeof(page->mem), page->nodes,
                                         NGX_HTTP_K8S_METRICS_PAGE_NODES);
    if (page->n == 0) {
        page->after.len = 0;
        return NGX_DONE;
    }

    /* no name is longer than this */

    name = &page->nodes[page->n - 1].name;

    page->after.data = page->after_buf;
    page->after.len = ngx_min(name->len, sizeof(page->after_buf));
    ngx_memcpy(page->after_buf, name->data, page->after.len);

    page->in_nodes = 1;

    return NGX_OK;
}
