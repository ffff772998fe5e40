/* unit: src/scrape/ngx_http_k8s_metrics_exposition*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * What a compromised node may send: each line that is none, or that cannot be,
 * is dropped alone and counted, wherever the pieces are cut.
 */


#include "exposition_check.h"


static const case_t  cases[] = {

    { "escapes in what Kubernetes names: as if it had no name",
      CPU("c\\\"", "n", "p") "1\n" MEM("c\\\"", "n", "p") "1\n"
      CPU("\\\\", "n", "p") "1\n" MEM("\\n", "n", "p") "1\n"
      CPU("c", "a\\nb", "p") "1\n" CPU("c", "n", "a\\\\b\\nc\\d") "1\n"
      CPU("c", "n", "p") "1\n" MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 6 0 0 0 1" },

    { "containers that no cluster has: nobody's terminal gets them",
      CPU("\x1b[2J", "n", "p") "1\n" CPU("C", "n", "p") "1\n"
      CPU("a_b", "n", "p") "1\n" CPU("a.b", "n", "p") "1\n"
      CPU("-a", "n", "p") "1\n" CPU("a-", "n", "p") "1\n"
      CPU("-", "n", "p") "1\n" CPU("a b", "n", "p") "1\n"
      CPU("}{", "n", "p") "1\n" CPU("<b>", "n", "p") "1\n"
      CPU("\xc3\xa4", "n", "p") "1\n" CPU("\xff\xfe", "n", "p") "1\n"
      CPU("\xe2\x80\xa8", "n", "p") "1\n" CPU("a\rb", "n", "p") "1\n"
      CPU("0a-9z", "n", "p") "1\n" MEM("0a-9z", "n", "p") "2\n",
      "n/p[0a-9z 1000000000/2@500000000] ", "0 0 0 0 14 0 0 0 1" },

    { "UTF-8 in the names of pods is the store's to know",
      CPU("c", "n", "\xc3\xa4") "1\n" MEM("c", "n", "\xc3\xa4") "2\n"
      CPU("c", "\xff", "p") "1\n" MEM("c", "\xff", "p") "2\n",
      "n/\xc3\xa4[c 1000000000/2@500000000] "
      "\xff/p[c 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "one label twice",
      "container_cpu_usage_seconds_total{pod=\"q\",container=\"c\","
      "namespace=\"n\",pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{container=\"c\",container=\"c\","
      "namespace=\"n\",pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{container=\"c\",namespace=\"\","
      "namespace=\"n\",pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{a=\"c\",container=\"c\",a=\"c\","
      "namespace=\"n\",pod=\"p\"} 1\n"
      MEM("c", "n", "p") "2\n",
      "n/p[c 1000000000/2@500000000] ", "3 0 0 0 0 0 0 0 1" },

    { "labels without a quote, with another, and behind the brace",
      "container_cpu_usage_seconds_total{container=\"c,namespace=\"n\","
      "pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{container=c\",namespace=\"n\","
      "pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{container='c',namespace='n',"
      "pod='p'} 5\n"
      "container_cpu_usage_seconds_total{container=\"c\" namespace=\"n\" "
      "pod=\"p\"} 5\n"
      "container_cpu_usage_seconds_total{container==\"c\"} 5\n"
      "container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\","
      "pod=\"p\"}} 5\n"
      "container_cpu_usage_seconds_total}container=\"c\"{ 5\n"
      "{\"container_cpu_usage_seconds_total\",container=\"c\"} 5\n",
      "", "8 0 0 0 0 0 1 1 1" },

    { "comments of all kinds, and an end that is none",
      "#\n#x\n# TYPE\n# TYPE node_cpu_usage_seconds_total\n# HELP \n"
      "# TYPE container_cpu_usage_seconds_total histogram summary\n"
      "# HELP container_cpu_usage_seconds_total \\ \\n \xff \" {\n"
      "#node_cpu_usage_seconds_total 5\n \t # UNIT\n"
      CPU("c", "n", "p") "1\n"
      "# TYPE container_cpu_usage_seconds_total gauge\n# EOF\n"
      MEM("c", "n", "p") "2\n\n \t\n\n# EOF",
      "n/p[c 1000000000/2@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "lines that end with CR LF are none, comments are",
      "# HELP x\r\n# EOF\r\n" CPU("c", "n", "p") "1\r\n"
      MEM("c", "n", "p") "2 5\r\n\r\n",
      "", "2 0 1 0 0 0 1 1 1" },

    { "numbers of other notations",
      CPU("c", "n", "p") "0x1p4\n" CPU("c", "n", "p") "0x10\n"
      CPU("c", "n", "p") "0b1\n" CPU("c", "n", "p") "1_0\n"
      CPU("c", "n", "p") "1,5\n" CPU("c", "n", "p") "\"1\"\n"
      CPU("c", "n", "p") "1s\n" CPU("c", "n", "p") "\xd9\xa1\n"
      CPU("c", "n", "p") "+0e1\n" MEM("c", "n", "p") "2\n",
      "", "8 0 0 0 0 0 1 1 1" },

    { "what follows a value: an exemplar, more numbers",
      CPU("c", "n", "p") "1 # {a=\"b\"} 1\n"
      CPU("c", "n", "p") "1 5 # {a=\"b\"} 1\n"
      CPU("c", "n", "p") "1 5 x\n",
      "", "0 0 3 0 0 0 1 1 1" },

    /* doubles are 2^-29 s apart at 9007199 s: 9007199.2547409926, * 1e9 */

    { "2^53 and one: as the double next to it; cut, never rounded up",
      CPU("c", "n", "p") "1.9999999999\n"
      MEM("c", "n", "p") "9007199254740993\n"
      CPU("d", "n", "p") "9007199.254740993\n"
      MEM("d", "n", "p") "4095.999\n",
      "n/p[c 1999999999/9007199254740992@500000000,"
      "d 9007199254740992/4095@500000000] ", "0 0 0 0 0 0 0 0 1" },

    { "a series that comes again: the last value that is one",
      CPU("c", "n", "p") "1 20\n" CPU("c", "n", "p") "NaN 30\n"
      CPU("c", "n", "p") "7 10\n" MEM("c", "n", "p") "2 5\n"
      CPU("c", "n", "p") "-1 40\n" MEM("c", "n", "p") "3 x\n",
      "n/p[c 7000000000/2@20000000] ", "0 2 1 0 0 0 0 0 1" }
};


static const char  nuls[] =
    "\0\n"
    CPU("c\0", "n", "p") "1\n"
    CPU("c", "n", "p") "1\0\n"
    CPU("c", "n", "p") "1 1\0\n"
    "# a comment\0\n"
    CPU("c", "n", "p") "1\n"
    MEM("c", "n", "p") "2\n";


/*
 * Changed bytes, lines cut, doubled and joined: the pieces that it comes in
 * change nothing, and the sanitizers see what is read.
 */

static uint32_t
any(uint64_t *seed, uint32_t n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;

    return (uint32_t) (*seed >> 20) % n;
}


static size_t
mutate(char *text, uint64_t *seed)
{
    size_t    len, at, n, to;
    uint32_t  i;

    static const char  bytes[] = "\n\"\\{},= \t#\0\r\xff\x80" "0e.-+19N_";

    len = sizeof(usual) - 1;
    memcpy(text, usual, len);

    for (i = any(seed, 8) + 1; i; i--) {
        at = any(seed, len);

        switch (any(seed, 4)) {

        case 0:
            text[at] = (char) any(seed, 256);
            break;

        case 1:
            text[at] = bytes[any(seed, sizeof(bytes) - 1)];
            break;

        case 2:
            n = any(seed, 100);
            n = ngx_min(n, len - at);
            memmove(text + at, text + at + n, len - at - n);
            len -= n;
            break;

        default:
            n = any(seed, 300);
            n = ngx_min(n, len - at);
            to = any(seed, len);
            memmove(text + to + n, text + to, len - to);
            len += n;
        }

        if (len == 0 || len > 2 * sizeof(usual)) {
            break;
        }
    }

    return len;
}


static void
mutated(void)
{
    char                                text[3 * sizeof(usual)];
    char                                want[65536], got[65536];
    char                                want_dropped[128], got_dropped[128];
    size_t                              len, at, n;
    uint64_t                            seed;
    ngx_uint_t                          i;
    ngx_http_k8s_metrics_exposition_t   whole, cut;

    ngx_http_k8s_metrics_exposition_init(&whole, &stub_log, 4, 300);
    ngx_http_k8s_metrics_exposition_init(&cut, &stub_log, 4, 300);

    seed = 88172645463325252ULL;

    for (i = 0; i < 20000; i++) {
        len = mutate(text, &seed);

        ngx_http_k8s_metrics_exposition_start(&whole, DEFAULT);
        ngx_http_k8s_metrics_exposition_start(&cut, DEFAULT);
        (void) feed(&whole, text, len);

        for (at = 0; at < len; at += n) {
            n = 1 + any(&seed, 200);
            n = ngx_min(n, len - at);
            (void) feed(&cut, text + at, n);
        }

        if (ngx_http_k8s_metrics_exposition_end(&whole) != NGX_OK
            || ngx_http_k8s_metrics_exposition_end(&cut) != NGX_OK)
        {
            break;
        }

        result(&whole, want);
        result(&cut, got);
        dropped(&whole, want_dropped);
        dropped(&cut, got_dropped);

        if (strcmp(want, got) != 0 || strcmp(want_dropped, got_dropped) != 0) {
            printf("# %s| %s\n# %s| %s\n", want, want_dropped, got,
                   got_dropped);
            break;
        }
    }

    is_int(i, 20000, "changed bodies are the same, whole or in pieces");

    ngx_http_k8s_metrics_exposition_destroy(&whole);
    ngx_http_k8s_metrics_exposition_destroy(&cut);
}


int
main(void)
{
    size_t                              i;
    ngx_http_k8s_metrics_exposition_t   e;

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 1000, 100000);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        splits(&e, cases[i].name, cases[i].text, strlen(cases[i].text),
               cases[i].result, cases[i].dropped);
    }

    splits(&e, "NUL bytes", nuls, sizeof(nuls) - 1,
           "n/p[c 1000000000/2@500000000] ", "2 0 1 0 1 0 0 0 1");

    ngx_http_k8s_metrics_exposition_destroy(&e);

    mutated();

    return done();
}
