
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * Files that others replace: what is new is handed over once, what is refused
 * leaves the old and is logged once, whatever happens between two looks.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdlib.h>

#include "ngx_http_k8s_metrics_file.h"
#include "stubs.h"
#include "tap.h"


static char                           dir[] = "/tmp/test_file.XXXXXX";
static char                           names[2][64];
static ngx_http_k8s_metrics_file_t    file[2];
static ngx_http_k8s_metrics_files_t   files;

/* of the load callback */
static ngx_uint_t   loads;
static ngx_uint_t   refuse;
static ngx_uint_t   level;
static char         taken[2][64];


static void
put(const char *name, const char *text)
{
    FILE  *f;
    char   path[80], tmp[96];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(tmp, sizeof(tmp), "%s.new", path);

    f = fopen(tmp, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0
        || rename(tmp, path) != 0)
    {
        perror(path);
        abort();
    }
}


/* in place: the same inode */

static void
over(const char *name, const char *text)
{
    FILE  *f;
    char   path[80];

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        abort();
    }
}


static void
point(const char *target, const char *name)
{
    char  path[80], tmp[96];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(tmp, sizeof(tmp), "%s.new", path);

    if (symlink(target, tmp) != 0 || rename(tmp, path) != 0) {
        perror(path);
        abort();
    }
}


static ngx_int_t
load(void *data, ngx_str_t *bytes, ngx_log_t *log, ngx_uint_t lvl)
{
    ngx_uint_t  i;

    loads++;
    level = lvl;

    if (refuse) {
        return NGX_ERROR;
    }

    for (i = 0; i < files.n; i++) {
        snprintf(taken[i], sizeof(taken[i]), "%.*s", (int) bytes[i].len,
                 bytes[i].data);
    }

    return NGX_OK;
}


/* A look, that much later; whether something was taken. */

static int
look(ngx_msec_t later)
{
    ngx_current_msec += later;
    loads = 0;
    stub_logged = 0;

    return ngx_http_k8s_metrics_files_look(&files, &stub_log) == NGX_OK;
}


static int
next(void)
{
    return look(NGX_HTTP_K8S_METRICS_FILE_INTERVAL);
}


/* As if the files had been there for long: their times tell them apart. */

static void
settle(void)
{
    file[0].fresh = 0;
    file[1].fresh = 0;
}


static void
begin(ngx_uint_t n)
{
    ngx_err_t    err;
    ngx_str_t    bytes;
    ngx_uint_t   i;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(1024, &stub_log);

    ngx_memzero(&files, sizeof(files));

    files.file = file;
    files.n = n;
    files.load = load;

    for (i = 0; i < n; i++) {
        ngx_memzero(&file[i], sizeof(file[i]));

        file[i].name.data = (u_char *) names[i];
        file[i].name.len = ngx_strlen(names[i]);
        file[i].what = "what";

        if (ngx_http_k8s_metrics_file_read(&file[i], pool, &bytes, &err)
            != NGX_OK)
        {
            abort();
        }

        ngx_http_k8s_metrics_file_known(&file[i], &bytes);
    }

    ngx_destroy_pool(pool);
}


static void
test_read(void)
{
    FILE        *f;
    ngx_err_t    err;
    ngx_str_t    bytes;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(1024, &stub_log);

    put("a", "");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_OK, "an empty file");
    is_int(bytes.len, 0, "has no bytes");

    put("a", "abc");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_OK, "a file");
    ok(bytes.len == 3 && strcmp((char *) bytes.data, "abc") == 0,
       "its bytes, and a NUL");

    f = fopen(names[0], "w");
    ok(f && ftruncate(fileno(f), NGX_HTTP_K8S_METRICS_FILE_MAX) == 0,
       "a sparse file");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_OK, "the largest");
    ok(ftruncate(fileno(f), NGX_HTTP_K8S_METRICS_FILE_MAX + 1) == 0, "more");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_DECLINED, "is too large");
    fclose(f);

    unlink(names[0]);
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_ABORT, "none");
    is_int(err, NGX_ENOENT, "why");

    ok(mkfifo(names[0], 0600) == 0, "a pipe without a writer");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_DECLINED, "holds nobody");
    unlink(names[0]);

    ok(mkdir(names[0], 0700) == 0, "a folder");
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_DECLINED, "is no file");
    rmdir(names[0]);

    put("a", "abc");
    stub_allocations = 0;
    is_int(ngx_http_k8s_metrics_file_read(&file[0], pool, &bytes, &err),
           NGX_ERROR, "no memory");
    stub_allocations = -1;

    ngx_destroy_pool(pool);
}


static void
test_changes(void)
{
    put("a", "one");
    put("b", "two");
    begin(2);

    ok(!look(0) && loads == 0, "the first look finds what was read");

    put("a", "1ne");
    ok(!look(NGX_HTTP_K8S_METRICS_FILE_INTERVAL - 1), "not before its time");
    ok(look(1) && loads == 1, "a changed file is taken");
    ok(strcmp(taken[0], "1ne") == 0 && strcmp(taken[1], "two") == 0,
       "both are handed over");
    is_int(stub_logged, 1, "and one line says so");
    settle();
    ok(!next() && loads == 0, "once");

    over("b", "TWO");
    ok(next() && strcmp(taken[1], "TWO") == 0, "written in place");
    settle();

    put("a", "1ne");
    ok(!next() && loads == 0 && stub_logged == 0,
       "another file with the same bytes is nothing new");
    settle();

    /* as kubelet does with a Secret */

    put("v1", "secret 1");
    put("v2", "secret 2");
    point("v1", "data");
    point("data", "a");
    begin(1);
    settle();
    ok(!look(0), "behind two symlinks");
    point("v2", "data");
    ok(next() && strcmp(taken[0], "secret 2") == 0, "a symlink is swapped");
    unlink(names[0]);
}


static void
test_refused(void)
{
    put("a", "one");
    put("b", "two");
    begin(2);
    settle();

    refuse = 1;
    put("a", "bad");
    ok(!next() && loads == 1, "what is refused");
    is_int(level, NGX_LOG_ERR, "is logged");
    settle();
    ok(!next() && loads == 1, "and tried again");
    is_int(level, NGX_LOG_DEBUG, "without a word");
    put("a", "worse");
    ok(!next() && loads == 1, "another one");
    is_int(level, NGX_LOG_ERR, "is logged, too");
    settle();

    refuse = 0;
    ok(next() && strcmp(taken[0], "worse") == 0,
       "taken without a change when it passes");
    settle();

    refuse = 1;
    put("a", "bad");
    ok(!next(), "refused");
    put("a", "worse");
    ok(!next() && loads == 0, "what is in force is not asked for");
    settle();
    ok(!next() && loads == 0, "and all is quiet");
    put("a", "bad");
    ok(!next() && level == NGX_LOG_ERR, "the bad one again is logged again");
    refuse = 0;
}


static void
test_missing(void)
{
    put("a", "one");
    put("b", "two");
    begin(2);
    settle();

    unlink(names[1]);
    ok(!next() && loads == 0, "a file that is gone");
    is_int(stub_logged, 1, "is told");
    is_int(stub_logged_level, NGX_LOG_ERR, "as an error");
    ok(!next() && stub_logged_level == NGX_LOG_DEBUG, "once");

    ok(mkdir(names[1], 0700) == 0, "a folder in its place");
    ok(!next() && stub_logged_level == NGX_LOG_ERR, "is another thing");
    rmdir(names[1]);

    put("b", "two");
    ok(!next() && loads == 0, "it is back");
    settle();
    put("b", "too");
    ok(next(), "and changes");
    settle();

    put("b", "2");
    stub_allocations = 0;
    ok(!next() && loads == 0, "without memory");
    stub_allocations = -1;
    ok(next() && strcmp(taken[1], "2") == 0, "with the next look");
}


/* The times of a file may be the same before and after a change. */

static void
test_fresh(void)
{
    struct stat  st;

    put("a", "one");
    begin(1);
    ok(file[0].fresh, "a file that was just written");

    over("a", "two");
    (void) look(0);
    ngx_memzero(taken, sizeof(taken));

    over("a", "six");

    /* as if the clock had not moved */

    if (stat(names[0], &st) != 0) {
        abort();
    }

    file[0].id.modified = st.st_mtim;
    file[0].id.changed = st.st_ctim;

    ok(next() && strcmp(taken[0], "six") == 0,
       "is read again though it looks the same");
}


static void
test_denied(void)
{
    put("a", "one");
    begin(1);

    if (chmod(names[0], 0) != 0 || (getuid() == 0 && seteuid(65534) != 0)) {
        abort();
    }

    stub_logged = 0;
    ngx_http_k8s_metrics_files_begin(&files, &stub_log, 0);
    ok(file[0].denied && stub_logged == 0, "denied, and not told");

    ngx_http_k8s_metrics_files_begin(&files, &stub_log, 1);
    ok(stub_logged == 1 && stub_logged_level == NGX_LOG_WARN, "told");

    file[0].id.ino++;
    settle();
    ok(!next() && stub_logged_level == NGX_LOG_INFO,
       "a change of it is no news");

    if (getuid() == 0 && seteuid(0) != 0) {
        abort();
    }
}


int
main(void)
{
    ngx_uint_t  i;
    const char *left[] = { "a", "b", "v1", "v2", "data" };
    char        path[80];

    if (mkdtemp(dir) == NULL) {
        abort();
    }

    chmod(dir, 0755);

    snprintf(names[0], sizeof(names[0]), "%s/a", dir);
    snprintf(names[1], sizeof(names[1]), "%s/b", dir);

    for (i = 0; i < 2; i++) {
        file[i].name.data = (u_char *) names[i];
        file[i].name.len = ngx_strlen(names[i]);
    }

    test_read();
    test_changes();
    test_refused();
    test_missing();
    test_fresh();
    test_denied();

    for (i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
        unlink(path);
    }

    rmdir(dir);

    return done();
}
