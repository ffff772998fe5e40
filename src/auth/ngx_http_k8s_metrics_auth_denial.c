
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_DENIAL_SIZE   1024
#define NGX_HTTP_K8S_METRICS_DENIAL_MAX    (128 * 1024)


static void ngx_http_k8s_metrics_denial_why(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_auth_ctx_t *ctx,
    const ngx_http_k8s_metrics_attrs_t *attrs);
static void ngx_http_k8s_metrics_denial_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s, ngx_uint_t html);


/* The words are those of k8s.io/apiserver's responsewriters.Forbidden. */

ngx_int_t
ngx_http_k8s_metrics_auth_denial(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx,
    ngx_http_k8s_metrics_status_t *status)
{
    ngx_uint_t                     declined;
    ngx_http_k8s_metrics_out_t     out;
    ngx_http_k8s_metrics_attrs_t  *attrs;

    attrs = ngx_http_k8s_metrics_answer_attrs(r, &declined);

    if (attrs == NULL
        || ngx_http_k8s_metrics_out_create(&out, r->pool,
                                           NGX_HTTP_K8S_METRICS_DENIAL_SIZE,
                                           NGX_HTTP_K8S_METRICS_DENIAL_MAX)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(status, sizeof(ngx_http_k8s_metrics_status_t));

    status->code = NGX_HTTP_FORBIDDEN;
    status->reason = ngx_http_k8s_metrics_status_reason(NGX_HTTP_FORBIDDEN);
    status->details = 1;

    if (attrs->resource_request) {
        status->group = attrs->group;
        status->kind = attrs->resource;
        status->name = attrs->name;

        ngx_http_k8s_metrics_out_str(&out, &attrs->resource);

        if (attrs->group.len) {
            ngx_http_k8s_metrics_out_byte(&out, '.');
            ngx_http_k8s_metrics_out_str(&out, &attrs->group);
        }

        if (attrs->name.len) {
            ngx_http_k8s_metrics_out_byte(&out, ' ');
            ngx_http_k8s_metrics_denial_quote(&out, &attrs->name, 0);
        }

        ngx_http_k8s_metrics_out_lit(&out, " is ");
    }

    ngx_http_k8s_metrics_out_lit(&out, "forbidden: ");
    ngx_http_k8s_metrics_denial_why(&out, ctx, attrs);

    if (ctx->reason.len) {
        ngx_http_k8s_metrics_out_lit(&out, ": ");
        ngx_http_k8s_metrics_out_str(&out, &ctx->reason);
    }

    status->message.data = out.start;
    status->message.len = ngx_http_k8s_metrics_out_len(&out);

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_denial_why(ngx_http_k8s_metrics_out_t *out,
    const ngx_http_k8s_metrics_auth_ctx_t *ctx,
    const ngx_http_k8s_metrics_attrs_t *attrs)
{
    u_char     *p;
    ngx_str_t   resource;

    ngx_http_k8s_metrics_out_lit(out, "User ");
    ngx_http_k8s_metrics_denial_quote(out, &ctx->identity.user, 1);
    ngx_http_k8s_metrics_out_lit(out, " cannot ");
    ngx_http_k8s_metrics_out_str(out, &attrs->verb);

    if (!attrs->resource_request) {
        ngx_http_k8s_metrics_out_lit(out, " path ");
        ngx_http_k8s_metrics_denial_quote(out, &attrs->path, 1);
        return;
    }

    resource = attrs->resource;

    if (attrs->subresource.len) {
        p = ngx_pnalloc(ctx->request->pool,
                        attrs->resource.len + 1 + attrs->subresource.len);

        if (p) {
            resource.data = p;
            p = ngx_cpymem(p, attrs->resource.data, attrs->resource.len);
            *p++ = '/';
            p = ngx_cpymem(p, attrs->subresource.data, attrs->subresource.len);
            resource.len = p - resource.data;
        }
    }

    ngx_http_k8s_metrics_out_lit(out, " resource ");
    ngx_http_k8s_metrics_denial_quote(out, &resource, 1);
    ngx_http_k8s_metrics_out_lit(out, " in API group ");
    ngx_http_k8s_metrics_denial_quote(out, &attrs->group, 1);

    if (attrs->ns.len) {
        ngx_http_k8s_metrics_out_lit(out, " in the namespace ");
        ngx_http_k8s_metrics_denial_quote(out, &attrs->ns, 1);
        return;
    }

    ngx_http_k8s_metrics_out_lit(out, " at the cluster scope");
}


/* Go's %q for what a name may hold; with "html", &, < and > as entities. */

static void
ngx_http_k8s_metrics_denial_quote(ngx_http_k8s_metrics_out_t *out,
    const ngx_str_t *s, ngx_uint_t html)
{
    size_t         i;
    u_char         c;

    static u_char  hex[] = "0123456789abcdef";

    ngx_http_k8s_metrics_out_byte(out, '"');

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (c == '"' || c == '\\') {
            ngx_http_k8s_metrics_out_byte(out, '\\');
            ngx_http_k8s_metrics_out_byte(out, c);

        } else if (c < 0x20 || c == 0x7f) {
            ngx_http_k8s_metrics_out_lit(out, "\\x");
            ngx_http_k8s_metrics_out_byte(out, hex[c >> 4]);
            ngx_http_k8s_metrics_out_byte(out, hex[c & 0xf]);

        } else if (html && c == '&') {
            ngx_http_k8s_metrics_out_lit(out, "&amp;");

        } else if (html && c == '<') {
            ngx_http_k8s_metrics_out_lit(out, "&lt;");

        } else if (html && c == '>') {
            ngx_http_k8s_metrics_out_lit(out, "&gt;");

        } else {
            ngx_http_k8s_metrics_out_byte(out, c);
        }
    }

    ngx_http_k8s_metrics_out_byte(out, '"');
}
