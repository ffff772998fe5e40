/* unit: src/scrape/ngx_*_schedule.c src/scrape/ngx_*_cadence.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * When a kubelet is scraped, on a clock that is turned by hand: kubelets of
 * every cadence and with clocks that are wrong, and what the store says of
 * scrapes.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <stdio.h>
#include <stdlib.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_scrape_internal.h"


#define HOUR  3600000

/* the wall clock at 0 of the other */
#define EPOCH  ((int64_t) 1764000000000)


/* A kubelet that is simulated, times in ms. */
typedef struct {
    int64_t      period;        /* 0: samples are taken when asked for */
    int64_t      jitter;        /* of the period, at random */
    int64_t      phase;
    int64_t      clock;         /* how far its clock is ahead */
    int64_t      shows;         /* a sample is seen so much after its time */

    int64_t      next;          /* sample, and the last one */
    int64_t      last;
} sim_t;

/* What came of it. */
typedef struct {
    ngx_uint_t   scrapes;
    ngx_uint_t   moved;
    double       age;           /* mean of a sample that is served, ms */
    int64_t      shortest;      /* between two scrapes */
    int64_t      longest;
    int64_t      window;        /* the shortest between two samples */
} result_t;


ngx_uint_t         ngx_exiting;
sig_atomic_t       ngx_terminate;
ngx_rbtree_t       ngx_event_timer_rbtree;

static ngx_http_k8s_metrics_scraper_t      scraper;
static ngx_http_k8s_metrics_scrape_conf_t  conf;
static ngx_log_t                           test_log;
static ngx_uint_t                          asked;


void
ngx_rbtree_insert(ngx_rbtree_t *t, ngx_rbtree_node_t *node)
{
}


void
ngx_rbtree_delete(ngx_rbtree_t *t, ngx_rbtree_node_t *node)
{
}


void
ngx_http_k8s_metrics_scrape_run(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_http_k8s_metrics_kubelet_starts(k);

    k->started = ngx_current_msec;
    k->wall = EPOCH + (int64_t) ngx_current_msec;
    asked++;
}


/* Turns the clock to the timer and lets it fire. */

static void
fire(ngx_http_k8s_metrics_kubelet_t *k)
{
    ngx_current_msec = k->timer.timer.key;
    k->timer.timer_set = 0;
    ngx_http_k8s_metrics_kubelet_timer(&k->timer);
}


static void
begin(ngx_http_k8s_metrics_kubelet_t *k, ngx_msec_t resolution,
    ngx_flag_t cadence)
{
    ngx_memzero(k, sizeof(ngx_http_k8s_metrics_kubelet_t));

    conf.resolution = resolution;
    conf.cadence = cadence;
    scraper.conf = &conf;

    k->scraper = &scraper;
    k->hash = 0x1234567;
    k->ready = 1;
    k->timer.data = k;
    k->timer.log = &test_log;
    k->timer.handler = ngx_http_k8s_metrics_kubelet_timer;

    asked = 0;
    ngx_current_msec = 1000000;
}


/* The kubelet's sample at "now" of our wall clock. */

static int64_t
sample(sim_t *sim, int64_t now)
{
    if (sim->period == 0) {
        return now + sim->clock;
    }

    while (sim->next + sim->shows <= now) {
        sim->last = sim->next;
        sim->next += sim->period;

        if (sim->jitter) {
            sim->next += rand() % sim->jitter;
        }
    }

    return sim->last + sim->clock;
}


/* Runs it for an hour; what counts is the half hour at the end. */

static void
run(sim_t *sim, ngx_msec_t resolution, ngx_flag_t cadence, result_t *res)
{
    double                          sum;
    int64_t                         stamp, old, from, at, was, gap;
    ngx_msec_t                      end;
    ngx_http_k8s_metrics_kubelet_t  k;
    ngx_http_k8s_metrics_scrape_t   scrape;

    begin(&k, resolution, cadence);
    srand(7);

    sim->next = EPOCH + 900000 + sim->phase;
    sim->last = sim->next;

    ngx_memzero(res, sizeof(result_t));
    res->shortest = HOUR;
    res->window = HOUR;

    end = ngx_current_msec + HOUR;
    from = (int64_t) (end - HOUR / 2);
    old = 0;
    at = 0;
    sum = 0;

    ngx_http_k8s_metrics_kubelet_first(&k, 1);

    while (ngx_current_msec < end) {
        was = at;
        fire(&k);
        at = (int64_t) ngx_current_msec;

        stamp = sample(sim, EPOCH + at);

        ngx_memzero(&scrape, sizeof(ngx_http_k8s_metrics_scrape_t));

        /* a container that has one point, to begin with */

        scrape.wait = old ? 0 : (int64_t) 10000 * 1000000;

        ngx_http_k8s_metrics_kubelet_stored(&k, &scrape, stamp * 1000000);

        if (was >= from && old) {
            gap = at - was;

            /* "old" was served from "was" on, its true age is without the
             * kubelet's wrong clock */

            sum += ((double) (EPOCH + was - (old - sim->clock)) + gap / 2.0)
                   * gap;

            res->scrapes++;
            res->shortest = ngx_min(res->shortest, gap);
            res->longest = ngx_max(res->longest, gap);

            if (stamp != old) {
                res->moved++;
                res->window = ngx_min(res->window, stamp - old);
            }
        }

        old = stamp;
    }

    res->age = sum / (HOUR / 2);

    printf("# period %d+%d ms, clock %d, at %d: %d scrapes, mean age %.2f s, "
           "gaps %.2f to %.2f s\n", (int) sim->period, (int) sim->jitter,
           (int) sim->clock, (int) resolution, (int) res->scrapes,
           res->age / 1000, res->shortest / 1e3, res->longest / 1e3);
}


static void
ages(void)
{
    result_t    off, on;
    ngx_uint_t  i, j;

    static int64_t  clocks[] = { 0, -700, 5000, -5000, -11000 };

    for (j = 0; j < 5; j++) {
        for (i = 0; i <= 10; i++) {
            sim_t  sim = { 10000 + (int64_t) i * 500, 0, 3777 * (int64_t) i,
                           clocks[j], 20, 0, 0 };

            run(&sim, 15000, 1, &on);

            ok(on.age < sim.period / 2 + 1100, "period %d ms, clock off by %d: "
               "just after it moves (%.2f s)", (int) sim.period,
               (int) sim.clock, on.age / 1000);
            ok(on.window >= 10000, "no window is under 10 s");
            ok(on.scrapes <= (ngx_uint_t) (HOUR / 2 / sim.period * 21 / 20),
               "few are in vain (%d of %d)", (int) (on.scrapes - on.moved),
               (int) on.scrapes);

            if (j == 0) {
                run(&sim, 15000, 0, &off);
                ok(on.age < off.age - 2000 || i == 10, "by far better than "
                   "without (%.2f s)", off.age / 1000);
            }
        }
    }
}


static void
follows(void)
{
    result_t  res;
    ngx_uint_t  j;

    static int64_t  clocks[] = { 0, 5000, -5000 };

    for (j = 0; j < 3; j++) {
        sim_t  sim = { 0, 0, 0, clocks[j], 0, 0, 0 };

        run(&sim, 15000, 1, &res);

        ok(res.age < 7600, "samples that follow the requests (%.2f s)",
           res.age / 1000);
        ok(res.longest <= 17000 && res.shortest >= 13000,
           "are not chased, probed once in a while at most");
        ok(res.scrapes >= 117 && res.scrapes <= 120, "a scrape a round (%d)",
           (int) res.scrapes);
    }
}


static void
others(void)
{
    result_t  res;

    sim_t  jitter = { 10000, 5000, 0, 0, 20, 0, 0 };
    sim_t  slow = { 10000, 0, 4000, 0, 20, 0, 0 };
    sim_t  fast = { 5000, 0, 4000, 0, 20, 0, 0 };
    sim_t  ten = { 12500, 0, 4000, 0, 20, 0, 0 };

    run(&jitter, 15000, 1, &res);
    ok(res.scrapes < 150, "a cadence of its own each time is not chased to "
       "death (%d scrapes)", (int) res.scrapes);
    ok(res.shortest >= 500, "nor faster than that");

    run(&slow, 60000, 1, &res);
    ok(res.scrapes <= 31, "a resolution of a minute is what was asked for "
       "(%d scrapes)", (int) res.scrapes);

    run(&fast, 15000, 1, &res);
    ok(res.window >= 10000 && res.longest <= 17000,
       "a fast one makes no window under 10 s");

    run(&ten, 10000, 1, &res);
    ok(res.age < 7000 && res.scrapes < 150, "a resolution of 10 s");
}


/* --- out of turn */

static ngx_http_k8s_metrics_scrape_t
stored(ngx_http_k8s_metrics_kubelet_t *k, int64_t wait, ngx_uint_t stuck,
    ngx_uint_t kept)
{
    ngx_http_k8s_metrics_scrape_t  scrape;

    ngx_memzero(&scrape, sizeof(ngx_http_k8s_metrics_scrape_t));

    scrape.wait = wait * 1000000;
    scrape.nstuck = stuck;
    scrape.nkept = kept;

    ngx_http_k8s_metrics_kubelet_stored(k, &scrape, k->wall * 1000000);

    return scrape;
}


static void
added(void)
{
    ngx_msec_t                      first;
    ngx_http_k8s_metrics_kubelet_t  k;

    begin(&k, 15000, 1);
    first = ngx_current_msec;

    ngx_http_k8s_metrics_kubelet_first(&k, 1);
    fire(&k);
    ok(asked == 1 && ngx_current_msec - first <= 1, "a node that is added: at "
       "once");

    stored(&k, 10000, 0, 0);
    fire(&k);
    ok(ngx_current_msec - first >= 10000 && ngx_current_msec - first <= 10100,
       "and again when its counters can have moved");

    /* they have not */

    stored(&k, 0, 1, 0);
    fire(&k);
    ok(ngx_current_msec - first >= 13000 && ngx_current_msec - first <= 13200,
       "and when they had not, soon");
    stored(&k, 0, 1, 0);
    fire(&k);
    stored(&k, 0, 1, 0);
    fire(&k);
    ok(ngx_current_msec - first <= 19500, "and so on");
    stored(&k, 0, 1, 0);
    first = ngx_current_msec;
    fire(&k);
    ok(ngx_current_msec - first > 5000, "but not for ever (%d ms)",
       (int) (ngx_current_msec - first));
}


/* From wherever it was first scraped a node comes to its phase. */

static void
phase(void)
{
    int64_t                         gap, shortest, longest;
    ngx_msec_t                      was, resolution;
    ngx_uint_t                      i, n, off;
    ngx_http_k8s_metrics_kubelet_t  k;

    for (i = 0; i < 2; i++) {
        resolution = i ? 60000 : 15000;
        shortest = HOUR;
        longest = 0;
        off = 0;

        for (k.hash = 0; k.hash < resolution; k.hash += 500) {
            uint32_t  hash = k.hash;

            begin(&k, resolution, 1);
            k.hash = hash;
            ngx_http_k8s_metrics_kubelet_first(&k, 1);
            fire(&k);
            stored(&k, 10000, 0, 0);
            fire(&k);
            stored(&k, 0, 0, 0);

            for (n = 0; n < 8; n++) {
                was = ngx_current_msec;
                fire(&k);
                stored(&k, 0, 0, 0);

                gap = (int64_t) (ngx_current_msec - was);
                shortest = ngx_min(shortest, gap);
                longest = ngx_max(longest, gap);
            }

            off += (ngx_current_msec % resolution != hash);
        }

        ok(shortest >= 10000 && longest <= (int64_t) resolution,
           "a resolution of %d ms: rounds of %d to %d ms", (int) resolution,
           (int) shortest, (int) longest);
        ok(off == 0, "and every node comes to its phase");
    }
}


static void
fresh(void)
{
    ngx_uint_t                      i;
    ngx_msec_t                      t, seen;
    ngx_http_k8s_metrics_kubelet_t  k;

    begin(&k, 60000, 1);
    ngx_http_k8s_metrics_kubelet_first(&k, 1);

    for (i = 0; i < 4; i++) {
        fire(&k);
        stored(&k, 0, 0, 0);
    }

    ngx_current_msec += 5000;
    seen = ngx_current_msec;
    t = k.regular;

    ngx_http_k8s_metrics_kubelet_fresh(&k, seen);
    fire(&k);
    ok(k.early && ngx_current_msec - seen >= 10000
       && ngx_current_msec - seen <= 10200,
       "a fresh pod: as soon as it can have a rate");
    stored(&k, 0, 0, 30);
    ok(k.regular == t, "the node's phase stays");
    fire(&k);
    ok(!k.early && ngx_current_msec == t, "and its round is made");
    stored(&k, 0, 0, 0);

    /* a pod a second */

    asked = 0;
    seen = ngx_current_msec;
    t = seen;

    while (ngx_current_msec - seen < 60000) {

        if (k.timer.timer.key <= t + 1000) {
            fire(&k);
            stored(&k, 0, 0, 30);
            continue;
        }

        t += 1000;
        ngx_current_msec = t;
        ngx_http_k8s_metrics_kubelet_fresh(&k, t);
    }

    ok(asked <= 21, "a pod a second does not make a scrape a second (%d a "
       "minute)", (int) asked);
    ok(asked >= 12, "but some");
}


static void
not_ready(void)
{
    ngx_uint_t                      i;
    ngx_msec_t                      t;
    ngx_http_k8s_metrics_kubelet_t  k;

    begin(&k, 15000, 1);
    ngx_http_k8s_metrics_kubelet_first(&k, 1);

    t = ngx_current_msec;

    for (i = 0; i < 10; i++) {
        fire(&k);
        k.failures++;
    }

    ok(ngx_current_msec - t <= 10 * 15000 + 1, "a node that fails and is "
       "ready: in each round");

    k.ready = 0;

    for (i = 0; i < 3; i++) {
        fire(&k);
        k.failures++;
    }

    t = ngx_current_msec;
    fire(&k);
    ok(ngx_current_msec - t == 8 * 15000, "one that is not: with back-off, "
       "at its phase (%d ms)", (int) (ngx_current_msec - t));

    k.failures = 0;
    stored(&k, 0, 0, 0);
    t = ngx_current_msec;
    fire(&k);
    ok(ngx_current_msec - t == 15000, "and when it answers in each round");
}


int
main(void)
{
    ngx_http_k8s_metrics_kubelet_t  k;

    ages();
    follows();
    others();
    added();
    phase();
    fresh();
    not_ready();

    /* exit: nothing is begun */

    begin(&k, 15000, 1);
    ngx_http_k8s_metrics_kubelet_first(&k, 1);
    ngx_exiting = 1;
    fire(&k);
    ok(asked == 0 && !k.timer.timer_set, "nothing at exit");

    return done();
}
