package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// -host: a cluster of one node, this machine, whose pods are its busiest
// processes.

const (
	hostMin   = 12          // pods, if there are as many processes
	hostMax   = 20          // pods
	hostStay  = time.Minute // a pod stays for this time after it was busy
	hostEvery = time.Second
	hostTick  = uint64(time.Second) / 100 // USER_HZ on every Linux that Go runs on
)

type process struct {
	pid       int
	comm      string
	namespace string
	cpu       uint64 // ns since it began
	memory    uint64
	start     int64 // ns
	busy      float64
	seen      time.Time // when it was last among the busiest
}

func (p *process) name() string { return dnsName(p.comm) + "-" + strconv.Itoa(p.pid) }

// hostWatcher remembers the processes from look to look.
type hostWatcher struct {
	w    *world
	k    *kubelet
	boot int64 // ns
	last map[string]*process
}

func (w *world) addHost() {
	name, err := os.Hostname()
	if err != nil {
		name = "this-machine"
	}
	n := w.addNode(dnsName(name), 0)
	h := &hostWatcher{w: w, k: n.kubelet, boot: bootTime(), last: map[string]*process{}}
	h.look(time.Now())
	w.hosted = h
}

func watchHost(w *world) {
	for now := range time.Tick(hostEvery) {
		w.hosted.look(now)
	}
}

// look measures, and changes the pods.  At the start nothing else runs yet;
// later the lock is held for the change alone.
func (h *hostWatcher) look(now time.Time) {
	at := now.UnixMilli() * int64(time.Millisecond)
	procs := map[string]*process{}
	for _, p := range h.processes() {
		key := p.name()
		if old := h.last[key]; old != nil && old.cpu <= p.cpu {
			p.seen = old.seen
			p.namespace = old.namespace
			// over some seconds, so that one look does not decide
			p.busy = old.busy*0.8 + 0.2*float64(p.cpu-old.cpu)
		} else {
			p.namespace = namespaceOf(p.pid)
		}
		procs[key] = p
	}
	cpu, memory := readHost()
	if cpu == 0 { // where /proc/stat counts nothing
		for _, p := range procs {
			cpu += p.cpu
		}
	}
	h.last = procs

	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.k.sampled = at
	h.k.use = usage{0, 0, memory, memory, cpu, at}
	h.change(choose(procs, h.k.pods, now), at)
}

// choose is the pods to be: the busiest, those that were so lately, and others
// by their age's CPU until there are enough.
func choose(procs map[string]*process, have []*pod, now time.Time) map[string]*process {
	order := make([]*process, 0, len(procs))
	for _, p := range procs {
		if p.cpu > 0 && p.memory > 0 {
			order = append(order, p)
		}
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		if a.busy != b.busy {
			return a.busy > b.busy
		}
		if a.cpu != b.cpu {
			return a.cpu > b.cpu
		}
		return a.pid < b.pid
	})
	for i, p := range order {
		if i < hostMin && p.busy > 1e5 {
			p.seen = now
		}
	}
	is := map[string]bool{}
	for _, x := range have {
		is[x.m.name] = true
	}
	out := map[string]*process{}
	take := func(when func(p *process) bool, max int) {
		for _, p := range order {
			if len(out) < max && when(p) {
				out[p.name()] = p
			}
		}
	}
	take(func(p *process) bool { return is[p.name()] && now.Sub(p.seen) < hostStay }, hostMax)
	take(func(p *process) bool { return p.seen.Equal(now) }, hostMax)
	take(func(p *process) bool { return is[p.name()] }, hostMin)
	take(func(p *process) bool { return true }, hostMin)
	return out
}

// change makes the world's pods those: what goes and what comes is an event,
// what is measured again is none.  The caller holds the lock.
func (h *hostWatcher) change(want map[string]*process, at int64) {
	pods := make([]*pod, 0, len(want))
	for _, x := range h.k.pods {
		p := want[x.m.name]
		if p == nil {
			h.w.set("pods", objectKey(x.m.namespace, x.m.name), nil)
			continue
		}
		y := *x
		y.containers = []container{p.container(at)}
		h.w.kinds["pods"][objectKey(y.m.namespace, y.m.name)] = &y
		pods = append(pods, &y)
		delete(want, x.m.name)
	}
	h.k.pods = pods
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		p := want[name]
		x := &pod{node: h.k.name, phase: "Running", ready: true, containers: []container{p.container(at)}}
		x.m = metadata{kind: "Pod", namespace: p.namespace, name: name, labels: map[string]string{"comm": dnsName(p.comm)}}
		h.w.putPod(x)
	}
}

func (p *process) container(at int64) container {
	return container{dnsName(p.comm), p.start, usage{0, 0, p.memory, p.memory, p.cpu, at}}
}

var notDNS = regexp.MustCompile(`[^a-z0-9]+`)

// dnsName is a text as an RFC 1123 label, short enough for a pid behind it.
func dnsName(s string) string {
	s = strings.Trim(notDNS.ReplaceAllString(strings.ToLower(s), "-"), "-")
	if len(s) > 50 {
		s = strings.Trim(s[:50], "-")
	}
	if s == "" {
		return "unnamed"
	}
	return s
}

// namespaceOf is the last slice of a process' cgroup, where it has one.
func namespaceOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return "processes"
	}
	name := "processes"
	for _, part := range strings.FieldsFunc(string(b), func(r rune) bool { return r == '/' || r == '\n' || r == ':' }) {
		if strings.HasSuffix(part, ".slice") && part != "-.slice" {
			name = dnsName(part)
		}
	}
	return name
}

// readHost is the machine's CPU (ns that were not idle) and memory in use.
func readHost() (cpu, memory uint64) {
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		for i, v := range strings.Fields(strings.SplitN(string(b), "\n", 2)[0]) {
			// cpu user nice system idle iowait irq softirq steal
			if i == 0 || i == 4 || i == 5 || i > 7 {
				continue
			}
			t, _ := strconv.ParseUint(v, 10, 64)
			cpu += t * hostTick
		}
	}
	m := memInfo()
	return cpu, m["MemTotal:"] - m["MemAvailable:"]
}

func memTotal() uint64 { return memInfo()["MemTotal:"] }

// memInfo is /proc/meminfo in bytes.
func memInfo() map[string]uint64 {
	m := map[string]uint64{}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m
	}
	for _, l := range strings.Split(string(b), "\n") {
		var k string
		var v uint64
		if n, _ := fmt.Sscanf(l, "%s %d", &k, &v); n == 2 {
			m[k] = v << 10
		}
	}
	return m
}

func bootTime() int64 {
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(l, "btime ") {
				s, _ := strconv.ParseInt(strings.TrimSpace(l[6:]), 10, 64)
				return s * int64(time.Second)
			}
		}
	}
	return time.Now().UnixNano()
}

func (h *hostWatcher) processes() []*process {
	dirs, _ := filepath.Glob("/proc/[0-9]*/stat")
	page := uint64(os.Getpagesize())
	out := make([]*process, 0, len(dirs))
	for _, d := range dirs {
		b, err := os.ReadFile(d)
		if err != nil {
			continue
		}
		// pid (comm) state ...: a comm may hold anything
		open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if open < 0 || end < open {
			continue
		}
		f := strings.Fields(string(b[end+1:]))
		if len(f) < 22 {
			continue
		}
		num := func(i int) uint64 { v, _ := strconv.ParseUint(f[i], 10, 64); return v }
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:open])))
		out = append(out, &process{pid: pid, comm: string(b[open+1 : end]),
			cpu: (num(11) + num(12)) * hostTick, memory: num(21) * page,
			start: h.boot + int64(num(19)*hostTick)})
	}
	return out
}
