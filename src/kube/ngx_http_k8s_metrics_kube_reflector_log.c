
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"
#include "ngx_http_k8s_metrics_store_stats.h"


#define NGX_HTTP_K8S_METRICS_REFLECTOR_SAY       60000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_SAY_NEW   5000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_NAME      320     /* longest shown */


static void ngx_http_k8s_metrics_reflector_words(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res, char *buf, size_t size);


/* one line when it begins to fail or fails otherwise, then one a minute */

void
ngx_http_k8s_metrics_reflector_failed(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res)
{
    char         words[sizeof(r->last)];
    ngx_str_t   *server;
    ngx_msec_t   since;
    ngx_uint_t   other;

    ngx_http_k8s_metrics_reflector_words(r, res, words, sizeof(words));

    since = ngx_current_msec - r->said;
    other = (ngx_strcmp(words, r->last) != 0);

    r->failures++;

    if (r->desc->stored) {
        ngx_http_k8s_metrics_store_count(r->kube->store,
                      NGX_HTTP_K8S_METRICS_STAT_UNHEARD + r->desc->kind, 1);
    }

    if (r->failures > 1
        && since < (other ? NGX_HTTP_K8S_METRICS_REFLECTOR_SAY_NEW
                          : NGX_HTTP_K8S_METRICS_REFLECTOR_SAY))
    {
        return;
    }

    /* permissions that nobody granted meanwhile are said once */

    if (!other && (res->status == 403 || res->status == 404)) {
        return;
    }

    r->said = ngx_current_msec;
    ngx_memcpy(r->last, words, sizeof(words));

    server = ngx_http_k8s_metrics_kube_server(r->kube->client);

    if (r->failures > 1) {
        ngx_log_error(NGX_LOG_ERR, r->kube->log, 0,
                      "k8s_metrics: API server \"%V\": %s, failure %ui in a "
                      "row", server, words, r->failures);

    } else {
        ngx_log_error(NGX_LOG_ERR, r->kube->log, 0,
                      "k8s_metrics: API server \"%V\": %s", server, words);
    }
}


static void
ngx_http_k8s_metrics_reflector_words(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res, char *buf, size_t size)
{
    u_char      *p, *last;
    const char  *what;

    what = (r->state == ngx_http_k8s_metrics_reflector_watch) ? "watch"
                                                               : "list";

    ngx_memzero(buf, size);

    p = (u_char *) buf;
    last = p + size - 1;

    p = ngx_slprintf(p, last, "%s of %s failed: ", what, r->desc->name);

    if (r->error_code) {
        (void) ngx_slprintf(p, last, "error event with code %ui",
                            r->error_code);

    } else if (r->error) {
        (void) ngx_slprintf(p, last, "%s", r->error);

    } else if (res->status && res->status != 200) {
        (void) ngx_slprintf(p, last, "answered %ui%s", res->status,
                            (res->status == 403)
                                ? " (is a role with list and watch bound?)"
                                : (res->status == 401)
                                      ? " (our credentials are refused)"
                                      : "");

    } else {
        (void) ngx_slprintf(p, last, "%s",
                            res->error[0] ? res->error : "unknown reason");
    }
}


void
ngx_http_k8s_metrics_reflector_works(ngx_http_k8s_metrics_reflector_t *r)
{
    if (r->desc->stored) {
        ngx_http_k8s_metrics_store_heard(r->kube->store, r->desc->kind);
    }

    if (r->failures == 0) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->kube->log, 0,
                  "k8s_metrics: API server \"%V\": %s of %s works again after "
                  "%ui failures",
                  ngx_http_k8s_metrics_kube_server(r->kube->client),
                  r->listed == ngx_current_msec ? "list" : "watch",
                  r->desc->name, r->failures);

    r->failures = 0;
    r->last[0] = '\0';
}


/* an object that cannot be used is left out: the first, then one a minute */

void
ngx_http_k8s_metrics_reflector_bad(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    size_t   i;
    u_char  *p, name[NGX_HTTP_K8S_METRICS_REFLECTOR_NAME];

    r->bad++;

    if (r->bad_said
        && ngx_current_msec - r->bad_said < NGX_HTTP_K8S_METRICS_REFLECTOR_SAY)
    {
        return;
    }

    r->bad_said = ngx_max(ngx_current_msec, 1);

    p = ngx_snprintf(name, sizeof(name), meta->ns.len ? "%V/%V" : "%V%V",
                     &meta->ns, &meta->name);

    /* what cannot be read may have any name */

    for (i = 0; i < (size_t) (p - name); i++) {
        if (name[i] <= ' ' || name[i] >= 0x7f) {
            name[i] = '?';
        }
    }

    ngx_log_error(NGX_LOG_WARN, r->kube->log, 0,
                  "k8s_metrics: API server \"%V\": one of %s is left out, "
                  "\"%*s\": %s, %ui in all",
                  ngx_http_k8s_metrics_kube_server(r->kube->client),
                  r->desc->name, (size_t) (p - name), name, meta->bad, r->bad);
}
