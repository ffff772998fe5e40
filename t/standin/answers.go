package main

import (
	"net/http"
	"strconv"
	"strings"
)

// told is an answer that is given as it is, by the control call /answer.
type told struct {
	For     string            `json:"for"`    // a part, as of faults
	Status  int               `json:"status"` // 0: 201
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Repeat  int               `json:"repeat"` // the body, so often
	Cut     bool              `json:"cut"`    // ends before its length
}

// answer tells what a part of the API answers from now on; no part: nothing.
func (c *control) answer(body []byte, r *http.Request) (interface{}, error) {
	var in told
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.told = in
	return nil, nil
}

// tell answers as it was told to, if it was.
func (a *apiServer) tell(rw http.ResponseWriter, part string) bool {
	a.f.mu.Lock()
	t := a.f.told
	a.f.mu.Unlock()
	if t.For == "" || t.For != part {
		return false
	}
	if t.Status == 0 {
		t.Status = 201
	}
	if t.Repeat > 0 {
		t.Body = strings.Repeat(t.Body, t.Repeat)
	}
	n := len(t.Body)
	if t.Cut {
		n += 100
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Content-Length", strconv.Itoa(n))
	for k, v := range t.Headers {
		rw.Header().Set(k, v)
	}
	rw.WriteHeader(t.Status)
	_, _ = rw.Write([]byte(t.Body))
	return true
}
