package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// standin churn: a cluster that is never at rest, in an order that the seed
// decides, around nodes that nothing happens to; and what nginx made of it.

const (
	churnTick  = 100 * time.Millisecond
	churnExtra = 40 // nodes that come and go
	churnFails = 20 // every so manieth node is one that fails now and then
	churnLives = 60 * time.Second
	churnKnown = 35 * time.Second // a pod of this age has to be served
	churnGone  = 5 * time.Second  // and one that ended before this may not
)

type churn struct {
	control, url  string
	client        *http.Client
	nodes, pods   int
	rate          int
	pid           int // of nginx's master
	zone          int // its zone's size, kB
	reload, every time.Duration

	random     *rand.Rand
	started    int // pods
	alive      []string
	ended      map[string]time.Time
	extra      [churnExtra]bool
	failing    map[int]bool
	reloads    int
	memory     []float64 // kB, before each reload
	touched    []float64 // of the zone, kB
	compared   int
	wrong      int
	wrongs     []string
	nodeEvents int
	faults     int
}

func runChurn(args []string) error {
	c := &churn{ended: map[string]time.Time{}, failing: map[int]bool{}}
	fs := flag.NewFlagSet("churn", flag.ExitOnError)
	fs.StringVar(&c.control, "control", "127.20.0.1:6480", "`address` of the stand-in's control calls")
	fs.StringVar(&c.url, "url", "", "nginx")
	cert := fs.String("cert", "", "the front proxy's pair, without .crt")
	fs.IntVar(&c.nodes, "nodes", 1000, "nodes that the stand-in was started with")
	fs.IntVar(&c.pods, "pods", 30, "pods of a node that comes")
	fs.IntVar(&c.rate, "rate", 20, "pods that start a second, and as many end")
	fs.IntVar(&c.pid, "pid", 0, "nginx's master")
	fs.IntVar(&c.zone, "zone", 0, "size of its zone, kB")
	fs.DurationVar(&c.reload, "reload", time.Minute, "from one reload to the next")
	fs.DurationVar(&c.every, "compare", 20*time.Second, "from one comparison to the next")
	seed := fs.Int64("seed", 1, "decides the order of things")
	warm := fs.Duration("warm", 2*time.Minute, "churn that is not measured")
	long := fs.Duration("for", 30*time.Minute, "churn that is")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var err error
	if c.client, err = newClient(*cert, false, 1); err != nil {
		return err
	}
	c.random = rand.New(rand.NewSource(*seed))
	if err := c.run(*warm, *long); err != nil {
		return err
	}
	return c.report()
}

// due tells whether a time of that period has come with this tick.
func (c *churn) due(tick int, period, shift time.Duration) bool {
	return (tick+1)%int(period/churnTick) == int(shift/churnTick)%int(period/churnTick)
}

func (c *churn) run(warm, long time.Duration) error {
	begin := time.Now()
	first, last := int(warm/churnTick), int((warm+long)/churnTick)
	for tick := 0; tick < last; tick++ {
		if tick == first {
			if err := tell(c.control, http.MethodPost, "/stats", ""); err != nil {
				return err
			}
		}
		if err := c.tick(tick, tick >= first); err != nil {
			return err
		}
		time.Sleep(time.Until(begin.Add(time.Duration(tick+1) * churnTick)))
	}
	return nil
}

func (c *churn) tick(tick int, measured bool) error {
	if err := c.changePods(tick); err != nil {
		return err
	}
	if c.due(tick, 5*time.Second, 0) {
		if err := c.changeNode(); err != nil {
			return err
		}
	}
	if c.due(tick, 3*time.Second, time.Second) {
		if err := c.changeFault(); err != nil {
			return err
		}
	}
	// what a worker holds after it has long done its work, not what two do
	if measured && c.due(tick, c.reload, c.reload-5*time.Second) {
		c.sample()
	}
	if measured && c.due(tick, c.every, c.every/2) {
		if err := c.compare(tick); err != nil {
			return err
		}
	}
	if c.due(tick, c.reload, 0) {
		c.reloads++
		return syscall.Kill(c.pid, syscall.SIGHUP)
	}
	return nil
}

// changePods starts pods on any node, and ends those whose time has come.
func (c *churn) changePods(tick int) error {
	n := c.rate*(tick+1)*int(churnTick)/int(time.Second) - c.rate*tick*int(churnTick)/int(time.Second)
	var list []string
	for ; n > 0; n-- {
		i := c.started
		c.started++
		name := fmt.Sprintf("churn-%07d", i)
		space := fmt.Sprintf("ns-%02d", i%10)
		list = append(list, fmt.Sprintf(`{"namespace":"%s","name":"%s","node":"node-%05d","labels":{"app":"churn"},
			"containers":[{"name":"c","cpu":%d,"memory":%d}]}`, space, name, c.random.Intn(c.nodes),
			int64(1+i%100)*1e6, int64(8+i%100)<<20))
		c.alive = append(c.alive, space+"/"+name)
	}
	if len(list) > 0 {
		if err := tell(c.control, http.MethodPost, "/pods", "["+strings.Join(list, ",")+"]"); err != nil {
			return err
		}
	}
	list = nil
	for len(c.alive) > c.rate*int(churnLives/time.Second) {
		i := strings.IndexByte(c.alive[0], '/')
		list = append(list, fmt.Sprintf(`{"namespace":"%s","name":"%s"}`, c.alive[0][:i], c.alive[0][i+1:]))
		c.ended[c.alive[0]] = time.Now()
		c.alive = c.alive[1:]
	}
	if len(list) == 0 {
		return nil
	}
	return tell(c.control, http.MethodDelete, "/pods", "["+strings.Join(list, ",")+"]")
}

// changeNode lets a node come, or one that came go.
func (c *churn) changeNode() error {
	i := c.random.Intn(churnExtra)
	name := fmt.Sprintf("node-%05d", c.nodes+i)
	c.extra[i] = !c.extra[i]
	c.nodeEvents++
	if c.extra[i] {
		delete(c.ended, name)
		return tell(c.control, http.MethodPost, "/node", fmt.Sprintf(`{"name":"%s","pods":%d}`, name, c.pods))
	}
	c.ended[name] = time.Now()
	for p := 0; p < c.pods; p++ {
		c.ended[fmt.Sprintf("ns-%02d/app-%05d-%03d", p%10, c.nodes+i, p)] = time.Now()
	}
	return tell(c.control, http.MethodDelete, "/node", fmt.Sprintf(`{"name":"%s"}`, name))
}

// changeFault makes a kubelet fail, or one that fails well.
func (c *churn) changeFault() error {
	faults := []string{"refuse", "hang", "401", "500", "half", "garbage", "drip", "reset", "wrongname", "scrape_error"}
	n := c.random.Intn(c.nodes/churnFails)*churnFails + churnFails/2
	fault := ""
	if c.failing[n] = !c.failing[n]; c.failing[n] {
		fault = faults[c.random.Intn(len(faults))]
		c.faults++
	}
	return tell(c.control, http.MethodPost, "/node", fmt.Sprintf(`{"name":"node-%05d","fault":"%s"}`, n, fault))
}

// steady tells a node that nothing happens to.
func (c *churn) steady(name string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "node-"))
	return err == nil && n < c.nodes && n%churnFails != churnFails/2
}

// compare asks for all nodes and one namespace's pods: what is answered has to
// be true, and nothing may lack that nothing happened to.
func (c *churn) compare(tick int) error {
	space := fmt.Sprintf("ns-%02d", tick/int(c.every/churnTick)%10)
	for _, kind := range []string{"nodes", "pods"} {
		path := "nodes"
		if kind == "pods" {
			path = "namespaces/" + space + "/pods"
		}
		before := time.Now()
		items, err := metrics(c.client, c.url, path)
		if err != nil {
			c.told("%s: %v", path, err)
			continue
		}
		var truth []truthObject
		if err := learn(c.control, "/truth?kind="+kind+"&namespace="+space, &truth); err != nil {
			return err
		}
		c.against(items, truth, before)
	}
	for name, at := range c.ended {
		if time.Since(at) > 2*churnLives {
			delete(c.ended, name)
		}
	}
	return nil
}

func (c *churn) against(items []metricsItem, truth []truthObject, at time.Time) {
	known := map[string]*truthObject{}
	for i := range truth {
		known[objectKey(truth[i].Namespace, truth[i].Name)] = &truth[i]
	}
	served := map[string]bool{}
	for i := range items {
		x := &items[i]
		name := objectKey(x.Metadata.Namespace, x.Metadata.Name)
		served[name] = true
		c.compared++
		if t := known[name]; t != nil {
			if s := x.differs(t); s != "" {
				c.told("%s: %s", name, s)
			}
		} else if gone, ok := c.ended[name]; !ok || at.Sub(gone) > churnGone {
			c.told("%s is served and does not exist", name)
		}
	}
	for name, t := range known {
		node := t.Node
		if t.Namespace == "" {
			node = t.Name
		}
		age := at.Sub(time.Unix(0, int64(t.Containers[0].Start*1e9)))
		if !served[name] && c.steady(node) && age > churnKnown {
			c.told("%s of %s is not served, %.0f s after its start", name, node, age.Seconds())
		}
	}
}

func (c *churn) told(format string, args ...interface{}) {
	c.wrong++
	if len(c.wrongs) < 10 {
		c.wrongs = append(c.wrongs, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
	}
}

// differs says how an item is not what the truth is; rates are right within
// the precision of a start time.
func (x *metricsItem) differs(t *truthObject) string {
	got := map[string]map[string]string{"": x.Usage}
	if t.Namespace != "" {
		got = map[string]map[string]string{}
		for _, k := range x.Containers {
			got[k.Name] = k.Usage
		}
	}
	if len(got) != len(t.Containers) {
		return fmt.Sprintf("%d containers, not %d", len(got), len(t.Containers))
	}
	for _, k := range t.Containers {
		cpu, memory := quantity(got[k.Name]["cpu"])*1e9, quantity(got[k.Name]["memory"])
		if math.Abs(cpu-float64(k.CPU)) > 1+float64(k.CPU)*1e-4 || uint64(memory) != k.Memory {
			return fmt.Sprintf("container \"%s\" has %v, not %dn and %d bytes", k.Name, got[k.Name], k.CPU, k.Memory)
		}
	}
	return ""
}

// sample notes the proportional set size of nginx's processes, and what the
// one that has touched most of the zone has touched of it.
func (c *churn) sample() {
	pids := []string{strconv.Itoa(c.pid)}
	b, _ := os.ReadFile(filepath.Join("/proc", pids[0], "task", pids[0], "children"))
	sum, most := 0.0, 0.0
	for _, pid := range append(pids, strings.Fields(string(b))...) {
		size := 0.0
		// of every mapping its own lines, Size and Rss before Pss
		smaps, _ := os.ReadFile(filepath.Join("/proc", pid, "smaps"))
		for _, line := range strings.Split(string(smaps), "\n") {
			f := strings.Fields(line)
			if len(f) != 3 || f[2] != "kB" {
				continue
			}
			v, _ := strconv.ParseFloat(f[1], 64)
			switch f[0] {
			case "Size:":
				size = v
			case "Rss:":
				if size == float64(c.zone) {
					most = math.Max(most, v)
				}
			case "Pss:":
				sum += v
			}
		}
	}
	c.memory = append(c.memory, sum)
	c.touched = append(c.touched, most)
}

// halves is the medians of the first and of the second half, MB.
func halves(v []float64) (a, b float64) {
	if len(v) < 2 {
		return math.NaN(), math.NaN()
	}
	first, second := append([]float64(nil), v[:len(v)/2]...), append([]float64(nil), v[len(v)-len(v)/2:]...)
	sort.Float64s(first)
	sort.Float64s(second)
	return first[len(first)/2] / 1024, second[len(second)/2] / 1024
}

// report prints a line of name and value for each figure.
func (c *churn) report() error {
	var s stats
	if err := learn(c.control, "/stats", &s); err != nil {
		return err
	}
	// a node that came or recovered is scraped at times of its own at first
	gap, worst, least, peace := int64(0), "", int64(math.MaxInt64), 0
	for name, g := range s.MaxGapOf {
		if !c.steady(name) {
			continue
		}
		peace++
		if g > gap {
			gap, worst = g, name
		}
		if n := s.PerNode[name]; n < least {
			least = n
		}
	}
	m1, m2 := halves(c.memory)
	z1, z2 := halves(c.touched)
	fmt.Printf("pods\t%d\nnodes\t%d\nfaults\t%d\nreloads\t%d\n", c.started, c.nodeEvents, c.faults, c.reloads)
	fmt.Printf("scrapes\t%d\nsteady\t%d\nleast\t%d\ngap\t%.1f\nworst\t%s\n", s.Scrapes, peace, least, float64(gap)/1000, worst)
	fmt.Printf("samples\t%d\nmemory1\t%.1f\nmemory2\t%.1f\nzone1\t%.1f\nzone2\t%.1f\n", len(c.memory), m1, m2, z1, z2)
	fmt.Printf("compared\t%d\nwrong\t%d\n", c.compared, c.wrong)
	for _, w := range c.wrongs {
		fmt.Printf("# %s\n", w)
	}
	return nil
}
