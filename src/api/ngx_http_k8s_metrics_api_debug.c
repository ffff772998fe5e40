
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_api_page.h"


/* /debug/nodes: all nodes, or why there is (no) metric of one thing. */

#define NGX_HTTP_K8S_METRICS_DEBUG_NAME  512


static ngx_int_t ngx_http_k8s_metrics_debug_json(ngx_http_request_t *r,
    ngx_uint_t *json);
static ngx_int_t ngx_http_k8s_metrics_debug_asked(ngx_http_request_t *r,
    ngx_http_k8s_metrics_query_t *query);
static ngx_int_t ngx_http_k8s_metrics_debug_one(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_query_t *query, ngx_uint_t json);
static void ngx_http_k8s_metrics_debug_nodes_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_debug_nodes_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_debug_nodes_end(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_debug_text_begin(
    ngx_http_k8s_metrics_list_t *list);
static void ngx_http_k8s_metrics_debug_text_item(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item);
static void ngx_http_k8s_metrics_debug_text_end(
    ngx_http_k8s_metrics_list_t *list);
static ngx_int_t ngx_http_k8s_metrics_debug_next(
    ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item);


static const ngx_http_k8s_metrics_form_t  ngx_http_k8s_metrics_debug_forms[] =
{
    {
        NGX_HTTP_K8S_METRICS_JSON,
        NULL,
        ngx_http_k8s_metrics_debug_text_begin,
        ngx_http_k8s_metrics_debug_text_item,
        ngx_http_k8s_metrics_debug_text_end,
        NULL,
        ngx_http_k8s_metrics_debug_next,
        ngx_string("text/plain; charset=utf-8")
    },
    {
        NGX_HTTP_K8S_METRICS_JSON,
        NULL,
        ngx_http_k8s_metrics_debug_nodes_begin,
        ngx_http_k8s_metrics_debug_nodes_item,
        ngx_http_k8s_metrics_debug_nodes_end,
        NULL,
        ngx_http_k8s_metrics_debug_next,
        ngx_string("application/json")
    }
};


ngx_int_t
ngx_http_k8s_metrics_api_debug(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf)
{
    ngx_int_t                     rc;
    ngx_uint_t                    json;
    ngx_http_k8s_metrics_query_t  query;

    if (ngx_http_k8s_metrics_debug_json(r, &json) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&query, sizeof(ngx_http_k8s_metrics_query_t));

    rc = ngx_http_k8s_metrics_debug_asked(r, &query);

    if (rc == NGX_OK) {
        return ngx_http_k8s_metrics_debug_one(r, conf, &query, json);
    }

    if (rc == NGX_ABORT) {
        return ngx_http_k8s_metrics_answer_error(r, NGX_HTTP_BAD_REQUEST,
                             "ask for ?node=NAME, for ?pod=NAMESPACE/NAME, or "
                             "for ?namespace=NAMESPACE&pod=NAME");
    }

    if (rc != NGX_DECLINED) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_k8s_metrics_page_send(r, conf,
                                      &ngx_http_k8s_metrics_debug_forms[json]);
}


/* ?output= says it, else Accept; whoever takes anything gets text. */

static ngx_int_t
ngx_http_k8s_metrics_debug_json(ngx_http_request_t *r, ngx_uint_t *json)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_k8s_metrics_query(r->pool, &r->args, "output", 0, &value);

    if (rc == NGX_OK) {
        *json = (value.len == 4 && ngx_strncmp(value.data, "json", 4) == 0);
        return NGX_OK;
    }

    if (rc == NGX_ERROR
        || ngx_http_k8s_metrics_answer_header(r, "accept", &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* it takes no text that is shorter than what it looks for */

    *json = value.len >= sizeof("application/json") - 1
            && ngx_strlcasestrn(value.data, value.data + value.len,
                                (u_char *) "application/json",
                                sizeof("application/json") - 2);

    return NGX_OK;
}


/*
 * NGX_OK with what is asked for; NGX_DECLINED: nothing; NGX_ABORT: it cannot
 * be understood; NGX_ERROR.
 */

static ngx_int_t
ngx_http_k8s_metrics_debug_asked(ngx_http_request_t *r,
    ngx_http_k8s_metrics_query_t *query)
{
    u_char     *p;
    ngx_int_t   rc, pod;

    rc = ngx_http_k8s_metrics_query(r->pool, &r->args, "node", 0,
                                    &query->name);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        query->kind = NGX_HTTP_K8S_METRICS_NODES;
        goto found;
    }

    pod = ngx_http_k8s_metrics_query(r->pool, &r->args, "pod", 0,
                                     &query->name);
    rc = ngx_http_k8s_metrics_query(r->pool, &r->args, "namespace", 0,
                                    &query->ns);

    if (rc == NGX_ERROR || pod == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (pod == NGX_DECLINED) {
        return (rc == NGX_OK) ? NGX_ABORT : NGX_DECLINED;
    }

    query->kind = NGX_HTTP_K8S_METRICS_PODS;

    if (rc == NGX_DECLINED) {
        p = ngx_strlchr(query->name.data, query->name.data + query->name.len,
                        '/');
        if (p == NULL) {
            return NGX_ABORT;
        }

        query->ns.data = query->name.data;
        query->ns.len = p - query->name.data;

        query->name.data = p + 1;
        query->name.len -= query->ns.len + 1;
    }

    if (query->ns.len == 0) {
        return NGX_ABORT;
    }

found:

    return (query->name.len
            && query->ns.len + query->name.len
               <= NGX_HTTP_K8S_METRICS_DEBUG_NAME)
           ? NGX_OK : NGX_ABORT;
}


static ngx_int_t
ngx_http_k8s_metrics_debug_one(ngx_http_request_t *r,
    ngx_http_k8s_metrics_api_conf_t *conf,
    ngx_http_k8s_metrics_query_t *query, ngx_uint_t json)
{
    u_char                            *mem;
    ngx_str_t                          body;
    ngx_http_k8s_metrics_out_t         out;
    ngx_http_k8s_metrics_explained_t  *e;

    mem = ngx_palloc(r->pool, NGX_HTTP_K8S_METRICS_DEBUG_MEM);
    e = ngx_palloc(r->pool, sizeof(ngx_http_k8s_metrics_explained_t));

    if (mem == NULL || e == NULL
        || ngx_http_k8s_metrics_out_create(&out, r->pool, 4096, 65536)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    query->now = ngx_current_msec;
    query->max_age = conf->sample_max_age;

    ngx_http_k8s_metrics_store_explain(conf->store, query, mem, e);

    if (json) {
        ngx_http_k8s_metrics_explained_json(&out, query, e,
                                            ngx_http_k8s_metrics_list_wall());
    } else {
        ngx_http_k8s_metrics_explained_text(&out, query, e,
                                            ngx_http_k8s_metrics_list_wall());
    }

    if (out.overflow) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = out.start;
    body.len = ngx_http_k8s_metrics_out_len(&out);

    r->headers_out.content_type = ngx_http_k8s_metrics_debug_forms[json].type;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    return ngx_http_k8s_metrics_answer_send(r, NGX_HTTP_OK, &body);
}


static ngx_int_t
ngx_http_k8s_metrics_debug_next(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t **item)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    if (list->next == page->n) {

        if (ngx_http_k8s_metrics_list_spent(list)) {
            return NGX_AGAIN;
        }

        if (page->section || ngx_http_k8s_metrics_page_nodes(page) != NGX_OK) {
            page->section = 1;
            list->next = page->n;
            return NGX_DONE;
        }

        list->next = 0;
    }

    page->unit = list->next++;
    *item = NULL;

    return NGX_OK;
}


static void
ngx_http_k8s_metrics_debug_nodes_begin(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_init(&list->json, &list->out, 0);
    ngx_http_k8s_metrics_json_object(&list->json);
    ngx_http_k8s_metrics_json_key(&list->json, "nodes");
    ngx_http_k8s_metrics_json_array(&list->json);
}


static void
ngx_http_k8s_metrics_debug_nodes_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    ngx_http_k8s_metrics_node_json(&list->json, &page->nodes[page->unit],
                                   ngx_current_msec);
}


static void
ngx_http_k8s_metrics_debug_nodes_end(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_json_array_end(&list->json);
    ngx_http_k8s_metrics_json_object_end(&list->json);
    ngx_http_k8s_metrics_out_byte(&list->out, '\n');

    list->ended = !list->out.overflow;
}


static void
ngx_http_k8s_metrics_debug_text_begin(ngx_http_k8s_metrics_list_t *list)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    ngx_http_k8s_metrics_out_uint(&list->out, page->state.nodes);
    ngx_http_k8s_metrics_out_lit(&list->out, " nodes, ");
    ngx_http_k8s_metrics_out_uint(&list->out, page->state.pods);
    ngx_http_k8s_metrics_out_lit(&list->out, " running pods; why is there no "
                                 "metric: ?node=NAME or ?pod=NAMESPACE/NAME; "
                                 "JSON: ?output=json\n");
}


static void
ngx_http_k8s_metrics_debug_text_item(ngx_http_k8s_metrics_list_t *list,
    const ngx_http_k8s_metrics_item_t *item)
{
    ngx_http_k8s_metrics_page_t *page = (ngx_http_k8s_metrics_page_t *) list;

    ngx_http_k8s_metrics_out_byte(&list->out, '\n');
    ngx_http_k8s_metrics_node_text(&list->out, &page->nodes[page->unit],
                                   ngx_current_msec);
}


static void
ngx_http_k8s_metrics_debug_text_end(ngx_http_k8s_metrics_list_t *list)
{
    list->ended = 1;
}
