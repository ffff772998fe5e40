
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Lists and watches cut into objects, fed whole, byte by byte and in two
 * parts cut anywhere, and what ends too early, is too large or no protobuf.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_pb_stream.h"


/* what the callbacks saw, as a text */
typedef struct {
    u_char       text[4096];
    size_t       len;
    ngx_int_t    refuse;        /* this object */
} seen_t;


static void
see(seen_t *seen, const char *what, ngx_str_t *s)
{
    size_t  n;

    n = strlen(what);
    memcpy(seen->text + seen->len, what, n);
    seen->len += n;

    /* at most the first bytes of each, all of them are read by ASan */

    for (n = 0; n < s->len; n++) {
        if (n < 24) {
            seen->text[seen->len++] = s->data[n];
        }
    }

    seen->text[seen->len++] = ' ';
}


static ngx_int_t
object(void *data, ngx_str_t *event, ngx_str_t *kind, ngx_str_t *object)
{
    seen_t  *seen = data;

    see(seen, "e:", event);
    see(seen, "k:", kind);
    see(seen, "o:", object);

    return (seen->refuse-- == 0) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
list_meta(void *data, ngx_str_t *version, ngx_str_t *cont)
{
    seen_t  *seen = data;

    see(seen, "v:", version);
    see(seen, "c:", cont);

    return (seen->refuse-- == 0) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
large(void *data, ngx_str_t *event, ngx_str_t *object)
{
    seen_t     *seen = data;
    ngx_str_t   meta;

    ngx_str_null(&meta);
    (void) ngx_http_k8s_metrics_pb_cut(object, 1, &meta);

    see(seen, "large:", event);
    see(seen, "m:", &meta);

    return (seen->refuse-- == 0) ? NGX_ERROR : NGX_OK;
}


static ngx_http_k8s_metrics_pb_stream_t
stream(ngx_http_k8s_metrics_pb_stream_e form, seen_t *seen)
{
    ngx_http_k8s_metrics_pb_stream_t  s;

    ngx_memzero(&s, sizeof(s));
    ngx_memzero(seen, sizeof(*seen));
    seen->refuse = -1;

    s.form = form;
    s.max = 1000;
    s.object = object;
    s.list_meta = list_meta;
    s.data = seen;

    return s;
}


/* Feeds a copy that is as large as it is, so that reading on is seen. */

static ngx_int_t
feed(ngx_http_k8s_metrics_pb_stream_t *s, const u_char *p, size_t len)
{
    u_char     *copy;
    ngx_int_t   rc;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);
    rc = ngx_http_k8s_metrics_pb_stream_feed(s, copy, len);
    free(copy);

    return rc;
}


static ngx_uint_t
is(seen_t *seen, const char *want)
{
    if (seen->len == strlen(want) && memcmp(seen->text, want, seen->len) == 0)
    {
        return 1;
    }

    fprintf(stderr, "# seen %.*s\n", (int) seen->len, seen->text);

    return 0;
}


static void
splits(ngx_http_k8s_metrics_pb_stream_e form, ngx_http_k8s_metrics_out_t *in,
    const char *want, const char *name)
{
    size_t                             i, len;
    u_char                            *p;
    seen_t                             seen;
    ngx_int_t                          rc;
    ngx_uint_t                         good;
    ngx_http_k8s_metrics_pb_stream_t   s;

    p = in->start;
    len = in->last - in->start;

    s = stream(form, &seen);
    rc = feed(&s, p, len);

    if (form == NGX_HTTP_K8S_METRICS_PB_LIST && rc == NGX_OK) {
        rc = ngx_http_k8s_metrics_pb_stream_end(&s);
    }

    ok(rc == NGX_OK && is(&seen, want) && s.buf == NULL,
       "%s, whole, in place", name);
    ngx_http_k8s_metrics_pb_stream_destroy(&s);

    s = stream(form, &seen);

    for (i = 0, rc = NGX_OK; i < len && rc == NGX_OK; i++) {
        rc = feed(&s, p + i, 1);

        if (rc == NGX_OK) {
            rc = feed(&s, p, 0);
        }
    }

    ok(rc == NGX_OK && is(&seen, want), "%s, byte by byte", name);

    if (form == NGX_HTTP_K8S_METRICS_PB_LIST) {
        ok(ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_OK, "%s, its end",
           name);
    }

    ngx_http_k8s_metrics_pb_stream_destroy(&s);
    ngx_http_k8s_metrics_pb_stream_destroy(&s);

    for (i = 0, good = 1; i <= len; i++) {
        s = stream(form, &seen);

        if (feed(&s, p, i) != NGX_OK || feed(&s, p + i, len - i) != NGX_OK
            || !is(&seen, want))
        {
            fprintf(stderr, "# cut at %d: %s\n", (int) i, s.error);
            good = 0;
        }

        ngx_http_k8s_metrics_pb_stream_destroy(&s);
    }

    ok(good, "%s, in two parts", name);

    for (i = 0, good = 1; i < len; i++) {
        s = stream(form, &seen);
        rc = feed(&s, p, i);

        if (rc != NGX_OK
            || (form == NGX_HTTP_K8S_METRICS_PB_LIST
                && ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_OK
                /* the two empty fields behind the list may be missing */
                && i != len - 4 && i != len - 2))
        {
            fprintf(stderr, "# cut off at %d: %s\n", (int) i, s.error);
            good = 0;
        }

        ngx_http_k8s_metrics_pb_stream_destroy(&s);
    }

    ok(good, "%s, cut off", name);
}


/* Opens an envelope; its raw bytes are put and ended by the caller. */

static size_t
begin(ngx_http_k8s_metrics_out_t *out, const char *kind)
{
    size_t  mark;

    ngx_http_k8s_metrics_out_lit(out, "k8s\0");

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "v1");
    ngx_http_k8s_metrics_pb_put_bytes(out, 2, kind, strlen(kind));
    ngx_http_k8s_metrics_pb_put_end(out, mark);

    return ngx_http_k8s_metrics_pb_put_begin(out, 2);
}


static void
end(ngx_http_k8s_metrics_out_t *out, size_t mark)
{
    ngx_http_k8s_metrics_pb_put_end(out, mark);
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 4, "");
}


static void
metadata(ngx_http_k8s_metrics_out_t *out)
{
    size_t  mark;

    mark = ngx_http_k8s_metrics_pb_put_begin(out, 1);
    ngx_http_k8s_metrics_pb_put_lit(out, 1, "");
    ngx_http_k8s_metrics_pb_put_lit(out, 2, "42");
    ngx_http_k8s_metrics_pb_put_lit(out, 3, "more");
    ngx_http_k8s_metrics_pb_put_varint(out, 4, 7);
    ngx_http_k8s_metrics_pb_put_end(out, mark);
}


static void
lists(void)
{
    size_t                       mark;
    u_char                       buf[2048], large[300];
    ngx_http_k8s_metrics_out_t   out;

    memset(large, 'L', sizeof(large));

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    mark = begin(&out, "PodList");
    metadata(&out);
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "one");
    ngx_http_k8s_metrics_pb_put_bytes(&out, 2, large, sizeof(large));
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "");
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "four");
    end(&out, mark);

    splits(NGX_HTTP_K8S_METRICS_PB_LIST, &out,
           "v:42 c:more e: k: o:one e: k: o:LLLLLLLLLLLLLLLLLLLLLLLL "
           "e: k: o: e: k: o:four ", "a list");

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    mark = begin(&out, "PodList");
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "one");
    metadata(&out);
    end(&out, mark);

    splits(NGX_HTTP_K8S_METRICS_PB_LIST, &out, "e: k: o:one v:42 c:more ",
           "a list with its metadata behind");

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    mark = begin(&out, "PodList");
    metadata(&out);
    end(&out, mark);

    splits(NGX_HTTP_K8S_METRICS_PB_LIST, &out, "v:42 c:more ",
           "an empty list");

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    mark = begin(&out, "PodList");
    end(&out, mark);

    splits(NGX_HTTP_K8S_METRICS_PB_LIST, &out, "", "a list of nothing");

    /* fields that no one knows, of all types, within and without */

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_out_lit(&out, "k8s\0" "\x28\xff\x7f" "\x32\x03xyz"
                                       "\x0a\x06\x12\x04List");
    mark = ngx_http_k8s_metrics_pb_put_begin(&out, 2);
    ngx_http_k8s_metrics_out_lit(&out, "\x08\x01");
    ngx_http_k8s_metrics_pb_put_lit(&out, 200, "unknown");
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "a");
    ngx_http_k8s_metrics_out_lit(&out, "\x19" "12345678" "\x1d" "1234");
    ngx_http_k8s_metrics_pb_put_varint(&out, 3, UINT64_MAX);
    ngx_http_k8s_metrics_pb_put_lit(&out, 2, "b");
    ngx_http_k8s_metrics_pb_put_lit(&out, 9, "");
    end(&out, mark);

    splits(NGX_HTTP_K8S_METRICS_PB_LIST, &out, "e: k: o:a e: k: o:b ",
           "unknown fields");
}


static void
event(ngx_http_k8s_metrics_out_t *out, const char *type, const char *kind,
    const void *raw, size_t len)
{
    size_t   frame, object, raw_object, mark;
    u_char  *p;

    ngx_http_k8s_metrics_out_lit(out, "\0\0\0\0");
    frame = ngx_http_k8s_metrics_out_len(out);

    ngx_http_k8s_metrics_pb_put_bytes(out, 1, type, strlen(type));
    object = ngx_http_k8s_metrics_pb_put_begin(out, 2);
    raw_object = ngx_http_k8s_metrics_pb_put_begin(out, 1);

    mark = begin(out, kind);
    ngx_http_k8s_metrics_out_mem(out, raw, len);
    end(out, mark);

    ngx_http_k8s_metrics_pb_put_end(out, raw_object);
    ngx_http_k8s_metrics_pb_put_end(out, object);
    ngx_http_k8s_metrics_pb_put_varint(out, 9, 1);

    p = out->start + frame;
    len = out->last - p;

    p[-4] = (u_char) (len >> 24);
    p[-3] = (u_char) (len >> 16);
    p[-2] = (u_char) (len >> 8);
    p[-1] = (u_char) len;
}


static void
watches(void)
{
    u_char                      buf[2048], large[300];
    ngx_http_k8s_metrics_out_t  out;

    memset(large, 'L', sizeof(large));

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    event(&out, "ADDED", "Pod", "one", 3);
    event(&out, "MODIFIED", "Pod", large, sizeof(large));
    event(&out, "DELETED", "Pod", "", 0);
    event(&out, "BOOKMARK", "Pod", "rv", 2);
    event(&out, "ERROR", "Status", "gone", 4);

    splits(NGX_HTTP_K8S_METRICS_PB_WATCH, &out,
           "e:ADDED k:Pod o:one e:MODIFIED k:Pod o:LLLLLLLLLLLLLLLLLLLLLLLL "
           "e:DELETED k:Pod o: e:BOOKMARK k:Pod o:rv e:ERROR k:Status o:gone ",
           "a watch");
}


/* Refused whole and byte by byte, with the same words, and ever after. */

static void
refused(ngx_http_k8s_metrics_pb_stream_e form, const char *p, size_t len,
    const char *error)
{
    size_t                             i;
    seen_t                             seen;
    ngx_int_t                          rc;
    ngx_http_k8s_metrics_pb_stream_t   s;

    s = stream(form, &seen);
    rc = feed(&s, (u_char *) p, len);

    ok(rc == NGX_ERROR && s.error && strcmp(s.error, error) == 0,
       "refused: %s", error);

    if (rc != NGX_ERROR || strcmp(s.error, error) != 0) {
        fprintf(stderr, "# %s\n", s.error ? s.error : "taken");
    }

    ok(feed(&s, (u_char *) "x", 1) == NGX_ERROR
       && ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_ERROR,
       "and stays so");

    ngx_http_k8s_metrics_pb_stream_destroy(&s);

    s = stream(form, &seen);

    for (i = 0, rc = NGX_OK; i < len && rc == NGX_OK; i++) {
        rc = feed(&s, (u_char *) p + i, 1);
    }

    ok(rc == NGX_ERROR && strcmp(s.error, error) == 0,
       "refused byte by byte: %s", error);

    ngx_http_k8s_metrics_pb_stream_destroy(&s);
}


#define LIST(s, e)   refused(NGX_HTTP_K8S_METRICS_PB_LIST, s, sizeof(s) - 1, e)
#define WATCH(s, e)  refused(NGX_HTTP_K8S_METRICS_PB_WATCH, s, sizeof(s) - 1, e)

#define HEAD  "k8s\0\x0a\x06\x12\x04List"


static void
bad(void)
{
    LIST("<html>", "not Kubernetes protobuf");
    LIST("{\"kind\":\"PodList\"}", "not Kubernetes protobuf");
    LIST("k8s\0\x0a\x08\x12\x06Status\x12\x00", "not a list");
    LIST("k8s\0\x0a\x00\x12\x00", "not a list");
    LIST("k8s\0\x0a\x02\x12\x04", "invalid protobuf");
    LIST("k8s\0\x00\x01", "invalid protobuf");
    LIST("k8s\0\x0b", "invalid protobuf");
    LIST("k8s\0\x0a\xff\xff\xff\xff\x0f", "object is too large");
    LIST(HEAD "\x12\x01\x08\x01", "invalid protobuf");
    LIST(HEAD "\x12\x02\x12\x01x", "invalid protobuf");
    LIST(HEAD "\x12\x03\x12\x05xyz", "invalid protobuf");
    LIST(HEAD "\x12\x02\x1a\x05xyz", "invalid protobuf");
    LIST(HEAD "\x12\x02\x0d\x01xyz", "invalid protobuf");
    LIST(HEAD "\x12\x20\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
         "invalid protobuf");
    LIST(HEAD "\x12\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
         "invalid protobuf");
    LIST(HEAD "\x12\xff\xff\x7f\x12\xe9\x07", "object is too large");
    LIST(HEAD "\x12\x04\x0a\x02\x12\x05", "invalid protobuf");

    WATCH("\0\0\0\0", "empty frame");
    WATCH("\x7f\xff\xff\xff", "object is too large");
    WATCH("\0\0\x03\xe9", "object is too large");
    WATCH("\0\0\0\x01x", "invalid watch event");
    WATCH("\0\0\0\x07\x0a\x05" "ADDED", "invalid watch event");
    WATCH("\0\0\0\x0d\x0a\x05" "ADDED\x12\x04\x0a\x02{}",
          "invalid watch event");
    WATCH("HTTP/1.1 200 OK\r\n\r\n", "object is too large");
}


/*
 * Objects of 3,000 bytes, where 1,000 is the most: each has a whole first
 * field; of those around them nothing is lost.
 */

static size_t
put_header(u_char *p, ngx_uint_t number, size_t len)
{
    p[0] = (u_char) (number << 3 | 2);
    p[1] = (u_char) (len | 0x80);
    p[2] = (u_char) (len >> 7);

    return 3;
}


static size_t
put_large(u_char *p)
{
    ngx_memset(p, 'x', 3000);
    ngx_memcpy(p, "\x0a\x04meta", 6);
    (void) put_header(p + 6, 2, 3000 - 9);

    return 3000;
}


static size_t
large_list(u_char *list)
{
    size_t   n;
    u_char  *p, *raw;

    n = sizeof(HEAD) - 1;
    ngx_memcpy(list, HEAD, n);
    raw = list + n;
    p = raw + 3;

    p = ngx_cpymem(p, "\x0a\x04\x12\x02rv\x12\x01" "a", 9);
    p += put_header(p, 2, 3000);
    p += put_large(p);
    p = ngx_cpymem(p, "\x12\x01" "b", 3);
    p += put_header(p, 2, 3000);
    p += put_large(p);

    (void) put_header(raw, 2, p - raw - 3);

    return p - list;
}


static size_t
large_watch(u_char *watch)
{
    u_char  *p;

    /* WatchEvent, RawExtension, the prefix and runtime.Unknown about it */

    p = ngx_cpymem(watch, "\0\0\x0b\xd0\x0a\x07" "DELETED", 13);
    p += put_header(p, 2, 3012);
    p += put_header(p, 1, 3009);
    p = ngx_cpymem(p, "k8s\0\x0a", 5);
    *p++ = 0;
    p += put_header(p, 2, 3000);
    p += put_large(p);

    return p - watch;
}


static void
large_objects(void)
{
    size_t                             len, i, step;
    u_char                             buf[10000];
    seen_t                             seen;
    ngx_int_t                          rc;
    ngx_http_k8s_metrics_pb_stream_t   s;

    static const size_t  steps[] = { 1, 7, 999, 1000, 1001, 10000 };

    len = large_list(buf);

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
        s.large = large;

        rc = NGX_OK;

        for (step = 0; step < len && rc == NGX_OK; step += steps[i]) {
            rc = feed(&s, buf + step, ngx_min(steps[i], len - step));
        }

        ok(rc == NGX_OK
           && is(&seen, "v:rv c: e: k: o:a large: m:meta e: k: o:b "
                        "large: m:meta ")
           && s.size <= 1000
           && ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_OK,
           "large ones of a list are skipped, %zu bytes at a time", steps[i]);

        ngx_http_k8s_metrics_pb_stream_destroy(&s);
    }

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    s.large = large;
    ok(feed(&s, buf, len - 1) == NGX_OK
       && ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_ERROR,
       "one that is cut off is no end of a list");
    ngx_http_k8s_metrics_pb_stream_destroy(&s);

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    s.large = large;
    seen.refuse = 2;
    ok(feed(&s, buf, len) == NGX_ERROR
       && strcmp(s.error, "object was refused") == 0, "one is refused");
    ngx_http_k8s_metrics_pb_stream_destroy(&s);

    len = large_watch(buf);
    ngx_memcpy(buf + len, buf, len);
    len *= 2;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        s = stream(NGX_HTTP_K8S_METRICS_PB_WATCH, &seen);
        s.large = large;

        rc = NGX_OK;

        for (step = 0; step < len && rc == NGX_OK; step += steps[i]) {
            rc = feed(&s, buf + step, ngx_min(steps[i], len - step));
        }

        ok(rc == NGX_OK
           && is(&seen, "large:DELETED m:meta large:DELETED m:meta "),
           "large events are skipped, %zu bytes at a time", steps[i]);

        ngx_http_k8s_metrics_pb_stream_destroy(&s);
    }

    s = stream(NGX_HTTP_K8S_METRICS_PB_WATCH, &seen);
    s.large = large;
    ok(feed(&s, (u_char *) "HTTP", 4) == NGX_ERROR
       && strcmp(s.error, "object is too large") == 0,
       "what no object is as large as is no event");

    s = stream(NGX_HTTP_K8S_METRICS_PB_WATCH, &seen);
    s.large = large;
    ngx_memset(buf, 'x', 2000);
    ngx_memcpy(buf, "\0\0\x0b\xb8", 4);
    ok(feed(&s, buf, 2000) == NGX_ERROR
       && strcmp(s.error, "invalid watch event") == 0,
       "what is no event is no large one");
    ngx_http_k8s_metrics_pb_stream_destroy(&s);
}


/* fields of a message that is cut off at each byte */

static void
cut(void)
{
    size_t     n;
    ngx_int_t  rc;
    ngx_str_t  message, bytes;

    static const u_char  text[] = "\x08\x96\x01\x0d" "4444\x11" "88888888"
                                  "\x1a\x03" "abc" "\x22\x04" "name";

    for (n = 0; n < sizeof(text); n++) {
        message.len = n;
        message.data = malloc(n ? n : 1);
        memcpy(message.data, text, n);

        rc = ngx_http_k8s_metrics_pb_cut(&message, 4, &bytes);

        ok((n < 24) ? rc == NGX_DECLINED
                    : (n < 28) ? rc == NGX_AGAIN && bytes.len == n - 24
                               : rc == NGX_OK && bytes.len == 4,
           "cut off at %zu: %d", n, (int) rc);

        free(message.data);
    }

    message.len = 2;
    message.data = (u_char *) "\x0b\x0c";
    ok(ngx_http_k8s_metrics_pb_cut(&message, 4, &bytes) == NGX_ERROR,
       "a group is no field");

    message.data = (u_char *) "\x00\x01";
    ok(ngx_http_k8s_metrics_pb_cut(&message, 4, &bytes) == NGX_ERROR,
       "field 0 is none");
}


static void
callbacks_refuse(void)
{
    seen_t                             seen;
    ngx_http_k8s_metrics_pb_stream_t   s;

    static const u_char  list[] = HEAD "\x12\x0c\x0a\x04\x12\x02rv"
                                  "\x12\x01x\x12\x01y";

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    seen.refuse = 0;
    ok(feed(&s, list, sizeof(list) - 1) == NGX_ERROR && is(&seen, "v:rv c: "),
       "the list is refused");

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    seen.refuse = 1;
    ok(feed(&s, list, sizeof(list) - 1) == NGX_ERROR
       && is(&seen, "v:rv c: e: k: o:x "), "an object is refused");

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    s.list_meta = NULL;
    ok(feed(&s, list, sizeof(list) - 1) == NGX_OK
       && is(&seen, "e: k: o:x e: k: o:y ")
       && ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_OK,
       "the metadata may be of no interest");

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);
    ok(ngx_http_k8s_metrics_pb_stream_end(&s) == NGX_ERROR
       && s.error != NULL, "nothing at all is no list");
}


static void
no_memory(void)
{
    seen_t                             seen;
    ngx_http_k8s_metrics_pb_stream_t   s;

    static const u_char  list[] = HEAD "\x12\x06\x12\x04item";

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);

    stub_allocations = 0;

    ok(feed(&s, list, sizeof(list) - 1) == NGX_OK,
       "what arrives whole needs no memory");

    s = stream(NGX_HTTP_K8S_METRICS_PB_LIST, &seen);

    ok(feed(&s, list, sizeof(list) - 3) == NGX_ERROR
       && strcmp(s.error, "no memory") == 0, "what is cut does");

    stub_allocations = -1;

    ngx_http_k8s_metrics_pb_stream_destroy(&s);
}


int
main(void)
{
    no_memory();
    lists();
    watches();
    bad();
    large_objects();
    cut();
    callbacks_refuse();

    return done();
}
