package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// toldBody is what a kubelet answers by the control call /body, whatever HTTP
// says of it.
type toldBody struct {
	Name    string
	Status  int      // 0: 200
	Headers []string // lines
	Own     bool     // what it would say, before Body
	Body    string
	Base64  bool
	Repeat  int // 0: once
	Chunk   int // 0: Content-Length
	Raw     []toldPiece
	Close   bool
}

type toldPiece struct {
	Text   string
	Base64 bool
	Repeat int  // 0: once
	Wait   int  // ms, before each
	Own    bool // the body that it would send
}

func (c *control) body(body []byte, r *http.Request) (interface{}, error) {
	return nil, each(body, func(b []byte) error {
		t := &toldBody{}
		if err := decode(b, t); err != nil {
			return err
		}
		if err := t.plain(); err != nil {
			return err
		}
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		n := c.w.node(t.Name)
		if n == nil {
			return notFound("node")
		}
		n.kubelet.told = t
		if t.Status == 0 && !t.Own && t.Body == "" && t.Headers == nil && t.Raw == nil {
			n.kubelet.told = nil
		}
		return nil
	})
}

// plain turns base64 into bytes.
func (t *toldBody) plain() error {
	if t.Base64 {
		b, err := base64.StdEncoding.DecodeString(t.Body)
		if err != nil {
			return err
		}
		t.Body = string(b)
	}
	for i := range t.Raw {
		if p := &t.Raw[i]; p.Base64 {
			b, err := base64.StdEncoding.DecodeString(p.Text)
			if err != nil {
				return err
			}
			p.Text = string(b)
		}
	}
	return nil
}

// send is one answer; false ends the connection.
func (t *toldBody) send(c net.Conn, own []byte) bool {
	// not all at once: this may go on for as long as the other side reads
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	w := bufio.NewWriterSize(c, 1<<16)
	if t.Raw == nil {
		t.answer(w, own)
	} else {
		for i := range t.Raw {
			if !t.Raw[i].send(w, own) {
				return false
			}
		}
	}
	return w.Flush() == nil && !t.Close
}

func (p *toldPiece) send(w *bufio.Writer, own []byte) bool {
	text := []byte(p.Text)
	if p.Own {
		text = own
	}
	for i := 0; i == 0 || i < p.Repeat; i++ {
		if p.Wait > 0 {
			if w.Flush() != nil {
				return false
			}
			time.Sleep(time.Duration(p.Wait) * time.Millisecond)
		}
		if _, err := w.Write(text); err != nil {
			return false
		}
	}
	return true
}

// pieces gives the body, as its parts are made.
func (t *toldBody) pieces(own []byte, part func(b []byte) bool) {
	if t.Own && !part(own) {
		return
	}
	numbered := strings.Contains(t.Body, "{#}")
	b := []byte(t.Body)
	for i := 0; len(t.Body) > 0 && (i == 0 || i < t.Repeat); i++ {
		if numbered {
			b = []byte(strings.ReplaceAll(t.Body, "{#}", strconv.Itoa(i)))
		}
		if !part(b) {
			return
		}
	}
}

func (t *toldBody) answer(w *bufio.Writer, own []byte) {
	status := t.Status
	if status == 0 {
		status = 200
	}
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if t.Headers == nil {
		fmt.Fprint(w, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
	}
	for _, h := range t.Headers {
		fmt.Fprintf(w, "%s\r\n", h)
	}
	if t.Chunk <= 0 {
		n := 0
		t.pieces(own, func(b []byte) bool { n += len(b); return true })
		fmt.Fprintf(w, "Content-Length: %d\r\n\r\n", n)
		t.pieces(own, func(b []byte) bool { _, err := w.Write(b); return err == nil })
		return
	}
	fmt.Fprint(w, "Transfer-Encoding: chunked\r\n\r\n")
	var rest, out []byte
	t.pieces(own, func(b []byte) bool {
		rest = append(rest, b...)
		at := 0
		for ; len(rest)-at >= t.Chunk; at += t.Chunk {
			out = chunk(out[:0], rest[at:at+t.Chunk])
			if _, err := w.Write(out); err != nil {
				return false
			}
		}
		rest = append(rest[:0], rest[at:]...)
		return true
	})
	if len(rest) > 0 {
		_, _ = w.Write(chunk(out[:0], rest))
	}
	fmt.Fprint(w, "0\r\n\r\n")
}
