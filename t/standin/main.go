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
	stamp       string
	full        bool
	host        bool
	apiDown     bool
	life        time.Duration
}

func flags() *options {
	o := &options{}
	flag.StringVar(&o.dir, "dir", "standin.d", "folder for certificates, kubeconfigs and `ready`")
	flag.StringVar(&o.api, "api", "127.20.0.1:6443", "address of the API server (HTTPS)")
	flag.StringVar(&o.control, "control", "127.20.0.1:6480", "address of the control calls (HTTP)")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes")
	flag.IntVar(&o.pods, "pods", 30, "pods of a node")
	flag.IntVar(&o.containers, "containers", 1, "containers of a pod")
	flag.IntVar(&o.namespaces, "namespaces", 10, "namespaces")
	flag.StringVar(&o.kubelet, "kubelet-first", "127.21.0.1", "address of the first node's kubelet")
	flag.IntVar(&o.kubeletPort, "kubelet-port", 10250, "port of the kubelets")
	flag.BoolVar(&o.kubeletAuth, "kubelet-auth", true, "kubelets want the bearer token")
	flag.StringVar(&o.stamp, "stamp", "scrape", "samples are stamped at the `scrape`, or at a cadence of the node's own")
	flag.BoolVar(&o.full, "full", false, "serve all the series of a current kubelet")
	flag.BoolVar(&o.host, "host", false, "one node: this machine and its busiest processes")
	flag.BoolVar(&o.apiDown, "apidown", false, "start with the API server down")
	flag.DurationVar(&o.life, "life", 0, "end after this time (0: never)")
	flag.Parse()
	return o
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) > 1 && os.Args[1] == "top" {
		if err := runTop(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	o := flags()
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func run(o *options) error {
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		lim.Cur = lim.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}

	first := net.ParseIP(o.kubelet).To4()
	if first == nil {
		return fmt.Errorf("-kubelet-first %q is no IPv4 address", o.kubelet)
	}

	p, err := newPKI(o.dir)
	if err != nil {
		return err
	}
	if err := p.write(o.api); err != nil {
		return err
	}

	w := newWorld(o, first)
	f := newFaults()

	api := newAPIServer(w, f, p)
	if !o.apiDown {
		if err := api.listen(o.api); err != nil {
			return err
		}
	}
	if err := serveKubelets(w, f, p, o); err != nil {
		return err
	}
	if o.host {
		go watchHost(w)
	}

	quit := make(chan struct{}, 1)
	if err := serveControl(w, f, api, o, quit); err != nil {
		return err
	}

	ready := filepath.Join(o.dir, "ready")
	if err := os.WriteFile(ready+".new", []byte(fmt.Sprintln(os.Getpid())), 0o644); err != nil {
		return err
	}
	if err := os.Rename(ready+".new", ready); err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

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
