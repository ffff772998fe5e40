
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _STUBS_H_INCLUDED_
#define _STUBS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What the sources under test need of nginx, in stubs.c.  Every piece of pool
 * memory is a malloc() of its own, so the sanitizers see one byte too many.
 */

/*
 * How many allocations still succeed, of pools, ngx_alloc() and
 * ngx_slab_alloc() together; from 0 on, all fail.  -1, the initial value: no
 * end.
 */
extern ngx_int_t  stub_allocations;

/* A log that takes everything; the lines logged and the last one's format. */
extern ngx_log_t   stub_log;
extern ngx_uint_t  stub_logged;
extern const char *stub_logged_fmt;
extern ngx_uint_t  stub_logged_level;

/* A zone for ngx_shared_memory_add(); its init is not called. */
extern ngx_shm_zone_t  stub_zone;


#endif /* _STUBS_H_INCLUDED_ */
