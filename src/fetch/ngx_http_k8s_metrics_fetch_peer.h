
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_FETCH_PEER_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_FETCH_PEER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_fetch.h"


/*
 * Fetches in a row that failed before an answer began: 0 after any answer.
 * For callers that have several addresses to choose from.
 */
ngx_uint_t ngx_http_k8s_metrics_peer_failures(
    ngx_http_k8s_metrics_peer_t *peer);

/* Connections that are kept and idle. */
ngx_uint_t ngx_http_k8s_metrics_peer_kept(ngx_http_k8s_metrics_peer_t *peer);

/*
 * Connections go to that address from now on, and idle ones are closed as by
 * renew; fetches under way end on what they have, which is not kept.  The name
 * in logs and the count of failures follow.
 */
void ngx_http_k8s_metrics_peer_move(ngx_http_k8s_metrics_peer_t *peer,
    struct sockaddr *sockaddr, socklen_t socklen);


#endif /* _NGX_HTTP_K8S_METRICS_FETCH_PEER_H_INCLUDED_ */
