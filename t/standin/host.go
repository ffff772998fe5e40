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
	hostPods  = 14
	hostTicks = 100 // USER_HZ on every Linux that Go runs on
)

type hostStat struct{ cpu, memory uint64 }

type process struct {
	pid    int
	comm   string
	cpu    uint64 // ns since it began
	memory uint64
	start  time.Time
	busy   uint64 // ns since the last look
}

func (w *world) addHost() {
	name, err := os.Hostname()
	if err != nil {
		name = "this-machine"
	}
	n := w.addNode(dnsName(name))
	s := readHost()
	n.host = &s
	w.changeHost(n, readProcesses())
}

var notDNS = regexp.MustCompile(`[^a-z0-9]+`)

func dnsName(s string) string {
	s = strings.Trim(notDNS.ReplaceAllString(strings.ToLower(s), "-"), "-")
	if s == "" {
		return "unnamed"
	}
	if len(s) > 50 {
		s = strings.Trim(s[:50], "-")
	}
	return s
}

func watchHost(w *world) {
	last := map[int]uint64{}
	for {
		procs := readProcesses()
		s := readHost()
		for i := range procs {
			if was, ok := last[procs[i].pid]; ok && procs[i].cpu > was {
				procs[i].busy = procs[i].cpu - was
			}
			last[procs[i].pid] = procs[i].cpu
		}
		w.mu.Lock()
		for _, n := range w.nodes {
			n.host = &s
			w.changeHost(n, procs)
		}
		w.mu.Unlock()
		time.Sleep(time.Second)
	}
}

// changeHost keeps the pods that still run and adds the busiest others while
// there is room: a pod has to live for some rounds to be seen.
func (w *world) changeHost(n *node, procs []process) {
	byName := map[string]process{}
	for _, p := range procs {
		byName[dnsName(p.comm)+"-"+strconv.Itoa(p.pid)] = p
	}
	kept := map[string]bool{}
	pods := make([]*pod, 0, hostPods)
	for _, x := range n.pods {
		p, ok := byName[x.name]
		if !ok {
			continue
		}
		y := *x
		y.containers = []container{hostContainer(p)}
		pods = append(pods, &y)
		kept[x.name] = true
	}
	for _, x := range append([]*pod(nil), n.pods...) {
		if !kept[x.name] {
			w.deletePod(x.namespace + "/" + x.name)
		}
	}
	n.pods = pods
	for _, x := range pods {
		w.pods[x.namespace+"/"+x.name] = x
	}
	sort.Slice(procs, func(i, j int) bool {
		if procs[i].busy != procs[j].busy {
			return procs[i].busy > procs[j].busy
		}
		return procs[i].cpu > procs[j].cpu
	})
	for _, p := range procs {
		name := dnsName(p.comm) + "-" + strconv.Itoa(p.pid)
		if len(n.pods) >= hostPods || kept[name] || p.memory == 0 || p.cpu == 0 {
			continue
		}
		w.put(&pod{namespace: "processes", name: name, node: n, phase: "Running", ready: true,
			labels: map[string]string{"comm": dnsName(p.comm)}, containers: []container{hostContainer(p)}})
	}
}

func hostContainer(p process) container {
	return container{name: dnsName(p.comm), fixed: p.cpu, memory: p.memory, start: p.start}
}

func readHost() hostStat {
	var s hostStat
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		f := strings.Fields(strings.SplitN(string(b), "\n", 2)[0])
		for i, v := range f {
			// user nice system idle iowait irq softirq steal
			if i == 0 || i == 4 || i == 5 || i > 8 {
				continue
			}
			t, _ := strconv.ParseUint(v, 10, 64)
			s.cpu += t * (1000000000 / hostTicks)
		}
	}
	m := memInfo()
	s.memory = m["MemTotal:"] - m["MemAvailable:"]
	return s
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

// boot is read once: start times must not move from one look to the next.
var boot = bootTime()

func bootTime() time.Time {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return time.Now()
	}
	up, _ := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	return time.Now().Add(-time.Duration(up * float64(time.Second)))
}

func readProcesses() []process {
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	page := uint64(os.Getpagesize())
	out := make([]process, 0, len(dirs))
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
		out = append(out, process{pid: pid, comm: string(b[open+1 : end]),
			cpu: (num(11) + num(12)) * (1000000000 / hostTicks), memory: num(21) * page,
			start: boot.Add(time.Duration(num(19)) * (time.Second / hostTicks))})
	}
	return out
}
