/* unit: src/scrape/ngx_http_k8s_metrics_exposition*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * The rules of rates: the table in rates.h, through the parser, the merging of
 * points in the store and the reading of it.
 */


#include "store_check.h"
#include "ngx_http_k8s_metrics_exposition.h"
#include "rates.h"


static u_char  text[65536];         /* of one scrape */
static size_t  text_len;


__attribute__((format(printf, 1, 2)))
static void
add(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    text_len += vsnprintf((char *) text + text_len, sizeof(text) - text_len,
                          fmt, args);
    va_end(args);
}


/* A number of seconds after T in milliseconds. */

static long long
milliseconds(const char *s)
{
    double  d;

    d = strtod(s, NULL) * 1000;

    return T * 1000LL + (long long) (d < 0 ? d - 0.5 : d + 0.5);
}


static void
line(const char *metric, const char *name, const char *value,
    const char *time)
{
    const char  *dot;

    if (value[0] == '-' && value[1] == '\0') {
        return;
    }

    if (strcmp(name, "node") == 0) {
        add("node_%s %s", metric, value);

    } else {
        dot = strchr(name, '.');

        add("container_%s{container=\"%s\",namespace=\"ns\",pod=\"%.*s\"} %s",
            metric, dot ? dot + 1 : name, dot ? (int) (dot - name) : 1,
            dot ? name : "p", value);
    }

    if (time[0] == '\'') {
        add(" %s", time + 1);

    } else if (time[0] != '\0' && strcmp(time, "-") != 0) {
        add(" %lld", milliseconds(time));
    }

    add("\n");
}


static void
entry(char *s, ngx_http_k8s_metrics_exposition_t *e, int64_t *before)
{
    int          n;
    char        *p, start[64];
    char        *word[5] = { "", "-", "-", "-", "-" };
    const char  *memory;

    n = 0;

    for (p = strtok(s, " "); p && n < 5; p = strtok(NULL, " ")) {

        if (*p == '@') {
            *before = T * SECOND + (int64_t) (strtod(p + 1, NULL) * 1e9);

        } else {
            word[n++] = p;
        }
    }

    if (strcmp(word[0], "error") == 0) {
        add("resource_scrape_error 1\n");
        return;
    }

    memory = strchr(word[1], '/');

    if (memory) {
        *strchr(word[1], '/') = '\0';
        memory++;

    } else {
        memory = word[1];
    }

    line("cpu_usage_seconds_total", word[0], word[2], word[1]);
    line("memory_working_set_bytes", word[0], word[3], memory);

    if (n == 5) {
        sprintf(start, "%.9f", T + strtod(word[4], NULL));
        line("start_time_seconds", word[0], start, "");
    }
}


/* As the scraper does with a body. */

static void
scrape(store_t *store, ngx_http_k8s_metrics_exposition_t *e,
    const char *scrape, int resolution)
{
    char                            copy[1024], *p, *next;
    int64_t                         before;
    ngx_str_t                       reason;
    ngx_http_k8s_metrics_scrape_t   result;

    memset(&result, 0, sizeof(result));

    result.node = ref_of(store, "x");
    result.scraped = ngx_current_msec;

    reason = str("told to");
    before = T * SECOND;
    text_len = 0;

    strcpy(copy, scrape);

    for (p = copy; p; p = next) {
        next = strchr(p, ';');

        if (next) {
            *next++ = '\0';
        }

        entry(p, e, &before);
    }

    ngx_http_k8s_metrics_exposition_start(e, before);

    if (strcmp(scrape, "fails") == 0
        || ngx_http_k8s_metrics_exposition_feed(e, text, text_len) != NGX_OK
        || ngx_http_k8s_metrics_exposition_end(e) != NGX_OK
        || e->scrape_error || (!e->has_node && e->npods == 0))
    {
        ngx_http_k8s_metrics_store_scrape_failed(store, result.node, NULL,
                                                 &reason);
        return;
    }

    result.has_node = e->has_node;
    result.usage = e->node;
    result.npods = e->npods;
    result.pods = e->pods;

    if (ngx_http_k8s_metrics_store_scraped(store, &result,
                                           resolution * SECOND)
        != NGX_OK)
    {
        printf("# it was not stored\n");
    }
}


/* Nanoseconds as seconds, with as many digits as there are. */

static char *
seconds(char *p, int64_t ns)
{
    int  n;

    p += sprintf(p, "%s%lld", ns < 0 ? "-" : "",
                 (long long) ((ns < 0 ? -ns : ns) / SECOND));
    n = (int) ((ns < 0 ? -ns : ns) % SECOND);

    if (n) {
        p += sprintf(p, ".%09d", n);

        while (p[-1] == '0') {
            p--;
        }
    }

    return p;
}


static void
served(char *p, store_t *store, ngx_uint_t kind, int resolution)
{
    ngx_uint_t                     i;
    ngx_http_k8s_metrics_item_t    item;
    ngx_http_k8s_metrics_walk_t    walk;
    ngx_http_k8s_metrics_batch_t   batch;
    ngx_http_k8s_metrics_query_t   query;

    static u_char                  mem[65536];

    memset(&walk, 0, sizeof(walk));
    memset(&batch, 0, sizeof(batch));
    memset(&query, 0, sizeof(query));

    query.kind = kind;
    query.name = str(kind == NODES ? "x" : "p");
    query.now = ngx_current_msec;
    query.max_age = 2000 * resolution;

    batch.mem = mem;
    batch.size = sizeof(mem);
    batch.items = &item;
    batch.max = 1;

    if (kind == NODES) {
        p += sprintf(p, "node ");
    }

    if (ngx_http_k8s_metrics_store_read(store, &query, &walk, &batch)
        != NGX_OK
        || batch.n == 0)
    {
        strcpy(p, "none");
        return;
    }

    if (!item.has_time) {
        sprintf(p, "%s", (item.window || item.nusages) ? "bad" : "null");
        return;
    }

    p = seconds(p, item.timestamp - T * SECOND);
    *p++ = ' ';
    p = seconds(p, item.window);
    p += sprintf(p, "s");

    for (i = 0; i < item.nusages; i++) {
        p += sprintf(p, " %.*s %llu %llu",
                     kind == NODES ? 4 : (int) item.usages[i].name.len,
                     kind == NODES ? (u_char *) "node"
                                   : item.usages[i].name.data,
                     (unsigned long long) item.usages[i].cpu,
                     (unsigned long long) item.usages[i].memory);
    }

    *p = '\0';
}


static void
test_row(const row_t *row)
{
    int                                 i;
    char                                got[1024];
    store_t                            *store;
    const step_t                       *step;
    ngx_http_k8s_metrics_exposition_t   e;

    store = fixture_create(MEGABYTE);

    (void) put_node(store, "x", "10.0.0.1");
    (void) put_node(store, "y", "10.0.0.2");
    (void) put_pod(store, "ns", "p", "x");
    (void) put_pod(store, "ns", "q", "x");
    (void) put_pod(store, "ns", "far", "y");

    ngx_http_k8s_metrics_exposition_init(&e, &stub_log, 100, 10000);

    for (i = 0; i < STEPS && row->steps[i].scrape; i++) {
        step = &row->steps[i];

        ngx_current_msec += 1000 * row->resolution;
        scrape(store, &e, step->scrape, row->resolution);

        served(got, store, strncmp(step->want, "node", 4) == 0 ? NODES : PODS,
               row->resolution);

        if (!ok(strcmp(got, step->want) == 0, "%s: %d", row->what, i + 1)) {
            printf("# %s\n# got      %s\n# expected %s\n", step->scrape, got,
                   step->want);
        }
    }

    sound(store, row->what);

    ngx_http_k8s_metrics_exposition_destroy(&e);
    fixture_destroy(store);
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_row(&rows[i]);
    }

    return done();
}
