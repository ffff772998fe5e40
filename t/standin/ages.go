package main

import (
	"flag"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"
)

// standin ages: how old what a server answers is.  All servers are asked at
// the same times, so that the same minute is measured of each.

// server is one of those that are compared: NAME=URL.
type server struct {
	name, url string
	client    *http.Client
}

func servers(args []string, cert string) ([]server, error) {
	var out []server
	for _, a := range args {
		i := strings.IndexByte(a, '=')
		if i < 1 {
			return nil, fmt.Errorf("%q is not NAME=URL", a)
		}
		client, err := newClient(cert, false, 1)
		if err != nil {
			return nil, err
		}
		out = append(out, server{a[:i], a[i+1:], client})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no server: NAME=URL ...")
	}
	return out, nil
}

// ages is what one server's answers were, in seconds.
type ages struct {
	asks, failed int
	err          error
	all          []float64
}

func runAges(args []string) error {
	fs := flag.NewFlagSet("ages", flag.ExitOnError)
	cert := fs.String("cert", "", "the front proxy's pair, without .crt")
	long := fs.Duration("for", time.Minute, "how long to ask")
	every := fs.Duration("every", 500*time.Millisecond, "from one question to the next")
	without := fs.Int("without", 0, "leave out the node in the middle of each so many")
	if err := fs.Parse(args); err != nil {
		return err
	}
	list, err := servers(fs.Args(), *cert)
	if err != nil {
		return err
	}
	got := make([]ages, len(list))
	var wait sync.WaitGroup
	for end, i := time.Now().Add(*long), 0; time.Now().Before(end); i++ {
		for n := range list {
			wait.Add(1)
			go func(n int) {
				defer wait.Done()
				got[n].ask(&list[n], *without)
			}(n)
		}
		wait.Wait()
		time.Sleep(time.Until(end.Add(*every*time.Duration(i+1) - *long)))
	}
	for n := range list {
		a := &got[n]
		if len(a.all) == 0 || a.failed > 0 {
			return fmt.Errorf("%s: %d of %d questions failed, %d items: %v", list[n].name, a.failed, a.asks, len(a.all), a.err)
		}
		sort.Float64s(a.all)
		sum := 0.0
		for _, x := range a.all {
			sum += x
		}
		fmt.Printf("%s\t%.3f\t%.3f\t%.3f\t%d\t%d\n", list[n].name, sum/float64(len(a.all)),
			a.all[len(a.all)*99/100], a.all[len(a.all)-1], len(a.all)/a.asks, a.asks)
	}
	return nil
}

func (a *ages) ask(s *server, without int) {
	a.asks++
	items, at, err := metricsAt(s.client, s.url, "nodes")
	if err != nil {
		a.failed++
		a.err = err
		return
	}
	for i := range items {
		n := -1
		_, _ = fmt.Sscanf(items[i].Metadata.Name, "node-%d", &n)
		if without > 0 && n%without == without/2 {
			continue
		}
		a.all = append(a.all, at.Sub(items[i].Timestamp).Seconds())
	}
}
