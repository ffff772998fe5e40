
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_ACCEPT_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_ACCEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Content negotiation as k8s.io/apiserver's negotiation package does it: the
 * media types by q (then as written), wildcards, the parameters as, g, v,
 * pretty, stream, charset, profile.
 */

typedef enum {
    NGX_HTTP_K8S_METRICS_JSON = 0,
    NGX_HTTP_K8S_METRICS_YAML,
    NGX_HTTP_K8S_METRICS_PROTOBUF
} ngx_http_k8s_metrics_media_e;

typedef enum {
    NGX_HTTP_K8S_METRICS_AS_OBJECT = 0,
    NGX_HTTP_K8S_METRICS_AS_TABLE,          /* as=Table, meta.k8s.io v1 */
    NGX_HTTP_K8S_METRICS_AS_PARTIAL,        /* as=PartialObjectMetadata */
    NGX_HTTP_K8S_METRICS_AS_PARTIAL_LIST,
    NGX_HTTP_K8S_METRICS_AS_DISCOVERY       /* as=APIGroupDiscoveryList v2 */
} ngx_http_k8s_metrics_as_e;

typedef struct {
    ngx_http_k8s_metrics_media_e   media;
    ngx_http_k8s_metrics_as_e      as;
    unsigned                       pretty:1;
    unsigned                       stream:1;    /* stream=watch */
} ngx_http_k8s_metrics_accepted_t;


/*
 * What a handler can give.  Bits of media (1 << NGX_HTTP_K8S_METRICS_JSON ...)
 * and of conversions (1 << NGX_HTTP_K8S_METRICS_AS_TABLE ...; AS_OBJECT is
 * always possible).
 */
typedef struct {
    ngx_uint_t                     media;
    ngx_uint_t                     as;
} ngx_http_k8s_metrics_offer_t;


/*
 * Chooses from "accept" (all Accept headers joined by commas; empty: JSON).
 * NGX_OK, or NGX_DECLINED when nothing fits (406).  Looks at 64 entries.
 */
ngx_int_t ngx_http_k8s_metrics_accept(const ngx_str_t *accept,
    const ngx_http_k8s_metrics_offer_t *offer,
    ngx_http_k8s_metrics_accepted_t *accepted);

/* Go's strconv.ParseBool: 1 or 0; NGX_ERROR for what is no boolean. */
ngx_int_t ngx_http_k8s_metrics_parse_bool(const ngx_str_t *s);


#endif /* _NGX_HTTP_K8S_METRICS_ACCEPT_H_INCLUDED_ */
