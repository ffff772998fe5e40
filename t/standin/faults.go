package main

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// faults is what was told to misbehave, and what was counted.
type faults struct {
	mu       sync.Mutex
	api      []apiFault
	rules    []rule
	reason   string
	tokens   map[string]tokenUser
	told     told
	reviews  []map[string]interface{}
	asked    []byte // the last review as it came
	requests []requestLine
	stats    stats
}

type apiFault struct {
	Fault string `json:"fault"`
	For   string `json:"for"`
	Count int    `json:"count"` // 0: until cleared
}

type stats struct {
	Scrapes     int64            `json:"scrapes"`
	LastScrape  int64            `json:"lastScrape"` // ms
	Connections int64            `json:"connections"`
	Full        int64            `json:"handshakesFull"`
	Resumed     int64            `json:"handshakesResumed"`
	Failed      int64            `json:"handshakesFailed"`
	Lists       int64            `json:"lists"`
	WatchesOpen int64            `json:"watchesOpen"`
	Watches     int64            `json:"watches"`
	ListsOf     map[string]int64 `json:"listsOf"`
	WatchesOf   map[string]int64 `json:"watchesOf"` // open now
	Reviews     int64            `json:"reviews"`
	TokenAsked  int64            `json:"tokenReviews"`
	MaxWindow   int              `json:"maxPerWindow"`
	PerNode     map[string]int64 `json:"perNode"`
	LastOf      map[string]int64 `json:"lastOf"`     // ms
	MaxGapOf    map[string]int64 `json:"maxGapOf"`   // ms
	RefusedOf   map[string]int64 `json:"refusedOf"`  // connections
	Paths       map[string]int64 `json:"paths"`      // that kubelets were asked for
	Clients     map[string]int64 `json:"clients"`    // handshakes by their certificate's name
	Names       map[string]int64 `json:"names"`      // handshakes by the name that was sent
	Hosts       map[string]int64 `json:"hosts"`      // requests to kubelets by their Host
	Authorized  int64            `json:"authorized"` // with an Authorization header
	Proxied     int64            `json:"proxied"`    // requests to kubelets through the API server
	ProxiedNow  int64            `json:"proxiedNow"`
	ProxiedMax  int64            `json:"proxiedMax"` // at a time
}

// requestLine is a request as the API server saw it.
type requestLine struct {
	Method string `json:"method"`
	URI    string `json:"uri"`
	Accept string `json:"accept"`
	Agent  string `json:"agent"`
	Client string `json:"client"` // its certificate's name
}

var nodeFaults = map[string]bool{"": true, "refuse": true, "hang": true, "401": true, "403": true,
	"500": true, "html": true, "half": true, "garbage": true, "huge": true, "redirect": true,
	"drip": true, "reset": true, "badchunk": true, "wrongname": true, "expired": true,
	"otherca": true, "noresource": true, "nostats": true, "403stats": true, "badstats": true, "scrape_error": true, "flood": true, "status": true, "empty": true}

var certFaults = map[string]bool{"wrongname": true, "expired": true, "otherca": true}

var bodyFaults = map[string]bool{"half": true, "badchunk": true, "huge": true, "drip": true, "flood": true}

var apiFaults = map[string]bool{"": true, "down": true, "hang": true, "cutwatch": true, "410": true,
	"410event": true, "401": true, "403": true, "429": true, "500": true, "slow": true, "garbage": true}

func newFaults() *faults {
	return &faults{tokens: map[string]tokenUser{},
		stats: newStats()}
}

func newStats() stats {
	return stats{ListsOf: map[string]int64{}, WatchesOf: map[string]int64{},
		Paths: map[string]int64{}, Clients: map[string]int64{},
		Names: map[string]int64{}, Hosts: map[string]int64{}}
}

// ofAPI takes the fault that is meant for a part of the API; each use counts.
// cutwatch and 410event are for watches alone.
func (f *faults) ofAPI(part string, watch bool) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.api {
		a := &f.api[i]
		if a.For != "" && a.For != part || (a.Fault == "cutwatch" || a.Fault == "410event") && !watch {
			continue
		}
		name := a.Fault
		if a.Count > 0 {
			if a.Count--; a.Count == 0 {
				f.api = append(f.api[:i:i], f.api[i+1:]...)
			}
		}
		return name
	}
	return ""
}

func (f *faults) count(update func(s *stats)) {
	f.mu.Lock()
	update(&f.stats)
	f.mu.Unlock()
}

// setFault is a kubelet's fault from now on; kept connections end where it
// would not be seen on them.
func (w *world) setFault(k *kubelet, fault string) {
	k.fault = fault
	k.gap.troubled = k.gap.troubled || fault != ""
	if fault != "refuse" && fault != "reset" && !certFaults[fault] {
		return
	}
	for c := range k.conns {
		if fault == "refuse" {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	}
}

// refuse is the faults that need no body; done says that there was one, keep
// that the connection may be used again.
func (k *kubelets) refuse(c net.Conn, raw *net.TCPConn, n *kubelet, fault string) (done, keep bool) {
	switch fault {
	case "hang":
		k.hang(n, raw)
		return true, false
	case "401":
		return true, send(c, plain("401 Unauthorized", "Unauthorized", ""))
	case "403":
		return true, send(c, plain("403 Forbidden", "Forbidden (user=metrics-server, verb=get, resource=nodes, subresource(s)=[metrics])", ""))
	case "500":
		return true, send(c, plain("500 Internal Server Error", "told to fail\n", ""))
	case "redirect":
		// to this kubelet itself, which counts who follows
		to := net.JoinHostPort(raw.LocalAddr().(*net.TCPAddr).IP.String(), strconv.Itoa(k.o.kubeletPort))
		return true, send(c, plain("302 Found", "", "Location: https://"+to+"/redirected\r\n"))
	case "status":
		return true, send(c, plain("418 I'm a teapot", "told to\n", ""))
	case "empty":
		return true, send(c, plain("200 OK", "", ""))
	case "html":
		return true, send(c, []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 33\r\n\r\n<html><body>hello</body></html>\r\n"))
	case "garbage":
		b := make([]byte, 10000)
		for i := range b {
			b[i] = "\x16\x00\xffx\n"[i%5]
		}
		send(c, b)
		return true, false
	case "reset", "refuse":
		_ = raw.SetLinger(0)
		_ = raw.Close()
		return true, false
	}
	return false, false
}

// spoil sends a good body badly; true keeps the connection.
func spoil(c net.Conn, b *buffer, fault string) bool {
	switch fault {
	case "half":
		send(c, chunk(b.out, b.body[:len(b.body)/2]))
		return false
	case "badchunk":
		send(c, append(append(b.out, "zz\r\n"...), b.body...))
		return false
	case "huge": // 50 MB
		line := "# a comment that is nothing but long\n"
		for len(b.body) < 1<<20-len(line) {
			b.body = append(b.body, line...)
		}
		for i := 0; i < 50; i++ {
			if !send(c, chunk(b.out, b.body)) {
				return false
			}
			b.out = b.out[:0]
		}
		return send(c, []byte("0\r\n\r\n"))
	case "flood": // a good body, and 20,000 containers that are nobody's
		send(c, chunk(b.out, b.body))
		for i := 0; i < 200; i++ {
			b.body = b.body[:0]
			for j := 0; j < 100; j++ {
				b.body = append(b.body, fmt.Sprintf("container_cpu_usage_seconds_total{container=\"c\",namespace=\"zzz\",pod=\"p-%d\"} 1\n", i*100+j)...)
			}
			if !send(c, chunk(b.out[:0], b.body)) {
				return false
			}
		}
		return send(c, []byte("0\r\n\r\n"))
	case "drip":
		for _, x := range chunk(b.out, b.body) {
			if !send(c, []byte{x}) {
				return false
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	return false
}
