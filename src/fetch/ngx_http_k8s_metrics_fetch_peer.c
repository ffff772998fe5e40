
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"
#include "ngx_http_k8s_metrics_fetch_peer.h"


static ngx_int_t ngx_http_k8s_metrics_peer_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_k8s_metrics_peer_reuse(ngx_peer_connection_t *pc,
    ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_peer_free(ngx_peer_connection_t *pc,
    void *data, ngx_uint_t state);
static ngx_int_t ngx_http_k8s_metrics_peer_park(ngx_connection_t *c,
    ngx_http_k8s_metrics_fetch_t *f);
static void ngx_http_k8s_metrics_peer_idle_read(ngx_event_t *ev);
static void ngx_http_k8s_metrics_peer_idle_write(ngx_event_t *ev);
static void ngx_http_k8s_metrics_peer_forget(
    ngx_http_k8s_metrics_fetch_idle_t *idle);
static void ngx_http_k8s_metrics_peer_close(ngx_connection_t *c);
static ngx_uint_t ngx_http_k8s_metrics_peer_outdated(
    ngx_http_k8s_metrics_peer_t *peer, ngx_connection_t *c);
static ngx_int_t ngx_http_k8s_metrics_peer_set_session(
    ngx_peer_connection_t *pc, void *data);
static ngx_int_t ngx_http_k8s_metrics_peer_expect(
    ngx_http_k8s_metrics_peer_t *peer, ngx_ssl_conn_t *ssl);
static void ngx_http_k8s_metrics_peer_save_session(ngx_peer_connection_t *pc,
    void *data);


ngx_http_k8s_metrics_peer_t *
ngx_http_k8s_metrics_peer_create(const ngx_http_k8s_metrics_peer_conf_t *conf,
    ngx_log_t *log)
{
    size_t                        size;
    u_char                       *p;
    ngx_str_t                     name;
    struct sockaddr_storage       sa;
    ngx_http_k8s_metrics_peer_t  *peer;

    if (conf->socklen > (socklen_t) sizeof(ngx_sockaddr_t)
        || (conf->ssl && conf->verify && conf->tls_name.len == 0))
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%V\" has no address or no name to verify",
                      &conf->name);
        return NULL;
    }

    size = sizeof(ngx_http_k8s_metrics_peer_t)
           + ngx_max(conf->name.len, NGX_SOCKADDR_STRLEN)
           + conf->host.len + conf->tls_name.len + 1;

    peer = ngx_calloc(size, log);
    if (peer == NULL) {
        return NULL;
    }

    ngx_memcpy(&peer->sockaddr, conf->sockaddr, conf->socklen);
    peer->socklen = conf->socklen;

    p = (u_char *) peer + sizeof(ngx_http_k8s_metrics_peer_t);

    peer->name.data = p;
    peer->name.len = conf->name.len;
    ngx_memcpy(p, conf->name.data, conf->name.len);
    p += ngx_max(conf->name.len, NGX_SOCKADDR_STRLEN);

    peer->host.data = p;
    peer->host.len = conf->host.len;
    p = ngx_cpymem(p, conf->host.data, conf->host.len);

    peer->tls_name.data = p;
    peer->tls_name.len = conf->tls_name.len;
    (void) ngx_cpymem(p, conf->tls_name.data, conf->tls_name.len);

    name = peer->tls_name;

    peer->tls_ip = name.len
                   && (inet_pton(AF_INET, (char *) name.data, &sa) == 1
                       || inet_pton(AF_INET6, (char *) name.data, &sa) == 1);

    peer->ssl = conf->ssl;
    peer->verify = conf->verify;
    peer->max_idle = conf->max_idle;
    peer->idle_timeout = conf->idle_timeout;
    peer->sessions = conf->ssl ? conf->sessions : NULL;
    peer->session_data = conf->session_data;
    peer->identity = conf->identity;

    ngx_queue_init(&peer->idle);
    ngx_queue_init(&peer->fetches);

    return peer;
}


void
ngx_http_k8s_metrics_peer_destroy(ngx_http_k8s_metrics_peer_t *peer)
{
    ngx_queue_t                   *q;
    ngx_http_k8s_metrics_fetch_t  *f;

    while (!ngx_queue_empty(&peer->fetches)) {
        q = ngx_queue_head(&peer->fetches);
        f = ngx_queue_data(q, ngx_http_k8s_metrics_fetch_t, queue);

        /* a fetch that is in a callback outlives its peer */

        if (f->in_callback) {
            ngx_queue_remove(q);
            f->peer = NULL;
        }

        ngx_http_k8s_metrics_fetch_cancel(f);
    }

    ngx_http_k8s_metrics_peer_renew(peer);

    ngx_free(peer);
}


void
ngx_http_k8s_metrics_peer_renew(ngx_http_k8s_metrics_peer_t *peer)
{
    ngx_queue_t                        *q;
    ngx_http_k8s_metrics_fetch_idle_t  *idle;

    while (!ngx_queue_empty(&peer->idle)) {
        q = ngx_queue_head(&peer->idle);
        idle = ngx_queue_data(q, ngx_http_k8s_metrics_fetch_idle_t, queue);

        ngx_http_k8s_metrics_peer_forget(idle);
        ngx_http_k8s_metrics_peer_close(idle->connection);
    }

    /* a server would go on with who we were when it began */

    if (peer->session) {
        ngx_ssl_free_session(peer->session);
        peer->session = NULL;
    }
}


void
ngx_http_k8s_metrics_peer_move(ngx_http_k8s_metrics_peer_t *peer,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_http_k8s_metrics_peer_renew(peer);

    ngx_memcpy(&peer->sockaddr, sockaddr, socklen);
    peer->socklen = socklen;

    peer->name.len = ngx_sock_ntop(sockaddr, socklen, peer->name.data,
                                   NGX_SOCKADDR_STRLEN, 1);
    peer->failures = 0;
    peer->moved = 1;
    peer->moved_at = ngx_current_msec;
}


ngx_uint_t
ngx_http_k8s_metrics_peer_failures(ngx_http_k8s_metrics_peer_t *peer)
{
    return peer->failures;
}


ngx_uint_t
ngx_http_k8s_metrics_peer_kept(ngx_http_k8s_metrics_peer_t *peer)
{
    return peer->nidle;
}


ngx_int_t
ngx_http_k8s_metrics_fetch_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_upstream_t           *u;
    ngx_http_k8s_metrics_fetch_t  *f;

    u = r->upstream;
    f = ngx_http_k8s_metrics_fetch_of(r);

    u->peer.data = f;
    u->peer.get = ngx_http_k8s_metrics_peer_get;
    u->peer.free = ngx_http_k8s_metrics_peer_free;
    u->peer.set_session = ngx_http_k8s_metrics_peer_set_session;
    u->peer.save_session = ngx_http_k8s_metrics_peer_save_session;
    u->peer.tries = 1;

    /* from here on upstream may try again */

    f->connection.error = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_peer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    ngx_http_k8s_metrics_peer_t  *peer;

    peer = f->peer;

    pc->cached = 0;
    pc->connection = NULL;
    pc->sockaddr = &peer->sockaddr.sockaddr;
    pc->socklen = peer->socklen;
    pc->name = &peer->name;

    f->idle = NULL;
    f->response.reused = 0;

    if (!f->tried && !ngx_queue_empty(&peer->idle)) {
        f->tried = 1;
        ngx_http_k8s_metrics_peer_reuse(pc, f);
        return NGX_DONE;
    }

    f->tried = 1;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_peer_reuse(ngx_peer_connection_t *pc,
    ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_queue_t                        *q;
    ngx_connection_t                   *c;
    ngx_http_k8s_metrics_fetch_idle_t  *idle;

    q = ngx_queue_head(&f->peer->idle);
    idle = ngx_queue_data(q, ngx_http_k8s_metrics_fetch_idle_t, queue);
    c = idle->connection;

    ngx_http_k8s_metrics_peer_forget(idle);

    c->idle = 0;
    c->sent = 0;
    c->log = pc->log;
    c->read->log = pc->log;
    c->write->log = pc->log;
    c->pool->log = pc->log;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    ngx_reusable_connection(c, 0);

    f->idle = idle;
    f->response.reused = 1;

    pc->connection = c;
    pc->cached = 1;
}


static void
ngx_http_k8s_metrics_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    ngx_connection_t  *c;

    c = pc->connection;

    if (state & NGX_PEER_FAILED) {

        if (pc->tries) {
            pc->tries--;
        }

        if (f->peer && c && c->ssl && !c->ssl->handshaked) {
            ngx_http_k8s_metrics_session_drop(f->peer);
        }

        return;
    }

    if (c && ngx_http_k8s_metrics_peer_park(c, f) == NGX_OK) {
        pc->connection = NULL;
    }
}


static ngx_int_t
ngx_http_k8s_metrics_peer_park(ngx_connection_t *c,
    ngx_http_k8s_metrics_fetch_t *f)
{
    ngx_log_t                          *log;
    ngx_http_upstream_t                *u;
    ngx_http_k8s_metrics_peer_t        *peer;
    ngx_http_k8s_metrics_fetch_idle_t  *idle;

    u = f->request.upstream;
    peer = f->peer;
    idle = f->idle;

    if (peer == NULL || peer->nidle >= peer->max_idle
        || !u->keepalive || !u->request_body_sent
        || c->read->eof || c->read->error || c->read->timedout
        || c->write->error || c->write->timedout
        || ngx_current_msec - c->start_time > NGX_HTTP_K8S_METRICS_FETCH_AGE
        || ngx_http_k8s_metrics_peer_outdated(peer, c)
        || (peer->moved
            && (ngx_msec_int_t) (c->start_time - peer->moved_at) <= 0)
        || ngx_terminate || ngx_exiting)
    {
        return NGX_DECLINED;
    }

    if (idle == NULL) {
        idle = ngx_palloc(c->pool, sizeof(ngx_http_k8s_metrics_fetch_idle_t));
        if (idle == NULL) {
            return NGX_DECLINED;
        }
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_DECLINED;
    }

    idle->peer = peer;
    idle->connection = c;

    ngx_queue_insert_head(&peer->idle, &idle->queue);
    peer->nidle++;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->delayed = 0;
    ngx_add_timer(c->read, peer->idle_timeout);

    c->read->handler = ngx_http_k8s_metrics_peer_idle_read;
    c->write->handler = ngx_http_k8s_metrics_peer_idle_write;

    log = ngx_cycle->log;

    c->data = idle;
    c->idle = 1;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->pool->log = log;

    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }

    ngx_reusable_connection(c, 1);

    if (c->read->ready) {
        ngx_http_k8s_metrics_peer_idle_read(c->read);
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_peer_idle_read(ngx_event_t *ev)
{
    int                n;
    char               buf[1];
    ngx_connection_t  *c;

    c = ev->data;

    if (!c->close && !ev->timedout) {

        n = recv(c->fd, buf, 1, MSG_PEEK);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
            ev->ready = 0;

            if (ngx_handle_read_event(ev, 0) == NGX_OK) {
                return;
            }
        }
    }

    ngx_http_k8s_metrics_peer_forget(c->data);
    ngx_http_k8s_metrics_peer_close(c);
}


static void
ngx_http_k8s_metrics_peer_idle_write(ngx_event_t *ev)
{
    return;
}


static void
ngx_http_k8s_metrics_peer_forget(ngx_http_k8s_metrics_fetch_idle_t *idle)
{
    ngx_queue_remove(&idle->queue);
    idle->peer->nidle--;
}


static void
ngx_http_k8s_metrics_peer_close(ngx_connection_t *c)
{
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        /* without sending or waiting it never says NGX_AGAIN */

        (void) ngx_ssl_shutdown(c);
    }

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);
}


/* 1 when it began before peer->ssl was made of something else */

static ngx_uint_t
ngx_http_k8s_metrics_peer_outdated(ngx_http_k8s_metrics_peer_t *peer,
    ngx_connection_t *c)
{
    return c->ssl && SSL_get_SSL_CTX(c->ssl->connection) != peer->ssl->ctx;
}


/* the last hook before the handshake: what the certificate must be is here */

static ngx_int_t
ngx_http_k8s_metrics_peer_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    ngx_ssl_conn_t               *ssl;
    ngx_connection_t             *c;
    ngx_http_k8s_metrics_peer_t  *peer;

    c = pc->connection;
    peer = f->peer;
    ssl = c->ssl->connection;

    if (peer->tls_name.len && !peer->tls_ip
        && SSL_set_tlsext_host_name(ssl, (char *) peer->tls_name.data) == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, pc->log, 0,
                      "SSL_set_tlsext_host_name() failed");
        return NGX_ERROR;
    }

    if (!peer->verify) {
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);

    } else if (ngx_http_k8s_metrics_peer_expect(peer, ssl) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, pc->log, 0, "X509_VERIFY_PARAM failed");
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_session_set(peer, c);
}


static ngx_int_t
ngx_http_k8s_metrics_peer_expect(ngx_http_k8s_metrics_peer_t *peer,
    ngx_ssl_conn_t *ssl)
{
    X509_VERIFY_PARAM  *param;

    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);

    param = SSL_get0_param(ssl);

    if (peer->tls_ip) {
        return X509_VERIFY_PARAM_set1_ip_asc(param,
                                             (char *) peer->tls_name.data)
               ? NGX_OK : NGX_ERROR;
    }

    /* as Go: a subject's common name is no name */

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
                                    |X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);

    return X509_VERIFY_PARAM_set1_host(param, (char *) peer->tls_name.data,
                                       peer->tls_name.len)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_k8s_metrics_peer_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_k8s_metrics_fetch_t *f = data;

    if (f->peer == NULL
        || ngx_http_k8s_metrics_peer_outdated(f->peer, pc->connection))
    {
        return;
    }

    ngx_http_k8s_metrics_session_save(f->peer, pc->connection);
}
