
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * What a request asks for, as k8s.io/apiserver's RequestInfoFactory says, and
 * the paths that could mean two things.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_attrs.h"


#define V  "/apis/metrics.k8s.io/v1beta1"


/* verb|group|version|namespace|resource|subresource|name|parts, or -|verb */

typedef struct {
    const char  *method;
    const char  *path;
    const char  *args;
    const char  *want;
} attrs_case_t;

typedef struct {
    const char  *args;
    const char  *name;
    ngx_uint_t   n;
    const char  *value;     /* NULL: there is none */
} query_case_t;


#define G  "metrics.k8s.io|v1beta1|"

static const attrs_case_t  cases[] = {
    { "GET", "/", "", "-|get" },
    { "GET", "", "", "-|get" },
    { "GET", "/healthz", "", "-|get" },
    { "POST", "/metrics", "", "-|post" },
    { "Foo", "/metrics", "", "-|foo" },
    { "GET", "/apis", "", "-|get" },
    { "GET", "/apis/metrics.k8s.io", "", "-|get" },
    { "GET", V, "", "-|get" },
    { "GET", V "/", "", "-|get" },
    { "GET", "/api/v1", "", "-|get" },
    { "GET", "/apiz/metrics.k8s.io/v1beta1/nodes", "", "-|get" },
    { "GET", "/healthz/a/b/c/d", "", "-|get" },

    { "GET", V "/nodes", "", "list|" G "|nodes|||1" },
    { "GET", V "/nodes/", "", "list|" G "|nodes|||1" },
    { "HEAD", V "/nodes", "", "list|" G "|nodes|||1" },
    { "GET", V "/nodes/n-1", "", "get|" G "|nodes||n-1|2" },
    { "HEAD", V "/nodes/n-1", "", "get|" G "|nodes||n-1|2" },
    { "GET", V "/nodes/...", "", "get|" G "|nodes||...|2" },
    { "GET", V "/nodes/..a", "", "get|" G "|nodes||..a|2" },
    { "GET", V "/nodes/a..;b", "", "get|" G "|nodes||a..;b|2" },
    { "GET", V "/nodes/%c3%A9", "", "get|" G "|nodes||\xc3\xa9|2" },
    { "GET", V "/nodes/n-1", "watch=1", "get|" G "|nodes||n-1|2" },
    { "POST", V "/nodes", "", "create|" G "|nodes|||1" },
    { "PUT", V "/nodes/n", "", "update|" G "|nodes||n|2" },
    { "PATCH", V "/nodes/n", "", "patch|" G "|nodes||n|2" },
    { "DELETE", V "/nodes/n", "", "delete|" G "|nodes||n|2" },
    { "DELETE", V "/nodes", "", "deletecollection|" G "|nodes|||1" },
    { "OPTIONS", V "/nodes", "", "|" G "|nodes|||1" },
    { "get", V "/nodes", "", "|" G "|nodes|||1" },

    { "GET", V "/pods", "", "list|" G "|pods|||1" },
    { "GET", V "/namespaces/ns/pods", "", "list|" G "ns|pods|||1" },
    { "GET", V "/namespaces/ns/pods/p", "", "get|" G "ns|pods||p|2" },
    { "GET", V "/namespaces/ns/pods/p/log", "", "get|" G "ns|pods|log|p|3" },
    { "GET", V "/namespaces/ns/pods/p/a/b/c", "",
      "get|" G "ns|pods|a|p|5" },
    { "GET", V "/namespaces", "", "list|" G "|namespaces|||1" },
    { "GET", V "/namespaces/ns", "", "get|" G "ns|namespaces||ns|2" },
    { "PUT", V "/namespaces/ns/status", "",
      "update|" G "ns|namespaces|status|ns|3" },
    { "PUT", V "/namespaces/ns/finalize/x", "",
      "update|" G "ns|namespaces|finalize|ns|4" },
    { "GET", "/api/v1/namespaces/ns/pods/p", "",
      "get||v1|ns|pods||p|2" },
    { "GET", "/api/v1/nodes", "", "list||v1||nodes|||1" },

    { "GET", V "/watch/nodes", "", "watch|" G "|nodes|||1" },
    { "GET", V "/watch/nodes/n", "", "watch|" G "|nodes||n|2" },
    { "DELETE", V "/watch/namespaces/ns/pods", "",
      "watch|" G "ns|pods|||1" },
    { "GET", V "/proxy/namespaces/ns/pods/p/x", "",
      "proxy|" G "ns|pods||p|3" },

    { "GET", V "/nodes", "watch=true", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=1", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=maybe", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=false", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=FALSE", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=0", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=0&watch=1", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "xwatch=1&watchx=1", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "%77%61tch=%31", "watch|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=%zz", "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "watch=1;a=b", "list|" G "|nodes|||1" },
    { "POST", V "/nodes", "watch=1", "create|" G "|nodes|||1" },

    { "GET", V "/nodes", "fieldSelector=metadata.name%3Dn-1",
      "list|" G "|nodes||n-1|1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name=n-1&watch=1",
      "watch|" G "|nodes||n-1|1" },
    { "GET", V "/namespaces/ns/pods",
      "fieldSelector=metadata.namespace%3Dns,metadata.name%3D%3Dp",
      "list|" G "ns|pods||p|1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name!%3Dn",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Da%252Fb",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Da%2Fb",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3D..",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Dn&limit=5",
      "list|" G "|nodes||n|1" },

    /* what cannot be read as options loses the name */
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Dn&limit=x",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Dn&timeoutSeconds=",
      "list|" G "|nodes|||1" },
    { "GET", V "/nodes", "fieldSelector=metadata.name%3Dn&labelSelector=%3D",
      "list|" G "|nodes|||1" },
    { "DELETE", V "/nodes", "fieldSelector=metadata.name%3Dn",
      "deletecollection|" G "|nodes|||1" },

    { "GET", V "/nodes/a%20b", "", "get|" G "|nodes||a b|2" },
    { "GET", V "/nodes/a+b", "", "get|" G "|nodes||a+b|2" },
    { "GET", V "/nodes/a%252Fb", "", "get|" G "|nodes||a%2Fb|2" },
    { "GET", V "/n%6Fdes/...", "", "get|" G "|nodes||...|2" },
    { "GET", V "/nodes/.a", "", "get|" G "|nodes||.a|2" }
};


static const char  *ambiguous[] = {
    "//", "//apis", "/apis//x", V "//nodes", V "/nodes//",
    "/.", "/..", "/./", "/a/./b", "/a/../b", "/a/..", "/a/.", "./a", "..",
    V "/nodes/a%2Fb", V "/nodes/a%2fb", V "/nodes/%2e%2e", V "/nodes/a%2Eb",
    V "/nodes/%00", V "/nodes/%", V "/nodes/%4", V "/nodes/%4g",
    V "/nodes/%g4", V "/nodes/%%", V "/nodes/%2", "%2F",
    "/a\\b", "/a%5Cb", "/a/..\\b", "/a/..;/b", "/a/.;/b", "/a/..;", "..;x/a",
    "/a/%c0%af", "/a/%c0%ae%c0%ae/b", "/a/%e0%80%af", "/a/%ff", "/a/%ed%a0%80",
    "/a/\xff/b", "/a/%c3", "/a/%f5%80%80%80"
};


static const query_case_t  queries[] = {
    { "", "a", 0, NULL },
    { "a", "a", 0, "" },
    { "a=", "a", 0, "" },
    { "a=b", "a", 0, "b" },
    { "a=b", "b", 0, NULL },
    { "a=b", "aa", 0, NULL },
    { "aa=b", "a", 0, NULL },
    { "&&a=b&&", "a", 0, "b" },
    { "x=1&a=b", "a", 0, "b" },
    { "a=b&a=c", "a", 0, "b" },
    { "a=b&x&a=c", "a", 1, "c" },
    { "a=b&a=c", "a", 2, NULL },
    { "a=b=c", "a", 0, "b=c" },
    { "a=x+y%20z%2B", "a", 0, "x y z+" },
    { "a=%c3%A9", "a", 0, "\xc3\xa9" },
    { "%61=b", "a", 0, "b" },
    { "a+b=c", "a b", 0, "c" },
    { "a=%zz&a=ok", "a", 0, "ok" },
    { "a=%4&a=ok", "a", 0, "ok" },
    { "a=%&a=ok", "a", 0, "ok" },
    { "a=b;c&a=ok", "a", 0, "ok" },
    { "a%=b&a=ok", "a", 0, "ok" },
    { "exclude=ping&exclude=nope", "exclude", 1, "nope" }
};


/* Kept in blocks of their own size, so that reading past them is seen. */

static ngx_str_t
text(const char *s)
{
    ngx_str_t  t;

    t.len = strlen(s);
    t.data = malloc(t.len ? t.len : 1);
    memcpy(t.data, s, t.len);

    return t;
}


#define S(s)  (int) (s).len, (s).data

static ngx_int_t
attrs(ngx_pool_t *pool, const char *method, const char *path,
    const char *args, ngx_http_k8s_metrics_attrs_t *a)
{
    ngx_int_t  rc;
    ngx_str_t  m, u, q;

    m = text(method);
    u = text(path);
    q = text(args);

    rc = ngx_http_k8s_metrics_attrs(pool, &m, &u, &q, a);

    /* strings may be views: only what is in the pool is used below */

    free(u.data);
    free(m.data);
    free(q.data);

    return rc;
}


static void
requests(void)
{
    char                           got[1024];
    size_t                         i;
    ngx_int_t                      rc;
    ngx_pool_t                    *pool;
    ngx_http_k8s_metrics_attrs_t   a;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = ngx_create_pool(4096, NULL);

        rc = attrs(pool, cases[i].method, cases[i].path, cases[i].args, &a);

        if (!a.resource_request) {
            sprintf(got, "-|%.*s", S(a.verb));

        } else {
            sprintf(got, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%d",
                    S(a.verb), S(a.group), S(a.version), S(a.ns),
                    S(a.resource), S(a.subresource), S(a.name),
                    (int) a.nparts);
        }

        if (strcmp(got, cases[i].want) != 0) {
            fprintf(stderr, "# got %d %s\n", (int) rc, got);
        }

        ok(rc == NGX_OK && strcmp(got, cases[i].want) == 0, "%s %s?%s",
           cases[i].method, cases[i].path, cases[i].args);

        ngx_destroy_pool(pool);
    }
}


static void
declined(void)
{
    size_t                         i;
    ngx_int_t                      rc;
    ngx_str_t                      m, u, q;
    ngx_pool_t                    *pool;
    ngx_http_k8s_metrics_attrs_t   a;

    for (i = 0; i < sizeof(ambiguous) / sizeof(ambiguous[0]); i++) {
        pool = ngx_create_pool(4096, NULL);

        rc = attrs(pool, "GET", ambiguous[i], "", &a);

        ok(rc == NGX_DECLINED && a.path.len != 0 && !a.resource_request
           && a.verb.len == 0, "declined: %s", ambiguous[i]);

        ngx_destroy_pool(pool);
    }

    pool = ngx_create_pool(4096, NULL);
    m = text("GET");
    q = text("");
    u.data = (u_char *) "/a\0b";
    u.len = 4;

    ok(ngx_http_k8s_metrics_attrs(pool, &m, &u, &q, &a) == NGX_DECLINED,
       "declined: a NUL");

    free(m.data);
    free(q.data);
    ngx_destroy_pool(pool);
}


static void
selectors(void)
{
    ngx_pool_t                    *pool;
    ngx_http_k8s_metrics_attrs_t   a;

    pool = ngx_create_pool(4096, NULL);

    ok(attrs(pool, "GET", V "/nodes", "labelSelector=a%3Db,c&watch=1"
             "&fieldSelector=metadata.name%3Dn", &a) == NGX_OK
       && a.has_label_selector && a.has_field_selector && a.watch
       && a.labels.nelts == 2 && a.fields.nelts == 1
       && a.label_text.len == 5 && memcmp(a.label_text.data, "a=b,c", 5) == 0
       && a.label_error.len == 0 && a.field_error.len == 0,
       "selectors of a watch");

    ok(attrs(pool, "GET", V "/nodes", "labelSelector=a%3D%3D%3Db"
             "&fieldSelector=x", &a) == NGX_OK
       && a.has_label_selector && a.has_field_selector
       && a.labels.nelts == 0 && a.fields.nelts == 0
       && a.label_error.len == sizeof("unable to parse requirement: found "
                                      "'=', expected: identifier") - 1
       && a.field_error.len != 0 && a.label_text.len == 5
       && a.field_text.len == 1, "broken selectors");

    ok(attrs(pool, "GET", V "/nodes", "labelSelector=&fieldSelector=", &a)
       == NGX_OK
       && !a.has_label_selector && !a.has_field_selector
       && a.label_text.data != NULL && a.label_text.len == 0,
       "empty selectors");

    ok(attrs(pool, "GET", V "/nodes", "", &a) == NGX_OK
       && a.label_text.data == NULL && a.field_text.data == NULL,
       "no selectors");

    ok(attrs(pool, "GET", V "/nodes/n", "labelSelector=a", &a) == NGX_OK
       && !a.has_label_selector && a.labels.nelts == 0
       && a.label_text.len == 1, "selectors of a get are nothing");

    ok(attrs(pool, "DELETE", V "/nodes", "labelSelector=a", &a) == NGX_OK
       && a.has_label_selector && a.labels.nelts == 1,
       "selectors of a deletecollection");

    ok(attrs(pool, "GET", V "/watch/nodes", "labelSelector=a", &a) == NGX_OK
       && !a.has_label_selector && !a.watch && a.verb.len == 5,
       "selectors with the verb in the path are nothing");

    ngx_destroy_pool(pool);
}


static void
parameters(void)
{
    size_t       i;
    ngx_int_t    rc;
    ngx_str_t    q, v;
    ngx_uint_t   good;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, NULL);

    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        q = text(queries[i].args);

        rc = ngx_http_k8s_metrics_query(pool, &q, queries[i].name,
                                        queries[i].n, &v);
        free(q.data);

        if (queries[i].value) {
            good = (rc == NGX_OK && v.len == strlen(queries[i].value)
                    && memcmp(v.data, queries[i].value, v.len) == 0);

        } else {
            good = (rc == NGX_DECLINED && v.data == NULL);
        }

        ok(good, "\"%s\" in \"%s\"", queries[i].name, queries[i].args);
    }

    ngx_destroy_pool(pool);
}


/* Each allocation fails in turn. */

static void
no_memory(void)
{
    ngx_int_t                      i, rc;
    ngx_pool_t                    *pool;
    ngx_http_k8s_metrics_attrs_t   a;

    rc = NGX_ERROR;

    for (i = 0; i < 50 && rc == NGX_ERROR; i++) {
        pool = ngx_create_pool(4096, NULL);

        stub_allocations = i;
        rc = attrs(pool, "GET", V "/nodes", "labelSelector=a&watch=1&limit=5"
                   "&fieldSelector=metadata.name%3Dn", &a);
        stub_allocations = -1;

        ngx_destroy_pool(pool);
    }

    ok(rc == NGX_OK && i > 10, "without memory");
}


int
main(void)
{
    requests();
    declined();
    selectors();
    parameters();
    no_memory();

    return done();
}
