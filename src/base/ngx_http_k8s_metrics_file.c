
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_file.h"


/* times of files are coarse: within these seconds two may look the same */
#define NGX_HTTP_K8S_METRICS_FILE_FRESH  2

/* until files that change while they are read are read again, ms */
#define NGX_HTTP_K8S_METRICS_FILE_SOON   1000


static void ngx_http_k8s_metrics_file_id(const struct stat *st,
    ngx_http_k8s_metrics_file_id_t *id);
static ngx_uint_t ngx_http_k8s_metrics_file_moved(
    ngx_http_k8s_metrics_file_t *file);
static uint64_t ngx_http_k8s_metrics_file_hash(const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_files_read(
    ngx_http_k8s_metrics_files_t *files, ngx_pool_t *pool, ngx_str_t *bytes,
    ngx_log_t *log);
static void ngx_http_k8s_metrics_files_failed(
    ngx_http_k8s_metrics_files_t *files, ngx_uint_t i, ngx_int_t rc,
    ngx_err_t err, ngx_log_t *log);
static ngx_int_t ngx_http_k8s_metrics_files_load(
    ngx_http_k8s_metrics_files_t *files, ngx_str_t *bytes, ngx_log_t *log);


static void
ngx_http_k8s_metrics_file_id(const struct stat *st,
    ngx_http_k8s_metrics_file_id_t *id)
{
    id->dev = st->st_dev;
    id->ino = st->st_ino;
    id->size = st->st_size;
    id->modified = st->st_mtim;
    id->changed = st->st_ctim;
}


/* 1 when the name leads to something else than what was read last. */

static ngx_uint_t
ngx_http_k8s_metrics_file_moved(ngx_http_k8s_metrics_file_t *file)
{
    ngx_file_info_t                  fi;
    ngx_http_k8s_metrics_file_id_t   now, *id;

    if (ngx_file_info(file->name.data, &fi) == NGX_FILE_ERROR) {
        return 1;
    }

    id = &file->id;

    ngx_http_k8s_metrics_file_id(&fi, &now);

    return now.dev != id->dev || now.ino != id->ino || now.size != id->size
           || now.modified.tv_sec != id->modified.tv_sec
           || now.modified.tv_nsec != id->modified.tv_nsec
           || now.changed.tv_sec != id->changed.tv_sec
           || now.changed.tv_nsec != id->changed.tv_nsec;
}


/* FNV-1a: who writes these files has no use for a collision. */

static uint64_t
ngx_http_k8s_metrics_file_hash(const u_char *p, size_t len)
{
    size_t    i;
    uint64_t  h;

    h = 14695981039346656037ULL;

    for (i = 0; i < len; i++) {
        h = (h ^ p[i]) * 1099511628211ULL;
    }

    return h;
}


ngx_int_t
ngx_http_k8s_metrics_file_read(ngx_http_k8s_metrics_file_t *file,
    ngx_pool_t *pool, ngx_str_t *bytes, ngx_err_t *err)
{
    time_t           age;
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_int_t        rc;
    struct timespec  now;
    ngx_file_info_t  fi;

    *err = 0;

    /* a pipe must hold nobody */

    fd = ngx_open_file(file->name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return NGX_ABORT;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        *err = ngx_errno;
        goto done;
    }

    if (!ngx_is_file(&fi)
        || ngx_file_size(&fi) > NGX_HTTP_K8S_METRICS_FILE_MAX)
    {
        rc = NGX_DECLINED;
        goto done;
    }

    bytes->len = (size_t) ngx_file_size(&fi);
    bytes->data = ngx_pnalloc(pool, bytes->len + 1);

    if (bytes->data == NULL) {
        goto done;
    }

    n = ngx_read_fd(fd, bytes->data, bytes->len + 1);

    if (n == -1) {
        *err = ngx_errno;
        goto done;
    }

    if ((size_t) n != bytes->len) {
        ngx_explicit_memzero(bytes->data, bytes->len + 1);
        rc = NGX_AGAIN;
        goto done;
    }

    bytes->data[n] = '\0';

    ngx_http_k8s_metrics_file_id(&fi, &file->id);

    clock_gettime(CLOCK_REALTIME, &now);

    age = now.tv_sec - file->id.changed.tv_sec;

    file->fresh = (age > -NGX_HTTP_K8S_METRICS_FILE_FRESH
                   && age < NGX_HTTP_K8S_METRICS_FILE_FRESH);

    rc = NGX_OK;

done:

    (void) ngx_close_file(fd);

    return rc;
}


void
ngx_http_k8s_metrics_file_known(ngx_http_k8s_metrics_file_t *file,
    const ngx_str_t *bytes)
{
    file->hash = ngx_http_k8s_metrics_file_hash(bytes->data, bytes->len);
}


void
ngx_http_k8s_metrics_files_begin(ngx_http_k8s_metrics_files_t *files,
    ngx_log_t *log, ngx_uint_t warn)
{
    ngx_fd_t                      fd;
    ngx_err_t                     err;
    ngx_uint_t                    i;
    ngx_http_k8s_metrics_file_t  *file;

    for (i = 0; i < files->n; i++) {
        file = &files->file[i];

        fd = ngx_open_file(file->name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                           NGX_FILE_OPEN, 0);

        if (fd != NGX_INVALID_FILE) {
            (void) ngx_close_file(fd);
            continue;
        }

        /* what is not there is told with the first look */

        err = ngx_errno;

        if (err != NGX_EACCES && err != NGX_EPERM) {
            continue;
        }

        file->denied = 1;

        if (warn && !file->shared) {
            ngx_log_error(NGX_LOG_WARN, log, err,
                          "k8s_metrics: %s \"%V\" cannot be read by a worker "
                          "process: a change of it needs a reload",
                          file->what, &file->name);
        }
    }
}


ngx_int_t
ngx_http_k8s_metrics_files_look(ngx_http_k8s_metrics_files_t *files,
    ngx_log_t *log)
{
    size_t       size;
    ngx_int_t    rc;
    ngx_str_t   *bytes;
    ngx_uint_t   i, due;
    ngx_pool_t  *pool;

    if (files->n == 0
        || (files->begun && ngx_current_msec - files->looked
                            < NGX_HTTP_K8S_METRICS_FILE_INTERVAL))
    {
        return NGX_DECLINED;
    }

    files->begun = 1;
    files->looked = ngx_current_msec;

    due = files->again;

    for (i = 0; i < files->n && !due; i++) {
        due = files->file[i].fresh
              || ngx_http_k8s_metrics_file_moved(&files->file[i]);
    }

    if (!due) {
        return NGX_DECLINED;
    }

    /* unless all of it is read and taken */

    files->again = 1;

    pool = ngx_create_pool(4096, log);
    if (pool == NULL) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;
    size = files->n * sizeof(ngx_str_t);

    bytes = ngx_pcalloc(pool, size);

    if (bytes
        && ngx_http_k8s_metrics_files_read(files, pool, bytes, log) == NGX_OK)
    {
        rc = ngx_http_k8s_metrics_files_load(files, bytes, log);
    }

    for (i = 0; bytes && i < files->n; i++) {
        if (bytes[i].data) {
            ngx_explicit_memzero(bytes[i].data, bytes[i].len);
        }
    }

    ngx_destroy_pool(pool);

    return rc;
}


/* NGX_OK, or NGX_DECLINED: with a later look. */

static ngx_int_t
ngx_http_k8s_metrics_files_read(ngx_http_k8s_metrics_files_t *files,
    ngx_pool_t *pool, ngx_str_t *bytes, ngx_log_t *log)
{
    ngx_int_t   rc;
    ngx_err_t   err;
    ngx_uint_t  i;

    for (i = 0; i < files->n; i++) {

        rc = ngx_http_k8s_metrics_file_read(&files->file[i], pool, &bytes[i],
                                            &err);
        if (rc == NGX_AGAIN) {
            goto soon;
        }

        if (rc != NGX_OK) {
            ngx_http_k8s_metrics_files_failed(files, i, rc, err, log);
            return NGX_DECLINED;
        }
    }

    /* a Secret's symlink may have been swapped between two of them */

    for (i = 0; i < files->n; i++) {
        if (ngx_http_k8s_metrics_file_moved(&files->file[i])) {
            goto soon;
        }
    }

    return NGX_OK;

soon:

    files->looked = ngx_current_msec - NGX_HTTP_K8S_METRICS_FILE_INTERVAL
                    + NGX_HTTP_K8S_METRICS_FILE_SOON;

    return NGX_DECLINED;
}


static void
ngx_http_k8s_metrics_files_failed(ngx_http_k8s_metrics_files_t *files,
    ngx_uint_t i, ngx_int_t rc, ngx_err_t err, ngx_log_t *log)
{
    uint64_t                      why;
    ngx_uint_t                    level;
    ngx_http_k8s_metrics_file_t  *file;

    file = &files->file[i];

    why = ((uint64_t) i << 40) + ((uint64_t) (-rc) << 32) + err + 1;

    level = (why == files->refused) ? NGX_LOG_DEBUG
            : file->denied ? NGX_LOG_INFO : NGX_LOG_ERR;

    files->refused = why;

    ngx_log_error(level, log, err,
                  "k8s_metrics: %s \"%V\" has changed and %s: the old one "
                  "stays in force", file->what, &file->name,
                  (rc == NGX_ABORT) ? "cannot be opened"
                  : (rc == NGX_DECLINED) ? "is no file of 1m at most"
                  : "cannot be read");
}


static ngx_int_t
ngx_http_k8s_metrics_files_load(ngx_http_k8s_metrics_files_t *files,
    ngx_str_t *bytes, ngx_log_t *log)
{
    uint64_t                      hash, all;
    ngx_uint_t                    i, same;
    ngx_http_k8s_metrics_file_t  *file;

    all = 0;
    same = 1;
    file = files->file;

    for (i = 0; i < files->n; i++) {
        hash = ngx_http_k8s_metrics_file_hash(bytes[i].data, bytes[i].len);
        all = all * 1099511628211ULL + hash;

        file[i].differs = (hash != file[i].hash);

        if (file[i].differs) {
            same = 0;
        }
    }

    if (same) {
        files->again = 0;
        files->refused = 0;
        return NGX_DECLINED;
    }

    /* tried again it may pass: a certificate's time may have come */

    if (files->load(files->data, bytes, log,
                    (all == files->refused) ? NGX_LOG_DEBUG : NGX_LOG_ERR)
        != NGX_OK)
    {
        files->refused = all;
        return NGX_DECLINED;
    }

    files->again = 0;
    files->refused = 0;

    for (i = 0; i < files->n; i++) {

        if (file[i].differs) {
            ngx_http_k8s_metrics_file_known(&file[i], &bytes[i]);

            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "k8s_metrics: %s \"%V\" has changed: the new one is "
                          "in force", file[i].what, &file[i].name);
        }
    }

    return NGX_OK;
}
