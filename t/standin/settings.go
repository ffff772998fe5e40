package main

import (
	"fmt"
	"net/http"
	"time"
)

// The control calls that are about the API server, and those that only ask.

func (c *control) apiServer(body []byte, r *http.Request) (interface{}, error) {
	var in struct {
		apiFault
		NoStreamingList *bool `json:"noStreamingList"`
		Forget          bool  `json:"forget"`
		BookmarkMillis  int   `json:"bookmarkMillis"`
		SlowMillis      int   `json:"slowMillis"`
	}
	in.Fault = "-"
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	a := c.api
	a.mu.Lock()
	if in.NoStreamingList != nil {
		a.noStream = *in.NoStreamingList
	}
	if in.BookmarkMillis > 0 {
		a.bookmark = time.Duration(in.BookmarkMillis) * time.Millisecond
	}
	if in.SlowMillis > 0 {
		a.delay = time.Duration(in.SlowMillis) * time.Millisecond
	}
	a.mu.Unlock()
	if in.Forget {
		c.w.mu.Lock()
		c.w.forget()
		c.w.mu.Unlock()
	}
	switch {
	case in.Fault == "-":
	case !apiFaults[in.Fault]:
		return nil, fmt.Errorf("unknown fault %q", in.Fault)
	case in.Fault == "down":
		a.down()
	case in.Fault == "":
		c.f.clear(in.For)
		if in.For == "" {
			return nil, a.up()
		}
	default:
		c.f.mu.Lock()
		c.f.api = append(c.f.api, in.apiFault)
		c.f.mu.Unlock()
	}
	return nil, nil
}

// clear ends the faults for a part, or all.
func (f *faults) clear(part string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left []apiFault
	for _, a := range f.api {
		if part != "" && a.For != part {
			left = append(left, a)
		}
	}
	f.api = left
}

func (c *control) configMap(body []byte, r *http.Request) (interface{}, error) {
	in := map[string]*string{}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if r.Method == http.MethodDelete {
		if c.w.kinds["configmaps"][authConfigMap] == nil {
			return nil, notFound("config map")
		}
		c.w.set("configmaps", authConfigMap, nil)
		return nil, nil
	}
	next := &configMap{data: map[string]string{}}
	next.m = metadata{kind: "ConfigMap", namespace: "kube-system", name: "extension-apiserver-authentication"}
	if old, ok := c.w.kinds["configmaps"][authConfigMap].(*configMap); ok {
		for k, v := range old.data {
			next.data[k] = v
		}
	}
	for k, v := range in {
		if v == nil {
			delete(next.data, k)
		} else {
			next.data[k] = *v
		}
	}
	c.w.set("configmaps", authConfigMap, next)
	return nil, nil
}

func (c *control) rules(body []byte, r *http.Request) (interface{}, error) {
	var in struct {
		Rules  []rule `json:"rules"`
		Reason string `json:"reason"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	c.f.mu.Lock()
	c.f.rules, c.f.reason = in.Rules, in.Reason
	c.f.mu.Unlock()
	return nil, nil
}

func (c *control) tokens(body []byte, r *http.Request) (interface{}, error) {
	in := map[string]tokenUser{}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	c.f.mu.Lock()
	c.f.tokens = in
	c.f.mu.Unlock()
	return nil, nil
}

// token rotates the service account's token, files included.
func (c *control) token(body []byte, r *http.Request) (interface{}, error) {
	var in struct{ Token string }
	if len(body) > 0 {
		if err := decode(body, &in); err != nil {
			return nil, err
		}
	}
	return nil, c.p.rotate(in.Token)
}

func (c *control) cut([]byte, *http.Request) (interface{}, error) {
	c.api.cutWatches()
	return nil, nil
}

// stats tells what was counted; POST or ?reset=1 starts anew after it.
func (c *control) stats(_ []byte, r *http.Request) (interface{}, error) {
	reset := r.Method == http.MethodPost || r.URL.Query().Get("reset") == "1"
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	s := c.f.stats
	s.PerNode, s.LastOf, s.RefusedOf = map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, m := range []*map[string]int64{&s.ListsOf, &s.WatchesOf, &s.Paths, &s.Clients, &s.Names, &s.Hosts} {
		was := *m
		*m = make(map[string]int64, len(was))
		for k, v := range was {
			(*m)[k] = v
		}
	}
	s.MaxGapOf = c.w.maxGapOf(time.Now().UnixNano())
	for name, k := range c.w.kubelets {
		if k.refused > 0 {
			s.RefusedOf[name] = k.refused
		}
		if k.scrapes == 0 {
			continue
		}
		s.PerNode[name] = k.scrapes
		s.LastOf[name] = k.recent[len(k.recent)-1] / int64(time.Millisecond)
		if k.maxWindow > s.MaxWindow {
			s.MaxWindow = k.maxWindow
		}
	}
	if reset {
		for _, k := range c.w.kubelets {
			k.scrapes, k.refused, k.maxWindow, k.recent = 0, 0, 0, nil
		}
		c.w.forgetGaps()
		watches := c.f.stats.WatchesOf
		c.f.stats = newStats()
		c.f.stats.Connections, c.f.stats.WatchesOpen, c.f.stats.WatchesOf = s.Connections, s.WatchesOpen, watches
		c.f.stats.ProxiedNow = s.ProxiedNow
		c.f.requests, c.f.reviews = nil, nil
	}
	return s, nil
}

func (c *control) reviews([]byte, *http.Request) (interface{}, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return append([]map[string]interface{}{}, c.f.reviews...), nil
}

// asked is the last review's bytes, as they came.
func (c *control) asked([]byte, *http.Request) (interface{}, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return map[string]string{"asked": string(c.f.asked)}, nil
}

func (c *control) requests([]byte, *http.Request) (interface{}, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return append([]requestLine{}, c.f.requests...), nil
}

type truthUsage struct {
	Name   string  `json:"name"`
	CPU    uint64  `json:"cpuNanocores"`
	Memory uint64  `json:"memoryBytes"`
	Start  float64 `json:"start,omitempty"`
}

type truthObject struct {
	Namespace  string            `json:"namespace,omitempty"`
	Name       string            `json:"name"`
	Node       string            `json:"node,omitempty"`
	Ready      bool              `json:"ready"`
	Labels     map[string]string `json:"labels"`
	Containers []truthUsage      `json:"containers"`
}

// truth is what a client has to see, if all is well.
func (c *control) truth(_ []byte, r *http.Request) (interface{}, error) {
	kind, namespace := r.URL.Query().Get("kind"), r.URL.Query().Get("namespace")
	if kind != "nodes" && kind != "pods" {
		return nil, fmt.Errorf("kind %q is neither nodes nor pods", kind)
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	out := []truthObject{}
	for _, x := range c.w.list(kind).items {
		m := x.meta()
		t := truthObject{Namespace: m.namespace, Name: m.name, Labels: m.labels}
		if n, ok := x.(*node); ok {
			t.Ready = n.ready
			t.Containers = []truthUsage{{"", n.kubelet.use.cpu, n.kubelet.use.memory, 0}}
			out = append(out, t)
			continue
		}
		p := c.w.pod(objectKey(m.namespace, m.name))
		if p == nil || p.phase != "Running" || namespace != "" && namespace != m.namespace {
			continue
		}
		t.Node, t.Ready = p.node, p.ready
		for _, k := range p.containers {
			t.Containers = append(t.Containers, truthUsage{k.name, k.use.cpu, k.use.memory, float64(k.start) / 1e9})
		}
		out = append(out, t)
	}
	return out, nil
}
