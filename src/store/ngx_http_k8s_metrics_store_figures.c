
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <sys/resource.h>

#include "ngx_http_k8s_metrics_store_internal.h"


#define NGX_HTTP_K8S_METRICS_FIGURES_AGE  5000


static uint64_t ngx_http_k8s_metrics_figures_resident(void);
static uint64_t ngx_http_k8s_metrics_figures_fds(void);


ngx_uint_t
ngx_http_k8s_metrics_store_figures_due(ngx_http_k8s_metrics_store_t *store)
{
    ngx_http_k8s_metrics_figures_t  *f;

    if (!store->entered
        || *(volatile uint64_t *) &store->zone->generation
           != store->generation)
    {
        return 0;
    }

    f = &store->zone->stats.figures[store->worker];

    return f->pid != (uint64_t) ngx_pid
           || (ngx_msec_int_t) (ngx_current_msec - (ngx_msec_t) f->mono)
              >= NGX_HTTP_K8S_METRICS_FIGURES_AGE;
}


/* A reader may see a mixture of two times, never of two workers. */

void
ngx_http_k8s_metrics_store_figures(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t nodes, ngx_uint_t connections)
{
    struct rusage                             ru;
    volatile ngx_http_k8s_metrics_figures_t  *f;

    f = &store->zone->stats.figures[store->worker];

    if (f->pid != (uint64_t) ngx_pid) {
        f->pid = 0;
        ngx_memory_barrier();

        f->started = (uint64_t) ngx_time() * 1000 + ngx_cached_time->msec;
    }

    if (getrusage(RUSAGE_SELF, &ru) == 0) {
        f->cpu = (uint64_t) ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec
                 + (uint64_t) ru.ru_stime.tv_sec * 1000000
                 + ru.ru_stime.tv_usec;
    }

    f->resident = ngx_http_k8s_metrics_figures_resident();
    f->fds = ngx_http_k8s_metrics_figures_fds();
    f->nodes = nodes;
    f->connections = connections;
    f->mono = ngx_current_msec;

    ngx_memory_barrier();
    f->pid = (uint64_t) ngx_pid;
}


ngx_int_t
ngx_http_k8s_metrics_store_figures_of(ngx_http_k8s_metrics_store_t *store,
    ngx_uint_t worker, ngx_http_k8s_metrics_figures_t *figures)
{
    volatile ngx_pid_t  *pid;

    if (worker >= NGX_HTTP_K8S_METRICS_WORKERS) {
        return NGX_DECLINED;
    }

    pid = &store->zone->slots[worker].pid;

    *figures = store->zone->stats.figures[worker];

    return (figures->pid && (ngx_pid_t) figures->pid == *pid) ? NGX_OK
                                                              : NGX_DECLINED;
}


/* The second number of statm is in pages. */

static uint64_t
ngx_http_k8s_metrics_figures_resident(void)
{
    u_char      buf[128], *p, *last;
    ssize_t     n;
    ngx_fd_t    fd;
    uint64_t    pages;

    fd = ngx_open_file("/proc/self/statm", NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        return 0;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));

    (void) ngx_close_file(fd);

    last = buf + ngx_max(n, 0);
    pages = 0;

    p = ngx_strlchr(buf, last, ' ');

    if (p == NULL) {
        return 0;
    }

    for (p++; p < last && *p >= '0' && *p <= '9'; p++) {
        pages = pages * 10 + (*p - '0');
    }

    return pages * ngx_pagesize;
}


/*
 * Linux says how many there are since 6.2; to count thousands of them would
 * cost milliseconds.  Elsewhere: connections in use, which leaves out a few.
 */

static uint64_t
ngx_http_k8s_metrics_figures_fds(void)
{
    ngx_file_info_t  fi;

    if (ngx_file_info("/proc/self/fd", &fi) != NGX_FILE_ERROR
        && ngx_file_size(&fi) > 0)
    {
        return (uint64_t) ngx_file_size(&fi);
    }

    return ngx_cycle->connection_n - ngx_cycle->free_connection_n;
}
