
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_internal.h"


#define NGX_HTTP_K8S_METRICS_LIVEZ    0x1
#define NGX_HTTP_K8S_METRICS_READYZ   0x2
#define NGX_HTTP_K8S_METRICS_HEALTHZ  0x4
#define NGX_HTTP_K8S_METRICS_ALL      0x7

/* so many ?exclude= are looked at */
#define NGX_HTTP_K8S_METRICS_HEALTH_ARGS  4096
#define NGX_HTTP_K8S_METRICS_EXCLUDES     32


typedef struct {
    ngx_str_t            name;
    ngx_uint_t           where;

    /* 1 when it is fine; NULL: as long as this process answers */
    ngx_uint_t         (*ok)(ngx_http_k8s_metrics_api_conf_t *conf,
                             ngx_http_k8s_metrics_store_state_t *state);
} ngx_http_k8s_metrics_check_t;


static ngx_uint_t ngx_http_k8s_metrics_check_timely(
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state);
static ngx_uint_t ngx_http_k8s_metrics_check_storage(
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state);
static ngx_uint_t ngx_http_k8s_metrics_check_nodes(
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state);
static ngx_uint_t ngx_http_k8s_metrics_check_pods(
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state);
static ngx_uint_t ngx_http_k8s_metrics_check_shutdown(
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state);
static ngx_int_t ngx_http_k8s_metrics_health_one(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state, ngx_uint_t where,
    const ngx_str_t *name);
static ngx_int_t ngx_http_k8s_metrics_health_all(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state, ngx_uint_t where,
    const ngx_str_t *endpoint);
static ngx_int_t ngx_http_k8s_metrics_health_excluded(ngx_http_request_t *r,
    ngx_str_t *excludes, ngx_uint_t *n);
static void ngx_http_k8s_metrics_health_warn(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t where, ngx_str_t *excludes, ngx_uint_t n);
static ngx_int_t ngx_http_k8s_metrics_health_send(ngx_http_request_t *r,
    ngx_uint_t code, ngx_str_t *body, ngx_uint_t nosniff);


/* The names and their order are metrics-server's: tools compare them. */

static ngx_http_k8s_metrics_check_t  ngx_http_k8s_metrics_checks[] = {
    { ngx_string("ping"), NGX_HTTP_K8S_METRICS_ALL, NULL },
    { ngx_string("log"), NGX_HTTP_K8S_METRICS_ALL, NULL },
    { ngx_string("poststarthook/max-in-flight-filter"),
      NGX_HTTP_K8S_METRICS_ALL, NULL },
    { ngx_string("poststarthook/storage-object-count-tracker-hook"),
      NGX_HTTP_K8S_METRICS_ALL, NULL },
    { ngx_string("metric-collection-timely"), NGX_HTTP_K8S_METRICS_LIVEZ,
      ngx_http_k8s_metrics_check_timely },
    { ngx_string("metric-storage-ready"), NGX_HTTP_K8S_METRICS_READYZ,
      ngx_http_k8s_metrics_check_storage },
    { ngx_string("metric-informer-sync"), NGX_HTTP_K8S_METRICS_READYZ,
      ngx_http_k8s_metrics_check_nodes },
    { ngx_string("metadata-informer-sync"), NGX_HTTP_K8S_METRICS_ALL,
      ngx_http_k8s_metrics_check_pods },
    { ngx_string("shutdown"), NGX_HTTP_K8S_METRICS_READYZ,
      ngx_http_k8s_metrics_check_shutdown },
    { ngx_null_string, 0, NULL }
};


ngx_int_t
ngx_http_k8s_metrics_api_health(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf, const ngx_str_t *path)
{
    ngx_str_t                           name;
    ngx_uint_t                          i;
    ngx_http_k8s_metrics_store_state_t  state;

    static ngx_str_t                    endpoints[] = {
        ngx_string("livez"), ngx_string("readyz"), ngx_string("healthz")
    };

    for (i = 0; i < 3; i++) {

        if (path->len <= endpoints[i].len
            || ngx_memcmp(path->data + 1, endpoints[i].data, endpoints[i].len)
               != 0)
        {
            continue;
        }

        name.data = path->data + 1 + endpoints[i].len;
        name.len = path->len - 1 - endpoints[i].len;

        if (name.len && name.data[0] != '/') {
            continue;
        }

        ngx_http_k8s_metrics_store_state(conf->store, &state);

        if (name.len == 0) {
            return ngx_http_k8s_metrics_health_all(r, conf, &state,
                                                   1 << i, &endpoints[i]);
        }

        name.data++;
        name.len--;

        return ngx_http_k8s_metrics_health_one(r, conf, &state, 1 << i, &name);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_health_one(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state, ngx_uint_t where,
    const ngx_str_t *name)
{
    ngx_str_t                      body;
    ngx_http_k8s_metrics_check_t  *c;

    for (c = ngx_http_k8s_metrics_checks; c->name.len; c++) {

        if (!(c->where & where) || c->name.len != name->len
            || ngx_memcmp(c->name.data, name->data, name->len) != 0)
        {
            continue;
        }

        if (c->ok == NULL || c->ok(conf, state)) {
            ngx_str_set(&body, "ok");
            return ngx_http_k8s_metrics_health_send(r, NGX_HTTP_OK, &body, 0);
        }

        ngx_str_set(&body, "internal server error: reason withheld\n");
        return ngx_http_k8s_metrics_health_send(r,
                                       NGX_HTTP_INTERNAL_SERVER_ERROR, &body,
                                       1);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_health_all(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state, ngx_uint_t where,
    const ngx_str_t *endpoint)
{
    ngx_str_t                      body, verbose;
    ngx_str_t                      excludes[NGX_HTTP_K8S_METRICS_EXCLUDES];
    ngx_uint_t                     i, n, failed;
    ngx_http_k8s_metrics_out_t     out;
    ngx_http_k8s_metrics_check_t  *c;

    if (ngx_http_k8s_metrics_health_excluded(r, excludes, &n) != NGX_OK
        || ngx_http_k8s_metrics_out_create(&out, r->pool, 1024, 65536)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    failed = 0;

    for (c = ngx_http_k8s_metrics_checks; c->name.len; c++) {

        if (!(c->where & where)) {
            continue;
        }

        for (i = 0; i < n; i++) {
            if (excludes[i].len == c->name.len
                && ngx_memcmp(excludes[i].data, c->name.data, c->name.len)
                   == 0)
            {
                break;
            }
        }

        if (i < n) {
            ngx_http_k8s_metrics_out_lit(&out, "[+]");
            ngx_http_k8s_metrics_out_str(&out, &c->name);
            ngx_http_k8s_metrics_out_lit(&out, " excluded: ok\n");

        } else if (c->ok == NULL || c->ok(conf, state)) {
            ngx_http_k8s_metrics_out_lit(&out, "[+]");
            ngx_http_k8s_metrics_out_str(&out, &c->name);
            ngx_http_k8s_metrics_out_lit(&out, " ok\n");

        } else {
            ngx_http_k8s_metrics_out_lit(&out, "[-]");
            ngx_http_k8s_metrics_out_str(&out, &c->name);
            ngx_http_k8s_metrics_out_lit(&out, " failed: reason withheld\n");
            failed = 1;
        }
    }

    ngx_http_k8s_metrics_health_warn(&out, where, excludes, n);

    if (!failed
        && ngx_http_k8s_metrics_query(r->pool, &r->args, "verbose", 0,
                                      &verbose)
           == NGX_DECLINED)
    {
        ngx_str_set(&body, "ok");
        return ngx_http_k8s_metrics_health_send(r, NGX_HTTP_OK, &body, 1);
    }

    ngx_http_k8s_metrics_out_str(&out, endpoint);

    if (failed) {
        ngx_http_k8s_metrics_out_lit(&out, " check failed\n");

    } else {
        ngx_http_k8s_metrics_out_lit(&out, " check passed\n");
    }

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out.start;
    body.len = ngx_http_k8s_metrics_out_len(&out);

    return ngx_http_k8s_metrics_health_send(r,
                            failed ? NGX_HTTP_INTERNAL_SERVER_ERROR
                                   : NGX_HTTP_OK, &body, 1);
}


static ngx_int_t
ngx_http_k8s_metrics_health_excluded(ngx_http_request_t *r,
    ngx_str_t *excludes, ngx_uint_t *n)
{
    ngx_int_t  rc;
    ngx_str_t  args;

    /* looked through once for each, for anybody */

    args = r->args;
    args.len = ngx_min(args.len, NGX_HTTP_K8S_METRICS_HEALTH_ARGS);

    for (*n = 0; *n < NGX_HTTP_K8S_METRICS_EXCLUDES; (*n)++) {

        rc = ngx_http_k8s_metrics_query(r->pool, &args, "exclude", *n,
                                        &excludes[*n]);
        if (rc == NGX_DECLINED) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_health_warn(ngx_http_k8s_metrics_out_t *out,
    ngx_uint_t where, ngx_str_t *excludes, ngx_uint_t n)
{
    ngx_uint_t                     i, unknown;
    ngx_http_k8s_metrics_check_t  *c;

    unknown = 0;

    for (i = 0; i < n; i++) {

        for (c = ngx_http_k8s_metrics_checks; c->name.len; c++) {
            if ((c->where & where) && c->name.len == excludes[i].len
                && ngx_memcmp(c->name.data, excludes[i].data, c->name.len)
                   == 0)
            {
                break;
            }
        }

        if (c->name.len) {
            continue;
        }

        if (unknown++ == 0) {
            ngx_http_k8s_metrics_out_lit(out, "warn: some health checks "
                                              "cannot be excluded: no matches "
                                              "for ");
        } else {
            ngx_http_k8s_metrics_out_byte(out, ',');
        }

        ngx_http_k8s_metrics_api_quote(out, &excludes[i]);
    }

    if (unknown) {
        ngx_http_k8s_metrics_out_byte(out, '\n');
    }
}


static ngx_int_t
ngx_http_k8s_metrics_health_send(ngx_http_request_t *r, ngx_uint_t code,
    ngx_str_t *body, ngx_uint_t nosniff)
{
    ngx_str_set(&r->headers_out.content_type, "text/plain; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (nosniff
        && ngx_http_k8s_metrics_answer_add_header(r, "X-Content-Type-Options",
                                                  "nosniff")
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_metrics_answer_send(r, code, body);
}


/*
 * Collection is on its way: the last scrape began less than 1.5 rounds ago.
 * Without nodes there is none to begin.
 */

static ngx_uint_t
ngx_http_k8s_metrics_check_timely(ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state)
{
    return state->scrape_started == 0 || state->nodes == 0
           || ngx_current_msec - (ngx_msec_t) state->scrape_started
              <= conf->resolution + conf->resolution / 2
           || (ngx_msec_int_t) (ngx_current_msec
                                - (ngx_msec_t) state->scrape_started) < 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_check_storage(ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state)
{
    return state->node_points && state->container_points;
}


static ngx_uint_t
ngx_http_k8s_metrics_check_nodes(ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state)
{
    return state->nodes_complete != 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_check_pods(ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state)
{
    return state->pods_complete != 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_check_shutdown(ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_store_state_t *state)
{
    return !ngx_exiting && !ngx_terminate;
}
