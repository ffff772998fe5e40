
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <stdlib.h>
#include <strings.h>

#include "stubs.h"


static void *stub_alloc(size_t size);
static void stub_unlocked(const char *what);


ngx_int_t    stub_allocations = -1;
ngx_uint_t   stub_logged;
const char  *stub_logged_fmt;
ngx_uint_t   stub_logged_level;

ngx_log_t    stub_log = { .log_level = NGX_LOG_DEBUG_ALL | NGX_LOG_DEBUG };

ngx_shm_zone_t  stub_zone;

static ngx_uint_t   stub_locked;
static ngx_cycle_t  stub_cycle = { .log = &stub_log };


/* variables of the core */

volatile ngx_msec_t   ngx_current_msec = 1000000;
volatile ngx_cycle_t *ngx_cycle = &stub_cycle;
ngx_uint_t            ngx_pagesize = 4096;
ngx_pid_t             ngx_pid = 1;
ngx_uint_t            ngx_worker;
ngx_uint_t            ngx_test_config;


static void *
stub_alloc(size_t size)
{
    if (stub_allocations == 0) {
        return NULL;
    }

    if (stub_allocations > 0) {
        stub_allocations--;
    }

    /* not zero bytes: a block that is not there could not be told apart */
    return malloc(size ? size : 1);
}


/* The lock's rule, at run time: neither logging nor pools while it is held. */

static void
stub_unlocked(const char *what)
{
    if (stub_locked) {
        printf("Bail out! %s under the zone's lock\n", what);
        fflush(stdout);
        abort();
    }
}


/* memory */

void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    return stub_alloc(size);
}


ngx_pool_t *
ngx_create_pool(size_t size, ngx_log_t *log)
{
    ngx_pool_t  *pool;

    pool = calloc(1, sizeof(ngx_pool_t));
    if (pool == NULL) {
        abort();
    }

    pool->log = log;

    return pool;
}


void
ngx_destroy_pool(ngx_pool_t *pool)
{
    ngx_pool_large_t    *large;
    ngx_pool_cleanup_t  *cleanup;

    for (cleanup = pool->cleanup; cleanup; cleanup = cleanup->next) {
        if (cleanup->handler) {
            cleanup->handler(cleanup->data);
        }
    }

    while (pool->large) {
        large = pool->large;
        pool->large = large->next;
        free(large->alloc);
        free(large);
    }

    free(pool);
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    void              *p;
    ngx_pool_large_t  *large;

    stub_unlocked("pool allocation");

    p = stub_alloc(size);
    if (p == NULL) {
        return NULL;
    }

    large = malloc(sizeof(ngx_pool_large_t));
    if (large == NULL) {
        abort();
    }

    large->alloc = p;
    large->next = pool->large;
    pool->large = large;

    return p;
}


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    return ngx_pnalloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_pnalloc(pool, size);
    if (p) {
        ngx_memzero(p, size);
    }

    return p;
}


ngx_int_t
ngx_pfree(ngx_pool_t *pool, void *p)
{
    ngx_pool_large_t  *large;

    for (large = pool->large; large; large = large->next) {
        if (large->alloc == p) {
            free(p);
            large->alloc = NULL;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_pool_cleanup_t *
ngx_pool_cleanup_add(ngx_pool_t *pool, size_t size)
{
    ngx_pool_cleanup_t  *cleanup;

    cleanup = ngx_pcalloc(pool, sizeof(ngx_pool_cleanup_t));
    if (cleanup == NULL) {
        return NULL;
    }

    if (size) {
        cleanup->data = ngx_pnalloc(pool, size);
        if (cleanup->data == NULL) {
            return NULL;
        }
    }

    cleanup->next = pool->cleanup;
    pool->cleanup = cleanup;

    return cleanup;
}


void *
ngx_array_push(ngx_array_t *a)
{
    void  *elts;

    if (a->nelts == a->nalloc) {
        elts = ngx_pnalloc(a->pool, 2 * a->nalloc * a->size);
        if (elts == NULL) {
            return NULL;
        }

        ngx_memcpy(elts, a->elts, a->nelts * a->size);
        a->elts = elts;
        a->nalloc *= 2;
    }

    return (u_char *) a->elts + a->size * a->nelts++;
}


/* logs */

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    stub_unlocked("logging");

    stub_logged++;
    stub_logged_fmt = fmt;
    stub_logged_level = level;
}


void
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    stub_logged++;
    stub_logged_fmt = fmt;
    stub_logged_level = level;
}


/* strings */

void
ngx_explicit_memzero(void *buf, size_t n)
{
    ngx_memzero(buf, n);
}


void
ngx_strlow(u_char *dst, u_char *src, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        dst[i] = ngx_tolower(src[i]);
    }
}


ngx_int_t
ngx_strncasecmp(u_char *s1, u_char *s2, size_t n)
{
    return strncasecmp((char *) s1, (char *) s2, n);
}


ngx_int_t
ngx_memn2cmp(u_char *s1, u_char *s2, size_t n1, size_t n2)
{
    int     rc;
    size_t  n;

    n = ngx_min(n1, n2);
    rc = n ? memcmp(s1, s2, n) : 0;

    return rc ? rc : (ngx_int_t) (n1 > n2) - (ngx_int_t) (n1 < n2);
}


/* 0xffffffff: not UTF-8; 0xfffffffe: not all of it is there */

uint32_t
ngx_utf8_decode(u_char **p, size_t n)
{
    size_t    i, len;
    uint32_t  c, least;

    static const uint32_t  leasts[] = { 0, 0x80, 0x800, 0x10000 };

    c = **p;
    len = (c >= 0xf0) ? 3 : (c >= 0xe0) ? 2 : (c >= 0xc2) ? 1 : 0;

    if (len == 0) {
        (*p)++;
        return 0xffffffff;
    }

    if (n <= len) {
        return 0xfffffffe;
    }

    least = leasts[len];
    c &= 0x3f >> len;
    (*p)++;

    for (i = 0; i < len; i++) {
        if (**p < 0x80) {
            (*p)++;
            return 0xffffffff;
        }

        c = (c << 6) | (**p & 0x3f);
        (*p)++;
    }

    return c < least ? 0xffffffff : c;
}


/* any hash does */

uint32_t
ngx_murmur_hash2(u_char *data, size_t len)
{
    size_t    i;
    uint32_t  h;

    h = 2166136261u;

    for (i = 0; i < len; i++) {
        h = (h ^ data[i]) * 16777619u;
    }

    return h;
}


/* shared memory */

void
ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    stub_unlocked("locking twice");
    stub_locked = 1;
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    stub_locked = 0;
}


void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    return stub_alloc(size);
}


ngx_shm_zone_t *
ngx_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    stub_zone.shm.name = *name;
    stub_zone.shm.size = size;
    stub_zone.tag = tag;

    return &stub_zone;
}


/* of a directive's value, which no unit test reads */

off_t
ngx_parse_offset(ngx_str_t *line)
{
    return NGX_ERROR;
}
