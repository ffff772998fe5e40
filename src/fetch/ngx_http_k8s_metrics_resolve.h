
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_RESOLVE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_RESOLVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_resolve_text.h"


/*
 * Name -> addresses without waiting: a hosts file, then name servers by way of
 * nginx's own resolver, which caches answers for their TTL; search domains and
 * ndots of resolv.conf.  Both files are looked at again while a worker runs.
 * Everything here belongs to one worker.
 */

typedef struct ngx_http_k8s_metrics_resolver_s  ngx_http_k8s_metrics_resolver_t;
typedef struct ngx_http_k8s_metrics_lookup_s    ngx_http_k8s_metrics_lookup_t;

typedef struct {
    ngx_str_t                    resolv_conf;   /* file */
    ngx_str_t                    hosts;         /* file */

    /* made by the check */
    ngx_resolver_t              *servers;   /* of nginx's directive resolver,
                                               or NULL: of resolv.conf */
} ngx_http_k8s_metrics_resolve_conf_t;

typedef struct {
    ngx_uint_t                   n;         /* 0: see error */
    ngx_http_k8s_metrics_ip_t    ips[NGX_HTTP_K8S_METRICS_RESOLVE_IPS];
                                            /* the one to try first, first */
    time_t                       valid;     /* until then, as ngx_time() */
    char                         error[160];    /* in words; a NUL ends it */
} ngx_http_k8s_metrics_answer_ips_t;

/* Once, never from within resolve; the lookup is gone when it returns. */
typedef void (*ngx_http_k8s_metrics_resolved_pt)(void *data,
    ngx_http_k8s_metrics_answer_ips_t *answer);


/*
 * After the configuration was read: full names of files (defaults
 * /etc/resolv.conf and /etc/hosts), and the http block's "resolver".  A file
 * that is not there is as good as an empty one.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_http_k8s_metrics_resolve_conf_check(ngx_conf_t *cf,
    ngx_http_k8s_metrics_resolve_conf_t *conf);

/* Worker start: reads nothing yet.  NULL without memory. */
ngx_http_k8s_metrics_resolver_t *ngx_http_k8s_metrics_resolver(
    ngx_cycle_t *cycle, const ngx_http_k8s_metrics_resolve_conf_t *conf);

/*
 * Begins to look a name up (copied; resolve_name_ok), for "timeout" ms at
 * most.  NULL without memory, or when too many are under way.
 */
ngx_http_k8s_metrics_lookup_t *ngx_http_k8s_metrics_resolve(
    ngx_http_k8s_metrics_resolver_t *resolver, const ngx_str_t *name,
    ngx_msec_t timeout, ngx_http_k8s_metrics_resolved_pt handler, void *data);

/* Ends a lookup, no callback. */
void ngx_http_k8s_metrics_resolve_cancel(ngx_http_k8s_metrics_lookup_t *l);


#endif /* _NGX_HTTP_K8S_METRICS_RESOLVE_H_INCLUDED_ */
