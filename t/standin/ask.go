package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// asking is what "standin ask" reads: requests to be made one after the other,
// all on one client's connections, and one that others repeat meanwhile.
type asking struct {
	URL      string        `json:"url"`
	Dir      string        `json:"dir"`  // of the pair
	Cert     string        `json:"cert"` // the pair's name
	Requests []askRequest  `json:"requests"`
	Beside   *askRequest   `json:"beside"`
	Streams  int           `json:"streams"` // of those beside
	answers  []askResponse // of the requests
	beside   []askResponse
	mu       sync.Mutex
}

type askRequest struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"` // as written, repeated ones in order
}

type askResponse struct {
	Status  int    `json:"status"`
	Proto   string `json:"proto"`
	Type    string `json:"type"`
	Body    string `json:"body"`
	Address string `json:"address"` // of the client: which connection it was
	Error   string `json:"error,omitempty"`
}

// runAsk asks over HTTP/2, as curl does not: a client that multiplexes as
// kube-apiserver's aggregator does, with its library.
func runAsk(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: standin ask FILE")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	a := &asking{}
	if err := json.Unmarshal(text, a); err != nil {
		return err
	}
	conf := &tls.Config{InsecureSkipVerify: true}
	if a.Cert != "" {
		pair := filepath.Join(a.Dir, a.Cert)
		cert, err := tls.LoadX509KeyPair(pair+".crt", pair+".key")
		if err != nil {
			return err
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	client := &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true},
	}

	over := make(chan struct{})
	var others, begun sync.WaitGroup
	for i := 0; a.Beside != nil && i < a.Streams; i++ {
		others.Add(1)
		begun.Add(1)
		go func() {
			defer others.Done()
			for n := 0; ; n++ {
				answer := a.ask(client, a.Beside)
				a.mu.Lock()
				a.beside = append(a.beside, answer)
				a.mu.Unlock()
				if n == 0 {
					begun.Done()
				}
				select {
				case <-over:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		}()
	}
	begun.Wait()
	for i := range a.Requests {
		a.answers = append(a.answers, a.ask(client, &a.Requests[i]))
	}
	close(over)
	others.Wait()

	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"answers": a.answers, "beside": a.beside,
	})
}

func (a *asking) ask(client *http.Client, q *askRequest) (answer askResponse) {
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, a.URL+q.Path, nil)
	if err != nil {
		return askResponse{Error: err.Error()}
	}
	for _, h := range q.Headers {
		r.Header[h[0]] = append(r.Header[h[0]], h[1])
	}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { answer.Address = i.Conn.LocalAddr().String() },
	}))
	res, err := client.Do(r)
	if err != nil {
		answer.Error = err.Error()
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		answer.Error = err.Error()
	}
	answer.Status, answer.Proto, answer.Body = res.StatusCode, res.Proto, string(body)
	answer.Type = res.Header.Get("Content-Type")
	return
}
