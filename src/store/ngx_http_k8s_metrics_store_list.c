
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/* how many records a sweep looks at under one hold of the lock */
#define NGX_HTTP_K8S_METRICS_SWEEP  256


/* Where a sweep is: the last record that it saw, which may be gone. */
typedef struct {
    ngx_str_t            ns;
    ngx_str_t            name;
    u_char               buf[NGX_HTTP_K8S_METRICS_MAX_NAME];
} ngx_http_k8s_metrics_sweep_t;


static ngx_uint_t ngx_http_k8s_metrics_sweep_locked(
    ngx_http_k8s_metrics_store_t *store, ngx_uint_t kind,
    ngx_http_k8s_metrics_sweep_t *sweep);


void
ngx_http_k8s_metrics_store_list_begin(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind)
{
    ngx_http_k8s_metrics_store_lock(store);
    store->listing[kind] = ++store->zone->epoch[kind];
    ngx_http_k8s_metrics_store_unlock(store);
}


/*
 * A list ends what it began: if the zone was started afresh meanwhile, or
 * another worker began a list, this one says nothing about what is missing.
 */

void
ngx_http_k8s_metrics_store_list_end(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind)
{
    ngx_uint_t                    more;
    ngx_http_k8s_metrics_sweep_t  sweep;

    ngx_str_null(&sweep.ns);
    ngx_str_null(&sweep.name);

    do {
        more = 0;

        ngx_http_k8s_metrics_store_lock(store);

        if (store->listing[kind] == store->zone->epoch[kind]) {
            more = ngx_http_k8s_metrics_sweep_locked(store, kind, &sweep);

            if (!more) {
                store->zone->content.complete[kind] = 1;
            }
        }

        ngx_http_k8s_metrics_store_unlock(store);

    } while (more);

    store->listing[kind] = 0;
}


/* 1 while more follows. */

static ngx_uint_t
ngx_http_k8s_metrics_sweep_locked(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t kind, ngx_http_k8s_metrics_sweep_t *sweep)
{
    uint32_t                        off, gone[NGX_HTTP_K8S_METRICS_SWEEP];
    ngx_str_t                       ns, name;
    ngx_uint_t                      i, n, looked;
    ngx_http_k8s_metrics_place_t    place;
    ngx_http_k8s_metrics_record_t  *rec;

    ngx_http_k8s_metrics_index_seek_locked(store, kind, &sweep->ns,
                                           &sweep->name, &place);
    rec = NULL;
    n = 0;

    for (looked = 0; looked < NGX_HTTP_K8S_METRICS_SWEEP; looked++) {

        off = ngx_http_k8s_metrics_index_next_locked(store, kind, &place);

        if (off == 0) {
            break;
        }

        rec = ngx_http_k8s_metrics_store_ptr(store, off);

        if (rec->epoch != store->zone->epoch[kind]) {
            gone[n++] = off;
        }
    }

    if (looked == NGX_HTTP_K8S_METRICS_SWEEP) {
        ngx_http_k8s_metrics_shstr_view_locked(store, rec->ns, &ns);
        ngx_http_k8s_metrics_shstr_view_locked(store, rec->name, &name);

        sweep->ns.data = sweep->buf;
        sweep->ns.len = ns.len;
        sweep->name.data = sweep->buf + ns.len;
        sweep->name.len = name.len;

        if (ns.len) {
            ngx_memcpy(sweep->ns.data, ns.data, ns.len);
        }

        ngx_memcpy(sweep->name.data, name.data, name.len);
    }

    for (i = 0; i < n; i++) {
        ngx_http_k8s_metrics_record_delete_locked(store, kind, gone[i]);
    }

    return looked == NGX_HTTP_K8S_METRICS_SWEEP;
}
