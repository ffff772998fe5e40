
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"
#include "ngx_http_k8s_metrics_fetch_peer.h"
#include "ngx_http_k8s_metrics_limit.h"


#define NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGE     60000
#define NGX_HTTP_K8S_METRICS_KUBE_TOKEN_AGAIN   5000
#define NGX_HTTP_K8S_METRICS_KUBE_MAX_IDLE      8
#define NGX_HTTP_K8S_METRICS_KUBE_IDLE_TIMEOUT  60000
#define NGX_HTTP_K8S_METRICS_KUBE_LOOK_AGAIN    5000
#define NGX_HTTP_K8S_METRICS_KUBE_LOOKUP        10000
#define NGX_HTTP_K8S_METRICS_KUBE_PEERS         NGX_HTTP_K8S_METRICS_RESOLVE_IPS
#define NGX_HTTP_K8S_METRICS_KUBE_URI_MAX       8192
#define NGX_HTTP_K8S_METRICS_KUBE_HEADERS_MAX   1024

#define NGX_HTTP_K8S_METRICS_KUBE_AGENT                                       \
    "User-Agent: ngx_http_k8s_metrics_module" CRLF


struct ngx_http_k8s_metrics_kube_client_s {
    ngx_http_k8s_metrics_kube_conf_t    *conf;
    ngx_str_t                            server;    /* host:port */
    ngx_uint_t                           npeers;
    ngx_http_k8s_metrics_peer_t         *peers[NGX_HTTP_K8S_METRICS_KUBE_PEERS];
    ngx_http_k8s_metrics_ip_t            ips[NGX_HTTP_K8S_METRICS_KUBE_PEERS];
    ngx_uint_t                           current;
    ngx_http_k8s_metrics_resolver_t     *resolver;
    ngx_http_k8s_metrics_lookup_t       *lookup;    /* of conf->host */
    ngx_msec_t                           looked;
    ngx_http_k8s_metrics_limit_t         limit;     /* of lines about it */
    ngx_str_t                            token;
    u_char                              *token_buf;
    ngx_msec_t                           token_read;
    ngx_log_t                           *log;
    unsigned                             looked_up:1;
    unsigned                             token_tried:1;
    unsigned                             token_failed:1;
    unsigned                             token_refused:1;
};


static ngx_int_t ngx_http_k8s_metrics_kube_name(
    ngx_http_k8s_metrics_kube_client_t *client, ngx_pool_t *pool);
static ngx_int_t ngx_http_k8s_metrics_kube_peers(
    ngx_http_k8s_metrics_kube_client_t *client);
static ngx_int_t ngx_http_k8s_metrics_kube_add(
    ngx_http_k8s_metrics_kube_client_t *client,
    const ngx_http_k8s_metrics_ip_t *ip);
static void ngx_http_k8s_metrics_kube_close(void *data);
static void ngx_http_k8s_metrics_kube_look(
    ngx_http_k8s_metrics_kube_client_t *client);
static void ngx_http_k8s_metrics_kube_looked(void *data,
    ngx_http_k8s_metrics_answer_ips_t *answer);
static void ngx_http_k8s_metrics_kube_moved(
    ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_answer_ips_t *answer);
static ngx_int_t ngx_http_k8s_metrics_kube_read_token(
    ngx_http_k8s_metrics_kube_client_t *client, u_char *buf, size_t *len);
static void ngx_http_k8s_metrics_kube_renew(
    ngx_http_k8s_metrics_kube_client_t *client);
static ngx_http_k8s_metrics_peer_t *ngx_http_k8s_metrics_kube_peer(
    ngx_http_k8s_metrics_kube_client_t *client);


ngx_http_k8s_metrics_kube_client_t *
ngx_http_k8s_metrics_kube_client(ngx_cycle_t *cycle,
    ngx_http_k8s_metrics_kube_conf_t *conf,
    ngx_http_k8s_metrics_resolver_t *resolver)
{
    ngx_pool_cleanup_t                  *cln;
    ngx_http_k8s_metrics_kube_client_t  *client;

    client = ngx_pcalloc(cycle->pool,
                         sizeof(ngx_http_k8s_metrics_kube_client_t));
    if (client == NULL) {
        return NULL;
    }

    client->conf = conf;
    client->resolver = resolver;
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
        || ngx_http_k8s_metrics_kube_peers(client) != NGX_OK)
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
ngx_http_k8s_metrics_kube_peers(ngx_http_k8s_metrics_kube_client_t *client)
{
    ngx_uint_t                  i;
    struct sockaddr            *sa;
    ngx_http_k8s_metrics_ip_t   ip;

    for (i = 0; i < client->conf->naddrs; i++) {

        sa = client->conf->addrs[i].sockaddr;
        ngx_memzero(&ip, sizeof(ngx_http_k8s_metrics_ip_t));

        if (sa->sa_family == AF_INET) {
            ngx_memcpy(ip.bytes, &((struct sockaddr_in *) sa)->sin_addr, 4);

#if (NGX_HAVE_INET6)
        } else if (sa->sa_family == AF_INET6) {
            ngx_memcpy(ip.bytes, &((struct sockaddr_in6 *) sa)->sin6_addr, 16);
            ip.v6 = 1;
#endif

        } else {
            continue;
        }

        if (ngx_http_k8s_metrics_kube_add(client, &ip) != NGX_OK) {
            ngx_http_k8s_metrics_kube_close(client);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* More than there is room for are left out. */

static ngx_int_t
ngx_http_k8s_metrics_kube_add(ngx_http_k8s_metrics_kube_client_t *client,
    const ngx_http_k8s_metrics_ip_t *ip)
{
    u_char                             text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t                         n;
    ngx_sockaddr_t                     sa;
    ngx_http_k8s_metrics_kube_conf_t  *conf;
    ngx_http_k8s_metrics_peer_conf_t   pc;

    n = client->npeers;

    if (n == NGX_HTTP_K8S_METRICS_KUBE_PEERS) {
        return NGX_OK;
    }

    conf = client->conf;

    ngx_memzero(&pc, sizeof(ngx_http_k8s_metrics_peer_conf_t));

    pc.socklen = ngx_http_k8s_metrics_ip_sockaddr(ip, conf->port, &sa);
    pc.sockaddr = &sa.sockaddr;
    pc.name.data = text;
    pc.name.len = ngx_sock_ntop(&sa.sockaddr, pc.socklen, text,
                                NGX_SOCKADDR_STRLEN, 1);
    pc.host = client->server;
    pc.ssl = conf->credentials.ssl;
    pc.verify = !conf->insecure;
    pc.tls_name = conf->tls_server_name;
    pc.max_idle = NGX_HTTP_K8S_METRICS_KUBE_MAX_IDLE + conf->more_idle;
    pc.idle_timeout = NGX_HTTP_K8S_METRICS_KUBE_IDLE_TIMEOUT;

    client->peers[n] = ngx_http_k8s_metrics_peer_create(&pc, client->log);
    if (client->peers[n] == NULL) {
        return NGX_ERROR;
    }

    client->ips[n] = *ip;
    client->npeers++;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_kube_close(void *data)
{
    ngx_http_k8s_metrics_kube_client_t *client = data;

    if (client->lookup) {
        ngx_http_k8s_metrics_resolve_cancel(client->lookup);
        client->lookup = NULL;
    }

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
    ngx_http_k8s_metrics_peer_t       *peer;
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

    peer = ngx_http_k8s_metrics_kube_peer(client);

    return peer ? ngx_http_k8s_metrics_fetch_start(peer, &f, log) : NULL;
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


/*
 * The address in use, until it fails and another has failed less; NULL while
 * the host is not resolved.
 */

static ngx_http_k8s_metrics_peer_t *
ngx_http_k8s_metrics_kube_peer(ngx_http_k8s_metrics_kube_client_t *client)
{
    ngx_uint_t  i, n, best, failures, least;

    if (client->npeers == 0) {
        ngx_http_k8s_metrics_kube_look(client);
        return NULL;
    }

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

    if (least > 1) {
        ngx_http_k8s_metrics_kube_look(client);
    }

    return client->peers[best];
}


/* Every address of the host has failed more than once, or there is none. */

static void
ngx_http_k8s_metrics_kube_look(ngx_http_k8s_metrics_kube_client_t *client)
{
    if (!client->conf->named || client->lookup
        || (client->looked_up
            && ngx_current_msec - client->looked
               < NGX_HTTP_K8S_METRICS_KUBE_LOOK_AGAIN))
    {
        return;
    }

    client->looked_up = 1;
    client->looked = ngx_current_msec;

    client->lookup = ngx_http_k8s_metrics_resolve(client->resolver,
                                           &client->conf->host,
                                           NGX_HTTP_K8S_METRICS_KUBE_LOOKUP,
                                           ngx_http_k8s_metrics_kube_looked,
                                           client);
}


static void
ngx_http_k8s_metrics_kube_looked(void *data,
    ngx_http_k8s_metrics_answer_ips_t *answer)
{
    ngx_http_k8s_metrics_kube_client_t *client = data;

    ngx_uint_t  dropped;

    client->lookup = NULL;
    client->looked = ngx_current_msec;

    if (answer->n) {
        ngx_http_k8s_metrics_kube_moved(client, answer);
        return;
    }

    if (ngx_http_k8s_metrics_limit(&client->limit, ngx_current_msec, 1,
                                   &dropped)
        == NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "k8s_metrics: the API server's host is not resolved: %s",
                      answer->error);
    }
}


/*
 * Peers of addresses that are no more go to others: requests may be under way
 * on them.
 */

static void
ngx_http_k8s_metrics_kube_moved(ngx_http_k8s_metrics_kube_client_t *client,
    ngx_http_k8s_metrics_answer_ips_t *answer)
{
    socklen_t       len;
    ngx_uint_t      i, k, n, has[NGX_HTTP_K8S_METRICS_RESOLVE_IPS];
    ngx_sockaddr_t  sa;

    ngx_memzero(has, sizeof(has));

    for (i = 0; i < answer->n; i++) {
        for (k = 0; k < client->npeers && !has[i]; k++) {
            has[i] = ngx_http_k8s_metrics_ip_same(&client->ips[k],
                                                  &answer->ips[i]);
        }
    }

    for (n = 0, k = 0; k < client->npeers; k++) {

        for (i = 0; i < answer->n; i++) {
            if (ngx_http_k8s_metrics_ip_same(&client->ips[k],
                                             &answer->ips[i]))
            {
                break;
            }
        }

        if (i < answer->n) {
            continue;
        }

        while (n < answer->n && has[n]) {
            n++;
        }

        i = (n < answer->n) ? n++ : 0;

        len = ngx_http_k8s_metrics_ip_sockaddr(&answer->ips[i],
                                               client->conf->port, &sa);

        ngx_http_k8s_metrics_peer_move(client->peers[k], &sa.sockaddr, len);
        client->ips[k] = answer->ips[i];
    }

    for ( /* void */ ; n < answer->n; n++) {
        if (!has[n]) {
            (void) ngx_http_k8s_metrics_kube_add(client, &answer->ips[n]);
        }
    }
}
