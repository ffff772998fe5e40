
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SCRAPE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SCRAPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_samples.h"
#include "ngx_http_k8s_metrics_kube_client.h"
#include "ngx_http_k8s_metrics_resolve.h"


/* scrapes at a time through the API server, of one worker */
#define NGX_HTTP_K8S_METRICS_PROXIED          32


/*
 * Scrapes: each node that this worker owns, in a phase of its own within the
 * resolution, at /metrics/resource of its kubelet, into the store.
 */

typedef struct ngx_http_k8s_metrics_scraper_s
    ngx_http_k8s_metrics_scraper_t;

typedef struct {
    ngx_msec_t       resolution;        /* default 15 s, 10 s at least */
    ngx_uint_t       kubelet_port;      /* default 10250 */
    ngx_flag_t       use_node_status_port;      /* default off */
    ngx_array_t     *address_types;     /* of ngx_http_k8s_metrics_addr_e */
    ngx_str_t        certificate_authority;     /* file */
    ngx_flag_t       insecure_tls;
    ngx_str_t        client_certificate;        /* file */
    ngx_str_t        client_key;                /* file */
    ngx_msec_t       request_timeout;   /* default 10 s */
    ngx_flag_t       completely_insecure;
    ngx_flag_t       cadence;           /* learn when samples move */
    ngx_flag_t       keepalive;         /* default on */
    ngx_flag_t       stats_summary;     /* where /metrics/resource is 404 */
    ngx_flag_t       node_proxy;        /* through the API server */
    ngx_str_t        node_selector;     /* validated label selector */
    ngx_flag_t       any_path;          /* outside /metrics, too */

    /* made by the check */
    ngx_http_k8s_metrics_credentials_t
                     credentials;       /* ssl: NULL with plain HTTP */
    unsigned         verify:1;
    unsigned         port_set:1;        /* the port is not the default */
} ngx_http_k8s_metrics_scrape_conf_t;


/* Sets everything to nginx's UNSET. */
void ngx_http_k8s_metrics_scrape_conf_init(
    ngx_http_k8s_metrics_scrape_conf_t *conf);

/* Directive k8s_metrics_kubelet_preferred_address_types TYPE ... */
char *ngx_http_k8s_metrics_scrape_address_types(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);

/*
 * After the configuration was read: defaults, ranges, mutual exclusions, files
 * readable and well-formed; kubelets get the API server's CA and client
 * certificate ("kube", loaded) where none is given.  NGX_OK, or NGX_ERROR
 * (EMERG names the directive).
 */
ngx_int_t ngx_http_k8s_metrics_scrape_conf_check(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube);

/* Worker start: nothing runs yet.  NULL on error (logged). */
ngx_http_k8s_metrics_scraper_t *ngx_http_k8s_metrics_scraper(
    ngx_cycle_t *cycle, ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_resolver_t *resolver,
    ngx_http_k8s_metrics_store_t *store);

/*
 * Every 250 ms: takes up nodes that came or changed, drops those that went or
 * are another worker's now.  Nothing is scraped before the first node and pod
 * lists are complete.
 */
void ngx_http_k8s_metrics_scraper_tick(
    ngx_http_k8s_metrics_scraper_t *scraper);

/* How many nodes this worker scrapes, and idle connections it keeps to them. */
void ngx_http_k8s_metrics_scraper_figures(
    ngx_http_k8s_metrics_scraper_t *scraper, ngx_uint_t *nodes,
    ngx_uint_t *connections);

/* The role is gone or the worker exits: cancel scrapes, close connections. */
void ngx_http_k8s_metrics_scraper_stop(
    ngx_http_k8s_metrics_scraper_t *scraper);


#endif /* _NGX_HTTP_K8S_METRICS_SCRAPE_H_INCLUDED_ */
