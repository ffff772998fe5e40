
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


/* keys; each is compared with those before it */
#define NGX_HTTP_K8S_METRICS_MAX_EXTRAS  1000


static ngx_table_elt_t *ngx_http_k8s_metrics_header_next(
    ngx_list_part_t **part, ngx_uint_t *i);
static void ngx_http_k8s_metrics_header_first(ngx_http_request_t *r,
    ngx_array_t *names, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_header_all(ngx_http_request_t *r,
    ngx_array_t *names, ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_header_extra(ngx_http_request_t *r,
    ngx_array_t *prefixes, ngx_http_k8s_metrics_identity_t *identity);
static ngx_uint_t ngx_http_k8s_metrics_header_of_identity(
    const ngx_http_k8s_metrics_requestheader_t *rh, const ngx_table_elt_t *h,
    ngx_uint_t token);
static ngx_uint_t ngx_http_k8s_metrics_header_spells(const ngx_array_t *names,
    const ngx_table_elt_t *h, ngx_uint_t prefix);
static ngx_int_t ngx_http_k8s_metrics_extra_add(ngx_pool_t *pool,
    ngx_array_t *extra, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_extra_key(ngx_pool_t *pool,
    const u_char *p, size_t len, ngx_str_t *key);


/* While the identity is made; nvalues of it are pushed to "values". */
typedef struct {
    ngx_str_t      key;
    ngx_array_t    values;
} ngx_http_k8s_metrics_gathered_t;


ngx_uint_t
ngx_http_k8s_metrics_header_name_ok(const ngx_str_t *name)
{
    u_char   c;
    size_t   i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || (c && ngx_strchr("!#$%&'*+-.^_`|~", c)))
        {
            continue;
        }

        return 0;
    }

    return name->len != 0;
}


ngx_int_t
ngx_http_k8s_metrics_requestheader_identity(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh,
    ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_http_k8s_metrics_header_first(r, rh->username, &identity->user);

    if (identity->user.len == 0) {
        return NGX_DECLINED;
    }

    if (rh->uid) {
        ngx_http_k8s_metrics_header_first(r, rh->uid, &identity->uid);
    }

    if (ngx_http_k8s_metrics_header_all(r, rh->group, identity) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_header_extra(r, rh->extra, identity);
}


static ngx_table_elt_t *
ngx_http_k8s_metrics_header_next(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_table_elt_t  *h;

    while (*part && *i >= (*part)->nelts) {
        *part = (*part)->next;
        *i = 0;
    }

    if (*part == NULL) {
        return NULL;
    }

    h = (*part)->elts;

    return &h[(*i)++];
}


/* The first value that is not empty, of the first header that has one. */

static void
ngx_http_k8s_metrics_header_first(ngx_http_request_t *r, ngx_array_t *names,
    ngx_str_t *value)
{
    ngx_str_t        *name;
    ngx_uint_t        n, i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_str_null(value);

    if (names == NULL) {
        return;
    }

    name = names->elts;

    for (n = 0; n < names->nelts; n++) {
        part = &r->headers_in.headers.part;
        i = 0;

        while ((h = ngx_http_k8s_metrics_header_next(&part, &i)) != NULL) {

            if (h->key.len == name[n].len
                && ngx_strncasecmp(h->key.data, name[n].data, name[n].len)
                   == 0)
            {
                /* only the first of a repeated header counts, as in Go */

                if (h->value.len) {
                    *value = h->value;
                    return;
                }

                break;
            }
        }
    }
}


static ngx_int_t
ngx_http_k8s_metrics_header_all(ngx_http_request_t *r, ngx_array_t *names,
    ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_str_t        *name, *group;
    ngx_uint_t        n, i;
    ngx_array_t       groups;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (ngx_array_init(&groups, r->pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    name = names ? names->elts : NULL;

    for (n = 0; names && n < names->nelts; n++) {
        part = &r->headers_in.headers.part;
        i = 0;

        while ((h = ngx_http_k8s_metrics_header_next(&part, &i)) != NULL) {

            if (h->value.len == 0 || h->key.len != name[n].len
                || ngx_strncasecmp(h->key.data, name[n].data, name[n].len)
                   != 0)
            {
                continue;
            }

            group = ngx_array_push(&groups);
            if (group == NULL) {
                return NGX_ERROR;
            }

            *group = h->value;
        }
    }

    /* one more than there are: system:authenticated */

    if (ngx_array_push(&groups) == NULL) {
        return NGX_ERROR;
    }

    identity->groups = groups.elts;
    identity->ngroups = groups.nelts - 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_header_extra(ngx_http_request_t *r,
    ngx_array_t *prefixes, ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_int_t                         rc;
    ngx_str_t                        *prefix, key;
    ngx_uint_t                        n, i;
    ngx_array_t                       extra;
    ngx_list_part_t                  *part;
    ngx_table_elt_t                  *h;
    ngx_http_k8s_metrics_extra_t     *e;
    ngx_http_k8s_metrics_gathered_t  *g;

    if (prefixes == NULL) {
        return NGX_OK;
    }

    if (ngx_array_init(&extra, r->pool, 4,
                       sizeof(ngx_http_k8s_metrics_gathered_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    prefix = prefixes->elts;

    for (n = 0; n < prefixes->nelts; n++) {
        part = &r->headers_in.headers.part;
        i = 0;

        while ((h = ngx_http_k8s_metrics_header_next(&part, &i)) != NULL) {

            if (h->key.len < prefix[n].len
                || ngx_strncasecmp(h->key.data, prefix[n].data, prefix[n].len)
                   != 0)
            {
                continue;
            }

            if (ngx_http_k8s_metrics_extra_key(r->pool,
                                               h->key.data + prefix[n].len,
                                               h->key.len - prefix[n].len,
                                               &key)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            rc = ngx_http_k8s_metrics_extra_add(r->pool, &extra, &key,
                                                &h->value);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    if (extra.nelts == 0) {
        return NGX_OK;
    }

    e = ngx_palloc(r->pool, extra.nelts
                            * sizeof(ngx_http_k8s_metrics_extra_t));
    if (e == NULL) {
        return NGX_ERROR;
    }

    g = extra.elts;

    for (n = 0; n < extra.nelts; n++) {
        e[n].key = g[n].key;
        e[n].nvalues = g[n].values.nelts;
        e[n].values = g[n].values.elts;
    }

    identity->extra = e;
    identity->nextra = extra.nelts;

    ngx_http_k8s_metrics_identity_sort(identity);

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_extra_add(ngx_pool_t *pool, ngx_array_t *extra,
    ngx_str_t *key, ngx_str_t *value)
{
    ngx_str_t                        *v;
    ngx_uint_t                        i;
    ngx_http_k8s_metrics_gathered_t  *g;

    g = extra->elts;

    for (i = 0; i < extra->nelts; i++) {
        if (g[i].key.len == key->len
            && ngx_memcmp(g[i].key.data, key->data, key->len) == 0)
        {
            break;
        }
    }

    if (i == extra->nelts) {

        if (i == NGX_HTTP_K8S_METRICS_MAX_EXTRAS) {
            return NGX_ABORT;
        }

        g = ngx_array_push(extra);
        if (g == NULL) {
            return NGX_ERROR;
        }

        g->key = *key;

        if (ngx_array_init(&g->values, pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        g = &g[i];
    }

    v = ngx_array_push(&g->values);
    if (v == NULL) {
        return NGX_ERROR;
    }

    *v = *value;

    return NGX_OK;
}


/* In lower case, %-decoded; one with a broken escape stays as it is. */

static ngx_int_t
ngx_http_k8s_metrics_extra_key(ngx_pool_t *pool, const u_char *p, size_t len,
    ngx_str_t *key)
{
    size_t      i;
    u_char     *dst;
    ngx_int_t   c;

    key->data = ngx_pnalloc(pool, 2 * len + 1);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(key->data, (u_char *) p, len);
    key->len = len;

    dst = key->data + len;

    for (i = 0; i < len; i++) {

        if (key->data[i] != '%') {
            *dst++ = key->data[i];
            continue;
        }

        c = (len - i > 2) ? ngx_hextoi(&key->data[i + 1], 2) : NGX_ERROR;

        if (c == NGX_ERROR) {
            return NGX_OK;
        }

        *dst++ = (u_char) c;
        i += 2;
    }

    key->data += len;
    key->len = dst - key->data;

    return NGX_OK;
}


/*
 * A new list, since headers_in.host and its like point into the old one's
 * elements.
 */

ngx_int_t
ngx_http_k8s_metrics_requestheader_strip(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, ngx_uint_t token)
{
    ngx_uint_t        i, found;
    ngx_list_t        kept;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *copy;

    found = 0;
    part = &r->headers_in.headers.part;
    i = 0;

    while (!found
           && (h = ngx_http_k8s_metrics_header_next(&part, &i)) != NULL)
    {
        found = ngx_http_k8s_metrics_header_of_identity(rh, h, token);
    }

    if (!found) {
        return NGX_OK;
    }

    if (ngx_list_init(&kept, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    part = &r->headers_in.headers.part;
    i = 0;

    while ((h = ngx_http_k8s_metrics_header_next(&part, &i)) != NULL) {

        if (ngx_http_k8s_metrics_header_of_identity(rh, h, token)) {
            continue;
        }

        copy = ngx_list_push(&kept);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        *copy = *h;
    }

    if (token) {
        r->headers_in.authorization = NULL;
    }

    r->headers_in.headers = kept;

    if (kept.last == &kept.part) {
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_k8s_metrics_header_of_identity(
    const ngx_http_k8s_metrics_requestheader_t *rh, const ngx_table_elt_t *h,
    ngx_uint_t token)
{
    static ngx_str_t    authorization = ngx_string("Authorization");
    static ngx_str_t    names[] = {
        ngx_string("X-Remote-User"),
        ngx_string("X-Remote-Uid"),
        ngx_string("X-Remote-Group")
    };
    static ngx_str_t    extra = ngx_string("X-Remote-Extra-");
    static ngx_array_t  usual = { names, 3, sizeof(ngx_str_t), 3, NULL };
    static ngx_array_t  prefix = { &extra, 1, sizeof(ngx_str_t), 1, NULL };
    static ngx_array_t  bearer = { &authorization, 1, sizeof(ngx_str_t), 1,
                                   NULL };

    if (token && ngx_http_k8s_metrics_header_spells(&bearer, h, 0)) {
        return 1;
    }

    return ngx_http_k8s_metrics_header_spells(&usual, h, 0)
           || ngx_http_k8s_metrics_header_spells(&prefix, h, 1)
           || ngx_http_k8s_metrics_header_spells(rh->username, h, 0)
           || ngx_http_k8s_metrics_header_spells(rh->uid, h, 0)
           || ngx_http_k8s_metrics_header_spells(rh->group, h, 0)
           || ngx_http_k8s_metrics_header_spells(rh->extra, h, 1);
}


/* CGI and its like take "_" for "-": both are meant. */

static ngx_uint_t
ngx_http_k8s_metrics_header_spells(const ngx_array_t *names,
    const ngx_table_elt_t *h, ngx_uint_t prefix)
{
    u_char      a, b;
    size_t      n;
    ngx_str_t  *name;
    ngx_uint_t  i;

    if (names == NULL) {
        return 0;
    }

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (prefix ? h->key.len < name[i].len : h->key.len != name[i].len) {
            continue;
        }

        for (n = 0; n < name[i].len; n++) {
            a = ngx_tolower(h->key.data[n]);
            b = ngx_tolower(name[i].data[n]);

            if (a != b && !((a == '_' || a == '-') && (b == '_' || b == '-')))
            {
                break;
            }
        }

        if (n == name[i].len) {
            return 1;
        }
    }

    return 0;
}
