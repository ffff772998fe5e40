
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"


#define NGX_HTTP_K8S_METRICS_KUBE_MOUNT                                       \
    "/var/run/secrets/kubernetes.io/serviceaccount"


static ngx_int_t ngx_http_k8s_metrics_kube_in_cluster(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf);
static ngx_int_t ngx_http_k8s_metrics_kube_mounted(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, const char *file,
    ngx_str_t *name);
static ngx_int_t ngx_http_k8s_metrics_kube_host(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, ngx_str_t *host);
static ngx_int_t ngx_http_k8s_metrics_kube_resolve(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf);
static ngx_int_t ngx_http_k8s_metrics_kube_check_tls(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf);


void
ngx_http_k8s_metrics_kube_conf_init(ngx_http_k8s_metrics_kube_conf_t *conf)
{
    ngx_memzero(conf, sizeof(ngx_http_k8s_metrics_kube_conf_t));

    conf->source = NGX_HTTP_K8S_METRICS_KUBE_UNSET;
}


char *
ngx_http_k8s_metrics_kube_apiserver(ngx_conf_t *cf, ngx_command_t *cmd,
    void *data)
{
    ngx_str_t                         *value, s;
    ngx_http_k8s_metrics_kube_conf_t  *conf;

    conf = (ngx_http_k8s_metrics_kube_conf_t *)
               ((u_char *) data + cmd->offset);

    if (conf->source != NGX_HTTP_K8S_METRICS_KUBE_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    s = value[1];

    if (s.len == 10 && ngx_strncmp(s.data, "in_cluster", 10) == 0) {
        conf->source = NGX_HTTP_K8S_METRICS_KUBE_IN_CLUSTER;
        return NGX_CONF_OK;
    }

    if (s.len > 11 && ngx_strncmp(s.data, "in_cluster=", 11) == 0) {
        conf->source = NGX_HTTP_K8S_METRICS_KUBE_IN_CLUSTER;

    } else if (s.len > 11 && ngx_strncmp(s.data, "kubeconfig=", 11) == 0) {
        conf->source = NGX_HTTP_K8S_METRICS_KUBE_KUBECONFIG;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"in_cluster\", \"in_cluster=FOLDER\" or "
                           "\"kubeconfig=FILE\"", &s);
        return NGX_CONF_ERROR;
    }

    conf->kubeconfig.data = s.data + 11;
    conf->kubeconfig.len = s.len - 11;

    if (ngx_conf_full_name(cf->cycle, &conf->kubeconfig, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_k8s_metrics_kube_conf_load(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    ngx_int_t  rc;

    if (conf->source == NGX_HTTP_K8S_METRICS_KUBE_KUBECONFIG) {
        rc = ngx_http_k8s_metrics_kube_kubeconfig(cf, conf);

    } else {
        rc = ngx_http_k8s_metrics_kube_in_cluster(cf, conf);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_kube_check_tls(cf, conf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_kube_resolve(cf, conf);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_in_cluster(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    char                        *host, *port;
    ngx_int_t                    n;
    ngx_str_t                    name, token, s;
    ngx_http_k8s_metrics_pem_t  *pem;

    pem = conf->credentials.pem;

    host = getenv("KUBERNETES_SERVICE_HOST");
    port = getenv("KUBERNETES_SERVICE_PORT");

    if (host == NULL || port == NULL || *host == '\0') {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "k8s_metrics: KUBERNETES_SERVICE_HOST and "
                      "KUBERNETES_SERVICE_PORT are not in the environment; "
                      "outside a cluster write \"k8s_metrics_apiserver "
                      "kubeconfig=FILE\"");
        return NGX_ERROR;
    }

    n = ngx_atoi((u_char *) port, ngx_strlen(port));

    if (n < 1 || n > 65535) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "k8s_metrics: invalid KUBERNETES_SERVICE_PORT \"%s\"",
                      port);
        return NGX_ERROR;
    }

    conf->source = NGX_HTTP_K8S_METRICS_KUBE_IN_CLUSTER;
    conf->port = (in_port_t) n;
    conf->tls = 1;

    s.data = (u_char *) host;
    s.len = ngx_strlen(host);

    if (ngx_http_k8s_metrics_kube_host(cf, conf, &s) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_kube_mounted(cf, conf, "ca.crt", &name) != NGX_OK
        || ngx_http_k8s_metrics_kube_pem(cf, "CA bundle", &name,
                                         &pem[NGX_HTTP_K8S_METRICS_PEM_CA])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_kube_mounted(cf, conf, "token",
                                          &conf->token_file)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_kube_file(cf, "service account token",
                                          &conf->token_file, &token);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_mounted(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, const char *file, ngx_str_t *name)
{
    u_char     *p;
    ngx_str_t   mount;

    ngx_str_set(&mount, NGX_HTTP_K8S_METRICS_KUBE_MOUNT);

    if (conf->kubeconfig.len) {
        mount = conf->kubeconfig;
    }

    name->data = ngx_pnalloc(cf->pool, mount.len + ngx_strlen(file) + 2);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name->data, "%V/%s", &mount, file);
    *p = '\0';

    name->len = p - name->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_kube_file(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, ngx_str_t *bytes)
{
    ngx_int_t                    rc;
    ngx_http_k8s_metrics_pem_t   pem;

    rc = ngx_http_k8s_metrics_kube_pem(cf, what, name, &pem);

    *bytes = pem.bytes;

    return rc;
}


ngx_int_t
ngx_http_k8s_metrics_kube_pem(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, ngx_http_k8s_metrics_pem_t *pem)
{
    u_char     *p;
    ngx_err_t   err;
    ngx_int_t   rc;

    ngx_memzero(pem, sizeof(ngx_http_k8s_metrics_pem_t));

    pem->file.name = *name;

    p = ngx_pnalloc(cf->pool, sizeof("the API server's ") + ngx_strlen(what));
    if (p == NULL) {
        return NGX_ERROR;
    }

    pem->file.what = (char *) p;

    p = ngx_sprintf(p, "the API server's %s", what);
    *p = '\0';

    rc = ngx_http_k8s_metrics_file_read(&pem->file, cf->pool, &pem->bytes,
                                        &err);

    if (rc == NGX_OK && pem->bytes.len) {
        return NGX_OK;
    }

    if (rc == NGX_ABORT) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      "k8s_metrics: cannot open %s \"%V\"", pem->file.what,
                      name);

    } else if (rc == NGX_OK || rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "k8s_metrics: %s \"%V\" is no file of 1 to %d bytes",
                      pem->file.what, name, NGX_HTTP_K8S_METRICS_FILE_MAX);

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                      "k8s_metrics: cannot read %s \"%V\"", pem->file.what,
                      name);
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_k8s_metrics_kube_url(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, ngx_str_t *url)
{
    u_char     *p, *last, *slash, *colon;
    ngx_int_t   n;
    ngx_str_t   host;

    p = url->data;
    last = p + url->len;

    if (url->len > 8 && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        conf->tls = 1;
        conf->port = 443;
        p += 8;

    } else if (url->len > 7
               && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0)
    {
        conf->tls = 0;
        conf->port = 80;
        p += 7;

    } else {
        goto invalid;
    }

    slash = ngx_strlchr(p, last, '/');

    if (slash == NULL) {
        slash = last;
    }

    conf->prefix.data = slash;
    conf->prefix.len = last - slash;

    while (conf->prefix.len
           && conf->prefix.data[conf->prefix.len - 1] == '/')
    {
        conf->prefix.len--;
    }

    colon = NULL;

    if (p < slash && *p == '[') {
        host.data = p + 1;
        p = ngx_strlchr(p, slash, ']');

        if (p == NULL) {
            goto invalid;
        }

        host.len = p - host.data;

        if (p + 1 < slash) {
            colon = p + 1;
        }

        if (colon && *colon != ':') {
            goto invalid;
        }

    } else {
        host.data = p;
        colon = ngx_strlchr(p, slash, ':');
        host.len = (colon ? colon : slash) - p;
    }

    if (colon) {
        n = ngx_atoi(colon + 1, slash - colon - 1);

        if (n < 1 || n > 65535) {
            goto invalid;
        }

        conf->port = (in_port_t) n;
    }

    if (host.len) {
        return ngx_http_k8s_metrics_kube_host(cf, conf, &host);
    }

invalid:

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "k8s_metrics: invalid URL of the API server \"%V\" in \"%V\"",
                  url, &conf->kubeconfig);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_host(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, ngx_str_t *host)
{
    size_t  i;

    for (i = 0; i < host->len; i++) {
        if (host->data[i] <= ' ' || host->data[i] == '@'
            || host->data[i] == '/' || host->data[i] >= 0x7f)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "k8s_metrics: invalid host of the API server \"%V\"",
                          host);
            return NGX_ERROR;
        }
    }

    conf->host.len = host->len;
    conf->host.data = ngx_pstrdup(cf->pool, host);
    if (conf->host.data == NULL) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_kube_check_tls(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    ngx_uint_t  i;

    /* kubelets may be shown the same, whatever the API server is shown */

    for (i = 0; i < NGX_HTTP_K8S_METRICS_PEMS; i++) {
        conf->credentials.pem[i].what = "k8s_metrics_apiserver";
    }

    if (!conf->tls) {
        return NGX_OK;
    }

    if (conf->tls_server_name.len == 0) {
        conf->tls_server_name = conf->host;
    }

    return ngx_http_k8s_metrics_credentials(cf->pool, cf->log,
                                            &conf->credentials);
}


static ngx_int_t
ngx_http_k8s_metrics_kube_resolve(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf)
{
    u_char                     *p;
    ngx_url_t                   u;
    ngx_http_k8s_metrics_ip_t   ip;

    conf->named = (ngx_http_k8s_metrics_ip(&conf->host, &ip) != NGX_OK);

    p = ngx_pnalloc(cf->pool, conf->host.len + sizeof("[]:65535"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = p;

    if (ngx_strlchr(conf->host.data, conf->host.data + conf->host.len, ':')) {
        p = ngx_sprintf(p, "[%V]:%ui", &conf->host, (ngx_uint_t) conf->port);

    } else {
        p = ngx_sprintf(p, "%V:%ui", &conf->host, (ngx_uint_t) conf->port);
    }

    u.url.len = p - u.url.data;
    u.default_port = conf->port;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {

        if (conf->named && ngx_http_k8s_metrics_resolve_name_ok(&conf->host)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "k8s_metrics: the API server's host \"%V\" is not "
                          "resolved yet: %s",
                          &conf->host, u.err ? u.err : "no address");
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "k8s_metrics: the API server's host \"%V\" cannot be "
                      "used: %s",
                      &conf->host, u.err ? u.err : "no address");
        return NGX_ERROR;
    }

    conf->naddrs = u.naddrs;
    conf->addrs = u.addrs;

    return NGX_OK;
}
