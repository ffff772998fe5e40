package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

type control struct {
	w   *world
	f   *faults
	api *apiServer
	o   *options
}

func serveControl(w *world, f *faults, api *apiServer, o *options, quit chan struct{}) error {
	c := &control{w, f, api, o}
	m := http.NewServeMux()
	m.HandleFunc("/node", c.node)
	m.HandleFunc("/pod", c.pod)
	m.HandleFunc("/api", c.apiFault)
	m.HandleFunc("/configmap", c.configMap)
	m.HandleFunc("/rules", c.rules)
	m.HandleFunc("/tokens", c.tokens)
	m.HandleFunc("/cut", func(rw http.ResponseWriter, r *http.Request) { api.cutWatches() })
	m.HandleFunc("/stats", c.stats)
	m.HandleFunc("/reviews", c.reviews)
	m.HandleFunc("/truth", c.truth)
	m.HandleFunc("/quit", func(rw http.ResponseWriter, r *http.Request) { quit <- struct{}{} })
	l, err := net.Listen("tcp4", o.control)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, m) }()
	return nil
}

func decode(rw http.ResponseWriter, r *http.Request, v interface{}) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		http.Error(rw, err.Error(), 400)
		return false
	}
	return true
}

func reply(rw http.ResponseWriter, v interface{}) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v)
}

func (c *control) node(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Name   string
		Fault  *string
		Path   *string
		Ready  *bool
		IP     *string
		CPU    *uint64
		Memory *uint64
		Labels map[string]string
		Pods   int
	}
	if !decode(rw, r, &in) {
		return
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if r.Method == http.MethodDelete {
		if !c.w.deleteNode(in.Name) {
			http.Error(rw, "no such node", 404)
		}
		return
	}
	n := c.w.nodes[in.Name]
	if n == nil {
		n = c.w.addNode(in.Name)
		for p := 0; p < in.Pods; p++ {
			c.w.addPod(n, p)
		}
	}
	if in.Fault != nil {
		c.f.mu.Lock()
		c.f.node[in.Name] = *in.Fault
		c.f.mu.Unlock()
	}
	if in.Path == nil && in.Ready == nil && in.IP == nil && in.CPU == nil && in.Memory == nil && in.Labels == nil {
		return
	}
	if in.Path != nil {
		n.path = *in.Path
	}
	if in.Ready != nil {
		n.ready = *in.Ready
	}
	if in.IP != nil {
		n.ip = net.ParseIP(*in.IP).To4()
		c.w.byIP[n.ip.String()] = n
	}
	if in.CPU != nil {
		n.cpu = *in.CPU
	}
	if in.Memory != nil {
		n.memory = *in.Memory
	}
	if in.Labels != nil {
		n.labels = in.Labels
	}
	n.version = c.w.version + 1
	c.w.bump("nodes", "MODIFIED", n, true, true)
}

func (c *control) pod(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Namespace, Name, Node string
		Phase                 *string
		Ready                 *bool
		Labels                map[string]string
		Containers            []struct {
			Name        string
			CPU, Memory uint64
		}
		Restart bool
	}
	if !decode(rw, r, &in) {
		return
	}
	key := in.Namespace + "/" + in.Name
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if r.Method == http.MethodDelete {
		if !c.w.deletePod(key) {
			http.Error(rw, "no such pod", 404)
		}
		return
	}
	x := c.w.pods[key]
	if x == nil {
		n := c.w.nodes[in.Node]
		if n == nil {
			http.Error(rw, "no such node", 404)
			return
		}
		x = &pod{namespace: in.Namespace, name: in.Name, node: n, phase: "Running", ready: true, labels: in.Labels}
		if in.Phase != nil {
			x.phase = *in.Phase
		}
		for _, k := range in.Containers {
			x.containers = append(x.containers, container{name: k.Name, cpu: k.CPU, memory: k.Memory, start: time.Now()})
		}
		c.w.put(x)
		return
	}
	was := x.phase == "Running"
	if in.Phase != nil {
		x.phase = *in.Phase
	}
	if in.Ready != nil {
		x.ready = *in.Ready
	}
	if in.Labels != nil {
		x.labels = in.Labels
	}
	if in.Restart {
		for i := range x.containers {
			x.containers[i].start = time.Now()
		}
	}
	for _, k := range in.Containers {
		for i := range x.containers {
			if x.containers[i].name == k.Name {
				x.containers[i].cpu, x.containers[i].memory = k.CPU, k.Memory
			}
		}
	}
	x.version = c.w.version + 1
	c.w.bump("pods", "MODIFIED", x, was, x.phase == "Running")
}

func (c *control) apiFault(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		apiFault
		NoStreamingList *bool `json:"noStreamingList"`
		Forget          bool  `json:"forget"`
		BookmarkMillis  int   `json:"bookmarkMillis"`
	}
	if !decode(rw, r, &in) {
		return
	}
	if in.NoStreamingList != nil {
		c.api.mu.Lock()
		c.api.noStream = *in.NoStreamingList
		c.api.mu.Unlock()
		return
	}
	if in.BookmarkMillis > 0 {
		c.api.mu.Lock()
		c.api.bookmarkTime = time.Duration(in.BookmarkMillis) * time.Millisecond
		c.api.mu.Unlock()
		return
	}
	if in.Forget {
		c.w.mu.Lock()
		c.w.version += 10
		c.w.oldest = c.w.version
		c.w.history = nil
		c.w.mu.Unlock()
		return
	}
	c.f.mu.Lock()
	if in.Fault == "" {
		c.f.api = nil
	} else if in.Fault != "down" {
		c.f.api = append(c.f.api, in.apiFault)
	}
	c.f.mu.Unlock()
	switch in.Fault {
	case "down":
		c.api.down()
	case "":
		if err := c.api.listen(c.o.api); err != nil {
			http.Error(rw, err.Error(), 500)
		}
	}
}

func (c *control) configMap(rw http.ResponseWriter, r *http.Request) {
	in := map[string]*string{}
	if !decode(rw, r, &in) {
		return
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	next := map[string]string{}
	for k, v := range c.w.settings {
		next[k] = v
	}
	for k, v := range in {
		if v == nil {
			delete(next, k)
		} else {
			next[k] = *v
		}
	}
	c.w.settings = next
	c.w.setVer++
	close(c.w.changed)
	c.w.changed = make(chan struct{})
}

func (c *control) rules(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Rules  []rule `json:"rules"`
		Reason string `json:"reason"`
	}
	if !decode(rw, r, &in) {
		return
	}
	c.f.mu.Lock()
	c.f.rules, c.f.reason = in.Rules, in.Reason
	c.f.mu.Unlock()
}

func (c *control) tokens(rw http.ResponseWriter, r *http.Request) {
	in := map[string]tokenUser{}
	if !decode(rw, r, &in) {
		return
	}
	c.f.mu.Lock()
	c.f.tokens = in
	c.f.mu.Unlock()
}

func (c *control) stats(rw http.ResponseWriter, r *http.Request) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	reply(rw, c.f.stats)
}

func (c *control) reviews(rw http.ResponseWriter, r *http.Request) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	reply(rw, c.f.review)
}

// truth is what a client has to see, if all is well.
func (c *control) truth(rw http.ResponseWriter, r *http.Request) {
	type usage struct {
		Name   string `json:"name"`
		CPU    uint64 `json:"cpuNanocores"`
		Memory uint64 `json:"memoryBytes"`
	}
	type object struct {
		Namespace  string            `json:"namespace,omitempty"`
		Name       string            `json:"name"`
		Node       string            `json:"node,omitempty"`
		Labels     map[string]string `json:"labels"`
		Containers []usage           `json:"containers"`
	}
	out := []object{}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	switch kind := r.URL.Query().Get("kind"); kind {
	case "nodes":
		for _, n := range c.w.sortedNodes() {
			out = append(out, object{Name: n.name, Labels: n.labels, Containers: []usage{{"", n.cpu, n.memory}}})
		}
	case "pods":
		for _, x := range c.w.sortedPods() {
			if ns := r.URL.Query().Get("namespace"); (ns != "" && ns != x.namespace) || x.phase != "Running" {
				continue
			}
			o := object{Namespace: x.namespace, Name: x.name, Node: x.node.name, Labels: x.labels}
			for _, k := range x.containers {
				o.Containers = append(o.Containers, usage{k.name, k.cpu, k.memory})
			}
			out = append(out, o)
		}
	default:
		http.Error(rw, fmt.Sprintf("kind %q", kind), 400)
		return
	}
	reply(rw, out)
}
