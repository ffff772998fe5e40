
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */

/*
 * The store, one promise of its headers after the other: what a reload keeps,
 * which points are served, what a reset makes invalid, what a list ends.
 */


#include "store_check.h"


static void reset(store_t *store);


static void
test_zone(void)
{
    int                           tag;
    store_t                      *store;
    ngx_conf_t                    cf;
    ngx_cycle_t                   cycle;
    ngx_shm_zone_t                zone;
    ngx_http_k8s_metrics_item_t   item;

    store = fixture_create(MEGABYTE);
    sound(store, "a new zone");

    (void) put_node(store, "n", "10.0.0.1");

    /* a reload: another handle on the same memory */

    zone = stub_zone;
    is_int(stub_zone.init(&stub_zone, store), NGX_OK, "reload");
    is_int(get(store, NODES, "", "n", &item), NGX_DECLINED,
           "what was there stays");

    store->zone->layout++;
    stub_logged_level = 0;
    is_int(stub_zone.init(&stub_zone, store), NGX_ERROR, "another layout");
    is_int(stub_logged_level, NGX_LOG_EMERG, "says so");
    store->zone->layout--;

    memset(&cf, 0, sizeof(cf));
    memset(&cycle, 0, sizeof(cycle));
    cf.pool = fixture_pool;
    cf.cycle = &cycle;

    ok(ngx_http_k8s_metrics_store_zone(&cf, &fixture_name, 1000, &tag) == NULL,
       "a zone that is too small");

    ok(ngx_http_k8s_metrics_store_zone(&cf, &fixture_name, MEGABYTE, &tag)
       == NULL, "a zone that is declared twice");

    stub_zone = zone;
    fixture_destroy(store);
}


static void
test_records(void)
{
    store_t                            *store;
    char                                name[600];
    ngx_http_k8s_metrics_node_t         node;
    ngx_http_k8s_metrics_item_t         item;
    ngx_http_k8s_metrics_store_state_t  state;
    uint64_t                            version;

    store = fixture_create(MEGABYTE);

    is_int(put_pod(store, "ns", "p", "a"), NGX_OK, "a new pod");
    is_int(put_pod(store, "ns", "p", "a"), NGX_DECLINED, "the same pod");
    is_int(get(store, PODS, "ns", "q", &item), NGX_ABORT, "an unknown pod");
    is_int(get(store, PODS, "sn", "p", &item), NGX_ABORT, "another namespace");
    is_int(get(store, PODS, "ns", "p", &item), NGX_DECLINED,
           "a pod without samples");
    is_mem(item.name.data, item.name.len, "p", "has its name");
    is_mem(item.ns.data, item.ns.len, "ns", "its namespace");
    is_int(item.nlabels, 1, "and labels");
    is_mem(item.labels[0].value.data, item.labels[0].value.len, "p",
           "with values");

    is_int(put_node(store, "a", "10.0.0.1"), NGX_OK, "a new node");
    version = ngx_http_k8s_metrics_store_nodes_version(store);
    is_int(put_node(store, "a", "10.0.0.1"), NGX_DECLINED, "the same node");
    ok(ngx_http_k8s_metrics_store_nodes_version(store) == version,
       "is no change");

    is_int(put_node(store, "a", "10.0.0.2"), NGX_OK, "another address");
    ok(ngx_http_k8s_metrics_store_nodes_version(store) != version,
       "is a change");
    (void) put_node(store, "b", "10.0.0.3");

    memset(&node, 0, sizeof(node));
    node.name = str("a");
    node.naddrs = NGX_HTTP_K8S_METRICS_ADDRS + 1;
    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_ERROR,
           "more addresses than there is room for");

    /* a walk remembers so much of a name */

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    is_int(put_pod(store, "ns", name, "a"), NGX_ERROR, "a name too long");
    is_int(read_all(store, PODS, "", "", 65536, 64), 0, "and lists go on");

    ngx_http_k8s_metrics_store_state(store, &state);
    is_int(state.nodes, 2, "nodes");
    is_int(state.pods, 1, "pods");
    ok(state.bytes_used > 0 && state.bytes_used < state.bytes_size, "bytes");

    sound(store, "records");
    fixture_destroy(store);
}


static ngx_int_t
put_labels(store_t *store, ngx_uint_t n)
{
    static ngx_http_k8s_metrics_label_t  labels[2000];
    static char                          keys[2000][8];

    ngx_uint_t                  i;
    ngx_http_k8s_metrics_pod_t  pod;

    for (i = 0; i < n; i++) {
        sprintf(keys[i], "k%05d", (int) i);
        labels[i].key = str(keys[i]);
        labels[i].value = str("v");
    }

    memset(&pod, 0, sizeof(pod));
    pod.ns = str("ns");
    pod.name = str("labels");
    pod.node = str("a");
    pod.nlabels = n;
    pod.labels = labels;

    return ngx_http_k8s_metrics_store_put_pod(store, &pod);
}


/* As many labels as a record may have, and as many containers. */

static void
test_labels(void)
{
    int                                i, j;
    char                               names[256][64];
    store_t                           *store;
    ngx_http_k8s_metrics_node_t        node;
    ngx_http_k8s_metrics_label_t       label;
    ngx_http_k8s_metrics_point_t       points[256];
    ngx_http_k8s_metrics_scrape_t      scrape;
    ngx_http_k8s_metrics_pod_points_t  pod;

    store = fixture_create(MEGABYTE);
    (void) put_node(store, "a", "10.0.0.1");

    is_int(put_labels(store, 40000 / 48), NGX_OK, "as many as it may have");
    is_int(put_labels(store, 40000 / 48 + 1), NGX_ERROR, "one more");
    is_int(put_labels(store, 40000 / 48), NGX_DECLINED, "it stays as it was");

    memset(&scrape, 0, sizeof(scrape));
    memset(points, 0, sizeof(points));
    memset(names, 'x', sizeof(names));

    pod.ns = str("ns");
    pod.name = str("labels");
    pod.ncontainers = 256;
    pod.containers = points;

    scrape.node = ref_of(store, "a");
    scrape.npods = 1;
    scrape.pods = &pod;

    for (j = 0; j < 2; j++) {
        for (i = 0; i < 256; i++) {
            sprintf(names[i], "%063d", i);
            points[i].name = str(names[i]);
            points[i].timestamp = EPOCH + j * 10 * SECOND;
            points[i].cpu = j * SECOND;
            points[i].memory = 1;
        }

        scrape.scraped = ngx_current_msec;
        is_int(ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION),
               NGX_OK, "as many containers as it may have");
    }

    is_int(read_all(store, PODS, "", "", 65536, 64), 1, "and it is in a list");

    memset(&node, 0, sizeof(node));
    memset(names, 'x', sizeof(names));
    label.key.data = (u_char *) names;
    label.key.len = NGX_HTTP_K8S_METRICS_MAX_STRING + 1;
    label.value = str("");
    node.name = str("b");
    node.nlabels = 1;
    node.labels = &label;

    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_ERROR,
           "a label that is too long");

    node.nlabels = 0;
    node.path = label.key;
    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_ERROR,
           "a path that is too long");

    node.path.len = 0;
    node.naddrs = 1;
    node.addrs[0].text = label.key;
    is_int(ngx_http_k8s_metrics_store_put_node(store, &node), NGX_ERROR,
           "an address that is too long");

    sound(store, "labels");
    fixture_destroy(store);
}


static void
test_points(void)
{
    store_t                      *store;
    ngx_str_t                     reason;
    ngx_http_k8s_metrics_ref_t    a, b;
    ngx_http_k8s_metrics_item_t   item;

    store = fixture_create(MEGABYTE);

    (void) put_node(store, "a", "10.0.0.1");
    (void) put_node(store, "b", "10.0.0.2");
    (void) put_pod(store, "ns", "p", "a");

    a = ref_of(store, "a");
    b = ref_of(store, "b");

    is_int(scraped_of(store, "a"), 0, "never scraped");
    (void) scrape_one(store, a, "ns", "p", 0, 1000);
    is_int(scraped_of(store, "a"), ngx_current_msec, "scraped");
    is_int(get(store, PODS, "ns", "p", &item), NGX_DECLINED, "one point");
    (void) scrape_one(store, a, "ns", "p", 10, 2000);
    is_int(get(store, PODS, "ns", "p", &item), NGX_OK, "two points");
    is_int(item.nusages, 1, "one container");
    is_mem(item.usages[0].name.data, item.usages[0].name.len, "c", "its name");
    is_int(item.usages[0].cpu, 1000000000, "its cpu");
    is_int(item.usages[0].memory, 2000, "its memory");
    is_int(item.timestamp, EPOCH + 10 * SECOND, "its time");
    is_int(item.window, 10 * SECOND, "its window");
    is_int(get(store, NODES, "", "a", &item), NGX_OK, "the node");
    is_int(item.usages[0].cpu, 1000000000, "its cpu");

    /* the node that the API server names counts */

    (void) scrape_one(store, b, "ns", "p", 0, 1);
    (void) scrape_one(store, b, "ns", "p", 10, 1);
    (void) get(store, PODS, "ns", "p", &item);
    is_int(item.usages[0].memory, 2000, "another node's word is nothing");

    is_int(put_pod(store, "ns", "p", "b"), NGX_OK, "the pod moves");
    is_int(get(store, PODS, "ns", "p", &item), NGX_DECLINED,
           "its points do not");

    /* a scrape that failed takes nothing, one that is too old is not served */

    is_int(get(store, NODES, "", "b", &item), NGX_OK, "fresh");
    ngx_current_msec += 30000;
    is_int(get(store, NODES, "", "b", &item), NGX_OK, "as old as it may be");
    ngx_current_msec += 1;
    is_int(get(store, NODES, "", "b", &item), NGX_DECLINED, "too old");

    /* an age of 0: until a scrape fails */

    is_int(get_aged(store, NODES, "b", 0), NGX_OK, "of any age");
    reason = str("connection refused");
    ngx_http_k8s_metrics_store_scrape_failed(store, b, NULL, &reason);
    is_int(get_aged(store, NODES, "b", 0), NGX_DECLINED, "a failed scrape");
    is_int(get_aged(store, NODES, "b", 60000), NGX_OK, "which age forgives");
    (void) scrape_one(store, b, "ns", "p", 20, 1);
    is_int(get_aged(store, NODES, "b", 0), NGX_OK, "until the next one");

    sound(store, "points");
    fixture_destroy(store);
}


/* The counter went back: a node is not there, a pod is, with nothing. */

static void
test_decrease(void)
{
    store_t                            *store;
    ngx_http_k8s_metrics_item_t         item;
    ngx_http_k8s_metrics_point_t        point;
    ngx_http_k8s_metrics_scrape_t       scrape;
    ngx_http_k8s_metrics_pod_points_t   pod;

    store = fixture_create(MEGABYTE);

    (void) put_node(store, "a", "10.0.0.1");
    (void) put_pod(store, "ns", "p", "a");

    memset(&scrape, 0, sizeof(scrape));
    memset(&point, 0, sizeof(point));

    point.name = str("c");
    point.timestamp = EPOCH + 200 * SECOND;
    point.cpu = 1;
    point.memory = 1;
    pod.ns = str("ns");
    pod.name = str("p");
    pod.ncontainers = 1;
    pod.containers = &point;
    scrape.node = ref_of(store, "a");
    scrape.scraped = ngx_current_msec;
    scrape.has_node = 1;
    scrape.usage = point;
    scrape.npods = 1;
    scrape.pods = &pod;

    (void) scrape_one(store, scrape.node, "ns", "p", 20, 1);
    (void) scrape_one(store, scrape.node, "ns", "p", 100, 1);
    is_int(get(store, PODS, "ns", "p", &item), NGX_OK, "a pod");
    is_int(get(store, NODES, "", "a", &item), NGX_OK, "and its node");

    is_int(ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION),
           NGX_OK, "a decrease");
    is_int(get(store, NODES, "", "a", &item), NGX_DECLINED,
           "the node is not there");
    is_int(get(store, PODS, "ns", "p", &item), NGX_OK, "the pod is");
    ok(item.nusages == 0 && !item.has_time, "with nothing");

    pod.ncontainers = 0;
    (void) ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION);
    is_int(get(store, PODS, "ns", "p", &item), NGX_DECLINED,
           "a pod without any container");

    scrape.npods = 0;
    scrape.pods = NULL;
    is_int(ngx_http_k8s_metrics_store_scraped(store, &scrape, RESOLUTION),
           NGX_OK, "a scrape without pods");

    sound(store, "after a decrease");
    fixture_destroy(store);
}


/* The mark that a worker leaves which died while it wrote. */

static void
reset(store_t *store)
{
    store->zone->dirty = 1;
    ngx_http_k8s_metrics_store_lock_read(store);
    ngx_http_k8s_metrics_store_unlock(store);
}


static void
test_reset(void)
{
    store_t                     *store, other;
    u_char                       buf[32];
    ngx_str_t                    s;
    ngx_uint_t                   generation, now;
    ngx_pool_t                  *pool;
    ngx_http_k8s_metrics_ref_t   ref;
    ngx_http_k8s_metrics_item_t  item;

    store = fixture_create(MEGABYTE);
    other = *store;
    other.scratch = NULL;
    other.scratch_size = 0;

    ngx_http_k8s_metrics_store_list_begin(store, NODES);
    (void) put_node(store, "a", "10.0.0.1");
    ngx_http_k8s_metrics_store_list_end(store, NODES);
    ngx_http_k8s_metrics_store_list_begin(store, PODS);
    ngx_http_k8s_metrics_store_list_end(store, PODS);
    ok(ngx_http_k8s_metrics_store_complete(store), "both listed: complete");

    s = str("4711");
    ngx_http_k8s_metrics_store_set_version(store, NODES, &s);
    is_int(ngx_http_k8s_metrics_store_get_version(store, NODES, buf, &s),
           NGX_OK, "a version");
    is_mem(s.data, s.len, "4711", "is kept");

    s = str("bundle");
    (void) ngx_http_k8s_metrics_store_put_setting(store, 0, &s);
    generation = ngx_http_k8s_metrics_store_setting_generation(store, 0);
    ref = ref_of(store, "a");
    ngx_http_k8s_metrics_store_list_begin(store, NODES);
    (void) put_node(store, "half", "10.0.0.2");

    stub_logged = 0;
    reset(store);
    is_int(stub_logged, 1, "one line");
    is_int(stub_logged_level, NGX_LOG_ALERT, "an alert");
    is_int(ngx_http_k8s_metrics_store_resets(store), 1, "counted");
    ok(!ngx_http_k8s_metrics_store_complete(store), "not complete");
    is_int(ngx_http_k8s_metrics_store_get_version(store, NODES, buf, &s),
           NGX_DECLINED, "no version");
    is_int(ngx_http_k8s_metrics_store_setting_generation(store, 0), generation,
           "the settings' generation stays");

    pool = ngx_create_pool(4096, &stub_log);
    is_int(ngx_http_k8s_metrics_store_get_setting(store, 0, pool, &s,
                                                  &now),
           NGX_AGAIN, "what was read of them holds");

    s = str("bundle");
    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_OK,
           "they are put again");
    ok(ngx_http_k8s_metrics_store_setting_generation(store, 0) != generation,
       "and then the generation moves");
    reset(store);
    s = str("");
    is_int(ngx_http_k8s_metrics_store_put_setting(store, 0, &s), NGX_OK,
           "that there are none is news, too");
    is_int(ngx_http_k8s_metrics_store_get_setting(store, 0, pool, &s,
                                                  &now),
           NGX_DECLINED, "and told");
    ngx_destroy_pool(pool);

    is_int(get(store, NODES, "", "a", &item), NGX_ABORT, "nothing is known");
    sound(store, "after a reset");

    /* the list that was under way saw only its second half arrive */

    ngx_http_k8s_metrics_store_list_end(store, NODES);
    ngx_http_k8s_metrics_store_list_begin(store, PODS);
    ngx_http_k8s_metrics_store_list_end(store, PODS);
    ok(!ngx_http_k8s_metrics_store_complete(store),
       "a list begun before the reset completes nothing");

    /* memory is handed out as before: a reference must not fit by chance */

    (void) put_node(store, "other", "10.0.0.9");
    ok(ref_of(store, "other").birth != ref.birth, "a new birth");
    is_int(scrape_one(store, ref, "ns", "p", 0, 1), NGX_DECLINED,
           "a reference from before names nothing");

    /* another worker's list is not ended by this one's */

    ngx_http_k8s_metrics_store_list_begin(store, NODES);
    ngx_http_k8s_metrics_store_list_begin(&other, NODES);
    ngx_http_k8s_metrics_store_list_end(store, NODES);
    is_int(get(store, NODES, "", "other", &item), NGX_DECLINED,
           "an old list deletes nothing");
    ngx_http_k8s_metrics_store_list_end(&other, NODES);
    is_int(get(store, NODES, "", "other", &item), NGX_ABORT,
           "the new one does");
    ok(ngx_http_k8s_metrics_store_complete(store), "and completes");

    sound(store, "after lists");
    fixture_destroy(store);
}


/* A list in which most is gone, in several steps. */

static void
test_list(void)
{
    int                          i, left;
    char                         name[32];
    store_t                     *store;
    ngx_http_k8s_metrics_item_t  item;

    store = fixture_create(4 * MEGABYTE);

    for (i = 0; i < 3000; i++) {
        sprintf(name, "pod-%d", i);
        (void) put_pod(store, (i % 3) ? "default" : "kube-system", name, "a");
    }

    ngx_http_k8s_metrics_store_list_begin(store, PODS);

    for (i = 0; i < 3000; i += 7) {
        sprintf(name, "pod-%d", i);
        (void) put_pod(store, (i % 3) ? "default" : "kube-system", name, "a");
    }

    ngx_http_k8s_metrics_store_list_end(store, PODS);

    left = 0;

    for (i = 0; i < 3000; i++) {
        sprintf(name, "pod-%d", i);
        if (get(store, PODS, (i % 3) ? "default" : "kube-system", name, &item)
            != NGX_ABORT)
        {
            left++;
            if (i % 7) {
                left = -3000;
            }
        }
    }

    is_int(left, 429, "what the list named is left, and nothing else");
    ok(store->zone->content.index[PODS].n <= 429 / 16,
       "in few leaves (%d)", (int) store->zone->content.index[PODS].n);

    sound(store, "after a long list");
    fixture_destroy(store);
}


/* Names are hashed otherwise in each zone, but for what must outlive it. */

static void
test_sessions(void)
{
    int                          i;
    size_t                       used;
    u_char                       key[32], other[32];
    u_char                       in[NGX_HTTP_K8S_METRICS_SESSION_MAX + 1];
    u_char                       out[NGX_HTTP_K8S_METRICS_SESSION_MAX];
    store_t                     *store;
    ngx_str_t                    name;
    ngx_http_k8s_metrics_ref_t   a, b;

    store = fixture_create(MEGABYTE);

    (void) put_node(store, "a", "10.0.0.1");
    (void) put_node(store, "b", "10.0.0.2");
    a = ref_of(store, "a");
    b = ref_of(store, "b");

    memset(key, 1, sizeof(key));
    memset(other, 1, sizeof(other));
    other[31] = 2;

    for (i = 0; i < (int) sizeof(in); i++) {
        in[i] = (u_char) (i * 7);
    }

    used = store->zone->content.used;

    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out), 0,
           "no session");
    ngx_http_k8s_metrics_store_put_session(store, a, key, in, 2000);
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out), 2000,
           "a session");
    ok(memcmp(in, out, 2000) == 0, "its bytes");
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, other, out), 0,
           "nothing under other terms");
    is_int(ngx_http_k8s_metrics_store_get_session(store, b, key, out), 0,
           "nothing for another node");
    ok(check_zone(store) == NULL, "the zone is sound");

    ngx_http_k8s_metrics_store_put_session(store, a, other, in + 1, 1990);
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out), 0,
           "another one in its place");
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, other, out), 1990,
           "with its own terms");
    ngx_http_k8s_metrics_store_put_session(store, a, key, in,
                                           NGX_HTTP_K8S_METRICS_SESSION_MAX);
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out),
           NGX_HTTP_K8S_METRICS_SESSION_MAX, "the longest");
    ok(check_zone(store) == NULL, "the zone is sound");
    ngx_http_k8s_metrics_store_put_session(store, a, key, in, sizeof(in));
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out), 0,
           "a longer one is not kept, nor the one before");
    is_int(store->zone->content.used, used, "and takes nothing");

    ngx_http_k8s_metrics_store_put_session(store, a, key, in, 100);
    ngx_http_k8s_metrics_store_put_session(store, a, key, NULL, 0);
    is_int(store->zone->content.used, used, "one that is forgotten neither");

    ngx_http_k8s_metrics_store_put_session(store, a, key, in, 2000);
    store->records = 0;
    ngx_http_k8s_metrics_store_put_session(store, b, key, in, 2000);
    is_int(ngx_http_k8s_metrics_store_get_session(store, b, key, out), 0,
           "no room");
    is_int(store->zone->full, 0, "is no full zone");

    name = str("a");
    (void) ngx_http_k8s_metrics_store_delete_node(store, &name);
    is_int(ngx_http_k8s_metrics_store_get_session(store, a, key, out), 0,
           "gone with its node");
    ngx_http_k8s_metrics_store_put_session(store, a, key, in, 2000);
    ok(store->zone->content.used < used, "for good");
    ok(check_zone(store) == NULL, "the zone is sound");

    fixture_destroy(store);
}


static void
test_hash(void)
{
    int                              i;
    u_char                           bytes[16];
    store_t                         *store;
    uint64_t                         key[2];
    uint32_t                         hash[2], stable[2];
    ngx_str_t                        name, after;
    ngx_pool_t                      *pool;
    ngx_http_k8s_metrics_shstr_t    *s;
    ngx_http_k8s_metrics_target_t    target;

    for (i = 0; i < 16; i++) {
        bytes[i] = i;
    }

    /* of the paper: the key 00 .. 0f, and its first bytes as the message */

    key[0] = 0x0706050403020100;
    key[1] = 0x0f0e0d0c0b0a0908;

    ok(ngx_http_k8s_metrics_siphash(key, bytes, 15) == 0xa129ca6149be45e5,
       "SipHash-2-4");
    ok(ngx_http_k8s_metrics_siphash(key, bytes, 8) == 0x93f5f5799a932462,
       "of whole words");
    ok(ngx_http_k8s_metrics_siphash(key, NULL, 0) == 0x726fdb47dd0e0e31,
       "of nothing");

    for (i = 0; i < 2; i++) {
        store = fixture_create(MEGABYTE);

        (void) put_node(store, "node", "10.0.0.1");

        name = str("node");
        s = ngx_http_k8s_metrics_store_ptr(store,
                      ngx_http_k8s_metrics_shstr_find_locked(store, &name));
        hash[i] = s->hash;

        pool = ngx_create_pool(4096, &stub_log);
        after = str("");
        (void) ngx_http_k8s_metrics_store_targets(store, pool, &after, &target,
                                                  1);
        stable[i] = target.hash;
        ngx_destroy_pool(pool);

        /* a zone that is started afresh has the same key */

        reset(store);
        (void) put_node(store, "node", "10.0.0.1");
        s = ngx_http_k8s_metrics_store_ptr(store,
                      ngx_http_k8s_metrics_shstr_find_locked(store, &name));
        ok(hash[i] == s->hash, "after a reset");

        fixture_destroy(store);
    }

    ok(hash[0] != hash[1], "each zone has a key of its own");
    ok(stable[0] == stable[1], "who owns a node does not depend on it");
    is_int(stable[0], ngx_murmur_hash2((u_char *) "node", 4), "nor when");

    stub_logged_level = 0;
    fixture_seed = 255;
    ok(fixture_create(MEGABYTE) == NULL, "no zone without a key");
    is_int(stub_logged_level, NGX_LOG_EMERG, "said");
}


int
main(void)
{
    test_zone();
    test_hash();
    test_records();
    test_labels();
    test_points();
    test_decrease();
    test_reset();
    test_list();
    test_sessions();

    return done();
}
