
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Several processes on one zone: who scrapes and who watches; a worker that
 * is killed in the middle of a change, and readers that must never see half
 * of one.
 */


#include "store_check.h"

#include <errno.h>


#define KILLS     60
#define NWORKERS  4

#define SCRAPE    NGX_HTTP_K8S_METRICS_ROLE_SCRAPE
#define WATCH     NGX_HTTP_K8S_METRICS_ROLE_WATCH


/* A worker of its own: the handle is as it was at the fork. */

typedef struct {
    store_t      store;
    ngx_pid_t    pid;
} worker_t;


static pid_t
gone(void)
{
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        _exit(0);
    }

    (void) waitpid(pid, NULL, 0);

    return pid;
}


static void
worker_enter(worker_t *w, store_t *store, ngx_pid_t pid, uint64_t generation,
    ngx_uint_t n, ngx_uint_t of)
{
    w->store = *store;
    w->pid = pid;

    ngx_pid = pid;
    ngx_http_k8s_metrics_store_enter(&w->store, generation, n, of);
}


static ngx_uint_t
worker_tick(worker_t *w)
{
    ngx_pid = w->pid;

    return ngx_http_k8s_metrics_store_tick(&w->store);
}


static ngx_uint_t
worker_owns(worker_t *w, uint32_t hash)
{
    ngx_pid = w->pid;

    return ngx_http_k8s_metrics_store_owns(&w->store, hash);
}


/* 1 when each of 1,000 nodes is owned by exactly one of them. */

static int
spread(worker_t *w, int n, int *least)
{
    int         i, owners, shares[NWORKERS];
    uint32_t    hash;
    ngx_uint_t  k;

    memset(shares, 0, sizeof(shares));

    for (hash = 0; hash < 1000; hash++) {
        owners = 0;

        for (i = 0; i < n; i++) {
            k = worker_owns(&w[i], hash * 2654435761u);
            owners += k;
            shares[i] += k;
        }

        if (owners != 1) {
            return 0;
        }
    }

    *least = shares[0];

    for (i = 1; i < n; i++) {
        *least = ngx_min(*least, shares[i]);
    }

    return 1;
}


static void
test_roles(void)
{
    int        i, least, watchers;
    pid_t      dead;
    store_t   *store;
    worker_t   w[NWORKERS];

    store = fixture_create(MEGABYTE);

    /* pids that exist, so that none of them looks dead */

    worker_enter(&w[0], store, getpid(), 1, 0, NWORKERS);
    worker_enter(&w[1], store, getppid(), 1, 1, NWORKERS);
    worker_enter(&w[2], store, 1, 1, 2, NWORKERS);

    dead = gone();
    worker_enter(&w[3], store, dead, 1, 3, NWORKERS);

    watchers = 0;

    for (i = 0; i < NWORKERS; i++) {
        watchers += (worker_tick(&w[i]) == (SCRAPE|WATCH));
    }

    is_int(watchers, 1, "one worker watches");
    is_int(worker_tick(&w[0]), SCRAPE|WATCH, "the first");
    is_int(worker_tick(&w[1]), SCRAPE, "not another");
    ok(spread(w, 4, &least), "each node has one owner");
    ok(least > 200, "shares are even (%d of 1000)", least);

    /* stale is not dead: a throttled worker keeps what it has */

    ngx_current_msec += 5000;
    (void) worker_tick(&w[1]);
    (void) worker_tick(&w[2]);
    is_int(worker_tick(&w[1]), SCRAPE, "a stale holder that lives");

    /* the fourth is stale and gone: its nodes go to the others */

    (void) worker_tick(&w[0]);
    ok(spread(w, 3, &least), "a dead worker's nodes have one owner");

    is_int(ngx_http_k8s_metrics_store_owners(&w[0].store), 1, "noted once");

    /* it is respawned with the same number */

    worker_enter(&w[3], store, getppid(), 1, 3, NWORKERS);
    for (i = 0; i < NWORKERS; i++) {
        (void) worker_tick(&w[i]);
    }
    ok(spread(w, 4, &least), "and are given back");

    ok(check_zone(store) == NULL, "the zone is sound");
    ngx_pid = 1;
    fixture_destroy(store);
}


/* Of 1,000 nodes with a cloud's names no worker has a fifth more than its
 * share. */

static void
test_spread(void)
{
    int          i, k, n, count, most, shares[8];
    char         name[64];
    store_t     *store;
    worker_t     w[8];
    uint32_t     hash;
    const int    workers[] = { 2, 3, 4, 8 };

    store = fixture_create(MEGABYTE);

    for (k = 0; k < 4; k++) {
        n = workers[k];
        memset(shares, 0, sizeof(shares));
        count = 0;

        for (i = 0; i < n; i++) {
            worker_enter(&w[i], store, 100 + i, 10 + k, i, n);
        }

        for (i = 0; i < 1000; i++) {
            sprintf(name, "ip-10-0-%d-%d.eu-west-1.compute.internal",
                    i / 250, 4 + i % 250);
            hash = ngx_murmur_hash2((u_char *) name, strlen(name));

            for (most = 0; most < n; most++) {
                if (worker_owns(&w[most], hash)) {
                    shares[most]++;
                    count++;
                }
            }
        }

        for (most = 0, i = 0; i < n; i++) {
            most = ngx_max(most, shares[i]);
            printf("# %d workers: %d nodes\n", n, shares[i]);
        }

        ok(count == 1000, "each node has one owner of %d", n);
        ok(most <= 1000 / n * 6 / 5, "%d of %d at most", most, 1000 / n);
    }

    fixture_destroy(store);
}


static void
test_watches(void)
{
    int        least;
    store_t   *store;
    worker_t   w[3], next[2];

    store = fixture_create(MEGABYTE);

    worker_enter(&w[0], store, getpid(), 1, 0, 3);
    worker_enter(&w[1], store, getppid(), 1, 1, 3);
    worker_enter(&w[2], store, 1, 1, 2, 3);
    is_int(worker_tick(&w[0]), SCRAPE|WATCH, "the first watches");
    is_int(worker_tick(&w[1]), SCRAPE, "the second does not");

    /* the one that watches leaves */

    ngx_pid = w[0].pid;
    ngx_http_k8s_metrics_store_leave(&w[0].store);
    is_int(worker_tick(&w[0]), 0, "one that left has no role");
    is_int(worker_tick(&w[1]), SCRAPE|WATCH, "the next takes the watches");
    is_int(ngx_http_k8s_metrics_store_owners(&w[1].store), 1,
           "and sees that its nodes are free");
    (void) worker_tick(&w[1]);
    is_int(ngx_http_k8s_metrics_store_owners(&w[1].store), 1, "once");
    (void) worker_tick(&w[2]);
    ok(spread(&w[1], 2, &least), "at once");

    /* the one that watches dies and is respawned at once */

    worker_enter(&w[0], store, 1, 1, 1, NWORKERS);
    is_int(worker_tick(&w[2]), SCRAPE|WATCH,
           "a respawned holder's watches are free at once");

    /* a reload: the new generation takes it all at its first tick */

    worker_enter(&next[0], store, getpid(), 2, 0, 2);
    ok(spread(next, 1, &least) == 0 && !worker_owns(&w[2], 0)
       && !worker_owns(&w[1], 0) && !worker_owns(&w[2], 1),
       "an old worker owns nothing from then on");
    worker_enter(&next[1], store, getppid(), 2, 1, 2);
    is_int(worker_tick(&w[2]), 0, "an old worker stops");
    is_int(worker_tick(&next[1]), SCRAPE|WATCH, "a new one watches");
    is_int(worker_tick(&w[2]), 0, "the old one does not come back");
    is_int(worker_tick(&next[0]), SCRAPE, "nor does a third");
    ok(spread(next, 2, &least), "the nodes are spread anew");

    /* an old worker's end does not end what the new one holds */

    ngx_pid = w[2].pid;
    ngx_http_k8s_metrics_store_leave(&w[2].store);
    is_int(worker_tick(&next[1]), SCRAPE|WATCH, "still so");

    /* a worker that never came */

    worker_enter(&next[0], store, getpid(), 3, 0, 2);
    (void) worker_tick(&next[0]);
    ok(!spread(next, 1, &least), "a worker that is to come has its share");
    ngx_current_msec += 5000;
    (void) worker_tick(&next[0]);
    ok(spread(next, 1, &least), "for a while");

    ok(check_zone(store) == NULL, "the zone is sound");
    ngx_pid = 1;
    fixture_destroy(store);
}


/* The n-th change from now, of any kind; ends by itself after a round. */

static void
write_round(store_t *store, int round)
{
    int        i;
    char       name[64];
    ngx_str_t  ns, s;

    ngx_http_k8s_metrics_store_list_begin(store, NODES);

    for (i = 0; i < 3; i++) {
        sprintf(name, "node-%d", i);
        (void) put_node(store, name, (round & 1) ? "10.0.0.1" : "10.0.0.22");
    }

    ngx_http_k8s_metrics_store_list_end(store, NODES);
    ngx_http_k8s_metrics_store_list_begin(store, PODS);

    for (i = 0; i < 12; i++) {
        sprintf(name, "pod-%d", i + round % 5);
        (void) put_pod(store, "ns", name, "node-0");
    }

    ngx_http_k8s_metrics_store_list_end(store, PODS);

    for (i = 0; i < 6; i++) {
        sprintf(name, "pod-%d", 6 + (i / 2 + round) % 3);
        (void) scrape_one(store, ref_of(store, "node-0"), "ns", name,
                          10 * (round * 6 + i), round * 6 + i + 1);
    }

    ns = str("ns");
    s = str("pod-7");
    ngx_http_k8s_metrics_store_delete_pod(store, &ns, &s);

    s.len = 100 + 20 * (round % 50);
    s.data = (u_char *) malloc(s.len);
    memset(s.data, 'a' + round % 26, s.len);
    (void) ngx_http_k8s_metrics_store_put_setting(store, 0, &s);
    free(s.data);
}


static int
killed(pid_t pid)
{
    int  status;

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}


/* Killed once in each of the changes of a round. */

static void
test_kill(void)
{
    int                          i, deaths, locked, once;
    pid_t                        pid;
    uint64_t                     resets;
    store_t                     *store;
    const char                  *bad;
    ngx_http_k8s_metrics_item_t  item;

    store = fixture_create(MEGABYTE);
    bad = NULL;
    deaths = 0;
    locked = 0;
    once = 0;

    for (i = 1; i <= KILLS && bad == NULL; i++) {

        fflush(stdout);
        pid = fork();

        if (pid == 0) {
            ngx_pid = getpid();
            write_round(store, 0);
            ngx_http_k8s_metrics_store_debug_kill(store, i);
            write_round(store, 1);
            _exit(0);
        }

        if (!killed(pid)) {
            break;
        }

        deaths++;
        locked += fixture_force_unlock(store, pid);

        if (!store->zone->dirty) {
            bad = "killed outside a change";
        }

        resets = ngx_http_k8s_metrics_store_resets(store);
        stub_logged = 0;

        if (get(store, PODS, "ns", "pod-1", &item) != NGX_ABORT) {
            bad = "something is left of a broken zone";
        }

        once += (stub_logged == 1 && stub_logged_level == NGX_LOG_ALERT);

        if (ngx_http_k8s_metrics_store_resets(store) != resets + 1) {
            bad = "a reset is not counted";
        }

        if (bad == NULL) {
            bad = check_zone(store);
        }

        write_round(store, 2);

        if (bad == NULL) {
            bad = check_zone(store);
        }
    }

    ok(bad == NULL, "after a kill the zone begins afresh: %s",
       bad ? bad : "and sound");
    ok(deaths > 20, "killed in %d changes", deaths);
    is_int(locked, deaths, "each under the lock");
    is_int(once, deaths, "one alert for each");

    fixture_destroy(store);
}


/* A death that only read costs nothing. */

static void
test_kill_reader(void)
{
    pid_t                        pid;
    store_t                     *store;
    ngx_http_k8s_metrics_item_t  item;

    store = fixture_create(MEGABYTE);
    write_round(store, 0);

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        ngx_pid = getpid();
        ngx_http_k8s_metrics_store_lock_read(store);
        (void) raise(SIGKILL);
    }

    ok(killed(pid) && fixture_force_unlock(store, pid),
       "killed while it read");
    is_int(get(store, PODS, "ns", "pod-1", &item), NGX_DECLINED,
           "all is there");
    is_int(ngx_http_k8s_metrics_store_resets(store), 0, "no reset");

    fixture_destroy(store);
}


/*
 * Every sample says its round twice, in the time and in the memory: whatever
 * a reader is given must agree, while writers come, are killed, and go.
 */

static int
reader(store_t *store, volatile uint32_t *stop)
{
    char                         name[64];
    int                          i, seen;
    ngx_int_t                    rc;
    ngx_http_k8s_metrics_item_t  item;

    seen = 0;

    while (!*stop) {
        for (i = 0; i < 3; i++) {
            sprintf(name, "pod-%d", 6 + i);
            rc = get(store, PODS, "ns", name, &item);

            if (rc != NGX_OK) {
                continue;
            }

            if (item.nusages != 1 || item.usages[0].cpu != 1000000000
                || (uint64_t) (item.timestamp - EPOCH)
                   != (item.usages[0].memory - 1) * 10 * SECOND
                || item.nlabels != 1
                || item.labels[0].value.len != item.name.len
                || memcmp(item.labels[0].value.data, item.name.data,
                          item.name.len))
            {
                return 2;
            }

            seen = 1;
        }
    }

    return seen ? 0 : 3;
}


static void
test_readers(void)
{
    int         i, n, status, ended, deaths;
    pid_t       pid, readers[2];
    store_t    *store;
    uint32_t   *stop;

    store = fixture_create(MEGABYTE);

    stop = mmap(NULL, ngx_pagesize, PROT_READ|PROT_WRITE,
                MAP_ANON|MAP_SHARED, -1, 0);
    if (stop == MAP_FAILED) {
        abort();
    }

    fflush(stdout);

    for (i = 0; i < 2; i++) {
        readers[i] = fork();

        if (readers[i] == 0) {
            ngx_pid = getpid();
            _exit(reader(store, stop));
        }
    }

    deaths = 0;

    for (n = 0; n < 40; n++) {
        pid = fork();

        if (pid == 0) {
            ngx_pid = getpid();
            ngx_http_k8s_metrics_store_debug_kill(store, 200 + 37 * n);

            for (i = 0; i < 60; i++) {
                write_round(store, i);
            }

            _exit(0);
        }

        if (killed(pid)) {
            deaths++;
            (void) fixture_force_unlock(store, pid);
        }
    }

    *stop = 1;
    ended = 0;

    for (i = 0; i < 2; i++) {
        (void) waitpid(readers[i], &status, 0);
        ended += (WIFEXITED(status) && WEXITSTATUS(status) == 0);

        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            printf("# reader %d: status %x\n", i, status);
        }
    }

    is_int(ended, 2, "readers saw whole things only, and some");
    ok(deaths > 10, "while %d writers were killed", deaths);

    write_round(store, 1);
    ok(check_zone(store) == NULL, "the zone is sound");

    (void) munmap(stop, ngx_pagesize);
    fixture_destroy(store);
}


static void
test_inflight(void)
{
    store_t   *store;
    worker_t   a, b, c;

    store = fixture_create(MEGABYTE);

    worker_enter(&a, store, 11, 1, 0, 2);
    worker_enter(&b, store, 12, 1, 1, 2);

    ngx_pid = 11;
    is_int(ngx_http_k8s_metrics_store_inflight(&a.store, 3), 3, "one worker");
    ngx_pid = 12;
    is_int(ngx_http_k8s_metrics_store_inflight(&b.store, 4), 7, "two");
    ngx_pid = 11;
    is_int(ngx_http_k8s_metrics_store_inflight(&a.store, 1), 5, "less of one");

    worker_enter(&b, store, 13, 1, 1, 2);
    ngx_pid = 11;
    is_int(ngx_http_k8s_metrics_store_inflight(&a.store, 1), 1,
           "a worker that is started again has none");

    ngx_pid = 13;
    is_int(ngx_http_k8s_metrics_store_inflight(&b.store, 5), 6, "and has some");
    ngx_http_k8s_metrics_store_leave(&b.store);
    ngx_pid = 11;
    is_int(ngx_http_k8s_metrics_store_inflight(&a.store, 1), 1,
           "one that left has none");

    worker_enter(&c, store, 14, 2, 0, 1);
    is_int(ngx_http_k8s_metrics_store_inflight(&c.store, 2), 2,
           "a later generation counts its own");
    ngx_pid = 11;
    is_int(ngx_http_k8s_metrics_store_inflight(&a.store, 9), 9,
           "and so does the one before");
    ngx_pid = 14;
    is_int(ngx_http_k8s_metrics_store_inflight(&c.store, 2), 2, "apart");

    fixture_destroy(store);
}


int
main(void)
{
    test_roles();
    test_spread();
    test_inflight();
    test_watches();
    test_kill();
    test_kill_reader();
    test_readers();

    return done();
}
