package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Kubelets: one listener on all addresses of the interface lo, so that nothing
// outside can reach it; the local address of a connection says which node it
// is.  HTTP is read and written by hand: 1,000 scrapes a second have to leave
// room for the program under test.

type kubelets struct {
	w *world
	f *faults
	p *pki
	o *options
}

var buffers = sync.Pool{New: func() interface{} { return &buffer{} }}

// buffer is what one answer needs.
type buffer struct{ body, out []byte }

func serveKubelets(w *world, f *faults, p *pki, o *options) error {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), "lo") }); e != nil {
			return e
		}
		return err
	}}
	l, err := lc.Listen(context.Background(), "tcp4", fmt.Sprintf("0.0.0.0:%d", o.kubeletPort))
	if err != nil {
		return err
	}
	k := &kubelets{w, f, p, o}
	conf := k.tls()
	go k.accept(l, conf)
	// of IPv6 there is one address, where there is any
	if o.kubelet6 {
		if l6, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", o.kubeletPort)); err == nil {
			go k.accept(l6, conf)
		}
	}
	return nil
}

func (k *kubelets) accept(l net.Listener, conf *tls.Config) {
	for {
		c, err := l.Accept()
		if err != nil {
			// out of files: those that close make room
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go k.serve(c.(*net.TCPConn), conf)
	}
}

// tls is the kubelets' configuration; while a certificate is told to be wrong
// no session is resumed, as that would hide it.
func (k *kubelets) tls() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			n := k.of(h.Conn)
			if n == nil {
				return nil, fmt.Errorf("no node at %v", h.Conn.LocalAddr())
			}
			return k.p.kubeletCert(key16(h.Conn.LocalAddr().(*net.TCPAddr).IP), n.name, k.fault(n))
		}}
	if k.o.kubeletCert {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
		conf.ClientCAs = k.p.verify
	}
	wrong := conf.Clone()
	wrong.SessionTicketsDisabled = true
	conf.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if n := k.of(h.Conn); n != nil && certFaults[k.fault(n)] {
			return wrong, nil
		}
		return nil, nil
	}
	return conf
}

func (k *kubelets) of(c net.Conn) *kubelet {
	k.w.mu.RLock()
	defer k.w.mu.RUnlock()
	return k.w.byIP[key16(c.LocalAddr().(*net.TCPAddr).IP)]
}

func (k *kubelets) fault(n *kubelet) string {
	k.w.mu.RLock()
	defer k.w.mu.RUnlock()
	return n.fault
}

// open notes a connection, so that a fault can end it.
func (k *kubelets) open(n *kubelet, c net.Conn) {
	k.w.mu.Lock()
	n.conns[c] = struct{}{}
	k.w.mu.Unlock()
	k.f.count(func(s *stats) { s.Connections++ })
}

func (k *kubelets) closed(n *kubelet, c net.Conn) {
	_ = c.Close()
	k.w.mu.Lock()
	delete(n.conns, c)
	k.w.mu.Unlock()
	k.f.count(func(s *stats) { s.Connections-- })
}

func (k *kubelets) serve(c *net.TCPConn, conf *tls.Config) {
	n := k.of(c)
	if n == nil || k.fault(n) == "refuse" {
		// one listener for all cannot refuse for one: it resets
		if n != nil {
			k.w.mu.Lock()
			n.refused++
			k.w.mu.Unlock()
		}
		_ = c.SetLinger(0)
		_ = c.Close()
		return
	}
	k.open(n, c)
	defer k.closed(n, c)
	if k.fault(n) == "hang" {
		k.hang(n, c)
		return
	}
	if k.o.plain {
		k.requests(c, c, n)
		return
	}
	t := tls.Server(c, conf)
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if err := t.Handshake(); err != nil {
		k.f.count(func(s *stats) { s.Failed++ })
		return
	}
	state := t.ConnectionState()
	resumed := state.DidResume
	k.f.count(func(s *stats) {
		if x := state.PeerCertificates; len(x) > 0 {
			s.Clients[x[0].Subject.CommonName]++
		}
		if len(s.Names) < 1000 {
			s.Names[state.ServerName]++
		}
		if resumed {
			s.Resumed++
		} else {
			s.Full++
		}
	})

	k.requests(t, c, n)
}

func (k *kubelets) requests(t net.Conn, c *net.TCPConn, n *kubelet) {
	r := bufio.NewReaderSize(t, 1024)
	for {
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
		q, ok := readRequest(r)
		if !ok {
			return
		}
		if !k.answer(t, c, n, q) || q.close {
			return
		}
	}
}

// hang keeps silent until the fault is over or the client is gone.
func (k *kubelets) hang(n *kubelet, c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	for b := make([]byte, 512); k.fault(n) == "hang"; {
		_, err := c.Read(b)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		} else if err != nil {
			return
		}
	}
}

type request struct {
	path, token string
	host        string
	authorized  bool // came with an Authorization header
	close       bool
}

var (
	bearer     = []byte("authorization: bearer ")
	connection = []byte("connection: close")
	host       = []byte("host: ")

	authorization = []byte("authorization:")
)

// readRequest reads a request's head; kubelets are asked by GET only.
func readRequest(r *bufio.Reader) (q request, ok bool) {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return q, false
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			f := bytes.Fields(line)
			if len(f) != 3 || string(f[0]) != "GET" {
				return q, false
			}
			q.close = string(f[2]) == "HTTP/1.0"
			q.path = string(f[1])
		case len(line) == 0:
			return q, true
		case len(line) > len(host) && bytes.EqualFold(line[:len(host)], host):
			q.host = string(line[len(host):])
		case len(line) > len(bearer) && bytes.EqualFold(line[:len(bearer)], bearer):
			q.token = string(line[len(bearer):])
			q.authorized = true
		case bytes.HasPrefix(bytes.ToLower(line), authorization):
			q.authorized = true
		case bytes.EqualFold(line, connection):
			q.close = true
		}
	}
}

func plain(status, body, more string) []byte {
	return []byte(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n%sContent-Length: %d\r\n\r\n%s",
		status, more, len(body), body))
}

// answer is one answer; false ends the connection.
func (k *kubelets) answer(c net.Conn, raw *net.TCPConn, n *kubelet, q request) bool {
	now := time.Now()
	k.w.mu.Lock()
	n.scraped(now.UnixNano(), int64(k.o.window))
	fault, path, told := n.fault, n.path, n.told
	k.w.mu.Unlock()
	k.f.count(func(s *stats) {
		s.Scrapes++
		s.LastScrape = now.UnixMilli()
		if q.authorized {
			s.Authorized++
		}
		if s.Hosts[q.host] > 0 || len(s.Hosts) < 1000 {
			s.Hosts[q.host]++
		}
		if s.Paths[q.path] > 0 || len(s.Paths) < 1000 {
			s.Paths[q.path]++
		}
	})

	if k.o.kubeletAuth && !k.o.plain && q.token != k.p.bearer() {
		return send(c, plain("401 Unauthorized", "Unauthorized", ""))
	}
	if done, keep := k.refuse(c, raw, n, fault); done {
		return keep
	}
	stats := q.path == statsPath
	if noPath(fault, stats) || !stats && q.path != "/metrics/resource" && (path == "" || q.path != path) {
		return send(c, plain("404 Not Found", "404 page not found\n", ""))
	}
	if stats && fault == "403stats" {
		return send(c, plain("403 Forbidden", "Forbidden (user=metrics-server, verb=get, resource=nodes, subresource(s)=[stats])", ""))
	}

	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	if stats {
		b.body = k.summary(b.body[:0], n, fault, now)
		b.out = append(b.out[:0], head200JSON...)
	} else {
		b.body = k.body(b.body[:0], n, fault, now)
		if told != nil {
			return told.send(c, b.body)
		}
		b.out = append(b.out[:0], head200...)
	}
	if bodyFaults[fault] {
		return spoil(c, b, fault)
	}
	// as Go's server does: in pieces
	rest := b.body
	for len(rest) > 4096 {
		b.out = chunk(b.out, rest[:4096])
		rest = rest[4096:]
	}
	b.out = append(chunk(b.out, rest), "0\r\n\r\n"...)
	return send(c, b.out)
}

const head200 = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"

func send(c net.Conn, b []byte) bool {
	_, err := c.Write(b)
	return err == nil
}

const hexDigits = "0123456789abcdef"

func chunk(out, b []byte) []byte {
	n := len(b)
	shift := 0
	for n>>shift > 15 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		out = append(out, hexDigits[n>>shift&15])
	}
	out = append(out, "\r\n"...)
	out = append(out, b...)
	return append(out, "\r\n"...)
}

// scraped counts, and finds the most scrapes that fell into one window.
func (n *kubelet) scraped(now, window int64) {
	n.scrapes++
	n.gap.scraped(now)
	i := 0
	for i < len(n.recent) && now-n.recent[i] >= window {
		i++
	}
	if i == 0 && len(n.recent) >= 64 {
		i = 1
	}
	n.recent = append(n.recent[:copy(n.recent, n.recent[i:])], now)
	if len(n.recent) > n.maxWindow {
		n.maxWindow = len(n.recent)
	}
}
