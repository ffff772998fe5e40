
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


/* where no connection tells of the exit, it is looked for so often, ms */
#define NGX_HTTP_K8S_METRICS_FETCH_EXIT_POLL  250

/* what is left to the core's channel, and to one request */
#define NGX_HTTP_K8S_METRICS_FETCH_EXIT_LEFT  2


typedef struct {
    void              (*handler)(void *data);
    void               *data;
    ngx_event_t         timer;
    ngx_connection_t    dummy;      /* for debug logging */
} ngx_http_k8s_metrics_fetch_exit_t;


static void ngx_http_k8s_metrics_fetch_exit_told(ngx_event_t *ev);
static void ngx_http_k8s_metrics_fetch_exit_poll(ngx_event_t *ev);


/*
 * The core tells idle connections of a graceful exit.  This one has no
 * socket: nothing from outside can make it fail but want of connections, and
 * then a timer looks.
 */

ngx_int_t
ngx_http_k8s_metrics_fetch_at_exit(ngx_cycle_t *cycle,
    void (*handler)(void *data), void *data)
{
    ngx_connection_t                   *c;
    ngx_http_k8s_metrics_fetch_exit_t  *at;

    at = ngx_pcalloc(cycle->pool, sizeof(ngx_http_k8s_metrics_fetch_exit_t));
    if (at == NULL) {
        return NGX_ERROR;
    }

    at->handler = handler;
    at->data = data;

    c = NULL;

    /* with "files" (poll) connections are found by their descriptor */

    if (cycle->files == NULL
        && cycle->free_connection_n > NGX_HTTP_K8S_METRICS_FETCH_EXIT_LEFT)
    {
        c = ngx_get_connection((ngx_socket_t) -2, cycle->log);
    }

    if (c) {
        c->data = at;
        c->idle = 1;
        c->read->log = cycle->log;
        c->write->log = cycle->log;
        c->read->handler = ngx_http_k8s_metrics_fetch_exit_told;

        return NGX_OK;
    }

    if (cycle->files == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "k8s_metrics: no connection is free to be told of a "
                      "graceful exit on, increase worker_connections (it is "
                      "%ui)", cycle->connection_n);
    }

    at->dummy.fd = (ngx_socket_t) -1;
    at->dummy.data = at;
    at->timer.data = &at->dummy;
    at->timer.handler = ngx_http_k8s_metrics_fetch_exit_poll;
    at->timer.log = cycle->log;
    at->timer.cancelable = 1;

    ngx_add_timer(&at->timer, NGX_HTTP_K8S_METRICS_FETCH_EXIT_POLL);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_fetch_exit_told(ngx_event_t *ev)
{
    ngx_connection_t                   *c;
    ngx_http_k8s_metrics_fetch_exit_t  *at;

    c = ev->data;

    if (!c->close) {
        return;
    }

    at = c->data;

    c->fd = (ngx_socket_t) -1;
    ngx_free_connection(c);

    at->handler(at->data);
}


static void
ngx_http_k8s_metrics_fetch_exit_poll(ngx_event_t *ev)
{
    ngx_connection_t                   *c;
    ngx_http_k8s_metrics_fetch_exit_t  *at;

    c = ev->data;
    at = c->data;

    if (ngx_exiting) {
        at->handler(at->data);
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_K8S_METRICS_FETCH_EXIT_POLL);
}
