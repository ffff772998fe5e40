/* unit: src/scrape/ngx_*_summary*.c src/scrape/ngx_*_exposition*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * A kubelet's summary into points: fed whole and cut anywhere, what is dropped
 * and counted, numbers to the last digit, what the maxima do, and without
 * memory.  "-b" measures.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_summary.h"


#define DEFAULT  500000000


typedef struct {
    const char  *name;
    const char  *text;
    const char  *result;
    const char  *dropped;       /* in the struct's order */
} case_t;


#define T1      "\"2026-11-24T10:00:00Z\""
#define T2      "\"2026-11-24T10:00:01.123456789Z\""
#define TS1     "1795514400000000000"
#define TS2     "1795514401123456789"

#define CPU(v)  "\"cpu\":{\"time\":" T1 ",\"usageNanoCores\":7,"              \
                "\"usageCoreNanoSeconds\":" v "}"
#define MEM(v)  "\"memory\":{\"time\":" T2 ",\"availableBytes\":1,"           \
                "\"workingSetBytes\":" v "}"
#define C(n, more)  "{\"name\":\"" n "\",\"startTime\":" T1 "," more "}"
#define GOOD(n)     C(n, CPU("100") "," MEM("200"))
#define POD(ns, n, list)  "{\"podRef\":{\"name\":\"" n "\",\"namespace\":\""  \
                          ns "\",\"uid\":\"u\"},\"startTime\":" T1            \
                          ",\"containers\":[" list "]}"
#define PODS(list)  "{\"pods\":[" list "]}"
#define ONE(more)   PODS(POD("n", "p", C("c", more)))

#define POINT(n)    n " 100/200@" TS2 "+" TS1
#define NONE        "0 0 0 0 0 0 0 0 1"


/* as a kubelet writes it: with blanks, and with what nobody here reads */

static const char  usual[] =
    "{\n"
    " \"node\": {\n"
    "  \"nodeName\": \"node-1\",\n"
    "  \"systemContainers\": [\n"
    "   {\n"
    "    \"name\": \"kubelet\",\n"
    "    \"cpu\": {\n     \"time\": " T1 ",\n"
    "     \"usageCoreNanoSeconds\": 5\n    }\n"
    "   }\n"
    "  ],\n"
    "  \"startTime\": " T1 ",\n"
    "  \"cpu\": {\n"
    "   \"time\": " T2 ",\n"
    "   \"usageNanoCores\": 123,\n"
    "   \"usageCoreNanoSeconds\": 9007199254740993\n"
    "  },\n"
    "  \"memory\": {\n"
    "   \"time\": " T1 ",\n"
    "   \"workingSetBytes\": 2563768320,\n"
    "   \"rssBytes\": 1.5e-3\n"
    "  }\n"
    " },\n"
    " \"pods\": [\n"
    "  " POD("ns-2", "b", GOOD("c0")) ",\n"
    "  " POD("ns-1", "a", GOOD("c1") ",\n" GOOD("c0")) ",\n"
    "  " POD("ns-1", "empty", "") ",\n"
    "  " POD("ns-1", "none", C("c0", "\"cpu\":null," MEM("1"))) "\n"
    " ],\n"
    " \"other\": [1, {\"pods\": [{}]}, \"]}\", true, null, -1.5e+3],\n"
    " \"x\": \"\\\"}\\\\\"\n"
    "}\n";

static const char  usual_result[] =
    "node 9007199254740993/2563768320@" TS2 " "
    "ns-1/a[" POINT("c0") "," POINT("c1") "] "
    "ns-2/b[" POINT("c0") "] ";


static const case_t  cases[] = {

    { "no pods", "{}", "", NONE },

    { "null", "{\"node\":null,\"pods\":null}", "", NONE },

    { "of another kind", "{\"node\":[1],\"pods\":{\"podRef\":{}}}", "", NONE },

    { "pods that are none", PODS("null,1,\"{\",[" POD("n", "p", GOOD("c"))
                                 "],true"), "", NONE },

    { "members in another order",
      PODS("{\"containers\":[{" MEM("200") "," CPU("100") ",\"startTime\":" T1
           ",\"name\":\"c\"}],\"podRef\":{\"namespace\":\"n\","
           "\"name\":\"p\"}}"),
      "n/p[" POINT("c") "] ", NONE },

    { "a pod that is there twice, and a container",
      PODS(POD("n", "p", C("c", CPU("1") "," MEM("2"))) ","
           POD("n", "p", GOOD("d") "," GOOD("c") "," GOOD("c"))),
      "n/p[" POINT("c") "," POINT("d") "] ", NONE },

    { "another case of a name", "{\"Node\":{},\"PODS\":[{}]}", "", NONE },

    { "a name that begins or ends like one",
      "{\"pod\":[{}],\"podss\":[{}],\"nod\":{},\"nodes\":{}}", "", NONE },


    /* numbers */

    { "64 bits",
      ONE(CPU("18446744073709551615") "," MEM("18446744073709551614")),
      "n/p[c 18446744073709551615/18446744073709551614@" TS2 "+" TS1 "] ",
      NONE },

    { "what no double holds", ONE(CPU("9007199254740993") "," MEM("1")),
      "n/p[c 9007199254740993/1@" TS2 "+" TS1 "] ", NONE },

    { "65 bits", ONE(CPU("18446744073709551616") "," MEM("1")), "",
      "0 1 0 0 0 0 1 1 1" },

    { "66 bits", ONE(CPU("1") "," MEM("99999999999999999999")), "",
      "0 1 0 0 0 0 1 1 1" },

    { "negative", ONE(CPU("-1") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "a fraction", ONE(CPU("1.0") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "an exponent", ONE(CPU("1e3") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "a leading zero", ONE(CPU("01") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "a string", ONE(CPU("\"1\"") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "an object", ONE(CPU("{}") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "true", ONE(CPU("true") "," MEM("[1]")), "", "0 2 0 0 0 0 1 1 1" },

    { "no number", ONE(CPU("-") "," MEM("1")), "", "0 1 0 0 0 0 1 1 1" },

    { "0", ONE(CPU("0") "," MEM("1")), "", "0 0 0 0 0 0 1 1 1" },

    { "null", ONE(CPU("null") "," MEM("1")), "", "0 0 0 0 0 0 1 1 1" },

    { "missing", PODS(POD("n", "p", GOOD("a") "," C("b", MEM("1")))), "",
      "0 0 0 0 0 0 1 1 1" },

    { "the node's, 0", "{\"node\":{" CPU("0") "," MEM("1") "}}", "", NONE },

    { "the node's, missing", "{\"node\":{" MEM("1") "},\"pods\":["
                             POD("n", "p", GOOD("c")) "]}",
      "n/p[" POINT("c") "] ", NONE },

    { "the node's, bad", "{\"node\":{" CPU("-5") "," MEM("1") "},\"pods\":["
                         POD("n", "p", GOOD("c")) "]}",
      "n/p[" POINT("c") "] ", "0 1 0 0 0 0 0 0 1" },


    /* times */

    { "none: the default, and no start",
      PODS(POD("n", "p", "{\"name\":\"c\",\"cpu\":{\"usageCoreNanoSeconds\":1}"
               ",\"memory\":{\"time\":null,\"workingSetBytes\":2}}")),
      "n/p[c 1/2@500000000] ", NONE },

    { "with an offset", PODS(POD("n", "p",
          "{\"name\":\"c\",\"startTime\":\"2026-11-24T12:30:00.5+02:30\","
          CPU("1") "," MEM("2") "}")),
      "n/p[c 1/2@" TS2 "+1795514400500000000] ", NONE },

    { "of a reading, bad", ONE("\"cpu\":{\"time\":\"now\","
          "\"usageCoreNanoSeconds\":1}," MEM("2")), "", "0 0 1 0 0 0 1 1 1" },

    { "of a reading, a number", ONE("\"cpu\":{\"time\":5,"
          "\"usageCoreNanoSeconds\":1}," MEM("2")), "", "0 0 1 0 0 0 1 1 1" },

    { "of a reading, before 1970", ONE("\"cpu\":{\"time\":"
          "\"1969-12-31T23:59:59Z\",\"usageCoreNanoSeconds\":1}," MEM("2")),
      "", "0 0 1 0 0 0 1 1 1" },

    { "of a start, bad", PODS(POD("n", "p",
          "{\"name\":\"c\",\"startTime\":\"0001-01-01T00:00:00Z\","
          CPU("1") "," MEM("2") "}")),
      "n/p[c 1/2@" TS2 "] ", "0 0 1 0 0 0 0 0 1" },


    /* names */

    { "no podRef", PODS("{\"containers\":[" GOOD("c") "]}"), "",
      "0 0 0 0 1 0 0 0 1" },

    { "a name that is a number", PODS("{\"podRef\":{\"namespace\":\"n\","
          "\"name\":5},\"containers\":[" GOOD("c") "]}"), "",
      "0 0 0 0 1 0 0 0 1" },

    { "empty names", PODS(POD("", "p", GOOD("c")) "," POD("n", "", GOOD("c"))
                          "," POD("n", "p", GOOD("") "," GOOD("c"))),
      "n/p[" POINT("c") "] ", "0 0 0 0 3 0 0 0 1" },

    { "a namespace too long", PODS(POD(
          "0123456789012345678901234567890123456789012345678901234567890123",
          "p", GOOD("c"))), "", "0 0 0 0 1 0 0 0 1" },

    { "escapes", PODS(POD("n", "\\u0070\\/\\n\\u00e9", GOOD("c"))),
      "n/p/\n\xc3\xa9[" POINT("c") "] ", NONE },

    { "a NUL in a name", PODS(POD("n", "p\\u0000q", GOOD("c")) ","
                              POD("n", "q", GOOD("c"))),
      "n/q[" POINT("c") "] ", "1 0 0 0 0 0 0 0 1" },

    { "no NUL: an escaped backslash", PODS(POD("n", "p\\\\u0000",
                                               GOOD("c"))),
      "n/p\\u0000[" POINT("c") "] ", NONE },

    { "a newline in a name", PODS(POD("n", "p\nq", GOOD("c"))), "",
      "1 0 0 0 0 0 0 0 1" },


    /* a pod that is no JSON */

    { "a bad word", PODS("{\"a\":nul}," POD("n", "p", GOOD("c"))),
      "n/p[" POINT("c") "] ", "1 0 0 0 0 0 0 0 1" },

    { "a number and a word", PODS("{\"a\":1x}," POD("n", "p", GOOD("c"))),
      "n/p[" POINT("c") "] ", "1 0 0 0 0 0 0 0 1" },

    { "a comma too many", PODS("{\"a\":1,}," POD("n", "p", GOOD("c"))),
      "n/p[" POINT("c") "] ", "1 0 0 0 0 0 0 0 1" },

    { "a bad escape", PODS("{\"a\":\"\\x\"},{\"a\":\"\\u00\"},"
                           POD("n", "p", GOOD("c"))),
      "n/p[" POINT("c") "] ", "2 0 0 0 0 0 0 0 1" },

    { "containers that are none",
      PODS("{\"podRef\":{\"name\":\"p\",\"namespace\":\"n\"},"
           "\"containers\":5}," POD("n", "q", "1,null,[],\"x\"")),
      "", "0 0 0 0 4 0 0 0 1" },
};


/* what no whole object is: a scrape of it has failed */

static const char  *broken[] = {
    "", " ", "[]", "1", "null", "\"x\"", "<html>", "# HELP x\nx 1\n",
    "{", "{\"pods\":[", PODS(POD("n", "p", GOOD("c"))) "x", "{}{}", "{}}",
    "{\"pods\":[}", "{\"pods\":]", "{]", "{\"pods\":[{]}]}",
    "{\"a\" 1}", "{a:1}", "{\"a\"::1}", "{\"a\":1 2}", "{\"a\":1,}",
    "{,}", "{\"a\":,\"b\":1}", "{\"a\":}", "{\"a\":1:2}", "{1:2}",
    "{\"a\":\"x\"\"y\"}", "{\"a\":{}{}}", "{\"a\":#}", "{\"a\":\"}",
    "{\"pods\":[" POD("n", "p", GOOD("c")) "]",
    NULL
};


static void
result(ngx_http_k8s_metrics_exposition_t *e, char *p)
{
    ngx_uint_t                          i, j;
    ngx_http_k8s_metrics_point_t       *c;
    ngx_http_k8s_metrics_pod_points_t  *pod;

    *p = '\0';

    if (e->has_node) {
        p += sprintf(p, "node %lu/%lu@%ld ", (u_long) e->node.cpu,
                     (u_long) e->node.memory, (long) e->node.timestamp);
    }

    for (i = 0; i < e->npods; i++) {
        pod = &e->pods[i];

        p += sprintf(p, "%.*s/%.*s[", (int) pod->ns.len, pod->ns.data,
                     (int) pod->name.len, pod->name.data);

        for (j = 0; j < pod->ncontainers; j++) {
            c = &pod->containers[j];

            p += sprintf(p, "%s%.*s %lu/%lu@%ld", j ? "," : "",
                         (int) c->name.len, c->name.data, (u_long) c->cpu,
                         (u_long) c->memory, (long) c->timestamp);

            if (c->start) {
                p += sprintf(p, "+%ld", (long) c->start);
            }
        }

        p += sprintf(p, "] ");
    }
}


static void
dropped(ngx_http_k8s_metrics_exposition_t *e, char *p)
{
    ngx_http_k8s_metrics_exposition_dropped_t  *d;

    d = &e->dropped;

    sprintf(p, "%lu %lu %lu %lu %lu %lu %lu %lu %lu", (u_long) d->malformed,
            (u_long) d->value, (u_long) d->timestamp, (u_long) d->too_long,
            (u_long) d->unnamed, (u_long) d->limit, (u_long) d->containers,
            (u_long) d->pods, (u_long) d->nodes);
}


/* in memory of its own, so that ASan sees one byte too many */

static ngx_int_t
feed(ngx_http_k8s_metrics_summary_t *s, const char *p, size_t len)
{
    u_char     *copy;
    ngx_int_t   rc;

    copy = malloc(len + !len);
    memcpy(copy, p, len);

    rc = ngx_http_k8s_metrics_summary_feed(s, copy, len);

    free(copy);

    return rc;
}


static ngx_uint_t
gives(ngx_http_k8s_metrics_summary_t *s, const char *want,
    const char *want_dropped)
{
    char  got[8192], got_dropped[128];

    if (ngx_http_k8s_metrics_summary_end(s) != NGX_OK) {
        printf("# end failed\n");
        return 0;
    }

    result(s->exposition, got);
    dropped(s->exposition, got_dropped);

    if (strcmp(got, want) != 0 || strcmp(got_dropped, want_dropped) != 0) {
        printf("# got %s| %s\n", got, got_dropped);
        return 0;
    }

    return 1;
}


static void
splits(ngx_http_k8s_metrics_summary_t *s, const char *name, const char *text,
    const char *want, const char *want_dropped)
{
    size_t      i, len;
    ngx_uint_t  good;

    len = strlen(text);

    ngx_http_k8s_metrics_summary_start(s, DEFAULT);
    ok(feed(s, text, len) == NGX_OK && gives(s, want, want_dropped),
       "%s", name);

    ngx_http_k8s_metrics_summary_start(s, DEFAULT);

    for (i = 0; i < len; i++) {
        (void) feed(s, text + i, 1);
    }

    ok(gives(s, want, want_dropped), "%s, byte by byte", name);

    good = 1;

    for (i = 0; i <= len && good; i++) {
        ngx_http_k8s_metrics_summary_start(s, DEFAULT);

        good = (feed(s, text, i) == NGX_OK
                && feed(s, text + i, len - i) == NGX_OK
                && gives(s, want, want_dropped));
    }

    ok(good, "%s, in two parts", name);
}


static void
not_whole(ngx_http_k8s_metrics_summary_t *s)
{
    size_t      i, len;
    ngx_uint_t  n;

    for (n = 0; broken[n]; n++) {
        ngx_http_k8s_metrics_summary_start(s, DEFAULT);

        ok(feed(s, broken[n], strlen(broken[n])) == NGX_OK
           && ngx_http_k8s_metrics_summary_end(s) == NGX_DECLINED,
           "refused: %.20s", broken[n]);
    }

    /* a part of a good one, too, wherever it ends */

    len = strlen(usual) - 2;
    n = 0;

    for (i = 0; i <= len; i++) {
        ngx_http_k8s_metrics_summary_start(s, DEFAULT);
        (void) feed(s, usual, i);
        n += (ngx_http_k8s_metrics_summary_end(s) != NGX_DECLINED);
    }

    is_int(n, 0, "cut short anywhere: refused");
}


static void
bounds(ngx_http_k8s_metrics_summary_t *s)
{
    char        *text, *p;
    size_t       size, i, len, step, over, fixed;
    ngx_uint_t   n;

    static const char  head[] = "{\"podRef\":{\"name\":\"p\",\"namespace\":"
                                "\"n\"},\"x\":\"";
    static const char  tail[] = "\",\"containers\":[" GOOD("c") "]}";

    size = 2 * 1024 * 1024;
    text = malloc(size);

    /* numbers of a piece get three bytes more each: four are in GOOD */

    fixed = sizeof(head) - 1 + sizeof(tail) - 1 + 4 * 3;

    for (over = 0; over < 2; over++) {
        p = text + sprintf(text, "{\"pods\":[%s", head);
        n = NGX_HTTP_K8S_METRICS_SUMMARY_PIECE - fixed + over;

        memset(p, 'x', n);
        p += n;

        sprintf(p, "%s,%s]}", tail, POD("n", "q", GOOD("c")));

        len = strlen(text);

        for (step = 1; step < size; step *= 500) {
            ngx_http_k8s_metrics_summary_start(s, DEFAULT);

            for (i = 0; i < len; i += step) {
                (void) feed(s, text + i, ngx_min(step, len - i));
            }

            ok(gives(s, over ? "n/q[" POINT("c") "] "
                             : "n/p[" POINT("c") "] n/q[" POINT("c") "] ",
                     over ? "0 0 0 1 0 0 0 0 1" : NONE),
               "%s", over ? "one byte too long: dropped" : "the longest pod");
        }
    }

    ok(s->piece_size <= 2 * NGX_HTTP_K8S_METRICS_SUMMARY_PIECE,
       "its memory is bounded");

    /* nested as deep as may be, and deeper */

    for (over = 0; over < 2; over++) {
        n = NGX_HTTP_K8S_METRICS_SUMMARY_DEPTH - 1 + over;

        p = text + sprintf(text, "{\"a\":");
        memset(p, '[', n);
        memset(p + n, ']', n);
        strcpy(p + 2 * n, "}");

        ngx_http_k8s_metrics_summary_start(s, DEFAULT);
        (void) feed(s, text, strlen(text));
        is_int(ngx_http_k8s_metrics_summary_end(s),
               over ? NGX_DECLINED : NGX_OK, "depth");
    }

    free(text);
}


/* "npods" pods of "n" containers each; returns the length */

static size_t
body(char *text, ngx_uint_t npods, ngx_uint_t n)
{
    char        *p;
    ngx_uint_t   i, j;

    p = text + sprintf(text, "{\"node\":{" CPU("1") "," MEM("2")
                             "},\"pods\":[");

    for (i = 0; i < npods; i++) {
        p += sprintf(p, "%s{\"podRef\":{\"name\":\"p-%05lu\",\"namespace\":"
                     "\"ns\"},\"containers\":[", i ? "," : "", (u_long) i);

        for (j = 0; j < n; j++) {
            p += sprintf(p, "%s{\"name\":\"c%lu\",\"startTime\":" T1 ","
                         CPU("100") "," MEM("200") "}", j ? "," : "",
                         (u_long) j);
        }

        p += sprintf(p, "]}");
    }

    p += sprintf(p, "]}");

    return p - text;
}


static void
limits(void)
{
    char                               *text;
    size_t                              len;
    ngx_http_k8s_metrics_summary_t      s;
    ngx_http_k8s_metrics_exposition_t   e;

    text = malloc(4 * 1024 * 1024);

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 10, 1000);
    ngx_http_k8s_metrics_summary_init(&s, &e);

    len = body(text, 4, 3);
    ngx_http_k8s_metrics_summary_start(&s, DEFAULT);
    (void) feed(&s, text, len);
    is_int(ngx_http_k8s_metrics_summary_end(&s), NGX_OK, "12 of 10 containers");
    is_int(e.npods, 3, "whole pods are kept");
    is_int(e.dropped.limit, 2, "the rest is counted");
    is_int(e.dropped.pods, 1, "with its pod");

    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_exposition_destroy(&e);

    /* ns, p-00000 and c0 are 11 bytes */

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 33);
    ngx_http_k8s_metrics_summary_init(&s, &e);

    len = body(text, 5, 1);
    ngx_http_k8s_metrics_summary_start(&s, DEFAULT);
    (void) feed(&s, text, len);
    is_int(ngx_http_k8s_metrics_summary_end(&s), NGX_OK, "too many names");
    is_int(e.npods, 3, "those that fit are kept");
    is_int(e.dropped.limit, 2, "the rest is counted");

    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_exposition_destroy(&e);

    /* of one pod */

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 5000, 1000000);
    ngx_http_k8s_metrics_summary_init(&s, &e);

    len = body(text, 2, 257);
    ngx_http_k8s_metrics_summary_start(&s, DEFAULT);
    (void) feed(&s, text, len);
    is_int(ngx_http_k8s_metrics_summary_end(&s), NGX_OK,
           "257 containers of a pod");
    is_int(e.npods, 0, "it is not kept");
    is_int(e.dropped.pods, 2, "but counted");

    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_exposition_destroy(&e);
    free(text);
}


static void
no_memory(void)
{
    ngx_int_t                           i, rc;
    ngx_http_k8s_metrics_summary_t      s;
    ngx_http_k8s_metrics_exposition_t   e;

    for (i = 0; i < 100; i++) {
        ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 100, 10000);
        ngx_http_k8s_metrics_summary_init(&s, &e);

        stub_allocations = i;

        ngx_http_k8s_metrics_summary_start(&s, DEFAULT);
        rc = feed(&s, usual, strlen(usual));

        if (rc == NGX_OK) {
            rc = ngx_http_k8s_metrics_summary_end(&s);
        }

        stub_allocations = -1;

        if (rc == NGX_OK) {
            break;
        }

        /* the next one is whole */

        ngx_http_k8s_metrics_summary_start(&s, DEFAULT);

        if (feed(&s, usual, strlen(usual)) != NGX_OK
            || !gives(&s, usual_result, "0 0 0 0 0 0 1 1 0"))
        {
            break;
        }

        ngx_http_k8s_metrics_summary_destroy(&s);
        ngx_http_k8s_metrics_exposition_destroy(&e);
    }

    ok(i > 5 && rc == NGX_OK, "without memory: %ld allocations", (long) i);

    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_exposition_destroy(&e);
}


/* any bytes do no harm */

static void
noise(ngx_http_k8s_metrics_summary_t *s)
{
    char     text[sizeof(usual)];
    size_t   len, i, at;

    static const char  bytes[] = "{}[]\",:\\u0 1-ten\n\x01\x00\xff";

    srand(1);
    len = sizeof(usual) - 1;

    for (i = 0; i < 20000; i++) {
        memcpy(text, usual, len);

        for (at = 0; at < 1 + i % 5; at++) {
            text[rand() % len] = bytes[rand() % (sizeof(bytes) - 1)];
        }

        at = rand() % len;

        ngx_http_k8s_metrics_summary_start(s, DEFAULT);

        if (feed(s, text, at) != NGX_OK
            || feed(s, text + at, len - at) != NGX_OK
            || ngx_http_k8s_metrics_summary_end(s) == NGX_ERROR)
        {
            break;
        }
    }

    is_int(i, 20000, "changed bytes");
}


/* a pod of as many members and containers as fit: no member is sought often */

static void
hostile(ngx_http_k8s_metrics_summary_t *s)
{
    char             *text, *p;
    size_t            i;
    struct timespec   t0, t1;

    text = malloc(1024 * 1024);
    p = text + sprintf(text, "{\"pods\":[{");

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, "\"\":[],");
    }

    p += sprintf(p, "\"podRef\":{\"name\":\"p\",\"namespace\":\"n\"},"
                 "\"containers\":[{}");

    for (i = 0; i < 40000; i++) {
        p += sprintf(p, ",{}");
    }

    (void) sprintf(p, "]}]}");

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);

    ngx_http_k8s_metrics_summary_start(s, DEFAULT);
    (void) feed(s, text, strlen(text));
    ok(gives(s, "", "0 0 0 0 40001 0 0 0 1"), "a pod of 40,001 containers");

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);

    i = (t1.tv_sec - t0.tv_sec) * 1000 + t1.tv_nsec / 1000000
        - t0.tv_nsec / 1000000;

    ok(i < 1000, "in %lu ms", (u_long) i);

    free(text);
}


static void
bench(ngx_http_k8s_metrics_summary_t *s)
{
    char             *text;
    size_t            len, at, n;
    ngx_uint_t        i;
    struct timespec   t0, t1;

    text = malloc(1024 * 1024);
    len = body(text, 30, 1);

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);

    for (i = 0; i < 1000; i++) {
        ngx_http_k8s_metrics_summary_start(s, DEFAULT);

        for (at = 0; at < len; at += n) {
            n = ngx_min(len - at, 4096);
            (void) ngx_http_k8s_metrics_summary_feed(s, (u_char *) text + at,
                                                     n);
        }

        (void) ngx_http_k8s_metrics_summary_end(s);
    }

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);

    printf("# 30 pods, %lu bytes: %.1f us\n", (u_long) len,
           ((t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec)) / 1e6);

    free(text);
}


int
main(int argc, char **argv)
{
    size_t                              i;
    ngx_http_k8s_metrics_summary_t      s;
    ngx_http_k8s_metrics_exposition_t   e;

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 5000, 1024 * 1024);
    ngx_http_k8s_metrics_summary_init(&s, &e);

    if (argc > 1 && strcmp(argv[1], "-b") == 0) {
        bench(&s);
        ngx_http_k8s_metrics_summary_destroy(&s);
        ngx_http_k8s_metrics_exposition_destroy(&e);
        return 0;
    }

    splits(&s, "a kubelet's", usual, usual_result, "0 0 0 0 0 0 1 1 0");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        splits(&s, cases[i].name, cases[i].text, cases[i].result,
               cases[i].dropped);
    }

    not_whole(&s);
    bounds(&s);
    noise(&s);
    hostile(&s);

    /* nothing of what was before it */

    splits(&s, "and again", usual, usual_result, "0 0 0 0 0 0 1 1 0");

    ngx_http_k8s_metrics_summary_destroy(&s);
    ngx_http_k8s_metrics_exposition_destroy(&e);

    limits();
    no_memory();

    return done();
}
