package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// watcher is one watch: what it selects, and the form that it is sent in.
type watcher struct {
	a     *apiServer
	kind  string
	f     filter
	proto bool
	only  bool // metadata
	out   *bufio.Writer
	flush func()
	marks bool // it allows bookmarks
	every time.Duration
	end   <-chan time.Time
	cut   <-chan struct{}
	gone  <-chan struct{}
}

// watch streams what changes as kube-apiserver does: initial events where
// they are asked for or the version is unset, bookmarks between.
func (a *apiServer) watch(rw http.ResponseWriter, r *http.Request, t target, fault string) {
	f, err := newFilter(r, t)
	if err != nil {
		status(rw, r, 400, "BadRequest", err.Error())
		return
	}
	q := r.URL.Query()
	a.mu.Lock()
	noStream, every, cut := a.noStream, a.bookmark, a.cut
	a.mu.Unlock()
	initial := boolParam(r, "sendInitialEvents")
	if why := wrongOptions(q.Has("sendInitialEvents"), q.Get("resourceVersionMatch"), noStream); why != "" {
		status(rw, r, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: `+why)
		return
	}
	from, err := strconv.ParseUint(q.Get("resourceVersion"), 10, 64)
	if err != nil && q.Get("resourceVersion") != "" {
		status(rw, r, 400, "BadRequest", "Invalid value: "+strconv.Quote(q.Get("resourceVersion")))
		return
	}

	var first []object
	a.w.mu.Lock()
	switch {
	case from > a.w.version:
		a.w.mu.Unlock()
		status(rw, r, 504, "Timeout", "Too large resource version: "+utoa(from))
		return
	case initial || from == 0 && !q.Has("sendInitialEvents"):
		first, from = a.w.list(t.kind).items, a.w.version
	case from == 0:
		from = a.w.version
	case from < a.w.oldest:
		old := a.w.oldest
		a.w.mu.Unlock()
		status(rw, r, 410, "Expired", "too old resource version: "+utoa(from)+" ("+utoa(old)+")")
		return
	}
	a.w.mu.Unlock()

	seconds, err := strconv.Atoi(q.Get("timeoutSeconds"))
	if err != nil || seconds <= 0 {
		seconds = 1800
	}
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	w := &watcher{a: a, kind: t.kind, f: f, proto: wantsProtobuf(r), only: wantsMetadata(r), out: bufio.NewWriterSize(rw, 16<<10),
		flush: rw.(http.Flusher).Flush, marks: boolParam(r, "allowWatchBookmarks"), every: every,
		end: timer.C, cut: cut, gone: r.Context().Done()}
	a.f.count(func(s *stats) { s.Watches++; s.WatchesOpen++; s.WatchesOf[t.kind]++ })
	defer a.f.count(func(s *stats) { s.WatchesOpen--; s.WatchesOf[t.kind]-- })

	if w.proto {
		rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf;stream=watch")
	} else {
		rw.Header().Set("Content-Type", "application/json")
	}
	rw.WriteHeader(200)
	w.flush()
	w.run(first, initial, from, fault)
}

func wrongOptions(initial bool, match string, noStream bool) string {
	switch {
	case initial && noStream:
		return "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
	case initial && match != "NotOlderThan":
		return "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
	case !initial && match != "":
		return "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
	}
	return ""
}

func (w *watcher) run(first []object, initial bool, from uint64, fault string) {
	if fault == "410event" {
		w.failed(410, "Expired", "too old resource version: told to fail")
		return
	}
	for _, x := range first {
		if w.f.takes(x) {
			w.send("ADDED", x)
		}
	}
	if initial {
		w.mark(from, map[string]string{"k8s.io/initial-events-end": "true"})
	}
	if fault == "cutwatch" {
		w.done()
		return
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		w.a.w.mu.RLock()
		old := w.a.w.oldest > from
		events := w.a.w.since(from)
		from = w.a.w.version
		changed := w.a.w.changed
		w.a.w.mu.RUnlock()
		if old {
			w.failed(410, "Expired", "too old resource version")
			return
		}
		for i := range events {
			w.event(&events[i])
		}
		if !w.done() {
			return
		}
		select {
		case <-changed:
		case <-tick.C:
			if w.marks {
				w.mark(from, nil)
			}
		case <-w.gone:
			return
		case <-w.cut:
			return
		case <-w.end:
			return
		}
	}
}

func (w *watcher) done() bool {
	if w.out.Flush() != nil {
		return false
	}
	w.flush()
	return true
}

// event sends a change as this watcher sees it: what leaves its selection is
// deleted for it, what enters is added.
func (w *watcher) event(e *event) {
	if e.kind != w.kind {
		return
	}
	was, is := w.f.takes(e.old), w.f.takes(e.now)
	switch {
	case is && was:
		w.send("MODIFIED", e.now)
	case is:
		w.send("ADDED", e.now)
	case was:
		w.send("DELETED", e.old.at(e.version))
	}
}

func (w *watcher) send(what string, x object) {
	if w.proto {
		var p pb
		x.pb(&p, w.a.w.o)
		_, _ = w.out.Write(eventPB(what, envelope(x.meta().kind, p.b)))
		return
	}
	if w.only {
		w.line(what, metadataOnly(x, w.a.w.o))
		return
	}
	w.line(what, whole(x, w.a.w.o))
}

func (w *watcher) line(what string, x dict) {
	b, _ := json.Marshal(dict{"type": what, "object": x})
	_, _ = w.out.Write(append(b, '\n'))
}

func (w *watcher) mark(version uint64, annotations map[string]string) {
	kind := kindName(w.kind)
	if w.proto {
		var p pb
		bookmarkPB(&p, version, annotations)
		_, _ = w.out.Write(eventPB("BOOKMARK", envelope(kind, p.b)))
		return
	}
	m := dict{"resourceVersion": utoa(version), "creationTimestamp": nil}
	if annotations != nil {
		m["annotations"] = annotations
	}
	apiVersion := "v1"
	if w.only {
		kind, apiVersion = "PartialObjectMetadata", "meta.k8s.io/v1"
	}
	w.line("BOOKMARK", dict{"kind": kind, "apiVersion": apiVersion, "metadata": m})
}

// failed ends a watch with an ERROR event.
func (w *watcher) failed(code int, reason, message string) {
	if w.proto {
		_, _ = w.out.Write(eventPB("ERROR", statusPB(code, reason, message)))
	} else {
		w.line("ERROR", statusJSON(code, reason, message))
	}
	w.done()
}
