
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_pb_stream.h"


ngx_int_t
ngx_http_k8s_metrics_pb_header(const u_char *p, size_t len,
    ngx_http_k8s_metrics_pb_field_t *field, size_t *used)
{
    size_t      i, start;
    uint64_t    value;
    ngx_uint_t  n, shift;

    i = 0;
    field->value = 0;

    for (n = 0; n < 2; n++) {
        start = i;
        value = 0;
        shift = 0;

        do {
            if (i == len) {
                return NGX_AGAIN;
            }

            if (i - start == 9 && p[i] > 1) {
                return NGX_ERROR;
            }

            value |= (uint64_t) (p[i] & 0x7f) << shift;
            shift += 7;

        } while (p[i++] >= 0x80);

        if (n == 1) {
            field->value = value;
            break;
        }

        if (value >> 3 == 0 || value >> 32) {
            return NGX_ERROR;
        }

        field->number = (ngx_uint_t) (value >> 3);
        field->type = (ngx_uint_t) (value & 7);

        if (field->type != NGX_HTTP_K8S_METRICS_PB_VARINT
            && field->type != NGX_HTTP_K8S_METRICS_PB_BYTES)
        {
            break;
        }
    }

    *used = i;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_pb_cut(const ngx_str_t *message, ngx_uint_t number,
    ngx_str_t *bytes)
{
    size_t                            left, used;
    u_char                           *p;
    uint64_t                          n;
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;

    p = message->data;
    left = message->len;

    while (left) {
        rc = ngx_http_k8s_metrics_pb_header(p, left, &field, &used);

        if (rc != NGX_OK) {
            return (rc == NGX_AGAIN) ? NGX_DECLINED : NGX_ERROR;
        }

        p += used;
        left -= used;

        switch (field.type) {

        case NGX_HTTP_K8S_METRICS_PB_VARINT:
            n = 0;
            break;

        case NGX_HTTP_K8S_METRICS_PB_FIXED64:
            n = 8;
            break;

        case NGX_HTTP_K8S_METRICS_PB_FIXED32:
            n = 4;
            break;

        case NGX_HTTP_K8S_METRICS_PB_BYTES:
            n = field.value;

            if (field.number == number) {
                bytes->data = p;
                bytes->len = (size_t) ngx_min(n, left);

                return (n > left) ? NGX_AGAIN : NGX_OK;
            }

            break;

        default:
            return NGX_ERROR;
        }

        if (n >= left) {
            break;
        }

        p += n;
        left -= (size_t) n;
    }

    return NGX_DECLINED;
}
