/* unit: src/scrape/ngx_*scrape_[prw]*.c src/scrape/ngx_*_[es][xu]*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * What a kubelet is asked for and when its turn is, through the API server and
 * not: requests, the store and timers are stubs, and time is ours.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <stdlib.h>
#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NODES    64
#define TIMEOUT  9000
#define MINUTES  60000


struct ngx_http_k8s_metrics_fetch_s {
    ngx_http_k8s_metrics_kubelet_t               *k;
    const ngx_http_k8s_metrics_fetch_handlers_t  *handlers;
    ngx_uint_t                                    proxied;
    ngx_msec_t                                    deadline;
    char                                          uri[256];
};


static ngx_http_k8s_metrics_scraper_t      scraper;
static ngx_http_k8s_metrics_scrape_conf_t  conf;
static ngx_http_k8s_metrics_kubelet_t      nodes[NODES];
static char                                names[NODES][16];
static ngx_uint_t                          refuse;      /* requests */
static ngx_uint_t                          nfailed, nstored, nrearmed;
static char                                reason[256];

const char  ngx_http_k8s_metrics_zone_full[] = "full";


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    void  *p;

    p = ngx_alloc(size, log);

    return p ? memset(p, 0, size) : NULL;
}


/* of nginx's formats, those that are used */

static u_char *
print(u_char *p, u_char *last, const char *fmt, va_list args)
{
    char        text[1200];
    ngx_str_t  *s;

    for ( /* void */ ; *fmt && p < last; fmt++) {

        if (*fmt != '%') {
            *p++ = *fmt;
            continue;
        }

        if (*++fmt == 'V') {
            s = va_arg(args, ngx_str_t *);
            sprintf(text, "%.*s", (int) s->len, s->data);

        } else if (*fmt == 'u') {
            fmt++;
            sprintf(text, "%lu", (u_long) va_arg(args, ngx_uint_t));

        } else if (*fmt == 'd') {
            sprintf(text, "%d", va_arg(args, int));

        } else {
            sprintf(text, "%s", va_arg(args, char *));
        }

        p = ngx_cpymem(p, text, ngx_min(strlen(text), (size_t) (last - p)));
    }

    return p;
}


u_char *
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    buf = print(buf, buf + 65536, fmt, args);
    va_end(args);

    return buf;
}


u_char *
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    buf = print(buf, buf + max, fmt, args);
    va_end(args);

    return buf;
}


u_char *
ngx_slprintf(u_char *buf, u_char *last, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    buf = print(buf, last, fmt, args);
    va_end(args);

    return buf;
}


/* requests */

static ngx_http_k8s_metrics_fetch_t *
start(const ngx_http_k8s_metrics_fetch_conf_t *fc, ngx_uint_t proxied)
{
    ngx_http_k8s_metrics_fetch_t  *f;

    if (refuse) {
        return NULL;
    }

    f = malloc(sizeof(ngx_http_k8s_metrics_fetch_t));

    f->k = fc->data;
    f->handlers = fc->handlers;
    f->proxied = proxied;
    f->deadline = fc->deadline;

    sprintf(f->uri, "%.*s", (int) fc->uri.len, fc->uri.data);

    return f;
}


ngx_http_k8s_metrics_fetch_t *
ngx_http_k8s_metrics_fetch_start(ngx_http_k8s_metrics_peer_t *peer,
    const ngx_http_k8s_metrics_fetch_conf_t *fc, ngx_log_t *log)
{
    return start(fc, 0);
}


ngx_http_k8s_metrics_fetch_t *
ngx_http_k8s_metrics_kube_fetch(ngx_http_k8s_metrics_kube_client_t *client,
    const ngx_http_k8s_metrics_fetch_conf_t *fc, ngx_log_t *log)
{
    return start(fc, 1);
}


ngx_str_t
ngx_http_k8s_metrics_kube_token(ngx_http_k8s_metrics_kube_client_t *client)
{
    ngx_str_t  token = ngx_null_string;

    return token;
}


/* the store, the log, the clock */

ngx_int_t
ngx_http_k8s_metrics_store_scraped(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_scrape_t *scrape, int64_t resolution)
{
    nstored++;

    return NGX_OK;
}


void
ngx_http_k8s_metrics_store_scrape_started(
    ngx_http_k8s_metrics_store_t *store, ngx_msec_t mono)
{
}


void
ngx_http_k8s_metrics_scrape_failed(ngx_http_k8s_metrics_kubelet_t *k,
    const char *why)
{
    u_char     buf[NGX_HTTP_K8S_METRICS_WHERE];
    ngx_str_t  where;

    where = ngx_http_k8s_metrics_scrape_where(k, buf);

    sprintf(reason, "%.*s: %s", (int) where.len, where.data, why);

    k->failures++;
    nfailed++;
}


void
ngx_http_k8s_metrics_scrape_limited(ngx_http_k8s_metrics_kubelet_t *k)
{
}


void
ngx_http_k8s_metrics_kubelet_next(ngx_http_k8s_metrics_kubelet_t *k)
{
    nrearmed++;
}


/* what is said of the last request of a node */

static void
answer(ngx_http_k8s_metrics_kubelet_t *k, ngx_uint_t status, const char *type,
    const char *body)
{
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_fetch_t     *f;
    ngx_http_k8s_metrics_response_t   res;

    f = k->fetch;

    ngx_memzero(&res, sizeof(ngx_http_k8s_metrics_response_t));

    res.status = status;
    res.content_type.data = (u_char *) type;
    res.content_type.len = strlen(type);

    rc = NGX_ERROR;
    strcpy(res.error, "it timed out");

    if (status && f->handlers->header(k, &res) == NGX_OK) {
        rc = f->handlers->body(k, (u_char *) body, strlen(body));
    }

    f->handlers->done(k, rc, &res);
    free(f);
}


static ngx_uint_t
asked(ngx_http_k8s_metrics_kubelet_t *k, const char *uri)
{
    if (k->fetch && strcmp(k->fetch->uri, uri) == 0) {
        return 1;
    }

    printf("# asked for %s\n", k->fetch ? k->fetch->uri : "nothing");

    return 0;
}


#define RESOURCE  "/metrics/resource"
#define STATS     "/stats/summary?only_cpu_and_memory=true"
#define SERIES    "node_cpu_usage_seconds_total 1\n"                          \
                  "node_memory_working_set_bytes 2\n"
#define SUMMARY   "{\"node\":{\"cpu\":{\"usageCoreNanoSeconds\":1},"          \
                  "\"memory\":{\"workingSetBytes\":2}}}"
#define TEXT      "text/plain"
#define JSON      "application/json"


static void
setup(ngx_uint_t summary, ngx_uint_t proxy)
{
    ngx_uint_t  i;

    ngx_memzero(&conf, sizeof(ngx_http_k8s_metrics_scrape_conf_t));
    ngx_memzero(nodes, sizeof(nodes));

    conf.resolution = 10000;
    conf.request_timeout = TIMEOUT;
    conf.stats_summary = summary;
    conf.node_proxy = proxy;
    conf.kubelet_port = 10250;

    scraper.conf = &conf;
    scraper.log = &stub_log;
    scraper.placed = 0;
    scraper.placed_failing = 0;

    ngx_http_k8s_metrics_proxy_init(&scraper);

    for (i = 0; i < NODES; i++) {
        sprintf(names[i], "n%d", (int) i);

        nodes[i].scraper = &scraper;
        nodes[i].sn.str.data = (u_char *) names[i];
        nodes[i].sn.str.len = strlen(names[i]);
        nodes[i].peer = (ngx_http_k8s_metrics_peer_t *) &conf;
        ngx_str_set(&nodes[i].path, RESOURCE);
        ngx_str_set(&nodes[i].address, "192.0.2.1");
        nodes[i].port = 10250;
    }

    refuse = 0;
    nfailed = 0;
    nstored = 0;
    nrearmed = 0;
}


/* a scrape that goes well, of what is said */

static ngx_uint_t
good(ngx_http_k8s_metrics_kubelet_t *k, const char *uri)
{
    ngx_uint_t  before, ok;

    before = nstored;

    ngx_http_k8s_metrics_scrape_run(k);
    ok = asked(k, uri);

    answer(k, 200, strcmp(uri, STATS) == 0 ? JSON : TEXT,
           strcmp(uri, STATS) == 0 ? SUMMARY : SERIES);

    return ok && nstored == before + 1 && k->fetch == NULL
           && k->parser == NULL;
}


static void
sources(void)
{
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_kubelet_t  *k;

    k = &nodes[0];

    setup(0, 0);
    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 404, TEXT, "");
    ok(k->fetch == NULL && nfailed == 1, "off: 404 is a failure");
    ok(strcmp(reason, "192.0.2.1 port 10250, /metrics/resource: 404 Not "
              "Found: no metrics at that path") == 0, "that says where");

    setup(1, 0);
    ok(good(k, RESOURCE), "on: resource metrics come first");

    for (i = 0; i < 3; i++) {
        static const ngx_uint_t  other[] = { 405, 406, 500 };

        ngx_http_k8s_metrics_scrape_run(k);
        answer(k, other[i], TEXT, "");
        ok(k->fetch == NULL && nfailed == i + 1, "%lu is a failure",
           (u_long) other[i]);
    }

    ngx_http_k8s_metrics_scrape_run(k);
    ngx_current_msec += 2000;
    answer(k, 404, TEXT, "");
    ok(asked(k, STATS), "404: the summary at once");
    is_int(k->fetch->deadline, TIMEOUT - 2000, "in what is left of the time");
    answer(k, 200, JSON, SUMMARY);
    is_int(nstored, 2, "which is stored");

    ngx_current_msec += 9 * MINUTES;
    ok(good(k, STATS), "it is remembered");

    ngx_current_msec += 1 * MINUTES;
    ngx_http_k8s_metrics_scrape_run(k);
    ok(asked(k, RESOURCE), "for ten minutes");
    answer(k, 404, TEXT, "");
    ok(asked(k, STATS), "and again");
    answer(k, 200, JSON, SUMMARY);

    ngx_current_msec += 10 * MINUTES;
    ok(good(k, RESOURCE) && good(k, RESOURCE), "until it was upgraded");
    is_int(k->absent, 0, "then nothing is remembered");

    /* a summary that goes, within that time */

    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 404, TEXT, "");
    answer(k, 200, JSON, SUMMARY);
    ngx_http_k8s_metrics_scrape_run(k);
    ok(asked(k, STATS), "remembered");
    answer(k, 404, TEXT, "");
    ok(asked(k, RESOURCE), "a summary that goes: the other one at once");
    answer(k, 200, TEXT, SERIES);
    ok(good(k, RESOURCE), "and from then on");

    /* neither */

    nfailed = 0;
    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 404, TEXT, "");
    answer(k, 404, TEXT, "");
    ok(k->fetch == NULL && nfailed == 1, "neither: one failure");
    ok(strcmp(reason, "192.0.2.1 port 10250, " STATS ": 404 Not Found: no "
              "metrics at that path, nor a /stats/summary") == 0,
       "that says so");
    ok(good(k, RESOURCE), "and the next begins anew");

    ngx_http_k8s_metrics_scrape_run(k);
    ngx_current_msec += TIMEOUT;
    answer(k, 404, TEXT, "");
    ok(k->fetch == NULL && nfailed == 2, "no time left: a failure");

    /* bodies */

    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 404, TEXT, "");
    answer(k, 200, JSON, "{\"node\":{");
    ok(strstr(reason, STATS ": the answer has no usable samples: 9 bytes, "
              "Content-Type application/json, JSON without them, or cut")
       != NULL, "half a summary is none");

    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 403, TEXT, "");
    ok(strstr(reason, "lacks nodes/stats") != NULL, "403 names the right");

    refuse = 1;
    nfailed = 0;
    ngx_http_k8s_metrics_scrape_run(k);
    ok(nfailed == 1 && k->parser == NULL, "no request: a failure");
}


/* of the nodes, those with a request under way, and those that wait */

static ngx_uint_t
running(ngx_uint_t from, ngx_uint_t to)
{
    ngx_uint_t  i, n;

    for (i = from, n = 0; i < to; i++) {
        n += (nodes[i].fetch != NULL);
    }

    return n;
}


static void
places(void)
{
    ngx_uint_t  i, before;

    setup(0, 1);

    for (i = 0; i < 40; i++) {
        ngx_http_k8s_metrics_scrape_run(&nodes[i]);
        ngx_http_k8s_metrics_scrape_run(&nodes[i]);
    }

    is_int(running(0, 32), 32, "as many as may be");
    is_int(running(32, 40), 0, "the others wait");
    is_int(nrearmed, 0, "who begins at once keeps its time");
    ok(nodes[0].fetch->proxied
       && asked(&nodes[0], "/api/v1/nodes/n0/proxy/metrics/resource"),
       "through the API server");

    /* one that hangs holds up nobody; turns are in order */

    ngx_current_msec += 100;
    answer(&nodes[5], 200, TEXT, SERIES);
    ok(nodes[32].fetch && !nodes[33].fetch, "the first that waits is next");
    is_int(nrearmed, 1, "its next scrape counts from then");

    answer(&nodes[7], 404, TEXT, "");
    ok(nodes[33].fetch && nfailed == 1, "also after a failure");

    /* one that is taken away, waiting or not: nothing begins by itself */

    ngx_http_k8s_metrics_scrape_release(&nodes[34]);
    free(nodes[1].fetch);
    ngx_http_k8s_metrics_scrape_release(&nodes[1]);
    is_int(scraper.placed, 31, "a place is given back");
    ngx_http_k8s_metrics_proxy_next(&scraper);
    ok(!nodes[34].fetch && nodes[35].fetch, "and taken by the next");

    for (i = 0; i < 40; i++) {
        if (nodes[i].fetch) {
            answer(&nodes[i], 200, TEXT, SERIES);
        }
    }

    ok(running(0, NODES) == 0 && scraper.placed == 0
       && scraper.placed_failing == 0, "all have ended");

    /* those that failed have a part of them */

    for (i = 0; i < NODES; i++) {
        ngx_current_msec += (i == 32);
        nodes[i].failures = (i < 32);
        ngx_http_k8s_metrics_scrape_run(&nodes[i]);
    }

    is_int(running(0, 32), 8, "those that failed have a quarter");
    is_int(running(32, NODES), 24, "the others have the rest");

    answer(&nodes[0], 0, "", "");
    ok(running(0, 32) == 8 && running(32, NODES) == 24,
       "a place of theirs stays theirs, as they were due before");

    answer(&nodes[40], 200, TEXT, SERIES);
    ok(running(0, 32) == 8 && running(32, NODES) == 24,
       "and one of the others goes to another");

    for (before = 1; before; before = running(0, NODES)) {
        for (i = 0; i < NODES; i++) {
            if (nodes[i].fetch) {
                answer(&nodes[i], 200, TEXT, SERIES);
            }
        }
    }

    is_int(scraper.placed + scraper.placed_failing, 0, "all had their turn");

    /* requests that cannot be made */

    refuse = 1;
    nfailed = 0;

    for (i = 0; i < NODES; i++) {
        ngx_http_k8s_metrics_scrape_run(&nodes[i]);
    }

    ok(nfailed == NODES && scraper.placed == 0, "no requests: failures");
}


static void
proxied(void)
{
    ngx_uint_t                       i;
    ngx_http_k8s_metrics_kubelet_t  *k;

    static const struct {
        ngx_uint_t   status;
        const char  *type;
        const char  *reason;
    } words[] = {
        { 400, JSON, "400 Bad Request: the API server does not proxy" },
        { 400, TEXT, "400, a status other" },
        { 401, JSON, "the API server does not take our token" },
        { 401, TEXT, "the kubelet does not know the API server" },
        { 403, "Application/JSON; charset=utf-8", "lacks nodes/proxy" },
        { 403, TEXT, "the kubelet does not allow it" },
        { 404, JSON, "the API server knows no such node" },
        { 429, TEXT, "the API server is busy" },
        { 500, JSON, "500, a server error" },
        { 502, TEXT, "502 Bad Gateway: the API server could not reach" },
        { 503, JSON, "503 Service Unavailable: the API server could not" },
        { 504, JSON, "504 Gateway Timeout: the API server could not" },
        { 0, "", "it timed out" },
    };

    k = &nodes[0];
    setup(1, 1);

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        ngx_http_k8s_metrics_scrape_run(k);
        answer(k, words[i].status, words[i].type, "");

        ok(k->fetch == NULL && strstr(reason, words[i].reason) != NULL
           && strncmp(reason, "through the API server, /metrics/resource: ",
                      43) == 0,
           "%lu %s", (u_long) words[i].status, words[i].type);
    }

    ngx_http_k8s_metrics_scrape_run(k);
    answer(k, 404, TEXT, "");
    ok(asked(k, "/api/v1/nodes/n0/proxy" STATS),
       "a kubelet's own 404: its summary");
    answer(k, 200, JSON, SUMMARY);
    ok(scraper.placed == 0 && nstored == 1, "in the same place");

    k->absent = 0;
    conf.port_set = 1;
    ngx_http_k8s_metrics_scrape_run(k);
    ok(asked(k, "/api/v1/nodes/https:n0:10250/proxy" RESOURCE), "a port");
    answer(k, 200, TEXT, SERIES);

    conf.use_node_status_port = 1;
    ngx_http_k8s_metrics_scrape_run(k);
    ok(asked(k, "/api/v1/nodes/n0/proxy" RESOURCE), "but the node's own");
    answer(k, 200, TEXT, SERIES);

    nfailed = 0;

    for (i = 0; i < 6; i++) {
        static char  *bad[] = { "a/b", "a?b", "a:b", "..", "a%2f", "a b" };

        k->sn.str.data = (u_char *) bad[i];
        k->sn.str.len = strlen(bad[i]);
        ngx_http_k8s_metrics_scrape_run(k);
    }

    is_int(nfailed, 6, "no name of a node is part of a path but as a name");
}


int
main(void)
{
    ngx_http_k8s_metrics_parser_t  *parser;

    ngx_current_msec = 1000;

    sources();
    places();
    proxied();

    while (scraper.parsers) {
        parser = scraper.parsers;
        scraper.parsers = parser->next;
        ngx_http_k8s_metrics_scrape_free(parser);
    }

    return done();
}
