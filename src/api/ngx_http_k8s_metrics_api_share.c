
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


/*
 * Of a list whose length was said before its first item: who may take how
 * much of it.  Between the two passes items grow, and others come; a slow
 * client gives them minutes.  What a newcomer takes must not be what an item
 * behind it was counted with.
 *
 * To remember each item would take memory with the list's length.  So items
 * share: the sums by a hash of the name.  An item takes from its own sum; one
 * that has outgrown it lives on the spare, or is left out.  A few that share a
 * sum may take from each other, and nobody knows beforehand who they are.
 */

#define NGX_HTTP_K8S_METRICS_SHARES  4096


static uint32_t *ngx_http_k8s_metrics_share_of(
    const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static uint64_t ngx_http_k8s_metrics_share_hash(uint64_t hash,
    const ngx_str_t *s);


ngx_int_t
ngx_http_k8s_metrics_share_create(ngx_http_k8s_metrics_list_t *list)
{
    list->shares = ngx_pcalloc(list->request->pool,
                               NGX_HTTP_K8S_METRICS_SHARES
                               * sizeof(uint32_t));

    list->seed = (uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random();

    return list->shares ? NGX_OK : NGX_ERROR;
}


void
ngx_http_k8s_metrics_share_add(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item, size_t len)
{
    uint32_t  *share;

    share = ngx_http_k8s_metrics_share_of(list, item);

    *share += (uint32_t) ngx_min(len, (size_t) (uint32_t) ~*share);
}


ngx_int_t
ngx_http_k8s_metrics_share_take(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item, size_t len)
{
    uint32_t  *share;

    share = ngx_http_k8s_metrics_share_of(list, item);

    if (len <= *share) {
        *share -= (uint32_t) len;
        return NGX_OK;
    }

    if (len <= list->spare) {
        list->spare -= len;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static uint32_t *
ngx_http_k8s_metrics_share_of(const ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    uint64_t  hash;

    hash = ngx_http_k8s_metrics_share_hash(list->seed, &item->ns);
    hash = ngx_http_k8s_metrics_share_hash(hash, &item->name);

    return &list->shares[(hash >> 32) % NGX_HTTP_K8S_METRICS_SHARES];
}


static uint64_t
ngx_http_k8s_metrics_share_hash(uint64_t hash, const ngx_str_t *s)
{
    size_t    i, n;
    uint64_t  word;

    hash ^= s->len;

    for (i = 0; i < s->len; i += 8) {
        n = ngx_min(s->len - i, 8);
        word = 0;

        /* of a length that is known, where it can be */

        if (n == 8) {
            ngx_memcpy(&word, s->data + i, 8);

        } else {
            ngx_memcpy(&word, s->data + i, n);
        }

        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 32;
    }

    return hash;
}
