package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// standin flood: very many distinct questions, each of whose answers is known
// before (floodRules), and a few regular callers among them.  What is printed
// is JSON: how many were asked, how many were answered wrongly, the first of
// these, and with -pid the CPU of a request.

const (
	floodAPI  = "/apis/metrics.k8s.io/v1beta1"
	floodSize = 8 // bytes that make hashes collide: two blocks
)

// floodRules is what the API server is told: of users and of paths every
// second one is let in, and who is not is named by the reason.
const floodRules = `{"reason": "no rule for {user} at {path}", "rules": [
	{"evenUser": true, "nonResourcePaths": ["/apis/*"]},
	{"user": "walker", "evenPath": true, "nonResourcePaths": ["/flood/*"]}]}`

// floodTokens: two in three tokens are somebody's.
const floodTokens = `{"flood-good-*": {"user": "token-*"}}`

type flood struct {
	url, control       string
	kind, bulk         string
	from, n            int
	regulars, every    int
	client             *http.Client
	users              []string // of "collide"
	mu                 sync.Mutex
	next, asked, wrong int
	first              string
}

// question is a caller and a path, and what the answer has to be.
type question struct {
	user, group, token, path string
	status                   int
}

func runFlood(args []string) error {
	fs := flag.NewFlagSet("flood", flag.ExitOnError)
	f := &flood{}
	fs.StringVar(&f.url, "url", "", "the server")
	fs.StringVar(&f.control, "control", "", "the stand-in's control calls")
	cert := fs.String("cert", "", "front proxy's certificate: NAME of NAME.crt and NAME.key")
	http2 := fs.Bool("http2", false, "one connection of HTTP/2")
	conns := fs.Int("conns", 16, "requests at a time")
	fs.StringVar(&f.kind, "kind", "users", "users, paths, both, or users that collide in a hash")
	tokens := fs.Bool("tokens", false, "distinct bearer tokens, in place of -kind")
	bulk := fs.Int("bulk", 0, "bytes of a group that all callers have")
	fs.IntVar(&f.from, "from", 0, "first number")
	fs.IntVar(&f.n, "n", 100000, "how many")
	fs.IntVar(&f.regulars, "regulars", 0, "callers that ask again and again, each once in -every requests")
	fs.IntVar(&f.every, "every", 400, "see -regulars")
	pid := fs.Int("pid", 0, "of the worker whose CPU is told")
	if err := fs.Parse(args); err != nil {
		return err
	}
	f.bulk = strings.Repeat("g", *bulk)
	if *tokens {
		f.kind, *cert = "tokens", ""
	}
	var err error
	if f.client, err = newClient(*cert, *http2, *conns); err != nil {
		return err
	}
	for path, body := range map[string]string{"/rules": floodRules, "/tokens": floodTokens} {
		res, err := http.Post("http://"+f.control+path, "", strings.NewReader(body))
		if err != nil {
			return err
		}
		_ = res.Body.Close()
	}
	if f.kind == "collide" {
		if err := f.collide(); err != nil {
			return err
		}
	}
	begin, cpu := time.Now(), schedCPU(strconv.Itoa(*pid))
	var wait sync.WaitGroup
	for i := 0; i < *conns; i++ {
		wait.Add(1)
		go func() { defer wait.Done(); f.run() }()
	}
	wait.Wait()
	out := dict{"asked": f.asked, "wrong": f.wrong, "first": f.first, "seconds": time.Since(begin).Seconds()}
	if *pid != 0 {
		out["cpu"] = (schedCPU(strconv.Itoa(*pid)) - cpu) * 1e6 / float64(f.asked)
	}
	b, err := json.Marshal(out)
	fmt.Println(string(b))
	return err
}

func (f *flood) run() {
	for {
		f.mu.Lock()
		i := f.next
		f.next++
		f.mu.Unlock()
		if i >= f.n {
			return
		}
		// a regular's turn
		if f.regulars > 0 && i%f.every < f.regulars {
			f.check(ofUser(fmt.Sprintf("regular-%d", i%f.every)))
		}
		f.check(f.question(f.from + i))
	}
}

func ofUser(user string) question {
	q := question{user: user, path: floodAPI, status: 403}
	if even(user) {
		q.status = 200
	}
	return q
}

func (f *flood) question(i int) question {
	switch {
	case f.kind == "tokens" && i%3 == 0:
		return question{token: fmt.Sprintf("flood-bad-%06d", i), path: floodAPI, status: 401}
	case f.kind == "tokens":
		q := ofUser(fmt.Sprintf("token-%06d", i))
		q.token = fmt.Sprintf("flood-good-%06d", i)
		return q
	case f.kind == "paths" || f.kind == "both" && i/2%2 == 0:
		q := question{user: "walker", path: fmt.Sprintf("/flood/%06d", i), status: 403}
		if even(q.path) {
			q.status = 404
		}
		return q
	case f.users != nil:
		return ofUser(f.users[i])
	}
	return ofUser(fmt.Sprintf("flood-%06d", i))
}

// check asks, and notes an answer that is another's.
func (f *flood) check(q question) {
	code, body, err := f.ask(q)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case code != q.status:
		why = fmt.Sprintf("%d, not %d: %s", code, q.status, body)
	case code == 403 && !strings.Contains(body, `: no rule for `+q.user+` at `+q.path+`"`):
		why = "somebody else's denial: " + body
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if why != "" {
		if f.wrong == 0 {
			f.first = fmt.Sprintf("%s %s %s: %s", q.user, q.token, q.path, why)
		}
		f.wrong++
	}
}

func (f *flood) ask(q question) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, f.url+q.path, nil)
	if err != nil {
		return 0, "", err
	}
	if q.token != "" {
		req.Header["Authorization"] = []string{"Bearer " + q.token}
	} else {
		req.Header["X-Remote-User"] = []string{q.user}
		for _, group := range []string{f.bulk, q.group} {
			if group != "" {
				req.Header.Add("X-Remote-Group", group)
			}
		}
	}
	res, err := f.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// collide finds n users whose questions, as the module writes them, have one
// MurmurHash2 (of seed 0, as ngx_murmur_hash2): the user's last two blocks are
// chosen so that the second takes back what the first changed.
func (f *flood) collide() error {
	text, at := "", 0
	user := strings.Repeat("u", 20)
	for text == "" || (at+len(user))%4 != 0 {
		if text != "" {
			user += "u"
		}
		// a question that was not asked before, but for the group
		probe := fmt.Sprintf("probe-%d", time.Now().UnixNano())
		q := question{user: user, group: probe, path: floodAPI}
		if _, _, err := f.ask(q); err != nil {
			return err
		}
		res, err := http.Get("http://" + f.control + "/asked")
		if err != nil {
			return err
		}
		var in struct{ Asked string }
		err = json.NewDecoder(res.Body).Decode(&in)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		text = strings.Replace(in.Asked, `"`+probe+`",`, "", 1)
		if at = strings.Index(text, user+`"`); at < 0 || len(user) > 30 {
			return errors.New("the last review is not about " + user)
		}
	}
	at += len(user) - floodSize
	head, rest := text[:at], text[at+floodSize:]
	h := murmurBlocks(uint32(len(text)), head)
	const chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	random := rand.New(rand.NewSource(1))
	word := func() uint32 {
		var k uint32
		for i := 0; i < 4; i++ {
			k = k<<8 | uint32(chars[random.Intn(len(chars))])
		}
		return k
	}
	first, second := word(), word()
	want := (h*murmurM^murmurMix(first))*murmurM ^ murmurMix(second)
	hash, seen := uint32(0), map[uint32]bool{}
	for len(f.users) < f.from+f.n {
		one := word()
		two := murmurUnmix(want ^ (h*murmurM^murmurMix(one))*murmurM)
		block := string([]byte{byte(one), byte(one >> 8), byte(one >> 16), byte(one >> 24),
			byte(two), byte(two >> 8), byte(two >> 16), byte(two >> 24)})
		if seen[one] || strings.Trim(block, chars) != "" {
			continue
		}
		seen[one] = true
		x := murmur(head + block + rest)
		if len(f.users) > 0 && x != hash {
			return errors.New("the hashes differ")
		}
		hash = x
		f.users = append(f.users, user[:len(user)-floodSize]+block)
	}
	return nil
}

const murmurM = uint32(0x5bd1e995)

func murmurMix(k uint32) uint32 {
	k *= murmurM
	k ^= k >> 24
	return k * murmurM
}

func murmurUnmix(k uint32) uint32 {
	inverse := uint32(1)
	for i := 0; i < 5; i++ { // Newton's
		inverse *= 2 - murmurM*inverse
	}
	k *= inverse
	k ^= k >> 24
	return k * inverse
}

// murmurBlocks goes over whole blocks of four bytes.
func murmurBlocks(h uint32, s string) uint32 {
	for ; len(s) >= 4; s = s[4:] {
		h = h*murmurM ^ murmurMix(uint32(s[0])|uint32(s[1])<<8|uint32(s[2])<<16|uint32(s[3])<<24)
	}
	return h
}

func murmur(s string) uint32 {
	h := murmurBlocks(uint32(len(s)), s)
	if tail := s[len(s)&^3:]; len(tail) > 0 {
		for i := range tail {
			h ^= uint32(tail[i]) << (8 * i)
		}
		h *= murmurM
	}
	h ^= h >> 13
	h *= murmurM
	return h ^ h>>15
}
