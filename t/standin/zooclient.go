package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	mrand "math/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// runZoo is "standin zoo": certificates, and a client that sends any bytes as
// its chain, which other clients do not.
func runZoo(args []string) error {
	f := flag.NewFlagSet("zoo", flag.ContinueOnError)
	dir := f.String("dir", "zoo", "`folder` of the certificates")
	late := f.String("late", "", "make one more client certificate of this `name`")
	life := f.Duration("life", 10*time.Second, "how long that one is valid")
	get := f.String("get", "", "come to this `URL` with each certificate, and print the answers as JSON")
	host := f.String("host", "", "the `name` in Host and SNI")
	mutate := f.Int("mutate", 0, "come so many times with changed bytes in a good chain, and print what was answered")
	seed := f.Int64("seed", 1, "of the changes")
	var header headers
	f.Var(&header, "header", "a `line` to send with -get")
	if err := f.Parse(args); err != nil {
		return err
	}
	c := &zooClient{url: *get, host: *host, header: header}
	switch {
	case *get == "" && *late == "":
		return makeZoo(*dir)
	case *late != "":
		return makeLate(*dir, *late, *life)
	case *mutate > 0:
		return c.fuzz(*dir, *mutate, *seed)
	}
	return c.all(*dir)
}

type headers []string

func (h *headers) String() string     { return strings.Join(*h, "\n") }
func (h *headers) Set(s string) error { *h = append(*h, s); return nil }

type zooClient struct {
	url, host string
	header    []string
}

type zooAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Error  string `json:"error,omitempty"`
}

// ask is one request on a connection of its own.
func (z *zooClient) ask(b *beast) zooAnswer {
	config := &tls.Config{InsecureSkipVerify: true, ServerName: z.host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: b.chain, PrivateKey: b.key}, nil
		}}
	t := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", z.url, nil)
	if err != nil {
		return zooAnswer{Error: err.Error()}
	}
	r.Host = z.host
	for _, line := range z.header {
		kv := strings.SplitN(line, ": ", 2)
		r.Header[kv[0]] = append(r.Header[kv[0]], kv[len(kv)-1])
	}
	res, err := t.RoundTrip(r)
	if err != nil {
		return zooAnswer{Error: err.Error()}
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return zooAnswer{Error: err.Error()}
	}
	return zooAnswer{Status: res.StatusCode, Body: string(body)}
}

func (z *zooClient) all(dir string) error {
	var names map[string]verdict
	data, err := os.ReadFile(filepath.Join(dir, "verdicts.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &names); err != nil {
		return err
	}
	out := map[string]zooAnswer{}
	for name := range names {
		b, err := loadBeast(dir, name)
		if err != nil {
			return err
		}
		out[name] = z.ask(b)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// mutated changes a few bytes of one certificate of the chain; "what" says how.
func mutated(rnd *mrand.Rand, chain [][]byte) (out [][]byte, what string) {
	out = append(out, chain...)
	i := rnd.Intn(len(chain))
	der := append([]byte(nil), chain[i]...)
	n := 1 + rnd.Intn(3)
	for j := 0; j < n; j++ {
		at := rnd.Intn(len(der))
		switch kind := rnd.Intn(6); kind {
		case 0, 1:
			der[at] ^= 1 << uint(rnd.Intn(8))
		case 2:
			der[at] = byte(rnd.Intn(256))
		case 3: // a byte less
			der = append(der[:at], der[at+1:]...)
		case 4: // a byte more
			der = append(der[:at], append([]byte{byte(rnd.Intn(256))}, der[at:]...)...)
		case 5: // a piece of itself
			from, l := rnd.Intn(len(der)), 1+rnd.Intn(16)
			if from+l <= len(der) && at+l <= len(der) {
				copy(der[at:at+l], der[from:from+l])
			}
		}
		what += fmt.Sprintf("cert %d at %d; ", i, at)
	}
	out[i] = der
	return out, what
}

// fuzz prints how many were answered how, and each that was let in.
func (z *zooClient) fuzz(dir string, n int, seed int64) error {
	good, err := loadBeast(dir, "intermediate-sent")
	if err != nil {
		return err
	}
	type job struct {
		b    *beast
		what string
	}
	jobs := make(chan job)
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts, accepted := map[string]int{}, []string{}
	for w := 0; w < 4; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range jobs {
				a := z.ask(j.b)
				mu.Lock()
				if a.Error != "" {
					counts["error"]++
				} else {
					counts[fmt.Sprint(a.Status)]++
				}
				if a.Error == "" && a.Status != 401 {
					accepted = append(accepted, fmt.Sprintf("%s%d", j.what, a.Status))
				}
				mu.Unlock()
			}
		}()
	}
	rnd := mrand.New(mrand.NewSource(seed))
	for i := 0; i < n; {
		chain, what := mutated(rnd, good.chain)
		if bytes.Equal(bytes.Join(chain, nil), bytes.Join(good.chain, nil)) {
			continue
		}
		jobs <- job{&beast{good.name, chain, good.key}, what}
		i++
	}
	close(jobs)
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"counts": counts, "accepted": accepted, "good": z.ask(good)})
}
