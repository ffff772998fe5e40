
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"

#include <yaml.h>


/* A kubeconfig that is being read. */
typedef struct {
    ngx_conf_t                         *cf;
    ngx_http_k8s_metrics_kube_conf_t   *conf;
    yaml_document_t                     document;
} ngx_http_k8s_metrics_kubeconfig_t;


static ngx_int_t ngx_http_k8s_metrics_kubeconfig_read(
    ngx_http_k8s_metrics_kubeconfig_t *kc);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_cluster(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *cluster);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_user(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *user);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_refuse(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *node,
    const char *names[]);
static yaml_node_t *ngx_http_k8s_metrics_kubeconfig_get(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *map,
    const char *key);
static yaml_node_t *ngx_http_k8s_metrics_kubeconfig_named(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *root,
    const char *list, ngx_str_t *name, const char *key);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_string(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *map, const char *key,
    ngx_str_t *s);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_bytes(
    ngx_http_k8s_metrics_kubeconfig_t *kc, yaml_node_t *map, const char *key,
    const char *data_key, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_kubeconfig_path(
    ngx_http_k8s_metrics_kubeconfig_t *kc, ngx_str_t *name);


static const char  *ngx_http_k8s_metrics_kubeconfig_no_cluster[] = {
    "proxy-url", NULL
};

static const char  *ngx_http_k8s_metrics_kubeconfig_no_user[] = {
    "exec", "auth-provider", "username", "password", "as", "as-uid",
    "as-groups", "as-user-extra", NULL
};


ngx_int_t
ngx_http_k8s_metrics_kube_kubeconfig(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    ngx_int_t                          rc;
    ngx_str_t                          bytes;
    yaml_parser_t                      parser;
    ngx_http_k8s_metrics_kubeconfig_t  kc;

    if (ngx_http_k8s_metrics_kube_file(cf, "kubeconfig", &conf->kubeconfig,
                                       &bytes)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!yaml_parser_initialize(&parser)) {
        return NGX_ERROR;
    }

    yaml_parser_set_input_string(&parser, bytes.data, bytes.len);

    if (!yaml_parser_load(&parser, &kc.document)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "k8s_metrics: kubeconfig \"%V\" is not valid YAML: %s in "
                      "line %uz",
                      &conf->kubeconfig,
                      parser.problem ? parser.problem : "it cannot be read",
                      parser.problem_mark.line + 1);
        yaml_parser_delete(&parser);
        return NGX_ERROR;
    }

    kc.cf = cf;
    kc.conf = conf;

    rc = ngx_http_k8s_metrics_kubeconfig_read(&kc);

    yaml_document_delete(&kc.document);
    yaml_parser_delete(&parser);

    return rc;
}


static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_read(ngx_http_k8s_metrics_kubeconfig_t *kc)
{
    ngx_str_t     context, cluster, user;
    yaml_node_t  *root, *node;

    root = yaml_document_get_root_node(&kc->document);

    if (ngx_http_k8s_metrics_kubeconfig_string(kc, root, "current-context",
                                               &context)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (context.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                      "k8s_metrics: kubeconfig \"%V\" has no current-context",
                      &kc->conf->kubeconfig);
        return NGX_ERROR;
    }

    node = ngx_http_k8s_metrics_kubeconfig_named(kc, root, "contexts",
                                                 &context, "context");
    if (node == NULL
        || ngx_http_k8s_metrics_kubeconfig_string(kc, node, "cluster",
                                                  &cluster)
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, node, "user", &user)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cluster.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                      "k8s_metrics: kubeconfig \"%V\" has a context \"%V\" "
                      "without a cluster", &kc->conf->kubeconfig, &context);
        return NGX_ERROR;
    }

    node = ngx_http_k8s_metrics_kubeconfig_named(kc, root, "clusters",
                                                 &cluster, "cluster");
    if (node == NULL
        || ngx_http_k8s_metrics_kubeconfig_cluster(kc, node) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (user.len == 0) {
        return NGX_OK;
    }

    node = ngx_http_k8s_metrics_kubeconfig_named(kc, root, "users", &user,
                                                 "user");
    if (node == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_kubeconfig_user(kc, node);
}


static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_cluster(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *cluster)
{
    ngx_str_t                          s;
    ngx_http_k8s_metrics_pem_t        *pem;
    ngx_http_k8s_metrics_kube_conf_t  *conf;

    conf = kc->conf;
    pem = conf->credentials.pem;

    if (ngx_http_k8s_metrics_kubeconfig_refuse(kc, cluster,
                                   ngx_http_k8s_metrics_kubeconfig_no_cluster)
        != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, cluster, "server", &s)
           != NGX_OK
        || ngx_http_k8s_metrics_kube_url(kc->cf, conf, &s) != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, cluster,
                                                  "tls-server-name",
                                                  &conf->tls_server_name)
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_bytes(kc, cluster,
                                                 "certificate-authority",
                                                 "certificate-authority-data",
                                         &pem[NGX_HTTP_K8S_METRICS_PEM_CA])
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, cluster,
                                                  "insecure-skip-tls-verify",
                                                  &s)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->insecure = (s.len == 4
                      && ngx_strncasecmp(s.data, (u_char *) "true", 4) == 0);

    if (conf->insecure && pem[NGX_HTTP_K8S_METRICS_PEM_CA].bytes.len) {
        ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                      "k8s_metrics: kubeconfig \"%V\" has both "
                      "insecure-skip-tls-verify and a certificate-authority",
                      &conf->kubeconfig);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_user(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *user)
{
    ngx_str_t                          token;
    ngx_http_k8s_metrics_pem_t        *pem;
    ngx_http_k8s_metrics_kube_conf_t  *conf;

    conf = kc->conf;
    pem = conf->credentials.pem;

    if (ngx_http_k8s_metrics_kubeconfig_refuse(kc, user,
                                      ngx_http_k8s_metrics_kubeconfig_no_user)
        != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_bytes(kc, user,
                                                 "client-certificate",
                                                 "client-certificate-data",
                                         &pem[NGX_HTTP_K8S_METRICS_PEM_CERT])
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_bytes(kc, user, "client-key",
                                                 "client-key-data",
                                         &pem[NGX_HTTP_K8S_METRICS_PEM_KEY])
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, user, "token",
                                                  &conf->token)
           != NGX_OK
        || ngx_http_k8s_metrics_kubeconfig_string(kc, user, "tokenFile",
                                                  &conf->token_file)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->token_file.len == 0) {

        if (conf->token.len
            && !ngx_http_k8s_metrics_kube_token_ok(conf->token.data,
                                                   conf->token.len))
        {
            ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                          "k8s_metrics: the \"token\" of kubeconfig \"%V\" "
                          "holds what no header can", &conf->kubeconfig);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    ngx_str_null(&conf->token);

    if (ngx_http_k8s_metrics_kubeconfig_path(kc, &conf->token_file) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_kube_file(kc->cf, "token", &conf->token_file,
                                          &token);
}


/* what would be a different identity, or none, if it were passed over */

static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_refuse(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *node, const char *names[])
{
    ngx_uint_t  i;

    for (i = 0; names[i]; i++) {

        if (ngx_http_k8s_metrics_kubeconfig_get(kc, node, names[i])) {
            ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                          "k8s_metrics: kubeconfig \"%V\" uses \"%s\", which "
                          "is not supported: use a token, a tokenFile or a "
                          "client certificate, and a direct connection",
                          &kc->conf->kubeconfig, names[i]);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static yaml_node_t *
ngx_http_k8s_metrics_kubeconfig_get(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *map, const char *key)
{
    size_t             len;
    yaml_node_t       *k, *v;
    yaml_node_pair_t  *pair;

    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }

    len = ngx_strlen(key);

    for (pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top;
         pair++)
    {
        k = yaml_document_get_node(&kc->document, pair->key);

        if (k == NULL || k->type != YAML_SCALAR_NODE
            || k->data.scalar.length != len
            || ngx_strncmp(k->data.scalar.value, key, len) != 0)
        {
            continue;
        }

        v = yaml_document_get_node(&kc->document, pair->value);

        if (v && v->type == YAML_SCALAR_NODE
            && v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
            && (v->data.scalar.length == 0
                || (v->data.scalar.length == 4
                    && ngx_strncmp(v->data.scalar.value, "null", 4) == 0)))
        {
            return NULL;
        }

        return v;
    }

    return NULL;
}


/* root[list] has elements {name, key}: key of the one with that name */

static yaml_node_t *
ngx_http_k8s_metrics_kubeconfig_named(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *root, const char *list, ngx_str_t *name, const char *key)
{
    ngx_str_t          s;
    yaml_node_t       *seq, *elt, *node;
    yaml_node_item_t  *item;

    seq = ngx_http_k8s_metrics_kubeconfig_get(kc, root, list);

    if (seq == NULL || seq->type != YAML_SEQUENCE_NODE) {
        goto missing;
    }

    for (item = seq->data.sequence.items.start;
         item < seq->data.sequence.items.top;
         item++)
    {
        elt = yaml_document_get_node(&kc->document, *item);

        if (ngx_http_k8s_metrics_kubeconfig_string(kc, elt, "name", &s)
            != NGX_OK)
        {
            return NULL;
        }

        if (s.len != name->len || ngx_memcmp(s.data, name->data, s.len) != 0) {
            continue;
        }

        node = ngx_http_k8s_metrics_kubeconfig_get(kc, elt, key);

        if (node && node->type == YAML_MAPPING_NODE) {
            return node;
        }
    }

missing:

    ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                  "k8s_metrics: kubeconfig \"%V\" has no \"%V\" in its %s",
                  &kc->conf->kubeconfig, name, list);

    return NULL;
}


/* a scalar as pool memory with a NUL behind it; absent: empty */

static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_string(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *map, const char *key, ngx_str_t *s)
{
    yaml_node_t  *node;

    ngx_str_null(s);

    node = ngx_http_k8s_metrics_kubeconfig_get(kc, map, key);

    if (node == NULL) {
        return NGX_OK;
    }

    if (node->type != YAML_SCALAR_NODE) {
        ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                      "k8s_metrics: \"%s\" in kubeconfig \"%V\" is no string",
                      key,
                      &kc->conf->kubeconfig);
        return NGX_ERROR;
    }

    s->data = ngx_pnalloc(kc->cf->pool, node->data.scalar.length + 1);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    s->len = node->data.scalar.length;
    ngx_memcpy(s->data, node->data.scalar.value, s->len);
    s->data[s->len] = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_bytes(ngx_http_k8s_metrics_kubeconfig_t *kc,
    yaml_node_t *map, const char *key, const char *data_key,
    ngx_http_k8s_metrics_pem_t *pem)
{
    ngx_str_t  s, *bytes;

    bytes = &pem->bytes;

    if (ngx_http_k8s_metrics_kubeconfig_string(kc, map, data_key, &s)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (s.len) {
        bytes->data = ngx_pnalloc(kc->cf->pool,
                                  ngx_base64_decoded_length(s.len));
        if (bytes->data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_decode_base64(bytes, &s) != NGX_OK || bytes->len == 0) {
            ngx_log_error(NGX_LOG_EMERG, kc->cf->log, 0,
                          "k8s_metrics: \"%s\" in kubeconfig \"%V\" is not "
                          "base64",
                          data_key, &kc->conf->kubeconfig);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_kubeconfig_string(kc, map, key, &s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (s.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_kubeconfig_path(kc, &s) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_kube_pem(kc->cf, key, &s, pem);
}


/* a file name is relative to the kubeconfig's folder */

static ngx_int_t
ngx_http_k8s_metrics_kubeconfig_path(ngx_http_k8s_metrics_kubeconfig_t *kc,
    ngx_str_t *name)
{
    ngx_str_t  folder;

    folder = kc->conf->kubeconfig;

    while (folder.len && folder.data[folder.len - 1] != '/') {
        folder.len--;
    }

    return ngx_get_full_name(kc->cf->pool, &folder, name);
}
