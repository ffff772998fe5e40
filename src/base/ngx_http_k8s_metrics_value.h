
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _NGX_HTTP_K8S_METRICS_VALUE_H_INCLUDED_
#define _NGX_HTTP_K8S_METRICS_VALUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Kubernetes' textual values: quantities, times and durations.  Writers take
 * a buffer that is large enough (the macro says how large) and return the
 * position after the last byte, as nginx's own do.
 */

#define NGX_HTTP_K8S_METRICS_QUANTITY_LEN  24
#define NGX_HTTP_K8S_METRICS_TIME_LEN      (sizeof("-262143-01-01T00:00:00Z"))
#define NGX_HTTP_K8S_METRICS_DURATION_LEN  32

/*
 * CPU in nanocores as resource.Quantity prints it (DecimalSI, canonical): the
 * largest of n, u, m, "", k, M, G, T, P, E that divides it exactly; 0 is "0".
 */
u_char *ngx_http_k8s_metrics_quantity_cpu(u_char *p, uint64_t nanocores);

/*
 * Memory in bytes (BinarySI, canonical): below 1,024 as DecimalSI (1000 is
 * "1k"), from there the largest of "", Ki, Mi, Gi, Ti, Pi, Ei that divides it.
 */
u_char *ngx_http_k8s_metrics_quantity_memory(u_char *p, uint64_t bytes);

/*
 * RFC 3339 in UTC with whole seconds, as metav1.Time prints it:
 * 2026-11-23T19:04:05Z.  "sec" counts from 1970; years 1 to 9999.
 */
u_char *ngx_http_k8s_metrics_time_rfc3339(u_char *p, int64_t sec);

/*
 * Parses RFC 3339 with any offset and fraction.  NGX_OK with nanoseconds
 * since 1970 in "ns", else NGX_ERROR (also outside the range of int64).
 */
ngx_int_t ngx_http_k8s_metrics_time_parse(const u_char *p, size_t len,
    int64_t *ns);

/* Go's time.Duration.String(): "0s", "10ms", "1.5µs", "13.823s", "1m0.5s". */
u_char *ngx_http_k8s_metrics_duration(u_char *p, int64_t ns);

/*
 * Go's time.ParseDuration: "1h2m", "1.5s", "-1ms"; a bare number only if "0".
 * NGX_OK with nanoseconds, or NGX_ERROR.
 */
ngx_int_t ngx_http_k8s_metrics_duration_parse(const u_char *p, size_t len,
    int64_t *ns);


#endif /* _NGX_HTTP_K8S_METRICS_VALUE_H_INCLUDED_ */
