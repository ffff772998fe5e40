
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_RESOLVE_TEXT_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_RESOLVE_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What resolv.conf and hosts say, and which names are asked for in which
 * order, as glibc and Go have it.  Pure: text in, views out.
 */

#define NGX_HTTP_K8S_METRICS_RESOLVE_NAME     253   /* bytes of a name */
#define NGX_HTTP_K8S_METRICS_RESOLVE_SERVERS  3     /* of resolv.conf */
#define NGX_HTTP_K8S_METRICS_RESOLVE_SEARCH   32    /* as a Pod's dnsConfig */
#define NGX_HTTP_K8S_METRICS_RESOLVE_HOSTS    16384 /* names of hosts */
#define NGX_HTTP_K8S_METRICS_RESOLVE_IPS      8     /* kept of an answer */


/* An IPv4 (four bytes) or IPv6 address. */
typedef struct {
    u_char                       bytes[16];
    unsigned                     v6:1;
} ngx_http_k8s_metrics_ip_t;

/* Names and addresses are views into the text. */
typedef struct {
    ngx_uint_t                   nservers;
    ngx_str_t                    servers[NGX_HTTP_K8S_METRICS_RESOLVE_SERVERS];
    ngx_uint_t                   nsearch;
    ngx_str_t                    search[NGX_HTTP_K8S_METRICS_RESOLVE_SEARCH];
    ngx_uint_t                   ndots;     /* 0 to 15; default 1 */
    ngx_uint_t                   timeout;   /* s, 1 to 30; default 5 */
    ngx_uint_t                   attempts;  /* 1 to 5; default 2 */
} ngx_http_k8s_metrics_resolv_conf_t;

/* One name of hosts: a view. */
typedef struct {
    ngx_str_t                    name;
    ngx_uint_t                   line;
    ngx_http_k8s_metrics_ip_t    ip;
} ngx_http_k8s_metrics_host_t;


/* NGX_OK when the text is an address, without brackets; else NGX_DECLINED. */
ngx_int_t ngx_http_k8s_metrics_ip(const ngx_str_t *text,
    ngx_http_k8s_metrics_ip_t *ip);

/* 1 when two are the same. */
ngx_uint_t ngx_http_k8s_metrics_ip_same(const ngx_http_k8s_metrics_ip_t *a,
    const ngx_http_k8s_metrics_ip_t *b);

/* The address of an IP and a port. */
socklen_t ngx_http_k8s_metrics_ip_sockaddr(const ngx_http_k8s_metrics_ip_t *ip,
    in_port_t port, ngx_sockaddr_t *sa);

/* 1 when it may be asked for: labels of letters, digits, '-' and '_'. */
ngx_uint_t ngx_http_k8s_metrics_resolve_name_ok(const ngx_str_t *name);

/*
 * Reads a resolv.conf.  What is wrong in it is passed over; without a name
 * server there is 127.0.0.1.  Unlike glibc, the machine's own domain is no
 * search domain.
 */
void ngx_http_k8s_metrics_resolv_conf(const ngx_str_t *text,
    ngx_http_k8s_metrics_resolv_conf_t *conf);

/*
 * The name of step "i" (from 0) for "name", without a dot at its end, written
 * to "buf" (RESOLVE_NAME + 1 bytes).  NGX_OK; NGX_DECLINED when this one would
 * be too long; NGX_DONE when there are no more.
 */
ngx_int_t ngx_http_k8s_metrics_resolve_step(
    const ngx_http_k8s_metrics_resolv_conf_t *conf, const ngx_str_t *name,
    ngx_uint_t i, u_char *buf, ngx_str_t *step);

/*
 * Reads a hosts file into "hosts" (room for "max") in the order that find
 * wants.  Returns how many there are.
 */
ngx_uint_t ngx_http_k8s_metrics_hosts(const ngx_str_t *text,
    ngx_http_k8s_metrics_host_t *hosts, ngx_uint_t max);

/*
 * The addresses of a name, in any case, with or without a dot at its end, in
 * the file's order: RESOLVE_IPS at most.  Returns how many; 0: it is not there.
 */
ngx_uint_t ngx_http_k8s_metrics_hosts_find(
    const ngx_http_k8s_metrics_host_t *hosts, ngx_uint_t n,
    const ngx_str_t *name, ngx_http_k8s_metrics_ip_t *ips);


#endif /* _NGX_HTTP_K8S_METRICS_RESOLVE_TEXT_H_INCLUDED_ */
