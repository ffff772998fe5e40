
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_answer.h"
#include "ngx_http_k8s_metrics_auth.h"


/*
 * A set of CA certificates.  "id" is new for each that was ever loaded in this
 * process: a verdict that is kept with a connection names the one it was
 * reached with.
 */
typedef struct {
    X509_STORE                       *store;
    ngx_uint_t                        id;
} ngx_http_k8s_metrics_bundle_t;

/* How identities are read from headers, all from one source. */
typedef struct {
    ngx_http_k8s_metrics_bundle_t    *bundle;
    ngx_array_t                      *allowed_names;    /* of ngx_str_t; NULL
                                                           or empty: any */
    ngx_array_t                      *username;
    ngx_array_t                      *uid;
    ngx_array_t                      *group;
    ngx_array_t                      *extra;
} ngx_http_k8s_metrics_requestheader_t;

typedef struct {
    ngx_http_k8s_metrics_requestheader_t   requestheader;
    ngx_http_k8s_metrics_bundle_t         *client_ca;
} ngx_http_k8s_metrics_auth_settings_t;


typedef enum {
    NGX_HTTP_K8S_METRICS_UNDECIDED = 0,
    NGX_HTTP_K8S_METRICS_ALLOWED,
    NGX_HTTP_K8S_METRICS_DENIED,
    NGX_HTTP_K8S_METRICS_REVIEW_FAILED
} ngx_http_k8s_metrics_decision_e;


/* One question and its answer; heap memory of the worker's cache. */
typedef struct {
    ngx_str_node_t                    sn;       /* key: the question */
    ngx_queue_t                       lru;
    ngx_queue_t                       waiters;
    size_t                            size;
    ngx_msec_t                        expires;
    ngx_http_k8s_metrics_decision_e   decision;
    ngx_str_t                         reason;
    ngx_msec_t                        allow_ttl;
    ngx_msec_t                        deny_ttl;
    unsigned                          pending:1;
    unsigned                          keep:1;   /* may be kept */
} ngx_http_k8s_metrics_review_t;


struct ngx_http_k8s_metrics_auth_s {
    ngx_http_k8s_metrics_kube_client_t     *client;
    ngx_http_k8s_metrics_store_t           *store;
    ngx_log_t                              *log;

    /* what the ConfigMap says, read again when its generation moves */
    ngx_pool_t                             *pool;
    ngx_uint_t                              generation;
    ngx_http_k8s_metrics_auth_settings_t    settings;
    unsigned                                known:1;

    ngx_rbtree_t                            reviews;
    ngx_rbtree_node_t                       sentinel;
    ngx_queue_t                             lru;
    ngx_uint_t                              nreviews;
    size_t                                  bytes;
};


/* A request's state: a pool cleanup's data, found by the cleanup's handler. */
typedef struct {
    ngx_http_request_t                *request;
    ngx_http_k8s_metrics_identity_t    identity;
    ngx_queue_t                        queue;
    ngx_http_k8s_metrics_decision_e    decision;
    ngx_str_t                          reason;
    unsigned                           waiting:1;
    unsigned                           authorized:1;
} ngx_http_k8s_metrics_auth_ctx_t;


/* --- settings (auth_settings.c) ---------------------------------------- */

/* A bundle from PEM bytes; NULL, with "error" in words, when it is none. */
ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_bundle(ngx_pool_t *pool,
    ngx_str_t *pem, const char **error);

/* A bundle from a file; NULL (EMERG logged). */
ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_bundle_file(
    ngx_conf_t *cf, ngx_str_t *file);

/*
 * The settings in force for a server: its own directives, else the ConfigMap
 * (requestheader: all or nothing).  A bundle is NULL where there is none.
 */
void ngx_http_k8s_metrics_auth_settings(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_settings_t *settings);


/* --- certificates (auth_x509.c, auth_ssl.c) ---------------------------- */

/* Which of the two verdicts of a connection is meant. */
#define NGX_HTTP_K8S_METRICS_FRONT_PROXY  0
#define NGX_HTTP_K8S_METRICS_CLIENT       1

/*
 * 1 when the connection's client certificate verifies against "bundle" for
 * client authentication now; the verdict is kept with the connection until
 * a certificate of the chain expires or the bundle is another.
 */
ngx_uint_t ngx_http_k8s_metrics_x509_verify(ngx_http_request_t *r, X509 *cert,
    ngx_uint_t which, ngx_http_k8s_metrics_bundle_t *bundle);

/* The subject's last CN; NGX_OK, NGX_DECLINED (none, NUL in it), NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_x509_common_name(ngx_pool_t *pool, X509 *cert,
    ngx_str_t *name);

/* Fills an identity from a verified certificate; returns as above. */
ngx_int_t ngx_http_k8s_metrics_x509_identity(ngx_pool_t *pool, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity);

/* 1 when the handshake ran on an SSL_CTX that was prepared, in full. */
ngx_uint_t ngx_http_k8s_metrics_ssl_prepared(ngx_http_request_t *r);


/* --- who (auth_requestheader.c, auth_authenticate.c) ------------------- */

/* NGX_OK, NGX_DECLINED when there is no user header, NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_requestheader_identity(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh,
    ngx_http_k8s_metrics_identity_t *identity);

/*
 * NGX_OK with the identity, or an HTTP status: 401, 421, 503, 403 for
 * impersonation, 500 without memory.
 */
ngx_int_t ngx_http_k8s_metrics_authenticate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_identity_t *identity);


/* --- may they (auth_cache.c, auth_review.c) ---------------------------- */

/*
 * The question as a SubjectAccessReview document, pool memory.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_review_question(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_identity_t *identity,
    const ngx_http_k8s_metrics_attrs_t *attrs, ngx_str_t *json);

/*
 * Asks: NGX_OK when the decision is in ctx at once, NGX_AGAIN when ctx waits
 * and its request will be run on, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_review_ask(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_str_t *question,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);

/* Starts the request for a pending entry.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_review_start(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review);

/* The answer is there: kept, and everybody who waits goes on. */
void ngx_http_k8s_metrics_review_done(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_review_t *review,
    ngx_http_k8s_metrics_decision_e decision, ngx_str_t *reason);

/* Runs a parked request's phases again (auth_access.c). */
void ngx_http_k8s_metrics_auth_resume(ngx_http_k8s_metrics_auth_ctx_t *ctx);


#endif /* _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_ */
