
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
 * client-CA x509, bearer token by TokenReview, anonymous), then the authorizer
 * (SubjectAccessReview).
 */

/*
 * Per server, merged with http.  This and the next one begin the module's
 * configurations: the filter of answers has nobody to hand it its part.
 */
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
    ngx_array_t     *token_audiences;               /* of ngx_str_t; NULL:
                                                       none is asked for */
    ngx_msec_t       token_ttl;                     /* 10 s */
    ngx_msec_t       allow_ttl;                     /* 10 s */
    ngx_msec_t       deny_ttl;                      /* 10 s */
    ngx_uint_t       max_inflight;                  /* 400; 0: no limit */
    ngx_flag_t       anonymous;                     /* on */
    ngx_uint_t       authenticates;     /* 1: some location of it does */
    ngx_uint_t       serves;            /* 1: some location answers the API */
    void            *state;     /* private: bundles loaded from the files */
} ngx_http_k8s_metrics_auth_srv_conf_t;

/* Per location. */
typedef struct {
    ngx_flag_t       enable;            /* k8s_metrics_auth */
    ngx_flag_t       serves;            /* k8s_metrics */
    ngx_uint_t       written;           /* 1: written in this location */
} ngx_http_k8s_metrics_auth_loc_conf_t;

/* One for each worker: the decision cache, bundles in force. */
typedef struct ngx_http_k8s_metrics_auth_s  ngx_http_k8s_metrics_auth_t;


void ngx_http_k8s_metrics_auth_srv_conf_init(
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);
char *ngx_http_k8s_metrics_auth_srv_conf_merge(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *prev,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);

/*
 * Directive setters: a list of words, of headers' names or their beginnings, a
 * file, the two times to live of decisions, the one of tokens.
 */
char *ngx_http_k8s_metrics_auth_words(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_k8s_metrics_auth_headers(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_k8s_metrics_auth_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_k8s_metrics_auth_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_k8s_metrics_auth_token_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Preconfiguration: the variables that README.md lists, which have no value
 * before the access phase.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_auth_variables(ngx_conf_t *cf);

/*
 * Postconfiguration, for each server in which some location authenticates:
 * prepares its SSL_CTX (and the default server's of each of its addresses):
 * the client certificate asked for, resumption off, mark; turns
 * ignore_invalid_headers off on all servers of these addresses (NOTICE);
 * ssl_verify_client there is an error; buffers that are too small for the
 * headers that the aggregator forwards over HTTP/2 are a WARN.  NGX_OK or
 * NGX_ERROR (EMERG).
 */
ngx_int_t ngx_http_k8s_metrics_auth_prepare(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);

/*
 * Worker start.  From here on what nginx itself refuses (before any phase on
 * the servers of this module, and in locations of k8s_metrics) is told by a
 * Status instead of its own page.  NULL without memory.
 */
ngx_http_k8s_metrics_auth_t *ngx_http_k8s_metrics_auth(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_store_t *store);

/*
 * From the worker's tick: reads the cluster's settings where they changed, so
 * that the log says soon what is wrong with them, and the files of directives
 * (bundles, servers' certificates) that were replaced.
 */
void ngx_http_k8s_metrics_auth_refresh(ngx_http_k8s_metrics_auth_t *auth);

/*
 * The access phase of a location with k8s_metrics_auth on: NGX_OK when the
 * request may go on, NGX_AGAIN while a review is under way, else what a phase
 * handler returns (the Status was sent).
 */
ngx_int_t ngx_http_k8s_metrics_auth_access(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);

/*
 * Before the content.  nginx's core leaves subrequests out of the access
 * phase: with k8s_metrics_auth on, one that an unauthorized request makes
 * (auth_request, SSI) is forbidden here.  And with it off k8s_metrics is no
 * error page for a request that was refused elsewhere: it would show what was
 * refused.  NGX_DECLINED or NGX_HTTP_FORBIDDEN.
 */
ngx_int_t ngx_http_k8s_metrics_auth_precontent(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_auth_loc_conf_t *conf);


#endif /* _NGX_HTTP_K8S_METRICS_AUTH_H_INCLUDED_ */
