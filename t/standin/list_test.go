package main

import (
	"net"
	"net/http/httptest"
	"strconv"
	"testing"
)

// Pages are of the list as it was, whatever happens between.
func TestPagingWhileTheWorldChanges(t *testing.T) {
	w := newWorld(&options{nodes: 3, pods: 4, containers: 1, namespaces: 2, keep: 100}, net.IPv4(127, 0, 0, 1).To4())
	a := &apiServer{w: w}
	tgt := parseTarget("/api/v1/pods")
	var version uint64
	seen := map[string]bool{}
	cont := ""
	for i := 0; i < 10; i++ {
		p, err := a.page(httptest.NewRequest("GET", "/api/v1/pods?limit=2&continue="+cont, nil), tgt, &filter{})
		if err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		if i == 0 {
			version = p.version
		}
		if p.version != version {
			t.Errorf("page %d has version %d, not %d", i, p.version, version)
		}
		for _, x := range p.items {
			seen[objectKey(x.meta().namespace, x.meta().name)] = true
		}
		if want := int64(12 - 2*(i+1)); p.remaining != want {
			t.Errorf("page %d: %d remain, not %d", i, p.remaining, want)
		}
		if cont = p.cont; cont == "" {
			break
		}
		for c := 0; c < 9; c++ {
			w.addNode("node-"+strconv.Itoa(100+10*i+c), 1)
			w.list("pods")
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d pods seen of 12", len(seen))
	}
	w.forget()
	p, _ := a.page(httptest.NewRequest("GET", "/api/v1/pods?limit=2", nil), tgt, &filter{})
	w.forget()
	if _, err := a.page(httptest.NewRequest("GET", "/api/v1/pods?limit=2&continue="+p.cont, nil), tgt, &filter{}); err == nil {
		t.Error("a forgotten list still has pages")
	}
}

func TestSelectors(t *testing.T) {
	o := &node{}
	o.m = metadata{name: "n", labels: map[string]string{"zone": "z1"}}
	for s, want := range map[string]bool{"": true, "zone=z1": true, "zone==z1": true, "zone=z2": false, "zone!=z2": true,
		"zone": true, "!zone": false, "app": false, "!app": true, "zone=z1,app=x": false} {
		terms, err := parseSelector(s)
		f := filter{labels: terms}
		if got := f.takes(o); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := parseSelector("zone in (a,b)"); err == nil {
		t.Error("set selectors are not known, but taken")
	}
	for url, bad := range map[string]bool{"/api/v1/nodes?fieldSelector=spec.foo%3Dx": true, "/api/v1/nodes?fieldSelector=metadata.name%3Dx": false} {
		r := httptest.NewRequest("GET", url, nil)
		if _, err := newFilter(r, parseTarget(r.URL.Path)); (err != nil) != bad {
			t.Errorf("%s: %v", url, err)
		}
	}
}
