package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

type apiServer struct {
	w    *world
	f    *faults
	p    *pki
	addr string

	mu  sync.Mutex
	srv *http.Server
	cut chan struct{} // closed to end every watch

	noStream     bool // sendInitialEvents is refused with 422
	bookmarkTime time.Duration
}

func utoa(v uint64) string { return strconv.FormatUint(v, 10) }

func newAPIServer(w *world, f *faults, p *pki) *apiServer {
	a := &apiServer{w: w, f: f, p: p, cut: make(chan struct{}), bookmarkTime: 5 * time.Second}
	w.settings = map[string]string{
		"client-ca-file":                     string(p.cluster.pem),
		"requestheader-client-ca-file":       string(p.requestheader.pem),
		"requestheader-allowed-names":        `["front-proxy-client"]`,
		"requestheader-username-headers":     `["X-Remote-User"]`,
		"requestheader-uid-headers":          `["X-Remote-Uid"]`,
		"requestheader-group-headers":        `["X-Remote-Group"]`,
		"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
	}
	return a
}

func (a *apiServer) listen(addr string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.addr = addr
	if a.srv != nil {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(a.p.dir, "apiserver.crt"), filepath.Join(a.p.dir, "apiserver.key"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.p.cluster.cert)
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	a.srv = &http.Server{Handler: a, ErrorLog: log.New(discard{}, "", 0), TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}}
	srv := a.srv
	go func() { _ = srv.ServeTLS(l, "", "") }()
	return nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func (a *apiServer) down() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.srv != nil {
		_ = a.srv.Close()
		a.srv = nil
	}
}

func (a *apiServer) cutWatches() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.cut)
	a.cut = make(chan struct{})
}

func status(rw http.ResponseWriter, code int, reason, message string) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(map[string]interface{}{"kind": "Status", "apiVersion": "v1",
		"metadata": map[string]string{}, "status": "Failure", "message": message, "reason": reason, "code": code})
}

func part(path string) string {
	switch {
	case strings.HasSuffix(path, "/nodes"):
		return "nodes"
	case strings.HasSuffix(path, "/pods"):
		return "pods"
	case strings.Contains(path, "/configmaps"):
		return "configmaps"
	case strings.HasSuffix(path, "/subjectaccessreviews"):
		return "sar"
	case strings.HasSuffix(path, "/tokenreviews"):
		return "tokenreviews"
	}
	return ""
}

func (a *apiServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if len(r.TLS.PeerCertificates) == 0 && r.Header.Get("Authorization") != "Bearer "+a.p.token {
		status(rw, 401, "Unauthorized", "Unauthorized")
		return
	}
	what := part(r.URL.Path)
	switch a.f.ofAPI(what) {
	case "hang":
		<-r.Context().Done()
		return
	case "slow":
		time.Sleep(3 * time.Second)
	case "410":
		status(rw, 410, "Expired", "too old resource version")
		return
	case "401":
		status(rw, 401, "Unauthorized", "Unauthorized")
		return
	case "429":
		rw.Header().Set("Retry-After", "1")
		status(rw, 429, "TooManyRequests", "too many requests")
		return
	case "500":
		status(rw, 500, "InternalError", "told to fail")
		return
	case "garbage":
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte("{{{ \x00 no"))
		return
	}
	switch what {
	case "nodes", "pods":
		a.objects(rw, r, what)
	case "configmaps":
		a.configMap(rw, r)
	case "sar":
		a.accessReview(rw, r)
	case "tokenreviews":
		a.tokenReview(rw, r)
	default:
		if r.URL.Path == "/readyz" || r.URL.Path == "/livez" {
			_, _ = rw.Write([]byte("ok"))
			return
		}
		status(rw, 404, "NotFound", "the server could not find the requested resource")
	}
}

// wants is what a list's selectors let through; equality is all that is asked.
func wants(r *http.Request) func(labels map[string]string, fields map[string]string) bool {
	sel := func(text string, have map[string]string) bool {
		for _, t := range strings.Split(text, ",") {
			if kv := strings.SplitN(t, "=", 2); len(kv) == 2 && have[kv[0]] != strings.TrimPrefix(kv[1], "=") {
				return false
			}
		}
		return true
	}
	q := r.URL.Query()
	l, f := q.Get("labelSelector"), q.Get("fieldSelector")
	return func(labels, fields map[string]string) bool { return sel(l, labels) && sel(f, fields) }
}

func (a *apiServer) objects(rw http.ResponseWriter, r *http.Request, kind string) {
	q := r.URL.Query()
	proto := strings.Contains(r.Header.Get("Accept"), "protobuf")
	if !proto {
		status(rw, 406, "NotAcceptable", "the stand-in lists nodes and pods in protobuf only")
		return
	}
	if q.Get("watch") == "true" || q.Get("watch") == "1" {
		a.watch(rw, r, kind)
		return
	}
	a.f.count(func(s *stats) { s.Lists++ })
	limit, _ := strconv.Atoi(q.Get("limit"))
	from, _ := strconv.Atoi(q.Get("continue"))
	a.w.mu.Lock()
	items, _ := a.snapshot(kind, wants(r))
	version := utoa(a.w.version)
	a.w.mu.Unlock()
	cont, remaining := "", 0
	if from > len(items) {
		from = len(items)
	}
	items = items[from:]
	if limit > 0 && len(items) > limit {
		remaining = len(items) - limit
		items, cont = items[:limit], strconv.Itoa(from+limit)
	}
	rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
	_, _ = rw.Write(listPB(kindName(kind), version, cont, remaining, items))
}

func kindName(kind string) string {
	if kind == "nodes" {
		return "Node"
	}
	return "Pod"
}

// snapshot is every object's bytes; the caller holds the world's lock.
func (a *apiServer) snapshot(kind string, want func(l, f map[string]string) bool) (items [][]byte, n int) {
	if kind == "nodes" {
		for _, x := range a.w.sortedNodes() {
			if want(x.labels, map[string]string{"metadata.name": x.name}) {
				items = append(items, x.pb(a.w.o.kubeletPort))
			}
		}
		return items, len(items)
	}
	for _, x := range a.w.sortedPods() {
		if want(x.labels, podFields(x)) {
			items = append(items, x.pb())
		}
	}
	return items, len(items)
}

func podFields(x *pod) map[string]string {
	return map[string]string{"metadata.name": x.name, "metadata.namespace": x.namespace, "status.phase": x.phase, "spec.nodeName": x.node.name}
}

func (a *apiServer) configMap(rw http.ResponseWriter, r *http.Request) {
	object := func() map[string]interface{} {
		return map[string]interface{}{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]interface{}{
			"name": "extension-apiserver-authentication", "namespace": "kube-system", "resourceVersion": utoa(a.w.setVer)}, "data": a.w.settings}
	}
	rw.Header().Set("Content-Type", "application/json")
	if q := r.URL.Query().Get("watch"); q == "true" || q == "1" {
		a.watchConfigMap(rw, r, object)
		return
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	enc := json.NewEncoder(rw)
	if strings.HasSuffix(r.URL.Path, "/extension-apiserver-authentication") {
		_ = enc.Encode(object())
		return
	}
	o := object()
	_ = enc.Encode(map[string]interface{}{"kind": "ConfigMapList", "apiVersion": "v1",
		"metadata": map[string]string{"resourceVersion": utoa(a.w.setVer)}, "items": []interface{}{o}})
}

func (a *apiServer) watchConfigMap(rw http.ResponseWriter, r *http.Request, object func() map[string]interface{}) {
	from, _ := strconv.ParseUint(r.URL.Query().Get("resourceVersion"), 10, 64)
	end, cut := a.streamEnd(r)
	a.watching(1)
	defer a.watching(-1)
	rw.WriteHeader(200)
	for {
		a.w.mu.Lock()
		changed, version := a.w.changed, a.w.setVer
		o, _ := json.Marshal(object())
		a.w.mu.Unlock()
		if version > from {
			what := "MODIFIED"
			if from == 0 {
				what = "ADDED"
			}
			from = version
			fmt.Fprintf(rw, `{"type":%q,"object":%s}`+"\n", what, o)
		}
		rw.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-cut:
			return
		case <-end:
			return
		}
	}
}

func (a *apiServer) watching(n int64) {
	a.f.count(func(s *stats) {
		s.Watches += n
		if n > 0 {
			s.WatchesEver++
		}
	})
}

func (a *apiServer) streamEnd(r *http.Request) (<-chan time.Time, <-chan struct{}) {
	s, err := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	if err != nil || s <= 0 {
		s = 1800
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.After(time.Duration(s) * time.Second), a.cut
}

func (a *apiServer) accessReview(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Spec struct {
			User     string   `json:"user"`
			Groups   []string `json:"groups"`
			Resource *struct {
				Namespace, Verb, Group, Version, Resource, Subresource, Name string
			} `json:"resourceAttributes"`
			NonResource *struct{ Path, Verb string } `json:"nonResourceAttributes"`
		} `json:"spec"`
	}
	var raw map[string]interface{}
	body := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 3<<20))
	if body.Decode(&raw) != nil {
		status(rw, 400, "BadRequest", "no JSON")
		return
	}
	b, _ := json.Marshal(raw)
	_ = json.Unmarshal(b, &in)

	a.f.mu.Lock()
	a.f.stats.Reviews++
	a.f.review = append(a.f.review, raw)
	if len(a.f.review) > 1000 {
		a.f.review = a.f.review[1:]
	}
	allowed := false
	for _, x := range a.f.rules {
		if !(x.User == "" && x.Group == "") && x.User != in.Spec.User && !has(in.Spec.Groups, x.Group) {
			continue
		}
		if n := in.Spec.NonResource; n != nil {
			allowed = allowed || has(x.NonResourcePaths, n.Path)
		}
		if n := in.Spec.Resource; n != nil {
			allowed = allowed || has(x.Verbs, n.Verb) && (x.APIGroup == "*" || x.APIGroup == n.Group) &&
				has(x.Resources, n.Resource) && (len(x.Namespaces) == 0 || has(x.Namespaces, n.Namespace))
		}
	}
	reason := a.f.reason
	a.f.mu.Unlock()

	st := map[string]interface{}{"allowed": allowed}
	if !allowed && reason != "" {
		st["reason"] = reason
	}
	raw["status"] = st
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(201)
	_ = json.NewEncoder(rw).Encode(raw)
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == "*" || x == s && s != "" {
			return true
		}
	}
	return false
}

func (a *apiServer) tokenReview(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Spec struct{ Token string } `json:"spec"`
	}
	if json.NewDecoder(http.MaxBytesReader(rw, r.Body, 3<<20)).Decode(&in) != nil {
		status(rw, 400, "BadRequest", "no JSON")
		return
	}
	a.f.mu.Lock()
	u, ok := a.f.tokens[in.Spec.Token]
	a.f.mu.Unlock()
	st := map[string]interface{}{"authenticated": ok}
	if ok {
		st["user"] = map[string]interface{}{"username": u.User, "uid": u.UID, "groups": u.Groups}
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(201)
	_ = json.NewEncoder(rw).Encode(map[string]interface{}{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": st})
}
