
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_FETCH_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_FETCH_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_fetch.h"


#define NGX_HTTP_K8S_METRICS_FETCH_POOL    8192
#define NGX_HTTP_K8S_METRICS_FETCH_BUFFER  16384    /* one TLS record */
#define NGX_HTTP_K8S_METRICS_FETCH_TURN    131072   /* read at a time */
#define NGX_HTTP_K8S_METRICS_FETCH_AGE     3600000  /* of a kept connection */

/* bytes of chunks' sizes, extensions and trailers, and more for each of data */
#define NGX_HTTP_K8S_METRICS_FETCH_FRAMING  65536
#define NGX_HTTP_K8S_METRICS_FETCH_FRAMED   8


/* A kept connection; memory of the connection's own pool. */
typedef struct {
    ngx_queue_t                      queue;
    ngx_http_k8s_metrics_peer_t     *peer;
    ngx_connection_t                *connection;
} ngx_http_k8s_metrics_fetch_idle_t;


struct ngx_http_k8s_metrics_peer_s {
    ngx_sockaddr_t                   sockaddr;
    socklen_t                        socklen;
    ngx_str_t                        name;
    ngx_str_t                        host;
    ngx_str_t                        tls_name;      /* ends with a NUL */
    ngx_ssl_t                       *ssl;
    ngx_ssl_session_t               *session;       /* without "sessions" */
    const ngx_http_k8s_metrics_sessions_t
                                    *sessions;
    void                            *session_data;
    const u_char                    *identity;
    ngx_queue_t                      idle;          /* last used first */
    ngx_uint_t                       nidle;
    ngx_uint_t                       max_idle;
    ngx_msec_t                       idle_timeout;
    ngx_uint_t                       failures;      /* without an answer */
    ngx_queue_t                      fetches;
    ngx_msec_t                       moved_at;
    unsigned                         moved:1;       /* to another address */
    unsigned                         verify:1;
    unsigned                         tls_ip:1;
};


struct ngx_http_k8s_metrics_fetch_s {
    ngx_connection_t                 connection;    /* must be first */
    ngx_event_t                      read;
    ngx_event_t                      write;
    ngx_event_t                      event;         /* begin, then done */
    ngx_event_t                      deadline;
    ngx_event_t                      go_on;         /* after a turn */
    size_t                           turn;          /* read in this one */
    ngx_log_t                        log;
    ngx_http_log_ctx_t               log_ctx;
    ngx_http_request_t               request;
    ngx_http_upstream_conf_t         upstream;

    ngx_pool_t                      *pool;
    ngx_http_k8s_metrics_peer_t     *peer;          /* NULL: it is gone */
    ngx_queue_t                      queue;
    ngx_http_k8s_metrics_fetch_idle_t
                                    *idle;          /* of the connection */

    const ngx_http_k8s_metrics_fetch_handlers_t
                                    *handlers;
    void                            *data;
    ngx_http_k8s_metrics_response_t  response;
    u_char                           content_type[128];
    char                             words[256];    /* last error logged */

    ngx_http_status_t                status;
    ngx_http_chunked_t               chunked;
    off_t                            received;      /* bytes of the body */
    off_t                            framed;        /* with its chunks' own */
    off_t                            max_body;
    ngx_msec_t                       limit;         /* deadline, ms */

    unsigned                         begun:1;
    unsigned                         tried:1;       /* peer.get was called */
    unsigned                         status_done:1;
    unsigned                         header_done:1;
    unsigned                         has_length:1;
    unsigned                         is_chunked:1;
    unsigned                         is_encoded:1;
    unsigned                         head:1;
    unsigned                         close:1;
    unsigned                         in_callback:1;
    unsigned                         cancelled:1;
    unsigned                         finished:1;    /* upstream let go */
    unsigned                         done:1;        /* in the done callback */
};


/* r->connection is the first member of its fetch. */
#define ngx_http_k8s_metrics_fetch_of(r)                                      \
    ((ngx_http_k8s_metrics_fetch_t *) (r)->connection)


/* _fetch_request.c: fills everything but the request's bytes; NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_fetch_fake(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf);
ngx_int_t ngx_http_k8s_metrics_fetch_upstream(ngx_http_k8s_metrics_fetch_t *f,
    const ngx_http_k8s_metrics_fetch_conf_t *conf);

/* _fetch_response.c: upstream's callbacks. */
ngx_int_t ngx_http_k8s_metrics_fetch_reinit(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_fetch_process_header(ngx_http_request_t *r);
ngx_int_t ngx_http_k8s_metrics_fetch_filter_init(void *data);
ngx_int_t ngx_http_k8s_metrics_fetch_filter(void *data, ssize_t bytes);
void ngx_http_k8s_metrics_fetch_go_on(ngx_event_t *ev);

/* _fetch_peer.c: peer.init of every fetch. */
ngx_int_t ngx_http_k8s_metrics_fetch_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);

/*
 * _fetch_session.c: a peer's session for a connection that is about to shake
 * hands; NGX_OK, also without one.  One that was begun on it is kept, or all
 * are forgotten.
 */
ngx_int_t ngx_http_k8s_metrics_session_set(ngx_http_k8s_metrics_peer_t *peer,
    ngx_connection_t *c);
void ngx_http_k8s_metrics_session_save(ngx_http_k8s_metrics_peer_t *peer,
    ngx_connection_t *c);
void ngx_http_k8s_metrics_session_drop(ngx_http_k8s_metrics_peer_t *peer);

/* _fetch_error.c */
void ngx_http_k8s_metrics_fetch_fail(ngx_http_k8s_metrics_fetch_t *f,
    ngx_http_k8s_metrics_failure_e failure, const char *fmt, ...);
void ngx_http_k8s_metrics_fetch_failed(ngx_http_k8s_metrics_fetch_t *f,
    ngx_int_t rc);

/* _fetch_log.c: of a fetch's own log, whose wdata it is. */
void ngx_http_k8s_metrics_fetch_log_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);

/* _fetch.c: u->finalize_request. */
void ngx_http_k8s_metrics_fetch_finalize(ngx_http_request_t *r, ngx_int_t rc);

/* _fetch_filter.c: configuration of fake requests, NULL without servers. */
ngx_http_conf_ctx_t *ngx_http_k8s_metrics_fetch_conf_ctx(void);
ngx_chain_t *ngx_http_k8s_metrics_fetch_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);


#endif /* _NGX_HTTP_K8S_METRICS_FETCH_INTERNAL_H_INCLUDED_ */
