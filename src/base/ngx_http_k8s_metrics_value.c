
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_value.h"


#define NGX_HTTP_K8S_METRICS_NS            1000000000
#define NGX_HTTP_K8S_METRICS_DAY           86400

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
#define NGX_HTTP_K8S_METRICS_TIME_MIN      (-62135596800LL)
#define NGX_HTTP_K8S_METRICS_TIME_MAX      253402300799LL


static u_char *ngx_http_k8s_metrics_decimal(u_char *p, uint64_t n);
static u_char *ngx_http_k8s_metrics_two_digits(u_char *p, ngx_uint_t n);
static u_char *ngx_http_k8s_metrics_fraction(u_char *p, uint64_t n,
    uint64_t unit);
static ngx_int_t ngx_http_k8s_metrics_number(const u_char *p, size_t len);
static ngx_int_t ngx_http_k8s_metrics_time_zone(const u_char *p,
    const u_char *last, int64_t *offset);
static int64_t ngx_http_k8s_metrics_days(int64_t year, int64_t month,
    int64_t day);
static ngx_int_t ngx_http_k8s_metrics_month_days(ngx_int_t year,
    ngx_int_t month);
static uint64_t ngx_http_k8s_metrics_duration_unit(const u_char *p,
    size_t len);
static ngx_int_t ngx_http_k8s_metrics_duration_term(const u_char **pos,
    const u_char *last, uint64_t *value);


static const u_char  ngx_http_k8s_metrics_digits[] =
    "00010203040506070809"
    "10111213141516171819"
    "20212223242526272829"
    "30313233343536373839"
    "40414243444546474849"
    "50515253545556575859"
    "60616263646566676869"
    "70717273747576777879"
    "80818283848586878889"
    "90919293949596979899";


static u_char *
ngx_http_k8s_metrics_decimal(u_char *p, uint64_t n)
{
    u_char       buf[NGX_INT64_LEN];
    u_char      *d;
    ngx_uint_t   i;

    d = buf + sizeof(buf);

    while (n >= 100) {
        i = (ngx_uint_t) (n % 100) * 2;
        n /= 100;

        *--d = ngx_http_k8s_metrics_digits[i + 1];
        *--d = ngx_http_k8s_metrics_digits[i];
    }

    if (n >= 10) {
        i = (ngx_uint_t) n * 2;

        *--d = ngx_http_k8s_metrics_digits[i + 1];
        *--d = ngx_http_k8s_metrics_digits[i];

    } else {
        *--d = (u_char) (n + '0');
    }

    return ngx_cpymem(p, d, buf + sizeof(buf) - d);
}


u_char *
ngx_http_k8s_metrics_quantity_cpu(u_char *p, uint64_t nanocores)
{
    ngx_uint_t           i;
    static const u_char  suffix[] = "num\0kMGTPE";

    if (nanocores == 0) {
        *p++ = '0';
        return p;
    }

    for (i = 0; nanocores % 1000 == 0; i++) {
        nanocores /= 1000;
    }

    p = ngx_http_k8s_metrics_decimal(p, nanocores);

    if (suffix[i]) {
        *p++ = suffix[i];
    }

    return p;
}


u_char *
ngx_http_k8s_metrics_quantity_memory(u_char *p, uint64_t bytes)
{
    ngx_uint_t           i;
    static const u_char  suffix[] = "\0KMGTPE";

    if (bytes < 1024) {

        if (bytes == 1000) {
            *p++ = '1';
            *p++ = 'k';
            return p;
        }

        return ngx_http_k8s_metrics_decimal(p, bytes);
    }

    for (i = 0; (bytes & 1023) == 0; i++) {
        bytes >>= 10;
    }

    p = ngx_http_k8s_metrics_decimal(p, bytes);

    if (suffix[i]) {
        *p++ = suffix[i];
        *p++ = 'i';
    }

    return p;
}


static u_char *
ngx_http_k8s_metrics_two_digits(u_char *p, ngx_uint_t n)
{
    *p++ = ngx_http_k8s_metrics_digits[n * 2];
    *p++ = ngx_http_k8s_metrics_digits[n * 2 + 1];

    return p;
}


/*
 * The calendar in eras of 400 years that begin on March 1, so that the leap
 * day is the last one of a year.
 */

u_char *
ngx_http_k8s_metrics_time_rfc3339(u_char *p, int64_t sec)
{
    uint32_t  days, rest, era, day, year, yday, month;

    if (sec < NGX_HTTP_K8S_METRICS_TIME_MIN) {
        sec = NGX_HTTP_K8S_METRICS_TIME_MIN;

    } else if (sec > NGX_HTTP_K8S_METRICS_TIME_MAX) {
        sec = NGX_HTTP_K8S_METRICS_TIME_MAX;
    }

    /* from 0000-03-01, 719468 days before 1970 */
    sec += 719468LL * NGX_HTTP_K8S_METRICS_DAY;

    days = (uint32_t) (sec / NGX_HTTP_K8S_METRICS_DAY);
    rest = (uint32_t) (sec % NGX_HTTP_K8S_METRICS_DAY);

    era = days / 146097;
    day = days % 146097;

    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    yday = day - (365 * year + year / 4 - year / 100);
    month = (5 * yday + 2) / 153;
    day = yday - (153 * month + 2) / 5 + 1;

    year += era * 400;

    if (month < 10) {
        month += 3;

    } else {
        month -= 9;
        year++;
    }

    p = ngx_http_k8s_metrics_two_digits(p, year / 100);
    p = ngx_http_k8s_metrics_two_digits(p, year % 100);
    *p++ = '-';
    p = ngx_http_k8s_metrics_two_digits(p, month);
    *p++ = '-';
    p = ngx_http_k8s_metrics_two_digits(p, day);
    *p++ = 'T';
    p = ngx_http_k8s_metrics_two_digits(p, rest / 3600);
    *p++ = ':';
    p = ngx_http_k8s_metrics_two_digits(p, rest / 60 % 60);
    *p++ = ':';
    p = ngx_http_k8s_metrics_two_digits(p, rest % 60);
    *p++ = 'Z';

    return p;
}


/* Exactly "len" digits, or NGX_ERROR. */

static ngx_int_t
ngx_http_k8s_metrics_number(const u_char *p, size_t len)
{
    size_t     i;
    ngx_int_t  n;

    n = 0;

    for (i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return NGX_ERROR;
        }

        n = n * 10 + (p[i] - '0');
    }

    return n;
}


static ngx_int_t
ngx_http_k8s_metrics_month_days(ngx_int_t year, ngx_int_t month)
{
    static const u_char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2
        && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
    {
        return 29;
    }

    return days[month - 1];
}


/* Days since 1970; "year" is 0 or later. */

static int64_t
ngx_http_k8s_metrics_days(int64_t year, int64_t month, int64_t day)
{
    int64_t  yday;

    if (month > 2) {
        month -= 3;

    } else {
        month += 9;
        year--;
    }

    /* a year before 0000-03-01 is the end of the era before */
    year += 400;

    yday = (153 * month + 2) / 5 + day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + yday
           - 719468 - 146097;
}


static ngx_int_t
ngx_http_k8s_metrics_time_zone(const u_char *p, const u_char *last,
    int64_t *offset)
{
    ngx_int_t  hour, min;

    *offset = 0;

    if (last - p == 1 && *p == 'Z') {
        return NGX_OK;
    }

    if (last - p != sizeof("+00:00") - 1
        || (*p != '+' && *p != '-') || p[3] != ':')
    {
        return NGX_ERROR;
    }

    hour = ngx_http_k8s_metrics_number(p + 1, 2);
    min = ngx_http_k8s_metrics_number(p + 4, 2);

    if (hour < 0 || hour > 23 || min < 0 || min > 59) {
        return NGX_ERROR;
    }

    *offset = hour * 3600 + min * 60;

    if (*p == '-') {
        *offset = - *offset;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_time_parse(const u_char *p, size_t len, int64_t *ns)
{
    int64_t        sec, offset, frac, scale;
    ngx_int_t      year, month, day, hour, min, s;
    const u_char  *last;

    if (len < sizeof("0000-00-00T00:00:00Z") - 1
        || p[4] != '-' || p[7] != '-' || p[10] != 'T'
        || p[13] != ':' || p[16] != ':')
    {
        return NGX_ERROR;
    }

    year = ngx_http_k8s_metrics_number(p, 4);
    month = ngx_http_k8s_metrics_number(p + 5, 2);
    day = ngx_http_k8s_metrics_number(p + 8, 2);
    hour = ngx_http_k8s_metrics_number(p + 11, 2);
    min = ngx_http_k8s_metrics_number(p + 14, 2);
    s = ngx_http_k8s_metrics_number(p + 17, 2);

    if (year < 0 || month < 1 || month > 12 || day < 1
        || day > ngx_http_k8s_metrics_month_days(year, month)
        || hour < 0 || hour > 23 || min < 0 || min > 59 || s < 0 || s > 59)
    {
        return NGX_ERROR;
    }

    last = p + len;
    p += sizeof("0000-00-00T00:00:00") - 1;
    frac = 0;

    if (*p == '.' || *p == ',') {
        p++;

        if (p == last || *p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        for (scale = NGX_HTTP_K8S_METRICS_NS / 10;
             p < last && *p >= '0' && *p <= '9';
             p++)
        {
            frac += (*p - '0') * scale;
            scale /= 10;
        }
    }

    if (ngx_http_k8s_metrics_time_zone(p, last, &offset) != NGX_OK) {
        return NGX_ERROR;
    }

    sec = ngx_http_k8s_metrics_days(year, month, day)
          * NGX_HTTP_K8S_METRICS_DAY + hour * 3600 + min * 60 + s - offset;

    /* a second less than int64 holds, so that the fraction always fits */

    if (sec > 9223372035LL || sec < -9223372035LL) {
        return NGX_ERROR;
    }

    *ns = sec * NGX_HTTP_K8S_METRICS_NS + frac;

    return NGX_OK;
}


/* "n" of "unit"s: the whole part, and what is left less its end zeros. */

static u_char *
ngx_http_k8s_metrics_fraction(u_char *p, uint64_t n, uint64_t unit)
{
    uint64_t  rest;

    p = ngx_http_k8s_metrics_decimal(p, n / unit);

    rest = n % unit;

    if (rest == 0) {
        return p;
    }

    *p++ = '.';

    while (rest) {
        unit /= 10;
        *p++ = (u_char) (rest / unit + '0');
        rest %= unit;
    }

    return p;
}


u_char *
ngx_http_k8s_metrics_duration(u_char *p, int64_t ns)
{
    uint64_t  u, sec;

    u = (uint64_t) ns;

    if (ns < 0) {
        *p++ = '-';
        u = 0 - u;
    }

    if (u == 0) {
        *p++ = '0';

    } else if (u < 1000) {
        p = ngx_http_k8s_metrics_decimal(p, u);
        *p++ = 'n';

    } else if (u < 1000000) {
        p = ngx_http_k8s_metrics_fraction(p, u, 1000);
        *p++ = 0xc2;
        *p++ = 0xb5;

    } else if (u < NGX_HTTP_K8S_METRICS_NS) {
        p = ngx_http_k8s_metrics_fraction(p, u, 1000000);
        *p++ = 'm';

    } else {
        sec = u / NGX_HTTP_K8S_METRICS_NS;

        if (sec >= 3600) {
            p = ngx_http_k8s_metrics_decimal(p, sec / 3600);
            *p++ = 'h';
        }

        if (sec >= 60) {
            p = ngx_http_k8s_metrics_decimal(p, sec / 60 % 60);
            *p++ = 'm';
        }

        u = (sec % 60) * NGX_HTTP_K8S_METRICS_NS + u % NGX_HTTP_K8S_METRICS_NS;
        p = ngx_http_k8s_metrics_fraction(p, u, NGX_HTTP_K8S_METRICS_NS);
    }

    *p++ = 's';

    return p;
}


/* Nanoseconds of a unit, 0 when it is none. */

static uint64_t
ngx_http_k8s_metrics_duration_unit(const u_char *p, size_t len)
{
    if (len == 1) {

        switch (*p) {

        case 's':
            return NGX_HTTP_K8S_METRICS_NS;

        case 'm':
            return 60ULL * NGX_HTTP_K8S_METRICS_NS;

        case 'h':
            return 3600ULL * NGX_HTTP_K8S_METRICS_NS;
        }

        return 0;
    }

    if (len < 2 || p[len - 1] != 's') {
        return 0;
    }

    if (len == 2) {

        switch (*p) {

        case 'n':
            return 1;

        case 'u':
            return 1000;

        case 'm':
            return 1000000;
        }

        return 0;
    }

    /* the micro sign U+00B5 and the letter U+03BC */

    if (len == 3
        && ((p[0] == 0xc2 && p[1] == 0xb5) || (p[0] == 0xce && p[1] == 0xbc)))
    {
        return 1000;
    }

    return 0;
}


/* One "1.5s" of a duration. */

static ngx_int_t
ngx_http_k8s_metrics_duration_term(const u_char **pos, const u_char *last,
    uint64_t *value)
{
    double         scale;
    uint64_t       n, frac, unit, limit;
    ngx_uint_t     digits, full;
    const u_char  *p, *start;

    limit = 1ULL << 63;
    digits = 0;
    n = 0;

    for (p = *pos; p < last && *p >= '0' && *p <= '9'; p++) {
        if (n > limit / 10) {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');

        if (n > limit) {
            return NGX_ERROR;
        }

        digits = 1;
    }

    frac = 0;
    scale = 1;
    full = 0;

    if (p < last && *p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) {
            digits = 1;

            /* digits past what is exact change nothing */

            if (full || frac > (limit - 1) / 10
                || frac * 10 + (*p - '0') > limit)
            {
                full = 1;
                continue;
            }

            frac = frac * 10 + (*p - '0');
            scale *= 10;
        }
    }

    for (start = p; p < last && *p != '.' && (*p < '0' || *p > '9'); p++) {
        /* void */
    }

    unit = ngx_http_k8s_metrics_duration_unit(start, p - start);

    if (!digits || unit == 0 || n > limit / unit) {
        return NGX_ERROR;
    }

    n *= unit;

    if (frac) {
        n += (uint64_t) ((double) frac * ((double) unit / scale));

        if (n > limit) {
            return NGX_ERROR;
        }
    }

    *value = n;
    *pos = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_k8s_metrics_duration_parse(const u_char *p, size_t len, int64_t *ns)
{
    uint64_t       sum, n;
    ngx_uint_t     negative;
    const u_char  *last;

    last = p + len;
    negative = 0;

    if (p < last && (*p == '-' || *p == '+')) {
        negative = (*p == '-');
        p++;
    }

    if (last - p == 1 && *p == '0') {
        *ns = 0;
        return NGX_OK;
    }

    if (p == last) {
        return NGX_ERROR;
    }

    sum = 0;

    while (p < last) {

        if (ngx_http_k8s_metrics_duration_term(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        /* neither is over 2^63, so that this cannot wrap unseen */

        if (n > (1ULL << 63) - sum) {
            return NGX_ERROR;
        }

        sum += n;
    }

    if (negative) {
        *ns = (int64_t) (0 - sum);
        return NGX_OK;
    }

    if (sum > (1ULL << 63) - 1) {
        return NGX_ERROR;
    }

    *ns = (int64_t) sum;

    return NGX_OK;
}
