package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// fields reads a message one level deep: number to values (varints as bytes).
func fields(t *testing.T, b []byte) map[int][][]byte {
	t.Helper()
	out := map[int][][]byte{}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("bad tag in %q", b)
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("bad value in %q", b)
		}
		if tag&7 == 0 {
			out[int(tag>>3)] = append(out[int(tag>>3)], b[:n])
			b = b[n:]
			continue
		}
		if tag&7 != 2 || uint64(len(b)-n) < v {
			t.Fatalf("tag %d of length %d in %d bytes", tag, v, len(b)-n)
		}
		out[int(tag>>3)] = append(out[int(tag>>3)], b[n:n+int(v)])
		b = b[n+int(v):]
	}
	return out
}

func one(t *testing.T, b []byte, path ...int) []byte {
	t.Helper()
	for _, n := range path {
		f := fields(t, b)[n]
		if len(f) != 1 {
			t.Fatalf("field %d is there %d times", n, len(f))
		}
		b = f[0]
	}
	return b
}

func TestMessageLengths(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 16383, 16384, 16385, 3 << 20} {
		want := strings.Repeat("x", n)
		var p pb
		p.str(1, "before")
		p.msg(2, func(m *pb) { m.msg(3, func(m *pb) { m.b = append(m.b, want...) }) })
		p.str(4, "behind")
		if got := string(one(t, p.b, 2, 3)); got != want {
			t.Errorf("%d bytes came back as %d", n, len(got))
		}
		if string(one(t, p.b, 1)) != "before" || string(one(t, p.b, 4)) != "behind" {
			t.Errorf("%d bytes hurt their neighbours", n)
		}
	}
}

func TestEventFrame(t *testing.T) {
	o := &options{}
	x := &pod{node: "n1", phase: "Running", ready: true, containers: []container{{name: "c0"}, {name: "c1"}}}
	x.m = metadata{kind: "Pod", namespace: "ns", name: "p", version: 42, labels: map[string]string{"b": "2", "a": "1"}}
	var p pb
	x.pb(&p, o)
	b := eventPB("ADDED", envelope("Pod", p.b))
	if n := binary.BigEndian.Uint32(b); int(n) != len(b)-4 {
		t.Fatalf("frame says %d, has %d", n, len(b)-4)
	}
	if got := string(one(t, b[4:], 1)); got != "ADDED" {
		t.Errorf("type %q", got)
	}
	raw := one(t, b[4:], 2, 1)
	if !bytes.HasPrefix(raw, []byte("k8s\x00")) {
		t.Fatalf("no magic: %q", raw[:4])
	}
	if got := string(one(t, raw[4:], 1, 2)); got != "Pod" {
		t.Errorf("kind %q", got)
	}
	obj := one(t, raw[4:], 2)
	if got := string(one(t, obj, 1, 6)); got != "42" {
		t.Errorf("resourceVersion %q", got)
	}
	labels := fields(t, one(t, obj, 1))[11]
	if len(labels) != 2 || string(one(t, labels[0], 1))+string(one(t, labels[1], 2)) != "a2" {
		t.Errorf("labels %q", labels)
	}
	if got := string(one(t, obj, 2, 10)); got != "n1" {
		t.Errorf("nodeName %q", got)
	}
	if n := len(fields(t, one(t, obj, 2))[2]); n != 2 {
		t.Errorf("%d containers", n)
	}
	if got := string(one(t, obj, 3, 1)); got != "Running" {
		t.Errorf("phase %q", got)
	}
}
