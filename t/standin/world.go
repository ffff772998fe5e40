package main

import (
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// World is the truth: what the API server lists and the kubelets measure.
// The rate of a container is constant, so that what a client has to see can
// be computed from its names (README.md).
type world struct {
	mu       sync.Mutex
	o        *options
	first    net.IP
	start    time.Time
	version  uint64
	oldest   uint64 // versions up to this one are gone from the history
	nodes    map[string]*node
	byIP     map[string]*node
	pods     map[string]*pod // namespace/name
	history  []event
	changed  chan struct{} // closed at each event
	settings map[string]string
	setVer   uint64
}

type node struct {
	name    string
	ip      net.IP
	labels  map[string]string
	path    string // annotation
	ready   bool
	version uint64
	cpu     uint64 // nanocores
	memory  uint64
	pods    []*pod
	index   int
	host    *hostStat
	// cadence: the last refresh of the samples
	period, phase time.Duration
}

type pod struct {
	namespace, name string
	labels          map[string]string
	node            *node
	phase           string
	ready           bool
	version         uint64
	containers      []container
}

type container struct {
	name   string
	cpu    uint64 // nanocores
	memory uint64
	start  time.Time
	fixed  uint64 // cumulative ns of -host; cpu is not used then
}

type event struct {
	version uint64
	kind    string // nodes, pods
	what    string // ADDED, MODIFIED, DELETED
	object  interface{}
	running bool // a pod's phase is Running
	was     bool // and was it before
}

const keepEvents = 20000

func newWorld(o *options, first net.IP) *world {
	w := &world{o: o, first: first, start: time.Now().Add(-time.Hour), version: 1000,
		nodes: map[string]*node{}, byIP: map[string]*node{}, pods: map[string]*pod{},
		changed: make(chan struct{}), settings: map[string]string{}, setVer: 1}
	if o.host {
		w.addHost()
		return w
	}
	for i := 0; i < o.nodes; i++ {
		n := w.addNode(fmt.Sprintf("node-%05d", i))
		for p := 0; p < o.pods; p++ {
			w.addPod(n, p)
		}
	}
	return w
}

func offsetIP(ip net.IP, n int) net.IP {
	v := uint32(ip[0])<<24 | uint32(ip[1])<<16 | uint32(ip[2])<<8 | uint32(ip[3])
	v += uint32(n)
	return net.IPv4(byte(v>>24), byte(v>>16), byte(v>>8), byte(v)).To4()
}

// bump is a new version; the caller holds the lock.
func (w *world) bump(kind, what string, object interface{}, was, running bool) uint64 {
	w.version++
	w.history = append(w.history, event{w.version, kind, what, object, running, was})
	if len(w.history) > keepEvents {
		n := len(w.history) - keepEvents/2
		w.oldest = w.history[n-1].version
		w.history = append([]event(nil), w.history[n:]...)
	}
	close(w.changed)
	w.changed = make(chan struct{})
	return w.version
}

func (w *world) addNode(name string) *node {
	i := len(w.nodes)
	if s := strings.TrimPrefix(name, "node-"); s != name {
		if v, err := strconv.Atoi(s); err == nil {
			i = v
		}
	}
	n := &node{name: name, ip: offsetIP(w.first, i), ready: true, index: i,
		labels: map[string]string{"kubernetes.io/os": "linux", "zone": "z" + strconv.Itoa(i%3)},
		cpu:    uint64(50+i%100) * 1000000, memory: uint64(128+8*(i%64)) << 20,
		period: 10*time.Second + time.Duration(i*997%5000)*time.Millisecond,
		phase:  time.Duration(i*1777%15000) * time.Millisecond}
	w.nodes[name] = n
	w.byIP[n.ip.String()] = n
	n.version = w.bump("nodes", "ADDED", n, false, true)
	return n
}

// addPod is the pod number p of a node: its rates follow from both numbers.
func (w *world) addPod(n *node, p int) *pod {
	ns := p % w.o.namespaces
	x := &pod{namespace: fmt.Sprintf("ns-%02d", ns), name: fmt.Sprintf("app-%05d-%03d", n.index, p), node: n,
		phase: "Running", ready: true,
		labels: map[string]string{"app": fmt.Sprintf("app-%02d", p%10), "pod-template-hash": "5d4f8c7b9"}}
	for c := 0; c < w.o.containers; c++ {
		x.containers = append(x.containers, container{name: "c" + strconv.Itoa(c),
			cpu:    uint64(1+(n.index*7+p*8+c)%200) * 1000000,
			memory: uint64(8+(n.index+p+c)%64) << 20, start: w.start})
	}
	w.put(x)
	return x
}

func (w *world) put(x *pod) {
	w.pods[x.namespace+"/"+x.name] = x
	x.node.pods = append(x.node.pods, x)
	x.version = w.bump("pods", "ADDED", x, false, x.phase == "Running")
}

func (w *world) deletePod(key string) bool {
	x := w.pods[key]
	if x == nil {
		return false
	}
	delete(w.pods, key)
	for i, y := range x.node.pods {
		if y == x {
			// kubelets read the slice without the lock: never in place
			x.node.pods = append(append([]*pod(nil), x.node.pods[:i]...), x.node.pods[i+1:]...)
			break
		}
	}
	gone := *x
	gone.version = w.version + 1
	w.bump("pods", "DELETED", &gone, x.phase == "Running", false)
	return true
}

func (w *world) deleteNode(name string) bool {
	n := w.nodes[name]
	if n == nil {
		return false
	}
	for _, x := range append([]*pod(nil), n.pods...) {
		w.deletePod(x.namespace + "/" + x.name)
	}
	delete(w.nodes, name)
	gone := *n
	gone.version = w.version + 1
	w.bump("nodes", "DELETED", &gone, true, false)
	return true
}

func (w *world) sortedNodes() []*node {
	out := make([]*node, 0, len(w.nodes))
	for _, n := range w.nodes {
		out = append(out, n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

func (w *world) sortedPods() []*pod {
	out := make([]*pod, 0, len(w.pods))
	for _, p := range w.pods {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].namespace != out[j].namespace {
			return out[i].namespace < out[j].namespace
		}
		return out[i].name < out[j].name
	})
	return out
}

// sampled is the time that a sample taken now carries.
func (w *world) sampled(n *node, now time.Time) time.Time {
	if w.o.stamp != "cadence" {
		return now
	}
	since := now.Sub(w.start) - n.phase
	return w.start.Add(n.phase + since/n.period*n.period)
}
