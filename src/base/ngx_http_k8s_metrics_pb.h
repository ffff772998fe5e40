
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_PB_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_PB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"


/*
 * Protocol buffers' wire format (protobuf.dev, "Encoding"): a writer into a
 * flat buffer and a reader over one whole message that skips what is not
 * asked for.
 */

#define NGX_HTTP_K8S_METRICS_PB_VARINT   0
#define NGX_HTTP_K8S_METRICS_PB_FIXED64  1
#define NGX_HTTP_K8S_METRICS_PB_BYTES    2
#define NGX_HTTP_K8S_METRICS_PB_FIXED32  5


/* Field "number" as a varint; a negative int64 goes as two's complement. */
void ngx_http_k8s_metrics_pb_put_varint(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, uint64_t value);

/* Field "number" as length-delimited bytes; written when empty, too. */
void ngx_http_k8s_metrics_pb_put_bytes(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number, const void *p, size_t len);

#define ngx_http_k8s_metrics_pb_put_str(out, number, s)                       \
    ngx_http_k8s_metrics_pb_put_bytes(out, number, (s)->data, (s)->len)

#define ngx_http_k8s_metrics_pb_put_lit(out, number, s)                       \
    ngx_http_k8s_metrics_pb_put_bytes(out, number, s, sizeof(s) - 1)

/*
 * Opens field "number" as an embedded message and returns a mark (an offset
 * from out->start); end writes the canonical length before what came since.
 */
size_t ngx_http_k8s_metrics_pb_put_begin(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t number);
void ngx_http_k8s_metrics_pb_put_end(ngx_http_k8s_metrics_out_t *out,
    size_t mark);

/* A bare varint without a tag, at most 10 bytes. */
void ngx_http_k8s_metrics_pb_put_raw_varint(ngx_http_k8s_metrics_out_t *out,
    uint64_t value);

/* Bytes that a varint takes: 1 to 10. */
size_t ngx_http_k8s_metrics_pb_varint_len(uint64_t value);


typedef struct {
    const u_char  *pos;
    const u_char  *end;
} ngx_http_k8s_metrics_pb_reader_t;

typedef struct {
    ngx_uint_t     number;
    ngx_uint_t     type;            /* NGX_HTTP_K8S_METRICS_PB_... */
    uint64_t       value;           /* of varint and fixed fields */
    ngx_str_t      bytes;           /* of length-delimited ones: a view */
} ngx_http_k8s_metrics_pb_field_t;


void ngx_http_k8s_metrics_pb_reader(ngx_http_k8s_metrics_pb_reader_t *r,
    const u_char *p, size_t len);

/* Opens a length-delimited field as a message of its own. */
void ngx_http_k8s_metrics_pb_enter(ngx_http_k8s_metrics_pb_reader_t *r,
    const ngx_http_k8s_metrics_pb_field_t *field);

/*
 * Reads the next field.  NGX_OK, NGX_DONE at the end, NGX_ERROR on what is no
 * protobuf (a length past the end, a varint past 10 bytes, field number 0,
 * groups).  Nothing outside [pos, end) is ever read.
 */
ngx_int_t ngx_http_k8s_metrics_pb_next(ngx_http_k8s_metrics_pb_reader_t *r,
    ngx_http_k8s_metrics_pb_field_t *field);


/*
 * Kubernetes' envelope of an object in protobuf: "k8s\0", then runtime.Unknown
 * {typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2}.  Fills views into "p".
 * NGX_OK or NGX_ERROR.
 */
typedef struct {
    ngx_str_t      api_version;
    ngx_str_t      kind;
    ngx_str_t      raw;
} ngx_http_k8s_metrics_pb_envelope_t;

ngx_int_t ngx_http_k8s_metrics_pb_envelope(const u_char *p, size_t len,
    ngx_http_k8s_metrics_pb_envelope_t *envelope);


#endif /* _NGX_HTTP_K8S_METRICS_PB_H_INCLUDED_ */
