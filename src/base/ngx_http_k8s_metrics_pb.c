
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_pb.h"


#define NGX_HTTP_K8S_METRICS_PB_VARINT_LEN  10
#define NGX_HTTP_K8S_METRICS_PB_NUMBER_MAX  ((1 << 29) - 1)


static u_char *ngx_http_k8s_metrics_pb_write_varint(u_char *p,
    uint64_t value);
static ngx_int_t ngx_http_k8s_metrics_pb_varint(
    ngx_http_k8s_metrics_pb_reader_t *r, uint64_t *value);
static uint64_t ngx_http_k8s_metrics_pb_fixed(const u_char *p, size_t len);


size_t
ngx_http_k8s_metrics_pb_varint_len(uint64_t value)
{
    size_t  n;

    for (n = 1; value >= 0x80; n++) {
        value >>= 7;
    }

    return n;
}


static u_char *
ngx_http_k8s_metrics_pb_write_varint(u_char *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (u_char) (value | 0x80);
        value >>= 7;
    }

    *p++ = (u_char) value;

    return p;
}


void
ngx_http_k8s_metrics_pb_put_raw_varint(ngx_http_k8s_metrics_out_t *out,
    uint64_t value)
{
    if (ngx_http_k8s_metrics_out_reserve(out,
                                  ngx_http_k8s_metrics_pb_varint_len(value))
        == NGX_OK)
    {
        out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, value);
    }
}


void
ngx_http_k8s_metrics_pb_put_varint(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, uint64_t value)
{
    uint64_t  tag;

    tag = (uint64_t) number << 3 | NGX_HTTP_K8S_METRICS_PB_VARINT;

    if (ngx_http_k8s_metrics_out_reserve(out,
                                  ngx_http_k8s_metrics_pb_varint_len(tag)
                                  + ngx_http_k8s_metrics_pb_varint_len(value))
        != NGX_OK)
    {
        return;
    }

    out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, tag);
    out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, value);
}


void
ngx_http_k8s_metrics_pb_put_bytes(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const void *p, size_t len)
{
    uint64_t  tag;

    tag = (uint64_t) number << 3 | NGX_HTTP_K8S_METRICS_PB_BYTES;

    if (ngx_http_k8s_metrics_out_reserve(out,
                                  ngx_http_k8s_metrics_pb_varint_len(tag)
                                  + ngx_http_k8s_metrics_pb_varint_len(len)
                                  + len)
        != NGX_OK)
    {
        return;
    }

    out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, tag);
    out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, len);

    if (len) {
        out->last = ngx_cpymem(out->last, p, len);
    }
}


size_t
ngx_http_k8s_metrics_pb_put_begin(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number)
{
    size_t    mark;
    uint64_t  tag;

    tag = (uint64_t) number << 3 | NGX_HTTP_K8S_METRICS_PB_BYTES;

    /* one byte for the length, which is enough for most */

    if (ngx_http_k8s_metrics_out_reserve(out,
                                  ngx_http_k8s_metrics_pb_varint_len(tag) + 1)
        != NGX_OK)
    {
        return 0;
    }

    out->last = ngx_http_k8s_metrics_pb_write_varint(out->last, tag);
    mark = out->last - out->start;
    *out->last++ = 0;

    return mark;
}


void
ngx_http_k8s_metrics_pb_put_end(ngx_http_k8s_metrics_out_t *out, size_t mark)
{
    size_t   len, n;
    u_char  *p;

    if (out->overflow) {
        return;
    }

    len = out->last - out->start - mark - 1;
    n = ngx_http_k8s_metrics_pb_varint_len(len) - 1;

    if (n) {
        if (ngx_http_k8s_metrics_out_reserve(out, n) != NGX_OK) {
            return;
        }

        p = out->start + mark + 1;
        ngx_memmove(p + n, p, len);
        out->last += n;
    }

    (void) ngx_http_k8s_metrics_pb_write_varint(out->start + mark, len);
}


void
ngx_http_k8s_metrics_pb_reader(ngx_http_k8s_metrics_pb_reader_t *r,
    const u_char *p, size_t len)
{
    r->pos = p;
    r->end = p + len;
}


void
ngx_http_k8s_metrics_pb_enter(ngx_http_k8s_metrics_pb_reader_t *r,
    const ngx_http_k8s_metrics_pb_field_t *field)
{
    ngx_http_k8s_metrics_pb_reader(r, field->bytes.data, field->bytes.len);
}


static ngx_int_t
ngx_http_k8s_metrics_pb_varint(ngx_http_k8s_metrics_pb_reader_t *r,
    uint64_t *value)
{
    uint64_t       n;
    ngx_uint_t     shift;
    const u_char  *p;

    p = r->pos;

    if (p < r->end && *p < 0x80) {
        *value = *p;
        r->pos = p + 1;
        return NGX_OK;
    }

    n = 0;

    for (shift = 0; p < r->end; shift += 7) {

        /* the tenth byte has room for one bit */

        if (shift == 63 && *p > 1) {
            return NGX_ERROR;
        }

        n |= (uint64_t) (*p & 0x7f) << shift;

        if (*p++ < 0x80) {
            *value = n;
            r->pos = p;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static uint64_t
ngx_http_k8s_metrics_pb_fixed(const u_char *p, size_t len)
{
    uint64_t  n;

    n = 0;

    while (len) {
        n = n << 8 | p[--len];
    }

    return n;
}


ngx_int_t
ngx_http_k8s_metrics_pb_next(ngx_http_k8s_metrics_pb_reader_t *r,
    ngx_http_k8s_metrics_pb_field_t *field)
{
    size_t    n;
    uint64_t  tag;

    if (r->pos == r->end) {
        return NGX_DONE;
    }

    if (ngx_http_k8s_metrics_pb_varint(r, &tag) != NGX_OK
        || tag >> 3 == 0 || tag >> 3 > NGX_HTTP_K8S_METRICS_PB_NUMBER_MAX)
    {
        return NGX_ERROR;
    }

    field->number = (ngx_uint_t) (tag >> 3);
    field->type = (ngx_uint_t) (tag & 7);
    field->value = 0;
    ngx_str_null(&field->bytes);

    switch (field->type) {

    case NGX_HTTP_K8S_METRICS_PB_VARINT:
        return ngx_http_k8s_metrics_pb_varint(r, &field->value);

    case NGX_HTTP_K8S_METRICS_PB_BYTES:

        if (ngx_http_k8s_metrics_pb_varint(r, &tag) != NGX_OK
            || tag > (uint64_t) (r->end - r->pos))
        {
            return NGX_ERROR;
        }

        field->bytes.len = (size_t) tag;
        field->bytes.data = (u_char *) r->pos;
        r->pos += field->bytes.len;

        return NGX_OK;

    case NGX_HTTP_K8S_METRICS_PB_FIXED64:
        n = 8;
        break;

    case NGX_HTTP_K8S_METRICS_PB_FIXED32:
        n = 4;
        break;

    default:
        return NGX_ERROR;
    }

    if ((size_t) (r->end - r->pos) < n) {
        return NGX_ERROR;
    }

    field->value = ngx_http_k8s_metrics_pb_fixed(r->pos, n);
    r->pos += n;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_pb_envelope(const u_char *p, size_t len,
    ngx_http_k8s_metrics_pb_envelope_t *envelope)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_pb_field_t   field;
    ngx_http_k8s_metrics_pb_reader_t  r, meta;

    ngx_memzero(envelope, sizeof(ngx_http_k8s_metrics_pb_envelope_t));

    if (len < 4 || ngx_memcmp(p, "k8s\0", 4) != 0) {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_pb_reader(&r, p + 4, len - 4);

    while ((rc = ngx_http_k8s_metrics_pb_next(&r, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        if (field.number == 2) {
            envelope->raw = field.bytes;
            continue;
        }

        if (field.number != 1) {
            continue;
        }

        ngx_http_k8s_metrics_pb_enter(&meta, &field);

        while ((rc = ngx_http_k8s_metrics_pb_next(&meta, &field)) == NGX_OK) {

            if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
                continue;
            }

            if (field.number == 1) {
                envelope->api_version = field.bytes;

            } else if (field.number == 2) {
                envelope->kind = field.bytes;
            }
        }

        if (rc != NGX_DONE) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}
