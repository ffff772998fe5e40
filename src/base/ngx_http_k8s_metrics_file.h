
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_FILE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Small files (certificates, keys) that others replace while a worker runs.
 * They are read where the configuration is; a worker inherits what was seen
 * then, also one that is started long after, and looks from time to time.
 */

#define NGX_HTTP_K8S_METRICS_FILE_MAX       1048576
#define NGX_HTTP_K8S_METRICS_FILE_INTERVAL  5000    /* between looks, ms */


/* What stat() says of the file that a name led to. */
typedef struct {
    dev_t                            dev;
    ino_t                            ino;
    off_t                            size;
    struct timespec                  modified;
    struct timespec                  changed;
} ngx_http_k8s_metrics_file_id_t;

typedef struct {
    ngx_str_t                        name;      /* full; a NUL behind it */
    const char                      *what;      /* for logs: a directive */
    ngx_http_k8s_metrics_file_id_t   id;        /* when it was read last */
    uint64_t                         hash;      /* of the bytes in force */
    unsigned                         fresh:1;   /* may yet have changed with
                                                   the same times */
    unsigned                         differs:1; /* what load is given */
    unsigned                         denied:1;  /* to a worker */
    unsigned                         shared:1;  /* told of by its other user */
} ngx_http_k8s_metrics_file_t;


/*
 * Takes over what "n" files hold, views in their order that are wiped
 * afterwards: NGX_OK when it is in force, or NGX_ERROR, why logged at "level":
 * the old stays in force.
 */
typedef ngx_int_t (*ngx_http_k8s_metrics_files_pt)(void *data,
    ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t level);

/* Files that make up one thing, such as a certificate and its key. */
typedef struct {
    ngx_http_k8s_metrics_file_t     *file;
    ngx_uint_t                       n;
    ngx_http_k8s_metrics_files_pt    load;
    void                            *data;
    ngx_msec_t                       looked;
    uint64_t                         refused;   /* hash of what is logged */
    unsigned                         begun:1;
    unsigned                         again:1;   /* read it, changed or not */
} ngx_http_k8s_metrics_files_t;


/*
 * Reads the whole file, FILE_MAX bytes at most, into memory of "pool", a NUL
 * behind it that "len" does not count, and notes what was seen.  NGX_OK;
 * NGX_ABORT when it cannot be opened (errno in *err); NGX_DECLINED when it is
 * no regular file or too large; NGX_AGAIN when it changed meanwhile; NGX_ERROR
 * when it cannot be read (errno in *err, or 0 for want of memory).
 */
ngx_int_t ngx_http_k8s_metrics_file_read(ngx_http_k8s_metrics_file_t *file,
    ngx_pool_t *pool, ngx_str_t *bytes, ngx_err_t *err);

/* These bytes of the file are in force. */
void ngx_http_k8s_metrics_file_known(ngx_http_k8s_metrics_file_t *file,
    const ngx_str_t *bytes);

/*
 * In a worker, once: finds out which files it may not read, and with "warn"
 * says that a change of these needs a reload.
 */
void ngx_http_k8s_metrics_files_begin(ngx_http_k8s_metrics_files_t *files,
    ngx_log_t *log, ngx_uint_t warn);

/*
 * To be called often: once in FILE_INTERVAL a stat() for each file, and where
 * one has changed, all are read and handed to files->load.  What it refuses is
 * logged once, and tried again with each look.  NGX_OK when something new was
 * put in force, else NGX_DECLINED.
 */
ngx_int_t ngx_http_k8s_metrics_files_look(ngx_http_k8s_metrics_files_t *files,
    ngx_log_t *log);


#endif /* _NGX_HTTP_K8S_METRICS_FILE_H_INCLUDED_ */
