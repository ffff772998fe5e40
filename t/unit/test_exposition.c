/* unit: src/scrape/ngx_http_k8s_metrics_exposition*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * A kubelet's metrics into points: fed whole and cut anywhere, what is
 * dropped and counted, what the maxima do, and without memory.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "exposition_check.h"


/* 63 bytes, and with three more and 61 in the end 253 */
#define N63   "a23456789b123456789c123456789d123456789e123456789f123456789g123"
#define N253  N63 "." N63 "." N63 ".a23456789b123456789c123456789d123456789e"  \
              "123456789f123456789g1"


static const case_t  cases[] = {

    { "nothing", "", "", "0 0 0 0 0 0 0 0 1" },

    { "no newline at the end",
      CPU("c", "n", "p") "1\n" MEM("c", "n", "p") "2",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "labels in any order, spaces, a comma at the end, unknown ones",
      "container_cpu_usage_seconds_total { pod = \"p\" , id=\"/x,}\\\"\", "
      "container=\"c\",namespace=\"n\",} \t 1 \t 2 \t\n"
      "  container_memory_working_set_bytes{namespace=\"n\",container=\"c\","
      "pod=\"p\"}3\n",
      "n/p[c 1000000000/3@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "a label of no interest with braces, quotes, backslashes, newlines",
      "container_cpu_usage_seconds_total{id=\"}{\\\"\\\\\\n\\d,=\xff\","
      "container=\"c\",namespace=\"n\",pod=\"p\"} 1\n"
      MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "the node alone, no time, with labels",
      "node_cpu_usage_seconds_total{node=\"x\"} 2\n"
      "node_memory_working_set_bytes{} 3 7\n",
      "node 2000000000/3@500000000 ", "0 0 0 0 0 0 0 0 0" },

    { "the node without memory",
      "node_cpu_usage_seconds_total 2\n", "", "0 0 0 0 0 0 0 0 1" },

    { "the node with no cpu, pods as ever",
      "node_cpu_usage_seconds_total 0\nnode_memory_working_set_bytes 1\n"
      CPU("c", "n", "p") "1\n" MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "the later one of both times, the start's never",
      CPU("c", "n", "p") "1 9\n" MEM("c", "n", "p") "2 8\n"
      START("c", "n", "p") "3 99\n",
      "n/p[c 1000000000/2@9000000+3000000000] ", "0 0 0 0 0 0 0 0 1" },

    { "a series that comes again",
      CPU("c", "n", "p") "1\n" CPU("c", "n", "p") "5\n"
      MEM("c", "n", "p") "2\n",
      "n/p[c 5000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "metrics in another order each",
      CPU("a", "n", "p") "1\n" MEM("b", "n", "p") "2\n"
      CPU("b", "n", "p") "3\n" MEM("a", "n", "p") "4\n"
      MEM("c", "m", "q") "5\n" CPU("c", "m", "q") "6\n",
      "m/q[c 6000000000/5@500000000] "
      "n/p[a 1000000000/4@500000000,b 3000000000/2@500000000] ",
      "0 0 0 0 0 0 0 0 1" },

    { "names that end alike",
      CPU("c", "ab", "c") "1\n" CPU("c", "a", "bc") "2\n"
      MEM("c", "ab", "c") "3\n" MEM("c", "a", "bc") "4\n",
      "a/bc[c 2000000000/4@500000000] ab/c[c 1000000000/3@500000000] ",
      "0 0 0 0 0 0 0 0 1" },

    { "a container without memory takes its pod with it",
      CPU("a", "n", "p") "1\n" CPU("b", "n", "p") "1\n"
      CPU("a", "n", "q") "1\n" MEM("a", "n", "p") "1\n"
      MEM("a", "n", "q") "1\n",
      "n/q[a 1000000000/1@500000000] ", "0 0 0 0 0 0 1 1 1" },

    { "a container with no cpu time, too, or no memory",
      CPU("a", "n", "p") "0\n" MEM("a", "n", "p") "1\n"
      CPU("a", "n", "q") "1\n" MEM("a", "n", "q") "0\n"
      CPU("a", "n", "r") "1e-10\n" MEM("a", "n", "r") "1\n",
      "", "0 0 0 0 0 0 3 3 1" },

    { "or one that has only started",
      START("a", "n", "p") "5\n", "", "0 0 0 0 0 0 1 1 1" },

    { "no container's name",
      CPU("", "n", "p") "1\n" MEM("", "n", "p") "1\n"
      CPU("c", "", "p") "1\n" CPU("c", "n", "") "1\n"
      "container_cpu_usage_seconds_total 5\n"
      "container_cpu_usage_seconds_total{pod=\"p\",namespace=\"n\"} 5\n"
      CPU("c", "n", "p") "1\n" MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 6 0 0 0 1" },

    { "the longest names that there are",
      CPU(N63, N63, N253) "1\n" MEM(N63, N63, N253) "2\n",
      N63 "/" N253 "[" N63 " 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "longer names",
      CPU(N63 "x", "n", "p") "1\n" MEM(N63 "x", "n", "p") "2\n"
      CPU("c", N63 "x", "p") "1\n" MEM("c", N63 "x", "p") "2\n"
      CPU("c", "n", N253 "x") "1\n" MEM("c", "n", N253 "x") "2\n"
      CPU("c", "n", "p") "1\n" MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 6 0 0 0 1" },

    { "values that are none, and their pods",
      CPU("a", "n", "1") "NaN\n" MEM("a", "n", "1") "1\n"
      CPU("a", "n", "2") "+Inf\n" MEM("a", "n", "2") "1\n"
      CPU("a", "n", "3") "-1\n" MEM("a", "n", "3") "1\n"
      CPU("a", "n", "4") "1\n" MEM("a", "n", "4") "-inf\n"
      CPU("a", "n", "5") "1\n" MEM("a", "n", "5") "18446744073709551616\n"
      CPU("a", "n", "6") "18446744073.709551616\n" MEM("a", "n", "6") "1\n"
      CPU("a", "n", "7") "1e308\n" MEM("a", "n", "7") "1e400\n"
      CPU("a", "n", "8") "-0\n" MEM("a", "n", "8") "nan 5\n",
      "", "0 9 0 0 0 0 8 8 1" },

    { "the largest values",
      CPU("a", "n", "p") "18446744073.7\n"
      MEM("a", "n", "p") "18446744073709549568\n"
      START("a", "n", "p") "9223372036.85\n",
      "n/p[a 18446744073699999744/18446744073709549568@500000000"
      "+9223372036849999872] ", "0 0 0 0 0 0 0 0 1" },

    { "a start that is none leaves the container",
      CPU("a", "n", "p") "1\n" MEM("a", "n", "p") "1\n"
      START("a", "n", "p") "-5\n"
      START("a", "n", "p") "1e20\n" START("a", "n", "p") "9223372036.9\n"
      START("a", "n", "p") "NaN\n",
      "n/p[a 1000000000/1@500000000] ", "0 4 0 0 0 0 0 0 1" },

    { "broken times",
      CPU("a", "n", "1") "1 x\n" CPU("a", "n", "2") "1 -5\n"
      CPU("a", "n", "3") "1 0\n" CPU("a", "n", "4") "1 5.5\n"
      CPU("a", "n", "5") "1 5 5\n" CPU("a", "n", "6") "1 9223372036855\n"
      CPU("a", "n", "7") "1 99999999999999999999999999\n"
      CPU("a", "n", "8") "1 1e3\n" CPU("a", "n", "9") "1 +\n"
      CPU("a", "n", "a") "1 9223372036854\n" MEM("a", "n", "a") "1\n",
      "n/a[a 1000000000/1@9223372036854000000] ", "0 0 9 0 0 0 9 9 1" },

    { "lines that are none",
      "<html><body>no</body></html>\n"
      "{\"kind\":\"Status\"}\n"
      "container_cpu_usage_seconds_total\n"
      "container_cpu_usage_seconds_total{\n"
      "container_cpu_usage_seconds_total{pod\n"
      "container_cpu_usage_seconds_total{pod=\n"
      "container_cpu_usage_seconds_total{pod=\"\n"
      "container_cpu_usage_seconds_total{pod=\"a\\\n"
      "container_cpu_usage_seconds_total{pod=\"a\"\n"
      "container_cpu_usage_seconds_total{pod=\"a\" x} 1\n"
      "container_cpu_usage_seconds_total{pod=a} 1\n"
      "container_cpu_usage_seconds_total{=\"a\"} 1\n"
      "container_cpu_usage_seconds_total{,} 1\n"
      "node_cpu_usage_seconds_total \n"
      "node_cpu_usage_seconds_total x\n"
      "node_cpu_usage_seconds_total 1x\n"
      "node_cpu_usage_seconds_total 0x10\n"
      "node_cpu_usage_seconds_total 1e\n"
      "node_cpu_usage_seconds_total 1_000\n"
      "node_cpu_usage_seconds_total .\n"
      "node_cpu_usage_seconds_total - 1\n"
      "node_cpu_usage_seconds_total 1\r\n"
      "1abc 5\n"
      "abc-d 5\n",
      "", "24 0 0 0 0 0 0 0 1" },

    { "names that are longer or shorter are others",
      "node_cpu_usage_seconds_totals 5\nnode_cpu_usage_seconds_tota 5\n"
      "xnode_cpu_usage_seconds_total 5\nnode_cpu_usage_seconds_total 5\n"
      "node_memory_working_set_bytes 6\n",
      "node 5000000000/6@500000000 ", "0 0 0 0 0 0 0 0 0" },

    { "a container that differs at its end from the one expected",
      CPU("a", "n", "p") "1\n" CPU("a", "n", "p1") "2\n"
      MEM("a", "n", "p1") "3\n" MEM("a", "n", "p") "4\n",
      "n/p[a 1000000000/4@500000000] n/p1[a 2000000000/3@500000000] ",
      "0 0 0 0 0 0 0 0 1" },

    { "an error of the kubelet's own",
      "scrape_error 1\n", "error ", "0 0 0 0 0 0 0 0 1" },

    { "an error of the kubelet's own, newer",
      "resource_scrape_error 1\nscrape_error 0\n", "error ",
      "0 0 0 0 0 0 0 0 1" }
};


static void
long_lines(ngx_http_k8s_metrics_exposition_t *e)
{
    char    *text;
    size_t   i, n, over;

    n = NGX_HTTP_K8S_METRICS_EXPOSITION_LINE;
    text = malloc(n + 200);

    /* a label as long as the line allows, and one byte longer */

    for (over = 0; over < 2; over++) {
        memset(text, 'x', n + over);
        memcpy(text, "node_cpu_usage_seconds_total{a=\"", 32);
        memcpy(text + n + over - 4, "\"} 1", 4);
        strcpy(text + n + over, "\nnode_memory_working_set_bytes 2\n");

        for (i = 0; i < 3; i++) {
            ngx_http_k8s_metrics_exposition_start(e, DEFAULT);

            if (i == 0) {
                (void) feed(e, text, strlen(text));

            } else {
                /* cut in its middle, or right at the newline */
                n -= (i == 1) ? 100 : 0;
                (void) feed(e, text, n + over);
                (void) feed(e, text + n + over, strlen(text + n + over));
                n = NGX_HTTP_K8S_METRICS_EXPOSITION_LINE;
            }

            ok(over ? gives(e, "", "0 0 0 1 0 0 0 0 1")
                    : gives(e, "node 1000000000/2@500000000 ",
                            "0 0 0 0 0 0 0 0 0"),
               "a line of 64 kB%s, %d", over ? " and a byte" : "", (int) i);
        }
    }

    free(text);

    /* without end it is dropped once, and no more is kept */

    ngx_http_k8s_metrics_exposition_start(e, DEFAULT);

    for (i = 0; i < 1000; i++) {
        (void) feed(e, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    , 155);
    }

    ok(e->line_size <= 2 * NGX_HTTP_K8S_METRICS_EXPOSITION_LINE
       && gives(e, "", "0 0 0 1 0 0 0 0 1"), "a line without end");
}


/* Pods of two containers each; as many lines for a metric as there are. */

static void
many(ngx_http_k8s_metrics_exposition_t *e, ngx_uint_t npods, ngx_uint_t step)
{
    char        line[256];
    ngx_uint_t  i, k, metric, pod;

    ngx_http_k8s_metrics_exposition_start(e, DEFAULT);

    for (metric = 0; metric < 2; metric++) {
        for (k = 0; k < 2; k++) {
            for (i = 0; i < npods; i++) {
                pod = i * step % npods;

                sprintf(line, "container_%s{container=\"c%d\",namespace="
                        "\"ns-%02d\",pod=\"pod-%06d\"} %d\n",
                        metric ? "memory_working_set_bytes"
                               : "cpu_usage_seconds_total",
                        (int) (1 - k), (int) (pod % 7), (int) pod,
                        (int) (pod * 2 + k + 1));

                (void) feed(e, line, strlen(line));
            }
        }
    }
}


static ngx_uint_t
all_there(ngx_http_k8s_metrics_exposition_t *e, ngx_uint_t npods)
{
    char        name[64];
    ngx_uint_t  i, k, ns, pod;

    if (ngx_http_k8s_metrics_exposition_end(e) != NGX_OK
        || e->npods != npods || e->ncontainers != npods * 2
        || e->nlines != npods * 4 || e->nsamples != npods * 4)
    {
        return 0;
    }

    for (i = 0, ns = 0, pod = 0; i < npods; i++, pod += 7) {

        if (pod >= npods) {
            pod = ++ns;
        }

        sprintf(name, "ns-%02dpod-%06d", (int) ns, (int) pod);

        if (memcmp(e->pods[i].ns.data, name, 5) != 0
            || memcmp(e->pods[i].name.data, name + 5, 10) != 0
            || e->pods[i].ncontainers != 2)
        {
            return 0;
        }

        for (k = 0; k < 2; k++) {
            if (e->pods[i].containers[k].name.data[1] != '0' + k
                || e->pods[i].containers[k].memory != pod * 2 + 2 - k)
            {
                return 0;
            }
        }
    }

    return 1;
}


static void
steady(void)
{
    ngx_uint_t                          before;
    ngx_http_k8s_metrics_exposition_t   e;

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 100000, 10000000);

    many(&e, 1000, 1);
    ok(all_there(&e, 1000), "a thousand pods");

    many(&e, 1000, 333);
    ok(all_there(&e, 1000), "in any order");

    many(&e, 10, 3);
    ok(all_there(&e, 10), "then ten");

    before = stub_allocations;
    stub_allocations = 0;

    many(&e, 1000, 777);
    ok(all_there(&e, 1000), "a thousand again, without any allocation");

    stub_allocations = before;

    ngx_http_k8s_metrics_exposition_destroy(&e);
    ngx_http_k8s_metrics_exposition_destroy(&e);
}


static void
limits(void)
{
    char                                text[65536 + 300];
    ngx_uint_t                          i, good;
    ngx_http_k8s_metrics_exposition_t   e;

    /* the pods that are there are whole, and the others are not */

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 150, 1000000);
    many(&e, 100, 1);

    ok(ngx_http_k8s_metrics_exposition_end(&e) == NGX_OK
       && e.npods == 50 && e.ncontainers == 100 && e.dropped.limit == 100
       && e.dropped.pods == 50 && e.entries_size < 300,
       "containers over the maximum");

    for (i = 0, good = 1; i < e.npods; i++) {
        good &= (e.pods[i].ncontainers == 2);
    }

    ok(good, "no pod has some of its containers");
    ngx_http_k8s_metrics_exposition_destroy(&e);

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 5000);
    many(&e, 100, 1);

    ok(ngx_http_k8s_metrics_exposition_end(&e) == NGX_OK
       && e.npods == 0 && e.dropped.limit > 0 && e.names_size < 12000,
       "names over the maximum");

    ngx_http_k8s_metrics_exposition_start(&e, DEFAULT);
    many(&e, 30, 1);
    ok(all_there(&e, 30), "and the next scrape as ever");

    /* one large label, then a small one of the same pod: neither */

    memset(text, 'x', sizeof(text));
    i = sprintf(text, "%s", CPU("a", "n", "p") "1\n"
                "container_cpu_usage_seconds_total{namespace=\"n\","
                "pod=\"p\",container=\"b\",id=\"");
    text[i] = 'x';
    strcpy(text + 6000, "\"} 1\n" MEM("a", "n", "p") "1\n");

    ngx_http_k8s_metrics_exposition_start(&e, DEFAULT);
    (void) feed(&e, text, strlen(text));
    ok(gives(&e, "", "0 0 0 0 0 1 0 1 1"), "labels over the maximum");

    ngx_http_k8s_metrics_exposition_destroy(&e);

    /* 256 containers of a pod */

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 100000);
    ngx_http_k8s_metrics_exposition_start(&e, DEFAULT);

    for (i = 0; i < 257; i++) {
        sprintf(text, "container_cpu_usage_seconds_total{container=\"%d\","
                "namespace=\"n\",pod=\"p\"} 1\n"
                "container_memory_working_set_bytes{container=\"%d\","
                "namespace=\"n\",pod=\"p\"} 1\n", (int) i, (int) i);
        (void) feed(&e, text, strlen(text));
    }

    ok(gives(&e, "", "0 0 0 0 0 2 0 1 1"), "too many containers of a pod");

    ngx_http_k8s_metrics_exposition_destroy(&e);
}


/* The time before the request is cut to milliseconds. */

static void
default_time(ngx_http_k8s_metrics_exposition_t *e)
{
    static const char  text[] = "node_cpu_usage_seconds_total 2\n"
                                "node_memory_working_set_bytes 3\n";

    ngx_http_k8s_metrics_exposition_start(e, 1763872085123999999);
    (void) feed(e, text, sizeof(text) - 1);
    ok(gives(e, "node 2000000000/3@1763872085123000000 ", "0 0 0 0 0 0 0 0 0"),
       "a line without a time");
}


/* What the largest body takes is known, and given back. */

static void
kept(void)
{
    size_t                              size;
    ngx_http_k8s_metrics_exposition_t   e;

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 5000, 1024 * 1024);

    many(&e, 500, 1);
    (void) ngx_http_k8s_metrics_exposition_end(&e);
    size = ngx_http_k8s_metrics_exposition_size(&e);
    ok(size > 200000 && size < 1024 * 1024,
       "1,000 containers of 500 pods take %lu bytes", (unsigned long) size);

    many(&e, 20000, 1);
    (void) ngx_http_k8s_metrics_exposition_end(&e);
    size = ngx_http_k8s_metrics_exposition_size(&e);
    ok(size > 512 * 1024 && size < 6 * 1024 * 1024,
       "and 40,000, of which 5,000 are kept, %lu", (unsigned long) size);

    ngx_http_k8s_metrics_exposition_destroy(&e);
    is_int(ngx_http_k8s_metrics_exposition_size(&e), 0, "then nothing");

    many(&e, 10, 3);
    ok(all_there(&e, 10), "and it reads on");
    ngx_http_k8s_metrics_exposition_destroy(&e);
}


/* Each allocation fails in turn: an error, nothing lost, and then as ever. */

static void
no_memory(void)
{
    ngx_int_t                           i, rc;
    ngx_uint_t                          good;
    ngx_http_k8s_metrics_exposition_t   e;

    good = 0;

    for (i = 0; i < 100 && !good; i++) {
        ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 100000);
        ngx_http_k8s_metrics_exposition_start(&e, DEFAULT);

        stub_allocations = i;
        rc = feed(&e, usual, 300);

        if (rc == NGX_OK) {
            rc = feed(&e, usual + 300, sizeof(usual) - 301);
        }

        if (rc == NGX_OK) {
            rc = ngx_http_k8s_metrics_exposition_end(&e);
        }

        good = (rc == NGX_OK);
        stub_allocations = -1;

        ngx_http_k8s_metrics_exposition_start(&e, DEFAULT);

        if (feed(&e, usual, sizeof(usual) - 1) != NGX_OK
            || !gives(&e, usual_result, "0 0 0 0 0 0 0 0 0"))
        {
            break;
        }

        ngx_http_k8s_metrics_exposition_destroy(&e);
    }

    ok(good && i > 5, "without memory at each of %d allocations",
       (int) i - 1);
}


int
main(void)
{
    size_t                              i;
    ngx_http_k8s_metrics_exposition_t   e;

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 100000);

    splits(&e, "what a kubelet sends", usual, sizeof(usual) - 1, usual_result,
           "0 0 0 0 0 0 0 0 0");
    is_int(e.nlines, 15, "lines");
    is_int(e.nsamples, 12, "samples");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        splits(&e, cases[i].name, cases[i].text, strlen(cases[i].text),
               cases[i].result, cases[i].dropped);
    }

    default_time(&e);

    long_lines(&e);

    ngx_http_k8s_metrics_exposition_destroy(&e);

    steady();
    limits();
    kept();
    no_memory();

    return done();
}
