
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


static const char *ngx_http_k8s_metrics_scrape_proxied(
    ngx_http_k8s_metrics_kubelet_t *k, ngx_http_k8s_metrics_response_t *res);
static u_char *ngx_http_k8s_metrics_scrape_type(u_char *p, ngx_str_t *type);


/* What a fetch says, and what an operator can do about it. */

static const struct {
    ngx_http_k8s_metrics_failure_e   failure;
    const char                      *says;
    const char                      *hint;
} ngx_http_k8s_metrics_scrape_hints[] = {

    { NGX_HTTP_K8S_METRICS_FETCH_CONNECT, "refused",
      "no kubelet listens at that address and port" },

    { NGX_HTTP_K8S_METRICS_FETCH_CONNECT, "no route",
      "a firewall or a NetworkPolicy rejects it, or the node is off" },

    { NGX_HTTP_K8S_METRICS_FETCH_CONNECT, "unreachable",
      "the address is of a network that cannot be reached from here" },

    { NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT, "connection timed out",
      "a firewall or a NetworkPolicy drops it, or the node is off" },

    { NGX_HTTP_K8S_METRICS_FETCH_TIMEOUT, "",
      "the node is overloaded, or its kubelet hangs" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "IP address mismatch",
      "it has no IP SAN; serverTLSBootstrap: true in the kubelet's "
      "configuration makes one that has" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "hostname mismatch",
      "it has no DNS SAN of that name" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "self-signed",
      "the kubelet signed it itself; serverTLSBootstrap: true makes one of "
      "the cluster's CA" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "self signed",
      "the kubelet signed it itself; serverTLSBootstrap: true makes one of "
      "the cluster's CA" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "issuer",
      "another CA signed it: k8s_metrics_kubelet_certificate_authority" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "expired",
      "is its rotation stuck on unapproved CSRs?" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "certificate required",
      "the kubelet wants one of us: k8s_metrics_kubelet_client_certificate" },

    { NGX_HTTP_K8S_METRICS_FETCH_TLS, "wrong version",
      "no TLS is spoken at that port" },

    { NGX_HTTP_K8S_METRICS_FETCH_OK, NULL, NULL }
};


const char *
ngx_http_k8s_metrics_scrape_unanswered(ngx_http_k8s_metrics_response_t *res,
    char *buf)
{
    u_char      *last;
    ngx_uint_t   i;

    for (i = 0; ngx_http_k8s_metrics_scrape_hints[i].says; i++) {

        if (ngx_http_k8s_metrics_scrape_hints[i].failure == res->failure
            && ngx_strstr(res->error,
                          ngx_http_k8s_metrics_scrape_hints[i].says))
        {
            last = ngx_snprintf((u_char *) buf,
                                NGX_HTTP_K8S_METRICS_REASON - 1, "%s (%s)",
                                res->error,
                                ngx_http_k8s_metrics_scrape_hints[i].hint);
            *last = '\0';

            return buf;
        }
    }

    return res->error;
}


const char *
ngx_http_k8s_metrics_scrape_status(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res, char *buf)
{
    u_char      *last;
    ngx_uint_t   status;
    const char  *what;

    if (k->scraper->conf->node_proxy) {
        what = ngx_http_k8s_metrics_scrape_proxied(k, res);

        if (what) {
            return what;
        }
    }

    status = res->status;

    switch (status) {

    case 401:
        return "401 Unauthorized: the kubelet does not take our token (its "
               "webhook authentication is off: "
               "authentication.webhook.enabled, or "
               "--authentication-token-webhook)";

    case 403:
        last = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                            "403 Forbidden: the ClusterRole lacks %s, or the "
                            "ClusterRoleBinding is another ServiceAccount's",
                            k->source->resource);
        *last = '\0';

        return buf;

    case 404:
        return k->scraper->conf->stats_summary
               ? "404 Not Found: no metrics at that path, nor a /stats/summary"
               : "404 Not Found: no metrics at that path (a kubelet before "
                 "1.14, or another server at that port)";

    default:
        break;
    }

    what = (status >= 500) ? "a server error"
           : (status >= 300 && status < 400)
             ? "a redirect, which is not followed" : "a status other than 200";

    last = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                        "%ui, %s", status, what);
    *last = '\0';

    return buf;
}


/* NULL: as if the kubelet had answered us. */

static const char *
ngx_http_k8s_metrics_scrape_proxied(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res)
{
    ngx_uint_t  own;

    own = ngx_http_k8s_metrics_scrape_own(k, res);

    switch (res->status) {

    case 400:
        return own ? "400 Bad Request: the API server does not proxy to that "
                     "node's address" : NULL;

    case 401:
        return own ? "401 Unauthorized: the API server does not take our token"
                   : "401 Unauthorized: the kubelet does not know the API "
                     "server";

    case 403:
        return own ? "403 Forbidden: the ClusterRole lacks nodes/proxy"
                   : "403 Forbidden: the kubelet does not allow it to the API "
                     "server";

    case 404:
        return own ? "404 Not Found: the API server knows no such node" : NULL;

    case 429:
        return "429 Too Many Requests: the API server is busy";

    case 502:
    case 503:
    case 504:
        return (res->status == 502)
               ? "502 Bad Gateway: the API server could not reach the kubelet"
               : (res->status == 503)
                 ? "503 Service Unavailable: the API server could not reach "
                   "the kubelet"
                 : "504 Gateway Timeout: the API server could not reach the "
                   "kubelet";

    default:
        return NULL;
    }
}


ngx_uint_t
ngx_http_k8s_metrics_scrape_own(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res)
{
    return k->scraper->conf->node_proxy
           && res->content_type.len >= 16
           && ngx_strncasecmp(res->content_type.data,
                              (u_char *) "application/json", 16)
              == 0;
}


ngx_str_t
ngx_http_k8s_metrics_scrape_where(ngx_http_k8s_metrics_kubelet_t *k,
    u_char *buf)
{
    u_char     *p, *last;
    ngx_str_t   where, *path;

    last = buf + NGX_HTTP_K8S_METRICS_WHERE;

    if (k->scraper->conf->node_proxy) {
        p = ngx_cpymem(buf, "through the API server",
                       sizeof("through the API server") - 1);

    } else {
        p = ngx_slprintf(buf, last, "%V port %d", &k->address, (int) k->port);
    }

    path = &k->path;

    if (k->source && k->source->path.len) {
        path = (ngx_str_t *) &k->source->path;
    }

    where.data = buf;
    where.len = ngx_slprintf(p, last, ", %V", path) - buf;

    return where;
}


/* What was sent instead, without a byte of it. */

const char *
ngx_http_k8s_metrics_scrape_unusable(ngx_http_k8s_metrics_kubelet_t *k,
    ngx_http_k8s_metrics_response_t *res, char *buf)
{
    u_char      *p, first;
    const char  *what;

    first = k->parser->first;

    what = (first == '\0') ? "it is empty"
           : (first == '<') ? "it looks like HTML"
           : (first == '{' && k->source->path.len)
             ? "JSON without them, or cut"
           : (first == '{' || first == '[') ? "it looks like JSON"
           : (first >= 0x7f) ? "it is no text" : "it is some other text";

    p = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                     "the answer has no usable %s: %uz bytes, ",
                     k->source->what, k->parser->received);

    p = ngx_http_k8s_metrics_scrape_type(p, &res->content_type);

    p = ngx_snprintf(p, (u_char *) buf + NGX_HTTP_K8S_METRICS_REASON - 1 - p,
                     ", %s", what);
    *p = '\0';

    return buf;
}


/* A Content-Type is another's text: what no media type has ends it. */

static u_char *
ngx_http_k8s_metrics_scrape_type(u_char *p, ngx_str_t *type)
{
    u_char   c;
    size_t   i, len;

    len = ngx_min(type->len, 64);

    if (len == 0) {
        return ngx_cpymem(p, "no Content-Type",
                          sizeof("no Content-Type") - 1);
    }

    p = ngx_cpymem(p, "Content-Type ", sizeof("Content-Type ") - 1);

    for (i = 0; i < len; i++) {
        c = type->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-'
              || c == '+'))
        {
            break;
        }

        *p++ = c;
    }

    return p;
}
