
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Protocol buffers: what the writer writes byte for byte, what the reader
 * takes and refuses, cut at every byte, and Kubernetes' envelope.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_pb.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))
#define L(s)  s, sizeof(s) - 1


typedef struct {
    uint64_t     value;
    const char  *bytes;
    size_t       len;
} varint_case_t;

typedef struct {
    const char  *bytes;
    size_t       len;
} bytes_case_t;


static const varint_case_t  varints[] = {
    { 0, L("\x00") },
    { 1, L("\x01") },
    { 127, L("\x7f") },
    { 128, L("\x80\x01") },
    { 300, L("\xac\x02") },
    { 16383, L("\xff\x7f") },
    { 16384, L("\x80\x80\x01") },
    { 1ULL << 32, L("\x80\x80\x80\x80\x10") },
    { (1ULL << 63) - 1, L("\xff\xff\xff\xff\xff\xff\xff\xff\x7f") },
    { 1ULL << 63, L("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01") },
    { UINT64_MAX, L("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") }
};


static const bytes_case_t  refused[] = {
    { L("\x08") },                          /* no value */
    { L("\x08\x80") },                      /* a cut one */
    { L("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02") },
    { L("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00") },
    { L("\x00\x01") },                      /* field 0 */
    { L("\x80\x80\x80\x80\x10\x01") },      /* field 2^29 */
    { L("\x0b") },                          /* groups */
    { L("\x0c") },
    { L("\x0e\x01") },                      /* types 6 and 7 */
    { L("\x0f\x01") },
    { L("\x0a") },                          /* no length */
    { L("\x0a\x01") },                      /* a length past the end */
    { L("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
    { L("\x0a\xff\xff\xff\xff\x0f") },
    { L("\x09\x01\x02\x03\x04\x05\x06\x07") },
    { L("\x0d\x01\x02\x03") }
};


static void
writes_varints(void)
{
    size_t                             i;
    u_char                             buf[32];
    ngx_http_k8s_metrics_out_t         out;
    ngx_http_k8s_metrics_pb_field_t    field;
    ngx_http_k8s_metrics_pb_reader_t   r;

    for (i = 0; i < N(varints); i++) {
        ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
        ngx_http_k8s_metrics_pb_put_varint(&out, 1, varints[i].value);

        ok(ngx_http_k8s_metrics_out_len(&out) == varints[i].len + 1
           && memcmp(buf + 1, varints[i].bytes, varints[i].len) == 0
           && ngx_http_k8s_metrics_pb_varint_len(varints[i].value)
              == varints[i].len,
           "varint %d is written", (int) i);

        ngx_http_k8s_metrics_pb_reader(&r, buf, out.last - buf);

        ok(ngx_http_k8s_metrics_pb_next(&r, &field) == NGX_OK
           && field.number == 1
           && field.type == NGX_HTTP_K8S_METRICS_PB_VARINT
           && field.value == varints[i].value
           && ngx_http_k8s_metrics_pb_next(&r, &field) == NGX_DONE,
           "varint %d is read", (int) i);
    }
}


static void
writes_messages(void)
{
    size_t                       i, n, mark, inner;
    u_char                      *buf, big[20000], *p;
    ngx_http_k8s_metrics_out_t   out;

    memset(big, 'x', sizeof(big));

    static const size_t  lens[] = { 0, 1, 123, 124, 125, 127, 128, 16379,
                                    16380, 16384 };

    buf = malloc(40000);

    for (i = 0; i < N(lens); i++) {
        ngx_http_k8s_metrics_out_fixed(&out, buf, 40000);

        mark = ngx_http_k8s_metrics_pb_put_begin(&out, 2);
        inner = ngx_http_k8s_metrics_pb_put_begin(&out, 20);
        ngx_http_k8s_metrics_pb_put_bytes(&out, 1, big, lens[i]);
        ngx_http_k8s_metrics_pb_put_end(&out, inner);
        ngx_http_k8s_metrics_pb_put_end(&out, mark);
        ngx_http_k8s_metrics_pb_put_lit(&out, 3, "end");

        /* the lengths from the inside out */
        n = lens[i] + 1 + ngx_http_k8s_metrics_pb_varint_len(lens[i]);
        n += 2 + ngx_http_k8s_metrics_pb_varint_len(n);
        n += 1 + ngx_http_k8s_metrics_pb_varint_len(n);

        p = buf + n;

        ok(ngx_http_k8s_metrics_out_len(&out) == n + 5
           && buf[0] == 0x12 && memcmp(p, "\x1a\x03" "end", 5) == 0
           && memcmp(p - lens[i], big, lens[i]) == 0,
           "messages in messages, %d bytes", (int) lens[i]);
    }

    free(buf);

    /* what needs a longer length than there is room for */

    for (n = 0; n < 140; n++) {
        buf = malloc(n ? n : 1);
        ngx_http_k8s_metrics_out_fixed(&out, buf, n);

        mark = ngx_http_k8s_metrics_pb_put_begin(&out, 1);
        ngx_http_k8s_metrics_pb_put_bytes(&out, 1, big, 130);
        ngx_http_k8s_metrics_pb_put_end(&out, mark);

        if (out.overflow != (n < 136)) {
            break;
        }

        free(buf);
    }

    ok(n == 140, "a message in buffers of all sizes");
}


static void
reads(void)
{
    size_t                             i, n;
    u_char                            *p;
    ngx_int_t                          rc;
    ngx_http_k8s_metrics_pb_field_t    f;
    ngx_http_k8s_metrics_pb_reader_t   r;

    static const u_char  all[] = "\x08\x96\x01" "\x12\x02hi"
                                 "\x19\x01\x02\x03\x04\x05\x06\x07\x08"
                                 "\x25\x01\x00\x00\x80" "\x2a\x00"
                                 "\xfa\xff\xff\xff\x0f\x01x";

    ngx_http_k8s_metrics_pb_reader(&r, all, sizeof(all) - 1);

    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK && f.number == 1
       && f.value == 150, "a varint");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK && f.number == 2
       && f.bytes.len == 2 && memcmp(f.bytes.data, "hi", 2) == 0, "bytes");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK && f.number == 3
       && f.value == 0x0807060504030201ULL, "fixed64");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK && f.number == 4
       && f.value == 0x80000001, "fixed32");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK && f.number == 5
       && f.bytes.len == 0, "no bytes");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_OK
       && f.number == (1 << 29) - 1 && f.bytes.len == 1,
       "the largest field number");
    ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_DONE
       && ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_DONE, "the end");

    /* cut anywhere it ends well only between fields */

    for (n = 0; n < sizeof(all); n++) {
        p = malloc(n ? n : 1);
        memcpy(p, all, n);
        ngx_http_k8s_metrics_pb_reader(&r, p, n);

        do {
            rc = ngx_http_k8s_metrics_pb_next(&r, &f);
        } while (rc == NGX_OK);

        free(p);

        if ((rc == NGX_DONE) != (n == 0 || n == 3 || n == 7 || n == 16
                                 || n == 21 || n == 23 || n == 30))
        {
            break;
        }
    }

    ok(n == sizeof(all), "cut at every byte");

    for (i = 0; i < N(refused); i++) {
        p = malloc(refused[i].len);
        memcpy(p, refused[i].bytes, refused[i].len);
        ngx_http_k8s_metrics_pb_reader(&r, p, refused[i].len);
        ok(ngx_http_k8s_metrics_pb_next(&r, &f) == NGX_ERROR, "refused %d",
           (int) i);
        free(p);
    }
}


static void
envelopes(void)
{
    size_t                               n;
    u_char                              *p;
    ngx_uint_t                           good;
    ngx_http_k8s_metrics_pb_envelope_t   e;

    static const u_char  one[] = "k8s\0" "\x0a\x0c\x0a\x02v1\x12\x06Status"
                                 "\x12\x03raw" "\x1a\x00" "\x22\x00";

    ok(ngx_http_k8s_metrics_pb_envelope(one, sizeof(one) - 1, &e) == NGX_OK
       && e.api_version.len == 2 && memcmp(e.api_version.data, "v1", 2) == 0
       && e.kind.len == 6 && memcmp(e.kind.data, "Status", 6) == 0
       && e.raw.len == 3 && memcmp(e.raw.data, "raw", 3) == 0, "envelope");

    ok(ngx_http_k8s_metrics_pb_envelope((u_char *) "{\"a\":1}", 7, &e)
       == NGX_ERROR, "JSON is none");

    good = 1;

    for (n = 0; n < sizeof(one) - 1; n++) {
        p = malloc(n ? n : 1);
        memcpy(p, one, n);

        if ((ngx_http_k8s_metrics_pb_envelope(p, n, &e) == NGX_OK)
            != (n == 4 || n == 18 || n == 23 || n == 25))
        {
            good = 0;
        }

        free(p);
    }

    ok(good, "an envelope cut at every byte");
}


int
main(void)
{
    writes_varints();
    writes_messages();
    reads();
    envelopes();

    return done();
}
