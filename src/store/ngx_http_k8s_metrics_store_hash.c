
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_k8s_metrics_store_internal.h"


/*
 * SipHash-2-4.  Who may create pods chooses their names and labels: with a
 * hash that all the world can compute, thousands of them could be in one
 * bucket, and each change under the lock would walk through all.
 */

typedef struct {
    uint64_t             v0;
    uint64_t             v1;
    uint64_t             v2;
    uint64_t             v3;
} ngx_http_k8s_metrics_sip_t;


static void ngx_http_k8s_metrics_sip_round(ngx_http_k8s_metrics_sip_t *s);


/* compilers make one load of it where bytes are in that order */

#define ngx_http_k8s_metrics_sip_word(p)                                      \
    ((uint64_t) (p)[0] | (uint64_t) (p)[1] << 8 | (uint64_t) (p)[2] << 16     \
     | (uint64_t) (p)[3] << 24 | (uint64_t) (p)[4] << 32                      \
     | (uint64_t) (p)[5] << 40 | (uint64_t) (p)[6] << 48                      \
     | (uint64_t) (p)[7] << 56)

#define ngx_http_k8s_metrics_sip_rotl(x, n)  ((x) << (n) | (x) >> (64 - (n)))


uint64_t
ngx_http_k8s_metrics_siphash(const uint64_t *key, const u_char *p, size_t len)
{
    size_t                      n;
    uint64_t                    word;
    ngx_http_k8s_metrics_sip_t  s;

    s.v0 = key[0] ^ 0x736f6d6570736575ULL;
    s.v1 = key[1] ^ 0x646f72616e646f6dULL;
    s.v2 = key[0] ^ 0x6c7967656e657261ULL;
    s.v3 = key[1] ^ 0x7465646279746573ULL;

    for (n = len; n >= 8; n -= 8, p += 8) {
        word = ngx_http_k8s_metrics_sip_word(p);

        s.v3 ^= word;
        ngx_http_k8s_metrics_sip_round(&s);
        ngx_http_k8s_metrics_sip_round(&s);
        s.v0 ^= word;
    }

    word = (uint64_t) len << 56;

    while (n--) {
        word |= (uint64_t) p[n] << 8 * n;
    }

    s.v3 ^= word;
    ngx_http_k8s_metrics_sip_round(&s);
    ngx_http_k8s_metrics_sip_round(&s);
    s.v0 ^= word;

    s.v2 ^= 0xff;

    for (n = 0; n < 4; n++) {
        ngx_http_k8s_metrics_sip_round(&s);
    }

    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}


static void
ngx_http_k8s_metrics_sip_round(ngx_http_k8s_metrics_sip_t *s)
{
    s->v0 += s->v1;
    s->v1 = ngx_http_k8s_metrics_sip_rotl(s->v1, 13) ^ s->v0;
    s->v0 = ngx_http_k8s_metrics_sip_rotl(s->v0, 32);

    s->v2 += s->v3;
    s->v3 = ngx_http_k8s_metrics_sip_rotl(s->v3, 16) ^ s->v2;

    s->v0 += s->v3;
    s->v3 = ngx_http_k8s_metrics_sip_rotl(s->v3, 21) ^ s->v0;

    s->v2 += s->v1;
    s->v1 = ngx_http_k8s_metrics_sip_rotl(s->v1, 17) ^ s->v2;
    s->v2 = ngx_http_k8s_metrics_sip_rotl(s->v2, 32);
}
