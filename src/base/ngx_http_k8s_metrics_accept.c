
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_accept.h"


#define NGX_HTTP_K8S_METRICS_ACCEPT_MAX  64

/* q in billionths */
#define NGX_HTTP_K8S_METRICS_Q_ONE       1000000000


typedef struct {
    ngx_str_t     type;
    ngx_str_t     subtype;
    ngx_str_t     params;
    uint64_t      q;
} ngx_http_k8s_metrics_clause_t;

typedef struct {
    ngx_str_t     as;
    ngx_str_t     group;
    ngx_str_t     version;
    unsigned      convert:1;        /* any of the three is there */
    unsigned      pretty:1;
    unsigned      stream:1;
    unsigned      refused:1;
} ngx_http_k8s_metrics_params_t;


static ngx_uint_t ngx_http_k8s_metrics_accept_parse(const ngx_str_t *accept,
    ngx_http_k8s_metrics_clause_t *clauses);
static ngx_int_t ngx_http_k8s_metrics_accept_clause(ngx_str_t *text,
    ngx_http_k8s_metrics_clause_t *clause);
static uint64_t ngx_http_k8s_metrics_accept_q(const ngx_str_t *value);
static void ngx_http_k8s_metrics_accept_sort(
    ngx_http_k8s_metrics_clause_t *clauses, ngx_uint_t n);
static ngx_uint_t ngx_http_k8s_metrics_accept_before(
    const ngx_http_k8s_metrics_clause_t *a,
    const ngx_http_k8s_metrics_clause_t *b);
static ngx_uint_t ngx_http_k8s_metrics_accept_media(
    const ngx_http_k8s_metrics_clause_t *clause, ngx_uint_t media);
static void ngx_http_k8s_metrics_accept_params(const ngx_str_t *text,
    ngx_http_k8s_metrics_params_t *params);
static void ngx_http_k8s_metrics_accept_param(const ngx_str_t *name,
    const ngx_str_t *value, ngx_http_k8s_metrics_params_t *params);
static ngx_int_t ngx_http_k8s_metrics_accept_convert(
    const ngx_http_k8s_metrics_params_t *params,
    const ngx_http_k8s_metrics_offer_t *offer, ngx_uint_t media,
    ngx_http_k8s_metrics_as_e *as);
static ngx_uint_t ngx_http_k8s_metrics_accept_next(ngx_str_t *rest, u_char c,
    ngx_str_t *item);
static void ngx_http_k8s_metrics_accept_trim(ngx_str_t *s);
static ngx_uint_t ngx_http_k8s_metrics_accept_is(const ngx_str_t *s,
    const char *p, size_t len);


#define ngx_http_k8s_metrics_is(s, lit)                                       \
    ngx_http_k8s_metrics_accept_is(s, lit, sizeof(lit) - 1)


/* in the order of ngx_http_k8s_metrics_media_e, which is Kubernetes', too */

static const ngx_str_t  ngx_http_k8s_metrics_subtypes[] = {
    ngx_string("json"),
    ngx_string("yaml"),
    ngx_string("vnd.kubernetes.protobuf")
};


ngx_int_t
ngx_http_k8s_metrics_accept(const ngx_str_t *accept,
    const ngx_http_k8s_metrics_offer_t *offer,
    ngx_http_k8s_metrics_accepted_t *accepted)
{
    ngx_uint_t                      i, n, media;
    ngx_http_k8s_metrics_as_e       as;
    ngx_http_k8s_metrics_params_t   params;
    ngx_http_k8s_metrics_clause_t   clauses[NGX_HTTP_K8S_METRICS_ACCEPT_MAX];

    ngx_memzero(accepted, sizeof(ngx_http_k8s_metrics_accepted_t));

    if (accept->len == 0) {

        for (media = NGX_HTTP_K8S_METRICS_JSON;
             media <= NGX_HTTP_K8S_METRICS_PROTOBUF;
             media++)
        {
            if (offer->media & (1 << media)) {
                accepted->media = media;
                return NGX_OK;
            }
        }

        return NGX_DECLINED;
    }

    n = ngx_http_k8s_metrics_accept_parse(accept, clauses);
    ngx_http_k8s_metrics_accept_sort(clauses, n);

    for (i = 0; i < n; i++) {

        ngx_http_k8s_metrics_accept_params(&clauses[i].params, &params);

        if (params.refused) {
            continue;
        }

        for (media = NGX_HTTP_K8S_METRICS_JSON;
             media <= NGX_HTTP_K8S_METRICS_PROTOBUF;
             media++)
        {
            if (!(offer->media & (1 << media))
                || !ngx_http_k8s_metrics_accept_media(&clauses[i], media)
                || ngx_http_k8s_metrics_accept_convert(&params, offer, media,
                                                       &as)
                   != NGX_OK)
            {
                continue;
            }

            accepted->media = media;
            accepted->as = as;
            accepted->pretty = params.pretty;
            accepted->stream = params.stream;

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_k8s_metrics_accept_parse(const ngx_str_t *accept,
    ngx_http_k8s_metrics_clause_t *clauses)
{
    ngx_str_t   rest, item;
    ngx_uint_t  i, n;

    rest = *accept;
    n = 0;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_ACCEPT_MAX; i++) {

        if (!ngx_http_k8s_metrics_accept_next(&rest, ',', &item)) {
            break;
        }

        if (ngx_http_k8s_metrics_accept_clause(&item, &clauses[n]) == NGX_OK) {
            n++;
        }
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_metrics_accept_clause(ngx_str_t *text,
    ngx_http_k8s_metrics_clause_t *clause)
{
    ngx_str_t  name, rest, value;

    ngx_http_k8s_metrics_accept_trim(text);

    clause->params = *text;
    clause->q = NGX_HTTP_K8S_METRICS_Q_ONE;
    ngx_str_null(&rest);

    (void) ngx_http_k8s_metrics_accept_next(&clause->params, ';', &rest);

    ngx_str_null(&clause->type);
    (void) ngx_http_k8s_metrics_accept_next(&rest, '/', &clause->type);
    ngx_http_k8s_metrics_accept_trim(&clause->type);

    if (rest.len == 0) {
        if (!ngx_http_k8s_metrics_is(&clause->type, "*")) {
            return NGX_DECLINED;
        }

        ngx_str_set(&clause->subtype, "*");

    } else {
        (void) ngx_http_k8s_metrics_accept_next(&rest, '/', &clause->subtype);

        if (rest.len) {
            return NGX_DECLINED;
        }

        ngx_http_k8s_metrics_accept_trim(&clause->subtype);
    }

    rest = clause->params;

    while (ngx_http_k8s_metrics_accept_next(&rest, ';', &value)) {

        ngx_str_null(&name);
        (void) ngx_http_k8s_metrics_accept_next(&value, '=', &name);
        ngx_http_k8s_metrics_accept_trim(&name);

        if (value.len && ngx_http_k8s_metrics_is(&name, "q")) {
            clause->q = ngx_http_k8s_metrics_accept_q(&value);
        }
    }

    return NGX_OK;
}


/* A plain decimal number; whatever else is 0, as a failed parse is there. */

static uint64_t
ngx_http_k8s_metrics_accept_q(const ngx_str_t *value)
{
    size_t      i;
    uint64_t    q, scale;
    ngx_uint_t  dot, digits;

    q = 0;
    dot = 0;
    digits = 0;
    scale = NGX_HTTP_K8S_METRICS_Q_ONE;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '.' && !dot) {
            dot = 1;
            continue;
        }

        if (value->data[i] < '0' || value->data[i] > '9') {
            return 0;
        }

        digits = 1;

        if (dot) {
            scale /= 10;
            q += (value->data[i] - '0') * scale;

        } else if (q < 1000 * (uint64_t) NGX_HTTP_K8S_METRICS_Q_ONE) {
            q = q * 10
                + (value->data[i] - '0')
                  * (uint64_t) NGX_HTTP_K8S_METRICS_Q_ONE;
        }
    }

    return digits ? q : 0;
}


/*
 * The order there is no order in the strict sense (what is specific goes
 * before a wildcard of a higher q when it stands behind it), so the same
 * steps are taken: insertion, comparing with the one before.
 */

static void
ngx_http_k8s_metrics_accept_sort(ngx_http_k8s_metrics_clause_t *clauses,
    ngx_uint_t n)
{
    ngx_uint_t                     i, j;
    ngx_http_k8s_metrics_clause_t  tmp;

    for (i = 1; i < n; i++) {

        for (j = i;
             j > 0 && ngx_http_k8s_metrics_accept_before(&clauses[j],
                                                         &clauses[j - 1]);
             j--)
        {
            tmp = clauses[j];
            clauses[j] = clauses[j - 1];
            clauses[j - 1] = tmp;
        }
    }
}


static ngx_uint_t
ngx_http_k8s_metrics_accept_before(const ngx_http_k8s_metrics_clause_t *a,
    const ngx_http_k8s_metrics_clause_t *b)
{
    if (a->q > b->q) {
        return 1;
    }

    if (!ngx_http_k8s_metrics_is(&a->type, "*")
        && ngx_http_k8s_metrics_is(&b->type, "*"))
    {
        return 1;
    }

    return !ngx_http_k8s_metrics_is(&a->subtype, "*")
           && ngx_http_k8s_metrics_is(&b->subtype, "*");
}


static ngx_uint_t
ngx_http_k8s_metrics_accept_media(const ngx_http_k8s_metrics_clause_t *clause,
    ngx_uint_t media)
{
    const ngx_str_t  *subtype;

    if (ngx_http_k8s_metrics_is(&clause->type, "*")) {
        return ngx_http_k8s_metrics_is(&clause->subtype, "*");
    }

    if (!ngx_http_k8s_metrics_is(&clause->type, "application")) {
        return 0;
    }

    subtype = &ngx_http_k8s_metrics_subtypes[media];

    return ngx_http_k8s_metrics_is(&clause->subtype, "*")
           || ngx_http_k8s_metrics_accept_is(&clause->subtype,
                                             (char *) subtype->data,
                                             subtype->len);
}


static void
ngx_http_k8s_metrics_accept_params(const ngx_str_t *text,
    ngx_http_k8s_metrics_params_t *params)
{
    ngx_str_t  rest, name, value;

    ngx_memzero(params, sizeof(ngx_http_k8s_metrics_params_t));

    rest = *text;

    while (ngx_http_k8s_metrics_accept_next(&rest, ';', &value)) {

        ngx_str_null(&name);
        (void) ngx_http_k8s_metrics_accept_next(&value, '=', &name);

        /* no value, or a second "=": not there */

        if (value.len == 0
            || ngx_strlchr(value.data, value.data + value.len - 1, '=')
               != NULL)
        {
            continue;
        }

        if (value.data[value.len - 1] == '=') {
            value.len--;
        }

        ngx_http_k8s_metrics_accept_trim(&name);
        ngx_http_k8s_metrics_accept_trim(&value);

        ngx_http_k8s_metrics_accept_param(&name, &value, params);
    }
}


static void
ngx_http_k8s_metrics_accept_param(const ngx_str_t *name,
    const ngx_str_t *value, ngx_http_k8s_metrics_params_t *params)
{
    if (ngx_http_k8s_metrics_is(name, "as")) {
        params->as = *value;
        params->convert = 1;

    } else if (ngx_http_k8s_metrics_is(name, "g")) {
        params->group = *value;
        params->convert = 1;

    } else if (ngx_http_k8s_metrics_is(name, "v")) {
        params->version = *value;
        params->convert = 1;

    } else if (ngx_http_k8s_metrics_is(name, "pretty")) {
        params->pretty = ngx_http_k8s_metrics_is(value, "1");

    } else if (ngx_http_k8s_metrics_is(name, "stream")) {
        params->stream = ngx_http_k8s_metrics_is(value, "watch");
        params->refused |= (value->len && !params->stream);

    } else if (ngx_http_k8s_metrics_is(name, "sv")) {

        /* the version of meta.k8s.io */
        params->refused |= (value->len
                            && !ngx_http_k8s_metrics_is(value, "v1"));
    }
}


static ngx_int_t
ngx_http_k8s_metrics_accept_convert(
    const ngx_http_k8s_metrics_params_t *params,
    const ngx_http_k8s_metrics_offer_t *offer, ngx_uint_t media,
    ngx_http_k8s_metrics_as_e *as)
{
    *as = NGX_HTTP_K8S_METRICS_AS_OBJECT;

    if (!params->convert) {
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_is(&params->group, "apidiscovery.k8s.io")
        && ngx_http_k8s_metrics_is(&params->version, "v2")
        && ngx_http_k8s_metrics_is(&params->as, "APIGroupDiscoveryList"))
    {
        *as = NGX_HTTP_K8S_METRICS_AS_DISCOVERY;

    } else if (!ngx_http_k8s_metrics_is(&params->group, "meta.k8s.io")
               || (!ngx_http_k8s_metrics_is(&params->version, "v1")
                   && !ngx_http_k8s_metrics_is(&params->version, "v1beta1")))
    {
        return NGX_DECLINED;

    } else if (ngx_http_k8s_metrics_is(&params->as, "Table")) {

        if (media == NGX_HTTP_K8S_METRICS_PROTOBUF) {
            return NGX_DECLINED;
        }

        *as = NGX_HTTP_K8S_METRICS_AS_TABLE;

    } else if (ngx_http_k8s_metrics_is(&params->as,
                                       "PartialObjectMetadata"))
    {
        *as = NGX_HTTP_K8S_METRICS_AS_PARTIAL;

    } else if (ngx_http_k8s_metrics_is(&params->as,
                                       "PartialObjectMetadataList"))
    {
        *as = NGX_HTTP_K8S_METRICS_AS_PARTIAL_LIST;

    } else {
        return NGX_DECLINED;
    }

    return (offer->as & (1 << *as)) ? NGX_OK : NGX_DECLINED;
}


/* Cuts "rest" at the first "c".  0 when nothing is left. */

static ngx_uint_t
ngx_http_k8s_metrics_accept_next(ngx_str_t *rest, u_char c, ngx_str_t *item)
{
    u_char  *p, *last;

    if (rest->len == 0) {
        return 0;
    }

    last = rest->data + rest->len;

    for (p = rest->data; p < last && *p != c; p++) { /* void */ }

    item->data = rest->data;
    item->len = p - rest->data;

    if (p < last) {
        p++;
    }

    rest->data = p;
    rest->len = last - p;

    return 1;
}


static void
ngx_http_k8s_metrics_accept_trim(ngx_str_t *s)
{
    while (s->len && s->data[0] == ' ') {
        s->data++;
        s->len--;
    }

    while (s->len && s->data[s->len - 1] == ' ') {
        s->len--;
    }
}


static ngx_uint_t
ngx_http_k8s_metrics_accept_is(const ngx_str_t *s, const char *p, size_t len)
{
    return s->len == len && ngx_memcmp(s->data, p, len) == 0;
}


ngx_int_t
ngx_http_k8s_metrics_parse_bool(const ngx_str_t *s)
{
    if (ngx_http_k8s_metrics_is(s, "1")
        || ngx_http_k8s_metrics_is(s, "t")
        || ngx_http_k8s_metrics_is(s, "T")
        || ngx_http_k8s_metrics_is(s, "true")
        || ngx_http_k8s_metrics_is(s, "TRUE")
        || ngx_http_k8s_metrics_is(s, "True"))
    {
        return 1;
    }

    if (ngx_http_k8s_metrics_is(s, "0")
        || ngx_http_k8s_metrics_is(s, "f")
        || ngx_http_k8s_metrics_is(s, "F")
        || ngx_http_k8s_metrics_is(s, "false")
        || ngx_http_k8s_metrics_is(s, "FALSE")
        || ngx_http_k8s_metrics_is(s, "False"))
    {
        return 0;
    }

    return NGX_ERROR;
}
