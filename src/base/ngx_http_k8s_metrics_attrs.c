
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_attrs.h"
#include "ngx_http_k8s_metrics_attrs_decode.h"
#include "ngx_http_k8s_metrics_selector_check.h"


typedef struct {
    ngx_str_t     method;
    ngx_str_t     verb;
} ngx_http_k8s_metrics_verb_t;

/* what is left of a path, between slashes */
typedef struct {
    u_char       *pos;
    u_char       *last;
} ngx_http_k8s_metrics_parts_t;


static ngx_int_t ngx_http_k8s_metrics_attrs_lower(ngx_pool_t *pool,
    const ngx_str_t *method, ngx_str_t *lower);
static void ngx_http_k8s_metrics_attrs_resource(const ngx_str_t *method,
    ngx_http_k8s_metrics_attrs_t *attrs, ngx_uint_t *special);
static void ngx_http_k8s_metrics_attrs_verb(const ngx_str_t *method,
    ngx_str_t *verb);
static void ngx_http_k8s_metrics_attrs_object(
    ngx_http_k8s_metrics_parts_t *parts, ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_attrs_options(ngx_pool_t *pool,
    const ngx_str_t *args, ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_attrs_selectors(ngx_pool_t *pool,
    const ngx_str_t *args, ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_int_t ngx_http_k8s_metrics_attrs_numbers(ngx_pool_t *pool,
    const ngx_str_t *args);
static void ngx_http_k8s_metrics_attrs_exact_name(
    ngx_http_k8s_metrics_attrs_t *attrs);
static ngx_uint_t ngx_http_k8s_metrics_parts_count(
    const ngx_http_k8s_metrics_parts_t *parts);
static ngx_str_t ngx_http_k8s_metrics_parts_next(
    ngx_http_k8s_metrics_parts_t *parts);
static ngx_uint_t ngx_http_k8s_metrics_attrs_is(const ngx_str_t *s,
    const char *p, size_t len);


#define ngx_http_k8s_metrics_is(s, lit)                                       \
    ngx_http_k8s_metrics_attrs_is(s, lit, sizeof(lit) - 1)


ngx_int_t
ngx_http_k8s_metrics_attrs(ngx_pool_t *pool, const ngx_str_t *method,
    const ngx_str_t *uri, const ngx_str_t *args,
    ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t   rc;
    ngx_uint_t  special;

    ngx_memzero(attrs, sizeof(ngx_http_k8s_metrics_attrs_t));

    rc = ngx_http_k8s_metrics_decode_path(pool, uri, &attrs->path);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_k8s_metrics_attrs_lower(pool, method, &attrs->verb)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    special = 0;
    ngx_http_k8s_metrics_attrs_resource(method, attrs, &special);

    rc = ngx_http_k8s_metrics_query(pool, args, "labelSelector", 0,
                                    &attrs->label_text);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_metrics_query(pool, args, "fieldSelector", 0,
                                    &attrs->field_text);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (!attrs->resource_request) {
        return NGX_OK;
    }

    if (attrs->name.len == 0) {

        if (ngx_http_k8s_metrics_is(&attrs->verb, "get")) {
            return ngx_http_k8s_metrics_attrs_options(pool, args, attrs);
        }

        if (ngx_http_k8s_metrics_is(&attrs->verb, "delete")) {
            ngx_str_set(&attrs->verb, "deletecollection");
        }
    }

    /* with the verb in the path, selectors are for nobody */

    if (!special && ngx_http_k8s_metrics_is(&attrs->verb, "deletecollection"))
    {
        return ngx_http_k8s_metrics_attrs_selectors(pool, args, attrs);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_attrs_lower(ngx_pool_t *pool, const ngx_str_t *method,
    ngx_str_t *lower)
{
    lower->data = ngx_pnalloc(pool, method->len + 1);
    if (lower->data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(lower->data, method->data, method->len);
    lower->len = method->len;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_attrs_resource(const ngx_str_t *method,
    ngx_http_k8s_metrics_attrs_t *attrs, ngx_uint_t *special)
{
    ngx_str_t                      part;
    ngx_http_k8s_metrics_parts_t   parts, next;

    parts.pos = attrs->path.data;
    parts.last = attrs->path.data + attrs->path.len;

    while (parts.pos < parts.last && *parts.pos == '/') {
        parts.pos++;
    }

    while (parts.pos < parts.last && parts.last[-1] == '/') {
        parts.last--;
    }

    if (ngx_http_k8s_metrics_parts_count(&parts) < 3) {
        return;
    }

    part = ngx_http_k8s_metrics_parts_next(&parts);

    if (ngx_http_k8s_metrics_is(&part, "apis")) {
        attrs->prefix = part;

        if (ngx_http_k8s_metrics_parts_count(&parts) < 3) {
            return;
        }

        attrs->group = ngx_http_k8s_metrics_parts_next(&parts);

    } else if (ngx_http_k8s_metrics_is(&part, "api")) {
        attrs->prefix = part;

    } else {
        return;
    }

    attrs->resource_request = 1;
    attrs->version = ngx_http_k8s_metrics_parts_next(&parts);

    next = parts;
    part = ngx_http_k8s_metrics_parts_next(&next);

    if (ngx_http_k8s_metrics_is(&part, "watch")
        || ngx_http_k8s_metrics_is(&part, "proxy"))
    {
        attrs->verb = part;
        *special = 1;
        parts = next;

    } else {
        ngx_http_k8s_metrics_attrs_verb(method, &attrs->verb);
    }

    ngx_http_k8s_metrics_attrs_object(&parts, attrs);
}


static void
ngx_http_k8s_metrics_attrs_verb(const ngx_str_t *method, ngx_str_t *verb)
{
    const ngx_http_k8s_metrics_verb_t          *v;
    static const ngx_http_k8s_metrics_verb_t    verbs[] = {
        { ngx_string("GET"), ngx_string("get") },
        { ngx_string("HEAD"), ngx_string("get") },
        { ngx_string("POST"), ngx_string("create") },
        { ngx_string("PUT"), ngx_string("update") },
        { ngx_string("PATCH"), ngx_string("patch") },
        { ngx_string("DELETE"), ngx_string("delete") },
        { ngx_null_string, ngx_string("") }
    };

    for (v = verbs; v->method.len; v++) {
        if (v->method.len == method->len
            && ngx_memcmp(v->method.data, method->data, method->len) == 0)
        {
            break;
        }
    }

    *verb = v->verb;
}


/* [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE...]] */

static void
ngx_http_k8s_metrics_attrs_object(ngx_http_k8s_metrics_parts_t *parts,
    ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_str_t                      part;
    ngx_http_k8s_metrics_parts_t   next;

    next = *parts;
    part = ngx_http_k8s_metrics_parts_next(&next);

    if (ngx_http_k8s_metrics_is(&part, "namespaces")
        && ngx_http_k8s_metrics_parts_count(&next))
    {
        attrs->ns = ngx_http_k8s_metrics_parts_next(&next);

        if (ngx_http_k8s_metrics_parts_count(&next)) {
            *parts = next;
            part = ngx_http_k8s_metrics_parts_next(&next);

            /* the namespace's own subresources */

            if (ngx_http_k8s_metrics_is(&part, "status")
                || ngx_http_k8s_metrics_is(&part, "finalize"))
            {
                ngx_str_set(&attrs->resource, "namespaces");
                attrs->name = attrs->ns;
                attrs->nparts = 2 + ngx_http_k8s_metrics_parts_count(parts);

                if (!ngx_http_k8s_metrics_is(&attrs->verb, "proxy")) {
                    attrs->subresource = part;
                }

                return;
            }
        }
    }

    attrs->nparts = ngx_http_k8s_metrics_parts_count(parts);

    if (attrs->nparts == 0) {
        return;
    }

    attrs->resource = ngx_http_k8s_metrics_parts_next(parts);

    if (attrs->nparts >= 2) {
        attrs->name = ngx_http_k8s_metrics_parts_next(parts);
    }

    if (attrs->nparts >= 3
        && !ngx_http_k8s_metrics_is(&attrs->verb, "proxy"))
    {
        attrs->subresource = ngx_http_k8s_metrics_parts_next(parts);
    }
}


/*
 * A get without a name: a list or a watch.  The name that a field selector
 * demands counts only if all list options can be read.
 */

static ngx_int_t
ngx_http_k8s_metrics_attrs_options(ngx_pool_t *pool, const ngx_str_t *args,
    ngx_http_k8s_metrics_attrs_t *attrs)
{
    ngx_int_t  rc;
    ngx_str_t  watch;

    rc = ngx_http_k8s_metrics_query(pool, args, "watch", 0, &watch);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    attrs->watch = (rc == NGX_OK
                    && !ngx_http_k8s_metrics_is(&watch, "0")
                    && !(watch.len == sizeof("false") - 1
                         && ngx_strncasecmp(watch.data, (u_char *) "false",
                                            sizeof("false") - 1)
                            == 0));

    if (attrs->watch) {
        ngx_str_set(&attrs->verb, "watch");

    } else {
        ngx_str_set(&attrs->verb, "list");
    }

    if (ngx_http_k8s_metrics_attrs_selectors(pool, args, attrs) != NGX_OK) {
        return NGX_ERROR;
    }

    if (attrs->label_error.len || attrs->field_error.len) {
        return NGX_OK;
    }

    rc = ngx_http_k8s_metrics_attrs_numbers(pool, args);

    if (rc == NGX_OK) {
        ngx_http_k8s_metrics_attrs_exact_name(attrs);
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_attrs_selectors(ngx_pool_t *pool, const ngx_str_t *args,
    ngx_http_k8s_metrics_attrs_t *attrs)
{
    if (attrs->label_text.len) {
        attrs->has_label_selector = 1;

        if (ngx_http_k8s_metrics_label_selector(pool, &attrs->label_text,
                                                &attrs->labels,
                                                &attrs->label_error)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    if (attrs->field_text.len) {
        attrs->has_field_selector = 1;

        if (ngx_http_k8s_metrics_field_selector(pool, &attrs->field_text,
                                                &attrs->fields,
                                                &attrs->field_error)
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* NGX_OK when the options that are numbers are; NGX_DECLINED, NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_attrs_numbers(ngx_pool_t *pool, const ngx_str_t *args)
{
    int64_t             n;
    ngx_int_t           rc;
    ngx_str_t           value;
    ngx_uint_t          i;
    static const char  *names[] = { "limit", "timeoutSeconds" };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        rc = ngx_http_k8s_metrics_query(pool, args, names[i], 0, &value);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK
            && ngx_http_k8s_metrics_parse_int(&value, &n) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* What could not be a part of a path is no name. */

static void
ngx_http_k8s_metrics_attrs_exact_name(ngx_http_k8s_metrics_attrs_t *attrs)
{
    size_t      i;
    ngx_str_t  *name;

    name = ngx_http_k8s_metrics_selector_exact(&attrs->fields,
                                               "metadata.name");

    if (name == NULL
        || ngx_http_k8s_metrics_is(name, ".")
        || ngx_http_k8s_metrics_is(name, ".."))
    {
        return;
    }

    for (i = 0; i < name->len; i++) {
        if (name->data[i] == '/' || name->data[i] == '%') {
            return;
        }
    }

    attrs->name = *name;
}


static ngx_uint_t
ngx_http_k8s_metrics_parts_count(const ngx_http_k8s_metrics_parts_t *parts)
{
    u_char      *p;
    ngx_uint_t   n;

    if (parts->pos >= parts->last) {
        return 0;
    }

    n = 1;

    for (p = parts->pos; p < parts->last; p++) {
        if (*p == '/') {
            n++;
        }
    }

    return n;
}


static ngx_str_t
ngx_http_k8s_metrics_parts_next(ngx_http_k8s_metrics_parts_t *parts)
{
    ngx_str_t  part;

    part.data = parts->pos;

    while (parts->pos < parts->last && *parts->pos != '/') {
        parts->pos++;
    }

    part.len = parts->pos - part.data;

    if (parts->pos < parts->last) {
        parts->pos++;
    }

    return part;
}


static ngx_uint_t
ngx_http_k8s_metrics_attrs_is(const ngx_str_t *s, const char *p, size_t len)
{
    return s->len == len && ngx_memcmp(s->data, p, len) == 0;
}
