package main

import (
	"encoding/json"
	"time"
)

// The JSON at /stats/summary?only_cpu_and_memory=true, indented as go-restful
// does.  Times have nanoseconds here; a real kubelet's are whole seconds.

const statsPath = "/stats/summary?only_cpu_and_memory=true"

const head200JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

type cpuStats struct {
	Time           string `json:"time"`
	UsageNanoCores uint64 `json:"usageNanoCores"`
	UsageCoreNanos uint64 `json:"usageCoreNanoSeconds"`
}

type memoryStats struct {
	Time       string `json:"time"`
	Usage      uint64 `json:"usageBytes"`
	WorkingSet uint64 `json:"workingSetBytes"`
	RSS        uint64 `json:"rssBytes"`
	Faults     uint64 `json:"pageFaults"`
}

type containerStats struct {
	Name   string       `json:"name"`
	Start  string       `json:"startTime"`
	CPU    *cpuStats    `json:"cpu,omitempty"`
	Memory *memoryStats `json:"memory,omitempty"`
}

type podRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
}

type podStats struct {
	Ref        podRef           `json:"podRef"`
	Start      string           `json:"startTime"`
	Containers []containerStats `json:"containers"`
	CPU        *cpuStats        `json:"cpu,omitempty"`
	Memory     *memoryStats     `json:"memory,omitempty"`
}

type nodeStats struct {
	Name   string           `json:"nodeName"`
	System []containerStats `json:"systemContainers,omitempty"`
	Start  string           `json:"startTime"`
	CPU    *cpuStats        `json:"cpu,omitempty"`
	Memory *memoryStats     `json:"memory,omitempty"`
}

type summary struct {
	Node nodeStats  `json:"node"`
	Pods []podStats `json:"pods"`
}

func rfc3339(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func usageStats(u *usage, t int64) (*cpuStats, *memoryStats) {
	cpu, memory := u.at(t)
	stamp := rfc3339(t)
	return &cpuStats{stamp, u.cpu, cpu}, &memoryStats{stamp, memory + 4096, memory, memory / 2, 17}
}

// noPath: the kubelet has nothing there.
func noPath(fault string, stats bool) bool {
	return fault == "nostats" || !stats && (fault == "noresource" || fault == "403stats" || fault == "badstats")
}

func (k *kubelets) summary(b []byte, n *kubelet, fault string, now time.Time) []byte {
	k.w.mu.RLock()
	pods, use := n.pods, n.use
	t := k.w.stamp(n, now.UnixNano())
	k.w.mu.RUnlock()

	s := summary{Node: nodeStats{Name: n.name, Start: rfc3339(k.w.start)}, Pods: []podStats{}}
	s.Node.CPU, s.Node.Memory = usageStats(&use, t)
	s.Node.System = []containerStats{{Name: "kubelet", Start: s.Node.Start, CPU: s.Node.CPU, Memory: s.Node.Memory}}
	for _, p := range pods {
		x := podStats{Ref: podRef{p.m.name, p.m.namespace, "uid"}, Start: s.Node.Start, Containers: []containerStats{}}
		for j := range p.containers {
			if c := &p.containers[j]; c.start <= t {
				y := containerStats{Name: c.name, Start: rfc3339(c.start)}
				y.CPU, y.Memory = usageStats(&c.use, t)
				x.Containers = append(x.Containers, y)
			}
		}
		s.Pods = append(s.Pods, x)
	}
	text, err := json.MarshalIndent(&s, "", " ")
	if err != nil {
		return b
	}
	if fault == "badstats" {
		text = text[:len(text)/2]
	}
	return append(b, text...)
}
