
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_SUMMARY_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_SUMMARY_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_summary.h"
#include "ngx_http_k8s_metrics_exposition_internal.h"


/* s->kind and s->key */
#define NGX_HTTP_K8S_METRICS_SUMMARY_OTHER   0
#define NGX_HTTP_K8S_METRICS_SUMMARY_NODE    1
#define NGX_HTTP_K8S_METRICS_SUMMARY_POD     2

/*
 * cJSON makes doubles of numbers; in a piece they are strings that begin with
 * this, as no JSON text's own can (but for an escape, which nobody needs).
 */
#define NGX_HTTP_K8S_METRICS_SUMMARY_NUMBER  '\1'


/*
 * Reads the piece that was cut out, of the kind s->kind, into the tables.
 * NGX_OK, whatever it is, or NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_summary_piece(
    ngx_http_k8s_metrics_summary_t *s);


#endif /* _NGX_HTTP_K8S_METRICS_SUMMARY_INTERNAL_H_INCLUDED_ */
