
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <cjson/cJSON.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_TOKEN_MAX      (64 * 1024)
#define NGX_HTTP_K8S_METRICS_QUESTION_MAX   (128 * 1024)

/* groups, extra keys, values of one */
#define NGX_HTTP_K8S_METRICS_TOKEN_LIST     1000


static void ngx_http_k8s_metrics_token_read(ngx_pool_t *pool,
    const ngx_str_t *question, const ngx_str_t *json,
    ngx_http_k8s_metrics_ruling_t *ruling);
static ngx_uint_t ngx_http_k8s_metrics_token_nul(const ngx_str_t *json);
static ngx_int_t ngx_http_k8s_metrics_token_refused(ngx_pool_t *pool,
    cJSON *status, ngx_http_k8s_metrics_ruling_t *ruling);
static ngx_int_t ngx_http_k8s_metrics_token_audience(const ngx_str_t *question,
    cJSON *status);
static ngx_int_t ngx_http_k8s_metrics_token_user(ngx_pool_t *pool,
    cJSON *user, ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_token_extra(ngx_pool_t *pool,
    cJSON *extra, ngx_http_k8s_metrics_identity_t *identity);
static ngx_int_t ngx_http_k8s_metrics_token_strs(ngx_pool_t *pool,
    cJSON *list, ngx_str_t **strs, ngx_uint_t *n);
static ngx_int_t ngx_http_k8s_metrics_token_str(ngx_pool_t *pool,
    const char *text, ngx_str_t *s);


const ngx_http_k8s_metrics_review_kind_t
    ngx_http_k8s_metrics_token_review =
{
    "a token review",
    "is our service account bound to the ClusterRole system:auth-delegator?",
    ngx_string("/apis/authentication.k8s.io/v1/tokenreviews"),
    ngx_string("authentication.k8s.io/v1"),
    ngx_string("TokenReview"),
    NGX_HTTP_K8S_METRICS_QUESTION_MAX,
    ngx_http_k8s_metrics_token_read
};


ngx_int_t
ngx_http_k8s_metrics_token_init(ngx_http_k8s_metrics_auth_t *auth)
{
    return (RAND_bytes(auth->secret, sizeof(auth->secret)) == 1) ? NGX_OK
                                                                 : NGX_ERROR;
}


ngx_int_t
ngx_http_k8s_metrics_token(ngx_http_request_t *r, ngx_str_t *token)
{
    size_t      i;
    u_char     *p, *last, *end;
    ngx_str_t  *value;

    static u_char  scheme[] = "bearer ";

    if (r->headers_in.authorization == NULL) {
        return NGX_DECLINED;
    }

    value = &r->headers_in.authorization->value;

    p = value->data;
    last = p + value->len;

    if (value->len < sizeof(scheme) - 1
        || ngx_strncasecmp(p, scheme, sizeof(scheme) - 1) != 0)
    {
        return NGX_DECLINED;
    }

    p += sizeof(scheme) - 1;
    end = ngx_strlchr(p, last, ' ');

    token->data = p;
    token->len = (end ? end : last) - p;

    if (token->len == 0) {
        return NGX_DECLINED;
    }

    if (token->len > NGX_HTTP_K8S_METRICS_TOKEN_MAX) {
        return NGX_ABORT;
    }

    for (i = 0; i < token->len; i++) {
        if (p[i] <= ' ' || p[i] >= 0x7f) {
            return NGX_ABORT;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_token_question(ngx_pool_t *pool,
    ngx_http_k8s_metrics_auth_t *auth, const ngx_array_t *audiences,
    const ngx_str_t *token, ngx_http_k8s_metrics_question_t *question)
{
    u_char                       *md;
    ngx_str_t                    *audience;
    ngx_uint_t                    i;
    unsigned int                  len;
    ngx_http_k8s_metrics_out_t    out;
    ngx_http_k8s_metrics_json_t   w;

    if (ngx_http_k8s_metrics_review_begin(pool,
                                          &ngx_http_k8s_metrics_token_review,
                                          &out, &w)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_json_member(&w, "token", token);

    if (audiences) {
        ngx_http_k8s_metrics_json_key(&w, "audiences");
        ngx_http_k8s_metrics_json_array(&w);

        audience = audiences->elts;

        for (i = 0; i < audiences->nelts; i++) {
            ngx_http_k8s_metrics_json_string(&w, &audience[i]);
        }

        ngx_http_k8s_metrics_json_array_end(&w);
    }

    if (ngx_http_k8s_metrics_review_end(&w, &question->body) != NGX_OK) {
        return NGX_ERROR;
    }

    /* of the whole question: other audiences are another one */

    md = ngx_pnalloc(pool, EVP_MAX_MD_SIZE);

    if (md == NULL
        || HMAC(EVP_sha256(), auth->secret, sizeof(auth->secret),
                question->body.data, question->body.len, md, &len)
           == NULL)
    {
        return NGX_ERROR;
    }

    question->key.data = md;
    question->key.len = len;

    return NGX_OK;
}


/*
 * As k8s.io/apiserver's webhook authenticator, but for what contradicts
 * itself, which is no answer.
 */

static void
ngx_http_k8s_metrics_token_read(ngx_pool_t *pool,
    const ngx_str_t *question, const ngx_str_t *json,
    ngx_http_k8s_metrics_ruling_t *ruling)
{
    cJSON                            *doc, *status;
    ngx_int_t                         rc;
    ngx_http_k8s_metrics_identity_t  *identity;

    if (ngx_http_k8s_metrics_token_nul(json)) {
        return;
    }

    doc = ngx_http_k8s_metrics_review_document(json,
                                            &ngx_http_k8s_metrics_token_review,
                                            &status);
    if (doc == NULL) {
        return;
    }

    if (ngx_http_k8s_metrics_token_refused(pool, status, ruling) != NGX_OK) {
        goto done;
    }

    rc = ngx_http_k8s_metrics_token_audience(question, status);

    if (rc == NGX_DECLINED) {
        ruling->decision = NGX_HTTP_K8S_METRICS_DENIED;
        ruling->keep = 1;
        ngx_str_set(&ruling->reason, "the token is for another audience");
    }

    if (rc != NGX_OK) {
        goto done;
    }

    identity = ngx_pcalloc(pool, sizeof(ngx_http_k8s_metrics_identity_t));

    if (identity == NULL
        || ngx_http_k8s_metrics_token_user(pool,
                             cJSON_GetObjectItemCaseSensitive(status, "user"),
                             identity)
           != NGX_OK)
    {
        goto done;
    }

    identity->by = NGX_HTTP_K8S_METRICS_BY_TOKEN;

    ruling->decision = NGX_HTTP_K8S_METRICS_ALLOWED;
    ruling->keep = 1;
    ruling->identity = identity;

done:

    cJSON_Delete(doc);
}


/* 1 with a NUL in a string, where cJSON's ends: a name would be another's. */

static ngx_uint_t
ngx_http_k8s_metrics_token_nul(const ngx_str_t *json)
{
    u_char  *p, *last;

    last = json->data + json->len;

    for (p = json->data; p < last; p++) {

        if (*p != '\\') {
            continue;
        }

        p++;

        if (last - p >= 5 && ngx_strncmp(p, "u0000", 5) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * NGX_OK when it is not refused; NGX_DECLINED, the ruling says so, or it is
 * left to have failed.
 */

static ngx_int_t
ngx_http_k8s_metrics_token_refused(ngx_pool_t *pool, cJSON *status,
    ngx_http_k8s_metrics_ruling_t *ruling)
{
    cJSON       *error, *authenticated;
    ngx_uint_t   has;

    authenticated = cJSON_GetObjectItemCaseSensitive(status, "authenticated");
    error = cJSON_GetObjectItemCaseSensitive(status, "error");

    has = cJSON_IsString(error) && error->valuestring[0] != '\0';

    if (cJSON_IsTrue(authenticated)) {
        return has ? NGX_DECLINED : NGX_OK;
    }

    if (authenticated && !cJSON_IsFalse(authenticated)) {
        return NGX_DECLINED;
    }

    ruling->decision = NGX_HTTP_K8S_METRICS_DENIED;

    /* an error is not definite: the next request asks again */

    ruling->keep = !has;

    if (!has
        || ngx_http_k8s_metrics_token_str(pool, error->valuestring,
                                          &ruling->reason)
           != NGX_OK)
    {
        ngx_str_set(&ruling->reason, "the token is not valid");
    }

    return NGX_DECLINED;
}


/*
 * With audiences in the question one of them has to be among the token's: an
 * API server that knows nothing of audiences names none.  NGX_OK,
 * NGX_DECLINED, or NGX_ERROR without memory.
 */

static ngx_int_t
ngx_http_k8s_metrics_token_audience(const ngx_str_t *question, cJSON *status)
{
    cJSON      *doc, *asked, *got, *a, *b;
    ngx_int_t   rc;

    doc = cJSON_ParseWithLength((char *) question->data, question->len);
    if (doc == NULL) {
        return NGX_ERROR;
    }

    asked = cJSON_GetObjectItemCaseSensitive(doc, "spec");
    asked = cJSON_GetObjectItemCaseSensitive(asked, "audiences");

    got = cJSON_GetObjectItemCaseSensitive(status, "audiences");

    rc = asked ? NGX_DECLINED : NGX_OK;

    cJSON_ArrayForEach(a, asked) {
        cJSON_ArrayForEach(b, got) {

            if (cJSON_IsString(b)
                && ngx_strcmp(a->valuestring, b->valuestring) == 0)
            {
                rc = NGX_OK;
            }
        }
    }

    cJSON_Delete(doc);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_token_user(ngx_pool_t *pool, cJSON *user,
    ngx_http_k8s_metrics_identity_t *identity)
{
    cJSON  *name, *uid, *groups;

    name = cJSON_GetObjectItemCaseSensitive(user, "username");
    uid = cJSON_GetObjectItemCaseSensitive(user, "uid");
    groups = cJSON_GetObjectItemCaseSensitive(user, "groups");

    if (!cJSON_IsString(name) || name->valuestring[0] == '\0'
        || (uid && !cJSON_IsString(uid)))
    {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_token_str(pool, name->valuestring,
                                       &identity->user)
        != NGX_OK
        || ngx_http_k8s_metrics_token_strs(pool, groups, &identity->groups,
                                           &identity->ngroups)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (uid
        && ngx_http_k8s_metrics_token_str(pool, uid->valuestring,
                                          &identity->uid)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_token_extra(pool,
                              cJSON_GetObjectItemCaseSensitive(user, "extra"),
                              identity);
}


static ngx_int_t
ngx_http_k8s_metrics_token_extra(ngx_pool_t *pool, cJSON *extra,
    ngx_http_k8s_metrics_identity_t *identity)
{
    cJSON                         *item;
    ngx_uint_t                     n;
    ngx_http_k8s_metrics_extra_t  *e;

    if (extra == NULL || cJSON_IsNull(extra)) {
        return NGX_OK;
    }

    n = cJSON_GetArraySize(extra);

    if (!cJSON_IsObject(extra) || n > NGX_HTTP_K8S_METRICS_TOKEN_LIST) {
        return NGX_ERROR;
    }

    e = ngx_palloc(pool, n * sizeof(ngx_http_k8s_metrics_extra_t) + 1);
    if (e == NULL) {
        return NGX_ERROR;
    }

    identity->extra = e;
    identity->nextra = n;

    cJSON_ArrayForEach(item, extra) {

        if (ngx_http_k8s_metrics_token_str(pool, item->string, &e->key)
            != NGX_OK
            || ngx_http_k8s_metrics_token_strs(pool, item, &e->values,
                                               &e->nvalues)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        e++;
    }

    ngx_http_k8s_metrics_identity_sort(identity);

    return NGX_OK;
}


/* An array of strings; absent: none. */

static ngx_int_t
ngx_http_k8s_metrics_token_strs(ngx_pool_t *pool, cJSON *list,
    ngx_str_t **strs, ngx_uint_t *n)
{
    cJSON      *item;
    ngx_str_t  *s;

    *n = 0;

    if (list == NULL || cJSON_IsNull(list)) {
        return NGX_OK;
    }

    *n = cJSON_GetArraySize(list);

    if (!cJSON_IsArray(list) || *n > NGX_HTTP_K8S_METRICS_TOKEN_LIST) {
        return NGX_ERROR;
    }

    s = ngx_palloc(pool, *n * sizeof(ngx_str_t) + 1);
    if (s == NULL) {
        return NGX_ERROR;
    }

    *strs = s;

    cJSON_ArrayForEach(item, list) {

        if (!cJSON_IsString(item)
            || ngx_http_k8s_metrics_token_str(pool, item->valuestring, s)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        s++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_token_str(ngx_pool_t *pool, const char *text,
    ngx_str_t *s)
{
    s->len = ngx_strlen(text);
    s->data = ngx_pnalloc(pool, s->len + 1);

    if (s->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(s->data, text, s->len);

    return NGX_OK;
}
