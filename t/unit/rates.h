
/*
 * Copyright (C) the ngx_http_k8s_metrics_module authors
 */


#ifndef _RATES_H_INCLUDED_
#define _RATES_H_INCLUDED_


/*
 * Every rule of rates in one table: what a kubelet sends, scrape by scrape,
 * and what is served after each of them.  What is expected was worked out by
 * hand, as the comments say.
 *
 * A scrape: entries divided by ";", each
 *
 *     NAME TIME CPU MEMORY [START]
 *
 * NAME is "node", a container of the pod "p", or POD.CONTAINER.  Times are in
 * seconds after T; TIME may be two of them, "CPU/MEMORY", or "-" for lines
 * without a time; what follows a ' is sent as it is.  CPU (s), MEMORY (bytes)
 * are sent as they are; "-" for a line that is not there.  "@TIME" is the time
 * before the request, "error" is scrape_error 1, and "fails" no answer at all.
 * A resolution passes between two scrapes.
 *
 * What is served: of the pod "p", or of the node where it begins so,
 *
 *     TIME WINDOW [CONTAINER NANOCORES MEMORY]...
 *
 * or "none" (404: known, but no metrics) or "null" (a pod with no container,
 * the timestamp null and the window 0s).
 *
 * metrics-server 0.9.0 was fed the same and says the same, but for what is
 * marked with its name, and but for failed scrapes, which cost it a node's
 * points at once: here the last good ones are served for two resolutions.
 */

#define T       1763872000
#define STEPS   6

typedef struct {
    const char  *scrape;
    const char  *want;
} step_t;

typedef struct {
    const char  *what;
    int          resolution;        /* s */
    step_t       steps[STEPS];
} row_t;


static const row_t  rows[] = {

    /* --- two points ---------------------------------------------------- */

    { "one point is no rate, two are", 15, {
        { "a 0 100 4096 -3600", "none" },
        /* (115 - 100) s / 15 s = 1 core */
        { "a 15 115 8192 -3600", "15 15s a 1000000000 8192" },
        /* (116.5 - 115) / 15 = 0.1; the point before is forgotten */
        { "a 30 116.5 1 -3600", "30 15s a 100000000 1" } } },

    { "a node, too", 15, {
        { "node 0 100 4096", "node none" },
        /* (145 - 100) / 15 = 3 */
        { "node 15 145 8192", "node 15 15s node 3000000000 8192" } } },

    { "a rate is cut, not rounded", 15, {
        { "a 0 100 1 -3600", "none" },
        /* 10 / 15 = 0.6666666666... */
        { "a 15 110 1 -3600", "15 15s a 666666666 1" },
        /* 2 ns / 15 = 0.13 nanocores */
        { "a 30 110.000000002 1 -3600", "30 15s a 0 1" },
        /* nothing was used */
        { "a 45 110.000000002 1 -3600", "45 15s a 0 1" } } },

    { "a window of milliseconds", 15, {
        { "a 0 1 1 -3600", "none" },
        /* 1.5 s / 13.823 s = 0.10851479418360702... */
        { "a 13.823 2.5 1 -3600", "13.823 13.823s a 108514794 1" },
        /* 0.01 s / 0.01 s = 1 */
        { "a 13.833 2.51 1 -3600", "13.833 0.01s a 1000000000 1" } } },

    { "a long window", 15, {
        { "a 0 1 1 -3600", "none" },
        { "fails", "none" },
        /* 45 / 60 = 0.75 */
        { "a 60 46 1 -3600", "60 60s a 750000000 1" } } },

    /* --- fresh containers ---------------------------------------------- */

    { "fresh: its start is the first point, with 0", 15, {
        /* (6 - 0) / 12 = 0.5 */
        { "a 0 6 1 -12", "0 12s a 500000000 1" },
        /* then as ever: (9 - 6) / 15 = 0.2 */
        { "a 15 9 1 -12", "15 15s a 200000000 1" } } },

    { "fresh from 10 s on", 15, {
        { "a -0.001 5 1 -10", "none" },
        /* 5 / 10 = 0.5, over the point that is stored */
        { "a 0 5 1 -10", "0 10s a 500000000 1" } } },

    { "fresh until the resolution, less a millisecond", 15, {
        /* 3 / 14.999 = 0.20001333422228148... */
        { "a -0.001 3 1 -15", "-0.001 14.999s a 200013334 1" } } },

    { "as old as the resolution is not fresh", 15, {
        { "a 0 3 1 -15", "none" },
        { "a 15 6 1 -15", "15 15s a 200000000 1" } } },

    { "at a resolution of 10 s nothing is fresh", 10, {
        { "a -0.001 5 1 -10", "none" },
        { "a 0 5 1 -10", "0 0.001s a 0 1" },
        { "a 10 6 1 -10", "10 10s a 100000000 1" } } },

    { "fresh wins over the stored point", 60, {
        /* 4 / 19 = 0.21052631578... */
        { "a 0 4 1 -19", "0 19s a 210526315 1" },
        /* (7 - 0) / 34, not (7 - 4) / 15: 0.20588235294... */
        { "a 15 7 1 -19", "15 34s a 205882352 1" },
        /* 79 s is over the resolution: (19 - 7) / 45 = 0.26666... */
        { "a 60 19 1 -19", "60 45s a 266666666 1" } } },

    { "a start after the timestamp is not fresh", 15, {
        { "a 0 5 1 12", "none" } } },

    { "nor one at it", 15, {
        { "a 0 5 1 0", "none" } } },

    { "a node has no start, and is not fresh", 15, {
        { "node 12 5 1", "node none" } } },

    /* --- restarts ------------------------------------------------------ */

    { "a restart: the old points are gone", 15, {
        { "a 0 500 1 -3600", "none" },
        { "a 15 515 1 -3600", "15 15s a 1000000000 1" },
        { "a 30 2 1 22", "none" },
        /* (17 - 2) / 15 */
        { "a 45 17 1 22", "45 15s a 1000000000 1" } } },

    { "a restart that is fresh", 15, {
        { "a 0 500 1 -3600", "none" },
        { "a 15 515 1 -3600", "15 15s a 1000000000 1" },
        /* (3 - 0) / (30 - 18) */
        { "a 30 3 1 18", "30 12s a 250000000 1" } } },

    { "a restart at the very last point", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 9 6 1 0", "none" } } },

    { "a start a second before it is no restart, the counter went on", 15, {
        { "a 0 5 1 -3600", "none" },
        /* (5.8 - 5) / 8 = 0.1 */
        { "a 8 5.8 1 -1", "8 8s a 100000000 1" } } },

    { "a start that moves with each scrape is no restart", 15, {
        { "a 0 3600 1 -3600", "none" },
        { "a 15 3615 1 -3590", "15 15s a 1000000000 1" },
        { "a 30 3630 1 -3580", "30 15s a 1000000000 1" } } },

    { "a start that goes back: refused", 15, {
        { "a 0 3600 1 -3600", "none" },
        { "a 15 3615 1 -3601", "null" },
        { "a 30 3630 1 -3601", "30 15s a 1000000000 1" } } },

    { "no start at all works", 15, {
        { "a 0 5 1", "none" },
        { "a 15 6.5 1", "15 15s a 100000000 1" } } },

    { "a start that is lost is one that goes back", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1", "null" },
        { "a 30 8 1", "30 15s a 100000000 1" } } },

    { "a start that becomes known", 15, {
        { "a 0 5 1", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "a restart without start times is a decrease", 15, {
        { "a 0 500 1", "none" },
        { "a 15 2 1", "null" },
        { "a 30 17 1", "30 15s a 1000000000 1" } } },

    /* --- timestamps that do not grow ----------------------------------- */

    { "a repeated timestamp keeps the older point", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        /* (8 - 6.5) / 15 */
        { "a 30 8 2 -3600", "30 15s a 100000000 2" } } },

    { "a repeated timestamp with other values: the new ones", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        /* (8 - 5) / 15 = 0.2 */
        { "a 15 8 7 -3600", "15 15s a 200000000 7" } } },

    { "the first timestamp again is still one point", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "a node's repeated timestamp", 15, {
        { "node 0 5 1", "node none" },
        { "node 15 6.5 1", "node 15 15s node 100000000 1" },
        { "node 15 6.5 1", "node 15 15s node 100000000 1" } } },

    { "between the two points: served, and time goes back", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        /* (6 - 5) / 10 = 0.1 */
        { "a 10 6 1 -3600", "10 10s a 100000000 1" },
        /* and on from there: (8 - 6) / 20 */
        { "a 30 8 1 -3600", "30 20s a 100000000 1" } } },

    { "at the older point: both are gone", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "before the older point: both are gone", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a -15 3.5 1 -3600", "none" },
        /* (8 - 3.5) / 45 */
        { "a 30 8 1 -3600", "30 45s a 100000000 1" } } },

    { "a node's time that goes back", 15, {
        { "node 0 5 1", "node none" },
        { "node 15 6.5 1", "node 15 15s node 100000000 1" },
        { "node 10 6 1", "node 10 10s node 100000000 1" },
        { "node -1 4.9 1", "node none" },
        { "node 14 6.4 1", "node 14 15s node 100000000 1" } } },

    /* --- clock steps --------------------------------------------------- */

    { "the kubelet's clock jumps an hour ahead", 15, {
        { "a 0 5 1 -7200", "none" },
        { "a 15 6.5 1 -7200", "15 15s a 100000000 1" },
        /* 1.5 s in what seems to be 3615 s: 0.00041493775... */
        { "a 3630 8 1 -7200", "3630 3615s a 414937 1" },
        { "a 3645 9.5 1 -7200", "3645 15s a 100000000 1" } } },

    { "and an hour back", 15, {
        { "a 0 5 1 -7200", "none" },
        { "a 15 6.5 1 -7200", "15 15s a 100000000 1" },
        { "a -3570 8 1 -7200", "none" },
        { "a -3555 9.5 1 -7200", "-3555 15s a 100000000 1" } } },

    { "a container that started after what the clock now says", 15, {
        { "a 0 5 1 -60", "none" },
        { "a 15 6.5 1 -60", "15 15s a 100000000 1" },
        { "a -3570 8 1 -60", "none" },
        /* it seems to restart each time, until the clock has passed it */
        { "a -3555 9.5 1 -60", "none" },
        { "a -45 11 1 -60", "none" },
        { "a -30 12.5 1 -60", "-30 15s a 100000000 1" } } },

    /* --- decreases ----------------------------------------------------- */

    { "a counter that went back is refused, once", 15, {
        { "a 0 500 1 -3600", "none" },
        { "a 15 499.999999999 1 -3600", "null" },
        { "a 30 500.5 1 -3600", "30 15s a 33333333 1" } } },

    { "of two containers the other one is served", 15, {
        { "a 0 500 1 -3600; b 0 500 1 -3600", "none" },
        { "a 15 2 1 -3600; b 15 501.5 2 -3600", "15 15s b 100000000 2" } } },

    { "both went back", 15, {
        { "a 0 500 1 -3600; b 0 500 1 -3600", "none" },
        { "a 15 2 1 -3600; b 15 3 2 -3600", "null" } } },

    { "a node that is refused is not there", 15, {
        { "node 0 500 1", "node none" },
        { "node 15 499 1", "node none" },
        { "node 30 500.5 1", "node 30 15s node 100000000 1" } } },

    /* --- containers and pods that come and go -------------------------- */

    { "a new container hides its pod until it has two points", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a 30 8 1 -3600; b 30 1 1 27", "none" },
        { "a 45 9.5 1 -3600; b 45 2.5 2 27",
          "45 15s a 100000000 1 b 100000000 2" } } },

    { "one that is fresh does not", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; b 15 3 2 3", "15 15s a 100000000 1 "
                                          "b 250000000 2" } } },

    { "a new one whose timestamp repeats has one point", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; b 15 1 1 14", "none" },
        /* metrics-server: with a's points b has a rate since the year 1 */
        { "a 30 8 1 -3600; b 15 1 1 14", "none" },
        { "a 45 9.5 1 -3600; b 45 4 1 14",
          "45 15s a 100000000 1 b 100000000 1" } } },

    { "one that vanishes takes only its own points", 15, {
        { "a 0 5 1 -3600; b 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; b 15 6.5 1 -3600",
          "15 15s a 100000000 1 b 100000000 1" },
        { "b 30 8 1 -3600", "30 15s b 100000000 1" },
        /* back: it has one point */
        { "a 45 9.5 1 -3600; b 45 9.5 1 -3600", "none" },
        { "a 60 11 1 -3600; b 60 11 1 -3600",
          "60 15s a 100000000 1 b 100000000 1" } } },

    { "a pod that vanishes loses its points", 15, {
        { "a 0 5 1 -3600; q.a 0 5 1", "none" },
        { "a 15 6.5 1 -3600; q.a 15 5 1", "15 15s a 100000000 1" },
        { "q.a 30 5 1", "none" },
        { "a 45 8 1 -3600; q.a 45 5 1", "none" },
        { "a 60 9.5 1 -3600; q.a 60 5 1", "60 15s a 100000000 1" } } },

    { "an init container ends, the others begin", 15, {
        { "init 0 5 1 -12", "0 12s init 416666666 1" },
        { "init 15 6.5 1 -12", "15 15s init 100000000 1" },
        { "a 30 1 1 25; side 30 1 1 25", "none" },
        { "a 45 2.5 1 25; side 45 1 9 25",
          "45 15s a 100000000 1 side 0 9" } } },

    { "a sidecar runs beside the init container and after it", 15, {
        { "init 0 5 1 -12; side 0 3 1 -12",
          "0 12s init 416666666 1 side 250000000 1" },
        { "a 15 3 1 3; side 15 4.5 1 -12",
          "15 12s a 250000000 1 side 100000000 1" } } },

    { "the same name in two pods", 15, {
        { "a 0 5 1 -3600; q.a 0 500 1 -3600", "none" },
        { "q.a 15 515 1 -3600; a 15 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "a pod of another node is not this one's to tell of", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; far.a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "far.a 30 6.5 1 -3600", "none" } } },

    /* --- zeros, and what is missing ------------------------------------ */

    { "no cpu time yet: the pod is left out of that scrape", 15, {
        { "q.a 0 1 1; a 0 5 1 -3600; b 0 0 1 -3600", "none" },
        { "q.a 15 1 1; a 15 6.5 1 -3600; b 15 1 1 -3600", "none" },
        { "q.a 30 1 1; a 30 8 1 -3600; b 30 2.5 1 -3600",
          "30 15s a 100000000 1 b 100000000 1" },
        /* and loses its points */
        { "q.a 45 1 1; a 45 9.5 1 -3600; b 45 4 0 -3600", "none" },
        { "q.a 60 1 1; a 60 11 1 -3600; b 60 5.5 1 -3600", "none" } } },

    { "nothing else in the answer: a failed scrape, which loses none", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 0 1 -3600", "none" },
        /* (8 - 5) / 30 */
        { "a 30 8 1 -3600", "30 30s a 100000000 1" } } },

    { "no memory line, or no cpu line", 15, {
        { "a 0 5 1 -3600; q.a 0 1 1", "none" },
        { "a 15 6.5 - -3600; q.a 15 1 1", "none" },
        { "a 30 8 1 -3600; q.a 30 1 1", "none" },
        { "a 45 - 1 -3600; q.a 45 1 1", "none" },
        { "a 60 11 1 -3600; q.a 60 1 1", "none" },
        { "a 75 12.5 1 -3600; q.a 75 1 1", "75 15s a 100000000 1" } } },

    { "a container of which only the start is known", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; b 15 - - 14; q.a 15 1 1", "none" } } },

    { "less than a nanosecond, less than a byte are 0", 15, {
        { "a 0 5 1 -3600; b 0 0.0000000009 1; q.a 0 1 1", "none" },
        { "a 15 6.5 1 -3600; b 15 1 0.99; q.a 15 1 1", "none" },
        { "a 30 8 1 -3600", "none" } } },

    { "a node with cpu 0 is left out, its pods are not", 15, {
        { "node 0 0 1; a 0 5 1 -3600", "none" },
        { "node 15 0 1; a 15 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "a node with memory 0 loses its points", 15, {
        { "node 0 5 1; a 0 5 1", "node none" },
        { "node 15 6.5 1; a 15 6.5 1", "node 15 15s node 100000000 1" },
        { "node 30 8 0; a 30 8 1", "node none" },
        { "node 45 9.5 1; a 45 9.5 1", "node none" },
        { "node 60 11 1; a 60 11 1", "node 60 15s node 100000000 1" } } },

    /* --- times --------------------------------------------------------- */

    { "no timestamps: the time before the request, in milliseconds", 15, {
        { "@0.0004 a - 5 1 -3600", "none" },
        /* 15.0009 becomes 15; 1.5 / 15 */
        { "@15.0009 a - 6.5 1 -3600", "15 15s a 100000000 1" } } },

    { "the timestamps go when there were some", 15, {
        { "@0.5 a 0 5 1 -3600", "none" },
        /* (6.55 - 5) / 15.5 = 0.1 */
        { "@15.5 a - 6.55 1 -3600", "15.5 15.5s a 100000000 1" } } },

    { "the later time of cpu and memory", 15, {
        { "a -1/0 5 1 -3600", "none" },
        { "a 14/15 6.5 1 -3600", "15 15s a 100000000 1" },
        /* metrics-server: 20, that of the line which comes last */
        { "a 30/20 8 1 -3600", "30 15s a 100000000 1" } } },

    { "a time in one of the two lines alone", 15, {
        { "@0 a -/-10 5 1 -3600", "none" },
        /* metrics-server: 14, as above */
        { "@14 a 15/- 6.5 1 -3600", "15 15s a 100000000 1" } } },

    /* of several at that time the first by name; metrics-server: any */

    { "a pod's time and window are those of its earliest container", 15, {
        { "a 0 5 1 -3600; b 2 5 1 -3600; c 3 5 1 -3600", "none" },
        /* a 1.5 / 15, b 1 / 10, c 2.7 / 27 */
        { "a 15 6.5 1 -3600; b 12 6 1 -3600; c 30 7.7 1 -3600",
          "12 10s a 100000000 1 b 100000000 1 c 100000000 1" } } },

    { "of those that are served", 15, {
        { "a 0 5 1 -3600; b 2 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600; b 12 4 1 -3600", "15 15s a 100000000 1" } } },

    { "a fresh one among them", 60, {
        { "a 0 5 1 -3600", "none" },
        /* b: 6 / 12 */
        { "a 60 11 1 -3600; b 50 6 1 38",
          "50 12s a 100000000 1 b 500000000 1" } } },

    /*
     * --- what is broken ---------------------------------------------------
     *
     * metrics-server fails the scrape for a timestamp that is no number, takes
     * one that is out of range, and takes what no value is for some number.
     */

    { "a broken timestamp takes its series, so its pod, not the scrape", 15, {
        { "a 0 5 1 -3600; q.a 0 1 1", "none" },
        { "a 15 6.5 1 -3600; q.a '5x 1 1", "15 15s a 100000000 1" },
        { "a '1e3 8 1 -3600; q.a 30 1 1", "none" },
        { "a '-5 9.5 1 -3600; q.a 45 1 1", "none" },
        { "a 60 11 1 -3600; q.a 60 1 1", "none" },
        { "a 75/'99999999999999 12.5 1 -3600; q.a 75 1 1", "none" } } },

    { "a node's takes the node", 15, {
        { "node 0 5 1; a 0 5 1", "none" },
        { "node 'x 6.5 1; a 15 6.5 1", "15 15s a 100000000 1" } } },

    { "values that are none", 15, {
        { "a 0 5 1 -3600; q.a 0 1 1", "none" },
        { "a 15 NaN 1 -3600; q.a 15 1 1", "none" },
        { "a 30 8 1 -3600; q.a 30 1 1", "none" },
        { "a 45 +Inf 1 -3600; q.a 45 1 1", "none" },
        { "a 60 11 -1 -3600; q.a 60 1 1", "none" },
        { "a 75 1e308 1e308 -3600; q.a 75 1 1", "none" } } },

    /* metrics-server does not look at it */

    { "scrape_error 1 is a failed scrape: the last good one is served", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "a 30 8 1 -3600; error", "15 15s a 100000000 1" },
        /* (9.5 - 6.5) / 30 */
        { "a 45 9.5 1 -3600", "45 30s a 100000000 1" } } },

    { "until two resolutions after it", 15, {
        { "a 0 5 1 -3600", "none" },
        { "a 15 6.5 1 -3600", "15 15s a 100000000 1" },
        { "fails", "15 15s a 100000000 1" },
        { "fails", "15 15s a 100000000 1" },
        { "fails", "none" },
        /* its points are still there: (12.5 - 6.5) / 60 */
        { "a 75 12.5 1 -3600", "75 60s a 100000000 1" } } },

    /* --- 64 bits ------------------------------------------------------- */

    { "counters past 2^53 ns", 15, {
        /*
         * doubles are 2^-29 s (1.86 ns) apart there: 9007199.254740993 is
         * 9007199.25474099256..., * 1e9 = 9007199254740992.56, to a multiple
         * of 1 below 2^53 and of 2 above it: 9007199254740992
         */
        { "a 0 9007199.254740993 9007199254740993 -3600", "none" },
        /* 9007214254740992.74 becomes ...992, a multiple of 2; 15 s / 15 */
        { "a 15 9007214.254740993 9007199254740993 -3600",
          "15 15s a 1000000000 9007199254740992" } } },

    { "value * 1e9 in doubles, then cut", 15, {
        /* 1.1 * 1e9 = 1100000000.0000002, 4.35 * 1e9 = 4350000000 */
        { "a 0 1.1 1 -3600", "none" },
        { "a 15 4.35 1 -3600", "15 15s a 216666666 1" },
        /* 1.9999999999 * 1e9 = 1999999999.9: less than before */
        { "a 30 1.9999999999 1 -3600", "null" },
        /* 0.000000001 s: 2 - 1.999999999 */
        { "a 45 2 1 -3600", "45 15s a 0 1" } } },

    { "the largest rate", 15, {
        { "a 0 0.000000001 1 -3600", "none" },
        /*
         * 18446744073.7 is 18446744073.70000076..., * 1e9 =
         * 18446744073700000762.9, to a multiple of 2048:
         * 18446744073699999744; less 1 it is the same double; / 15 =
         * 1229782938246666649.6, to a multiple of 256: ...752
         */
        { "a 15 18446744073.7 18446744073709549568 -3600",
          "15 15s a 1229782938246666752 18446744073709549568" } } },

    /* metrics-server takes it for some number */

    { "more than 64 bits is no value", 15, {
        { "a 0 5 1 -3600; q.a 0 1 1", "none" },
        { "a 15 18446744073.71 1 -3600; q.a 15 1 1", "none" },
        { "a 30 8 18446744073709551616 -3600; q.a 30 1 1", "none" } } }
};


#endif /* _RATES_H_INCLUDED_ */
