// Command standin is a stand-in for a Kubernetes cluster: kubelets at an
// address each, and of the API server what ngx_http_k8s_metrics_module asks
// it.  README.md has its flags, its control calls and its truth.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"
)

type options struct {
	dir         string
	api         string
	control     string
	nodes       int
	pods        int
	containers  int
	namespaces  int
	kubelet     string
	kubeletPort int
	kubeletAuth bool
	kubeletCert bool
	plain       bool
	kubelet6    bool
	dns         string
	path        string
	stamp       string
	seed        int64
	full        bool
	host        bool
	apiDown     bool
	ballast     int
	keep        int
	window      time.Duration
	life        time.Duration
	bench       time.Duration
	rate        int
}

func flags() *options {
	o := &options{}
	flag.StringVar(&o.dir, "dir", "standin.d", "`folder` for certificates, kubeconfigs and the file ready")
	flag.StringVar(&o.api, "api", "127.20.0.1:6443", "`address` of the API server (HTTPS)")
	flag.StringVar(&o.control, "control", "127.20.0.1:6480", "`address` of the control calls (HTTP)")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes")
	flag.IntVar(&o.pods, "pods", 30, "pods of a node")
	flag.IntVar(&o.containers, "containers", 1, "containers of a pod")
	flag.IntVar(&o.namespaces, "namespaces", 10, "namespaces")
	flag.StringVar(&o.kubelet, "kubelet-first", "127.21.0.1", "`address` of the first node's kubelet")
	flag.IntVar(&o.kubeletPort, "kubelet-port", 10250, "port of the kubelets")
	flag.BoolVar(&o.kubeletAuth, "kubelet-auth", true, "kubelets want the bearer token")
	flag.BoolVar(&o.kubeletCert, "kubelet-client-cert", false, "kubelets want a client certificate of the cluster's CA")
	flag.BoolVar(&o.plain, "kubelet-plain", false, "kubelets speak plain HTTP, without authentication")
	flag.BoolVar(&o.kubelet6, "kubelet6", true, "kubelets on ::1, too, where the machine has it")
	flag.StringVar(&o.dns, "dns", "", "`address` of a name server (UDP), none where it is empty")
	flag.StringVar(&o.path, "path", "", "annotate the nodes with this `path` for metrics")
	flag.StringVar(&o.stamp, "stamp", "scrape", "samples are stamped at the `scrape`, or at a cadence of the node's own")
	flag.Int64Var(&o.seed, "seed", 1, "changes the nodes' cadence")
	flag.BoolVar(&o.full, "full", false, "serve all the series of a current kubelet")
	flag.BoolVar(&o.host, "host", false, "one node: this machine and its busiest processes")
	flag.BoolVar(&o.apiDown, "apidown", false, "start with the API server down")
	flag.IntVar(&o.ballast, "ballast", 0, "`bytes` of managed fields of an object, at least")
	flag.IntVar(&o.keep, "keep", 20000, "`events` that a watch can go back")
	flag.DurationVar(&o.window, "window", 12*time.Second, "the window of maxPerWindow in the statistics")
	flag.DurationVar(&o.life, "life", 0, "end after this time (0: never)")
	flag.DurationVar(&o.bench, "scrape-bench", 0, "no server: scrape the one that runs with the same -dir for this time")
	flag.IntVar(&o.rate, "rate", 1000, "scrapes a second of -scrape-bench")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is no client that this program has", flag.Arg(0))
	}
	return o
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) > 1 {
		clients := map[string]func([]string) error{"top": runTop, "gets": runGets,
			"flood": runFlood, "ask": runAsk, "zoo": runZoo,
			"ages": runAges, "fresh": runFresh, "churn": runChurn}
		if client := clients[os.Args[1]]; client != nil {
			if err := client(os.Args[2:]); err != nil {
				log.Fatal(err)
			}
			return
		}
	}
	o := flags()
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		lim.Cur = lim.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
	run := serve
	if o.bench > 0 {
		run = scrapeBench
	}
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func (o *options) check() (net.IP, error) {
	first := net.ParseIP(o.kubelet).To4()
	switch {
	case first == nil:
		return nil, fmt.Errorf("-kubelet-first %q is no IPv4 address", o.kubelet)
	case o.stamp != "scrape" && o.stamp != "cadence":
		return nil, fmt.Errorf("-stamp %q is neither scrape nor cadence", o.stamp)
	case o.namespaces < 1 || o.nodes < 0 || o.pods < 0 || o.containers < 0 || o.keep < 2:
		return nil, fmt.Errorf("-nodes, -pods, -containers, -namespaces or -keep is too small")
	}
	return first, nil
}

func serve(o *options) error {
	first, err := o.check()
	if err != nil {
		return err
	}
	ready := filepath.Join(o.dir, "ready")
	if err := os.Remove(ready); err != nil && !os.IsNotExist(err) {
		return err
	}
	p, err := newPKI(o.dir)
	if err != nil {
		return err
	}
	if err := p.write(o.api); err != nil {
		return err
	}

	w := newWorld(o, first)
	debug.SetGCPercent(200)
	f := newFaults()
	api := newAPIServer(w, f, p, o.api)
	if !o.apiDown {
		if err := api.up(); err != nil {
			return err
		}
	}
	if err := serveKubelets(w, f, p, o); err != nil {
		return err
	}
	if o.host {
		go watchHost(w)
	}
	dns, err := serveDNS(o.dns)
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	quit := make(chan struct{}, 1)
	if err := serveControl(&control{w, f, p, api, o, dns}, quit); err != nil {
		return err
	}
	if err := p.file("ready", []byte(fmt.Sprintln(os.Getpid()))); err != nil {
		return err
	}
	defer os.Remove(ready)

	var over <-chan time.Time
	if o.life > 0 {
		over = time.After(o.life)
	}
	select {
	case <-ctx.Done():
	case <-over:
	case <-quit:
	}
	return nil
}
