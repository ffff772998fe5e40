
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Quantities, times and durations as Kubernetes and Go print and read them;
 * the expected texts are what their own functions gave.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_value.h"


typedef struct {
    uint64_t     n;
    const char  *text;
} unsigned_case_t;

typedef struct {
    int64_t      n;
    const char  *text;
} signed_case_t;


static const unsigned_case_t  cpu[] = {
    { 0, "0" },
    { 1, "1n" },
    { 999, "999n" },
    { 1000, "1u" },
    { 1001, "1001n" },
    { 10000, "10u" },
    { 1234567, "1234567n" },
    { 1000000, "1m" },
    { 250000000, "250m" },
    { 59000091, "59000091n" },
    { 999999999, "999999999n" },
    { 1000000000, "1" },
    { 1000000001, "1000000001n" },
    { 1544976650, "1544976650n" },
    { 1500000000, "1500m" },
    { 64000000000, "64" },
    { 1000000000000, "1k" },
    { 1000000000000000, "1M" },
    { 1000000000000000000, "1G" },
    { 9223372036854775807, "9223372036854775807n" },
    { 18446744073709551615ULL, "18446744073709551615n" },
    { 18000000000000000000ULL, "18G" }
};


static const unsigned_case_t  memory[] = {
    { 0, "0" },
    { 1, "1" },
    { 999, "999" },
    { 1000, "1k" },
    { 1001, "1001" },
    { 1023, "1023" },
    { 1024, "1Ki" },
    { 1025, "1025" },
    { 2000, "2000" },
    { 1024000, "1000Ki" },
    { 1048575, "1048575" },
    { 1048576, "1Mi" },
    { 31457280, "30Mi" },
    { 2563768320, "2445Mi" },
    { 1073741824, "1Gi" },
    { 1073742848, "1048577Ki" },
    { 1099511627776, "1Ti" },
    { 1125899906842624, "1Pi" },
    { 1152921504606846976, "1Ei" },
    { 9223372036854775807, "9223372036854775807" },
    { 18446744073709551615ULL, "18446744073709551615" },
    { 17293822569102704640ULL, "15Ei" }
};


static const signed_case_t  rfc3339[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { -1, "1969-12-31T23:59:59Z" },
    { 951782399, "2000-02-28T23:59:59Z" },
    { 951782400, "2000-02-29T00:00:00Z" },
    { 951868800, "2000-03-01T00:00:00Z" },
    { 1709164800, "2024-02-29T00:00:00Z" },
    { 1795407845, "2026-11-23T04:24:05Z" },
    { 4107542399, "2100-02-28T23:59:59Z" },
    { 4107542400, "2100-03-01T00:00:00Z" },
    { 253402300799, "9999-12-31T23:59:59Z" },
    { -62135596800, "0001-01-01T00:00:00Z" },

    /* held to the years that the format has */
    { INT64_MAX, "9999-12-31T23:59:59Z" },
    { INT64_MIN, "0001-01-01T00:00:00Z" }
};


static const signed_case_t  times[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 0, "1970-01-01T01:30:00+01:30" },
    { 0, "1969-12-31T22:30:00-01:30" },
    { 500000000, "1970-01-01T00:00:00.5Z" },
    { 500000000, "1970-01-01T00:00:00,5Z" },
    { 123456789, "1970-01-01T00:00:00.123456789Z" },
    { 123456789, "1970-01-01T00:00:00.1234567891234Z" },
    { -1, "1969-12-31T23:59:59.999999999Z" },
    { 951782400000000000, "2000-02-29T00:00:00Z" },
    { 1795407845000000001, "2026-11-23T04:24:05.000000001Z" },
    { -9214560000000000000, "1678-01-01T00:00:00Z" },
    { 9214646400000000000, "2262-01-01T00:00:00Z" }
};


static const char  *bad_times[] = {
    "", "Z", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00z",
    "1970-01-01t00:00:00Z", "1970-01-01 00:00:00Z", "1970-1-01T00:00:00Z",
    "1970-00-01T00:00:00Z", "1970-13-01T00:00:00Z", "1970-01-00T00:00:00Z",
    "1970-01-32T00:00:00Z", "1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
    "1970-04-31T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:60Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.5",
    "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+24:00",
    "1970-01-01T00:00:00+01:60", "1970-01-01T00:00:00+01:00Z",
    "1970-01-01T00:00:00ZZ", "-970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1600-01-01T00:00:00Z"
};


static const signed_case_t  durations[] = {
    { 0, "0s" },
    { 1, "1ns" },
    { 999, "999ns" },
    { 1000, "1\xc2\xb5s" },
    { 1500, "1.5\xc2\xb5s" },
    { 999999, "999.999\xc2\xb5s" },
    { 1000000, "1ms" },
    { 1000001, "1.000001ms" },
    { 10000000, "10ms" },
    { 13823000000, "13.823s" },
    { 14454000000, "14.454s" },
    { 15000000000, "15s" },
    { 60500000000, "1m0.5s" },
    { 60000000000, "1m0s" },
    { 3600000000000, "1h0m0s" },
    { 3661000000001, "1h1m1.000000001s" },
    { -1, "-1ns" },
    { -90000000000, "-1m30s" },
    { INT64_MAX, "2562047h47m16.854775807s" },
    { INT64_MIN, "-2562047h47m16.854775808s" }
};


static const signed_case_t  read_durations[] = {
    { 0, "0" },
    { 0, "-0" },
    { 0, "+0" },
    { 0, "0s" },
    { 5000000000, "5s" },
    { -5000000000, "-5s" },
    { 3720000000000, "1h2m" },
    { 3720000000000, "2m1h" },
    { 1500000000, "1.5s" },
    { 500000000, ".5s" },
    { 1000000000, "1.s" },
    { -1000000, "-1ms" },
    { 1500, "1.5us" },
    { 1500, "1.5\xc2\xb5s" },
    { 1500, "1.5\xce\xbcs" },
    { 39 * 3600000000000LL + 123, "39h123ns" },
    { 9223372036854775807, "9223372036854775807ns" },
    { 9223372036854775807, "2562047h47m16.854775807s" },
    { INT64_MIN, "-2562047h47m16.854775808s" },
    { INT64_MIN, "-9223372036854775808ns" },
    { 1200000000000, "0.3333333333333333333333333333h" },
    { 1000000000, "1.00000000000000000000000000000001s" }
};


static const char  *bad_durations[] = {
    "", "-", "+", "3", "s", ".s", "+.s", "1", "1x", "1.5", "--1s", "1s-",
    "1 s", " 1s", "1s ", "1d", "ms", "1.2.3s", "9223372036854775808ns",
    "3000000h", "9223372036854775807ns1ns", "1e3s", "0x1s", "1\xc2s",
    "99999999999999999999s", "-9223372036854775809ns"
};


static void
is(const u_char *buf, const u_char *last, const char *want, const char *what)
{
    size_t  len;

    len = strlen(want);

    if ((size_t) (last - buf) != len || memcmp(buf, want, len) != 0) {
        fprintf(stderr, "# %s: got %.*s, expected %s\n", what,
                (int) (last - buf), buf, want);
    }

    ok((size_t) (last - buf) == len && memcmp(buf, want, len) == 0, "%s",
       what);
}


/* The text as a block of its own size, so that reading past it is seen. */

static void
reads(ngx_int_t (*parse)(const u_char *p, size_t len, int64_t *ns),
    const char *text, ngx_int_t rc, int64_t want)
{
    size_t     len;
    u_char    *p;
    int64_t    ns;
    ngx_int_t  got;

    len = strlen(text);
    p = malloc(len ? len : 1);
    memcpy(p, text, len);
    ns = want;

    got = parse(p, len, &ns);

    if (got != rc || ns != want) {
        fprintf(stderr, "# \"%s\": %d %lld\n", text, (int) got,
                (long long) ns);
    }

    ok(got == rc && ns == want, "reads or refuses \"%s\"", text);

    free(p);
}


#define N(a)  (sizeof(a) / sizeof((a)[0]))


int
main(void)
{
    size_t  i;
    u_char  buf[NGX_HTTP_K8S_METRICS_DURATION_LEN];

    for (i = 0; i < N(cpu); i++) {
        is(buf, ngx_http_k8s_metrics_quantity_cpu(buf, cpu[i].n),
           cpu[i].text, "cpu");
    }

    for (i = 0; i < N(memory); i++) {
        is(buf, ngx_http_k8s_metrics_quantity_memory(buf, memory[i].n),
           memory[i].text, "memory");
    }

    for (i = 0; i < N(rfc3339); i++) {
        is(buf, ngx_http_k8s_metrics_time_rfc3339(buf, rfc3339[i].n),
           rfc3339[i].text, "time");
    }

    for (i = 0; i < N(durations); i++) {
        is(buf, ngx_http_k8s_metrics_duration(buf, durations[i].n),
           durations[i].text, "duration");
        reads(ngx_http_k8s_metrics_duration_parse, durations[i].text, NGX_OK,
              durations[i].n);
    }

    for (i = 0; i < N(times); i++) {
        reads(ngx_http_k8s_metrics_time_parse, times[i].text, NGX_OK,
              times[i].n);
    }

    for (i = 0; i < N(bad_times); i++) {
        reads(ngx_http_k8s_metrics_time_parse, bad_times[i], NGX_ERROR, 7);
    }

    for (i = 0; i < N(read_durations); i++) {
        reads(ngx_http_k8s_metrics_duration_parse, read_durations[i].text,
              NGX_OK, read_durations[i].n);
    }

    for (i = 0; i < N(bad_durations); i++) {
        reads(ngx_http_k8s_metrics_duration_parse, bad_durations[i],
              NGX_ERROR, 7);
    }

    return done();
}
