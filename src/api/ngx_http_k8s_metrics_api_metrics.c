
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


/*
 * metrics-server's six families, to the letter, then this module's own.  A
 * section is one family, or several; one with a handler for nodes goes on with
 * each of them.
 */

typedef struct {
    void  (*head)(ngx_http_k8s_metrics_page_t *page);
    void  (*node)(ngx_http_k8s_metrics_page_t *page,
                  const ngx_http_k8s_metrics_debug_node_t *node);
} ngx_http_k8s_metrics_section_t;


static void ngx_http_k8s_metrics_text_begin(ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_text_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_text_end(ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_text_next(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item);
static ngx_int_t ngx_http_k8s_metrics_text_load(
    ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_fresh(ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_last(ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_last_node(
    ngx_http_k8s_metrics_page_t *page,
    const ngx_http_k8s_metrics_debug_node_t *node);
static void ngx_http_k8s_metrics_text_duration(
    ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_duration_node(
    ngx_http_k8s_metrics_page_t *page,
    const ngx_http_k8s_metrics_debug_node_t *node);
static void ngx_http_k8s_metrics_text_requests(
    ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_ticks(ngx_http_k8s_metrics_page_t *page);
static void ngx_http_k8s_metrics_text_points(
    ngx_http_k8s_metrics_page_t *page);


const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_form_metrics = {
    NGX_HTTP_K8S_METRICS_JSON,
    NULL,
    ngx_http_k8s_metrics_text_begin,
    ngx_http_k8s_metrics_text_item,
    ngx_http_k8s_metrics_text_end,
    NULL,
    ngx_http_k8s_metrics_text_next,
    ngx_string("text/plain; version=0.0.4; charset=utf-8")
};


static const ngx_http_k8s_metrics_section_t
    ngx_http_k8s_metrics_sections[] =
{
    { ngx_http_k8s_metrics_text_fresh, NULL },
    { ngx_http_k8s_metrics_text_last, ngx_http_k8s_metrics_text_last_node },
    { ngx_http_k8s_metrics_text_duration,
      ngx_http_k8s_metrics_text_duration_node },
    { ngx_http_k8s_metrics_text_requests, NULL },
    { ngx_http_k8s_metrics_text_ticks, NULL },
    { ngx_http_k8s_metrics_text_points, NULL },
    { ngx_http_k8s_metrics_own_scrapes, NULL },
    { ngx_http_k8s_metrics_own_zone, NULL },
    { ngx_http_k8s_metrics_own_watch, NULL },
    { ngx_http_k8s_metrics_own_requests, NULL },
    { ngx_http_k8s_metrics_own_workers, NULL },
    { NULL, NULL }
};


/* as Go prints them */

static const char *const  ngx_http_k8s_metrics_seconds[] = {
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5",
    "10"
};

static const char *const  ngx_http_k8s_metrics_ages_text[] = {
    "1", "1.364", "1.8604960000000004", "2.5377165440000007",
    "3.4614453660160014", "4.721411479245826", "6.440005257691307",
    "8.784167171490942", "11.981604021913647", "16.342907885890217",
    "22.291726356354257", "30.405914750067208", "41.47366771909167",
    "56.57008276884105", "77.16159289669919", "105.2484127110977",
    "143.55883493793726", "195.81425085534644", "267.09063816669254",
    "364.31163045936864"
};


ngx_int_t
ngx_http_k8s_metrics_api_metrics(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf)
{
    return ngx_http_k8s_metrics_page_send(r, conf,
                                          &ngx_http_k8s_metrics_form_metrics);
}


static void
ngx_http_k8s_metrics_text_begin(ngx_http_k8s_metrics_list_t *list)
{
}


static void
ngx_http_k8s_metrics_text_end(ngx_http_k8s_metrics_list_t *list)
{
    list->ended = 1;
}


static ngx_int_t
ngx_http_k8s_metrics_text_next(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    while (list->next == page->n) {

        if (ngx_http_k8s_metrics_list_spent(list)) {
            return NGX_AGAIN;
        }

        list->next = 0;

        if (ngx_http_k8s_metrics_text_load(page) != NGX_OK) {
            page->n = 0;
            return NGX_DONE;
        }
    }

    page->unit = list->next++;
    *item = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_text_load(ngx_http_k8s_metrics_page_t *page)
{
    const ngx_http_k8s_metrics_section_t  *s;

    if (page->section) {
        s = &ngx_http_k8s_metrics_sections[page->section - 1];

        if (s->head == NULL) {
            return NGX_DONE;
        }

        if (s->node && ngx_http_k8s_metrics_page_nodes(page) == NGX_OK) {
            return NGX_OK;
        }
    }

    page->section++;
    page->in_nodes = 0;
    page->n = 1;

    return ngx_http_k8s_metrics_sections[page->section - 1].head ? NGX_OK
                                                                 : NGX_DONE;
}


static void
ngx_http_k8s_metrics_text_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    const ngx_http_k8s_metrics_section_t  *s;

    s = &ngx_http_k8s_metrics_sections[page->section - 1];

    if (page->in_nodes) {
        s->node(page, &page->nodes[page->unit]);

    } else {
        s->head(page);
    }
}


static void
ngx_http_k8s_metrics_text_fresh(ngx_http_k8s_metrics_page_t *page)
{
    uint64_t                     sum;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;
    sum = 0;

    ngx_http_k8s_metrics_page_family(out,
                            "metrics_server_api_metric_freshness_seconds",
                            "histogram",
                            "[ALPHA] Freshness of metrics exported");

    for (i = 0; i <= NGX_HTTP_K8S_METRICS_AGES; i++) {
        sum += page->stats.fresh[i];

        ngx_http_k8s_metrics_out_lit(out,
                     "metrics_server_api_metric_freshness_seconds_bucket{le="
                     "\"");
        ngx_http_k8s_metrics_page_cstr(out, (i < NGX_HTTP_K8S_METRICS_AGES)
                                           ? ngx_http_k8s_metrics_ages_text[i]
                                           : "+Inf");
        ngx_http_k8s_metrics_out_lit(out, "\"} ");
        ngx_http_k8s_metrics_out_uint(out, sum);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    ngx_http_k8s_metrics_out_lit(out,
                          "metrics_server_api_metric_freshness_seconds_sum ");
    ngx_http_k8s_metrics_page_decimal(out, page->stats.fresh_sum, 1000000);
    ngx_http_k8s_metrics_out_lit(out,
                        "\nmetrics_server_api_metric_freshness_seconds_count ");
    ngx_http_k8s_metrics_out_uint(out, sum);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_text_last(ngx_http_k8s_metrics_page_t *page)
{
    ngx_http_k8s_metrics_page_family(&page->list.out,
                            "metrics_server_kubelet_last_request_time_seconds",
                            "gauge",
                            "[ALPHA] Time of last request performed to Kubelet "
                            "API since unix epoch in seconds");
}


static void
ngx_http_k8s_metrics_text_last_node(ngx_http_k8s_metrics_page_t *page,
    const ngx_http_k8s_metrics_debug_node_t *node)
{
    ngx_http_k8s_metrics_out_t  *out;

    if (!node->asked) {
        return;
    }

    out = &page->list.out;

    ngx_http_k8s_metrics_out_lit(out,
                  "metrics_server_kubelet_last_request_time_seconds{node=\"");
    ngx_http_k8s_metrics_page_label(out, &node->name);
    ngx_http_k8s_metrics_out_lit(out, "\"} ");
    ngx_http_k8s_metrics_out_uint(out, node->ended);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_text_duration(ngx_http_k8s_metrics_page_t *page)
{
    ngx_http_k8s_metrics_page_family(&page->list.out,
                            "metrics_server_kubelet_request_duration_seconds",
                            "histogram",
                            "[ALPHA] Duration of requests to Kubelet API in "
                            "seconds");
}


static void
ngx_http_k8s_metrics_text_duration_node(ngx_http_k8s_metrics_page_t *page,
    const ngx_http_k8s_metrics_debug_node_t *node)
{
    uint64_t                     sum;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    if (!node->asked) {
        return;
    }

    out = &page->list.out;
    sum = 0;

    for (i = 0; i <= NGX_HTTP_K8S_METRICS_DURATIONS; i++) {
        sum += node->buckets[i];

        ngx_http_k8s_metrics_out_lit(out,
            "metrics_server_kubelet_request_duration_seconds_bucket{node=\"");
        ngx_http_k8s_metrics_page_label(out, &node->name);
        ngx_http_k8s_metrics_out_lit(out, "\",le=\"");
        ngx_http_k8s_metrics_page_cstr(out,
                                      (i < NGX_HTTP_K8S_METRICS_DURATIONS)
                                      ? ngx_http_k8s_metrics_seconds[i]
                                      : "+Inf");
        ngx_http_k8s_metrics_out_lit(out, "\"} ");
        ngx_http_k8s_metrics_out_uint(out, sum);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    ngx_http_k8s_metrics_out_lit(out,
               "metrics_server_kubelet_request_duration_seconds_sum{node=\"");
    ngx_http_k8s_metrics_page_label(out, &node->name);
    ngx_http_k8s_metrics_out_lit(out, "\"} ");
    ngx_http_k8s_metrics_page_decimal(out, node->sum, 1000000);
    ngx_http_k8s_metrics_out_lit(out,
           "\nmetrics_server_kubelet_request_duration_seconds_count{node=\"");
    ngx_http_k8s_metrics_page_label(out, &node->name);
    ngx_http_k8s_metrics_out_lit(out, "\"} ");
    ngx_http_k8s_metrics_out_uint(out, sum);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


/* What a full zone did not take was answered all the same. */

static void
ngx_http_k8s_metrics_text_requests(ngx_http_k8s_metrics_page_t *page)
{
    uint64_t                     good, all, *n;
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;
    n = &page->stats.counters[NGX_HTTP_K8S_METRICS_STAT_SCRAPES];

    good = n[NGX_HTTP_K8S_METRICS_RESULT_OK]
           + n[NGX_HTTP_K8S_METRICS_RESULT_ZONE_FULL];
    all = 0;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_RESULTS; i++) {
        all += n[i];
    }

    ngx_http_k8s_metrics_page_family(out,
                            "metrics_server_kubelet_request_total", "counter",
                            "[ALPHA] Number of requests sent to Kubelet API");

    ngx_http_k8s_metrics_out_lit(out,
                    "metrics_server_kubelet_request_total{success=\"false\"} ");
    ngx_http_k8s_metrics_out_uint(out, all - good);
    ngx_http_k8s_metrics_out_lit(out,
                   "\nmetrics_server_kubelet_request_total{success=\"true\"} ");
    ngx_http_k8s_metrics_out_uint(out, good);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_text_ticks(ngx_http_k8s_metrics_page_t *page)
{
    uint64_t                     sum, bounds[NGX_HTTP_K8S_METRICS_TICKS];
    ngx_uint_t                   i, n;
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;
    sum = 0;

    ngx_http_k8s_metrics_page_family(out,
                            "metrics_server_manager_tick_duration_seconds",
                            "histogram",
                            "[ALPHA] The total time spent collecting and "
                            "storing metrics in seconds.");

    n = ngx_http_k8s_metrics_tick_bounds(page->stats.tick_resolution
                                         ? page->stats.tick_resolution
                                         : page->conf->resolution, bounds);

    for (i = 0; i <= n; i++) {
        sum += page->stats.ticks[i];

        ngx_http_k8s_metrics_out_lit(out,
                    "metrics_server_manager_tick_duration_seconds_bucket{le="
                    "\"");
        if (i < n) {
            ngx_http_k8s_metrics_page_decimal(out, bounds[i], 1000000);

        } else {
            ngx_http_k8s_metrics_out_lit(out, "+Inf");
        }

        ngx_http_k8s_metrics_out_lit(out, "\"} ");
        ngx_http_k8s_metrics_out_uint(out, sum);
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }

    ngx_http_k8s_metrics_out_lit(out,
                         "metrics_server_manager_tick_duration_seconds_sum ");
    ngx_http_k8s_metrics_page_decimal(out, page->stats.tick_sum, 1000000);
    ngx_http_k8s_metrics_out_lit(out,
                     "\nmetrics_server_manager_tick_duration_seconds_count ");
    ngx_http_k8s_metrics_out_uint(out, sum);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}


static void
ngx_http_k8s_metrics_text_points(ngx_http_k8s_metrics_page_t *page)
{
    ngx_http_k8s_metrics_out_t  *out;

    out = &page->list.out;

    ngx_http_k8s_metrics_page_family(out, "metrics_server_storage_points",
                            "gauge",
                            "[ALPHA] Number of metrics points stored.");

    ngx_http_k8s_metrics_out_lit(out,
                         "metrics_server_storage_points{type=\"container\"} ");
    ngx_http_k8s_metrics_out_uint(out, page->state.container_points);
    ngx_http_k8s_metrics_out_lit(out,
                         "\nmetrics_server_storage_points{type=\"node\"} ");
    ngx_http_k8s_metrics_out_uint(out, page->state.node_points);
    ngx_http_k8s_metrics_out_byte(out, '\n');
}
