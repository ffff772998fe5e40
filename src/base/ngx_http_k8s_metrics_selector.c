
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_out.h"
#include "ngx_http_k8s_metrics_selector.h"
#include "ngx_http_k8s_metrics_selector_check.h"


#define NGX_HTTP_K8S_METRICS_SELECTOR_MAX        1000
#define NGX_HTTP_K8S_METRICS_SELECTOR_ERROR_LEN  65536


typedef enum {
    ngx_http_k8s_metrics_tok_end = 0,
    ngx_http_k8s_metrics_tok_close,
    ngx_http_k8s_metrics_tok_open,
    ngx_http_k8s_metrics_tok_comma,
    ngx_http_k8s_metrics_tok_not,
    ngx_http_k8s_metrics_tok_equals,
    ngx_http_k8s_metrics_tok_double_equals,
    ngx_http_k8s_metrics_tok_not_equals,
    ngx_http_k8s_metrics_tok_greater,
    ngx_http_k8s_metrics_tok_less,
    ngx_http_k8s_metrics_tok_word
} ngx_http_k8s_metrics_tok_e;

typedef struct {
    u_char                      *pos;       /* after the token */
    u_char                      *last;
    ngx_http_k8s_metrics_tok_e   tok;
    ngx_str_t                    text;
    ngx_pool_t                  *pool;
    ngx_http_k8s_metrics_out_t   error;
} ngx_http_k8s_metrics_lexer_t;


static void ngx_http_k8s_metrics_lex(ngx_http_k8s_metrics_lexer_t *l);
static ngx_uint_t ngx_http_k8s_metrics_lex_symbol(
    ngx_http_k8s_metrics_lexer_t *l);
static ngx_int_t ngx_http_k8s_metrics_selector_parse(
    ngx_http_k8s_metrics_lexer_t *l, ngx_array_t *requirements);
static ngx_int_t ngx_http_k8s_metrics_selector_requirement(
    ngx_http_k8s_metrics_lexer_t *l, ngx_http_k8s_metrics_requirement_t *r);
static ngx_int_t ngx_http_k8s_metrics_selector_op(
    ngx_http_k8s_metrics_lexer_t *l, ngx_http_k8s_metrics_requirement_t *r);
static ngx_int_t ngx_http_k8s_metrics_selector_set(
    ngx_http_k8s_metrics_lexer_t *l, ngx_http_k8s_metrics_requirement_t *r);
static ngx_int_t ngx_http_k8s_metrics_selector_words(
    ngx_http_k8s_metrics_lexer_t *l, ngx_array_t *values);
static ngx_int_t ngx_http_k8s_metrics_selector_exact_value(
    ngx_http_k8s_metrics_lexer_t *l, ngx_http_k8s_metrics_requirement_t *r);
static ngx_int_t ngx_http_k8s_metrics_selector_value(ngx_array_t *values,
    const ngx_str_t *value);
static ngx_int_t ngx_http_k8s_metrics_selector_found(
    ngx_http_k8s_metrics_lexer_t *l, const char *expected);
static int ngx_libc_cdecl ngx_http_k8s_metrics_selector_cmp_values(
    const void *one, const void *two);
static int ngx_libc_cdecl ngx_http_k8s_metrics_selector_cmp_keys(
    const void *one, const void *two);


ngx_int_t
ngx_http_k8s_metrics_label_selector(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_http_k8s_metrics_selector_t *selector, ngx_str_t *error)
{
    ngx_int_t                      rc;
    ngx_array_t                    requirements;
    ngx_http_k8s_metrics_lexer_t   l;

    selector->nelts = 0;
    selector->elts = NULL;
    ngx_str_null(error);

    if (text->len == 0) {
        return NGX_OK;
    }

    l.pool = pool;

    l.pos = ngx_pnalloc(pool, text->len);
    if (l.pos == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(l.pos, text->data, text->len);
    l.last = l.pos + text->len;

    if (ngx_http_k8s_metrics_out_create(&l.error, pool, 256,
                                     NGX_HTTP_K8S_METRICS_SELECTOR_ERROR_LEN)
        != NGX_OK
        || ngx_array_init(&requirements, pool, 4,
                          sizeof(ngx_http_k8s_metrics_requirement_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_lex(&l);

    rc = ngx_http_k8s_metrics_selector_parse(&l, &requirements);

    if (rc == NGX_DECLINED) {
        error->data = l.error.start;
        error->len = ngx_http_k8s_metrics_out_len(&l.error);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    selector->nelts = requirements.nelts;
    selector->elts = requirements.elts;

    ngx_qsort(selector->elts, selector->nelts,
              sizeof(ngx_http_k8s_metrics_requirement_t),
              ngx_http_k8s_metrics_selector_cmp_keys);

    return NGX_OK;
}


/*
 * Moves on to the next token.  As there, a NUL ends the text where a token
 * could begin, and ends (as a part of it) a word or a symbol.
 */

static void
ngx_http_k8s_metrics_lex(ngx_http_k8s_metrics_lexer_t *l)
{
    u_char  c;

    while (l->pos < l->last
           && (*l->pos == ' ' || *l->pos == '\t' || *l->pos == '\r'
               || *l->pos == '\n'))
    {
        l->pos++;
    }

    l->text.data = l->pos;
    l->text.len = 0;

    if (l->pos == l->last || *l->pos == '\0') {
        l->pos = l->last;
        l->tok = ngx_http_k8s_metrics_tok_end;
        return;
    }

    if (ngx_http_k8s_metrics_lex_symbol(l)) {
        l->text.len = l->pos - l->text.data;

        if (l->pos < l->last && *l->pos == '\0') {
            l->pos++;
        }

        return;
    }

    while (l->pos < l->last) {
        c = *l->pos;

        if (c == '\0') {
            l->text.len = l->pos++ - l->text.data;
            l->tok = ngx_http_k8s_metrics_tok_word;
            return;
        }

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '='
            || c == '!' || c == '(' || c == ')' || c == ',' || c == '>'
            || c == '<')
        {
            break;
        }

        l->pos++;
    }

    l->text.len = l->pos - l->text.data;
    l->tok = ngx_http_k8s_metrics_tok_word;
}


static ngx_uint_t
ngx_http_k8s_metrics_lex_symbol(ngx_http_k8s_metrics_lexer_t *l)
{
    ngx_uint_t  equals;

    equals = (l->last - l->pos > 1 && l->pos[1] == '=');

    switch (*l->pos) {

    case '=':
        l->tok = equals ? ngx_http_k8s_metrics_tok_double_equals
                        : ngx_http_k8s_metrics_tok_equals;
        l->pos += equals;
        break;

    case '!':
        l->tok = equals ? ngx_http_k8s_metrics_tok_not_equals
                        : ngx_http_k8s_metrics_tok_not;
        l->pos += equals;
        break;

    case '(':
        l->tok = ngx_http_k8s_metrics_tok_open;
        break;

    case ')':
        l->tok = ngx_http_k8s_metrics_tok_close;
        break;

    case ',':
        l->tok = ngx_http_k8s_metrics_tok_comma;
        break;

    case '>':
        l->tok = ngx_http_k8s_metrics_tok_greater;
        break;

    case '<':
        l->tok = ngx_http_k8s_metrics_tok_less;
        break;

    default:
        return 0;
    }

    l->pos++;

    return 1;
}


static ngx_int_t
ngx_http_k8s_metrics_selector_found(ngx_http_k8s_metrics_lexer_t *l,
    const char *expected)
{
    ngx_http_k8s_metrics_out_lit(&l->error, "found '");
    ngx_http_k8s_metrics_out_str(&l->error, &l->text);
    ngx_http_k8s_metrics_out_mem(&l->error, expected, ngx_strlen(expected));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_k8s_metrics_selector_parse(ngx_http_k8s_metrics_lexer_t *l,
    ngx_array_t *requirements)
{
    ngx_int_t                            rc;
    ngx_http_k8s_metrics_requirement_t  *r;

    if (l->tok == ngx_http_k8s_metrics_tok_end) {
        return NGX_OK;
    }

    if (l->tok != ngx_http_k8s_metrics_tok_word
        && l->tok != ngx_http_k8s_metrics_tok_not)
    {
        return ngx_http_k8s_metrics_selector_found(l,
                            "', expected: !, identifier, or 'end of string'");
    }

    for ( ;; ) {

        if (requirements->nelts == NGX_HTTP_K8S_METRICS_SELECTOR_MAX) {
            ngx_http_k8s_metrics_out_lit(&l->error, "too many requirements");
            return NGX_DECLINED;
        }

        r = ngx_array_push(requirements);
        if (r == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(r, sizeof(ngx_http_k8s_metrics_requirement_t));

        ngx_http_k8s_metrics_out_lit(&l->error,
                                     "unable to parse requirement: ");

        rc = ngx_http_k8s_metrics_selector_requirement(l, r);

        if (rc != NGX_OK) {
            return rc;
        }

        l->error.last = l->error.start;

        if (l->tok == ngx_http_k8s_metrics_tok_end) {
            return NGX_OK;
        }

        if (l->tok != ngx_http_k8s_metrics_tok_comma) {
            return ngx_http_k8s_metrics_selector_found(l,
                                        "', expected: ',' or 'end of string'");
        }

        ngx_http_k8s_metrics_lex(l);

        if (l->tok != ngx_http_k8s_metrics_tok_word
            && l->tok != ngx_http_k8s_metrics_tok_not)
        {
            return ngx_http_k8s_metrics_selector_found(l,
                                         "', expected: identifier after ','");
        }
    }
}


static ngx_int_t
ngx_http_k8s_metrics_selector_requirement(ngx_http_k8s_metrics_lexer_t *l,
    ngx_http_k8s_metrics_requirement_t *r)
{
    ngx_int_t  rc;

    r->op = NGX_HTTP_K8S_METRICS_OP_EXISTS;

    if (l->tok == ngx_http_k8s_metrics_tok_not) {
        r->op = NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS;
        ngx_http_k8s_metrics_lex(l);
    }

    if (l->tok != ngx_http_k8s_metrics_tok_word) {
        return ngx_http_k8s_metrics_selector_found(l,
                                                   "', expected: identifier");
    }

    if (ngx_http_k8s_metrics_check_key(&l->text, &l->error) != NGX_OK) {
        return NGX_DECLINED;
    }

    r->key = l->text;
    ngx_http_k8s_metrics_lex(l);

    if (r->op == NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS
        || l->tok == ngx_http_k8s_metrics_tok_end
        || l->tok == ngx_http_k8s_metrics_tok_comma)
    {
        return NGX_OK;
    }

    rc = ngx_http_k8s_metrics_selector_op(l, r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (r->op == NGX_HTTP_K8S_METRICS_OP_IN
        || r->op == NGX_HTTP_K8S_METRICS_OP_NOT_IN)
    {
        rc = ngx_http_k8s_metrics_selector_set(l, r);

    } else {
        rc = ngx_http_k8s_metrics_selector_exact_value(l, r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_k8s_metrics_check_values(r, &l->error);
}


static ngx_int_t
ngx_http_k8s_metrics_selector_op(ngx_http_k8s_metrics_lexer_t *l,
    ngx_http_k8s_metrics_requirement_t *r)
{
    switch (l->tok) {

    case ngx_http_k8s_metrics_tok_equals:
    case ngx_http_k8s_metrics_tok_double_equals:
        r->op = NGX_HTTP_K8S_METRICS_OP_EQUALS;
        break;

    case ngx_http_k8s_metrics_tok_not_equals:
        r->op = NGX_HTTP_K8S_METRICS_OP_NOT_EQUALS;
        break;

    case ngx_http_k8s_metrics_tok_greater:
        r->op = NGX_HTTP_K8S_METRICS_OP_GT;
        break;

    case ngx_http_k8s_metrics_tok_less:
        r->op = NGX_HTTP_K8S_METRICS_OP_LT;
        break;

    case ngx_http_k8s_metrics_tok_word:

        if (l->text.len == 2 && ngx_memcmp(l->text.data, "in", 2) == 0) {
            r->op = NGX_HTTP_K8S_METRICS_OP_IN;
            break;
        }

        if (l->text.len == 5 && ngx_memcmp(l->text.data, "notin", 5) == 0) {
            r->op = NGX_HTTP_K8S_METRICS_OP_NOT_IN;
            break;
        }

        /* fall through */

    default:
        return ngx_http_k8s_metrics_selector_found(l,
                                "', expected: in, notin, =, ==, !=, gt, lt");
    }

    ngx_http_k8s_metrics_lex(l);

    return NGX_OK;
}


/* (a,b,...), with nothing between commas or parentheses for an empty value. */

static ngx_int_t
ngx_http_k8s_metrics_selector_set(ngx_http_k8s_metrics_lexer_t *l,
    ngx_http_k8s_metrics_requirement_t *r)
{
    ngx_int_t    rc;
    ngx_str_t   *v;
    ngx_uint_t   i, n;
    ngx_array_t  values;

    if (l->tok != ngx_http_k8s_metrics_tok_open) {
        return ngx_http_k8s_metrics_selector_found(l, "' expected: '('");
    }

    ngx_http_k8s_metrics_lex(l);

    if (ngx_array_init(&values, l->pool, 4, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_k8s_metrics_selector_words(l, &values);

    if (rc == NGX_ABORT) {
        ngx_http_k8s_metrics_out_lit(&l->error, "too many values");
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* past the ")" */
    ngx_http_k8s_metrics_lex(l);

    v = values.elts;

    ngx_qsort(v, values.nelts, sizeof(ngx_str_t),
              ngx_http_k8s_metrics_selector_cmp_values);

    for (i = 1, n = 1; i < values.nelts; i++) {
        if (ngx_http_k8s_metrics_selector_cmp_values(&v[i], &v[n - 1]) != 0) {
            v[n++] = v[i];
        }
    }

    r->values = v;
    r->nvalues = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_selector_words(ngx_http_k8s_metrics_lexer_t *l,
    ngx_array_t *values)
{
    ngx_int_t    rc;
    ngx_str_t    empty;

    empty.len = 0;
    empty.data = l->last;

    if (l->tok == ngx_http_k8s_metrics_tok_close) {
        return ngx_http_k8s_metrics_selector_value(values, &empty);
    }

    if (l->tok != ngx_http_k8s_metrics_tok_word
        && l->tok != ngx_http_k8s_metrics_tok_comma)
    {
        return ngx_http_k8s_metrics_selector_found(l,
                                        "', expected: ',', ')' or identifier");
    }

    for ( ;; ) {

        if (l->tok == ngx_http_k8s_metrics_tok_word) {
            rc = ngx_http_k8s_metrics_selector_value(values, &l->text);

            if (rc != NGX_OK) {
                return rc;
            }

            ngx_http_k8s_metrics_lex(l);

            if (l->tok == ngx_http_k8s_metrics_tok_close) {
                return NGX_OK;
            }

            if (l->tok != ngx_http_k8s_metrics_tok_comma) {
                return ngx_http_k8s_metrics_selector_found(l,
                                                  "', expected: ',' or ')'");
            }

        } else if (l->tok != ngx_http_k8s_metrics_tok_comma) {
            return ngx_http_k8s_metrics_selector_found(l,
                                            "', expected: ',', or identifier");
        }

        /* a comma: nothing before the first, between two, after the last */

        if (values->nelts == 0) {
            rc = ngx_http_k8s_metrics_selector_value(values, &empty);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        ngx_http_k8s_metrics_lex(l);

        if (l->tok == ngx_http_k8s_metrics_tok_close
            || l->tok == ngx_http_k8s_metrics_tok_comma)
        {
            rc = ngx_http_k8s_metrics_selector_value(values, &empty);

            if (rc != NGX_OK || l->tok == ngx_http_k8s_metrics_tok_close) {
                return rc;
            }
        }
    }
}


static ngx_int_t
ngx_http_k8s_metrics_selector_exact_value(ngx_http_k8s_metrics_lexer_t *l,
    ngx_http_k8s_metrics_requirement_t *r)
{
    r->values = ngx_palloc(l->pool, sizeof(ngx_str_t));
    if (r->values == NULL) {
        return NGX_ERROR;
    }

    r->nvalues = 1;

    if (l->tok == ngx_http_k8s_metrics_tok_end
        || l->tok == ngx_http_k8s_metrics_tok_comma)
    {
        r->values->len = 0;
        r->values->data = l->last;

        return NGX_OK;
    }

    if (l->tok != ngx_http_k8s_metrics_tok_word) {
        return ngx_http_k8s_metrics_selector_found(l,
                                                   "', expected: identifier");
    }

    *r->values = l->text;
    ngx_http_k8s_metrics_lex(l);

    return NGX_OK;
}


/* NGX_OK, NGX_ABORT when there are too many already, NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_selector_value(ngx_array_t *values,
    const ngx_str_t *value)
{
    ngx_str_t  *v;

    if (values->nelts == NGX_HTTP_K8S_METRICS_SELECTOR_MAX) {
        return NGX_ABORT;
    }

    v = ngx_array_push(values);
    if (v == NULL) {
        return NGX_ERROR;
    }

    *v = *value;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_selector_cmp_values(const void *one, const void *two)
{
    const ngx_str_t  *a, *b;

    a = one;
    b = two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_selector_cmp_keys(const void *one, const void *two)
{
    const ngx_http_k8s_metrics_requirement_t  *a, *b;

    a = one;
    b = two;

    return (int) ngx_memn2cmp(a->key.data, b->key.data, a->key.len,
                              b->key.len);
}
