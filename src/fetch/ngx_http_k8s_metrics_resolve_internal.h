
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_RESOLVE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_RESOLVE_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_file.h"
#include "ngx_http_k8s_metrics_resolve.h"


/* A file of the resolver, which need not be there. */
typedef struct {
    ngx_http_k8s_metrics_file_t          file;
    ngx_http_k8s_metrics_files_t         files;
    ngx_pool_t                          *pool;      /* of what it said */
    unsigned                             seen:1;
} ngx_http_k8s_metrics_resolve_file_t;


struct ngx_http_k8s_metrics_resolver_s {
    ngx_resolver_t                      *servers;
    ngx_http_k8s_metrics_resolv_conf_t   conf;
    ngx_http_k8s_metrics_host_t         *hosts;
    ngx_uint_t                           nhosts;
    ngx_http_k8s_metrics_resolve_file_t  resolv_file;
    ngx_http_k8s_metrics_resolve_file_t  hosts_file;
    ngx_queue_t                          lookups;
    ngx_uint_t                           pending;
    ngx_log_t                           *log;
    ngx_log_t                            quiet;     /* of nginx's resolver */
    unsigned                             given:1;   /* directive resolver */
};


struct ngx_http_k8s_metrics_lookup_s {
    void                                *dummy[3];
    ngx_socket_t                         fd;    /* where the debug log of an
                                                   event reads it */
    ngx_queue_t                          queue;
    ngx_http_k8s_metrics_resolver_t     *resolver;
    ngx_resolver_ctx_t                  *ctx;   /* while one is asked */
    ngx_event_t                          event;
    ngx_uint_t                           step;
    ngx_int_t                            state; /* of the last one asked */
    ngx_int_t                            failed;
    ngx_msec_t                           deadline;
    ngx_http_k8s_metrics_resolved_pt     handler;
    void                                *data;
    ngx_http_k8s_metrics_answer_ips_t    answer;
    ngx_str_t                            name;
    u_char                       name_buf[NGX_HTTP_K8S_METRICS_RESOLVE_NAME
                                          + 1];
    u_char                       step_buf[NGX_HTTP_K8S_METRICS_RESOLVE_NAME
                                          + 1];     /* what is asked */
    unsigned                             begun:1;
};


/* Reads what has changed of the files (_resolve_files.c). */
void ngx_http_k8s_metrics_resolver_look(ngx_http_k8s_metrics_resolver_t *r);

/* Its name servers go: begins anew where it is waiting for one. */
void ngx_http_k8s_metrics_lookup_restart(ngx_http_k8s_metrics_lookup_t *l);

/*
 * Puts first what Go's dialer would try first, by RFC 6724 shortened: what has
 * a route, then ::1, other IPv6, IPv4, unique local IPv6; equals by their
 * bytes, so that the order stays the same.
 */
void ngx_http_k8s_metrics_resolve_order(ngx_http_k8s_metrics_ip_t *ips,
    ngx_uint_t n);


#endif /* _NGX_HTTP_K8S_METRICS_RESOLVE_INTERNAL_H_INCLUDED_ */
