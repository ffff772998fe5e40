package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// standin top: what `kubectl top nodes` and `kubectl top pods -A` print, from
// the same API, for machines without kubectl.

type metricsItem struct {
	Metadata   struct{ Name, Namespace string }
	Timestamp  time.Time
	Usage      map[string]string
	Containers []struct {
		Name  string
		Usage map[string]string
	}
}

func runTop(args []string) error {
	fs := flag.NewFlagSet("top", flag.ExitOnError)
	url := fs.String("url", "", "the extension API server")
	cert := fs.String("cert", "", "the front proxy's certificate")
	key := fs.String("key", "", "and its key")
	every := fs.Duration("interval", 5*time.Second, "time between two looks")
	rounds := fs.Int("rounds", 0, "end after so many looks with figures (0: never)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		// the stand-in made the server's certificate a moment ago
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}}}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	start := time.Now()

	for shown := 0; ; {
		nodes, err := metrics(client, *url, "nodes")
		var pods []metricsItem
		if err == nil {
			pods, err = metrics(client, *url, "pods")
		}
		switch {
		case err != nil:
			fmt.Println("waiting:", err)
		case len(nodes) == 0:
			fmt.Printf("waiting for the second sample, %d s since the start\n", int(time.Since(start).Seconds()))
		default:
			if terminal {
				fmt.Print("\x1b[H\x1b[2J")
			}
			printTop(os.Stdout, nodes, pods)
			if shown++; shown == *rounds {
				return nil
			}
		}
		wait := *every
		if shown == 0 {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func metrics(client *http.Client, url, kind string) ([]metricsItem, error) {
	items, _, err := metricsAt(client, url, kind)
	return items, err
}

// metricsAt is a list, and when all of it was there.
func metricsAt(client *http.Client, url, kind string) (items []metricsItem, at time.Time, err error) {
	req, err := http.NewRequest("GET", url+"/apis/metrics.k8s.io/v1beta1/"+kind, nil)
	if err != nil {
		return nil, at, err
	}
	req.Header.Set("X-Remote-User", "demo")
	req.Header.Set("X-Remote-Group", "system:masters")
	res, err := client.Do(req)
	if err != nil {
		return nil, at, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, at, err
	}
	at = time.Now()
	var list struct {
		Message string
		Items   []metricsItem
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, at, err
	}
	if res.StatusCode != 200 {
		return nil, at, fmt.Errorf("%d: %s", res.StatusCode, list.Message)
	}
	return list.Items, at, nil
}

// quantity is a canonical Kubernetes quantity as a number.
func quantity(s string) float64 {
	scale := 1.0
	for suffix, v := range map[string]float64{"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40} {
		if strings.HasSuffix(s, suffix) {
			scale, s = v, strings.TrimSuffix(s, suffix)
			break
		}
	}
	f, _, err := big.ParseFloat(s, 10, 53, big.ToNearestEven)
	if err != nil {
		return 0
	}
	v, _ := f.Float64()
	return v * scale
}

func printTop(out io.Writer, nodes, pods []metricsItem) {
	t := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	total := float64(memTotal())
	fmt.Fprintln(t, "NAME\tCPU(cores)\tCPU(%)\tMEMORY(bytes)\tMEMORY(%)")
	for _, n := range nodes {
		c, m := quantity(n.Usage["cpu"]), quantity(n.Usage["memory"])
		fmt.Fprintf(t, "%s\t%dm\t%d%%\t%dMi\t%d%%\n", n.Metadata.Name, int(c*1000), int(c*100/float64(runtime.NumCPU())),
			int(m)>>20, int(m*100/total))
	}
	t.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(t, "NAMESPACE\tNAME\tCPU(cores)\tMEMORY(bytes)")
	for _, p := range pods {
		var c, m float64
		for _, k := range p.Containers {
			c += quantity(k.Usage["cpu"])
			m += quantity(k.Usage["memory"])
		}
		fmt.Fprintf(t, "%s\t%s\t%dm\t%dMi\n", p.Metadata.Namespace, p.Metadata.Name, int(c*1000), int(m)>>20)
	}
	t.Flush()
	fmt.Fprintln(out)
}
