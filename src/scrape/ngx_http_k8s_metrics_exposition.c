
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition_internal.h"


#define NGX_HTTP_K8S_METRICS_MAX_CONTAINERS  1000000
#define NGX_HTTP_K8S_METRICS_MAX_NAMES       (1024 * 1024 * 1024)


static void ngx_http_k8s_metrics_exposition_free(void *p);
static void ngx_http_k8s_metrics_exposition_reset(
    ngx_http_k8s_metrics_exposition_t *e);
static const u_char *ngx_http_k8s_metrics_exposition_newline(
    const u_char *p, const u_char *last);
static ngx_int_t ngx_http_k8s_metrics_exposition_keep(
    ngx_http_k8s_metrics_exposition_t *e, const u_char *p, size_t len);


void
ngx_http_k8s_metrics_exposition_init(ngx_http_k8s_metrics_exposition_t *e,
    ngx_log_t *log, ngx_uint_t max_containers, size_t max_names)
{
    ngx_memzero(e, sizeof(ngx_http_k8s_metrics_exposition_t));

    e->log = log;
    e->max_containers = ngx_min(max_containers,
                                NGX_HTTP_K8S_METRICS_MAX_CONTAINERS);
    e->max_names = ngx_min(max_names, NGX_HTTP_K8S_METRICS_MAX_NAMES);
    e->metric = NGX_HTTP_K8S_METRICS_METRIC_NONE;
}


void
ngx_http_k8s_metrics_exposition_destroy(ngx_http_k8s_metrics_exposition_t *e)
{
    ngx_http_k8s_metrics_exposition_free(e->line);
    ngx_http_k8s_metrics_exposition_free(e->names);
    ngx_http_k8s_metrics_exposition_free(e->entries);
    ngx_http_k8s_metrics_exposition_free(e->table);
    ngx_http_k8s_metrics_exposition_free(e->index);
    ngx_http_k8s_metrics_exposition_free(e->order);
    ngx_http_k8s_metrics_exposition_free(e->points);
    ngx_http_k8s_metrics_exposition_free(e->pods);

    ngx_http_k8s_metrics_exposition_init(e, e->log, e->max_containers,
                                         e->max_names);
}


size_t
ngx_http_k8s_metrics_exposition_size(ngx_http_k8s_metrics_exposition_t *e)
{
    return e->line_size + e->names_size
           + e->entries_size * sizeof(ngx_http_k8s_metrics_exposition_entry_t)
           + e->table_size * sizeof(ngx_http_k8s_metrics_exposition_pod_t)
           + (e->index_size + e->order_size) * sizeof(uint32_t)
           + e->points_size * sizeof(ngx_http_k8s_metrics_point_t)
           + e->pods_size * sizeof(ngx_http_k8s_metrics_pod_points_t);
}


static void
ngx_http_k8s_metrics_exposition_free(void *p)
{
    if (p) {
        ngx_free(p);
    }
}


void
ngx_http_k8s_metrics_exposition_start(ngx_http_k8s_metrics_exposition_t *e,
    int64_t time)
{
    ngx_http_k8s_metrics_exposition_clear(e);
    ngx_http_k8s_metrics_exposition_reset(e);

    /* metrics-server counts in milliseconds here, as the lines do */

    e->time = time - time % 1000000;
}


static void
ngx_http_k8s_metrics_exposition_reset(ngx_http_k8s_metrics_exposition_t *e)
{
    e->has_node = 0;
    e->scrape_error = 0;
    e->npods = 0;
    e->nincomplete = 0;
    e->node_missing = 0;
    e->ncontainers = 0;
    e->nlines = 0;
    e->nsamples = 0;

    ngx_memzero(&e->node, sizeof(ngx_http_k8s_metrics_point_t));
    ngx_memzero(&e->dropped,
                sizeof(ngx_http_k8s_metrics_exposition_dropped_t));

    e->node_have = 0;
    e->metric = NGX_HTTP_K8S_METRICS_METRIC_NONE;
    e->next = 0;
    e->skip = 0;
    e->line_len = 0;
}


ngx_int_t
ngx_http_k8s_metrics_exposition_feed(ngx_http_k8s_metrics_exposition_t *e,
    const u_char *p, size_t len)
{
    ngx_int_t      rc;
    const u_char  *end, *last;

    for (last = p + len; p < last; p = end + 1) {

        end = ngx_http_k8s_metrics_exposition_newline(p, last);

        if (end == last || e->line_len) {

            if (!e->skip
                && ngx_http_k8s_metrics_exposition_keep(e, p, end - p)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            if (end == last) {
                return NGX_OK;
            }
        }

        if (e->skip) {
            e->skip = 0;
            continue;
        }

        if (e->line_len) {
            rc = ngx_http_k8s_metrics_exposition_line(e, e->line,
                                                      e->line + e->line_len);
            e->line_len = 0;

        } else if (end - p > NGX_HTTP_K8S_METRICS_EXPOSITION_LINE) {
            e->dropped.too_long++;
            rc = NGX_OK;

        } else {
            rc = ngx_http_k8s_metrics_exposition_line(e, p, end);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Eight bytes at a time. */

static const u_char *
ngx_http_k8s_metrics_exposition_newline(const u_char *p, const u_char *last)
{
    uint64_t  word;

    while (last - p >= 8) {
        ngx_memcpy(&word, p, 8);
        word ^= 0x0a0a0a0a0a0a0a0aULL;

        if ((word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL) {
            break;
        }

        p += 8;
    }

    while (p < last && *p != '\n') {
        p++;
    }

    return p;
}


/* A part of a line that is cut. */

static ngx_int_t
ngx_http_k8s_metrics_exposition_keep(ngx_http_k8s_metrics_exposition_t *e,
    const u_char *p, size_t len)
{
    u_char  *line;

    if (len > NGX_HTTP_K8S_METRICS_EXPOSITION_LINE - e->line_len) {
        e->dropped.too_long++;
        e->line_len = 0;
        e->skip = 1;
        return NGX_OK;
    }

    line = ngx_http_k8s_metrics_exposition_room(e, e->line, &e->line_size,
                                                e->line_len + len, 1);
    if (line == NULL) {
        return NGX_ERROR;
    }

    e->line = line;

    ngx_memcpy(e->line + e->line_len, p, len);
    e->line_len += len;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_exposition_end(ngx_http_k8s_metrics_exposition_t *e)
{
    ngx_int_t  rc;

    if (e->line_len) {
        rc = ngx_http_k8s_metrics_exposition_line(e, e->line,
                                                  e->line + e->line_len);
        e->line_len = 0;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    e->has_node = (e->node_have == (NGX_HTTP_K8S_METRICS_HAVE_CPU
                                    | NGX_HTTP_K8S_METRICS_HAVE_MEMORY)
                   && e->node.cpu != 0 && e->node.memory != 0);
    e->dropped.nodes = !e->has_node;
    e->node_missing = e->has_node ? 0
                      : ngx_http_k8s_metrics_exposition_missing(e->node_have,
                                                 e->node.cpu, e->node.memory);

    return ngx_http_k8s_metrics_exposition_result(e);
}


ngx_uint_t
ngx_http_k8s_metrics_exposition_missing(ngx_uint_t have, uint64_t cpu,
    uint64_t memory)
{
    ngx_uint_t  missing;

    missing = 0;

    if (!(have & NGX_HTTP_K8S_METRICS_HAVE_CPU)) {
        missing |= NGX_HTTP_K8S_METRICS_LACKS_CPU;

    } else if (cpu == 0) {
        missing |= NGX_HTTP_K8S_METRICS_ZERO_CPU;
    }

    if (!(have & NGX_HTTP_K8S_METRICS_HAVE_MEMORY)) {
        missing |= NGX_HTTP_K8S_METRICS_LACKS_MEMORY;

    } else if (memory == 0) {
        missing |= NGX_HTTP_K8S_METRICS_ZERO_MEMORY;
    }

    return missing;
}
