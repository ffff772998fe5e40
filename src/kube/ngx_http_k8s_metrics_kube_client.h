
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_KUBE_CLIENT_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_KUBE_CLIENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_fetch.h"
#include "ngx_http_k8s_metrics_resolve.h"


/*
 * The API server: where it is, and who we are to it.  All of kube/ that other
 * rooms may know.
 */

typedef struct ngx_http_k8s_metrics_kube_client_s
    ngx_http_k8s_metrics_kube_client_t;

/* Filled while the configuration is read; all strings are pool memory. */
typedef struct {
    ngx_uint_t       source;            /* unset, in_cluster, kubeconfig */
    ngx_str_t        kubeconfig;        /* full file name */
    ngx_str_t        host;              /* without brackets */
    in_port_t        port;
    ngx_str_t        prefix;            /* path of the server's URL */
    ngx_str_t        tls_server_name;
    ngx_http_k8s_metrics_credentials_t
                     credentials;       /* ssl: NULL without TLS */
    ngx_str_t        token;             /* fixed, or empty */
    ngx_str_t        token_file;        /* read again every 60 s */
    unsigned         tls:1;
    unsigned         insecure:1;
    unsigned         named:1;           /* host is no IP address */
    ngx_uint_t       naddrs;            /* 0: not resolved yet */
    ngx_addr_t      *addrs;
    ngx_uint_t       more_idle;         /* connections to keep beside the
                                           usual ones */
} ngx_http_k8s_metrics_kube_conf_t;


void ngx_http_k8s_metrics_kube_conf_init(
    ngx_http_k8s_metrics_kube_conf_t *conf);

/* Directive k8s_metrics_apiserver in_cluster | kubeconfig=FILE; conf. */
char *ngx_http_k8s_metrics_kube_apiserver(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * After the configuration was read: without the directive, in_cluster.  Reads
 * the service account or the kubeconfig, resolves the host (where that fails, a
 * warning: workers try again).  NGX_OK, or NGX_ERROR (EMERG logged: what is
 * missing and which directive or variable sets it).
 */
ngx_int_t ngx_http_k8s_metrics_kube_conf_load(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf);


/*
 * Worker start: NULL on error (logged).  A host that is a name is looked up
 * again, by "resolver", when all its addresses fail again and again.
 */
ngx_http_k8s_metrics_kube_client_t *ngx_http_k8s_metrics_kube_client(
    ngx_cycle_t *cycle, ngx_http_k8s_metrics_kube_conf_t *conf,
    ngx_http_k8s_metrics_resolver_t *resolver);

/*
 * The bearer token in force (fixed or from the file, read again when older
 * than 60 s); empty when there is none.  A view until the next call.
 */
ngx_str_t ngx_http_k8s_metrics_kube_token(
    ngx_http_k8s_metrics_kube_client_t *client);

/* The configuration that the client was made from. */
ngx_http_k8s_metrics_kube_conf_t *ngx_http_k8s_metrics_kube_client_conf(
    ngx_http_k8s_metrics_kube_client_t *client);

/*
 * Starts a request to the API server, after a look whether files with our
 * certificate or its CA have changed: fetch->uri begins with '/' and gets the
 * URL's prefix; the token, Host and User-Agent are added.  Else as
 * ngx_http_k8s_metrics_fetch_start(); NULL, too, while the host is not
 * resolved.
 */
ngx_http_k8s_metrics_fetch_t *ngx_http_k8s_metrics_kube_fetch(
    ngx_http_k8s_metrics_kube_client_t *client,
    const ngx_http_k8s_metrics_fetch_conf_t *fetch, ngx_log_t *log);


#endif /* _NGX_HTTP_K8S_METRICS_KUBE_CLIENT_H_INCLUDED_ */
