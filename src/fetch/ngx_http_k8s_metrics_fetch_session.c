
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


static ngx_int_t ngx_http_k8s_metrics_session_key(
    ngx_http_k8s_metrics_peer_t *peer, u_char *key);
static ngx_ssl_session_t *ngx_http_k8s_metrics_session_load(
    ngx_http_k8s_metrics_peer_t *peer);
static ngx_uint_t ngx_http_k8s_metrics_session_expired(
    ngx_ssl_session_t *session);


ngx_int_t
ngx_http_k8s_metrics_session_set(ngx_http_k8s_metrics_peer_t *peer,
    ngx_connection_t *c)
{
    ngx_int_t           rc;
    ngx_ssl_session_t  *session;

    session = peer->sessions ? ngx_http_k8s_metrics_session_load(peer)
                             : peer->session;

    if (session == NULL) {
        return NGX_OK;
    }

    if (peer->verify && ngx_http_k8s_metrics_session_expired(session)) {

        if (session == peer->session) {
            peer->session = NULL;
        }

        ngx_ssl_free_session(session);
        return NGX_OK;
    }

    rc = ngx_ssl_set_session(c, session);

    if (session != peer->session) {
        ngx_ssl_free_session(session);
    }

    return rc;
}


void
ngx_http_k8s_metrics_session_save(ngx_http_k8s_metrics_peer_t *peer,
    ngx_connection_t *c)
{
    int                 n;
    u_char             *p;
    u_char              key[NGX_HTTP_K8S_METRICS_FETCH_KEY];
    u_char              buf[NGX_HTTP_K8S_METRICS_FETCH_MAX_SESSION];
    ngx_ssl_session_t  *session;

    session = ngx_ssl_get_session(c);
    if (session == NULL) {
        return;
    }

    if (peer->sessions == NULL) {

        if (peer->session) {
            ngx_ssl_free_session(peer->session);
        }

        peer->session = session;
        return;
    }

    if (ngx_http_k8s_metrics_session_key(peer, key) == NGX_OK) {

        p = buf;
        n = i2d_SSL_SESSION(session, NULL);

        if (n <= 0 || n > (int) sizeof(buf)
            || i2d_SSL_SESSION(session, &p) != n)
        {
            n = 0;
        }

        peer->sessions->put(peer->session_data, key, buf, (size_t) n);

        ngx_explicit_memzero(buf, sizeof(buf));
    }

    ngx_ssl_free_session(session);
}


void
ngx_http_k8s_metrics_session_drop(ngx_http_k8s_metrics_peer_t *peer)
{
    u_char  key[NGX_HTTP_K8S_METRICS_FETCH_KEY];

    if (peer->session) {
        ngx_ssl_free_session(peer->session);
        peer->session = NULL;
    }

    if (peer->sessions
        && ngx_http_k8s_metrics_session_key(peer, key) == NGX_OK)
    {
        peer->sessions->put(peer->session_data, key, NULL, 0);
    }
}


/* What OpenSSL does not look at again when a session is resumed. */

static ngx_int_t
ngx_http_k8s_metrics_session_key(ngx_http_k8s_metrics_peer_t *peer,
    u_char *key)
{
    u_char       mode[2];
    ngx_int_t    rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    mode[0] = peer->verify;
    mode[1] = peer->tls_ip;

    rc = (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)
          && EVP_DigestUpdate(ctx, peer->identity,
                              NGX_HTTP_K8S_METRICS_FETCH_KEY)
          && EVP_DigestUpdate(ctx, mode, sizeof(mode))
          && EVP_DigestUpdate(ctx, peer->tls_name.data, peer->tls_name.len)
          && EVP_DigestFinal_ex(ctx, key, NULL))
         ? NGX_OK : NGX_ERROR;

    EVP_MD_CTX_free(ctx);

    return rc;
}


static ngx_ssl_session_t *
ngx_http_k8s_metrics_session_load(ngx_http_k8s_metrics_peer_t *peer)
{
    size_t              len;
    u_char              key[NGX_HTTP_K8S_METRICS_FETCH_KEY];
    u_char              buf[NGX_HTTP_K8S_METRICS_FETCH_MAX_SESSION];
    const u_char       *p;
    ngx_ssl_session_t  *session;

    if (ngx_http_k8s_metrics_session_key(peer, key) != NGX_OK) {
        return NULL;
    }

    len = peer->sessions->get(peer->session_data, key, buf);

    if (len == 0) {
        return NULL;
    }

    p = buf;
    session = d2i_SSL_SESSION(NULL, &p, (long) len);

    if (session == NULL) {
        ERR_clear_error();
    }

    ngx_explicit_memzero(buf, len);

    return session;
}


/*
 * A server that was let in once could stay for ever on sessions: its
 * certificate's end is theirs, too.
 */

static ngx_uint_t
ngx_http_k8s_metrics_session_expired(ngx_ssl_session_t *session)
{
    X509  *cert;

    cert = SSL_SESSION_get0_peer(session);

    return cert == NULL
           || X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0;
}
