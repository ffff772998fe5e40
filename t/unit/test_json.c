
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * JSON as Go's encoding/json writes it, compact and indented, into buffers of
 * any size.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_json.h"


typedef struct {
    const char  *in;
    const char  *out;
} string_case_t;


static const string_case_t  strings[] = {
    { "", "\"\"" },
    { "plain-text_1.2/3", "\"plain-text_1.2/3\"" },
    { "a\"b\\c", "\"a\\\"b\\\\c\"" },
    { "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
    { "\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"" },
    { "<a&b>", "\"\\u003ca\\u0026b\\u003e\"" },
    { "\xc3\xa9", "\"\xc3\xa9\"" },
    { "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
      "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"" },
    { "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
    { "\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"" },
    { "\xed\x9f\xbf\xee\x80\x80", "\"\xed\x9f\xbf\xee\x80\x80\"" },

    /* alone, cut, overlong, surrogates, too large */
    { "\x80", "\"\\ufffd\"" },
    { "a\xc3", "\"a\\ufffd\"" },
    { "\xc3(", "\"\\ufffd(\"" },
    { "\xc0\x80", "\"\\ufffd\\ufffd\"" },
    { "\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
    { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
    { "\xe2\x80", "\"\\ufffd\\ufffd\"" },
    { "\xe2\x80x", "\"\\ufffd\\ufffdx\"" },
    { "\xf0\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"" },
    { "\xf5\xff\xfe", "\"\\ufffd\\ufffd\\ufffd\"" }
};


static const char  compact[] =
    "{\"kind\":\"List\",\"metadata\":{},\"none\":null,\"items\":[{\"n\":1,"
    "\"labels\":{\"a\\u003cb\":\"c\"}},{\"n\":-2,\"labels\":{}},true,false,"
    "[],[[\"x\"]]],\"raw\":{\"q\":1},\"code\":404}";

static const char  indented[] =
    "{\n"
    "  \"kind\": \"List\",\n"
    "  \"metadata\": {},\n"
    "  \"none\": null,\n"
    "  \"items\": [\n"
    "    {\n"
    "      \"n\": 1,\n"
    "      \"labels\": {\n"
    "        \"a\\u003cb\": \"c\"\n"
    "      }\n"
    "    },\n"
    "    {\n"
    "      \"n\": -2,\n"
    "      \"labels\": {}\n"
    "    },\n"
    "    true,\n"
    "    false,\n"
    "    [],\n"
    "    [\n"
    "      [\n"
    "        \"x\"\n"
    "      ]\n"
    "    ]\n"
    "  ],\n"
    "  \"raw\": {\"q\":1},\n"
    "  \"code\": 404\n"
    "}";


static void
item(ngx_http_k8s_metrics_json_t *w, int64_t n, ngx_uint_t label)
{
    ngx_str_t  key = ngx_string("a<b");
    ngx_str_t  value = ngx_string("c");

    ngx_http_k8s_metrics_json_object(w);
    ngx_http_k8s_metrics_json_key(w, "n");
    ngx_http_k8s_metrics_json_int(w, n);
    ngx_http_k8s_metrics_json_key(w, "labels");
    ngx_http_k8s_metrics_json_object(w);

    if (label) {
        ngx_http_k8s_metrics_json_key_str(w, &key);
        ngx_http_k8s_metrics_json_string(w, &value);
    }

    ngx_http_k8s_metrics_json_object_end(w);
    ngx_http_k8s_metrics_json_object_end(w);
}


static void
document(ngx_http_k8s_metrics_out_t *out, ngx_uint_t pretty)
{
    ngx_str_t                    x = ngx_string("x");
    ngx_http_k8s_metrics_json_t  w;

    ngx_http_k8s_metrics_json_init(&w, out, pretty);

    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_key(&w, "kind");
    ngx_http_k8s_metrics_json_lit(&w, "List");
    ngx_http_k8s_metrics_json_key(&w, "metadata");
    ngx_http_k8s_metrics_json_object(&w);
    ngx_http_k8s_metrics_json_object_end(&w);
    ngx_http_k8s_metrics_json_key(&w, "none");
    ngx_http_k8s_metrics_json_null(&w);

    ngx_http_k8s_metrics_json_key(&w, "items");
    ngx_http_k8s_metrics_json_array(&w);
    item(&w, 1, 1);
    item(&w, -2, 0);
    ngx_http_k8s_metrics_json_bool(&w, 1);
    ngx_http_k8s_metrics_json_bool(&w, 0);
    ngx_http_k8s_metrics_json_array(&w);
    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_array(&w);
    ngx_http_k8s_metrics_json_array(&w);
    ngx_http_k8s_metrics_json_string(&w, &x);
    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_array_end(&w);
    ngx_http_k8s_metrics_json_array_end(&w);

    ngx_http_k8s_metrics_json_key(&w, "raw");
    ngx_http_k8s_metrics_json_raw_mem(&w, "{\"q\":1}", 7);
    ngx_http_k8s_metrics_json_key(&w, "code");
    ngx_http_k8s_metrics_json_int(&w, 404);
    ngx_http_k8s_metrics_json_object_end(&w);
}


/* Every size that is too small overflows and nothing is written behind it. */

static void
sizes(ngx_uint_t pretty, const char *want)
{
    size_t                       n, len;
    u_char                      *buf;
    ngx_uint_t                   good;
    ngx_http_k8s_metrics_out_t   out;

    len = strlen(want);
    good = 1;

    for (n = 0; n <= len; n++) {
        buf = malloc(n ? n : 1);

        ngx_http_k8s_metrics_out_fixed(&out, buf, n);
        document(&out, pretty);

        if (out.overflow != (n < len)
            || memcmp(buf, want, ngx_http_k8s_metrics_out_len(&out)) != 0)
        {
            fprintf(stderr, "# at %d: %.*s\n", (int) n,
                    (int) ngx_http_k8s_metrics_out_len(&out), buf);
            good = 0;
        }

        free(buf);
    }

    ok(good, "a document in buffers of all sizes, %s",
       pretty ? "indented" : "compact");
}


static void
roll_back(void)
{
    u_char                       buf[64], *last;
    ngx_http_k8s_metrics_out_t   out;
    ngx_http_k8s_metrics_json_t  w, mark;

    ngx_http_k8s_metrics_out_fixed(&out, buf, 30);
    ngx_http_k8s_metrics_json_init(&w, &out, 0);

    ngx_http_k8s_metrics_json_array(&w);

    do {
        mark = w;
        last = out.last;
        item(&w, 7, 0);
    } while (!out.overflow);

    w = mark;
    out.last = last;
    out.overflow = 0;
    ngx_http_k8s_metrics_json_array_end(&w);

    ok(out.last - buf == 21 && memcmp(buf, "[{\"n\":7,\"labels\":{}}]", 21)
       == 0, "an item that does not fit is rolled back");
}


int
main(void)
{
    size_t                       i, len;
    u_char                       buf[256], *p;
    ngx_str_t                    s;
    ngx_uint_t                   good;
    ngx_http_k8s_metrics_out_t   out;
    ngx_http_k8s_metrics_json_t  w;

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        len = strlen(strings[i].in);
        p = malloc(len ? len : 1);
        memcpy(p, strings[i].in, len);

        s.data = p;
        s.len = len;

        ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
        ngx_http_k8s_metrics_json_init(&w, &out, 0);
        ngx_http_k8s_metrics_json_string(&w, &s);

        good = (ngx_http_k8s_metrics_out_len(&out) == strlen(strings[i].out)
                && memcmp(buf, strings[i].out, strlen(strings[i].out)) == 0);

        if (!good) {
            fprintf(stderr, "# got %.*s\n",
                    (int) ngx_http_k8s_metrics_out_len(&out), buf);
        }

        ok(good, "string %d", (int) i);
        free(p);
    }

    sizes(0, compact);
    sizes(1, indented);
    roll_back();

    return done();
}
