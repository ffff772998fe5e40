
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_resolve_internal.h"


static ngx_int_t ngx_http_k8s_metrics_resolve_full(ngx_conf_t *cf,
    ngx_str_t *name, const char *standard);
static void ngx_http_k8s_metrics_resolve_watch(
    ngx_http_k8s_metrics_resolve_file_t *f, const ngx_str_t *name,
    const char *what, ngx_http_k8s_metrics_files_pt load,
    ngx_http_k8s_metrics_resolver_t *r);
static void ngx_http_k8s_metrics_resolver_read(
    ngx_http_k8s_metrics_resolver_t *r,
    ngx_http_k8s_metrics_resolve_file_t *f);
static ngx_int_t ngx_http_k8s_metrics_resolver_load_conf(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);
static ngx_resolver_t *ngx_http_k8s_metrics_resolver_servers(
    ngx_http_k8s_metrics_resolver_t *r,
    ngx_http_k8s_metrics_resolv_conf_t *conf, ngx_pool_t *pool);
static void ngx_http_k8s_metrics_resolver_drop(
    ngx_http_k8s_metrics_resolver_t *r);
static ngx_int_t ngx_http_k8s_metrics_resolver_load_hosts(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);
static void ngx_http_k8s_metrics_resolver_close(void *data);
static ngx_uint_t ngx_http_k8s_metrics_resolve_rank(
    const ngx_http_k8s_metrics_ip_t *ip);
static ngx_uint_t ngx_http_k8s_metrics_resolve_route(
    const ngx_http_k8s_metrics_ip_t *ip);


ngx_int_t
ngx_http_k8s_metrics_resolve_conf_check(ngx_conf_t *cf,
    ngx_http_k8s_metrics_resolve_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_http_k8s_metrics_resolve_full(cf, &conf->resolv_conf,
                                          "/etc/resolv.conf")
        != NGX_OK
        || ngx_http_k8s_metrics_resolve_full(cf, &conf->hosts, "/etc/hosts")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* without the directive there is one that has no server */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        conf->servers = clcf->resolver;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_resolve_full(ngx_conf_t *cf, ngx_str_t *name,
    const char *standard)
{
    if (name->len == 0) {
        name->data = (u_char *) standard;
        name->len = ngx_strlen(standard);
    }

    return ngx_conf_full_name(cf->cycle, name, 1);
}


ngx_http_k8s_metrics_resolver_t *
ngx_http_k8s_metrics_resolver(ngx_cycle_t *cycle,
    const ngx_http_k8s_metrics_resolve_conf_t *conf)
{
    ngx_str_t                         none;
    ngx_pool_cleanup_t               *cln;
    ngx_http_k8s_metrics_resolver_t  *r;

    r = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_resolver_t));
    if (r == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_k8s_metrics_resolver_close;
    cln->data = r;

    r->log = cycle->log;
    r->servers = conf->servers;
    r->given = (conf->servers != NULL);

    ngx_queue_init(&r->lookups);

    /* a server that refuses would be an error for each question to it */

    r->quiet = *cycle->log;

    if (!(r->quiet.log_level & NGX_LOG_DEBUG_ALL)) {
        r->quiet.log_level = NGX_LOG_ALERT;
    }

    ngx_str_null(&none);
    ngx_http_k8s_metrics_resolv_conf(&none, &r->conf);

    ngx_http_k8s_metrics_resolve_watch(&r->resolv_file, &conf->resolv_conf,
                                     "k8s_metrics_resolv_conf",
                                     ngx_http_k8s_metrics_resolver_load_conf,
                                     r);
    ngx_http_k8s_metrics_resolve_watch(&r->hosts_file, &conf->hosts,
                                     "k8s_metrics_hosts",
                                     ngx_http_k8s_metrics_resolver_load_hosts,
                                     r);
    return r;
}


static void
ngx_http_k8s_metrics_resolve_watch(ngx_http_k8s_metrics_resolve_file_t *f,
    const ngx_str_t *name, const char *what,
    ngx_http_k8s_metrics_files_pt load, ngx_http_k8s_metrics_resolver_t *r)
{
    f->file.name = *name;
    f->file.what = what;
    f->files.file = &f->file;
    f->files.n = 1;
    f->files.load = load;
    f->files.data = r;
}


void
ngx_http_k8s_metrics_resolver_look(ngx_http_k8s_metrics_resolver_t *r)
{
    ngx_str_t  none;

    ngx_http_k8s_metrics_resolver_read(r, &r->resolv_file);
    ngx_http_k8s_metrics_resolver_read(r, &r->hosts_file);

    if (r->servers == NULL) {
        ngx_str_null(&none);
        (void) ngx_http_k8s_metrics_resolver_load_conf(r, &none, r->log,
                                                       NGX_LOG_ERR);
    }
}


static void
ngx_http_k8s_metrics_resolver_read(ngx_http_k8s_metrics_resolver_t *r,
    ngx_http_k8s_metrics_resolve_file_t *f)
{
    ngx_err_t    err;
    ngx_str_t    bytes;
    ngx_pool_t  *pool;

    if (f->seen) {
        (void) ngx_http_k8s_metrics_files_look(&f->files, r->log);
        return;
    }

    /* one that is not there is looked for, too, but not at each question */

    if (f->files.begun && ngx_current_msec - f->files.looked
                          < NGX_HTTP_K8S_METRICS_FILE_INTERVAL)
    {
        return;
    }

    f->files.begun = 1;
    f->files.looked = ngx_current_msec;

    pool = ngx_create_pool(4096, r->log);
    if (pool == NULL) {
        return;
    }

    if (ngx_http_k8s_metrics_file_read(&f->file, pool, &bytes, &err) == NGX_OK
        && f->files.load(r, &bytes, r->log, NGX_LOG_ERR) == NGX_OK)
    {
        ngx_http_k8s_metrics_file_known(&f->file, &bytes);
        f->seen = 1;
    }

    ngx_destroy_pool(pool);
}


static ngx_int_t
ngx_http_k8s_metrics_resolver_load_conf(void *data, ngx_str_t *bytes,
    ngx_log_t *log, ngx_uint_t level)
{
    ngx_http_k8s_metrics_resolver_t *r = data;

    ngx_str_t                            text;
    ngx_pool_t                          *pool;
    ngx_queue_t                         *q, *next;
    ngx_resolver_t                      *servers;
    ngx_http_k8s_metrics_lookup_t       *l;
    ngx_http_k8s_metrics_resolv_conf_t   conf;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    text.len = bytes->len;
    text.data = ngx_pnalloc(pool, text.len + 1);

    if (text.data == NULL) {
        goto failed;
    }

    ngx_memcpy(text.data, bytes->data, text.len);

    ngx_http_k8s_metrics_resolv_conf(&text, &conf);

    servers = r->servers;

    if (!r->given) {
        servers = ngx_http_k8s_metrics_resolver_servers(r, &conf, pool);
        if (servers == NULL) {
            goto failed;
        }

        for (q = ngx_queue_head(&r->lookups);
             q != ngx_queue_sentinel(&r->lookups);
             q = next)
        {
            next = ngx_queue_next(q);
            l = ngx_queue_data(q, ngx_http_k8s_metrics_lookup_t, queue);

            ngx_http_k8s_metrics_lookup_restart(l);
        }
    }

    ngx_http_k8s_metrics_resolver_drop(r);

    r->servers = servers;
    r->conf = conf;
    r->resolv_file.pool = pool;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static ngx_resolver_t *
ngx_http_k8s_metrics_resolver_servers(ngx_http_k8s_metrics_resolver_t *r,
    ngx_http_k8s_metrics_resolv_conf_t *conf, ngx_pool_t *pool)
{
    u_char          *p;
    ngx_str_t        names[NGX_HTTP_K8S_METRICS_RESOLVE_SERVERS];
    ngx_conf_t       cf;
    ngx_uint_t       i;
    ngx_resolver_t  *servers;

    for (i = 0; i < conf->nservers; i++) {

        p = ngx_pnalloc(pool, conf->servers[i].len + sizeof("[]"));
        if (p == NULL) {
            return NULL;
        }

        names[i].data = p;

        p = ngx_sprintf(p, ngx_strlchr(conf->servers[i].data,
                                       conf->servers[i].data
                                       + conf->servers[i].len, ':')
                           ? "[%V]" : "%V", &conf->servers[i]);

        names[i].len = p - names[i].data;
    }

    /* all that it takes of a configuration */

    ngx_memzero(&cf, sizeof(ngx_conf_t));

    cf.pool = pool;
    cf.log = r->log;
    cf.cycle = (ngx_cycle_t *) ngx_cycle;

    servers = ngx_resolver_create(&cf, names, conf->nservers);

    if (servers) {
        servers->log = &r->quiet;
        servers->resend_timeout = conf->timeout;
        servers->tcp_timeout = conf->timeout;
    }

    return servers;
}


/* What the last resolv.conf made. */

static void
ngx_http_k8s_metrics_resolver_drop(ngx_http_k8s_metrics_resolver_t *r)
{
    if (r->resolv_file.pool == NULL) {
        return;
    }

    /* nginx frees its event with the timer in the tree */

    if (!r->given && r->servers->event->timer_set) {
        ngx_del_timer(r->servers->event);
    }

    ngx_destroy_pool(r->resolv_file.pool);
    r->resolv_file.pool = NULL;
}


static ngx_int_t
ngx_http_k8s_metrics_resolver_load_hosts(void *data, ngx_str_t *bytes,
    ngx_log_t *log, ngx_uint_t level)
{
    ngx_http_k8s_metrics_resolver_t *r = data;

    size_t                        size;
    ngx_str_t                     text;
    ngx_pool_t                   *pool;
    ngx_uint_t                    max;
    ngx_http_k8s_metrics_host_t  *hosts;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    /* a name takes two bytes, an address and a blank before the first three */

    max = ngx_min(bytes->len / 2 + 1, NGX_HTTP_K8S_METRICS_RESOLVE_HOSTS);
    size = max * sizeof(ngx_http_k8s_metrics_host_t);

    text.len = bytes->len;
    text.data = ngx_pnalloc(pool, text.len + 1);
    hosts = ngx_palloc(pool, size);

    if (text.data == NULL || hosts == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    ngx_memcpy(text.data, bytes->data, text.len);

    r->nhosts = ngx_http_k8s_metrics_hosts(&text, hosts, max);
    r->hosts = hosts;

    if (r->hosts_file.pool) {
        ngx_destroy_pool(r->hosts_file.pool);
    }

    r->hosts_file.pool = pool;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_resolver_close(void *data)
{
    ngx_http_k8s_metrics_resolver_t *r = data;

    ngx_queue_t  *q;

    while (!ngx_queue_empty(&r->lookups)) {
        q = ngx_queue_head(&r->lookups);

        ngx_http_k8s_metrics_resolve_cancel(
            ngx_queue_data(q, ngx_http_k8s_metrics_lookup_t, queue));
    }

    ngx_http_k8s_metrics_resolver_drop(r);

    if (r->hosts_file.pool) {
        ngx_destroy_pool(r->hosts_file.pool);
    }
}


void
ngx_http_k8s_metrics_resolve_order(ngx_http_k8s_metrics_ip_t *ips,
    ngx_uint_t n)
{
    ngx_uint_t                 i, k, ranks[NGX_HTTP_K8S_METRICS_RESOLVE_IPS];
    ngx_uint_t                 rank;
    ngx_http_k8s_metrics_ip_t  ip;

    if (n < 2) {
        return;
    }

    for (i = 0; i < n; i++) {
        ip = ips[i];
        rank = ngx_http_k8s_metrics_resolve_rank(&ip);

        for (k = i; k; k--) {
            if (ranks[k - 1] > rank
                || (ranks[k - 1] == rank
                    && ngx_memcmp(ips[k - 1].bytes, ip.bytes, 16) <= 0))
            {
                break;
            }

            ips[k] = ips[k - 1];
            ranks[k] = ranks[k - 1];
        }

        ips[k] = ip;
        ranks[k] = rank;
    }
}


static ngx_uint_t
ngx_http_k8s_metrics_resolve_rank(const ngx_http_k8s_metrics_ip_t *ip)
{
    ngx_uint_t  rank;

    static const u_char  loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0,
                                          0, 0, 0, 0, 0, 0, 0, 1 };

    rank = !ip->v6 ? 35
           : ngx_memcmp(ip->bytes, loopback, 16) == 0 ? 50
           : (ip->bytes[0] & 0xfe) == 0xfc ? 3 : 40;

    return rank + (ngx_http_k8s_metrics_resolve_route(ip) ? 100 : 0);
}


/* A datagram socket that is connected says so, and sends nothing. */

static ngx_uint_t
ngx_http_k8s_metrics_resolve_route(const ngx_http_k8s_metrics_ip_t *ip)
{
    socklen_t       len;
    ngx_uint_t      ok;
    ngx_socket_t    s;
    ngx_sockaddr_t  sa;

    len = ngx_http_k8s_metrics_ip_sockaddr(ip, 9, &sa);

    s = ngx_socket(sa.sockaddr.sa_family, SOCK_DGRAM, 0);

    if (s == (ngx_socket_t) -1) {
        return 0;
    }

    ok = (connect(s, &sa.sockaddr, len) == 0);

    (void) ngx_close_socket(s);

    return ok;
}
