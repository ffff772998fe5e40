package main

import "sync"

// faults is what was told to misbehave, and what was counted.
type faults struct {
	mu     sync.Mutex
	node   map[string]string
	api    []apiFault
	rules  []rule
	reason string
	tokens map[string]tokenUser
	review []map[string]interface{}
	stats  stats
}

type apiFault struct {
	Fault string `json:"fault"`
	For   string `json:"for"`
	Count int    `json:"count"` // 0: until cleared
}

type rule struct {
	User             string   `json:"user"`
	Group            string   `json:"group"`
	Verbs            []string `json:"verbs"`
	APIGroup         string   `json:"apiGroup"`
	Resources        []string `json:"resources"`
	Namespaces       []string `json:"namespaces"`
	NonResourcePaths []string `json:"nonResourcePaths"`
}

type tokenUser struct {
	User   string   `json:"user"`
	UID    string   `json:"uid"`
	Groups []string `json:"groups"`
}

type stats struct {
	Scrapes     int64            `json:"scrapes"`
	PerNode     map[string]int64 `json:"perNode"`
	Connections int64            `json:"connections"`
	Full        int64            `json:"handshakesFull"`
	Resumed     int64            `json:"handshakesResumed"`
	Lists       int64            `json:"lists"`
	Watches     int64            `json:"watchesOpen"`
	WatchesEver int64            `json:"watches"`
	Reviews     int64            `json:"reviews"`
}

func newFaults() *faults {
	return &faults{node: map[string]string{}, tokens: map[string]tokenUser{}, stats: stats{PerNode: map[string]int64{}}}
}

func (f *faults) ofNode(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.node[name]
}

// ofAPI takes a fault that is meant for a part of the API; each use counts.
func (f *faults) ofAPI(part string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.api {
		a := &f.api[i]
		if a.For != "" && a.For != part {
			continue
		}
		name := a.Fault
		if a.Count > 0 {
			if a.Count--; a.Count == 0 {
				f.api = append(f.api[:i], f.api[i+1:]...)
			}
		}
		return name
	}
	return ""
}

func (f *faults) count(update func(s *stats)) {
	f.mu.Lock()
	update(&f.stats)
	f.mu.Unlock()
}
