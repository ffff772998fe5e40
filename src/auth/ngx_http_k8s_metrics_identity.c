
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_k8s_metrics_identity.h"


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
