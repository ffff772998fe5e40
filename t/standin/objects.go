package main

import (
	"encoding/hex"
	"hash/fnv"
	"net"
	"runtime"
	"strings"
	"time"
)

// object is what the API server lists: a node, a pod or a config map.
type object interface {
	meta() *metadata
	at(version uint64) object // a copy
	pb(p *pb, o *options)
	json(o *options) map[string]interface{}
	field(name string) string
}

type metadata struct {
	kind            string
	namespace, name string
	version         uint64
	labels          map[string]string
	annotations     map[string]string
}

type node struct {
	m       metadata
	kubelet *kubelet
	ip      net.IP
	port    int
	ready   bool
	// nil: its IP as InternalIP, its name as Hostname
	addresses []address
}

type address struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

func (n *node) addrs() []address {
	if n.addresses != nil {
		return n.addresses
	}
	return []address{{"InternalIP", n.ip.String()}, {"Hostname", n.m.name}}
}

type pod struct {
	m          metadata
	node       string
	phase      string
	ready      bool
	containers []container
}

type container struct {
	name  string
	start int64 // ns
	use   usage
}

type configMap struct {
	m    metadata
	data map[string]string
}

const pathAnnotation = "metrics.k8s.io/resource-metrics-path"

// created is when every object says that it was created.
var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fieldsV1 is part of what nobody here reads.
const fieldsV1 = `{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}}}}`

func (n *node) meta() *metadata      { return &n.m }
func (x *pod) meta() *metadata       { return &x.m }
func (c *configMap) meta() *metadata { return &c.m }

func (n *node) at(v uint64) object {
	c := *n
	c.m.version = v
	return &c
}

func (x *pod) at(v uint64) object {
	c := *x
	c.m.version = v
	return &c
}

func (c *configMap) at(v uint64) object {
	d := *c
	d.m.version = v
	return &d
}

func (n *node) annotate(path string) {
	n.m.annotations = nil
	if path != "" {
		n.m.annotations = map[string]string{pathAnnotation: path}
	}
}

func (m *metadata) field(name string) string {
	switch name {
	case "metadata.name":
		return m.name
	case "metadata.namespace":
		return m.namespace
	}
	return ""
}

func (n *node) field(name string) string      { return n.m.field(name) }
func (c *configMap) field(name string) string { return c.m.field(name) }

func (x *pod) field(name string) string {
	switch name {
	case "status.phase":
		return x.phase
	case "spec.nodeName":
		return x.node
	}
	return x.m.field(name)
}

func (m *metadata) uid() string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(m.kind + "/" + m.namespace + "/" + m.name))
	s := hex.EncodeToString(h.Sum(nil))
	return s[:8] + "-" + s[8:12] + "-4" + s[13:16] + "-8" + s[17:20] + "-" + s[20:]
}

// ballast is managed fields as long as -ballast wants them.
func ballast(o *options) string {
	if o.ballast <= len(fieldsV1) {
		return fieldsV1
	}
	return fieldsV1[:len(fieldsV1)-1] + `,"f:x":{"f:` + strings.Repeat("x", o.ballast-len(fieldsV1)) + `":{}}}`
}

func (m *metadata) json(o *options) map[string]interface{} {
	j := map[string]interface{}{"name": m.name, "uid": m.uid(), "resourceVersion": utoa(m.version),
		"creationTimestamp": created,
		"managedFields": []interface{}{map[string]interface{}{"manager": "kubelet", "operation": "Update",
			"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": rawJSON(ballast(o))}}}
	if m.namespace != "" {
		j["namespace"] = m.namespace
	}
	if len(m.labels) > 0 {
		j["labels"] = m.labels
	}
	if len(m.annotations) > 0 {
		j["annotations"] = m.annotations
	}
	return j
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

type dict = map[string]interface{}

func readyJSON(ready bool) []interface{} {
	return []interface{}{dict{"type": "Ready", "status": boolean(ready), "lastTransitionTime": created}}
}

func boolean(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// room is what a node has; only the machine itself tells.
func (o *options) room() map[string]string {
	if !o.host {
		return nil
	}
	return map[string]string{"cpu": utoa(uint64(runtime.NumCPU())), "memory": utoa(memTotal())}
}

func (n *node) json(o *options) map[string]interface{} {
	return dict{"metadata": n.m.json(o), "spec": dict{"providerID": "standin://" + n.m.name},
		"status": dict{"conditions": readyJSON(n.ready), "capacity": o.room(), "allocatable": o.room(),
			"addresses":       n.addrs(),
			"daemonEndpoints": dict{"kubeletEndpoint": dict{"Port": n.port}}}}
}

func (x *pod) json(o *options) map[string]interface{} {
	containers := make([]interface{}, 0, len(x.containers))
	for _, c := range x.containers {
		containers = append(containers, dict{"name": c.name, "image": image})
	}
	return dict{"metadata": x.m.json(o),
		"spec":   dict{"containers": containers, "restartPolicy": "Always", "nodeName": x.node},
		"status": dict{"phase": x.phase, "conditions": readyJSON(x.ready)}}
}

func (c *configMap) json(o *options) map[string]interface{} {
	return dict{"metadata": c.m.json(o), "data": c.data}
}
