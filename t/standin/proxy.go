package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// nodeClient is what the API server asks kubelets with; the real one verifies
// them if it is told to.
var nodeClient = &http.Client{
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// proxy is nodes/ID/proxy/PATH, where ID is NAME, NAME:PORT or
// SCHEME:NAME:PORT.  As at the real one only the kubelet's own port gets a
// credential.
func (a *apiServer) proxy(rw http.ResponseWriter, r *http.Request, id string) {
	f := strings.Split(id, ":")
	scheme, name, port := "https", f[0], ""
	switch len(f) {
	case 2:
		scheme, port = "http", f[1]
	case 3:
		scheme, name, port = f[0], f[1], f[2]
	}
	n := a.w.node(name)
	if n == nil {
		status(rw, r, 404, "NotFound", `nodes "`+name+`" not found`)
		return
	}
	own := strconv.Itoa(n.port)
	if port == "" || port == own {
		scheme, port = "https", own
	}
	path := r.URL.EscapedPath()
	path = path[strings.Index(path, "/proxy")+len("/proxy"):]
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	q, err := http.NewRequestWithContext(r.Context(), r.Method, scheme+"://"+net.JoinHostPort(n.kubelet.ip.String(), port)+path, nil)
	if err != nil {
		status(rw, r, 400, "BadRequest", "invalid node request")
		return
	}
	if port == own {
		q.Header.Set("Authorization", "Bearer "+a.p.bearer())
	}

	a.f.count(func(s *stats) {
		s.Proxied++
		s.ProxiedNow++
		if s.ProxiedNow > s.ProxiedMax {
			s.ProxiedMax = s.ProxiedNow
		}
	})
	defer a.f.count(func(s *stats) { s.ProxiedNow-- })
	answer, err := nodeClient.Do(q)
	if err != nil {
		status(rw, r, 503, "ServiceUnavailable", "error trying to reach service: "+err.Error())
		return
	}
	defer answer.Body.Close()
	rw.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	rw.WriteHeader(answer.StatusCode)
	if _, err = io.Copy(rw, answer.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}
