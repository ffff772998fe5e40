
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_ANSWER_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_accept.h"
#include "ngx_http_k8s_metrics_attrs.h"
#include "ngx_http_k8s_metrics_status.h"


/*
 * What auth/ and api/ both need of nginx to answer a client: the request in
 * Kubernetes' terms, negotiation from its headers, a small complete answer,
 * a Status.
 */

/*
 * The request's attributes, made once and kept with the request's pool (they
 * survive internal redirects).  NULL without memory.  "declined" is set to 1
 * when the path is one that could mean two things (see attrs.h).
 */
ngx_http_k8s_metrics_attrs_t *ngx_http_k8s_metrics_answer_attrs(
    ngx_http_request_t *r, ngx_uint_t *declined);

/*
 * The request's target as the client sent it: its path, which begins with "/",
 * and its query without the "?".  Views.  NGX_OK, or NGX_DECLINED when it
 * holds a "#" or is no path: attributes of it could mean another resource
 * than the one that is served.
 */
ngx_int_t ngx_http_k8s_metrics_answer_target(ngx_http_request_t *r,
    ngx_str_t *path, ngx_str_t *args);

/*
 * All values of the request header "name" (lower case, compared without case
 * on lengths and bytes) joined by ", " in order; empty when absent.  Pool
 * memory or a view.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_answer_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/*
 * Negotiates from Accept; "pretty" is that of the query, Accept or User-Agent
 * (curl, Wget, Mozilla: as in k8s.io/apiserver).  NGX_OK, NGX_DECLINED (406),
 * NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_answer_negotiate(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_offer_t *offer,
    ngx_http_k8s_metrics_accepted_t *accepted);

/* Adds a response header; literals.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_answer_add_header(ngx_http_request_t *r,
    const char *name, const char *value);

/* Content-Type of a form: application/json ... */
void ngx_http_k8s_metrics_answer_content_type(ngx_http_request_t *r,
    ngx_http_k8s_metrics_media_e media);

/*
 * Sends a whole answer with Content-Length and Cache-Control: no-cache,
 * private: r->headers_out.content_type is the caller's.  "body" must stay
 * valid until the request ends.  An error's code is sent also where error_page
 * would keep another one.  HEAD sends no body.  Discards the request's
 * body first.  Returns what a content handler returns.
 */
ngx_int_t ngx_http_k8s_metrics_answer_send(ngx_http_request_t *r,
    ngx_uint_t code, ngx_str_t *body);

/*
 * Sends a Status in the form that the client accepts (JSON when nothing fits);
 * Retry-After from status->retry_after, WWW-Authenticate never,
 * X-Content-Type-Options: nosniff with a 403.  Returns what a content handler
 * returns.
 */
ngx_int_t ngx_http_k8s_metrics_answer_status(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status);

/* A Status with the usual reason of "code" and a printf-like message. */
ngx_int_t ngx_http_k8s_metrics_answer_error(ngx_http_request_t *r,
    ngx_uint_t code, const char *fmt, ...);


#endif /* _NGX_HTTP_K8S_METRICS_ANSWER_H_INCLUDED_ */
