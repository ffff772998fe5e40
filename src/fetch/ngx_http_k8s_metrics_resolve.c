
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_file.h"
#include "ngx_http_k8s_metrics_resolve_internal.h"


#define NGX_HTTP_K8S_METRICS_RESOLVE_PENDING  4096
#define NGX_HTTP_K8S_METRICS_RESOLVE_SHOWN    80


static void ngx_http_k8s_metrics_lookup_event(ngx_event_t *ev);
static void ngx_http_k8s_metrics_lookup_begin(
    ngx_http_k8s_metrics_lookup_t *l);
static void ngx_http_k8s_metrics_lookup_next(ngx_http_k8s_metrics_lookup_t *l);
static ngx_int_t ngx_http_k8s_metrics_lookup_ask(
    ngx_http_k8s_metrics_lookup_t *l, ngx_str_t *name, ngx_msec_t left);
static void ngx_http_k8s_metrics_lookup_answered(ngx_resolver_ctx_t *ctx);
static void ngx_http_k8s_metrics_lookup_failed(
    ngx_http_k8s_metrics_lookup_t *l, const char *before, const char *after);
static void ngx_http_k8s_metrics_lookup_end(ngx_http_k8s_metrics_lookup_t *l);


ngx_http_k8s_metrics_lookup_t *
ngx_http_k8s_metrics_resolve(ngx_http_k8s_metrics_resolver_t *r,
    const ngx_str_t *name, ngx_msec_t timeout,
    ngx_http_k8s_metrics_resolved_pt handler, void *data)
{
    ngx_http_k8s_metrics_lookup_t  *l;

    if (r->pending == NGX_HTTP_K8S_METRICS_RESOLVE_PENDING
        || !ngx_http_k8s_metrics_resolve_name_ok(name))
    {
        return NULL;
    }

    l = ngx_calloc(sizeof(ngx_http_k8s_metrics_lookup_t), r->log);
    if (l == NULL) {
        return NULL;
    }

    l->fd = (ngx_socket_t) -1;
    l->resolver = r;
    l->handler = handler;
    l->data = data;
    l->deadline = ngx_current_msec + timeout;

    l->name.data = l->name_buf;
    l->name.len = name->len;
    ngx_memcpy(l->name_buf, name->data, name->len);

    l->event.data = l;
    l->event.handler = ngx_http_k8s_metrics_lookup_event;
    l->event.log = r->log;

    ngx_queue_insert_tail(&r->lookups, &l->queue);
    r->pending++;

    ngx_post_event(&l->event, &ngx_posted_events);

    return l;
}


void
ngx_http_k8s_metrics_resolve_cancel(ngx_http_k8s_metrics_lookup_t *l)
{
    if (l->ctx) {
        ngx_resolve_name_done(l->ctx);
    }

    if (l->event.posted) {
        ngx_delete_posted_event(&l->event);
    }

    ngx_queue_remove(&l->queue);
    l->resolver->pending--;

    ngx_free(l);
}


void
ngx_http_k8s_metrics_lookup_restart(ngx_http_k8s_metrics_lookup_t *l)
{
    if (l->ctx == NULL) {
        return;
    }

    ngx_resolve_name_done(l->ctx);

    l->ctx = NULL;
    l->begun = 0;
    l->step = 0;

    ngx_post_event(&l->event, &ngx_posted_events);
}


/*
 * Nothing goes on from within nginx's resolver: it walks lists of those that
 * wait, and a caller may end any lookup.
 */

static void
ngx_http_k8s_metrics_lookup_event(ngx_event_t *ev)
{
    ngx_http_k8s_metrics_lookup_t *l = ev->data;

    if (!l->begun) {
        ngx_http_k8s_metrics_lookup_begin(l);
        return;
    }

    if (l->answer.n) {
        ngx_http_k8s_metrics_resolve_order(l->answer.ips, l->answer.n);
        ngx_http_k8s_metrics_lookup_end(l);
        return;
    }

    switch (l->state) {

    case NGX_RESOLVE_NXDOMAIN:
        break;

    case NGX_RESOLVE_TIMEDOUT:

        /* the same server would not answer about the next one either */

        ngx_http_k8s_metrics_lookup_failed(l, "no answer from the name server "
                                           "about", "");
        ngx_http_k8s_metrics_lookup_end(l);
        return;

    default:
        l->failed = l->state;
        break;
    }

    ngx_http_k8s_metrics_lookup_next(l);
}


static void
ngx_http_k8s_metrics_lookup_begin(ngx_http_k8s_metrics_lookup_t *l)
{
    ngx_http_k8s_metrics_resolver_t  *r;

    r = l->resolver;
    l->begun = 1;

    /* this may begin other lookups anew, which have been asked already */

    ngx_http_k8s_metrics_resolver_look(r);

    l->answer.n = ngx_http_k8s_metrics_hosts_find(r->hosts, r->nhosts,
                                                  &l->name, l->answer.ips);

    if (l->answer.n) {
        ngx_http_k8s_metrics_resolve_order(l->answer.ips, l->answer.n);
        l->answer.valid = ngx_time()
                          + NGX_HTTP_K8S_METRICS_FILE_INTERVAL / 1000;
        ngx_http_k8s_metrics_lookup_end(l);
        return;
    }

    ngx_http_k8s_metrics_lookup_next(l);
}


/* The next name of the search, or the end. */

static void
ngx_http_k8s_metrics_lookup_next(ngx_http_k8s_metrics_lookup_t *l)
{
    ngx_int_t        rc;
    ngx_str_t        name;
    ngx_msec_int_t   left;

    do {
        rc = ngx_http_k8s_metrics_resolve_step(&l->resolver->conf, &l->name,
                                               l->step++, l->step_buf, &name);
    } while (rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        left = (ngx_msec_int_t) (l->deadline - ngx_current_msec);

        if (left <= 0) {
            ngx_http_k8s_metrics_lookup_failed(l, "no time is left to look up",
                                               "");

        } else if (ngx_http_k8s_metrics_lookup_ask(l, &name, left) == NGX_OK) {
            return;

        } else {
            ngx_http_k8s_metrics_lookup_failed(l, "no memory to look up", "");
        }

    } else if (l->failed) {
        ngx_http_k8s_metrics_lookup_failed(l, "the name server failed for",
                                           ngx_resolver_strerror(l->failed));

    } else {
        ngx_http_k8s_metrics_lookup_failed(l, "name", "was not found");
    }

    ngx_http_k8s_metrics_lookup_end(l);
}


static ngx_int_t
ngx_http_k8s_metrics_lookup_ask(ngx_http_k8s_metrics_lookup_t *l,
    ngx_str_t *name, ngx_msec_t left)
{
    ngx_resolver_t                      *servers;
    ngx_resolver_ctx_t                  *ctx;
    ngx_http_k8s_metrics_resolv_conf_t  *conf;

    servers = l->resolver->servers;

    if (servers == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_resolve_start(servers, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return NGX_ERROR;
    }

    conf = &l->resolver->conf;

    ctx->name = *name;
    ctx->handler = ngx_http_k8s_metrics_lookup_answered;
    ctx->data = l;
    ctx->timeout = ngx_min(left, conf->timeout * conf->attempts * 1000);
    ctx->cancelable = 1;

    l->ctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        l->ctx = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_lookup_answered(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t                      i;
    struct sockaddr                *sa;
    ngx_http_k8s_metrics_ip_t      *ip;
    ngx_http_k8s_metrics_lookup_t  *l;

    l = ctx->data;
    l->ctx = NULL;
    l->state = ctx->state;

    if (ctx->state == NGX_OK) {
        l->state = NGX_RESOLVE_NXDOMAIN;
        l->answer.valid = ctx->valid;

        for (i = 0; i < ctx->naddrs
                    && l->answer.n < NGX_HTTP_K8S_METRICS_RESOLVE_IPS; i++)
        {
            sa = ctx->addrs[i].sockaddr;
            ip = &l->answer.ips[l->answer.n];

            if (sa->sa_family == AF_INET) {
                ngx_memcpy(ip->bytes, &((struct sockaddr_in *) sa)->sin_addr,
                           4);
                ip->v6 = 0;
                l->answer.n++;
            }

#if (NGX_HAVE_INET6)
            if (sa->sa_family == AF_INET6) {
                ngx_memcpy(ip->bytes, &((struct sockaddr_in6 *) sa)->sin6_addr,
                           16);
                ip->v6 = 1;
                l->answer.n++;
            }
#endif
        }
    }

    ngx_resolve_name_done(ctx);

    ngx_post_event(&l->event, &ngx_posted_events);
}


static void
ngx_http_k8s_metrics_lookup_failed(ngx_http_k8s_metrics_lookup_t *l,
    const char *before, const char *after)
{
    u_char     *p, *last;
    size_t      len;
    ngx_str_t   name;

    name = l->name;
    len = ngx_min(name.len, NGX_HTTP_K8S_METRICS_RESOLVE_SHOWN);

    last = (u_char *) l->answer.error + sizeof(l->answer.error) - 1;

    p = ngx_slprintf((u_char *) l->answer.error, last, "%s \"%*s%s\"%s%s",
                     before, len, name.data, len < name.len ? "..." : "",
                     *after ? " " : "", after);
    *p = '\0';
}


static void
ngx_http_k8s_metrics_lookup_end(ngx_http_k8s_metrics_lookup_t *l)
{
    void                               *data;
    ngx_http_k8s_metrics_answer_ips_t   answer;
    ngx_http_k8s_metrics_resolved_pt    handler;

    data = l->data;
    handler = l->handler;
    answer = l->answer;

    ngx_http_k8s_metrics_resolve_cancel(l);

    handler(data, &answer);
}
