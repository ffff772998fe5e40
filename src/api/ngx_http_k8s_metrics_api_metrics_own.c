
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


/* What metrics-server has no names for. */

typedef struct {
    const char         *value;      /* of the label */
    ngx_uint_t          stat;
} ngx_http_k8s_metrics_row_t;


static void ngx_http_k8s_metrics_own_sample(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *label, const char *value);
static void ngx_http_k8s_metrics_own_rows(ngx_http_k8s_metrics_page_t *page,
    const char *name, const char *label,
    const ngx_http_k8s_metrics_row_t *rows);
static void ngx_http_k8s_metrics_own_one(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help, uint64_t value);
static void ngx_http_k8s_metrics_own_kinds(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help, uint64_t nodes,
    uint64_t pods);
static void ngx_http_k8s_metrics_own_reviews(ngx_http_k8s_metrics_page_t *page,
    const char *kind, ngx_uint_t stat);


static const ngx_http_k8s_metrics_row_t  ngx_http_k8s_metrics_lines[] = {
    { "malformed", NGX_HTTP_K8S_METRICS_STAT_MALFORMED },
    { "value", NGX_HTTP_K8S_METRICS_STAT_VALUE },
    { "timestamp", NGX_HTTP_K8S_METRICS_STAT_TIMESTAMP },
    { "too_long", NGX_HTTP_K8S_METRICS_STAT_TOO_LONG },
    { "unnamed", NGX_HTTP_K8S_METRICS_STAT_UNNAMED },
    { "limit", NGX_HTTP_K8S_METRICS_STAT_LIMIT },
    { NULL, 0 }
};

static const ngx_http_k8s_metrics_row_t  ngx_http_k8s_metrics_pods[] = {
    { "incomplete", NGX_HTTP_K8S_METRICS_STAT_INCOMPLETE },
    { "unplaced", NGX_HTTP_K8S_METRICS_STAT_UNPLACED },
    { NULL, 0 }
};

static const ngx_http_k8s_metrics_row_t  ngx_http_k8s_metrics_answers[] = {
    { "kept", NGX_HTTP_K8S_METRICS_STAT_KEPT },
    { "resumed", NGX_HTTP_K8S_METRICS_STAT_RESUMED },
    { "full", NGX_HTTP_K8S_METRICS_STAT_FULL },
    { "plain", NGX_HTTP_K8S_METRICS_STAT_PLAIN },
    { NULL, 0 }
};


static void
ngx_http_k8s_metrics_own_sample(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *label, const char *value)
{
    ngx_http_k8s_metrics_page_cstr(out, name);
    ngx_http_k8s_metrics_out_byte(out, '{');
    ngx_http_k8s_metrics_page_cstr(out, label);
    ngx_http_k8s_metrics_out_lit(out, "=\"");
    ngx_http_k8s_metrics_page_cstr(out, value);
    ngx_http_k8s_metrics_out_lit(out, "\"} ");
}


static void
ngx_http_k8s_metrics_own_rows(ngx_http_k8s_metrics_page_t *page,
    const char *name, const char *label,
    const ngx_http_k8s_metrics_row_t *rows)
{
    for ( /* void */ ; rows->value; rows++) {
        ngx_http_k8s_metrics_own_sample(&page->list.out, name, label,
                                        rows->value);
        ngx_http_k8s_metrics_out_uint(&page->list.out,
                                      page->stats.counters[rows->stat]);
        ngx_http_k8s_metrics_out_byte(&page->list.out, '\n');
    }
}


static void
ngx_http_k8s_metrics_own_one(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help, uint64_t value)
{
    ngx_http_k8s_metrics_page_family(out, name, type, help);
    ngx_http_k8s_metrics_page_cstr(out, name);
    ngx_http_k8s_metrics_out_byte(out, ' ');
    ngx_http_k8s_metrics_out_uint(out, value);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_own_kinds(ngx_http_k8s_metrics_out_t *out,
    const char *name, const char *type, const char *help, uint64_t nodes,
    uint64_t pods)
{
    ngx_http_k8s_metrics_page_family(out, name, type, help);

    ngx_http_k8s_metrics_own_sample(out, name, "kind", "nodes");
    ngx_http_k8s_metrics_out_uint(out, nodes);
    ngx_http_k8s_metrics_out_byte(out, '\n');

    ngx_http_k8s_metrics_own_sample(out, name, "kind", "pods");
    ngx_http_k8s_metrics_out_uint(out, pods);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


void
ngx_http_k8s_metrics_own_scrapes(ngx_http_k8s_metrics_page_t *page)
{
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;

    ngx_http_k8s_metrics_page_family(out,
                        "ngx_http_k8s_metrics_scrapes_total", "counter",
                        "Scrapes of kubelets by how they ended.");

    for (i = 0; i < NGX_HTTP_K8S_METRICS_RESULTS; i++) {
        ngx_http_k8s_metrics_own_sample(out,
                        "ngx_http_k8s_metrics_scrapes_total", "result",
                        ngx_http_k8s_metrics_result_name(i));
        ngx_http_k8s_metrics_out_uint(out,
           page->stats.counters[NGX_HTTP_K8S_METRICS_STAT_SCRAPES + i]);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    ngx_http_k8s_metrics_page_family(out,
                        "ngx_http_k8s_metrics_dropped_lines_total", "counter",
                        "Lines of kubelets' answers that were left out.");
    ngx_http_k8s_metrics_own_rows(page,
                        "ngx_http_k8s_metrics_dropped_lines_total", "reason",
                        ngx_http_k8s_metrics_lines);

    ngx_http_k8s_metrics_page_family(out,
                        "ngx_http_k8s_metrics_dropped_pods_total", "counter",
                        "Pods of kubelets' answers that were left out: cpu or "
                        "memory is missing or 0, or the API server has no such "
                        "running pod on that node.");
    ngx_http_k8s_metrics_own_rows(page,
                        "ngx_http_k8s_metrics_dropped_pods_total", "reason",
                        ngx_http_k8s_metrics_pods);

    ngx_http_k8s_metrics_own_one(out,
                        "ngx_http_k8s_metrics_dropped_nodes_total", "counter",
                        "Answers without cpu and memory of the node itself.",
                        page->stats.counters[NGX_HTTP_K8S_METRICS_STAT_NODE]);

    ngx_http_k8s_metrics_page_family(out,
                        "ngx_http_k8s_metrics_kubelet_answers_total",
                        "counter",
                        "Answers of kubelets by the connection: kept, or new "
                        "with a resumed or full TLS handshake or without TLS.");
    ngx_http_k8s_metrics_own_rows(page,
                        "ngx_http_k8s_metrics_kubelet_answers_total",
                        "connection", ngx_http_k8s_metrics_answers);
}


void
ngx_http_k8s_metrics_own_zone(ngx_http_k8s_metrics_page_t *page)
{
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;

    ngx_http_k8s_metrics_own_one(out, "ngx_http_k8s_metrics_zone_size_bytes",
                                 "gauge", "Size of the zone.",
                                 page->state.bytes_size);

    ngx_http_k8s_metrics_own_one(out, "ngx_http_k8s_metrics_zone_used_bytes",
                                 "gauge", "Bytes of the zone in use.",
                                 page->state.bytes_used);

    ngx_http_k8s_metrics_own_one(out,
                                 "ngx_http_k8s_metrics_zone_samples_bytes",
                                 "gauge", "Of these, bytes of samples.",
                                 page->stats.bytes_samples);

    ngx_http_k8s_metrics_own_one(out,
                                 "ngx_http_k8s_metrics_zone_refusals_total",
                                 "counter",
                                 "Allocations that a full zone refused.",
                                 page->state.full);

    ngx_http_k8s_metrics_own_one(out,
                             "ngx_http_k8s_metrics_zone_refused_scrapes_total",
                             "counter",
                             "Scrapes that a full zone had no room for.",
                             page->stats.full_scrapes);

    ngx_http_k8s_metrics_own_one(out,
                             "ngx_http_k8s_metrics_zone_resets_total",
                             "counter",
                             "Times that the zone began afresh because a "
                             "worker died while it wrote.",
                             page->state.resets);
}


void
ngx_http_k8s_metrics_own_watch(ngx_http_k8s_metrics_page_t *page)
{
    uint64_t                            *n;
    ngx_uint_t                           i;
    ngx_http_k8s_metrics_out_t          *out;
    ngx_http_k8s_metrics_store_stats_t  *stats;

    out = &page->list.out;
    stats = &page->stats;
    n = stats->counters;

    ngx_http_k8s_metrics_own_kinds(out, "ngx_http_k8s_metrics_objects",
                       "gauge", "Nodes and running pods that are known.",
                       page->state.nodes, page->state.pods);

    ngx_http_k8s_metrics_own_kinds(out,
                       "ngx_http_k8s_metrics_objects_left_out",
                       "gauge", "Those that a full zone has no room for.",
                       page->state.nodes_missing, page->state.pods_missing);

    ngx_http_k8s_metrics_own_kinds(out, "ngx_http_k8s_metrics_watch_synced",
                       "gauge", "1 after the first complete list.",
                       page->state.nodes_complete, page->state.pods_complete);

    ngx_http_k8s_metrics_page_family(out,
                       "ngx_http_k8s_metrics_watch_silence_seconds", "gauge",
                       "Time since a list, an event or a bookmark came.");

    for (i = 0; i < NGX_HTTP_K8S_METRICS_KINDS; i++) {

        if (stats->heard[i] == 0) {
            continue;
        }

        ngx_http_k8s_metrics_own_sample(out,
                       "ngx_http_k8s_metrics_watch_silence_seconds", "kind",
                       (i == NGX_HTTP_K8S_METRICS_NODES) ? "nodes" : "pods");
        ngx_http_k8s_metrics_page_decimal(out,
                       ngx_http_k8s_metrics_page_since(ngx_current_msec,
                                                       stats->heard[i]), 1000);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    ngx_http_k8s_metrics_own_kinds(out,
                       "ngx_http_k8s_metrics_watch_lists_total", "counter",
                       "Complete lists.",
                       n[NGX_HTTP_K8S_METRICS_STAT_LISTS],
                       n[NGX_HTTP_K8S_METRICS_STAT_LISTS + 1]);

    ngx_http_k8s_metrics_own_kinds(out,
                       "ngx_http_k8s_metrics_watch_starts_total", "counter",
                       "Watches begun, or begun again.",
                       n[NGX_HTTP_K8S_METRICS_STAT_WATCHES],
                       n[NGX_HTTP_K8S_METRICS_STAT_WATCHES + 1]);

    ngx_http_k8s_metrics_own_kinds(out,
                       "ngx_http_k8s_metrics_watch_failures_total", "counter",
                       "Lists and watches that failed.",
                       n[NGX_HTTP_K8S_METRICS_STAT_UNHEARD],
                       n[NGX_HTTP_K8S_METRICS_STAT_UNHEARD + 1]);
}


void
ngx_http_k8s_metrics_own_requests(ngx_http_k8s_metrics_page_t *page)
{
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;

    ngx_http_k8s_metrics_own_one(out,
                       "ngx_http_k8s_metrics_requests_inflight", "gauge",
                       "Authenticated requests under way.",
                       page->stats.inflight);

    ngx_http_k8s_metrics_page_family(out,
                       "ngx_http_k8s_metrics_reviews_total", "counter",
                       "Access and token reviews by their answer; cached: "
                       "not asked again.");

    ngx_http_k8s_metrics_own_reviews(page, "access",
                                     NGX_HTTP_K8S_METRICS_STAT_ACCESS);
    ngx_http_k8s_metrics_own_reviews(page, "token",
                                     NGX_HTTP_K8S_METRICS_STAT_TOKEN);
}


static void
ngx_http_k8s_metrics_own_reviews(ngx_http_k8s_metrics_page_t *page,
    const char *kind, ngx_uint_t stat)
{
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    static const char *const     answers[] = {
        "allowed", "denied", "failed", "cached"
    };

    out = &page->list.out;

    for (i = 0; i < 4; i++) {
        ngx_http_k8s_metrics_out_lit(out,
                           "ngx_http_k8s_metrics_reviews_total{kind=\"");
        ngx_http_k8s_metrics_page_cstr(out, kind);
        ngx_http_k8s_metrics_out_lit(out, "\",result=\"");
        ngx_http_k8s_metrics_page_cstr(out, answers[i]);
        ngx_http_k8s_metrics_out_lit(out, "\"} ");
        ngx_http_k8s_metrics_out_uint(out, page->stats.counters[stat + i]);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }
}


/* One line for each worker that has figures. */

void
ngx_http_k8s_metrics_own_workers(ngx_http_k8s_metrics_page_t *page)
{
    ngx_uint_t                       i, w;
    ngx_http_k8s_metrics_out_t      *out;
    ngx_http_k8s_metrics_figures_t   f;

    static const struct {
        const char                  *name;
        const char                  *type;
        const char                  *help;
        size_t                       at;
        uint64_t                     unit;
    } rows[] = {
        { "ngx_http_k8s_metrics_nodes_owned", "gauge",
          "Nodes that the worker scrapes.",
          offsetof(ngx_http_k8s_metrics_figures_t, nodes), 1 },
        { "ngx_http_k8s_metrics_kubelet_connections_idle", "gauge",
          "Connections to kubelets that the worker keeps.",
          offsetof(ngx_http_k8s_metrics_figures_t, connections), 1 },
        { "process_cpu_seconds_total", "counter",
          "Total user and system CPU time spent in seconds.",
          offsetof(ngx_http_k8s_metrics_figures_t, cpu), 1000000 },
        { "process_open_fds", "gauge", "Number of open file descriptors.",
          offsetof(ngx_http_k8s_metrics_figures_t, fds), 1 },
        { "process_resident_memory_bytes", "gauge",
          "Resident memory size in bytes.",
          offsetof(ngx_http_k8s_metrics_figures_t, resident), 1 },
        { "process_start_time_seconds", "gauge",
          "Start time of the process since unix epoch in seconds.",
          offsetof(ngx_http_k8s_metrics_figures_t, started), 1000 }
    };

    out = &page->list.out;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ngx_http_k8s_metrics_page_family(out, rows[i].name, rows[i].type,
                                         rows[i].help);

        for (w = 0; w < page->stats.workers; w++) {

            if (ngx_http_k8s_metrics_store_figures_of(page->conf->store, w, &f)
                != NGX_OK)
            {
                continue;
            }

            ngx_http_k8s_metrics_page_cstr(out, rows[i].name);
            ngx_http_k8s_metrics_out_lit(out, "{worker=\"");
            ngx_http_k8s_metrics_out_uint(out, w);
            ngx_http_k8s_metrics_out_lit(out, "\"} ");
            ngx_http_k8s_metrics_page_decimal(out,
                            *(uint64_t *) ((u_char *) &f + rows[i].at),
                            rows[i].unit);
            ngx_http_k8s_metrics_out_byte(out, '\n');
        }
    }
}
