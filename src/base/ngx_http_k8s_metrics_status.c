
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_json.h"
#include "ngx_http_k8s_metrics_pb.h"
#include "ngx_http_k8s_metrics_status.h"


typedef struct {
    ngx_uint_t    code;
    ngx_str_t     reason;
} ngx_http_k8s_metrics_status_reason_t;


static void ngx_http_k8s_metrics_status_json_details(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_status_t *status);
static void ngx_http_k8s_metrics_status_json_causes(
    ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_status_t *status);
static void ngx_http_k8s_metrics_status_pb_details(
    ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status);


static const ngx_http_k8s_metrics_status_reason_t
    ngx_http_k8s_metrics_status_reasons[] =
{
    { 400, ngx_string("BadRequest") },
    { 401, ngx_string("Unauthorized") },
    { 403, ngx_string("Forbidden") },
    { 404, ngx_string("NotFound") },
    { 405, ngx_string("MethodNotAllowed") },
    { 406, ngx_string("NotAcceptable") },
    { 409, ngx_string("Conflict") },
    { 410, ngx_string("Expired") },
    { 413, ngx_string("RequestEntityTooLarge") },
    { 414, ngx_string("RequestEntityTooLarge") },
    { 415, ngx_string("UnsupportedMediaType") },
    { 422, ngx_string("Invalid") },
    { 429, ngx_string("TooManyRequests") },
    { 431, ngx_string("RequestEntityTooLarge") },
    { 500, ngx_string("InternalError") },
    { 503, ngx_string("ServiceUnavailable") },
    { 504, ngx_string("Timeout") },
    { 0, ngx_null_string }
};


ngx_str_t
ngx_http_k8s_metrics_status_reason(ngx_uint_t code)
{
    const ngx_http_k8s_metrics_status_reason_t  *r;

    r = ngx_http_k8s_metrics_status_reasons;

    while (r->code && r->code != code) {
        r++;
    }

    return r->reason;
}


void
ngx_http_k8s_metrics_status_json(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status, ngx_uint_t pretty)
{
    ngx_http_k8s_metrics_json_t  w;

    ngx_http_k8s_metrics_json_init(&w, out, pretty);

    ngx_http_k8s_metrics_json_object(&w);

    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "Status");
    ngx_http_k8s_metrics_json_key(&w, "apiVersion");
    ngx_http_k8s_metrics_json_lit(&w, "v1");

    ngx_http_k8s_metrics_json_key(&w, "metadata");
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_object_end(&w);

    ngx_http_k8s_metrics_json_key(&w, "status");
    ngx_http_k8s_metrics_json_lit(&w, "Failure");

    if (status->message.len) {
        ngx_http_k8s_metrics_json_member(&w, "message", &status->message);
    }

    if (status->reason.len) {
        ngx_http_k8s_metrics_json_member(&w, "reason", &status->reason);
    }

    if (status->details) {
        ngx_http_k8s_metrics_status_json_details(&w, status);
    }

    ngx_http_k8s_metrics_json_key(&w, "code");
    ngx_http_k8s_metrics_json_int(&w, (int64_t) status->code);

    ngx_http_k8s_metrics_json_object_end(&w);

    if (!pretty) {
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }
}


static void
ngx_http_k8s_metrics_status_json_details(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_status_t *status)
{
    ngx_http_k8s_metrics_json_key(w, "details");
    ngx_http_k8s_metrics_json_object(w);

    if (status->name.len) {
        ngx_http_k8s_metrics_json_member(w, "name", &status->name);
    }

    if (status->group.len) {
        ngx_http_k8s_metrics_json_member(w, "group", &status->group);
    }

    if (status->kind.len) {
        ngx_http_k8s_metrics_json_member(w, "kind", &status->kind);
    }

    if (status->ncauses) {
        ngx_http_k8s_metrics_status_json_causes(w, status);
    }

    if (status->retry_after) {
        ngx_http_k8s_metrics_json_key(w, "retryAfterSeconds");
        ngx_http_k8s_metrics_json_int(w, (int64_t) status->retry_after);
    }

    ngx_http_k8s_metrics_json_object_end(w);
}


static void
ngx_http_k8s_metrics_status_json_causes(ngx_http_k8s_metrics_json_t *w,
    const ngx_http_k8s_metrics_status_t *status)
{
    ngx_uint_t                           i;
    const ngx_http_k8s_metrics_cause_t  *cause;

    ngx_http_k8s_metrics_json_key(w, "causes");
    ngx_http_k8s_metrics_json_array(w);

    for (i = 0; i < status->ncauses; i++) {
        cause = &status->causes[i];

        ngx_http_k8s_metrics_json_object(w);

        if (cause->reason.len) {
            ngx_http_k8s_metrics_json_member(w, "reason", &cause->reason);
        }

        if (cause->message.len) {
            ngx_http_k8s_metrics_json_member(w, "message", &cause->message);
        }

        if (cause->field.len) {
            ngx_http_k8s_metrics_json_member(w, "field", &cause->field);
        }

        ngx_http_k8s_metrics_json_object_end(w);
    }

    ngx_http_k8s_metrics_json_array_end(w);
}


/* As Kubernetes' encoder: strings and numbers are there when empty, too. */

void
ngx_http_k8s_metrics_status_pb(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status)
{
    size_t  raw, mark;

    ngx_http_k8s_metrics_out_lit(out, "k8s\0");

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "v1");
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "Status");
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    raw = ngx_http_k8s_metrics_pb_put_begin(out, 2);

    /* ListMeta {selfLink, resourceVersion, continue} */
    mark = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    ngx_http_k8s_metrics_pb_put_lit(out, 2, "Failure");
    ngx_http_k8s_metrics_pb_put_str(out, 3, &status->message);
    ngx_http_k8s_metrics_pb_put_str(out, 4, &status->reason);

    if (status->details) {
        ngx_http_k8s_metrics_status_pb_details(out, status);
    }

    ngx_http_k8s_metrics_pb_put_varint(out, 6, status->code);
    ngx_http_k8s_metrics_pb_put_end(out, raw);

    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
}


static void
ngx_http_k8s_metrics_status_pb_details(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_status_t *status)
{
    size_t                               details, mark;
    ngx_uint_t                           i;
    const ngx_http_k8s_metrics_cause_t  *cause;

    details = ngx_http_k8s_metrics_pb_put_begin(out, 5);

    ngx_http_k8s_metrics_pb_put_str(out, 1, &status->name);
    ngx_http_k8s_metrics_pb_put_str(out, 2, &status->group);
    ngx_http_k8s_metrics_pb_put_str(out, 3, &status->kind);

    for (i = 0; i < status->ncauses; i++) {
        cause = &status->causes[i];

        mark = ngx_http_k8s_metrics_pb_put_begin(out, 4);
        ngx_http_k8s_metrics_pb_put_str(out, 1, &cause->reason);
        ngx_http_k8s_metrics_pb_put_str(out, 2, &cause->message);
        ngx_http_k8s_metrics_pb_put_str(out, 3, &cause->field);
        ngx_http_k8s_metrics_pb_put_end(out, mark);
    }

    ngx_http_k8s_metrics_pb_put_varint(out, 5, status->retry_after);
    ngx_http_k8s_metrics_pb_put_lit(out, 6, "");

    ngx_http_k8s_metrics_pb_put_end(out, details);
}
