
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * What a list does not tell: a pod's containers, their names' length, and a
 * node's TLS session (of a certificate with a 2,048-bit RSA key), bytes.
 */
#define NGX_HTTP_K8S_METRICS_SIZE_CONTAINERS  2
#define NGX_HTTP_K8S_METRICS_SIZE_NAME        12
#define NGX_HTTP_K8S_METRICS_SIZE_SESSION     2560

#define NGX_HTTP_K8S_METRICS_SIZE_MEGABYTE    1048576


void
ngx_http_k8s_metrics_size_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_size_t *size)
{
    uint64_t                         records, samples, nodes, pods;
    ngx_uint_t                       kind;
    ngx_http_k8s_metrics_content_t  *content;

    content = &store->zone->content;

    if (content->sized) {
        return;
    }

    for (kind = 0; kind < NGX_HTTP_K8S_METRICS_KINDS; kind++) {

        if (!content->complete[kind] || store->listing[kind]) {
            return;
        }

        size->known[kind] = content->index[kind].count
                            + content->missing[kind];
    }

    content->sized = 1;

    nodes = size->known[NGX_HTTP_K8S_METRICS_NODES];
    pods = size->known[NGX_HTTP_K8S_METRICS_PODS];

    /* records are measured; those that are missing are like the others */

    records = (content->used - content->samples) * NGX_HTTP_K8S_METRICS_GRANULE;

    if (content->index[NGX_HTTP_K8S_METRICS_PODS].count) {
        records = records * pods / content->index[NGX_HTTP_K8S_METRICS_PODS]
                                       .count;
    }

    records += nodes * NGX_HTTP_K8S_METRICS_SIZE_SESSION;

    /* a block is rounded up by a quarter at most */

    samples = (nodes * sizeof(ngx_http_k8s_metrics_shblock_t)
               + pods * (sizeof(ngx_http_k8s_metrics_shsample_t)
                         + NGX_HTTP_K8S_METRICS_SIZE_CONTAINERS
                           * (sizeof(ngx_http_k8s_metrics_shcontainer_t)
                              + NGX_HTTP_K8S_METRICS_SIZE_NAME)))
              * 5 / 4;

    size->needed = ngx_max(records * 100 / store->records,
                           samples * 100 / store->samples);

    size->say = (size->needed > (uint64_t) store->zone->granules
                                * NGX_HTTP_K8S_METRICS_GRANULE)
                ? NGX_LOG_WARN : NGX_LOG_NOTICE;
}


void
ngx_http_k8s_metrics_size_say(ngx_http_k8s_metrics_store_t *store,
    const ngx_http_k8s_metrics_size_t *size)
{
    uint64_t    set;
    ngx_str_t  *name;

    name = &store->shm_zone->shm.name;

    if (size->say == NGX_LOG_NOTICE) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "k8s_metrics: zone \"%V\": %uL nodes and %uL pods need "
                      "about %uL bytes, %uz are set", name,
                      size->known[NGX_HTTP_K8S_METRICS_NODES],
                      size->known[NGX_HTTP_K8S_METRICS_PODS], size->needed,
                      store->shm_zone->shm.size);
        return;
    }

    /* a quarter more, for what comes */

    set = size->needed / 4 * 5 / NGX_HTTP_K8S_METRICS_SIZE_MEGABYTE + 1;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "k8s_metrics: zone \"%V\": %uL nodes and %uL pods need "
                  "about %uL bytes, %uz are set: write \"k8s_metrics_zone "
                  "%V:%uLm\"", name, size->known[NGX_HTTP_K8S_METRICS_NODES],
                  size->known[NGX_HTTP_K8S_METRICS_PODS], size->needed,
                  store->shm_zone->shm.size, name, set);
}
