package main

import (
	"encoding/json"
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

func (x *rule) allows(s *reviewSpec) bool {
	who := x.User != "" && x.User == s.User || x.Group != "" && in(s.Groups, x.Group)
	if !who {
		return false
	}
	if n := s.NonResource; n != nil {
		return has(x.NonResourcePaths, n.Path) && orAll(x.Verbs, n.Verb)
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
func reviewed(rw http.ResponseWriter, r *http.Request, spec interface{}) map[string]interface{} {
	if r.Method != http.MethodPost {
		status(rw, r, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
		return nil
	}
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		status(rw, r, 415, "UnsupportedMediaType", "the stand-in reads reviews in JSON only, not "+t)
		return nil
	}
	var raw map[string]json.RawMessage
	body := json.NewDecoder(http.MaxBytesReader(rw, r.Body, 3<<20))
	if body.Decode(&raw) != nil || json.Unmarshal(raw["spec"], spec) != nil {
		status(rw, r, 400, "BadRequest", "the object provided is unrecognized")
		return nil
	}
	out := map[string]interface{}{}
	for k, v := range raw {
		out[k] = v
	}
	return out
}

func (a *apiServer) accessReview(rw http.ResponseWriter, r *http.Request) {
	var spec reviewSpec
	out := reviewed(rw, r, &spec)
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
		st["reason"] = a.f.reason
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

func (a *apiServer) tokenReview(rw http.ResponseWriter, r *http.Request) {
	var spec struct {
		Token     string
		Audiences []string
	}
	out := reviewed(rw, r, &spec)
	if out == nil {
		return
	}
	a.f.mu.Lock()
	a.f.stats.TokenAsked++
	u, ok := a.f.tokens[spec.Token]
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
