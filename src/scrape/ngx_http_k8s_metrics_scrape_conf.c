
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_scrape.h"


#define NGX_HTTP_K8S_METRICS_MIN_RESOLUTION  10000


static ngx_int_t ngx_http_k8s_metrics_scrape_times(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf);
static ngx_int_t ngx_http_k8s_metrics_scrape_exclusions(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf);
static ngx_int_t ngx_http_k8s_metrics_scrape_proxy(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube);
static ngx_int_t ngx_http_k8s_metrics_scrape_tls(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube);
static ngx_int_t ngx_http_k8s_metrics_scrape_pem(ngx_conf_t *cf,
    const char *directive, ngx_str_t *file, ngx_http_k8s_metrics_pem_t *pem);
static ngx_int_t ngx_http_k8s_metrics_scrape_read(ngx_conf_t *cf,
    ngx_http_k8s_metrics_pem_t *pem);
static ngx_array_t *ngx_http_k8s_metrics_scrape_default_types(ngx_conf_t *cf);


static ngx_conf_enum_t  ngx_http_k8s_metrics_address_types[] = {
    { ngx_string("Hostname"), NGX_HTTP_K8S_METRICS_ADDR_HOSTNAME },
    { ngx_string("InternalIP"), NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP },
    { ngx_string("ExternalIP"), NGX_HTTP_K8S_METRICS_ADDR_EXTERNAL_IP },
    { ngx_string("InternalDNS"), NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_DNS },
    { ngx_string("ExternalDNS"), NGX_HTTP_K8S_METRICS_ADDR_EXTERNAL_DNS },
    { ngx_null_string, 0 }
};


void
ngx_http_k8s_metrics_scrape_conf_init(ngx_http_k8s_metrics_scrape_conf_t *conf)
{
    conf->resolution = NGX_CONF_UNSET_MSEC;
    conf->kubelet_port = NGX_CONF_UNSET_UINT;
    conf->use_node_status_port = NGX_CONF_UNSET;
    conf->insecure_tls = NGX_CONF_UNSET;
    conf->request_timeout = NGX_CONF_UNSET_MSEC;
    conf->completely_insecure = NGX_CONF_UNSET;
    conf->cadence = NGX_CONF_UNSET;
    conf->any_path = NGX_CONF_UNSET;
    conf->keepalive = NGX_CONF_UNSET;
    conf->stats_summary = NGX_CONF_UNSET;
    conf->node_proxy = NGX_CONF_UNSET;
}


char *
ngx_http_k8s_metrics_scrape_address_types(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_k8s_metrics_scrape_conf_t  *sc;

    ngx_str_t        *value;
    ngx_uint_t        i, n, *type;
    ngx_conf_enum_t  *e;

    sc = (ngx_http_k8s_metrics_scrape_conf_t *) ((u_char *) conf
                                                 + cmd->offset);

    if (sc->address_types) {
        return "is duplicate";
    }

    sc->address_types = ngx_array_create(cf->pool, 5, sizeof(ngx_uint_t));
    if (sc->address_types == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    e = ngx_http_k8s_metrics_address_types;

    for (i = 1; i < cf->args->nelts; i++) {

        for (n = 0; e[n].name.len; n++) {
            if (e[n].name.len == value[i].len
                && ngx_strncmp(e[n].name.data, value[i].data, value[i].len)
                   == 0)
            {
                break;
            }
        }

        if (e[n].name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid address type \"%V\" in \"%V\", it "
                               "must be one of Hostname, InternalIP, "
                               "ExternalIP, InternalDNS, ExternalDNS",
                               &value[i], &value[0]);
            return NGX_CONF_ERROR;
        }

        type = ngx_array_push(sc->address_types);
        if (type == NULL) {
            return NGX_CONF_ERROR;
        }

        *type = e[n].value;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_k8s_metrics_scrape_conf_check(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube)
{
    ngx_int_t                        rc;
    ngx_str_t                        error;
    ngx_http_k8s_metrics_selector_t  selector;

    if (ngx_http_k8s_metrics_scrape_times(cf, conf) != NGX_OK
        || ngx_http_k8s_metrics_scrape_exclusions(cf, conf) != NGX_OK
        || ngx_http_k8s_metrics_scrape_proxy(cf, conf, kube) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->address_types == NULL) {
        conf->address_types = ngx_http_k8s_metrics_scrape_default_types(cf);

        if (conf->address_types == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_k8s_metrics_label_selector(cf->pool, &conf->node_selector,
                                             &selector, &error);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid \"k8s_metrics_node_selector\" \"%V\": %V",
                      &conf->node_selector, &error);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_k8s_metrics_scrape_tls(cf, conf, kube);
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_times(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf)
{
    ngx_conf_init_msec_value(conf->resolution, 15000);
    conf->port_set = (conf->kubelet_port != NGX_CONF_UNSET_UINT);
    ngx_conf_init_uint_value(conf->kubelet_port, 10250);
    ngx_conf_init_value(conf->use_node_status_port, 0);
    ngx_conf_init_value(conf->cadence, 1);
    ngx_conf_init_value(conf->keepalive, 1);

    if (conf->resolution < NGX_HTTP_K8S_METRICS_MIN_RESOLUTION) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_resolution\" must be 10s at least, "
                      "kubelets have nothing newer");
        return NGX_ERROR;
    }

    if (conf->request_timeout == NGX_CONF_UNSET_MSEC) {
        conf->request_timeout = ngx_min(10000, conf->resolution / 10 * 9);
    }

    if (conf->request_timeout == 0
        || conf->request_timeout > conf->resolution / 10 * 9)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_request_timeout\" must be over 0 "
                      "and at most 9/10 of \"k8s_metrics_resolution\"");
        return NGX_ERROR;
    }

    if (conf->kubelet_port == 0 || conf->kubelet_port > 65535) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_port\" must be 1 to 65535");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_exclusions(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf)
{
    const char  *other;

    ngx_conf_init_value(conf->insecure_tls, 0);
    ngx_conf_init_value(conf->completely_insecure, 0);
    ngx_conf_init_value(conf->any_path, 0);

    if ((conf->client_certificate.data == NULL)
        != (conf->client_key.data == NULL))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_client_certificate\" and "
                      "\"k8s_metrics_kubelet_client_key\" need each other");
        return NGX_ERROR;
    }

    if (conf->certificate_authority.data && conf->insecure_tls) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_certificate_authority\" and "
                      "\"k8s_metrics_kubelet_insecure_tls on\" exclude each "
                      "other");
        return NGX_ERROR;
    }

    if (!conf->completely_insecure) {
        return NGX_OK;
    }

    other = conf->insecure_tls ? "insecure_tls on"
            : conf->certificate_authority.data ? "certificate_authority"
            : conf->client_certificate.data ? "client_certificate" : NULL;

    if (other) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_completely_insecure on\" and "
                      "\"k8s_metrics_kubelet_%s\" exclude each other", other);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The API server speaks to kubelets then, as it is configured to.  Plain HTTP
 * without a credential is another wish; what only has no effect is no error.
 */

static ngx_int_t
ngx_http_k8s_metrics_scrape_proxy(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube)
{
    ngx_uint_t  i;

    struct {
        const char  *name;
        ngx_uint_t   set;
    } idle[] = {
        { "certificate_authority", conf->certificate_authority.data != NULL },
        { "insecure_tls", (ngx_uint_t) conf->insecure_tls },
        { "client_certificate", conf->client_certificate.data != NULL },
        { "client_key", conf->client_key.data != NULL },
        { "preferred_address_types", conf->address_types != NULL }
    };

    ngx_conf_init_value(conf->stats_summary, 0);
    ngx_conf_init_value(conf->node_proxy, 0);

    if (!conf->node_proxy) {
        return NGX_OK;
    }

    if (conf->completely_insecure) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"k8s_metrics_kubelet_completely_insecure on\" and "
                      "\"k8s_metrics_kubelet_node_proxy on\" exclude each "
                      "other");
        return NGX_ERROR;
    }

    for (i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
        if (idle[i].set) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"k8s_metrics_kubelet_%s\" has no effect with "
                          "\"k8s_metrics_kubelet_node_proxy on\"",
                          idle[i].name);
        }
    }

    kube->more_idle = NGX_HTTP_K8S_METRICS_PROXIED;

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_tls(ngx_conf_t *cf,
    ngx_http_k8s_metrics_scrape_conf_t *conf,
    ngx_http_k8s_metrics_kube_conf_t *kube)
{
    ngx_uint_t                   i;
    ngx_http_k8s_metrics_pem_t  *pem;

    if (conf->completely_insecure) {
        return NGX_OK;
    }

    /* an empty name is not the same as none: it must not mean "the system's" */

    pem = conf->credentials.pem;

    ngx_memcpy(pem, kube->credentials.pem, sizeof(kube->credentials.pem));

    for (i = 0; i < NGX_HTTP_K8S_METRICS_PEMS; i++) {
        pem[i].file.shared = kube->tls;
    }

    if (ngx_http_k8s_metrics_scrape_pem(cf,
                                 "k8s_metrics_kubelet_certificate_authority",
                                 &conf->certificate_authority,
                                 &pem[NGX_HTTP_K8S_METRICS_PEM_CA])
        != NGX_OK
        || ngx_http_k8s_metrics_scrape_pem(cf,
                                    "k8s_metrics_kubelet_client_certificate",
                                    &conf->client_certificate,
                                    &pem[NGX_HTTP_K8S_METRICS_PEM_CERT])
           != NGX_OK
        || ngx_http_k8s_metrics_scrape_pem(cf,
                                    "k8s_metrics_kubelet_client_key",
                                    &conf->client_key,
                                    &pem[NGX_HTTP_K8S_METRICS_PEM_KEY])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    conf->verify = !conf->insecure_tls;

    return ngx_http_k8s_metrics_credentials(cf->pool, cf->log,
                                            &conf->credentials);
}


/* Where the directive is set, its file's bytes and what errors say of them. */

static ngx_int_t
ngx_http_k8s_metrics_scrape_pem(ngx_conf_t *cf, const char *directive,
    ngx_str_t *file, ngx_http_k8s_metrics_pem_t *pem)
{
    u_char  *p;
    size_t   len;

    if (file->data == NULL) {
        return NGX_OK;
    }

    if (file->len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"%s\" names no file",
                      directive);
        return NGX_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(pem, sizeof(ngx_http_k8s_metrics_pem_t));

    pem->file.name = *file;
    pem->file.what = directive;

    if (ngx_http_k8s_metrics_scrape_read(cf, pem) != NGX_OK) {
        return NGX_ERROR;
    }

    len = ngx_strlen(directive) + file->len + sizeof("\"\" \"\"");

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    pem->what = (char *) p;

    p = ngx_sprintf(p, "\"%s\" \"%V\"", directive, file);
    *p = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_scrape_read(ngx_conf_t *cf,
    ngx_http_k8s_metrics_pem_t *pem)
{
    ngx_err_t  err;
    ngx_int_t  rc;

    rc = ngx_http_k8s_metrics_file_read(&pem->file, cf->pool, &pem->bytes,
                                        &err);

    switch (rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\": \"%V\" is no file of at most 1 MB",
                      pem->file.what, &pem->file.name);
        return NGX_ERROR;

    default:
        ngx_log_error(NGX_LOG_EMERG, cf->log, err, "\"%s\": %s \"%V\" failed",
                      pem->file.what,
                      (rc == NGX_ABORT) ? ngx_open_file_n : ngx_read_fd_n,
                      &pem->file.name);
        return NGX_ERROR;
    }
}


static ngx_array_t *
ngx_http_k8s_metrics_scrape_default_types(ngx_conf_t *cf)
{
    ngx_uint_t   *type;
    ngx_array_t  *types;

    types = ngx_array_create(cf->pool, 3, sizeof(ngx_uint_t));
    if (types == NULL) {
        return NULL;
    }

    type = ngx_array_push_n(types, 3);
    if (type == NULL) {
        return NULL;
    }

    type[0] = NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP;
    type[1] = NGX_HTTP_K8S_METRICS_ADDR_EXTERNAL_IP;
    type[2] = NGX_HTTP_K8S_METRICS_ADDR_HOSTNAME;

    return types;
}
