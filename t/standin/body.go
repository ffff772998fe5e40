package main

import (
	"strconv"
	"time"
)

// The text at /metrics/resource, as client_golang writes it: families by name,
// labels by name, numbers as short as they can be.

type family struct{ name, help, kind string }

var (
	containerCPU    = family{"container_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the container in core-seconds", "counter"}
	containerMemory = family{"container_memory_working_set_bytes", "[STABLE] Current working set of the container in bytes", "gauge"}
	containerStart  = family{"container_start_time_seconds", "[STABLE] Start time of the container since unix epoch in seconds", "gauge"}
	containerLimit  = family{"container_swap_limit_bytes", "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems", "gauge"}
	containerSwap   = family{"container_swap_usage_bytes", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems", "gauge"}
	nodeCPU         = family{"node_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the node in core-seconds", "counter"}
	nodeMemory      = family{"node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", "gauge"}
	nodeSwap        = family{"node_swap_usage_bytes", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems", "gauge"}
	podCPUTotal     = family{"pod_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds", "counter"}
	podMemoryTotal  = family{"pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", "gauge"}
	podSwap         = family{"pod_swap_usage_bytes", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems", "gauge"}
	scrapeError     = family{"resource_scrape_error", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", "gauge"}
)

type text struct {
	b     []byte
	stamp []byte // with a blank before and a newline behind
	t     int64
	pods  []*pod
}

func (x *text) head(f *family) {
	x.b = append(x.b, "# HELP "...)
	x.b = append(x.b, f.name...)
	x.b = append(x.b, ' ')
	x.b = append(x.b, f.help...)
	x.b = append(x.b, "\n# TYPE "...)
	x.b = append(x.b, f.name...)
	x.b = append(x.b, ' ')
	x.b = append(x.b, f.kind...)
	x.b = append(x.b, '\n')
}

func (x *text) labels(f *family, p *pod, c *container) {
	x.b = append(x.b, f.name...)
	x.b = append(x.b, '{')
	if c != nil {
		x.b = append(x.b, `container="`...)
		x.b = append(x.b, c.name...)
		x.b = append(x.b, `",`...)
	}
	x.b = append(x.b, `namespace="`...)
	x.b = append(x.b, p.m.namespace...)
	x.b = append(x.b, `",pod="`...)
	x.b = append(x.b, p.m.name...)
	x.b = append(x.b, `"} `...)
}

func (x *text) number(v float64) { x.b = strconv.AppendFloat(x.b, v, 'g', -1, 64) }

func (x *text) seconds(ns uint64) { x.number(float64(ns) / 1e9) }

func (x *text) end() { x.b = append(x.b, x.stamp...) }

// each writes a family: a line for each container that has begun.
func (x *text) each(f *family, line func(c *container)) {
	x.head(f)
	for _, p := range x.pods {
		for j := range p.containers {
			if c := &p.containers[j]; c.start <= x.t {
				x.labels(f, p, c)
				line(c)
			}
		}
	}
}

func (k *kubelets) body(b []byte, n *kubelet, fault string, now time.Time) []byte {
	k.w.mu.RLock()
	pods, use := n.pods, n.use
	t := k.w.stamp(n, now.UnixNano())
	k.w.mu.RUnlock()

	x := text{b: b, t: t, pods: pods}
	var stamp [32]byte
	x.stamp = append(strconv.AppendInt(append(stamp[:0], ' '), t/int64(time.Millisecond), 10), '\n')
	full := k.o.full

	x.each(&containerCPU, func(c *container) {
		ns, _ := c.use.at(t)
		x.seconds(ns)
		x.end()
	})
	x.each(&containerMemory, func(c *container) {
		_, m := c.use.at(t)
		x.number(float64(m))
		x.end()
	})
	x.each(&containerStart, func(c *container) {
		x.number(float64(c.start) / 1e9)
		x.b = append(x.b, '\n')
	})
	if full {
		zero := func(*container) { x.b = append(x.b, '0'); x.end() }
		x.each(&containerLimit, zero)
		x.each(&containerSwap, zero)
	}
	cpu, memory := use.at(t)
	x.head(&nodeCPU)
	x.b = append(append(x.b, nodeCPU.name...), ' ')
	x.seconds(cpu)
	x.end()
	x.head(&nodeMemory)
	x.b = append(append(x.b, nodeMemory.name...), ' ')
	x.number(float64(memory))
	x.end()
	if full {
		x.head(&nodeSwap)
		x.b = append(append(x.b, nodeSwap.name...), " 0"...)
		x.end()
		x.sums()
	}
	x.head(&scrapeError)
	x.b = append(x.b, scrapeError.name...)
	if fault == "scrape_error" {
		x.b = append(x.b, " 1\n"...)
	} else {
		x.b = append(x.b, " 0\n"...)
	}
	return x.b
}

// sums is what a kubelet says of whole pods, which nobody here reads.
func (x *text) sums() {
	for _, f := range []*family{&podCPUTotal, &podMemoryTotal, &podSwap} {
		x.head(f)
		for _, p := range x.pods {
			var cpu, memory uint64
			for i := range p.containers {
				ns, m := p.containers[i].use.at(x.t)
				cpu += ns
				memory += m
			}
			x.labels(f, p, nil)
			switch f {
			case &podCPUTotal:
				x.seconds(cpu)
			case &podMemoryTotal:
				x.number(float64(memory))
			default:
				x.b = append(x.b, '0')
			}
			x.end()
		}
	}
}
