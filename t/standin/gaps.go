package main

import "time"

// gap is the longest time that a kubelet was not scraped, since counting began.
type gap struct {
	since    int64 // the last scrape, or when counting began, ns
	longest  int64 // ns
	troubled bool  // it failed, came or went meanwhile
}

func (g *gap) scraped(now int64) {
	if now-g.since > g.longest {
		g.longest = now - g.since
	}
	g.since = now
}

// forgetGaps begins the counting; the caller holds the lock.
func (w *world) forgetGaps() {
	now := time.Now().UnixNano()
	for name, k := range w.kubelets {
		k.gap = gap{since: now, troubled: k.fault != "" || w.node(name) == nil}
	}
}

// maxGapOf is the gaps in ms of the nodes that had no trouble, with the one
// that is open now; the caller holds the lock.
func (w *world) maxGapOf(now int64) map[string]int64 {
	out := make(map[string]int64, len(w.kubelets))
	for name, k := range w.kubelets {
		if k.gap.troubled {
			continue
		}
		g := k.gap
		g.scraped(now)
		out[name] = g.longest / int64(time.Millisecond)
	}
	return out
}
