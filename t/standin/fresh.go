package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// standin fresh: from a pod's start until a server has its metrics.  The pods
// are the same ones for all servers, one a node, and start one after another.

func runFresh(args []string) error {
	fs := flag.NewFlagSet("fresh", flag.ExitOnError)
	cert := fs.String("cert", "", "the front proxy's pair, without .crt")
	address := fs.String("control", "127.20.0.1:6480", "`address` of the stand-in's control calls")
	nodes := fs.Int("nodes", 200, "nodes there are")
	pods := fs.Int("pods", 20, "pods to start")
	over := fs.Duration("over", 30*time.Second, "time from the first start to the last")
	limit := fs.Duration("limit", 2*time.Minute, "what is given up after")
	if err := fs.Parse(args); err != nil {
		return err
	}
	list, err := servers(fs.Args(), *cert)
	if err != nil {
		return err
	}
	if *pods < 1 || *pods > *nodes {
		return fmt.Errorf("one pod a node: there are %d nodes", *nodes)
	}
	took := make([][]float64, len(list))
	errs := make([]error, *pods)
	for n := range list {
		took[n] = make([]float64, *pods)
	}
	var wait sync.WaitGroup
	for i := 0; i < *pods; i++ {
		pod := fmt.Sprintf(`{"namespace":"fresh","name":"fresh-%03d","node":"node-%05d",
			"containers":[{"name":"c","cpu":100000000,"memory":10485760}]}`, i, i**nodes / *pods)
		begin := time.Now()
		if err := tell(*address, http.MethodPost, "/pod", pod); err != nil {
			return err
		}
		for n := range list {
			wait.Add(1)
			go func(i, n int) {
				defer wait.Done()
				path := fmt.Sprintf("namespaces/fresh/pods/fresh-%03d", i)
				if err := list[n].served(path, begin.Add(*limit)); err != nil {
					errs[i] = fmt.Errorf("%s: %s: %v", list[n].name, path, err)
				}
				took[n][i] = time.Since(begin).Seconds()
			}(i, n)
		}
		time.Sleep(*over / time.Duration(*pods))
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for n := range list {
		s := spread(took[n])
		fmt.Printf("%s\t%.2f\t%.2f\t%.2f\t%d\n", list[n].name, s[1], s[0], s[2], *pods)
	}
	return nil
}

// served waits until the object is there.
func (s *server) served(path string, limit time.Time) error {
	for {
		_, _, err := metricsAt(s.client, s.url, path)
		if err == nil || time.Now().After(limit) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// tell is one of the control calls (README.md).
func tell(address, method, path, body string) error {
	req, err := http.NewRequest(method, "http://"+address+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("%s %s: %s", method, path, text)
	}
	return err
}

// learn is the answer of a control call.
func learn(address, path string, v interface{}) error {
	res, err := http.Get("http://" + address + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(v)
}
