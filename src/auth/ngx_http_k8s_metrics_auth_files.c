
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


/* What a configuration has of them; memory of its cycle. */
typedef struct {
    ngx_http_k8s_metrics_files_t      files;
    ngx_cycle_t                      *cycle;
    ngx_queue_t                       queue;
} ngx_http_k8s_metrics_auth_files_t;


static void ngx_http_k8s_metrics_auth_files_cleanup(void *data);


/* of all configurations that there are: a master has two while it reloads */
static ngx_queue_t  ngx_http_k8s_metrics_auth_files;


ngx_http_k8s_metrics_files_t *
ngx_http_k8s_metrics_auth_files_find(ngx_conf_t *cf,
    ngx_http_k8s_metrics_file_t *file, ngx_uint_t n)
{
    ngx_uint_t                          i;
    ngx_queue_t                        *q, *all;
    ngx_http_k8s_metrics_file_t        *other;
    ngx_http_k8s_metrics_auth_files_t  *f;

    all = &ngx_http_k8s_metrics_auth_files;

    if (all->next == NULL) {
        return NULL;
    }

    for (q = ngx_queue_head(all);
         q != ngx_queue_sentinel(all);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_http_k8s_metrics_auth_files_t, queue);

        if (f->cycle != cf->cycle || f->files.n != n) {
            continue;
        }

        other = f->files.file;

        for (i = 0; i < n; i++) {
            if (ngx_strcmp(other[i].what, file[i].what) != 0
                || other[i].name.len != file[i].name.len
                || ngx_memcmp(other[i].name.data, file[i].name.data,
                              file[i].name.len)
                   != 0)
            {
                break;
            }
        }

        if (i == n) {
            return &f->files;
        }
    }

    return NULL;
}


ngx_http_k8s_metrics_files_t *
ngx_http_k8s_metrics_auth_files_add(ngx_conf_t *cf,
    ngx_http_k8s_metrics_file_t *file, ngx_uint_t n)
{
    size_t                              size;
    ngx_queue_t                        *all;
    ngx_pool_cleanup_t                 *cln;
    ngx_http_k8s_metrics_auth_files_t  *f;

    cln = ngx_pool_cleanup_add(cf->pool,
                               sizeof(ngx_http_k8s_metrics_auth_files_t));
    if (cln == NULL) {
        return NULL;
    }

    f = cln->data;

    ngx_memzero(f, sizeof(ngx_http_k8s_metrics_auth_files_t));

    f->cycle = cf->cycle;
    f->files.n = n;

    size = n * sizeof(ngx_http_k8s_metrics_file_t);

    f->files.file = ngx_palloc(cf->pool, size);
    if (f->files.file == NULL) {
        return NULL;
    }

    ngx_memcpy(f->files.file, file, size);

    all = &ngx_http_k8s_metrics_auth_files;

    if (all->next == NULL) {
        ngx_queue_init(all);
    }

    ngx_queue_insert_tail(all, &f->queue);

    cln->handler = ngx_http_k8s_metrics_auth_files_cleanup;

    return &f->files;
}


static void
ngx_http_k8s_metrics_auth_files_cleanup(void *data)
{
    ngx_http_k8s_metrics_auth_files_t *f = data;

    ngx_queue_remove(&f->queue);
}


void
ngx_http_k8s_metrics_auth_files_look(ngx_log_t *log)
{
    ngx_queue_t                        *q, *all;
    ngx_http_k8s_metrics_auth_files_t  *f;

    all = &ngx_http_k8s_metrics_auth_files;

    if (all->next == NULL) {
        return;
    }

    for (q = ngx_queue_head(all);
         q != ngx_queue_sentinel(all);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_http_k8s_metrics_auth_files_t, queue);

        if (f->cycle != ngx_cycle) {
            continue;
        }

        if (!f->files.begun) {
            ngx_http_k8s_metrics_files_begin(&f->files, log, ngx_worker == 0);
        }

        (void) ngx_http_k8s_metrics_files_look(&f->files, log);
    }
}
