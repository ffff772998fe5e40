
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_summary_internal.h"


/* what comes next in the object that is the whole */

typedef enum {
    ngx_http_k8s_metrics_summary_first = 0,     /* a key, or the end */
    ngx_http_k8s_metrics_summary_key,
    ngx_http_k8s_metrics_summary_in_key,
    ngx_http_k8s_metrics_summary_colon,
    ngx_http_k8s_metrics_summary_value,
    ngx_http_k8s_metrics_summary_in_value,      /* no string, not nested */
    ngx_http_k8s_metrics_summary_after          /* a comma, or the end */
} ngx_http_k8s_metrics_summary_top_e;


static void ngx_http_k8s_metrics_summary_reset(
    ngx_http_k8s_metrics_summary_t *s);
static const u_char *ngx_http_k8s_metrics_summary_string(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p, const u_char *last);
static void ngx_http_k8s_metrics_summary_escaped(
    ngx_http_k8s_metrics_summary_t *s, u_char c);
static ngx_int_t ngx_http_k8s_metrics_summary_token(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p);
static ngx_int_t ngx_http_k8s_metrics_summary_atom(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p);
static ngx_uint_t ngx_http_k8s_metrics_summary_top(
    ngx_http_k8s_metrics_summary_t *s, u_char c);
static void ngx_http_k8s_metrics_summary_open(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p);
static ngx_int_t ngx_http_k8s_metrics_summary_close(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p);
static ngx_int_t ngx_http_k8s_metrics_summary_copy(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p);
static ngx_int_t ngx_http_k8s_metrics_summary_append(
    ngx_http_k8s_metrics_summary_t *s, const u_char *p, size_t len);


void
ngx_http_k8s_metrics_summary_init(ngx_http_k8s_metrics_summary_t *s,
    ngx_http_k8s_metrics_exposition_t *e)
{
    ngx_memzero(s, sizeof(ngx_http_k8s_metrics_summary_t));

    s->exposition = e;
}


void
ngx_http_k8s_metrics_summary_destroy(ngx_http_k8s_metrics_summary_t *s)
{
    if (s->piece) {
        ngx_free(s->piece);
    }

    ngx_http_k8s_metrics_summary_init(s, s->exposition);
}


void
ngx_http_k8s_metrics_summary_start(ngx_http_k8s_metrics_summary_t *s,
    int64_t time)
{
    ngx_http_k8s_metrics_exposition_start(s->exposition, time);
    ngx_http_k8s_metrics_summary_reset(s);
}


static void
ngx_http_k8s_metrics_summary_reset(ngx_http_k8s_metrics_summary_t *s)
{
    u_char  *piece;
    size_t   size;

    piece = s->piece;
    size = s->piece_size;

    ngx_http_k8s_metrics_summary_init(s, s->exposition);

    s->piece = piece;
    s->piece_size = size;
}


ngx_int_t
ngx_http_k8s_metrics_summary_end(ngx_http_k8s_metrics_summary_t *s)
{
    if (s->broken || !s->complete) {
        return NGX_DECLINED;
    }

    return ngx_http_k8s_metrics_exposition_end(s->exposition);
}


ngx_int_t
ngx_http_k8s_metrics_summary_feed(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p, size_t len)
{
    ngx_int_t      rc;
    const u_char  *last;

    last = p + len;

    if (s->kind) {
        s->run = p;
    }

    while (p < last && !s->broken) {

        if (s->string) {
            p = ngx_http_k8s_metrics_summary_string(s, p, last);
            continue;
        }

        if (ngx_http_k8s_metrics_summary_token(s, p++) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = NGX_OK;

    if (s->kind && !s->broken) {
        rc = ngx_http_k8s_metrics_summary_copy(s, last);
    }

    s->run = NULL;

    return rc;
}


/* Within a string; returns what follows its end, or "last". */

static const u_char *
ngx_http_k8s_metrics_summary_string(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p, const u_char *last)
{
    ngx_uint_t  key;

    key = (s->depth == 1 && s->top == ngx_http_k8s_metrics_summary_in_key);

    for ( /* void */ ; p < last; p++) {

        if (s->hex && *p == '"') {

            /* where cJSON would see the end */

            s->hex = 0;
            s->bad = 1;
        }

        if (s->escape || s->hex) {
            ngx_http_k8s_metrics_summary_escaped(s, *p);

        } else if (*p == '"') {
            s->string = 0;

            if (s->depth == 1) {
                s->top = key ? ngx_http_k8s_metrics_summary_colon
                             : ngx_http_k8s_metrics_summary_after;
            }

            return p + 1;

        } else if (*p == '\\') {
            s->escape = 1;

        } else if (*p < 0x20) {
            s->bad = 1;
        }

        if (key) {
            if (s->name_len < sizeof(s->name)) {
                s->name[s->name_len] = *p;
            }

            s->name_len++;
        }
    }

    return last;
}


/* A NUL would end a name for cJSON's readers: it would be another's. */

static void
ngx_http_k8s_metrics_summary_escaped(ngx_http_k8s_metrics_summary_t *s,
    u_char c)
{
    if (s->escape) {
        s->escape = 0;

        if (c == 'u') {
            s->hex = 4;
            s->zero = 1;
        }

        return;
    }

    if (c != '0') {
        s->zero = 0;
    }

    if (--s->hex == 0 && s->zero) {
        s->bad = 1;
    }
}


/* Outside of strings. */

static ngx_int_t
ngx_http_k8s_metrics_summary_token(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p)
{
    u_char  c;

    c = *p;

    if (s->number || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
        || c == '-')
    {
        if (ngx_http_k8s_metrics_summary_atom(s, p) != NGX_OK) {
            return NGX_ERROR;
        }

        if (s->number || s->word) {
            return NGX_OK;
        }
    }

    s->word = 0;

    if (s->depth <= 1 && !ngx_http_k8s_metrics_summary_top(s, c)) {
        s->broken = 1;
        return NGX_OK;
    }

    switch (c) {

    case '"':
        s->string = 1;
        break;

    case '{':
    case '[':
        ngx_http_k8s_metrics_summary_open(s, p);
        break;

    case '}':
    case ']':
        return ngx_http_k8s_metrics_summary_close(s, p);

    default:
        break;
    }

    return NGX_OK;
}


/*
 * Numbers and words.  Neither s->number nor s->word afterwards: a number has
 * ended before "p".
 */

static ngx_int_t
ngx_http_k8s_metrics_summary_atom(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p)
{
    u_char         c;
    static u_char  quote[] = { '"', NGX_HTTP_K8S_METRICS_SUMMARY_NUMBER };

    c = *p;

    if (s->number) {

        if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.'
            || c == 'e' || c == 'E')
        {
            return NGX_OK;
        }

        s->number = 0;

        if (ngx_http_k8s_metrics_summary_copy(s, p) != NGX_OK) {
            return NGX_ERROR;
        }

        if (c >= 'a' && c <= 'z') {
            s->bad = 1;
        }

        return ngx_http_k8s_metrics_summary_append(s, quote, 1);
    }

    if (s->depth <= 1 && !ngx_http_k8s_metrics_summary_top(s, c)) {
        s->broken = 1;
    }

    if (s->kind && !s->word && (c < 'a' || c > 'z')) {
        s->number = 1;

        if (ngx_http_k8s_metrics_summary_copy(s, p) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_k8s_metrics_summary_append(s, quote, 2);
    }

    s->word = 1;

    return NGX_OK;
}


/* 1 when "c" may come here: the grammar of the whole, and white space. */

static ngx_uint_t
ngx_http_k8s_metrics_summary_top(ngx_http_k8s_metrics_summary_t *s, u_char c)
{
    ngx_uint_t  blank, atom;

    blank = (c == ' ' || c == '\t' || c == '\r' || c == '\n');

    if (s->depth == 0) {
        return blank || (c == '{' && !s->complete);
    }

    atom = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'
           || c == '+' || c == '.' || c == 'E';

    switch (s->top) {

    case ngx_http_k8s_metrics_summary_first:
    case ngx_http_k8s_metrics_summary_key:

        if (c == '"') {
            s->top = ngx_http_k8s_metrics_summary_in_key;
            s->name_len = 0;
            return 1;
        }

        return blank || (c == '}'
                         && s->top == ngx_http_k8s_metrics_summary_first);

    case ngx_http_k8s_metrics_summary_colon:

        if (c == ':') {
            s->top = ngx_http_k8s_metrics_summary_value;
        }

        return blank || c == ':';

    case ngx_http_k8s_metrics_summary_value:

        if (atom) {
            s->top = ngx_http_k8s_metrics_summary_in_value;
        }

        return blank || atom || c == '"' || c == '{' || c == '[';

    case ngx_http_k8s_metrics_summary_in_value:

        if (atom) {
            return 1;
        }

        s->top = ngx_http_k8s_metrics_summary_after;

        /* fall through */

    default: /* ngx_http_k8s_metrics_summary_after */

        if (c == ',') {
            s->top = ngx_http_k8s_metrics_summary_key;
        }

        return blank || c == ',' || c == '}';
    }
}


static void
ngx_http_k8s_metrics_summary_open(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p)
{
    if (s->depth == NGX_HTTP_K8S_METRICS_SUMMARY_DEPTH) {
        s->broken = 1;
        return;
    }

    if (s->depth == 1) {
        s->key = NGX_HTTP_K8S_METRICS_SUMMARY_OTHER;

        if (s->name_len == 4 && ngx_memcmp(s->name, "node", 4) == 0
            && *p == '{')
        {
            s->key = NGX_HTTP_K8S_METRICS_SUMMARY_NODE;

        } else if (s->name_len == 4 && ngx_memcmp(s->name, "pods", 4) == 0
                   && *p == '[')
        {
            s->key = NGX_HTTP_K8S_METRICS_SUMMARY_POD;
        }
    }

    if (*p == '{'
        && ((s->depth == 1 && s->key == NGX_HTTP_K8S_METRICS_SUMMARY_NODE)
            || (s->depth == 2 && s->key == NGX_HTTP_K8S_METRICS_SUMMARY_POD)))
    {
        s->kind = s->key;
        s->run = p;
        s->piece_len = 0;
        s->bad = 0;
        s->over = 0;
    }

    s->depth++;

    if (*p == '[') {
        s->arrays |= 1ULL << s->depth;

    } else {
        s->arrays &= ~(1ULL << s->depth);
    }
}


static ngx_int_t
ngx_http_k8s_metrics_summary_close(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p)
{
    ngx_int_t   rc;
    ngx_uint_t  depth;

    if ((s->arrays >> s->depth & 1) != (*p == ']')) {
        s->broken = 1;
        return NGX_OK;
    }

    depth = --s->depth;

    if (depth <= 1) {
        s->complete = (depth == 0);
        s->top = ngx_http_k8s_metrics_summary_after;
    }

    if (s->kind == NGX_HTTP_K8S_METRICS_SUMMARY_OTHER
        || depth != (s->kind == NGX_HTTP_K8S_METRICS_SUMMARY_NODE ? 1 : 2))
    {
        return NGX_OK;
    }

    rc = ngx_http_k8s_metrics_summary_copy(s, p + 1);

    if (rc == NGX_OK) {
        rc = ngx_http_k8s_metrics_summary_piece(s);
    }

    s->kind = NGX_HTTP_K8S_METRICS_SUMMARY_OTHER;
    s->run = NULL;

    return rc;
}


/* What of the piece was not copied yet, up to "p". */

static ngx_int_t
ngx_http_k8s_metrics_summary_copy(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p)
{
    const u_char  *run;

    run = s->run;
    s->run = p;

    return ngx_http_k8s_metrics_summary_append(s, run, p - run);
}


static ngx_int_t
ngx_http_k8s_metrics_summary_append(ngx_http_k8s_metrics_summary_t *s,
    const u_char *p, size_t len)
{
    u_char  *piece;

    if (len > NGX_HTTP_K8S_METRICS_SUMMARY_PIECE - s->piece_len) {
        s->over = 1;
    }

    if (s->over || len == 0) {
        return NGX_OK;
    }

    piece = ngx_http_k8s_metrics_exposition_room(s->exposition, s->piece,
                                         &s->piece_size, s->piece_len + len,
                                         1);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    s->piece = piece;

    ngx_memcpy(s->piece + s->piece_len, p, len);
    s->piece_len += len;

    return NGX_OK;
}
