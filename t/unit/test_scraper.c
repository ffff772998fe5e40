/* unit: src/scrape/ngx_*_metrics_scrape.c src/scrape/ngx_*_scrape_[aks]*.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * The list of kubelets without memory: whatever allocation fails, the next
 * tick makes up for it.  The store, connections and timers are stubs.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <stdlib.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_scrape_internal.h"


#define NODES  3


struct ngx_http_k8s_metrics_peer_s {
    struct sockaddr_in   addr;
};


static ngx_http_k8s_metrics_scraper_t      scraper;
static ngx_http_k8s_metrics_scrape_conf_t  conf;
static ngx_http_k8s_metrics_target_t       all[NODES];
static ngx_uint_t                          ntargets;
static uint64_t                            nodes_version;
static ngx_uint_t                          npeers;

/* of nginx' event module */

ngx_module_t       ngx_core_module;
ngx_rbtree_t       ngx_event_timer_rbtree;
ngx_uint_t         ngx_exiting;
sig_atomic_t       ngx_terminate;

/* the tree is a list here */

static ngx_str_node_t  *tree[NODES];


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    void  *p;

    p = ngx_alloc(size, log);

    return p ? memset(p, 0, size) : NULL;
}


u_char *
ngx_cpystrn(u_char *dst, u_char *src, size_t n)
{
    while (n > 1 && *src) {
        *dst++ = *src++;
        n--;
    }

    *dst = '\0';

    return dst;
}


void
ngx_str_rbtree_insert_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
}


void
ngx_rbtree_insert(ngx_rbtree_t *t, ngx_rbtree_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; t == &scraper.tree && i < NODES; i++) {
        if (tree[i] == NULL) {
            tree[i] = (ngx_str_node_t *) node;
            break;
        }
    }
}


void
ngx_rbtree_delete(ngx_rbtree_t *t, ngx_rbtree_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; t == &scraper.tree && i < NODES; i++) {
        if (tree[i] == (ngx_str_node_t *) node) {
            tree[i] = NULL;
        }
    }
}


ngx_str_node_t *
ngx_str_rbtree_lookup(ngx_rbtree_t *t, ngx_str_t *name, uint32_t hash)
{
    ngx_uint_t  i;

    for (i = 0; i < NODES; i++) {
        if (tree[i] && tree[i]->str.len == name->len
            && memcmp(tree[i]->str.data, name->data, name->len) == 0)
        {
            return tree[i];
        }
    }

    return NULL;
}


/* addresses: 127.0.0.1 and the like */

in_addr_t
ngx_inet_addr(u_char *text, size_t len)
{
    return htonl(0x7f000001);
}


ngx_int_t
ngx_inet6_addr(u_char *p, size_t len, u_char *addr)
{
    return NGX_ERROR;
}


ngx_int_t
ngx_parse_addr(ngx_pool_t *pool, ngx_addr_t *addr, u_char *text, size_t len)
{
    addr->sockaddr = ngx_pcalloc(pool, sizeof(struct sockaddr_in));
    if (addr->sockaddr == NULL) {
        return NGX_ERROR;
    }

    addr->socklen = sizeof(struct sockaddr_in);

    return NGX_OK;
}


void
ngx_inet_set_port(struct sockaddr *sa, in_port_t port)
{
}


size_t
ngx_sock_ntop(struct sockaddr *sa, socklen_t socklen, u_char *text,
    size_t len, ngx_uint_t port)
{
    return 0;
}


/* connections and scrapes */

ngx_http_k8s_metrics_peer_t *
ngx_http_k8s_metrics_peer_create(const ngx_http_k8s_metrics_peer_conf_t *pc,
    ngx_log_t *log)
{
    void  *p;

    p = ngx_alloc(sizeof(ngx_http_k8s_metrics_peer_t), log);

    if (p) {
        npeers++;
    }

    return p;
}


void
ngx_http_k8s_metrics_peer_renew(ngx_http_k8s_metrics_peer_t *peer)
{
}


ngx_int_t
ngx_http_k8s_metrics_credentials_look(ngx_http_k8s_metrics_credentials_t *c,
    ngx_log_t *log)
{
    return NGX_DECLINED;
}


void
ngx_http_k8s_metrics_peer_destroy(ngx_http_k8s_metrics_peer_t *peer)
{
    npeers--;
    free(peer);
}


void
ngx_http_k8s_metrics_scrape_run(ngx_http_k8s_metrics_kubelet_t *k)
{
}


void
ngx_http_k8s_metrics_scrape_release(ngx_http_k8s_metrics_kubelet_t *k)
{
}


void
ngx_http_k8s_metrics_scrape_free(ngx_http_k8s_metrics_parser_t *parser)
{
}


void
ngx_http_k8s_metrics_fetch_cancel(ngx_http_k8s_metrics_fetch_t *fetch)
{
}


void
ngx_http_k8s_metrics_proxy_init(ngx_http_k8s_metrics_scraper_t *s)
{
}


void
ngx_http_k8s_metrics_proxy_next(ngx_http_k8s_metrics_scraper_t *s)
{
}


/* the store */

ngx_uint_t
ngx_http_k8s_metrics_store_complete(ngx_http_k8s_metrics_store_t *store)
{
    return 1;
}


uint64_t
ngx_http_k8s_metrics_store_nodes_version(ngx_http_k8s_metrics_store_t *store)
{
    return nodes_version;
}


ngx_uint_t
ngx_http_k8s_metrics_store_owns(ngx_http_k8s_metrics_store_t *store,
    uint32_t hash)
{
    return 1;
}


void
ngx_http_k8s_metrics_store_state(ngx_http_k8s_metrics_store_t *store,
    ngx_http_k8s_metrics_store_state_t *state)
{
    ngx_memzero(state, sizeof(ngx_http_k8s_metrics_store_state_t));
}


ngx_int_t
ngx_http_k8s_metrics_store_targets(ngx_http_k8s_metrics_store_t *store,
    ngx_pool_t *pool, ngx_str_t *after,
    ngx_http_k8s_metrics_target_t *targets, ngx_uint_t max)
{
    ngx_memcpy(targets, all, ntargets * sizeof(ngx_http_k8s_metrics_target_t));

    return ntargets;
}


/* a cluster in which each node changed, with the addresses that are given */

static void
cluster(const char *address)
{
    static char  names[NODES][8];

    ngx_uint_t                      i;
    ngx_http_k8s_metrics_target_t  *t;

    for (i = 0; i < NODES; i++) {
        t = &all[i];

        sprintf(names[i], "n%d", (int) i);

        t->node.name.data = (u_char *) names[i];
        t->node.name.len = strlen(names[i]);
        t->node.naddrs = 1;
        t->node.addrs[0].type = NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP;
        t->node.addrs[0].text.data = (u_char *) address;
        t->node.addrs[0].text.len = strlen(address);
        t->hash = (uint32_t) i;
        t->version = ++nodes_version;
    }

    ntargets = NODES;
}


static ngx_uint_t
connected(void)
{
    ngx_uint_t                       i, n;
    ngx_http_k8s_metrics_kubelet_t  *k;

    for (i = 0, n = 0; i < NODES; i++) {

        if (tree[i] == NULL) {
            continue;
        }

        k = (ngx_http_k8s_metrics_kubelet_t *)
                ((u_char *) tree[i]
                 - offsetof(ngx_http_k8s_metrics_kubelet_t, sn));

        n += (k->peer != NULL && k->path.len == 17
              && k->address.len == all[0].node.addrs[0].text.len
              && k->version == all[k->hash].version);
    }

    return n;
}


int
main(void)
{
    ngx_int_t    n, lost, failed;
    ngx_uint_t   types[1] = { NGX_HTTP_K8S_METRICS_ADDR_INTERNAL_IP };
    ngx_array_t  a;

    a.elts = types;
    a.nelts = 1;

    conf.address_types = &a;
    conf.kubelet_port = 10250;
    conf.resolution = 15000;

    scraper.conf = &conf;
    scraper.log = &stub_log;
    scraper.nworkers = 1;

    ngx_queue_init(&scraper.nodes);

    /* new nodes, and nodes that changed: the n-th allocation fails */

    for (n = 0, lost = 0, failed = 0; n < 60; n++) {

        cluster("127.0.0.1");
        stub_allocations = n;
        ngx_http_k8s_metrics_scraper_tick(&scraper);
        stub_allocations = -1;

        failed += (connected() < NODES);

        ngx_http_k8s_metrics_scraper_tick(&scraper);
        lost += (connected() < NODES);

        cluster("127.0.0.100");
        stub_allocations = n;
        ngx_http_k8s_metrics_scraper_tick(&scraper);
        stub_allocations = -1;

        failed += (connected() < NODES);

        ngx_http_k8s_metrics_scraper_tick(&scraper);
        lost += (connected() < NODES);

        ngx_http_k8s_metrics_scraper_stop(&scraper);
    }

    ok(failed > 10, "%d times there was no memory for one", (int) failed);
    is_int(lost, 0, "and it was there after the next tick");
    is_int(npeers, 0, "nothing is left in the end");

    return done();
}
