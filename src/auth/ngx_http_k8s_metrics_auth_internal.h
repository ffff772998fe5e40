
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_answer.h"
#include "ngx_http_k8s_metrics_file.h"
#include "ngx_http_k8s_metrics_json.h"
#include "ngx_http_k8s_metrics_limit.h"
#include "ngx_http_k8s_metrics_auth.h"


/*
 * A set of CA certificates.  "id" is new for each that was ever loaded in this
 * process: a verdict that is kept with a connection names the one it was
 * reached with.
 */
typedef struct {
    X509_STORE                       *store;
    ngx_uint_t                        id;
    ngx_http_k8s_metrics_file_t      *file;     /* NULL: of the ConfigMap */
} ngx_http_k8s_metrics_bundle_t;

/* How identities are read from headers, all from one source. */
typedef struct {
    ngx_http_k8s_metrics_bundle_t    *bundle;
    ngx_array_t                      *allowed_names;    /* of ngx_str_t; NULL
                                                           or empty: any */
    ngx_array_t                      *username;
    ngx_array_t                      *uid;
    ngx_array_t                      *group;
    ngx_array_t                      *extra;
} ngx_http_k8s_metrics_requestheader_t;

typedef struct {
    ngx_http_k8s_metrics_requestheader_t   requestheader;
    ngx_http_k8s_metrics_bundle_t         *client_ca;
} ngx_http_k8s_metrics_auth_settings_t;


typedef enum {
    NGX_HTTP_K8S_METRICS_UNDECIDED = 0,
    NGX_HTTP_K8S_METRICS_ALLOWED,
    NGX_HTTP_K8S_METRICS_DENIED,
    NGX_HTTP_K8S_METRICS_REVIEW_FAILED
} ngx_http_k8s_metrics_decision_e;


/* What a review said. */
typedef struct {
    ngx_http_k8s_metrics_decision_e         decision;
    ngx_str_t                               reason;
    ngx_http_k8s_metrics_identity_t        *identity;   /* of a token */
    unsigned                                keep:1;     /* may be kept */
} ngx_http_k8s_metrics_ruling_t;

/* What the API server is asked: access reviews, token reviews. */
typedef struct {
    const char                             *what;       /* "a token review" */
    const char                             *hint;       /* at a 403 */
    ngx_str_t                               uri;
    ngx_str_t                               version;    /* of its document */
    ngx_str_t                               kind;
    size_t                                  max;        /* bytes of it */

    /* Reads what "question" was answered with into pool memory. */
    void  (*read)(ngx_pool_t *pool, const ngx_str_t *question,
                  const ngx_str_t *json,
                  ngx_http_k8s_metrics_ruling_t *ruling);
} ngx_http_k8s_metrics_review_kind_t;

/* One question and its answer; heap memory of the worker's cache. */
typedef struct {
    ngx_str_node_t                          sn;         /* key */
    ngx_queue_t                             lru;        /* not while pending */
    ngx_queue_t                             waiters;
    size_t                                  size;
    ngx_msec_t                              decided;
    ngx_http_k8s_metrics_ruling_t           ruling;     /* heap memory */
    unsigned                                pending:1;
} ngx_http_k8s_metrics_review_t;

/* All of a kind that a worker knows and asks. */
typedef struct {
    const ngx_http_k8s_metrics_review_kind_t
                                           *kind;
    ngx_http_k8s_metrics_auth_t            *auth;
    ngx_rbtree_t                            tree;
    ngx_rbtree_node_t                       sentinel;
    ngx_queue_t                             lru;
    ngx_uint_t                              n;
    size_t                                  bytes;
    ngx_uint_t                              npending;   /* of n */
    ngx_uint_t                              max_pending;
    ngx_http_k8s_metrics_limit_t            log_failed;
} ngx_http_k8s_metrics_reviews_t;

/* A question, as it is put. */
typedef struct {
    ngx_str_t                               key;
    ngx_str_t                               body;       /* wiped when sent */
    ngx_msec_t                              allow_ttl;
    ngx_msec_t                              deny_ttl;
} ngx_http_k8s_metrics_question_t;


#define NGX_HTTP_K8S_METRICS_TOKEN_SECRET  32


struct ngx_http_k8s_metrics_auth_s {
    ngx_http_k8s_metrics_kube_client_t     *client;
    ngx_http_k8s_metrics_store_t           *store;
    ngx_log_t                              *log;

    /* what the ConfigMap says, read again when its generation moves */
    ngx_pool_t                             *pool;
    ngx_uint_t                              generation;
    ngx_http_k8s_metrics_auth_settings_t    settings;
    unsigned                                known:1;

    ngx_http_k8s_metrics_reviews_t          access;
    ngx_http_k8s_metrics_reviews_t          tokens;

    /* of the hashes that tokens are known by; another in each worker */
    u_char                secret[NGX_HTTP_K8S_METRICS_TOKEN_SECRET];

    ngx_uint_t                              inflight;   /* requests */

    ngx_http_k8s_metrics_limit_t            log_refused;
};


/* A request's state: a pool cleanup's data, found by the cleanup's handler. */
typedef struct {
    ngx_http_request_t                *request;
    ngx_http_k8s_metrics_auth_t       *auth;
    ngx_http_k8s_metrics_identity_t    identity;
    ngx_queue_t                        queue;       /* of those who wait */
    ngx_http_k8s_metrics_decision_e    decision;    /* of the last review */
    ngx_str_t                          reason;      /* why; pool memory */
    ngx_str_t                          audit_id;
    ngx_uint_t                         refused;     /* status, or 0 */
    const char                        *message;     /* with it */
    unsigned                           waiting:1;
    unsigned                           failed:1;    /* a credential did */
    unsigned                           token:1;     /* waits for its review */
    unsigned                           inflight:1;  /* counted */
    unsigned                           told:1;      /* a Status was sent */
    unsigned                           authorized:1;
    unsigned                           passed:1;    /* so, or satisfy any */
} ngx_http_k8s_metrics_auth_ctx_t;


/* --- settings (auth_settings.c) ---------------------------------------- */

/* A bundle from PEM bytes; NULL, with "error" in words, when it is none. */
ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_bundle(ngx_pool_t *pool,
    ngx_str_t *pem, const char **error);

/*
 * A bundle from a directive's file; NULL (EMERG logged).  A worker replaces
 * what it holds, store and id, when the file changes.
 */
ngx_http_k8s_metrics_bundle_t *ngx_http_k8s_metrics_bundle_file(
    ngx_conf_t *cf, const char *directive, ngx_str_t *file);

/* 1 when the bytes are a token of RFC 9110, as a header's name is. */
ngx_uint_t ngx_http_k8s_metrics_header_name_ok(const ngx_str_t *name);

/*
 * The settings in force for a server: its own directives, else the ConfigMap
 * (requestheader: all or nothing).  A bundle is NULL where there is none.
 */
void ngx_http_k8s_metrics_auth_settings(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_settings_t *settings);


/* --- files that are watched (auth_files.c, auth_serving.c) ------------- */

/*
 * Files (copied: name and what) that the workers of this configuration look
 * at; the caller says how they are loaded.  NULL without memory.
 */
ngx_http_k8s_metrics_files_t *ngx_http_k8s_metrics_auth_files_add(
    ngx_conf_t *cf, ngx_http_k8s_metrics_file_t *file, ngx_uint_t n);

/* The same names for the same purpose that were added before, or NULL. */
ngx_http_k8s_metrics_files_t *ngx_http_k8s_metrics_auth_files_find(
    ngx_conf_t *cf, ngx_http_k8s_metrics_file_t *file, ngx_uint_t n);

/* From the worker's tick: a look at all of them, where it is time. */
void ngx_http_k8s_metrics_auth_files_look(ngx_log_t *log);

/*
 * Workers replace the server's certificate and key in its SSL_CTX when their
 * files change; not those with a password, of an engine, with variables or
 * stapled (NOTICE).  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_serving_watch(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf);


/* --- certificates (auth_x509.c, auth_ssl.c) ---------------------------- */

/* Which of the two verdicts of a connection is meant. */
#define NGX_HTTP_K8S_METRICS_FRONT_PROXY  0
#define NGX_HTTP_K8S_METRICS_CLIENT       1

/*
 * X509_V_OK when the connection's client certificate verifies against "bundle"
 * for client authentication now, else OpenSSL's reason; the verdict is kept
 * with the connection until a certificate of the chain expires or the bundle
 * is another.
 */
int ngx_http_k8s_metrics_x509_verify(ngx_http_request_t *r, X509 *cert,
    ngx_uint_t which, ngx_http_k8s_metrics_bundle_t *bundle);

/* The subject's last CN; NGX_OK, NGX_DECLINED (none, NUL in it), NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_x509_common_name(ngx_pool_t *pool, X509 *cert,
    ngx_str_t *name);

/* Fills an identity from a verified certificate; returns as above. */
ngx_int_t ngx_http_k8s_metrics_x509_identity(ngx_pool_t *pool, X509 *cert,
    ngx_http_k8s_metrics_identity_t *identity);

/* 1 when the handshake ran on an SSL_CTX that was prepared, in full. */
ngx_uint_t ngx_http_k8s_metrics_ssl_prepared(ngx_http_request_t *r);


/* --- who (auth_requestheader.c, auth_authenticate.c) ------------------- */

/*
 * NGX_OK, NGX_DECLINED when there is no user header, NGX_ABORT when there are
 * too many extra keys, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_requestheader_identity(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh,
    ngx_http_k8s_metrics_identity_t *identity);

/*
 * Takes the headers that could name somebody, by the names in force and the
 * usual ones, with "-" or "_", out of the request: what stands behind (a
 * proxied application) may not take them for the identity.  With "token" the
 * bearer token goes, too.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_requestheader_strip(ngx_http_request_t *r,
    const ngx_http_k8s_metrics_requestheader_t *rh, ngx_uint_t token);

/*
 * Every authenticator in turn (k8s.io/apiserver's union): NGX_OK with
 * ctx->identity, NGX_AGAIN when ctx waits for a token's review and its request
 * will be run on, then with ngx_http_k8s_metrics_authenticate_token(), or an
 * HTTP status: 401 (ctx->reason says why), 421, 429, 503, 403 for
 * impersonation, 400 for more extra keys than are taken, 500 without memory.
 * Headers that could name somebody, and the token that was believed, are taken
 * out of the request when it is NGX_OK.
 */
ngx_int_t ngx_http_k8s_metrics_authenticate(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);

/* Goes on when the token's review has ended.  Returns as above. */
ngx_int_t ngx_http_k8s_metrics_authenticate_token(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);

/*
 * Takes the headers that could name somebody out of the request, also of one
 * whose identity is none, which satisfy any may let in; with "token" the bearer
 * token, too.  NGX_OK, or 500 without memory.
 */
ngx_int_t ngx_http_k8s_metrics_unname(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_auth_srv_conf_t *conf, ngx_uint_t token);

/*
 * 1 when a line may be logged, of which "max" fit into a minute; how many of
 * "what" were left out before it is said first.
 */
ngx_uint_t ngx_http_k8s_metrics_auth_may_log(ngx_http_k8s_metrics_auth_t *auth,
    ngx_http_k8s_metrics_limit_t *limit, ngx_uint_t max, const char *what);


/* --- reviews (auth_cache.c, auth_review.c) ----------------------------- */

void ngx_http_k8s_metrics_reviews_init(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_auth_t *auth,
    const ngx_http_k8s_metrics_review_kind_t *kind, ngx_uint_t max_pending);

/*
 * Asks: NGX_OK when the ruling is in ctx at once (decision, reason, of a
 * token the identity), NGX_AGAIN when ctx waits and its request will be run
 * on, NGX_BUSY when too many reviews are under way, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_review_ask(
    ngx_http_k8s_metrics_reviews_t *reviews,
    const ngx_http_k8s_metrics_question_t *question,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);

/* Starts the request for a pending entry; copies "body".  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_http_k8s_metrics_review_start(
    ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review, const ngx_str_t *body);

/* The answer is there: kept, and everybody who waits goes on. */
void ngx_http_k8s_metrics_review_done(ngx_http_k8s_metrics_reviews_t *reviews,
    ngx_http_k8s_metrics_review_t *review,
    const ngx_http_k8s_metrics_ruling_t *ruling);

/* Runs a parked request's phases again (auth_access.c). */
void ngx_http_k8s_metrics_auth_resume(ngx_http_k8s_metrics_auth_ctx_t *ctx);

/* The state of a request that came through the check, or NULL. */
ngx_http_k8s_metrics_auth_ctx_t *ngx_http_k8s_metrics_auth_find(
    ngx_http_request_t *r);

/*
 * A denial in the words of k8s.io/apiserver's responsewriters.Forbidden, pool
 * memory (auth_denial.c).  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_auth_denial(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx,
    ngx_http_k8s_metrics_status_t *status);

/*
 * What the request was refused with by k8s_metrics_auth, with its message in
 * the request's pool: NGX_OK, NGX_DECLINED when it was not, NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_auth_refusal(ngx_http_request_t *r,
    ngx_http_k8s_metrics_status_t *status);


/* --- audit (auth_audit.c) ---------------------------------------------- */

/*
 * Gives the request its Audit-ID, once: the front proxy's when it is the one
 * who asks, else a new one (RFC 9562, version 4); what stands behind gets it in
 * place of what the client sent.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_audit(ngx_http_request_t *r,
    ngx_http_k8s_metrics_auth_ctx_t *ctx);

/* Puts it into the answer, in place of one that is there. */
ngx_int_t ngx_http_k8s_metrics_audit_answer(ngx_http_request_t *r);


/* --- sizes (auth_limits.c) ---------------------------------------------- */

/*
 * A WARN when the server takes HTTP/2, by "http2" of one of its addresses or
 * by itself, and its buffers are smaller than the headers that the aggregator
 * may forward.
 */
void ngx_http_k8s_metrics_limits_check(ngx_conf_t *cf,
    ngx_http_core_srv_conf_t *cscf, ngx_uint_t http2);

/*
 * Worker start: puts the filter that answers with a Status where nginx would
 * with its own page on top of the others.
 */
void ngx_http_k8s_metrics_limits_init_process(void);


/*
 * The JSON of an answer, when it is a review of this kind and version, with
 * nothing behind it, no name in it or in its status twice, which JSON's
 * readers take in different ways; "status" is an object in it.  The caller's
 * to delete; NULL when it is none, or without memory.
 */
struct cJSON *ngx_http_k8s_metrics_review_document(const ngx_str_t *json,
    const ngx_http_k8s_metrics_review_kind_t *kind, struct cJSON **status);

/*
 * Begins a question's document in pool memory, up to the members of its spec,
 * and ends it, when "json" is what was written.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_review_begin(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_review_kind_t *kind,
    ngx_http_k8s_metrics_out_t *out, ngx_http_k8s_metrics_json_t *w);
ngx_int_t ngx_http_k8s_metrics_review_end(ngx_http_k8s_metrics_json_t *w,
    ngx_str_t *json);


/* --- what is asked (auth_access_review.c, auth_token_review.c) --------- */

extern const ngx_http_k8s_metrics_review_kind_t
    ngx_http_k8s_metrics_access_review;
extern const ngx_http_k8s_metrics_review_kind_t
    ngx_http_k8s_metrics_token_review;

/*
 * The question as a SubjectAccessReview document, pool memory.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_access_question(ngx_pool_t *pool,
    const ngx_http_k8s_metrics_identity_t *identity,
    const ngx_http_k8s_metrics_attrs_t *attrs, ngx_str_t *json);

/*
 * The token of "Authorization: Bearer" (RFC 6750; as k8s.io/apiserver's
 * bearertoken reads it), a view.  NGX_OK, NGX_DECLINED when there is none,
 * NGX_ABORT when it is none that could be believed.
 */
ngx_int_t ngx_http_k8s_metrics_token(ngx_http_request_t *r, ngx_str_t *token);

/*
 * A TokenReview of the token, and the keyed hash that it is known by; pool
 * memory.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_token_question(ngx_pool_t *pool,
    ngx_http_k8s_metrics_auth_t *auth, const ngx_array_t *audiences,
    const ngx_str_t *token, ngx_http_k8s_metrics_question_t *question);

/* NGX_OK, or NGX_ERROR: there is no randomness to be had. */
ngx_int_t ngx_http_k8s_metrics_token_init(ngx_http_k8s_metrics_auth_t *auth);


#endif /* _NGX_HTTP_K8S_METRICS_AUTH_INTERNAL_H_INCLUDED_ */
