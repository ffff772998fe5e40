
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_KUBE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_KUBE_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_k8s_metrics_kube.h"
#include "ngx_http_k8s_metrics_pb_stream.h"


#define NGX_HTTP_K8S_METRICS_KUBE_UNSET        0
#define NGX_HTTP_K8S_METRICS_KUBE_IN_CLUSTER   1
#define NGX_HTTP_K8S_METRICS_KUBE_KUBECONFIG   2

#define NGX_HTTP_K8S_METRICS_KUBE_TOKEN_MAX    16384
#define NGX_HTTP_K8S_METRICS_KUBE_JSON_MAX     1048576
#define NGX_HTTP_K8S_METRICS_KUBE_OBJECT_MAX   (8 * 1048576)
#define NGX_HTTP_K8S_METRICS_KUBE_VERSION_MAX  31

/* a list for what a full zone has left out, ms: not sooner, and not later */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_HEAL      60000
#define NGX_HTTP_K8S_METRICS_REFLECTOR_HEAL_MAX  960000

/* a list that is needed so soon after another, ms, is backed off */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_RELIST    10000

/* streaming lists in a row that end too early: the next one is in pages */
#define NGX_HTTP_K8S_METRICS_REFLECTOR_STREAMS   2

/* the store keeps no more, even where none has a value */
#define NGX_HTTP_K8S_METRICS_KUBE_LABELS_MAX                                  \
    (NGX_HTTP_K8S_METRICS_MAX_LABELS / sizeof(ngx_http_k8s_metrics_label_t))


/* 1 when the bytes may be a bearer token: not empty, printable, no blank. */
ngx_uint_t ngx_http_k8s_metrics_kube_token_ok(const u_char *p, size_t len);


typedef struct ngx_http_k8s_metrics_reflector_s
    ngx_http_k8s_metrics_reflector_t;


/* --- _kube_conf.c, _kube_kubeconfig.c ----------------------------------- */

/*
 * Reads a whole file into pool memory, a NUL behind it that "len" does not
 * count.  NGX_OK, or NGX_ERROR (EMERG logged with "what" and the name).
 */
ngx_int_t ngx_http_k8s_metrics_kube_file(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, ngx_str_t *bytes);

/* The same for a file that is looked at later, too. */
ngx_int_t ngx_http_k8s_metrics_kube_pem(ngx_conf_t *cf, const char *what,
    ngx_str_t *name, ngx_http_k8s_metrics_pem_t *pem);

/* Fills host, port, prefix and tls from "https://host:port/prefix". */
ngx_int_t ngx_http_k8s_metrics_kube_url(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf, ngx_str_t *url);

/* Fills "conf" from the kubeconfig's current context. */
ngx_int_t ngx_http_k8s_metrics_kube_kubeconfig(ngx_conf_t *cf,
    ngx_http_k8s_metrics_kube_conf_t *conf);


/* --- _kube_client.c ------------------------------------------------------ */

/* The API server said 401: the file is read again at the next use. */
void ngx_http_k8s_metrics_kube_token_refused(
    ngx_http_k8s_metrics_kube_client_t *client);

/* host:port, for logs; lives as long as the client. */
ngx_str_t *ngx_http_k8s_metrics_kube_server(
    ngx_http_k8s_metrics_kube_client_t *client);


/* --- _kube_meta.c -------------------------------------------------------- */

/* ObjectMeta: views into the message. */
typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        ns;
    ngx_str_t                        version;
    ngx_uint_t                       nlabels;
    ngx_http_k8s_metrics_label_t    *labels;    /* sorted by key */
    ngx_str_t                        path;      /* resource-metrics-path */
    const char                      *bad;       /* why it cannot be used */
    unsigned                         initial_end:1;
} ngx_http_k8s_metrics_kube_meta_t;

extern const char  ngx_http_k8s_metrics_kube_unreadable[];

/*
 * Reads an object: its metadata (field 1) into "meta", views of spec (2) and
 * status (3).  "labels" holds the labels until the next call; it may grow.
 * NGX_OK; NGX_DECLINED when it cannot be used ("bad" says why, the rest of
 * "meta" is what could be read); NGX_ERROR without memory.
 */
ngx_int_t ngx_http_k8s_metrics_kube_object(ngx_str_t *object,
    ngx_array_t *labels, ngx_http_k8s_metrics_kube_meta_t *meta,
    ngx_str_t *spec, ngx_str_t *status);

/*
 * Of an object that is too large, and cut off somewhere: its name, namespace
 * and version, as far as they are there; "bad" says what is wrong with it.
 */
void ngx_http_k8s_metrics_kube_beginning(ngx_str_t *object,
    ngx_http_k8s_metrics_kube_meta_t *meta);

/* 1 when a XxxCondition {type = 1, status = 2} is "Ready", "True". */
ngx_uint_t ngx_http_k8s_metrics_kube_ready(
    ngx_http_k8s_metrics_pb_field_t *condition);

/* The code of a meta.v1 Status in protobuf, 0 when it has none. */
ngx_uint_t ngx_http_k8s_metrics_kube_status_code(ngx_str_t *object);


/* --- reflectors ---------------------------------------------------------- */

/* What differs from resource to resource. */
typedef struct {
    const char   *name;             /* for logs: "nodes" */
    const char   *path;
    const char   *query;            /* "&fieldSelector=...", or "" */
    ngx_uint_t    kind;             /* of the store */
    unsigned      json:1;
    unsigned      stored:1;         /* the store keeps kind and version */

    /*
     * One object that was added or changed, or deleted; NULL for JSON.
     * NGX_OK, NGX_DECLINED (nothing new), NGX_ABORT or NGX_BUSY (the zone is
     * full), NGX_ERROR (it cannot be used, meta->bad says why).  "del" as the
     * store's.
     */
    ngx_int_t   (*put)(ngx_http_k8s_metrics_reflector_t *r,
                       ngx_http_k8s_metrics_kube_meta_t *meta,
                       ngx_str_t *spec, ngx_str_t *status);
    ngx_int_t   (*del)(ngx_http_k8s_metrics_reflector_t *r,
                       ngx_http_k8s_metrics_kube_meta_t *meta);
} ngx_http_k8s_metrics_reflector_desc_t;


typedef enum {
    ngx_http_k8s_metrics_reflector_stopped = 0,
    ngx_http_k8s_metrics_reflector_stream,      /* list as a stream */
    ngx_http_k8s_metrics_reflector_list,        /* list in pages */
    ngx_http_k8s_metrics_reflector_watch
} ngx_http_k8s_metrics_reflector_state_e;


struct ngx_http_k8s_metrics_reflector_s {
    const ngx_http_k8s_metrics_reflector_desc_t
                                       *desc;
    ngx_http_k8s_metrics_kube_t        *kube;
    ngx_http_k8s_metrics_reflector_state_e
                                        state;
    ngx_http_k8s_metrics_fetch_t       *fetch;
    ngx_event_t                         timer;
    ngx_connection_t                    dummy;      /* for debug logging */

    ngx_str_t                           version;
    u_char                              version_buf[
                                NGX_HTTP_K8S_METRICS_KUBE_VERSION_MAX + 1];
    ngx_str_t                           cont;       /* ngx_alloc'ed */

    ngx_http_k8s_metrics_pb_stream_t    pb;
    ngx_str_t                           json;       /* ngx_alloc'ed */
    size_t                              json_size;
    ngx_array_t                         labels;

    ngx_msec_t                          started;    /* of the request */
    ngx_msec_t                          listed;     /* end of the last list */
    ngx_msec_t                          saved;      /* version into the store */
    ngx_msec_t                          said;       /* last failure logged */
    ngx_msec_t                          bad_said;
    ngx_msec_t                          healed;     /* list, or start */
    ngx_msec_t                          heal;       /* not sooner again */
    ngx_msec_t                          backoff;
    ngx_msec_t                          relist;     /* of lists in a row */
    ngx_uint_t                          failures;   /* since it last worked */
    ngx_uint_t                          bad;        /* objects, in all */
    uint64_t                            missing;    /* the zone was full */
    ngx_uint_t                          stream_failures;
    ngx_uint_t                          silent;     /* streams in a row */
    ngx_uint_t                          older;      /* bookmarks in a row */
    ngx_uint_t                          error_code; /* of an ERROR event */
    const char                         *error;      /* what was unreadable */
    char                                last[200];  /* failure logged last */

    unsigned                            ok:1;       /* 200 came */
    unsigned                            events:1;   /* this stream had one */
    unsigned                            no_stream:1;
    unsigned                            listing:1;  /* list_begin was called */
    unsigned                            consistent:1;   /* not from a cache */
    unsigned                            unsaved:1;
    unsigned                            synced:1;
    unsigned                            lossy:1;    /* list when it is not */
    unsigned                            healing:1;  /* a list for that */
};


struct ngx_http_k8s_metrics_kube_s {
    ngx_http_k8s_metrics_kube_client_t     *client;
    ngx_http_k8s_metrics_store_t           *store;
    ngx_str_t                               node_query; /* &labelSelector= */
    ngx_log_t                              *log;
    ngx_event_t                             check;
    ngx_connection_t                        dummy;  /* for debug logging */
    ngx_uint_t                              nreflectors;
    ngx_http_k8s_metrics_reflector_t        reflectors[3];
};


extern const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_nodes;
extern const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_pods;
extern const ngx_http_k8s_metrics_reflector_desc_t
    ngx_http_k8s_metrics_kube_configmap;


/* _kube_reflector.c */
void ngx_http_k8s_metrics_reflector_init(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_t *kube,
    const ngx_http_k8s_metrics_reflector_desc_t *desc);
void ngx_http_k8s_metrics_reflector_start(
    ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_stop(ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_relist(
    ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_heal(ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_done(void *data, ngx_int_t rc,
    ngx_http_k8s_metrics_response_t *res);

/* _kube_reflector_request.c: starts what r->state needs; NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_reflector_request(
    ngx_http_k8s_metrics_reflector_t *r);

/* _kube_reflector_event.c: what a request brings. */
void ngx_http_k8s_metrics_reflector_begin(
    ngx_http_k8s_metrics_reflector_t *r);
ngx_int_t ngx_http_k8s_metrics_reflector_feed(
    ngx_http_k8s_metrics_reflector_t *r, u_char *p, size_t len);
ngx_int_t ngx_http_k8s_metrics_reflector_end(
    ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_release(
    ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_save(ngx_http_k8s_metrics_reflector_t *r);
ngx_int_t ngx_http_k8s_metrics_reflector_load(
    ngx_http_k8s_metrics_reflector_t *r);
ngx_int_t ngx_http_k8s_metrics_reflector_listed(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *version,
    ngx_str_t *cont);
ngx_int_t ngx_http_k8s_metrics_reflector_event(
    ngx_http_k8s_metrics_reflector_t *r, ngx_str_t *event,
    ngx_str_t *version);

/* _kube_configmap.c: the same for JSON. */
ngx_int_t ngx_http_k8s_metrics_kube_json_feed(
    ngx_http_k8s_metrics_reflector_t *r, u_char *p, size_t len);
ngx_int_t ngx_http_k8s_metrics_kube_json_list(
    ngx_http_k8s_metrics_reflector_t *r);

/* _kube_reflector_log.c */
void ngx_http_k8s_metrics_reflector_failed(
    ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_response_t *res);
void ngx_http_k8s_metrics_reflector_works(
    ngx_http_k8s_metrics_reflector_t *r);
void ngx_http_k8s_metrics_reflector_bad(ngx_http_k8s_metrics_reflector_t *r,
    ngx_http_k8s_metrics_kube_meta_t *meta);


#endif /* _NGX_HTTP_K8S_METRICS_KUBE_INTERNAL_H_INCLUDED_ */
