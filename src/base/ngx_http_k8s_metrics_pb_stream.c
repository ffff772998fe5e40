
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_pb_stream.h"


/* a tag and a varint */
#define NGX_HTTP_K8S_METRICS_PB_HEADER_MAX  20

/* a buffer over this is not kept for the next piece */
#define NGX_HTTP_K8S_METRICS_PB_KEEP        65536


/*
 * Two kinds of states: a field's header of unknown length (FIELD), or a piece
 * of "need" bytes.  "left" counts bytes to be skipped before either,
 * "raw_left" those of the list that were not taken yet.
 */

typedef enum {
    ngx_http_k8s_metrics_pb_start = 0,
    ngx_http_k8s_metrics_pb_magic,
    ngx_http_k8s_metrics_pb_outer,          /* envelope's field, before raw */
    ngx_http_k8s_metrics_pb_type_meta,
    ngx_http_k8s_metrics_pb_inner,          /* list's field */
    ngx_http_k8s_metrics_pb_meta,
    ngx_http_k8s_metrics_pb_item,
    ngx_http_k8s_metrics_pb_after,          /* envelope's field, after raw */
    ngx_http_k8s_metrics_pb_frame_len,
    ngx_http_k8s_metrics_pb_frame,
    ngx_http_k8s_metrics_pb_failed
} ngx_http_k8s_metrics_pb_state_e;


static ngx_int_t ngx_http_k8s_metrics_pb_stream_fail(
    ngx_http_k8s_metrics_pb_stream_t *s, const char *error);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_want(
    ngx_http_k8s_metrics_pb_stream_t *s, ngx_uint_t state, uint64_t need);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_room(
    ngx_http_k8s_metrics_pb_stream_t *s, size_t size);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_header(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char **pos,
    const u_char *end);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_field(
    ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_http_k8s_metrics_pb_field_t *field, size_t used);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_skip(
    ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_http_k8s_metrics_pb_field_t *field);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_gather(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char **pos,
    const u_char *end);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_piece(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_type_meta(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_list_meta(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_event(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_cut(
    ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_pb_stream_object(
    ngx_http_k8s_metrics_pb_stream_t *s, ngx_str_t *event, ngx_str_t *kind,
    ngx_str_t *object);


ngx_int_t
ngx_http_k8s_metrics_pb_stream_feed(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    size_t         n;
    ngx_int_t      rc;
    const u_char  *end;

    if (s->state == ngx_http_k8s_metrics_pb_start) {
        s->state = (s->form == NGX_HTTP_K8S_METRICS_PB_WATCH)
                       ? ngx_http_k8s_metrics_pb_frame_len
                       : ngx_http_k8s_metrics_pb_magic;
        s->need = 4;
    }

    end = p + len;

    while (p < end) {

        if (s->state == ngx_http_k8s_metrics_pb_failed) {
            return NGX_ERROR;
        }

        if (s->left) {
            n = (size_t) ngx_min(s->left, (uint64_t) (end - p));
            s->left -= n;
            p += n;
            continue;
        }

        if (s->state == ngx_http_k8s_metrics_pb_inner && s->raw_left == 0) {
            s->state = ngx_http_k8s_metrics_pb_after;
        }

        switch (s->state) {

        case ngx_http_k8s_metrics_pb_outer:
        case ngx_http_k8s_metrics_pb_inner:
        case ngx_http_k8s_metrics_pb_after:
            rc = ngx_http_k8s_metrics_pb_stream_header(s, &p, end);
            break;

        default:
            rc = ngx_http_k8s_metrics_pb_stream_gather(s, &p, end);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (s->state == ngx_http_k8s_metrics_pb_failed) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_pb_stream_end(ngx_http_k8s_metrics_pb_stream_t *s)
{
    switch (s->state) {

    case ngx_http_k8s_metrics_pb_failed:
        return NGX_ERROR;

    case ngx_http_k8s_metrics_pb_inner:
        if (s->raw_left) {
            break;
        }

        /* fall through */

    case ngx_http_k8s_metrics_pb_after:
        if (s->left == 0 && s->len == 0) {
            return NGX_OK;
        }

        break;
    }

    return ngx_http_k8s_metrics_pb_stream_fail(s, "list ends too early");
}


void
ngx_http_k8s_metrics_pb_stream_destroy(ngx_http_k8s_metrics_pb_stream_t *s)
{
    if (s->buf) {
        ngx_free(s->buf);
    }

    s->buf = NULL;
    s->size = 0;
    s->len = 0;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_fail(ngx_http_k8s_metrics_pb_stream_t *s,
    const char *error)
{
    s->state = ngx_http_k8s_metrics_pb_failed;

    if (s->error == NULL) {
        s->error = error;
    }

    return NGX_ERROR;
}


/* The next "need" bytes are one piece; it may have none. */

static ngx_int_t
ngx_http_k8s_metrics_pb_stream_want(ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_uint_t state, uint64_t need)
{
    if (need > s->max) {
        if (s->large == NULL
            || need > NGX_HTTP_K8S_METRICS_PB_MAX_CUT
            || (state != ngx_http_k8s_metrics_pb_item
                && state != ngx_http_k8s_metrics_pb_frame))
        {
            return ngx_http_k8s_metrics_pb_stream_fail(s,
                                                       "object is too large");
        }

        s->rest = need;
        need = ngx_min(s->max, NGX_HTTP_K8S_METRICS_PB_CUT);
        s->rest -= need;
    }

    s->state = state;
    s->need = (size_t) need;

    if (need == 0) {
        return ngx_http_k8s_metrics_pb_stream_piece(s, (u_char *) "", 0);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_room(ngx_http_k8s_metrics_pb_stream_t *s,
    size_t size)
{
    if (size <= s->size) {
        return NGX_OK;
    }

    /* called with an empty buffer only: nothing to be copied */

    if (s->buf) {
        ngx_free(s->buf);
    }

    s->size = 0;

    s->buf = ngx_alloc(size, s->log);
    if (s->buf == NULL) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "no memory");
    }

    s->size = size;

    return NGX_OK;
}


/*
 * Takes a field's header from the buffer, where a cut one was kept, and from
 * the new bytes.  Of a cut header never more than the header is buffered.
 */

static ngx_int_t
ngx_http_k8s_metrics_pb_stream_header(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char **pos, const u_char *end)
{
    size_t                            n, used;
    ngx_int_t                         rc;
    const u_char                     *p;
    ngx_http_k8s_metrics_pb_field_t   field;

    n = NGX_HTTP_K8S_METRICS_PB_HEADER_MAX;

    if (s->state == ngx_http_k8s_metrics_pb_inner && s->raw_left < n) {
        n = (size_t) s->raw_left;
    }

    if (s->len == 0) {
        p = *pos;
        n = ngx_min(n, (size_t) (end - p));

    } else {
        s->buf[s->len++] = *(*pos)++;
        p = s->buf;
        n = s->len;
    }

    rc = ngx_http_k8s_metrics_pb_header(p, n, &field, &used);

    if (rc == NGX_OK) {
        if (s->len == 0) {
            *pos += used;
        }

        s->len = 0;

        return ngx_http_k8s_metrics_pb_stream_field(s, &field, used);
    }

    if (rc == NGX_ERROR
        || n == NGX_HTTP_K8S_METRICS_PB_HEADER_MAX
        || (s->state == ngx_http_k8s_metrics_pb_inner && n == s->raw_left))
    {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
    }

    if (s->len == 0) {
        if (ngx_http_k8s_metrics_pb_stream_room(s,
                                         NGX_HTTP_K8S_METRICS_PB_HEADER_MAX)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_memcpy(s->buf, *pos, n);
        s->len = n;
        *pos += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_field(ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_http_k8s_metrics_pb_field_t *field, size_t used)
{
    ngx_uint_t  bytes;

    bytes = (field->type == NGX_HTTP_K8S_METRICS_PB_BYTES);

    if (s->state != ngx_http_k8s_metrics_pb_inner) {

        if (s->state == ngx_http_k8s_metrics_pb_outer && bytes) {

            if (field->number == 1) {
                return ngx_http_k8s_metrics_pb_stream_want(s,
                                            ngx_http_k8s_metrics_pb_type_meta,
                                            field->value);
            }

            if (field->number == 2) {
                s->raw_left = field->value;
                s->state = ngx_http_k8s_metrics_pb_inner;
                return NGX_OK;
            }
        }

        return ngx_http_k8s_metrics_pb_stream_skip(s, field);
    }

    s->raw_left -= used;

    if (bytes && (field->number == 1 || field->number == 2)) {

        if (field->value > s->raw_left) {
            return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
        }

        s->raw_left -= field->value;

        return ngx_http_k8s_metrics_pb_stream_want(s,
                                   (field->number == 1)
                                       ? ngx_http_k8s_metrics_pb_meta
                                       : ngx_http_k8s_metrics_pb_item,
                                   field->value);
    }

    if (ngx_http_k8s_metrics_pb_stream_skip(s, field) != NGX_OK) {
        return NGX_ERROR;
    }

    if (s->left > s->raw_left) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
    }

    s->raw_left -= s->left;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_skip(ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_http_k8s_metrics_pb_field_t *field)
{
    switch (field->type) {

    case NGX_HTTP_K8S_METRICS_PB_VARINT:
        s->left = 0;
        return NGX_OK;

    case NGX_HTTP_K8S_METRICS_PB_BYTES:
        s->left = field->value;
        return NGX_OK;

    case NGX_HTTP_K8S_METRICS_PB_FIXED64:
        s->left = 8;
        return NGX_OK;

    case NGX_HTTP_K8S_METRICS_PB_FIXED32:
        s->left = 4;
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
}


/* A piece that is here as a whole is used where it lies. */

static ngx_int_t
ngx_http_k8s_metrics_pb_stream_gather(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char **pos, const u_char *end)
{
    size_t         n;
    ngx_int_t      rc;
    const u_char  *p;

    p = *pos;
    n = end - p;

    if (s->len == 0 && n >= s->need) {
        *pos += s->need;
        return ngx_http_k8s_metrics_pb_stream_piece(s, p, s->need);
    }

    if (s->len == 0
        && ngx_http_k8s_metrics_pb_stream_room(s, s->need) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = ngx_min(n, s->need - s->len);

    ngx_memcpy(s->buf + s->len, p, n);
    s->len += n;
    *pos += n;

    if (s->len < s->need) {
        return NGX_OK;
    }

    s->len = 0;

    rc = ngx_http_k8s_metrics_pb_stream_piece(s, s->buf, s->need);

    if (s->size > NGX_HTTP_K8S_METRICS_PB_KEEP) {
        ngx_http_k8s_metrics_pb_stream_destroy(s);
    }

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_piece(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    uint64_t   n;
    ngx_str_t  empty, kind, object;

    if (s->rest) {
        return ngx_http_k8s_metrics_pb_stream_cut(s, p, len);
    }

    switch (s->state) {

    case ngx_http_k8s_metrics_pb_magic:

        if (ngx_memcmp(p, "k8s\0", 4) != 0) {
            return ngx_http_k8s_metrics_pb_stream_fail(s,
                                                "not Kubernetes protobuf");
        }

        s->state = ngx_http_k8s_metrics_pb_outer;
        return NGX_OK;

    case ngx_http_k8s_metrics_pb_type_meta:
        s->state = ngx_http_k8s_metrics_pb_outer;
        return ngx_http_k8s_metrics_pb_stream_type_meta(s, p, len);

    case ngx_http_k8s_metrics_pb_meta:
        s->state = ngx_http_k8s_metrics_pb_inner;
        return ngx_http_k8s_metrics_pb_stream_list_meta(s, p, len);

    case ngx_http_k8s_metrics_pb_item:
        s->state = ngx_http_k8s_metrics_pb_inner;

        ngx_str_null(&empty);
        ngx_str_null(&kind);
        object.len = len;
        object.data = (u_char *) p;

        return ngx_http_k8s_metrics_pb_stream_object(s, &empty, &kind,
                                                     &object);

    case ngx_http_k8s_metrics_pb_frame_len:
        n = (uint64_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];

        if (n == 0) {
            return ngx_http_k8s_metrics_pb_stream_fail(s, "empty frame");
        }

        return ngx_http_k8s_metrics_pb_stream_want(s,
                                                ngx_http_k8s_metrics_pb_frame,
                                                n);

    default: /* ngx_http_k8s_metrics_pb_frame */
        s->state = ngx_http_k8s_metrics_pb_frame_len;
        s->need = 4;

        return ngx_http_k8s_metrics_pb_stream_event(s, p, len);
    }
}


/* What is no list, a Status for one, would otherwise look like an empty one. */

static ngx_int_t
ngx_http_k8s_metrics_pb_stream_type_meta(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    ngx_int_t                          rc;
    ngx_str_t                          kind;
    ngx_http_k8s_metrics_pb_field_t    field;
    ngx_http_k8s_metrics_pb_reader_t   r;

    ngx_str_null(&kind);
    ngx_http_k8s_metrics_pb_reader(&r, p, len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&r, &field)) == NGX_OK) {
        if (field.number == 2
            && field.type == NGX_HTTP_K8S_METRICS_PB_BYTES)
        {
            kind = field.bytes;
        }
    }

    if (rc != NGX_DONE) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
    }

    if (kind.len < 4
        || ngx_memcmp(kind.data + kind.len - 4, "List", 4) != 0)
    {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "not a list");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_list_meta(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    ngx_int_t                          rc;
    ngx_str_t                          version, cont;
    ngx_http_k8s_metrics_pb_field_t    field;
    ngx_http_k8s_metrics_pb_reader_t   r;

    ngx_str_null(&version);
    ngx_str_null(&cont);
    ngx_http_k8s_metrics_pb_reader(&r, p, len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&r, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        if (field.number == 2) {
            version = field.bytes;

        } else if (field.number == 3) {
            cont = field.bytes;
        }
    }

    if (rc != NGX_DONE) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid protobuf");
    }

    if (s->list_meta == NULL) {
        return NGX_OK;
    }

    if (s->list_meta(s->data, &version, &cont) != NGX_OK) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "list was refused");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_event(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    ngx_int_t                            rc;
    ngx_str_t                            event, object;
    ngx_http_k8s_metrics_pb_field_t      field;
    ngx_http_k8s_metrics_pb_reader_t     r, raw;
    ngx_http_k8s_metrics_pb_envelope_t   envelope;

    ngx_str_null(&event);
    ngx_str_null(&object);
    ngx_http_k8s_metrics_pb_reader(&r, p, len);

    while ((rc = ngx_http_k8s_metrics_pb_next(&r, &field)) == NGX_OK) {

        if (field.type != NGX_HTTP_K8S_METRICS_PB_BYTES) {
            continue;
        }

        if (field.number == 1) {
            event = field.bytes;
            continue;
        }

        if (field.number != 2) {
            continue;
        }

        ngx_http_k8s_metrics_pb_enter(&raw, &field);

        while ((rc = ngx_http_k8s_metrics_pb_next(&raw, &field)) == NGX_OK) {
            if (field.number == 1
                && field.type == NGX_HTTP_K8S_METRICS_PB_BYTES)
            {
                object = field.bytes;
            }
        }

        if (rc != NGX_DONE) {
            break;
        }
    }

    if (rc != NGX_DONE || event.len == 0
        || ngx_http_k8s_metrics_pb_envelope(object.data, object.len,
                                            &envelope)
           != NGX_OK)
    {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "invalid watch event");
    }

    return ngx_http_k8s_metrics_pb_stream_object(s, &event, &envelope.kind,
                                                 &envelope.raw);
}


/* the beginning of an object that is too large; the rest is skipped */

static ngx_int_t
ngx_http_k8s_metrics_pb_stream_cut(ngx_http_k8s_metrics_pb_stream_t *s,
    const u_char *p, size_t len)
{
    ngx_str_t  event, object;

    s->left = s->rest;
    s->rest = 0;

    ngx_str_null(&event);
    object.data = (u_char *) p;
    object.len = len;

    if (s->state == ngx_http_k8s_metrics_pb_item) {
        s->state = ngx_http_k8s_metrics_pb_inner;

    } else {
        s->state = ngx_http_k8s_metrics_pb_frame_len;
        s->need = 4;

        /* WatchEvent, RawExtension, the prefix, runtime.Unknown */

        if (ngx_http_k8s_metrics_pb_cut(&object, 1, &event) != NGX_OK
            || ngx_http_k8s_metrics_pb_cut(&object, 2, &object) != NGX_AGAIN
            || ngx_http_k8s_metrics_pb_cut(&object, 1, &object) != NGX_AGAIN
            || object.len < 4 || ngx_memcmp(object.data, "k8s\0", 4) != 0)
        {
            return ngx_http_k8s_metrics_pb_stream_fail(s,
                                                       "invalid watch event");
        }

        object.data += 4;
        object.len -= 4;

        if (ngx_http_k8s_metrics_pb_cut(&object, 2, &object) != NGX_AGAIN) {
            return ngx_http_k8s_metrics_pb_stream_fail(s,
                                                       "invalid watch event");
        }
    }

    if (s->large(s->data, &event, &object) != NGX_OK) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "object was refused");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_pb_stream_object(ngx_http_k8s_metrics_pb_stream_t *s,
    ngx_str_t *event, ngx_str_t *kind, ngx_str_t *object)
{
    if (s->object(s->data, event, kind, object) != NGX_OK) {
        return ngx_http_k8s_metrics_pb_stream_fail(s, "object was refused");
    }

    return NGX_OK;
}
