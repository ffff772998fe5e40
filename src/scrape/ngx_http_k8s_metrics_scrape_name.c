
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


struct ngx_http_k8s_metrics_kubelet_name_s {
    ngx_http_k8s_metrics_lookup_t   *lookup;
    time_t                           valid;
    ngx_uint_t                       n;
    ngx_uint_t                       current;
    ngx_uint_t                       tried;     /* in this scrape, besides */
    ngx_http_k8s_metrics_ip_t        ips[NGX_HTTP_K8S_METRICS_RESOLVE_IPS];
    unsigned                         waiting:1; /* a scrape does */
};


static void ngx_http_k8s_metrics_kubelet_located(void *data,
    ngx_http_k8s_metrics_answer_ips_t *answer);
static ngx_int_t ngx_http_k8s_metrics_kubelet_found(
    ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_answer_ips_t *answer);


ngx_int_t
ngx_http_k8s_metrics_kubelet_name(ngx_http_k8s_metrics_kubelet_t *k)
{
    k->name = ngx_calloc(sizeof(ngx_http_k8s_metrics_kubelet_name_t),
                         k->scraper->log);

    return k->name ? NGX_OK : NGX_ERROR;
}


void
ngx_http_k8s_metrics_kubelet_unname(ngx_http_k8s_metrics_kubelet_t *k)
{
    if (k->name == NULL) {
        return;
    }

    if (k->name->lookup) {
        ngx_http_k8s_metrics_resolve_cancel(k->name->lookup);
    }

    ngx_free(k->name);
    k->name = NULL;
}


ngx_int_t
ngx_http_k8s_metrics_kubelet_locate(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_scraper_t       *s;
    ngx_http_k8s_metrics_kubelet_name_t  *name;

    s = k->scraper;
    name = k->name;

    if (name == NULL) {
        return NGX_OK;
    }

    name->tried = 0;

    if (name->lookup == NULL && (k->peer == NULL || name->valid <= ngx_time()))
    {
        name->lookup = ngx_http_k8s_metrics_resolve(s->resolver, &k->address,
                                         s->conf->request_timeout,
                                         ngx_http_k8s_metrics_kubelet_located,
                                         k);
    }

    if (k->peer) {
        return NGX_OK;
    }

    if (name->lookup == NULL) {
        ngx_http_k8s_metrics_scrape_failed(k,
                                       NGX_HTTP_K8S_METRICS_RESULT_NAME,
                                       "too many names are being looked up, "
                                       "or no memory");
        return NGX_AGAIN;
    }

    name->waiting = 1;

    return NGX_AGAIN;
}


static void
ngx_http_k8s_metrics_kubelet_located(void *data,
    ngx_http_k8s_metrics_answer_ips_t *answer)
{
    ngx_http_k8s_metrics_kubelet_t *k = data;

    ngx_int_t                             rc;
    ngx_uint_t                            waiting;
    ngx_http_k8s_metrics_kubelet_name_t  *name;

    name = k->name;

    waiting = name->waiting;

    name->lookup = NULL;
    name->waiting = 0;

    rc = NGX_OK;

    if (answer->n) {
        rc = ngx_http_k8s_metrics_kubelet_found(k, answer);
    }

    if (!waiting) {
        return;
    }

    if (answer->n == 0) {
        ngx_http_k8s_metrics_scrape_failed(k,
                                           NGX_HTTP_K8S_METRICS_RESULT_NAME,
                                           answer->error);

    } else if (rc != NGX_OK) {
        ngx_http_k8s_metrics_scrape_failed(k,
                                      NGX_HTTP_K8S_METRICS_RESULT_NO_MEMORY,
                                      "no memory");

    } else {
        ngx_http_k8s_metrics_scrape_begin(k);
    }
}


/* The address in use stays as long as the name leads there, too. */

static ngx_int_t
ngx_http_k8s_metrics_kubelet_found(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_answer_ips_t *answer)
{
    ngx_uint_t                            i;
    ngx_http_k8s_metrics_ip_t             old;
    ngx_http_k8s_metrics_kubelet_name_t  *name;

    name = k->name;
    old = name->ips[name->current];

    name->n = answer->n;
    name->valid = answer->valid;
    ngx_memcpy(name->ips, answer->ips, sizeof(answer->ips));

    for (i = 0; k->peer && i < name->n; i++) {
        if (ngx_http_k8s_metrics_ip_same(&old, &name->ips[i])) {
            name->current = i;
            return NGX_OK;
        }
    }

    name->current = 0;

    return ngx_http_k8s_metrics_kubelet_connect(k, &name->ips[0]);
}


ngx_int_t
ngx_http_k8s_metrics_kubelet_elsewhere(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_http_k8s_metrics_kubelet_name_t  *name;

    name = k->name;

    if (name == NULL || name->tried + 1 >= name->n || res->status
        || (res->failure != NGX_HTTP_K8S_METRICS_FETCH_CONNECT
            && res->failure != NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT)
        || ngx_current_msec - k->started
           >= k->scraper->conf->request_timeout)
    {
        return NGX_DECLINED;
    }

    name->tried++;
    name->current = (name->current + 1) % name->n;

    ngx_http_k8s_metrics_scrape_release(k);

    if (ngx_http_k8s_metrics_kubelet_connect(k, &name->ips[name->current])
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_http_k8s_metrics_scrape_begin(k);

    return NGX_OK;
}


ngx_msec_t
ngx_http_k8s_metrics_kubelet_patience(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_msec_t left)
{
    ngx_http_k8s_metrics_kubelet_name_t  *name;

    name = k->name;

    if (name == NULL || name->tried + 1 >= name->n) {
        return left;
    }

    return ngx_max(left / (name->n - name->tried), 1);
}
