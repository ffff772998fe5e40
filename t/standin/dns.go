package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
)

// dnsServer is a name server (UDP) of the names that POST /dns gave it.  A name
// that it does not know does not exist.
type dnsServer struct {
	mu    sync.Mutex
	names map[string]dnsRecord
	asked map[string]int // by "name type"
}

// dnsRecord is what is answered about a name.
type dnsRecord struct {
	Addresses []string
	TTL       uint32
	Fault     string // silent, nxdomain, servfail, refused
}

var dnsCodes = map[string]byte{"": 0, "silent": 0, "servfail": 2, "nxdomain": 3, "refused": 5}

func serveDNS(address string) (*dnsServer, error) {
	d := &dnsServer{names: map[string]dnsRecord{}, asked: map[string]int{}}
	if address == "" {
		return d, nil
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if a := d.answer(b[:n]); a != nil {
				_, _ = c.WriteTo(a, from)
			}
		}
	}()
	return d, nil
}

// control is the call /dns: POST replaces the names, GET tells what was asked.
func (d *dnsServer) control(body []byte, r *http.Request) (interface{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method != http.MethodPost {
		return d.asked, nil
	}
	var names map[string]dnsRecord
	if err := decode(body, &names); err != nil {
		return nil, err
	}
	for name, x := range names {
		if _, ok := dnsCodes[x.Fault]; !ok {
			return nil, fmt.Errorf("unknown fault %q of %s", x.Fault, name)
		}
	}
	d.names = names
	return nil, nil
}

// answer is the answer to a question, nil for none.
func (d *dnsServer) answer(q []byte) []byte {
	const head = 12
	var labels []string
	i := head
	for i < len(q) && q[i] != 0 {
		n := int(q[i])
		if n > 63 || i+1+n >= len(q) {
			return nil
		}
		labels = append(labels, string(q[i+1:i+1+n]))
		i += 1 + n
	}
	if len(q) < head || i+5 > len(q) {
		return nil
	}
	kind := binary.BigEndian.Uint16(q[i+1:])
	name := strings.ToLower(strings.Join(labels, "."))

	d.mu.Lock()
	x, known := d.names[name]
	d.asked[fmt.Sprintf("%s %d", name, kind)]++
	d.mu.Unlock()
	if x.Fault == "silent" {
		return nil
	}
	code := dnsCodes[x.Fault]
	if !known {
		code = 3
	}
	out := append([]byte(nil), q[:i+5]...)
	out[2], out[3] = 0x84|q[2]&1, 0x80|code
	binary.BigEndian.PutUint16(out[4:], 1)
	for j := 6; j < head; j++ {
		out[j] = 0
	}
	if code != 0 {
		return out
	}
	for _, a := range x.Addresses {
		ip, want := net.ParseIP(a), uint16(28)
		if v4 := ip.To4(); v4 != nil {
			ip, want = v4, 1
		}
		if ip == nil || kind != want {
			continue
		}
		out = append(out, 0xc0, head, byte(kind>>8), byte(kind), 0, 1)
		out = binary.BigEndian.AppendUint32(out, x.TTL)
		out = append(out, 0, byte(len(ip)))
		out = append(out, ip...)
		out[7]++
	}
	return out
}
