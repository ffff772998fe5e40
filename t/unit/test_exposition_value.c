/* unit: src/scrape/ngx_http_k8s_metrics_exposition_value.c */

/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/* The values of a kubelet's metrics, against strtod(), to the last bit. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <math.h>
#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_exposition_internal.h"


static void
numbers(void)
{
    char                   text[100];
    size_t                 len;
    double                 got, want;
    uint64_t               seed;
    ngx_int_t              i, rc;
    const u_char          *end;

    static const char  *more[] = {
        "0", "-0", "1", "+1", "1.", ".5", "0.1", "123456789012345678",
        "9007199254740992", "9007199254740993", "9007199254740994.5",
        "1e22", "1e23", "1e-22", "1e-23", "123e20", "0.000000000000000001",
        "1.7976931348623157e308", "1e309", "5e-324", "1e-400",
        "1763872085.123456789", "2.2250738585072014e-308",
        "3.14159265358979323846264338327950288419716939937510582097494459",
        "00000000000000000000000000000000000001", "1E5", "1e+5", "1e-5",
        "1e000000000000000000005", "1e99999999999999999999", "0e99999"
    };

    seed = 88172645463325252ULL;

    for (i = 0; i < 200000; i++) {

        if (i < (ngx_int_t) (sizeof(more) / sizeof(more[0]))) {
            strcpy(text, more[i]);

        } else {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;

            memcpy(&got, &seed, sizeof(got));

            if (i & 1 || !isfinite(got)) {
                got = (double) (seed >> 30) / ((i & 2) ? 1e9 : 1e3);
            }

            sprintf(text, (i & 4) ? "%.17g" : "%.15g", got);
        }

        len = strlen(text);
        want = strtod(text, NULL);
        got = 7;

        rc = ngx_http_k8s_metrics_exposition_value((u_char *) text,
                                                   (u_char *) text + len,
                                                   &got, &end);

        if (rc != NGX_OK || end != (u_char *) text + len
            || memcmp(&got, &want, sizeof(got)) != 0)
        {
            printf("# %s: %d %.17g\n", text, (int) rc, got);
            break;
        }
    }

    ok(i == 200000, "numbers as strtod() reads them");

    memset(text, '1', sizeof(text));
    ok(ngx_http_k8s_metrics_exposition_value((u_char *) text,
                                             (u_char *) text + sizeof(text),
                                             &got, &end) == NGX_OK,
       "a long one");
}


/* What stands behind a number, and what is none. */

static void
ends(void)
{
    double         d;
    size_t         i, len;
    u_char        *p;
    ngx_int_t      rc;
    const u_char  *end;

    static const char  *taken[] = { "5 7", "5\t", "1e5 ", "NaN", "nan ",
                                    "+Inf", "-inf 5", "Infinity" };
    static const char  *refused[] = { "", " ", "-", "+", ".", "e5", "1e", "1e+",
                                      "1x", "0x10", "1_0", "1..2", "1.2.3",
                                      "na", "nann", "--1", "1,5", "in",
                                      "1-", "1e5.5", "infinit" };

    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        len = strlen(taken[i]);
        rc = ngx_http_k8s_metrics_exposition_value((u_char *) taken[i],
                                                   (u_char *) taken[i] + len,
                                                   &d, &end);

        ok(rc == (i < 3 ? NGX_OK : NGX_DECLINED)
           && (end == (u_char *) taken[i] + len || *end == ' '
               || *end == '\t'), "the end of \"%s\"", taken[i]);
    }

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        len = strlen(refused[i]);
        p = malloc(len ? len : 1);
        memcpy(p, refused[i], len);

        ok(ngx_http_k8s_metrics_exposition_value(p, p + len, &d, &end)
           == NGX_ERROR, "\"%s\" is no number", refused[i]);

        free(p);
    }

    p = malloc(200);
    memset(p, '1', 200);
    ok(ngx_http_k8s_metrics_exposition_value(p, p + 200, &d, &end)
       == NGX_ERROR, "nor are 200 digits");
    free(p);
}


int
main(void)
{
    numbers();
    ends();

    return done();
}
