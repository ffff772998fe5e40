package main

import (
	"encoding/binary"
	"sort"
	"time"
)

// The few messages of k8s.io/api and k8s.io/apimachinery that are sent in
// protobuf, with the field numbers of their generated.proto.

const image = "registry.example/image:1"

type pb struct{ b []byte }

func (p *pb) varint(n int, v uint64) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3)
	p.b = binary.AppendUvarint(p.b, v)
}

func (p *pb) str(n int, v string) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3|2)
	p.b = binary.AppendUvarint(p.b, uint64(len(v)))
	p.b = append(p.b, v...)
}

func (p *pb) bytes(n int, v []byte) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3|2)
	p.b = binary.AppendUvarint(p.b, uint64(len(v)))
	p.b = append(p.b, v...)
}

// msg is a message inside: filled in place, its length put before it then.
func (p *pb) msg(n int, fill func(m *pb)) {
	p.b = binary.AppendUvarint(p.b, uint64(n)<<3|2)
	at := len(p.b)
	p.b = append(p.b, 0)
	fill(p)
	size := len(p.b) - at - 1
	if size < 0x80 {
		p.b[at] = byte(size)
		return
	}
	var v [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(v[:], uint64(size))
	p.b = append(p.b, v[:k-1]...)
	copy(p.b[at+k:], p.b[at+1:at+1+size])
	copy(p.b[at:], v[:k])
}

func sorted(l map[string]string) []string {
	keys := make([]string, 0, 8)
	for k := range l {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (p *pb) pairs(n int, l map[string]string) {
	for _, k := range sorted(l) {
		p.msg(n, func(m *pb) { m.str(1, k); m.str(2, l[k]) })
	}
}

func (p *pb) time(n int, t time.Time) {
	p.msg(n, func(m *pb) { m.varint(1, uint64(t.Unix())); m.varint(2, 0) })
}

// envelope is Kubernetes' runtime.Unknown with its magic.
func envelope(kind string, raw []byte) []byte {
	p := pb{append(make([]byte, 0, len(raw)+64), "k8s\x00"...)}
	p.msg(1, func(m *pb) { m.str(1, "v1"); m.str(2, kind) })
	p.bytes(2, raw)
	p.str(3, "")
	p.str(4, "")
	return p.b
}

func (m *metadata) pb(p *pb, o *options) {
	p.str(1, m.name)
	p.str(2, "")
	p.str(3, m.namespace)
	p.str(4, "")
	p.str(5, m.uid())
	p.str(6, utoa(m.version))
	p.varint(7, 0)
	p.time(8, created)
	p.pairs(11, m.labels)
	p.pairs(12, m.annotations)
	p.msg(17, func(f *pb) {
		f.str(1, "kubelet")
		f.str(2, "Update")
		f.str(3, "v1")
		f.time(4, created)
		f.str(6, "FieldsV1")
		f.msg(7, func(r *pb) { r.str(1, ballast(o)) })
		f.str(8, "")
	})
}

func readyPB(p *pb, n int, ready bool) {
	p.msg(n, func(c *pb) { c.str(1, "Ready"); c.str(2, boolean(ready)) })
}

func (n *node) pb(p *pb, o *options) {
	p.msg(1, func(m *pb) { n.m.pb(m, o) })
	p.msg(2, func(m *pb) { m.str(3, "standin://"+n.m.name) })
	p.msg(3, func(s *pb) {
		for field, room := 1, o.room(); field <= 2; field++ {
			for _, name := range sorted(room) {
				s.msg(field, func(e *pb) { e.str(1, name); e.msg(2, func(q *pb) { q.str(1, room[name]) }) })
			}
		}
		readyPB(s, 4, n.ready)
		for _, x := range n.addrs() {
			s.msg(5, func(a *pb) { a.str(1, x.Type); a.str(2, x.Address) })
		}
		s.msg(6, func(d *pb) { d.msg(1, func(e *pb) { e.varint(1, uint64(n.port)) }) })
	})
}

func (x *pod) pb(p *pb, o *options) {
	p.msg(1, func(m *pb) { x.m.pb(m, o) })
	p.msg(2, func(s *pb) {
		for i := range x.containers {
			s.msg(2, func(m *pb) { m.str(1, x.containers[i].name); m.str(2, image) })
		}
		s.str(3, "Always")
		s.str(10, x.node)
	})
	p.msg(3, func(s *pb) {
		s.str(1, x.phase)
		readyPB(s, 2, x.ready)
	})
}

func (c *configMap) pb(p *pb, o *options) {
	p.msg(1, func(m *pb) { c.m.pb(m, o) })
	p.pairs(2, c.data)
}

func listMetaPB(p *pb, version, cont string, remaining int64) {
	p.msg(1, func(m *pb) {
		m.str(1, "")
		m.str(2, version)
		m.str(3, cont)
		if remaining > 0 {
			m.varint(4, uint64(remaining))
		}
	})
}

// eventPB is a frame of a watch: its length, then a WatchEvent.
func eventPB(what string, object []byte) []byte {
	p := pb{make([]byte, 4, len(object)+32)}
	p.str(1, what)
	p.msg(2, func(m *pb) { m.bytes(1, object) })
	binary.BigEndian.PutUint32(p.b, uint32(len(p.b)-4))
	return p.b
}

// bookmarkPB is an object of a kind that has a version alone.
func bookmarkPB(p *pb, version uint64, annotations map[string]string) {
	p.msg(1, func(m *pb) {
		m.str(1, "")
		m.str(3, "")
		m.str(6, utoa(version))
		m.pairs(12, annotations)
	})
}

func statusPB(code int, reason, message string) []byte {
	var p pb
	p.msg(1, func(m *pb) { m.str(1, ""); m.str(2, ""); m.str(3, "") })
	p.str(2, "Failure")
	p.str(3, message)
	p.str(4, reason)
	p.varint(6, uint64(code))
	return envelope("Status", p.b)
}
