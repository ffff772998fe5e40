
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_exposition_internal.h"


/* the first double past the largest uint64_t and int64_t */
#define NGX_HTTP_K8S_METRICS_TWO_64          18446744073709551616.0
#define NGX_HTTP_K8S_METRICS_TWO_63          9223372036854775808.0

#define NGX_HTTP_K8S_METRICS_MAX_MSEC        9223372036854LL


typedef enum {
    ngx_http_k8s_metrics_node_cpu = 0,
    ngx_http_k8s_metrics_node_memory,
    ngx_http_k8s_metrics_container_cpu,
    ngx_http_k8s_metrics_container_memory,
    ngx_http_k8s_metrics_container_start,
    ngx_http_k8s_metrics_scrape_error,
    ngx_http_k8s_metrics_resource_scrape_error,
    ngx_http_k8s_metrics_other = NGX_HTTP_K8S_METRICS_METRIC_NONE
} ngx_http_k8s_metrics_metric_e;


static const u_char *ngx_http_k8s_metrics_exposition_metric(
    ngx_http_k8s_metrics_exposition_t *e, const u_char *p,
    const u_char *last);
static ngx_int_t ngx_http_k8s_metrics_exposition_container(
    ngx_http_k8s_metrics_exposition_t *e, const u_char **pos,
    const u_char *last, uint32_t *entry);
static const u_char *ngx_http_k8s_metrics_exposition_labels(const u_char *p,
    const u_char *last, ngx_http_k8s_metrics_exposition_labels_t *labels);
static const u_char *ngx_http_k8s_metrics_exposition_label(const u_char *p,
    const u_char *last, ngx_http_k8s_metrics_exposition_labels_t *labels);
static ngx_int_t ngx_http_k8s_metrics_exposition_sample(
    ngx_http_k8s_metrics_exposition_t *e, const u_char *p,
    const u_char *last, double *value, int64_t *time);
static ngx_int_t ngx_http_k8s_metrics_exposition_time(const u_char *p,
    const u_char *last, int64_t *time);
static ngx_int_t ngx_http_k8s_metrics_exposition_number(double value,
    double scale, uint64_t *number);
static void ngx_http_k8s_metrics_exposition_set(
    ngx_http_k8s_metrics_exposition_t *e, uint32_t entry, double value,
    int64_t time);
static ngx_int_t ngx_http_k8s_metrics_exposition_set_container(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_entry_t *n, double value, int64_t time);
static ngx_int_t ngx_http_k8s_metrics_exposition_set_node(
    ngx_http_k8s_metrics_exposition_t *e, double value, int64_t time);


#define ngx_http_k8s_metrics_blank(c)  ((c) == ' ' || (c) == '\t')


static const ngx_str_t  ngx_http_k8s_metrics_metrics[] = {
    ngx_string("node_cpu_usage_seconds_total"),
    ngx_string("node_memory_working_set_bytes"),
    ngx_string("container_cpu_usage_seconds_total"),
    ngx_string("container_memory_working_set_bytes"),
    ngx_string("container_start_time_seconds"),
    ngx_string("scrape_error"),
    ngx_string("resource_scrape_error"),
    ngx_null_string
};


ngx_int_t
ngx_http_k8s_metrics_exposition_line(ngx_http_k8s_metrics_exposition_t *e,
    const u_char *p, const u_char *last)
{
    double      value;
    int64_t     time;
    uint32_t    entry;
    ngx_int_t   rc;

    while (p < last && ngx_http_k8s_metrics_blank(*p)) {
        p++;
    }

    if (p == last || *p == '#') {
        return NGX_OK;
    }

    e->nlines++;

    p = ngx_http_k8s_metrics_exposition_metric(e, p, last);

    if (p == NULL) {
        return NGX_OK;
    }

    entry = NGX_HTTP_K8S_METRICS_NONE;

    rc = ngx_http_k8s_metrics_exposition_container(e, &p, last, &entry);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    if (ngx_http_k8s_metrics_exposition_sample(e, p, last, &value, &time)
        == NGX_OK)
    {
        ngx_http_k8s_metrics_exposition_set(e, entry, value, time);
    }

    return NGX_OK;
}


/*
 * Sets e->metric and returns what follows the metric's name; NULL when it is
 * none of those that count.
 */

static const u_char *
ngx_http_k8s_metrics_exposition_metric(ngx_http_k8s_metrics_exposition_t *e,
    const u_char *p, const u_char *last)
{
    size_t            len;
    u_char            c;
    ngx_uint_t        i;
    const u_char     *name;
    const ngx_str_t  *m;

    /* mostly that of the line before */

    m = &ngx_http_k8s_metrics_metrics[e->metric];

    if (m->len && (size_t) (last - p) > m->len && p[m->len] == '{'
        && ngx_memcmp(p, m->data, m->len) == 0)
    {
        return p + m->len;
    }

    for (name = p; p < last; p++) {
        c = *p;

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || c == '_' || c == ':'
              || (c >= '0' && c <= '9' && p != name)))
        {
            break;
        }
    }

    len = p - name;

    if (len == 0
        || p == last || (*p != '{' && !ngx_http_k8s_metrics_blank(*p)))
    {
        e->dropped.malformed++;
        return NULL;
    }

    for (i = 0; i < ngx_http_k8s_metrics_other; i++) {
        m = &ngx_http_k8s_metrics_metrics[i];

        if (m->len == len && ngx_memcmp(m->data, name, len) == 0) {
            break;
        }
    }

    if (i != e->metric) {
        e->metric = i;
        e->next = 0;
    }

    return (i == ngx_http_k8s_metrics_other) ? NULL : p;
}


/*
 * Reads the labels, if there are any, and finds the container where the
 * metric is of one.  NGX_OK, NGX_DECLINED (dropped and counted), NGX_ERROR.
 */

static ngx_int_t
ngx_http_k8s_metrics_exposition_container(
    ngx_http_k8s_metrics_exposition_t *e, const u_char **pos,
    const u_char *last, uint32_t *entry)
{
    ngx_int_t                                   rc;
    ngx_str_t                                   raw;
    ngx_uint_t                                  container;
    const u_char                               *p, *end;
    ngx_http_k8s_metrics_exposition_entry_t    *n;
    ngx_http_k8s_metrics_exposition_labels_t    labels;

    container = (e->metric == ngx_http_k8s_metrics_container_cpu
                 || e->metric == ngx_http_k8s_metrics_container_memory
                 || e->metric == ngx_http_k8s_metrics_container_start);

    for (p = *pos; p < last && ngx_http_k8s_metrics_blank(*p); p++) {
        /* void */
    }

    if (p == last || *p != '{') {
        *pos = p;

        if (container) {
            e->dropped.unnamed++;
            return NGX_DECLINED;
        }

        return NGX_OK;
    }

    p++;

    if (container && e->next < e->nentries) {
        n = &e->entries[e->next];

        if (n->raw_len && (size_t) (last - p) > n->raw_len
            && ngx_memcmp(e->names + n->raw, p, n->raw_len) == 0)
        {
            *pos = p + n->raw_len;
            *entry = (uint32_t) e->next++;
            return NGX_OK;
        }
    }

    ngx_memzero(&labels, sizeof(ngx_http_k8s_metrics_exposition_labels_t));

    end = ngx_http_k8s_metrics_exposition_labels(p, last, &labels);

    if (end == NULL) {
        e->dropped.malformed++;
        return NGX_DECLINED;
    }

    *pos = end;

    if (!container) {
        return NGX_OK;
    }

    /* no name that Kubernetes gives holds what is escaped */

    if (labels.ns.len == 0 || labels.pod.len == 0
        || labels.container.len == 0 || labels.escaped)
    {
        e->dropped.unnamed++;
        return NGX_DECLINED;
    }

    raw.data = (u_char *) p;
    raw.len = end - p;

    rc = ngx_http_k8s_metrics_exposition_entry(e, &raw, &labels, entry);

    if (rc == NGX_OK) {
        e->next = *entry + 1;
    }

    return rc;
}


/* From behind the "{" to behind the "}", or NULL. */

static const u_char *
ngx_http_k8s_metrics_exposition_labels(const u_char *p, const u_char *last,
    ngx_http_k8s_metrics_exposition_labels_t *labels)
{
    for ( ;; ) {

        while (p < last && ngx_http_k8s_metrics_blank(*p)) {
            p++;
        }

        if (p == last) {
            return NULL;
        }

        if (*p == '}') {
            return p + 1;
        }

        p = ngx_http_k8s_metrics_exposition_label(p, last, labels);

        if (p == NULL) {
            return NULL;
        }

        while (p < last && ngx_http_k8s_metrics_blank(*p)) {
            p++;
        }

        if (p == last || (*p != ',' && *p != '}')) {
            return NULL;
        }

        if (*p == ',') {
            p++;
        }
    }
}


/* NAME="VALUE"; returns what follows, or NULL. */

static const u_char *
ngx_http_k8s_metrics_exposition_label(const u_char *p, const u_char *last,
    ngx_http_k8s_metrics_exposition_labels_t *labels)
{
    size_t         len;
    ngx_str_t     *value, other;
    const u_char  *name;

    for (name = p;
         p < last && *p != '=' && !ngx_http_k8s_metrics_blank(*p)
         && *p != '"' && *p != ',' && *p != '}';
         p++)
    {
        /* void */
    }

    len = p - name;

    if (len == 9 && ngx_memcmp(name, "container", 9) == 0) {
        value = &labels->container;

    } else if (len == 9 && ngx_memcmp(name, "namespace", 9) == 0) {
        value = &labels->ns;

    } else if (len == 3 && ngx_memcmp(name, "pod", 3) == 0) {
        value = &labels->pod;

    } else {
        value = &other;
    }

    /* the same label twice: which one would be meant? */

    if (value != &other && value->data) {
        return NULL;
    }

    while (p < last && ngx_http_k8s_metrics_blank(*p)) {
        p++;
    }

    if (len == 0 || p == last || *p != '=') {
        return NULL;
    }

    for (p++; p < last && ngx_http_k8s_metrics_blank(*p); p++) { /* void */ }

    if (p == last || *p != '"') {
        return NULL;
    }

    value->data = (u_char *) ++p;

    while (p < last && *p != '"') {

        if (*p == '\\') {
            if (value != &other) {
                labels->escaped = 1;
            }

            if (++p == last) {
                return NULL;
            }
        }

        p++;
    }

    if (p == last) {
        return NULL;
    }

    value->len = p - value->data;

    return p + 1;
}


/* What stands behind the labels.  NGX_OK, or NGX_DECLINED (counted). */

static ngx_int_t
ngx_http_k8s_metrics_exposition_sample(ngx_http_k8s_metrics_exposition_t *e,
    const u_char *p, const u_char *last, double *value, int64_t *time)
{
    ngx_int_t  rc;

    while (p < last && ngx_http_k8s_metrics_blank(*p)) {
        p++;
    }

    rc = ngx_http_k8s_metrics_exposition_value(p, last, value, &p);

    if (rc == NGX_ERROR) {
        e->dropped.malformed++;
        return NGX_DECLINED;
    }

    if (rc == NGX_DECLINED) {
        e->dropped.value++;
        return NGX_DECLINED;
    }

    while (p < last && ngx_http_k8s_metrics_blank(*p)) {
        p++;
    }

    if (p == last) {
        *time = e->time;
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_exposition_time(p, last, time) != NGX_OK) {
        e->dropped.timestamp++;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* Milliseconds to nanoseconds. */

static ngx_int_t
ngx_http_k8s_metrics_exposition_time(const u_char *p, const u_char *last,
    int64_t *time)
{
    int64_t        ms;
    const u_char  *first;

    if (*p == '+') {
        p++;
    }

    ms = 0;

    for (first = p; p < last && *p >= '0' && *p <= '9'; p++) {
        ms = ms * 10 + (*p - '0');

        if (ms > NGX_HTTP_K8S_METRICS_MAX_MSEC) {
            return NGX_ERROR;
        }
    }

    if (p == first || ms == 0) {
        return NGX_ERROR;
    }

    while (p < last && ngx_http_k8s_metrics_blank(*p)) {
        p++;
    }

    if (p != last) {
        return NGX_ERROR;
    }

    *time = ms * 1000000;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_number(double value, double scale,
    uint64_t *number)
{
    value *= scale;

    if (!(value >= 0 && value < NGX_HTTP_K8S_METRICS_TWO_64)) {
        return NGX_DECLINED;
    }

    *number = (uint64_t) value;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_exposition_set(ngx_http_k8s_metrics_exposition_t *e,
    uint32_t entry, double value, int64_t time)
{
    ngx_int_t  rc;

    if (entry != NGX_HTTP_K8S_METRICS_NONE) {
        rc = ngx_http_k8s_metrics_exposition_set_container(e,
                                            &e->entries[entry], value, time);

    } else if (e->metric == ngx_http_k8s_metrics_node_cpu
               || e->metric == ngx_http_k8s_metrics_node_memory)
    {
        rc = ngx_http_k8s_metrics_exposition_set_node(e, value, time);

    } else {
        e->scrape_error |= (value != 0);
        rc = NGX_OK;
    }

    if (rc == NGX_OK) {
        e->nsamples++;

    } else {
        e->dropped.value++;
    }
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_set_container(
    ngx_http_k8s_metrics_exposition_t *e,
    ngx_http_k8s_metrics_exposition_entry_t *n, double value, int64_t time)
{
    uint64_t  start;

    if (e->metric == ngx_http_k8s_metrics_container_start) {

        if (ngx_http_k8s_metrics_exposition_number(value, 1e9, &start)
            != NGX_OK
            || start >= (uint64_t) NGX_HTTP_K8S_METRICS_TWO_63)
        {
            return NGX_DECLINED;
        }

        n->start = (int64_t) start;

        return NGX_OK;
    }

    if (e->metric == ngx_http_k8s_metrics_container_cpu) {

        if (ngx_http_k8s_metrics_exposition_number(value, 1e9, &n->cpu)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        n->have |= NGX_HTTP_K8S_METRICS_HAVE_CPU;

    } else {

        if (ngx_http_k8s_metrics_exposition_number(value, 1, &n->memory)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        n->have |= NGX_HTTP_K8S_METRICS_HAVE_MEMORY;
    }

    n->time = ngx_max(n->time, time);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_exposition_set_node(
    ngx_http_k8s_metrics_exposition_t *e, double value, int64_t time)
{
    if (e->metric == ngx_http_k8s_metrics_node_cpu) {

        if (ngx_http_k8s_metrics_exposition_number(value, 1e9, &e->node.cpu)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        e->node_have |= NGX_HTTP_K8S_METRICS_HAVE_CPU;

    } else {

        if (ngx_http_k8s_metrics_exposition_number(value, 1,
                                                   &e->node.memory)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        e->node_have |= NGX_HTTP_K8S_METRICS_HAVE_MEMORY;
    }

    e->node.timestamp = ngx_max(e->node.timestamp, time);

    return NGX_OK;
}
