package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// control is the calls by which tests tell the stand-in what to do: plain
// HTTP, JSON in and out (README.md).  A call's effect is there when it answers.
type control struct {
	w   *world
	f   *faults
	p   *pki
	api *apiServer
	o   *options
	dns *dnsServer
}

func serveControl(c *control, quit chan struct{}) error {
	m := http.NewServeMux()
	for path, h := range map[string]func(body []byte, r *http.Request) (interface{}, error){
		"/node": c.nodes, "/nodes": c.nodes, "/pod": c.pods, "/pods": c.pods,
		"/api": c.apiServer, "/configmap": c.configMap, "/rules": c.rules,
		"/tokens": c.tokens, "/token": c.token, "/cut": c.cut, "/stats": c.stats,
		"/reviews": c.reviews, "/asked": c.asked, "/requests": c.requests, "/truth": c.truth,
		"/answer": c.answer, "/body": c.body, "/bodies": c.body, "/dns": c.dns.control,
	} {
		m.HandleFunc(path, handler(h))
	}
	m.HandleFunc("/quit", handler(func([]byte, *http.Request) (interface{}, error) {
		select {
		case quit <- struct{}{}:
		default:
		}
		return nil, nil
	}))
	l, err := net.Listen("tcp4", c.o.control)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, m) }()
	return nil
}

type notFound string

func (n notFound) Error() string { return "no such " + string(n) }

func handler(h func(body []byte, r *http.Request) (interface{}, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var out interface{}
		if err == nil {
			out, err = h(body, r)
		}
		switch err.(type) {
		case nil:
			if out != nil {
				replyJSON(rw, 200, out)
			}
		case notFound:
			http.Error(rw, err.Error(), 404)
		default:
			http.Error(rw, err.Error(), 400)
		}
	}
}

func decode(body []byte, v interface{}) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// each calls one for an object, or for each of an array of them.
func each(body []byte, one func(body []byte) error) error {
	if b := bytes.TrimSpace(body); len(b) == 0 || b[0] != '[' {
		return one(body)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for _, b := range list {
		if err := one(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *control) nodes(body []byte, r *http.Request) (interface{}, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return nil, each(body, func(b []byte) error { return c.node(b, r.Method == http.MethodDelete) })
}

type nodeCall struct {
	Name            string
	Fault           *string
	Path            *string
	Ready           *bool
	IP              *string
	Addresses       []address // of all types, in this order
	Port            *int
	CPU, Memory     *uint64
	Labels          map[string]string
	Pods            int
	Interval, Phase *int64 // of the cadence, ms
}

func (c *control) node(body []byte, remove bool) error {
	var in nodeCall
	if err := decode(body, &in); err != nil {
		return err
	}
	if in.Name == "" {
		return fmt.Errorf("no name")
	}
	if remove {
		if !c.w.deleteNode(in.Name) {
			return notFound("node")
		}
		return nil
	}
	if in.Fault != nil && !nodeFaults[*in.Fault] {
		return fmt.Errorf("unknown fault %q", *in.Fault)
	}
	var ip net.IP
	if in.IP != nil {
		if ip = net.ParseIP(*in.IP).To4(); ip == nil {
			return fmt.Errorf("%q is no IPv4 address", *in.IP)
		}
	}
	for _, x := range in.Addresses {
		if x.Type == "" || x.Address == "" {
			return fmt.Errorf("an address without a type or an address")
		}
	}
	n := c.w.node(in.Name)
	if n == nil {
		n = c.w.addNode(in.Name, in.Pods)
	}
	k := n.kubelet
	if in.Interval != nil && *in.Interval > 0 {
		k.interval = time.Duration(*in.Interval) * time.Millisecond
	}
	if in.Phase != nil {
		k.phase = time.Duration(*in.Phase) * time.Millisecond
	}
	if in.CPU != nil || in.Memory != nil {
		cpu, memory := k.use.cpu, k.use.memory
		if in.CPU != nil {
			cpu = *in.CPU
		}
		if in.Memory != nil {
			memory = *in.Memory
		}
		k.use = k.use.change(time.Now().UnixNano(), cpu, memory)
	}
	if ip != nil || in.Path != nil || in.Ready != nil || in.Port != nil || in.Labels != nil || in.Addresses != nil {
		m := n.at(0).(*node)
		if ip != nil {
			m.ip, k.ip = ip, ip
			c.w.byIP[key16(ip)] = k
		}
		if in.Addresses != nil {
			m.addresses = in.Addresses
			for _, x := range in.Addresses {
				if a := net.ParseIP(x.Address); a != nil {
					c.w.byIP[key16(a)] = k
				}
			}
		}
		if in.Path != nil {
			k.path = *in.Path
			m.annotate(k.path)
		}
		if in.Ready != nil {
			m.ready = *in.Ready
		}
		if in.Port != nil {
			m.port = *in.Port
		}
		if in.Labels != nil {
			m.m.labels = in.Labels
		}
		c.w.set("nodes", in.Name, m)
	}
	if in.Fault != nil {
		c.w.setFault(k, *in.Fault)
	}
	return nil
}

func (c *control) pods(body []byte, r *http.Request) (interface{}, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return nil, each(body, func(b []byte) error { return c.pod(b, r.Method == http.MethodDelete) })
}

type podCall struct {
	Namespace, Name, Node string
	Phase                 *string
	Ready                 *bool
	Labels                map[string]string
	Containers            []struct {
		Name        string
		CPU, Memory *uint64
		Start       *float64 // seconds since 1970
		Remove      bool
	}
	Start   *float64 // of all containers
	Restart bool     // of all containers, now
}

func (c *control) pod(body []byte, remove bool) error {
	var in podCall
	if err := decode(body, &in); err != nil {
		return err
	}
	if in.Namespace == "" || in.Name == "" {
		return fmt.Errorf("no namespace or name")
	}
	key := objectKey(in.Namespace, in.Name)
	if remove {
		if !c.w.deletePod(key) {
			return notFound("pod")
		}
		return nil
	}
	x := &pod{node: in.Node, phase: "Running", ready: true}
	x.m = metadata{kind: "Pod", namespace: in.Namespace, name: in.Name, labels: in.Labels}
	if old := c.w.pod(key); old != nil {
		x = old.at(0).(*pod)
		x.containers = append([]container(nil), x.containers...)
		if in.Node != "" {
			x.node = in.Node
		}
		if in.Labels != nil {
			x.m.labels = in.Labels
		}
	}
	if c.w.kubelets[x.node] == nil {
		return notFound("node")
	}
	if in.Phase != nil {
		x.phase = *in.Phase
	}
	if in.Ready != nil {
		x.ready = *in.Ready
	}
	now := time.Now().UnixMilli() * int64(time.Millisecond)
	for _, k := range in.Containers {
		if k.Name == "" {
			return fmt.Errorf("a container without a name")
		}
		i := x.container(k.Name)
		if k.Remove {
			if i < len(x.containers) {
				x.containers = append(x.containers[:i:i], x.containers[i+1:]...)
			}
			continue
		}
		if i == len(x.containers) {
			x.containers = append(x.containers, container{name: k.Name, start: now, use: usage{since: now}})
		}
		y := &x.containers[i]
		cpu, memory := y.use.cpu, y.use.memory
		if k.CPU != nil {
			cpu = *k.CPU
		}
		if k.Memory != nil {
			memory = *k.Memory
		}
		y.use = y.use.change(now, cpu, memory)
		if k.Start != nil {
			y.begin(int64(*k.Start*1000) * int64(time.Millisecond))
		}
	}
	for i := range x.containers {
		if in.Start != nil {
			x.containers[i].begin(int64(*in.Start*1000) * int64(time.Millisecond))
		}
		if in.Restart {
			x.containers[i].begin(now)
		}
	}
	c.w.putPod(x)
	return nil
}

// container is the place of a name among a pod's containers, or their number.
func (x *pod) container(name string) int {
	for i := range x.containers {
		if x.containers[i].name == name {
			return i
		}
	}
	return len(x.containers)
}

// begin starts a container anew: its counter was 0 at that time.
func (c *container) begin(at int64) {
	c.start = at
	c.use = usage{c.use.cpu, c.use.cpu, c.use.memory, c.use.memory, 0, at}
}
