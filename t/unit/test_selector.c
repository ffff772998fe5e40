
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Label and field selectors: what is taken, what is refused in which words
 * (those of k8s.io/apimachinery), and what matches.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <string.h>

#include "stubs.h"
#include "tap.h"
#include "ngx_http_k8s_metrics_selector.h"


#define PARSE  "unable to parse requirement: "

#define CHARS  "consist of alphanumeric characters, '-', '_' or '.', and "    \
               "must start and end with an alphanumeric character"

#define NAME   "must " CHARS " (e.g. 'MyName',  or 'my.name',  or "           \
               "'123-abc', regex used for validation is "                     \
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

#define VALUE  "a valid label must be an empty string or " CHARS              \
               " (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "   \
               "for validation is "                                           \
               "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

#define DNS    "a lowercase RFC 1123 subdomain must consist of lower case "   \
               "alphanumeric characters, '-' or '.', and must start and end " \
               "with an alphanumeric character (e.g. 'example.com', regex "   \
               "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?"        \
               "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

#define LONG   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                             \
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


typedef struct {
    const char  *text;
    const char  *want;      /* the selector written again, or # and words */
} selector_case_t;

typedef struct {
    const char  *text;
    const char  *labels;    /* k=v,k=v */
    ngx_uint_t   match;
} match_case_t;


static const selector_case_t  labels[] = {
    { "", "" },
    { " ", "" },
    { "a", "a" },
    { "!a", "!a" },
    { "a=b", "a=b" },
    { "a==b", "a=b" },
    { "a!=b", "a!=b" },
    { "a=", "a=" },
    { "a=,b", "a=,b" },
    { "a>5,a<7", "a>5,a<7" },
    { "a in (x)", "a in (x)" },
    { "a in(y,x , y)", "a in (x,y)" },
    { "a notin (x,,y)", "a notin (,x,y)" },
    { "a in ()", "a in ()" },
    { "a in (,)", "a in ()" },
    { "a in (,x)", "a in (,x)" },
    { "in in (in,notin)", "in in (in,notin)" },
    { "notin", "notin" },
    { "z,m=1,a", "a,m=1,z" },
    { "a\tin\n(b\r)", "a in (b)" },
    { "kubernetes.io/os=linux,zone=z1", "kubernetes.io/os=linux,zone=z1" },
    { "9-a_b.C/x-Y_z.0", "#" PARSE "<nil>: Invalid value: "
      "\"9-a_b.C/x-Y_z.0\": prefix part " DNS },
    { "zone===x", "#" PARSE "found '=', expected: identifier" },
    { "!", "#" PARSE "found '', expected: identifier" },
    { "!!a", "#" PARSE "found '!', expected: identifier" },
    { "a b", "#" PARSE "found 'b', expected: in, notin, =, ==, !=, gt, lt" },
    { "a!b", "#" PARSE "found '!', expected: in, notin, =, ==, !=, gt, lt" },
    { "a in b", "#" PARSE "found 'b' expected: '('" },
    { "a in", "#" PARSE "found '' expected: '('" },
    { "a in (", "#" PARSE "found '', expected: ',', ')' or identifier" },
    { "a in (b", "#" PARSE "found '', expected: ',' or ')'" },
    { "a in (b,", "#" PARSE "found '', expected: ',', or identifier" },
    { "a in (b c)", "#" PARSE "found 'c', expected: ',' or ')'" },
    { "a in (=", "#" PARSE "found '=', expected: ',', ')' or identifier" },
    { "a=(", "#" PARSE "found '(', expected: identifier" },
    { "=a", "#found '=', expected: !, identifier, or 'end of string'" },
    { ",a", "#found ',', expected: !, identifier, or 'end of string'" },
    { "a,", "#found '', expected: identifier after ','" },
    { "a,,b", "#found ',', expected: identifier after ','" },
    { "!a=b", "#found '=', expected: ',' or 'end of string'" },
    { "a=b c", "#found 'c', expected: ',' or 'end of string'" },
    { "a=b)", "#found ')', expected: ',' or 'end of string'" },
    { "-a", "#" PARSE "<nil>: Invalid value: \"-a\": name part " NAME },
    { "/a", "#" PARSE "<nil>: Invalid value: \"/a\": prefix part must be "
      "non-empty" },
    { "a/", "#" PARSE "<nil>: Invalid value: \"a/\": name part must be "
      "non-empty; name part " NAME },
    { "a..b/c", "#" PARSE "<nil>: Invalid value: \"a..b/c\": prefix part "
      DNS },
    { "a/b/c", "#" PARSE "<nil>: Invalid value: \"a/b/c\": a valid label key "
      NAME " with an optional DNS subdomain prefix and '/' (e.g. "
      "'example.com/MyName')" },
    { LONG, "#" PARSE "<nil>: Invalid value: \"" LONG "\": name part must be "
      "no more than 63 bytes" },
    { "a=" LONG, "#" PARSE "values[0][a]: Invalid value: \"" LONG "\": must "
      "be no more than 63 bytes" },
    { "a=-b", "#" PARSE "values[0][a]: Invalid value: \"-b\": " VALUE },
    { "a in (c-,b,-b)", "#" PARSE "[values[0][a]: Invalid value: \"-b\": "
      VALUE ", values[2][a]: Invalid value: \"c-\": " VALUE "]" },
    { "a>x", "#" PARSE "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
      "operators, the value must be an integer" },
    { "a>-1", "#" PARSE "values[0][a]: Invalid value: \"-1\": " VALUE },
    { "a<-x", "#" PARSE "[values[0]: Invalid value: \"-x\": for 'Gt', 'Lt' "
      "operators, the value must be an integer, values[0][a]: Invalid value: "
      "\"-x\": " VALUE "]" },
    { "a>99999999999999999999", "#" PARSE "values[0]: Invalid value: "
      "\"99999999999999999999\": for 'Gt', 'Lt' operators, the value must be "
      "an integer" },
    { "a=\"\\\x01\x7f", "#" PARSE "values[0][a]: Invalid value: "
      "\"\\\"\\\\\\x01\\x7f\": " VALUE },
    { "a=\xc3\xa9\xc2\xa0\xe2\x80\xa8\xf0\x9f\x98\x80\xff\xc3", "#" PARSE
      "values[0][a]: Invalid value: \"\xc3\xa9\\u00a0\\u2028\xf0\x9f\x98\x80"
      "\\xff\\xc3\": " VALUE }
};


static const selector_case_t  fields[] = {
    { "", "" },
    { ",", "" },
    { "=", "" },
    { "!=", "" },
    { "metadata.name=a", "metadata.name=a" },
    { "a==b,c!=d", "a=b,c!=d" },
    { "z=1,,a=2", "a=2,z=1" },
    { "a=", "a=" },
    { "=a", "=a" },
    { "a=b\\,c\\=d\\\\e", "a=b,c=d\\e" },
    { "a=b\\,,c=d", "a=b,,c=d" },
    { "a", "#invalid selector: 'a'; can't understand 'a'" },
    { "a!b", "#invalid selector: 'a!b'; can't understand 'a!b'" },
    { "b=\\x,a", "#invalid selector: 'b=\\x,a'; can't understand 'a'" },
    { "a=b=c", "#invalid field selector: unescaped character in value: 61" },
    { "a!==b", "#invalid field selector: unescaped character in value: 61" },
    { "a=\\x", "#invalid field selector: invalid escape sequence: \\x" },
    { "a=\\\xc3\xa9z", "#invalid field selector: invalid escape sequence: "
      "\\\xc3\xa9" },
    { "a=b\\", "#invalid field selector: invalid escape sequence: \\" }
};


static const match_case_t  matches[] = {
    { "", "", 1 },
    { "", "a=b", 1 },
    { "a", "a=b", 1 },
    { "a", "b=a", 0 },
    { "!a", "b=a", 1 },
    { "!a", "a=", 0 },
    { "a=b", "x=y,a=b", 1 },
    { "a=b", "a=c", 0 },
    { "a=b", "", 0 },
    { "a=b", "aa=b", 0 },
    { "a=b", "a=bb", 0 },
    { "a=", "a=", 1 },
    { "a=", "", 0 },
    { "a!=b", "a=c", 1 },
    { "a!=b", "", 1 },
    { "a!=b", "a=b", 0 },
    { "a in (x,y,z,b,c)", "a=y", 1 },
    { "a in (x,y,z,b,c)", "a=b", 1 },
    { "a in (x,y,z,b,c)", "a=z", 1 },
    { "a in (x,y,z,b,c)", "a=d", 0 },
    { "a in (x,y)", "", 0 },
    { "a in ()", "a=", 1 },
    { "a notin (x,y)", "a=y", 0 },
    { "a notin (x,y)", "a=z", 1 },
    { "a notin (x,y)", "", 1 },
    { "a>5", "a=6", 1 },
    { "a>5", "a=5", 0 },
    { "a>5", "a=10", 1 },
    { "a>5", "a=x", 0 },
    { "a>5", "", 0 },
    { "a<5", "a=-4", 1 },
    { "a<5", "a=5", 0 },
    { "a<5", "a=", 0 },
    { "a<9223372036854775807", "a=9223372036854775806", 1 },
    { "a<9223372036854775807", "a=9223372036854775808", 0 },
    { "a=1,b=2,!c", "b=2,a=1", 1 },
    { "a=1,b=2,!c", "b=2,a=1,c=3", 0 },
    { "a=1,a=2", "a=1", 0 }
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


static void
add(char **p, ngx_str_t *s)
{
    memcpy(*p, s->data, s->len);
    *p += s->len;
}


static void
write_again(ngx_http_k8s_metrics_selector_t *s, char *p)
{
    ngx_uint_t                           i, j;
    ngx_http_k8s_metrics_requirement_t  *r;

    static const char  *ops[] = { "=", "!=", " in (", " notin (", "", "",
                                  ">", "<" };

    for (i = 0; i < s->nelts; i++) {
        r = &s->elts[i];

        p += sprintf(p, "%s%s", i ? "," : "",
                     r->op == NGX_HTTP_K8S_METRICS_OP_NOT_EXISTS ? "!" : "");
        add(&p, &r->key);
        p += sprintf(p, "%s", ops[r->op]);

        for (j = 0; j < r->nvalues; j++) {
            p += sprintf(p, "%s", j ? "," : "");
            add(&p, &r->values[j]);
        }

        if (r->op == NGX_HTTP_K8S_METRICS_OP_IN
            || r->op == NGX_HTTP_K8S_METRICS_OP_NOT_IN)
        {
            *p++ = ')';
        }
    }

    *p = '\0';
}


typedef ngx_int_t (*parse_pt)(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_http_k8s_metrics_selector_t *selector, ngx_str_t *error);

static void
parses(parse_pt parse, const selector_case_t *c, size_t n, const char *name)
{
    char                              got[8192];
    size_t                            i;
    ngx_int_t                         rc;
    ngx_str_t                         t, error;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_selector_t   s;

    for (i = 0; i < n; i++) {
        pool = ngx_create_pool(4096, NULL);
        t = text(c[i].text);

        rc = parse(pool, &t, &s, &error);
        free(t.data);

        if (rc == NGX_OK) {
            write_again(&s, got);

        } else {
            sprintf(got, "#%.*s", (int) error.len, error.data);
        }

        if (strcmp(got, c[i].want) != 0) {
            fprintf(stderr, "# \"%s\": got %s\n", c[i].text, got);
        }

        ok(strcmp(got, c[i].want) == 0
           && rc == ((c[i].want[0] == '#') ? NGX_DECLINED : NGX_OK)
           && (rc == NGX_OK) == (error.len == 0),
           "%s %d", name, (int) i);

        ngx_destroy_pool(pool);
    }
}


static ngx_uint_t
split(char *s, ngx_http_k8s_metrics_label_t *l)
{
    char        *p;
    ngx_uint_t   n;

    n = 0;

    for (p = strtok(s, ","); p; p = strtok(NULL, ",")) {
        l[n].key.data = (u_char *) p;
        l[n].key.len = strchr(p, '=') - p;
        l[n].value.data = (u_char *) strchr(p, '=') + 1;
        l[n].value.len = strlen((char *) l[n].value.data);
        n++;
    }

    return n;
}


static void
match(void)
{
    char                              list[128];
    size_t                            i;
    ngx_str_t                         t, error;
    ngx_uint_t                        n;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_label_t      l[8];
    ngx_http_k8s_metrics_selector_t   s;

    for (i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        pool = ngx_create_pool(4096, NULL);
        t = text(matches[i].text);

        strcpy(list, matches[i].labels);
        n = split(list, l);

        ok(ngx_http_k8s_metrics_label_selector(pool, &t, &s, &error)
           == NGX_OK
           && ngx_http_k8s_metrics_selector_match(&s, l, n)
              == matches[i].match,
           "\"%s\" %s \"%s\"", matches[i].text,
           matches[i].match ? "selects" : "does not select",
           matches[i].labels);

        free(t.data);
        ngx_destroy_pool(pool);
    }
}


static void
exact(void)
{
    ngx_str_t                         t, error, *v;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_selector_t   s;

    pool = ngx_create_pool(4096, NULL);

    t = text("metadata.namespace!=x,metadata.name=n,metadata.name=m");
    ok(ngx_http_k8s_metrics_field_selector(pool, &t, &s, &error) == NGX_OK,
       "a field selector");
    free(t.data);

    v = ngx_http_k8s_metrics_selector_exact(&s, "metadata.name");
    ok(v && v->len == 1 && v->data[0] == 'm', "the first in their order");

    ok(ngx_http_k8s_metrics_selector_exact(&s, "metadata.namespace") == NULL,
       "a field that must be another");
    ok(ngx_http_k8s_metrics_selector_exact(&s, "metadata") == NULL
       && ngx_http_k8s_metrics_selector_exact(&s, "metadata.names") == NULL,
       "other fields");

    ngx_destroy_pool(pool);
}


static ngx_int_t
repeated(parse_pt parse, const char *head, const char *item, ngx_uint_t n,
    const char *tail)
{
    ngx_int_t                         rc;
    ngx_str_t                         t, error;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_selector_t   s;

    pool = ngx_create_pool(4096, NULL);

    t.data = malloc(strlen(head) + strlen(item) * n + strlen(tail) + 1);
    t.len = sprintf((char *) t.data, "%s", head);

    while (n--) {
        t.len += sprintf((char *) t.data + t.len, "%s", item);
    }

    t.len += sprintf((char *) t.data + t.len, "%s", tail);

    rc = parse(pool, &t, &s, &error);

    free(t.data);
    ngx_destroy_pool(pool);

    return rc;
}


static void
limits(void)
{
    parse_pt  label = ngx_http_k8s_metrics_label_selector;
    parse_pt  field = ngx_http_k8s_metrics_field_selector;

    ok(repeated(label, "", "a,", 999, "a") == NGX_OK,
       "a thousand requirements");
    ok(repeated(label, "", "a,", 1000, "a") == NGX_DECLINED, "one more");
    ok(repeated(label, "a in (", "b,", 999, "b)") == NGX_OK,
       "a thousand values");
    ok(repeated(label, "a in (", "b,", 1000, "b)") == NGX_DECLINED,
       "one more");
    ok(repeated(label, "a in (", "-,", 999, "-)") == NGX_DECLINED,
       "a long error");
    ok(repeated(field, "", "a=b,", 999, "a=b") == NGX_OK,
       "a thousand fields");
    ok(repeated(field, "", "a=b,", 1000, "a=b") == NGX_DECLINED, "one more");
    ok(repeated(field, "", "\\", 100000, "") == NGX_DECLINED,
       "a long field selector");
}


/* Each allocation fails in turn. */

static void
no_memory(parse_pt parse, const char *selector, const char *name)
{
    ngx_int_t                         i, rc;
    ngx_str_t                         t, error;
    ngx_pool_t                       *pool;
    ngx_http_k8s_metrics_selector_t   s;

    t = text(selector);
    rc = NGX_ERROR;

    for (i = 0; i < 50 && rc == NGX_ERROR; i++) {
        pool = ngx_create_pool(4096, NULL);

        stub_allocations = i;
        rc = parse(pool, &t, &s, &error);
        stub_allocations = -1;

        ngx_destroy_pool(pool);
    }

    ok(rc != NGX_ERROR && i > 3, "without memory: %s", name);

    free(t.data);
}


int
main(void)
{
    parses(ngx_http_k8s_metrics_label_selector, labels,
           sizeof(labels) / sizeof(labels[0]), "label selector");
    parses(ngx_http_k8s_metrics_field_selector, fields,
           sizeof(fields) / sizeof(fields[0]), "field selector");

    match();
    exact();
    limits();

    no_memory(ngx_http_k8s_metrics_label_selector,
              "a in (b,c,d,e,f),g=h,!i,j,k!=l,m", "a label selector");
    no_memory(ngx_http_k8s_metrics_label_selector, "a=-", "its words");
    no_memory(ngx_http_k8s_metrics_field_selector, "a=b,c=d,e=f",
              "a field selector");
    no_memory(ngx_http_k8s_metrics_field_selector, "a", "its words");

    return done();
}
