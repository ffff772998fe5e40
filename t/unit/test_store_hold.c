
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * How long the lock is held at most, in time on a processor, in a zone that
 * has as many free pieces as there can be: every other pod of a full one was
 * deleted.  Run with a number it is that zone's megabytes, for figures without
 * sanitizers.
 */


#include "store_check.h"

#include <time.h>


/* far above what it takes, far below what sorting all pieces takes */
#define LONGEST  50000


typedef struct {
    const char  *what;
    int64_t      longest;       /* ns */
    int64_t      sum;
    int64_t      n;
} hold_t;


static int64_t
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return ts.tv_sec * SECOND + ts.tv_nsec;
}


#define held(hold, call)                                                      \
    do {                                                                      \
        int64_t  t_ = now();                                                  \
        call;                                                                 \
        t_ = now() - t_;                                                      \
        (hold)->sum += t_;                                                    \
        (hold)->n++;                                                          \
        if (t_ > (hold)->longest) {                                           \
            (hold)->longest = t_;                                             \
        }                                                                     \
    } while (0)


static void
report(hold_t *hold)
{
    ok(hold->longest < LONGEST * 1000, "%s: %.3f us, %.1f at most, of %d",
       hold->what, (double) hold->sum / 1000 / (hold->n ? hold->n : 1),
       (double) hold->longest / 1000, (int) hold->n);
}


static int
pieces(store_t *store)
{
    int                           n;
    uint32_t                      off, *next;
    ngx_uint_t                    i;

    n = 0;

    for (i = 0; i < NGX_HTTP_K8S_METRICS_CLASSES; i++) {
        for (off = store->zone->content.free[i]; off; off = *next) {
            next = ngx_http_k8s_metrics_store_ptr(store, off);
            n++;
        }
    }

    return n;
}


static void
delete_pod(store_t *store, const char *name)
{
    ngx_str_t  ns, s;

    ns = str("ns");
    s = str(name);

    ngx_http_k8s_metrics_store_delete_pod(store, &ns, &s);
}


/* Where "i" of "n" is in an order that goes back and forth all over. */

static int
scattered(int i, int n)
{
    return (int) ((int64_t) i * 1000003 % n);
}


static void
test_hold(size_t size)
{
    int         i, n;
    char        name[32];
    store_t    *store;
    ngx_int_t   rc;
    ngx_str_t   s;

    hold_t      put = { "a new pod", 0, 0, 0 };
    hold_t      deleted = { "a deleted pod", 0, 0, 0 };
    hold_t      again = { "a new pod among free pieces", 0, 0, 0 };
    hold_t      large = { "a large setting", 0, 0, 0 };

    store = fixture_create(size);
    store->records = 100;

    for (n = 0, rc = NGX_OK; rc == NGX_OK; n++) {
        sprintf(name, "pod-%d", n);
        held(&put, rc = put_pod(store, "ns", name, "a"));
    }

    n -= n % 2;

    for (i = 0; i < n / 2; i++) {
        sprintf(name, "pod-%d", 2 * scattered(i, n / 2));
        held(&deleted, delete_pod(store, name));
    }

    ok(1, "%d pods, %d free pieces", n, pieces(store));

    /* what fits no piece, and what fits many */

    s.len = MEGABYTE;
    s.data = calloc(1, s.len);
    held(&large, rc = ngx_http_k8s_metrics_store_put_setting(store, 0, &s));
    is_int(rc, NGX_ABORT, "no room in one piece");
    free(s.data);

    for (i = 0; i < n; i += 2) {
        sprintf(name, "new-%d", i);
        held(&again, rc = put_pod(store, "ns", name, "a"));

        if (rc != NGX_OK) {
            break;
        }
    }

    report(&put);
    report(&deleted);
    report(&again);
    report(&large);

    sound(store, "in the end");
    fixture_destroy(store);
}


int
main(int argc, char **argv)
{
    test_hold((argc > 1 ? atoi(argv[1]) : 24) * (size_t) MEGABYTE);

    return done();
}
