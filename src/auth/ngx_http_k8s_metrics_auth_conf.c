
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_auth_internal.h"


#define NGX_HTTP_K8S_METRICS_DEFAULT_TTL  10000
#define NGX_HTTP_K8S_METRICS_MAX_INFLIGHT  400
#define NGX_HTTP_K8S_METRICS_MAX_TTL      (24 * 3600 * 1000)


/* What the directives of a server were made into. */
typedef ngx_http_k8s_metrics_auth_settings_t
    ngx_http_k8s_metrics_auth_state_t;


static void ngx_http_k8s_metrics_auth_merge_requestheader(
    ngx_http_k8s_metrics_auth_srv_conf_t *prev,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);
static char *ngx_http_k8s_metrics_auth_defaults(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);
static ngx_array_t *ngx_http_k8s_metrics_auth_list(ngx_conf_t *cf,
    const char *a, const char *b, const char *c);
static char *ngx_http_k8s_metrics_auth_check_paths(ngx_conf_t *cf,
    ngx_array_t *paths);
static char *ngx_http_k8s_metrics_auth_load(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf);


void
ngx_http_k8s_metrics_auth_srv_conf_init(
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    conf->allowed_names = NGX_CONF_UNSET_PTR;
    conf->username_headers = NGX_CONF_UNSET_PTR;
    conf->uid_headers = NGX_CONF_UNSET_PTR;
    conf->group_headers = NGX_CONF_UNSET_PTR;
    conf->extra_prefixes = NGX_CONF_UNSET_PTR;
    conf->always_allow_paths = NGX_CONF_UNSET_PTR;
    conf->token_audiences = NGX_CONF_UNSET_PTR;
    conf->token_ttl = NGX_CONF_UNSET_MSEC;
    conf->allow_ttl = NGX_CONF_UNSET_MSEC;
    conf->deny_ttl = NGX_CONF_UNSET_MSEC;
    conf->max_inflight = NGX_CONF_UNSET_UINT;
    conf->anonymous = NGX_CONF_UNSET;
}


char *
ngx_http_k8s_metrics_auth_srv_conf_merge(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *prev,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    ngx_http_k8s_metrics_auth_merge_requestheader(prev, conf);

    if (conf->client_ca.data == NULL) {
        conf->client_ca = prev->client_ca;
    }

    ngx_conf_merge_ptr_value(conf->always_allow_paths,
                             prev->always_allow_paths, NULL);
    ngx_conf_merge_ptr_value(conf->token_audiences, prev->token_audiences,
                             NULL);
    ngx_conf_merge_msec_value(conf->token_ttl, prev->token_ttl,
                              NGX_HTTP_K8S_METRICS_DEFAULT_TTL);
    ngx_conf_merge_msec_value(conf->allow_ttl, prev->allow_ttl,
                              NGX_HTTP_K8S_METRICS_DEFAULT_TTL);
    ngx_conf_merge_msec_value(conf->deny_ttl, prev->deny_ttl,
                              NGX_HTTP_K8S_METRICS_DEFAULT_TTL);
    ngx_conf_merge_uint_value(conf->max_inflight, prev->max_inflight,
                              NGX_HTTP_K8S_METRICS_MAX_INFLIGHT);
    ngx_conf_merge_value(conf->anonymous, prev->anonymous, 1);

    if (ngx_http_k8s_metrics_auth_defaults(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_k8s_metrics_auth_load(cf, conf);
}


/* Names that may speak for a CA are no names for another. */

static void
ngx_http_k8s_metrics_auth_merge_requestheader(
    ngx_http_k8s_metrics_auth_srv_conf_t *prev,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    ngx_uint_t     i, own;
    ngx_array_t  **list[5], *inherited[5];

    list[0] = &conf->allowed_names;
    list[1] = &conf->username_headers;
    list[2] = &conf->uid_headers;
    list[3] = &conf->group_headers;
    list[4] = &conf->extra_prefixes;

    inherited[0] = prev->allowed_names;
    inherited[1] = prev->username_headers;
    inherited[2] = prev->uid_headers;
    inherited[3] = prev->group_headers;
    inherited[4] = prev->extra_prefixes;

    own = (conf->requestheader_client_ca.data != NULL);

    if (!own) {
        conf->requestheader_client_ca = prev->requestheader_client_ca;
    }

    for (i = 0; i < 5; i++) {

        if (*list[i] != NGX_CONF_UNSET_PTR) {
            continue;
        }

        *list[i] = (own || inherited[i] == NGX_CONF_UNSET_PTR) ? NULL
                                                               : inherited[i];
    }
}


static char *
ngx_http_k8s_metrics_auth_defaults(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    if (conf->always_allow_paths == NULL) {
        conf->always_allow_paths = ngx_http_k8s_metrics_auth_list(cf,
                                              "/healthz", "/livez", "/readyz");
        if (conf->always_allow_paths == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->requestheader_client_ca.data == NULL) {

        if (conf->allowed_names || conf->username_headers
            || conf->uid_headers || conf->group_headers
            || conf->extra_prefixes)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"k8s_metrics_requestheader_...\" directives need "
                          "\"k8s_metrics_requestheader_client_ca\": without it "
                          "all of these settings come from the cluster");
            return NGX_CONF_ERROR;
        }

        return ngx_http_k8s_metrics_auth_check_paths(cf,
                                                     conf->always_allow_paths);
    }

    if (conf->username_headers == NULL) {
        conf->username_headers = ngx_http_k8s_metrics_auth_list(cf,
                                                   "X-Remote-User", "", "");
    }

    if (conf->group_headers == NULL) {
        conf->group_headers = ngx_http_k8s_metrics_auth_list(cf,
                                                   "X-Remote-Group", "", "");
    }

    if (conf->extra_prefixes == NULL) {
        conf->extra_prefixes = ngx_http_k8s_metrics_auth_list(cf,
                                                   "X-Remote-Extra-", "", "");
    }

    if (conf->username_headers == NULL || conf->group_headers == NULL
        || conf->extra_prefixes == NULL)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_k8s_metrics_auth_check_paths(cf,
                                                 conf->always_allow_paths);
}


static ngx_array_t *
ngx_http_k8s_metrics_auth_list(ngx_conf_t *cf, const char *a, const char *b,
    const char *c)
{
    ngx_str_t    *s;
    ngx_uint_t    i;
    const char   *words[3];
    ngx_array_t  *list;

    words[0] = a;
    words[1] = b;
    words[2] = c;

    list = ngx_array_create(cf->pool, 3, sizeof(ngx_str_t));
    if (list == NULL) {
        return NULL;
    }

    for (i = 0; i < 3 && words[i][0]; i++) {
        s = ngx_array_push(list);
        if (s == NULL) {
            return NULL;
        }

        s->data = (u_char *) words[i];
        s->len = ngx_strlen(words[i]);
    }

    return list;
}


static char *
ngx_http_k8s_metrics_auth_check_paths(ngx_conf_t *cf, ngx_array_t *paths)
{
    u_char      *p;
    ngx_str_t   *path;
    ngx_uint_t   i;

    path = paths->elts;

    for (i = 0; i < paths->nelts; i++) {
        p = ngx_strlchr(path[i].data, path[i].data + path[i].len, '*');

        if (path[i].len == 0 || path[i].data[0] != '/'
            || (p && p != path[i].data + path[i].len - 1))
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "invalid \"k8s_metrics_always_allow_paths\" \"%V\": "
                          "a path begins with \"/\", and \"*\" is only "
                          "allowed at the end", &path[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* A file that several servers name, or inherit, is one bundle for all. */

static char *
ngx_http_k8s_metrics_auth_load(ngx_conf_t *cf,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf)
{
    ngx_str_t                           name;
    ngx_http_k8s_metrics_auth_state_t  *state;

    state = ngx_pcalloc(cf->pool, sizeof(ngx_http_k8s_metrics_auth_state_t));
    if (state == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->state = state;

    if (conf->requestheader_client_ca.data) {
        name = conf->requestheader_client_ca;

        state->requestheader.bundle = ngx_http_k8s_metrics_bundle_file(cf,
                                        "k8s_metrics_requestheader_client_ca",
                                        &name);
        if (state->requestheader.bundle == NULL) {
            return NGX_CONF_ERROR;
        }

        state->requestheader.allowed_names = conf->allowed_names;
        state->requestheader.username = conf->username_headers;
        state->requestheader.uid = conf->uid_headers;
        state->requestheader.group = conf->group_headers;
        state->requestheader.extra = conf->extra_prefixes;
    }

    if (conf->client_ca.data) {
        name = conf->client_ca;

        state->client_ca = ngx_http_k8s_metrics_bundle_file(cf,
                                             "k8s_metrics_client_ca", &name);
        if (state->client_ca == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_k8s_metrics_auth_words(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char       *p;
    ngx_str_t    *value, *s;
    ngx_uint_t    i;
    ngx_array_t **a;

    p = conf;
    a = (ngx_array_t **) (p + cmd->offset);

    if (*a != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    *a = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*a == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        s = ngx_array_push(*a);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        if (value[i].len == 0) {
            return "has an empty value";
        }

        *s = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_http_k8s_metrics_auth_headers(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_http_k8s_metrics_header_name_ok(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" of \"%V\" is no header's name",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_k8s_metrics_auth_words(cf, cmd, conf);
}


char *
ngx_http_k8s_metrics_auth_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return value[1].len ? ngx_conf_set_str_slot(cf, cmd, conf)
                        : "needs a file";
}


char *
ngx_http_k8s_metrics_auth_ttl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                             *value;
    ngx_http_k8s_metrics_auth_srv_conf_t  *ascf;

    ascf = (ngx_http_k8s_metrics_auth_srv_conf_t *) ((u_char *) conf
                                                     + cmd->offset);

    if (ascf->allow_ttl != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ascf->allow_ttl = ngx_parse_time(&value[1], 0);
    ascf->deny_ttl = ascf->allow_ttl;

    if (cf->args->nelts == 3) {
        ascf->deny_ttl = ngx_parse_time(&value[2], 0);
    }

    if (ascf->allow_ttl > NGX_HTTP_K8S_METRICS_MAX_TTL
        || ascf->deny_ttl > NGX_HTTP_K8S_METRICS_MAX_TTL)
    {
        return "has an invalid time, or one over a day";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_k8s_metrics_auth_token_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char        *rc;
    ngx_msec_t  *ttl;

    rc = ngx_conf_set_msec_slot(cf, cmd, conf);

    if (rc != NGX_CONF_OK) {
        return rc;
    }

    ttl = (ngx_msec_t *) ((u_char *) conf + cmd->offset);

    return (*ttl > NGX_HTTP_K8S_METRICS_MAX_TTL) ? "has a time over a day"
                                                 : NGX_CONF_OK;
}
