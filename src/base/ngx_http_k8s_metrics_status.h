
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_STATUS_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"


/* meta.v1 Status: how Kubernetes says that something went wrong. */

typedef struct {
    ngx_str_t     reason;           /* "FieldValueInvalid" */
    ngx_str_t     message;
    ngx_str_t     field;
} ngx_http_k8s_metrics_cause_t;

typedef struct {
    ngx_uint_t                      code;       /* HTTP status */
    ngx_str_t                       reason;     /* "NotFound" */
    ngx_str_t                       message;
    unsigned                        details:1;  /* write "details" at all */
    ngx_str_t                       name;
    ngx_str_t                       group;
    ngx_str_t                       kind;
    ngx_uint_t                      ncauses;
    ngx_http_k8s_metrics_cause_t   *causes;
    ngx_uint_t                      retry_after;    /* seconds, 0: none */
} ngx_http_k8s_metrics_status_t;


/*
 * The reason that Kubernetes gives with an HTTP status code: 400 BadRequest,
 * 401 Unauthorized, 403 Forbidden, 404 NotFound, 405 MethodNotAllowed, 406
 * NotAcceptable, 410 Expired, 422 Invalid, 429 TooManyRequests, 500
 * InternalError, 503 ServiceUnavailable, ...; empty where there is none.
 */
ngx_str_t ngx_http_k8s_metrics_status_reason(ngx_uint_t code);

/*
 * A whole Status document: {"kind":"Status","apiVersion":"v1","metadata":{},
 * "status":"Failure","message":...,"reason":...,"details":{...},"code":N}.
 * Compact JSON ends with a newline, indented JSON does not.  Protobuf comes
 * in its envelope.
 */
void ngx_http_k8s_metrics_status_json(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status, ngx_uint_t pretty);
void ngx_http_k8s_metrics_status_pb(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status);


#endif /* _NGX_HTTP_K8S_METRICS_STATUS_H_INCLUDED_ */
