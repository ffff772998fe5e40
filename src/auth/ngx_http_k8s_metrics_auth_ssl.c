
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


static int ngx_http_k8s_metrics_ssl_verify(int ok, X509_STORE_CTX *ctx);
static int ngx_http_k8s_metrics_ssl_mark(void);
static ngx_int_t ngx_http_k8s_metrics_ssl_prepare(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);
static ngx_int_t ngx_http_k8s_metrics_ssl_address(ngx_conf_t *cf,
    ngx_http_conf_addr_t *addr, ngx_http_core_srv_conf_t *cscf);


ngx_int_t
ngx_http_k8s_metrics_auth_prepare(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  p, a, s, http2;
    ngx_http_conf_port_t       *port;
    ngx_http_conf_addr_t       *addr;
    ngx_http_core_srv_conf_t  **server;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (cmcf->ports == NULL) {
        return NGX_OK;
    }

    http2 = 0;
    port = cmcf->ports->elts;

    for (p = 0; p < cmcf->ports->nelts; p++) {
        addr = port[p].addrs.elts;

        for (a = 0; a < port[p].addrs.nelts; a++) {
            server = addr[a].servers.elts;

            for (s = 0; s < addr[a].servers.nelts; s++) {

                if (server[s] != cscf) {
                    continue;
                }

#if (NGX_HTTP_V2)
                http2 |= addr[a].opt.http2;
#endif

                if (ngx_http_k8s_metrics_ssl_address(cf, &addr[a], cscf)
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }
            }
        }
    }

    ngx_http_k8s_metrics_limits_check(cf, cscf, http2);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_ssl_address(ngx_conf_t *cf, ngx_http_conf_addr_t *addr,
    ngx_http_core_srv_conf_t *cscf)
{
    ngx_uint_t                  s;
    ngx_http_core_srv_conf_t  **server;

    /*
     * OpenSSL takes sessions and tickets from the address's default SSL_CTX:
     * both have to be without, or a session begun without a certificate is
     * resumed here.
     */

    if (ngx_http_k8s_metrics_ssl_prepare(cf, cscf) != NGX_OK
        || ngx_http_k8s_metrics_ssl_prepare(cf, addr->default_server)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a header such as X-Remote-Extra-a.b%2Fc must not be lost silently */

    server = addr->servers.elts;

    for (s = 0; s < addr->servers.nelts; s++) {

        if (server[s]->ignore_invalid_headers) {
            server[s]->ignore_invalid_headers = 0;

            ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                          "\"k8s_metrics_auth\" turns "
                          "\"ignore_invalid_headers\" off for server \"%V\" "
                          "in %s:%ui", &server[s]->server_name,
                          server[s]->file_name, server[s]->line);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_ssl_prepare(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf)
{
    int                       mark;
    SSL_CTX                  *ctx;
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    ctx = sscf->ssl.ctx;

    if (ctx == NULL) {
        return NGX_OK;
    }

    if (sscf->verify) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"ssl_verify_client\" in %s:%ui cannot be used beside "
                      "\"k8s_metrics_auth\", which asks for the certificate "
                      "itself", cscf->file_name, cscf->line);
        return NGX_ERROR;
    }

    mark = ngx_http_k8s_metrics_ssl_mark();

    if (mark == -1) {
        return NGX_ERROR;
    }

    if (SSL_CTX_get_ex_data(ctx, mark)) {
        return NGX_OK;
    }

    if (SSL_CTX_get_session_cache_mode(ctx) & SSL_SESS_CACHE_SERVER) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, 0,
                      "\"k8s_metrics_auth\" turns TLS session resumption off "
                      "for the server in %s:%ui", cscf->file_name, cscf->line);
    }

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, ngx_http_k8s_metrics_ssl_verify);

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);

    /* with the cache off OpenSSL still asks the callback, for all servers' */

    SSL_CTX_sess_set_new_cb(ctx, NULL);
    SSL_CTX_sess_set_get_cb(ctx, NULL);
    SSL_CTX_sess_set_remove_cb(ctx, NULL);

#ifdef TLS1_3_VERSION
    SSL_CTX_set_num_tickets(ctx, 0);
#endif

    if (SSL_CTX_set_ex_data(ctx, mark, ctx) == 0) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_serving_watch(cf, cscf);
}


/*
 * Any certificate passes the handshake; the access phase verifies it, and
 * $ssl_client_verify still says what OpenSSL found.  What is left in OpenSSL's
 * queue of errors would be an alert in the log, which anybody could cause.
 */

static int
ngx_http_k8s_metrics_ssl_verify(int ok, X509_STORE_CTX *ctx)
{
    ERR_clear_error();

    return 1;
}


static int
ngx_http_k8s_metrics_ssl_mark(void)
{
    static int  mark = -1;

    if (mark == -1) {
        mark = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    }

    return mark;
}


ngx_uint_t
ngx_http_k8s_metrics_ssl_prepared(ngx_http_request_t *r)
{
    int   mark;
    SSL  *ssl;

    ssl = r->connection->ssl->connection;
    mark = ngx_http_k8s_metrics_ssl_mark();

    return mark != -1
           && SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), mark) != NULL
           && !SSL_session_reused(ssl);
}
