
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_IDENTITY_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_IDENTITY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* Who asks: all of auth/ that api/ may know. */

typedef enum {
    NGX_HTTP_K8S_METRICS_BY_NONE = 0,
    NGX_HTTP_K8S_METRICS_BY_REQUESTHEADER,
    NGX_HTTP_K8S_METRICS_BY_X509,
    NGX_HTTP_K8S_METRICS_BY_TOKEN,
    NGX_HTTP_K8S_METRICS_BY_ANONYMOUS
} ngx_http_k8s_metrics_by_e;

typedef struct {
    ngx_str_t                      key;     /* lower case, decoded */
    ngx_uint_t                     nvalues;
    ngx_str_t                     *values;
} ngx_http_k8s_metrics_extra_t;

typedef struct {
    ngx_http_k8s_metrics_by_e      by;
    ngx_str_t                      user;
    ngx_str_t                      uid;
    ngx_uint_t                     ngroups;
    ngx_str_t                     *groups;
    ngx_uint_t                     nextra;
    ngx_http_k8s_metrics_extra_t  *extra;   /* sorted by key */
} ngx_http_k8s_metrics_identity_t;


/*
 * The verified identity of a request that passed the access phase, or NULL
 * (no k8s_metrics_auth there).  The request's pool owns it; it survives
 * internal redirects.
 */
ngx_http_k8s_metrics_identity_t *ngx_http_k8s_metrics_identity(
    ngx_http_request_t *r);

/* 1 when the identity holds the group. */
ngx_uint_t ngx_http_k8s_metrics_identity_in_group(
    const ngx_http_k8s_metrics_identity_t *identity, const ngx_str_t *group);

/* A set, in one order: equal identities are to be equal questions. */
void ngx_http_k8s_metrics_identity_sort(
    ngx_http_k8s_metrics_identity_t *identity);

/*
 * A deep copy into one block of identity_size() bytes, aligned as of malloc;
 * its groups have room for one more.
 */
size_t ngx_http_k8s_metrics_identity_size(
    const ngx_http_k8s_metrics_identity_t *identity);
ngx_http_k8s_metrics_identity_t *ngx_http_k8s_metrics_identity_copy(void *mem,
    const ngx_http_k8s_metrics_identity_t *identity);

/*
 * 1 when a name, group or value of it holds a control character: shown to a
 * proxied application it would be more than one header.
 */
ngx_uint_t ngx_http_k8s_metrics_identity_unsafe(
    const ngx_http_k8s_metrics_identity_t *identity);


#endif /* _NGX_HTTP_K8S_METRICS_IDENTITY_H_INCLUDED_ */
