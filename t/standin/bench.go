package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// scrapeBench scrapes -nodes kubelets of a stand-in that runs with the same
// flags, at -rate scrapes a second on kept connections, and tells what CPU
// that cost the stand-in.
func scrapeBench(o *options) error {
	first, err := o.check()
	if err != nil {
		return err
	}
	read := func(name string) []byte {
		b, e := os.ReadFile(filepath.Join(o.dir, name))
		if e != nil {
			err = e
		}
		return bytes.TrimSpace(b)
	}
	ca, token, pid := read("kubelet-ca.crt"), read("token"), read("ready")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	b := &scraper{pool: pool, token: string(token), port: o.kubeletPort}

	// the first round opens the connections, and is not measured
	begin := time.Now()
	cpu := schedCPU(string(pid))
	conns := make([]*scrapeConn, o.nodes)
	for i := range conns {
		conns[i] = &scrapeConn{ip: offsetIP(first, i)}
	}
	b.round(conns, o.rate, begin.Add(time.Hour))
	used := schedCPU(string(pid)) - cpu
	fmt.Printf("first round: %d scrapes, %d failed, %.1f s, %.1f s CPU, %.3f ms each with a full handshake\n",
		b.done, b.failed, time.Since(begin).Seconds(), used, used*1000/float64(len(conns)))

	b.done, b.failed, b.bytes = 0, 0, 0
	begin = time.Now()
	cpu = schedCPU(string(pid))
	for end := begin.Add(o.bench); time.Now().Before(end); {
		b.round(conns, o.rate, end)
	}
	took := time.Since(begin).Seconds()
	used = schedCPU(string(pid)) - cpu
	fmt.Printf("kept alive: %d scrapes, %d failed, %.1f s: %.0f a second, %.0f bytes each\n"+
		"stand-in: %.2f of a core, %.3f ms a scrape, %s\n",
		b.done, b.failed, took, float64(b.done)/took, float64(b.bytes)/float64(b.done+1),
		used/took, used*1000/float64(b.done+1), rss(string(pid)))
	if b.failed > 0 {
		return fmt.Errorf("%d scrapes failed, one of them: %v", b.failed, b.err.Load())
	}
	return nil
}

type scraper struct {
	pool                *x509.CertPool
	token               string
	port                int
	done, failed, bytes int64
	err                 atomic.Value
}

type scrapeConn struct {
	ip net.IP
	c  *tls.Conn
	r  *bufio.Reader
}

// round scrapes each once, spread evenly.
func (s *scraper) round(conns []*scrapeConn, rate int, end time.Time) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, 200)
	begin := time.Now()
	for i, c := range conns {
		at := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(at))
		if time.Now().After(end) {
			break
		}
		slots <- struct{}{}
		wait.Add(1)
		go func(c *scrapeConn) {
			defer wait.Done()
			n, err := s.scrape(c)
			if err != nil {
				s.err.Store(err.Error())
				atomic.AddInt64(&s.failed, 1)
				if c.c != nil {
					_ = c.c.Close()
					c.c = nil
				}
			}
			atomic.AddInt64(&s.done, 1)
			atomic.AddInt64(&s.bytes, n)
			<-slots
		}(c)
	}
	wait.Wait()
}

func (s *scraper) scrape(c *scrapeConn) (int64, error) {
	if c.c == nil {
		t, err := tls.Dial("tcp4", net.JoinHostPort(c.ip.String(), strconv.Itoa(s.port)),
			&tls.Config{RootCAs: s.pool, ServerName: c.ip.String()})
		if err != nil {
			return 0, err
		}
		c.c, c.r = t, bufio.NewReader(t)
	}
	_ = c.c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err := fmt.Fprintf(c.c, "GET /metrics/resource HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", c.ip, s.token)
	if err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	n, err := io.Copy(io.Discard, r.Body)
	if err == nil && r.StatusCode != 200 {
		err = fmt.Errorf("status %d", r.StatusCode)
	}
	return n, err
}

// schedCPU is the CPU seconds of a process' threads.
func schedCPU(pid string) float64 {
	tasks, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	var ns float64
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if f := strings.Fields(string(b)); err == nil && len(f) > 0 {
			v, _ := strconv.ParseFloat(f[0], 64)
			ns += v
		}
	}
	return ns / 1e9
}

func rss(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmRSS:") {
			return "RSS " + strings.TrimSpace(l[6:])
		}
	}
	return "RSS unknown"
}
