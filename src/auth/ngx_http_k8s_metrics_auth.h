
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_AUTH_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_AUTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_store.h"
#include "ngx_http_k8s_metrics_kube_client.h"
#include "ngx_http_k8s_metrics_identity.h"


/*
 * Who may ask, decided in the access phase: authenticators (requestheader,
 * client-CA x509, anonymous), then the authorizer (SubjectAccessReview).
 */

/* Per server, merged with http. */
typedef struct {
    ngx_str_t        requestheader_client_ca;       /* file; empty: the
                                                       ConfigMap's */
    ngx_array_t     *allowed_names;                 /* of ngx_str_t */
    ngx_array_t     *username_headers;
    ngx_array_t     *uid_headers;
    ngx_array_t     *group_headers;
    ngx_array_t     *extra_prefixes;
    ngx_str_t        client_ca;                     /* file; empty: the
                                                       ConfigMap's */
    ngx_array_t     *always_allow_paths;
    ngx_msec_t       allow_ttl;                     /* 10 s */
    ngx_msec_t       deny_ttl;                      /* 10 s */
    ngx_flag_t       anonymous;                     /* on */
    void            *state;     /* private: bundles loaded from the files */
} ngx_http_k8s_metrics_auth_srv_conf_t;

/* Per location. */
typedef struct {
    ngx_flag_t       enable;            /* k8s_metrics_auth */
    ngx_uint_t       written;           /* 1: written in this location */
} ngx_http_k8s_metrics_auth_loc_conf_t;

/* One for each worker: the decision cache, bundles in force. */
typedef struct ngx_http_k8s_metrics_auth_s  ngx_http_k8s_metrics_auth_t;


void ngx_http_k8s_metrics_auth_srv_conf_init(
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);
char *ngx_http_k8s_metrics_auth_srv_conf_merge(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *prev,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);

/* Directive setters that take a list of words, and the two times to live. */
char *ngx_http_k8s_metrics_auth_words(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_k8s_metrics_auth_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Postconfiguration, for each server in which some location authenticates:
 * prepares its SSL_CTX (and the default server's of each of its addresses):
 * the client certificate asked for, resumption off, mark; turns
 * ignore_invalid_headers off on all servers of these addresses (NOTICE);
 * ssl_verify_client there is an error.  NGX_OK or NGX_ERROR (EMERG).
 */
ngx_int_t ngx_http_k8s_metrics_auth_prepare(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);

/* Worker start.  NULL without memory. */
ngx_http_k8s_metrics_auth_t *ngx_http_k8s_metrics_auth(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store);

/*
 * The access phase of a location with k8s_metrics_auth on: NGX_OK when the
 * request may go on, NGX_AGAIN while a review is under way, else what a phase
 * handler returns (the Status was sent).
 */
ngx_int_t ngx_http_k8s_metrics_auth_access(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);


#endif /* _NGX_HTTP_K8S_METRICS_AUTH_H_INCLUDED_ */
