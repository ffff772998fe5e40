package main

import (
	"net/http"
	"strconv"
	"time"
)

// watch streams nodes or pods in protobuf as kube-apiserver does: initial
// events where they are asked for, then what changed, bookmarks between.
func (a *apiServer) watch(rw http.ResponseWriter, r *http.Request, kind string) {
	q := r.URL.Query()
	want := wants(r)
	from, _ := strconv.ParseUint(q.Get("resourceVersion"), 10, 64)
	initial := q.Get("sendInitialEvents") == "true"

	a.mu.Lock()
	refuse, every := a.noStream, a.bookmarkTime
	a.mu.Unlock()
	if initial && refuse {
		status(rw, 422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
		return
	}
	end, cut := a.streamEnd(r)

	a.w.mu.Lock()
	if !initial && from != 0 && from < a.w.oldest {
		a.w.mu.Unlock()
		status(rw, 410, "Expired", "too old resource version: "+utoa(from))
		return
	}
	var items [][]byte
	if initial || from == 0 {
		items, _ = a.snapshot(kind, want)
		from = a.w.version
	}
	a.w.mu.Unlock()

	a.watching(1)
	defer a.watching(-1)
	rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf;stream=watch")
	rw.WriteHeader(200)
	name := kindName(kind)
	for _, i := range items {
		_, _ = rw.Write(eventPB("ADDED", envelope("v1", name, i)))
	}
	if initial {
		_, _ = rw.Write(bookmark(name, from, map[string]string{"k8s.io/initial-events-end": "true"}))
	}
	a.stream(rw, r, kind, want, from, every, end, cut)
}

func bookmark(kind string, version uint64, annotations map[string]string) []byte {
	var p pb
	p.msg(1, func(m *pb) {
		m.str(6, utoa(version))
		m.labels(12, annotations)
	})
	return eventPB("BOOKMARK", envelope("v1", kind, p.b))
}

func (a *apiServer) stream(rw http.ResponseWriter, r *http.Request, kind string, want func(l, f map[string]string) bool,
	from uint64, every time.Duration, end <-chan time.Time, cut <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	bookmarks := r.URL.Query().Get("allowWatchBookmarks") == "true"
	for {
		a.w.mu.Lock()
		if from < a.w.oldest {
			a.w.mu.Unlock()
			_, _ = rw.Write(eventPB("ERROR", statusPB(410, "Expired", "too old resource version")))
			return
		}
		var out []byte
		for _, e := range a.w.since(from) {
			if e.kind == kind {
				out = append(out, a.event(e, want)...)
			}
		}
		from = a.w.version
		changed := a.w.changed
		a.w.mu.Unlock()
		if len(out) > 0 {
			if _, err := rw.Write(out); err != nil {
				return
			}
		}
		rw.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-tick.C:
			if bookmarks {
				_, _ = rw.Write(bookmark(kindName(kind), from, nil))
			}
		case <-r.Context().Done():
			return
		case <-cut:
			return
		case <-end:
			return
		}
	}
}

// since is the history after a version; the caller holds the lock.
func (w *world) since(version uint64) []event {
	i := len(w.history)
	for i > 0 && w.history[i-1].version > version {
		i--
	}
	return w.history[i:]
}

// event is a change as a watcher with these selectors sees it: what leaves the
// selection is deleted for it, what enters is added.
func (a *apiServer) event(e event, want func(l, f map[string]string) bool) []byte {
	if n, ok := e.object.(*node); ok {
		if !want(n.labels, map[string]string{"metadata.name": n.name}) {
			return nil
		}
		return eventPB(e.what, envelope("v1", "Node", n.pb(a.w.o.kubeletPort)))
	}
	x := e.object.(*pod)
	f := podFields(x)
	f["status.phase"] = "Running"
	if !want(x.labels, f) {
		return nil
	}
	what := e.what
	switch {
	case !e.running && !e.was:
		return nil
	case !e.running:
		what = "DELETED"
	case !e.was:
		what = "ADDED"
	}
	return eventPB(what, envelope("v1", "Pod", x.pb()))
}
