
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_identity.h"


static int ngx_libc_cdecl ngx_http_k8s_metrics_extra_cmp(const void *one,
    const void *two);
static ngx_str_t ngx_http_k8s_metrics_identity_str(u_char **p,
    const ngx_str_t *s);
static ngx_uint_t ngx_http_k8s_metrics_identity_control(const ngx_str_t *s);


ngx_uint_t
ngx_http_k8s_metrics_identity_in_group(
    const ngx_http_k8s_metrics_identity_t *identity, const ngx_str_t *group)
{
    ngx_uint_t  i;

    for (i = 0; i < identity->ngroups; i++) {
        if (identity->groups[i].len == group->len
            && ngx_memcmp(identity->groups[i].data, group->data, group->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_k8s_metrics_identity_sort(ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_qsort(identity->extra, identity->nextra,
              sizeof(ngx_http_k8s_metrics_extra_t),
              ngx_http_k8s_metrics_extra_cmp);
}


static int ngx_libc_cdecl
ngx_http_k8s_metrics_extra_cmp(const void *one, const void *two)
{
    const ngx_http_k8s_metrics_extra_t  *a = one;
    const ngx_http_k8s_metrics_extra_t  *b = two;

    return (int) ngx_memn2cmp(a->key.data, b->key.data, a->key.len,
                              b->key.len);
}


size_t
ngx_http_k8s_metrics_identity_size(
    const ngx_http_k8s_metrics_identity_t *identity)
{
    size_t                               size;
    ngx_uint_t                           i, n;
    const ngx_http_k8s_metrics_extra_t  *extra;

    size = sizeof(ngx_http_k8s_metrics_identity_t)
           + (identity->ngroups + 1) * sizeof(ngx_str_t)
           + identity->nextra * sizeof(ngx_http_k8s_metrics_extra_t)
           + identity->user.len + identity->uid.len;

    for (i = 0; i < identity->ngroups; i++) {
        size += identity->groups[i].len;
    }

    for (i = 0; i < identity->nextra; i++) {
        extra = &identity->extra[i];
        size += extra->key.len;

        for (n = 0; n < extra->nvalues; n++) {
            size += sizeof(ngx_str_t) + extra->values[n].len;
        }
    }

    return size;
}


ngx_http_k8s_metrics_identity_t *
ngx_http_k8s_metrics_identity_copy(void *mem,
    const ngx_http_k8s_metrics_identity_t *identity)
{
    u_char                           *p;
    ngx_str_t                        *value;
    ngx_uint_t                        i, n;
    ngx_http_k8s_metrics_extra_t     *extra;
    ngx_http_k8s_metrics_identity_t  *copy;

    /* what has pointers first, bytes behind */

    copy = mem;
    *copy = *identity;

    copy->groups = (ngx_str_t *) &copy[1];
    copy->extra = (ngx_http_k8s_metrics_extra_t *)
                      &copy->groups[identity->ngroups + 1];

    value = (ngx_str_t *) &copy->extra[identity->nextra];

    for (i = 0; i < identity->nextra; i++) {
        copy->extra[i].nvalues = identity->extra[i].nvalues;
        copy->extra[i].values = value;
        value += identity->extra[i].nvalues;
    }

    p = (u_char *) value;

    copy->user = ngx_http_k8s_metrics_identity_str(&p, &identity->user);
    copy->uid = ngx_http_k8s_metrics_identity_str(&p, &identity->uid);

    for (i = 0; i < identity->ngroups; i++) {
        copy->groups[i] = ngx_http_k8s_metrics_identity_str(&p,
                                                        &identity->groups[i]);
    }

    for (i = 0; i < identity->nextra; i++) {
        extra = &copy->extra[i];
        extra->key = ngx_http_k8s_metrics_identity_str(&p,
                                                     &identity->extra[i].key);

        for (n = 0; n < extra->nvalues; n++) {
            extra->values[n] = ngx_http_k8s_metrics_identity_str(&p,
                                               &identity->extra[i].values[n]);
        }
    }

    return copy;
}


static ngx_str_t
ngx_http_k8s_metrics_identity_str(u_char **p, const ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.data = *p;
    copy.len = s->len;

    *p = ngx_cpymem(*p, s->data, s->len);

    return copy;
}


ngx_uint_t
ngx_http_k8s_metrics_identity_unsafe(
    const ngx_http_k8s_metrics_identity_t *identity)
{
    ngx_uint_t                           i, n;
    const ngx_http_k8s_metrics_extra_t  *extra;

    if (ngx_http_k8s_metrics_identity_control(&identity->user)
        || ngx_http_k8s_metrics_identity_control(&identity->uid))
    {
        return 1;
    }

    for (i = 0; i < identity->ngroups; i++) {
        if (ngx_http_k8s_metrics_identity_control(&identity->groups[i])) {
            return 1;
        }
    }

    for (i = 0; i < identity->nextra; i++) {
        extra = &identity->extra[i];

        for (n = 0; n < extra->nvalues; n++) {
            if (ngx_http_k8s_metrics_identity_control(&extra->values[n])) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_k8s_metrics_identity_control(const ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < ' ' || s->data[i] == 0x7f) {
            return 1;
        }
    }

    return 0;
}
