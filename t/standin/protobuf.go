package main

import (
	"encoding/binary"
	"sort"
	"time"
)

// The few messages of k8s.io/api and apimachinery that are sent in protobuf.

type pb struct{ b []byte }

func (p *pb) varint(n int, v uint64) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3)
	p.b = binary.AppendUvarint(p.b, v)
}

func (p *pb) bytes(n int, v []byte) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3|2)
	p.b = binary.AppendUvarint(p.b, uint64(len(v)))
	p.b = append(p.b, v...)
}

func (p *pb) str(n int, v string) { p.bytes(n, []byte(v)) }

func (p *pb) msg(n int, fill func(m *pb)) {
	var m pb
	fill(&m)
	p.bytes(n, m.b)
}

func (p *pb) labels(n int, l map[string]string) {
	keys := make([]string, 0, len(l))
	for k := range l {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		p.msg(n, func(m *pb) { m.str(1, k); m.str(2, l[k]) })
	}
}

func (p *pb) time(n int, t time.Time) {
	p.msg(n, func(m *pb) { m.varint(1, uint64(t.Unix())); m.varint(2, 0) })
}

// envelope is Kubernetes' runtime.Unknown with its magic.
func envelope(apiVersion, kind string, raw []byte) []byte {
	p := pb{[]byte("k8s\x00")}
	p.msg(1, func(m *pb) { m.str(1, apiVersion); m.str(2, kind) })
	p.bytes(2, raw)
	p.str(3, "")
	p.str(4, "")
	return p.b
}

func metaPB(m *pb, name, namespace, version string, labels, annotations map[string]string) {
	m.str(1, name)
	m.str(2, "")
	m.str(3, namespace)
	m.str(5, "0b1d7c6e-8a5e-4c1b-9f5d-"+name)
	m.str(6, version)
	m.varint(7, 0)
	m.time(8, time.Unix(1700000000, 0))
	m.labels(11, labels)
	m.labels(12, annotations)
	m.msg(17, func(f *pb) { // managedFields, to be skipped
		f.str(1, "kubelet")
		f.str(2, "Update")
		f.str(3, "v1")
		f.str(6, "FieldsV1")
		f.msg(7, func(r *pb) { r.str(1, `{"f:status":{"f:conditions":{"k:{\"type\":\"Ready\"}":{"f:status":{}}}}}`) })
	})
}

func conditionPB(n int, m *pb, ready bool) {
	m.msg(n, func(c *pb) {
		c.str(1, "Ready")
		if ready {
			c.str(2, "True")
		} else {
			c.str(2, "False")
		}
	})
}

func (n *node) annotations() map[string]string {
	if n.path == "" {
		return nil
	}
	return map[string]string{"metrics.k8s.io/resource-metrics-path": n.path}
}

func (n *node) pb(port int) []byte {
	var p pb
	p.msg(1, func(m *pb) { metaPB(m, n.name, "", utoa(n.version), n.labels, n.annotations()) })
	p.msg(2, func(m *pb) { m.str(3, "standin://"+n.name) })
	p.msg(3, func(s *pb) {
		conditionPB(4, s, n.ready)
		s.msg(5, func(a *pb) { a.str(1, "InternalIP"); a.str(2, n.ip.String()) })
		s.msg(5, func(a *pb) { a.str(1, "Hostname"); a.str(2, n.name) })
		s.msg(6, func(d *pb) { d.msg(1, func(e *pb) { e.varint(1, uint64(port)) }) })
	})
	return p.b
}

func (x *pod) pb() []byte {
	var p pb
	p.msg(1, func(m *pb) { metaPB(m, x.name, x.namespace, utoa(x.version), x.labels, nil) })
	p.msg(2, func(s *pb) {
		for _, c := range x.containers {
			s.msg(2, func(m *pb) { m.str(1, c.name); m.str(2, "registry.example/image:1") })
		}
		s.str(3, "Always")
		s.str(10, x.node.name)
	})
	p.msg(3, func(s *pb) {
		s.str(1, x.phase)
		conditionPB(2, s, x.ready)
	})
	return p.b
}

func listPB(kind, version, cont string, remaining int, items [][]byte) []byte {
	var p pb
	p.msg(1, func(m *pb) {
		m.str(1, "")
		m.str(2, version)
		m.str(3, cont)
		if cont != "" {
			m.varint(4, uint64(remaining))
		}
	})
	for _, i := range items {
		p.bytes(2, i)
	}
	return envelope("v1", kind+"List", p.b)
}

// eventPB is a frame of a watch: a length, then a WatchEvent.
func eventPB(what string, object []byte) []byte {
	var p pb
	p.str(1, what)
	p.msg(2, func(m *pb) { m.bytes(1, object) })
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(p.b))), p.b...)
}

func statusPB(code int, reason, message string) []byte {
	var p pb
	p.msg(1, func(m *pb) { m.str(2, ""); m.str(3, "") })
	p.str(2, "Failure")
	p.str(3, message)
	p.str(4, reason)
	p.varint(6, uint64(code))
	return envelope("v1", "Status", p.b)
}
