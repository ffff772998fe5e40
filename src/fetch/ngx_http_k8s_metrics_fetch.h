
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_FETCH_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_openssl.h>

#include "ngx_http_k8s_metrics_file.h"


/*
 * One outbound HTTP/1.1 request on nginx's upstream machinery, without a
 * client behind it: connect, TLS, send, stream the answer's body to a
 * callback, keep the connection for the next one.  Everything that leaves
 * nginx goes through here.
 *
 * A peer is one address: its idle connections and its last TLS session.
 * Everything here belongs to one worker.
 */

typedef struct ngx_http_k8s_metrics_fetch_s  ngx_http_k8s_metrics_fetch_t;
typedef struct ngx_http_k8s_metrics_peer_s   ngx_http_k8s_metrics_peer_t;


#define NGX_HTTP_K8S_METRICS_FETCH_KEY          32
#define NGX_HTTP_K8S_METRICS_FETCH_MAX_SESSION  8192

/*
 * Where TLS sessions are kept, if not in the peer.  "key" is made of all that
 * makes one fit to be used: the bytes of CA bundle and client certificate,
 * whether and for which name the server is verified.  A resumed session is not
 * verified again: bytes are to be given back for an equal key only.
 *
 * get: copies at most FETCH_MAX_SESSION bytes and returns how many, 0 for none.
 * put: replaces them; 0 bytes: forget them.
 */
typedef struct {
    size_t  (*get)(void *data, const u_char *key, u_char *bytes);
    void    (*put)(void *data, const u_char *key, const u_char *bytes,
                   size_t len);
} ngx_http_k8s_metrics_sessions_t;

typedef struct {
    struct sockaddr                 *sockaddr;  /* copied */
    socklen_t                        socklen;
    ngx_str_t                        name;      /* for logs; copied */
    ngx_str_t                        host;      /* the Host header; copied */
    ngx_ssl_t                       *ssl;       /* NULL: plain HTTP; must
                                                   outlive the peer */
    unsigned                         verify:1;  /* chain and tls_name */
    ngx_str_t                        tls_name;  /* DNS name or IP literal that
                                                   the certificate must hold;
                                                   a DNS name goes as SNI */
    ngx_uint_t                       max_idle;  /* kept connections */
    ngx_msec_t                       idle_timeout;
    const ngx_http_k8s_metrics_sessions_t
                                    *sessions;  /* NULL: in the peer */
    void                            *session_data;
    const u_char                    *identity;  /* of the credentials whose
                                                   ssl it is, with sessions */
} ngx_http_k8s_metrics_peer_conf_t;

/* NULL without memory.  Heap memory: given back by destroy only. */
ngx_http_k8s_metrics_peer_t *ngx_http_k8s_metrics_peer_create(
    const ngx_http_k8s_metrics_peer_conf_t *conf, ngx_log_t *log);

/*
 * conf->ssl is made of something else now: closes idle connections and forgets
 * the TLS session.  Fetches under way end on the connections that they have,
 * which are not kept.
 */
void ngx_http_k8s_metrics_peer_renew(ngx_http_k8s_metrics_peer_t *peer);

/* Closes idle connections, cancels fetches under way (no callback), frees. */
void ngx_http_k8s_metrics_peer_destroy(ngx_http_k8s_metrics_peer_t *peer);


typedef enum {
    NGX_HTTP_K8S_METRICS_FETCH_OK = 0,
    NGX_HTTP_K8S_METRICS_FETCH_CONNECT,     /* refused, unreachable */
    NGX_HTTP_K8S_METRICS_FETCH_TLS,         /* handshake, certificate */
    NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT,     /* a time-out or the deadline */
    NGX_HTTP_K8S_METRICS_FETCH_PROTOCOL,    /* not HTTP, cut short */
    NGX_HTTP_K8S_METRICS_FETCH_TOO_LARGE,   /* body over max_body */
    NGX_HTTP_K8S_METRICS_FETCH_REFUSED,     /* a callback said NGX_ERROR */
    NGX_HTTP_K8S_METRICS_FETCH_INTERNAL     /* no memory, no connection */
} ngx_http_k8s_metrics_failure_e;

/* What came back; valid in callbacks. */
typedef struct {
    ngx_uint_t                       status;    /* 0 before a status line */
    ngx_str_t                        content_type;
    off_t                            content_length;    /* -1 unknown */
    time_t                           retry_after;       /* s, 0 none */
    time_t                           date;              /* 0 unknown */
    ngx_http_k8s_metrics_failure_e   failure;
    char                             error[160];        /* in words, for logs
                                            and operators; no secrets; a NUL
                                            ends it */
    ngx_uint_t                       reused;    /* a kept connection */
    ngx_uint_t                       resumed;   /* a TLS session was */
} ngx_http_k8s_metrics_response_t;


/*
 * header: once, when the final status and headers are there (1xx skipped,
 * redirects not followed).  body: each piece as it arrives, dechunked; the
 * bytes are valid during the call.  Both return NGX_OK, or NGX_ERROR to end
 * the fetch (then done follows with FETCH_REFUSED).  Neither may cancel or
 * start a fetch on the same peer.
 *
 * done: exactly once unless cancelled, never from within start; "rc" is
 * NGX_OK when the whole answer was read (whatever its status), else NGX_ERROR
 * with response->failure and ->error.  It may start other fetches and destroy
 * the peer.  The fetch is gone when done returns.
 */
typedef struct {
    ngx_int_t  (*header)(void *data, ngx_http_k8s_metrics_response_t *res);
    ngx_int_t  (*body)(void *data, u_char *p, size_t len);
    void       (*done)(void *data, ngx_int_t rc,
                       ngx_http_k8s_metrics_response_t *res);
} ngx_http_k8s_metrics_fetch_handlers_t;

typedef struct {
    ngx_str_t                        method;
    ngx_str_t                        uri;           /* path and query */
    ngx_str_t                        headers;       /* "Name: value\r\n"... */
    ngx_str_t                        token;         /* bearer; empty: none */
    ngx_str_t                        body;          /* NULL data: none */
    ngx_msec_t                       connect_timeout;
    ngx_msec_t                       read_timeout;  /* between two reads */
    ngx_msec_t                       deadline;      /* in all; 0: none */
    off_t                            max_body;      /* 0: no limit */
    const ngx_http_k8s_metrics_fetch_handlers_t
                                    *handlers;
    void                            *data;
} ngx_http_k8s_metrics_fetch_conf_t;


/*
 * Starts a request; everything in "conf" is copied.  A failure on a kept
 * connection that the peer had closed is tried once more on a new one.  NULL
 * when it could not even begin (logged; no callback follows).
 */
ngx_http_k8s_metrics_fetch_t *ngx_http_k8s_metrics_fetch_start(
    ngx_http_k8s_metrics_peer_t *peer,
    const ngx_http_k8s_metrics_fetch_conf_t *conf, ngx_log_t *log);

/* Ends a fetch at once, no callback.  Not from its own header or body. */
void ngx_http_k8s_metrics_fetch_cancel(ngx_http_k8s_metrics_fetch_t *fetch);


/*
 * Worker start: finds the http configuration that fake requests run in and
 * wraps the top filters so that they swallow them.  NGX_OK, or NGX_ERROR
 * without memory.
 */
ngx_int_t ngx_http_k8s_metrics_fetch_init_process(ngx_cycle_t *cycle);

/*
 * "handler" is called once when the worker begins a graceful exit (reload,
 * quit, upgrade), so that scrapes and watches end and do not hold it.  Takes
 * a connection where one is free, but no descriptor.  NGX_OK, or NGX_ERROR
 * without memory.
 */
ngx_int_t ngx_http_k8s_metrics_fetch_at_exit(ngx_cycle_t *cycle,
    void (*handler)(void *data), void *data);


/* PEM bytes, whose they are, and the file that may bring others. */
typedef struct {
    ngx_str_t                        bytes;     /* NULL data: not given */
    const char                      *what;      /* for errors: a directive */
    ngx_http_k8s_metrics_file_t      file;      /* no name: they stay */
} ngx_http_k8s_metrics_pem_t;

#define NGX_HTTP_K8S_METRICS_PEM_CA    0
#define NGX_HTTP_K8S_METRICS_PEM_CERT  1
#define NGX_HTTP_K8S_METRICS_PEM_KEY   2
#define NGX_HTTP_K8S_METRICS_PEMS      3

/* What we are to servers, and by what we know them. */
typedef struct {
    ngx_http_k8s_metrics_pem_t       pem[NGX_HTTP_K8S_METRICS_PEMS];
    ngx_ssl_t                       *ssl;       /* stays; its SSL_CTX is
                                                   replaced */
    ngx_http_k8s_metrics_files_t     files;     /* of those that have one */
    ngx_uint_t                       slot[NGX_HTTP_K8S_METRICS_PEMS];

    /* of the bytes in force; random as well where the CAs are the system's */
    u_char                           identity[NGX_HTTP_K8S_METRICS_FETCH_KEY];
    u_char                           salt[16];
} ngx_http_k8s_metrics_credentials_t;

/*
 * While the configuration is read: makes c->ssl, a TLS client context of
 * c->pem.  Without a CA bundle the system's is taken; one that is given and
 * holds no certificate, or one that is broken, is an error.  Certificate and
 * key need each other or may be missing.  Registered with "pool"'s cleanup.
 * NGX_OK, or NGX_ERROR (EMERG says what was wrong; never key bytes).
 */
ngx_int_t ngx_http_k8s_metrics_credentials(ngx_pool_t *pool, ngx_log_t *log,
    ngx_http_k8s_metrics_credentials_t *c);

/*
 * In a worker, often: NGX_OK when its files have changed and c->ssl is made of
 * the new ones, so that its peers are to be renewed, else NGX_DECLINED.
 */
ngx_int_t ngx_http_k8s_metrics_credentials_look(
    ngx_http_k8s_metrics_credentials_t *c, ngx_log_t *log);


#endif /* _NGX_HTTP_K8S_METRICS_FETCH_H_INCLUDED_ */
