package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"time"
)

// standin gets: what a request costs the server that answers it.  Rows take
// turns, so that what else the machine does is in all of them.

// getsRow is one kind of request, one after another on a kept connection.
type getsRow struct {
	Name     string
	URL      string
	Pid      int // of the server
	HTTP2    bool
	Cert     string // NAME.crt, NAME.key
	Header   map[string][]string
	Requests int    // of a round
	Each     bool   // a user of its own for each request
	Optional bool   // 401 leaves the row out
	Less     string // a row whose cost in the same round is told off, too

	client    *http.Client
	sent      int
	skip      bool
	cpu, wall []float64 // us, of each round
}

func runGets(args []string) error {
	fs := flag.NewFlagSet("gets", flag.ExitOnError)
	rounds := fs.Int("rounds", 5, "measured rounds")
	if err := fs.Parse(args); err != nil {
		return err
	}
	data, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return err
	}
	var rows []*getsRow
	if err := decode(data, &rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.client, err = newClient(r.Cert, r.HTTP2, 1); err != nil {
			return err
		}
	}
	for i := 0; i < *rounds; i++ {
		for _, r := range rows {
			if err := r.round(); err != nil {
				return fmt.Errorf("%s: %v", r.Name, err)
			}
		}
	}
	for _, r := range rows {
		if r.skip {
			fmt.Printf("%s\tskipped\n", r.Name)
			continue
		}
		c, w := spread(r.cpu), spread(r.wall)
		fmt.Printf("%s\t%.2f\t%.2f\t%.2f\t%.1f\n", r.Name, c[1], c[0], c[2], w[1])
		for _, l := range rows {
			if l.Name == r.Less {
				d := quartiles(r.cpu, l.cpu)
				fmt.Printf("%s-%s\t%.2f\t%.2f\t%.2f\n", r.Name, l.Name, d[1], d[0], d[2])
			}
		}
	}
	return nil
}

// quartiles is of the differences the median and what half of them are within.
func quartiles(a, b []float64) [3]float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	sort.Float64s(d)
	return [3]float64{d[len(d)/4], d[len(d)/2], d[len(d)*3/4]}
}

// newClient is one that keeps its connections; what they are served with was
// made for the run, so it is not verified.
func newClient(cert string, http2 bool, conns int) (*http.Client, error) {
	c := &tls.Config{InsecureSkipVerify: true}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert+".crt", cert+".key")
		if err != nil {
			return nil, err
		}
		// whatever CAs the server names
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	t := &http.Transport{TLSClientConfig: c, MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns,
		DisableCompression: true, ForceAttemptHTTP2: http2}
	if !http2 {
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return &http.Client{Transport: t, Timeout: 30 * time.Second}, nil
}

func (r *getsRow) round() error {
	if r.skip {
		return nil
	}
	// the connection, and the decision that is kept, are not measured
	for i := 0; i < 20; i++ {
		if err := r.get(); err != nil || r.skip {
			return err
		}
	}
	pid := strconv.Itoa(r.Pid)
	begin, cpu := time.Now(), schedCPU(pid)
	for i := 0; i < r.Requests; i++ {
		if err := r.get(); err != nil {
			return err
		}
	}
	n := float64(r.Requests)
	r.wall = append(r.wall, time.Since(begin).Seconds()*1e6/n)
	r.cpu = append(r.cpu, (schedCPU(pid)-cpu)*1e6/n)
	return nil
}

func (r *getsRow) get() error {
	req, err := http.NewRequest(http.MethodGet, r.URL, nil)
	if err != nil {
		return err
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if r.Each {
		r.sent++
		req.Header["X-Remote-User"] = []string{fmt.Sprintf("user-%d-%d", os.Getpid(), r.sent)}
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode == 401 && r.Optional {
		r.skip = true
		return nil
	}
	var item struct{ Kind string }
	if res.StatusCode != 200 || json.Unmarshal(body, &item) != nil || item.Kind != "PodMetrics" {
		return fmt.Errorf("status %d: %.200s", res.StatusCode, body)
	}
	if r.HTTP2 != (res.ProtoMajor == 2) {
		return fmt.Errorf("the server speaks %s", res.Proto)
	}
	return nil
}

// spread is the smallest, the median and the largest.
func spread(v []float64) [3]float64 {
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	return [3]float64{s[0], s[len(s)/2], s[len(s)-1]}
}
