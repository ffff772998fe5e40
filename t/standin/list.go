package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// term is a piece of a selector.
type term struct {
	key, op, value string // op: = != exists !exists
}

func parseSelector(s string) ([]term, error) {
	var out []term
	for _, t := range strings.Split(s, ",") {
		t = strings.TrimSpace(t)
		if t == "" {
			continue
		}
		i := strings.IndexAny(t, "=!")
		switch {
		case strings.ContainsAny(t, " ()<>"):
			return nil, fmt.Errorf("the stand-in knows equality only, not %q", t)
		case i < 0:
			out = append(out, term{t, "exists", ""})
		case i == 0:
			out = append(out, term{t[1:], "!exists", ""})
		case strings.HasPrefix(t[i:], "!="):
			out = append(out, term{t[:i], "!=", t[i+2:]})
		default:
			out = append(out, term{t[:i], "=", strings.TrimPrefix(t[i+1:], "=")})
		}
	}
	return out, nil
}

func (t *term) matches(value string, have bool) bool {
	switch t.op {
	case "=":
		return have && value == t.value
	case "!=":
		return value != t.value
	case "exists":
		return have
	}
	return !have
}

var fieldNames = map[string]map[string]bool{
	"nodes":      {"metadata.name": true},
	"pods":       {"metadata.name": true, "metadata.namespace": true, "status.phase": true, "spec.nodeName": true},
	"configmaps": {"metadata.name": true, "metadata.namespace": true},
}

// filter is what a request selects.
type filter struct {
	namespace      string
	labels, fields []term
}

func newFilter(r *http.Request, t target) (f filter, err error) {
	q := r.URL.Query()
	f.namespace = t.namespace
	if f.labels, err = parseSelector(q.Get("labelSelector")); err != nil {
		return f, err
	}
	if f.fields, err = parseSelector(q.Get("fieldSelector")); err != nil {
		return f, err
	}
	for _, x := range f.fields {
		if !fieldNames[t.kind][x.key] || strings.HasSuffix(x.op, "exists") {
			return f, fmt.Errorf("field label not supported: %s", x.key)
		}
	}
	return f, nil
}

func (f *filter) takes(o object) bool {
	if o == nil {
		return false
	}
	m := o.meta()
	if f.namespace != "" && f.namespace != m.namespace {
		return false
	}
	for i := range f.labels {
		v, ok := m.labels[f.labels[i].key]
		if !f.labels[i].matches(v, ok) {
			return false
		}
	}
	for i := range f.fields {
		if !f.fields[i].matches(o.field(f.fields[i].key), true) {
			return false
		}
	}
	return true
}

func kindName(kind string) string {
	return map[string]string{"nodes": "Node", "pods": "Pod", "configmaps": "ConfigMap"}[kind]
}

// page is one answer to a list.
type page struct {
	kind      string
	version   uint64
	items     []object
	cont      string
	remaining int64
	metadata  bool // of the items nothing but that
}

// token is what `continue` holds: the list's version, the version of the
// snapshot that it pages through, and where it was.
type token struct {
	Version  uint64 `json:"rv"`
	Snapshot uint64 `json:"snapshot"`
	Start    int    `json:"start"`
}

// page cuts a list; false: the token's snapshot is gone.
func (a *apiServer) page(r *http.Request, t target, f *filter) (p page, err error) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	var from token
	a.w.mu.Lock()
	s := a.w.list(t.kind)
	p.version = a.w.version
	if c := q.Get("continue"); c != "" {
		b, _ := base64.RawURLEncoding.DecodeString(c)
		found := false
		if json.Unmarshal(b, &from) == nil {
			for _, old := range a.w.snaps[t.kind] {
				if old.version == from.Snapshot {
					s, p.version, found = old, from.Version, true
				}
			}
		}
		if !found {
			err = fmt.Errorf("The provided continue parameter is too old to display a consistent list result")
		}
	}
	if err == nil && limit > 0 {
		s.paged = time.Now()
	}
	a.w.mu.Unlock()
	if err != nil {
		return p, err
	}

	p.kind = kindName(t.kind)
	i := from.Start
	for ; i < len(s.items) && (limit <= 0 || len(p.items) < limit); i++ {
		if f.takes(s.items[i]) {
			p.items = append(p.items, s.items[i])
		}
	}
	if i < len(s.items) {
		b, _ := json.Marshal(token{p.version, s.version, i})
		p.cont = base64.RawURLEncoding.EncodeToString(b)
		if len(f.labels)+len(f.fields) == 0 && f.namespace == "" {
			p.remaining = int64(len(s.items) - i)
		}
	}
	return p, nil
}

func (a *apiServer) list(rw http.ResponseWriter, r *http.Request, t target) {
	a.f.count(func(s *stats) { s.Lists++; s.ListsOf[t.kind]++ })
	f, err := newFilter(r, t)
	if err != nil {
		status(rw, r, 400, "BadRequest", err.Error())
		return
	}
	q := r.URL.Query()
	if v, _ := strconv.ParseUint(q.Get("resourceVersion"), 10, 64); v > a.w.now() {
		status(rw, r, 504, "Timeout", "Too large resource version: "+utoa(v)+", current: "+utoa(a.w.now()))
		return
	}
	p, err := a.page(r, t, &f)
	if err != nil {
		status(rw, r, 410, "Expired", err.Error())
		return
	}
	if wantsProtobuf(r) {
		p.writePB(rw, a.w.o)
	} else {
		p.metadata = wantsMetadata(r)
		p.writeJSON(rw, a.w.o)
	}
}

func (w *world) now() uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.version
}

func varintLen(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], uint64(n))
}

// writePB goes through the items twice, as the envelope begins with the length
// of them all, and 450,000 pods are not to be held.
func (p *page) writePB(rw http.ResponseWriter, o *options) {
	var meta, item pb
	listMetaPB(&meta, utoa(p.version), p.cont, p.remaining)
	size := len(meta.b)
	for _, x := range p.items {
		item.b = item.b[:0]
		x.pb(&item, o)
		size += 1 + varintLen(len(item.b)) + len(item.b)
	}
	rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
	out := bufio.NewWriterSize(rw, 32<<10)
	head := pb{[]byte("k8s\x00")}
	head.msg(1, func(m *pb) { m.str(1, "v1"); m.str(2, p.kind+"List") })
	head.b = binary.AppendUvarint(append(head.b, 2<<3|2), uint64(size))
	_, _ = out.Write(head.b)
	_, _ = out.Write(meta.b)
	var tag pb
	for _, x := range p.items {
		item.b = item.b[:0]
		x.pb(&item, o)
		tag.b = binary.AppendUvarint(append(tag.b[:0], 2<<3|2), uint64(len(item.b)))
		_, _ = out.Write(tag.b)
		if _, err := out.Write(item.b); err != nil {
			return
		}
	}
	_, _ = out.Write([]byte{3<<3 | 2, 0, 4<<3 | 2, 0})
	_ = out.Flush()
}

func (p *page) writeJSON(rw http.ResponseWriter, o *options) {
	rw.Header().Set("Content-Type", "application/json")
	meta := dict{"resourceVersion": utoa(p.version)}
	if p.cont != "" {
		meta["continue"] = p.cont
	}
	if p.remaining > 0 {
		meta["remainingItemCount"] = p.remaining
	}
	m, _ := json.Marshal(meta)
	out := bufio.NewWriterSize(rw, 32<<10)
	kind, version := p.kind, "v1"
	if p.metadata {
		kind, version = "PartialObjectMetadata", "meta.k8s.io/v1"
	}
	fmt.Fprintf(out, `{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[`, kind, version, m)
	for i, x := range p.items {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		j := x.json(o)
		if p.metadata {
			j = metadataOnly(x, o)
		}
		b, _ := json.Marshal(j)
		if _, err := out.Write(b); err != nil {
			return
		}
	}
	_, _ = out.WriteString("]}\n")
	_ = out.Flush()
}

// whole is an object with its kind, as a get answers and a watch sends it.
func whole(x object, o *options) dict {
	j := x.json(o)
	j["kind"], j["apiVersion"] = x.meta().kind, "v1"
	return j
}

// metadataOnly is what PartialObjectMetadata has of an object.
func metadataOnly(x object, o *options) dict {
	return dict{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": x.meta().json(o)}
}

func (a *apiServer) get(rw http.ResponseWriter, r *http.Request, t target) {
	a.w.mu.RLock()
	x := a.w.kinds[t.kind][objectKey(t.namespace, t.name)]
	a.w.mu.RUnlock()
	if x == nil {
		status(rw, r, 404, "NotFound", fmt.Sprintf("%s %q not found", t.kind, t.name))
		return
	}
	if wantsProtobuf(r) {
		var p pb
		x.pb(&p, a.w.o)
		rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
		_, _ = rw.Write(envelope(x.meta().kind, p.b))
		return
	}
	replyJSON(rw, 200, whole(x, a.w.o))
}
