
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/* Status documents, byte for byte as metrics-server's were recorded. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_status.h"


static ngx_http_k8s_metrics_cause_t  cause = {
    ngx_string("FieldValueForbidden"),
    ngx_string("Forbidden: resourceVersionMatch is forbidden unless "
               "resourceVersion is provided"),
    ngx_string("resourceVersionMatch")
};


static void
is(ngx_http_k8s_metrics_out_t *out, const char *want, size_t len,
    const char *what)
{
    ngx_uint_t  good;

    good = (ngx_http_k8s_metrics_out_len(out) == len
            && memcmp(out->start, want, len) == 0 && !out->overflow);

    if (!good) {
        fprintf(stderr, "# got %.*s\n",
                (int) ngx_http_k8s_metrics_out_len(out), out->start);
    }

    ok(good, "%s", what);
}


static void
json(ngx_http_k8s_metrics_status_t *status, ngx_uint_t pretty,
    const char *want)
{
    u_char                      buf[2048];
    ngx_http_k8s_metrics_out_t  out;

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_status_json(&out, status, pretty);

    is(&out, want, strlen(want), pretty ? "indented JSON" : "JSON");
}


static void
base64(const char *text, ngx_str_t *out)
{
    uint32_t     bits;
    ngx_uint_t   n;
    const char  *p, *digit;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    bits = 0;
    n = 0;
    out->len = 0;

    for (p = text; *p && *p != '='; p++) {
        digit = strchr(digits, *p);
        bits = bits << 6 | (uint32_t) (digit - digits);
        n += 6;

        if (n >= 8) {
            n -= 8;
            out->data[out->len++] = (u_char) (bits >> n);
        }
    }
}


static void
pb(void)
{
    u_char                          buf[512], recorded[512];
    ngx_str_t                       want;
    ngx_http_k8s_metrics_out_t      out;
    ngx_http_k8s_metrics_status_t   s;

    want.data = recorded;
    base64("azhzAAoMCgJ2MRIGU3RhdHVzEkkKBgoAEgAaABIHRmFpbHVyZRoVbm9kZSAibm9w"
           "ZSIgbm90IGZvdW5kIghOb3RGb3VuZCoSCgRub3BlEgAaBG5vZGUoADIAMJQDGgAi"
           "AA==", &want);

    ngx_memzero(&s, sizeof(s));
    s.code = 404;
    ngx_str_set(&s.reason, "NotFound");
    ngx_str_set(&s.message, "node \"nope\" not found");
    s.details = 1;
    ngx_str_set(&s.name, "nope");
    ngx_str_set(&s.kind, "node");

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_status_pb(&out, &s);
    is(&out, (char *) want.data, want.len, "protobuf as recorded");

    s.ncauses = 1;
    s.causes = &cause;
    s.retry_after = 300;

    ngx_http_k8s_metrics_out_fixed(&out, buf, sizeof(buf));
    ngx_http_k8s_metrics_status_pb(&out, &s);

    ok(!out.overflow && ngx_http_k8s_metrics_out_len(&out)
       == want.len + 2 /* two lengths of two bytes */ + 1 /* 300 */
          + 2 + 2 + cause.reason.len + 2 + cause.message.len
          + 2 + cause.field.len,
       "protobuf with a cause");
}


static void
reasons(void)
{
    ngx_str_t  s;

    s = ngx_http_k8s_metrics_status_reason(404);
    ok(s.len == 8 && memcmp(s.data, "NotFound", 8) == 0, "404");

    s = ngx_http_k8s_metrics_status_reason(503);
    ok(s.len == 18 && memcmp(s.data, "ServiceUnavailable", 18) == 0, "503");

    s = ngx_http_k8s_metrics_status_reason(418);
    ok(s.len == 0, "418 has none");

    s = ngx_http_k8s_metrics_status_reason(0);
    ok(s.len == 0, "nor has 0");
}


int
main(void)
{
    ngx_http_k8s_metrics_status_t  s;

    ngx_memzero(&s, sizeof(s));

    s.code = 404;
    ngx_str_set(&s.reason, "NotFound");
    ngx_str_set(&s.message, "node \"nope\" not found");
    s.details = 1;
    ngx_str_set(&s.name, "nope");
    ngx_str_set(&s.kind, "node");

    json(&s, 0, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                "\"status\":\"Failure\",\"message\":\"node \\\"nope\\\" not "
                "found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
                "\"nope\",\"kind\":\"node\"},\"code\":404}\n");

    ngx_memzero(&s, sizeof(s));

    s.code = 401;
    ngx_str_set(&s.reason, "Unauthorized");
    ngx_str_set(&s.message, "Unauthorized");

    json(&s, 0, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                "\"status\":\"Failure\",\"message\":\"Unauthorized\","
                "\"reason\":\"Unauthorized\",\"code\":401}\n");

    ngx_memzero(&s, sizeof(s));

    s.code = 406;
    ngx_str_set(&s.reason, "NotAcceptable");
    ngx_str_set(&s.message, "406: Not Acceptable\n\nAvailable "
                "representations: application/json, application/yaml, "
                "application/vnd.kubernetes.protobuf");
    s.details = 1;

    json(&s, 1, "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n"
                "  \"metadata\": {},\n  \"status\": \"Failure\",\n"
                "  \"message\": \"406: Not Acceptable\\n\\nAvailable "
                "representations: application/json, application/yaml, "
                "application/vnd.kubernetes.protobuf\",\n"
                "  \"reason\": \"NotAcceptable\",\n  \"details\": {},\n"
                "  \"code\": 406\n}");

    ngx_memzero(&s, sizeof(s));

    s.code = 422;
    ngx_str_set(&s.reason, "Invalid");
    ngx_str_set(&s.message, "ListOptions.meta.k8s.io \"\" is invalid: "
                "resourceVersionMatch: Forbidden: resourceVersionMatch is "
                "forbidden unless resourceVersion is provided");
    s.details = 1;
    ngx_str_set(&s.group, "meta.k8s.io");
    ngx_str_set(&s.kind, "ListOptions");
    s.ncauses = 1;
    s.causes = &cause;

    json(&s, 0, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                "\"status\":\"Failure\",\"message\":\"ListOptions.meta.k8s.io "
                "\\\"\\\" is invalid: resourceVersionMatch: Forbidden: "
                "resourceVersionMatch is forbidden unless resourceVersion is "
                "provided\",\"reason\":\"Invalid\",\"details\":{\"group\":"
                "\"meta.k8s.io\",\"kind\":\"ListOptions\",\"causes\":[{"
                "\"reason\":\"FieldValueForbidden\",\"message\":\"Forbidden: "
                "resourceVersionMatch is forbidden unless resourceVersion is "
                "provided\",\"field\":\"resourceVersionMatch\"}]},"
                "\"code\":422}\n");

    ngx_memzero(&s, sizeof(s));

    s.code = 429;
    ngx_str_set(&s.reason, "TooManyRequests");
    ngx_str_set(&s.message, "a<b>&c");
    s.details = 1;
    s.retry_after = 1;

    json(&s, 0, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                "\"status\":\"Failure\",\"message\":\"a\\u003cb\\u003e\\u0026c"
                "\",\"reason\":\"TooManyRequests\",\"details\":{"
                "\"retryAfterSeconds\":1},\"code\":429}\n");

    pb();
    reasons();

    return done();
}
