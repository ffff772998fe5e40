package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// pki is the cluster's certificates: three authorities and what they signed.
type pki struct {
	dir           string
	cluster       *authority
	requestheader *authority
	kubelet       *authority
	rogue         *authority
	kubeletKey    *ecdsa.PrivateKey
	verify        *x509.CertPool

	mu       sync.RWMutex
	token    string
	kubelets map[string]*tls.Certificate
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

type leaf struct {
	cn       string
	org      []string
	dns      []string
	ips      []net.IP
	usage    x509.ExtKeyUsage
	from, to time.Duration // relative to now
}

func newAuthority(cn string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: cn},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

func (a *authority) sign(l leaf, key *ecdsa.PrivateKey) ([]byte, error) {
	if l.to == 0 {
		l.to = 365 * 24 * time.Hour
	}
	if l.from == 0 {
		l.from = -24 * time.Hour
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: l.cn, Organization: l.org},
		NotBefore:    time.Now().Add(l.from),
		NotAfter:     time.Now().Add(l.to),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{l.usage},
		DNSNames:     l.dns,
		IPAddresses:  l.ips,
	}
	return x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
}

func newPKI(dir string) (*pki, error) {
	p := &pki{dir: dir, kubelets: map[string]*tls.Certificate{}}
	var err error
	for _, a := range []struct {
		to **authority
		cn string
	}{{&p.cluster, "cluster-ca"}, {&p.requestheader, "requestheader-ca"}, {&p.kubelet, "kubelet-ca"}, {&p.rogue, "rogue-ca"}} {
		if *a.to, err = newAuthority(a.cn); err != nil {
			return nil, err
		}
	}
	if p.kubeletKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	p.verify = x509.NewCertPool()
	p.verify.AddCert(p.cluster.cert)
	return p, p.rotate("")
}

// bearer is the token that the API server and the kubelets accept.
func (p *pki) bearer() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.token
}

// rotate puts another token, a random one if there is none given, into the
// files and in force.
func (p *pki) rotate(token string) error {
	if token == "" {
		b := make([]byte, 16)
		if _, err := rand.Read(b); err != nil {
			return err
		}
		token = "standin-" + hex.EncodeToString(b)
	}
	for _, name := range []string{"token", "sa/token"} {
		if err := p.file(name, []byte(token)); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.token = token
	p.mu.Unlock()
	return nil
}

func (p *pki) file(name string, data []byte) error {
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	// readable for nginx's workers, which are nobody; whole at any time
	if err := os.WriteFile(name+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func (p *pki) pair(name string, a *authority, l leaf) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := a.sign(l, key)
	if err != nil {
		return nil, err
	}
	k, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: k})
	if err := p.file(name+".crt", certPEM); err != nil {
		return nil, err
	}
	if err := p.file(name+".key", keyPEM); err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	return &c, err
}

// write makes everything that the tests, the demo and nginx read.
func (p *pki) write(api string) error {
	host, port, err := net.SplitHostPort(api)
	if err != nil {
		return err
	}
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	front := leaf{cn: "front-proxy-client", usage: client}
	for _, c := range []struct {
		name string
		a    *authority
		l    leaf
	}{
		{"front-client", p.requestheader, front},
		{"front-other", p.requestheader, leaf{cn: "other-proxy", usage: client}},
		{"front-expired", p.requestheader, leaf{cn: "front-proxy-client", usage: client, from: -48 * time.Hour, to: -time.Hour}},
		{"front-notyet", p.requestheader, leaf{cn: "front-proxy-client", usage: client, from: time.Hour}},
		{"front-serverauth", p.requestheader, leaf{cn: "front-proxy-client", usage: server}},
		{"rogue-client", p.rogue, front},
		{"admin", p.cluster, leaf{cn: "admin", org: []string{"system:masters"}, usage: client}},
		{"alice", p.cluster, leaf{cn: "alice", usage: client}},
		{"alice-expired", p.cluster, leaf{cn: "alice", usage: client, from: -48 * time.Hour, to: -time.Hour}},
		{"serving", p.cluster, leaf{cn: "metrics-server", usage: server,
			dns: []string{"metrics-server.kube-system.svc", "localhost"}, ips: []net.IP{net.ParseIP("127.0.0.1")}}},
		{"apiserver", p.cluster, leaf{cn: "kube-apiserver", usage: server, ips: []net.IP{net.ParseIP(host), net.ParseIP("127.0.0.1")},
			dns: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}}},
	} {
		if _, err := p.pair(c.name, c.a, c.l); err != nil {
			return err
		}
	}

	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	kubeconfig := func(cluster, user string) []byte {
		return []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: standin
  cluster:
    server: https://%s:%s
    %s
users:
- name: metrics-server
  user:
    %s
contexts:
- name: standin
  context: {cluster: standin, user: metrics-server}
current-context: standin
`, host, port, cluster, user))
	}
	abs, err := filepath.Abs(p.dir)
	if err != nil {
		return err
	}
	admin, err := os.ReadFile(filepath.Join(p.dir, "admin.crt"))
	if err != nil {
		return err
	}
	adminKey, err := os.ReadFile(filepath.Join(p.dir, "admin.key"))
	if err != nil {
		return err
	}
	caFile := "certificate-authority: " + filepath.Join(abs, "ca.crt")
	for name, data := range map[string][]byte{
		"ca.crt":               p.cluster.pem,
		"requestheader-ca.crt": p.requestheader.pem,
		"kubelet-ca.crt":       p.kubelet.pem,
		"sa/ca.crt":            p.cluster.pem,
		"sa/namespace":         []byte("kube-system"),
		"kubeconfig":           kubeconfig(caFile, "tokenFile: "+filepath.Join(abs, "token")),
		"kubeconfig-data":      kubeconfig("certificate-authority-data: "+b64(p.cluster.pem), "token: "+p.bearer()),
		"kubeconfig-cert":      kubeconfig(caFile, "client-certificate-data: "+b64(admin)+"\n    client-key-data: "+b64(adminKey)),
	} {
		if err := p.file(name, data); err != nil {
			return err
		}
	}
	return nil
}

// kubeletCert is the certificate of the kubelet at an address, in the form
// that a fault asks for; made when it is first wanted.
func (p *pki) kubeletCert(ip [16]byte, name, fault string) (*tls.Certificate, error) {
	a, l := p.kubelet, leaf{cn: "system:node:" + name, org: []string{"system:nodes"},
		usage: x509.ExtKeyUsageServerAuth, dns: []string{name}, ips: []net.IP{ip[:]}}
	switch fault {
	case "wrongname":
		l.ips, l.dns = []net.IP{net.ParseIP("192.0.2.1")}, []string{"other.example"}
	case "expired":
		l.from, l.to = -48*time.Hour, -time.Hour
	case "otherca":
		a = p.rogue
	default:
		fault = ""
	}
	id := string(ip[:]) + fault

	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.kubelets[id]; c != nil {
		return c, nil
	}
	der, err := a.sign(l, p.kubeletKey)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: p.kubeletKey}
	p.kubelets[id] = c
	return c, nil
}
