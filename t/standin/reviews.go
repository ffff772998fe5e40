package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// rule allows; what no rule allows is denied.
type rule struct {
	User             string   `json:"user"`
	Group            string   `json:"group"`
	Verbs            []string `json:"verbs"`     // none: all
	APIGroup         *string  `json:"apiGroup"`  // none: all
	Resources        []string `json:"resources"` // none: all, as "pods" or "pods/log"
	Namespaces       []string `json:"namespaces"`
	NonResourcePaths []string `json:"nonResourcePaths"`
	EvenUser         bool     `json:"evenUser"` // everybody whose name ends in an even byte
	EvenPath         bool     `json:"evenPath"` // of the paths those that end in one
}

type tokenUser struct {
	User   string              `json:"user"`
	UID    string              `json:"uid"`
	Groups []string            `json:"groups"`
	Extra  map[string][]string `json:"extra"`
	Error  string              `json:"error"`  // the review fails with it
	Denied bool                `json:"denied"` // not authenticated, without an error

	Audiences []string       `json:"audiences"` // that it is for; none: not told
	Status    map[string]any `json:"status"`    // instead of all of this
}

type reviewSpec struct {
	User     string   `json:"user"`
	Groups   []string `json:"groups"`
	Resource *struct {
		Namespace, Verb, Group, Version, Resource, Subresource, Name string
	} `json:"resourceAttributes"`
	NonResource *struct{ Path, Verb string } `json:"nonResourceAttributes"`
}

func (s *reviewSpec) path() string {
	if s.NonResource == nil {
		return ""
	}
	return s.NonResource.Path
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == "*" || x == s || strings.HasSuffix(x, "*") && strings.HasPrefix(s, x[:len(x)-1]) {
			return true
		}
	}
	return false
}

func orAll(list []string, s string) bool { return len(list) == 0 || has(list, s) }

func in(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// even splits names in two halves of which none is a pattern's.
func even(s string) bool { return s != "" && s[len(s)-1]%2 == 0 }

func (x *rule) allows(s *reviewSpec) bool {
	who := x.User != "" && x.User == s.User || x.Group != "" && in(s.Groups, x.Group) ||
		x.EvenUser && even(s.User)
	if !who {
		return false
	}
	if n := s.NonResource; n != nil {
		return has(x.NonResourcePaths, n.Path) && orAll(x.Verbs, n.Verb) && (!x.EvenPath || even(n.Path))
	}
	n := s.Resource
	if n == nil || len(x.NonResourcePaths) > 0 {
		return false
	}
	resource := n.Resource
	if n.Subresource != "" {
		resource += "/" + n.Subresource
	}
	return orAll(x.Verbs, n.Verb) && orAll(x.Resources, resource) && orAll(x.Namespaces, n.Namespace) &&
		(x.APIGroup == nil || *x.APIGroup == "*" || *x.APIGroup == n.Group)
}

// reviewed reads a review's JSON; nil: it was answered.
func (a *apiServer) reviewed(rw http.ResponseWriter, r *http.Request, spec interface{}) map[string]interface{} {
	if r.Method != http.MethodPost {
		status(rw, r, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
		return nil
	}
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		status(rw, r, 415, "UnsupportedMediaType", "the stand-in reads reviews in JSON only, not "+t)
		return nil
	}
	var raw map[string]json.RawMessage
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 3<<20))
	if err != nil || json.Unmarshal(body, &raw) != nil || json.Unmarshal(raw["spec"], spec) != nil {
		status(rw, r, 400, "BadRequest", "the object provided is unrecognized")
		return nil
	}
	out := map[string]interface{}{}
	for k, v := range raw {
		out[k] = v
	}
	a.f.mu.Lock()
	a.f.asked = body
	a.f.mu.Unlock()
	return out
}

func (a *apiServer) accessReview(rw http.ResponseWriter, r *http.Request) {
	var spec reviewSpec
	out := a.reviewed(rw, r, &spec)
	if out == nil {
		return
	}
	if (spec.Resource == nil) == (spec.NonResource == nil) || spec.User == "" && len(spec.Groups) == 0 {
		status(rw, r, 422, "Invalid", "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec")
		return
	}
	allowed := false
	a.f.mu.Lock()
	for i := range a.f.rules {
		allowed = allowed || a.f.rules[i].allows(&spec)
	}
	st := dict{"allowed": allowed}
	if !allowed && a.f.reason != "" {
		st["reason"] = strings.NewReplacer("{user}", spec.User, "{path}", spec.path()).Replace(a.f.reason)
	}
	out["status"] = st
	a.f.stats.Reviews++
	a.f.reviews = append(a.f.reviews, out)
	if n := len(a.f.reviews); n > 1000 {
		a.f.reviews = a.f.reviews[n-1000:]
	}
	a.f.mu.Unlock()
	replyJSON(rw, 201, out)
}

// tokenUser is whose token it is; one that ends in "*" stands for all that
// begin so, and a "*" at the end of its user for their rest.
func (f *faults) tokenUser(token string) (tokenUser, bool) {
	if u, ok := f.tokens[token]; ok {
		return u, true
	}
	for t, u := range f.tokens {
		if n := len(t) - 1; n >= 0 && t[n] == '*' && strings.HasPrefix(token, t[:n]) {
			if strings.HasSuffix(u.User, "*") {
				u.User = u.User[:len(u.User)-1] + token[n:]
			}
			return u, true
		}
	}
	return tokenUser{}, false
}

func (a *apiServer) tokenReview(rw http.ResponseWriter, r *http.Request) {
	var spec struct {
		Token     string
		Audiences []string
	}
	out := a.reviewed(rw, r, &spec)
	if out == nil {
		return
	}
	a.f.mu.Lock()
	a.f.stats.TokenAsked++
	u, ok := a.f.tokenUser(spec.Token)
	a.f.mu.Unlock()
	st := dict{"authenticated": ok && u.Error == "" && !u.Denied}
	switch {
	case ok && u.Status != nil:
		st = u.Status
	case ok && u.Denied:
	case ok && u.Error != "":
		st["error"] = u.Error
	case ok:
		user := dict{"username": u.User}
		if u.UID != "" {
			user["uid"] = u.UID
		}
		if len(u.Groups) > 0 {
			user["groups"] = u.Groups
		}
		if len(u.Extra) > 0 {
			user["extra"] = u.Extra
		}
		st["user"] = user
		if len(spec.Audiences) > 0 && len(u.Audiences) > 0 {
			st["audiences"] = u.Audiences
		}
	default:
		st["error"] = "invalid bearer token"
	}
	out["status"] = st
	replyJSON(rw, 201, out)
}
