package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
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
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		n := k.nodeOf(h.Conn)
		if n == nil {
			return nil, fmt.Errorf("no node at %v", h.Conn.LocalAddr())
		}
		return p.kubeletCert(n.ip, f.ofNode(n.name))
	}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.serve(c, conf)
		}
	}()
	return nil
}

func (k *kubelets) nodeOf(c net.Conn) *node {
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	return k.w.byIP[c.LocalAddr().(*net.TCPAddr).IP.To4().String()]
}

func (k *kubelets) serve(c net.Conn, conf *tls.Config) {
	defer c.Close()
	n := k.nodeOf(c)
	if n == nil || k.f.ofNode(n.name) == "refuse" {
		// a listener for all cannot refuse for one: it resets
		_ = c.(*net.TCPConn).SetLinger(0)
		return
	}
	if k.f.ofNode(n.name) == "hang" {
		time.Sleep(time.Minute)
		return
	}
	t := tls.Server(c, conf)
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if t.Handshake() != nil {
		return
	}
	resumed := t.ConnectionState().DidResume
	k.f.count(func(s *stats) {
		s.Connections++
		if resumed {
			s.Resumed++
		} else {
			s.Full++
		}
	})
	defer k.f.count(func(s *stats) { s.Connections-- })

	r := bufio.NewReaderSize(t, 2048)
	var buf bytes.Buffer
	for {
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
		path, token, ok := readRequest(r)
		if !ok {
			return
		}
		if !k.answer(t, n, path, token, &buf) {
			return
		}
	}
}

// readRequest reads a request's head; kubelets are asked by GET only.
func readRequest(r *bufio.Reader) (path, token string, ok bool) {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", "", false
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			f := bytes.Fields(line)
			if len(f) != 3 || string(f[0]) != "GET" {
				return "", "", false
			}
			path = string(f[1])
		case len(line) == 0:
			return path, token, true
		case len(line) > 22 && bytes.EqualFold(line[:22], []byte("authorization: bearer ")):
			token = string(line[22:])
		}
	}
}

func plain(status string, body string, more string) []byte {
	return []byte(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n%s", status, more, len(body), body))
}

// answer is one answer; false ends the connection.
func (k *kubelets) answer(c net.Conn, n *node, path, token string, buf *bytes.Buffer) bool {
	k.f.count(func(s *stats) { s.Scrapes++; s.PerNode[n.name]++ })

	send := func(b []byte) bool { _, err := c.Write(b); return err == nil }

	if k.o.kubeletAuth && token != k.p.token {
		return send(plain("401 Unauthorized", "Unauthorized", ""))
	}
	fault := k.f.ofNode(n.name)
	switch fault {
	case "hang":
		time.Sleep(time.Minute)
		return false
	case "401":
		return send(plain("401 Unauthorized", "Unauthorized", ""))
	case "403":
		return send(plain("403 Forbidden", "Forbidden (user=metrics-server, verb=get, resource=nodes, subresource=metrics)", ""))
	case "500":
		return send(plain("500 Internal Server Error", "no", ""))
	case "redirect":
		return send(plain("302 Found", "", "Location: https://192.0.2.1/\r\n"))
	case "html":
		return send(plain("200 OK", "<html><body>hello</body></html>\n", ""))
	case "garbage":
		send(bytes.Repeat([]byte{0x16, 0, 0xff, 'x', '\n'}, 2000))
		return false
	case "reset":
		return false
	}
	if path != "/metrics/resource" && path != n.path {
		return send(plain("404 Not Found", "404 page not found", ""))
	}

	buf.Reset()
	buf.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
	body := k.body(n, fault)
	switch fault {
	case "half":
		chunk(buf, body[:len(body)/2])
		send(buf.Bytes())
		return false
	case "badchunk":
		buf.WriteString("zz\r\n")
		buf.Write(body)
		send(buf.Bytes())
		return false
	case "huge":
		if !send(buf.Bytes()) {
			return false
		}
		for i := 0; i < 50; i++ {
			buf.Reset()
			chunk(buf, bytes.Repeat([]byte("# a comment that is nothing but long\n"), 28340))
			if !send(buf.Bytes()) {
				return false
			}
		}
		return send([]byte("0\r\n\r\n"))
	case "drip":
		chunk(buf, body)
		for _, b := range buf.Bytes() {
			if !send([]byte{b}) {
				return false
			}
			time.Sleep(200 * time.Millisecond)
		}
		return false
	}
	// as Go's server does: pieces, not one write
	for len(body) > 4096 {
		chunk(buf, body[:4096])
		body = body[4096:]
	}
	chunk(buf, body)
	buf.WriteString("0\r\n\r\n")
	return send(buf.Bytes())
}

func chunk(buf *bytes.Buffer, b []byte) {
	fmt.Fprintf(buf, "%x\r\n", len(b))
	buf.Write(b)
	buf.WriteString("\r\n")
}

// cpuAt is the counter of a constant rate at a time, in ns.
func cpuAt(nanocores uint64, since time.Duration) uint64 {
	if since < 0 {
		since = 0
	}
	return nanocores * uint64(since/time.Millisecond) / 1000
}

func seconds(b []byte, ns uint64) []byte {
	b = strconv.AppendUint(b, ns/1000000000, 10)
	b = append(b, '.')
	f := strconv.Itoa(int(ns%1000000000) + 1000000000)
	return append(b, f[1:]...)
}

// body is the text at /metrics/resource.
func (k *kubelets) body(n *node, fault string) []byte {
	k.w.mu.Lock()
	pods := n.pods
	host := n.host
	k.w.mu.Unlock()

	t := k.w.sampled(n, time.Now()).Truncate(time.Millisecond)
	ms := strconv.FormatInt(t.UnixMilli(), 10)
	b := make([]byte, 0, 512+len(pods)*360)

	head := func(name, help, kind string) {
		b = append(b, "# HELP "+name+" [STABLE] "+help+"\n# TYPE "+name+" "+kind+"\n"...)
	}
	labels := func(name string, p *pod, c *container) {
		b = append(b, name...)
		b = append(b, '{')
		if c != nil {
			b = append(b, `container="`...)
			b = append(b, c.name...)
			b = append(b, `",`...)
		}
		b = append(b, `namespace="`...)
		b = append(b, p.namespace...)
		b = append(b, `",pod="`...)
		b = append(b, p.name...)
		b = append(b, `"} `...)
	}
	end := func() {
		b = append(b, ' ')
		b = append(b, ms...)
		b = append(b, '\n')
	}
	running := make([]*pod, 0, len(pods))
	for _, p := range pods {
		if p.phase == "Running" {
			running = append(running, p)
		}
	}
	cpu := func(c *container) uint64 {
		if k.o.host {
			return c.fixed
		}
		return cpuAt(c.cpu, t.Sub(c.start))
	}

	head("container_cpu_usage_seconds_total", "Cumulative cpu time consumed by the container in core-seconds", "counter")
	for _, p := range running {
		for i := range p.containers {
			labels("container_cpu_usage_seconds_total", p, &p.containers[i])
			b = seconds(b, cpu(&p.containers[i]))
			end()
		}
	}
	head("container_memory_working_set_bytes", "Current working set of the container in bytes", "gauge")
	for _, p := range running {
		for i := range p.containers {
			labels("container_memory_working_set_bytes", p, &p.containers[i])
			b = strconv.AppendFloat(b, float64(p.containers[i].memory), 'e', -1, 64)
			end()
		}
	}
	if k.o.full {
		head("container_swap_usage_bytes", "Current amount of the container swap usage in bytes", "gauge")
		for _, p := range running {
			for i := range p.containers {
				labels("container_swap_usage_bytes", p, &p.containers[i])
				b = append(b, '0')
				end()
			}
		}
	}
	head("container_start_time_seconds", "Start time of the container since unix epoch in seconds", "gauge")
	for _, p := range running {
		for i := range p.containers {
			labels("container_start_time_seconds", p, &p.containers[i])
			b = strconv.AppendFloat(b, float64(p.containers[i].start.UnixMilli())/1000, 'e', -1, 64)
			b = append(b, '\n')
		}
	}
	nodeCPU, nodeMemory := cpuAt(n.cpu, t.Sub(k.w.start)), n.memory
	if host != nil {
		nodeCPU, nodeMemory = host.cpu, host.memory
	}
	head("node_cpu_usage_seconds_total", "Cumulative cpu time consumed by the node in core-seconds", "counter")
	b = append(b, "node_cpu_usage_seconds_total "...)
	b = seconds(b, nodeCPU)
	end()
	head("node_memory_working_set_bytes", "Current working set of the node in bytes", "gauge")
	b = append(b, "node_memory_working_set_bytes "...)
	b = strconv.AppendFloat(b, float64(nodeMemory), 'e', -1, 64)
	end()
	if k.o.full {
		b = podSeries(b, running)
	}
	head("resource_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise", "gauge")
	b = append(b, "resource_scrape_error "...)
	if fault == "scrape_error" {
		b = append(b, "1\n"...)
	} else {
		b = append(b, "0\n"...)
	}
	return b
}

// podSeries is what a kubelet says of whole pods, which nobody here reads.
func podSeries(b []byte, pods []*pod) []byte {
	var sb strings.Builder
	for _, m := range []string{"pod_cpu_usage_seconds_total", "pod_memory_working_set_bytes", "pod_swap_usage_bytes"} {
		fmt.Fprintf(&sb, "# HELP %s [STABLE] of the pod\n# TYPE %s gauge\n", m, m)
		for _, p := range pods {
			var v uint64
			for i := range p.containers {
				v += p.containers[i].memory
			}
			fmt.Fprintf(&sb, "%s{namespace=%q,pod=%q} %d %d\n", m, p.namespace, p.name, v, time.Now().UnixMilli())
		}
	}
	return append(b, sb.String()...)
}
