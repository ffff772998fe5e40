
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_resolve_text.h"


static ngx_uint_t ngx_http_k8s_metrics_resolve_line(ngx_str_t *rest,
    ngx_str_t *line);
static ngx_uint_t ngx_http_k8s_metrics_resolve_word(ngx_str_t *line,
    ngx_str_t *word);
static ngx_uint_t ngx_http_k8s_metrics_resolve_is(const ngx_str_t *word,
    const char *name);
static void ngx_http_k8s_metrics_resolve_search(ngx_str_t *line,
    ngx_http_k8s_metrics_resolv_conf_t *conf, ngx_uint_t max);
static void ngx_http_k8s_metrics_resolve_options(ngx_str_t *line,
    ngx_http_k8s_metrics_resolv_conf_t *conf);
static void ngx_http_k8s_metrics_resolve_option(const ngx_str_t *word,
    const char *name, ngx_uint_t least, ngx_uint_t most, ngx_uint_t *value);
static void ngx_http_k8s_metrics_resolve_undot(ngx_str_t *name);
static ngx_int_t ngx_http_k8s_metrics_hosts_order(const ngx_str_t *a,
    const ngx_str_t *b);
static int ngx_libc_cdecl ngx_http_k8s_metrics_hosts_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_http_k8s_metrics_ip(const ngx_str_t *text, ngx_http_k8s_metrics_ip_t *ip)
{
    char  buf[INET6_ADDRSTRLEN];

    ngx_memzero(ip, sizeof(ngx_http_k8s_metrics_ip_t));

    if (text->len == 0 || text->len >= sizeof(buf)) {
        return NGX_DECLINED;
    }

    ngx_memcpy(buf, text->data, text->len);
    buf[text->len] = '\0';

    if (inet_pton(AF_INET, buf, ip->bytes) == 1) {
        return NGX_OK;
    }

    if (inet_pton(AF_INET6, buf, ip->bytes) == 1) {
        ip->v6 = 1;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_http_k8s_metrics_ip_same(const ngx_http_k8s_metrics_ip_t *a,
    const ngx_http_k8s_metrics_ip_t *b)
{
    return a->v6 == b->v6
           && ngx_memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}


socklen_t
ngx_http_k8s_metrics_ip_sockaddr(const ngx_http_k8s_metrics_ip_t *ip,
    in_port_t port, ngx_sockaddr_t *sa)
{
    ngx_memzero(sa, sizeof(ngx_sockaddr_t));

#if (NGX_HAVE_INET6)
    if (ip->v6) {
        sa->sockaddr_in6.sin6_family = AF_INET6;
        sa->sockaddr_in6.sin6_port = htons(port);
        ngx_memcpy(&sa->sockaddr_in6.sin6_addr, ip->bytes, 16);

        return sizeof(struct sockaddr_in6);
    }
#endif

    sa->sockaddr_in.sin_family = AF_INET;
    sa->sockaddr_in.sin_port = htons(port);
    ngx_memcpy(&sa->sockaddr_in.sin_addr, ip->bytes, 4);

    return sizeof(struct sockaddr_in);
}


ngx_uint_t
ngx_http_k8s_metrics_resolve_name_ok(const ngx_str_t *name)
{
    u_char     c;
    size_t     i, label;
    ngx_str_t  s;

    s = *name;
    ngx_http_k8s_metrics_resolve_undot(&s);

    if (s.len == 0 || s.len > NGX_HTTP_K8S_METRICS_RESOLVE_NAME) {
        return 0;
    }

    label = 0;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '.') {
            if (label == 0) {
                return 0;
            }

            label = 0;
            continue;
        }

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_')
            || ++label > 63)
        {
            return 0;
        }
    }

    return label != 0;
}


void
ngx_http_k8s_metrics_resolv_conf(const ngx_str_t *text,
    ngx_http_k8s_metrics_resolv_conf_t *conf)
{
    ngx_str_t                  rest, line, word;
    ngx_http_k8s_metrics_ip_t  ip;

    ngx_memzero(conf, sizeof(ngx_http_k8s_metrics_resolv_conf_t));

    conf->ndots = 1;
    conf->timeout = 5;
    conf->attempts = 2;

    rest = *text;

    while (ngx_http_k8s_metrics_resolve_line(&rest, &line)) {

        if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';'
            || !ngx_http_k8s_metrics_resolve_word(&line, &word))
        {
            continue;
        }

        if (ngx_http_k8s_metrics_resolve_is(&word, "nameserver")) {

            if (conf->nservers < NGX_HTTP_K8S_METRICS_RESOLVE_SERVERS
                && ngx_http_k8s_metrics_resolve_word(&line, &word)
                && ngx_http_k8s_metrics_ip(&word, &ip) == NGX_OK)
            {
                conf->servers[conf->nservers++] = word;
            }

        } else if (ngx_http_k8s_metrics_resolve_is(&word, "domain")) {
            ngx_http_k8s_metrics_resolve_search(&line, conf, 1);

        } else if (ngx_http_k8s_metrics_resolve_is(&word, "search")) {
            ngx_http_k8s_metrics_resolve_search(&line, conf,
                                        NGX_HTTP_K8S_METRICS_RESOLVE_SEARCH);

        } else if (ngx_http_k8s_metrics_resolve_is(&word, "options")) {
            ngx_http_k8s_metrics_resolve_options(&line, conf);
        }
    }

    if (conf->nservers == 0) {
        ngx_str_set(&conf->servers[0], "127.0.0.1");
        conf->nservers = 1;
    }
}


static ngx_uint_t
ngx_http_k8s_metrics_resolve_line(ngx_str_t *rest, ngx_str_t *line)
{
    u_char  *p;

    if (rest->len == 0) {
        return 0;
    }

    *line = *rest;

    p = memchr(rest->data, '\n', rest->len);

    if (p == NULL) {
        rest->len = 0;
        return 1;
    }

    line->len = p - line->data;

    rest->len -= line->len + 1;
    rest->data = p + 1;

    return 1;
}


static ngx_uint_t
ngx_http_k8s_metrics_resolve_word(ngx_str_t *line, ngx_str_t *word)
{
    while (line->len && line->data[0] <= ' ') {
        line->data++;
        line->len--;
    }

    word->data = line->data;
    word->len = 0;

    while (line->len && line->data[0] > ' ') {
        line->data++;
        line->len--;
        word->len++;
    }

    return word->len != 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_resolve_is(const ngx_str_t *word, const char *name)
{
    return word->len == ngx_strlen(name)
           && ngx_strncmp(word->data, name, word->len) == 0;
}


/* the last line of all counts */

static void
ngx_http_k8s_metrics_resolve_search(ngx_str_t *line,
    ngx_http_k8s_metrics_resolv_conf_t *conf, ngx_uint_t max)
{
    ngx_str_t  word;

    conf->nsearch = 0;

    while (conf->nsearch < max
           && ngx_http_k8s_metrics_resolve_word(line, &word))
    {
        ngx_http_k8s_metrics_resolve_undot(&word);

        if (ngx_http_k8s_metrics_resolve_name_ok(&word)) {
            conf->search[conf->nsearch++] = word;
        }
    }
}


static void
ngx_http_k8s_metrics_resolve_options(ngx_str_t *line,
    ngx_http_k8s_metrics_resolv_conf_t *conf)
{
    ngx_str_t  word;

    while (ngx_http_k8s_metrics_resolve_word(line, &word)) {
        ngx_http_k8s_metrics_resolve_option(&word, "ndots:", 0, 15,
                                            &conf->ndots);
        ngx_http_k8s_metrics_resolve_option(&word, "timeout:", 1, 30,
                                            &conf->timeout);
        ngx_http_k8s_metrics_resolve_option(&word, "attempts:", 1, 5,
                                            &conf->attempts);
    }
}


static void
ngx_http_k8s_metrics_resolve_option(const ngx_str_t *word, const char *name,
    ngx_uint_t least, ngx_uint_t most, ngx_uint_t *value)
{
    size_t      i, len;
    ngx_uint_t  n;

    len = ngx_strlen(name);

    if (word->len <= len || ngx_strncmp(word->data, name, len) != 0) {
        return;
    }

    for (n = 0, i = len; i < word->len; i++) {

        if (word->data[i] < '0' || word->data[i] > '9') {
            return;
        }

        n = ngx_min(n * 10 + (word->data[i] - '0'), 1000);
    }

    *value = ngx_min(ngx_max(n, least), most);
}


static void
ngx_http_k8s_metrics_resolve_undot(ngx_str_t *name)
{
    if (name->len && name->data[name->len - 1] == '.') {
        name->len--;
    }
}


ngx_int_t
ngx_http_k8s_metrics_resolve_step(
    const ngx_http_k8s_metrics_resolv_conf_t *conf, const ngx_str_t *name,
    ngx_uint_t i, u_char *buf, ngx_str_t *step)
{
    size_t            k;
    u_char           *p;
    ngx_str_t         s;
    ngx_uint_t        dots, as_is;
    const ngx_str_t  *domain;

    s = *name;
    ngx_http_k8s_metrics_resolve_undot(&s);

    if (s.len != name->len) {

        /* absolute */

        if (i) {
            return NGX_DONE;
        }

        as_is = 0;

    } else {
        for (dots = 0, k = 0; k < s.len; k++) {
            dots += (s.data[k] == '.');
        }

        as_is = (dots >= conf->ndots) ? 0 : conf->nsearch;

        if (i > conf->nsearch) {
            return NGX_DONE;
        }
    }

    domain = (i == as_is) ? NULL : &conf->search[as_is ? i : i - 1];

    if (s.len + (domain ? domain->len + 1 : 0)
        > NGX_HTTP_K8S_METRICS_RESOLVE_NAME)
    {
        return NGX_DECLINED;
    }

    p = ngx_cpymem(buf, s.data, s.len);

    if (domain) {
        *p++ = '.';
        p = ngx_cpymem(p, domain->data, domain->len);
    }

    step->data = buf;
    step->len = p - buf;

    return NGX_OK;
}


ngx_uint_t
ngx_http_k8s_metrics_hosts(const ngx_str_t *text,
    ngx_http_k8s_metrics_host_t *hosts, ngx_uint_t max)
{
    u_char                     *p;
    ngx_str_t                   rest, line, word;
    ngx_uint_t                  n, nline;
    ngx_http_k8s_metrics_ip_t   ip;

    n = 0;
    nline = 0;
    rest = *text;

    while (n < max && ngx_http_k8s_metrics_resolve_line(&rest, &line)) {

        nline++;

        p = memchr(line.data, '#', line.len);

        if (p) {
            line.len = p - line.data;
        }

        if (!ngx_http_k8s_metrics_resolve_word(&line, &word)
            || ngx_http_k8s_metrics_ip(&word, &ip) != NGX_OK)
        {
            continue;
        }

        while (n < max && ngx_http_k8s_metrics_resolve_word(&line, &word)) {
            ngx_http_k8s_metrics_resolve_undot(&word);

            if (ngx_http_k8s_metrics_resolve_name_ok(&word)) {
                hosts[n].name = word;
                hosts[n].line = nline;
                hosts[n].ip = ip;
                n++;
            }
        }
    }

    if (n) {
        ngx_qsort(hosts, n, sizeof(ngx_http_k8s_metrics_host_t),
                  ngx_http_k8s_metrics_hosts_cmp);
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_metrics_hosts_order(const ngx_str_t *a, const ngx_str_t *b)
{
    ngx_int_t  rc;

    rc = ngx_strncasecmp(a->data, b->data, ngx_min(a->len, b->len));

    return rc ? rc : (ngx_int_t) (a->len > b->len)
                     - (ngx_int_t) (a->len < b->len);
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_hosts_cmp(const void *one, const void *two)
{
    ngx_int_t                           rc;
    const ngx_http_k8s_metrics_host_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_http_k8s_metrics_hosts_order(&a->name, &b->name);

    if (rc == 0) {
        rc = (ngx_int_t) (a->line > b->line) - (ngx_int_t) (a->line < b->line);
    }

    return (int) rc;
}


ngx_uint_t
ngx_http_k8s_metrics_hosts_find(const ngx_http_k8s_metrics_host_t *hosts,
    ngx_uint_t n, const ngx_str_t *name, ngx_http_k8s_metrics_ip_t *ips)
{
    ngx_str_t   s;
    ngx_uint_t  low, high, mid, i, k, found;

    s = *name;
    ngx_http_k8s_metrics_resolve_undot(&s);

    low = 0;
    high = n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (ngx_http_k8s_metrics_hosts_order(&hosts[mid].name, &s) < 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    found = 0;

    for (i = low;
         i < n && found < NGX_HTTP_K8S_METRICS_RESOLVE_IPS
         && ngx_http_k8s_metrics_hosts_order(&hosts[i].name, &s) == 0;
         i++)
    {
        for (k = 0; k < found; k++) {
            if (ngx_http_k8s_metrics_ip_same(&ips[k], &hosts[i].ip)) {
                break;
            }
        }

        if (k == found) {
            ips[found++] = hosts[i].ip;
        }
    }

    return found;
}
