package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
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

	mu       sync.Mutex
	srv      *http.Server
	cut      chan struct{} // closed to end every watch
	noStream bool          // sendInitialEvents is refused with 422
	bookmark time.Duration
	delay    time.Duration // of the fault slow
}

const authConfigMap = "kube-system/extension-apiserver-authentication"

func utoa(v uint64) string { return strconv.FormatUint(v, 10) }

func newAPIServer(w *world, f *faults, p *pki, addr string) *apiServer {
	a := &apiServer{w: w, f: f, p: p, addr: addr, cut: make(chan struct{}),
		bookmark: 5 * time.Second, delay: 3 * time.Second}
	c := &configMap{data: map[string]string{
		"client-ca-file":                     string(p.cluster.pem),
		"requestheader-client-ca-file":       string(p.requestheader.pem),
		"requestheader-allowed-names":        `["front-proxy-client"]`,
		"requestheader-username-headers":     `["X-Remote-User"]`,
		"requestheader-uid-headers":          `["X-Remote-Uid"]`,
		"requestheader-group-headers":        `["X-Remote-Group"]`,
		"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
	}}
	c.m = metadata{kind: "ConfigMap", namespace: "kube-system", name: "extension-apiserver-authentication"}
	w.mu.Lock()
	w.set("configmaps", authConfigMap, c)
	w.forget()
	w.mu.Unlock()
	return a
}

// up opens the listener, if it is closed.
func (a *apiServer) up() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.srv != nil {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(a.p.dir, "apiserver.crt"), filepath.Join(a.p.dir, "apiserver.key"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", a.addr)
	if err != nil {
		return err
	}
	// certificates are verified in authenticated(): a wrong one is a 401
	a.srv = &http.Server{Handler: a, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}}
	srv := a.srv
	go func() { _ = srv.ServeTLS(l, "", "") }()
	return nil
}

// down closes the listener and every connection.
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

func (a *apiServer) authenticated(r *http.Request) bool {
	if h := r.Header.Get("Authorization"); h != "" {
		return h == "Bearer "+a.p.bearer()
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	_, err := r.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: a.p.verify,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// target is what a request is about: a kind, and a part for the faults.
type target struct {
	kind, namespace, name string
	part                  string
}

func parseTarget(path string) (t target) {
	switch path {
	case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
		t.part = "sar"
		return t
	case "/apis/authentication.k8s.io/v1/tokenreviews":
		t.part = "tokenreviews"
		return t
	}
	if !strings.HasPrefix(path, "/api/v1/") {
		return t
	}
	f := strings.Split(path[len("/api/v1/"):], "/")
	if len(f) >= 3 && f[0] == "nodes" && f[2] == "proxy" {
		return target{name: f[1], part: "proxy"}
	}
	if len(f) >= 3 && f[0] == "namespaces" && (f[2] == "pods" || f[2] == "configmaps") {
		t.namespace = f[1]
		f = f[2:]
	}
	known := f[0] == "pods" || f[0] == "configmaps" || f[0] == "nodes"
	if !known || len(f) > 2 || len(f) == 2 && t.namespace == "" && f[0] != "nodes" {
		return target{}
	}
	t.kind, t.part = f[0], f[0]
	if len(f) == 2 {
		t.name = f[1]
	}
	return t
}

func (a *apiServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	client := ""
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	a.f.mu.Lock()
	a.f.requests = append(a.f.requests, requestLine{r.Method, r.URL.RequestURI(), r.Header.Get("Accept"), r.UserAgent(), client})
	if n := len(a.f.requests); n > 1000 {
		a.f.requests = a.f.requests[n-1000:]
	}
	a.f.mu.Unlock()

	if !a.authenticated(r) {
		status(rw, r, 401, "Unauthorized", "Unauthorized")
		return
	}
	t := parseTarget(r.URL.Path)
	watch := boolParam(r, "watch")
	fault := a.f.ofAPI(t.part, watch)
	if a.misbehave(rw, r, fault, t) || a.tell(rw, t.part) {
		return
	}
	switch {
	case t.part == "sar":
		a.accessReview(rw, r)
	case t.part == "tokenreviews":
		a.tokenReview(rw, r)
	case t.part == "proxy":
		a.proxy(rw, r, t.name)
	case t.kind != "" && r.Method != http.MethodGet:
		status(rw, r, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
	case t.kind != "" && t.name != "":
		a.get(rw, r, t)
	case t.kind != "" && watch:
		a.watch(rw, r, t, fault)
	case t.kind != "":
		a.list(rw, r, t)
	case r.URL.Path == "/readyz" || r.URL.Path == "/livez" || r.URL.Path == "/healthz":
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte("ok"))
	case r.URL.Path == "/version":
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"major":"1","minor":"37","gitVersion":"v1.37.2","goVersion":"go1.26","platform":"linux/amd64"}`))
	default:
		status(rw, r, 404, "NotFound", "the server could not find the requested resource")
	}
}

// misbehave answers as a fault says; false: answer well.
func (a *apiServer) misbehave(rw http.ResponseWriter, r *http.Request, fault string, t target) bool {
	switch fault {
	case "hang":
		<-r.Context().Done()
	case "slow":
		a.mu.Lock()
		delay := a.delay
		a.mu.Unlock()
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
		}
		return false
	case "410":
		status(rw, r, 410, "Expired", "too old resource version: told to fail")
	case "401":
		status(rw, r, 401, "Unauthorized", "Unauthorized")
	case "403":
		status(rw, r, 403, "Forbidden", t.part+` is forbidden: User "system:serviceaccount:kube-system:metrics-server" cannot do it`)
	case "429": // the real one's is no Status either
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, "Too many requests, please try again later.", 429)
	case "500":
		status(rw, r, 500, "InternalError", "Internal error occurred: told to fail")
	case "garbage":
		rw.Header().Set("Content-Type", r.Header.Get("Accept"))
		_, _ = rw.Write([]byte("{{{ \x00\xff no"))
	default:
		return false
	}
	return true
}

func boolParam(r *http.Request, name string) bool {
	v := r.URL.Query().Get(name)
	return v == "true" || v == "1"
}

func wantsProtobuf(r *http.Request) bool {
	return strings.HasPrefix(strings.TrimSpace(r.Header.Get("Accept")), "application/vnd.kubernetes.protobuf") &&
		!wantsMetadata(r)
}

// wantsMetadata: nothing but metadata is wanted, as metrics-server does of
// pods; it comes in JSON alone.
func wantsMetadata(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), ";as=PartialObjectMetadata")
}

func statusJSON(code int, reason, message string) dict {
	return dict{"kind": "Status", "apiVersion": "v1", "metadata": dict{}, "status": "Failure",
		"message": message, "reason": reason, "code": code}
}

// status answers with a Status, in the form that was asked for.
func status(rw http.ResponseWriter, r *http.Request, code int, reason, message string) {
	if wantsProtobuf(r) {
		rw.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
		rw.WriteHeader(code)
		_, _ = rw.Write(statusPB(code, reason, message))
		return
	}
	replyJSON(rw, code, statusJSON(code, reason, message))
}

func replyJSON(rw http.ResponseWriter, code int, v interface{}) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	_ = json.NewEncoder(rw).Encode(v)
}
