
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_scrape_internal.h"


static u_char *ngx_http_k8s_metrics_scrape_type(u_char *p, ngx_str_t *type);


const char *
ngx_http_k8s_metrics_scrape_status(ngx_uint_t status, char *buf)
{
    u_char      *last;
    const char  *what;

    switch (status) {

    case 401:
        return "401 Unauthorized: the kubelet does not take our token (is its "
               "webhook authentication on?)";

    case 403:
        return "403 Forbidden: the ClusterRole lacks nodes/metrics";

    case 404:
        return "404 Not Found: no metrics at that path";

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
           : (first == '{' || first == '[') ? "it looks like JSON"
           : (first >= 0x7f) ? "it is no text" : "it is some other text";

    p = ngx_snprintf((u_char *) buf, NGX_HTTP_K8S_METRICS_REASON - 1,
                     "the answer has no usable series: %uz bytes, ",
                     k->parser->received);

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
