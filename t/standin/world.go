package main

import (
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// world is what the API server lists and the kubelets measure.  Objects are
// never changed once they are in it: a change puts a copy in their place.  So
// readers need the lock only to find them.
type world struct {
	mu       sync.RWMutex
	o        *options
	first    net.IP
	start    int64 // ns: when the first containers began
	version  uint64
	oldest   uint64 // versions before this one are gone from the history
	kinds    map[string]map[string]object
	kubelets map[string]*kubelet
	byIP     map[[16]byte]*kubelet
	history  []event
	changed  chan struct{}     // closed at each event
	last     map[string]uint64 // version of the last change by kind
	snaps    map[string][]*snapshot
	labels   map[string]map[string]string // of made pods: shared
	hosted   *hostWatcher
}

// kubelet is the measuring side of a node; it outlives the Node object.
type kubelet struct {
	name             string
	index            int
	ip               net.IP
	path             string
	use              usage
	pods             []*pod // never changed in place
	interval, phase  time.Duration
	sampled          int64 // -host: when the samples were taken
	fault            string
	told             *toldBody
	conns            map[net.Conn]struct{}
	scrapes, refused int64
	recent           []int64 // times of the last scrapes, ns
	maxWindow        int
	gap              gap
}

// event is a change: an object without old was added, without now deleted.
type event struct {
	version  uint64
	kind     string
	old, now object
}

// snapshot is a sorted list of one kind, kept for those that page through it.
type snapshot struct {
	version uint64 // of the last change to that kind
	items   []object
	paged   time.Time // when a page of it was last handed out with a token
}

// a client that pages has this time for the next page, as 64 others have
const (
	keepPaged = time.Minute
	maxPaged  = 64
)

func newWorld(o *options, first net.IP) *world {
	now := time.Now().UnixMilli() * int64(time.Millisecond)
	w := &world{o: o, first: first, start: now - int64(time.Hour),
		// above those of an earlier run, as in a real cluster
		version: uint64(now / int64(time.Microsecond)),
		kinds: map[string]map[string]object{
			"nodes": {}, "pods": {}, "configmaps": {}},
		kubelets: map[string]*kubelet{}, byIP: map[[16]byte]*kubelet{},
		changed: make(chan struct{}), last: map[string]uint64{}, snaps: map[string][]*snapshot{},
		labels: map[string]map[string]string{}}
	if o.host {
		w.addHost()
	} else {
		for i := 0; i < o.nodes; i++ {
			w.addNode(fmt.Sprintf("node-%05d", i), o.pods)
		}
	}
	w.forget()
	w.forgetGaps()
	return w
}

func offsetIP(ip net.IP, n int) net.IP {
	v := uint32(ip[0])<<24 | uint32(ip[1])<<16 | uint32(ip[2])<<8 | uint32(ip[3])
	v += uint32(n)
	return net.IPv4(byte(v>>24), byte(v>>16), byte(v>>8), byte(v)).To4()
}

func key16(ip net.IP) (k [16]byte) {
	copy(k[:], ip.To16())
	return k
}

func objectKey(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// set puts an object into the world, or takes it out (now is nil), with a
// version of its own; the caller holds the lock.
func (w *world) set(kind, key string, now object) {
	w.version++
	old := w.kinds[kind][key]
	if now == nil {
		delete(w.kinds[kind], key)
	} else {
		now.meta().version = w.version
		w.kinds[kind][key] = now
	}
	w.history = append(w.history, event{w.version, kind, old, now})
	if len(w.history) > w.o.keep {
		n := len(w.history) - w.o.keep/2
		w.oldest = w.history[n-1].version
		w.history = append([]event(nil), w.history[n:]...)
	}
	w.last[kind] = w.version
	close(w.changed)
	w.changed = make(chan struct{})
}

// forget drops the history: every older version is answered with 410.
func (w *world) forget() {
	w.version++
	w.oldest = w.version
	w.history = nil
	w.snaps = map[string][]*snapshot{}
	for kind := range w.kinds {
		w.last[kind] = w.version
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// since is the history after a version; the caller holds the lock.
func (w *world) since(version uint64) []event {
	i := sort.Search(len(w.history), func(i int) bool { return w.history[i].version > version })
	return w.history[i:]
}

// list is all objects of a kind in order; the caller holds the lock.
func (w *world) list(kind string) *snapshot {
	s := w.snaps[kind]
	if len(s) > 0 && s[len(s)-1].version == w.last[kind] {
		return s[len(s)-1]
	}
	var kept []*snapshot
	for _, x := range s {
		if time.Since(x.paged) < keepPaged {
			kept = append(kept, x)
		}
	}
	if len(kept) > maxPaged {
		kept = kept[len(kept)-maxPaged:]
	}
	n := &snapshot{version: w.last[kind], items: make([]object, 0, len(w.kinds[kind]))}
	for _, x := range w.kinds[kind] {
		n.items = append(n.items, x)
	}
	sort.Slice(n.items, func(i, j int) bool {
		a, b := n.items[i].meta(), n.items[j].meta()
		if a.namespace != b.namespace {
			return a.namespace < b.namespace
		}
		return a.name < b.name
	})
	w.snaps[kind] = append(kept, n)
	return n
}

func (w *world) node(name string) *node {
	n, _ := w.kinds["nodes"][name].(*node)
	return n
}

func (w *world) pod(key string) *pod {
	x, _ := w.kinds["pods"][key].(*pod)
	return x
}

// addNode makes a node with its kubelet and pods.  The number is that of the
// name, or the next one.
func (w *world) addNode(name string, pods int) *node {
	k := w.kubelets[name]
	if k == nil {
		i, err := strconv.Atoi(strings.TrimPrefix(name, "node-"))
		if err != nil || !strings.HasPrefix(name, "node-") {
			for i = len(w.kubelets); w.byIP[key16(offsetIP(w.first, i))] != nil; {
				i++
			}
		}
		k = &kubelet{name: name, index: i, ip: offsetIP(w.first, i), path: w.o.path,
			conns: map[net.Conn]struct{}{},
			use:   usage{since: w.start}}
		h := mix(uint64(w.o.seed), uint64(i))
		k.interval = 10*time.Second + time.Duration(h%5000)*time.Millisecond
		k.phase = time.Duration(h/5000%15000) * time.Millisecond
		for p := 0; p < pods; p++ {
			for c := 0; c < w.o.containers; c++ {
				k.use.cpu += podCPU(i, p, c)
				k.use.memory += podMemory(i, p, c)
			}
		}
		if pods*w.o.containers == 0 {
			k.use.cpu, k.use.memory = podCPU(i, 0, 0), podMemory(i, 0, 0)
		}
		k.use.cpuWas, k.use.memoryWas = k.use.cpu, k.use.memory
		w.kubelets[name] = k
		w.byIP[key16(k.ip)] = k
	}
	k.gap.troubled = true
	n := &node{kubelet: k, ip: k.ip, port: w.o.kubeletPort, ready: true}
	n.m = metadata{kind: "Node", name: name, labels: map[string]string{
		"kubernetes.io/os": "linux", "zone": "z" + strconv.Itoa(k.index%3)}}
	n.annotate(k.path)
	w.set("nodes", name, n)
	for p := 0; p < pods; p++ {
		w.addPod(k, p)
	}
	return n
}

// mix is a hash of two numbers (splitmix64).
func mix(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + (b+1)*0xbf58476d1ce4e5b9
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// addPod is the pod number p of a node: its rates follow from both numbers.
func (w *world) addPod(k *kubelet, p int) {
	app := fmt.Sprintf("app-%02d", p%10)
	labels := w.labels[app]
	if labels == nil {
		labels = map[string]string{"app": app, "pod-template-hash": "5d4f8c7b9"}
		w.labels[app] = labels
	}
	x := &pod{node: k.name, phase: "Running", ready: true}
	x.m = metadata{kind: "Pod", namespace: fmt.Sprintf("ns-%02d", p%w.o.namespaces),
		name: fmt.Sprintf("app-%05d-%03d", k.index, p), labels: labels}
	for c := 0; c < w.o.containers; c++ {
		cpu, memory := podCPU(k.index, p, c), podMemory(k.index, p, c)
		x.containers = append(x.containers, container{"c" + strconv.Itoa(c), w.start,
			usage{cpu, cpu, memory, memory, 0, w.start}})
	}
	w.putPod(x)
}

// putPod adds a pod, or puts it in the place of one of the same name.
func (w *world) putPod(x *pod) {
	key := objectKey(x.m.namespace, x.m.name)
	w.unmeasure(w.pod(key))
	w.set("pods", key, x)
	w.measure(x)
}

// measure hands a pod to its node's kubelet.
func (w *world) measure(x *pod) {
	if k := w.kubelets[x.node]; k != nil && x.phase == "Running" {
		k.pods = append(k.pods[:len(k.pods):len(k.pods)], x)
	}
}

func (w *world) unmeasure(x *pod) {
	if x == nil || w.kubelets[x.node] == nil {
		return
	}
	k := w.kubelets[x.node]
	pods := make([]*pod, 0, len(k.pods))
	for _, y := range k.pods {
		if y.m.name != x.m.name || y.m.namespace != x.m.namespace {
			pods = append(pods, y)
		}
	}
	k.pods = pods
}

func (w *world) deletePod(key string) bool {
	x := w.pod(key)
	if x == nil {
		return false
	}
	w.unmeasure(x)
	w.set("pods", key, nil)
	return true
}

// deleteNode takes a node and its pods out of the API; its kubelet stays up,
// so that it can be seen whether it is still scraped.
func (w *world) deleteNode(name string) bool {
	if w.node(name) == nil {
		return false
	}
	for key, x := range w.kinds["pods"] {
		if x.(*pod).node == name {
			w.deletePod(key)
		}
	}
	w.kubelets[name].gap.troubled = true
	w.set("nodes", name, nil)
	return true
}

// stamp is the time that a sample taken now carries, ns in whole ms.
func (w *world) stamp(k *kubelet, now int64) int64 {
	if k.sampled != 0 {
		return k.sampled
	}
	now -= now % int64(time.Millisecond)
	if w.o.stamp != "cadence" {
		return now
	}
	every := int64(k.interval)
	return now - ((now-w.start-int64(k.phase))%every+every)%every
}
