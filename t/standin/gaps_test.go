package main

import (
	"net"
	"testing"
	"time"
)

func TestGaps(t *testing.T) {
	w := newWorld(&options{nodes: 4, namespaces: 1, keep: 100}, net.IPv4(127, 0, 0, 1).To4())
	at := w.kubelets["node-00000"].gap.since
	second := int64(time.Second)
	for _, s := range []int64{3, 10, 11} {
		w.kubelets["node-00000"].gap.scraped(at + s*second)
	}
	w.setFault(w.kubelets["node-00001"], "500")
	w.setFault(w.kubelets["node-00001"], "")
	w.deleteNode("node-00002")
	w.addNode("node-00002", 0)
	got := w.maxGapOf(at + 14*second)
	if len(got) != 2 || got["node-00000"] != 7000 || got["node-00003"] < 13000 {
		t.Fatalf("gaps: %v", got)
	}
	if got = w.maxGapOf(at + 31*second); got["node-00000"] != 20000 {
		t.Fatalf("the open gap counts: %v", got)
	}
	w.setFault(w.kubelets["node-00003"], "hang")
	w.forgetGaps()
	if got = w.maxGapOf(time.Now().UnixNano()); len(got) != 3 || got["node-00000"] > 1000 {
		t.Fatalf("counting began anew: %v", got)
	}
}
