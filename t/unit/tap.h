
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <string.h>


/*
 * The Test Anything Protocol, for one program of one file.  The plan comes
 * last, so a program that dies in the middle fails, too.
 *
 *     ok(cond, "what holds, %d", n)      counts a check, returns "cond"
 *     is_int(got, want, "what")          and says both numbers if they differ
 *     is_mem(p, len, "text", "what")     and says both texts if they differ
 *     return done();                     the end of main()
 */

static int  tap_count;
static int  tap_failed;


__attribute__((format(printf, 4, 5), unused))
static int
tap_ok(int cond, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    tap_count++;

    printf("%sok %d - ", cond ? "" : "not ", tap_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    if (cond) {
        printf("\n");

    } else {
        tap_failed++;
        printf(" (%s:%d)\n", file, line);
    }

    /* what was proven stays on record if the next line ends the program */
    fflush(stdout);

    return cond;
}


__attribute__((unused))
static int
tap_int(long long got, long long want, const char *file, int line,
    const char *what)
{
    if (got != want) {
        printf("# got %lld, expected %lld\n", got, want);
    }

    return tap_ok(got == want, file, line, "%s", what);
}


__attribute__((unused))
static int
tap_mem(const void *got, size_t len, const char *want, const char *file,
    int line, const char *what)
{
    int  same;

    same = (len == strlen(want) && (len == 0 || memcmp(got, want, len) == 0));

    if (!same) {
        printf("# got \"%.*s\"\n# expected \"%s\"\n", (int) len,
               (const char *) got, want);
    }

    return tap_ok(same, file, line, "%s", what);
}


__attribute__((unused))
static int
done(void)
{
    printf("1..%d\n", tap_count);

    return tap_failed != 0 || tap_count == 0;
}


#define ok(cond, ...)                                                         \
    tap_ok(!!(cond), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, want, what)                                               \
    tap_int((long long) (got), (long long) (want), __FILE__, __LINE__, what)

#define is_mem(got, len, want, what)                                          \
    tap_mem(got, len, want, __FILE__, __LINE__, what)


#endif /* _TAP_H_INCLUDED_ */
