
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_fetch_internal.h"


/* lines of a worker's outbound requests, and the time that they are for, ms */
#define NGX_HTTP_K8S_METRICS_FETCH_LOG_LINES     10
#define NGX_HTTP_K8S_METRICS_FETCH_LOG_INTERVAL  60000


typedef struct {
    ngx_msec_t    since;
    ngx_uint_t    lines;
    ngx_uint_t    dropped;
} ngx_http_k8s_metrics_fetch_log_t;


static ngx_uint_t ngx_http_k8s_metrics_fetch_log_ours(ngx_uint_t level,
    ngx_str_t *words);
static ngx_uint_t ngx_http_k8s_metrics_fetch_log_may(void);
static void ngx_http_k8s_metrics_fetch_log_line(ngx_uint_t level, u_char *buf,
    size_t len);


/* of this worker */

static ngx_http_k8s_metrics_fetch_log_t  ngx_http_k8s_metrics_fetch_lines;


/*
 * Of what the core logs, errors are the failure's words; what is worse is
 * this nginx' own trouble and goes to its log, too, as do debug lines.
 */

void
ngx_http_k8s_metrics_fetch_log_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len)
{
    u_char                        *p, *last;
    ngx_str_t                      words;
    ngx_http_k8s_metrics_fetch_t  *f;

    f = log->wdata;

    if (level > NGX_LOG_ERR) {
        ngx_http_k8s_metrics_fetch_log_line(level, buf, len);
        return;
    }

    last = buf + len - NGX_LINEFEED_SIZE;

    p = ngx_strlchr(buf, last, ']');
    p = p ? ngx_strlchr(p, last, ':') : NULL;

    if (p == NULL || last - p < 2) {
        return;
    }

    words.data = p + 2;
    words.len = last - words.data;

    if (ngx_http_k8s_metrics_fetch_log_ours(level, &words)
        && ngx_http_k8s_metrics_fetch_log_may())
    {
        ngx_http_k8s_metrics_fetch_log_line(level, buf, len);
    }

    len = ngx_min(words.len, sizeof(f->words) - 1);

    ngx_memcpy(f->words, words.data, len);
    f->words[len] = '\0';
}


/* What the other side does in TLS is critical to the core, and not to us. */

static ngx_uint_t
ngx_http_k8s_metrics_fetch_log_ours(ngx_uint_t level, ngx_str_t *words)
{
    if (level < NGX_LOG_CRIT) {
        return 1;
    }

    return level == NGX_LOG_CRIT
           && (words->len < 4 || ngx_strncmp(words->data, "SSL_", 4) != 0);
}


static ngx_uint_t
ngx_http_k8s_metrics_fetch_log_may(void)
{
    ngx_http_k8s_metrics_fetch_log_t  *l;

    l = &ngx_http_k8s_metrics_fetch_lines;

    if (l->since == 0
        || ngx_current_msec - l->since
           >= NGX_HTTP_K8S_METRICS_FETCH_LOG_INTERVAL)
    {
        if (l->dropped) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "k8s_metrics: %ui more alerts of outbound requests "
                          "were left out", l->dropped);
        }

        l->since = ngx_max(ngx_current_msec, 1);
        l->lines = 0;
        l->dropped = 0;
    }

    if (l->lines == NGX_HTTP_K8S_METRICS_FETCH_LOG_LINES) {
        l->dropped++;
        return 0;
    }

    l->lines++;

    return 1;
}


/* A line that is made already: as the core does with one of its own. */

static void
ngx_http_k8s_metrics_fetch_log_line(ngx_uint_t level, u_char *buf, size_t len)
{
    ngx_log_t  *log;

    for (log = ngx_cycle->log; log; log = log->next) {

        if (log->log_level < level) {
            break;
        }

        if (log->writer) {
            log->writer(log, level, buf, len);
            continue;
        }

        if (log->file == NULL || ngx_time() == log->disk_full_time) {
            continue;
        }

        if (ngx_write_fd(log->file->fd, buf, len) == -1
            && ngx_errno == NGX_ENOSPC)
        {
            log->disk_full_time = ngx_time();
        }
    }
}
