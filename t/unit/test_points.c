/* unit: src/store/ngx_http_k8s_metrics_store_points.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * The rule of two points: which reading becomes the previous one, and the
 * rate between them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_store_samples.h"


#define S           ((int64_t) 1000000000)
#define T           (1700000000 * S)
#define RESOLUTION  (15 * S)
#define NONE        { 0, 0, 0 }



typedef struct {
    int64_t        timestamp;
    int64_t        start;
    uint64_t       cpu;
} reading_t;

typedef struct {
    const char    *what;
    int64_t        resolution;
    reading_t      last;
    reading_t      prev;
    reading_t      point;
    reading_t      want;        /* the previous point after it */
} merge_case_t;

typedef struct {
    const char    *what;
    reading_t      last;
    reading_t      prev;
    int            refused;
    uint64_t       nanocores;
    int64_t        window;
} rate_case_t;


static const merge_case_t  merges[] = {

    { "the first point has none before it", RESOLUTION,
      NONE, NONE,
      { T, T - 3600 * S, 5 }, NONE },

    { "the first point of a container without start time", RESOLUTION,
      NONE, NONE,
      { T, 0, 5 }, NONE },

    { "the last point becomes the previous one", RESOLUTION,
      { T, T - 3600 * S, 5 }, NONE,
      { T + 15 * S, T - 3600 * S, 9 }, { T, T - 3600 * S, 5 } },

    { "the one before the last is forgotten", RESOLUTION,
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 },
      { T + 15 * S, T - 3600 * S, 9 }, { T, T - 3600 * S, 5 } },

    { "without start times", RESOLUTION,
      { T, 0, 5 }, NONE,
      { T + 15 * S, 0, 9 }, { T, 0, 5 } },

    { "a start time that moves is no restart", RESOLUTION,
      { T, T - 3600 * S, 5 }, NONE,
      { T + 15 * S, T - 3590 * S, 9 }, { T, T - 3600 * S, 5 } },

    { "a restart after the last point", RESOLUTION,
      { T, T - 3600 * S, 500 }, { T - 15 * S, T - 3600 * S, 300 },
      { T + 9 * S, T + 2 * S, 1 }, NONE },

    { "a restart at the last point", RESOLUTION,
      { T, T - 3600 * S, 500 }, NONE,
      { T + 9 * S, T, 1 }, NONE },

    { "a start one nanosecond before the last point is no restart",
      RESOLUTION,
      { T, T - 3600 * S, 500 }, NONE,
      { T + 9 * S, T - 1, 1 }, { T, T - 3600 * S, 500 } },

    { "fresh: the start is the previous point", RESOLUTION,
      NONE, NONE,
      { T, T - 12 * S, 7 }, { T - 12 * S, T - 12 * S, 0 } },

    { "fresh at 10 s to the nanosecond", RESOLUTION,
      NONE, NONE,
      { T, T - 10 * S, 7 }, { T - 10 * S, T - 10 * S, 0 } },

    { "too young for that by a nanosecond", RESOLUTION,
      NONE, NONE,
      { T, T - 10 * S + 1, 7 }, NONE },

    { "as old as the resolution is not fresh", RESOLUTION,
      NONE, NONE,
      { T, T - 15 * S, 7 }, NONE },

    { "younger than the resolution by a nanosecond", RESOLUTION,
      NONE, NONE,
      { T, T - 15 * S + 1, 7 }, { T - 15 * S + 1, T - 15 * S + 1, 0 } },

    { "never fresh at a resolution of 10 s", 10 * S,
      NONE, NONE,
      { T, T - 10 * S, 7 }, NONE },

    { "fresh wins over a stored last point", 60 * S,
      { T - 11 * S, T - 30 * S, 4 }, { T - 20 * S, T - 30 * S, 2 },
      { T, T - 30 * S, 7 }, { T - 30 * S, T - 30 * S, 0 } },

    { "a start in the future is not fresh", RESOLUTION,
      NONE, NONE,
      { T, T + 12 * S, 7 }, NONE },

    { "a start at the timestamp is not fresh", RESOLUTION,
      NONE, NONE,
      { T, T, 7 }, NONE },

    { "a repeated timestamp keeps the older previous point", RESOLUTION,
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 },
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 } },

    { "a repeated timestamp with no previous point", RESOLUTION,
      { T, T - 3600 * S, 5 }, NONE,
      { T, T - 3600 * S, 5 }, NONE },

    { "time goes back to between the two", RESOLUTION,
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 },
      { T - 5 * S, T - 3600 * S, 4 }, { T - 15 * S, T - 3600 * S, 3 } },

    { "back to the previous point: it goes", RESOLUTION,
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 },
      { T - 15 * S, T - 3600 * S, 3 }, NONE },

    { "older than the previous point: it goes", RESOLUTION,
      { T, T - 3600 * S, 5 }, { T - 15 * S, T - 3600 * S, 3 },
      { T - 20 * S, T - 3600 * S, 2 }, NONE },

    { "a counter that went back is still merged", RESOLUTION,
      { T, T - 3600 * S, 500 }, NONE,
      { T + 15 * S, T - 3600 * S, 9 }, { T, T - 3600 * S, 500 } }
};


static const rate_case_t  rates[] = {

    { "a core", { T + 15 * S, 0, 16 * S }, { T, 0, S },
      0, 1000000000, 15 * S },

    { "nothing used", { T + 15 * S, 0, 7 }, { T, 0, 7 }, 0, 0, 15 * S },

    { "cut, not rounded", { T + 3 * S, 0, 2 }, { T, 0, 0 }, 0, 0, 3 * S },

    { "a third cut", { T + 3 * S, 0, 2000000000 }, { T, 0, 0 },
      0, 666666666, 3 * S },

    { "a window of 13.823 s", { T + 13823 * S / 1000, 0, 1234567890 },
      { T, 0, 0 }, 0, 89312586, 13823 * S / 1000 },

    { "a window under a second", { T + 10000000, 0, 10000000 },
      { T, 0, 0 }, 0, 1000000000, 10000000 },

    { "a fresh container", { T, T - 12 * S, 6 * S },
      { T - 12 * S, T - 12 * S, 0 }, 0, 500000000, 12 * S },

    { "the start moved on", { T + 15 * S, T - S, 15 * S },
      { T, T - 2 * S, 0 }, 0, 1000000000, 15 * S },

    /* 2^53 + 1 ns becomes 2^53 as a double */

    { "a difference past 2^53", { T + S, 0, (1ULL << 53) + 1 }, { T, 0, 0 },
      0, 1ULL << 53, S },

    /* the whole difference, not each counter, is made a double */

    { "two counters past 2^53", { T + S, 0, (1ULL << 63) + 3 },
      { T, 0, 1ULL << 63 }, 0, 3, S },

    { "more than an integer holds", { T + 1, 0, (uint64_t) -1 }, { T, 0, 0 },
      0, (uint64_t) -1, 1 },

    { "the counter went back", { T + 15 * S, 0, 6 }, { T, 0, 7 }, 1, 0, 0 },

    { "the start went back", { T + 15 * S, T - 2 * S, 9 },
      { T, T - S, 7 }, 1, 0, 0 },

    { "the start was lost", { T + 15 * S, 0, 9 }, { T, T - S, 7 }, 1, 0, 0 },

    { "no previous point", { T + 15 * S, 0, 9 }, NONE, 1, 0, 0 },

    { "no point at all", NONE, NONE, 1, 0, 0 },

    { "no time between them", { T, 0, 9 }, { T, 0, 7 }, 1, 0, 0 },

    { "time went back", { T, 0, 9 }, { T + S, 0, 7 }, 1, 0, 0 }
};


static void point_of(ngx_http_k8s_metrics_point_t *p, const reading_t *r,
    uint64_t memory);
static void test_merge(const merge_case_t *c);
static void test_rate(const rate_case_t *c);


static void
point_of(ngx_http_k8s_metrics_point_t *p, const reading_t *r, uint64_t memory)
{
    memset(p, 0, sizeof(*p));

    p->timestamp = r->timestamp;
    p->start = r->start;
    p->cpu = r->cpu;
    p->memory = memory;
}


static void
test_merge(const merge_case_t *c)
{
    ngx_http_k8s_metrics_point_t  last, prev, point;

    point_of(&last, &c->last, 100);
    point_of(&prev, &c->prev, 200);
    point_of(&point, &c->point, 300);

    ngx_http_k8s_metrics_points_merge(&last, &prev, &point, c->resolution);

    ok(last.timestamp == c->point.timestamp && last.cpu == c->point.cpu
       && last.start == c->point.start && last.memory == 300,
       "%s: the last point is the new one", c->what);

    ok(prev.timestamp == c->want.timestamp
       && (prev.timestamp == 0
           || (prev.start == c->want.start && prev.cpu == c->want.cpu)),
       "%s: the previous point", c->what);
}


static void
test_rate(const rate_case_t *c)
{
    int64_t                       window;
    uint64_t                      rate;
    ngx_int_t                     rc;
    ngx_http_k8s_metrics_point_t  last, prev;

    point_of(&last, &c->last, 0);
    point_of(&prev, &c->prev, 0);

    rate = 0;
    window = 0;
    rc = ngx_http_k8s_metrics_points_rate(&last, &prev, &rate, &window);

    if (c->refused) {
        is_int(rc, NGX_DECLINED, c->what);
        return;
    }

    is_int(rc, NGX_OK, c->what);
    is_int(rate, c->nanocores, "its rate");
    is_int(window, c->window, "its window");
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        test_merge(&merges[i]);
    }

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        test_rate(&rates[i]);
    }

    return done();
}
