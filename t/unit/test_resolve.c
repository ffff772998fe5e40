/* unit: src/fetch/ngx_*_resolve_text.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * resolv.conf and hosts as people and machines write them, and the order in
 * which names are asked for: that of glibc and Go.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_resolve_text.h"


static ngx_http_k8s_metrics_resolv_conf_t  conf;


/* the text in memory of its own: one byte too many would be seen */

static ngx_str_t
text(const char *s)
{
    ngx_str_t  t;

    t.len = strlen(s);
    t.data = malloc(t.len ? t.len : 1);

    if (t.data == NULL) {
        abort();
    }

    memcpy(t.data, s, t.len);

    return t;
}


/* all steps of a name, with blanks between them */

static void
steps(const char *name, const char *want, const char *what)
{
    char        all[4096];
    u_char      buf[NGX_HTTP_K8S_METRICS_RESOLVE_NAME + 1];
    ngx_int_t   rc;
    ngx_str_t   n, step;
    ngx_uint_t  i;

    n = text(name);
    all[0] = '\0';

    for (i = 0; i < 100; i++) {
        rc = ngx_http_k8s_metrics_resolve_step(&conf, &n, i, buf, &step);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc == NGX_OK) {
            snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%.*s",
                     all[0] ? " " : "", (int) step.len, step.data);
        }
    }

    is_mem(all, strlen(all), want, what);
    free(n.data);
}


static void
test_resolv_conf(void)
{
    char       many[2048];
    int        i;
    ngx_str_t  t;

    t = text("");
    ngx_http_k8s_metrics_resolv_conf(&t, &conf);
    is_int(conf.nservers, 1, "nothing: one server");
    is_mem(conf.servers[0].data, conf.servers[0].len, "127.0.0.1",
           "which is this machine");
    is_int(conf.ndots, 1, "ndots 1");
    is_int(conf.timeout, 5, "timeout 5");
    is_int(conf.attempts, 2, "attempts 2");
    steps("a", "a", "as is");
    free(t.data);

    t = text("# a comment\n; another\nnameserver 10.0.0.10\n"
             "\tnameserver fd00::10 \r\nnameserver bad\nnameserver\n"
             "nameserver 10.0.0.11\nnameserver 10.0.0.12\n"
             "domain lost.test\nsearch ns.svc.x  svc.x. . x\n"
             "options edns0 ndots:5 timeout:99 attempts:0 timeout:x ndots:\n"
             "nonsense\nnameserver 10");
    ngx_http_k8s_metrics_resolv_conf(&t, &conf);
    is_int(conf.nservers, 3, "three servers");
    is_mem(conf.servers[0].data, conf.servers[0].len, "10.0.0.10", "IPv4");
    is_mem(conf.servers[1].data, conf.servers[1].len, "fd00::10", "IPv6");
    is_mem(conf.servers[2].data, conf.servers[2].len, "10.0.0.11", "IPv4");
    is_int(conf.nsearch, 3, "three domains: the last line counts");
    is_int(conf.ndots, 5, "ndots");
    is_int(conf.timeout, 30, "timeout is bounded");
    is_int(conf.attempts, 1, "attempts, too");
    steps("n1", "n1.ns.svc.x n1.svc.x n1.x n1", "search before as is");
    steps("a.b.c.d.e", "a.b.c.d.e.ns.svc.x a.b.c.d.e.svc.x a.b.c.d.e.x "
          "a.b.c.d.e", "four dots");
    steps("a.b.c.d.e.f", "a.b.c.d.e.f a.b.c.d.e.f.ns.svc.x a.b.c.d.e.f.svc.x "
          "a.b.c.d.e.f.x", "five dots");
    steps("n1.", "n1", "absolute");
    free(t.data);

    t = text("search a\ndomain b c\noptions ndots:0");
    ngx_http_k8s_metrics_resolv_conf(&t, &conf);
    steps("n", "n n.b", "domain is one");
    free(t.data);

    strcpy(many, "search");

    for (i = 0; i < 50; i++) {
        sprintf(many + strlen(many), " d%d", i);
    }

    t = text(many);
    ngx_http_k8s_metrics_resolv_conf(&t, &conf);
    is_int(conf.nsearch, NGX_HTTP_K8S_METRICS_RESOLVE_SEARCH,
           "domains are bounded");
    free(t.data);
}


static void
test_names(void)
{
    int        i;
    char       name[300], label[70];
    ngx_str_t  t;

    static const struct {
        const char  *name;
        ngx_uint_t   ok;
    } cases[] = {
        { "a", 1 }, { "a.b", 1 }, { "a.b.", 1 }, { "n_1-x.y", 1 },
        { "A9", 1 }, { "", 0 }, { ".", 0 }, { ".a", 0 }, { "a..b", 0 },
        { "a b", 0 }, { "a\nb", 0 }, { "a:1", 0 }, { "a/b", 0 }, { "a%41", 0 },
        { "\xc3\xa9", 0 }, { "a..", 0 },
    };

    for (i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++) {
        t = text(cases[i].name);
        ok(ngx_http_k8s_metrics_resolve_name_ok(&t) == cases[i].ok,
           "name %d is %s", i, cases[i].ok ? "one" : "none");
        free(t.data);
    }

    memset(label, 'a', 64);
    label[64] = '\0';
    t = text(label);
    is_int(ngx_http_k8s_metrics_resolve_name_ok(&t), 0, "a label of 64");
    t.len--;
    is_int(ngx_http_k8s_metrics_resolve_name_ok(&t), 1, "of 63");
    free(t.data);

    for (i = 0; i < 254; i++) {
        name[i] = (i % 64 == 63) ? '.' : 'a';
    }

    name[254] = '\0';
    t = text(name);
    is_int(ngx_http_k8s_metrics_resolve_name_ok(&t), 0, "254 bytes");
    t.len--;
    is_int(ngx_http_k8s_metrics_resolve_name_ok(&t), 1, "253 bytes");
    free(t.data);

    t = text("search x");
    ngx_http_k8s_metrics_resolv_conf(&t, &conf);
    name[253] = '\0';
    steps(name, name, "no domain fits behind it");
    name[252] = '\0';
    steps(name, name, "nor there");
    free(t.data);
}


static void
test_hosts(void)
{
    ngx_str_t                    t, n;
    ngx_uint_t                   count;
    ngx_http_k8s_metrics_ip_t    ips[NGX_HTTP_K8S_METRICS_RESOLVE_IPS];
    ngx_http_k8s_metrics_host_t  hosts[20];

    t = text("127.0.0.1\tlocalhost  # me\n::1 localhost ip6-localhost\n"
             "# 10.0.0.9 no\n10.0.0.1 n1.x n1 N1\n10.0.0.2 n1\n"
             "bad n2\n10.0.0.3\n10.0.0.4 n2.\n10.0.0.5 #n3\n1.2.3.4 z");

    count = ngx_http_k8s_metrics_hosts(&t, hosts, 20);
    is_int(count, 9, "names");

    n = text("N1.");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 2,
           "any case, and each address once");
    is_int(ips[0].bytes[3], 1, "in the file's order");
    is_int(ips[1].bytes[3], 2, "the second line");
    free(n.data);

    n = text("localhost");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 2, "both");
    ok(!ips[0].v6 && ips[1].v6 && ips[1].bytes[15] == 1, "families");
    free(n.data);

    n = text("n2");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 1,
           "a dot at the end");
    free(n.data);

    n = text("z");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 1,
           "a last line without an end");
    free(n.data);

    n = text("n3");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 0,
           "a comment is none");
    free(n.data);

    n = text("n");
    is_int(ngx_http_k8s_metrics_hosts_find(hosts, count, &n, ips), 0,
           "a part is none");

    is_int(ngx_http_k8s_metrics_hosts(&t, hosts, 3), 3, "bounded");
    free(n.data);
    free(t.data);
}


int
main(void)
{
    test_resolv_conf();
    test_names();
    test_hosts();

    return done();
}
