
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"
#include "ngx_http_k8s_metrics_fetch_peer.h"


#define NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGE     60000
#define NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGAIN   5000
#define NGX_HTTP_K8S_METRICS_KUBE_MAX_IDLE      8
#define NGX_HTTP_K8S_METRICS_KUBE_IDLE_TIMEOUT  60000
#define NGX_HTTP_K8S_METRICS_KUBE_URI_MAX       8192
#define NGX_HTTP_K8S_METRICS_KUBE_HEADERS_MAX   1024

#define NGX_HTTP_K8S_METRICS_KUBE_AGENT                                       \
    "User-Agent: ngx_http_k8s_metrics_module" CRLF


struct ngx_http_k8s_metrics_kube_client_s {
    ngx_http_k8s_metrics_kube_conf_t    *conf;
    ngx_str_t                            server;    /* host:port */
    ngx_uint_t                           npeers;
    ngx_http_k8s_metrics_peer_t        **peers;
    ngx_uint_t                           current;
    ngx_str_t                            token;
    u_char                              *token_buf;
    ngx_msec_t                           token_read;
    ngx_log_t                           *log;
    unsigned                             token_tried:1;
    unsigned                             token_failed:1;
    unsigned                             token_refused:1;
};


static ngx_int_t ngx_http_k8s_metrics_kube_name(
    ngx_http_k8s_metrics_kube_client_t *client, ngx_pool_t *pool);
static ngx_int_t ngx_http_k8s_metrics_kube_peers(
    ngx_http_k8s_metrics_kube_client_t *client, ngx_pool_t *pool);
static void ngx_http_k8s_metrics_kube_close(void *data);
static ngx_int_t ngx_http_k8s_metrics_kube_read_token(
    ngx_http_k8s_metrics_kube_client_t *client, u_char *buf, size_t *len);
static void ngx_http_k8s_metrics_kube_renew(
    ngx_http_k8s_metrics_kube_client_t *client);
static ngx_http_k8s_metrics_peer_t *ngx_http_k8s_metrics_kube_peer(
    ngx_http_k8s_metrics_kube_client_t *client);


ngx_http_k8s_metrics_kube_client_t *
ngx_http_k8s_metrics_kube_client(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    ngx_pool_cleanup_t                  *cln;
    ngx_http_k8s_metrics_kube_client_t  *client;

    client = ngx_pcalloc(cycle->pool,
                         sizeof(ngx_http_k8s_metrics_kube_client_t));
    if (client == NULL) {
        return NULL;
    }

    client->conf = conf;
    client->log = cycle->log;

    ngx_http_k8s_metrics_files_begin(&conf->credentials.files, cycle->log,
                                     ngx_worker == 0);

    if (conf->token_file.len) {
        client->token_buf = ngx_pnalloc(cycle->pool,
                                        NGX_HTTP_K8S_METRICS_KUBE_TOKEN_MAX);
        if (client->token_buf == NULL) {
            return NULL;
        }

        client->token.data = client->token_buf;

    } else {
        client->token = conf->token;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    if (ngx_http_k8s_metrics_kube_name(client, cycle->pool) != NGX_OK
        || ngx_http_k8s_metrics_kube_peers(client, cycle->pool) != NGX_OK)
    {
        return NULL;
    }

    cln->handler = ngx_http_k8s_metrics_kube_close;
    cln->data = client;

    return client;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_name(ngx_http_k8s_metrics_kube_client_t *client,
    ngx_pool_t *pool)
{
    u_char                            *p;
    ngx_uint_t                         v6;
    ngx_http_k8s_metrics_kube_conf_t  *conf;

    conf = client->conf;

    p = ngx_pnalloc(pool, conf->host.len + sizeof("[]:65535"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    client->server.data = p;

    v6 = ngx_strlchr(conf->host.data, conf->host.data + conf->host.len, ':')
         != NULL;

    p = ngx_sprintf(p, v6 ? "[%V]" : "%V", &conf->host);

    if (conf->port != (conf->tls ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) conf->port);
    }

    client->server.len = p - client->server.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_peers(ngx_http_k8s_metrics_kube_client_t *client,
    ngx_pool_t *pool)
{
    ngx_uint_t                         i;
    ngx_http_k8s_metrics_kube_conf_t  *conf;
    ngx_http_k8s_metrics_peer_conf_t   pc;

    conf = client->conf;

    client->peers = ngx_pcalloc(pool, conf->naddrs
                                     * sizeof(ngx_http_k8s_metrics_peer_t *));
    if (client->peers == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&pc, sizeof(ngx_http_k8s_metrics_peer_conf_t));

    pc.host = client->server;
    pc.ssl = conf->credentials.ssl;
    pc.verify = !conf->insecure;
    pc.tls_name = conf->tls_server_name;
    pc.max_idle = NGX_HTTP_K8S_METRICS_KUBE_MAX_IDLE + conf->more_idle;
    pc.idle_timeout = NGX_HTTP_K8S_METRICS_KUBE_IDLE_TIMEOUT;

    for (i = 0; i < conf->naddrs; i++) {

        pc.sockaddr = conf->addrs[i].sockaddr;
        pc.socklen = conf->addrs[i].socklen;
        pc.name = conf->addrs[i].name;

        client->peers[i] = ngx_http_k8s_metrics_peer_create(&pc, client->log);
        if (client->peers[i] == NULL) {
            ngx_http_k8s_metrics_kube_close(client);
            return NGX_ERROR;
        }

        client->npeers++;
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_kube_close(void *data)
{
    ngx_http_k8s_metrics_kube_client_t *client = data;

    while (client->npeers) {
        ngx_http_k8s_metrics_peer_destroy(client->peers[--client->npeers]);
    }
}


ngx_http_k8s_metrics_kube_conf_t *
ngx_http_k8s_metrics_kube_client_conf(
    ngx_http_k8s_metrics_kube_client_t *client)
{
    return client->conf;
}


ngx_str_t *
ngx_http_k8s_metrics_kube_server(ngx_http_k8s_metrics_kube_client_t *client)
{
    return &client->server;
}


ngx_str_t
ngx_http_k8s_metrics_kube_token(ngx_http_k8s_metrics_kube_client_t *client)
{
    size_t      len;
    u_char      buf[NGX_HTTP_K8S_METRICS_KUBE_TOKEN_MAX];
    ngx_msec_t  age, max;

    if (client->token_buf == NULL) {
        return client->token;
    }

    age = ngx_current_msec - client->token_read;
    max = (client->token_refused || client->token.len == 0)
              ? NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGAIN
              : NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGE;

    if (client->token_tried && age < max) {
        return client->token;
    }

    client->token_tried = 1;
    client->token_refused = 0;
    client->token_read = ngx_current_msec;

    if (ngx_http_k8s_metrics_kube_read_token(client, buf, &len) == NGX_OK) {
        ngx_memcpy(client->token_buf, buf, len);
        client->token.len = len;
        client->token_failed = 0;
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return client->token;
}


void
ngx_http_k8s_metrics_kube_token_refused(
    ngx_http_k8s_metrics_kube_client_t *client)
{
    client->token_refused = 1;
}


ngx_uint_t
ngx_http_k8s_metrics_kube_token_ok(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] <= ' ' || p[i] >= 0x7f) {
            return 0;
        }
    }

    return len != 0;
}


/* the old token stays in force when there is no new one */

static ngx_int_t
ngx_http_k8s_metrics_kube_read_token(
    ngx_http_k8s_metrics_kube_client_t *client, u_char *buf, size_t *len)
{
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_err_t   err;
    ngx_str_t  *file;

    err = 0;
    file = &client->conf->token_file;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;
        goto failed;
    }

    n = ngx_read_fd(fd, buf, NGX_HTTP_K8S_METRICS_KUBE_TOKEN_MAX);

    if (n == -1) {
        err = ngx_errno;
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, client->log, ngx_errno,
                      "k8s_metrics: " ngx_close_file_n " \"%V\" failed", file);
    }

    if (n < 1 || n == NGX_HTTP_K8S_METRICS_KUBE_TOKEN_MAX) {
        goto failed;
    }

    while (n && buf[n - 1] <= ' ') {
        n--;
    }

    if (!ngx_http_k8s_metrics_kube_token_ok(buf, n)) {
        goto failed;
    }

    *len = n;

    return NGX_OK;

failed:

    if (!client->token_failed) {
        client->token_failed = 1;
        ngx_log_error(NGX_LOG_ERR, client->log, err,
                      "k8s_metrics: no token can be read from \"%V\"", file);
    }

    return NGX_ERROR;
}


ngx_http_k8s_metrics_fetch_t *
ngx_http_k8s_metrics_kube_fetch(ngx_http_k8s_metrics_kube_client_t *client,
    const ngx_http_k8s_metrics_fetch_conf_t *fetch, ngx_log_t *log)
{
    u_char                            *p;
    u_char              uri[NGX_HTTP_K8S_METRICS_KUBE_URI_MAX];
    u_char              headers[NGX_HTTP_K8S_METRICS_KUBE_HEADERS_MAX];
    ngx_str_t                         *prefix;
    ngx_http_k8s_metrics_fetch_conf_t  f;

    ngx_http_k8s_metrics_kube_renew(client);

    f = *fetch;
    prefix = &client->conf->prefix;

    if (prefix->len + fetch->uri.len > sizeof(uri)
        || fetch->headers.len + sizeof(NGX_HTTP_K8S_METRICS_KUBE_AGENT)
           > sizeof(headers))
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "k8s_metrics: a request to the API server is too long");
        return NULL;
    }

    if (prefix->len) {
        p = ngx_cpymem(uri, prefix->data, prefix->len);
        p = ngx_cpymem(p, fetch->uri.data, fetch->uri.len);

        f.uri.data = uri;
        f.uri.len = p - uri;
    }

    p = ngx_cpymem(headers, NGX_HTTP_K8S_METRICS_KUBE_AGENT,
                   sizeof(NGX_HTTP_K8S_METRICS_KUBE_AGENT) - 1);
    p = ngx_cpymem(p, fetch->headers.data, fetch->headers.len);

    f.headers.data = headers;
    f.headers.len = p - headers;
    f.token = ngx_http_k8s_metrics_kube_token(client);

    return ngx_http_k8s_metrics_fetch_start(
                             ngx_http_k8s_metrics_kube_peer(client), &f, log);
}


static void
ngx_http_k8s_metrics_kube_renew(ngx_http_k8s_metrics_kube_client_t *client)
{
    ngx_uint_t  i;

    if (ngx_http_k8s_metrics_credentials_look(&client->conf->credentials,
                                              client->log)
        != NGX_OK)
    {
        return;
    }

    for (i = 0; i < client->npeers; i++) {
        ngx_http_k8s_metrics_peer_renew(client->peers[i]);
    }
}


/* the address in use, until it fails and another has failed less */

static ngx_http_k8s_metrics_peer_t *
ngx_http_k8s_metrics_kube_peer(ngx_http_k8s_metrics_kube_client_t *client)
{
    ngx_uint_t  i, n, best, failures, least;

    best = client->current;
    least = ngx_http_k8s_metrics_peer_failures(client->peers[best]);

    for (i = 1; least && i < client->npeers; i++) {

        n = (client->current + i) % client->npeers;
        failures = ngx_http_k8s_metrics_peer_failures(client->peers[n]);

        if (failures < least) {
            least = failures;
            best = n;
        }
    }

    client->current = best;

    return client->peers[best];
}
