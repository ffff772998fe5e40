
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/* Content negotiation; the choices are those that k8s.io/apiserver made. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "tap.h"
#include "ngx_http_k8s_metrics_accept.h"


#define TABLE      ";as=Table;v=v1;g=meta.k8s.io"
#define PARTIAL    ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
#define PARTIALS   ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
#define DISCOVERY  ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define PROTOBUF   "application/vnd.kubernetes.protobuf"


/* the choice: media j, y or p, form o, t, m, l or d, then P and S */

typedef struct {
    const char  *accept;
    const char  *choice;
} accept_case_t;


static const accept_case_t  cases[] = {
    { "", "jo" },
    { "*/*", "jo" },
    { "*", "jo" },
    { "application/*", "jo" },
    { "application/json", "jo" },
    { "application/yaml", "yo" },
    { PROTOBUF, "po" },
    { PROTOBUF ", application/json", "po" },
    { PROTOBUF ",application/json", "po" },
    { "application/json," PROTOBUF, "jo" },
    { "application/json;q=0.5," PROTOBUF, "po" },
    { "application/json;q=0.8," PROTOBUF ";q=0.9,*/*", "jo" },
    { "*/*;q=0.1,application/yaml;q=0.05", "yo" },
    { "*/*,application/yaml;q=0.05", "yo" },
    { "text/html,*/*;q=0.8", "jo" },
    { "text/html,application/xml;q=0.9,*/*;q=0.8", "jo" },
    { "application/yaml;q=0", "yo" },
    { "application/yaml;q=x,application/json;q=0.1", "jo" },
    { "application/json;charset=utf-8", "jo" },
    { " application/yaml ", "yo" },
    { "application/json;pretty=1", "joP" },
    { "application/json;pretty=true", "jo" },
    { "application/json;stream=watch", "joS" },
    { PROTOBUF ";stream=watch," PROTOBUF, "poS" },
    { "application/json;sv=v1", "jo" },
    { "application/json" TABLE, "jt" },
    { "application/json" TABLE ",application/json", "jt" },
    { "application/json;as=Table;v=v1beta1;g=meta.k8s.io", "jt" },
    { "application/yaml" TABLE, "yt" },
    { PROTOBUF TABLE ",application/json", "jo" },
    { "*/*" TABLE, "jt" },
    { "application/json" PARTIAL, "jm" },
    { PROTOBUF PARTIAL, "pm" },
    { "application/json" PARTIALS, "jl" },
    { "application/json" DISCOVERY, "jd" },
    { "application/json" DISCOVERY ";profile=nopeer", "jd" },
    { "application/json;g=apidiscovery.k8s.io;v=v2beta1;"
      "as=APIGroupDiscoveryList,application/json", "jo" },
    { "application/json ; as = Table ; v = v1 ; g = meta.k8s.io", "jt" },

    { "text/html", NULL },
    { "text/*", NULL },
    { "application", NULL },
    { "application/", NULL },
    { "application/json/x", NULL },
    { "Application/JSON", NULL },
    { "*/json", NULL },
    { ",", NULL },
    { ";;;", NULL },
    { PROTOBUF TABLE, NULL },
    { "application/json;as=Table", NULL },
    { "application/json;as=Table;v=v2;g=meta.k8s.io", NULL },
    { "application/json;as=Other;v=v1;g=meta.k8s.io", NULL },
    { "application/json;v=v1", NULL },
    { "application/json;sv=v2", NULL },
    { "application/json;stream=other", NULL }
};


static ngx_int_t
choose(const char *accept, const ngx_http_k8s_metrics_offer_t *offer,
    char *choice)
{
    ngx_int_t                         rc;
    ngx_str_t                         s;
    ngx_http_k8s_metrics_accepted_t   a;

    s.len = strlen(accept);
    s.data = malloc(s.len + 1);
    memcpy(s.data, accept, s.len);
    s.data = realloc(s.data, s.len ? s.len : 1);

    rc = ngx_http_k8s_metrics_accept(&s, offer, &a);

    free(s.data);

    *choice++ = "jyp"[a.media];
    *choice++ = "otmld"[a.as];

    if (a.pretty) {
        *choice++ = 'P';
    }

    if (a.stream) {
        *choice++ = 'S';
    }

    *choice = '\0';

    return rc;
}


static void
offers(void)
{
    char  choice[8];

    static const ngx_http_k8s_metrics_offer_t  plain = {
        1 << NGX_HTTP_K8S_METRICS_JSON, 0
    };
    static const ngx_http_k8s_metrics_offer_t  proto = {
        1 << NGX_HTTP_K8S_METRICS_PROTOBUF, 0
    };

    ok(choose(PROTOBUF, &plain, choice) == NGX_DECLINED,
       "protobuf is not always offered");
    ok(choose(PROTOBUF ",*/*", &plain, choice) == NGX_OK
       && strcmp(choice, "jo") == 0, "but something else");
    ok(choose("application/json" TABLE, &plain, choice) == NGX_DECLINED,
       "nor is a table");
    ok(choose("application/json" DISCOVERY ",application/json", &plain,
              choice) == NGX_OK && strcmp(choice, "jo") == 0,
       "nor aggregated discovery");
    ok(choose("", &proto, choice) == NGX_OK && strcmp(choice, "po") == 0,
       "the first of what is offered");
}


static void
many(void)
{
    char  text[4096], choice[8];
    int   i;

    static const ngx_http_k8s_metrics_offer_t  all = { 7, 30 };

    text[0] = '\0';

    for (i = 0; i < 63; i++) {
        strcat(text, "text/html,");
    }

    strcat(text, "application/yaml");
    ok(choose(text, &all, choice) == NGX_OK && strcmp(choice, "yo") == 0,
       "64 entries are looked at");

    strcpy(text + 630, "text/html,application/yaml");
    ok(choose(text, &all, choice) == NGX_DECLINED, "and no more");
}


static void
booleans(void)
{
    size_t     i;
    ngx_str_t  s;

    static const char  *yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char  *no[] = { "0", "f", "F", "false", "FALSE", "False" };
    static const char  *none[] = { "", "2", "tRUE", "yes", "true ", "on" };

    for (i = 0; i < 6; i++) {
        s.data = (u_char *) yes[i];
        s.len = strlen(yes[i]);
        ok(ngx_http_k8s_metrics_parse_bool(&s) == 1, "\"%s\" is true",
           yes[i]);

        s.data = (u_char *) no[i];
        s.len = strlen(no[i]);
        ok(ngx_http_k8s_metrics_parse_bool(&s) == 0, "\"%s\" is false",
           no[i]);

        s.data = (u_char *) none[i];
        s.len = strlen(none[i]);
        ok(ngx_http_k8s_metrics_parse_bool(&s) == NGX_ERROR,
           "\"%s\" is neither", none[i]);
    }
}


int
main(void)
{
    char       choice[8];
    size_t     i;
    ngx_int_t  rc;

    static const ngx_http_k8s_metrics_offer_t  all = { 7, 30 };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = choose(cases[i].accept, &all, choice);

        if (cases[i].choice == NULL) {
            ok(rc == NGX_DECLINED, "406 for \"%s\"", cases[i].accept);
            continue;
        }

        if (rc != NGX_OK || strcmp(choice, cases[i].choice) != 0) {
            fprintf(stderr, "# got %d %s\n", (int) rc, choice);
        }

        ok(rc == NGX_OK && strcmp(choice, cases[i].choice) == 0,
           "%s for \"%s\"", cases[i].choice, cases[i].accept);
    }

    offers();
    many();
    booleans();

    return done();
}
