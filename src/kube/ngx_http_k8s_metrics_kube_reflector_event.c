
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include "ngx_http_k8s_metrics_kube_internal.h"
#include "ngx_http_k8s_metrics_store_stats.h"


#define NGX_HTTP_K8S_METRICS_REFLECTOR_SAVE   1000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_OLDER  2      /* bookmarks in a row */


static ngx_int_t ngx_http_k8s_metrics_reflector_object(void *data,
    ngx_str_t *event, ngx_str_t *kind, ngx_str_t *object);
static ngx_int_t ngx_http_k8s_metrics_reflector_large(void *data,
    ngx_str_t *event, ngx_str_t *object);
static ngx_int_t ngx_http_k8s_metrics_reflector_list_meta(void *data,
    ngx_str_t *resource_version, ngx_str_t *cont);
static void ngx_http_k8s_metrics_reflector_synced(
    ngx_http_k8s_metrics_reflector_t *r);
static void ngx_http_k8s_metrics_reflector_put(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *event,
    ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status);
static void ngx_http_k8s_metrics_reflector_del(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta);
static void ngx_http_k8s_metrics_reflector_lost(
    ngx_http_k8s_metrics_reflector_t *r);
static ngx_uint_t ngx_http_k8s_metrics_reflector_older(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *version);
static ngx_int_t ngx_http_k8s_metrics_reflector_version(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *version);
static uint32_t ngx_http_k8s_metrics_reflector_hash(
    ngx_http_k8s_metrics_reflector_t *r);


#define ngx_http_k8s_metrics_reflector_is(s, text)                            \
    ((s)->len == sizeof(text) - 1                                             \
     && ngx_memcmp((s)->data, text, sizeof(text) - 1) == 0)


/* an answer began */

void
ngx_http_k8s_metrics_reflector_begin(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_pb_stream_t  *pb;

    r->ok = 1;

    if (r->state != ngx_http_k8s_metrics_reflector_watch && !r->listing) {
        r->listing = 1;
        r->lossy = 0;
        r->missing = 0;

        if (r->desc->stored) {
            ngx_http_k8s_metrics_store_list_begin(r->kube->store,
                                                  r->desc->kind);
        }
    }

    if (r->desc->json) {
        r->json.len = 0;
        return;
    }

    pb = &r->pb;

    ngx_memzero(pb, sizeof(ngx_http_k8s_metrics_pb_stream_t));

    pb->form = (r->state == ngx_http_k8s_metrics_reflector_list)
                   ? NGX_HTTP_K8S_METRICS_PB_LIST
                   : NGX_HTTP_K8S_METRICS_PB_WATCH;
    pb->max = NGX_HTTP_K8S_METRICS_KUBE_OBJECT_MAX;
    pb->object = ngx_http_k8s_metrics_reflector_object;
    pb->list_meta = ngx_http_k8s_metrics_reflector_list_meta;
    pb->large = ngx_http_k8s_metrics_reflector_large;
    pb->data = r;
    pb->log = r->kube->log;

    if (r->state == ngx_http_k8s_metrics_reflector_list) {
        r->cont.len = 0;
    }
}


ngx_int_t
ngx_http_k8s_metrics_reflector_feed(ngx_http_k8s_metrics_reflector_t *r,
    u_char *p, size_t len)
{
    if (r->desc->json) {
        return ngx_http_k8s_metrics_kube_json_feed(r, p, len);
    }

    if (ngx_http_k8s_metrics_pb_stream_feed(&r->pb, p, len) == NGX_OK) {
        return NGX_OK;
    }

    if (r->error == NULL && r->error_code == 0) {
        r->error = r->pb.error ? r->pb.error : "invalid protobuf";
    }

    return NGX_ERROR;
}


/* the last byte of a list was read: is it whole, and was it the last page */

ngx_int_t
ngx_http_k8s_metrics_reflector_end(ngx_http_k8s_metrics_reflector_t *r)
{
    if (r->desc->json) {
        if (ngx_http_k8s_metrics_kube_json_list(r) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_k8s_metrics_pb_stream_end(&r->pb) != NGX_OK) {
        r->error = "list stops in the middle";
        return NGX_ERROR;
    }

    if (r->version.len == 0) {
        r->error = "list without resourceVersion";
        return NGX_ERROR;
    }

    if (r->cont.len == 0) {
        ngx_http_k8s_metrics_reflector_synced(r);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_k8s_metrics_reflector_list_meta(void *data,
    ngx_str_t *resource_version, ngx_str_t *cont)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    return ngx_http_k8s_metrics_reflector_listed(r, resource_version, cont);
}


ngx_int_t
ngx_http_k8s_metrics_reflector_listed(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *version, ngx_str_t *cont)
{
    if (ngx_http_k8s_metrics_reflector_version(r, version) != NGX_OK) {
        r->error = "list without a usable resourceVersion";
        return NGX_ERROR;
    }

    if (r->cont.data) {
        ngx_free(r->cont.data);
        ngx_str_null(&r->cont);
    }

    if (cont->len == 0) {
        return NGX_OK;
    }

    r->cont.data = ngx_alloc(cont->len, r->kube->log);
    if (r->cont.data == NULL) {
        r->error = "no memory";
        return NGX_ERROR;
    }

    ngx_memcpy(r->cont.data, cont->data, cont->len);
    r->cont.len = cont->len;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_reflector_synced(ngx_http_k8s_metrics_reflector_t *r)
{
    if (r->desc->stored) {
        ngx_http_k8s_metrics_store_list_end(r->kube->store, r->desc->kind);
        ngx_http_k8s_metrics_store_count(r->kube->store,
                      NGX_HTTP_K8S_METRICS_STAT_LISTS + r->desc->kind, 1);
    }

    r->state = ngx_http_k8s_metrics_reflector_watch;
    r->listing = 0;
    r->consistent = 0;
    r->stream_failures = 0;
    r->silent = 0;
    r->older = 0;
    r->listed = ngx_current_msec;
    r->unsaved = 1;

    /* room that was not enough for all: each further attempt comes later */

    if (!r->lossy || r->heal == 0) {
        r->heal = NGX_HTTP_K8S_METRICS_REFLECTOR_HEAL;

    } else if (r->healing) {
        r->heal = ngx_min(2 * r->heal,
                          NGX_HTTP_K8S_METRICS_REFLECTOR_HEAL_MAX);
    }

    r->healing = 0;
    r->healed = ngx_current_msec;

    ngx_http_k8s_metrics_reflector_lost(r);

    ngx_http_k8s_metrics_reflector_save(r);

    if (!r->synced) {
        r->synced = 1;
        ngx_log_error(NGX_LOG_INFO, r->kube->log, 0,
                      "k8s_metrics: API server \"%V\": %s listed",
                      ngx_http_k8s_metrics_kube_server(r->kube->client),
                      r->desc->name);
    }

    ngx_http_k8s_metrics_reflector_works(r);
}


/* an item of a list (no event), or a watch's event, in protobuf */

static ngx_int_t
ngx_http_k8s_metrics_reflector_object(void *data, ngx_str_t *event,
    ngx_str_t *kind, ngx_str_t *object)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    ngx_str_t                         spec, status;
    ngx_http_k8s_metrics_kube_meta_t  meta;

    if (ngx_http_k8s_metrics_reflector_is(event, "ERROR")) {
        r->error_code = ngx_http_k8s_metrics_kube_status_code(object);

        if (r->error_code < 400 || r->error_code > 599) {
            r->error_code = 500;
        }

        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_kube_object(object, &r->labels, &meta, &spec,
                                         &status)
        == NGX_ERROR)
    {
        r->error = "no memory";
        return NGX_ERROR;
    }

    if (ngx_http_k8s_metrics_reflector_is(event, "DELETED")) {
        ngx_http_k8s_metrics_reflector_del(r, &meta);

    } else if (event->len == 0
               || ngx_http_k8s_metrics_reflector_is(event, "ADDED")
               || ngx_http_k8s_metrics_reflector_is(event, "MODIFIED"))
    {
        ngx_http_k8s_metrics_reflector_put(r, event, &meta, &spec, &status);
    }

    if (event->len == 0) {
        return NGX_OK;
    }

    if (r->state == ngx_http_k8s_metrics_reflector_stream
        && ngx_http_k8s_metrics_reflector_is(event, "BOOKMARK"))
    {
        if (!meta.initial_end) {

            /* servers that know streaming lists send none before that one */

            r->stream_failures = NGX_HTTP_K8S_METRICS_REFLECTOR_STREAMS;
            r->error = "server has no streaming lists";
            return NGX_ERROR;
        }

        if (ngx_http_k8s_metrics_reflector_version(r, &meta.version) != NGX_OK)
        {
            r->error = "list without a usable resourceVersion";
            return NGX_ERROR;
        }

        ngx_http_k8s_metrics_reflector_synced(r);
        return NGX_OK;
    }

    return ngx_http_k8s_metrics_reflector_event(r, event, &meta.version);
}


/* one that is too large to be read: whose it is, is at its beginning */

static ngx_int_t
ngx_http_k8s_metrics_reflector_large(void *data, ngx_str_t *event,
    ngx_str_t *object)
{
    ngx_http_k8s_metrics_reflector_t *r = data;

    ngx_http_k8s_metrics_kube_meta_t  meta;

    if (ngx_http_k8s_metrics_reflector_is(event, "ERROR")) {
        r->error_code = 500;
        return NGX_ERROR;
    }

    ngx_http_k8s_metrics_kube_beginning(object, &meta);

    if (ngx_http_k8s_metrics_reflector_is(event, "DELETED")) {
        ngx_http_k8s_metrics_reflector_del(r, &meta);

    } else {
        ngx_http_k8s_metrics_reflector_put(r, event, &meta, NULL, NULL);
    }

    return event->len ? ngx_http_k8s_metrics_reflector_event(r, event,
                                                             &meta.version)
                      : NGX_OK;
}


/*
 * One object that cannot be used must not cost the others: what was known of
 * it is forgotten, for it may be wrong by now, and the list or watch goes on.
 */

static void
ngx_http_k8s_metrics_reflector_put(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *event, ngx_http_k8s_metrics_kube_meta_t *meta, ngx_str_t *spec,
    ngx_str_t *status)
{
    ngx_int_t  rc;

    rc = meta->bad ? NGX_ERROR : r->desc->put(r, meta, spec, status);

    switch (rc) {

    case NGX_ERROR:

        if (meta->bad == NULL) {
            meta->bad = "its name, labels or addresses are longer or more "
                        "than are kept";
        }

        (void) r->desc->del(r, meta);
        ngx_http_k8s_metrics_reflector_bad(r, meta);
        break;

    case NGX_ABORT:

        /* a change of one that is missing is no other one */

        if (r->state != ngx_http_k8s_metrics_reflector_watch
            || ngx_http_k8s_metrics_reflector_is(event, "ADDED"))
        {
            r->missing++;
        }

        /* fall through */

    case NGX_BUSY:

        r->lossy = 1;
        ngx_http_k8s_metrics_reflector_lost(r);
        break;

    default: /* NGX_OK, NGX_DECLINED */
        break;
    }
}


static void
ngx_http_k8s_metrics_reflector_del(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta)
{
    if (r->desc->del(r, meta) == NGX_DECLINED && r->missing
        && r->state == ngx_http_k8s_metrics_reflector_watch)
    {
        r->missing--;
        ngx_http_k8s_metrics_reflector_lost(r);
    }
}


/* how much a list has lost is known at its end */

static void
ngx_http_k8s_metrics_reflector_lost(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_store_lost_t  lost;

    if (r->desc->stored && r->state == ngx_http_k8s_metrics_reflector_watch) {
        lost.missing = r->missing;
        lost.again = r->lossy;

        ngx_http_k8s_metrics_store_set_lost(r->kube->store, r->desc->kind,
                                            &lost);
    }
}


/* an event was applied: the watch can be resumed behind it */

ngx_int_t
ngx_http_k8s_metrics_reflector_event(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *event, ngx_str_t *version)
{
    r->events = 1;
    r->silent = 0;

    if (r->state != ngx_http_k8s_metrics_reflector_watch) {
        return NGX_OK;
    }

    if (ngx_http_k8s_metrics_reflector_is(event, "BOOKMARK")) {

        if (ngx_http_k8s_metrics_reflector_older(r, version)) {
            if (++r->older < NGX_HTTP_K8S_METRICS_REFLECTOR_OLDER) {
                return NGX_OK;
            }

            r->error = "versions are older than those seen before";
            return NGX_ERROR;
        }

        r->older = 0;
    }

    /* without a version, the one before stays */

    if (ngx_http_k8s_metrics_reflector_version(r, version) == NGX_OK) {
        r->unsaved = 1;
    }

    if (ngx_current_msec - r->saved >= NGX_HTTP_K8S_METRICS_REFLECTOR_SAVE
        || ngx_http_k8s_metrics_reflector_is(event, "BOOKMARK"))
    {
        ngx_http_k8s_metrics_reflector_save(r);
    }

    r->backoff = 0;

    if (ngx_current_msec - r->listed >= NGX_HTTP_K8S_METRICS_REFLECTOR_RELIST)
    {
        r->relist = 0;
    }

    ngx_http_k8s_metrics_reflector_works(r);

    return NGX_OK;
}


/*
 * A server whose data were restored from a backup counts again from there,
 * and tells nothing of what is before the version that it was asked for.
 */

static ngx_uint_t
ngx_http_k8s_metrics_reflector_older(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *version)
{
    if (version->len == 0 || version->len > r->version.len) {
        return 0;
    }

    return version->len < r->version.len
           || ngx_memcmp(version->data, r->version.data, version->len) < 0;
}


static ngx_int_t
ngx_http_k8s_metrics_reflector_version(ngx_http_k8s_metrics_reflector_t *r,
    ngx_str_t *version)
{
    size_t  i;

    if (version->len == 0
        || version->len > NGX_HTTP_K8S_METRICS_KUBE_VERSION_MAX)
    {
        return NGX_DECLINED;
    }

    /* it goes into a URI */

    for (i = 0; i < version->len; i++) {
        if (version->data[i] < '0' || version->data[i] > '9') {
            return NGX_DECLINED;
        }
    }

    ngx_memcpy(r->version_buf, version->data, version->len);
    r->version.data = r->version_buf;
    r->version.len = version->len;

    return NGX_OK;
}


/*
 * The version is saved with a hash of what it belongs to: another server or
 * selector after a reload begins with a list.
 */

void
ngx_http_k8s_metrics_reflector_save(ngx_http_k8s_metrics_reflector_t *r)
{
    u_char     *p, buf[NGX_HTTP_K8S_METRICS_KUBE_VERSION_MAX + 10];
    ngx_str_t   s;

    if (!r->desc->stored || !r->unsaved || r->version.len == 0) {
        return;
    }

    p = ngx_sprintf(buf, "%V/%08xD", &r->version,
                    ngx_http_k8s_metrics_reflector_hash(r));

    s.data = buf;
    s.len = p - buf;

    if (s.len > NGX_HTTP_K8S_METRICS_KUBE_VERSION_MAX) {
        return;
    }

    ngx_http_k8s_metrics_store_set_version(r->kube->store, r->desc->kind, &s);

    r->unsaved = 0;
    r->saved = ngx_current_msec;
}


ngx_int_t
ngx_http_k8s_metrics_reflector_load(ngx_http_k8s_metrics_reflector_t *r)
{
    u_char     *slash, buf[32];
    ngx_str_t   s;

    if (!r->desc->stored
        || ngx_http_k8s_metrics_store_get_version(r->kube->store,
                                                  r->desc->kind, buf, &s)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    slash = ngx_strlchr(s.data, s.data + s.len, '/');

    if (slash == NULL || s.data + s.len - slash != 9
        || ngx_hextoi(slash + 1, 8)
           != (ngx_int_t) ngx_http_k8s_metrics_reflector_hash(r))
    {
        return NGX_DECLINED;
    }

    s.len = slash - s.data;

    return (ngx_http_k8s_metrics_reflector_version(r, &s) == NGX_OK)
           ? NGX_OK : NGX_DECLINED;
}


static uint32_t
ngx_http_k8s_metrics_reflector_hash(ngx_http_k8s_metrics_reflector_t *r)
{
    uint32_t                           hash;
    ngx_str_t                         *server;
    ngx_http_k8s_metrics_kube_conf_t  *conf;

    server = ngx_http_k8s_metrics_kube_server(r->kube->client);
    conf = ngx_http_k8s_metrics_kube_client_conf(r->kube->client);

    ngx_crc32_init(hash);
    ngx_crc32_update(&hash, server->data, server->len);
    ngx_crc32_update(&hash, conf->prefix.data, conf->prefix.len);

    if (r->desc == &ngx_http_k8s_metrics_kube_nodes) {
        ngx_crc32_update(&hash, r->kube->node_query.data,
                         r->kube->node_query.len);
    }

    ngx_crc32_final(hash);

    return hash;
}


void
ngx_http_k8s_metrics_reflector_release(ngx_http_k8s_metrics_reflector_t *r)
{
    ngx_http_k8s_metrics_pb_stream_destroy(&r->pb);

    if (r->json.data) {
        ngx_free(r->json.data);
        ngx_str_null(&r->json);
        r->json_size = 0;
    }
}
