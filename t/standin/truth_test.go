package main

import (
	"math"
	"net"
	"testing"
	"time"
)

// rate is as metrics-server computes it from two values in seconds.
func rate(a, b float64, window time.Duration) float64 {
	delta := uint64(b*1e9) - uint64(a*1e9)
	return float64(uint64(float64(delta) / window.Seconds()))
}

func TestRateIsTheTruth(t *testing.T) {
	for _, cpu := range []uint64{podCPU(0, 0, 0), podCPU(7, 3, 0), podCPU(14999, 29, 1), 1234567891} {
		start := time.Now().UnixMilli() * 1e6
		u := usage{cpu: cpu, cpuWas: cpu, since: start}
		for _, age := range []time.Duration{time.Hour, 48 * time.Hour} {
			for _, window := range []time.Duration{10 * time.Second, 14845 * time.Millisecond, time.Minute} {
				a, _ := u.at(start + int64(age))
				b, _ := u.at(start + int64(age+window))
				got := rate(float64(a)/1e9, float64(b)/1e9, window)
				if e := math.Abs(got-float64(cpu)) / float64(cpu); e > 1e-6 {
					t.Errorf("rate %d at %v over %v: %.0f, off by %g", cpu, age, window, got, e)
				}
			}
		}
	}
}

// What metrics-server was recorded to say of the same names.
func TestRecorded(t *testing.T) {
	w := newWorld(&options{nodes: 8, pods: 30, containers: 1, namespaces: 10, keep: 100, stamp: "scrape"}, net.IPv4(127, 0, 0, 1).To4())
	x := w.pod("ns-03/app-00007-003")
	if x == nil || x.m.labels["app"] != "app-03" || x.node != "node-00007" {
		t.Fatalf("pod %+v", x)
	}
	if c := x.containers[0]; c.name != "c0" || c.use.cpu != 59000000 || c.use.memory != 30<<20 {
		t.Errorf("container %+v", c)
	}
	if k := w.kubelets["node-00001"]; k.use.cpu != 1545000000 || k.use.memory != 2445<<20 {
		t.Errorf("node-00001 has %d and %d", k.use.cpu, k.use.memory>>20)
	}
	w = newWorld(&options{nodes: 2, pods: 4, containers: 2, namespaces: 10, keep: 100}, net.IPv4(127, 0, 0, 1).To4())
	if k := w.kubelets["node-00001"]; k.use.cpu != 104000000 || k.use.memory != 136<<20 {
		t.Errorf("two containers: node-00001 has %d and %d", k.use.cpu, k.use.memory>>20)
	}
}

func TestChangedRateGoesOn(t *testing.T) {
	u := usage{cpu: 1e9, cpuWas: 1e9, memory: 5, memoryWas: 5}
	u = u.change(int64(10*time.Second), 3e9, 7)
	for _, x := range []struct{ at, cpu, memory uint64 }{{8, 8, 5}, {10, 10, 7}, {12, 16, 7}} {
		cpu, memory := u.at(int64(x.at) * 1e9)
		if cpu != x.cpu*1e9 || memory != x.memory {
			t.Errorf("at %d s: %d, %d", x.at, cpu, memory)
		}
	}
}

func TestCadence(t *testing.T) {
	w := newWorld(&options{nodes: 50, pods: 1, containers: 1, namespaces: 1, keep: 100, stamp: "cadence", seed: 1}, net.IPv4(127, 0, 0, 1).To4())
	seen := map[int64]bool{}
	for _, k := range w.kubelets {
		if k.interval < 10*time.Second || k.interval >= 15*time.Second {
			t.Errorf("%s: interval %v", k.name, k.interval)
		}
		now := w.start + int64(2*time.Hour)
		s := w.stamp(k, now)
		if age := now - s; age < 0 || age >= int64(k.interval) {
			t.Errorf("%s: a sample of age %v at an interval of %v", k.name, time.Duration(age), k.interval)
		}
		if next := w.stamp(k, s+int64(k.interval)); next != s+int64(k.interval) || w.stamp(k, next-1) != s {
			t.Errorf("%s: %d is followed by %d", k.name, s, next)
		}
		seen[s] = true
	}
	if len(seen) < 40 {
		t.Errorf("50 nodes have %d phases", len(seen))
	}
}

func TestPagesAndHistory(t *testing.T) {
	w := newWorld(&options{nodes: 3, pods: 2, containers: 1, namespaces: 2, keep: 10}, net.IPv4(127, 0, 0, 1).To4())
	before := w.list("pods")
	v := w.version
	w.deletePod("ns-00/app-00000-000")
	if n := len(w.list("pods").items); n != 5 || len(before.items) != 6 {
		t.Errorf("%d pods after, %d before a deletion", n, len(before.items))
	}
	e := w.since(v)
	if len(e) != 1 || e[0].now != nil || e[0].old.meta().name != "app-00000-000" || e[0].version <= v {
		t.Errorf("events %+v", e)
	}
	f := filter{fields: []term{{"status.phase", "=", "Running"}}}
	if !f.takes(e[0].old) || f.takes(nil) {
		t.Error("the filter takes the wrong ones")
	}
	for i := 0; i < 20; i++ {
		w.addNode("node-00001", 0)
	}
	if w.oldest <= v || len(w.history) > 10 {
		t.Errorf("oldest %d, %d events kept", w.oldest-v, len(w.history))
	}
}
