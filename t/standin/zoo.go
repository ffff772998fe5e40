package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// zoo is client certificates of every kind that has to be told from a good
// one, of authorities of their own.
type zoo struct {
	dir    string
	bundle map[string][]*x509.Certificate // of CAs, by the file's name
	beasts []*beast
	serial int64
	err    error
}

// beast is a chain to come with, the leaf first, and the leaf's key.
type beast struct {
	name  string
	chain [][]byte
	key   crypto.Signer
}

// issuer is a certificate that signs, whether it may or not.
type issuer struct {
	der  []byte
	cert *x509.Certificate
	key  crypto.Signer
}

// verdict is what Go's crypto/x509 says, as Kubernetes asks it.
type verdict struct {
	Client string   `json:"client"` // why not; "": verifies
	Front  string   `json:"front"`
	User   string   `json:"user"`
	Groups []string `json:"groups"`
}

var (
	oidCN   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrg  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUID  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}
	oidBC   = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidEKU  = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidMine = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}

	// AlgorithmIdentifiers' OIDs of RSA with SHA-256, SHA-1, MD5
	rsaSHA256 = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 11}
	rsaSHA1   = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 5}
	rsaMD5    = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 4}
)

func (z *zoo) check(err error) {
	if err != nil && z.err == nil {
		z.err = err
	}
}

func (z *zoo) ec() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	z.check(err)
	return k
}

func (z *zoo) rsaKey(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	z.check(err)
	return k
}

// sign makes a certificate; a nil parent: of itself.
func (z *zoo) sign(t *x509.Certificate, parent *issuer, key crypto.Signer) *issuer {
	if z.err != nil {
		return &issuer{cert: t, key: key}
	}
	z.serial++
	t.SerialNumber = big.NewInt(z.serial)
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().Add(-24 * time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(24 * time.Hour)
	}
	by, with := t, key
	if parent != nil {
		by, with = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by, key.Public(), with)
	z.check(err)
	c, err := x509.ParseCertificate(der)
	if err != nil { // some are for others to judge
		c = t
	}
	return &issuer{der, c, key}
}

func authorityOf(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

// leafOf is a good client's certificate.
func leafOf(cn string, org ...string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn, Organization: org},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// trust puts a CA into a bundle.
func (z *zoo) trust(name string, a *issuer) *issuer {
	z.bundle[name] = append(z.bundle[name], a.cert)
	return a
}

// add is a leaf, as "change" makes it of a good one, with the chain to send.
func (z *zoo) add(name string, parent *issuer, change func(t *x509.Certificate), chain ...*issuer) *issuer {
	t := leafOf(name)
	if change != nil {
		change(t)
	}
	return z.put(name, z.sign(t, parent, z.ec()), chain...)
}

func (z *zoo) put(name string, leaf *issuer, chain ...*issuer) *issuer {
	b := &beast{name: name, chain: [][]byte{leaf.der}, key: leaf.key}
	for _, c := range chain {
		b.chain = append(b.chain, c.der)
	}
	z.beasts = append(z.beasts, b)
	return leaf
}

// part is an attribute of a subject: an OID, a string's tag and its bytes.
type part struct {
	oid asn1.ObjectIdentifier
	tag int
	s   string
}

func (z *zoo) subject(parts ...part) []byte {
	var seq pkix.RDNSequence
	for _, p := range parts {
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: p.oid,
			Value: asn1.RawValue{Tag: p.tag, Bytes: []byte(p.s)}}})
	}
	der, err := asn1.Marshal(seq)
	z.check(err)
	return der
}

func (z *zoo) named(name string, parent *issuer, parts ...part) {
	z.add(name, parent, func(t *x509.Certificate) { t.RawSubject = z.subject(parts...) })
}

// weakly signs a certificate of an RSA key again, with another hash.
func (z *zoo) weakly(c, parent *issuer, hash crypto.Hash, oid []byte) *issuer {
	if z.err != nil {
		return c
	}
	var outer struct {
		TBS asn1.RawValue
		Alg asn1.RawValue
		Sig asn1.BitString
	}
	_, err := asn1.Unmarshal(c.der, &outer)
	z.check(err)
	outer.TBS.FullBytes = bytes.ReplaceAll(outer.TBS.FullBytes, rsaSHA256, oid)
	outer.Alg.FullBytes = bytes.ReplaceAll(outer.Alg.FullBytes, rsaSHA256, oid)
	h := hash.New()
	h.Write(outer.TBS.FullBytes)
	outer.Sig.Bytes, err = rsa.SignPKCS1v15(rand.Reader, parent.key.(*rsa.PrivateKey), hash, h.Sum(nil))
	z.check(err)
	outer.Sig.BitLength = 8 * len(outer.Sig.Bytes)
	der, err := asn1.Marshal(outer)
	z.check(err)
	cert, err := x509.ParseCertificate(der)
	z.check(err)
	return &issuer{der, cert, c.key}
}

func (z *zoo) usages(a *issuer) {
	eku := func(u ...x509.ExtKeyUsage) func(t *x509.Certificate) {
		return func(t *x509.Certificate) { t.ExtKeyUsage = u }
	}
	z.add("good", a, nil)
	z.named("in-a-group", a, part{oidCN, 12, "in-a-group"}, part{oidOrg, 12, "b"}, part{oidOrg, 12, "a"})
	z.add("expired", a, func(t *x509.Certificate) { t.NotAfter = time.Now().Add(-time.Minute) })
	z.add("not-yet", a, func(t *x509.Certificate) { t.NotBefore = time.Now().Add(time.Hour) })
	z.add("for-servers", a, eku(x509.ExtKeyUsageServerAuth))
	z.add("for-both", a, eku(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))
	z.add("for-any", a, eku(x509.ExtKeyUsageAny))
	z.add("for-nothing-said", a, eku())
	z.add("usage-twice", a, func(t *x509.Certificate) {
		der, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 1}})
		z.check(err)
		t.ExtKeyUsage = nil
		t.ExtraExtensions = []pkix.Extension{{Id: oidEKU, Value: der}, {Id: oidEKU, Value: der}}
	})
	z.add("critical-unknown", a, func(t *x509.Certificate) {
		t.ExtraExtensions = []pkix.Extension{{Id: oidMine, Critical: true, Value: []byte{5, 0}}}
	})
	z.add("unknown", a, func(t *x509.Certificate) {
		t.ExtraExtensions = []pkix.Extension{{Id: oidMine, Value: []byte{5, 0}}}
	})
	z.put("self-signed", z.sign(leafOf("self-signed"), nil, z.ec()))
	z.put("self-signed-as-ca", z.sign(authorityOf("zoo"), nil, z.ec()))
	z.put("the-ca-itself", a)
	rogue := z.sign(authorityOf("zoo"), nil, z.ec())
	z.add("rogue", rogue, nil)
	z.add("rogue-sent", rogue, nil, rogue)
}

func (z *zoo) chains(a *issuer) {
	ca := func(change func(t *x509.Certificate), by *issuer) *issuer {
		z.serial++
		t := authorityOf(fmt.Sprintf("zoo intermediate %d", z.serial))
		if change != nil {
			change(t)
		}
		return z.sign(t, by, z.ec())
	}
	mid := ca(nil, a)
	z.add("intermediate-sent", mid, nil, mid)
	z.add("intermediate-not-sent", mid, nil)
	z.add("intermediate-among-others", mid, nil, ca(nil, nil), mid, a, mid)
	low := ca(nil, mid)
	z.add("two-intermediates", low, nil, mid, low)
	z.add("one-of-two", low, nil, low)

	anchor := z.trust("client", ca(nil, z.sign(authorityOf("an unknown root"), nil, z.ec())))
	z.add("of-an-anchor", anchor, nil)

	notCA := ca(func(t *x509.Certificate) { t.IsCA = false }, a)
	z.add("intermediate-no-ca", notCA, nil, notCA)
	silent := ca(func(t *x509.Certificate) { t.IsCA, t.BasicConstraintsValid = false, false }, a)
	z.add("intermediate-says-nothing", silent, nil, silent)
	leaf := z.sign(leafOf("a leaf"), a, z.ec())
	z.add("leaf-of-a-leaf", leaf, nil, leaf)
	silentRoot := z.trust("client", ca(func(t *x509.Certificate) { t.IsCA, t.BasicConstraintsValid = false, false }, nil))
	z.add("root-says-nothing", silentRoot, nil)

	short := ca(func(t *x509.Certificate) { t.MaxPathLenZero = true }, a)
	z.add("pathlen-kept", short, nil, short)
	below := ca(nil, short)
	z.add("pathlen-exceeded", below, nil, below, short)
	again := ca(func(t *x509.Certificate) {
		t.RawSubject, t.AuthorityKeyId = short.cert.RawSubject, short.cert.SubjectKeyId
	}, short)
	z.add("pathlen-exceeded-by-itself", again, nil, again, short)

	old := ca(func(t *x509.Certificate) { t.NotAfter = time.Now().Add(-time.Minute) }, a)
	z.add("intermediate-expired", old, nil, old)
	servers := ca(func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, a)
	z.add("intermediate-for-servers", servers, nil, servers)
	noSign := ca(func(t *x509.Certificate) { t.KeyUsage = x509.KeyUsageDigitalSignature }, a)
	z.add("intermediate-may-not-sign", noSign, nil, noSign)

	dead := z.trust("client", ca(func(t *x509.Certificate) { t.NotAfter = time.Now().Add(-time.Minute) }, nil))
	z.add("of-an-expired-anchor", dead, nil)
	t := authorityOf("renewed")
	t.NotAfter = time.Now().Add(-time.Minute)
	before := z.trust("client", z.sign(t, nil, z.ec()))
	z.trust("client", z.sign(authorityOf("renewed"), nil, before.key))
	z.add("of-a-renewed-ca", before, nil)

	// as CAs are that were made without key identifiers: one name, two keys
	for _, name := range []string{"twin-one", "twin-two", "twin-three"} {
		t := authorityOf("twins")
		t.IsCA, t.BasicConstraintsValid = false, false
		t.ExtraExtensions = []pkix.Extension{{Id: oidBC, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}}
		z.add(name, z.trust("client", z.sign(t, nil, z.ec())), nil)
	}
	t = authorityOf("twins")
	z.add("twin-unknown", z.sign(t, nil, z.ec()), nil)
}

func (z *zoo) constraints() {
	t := authorityOf("constrained")
	t.PermittedDNSDomains, t.PermittedDNSDomainsCritical = []string{"example.test"}, true
	t.ExcludedURIDomains = []string{"evil.test"}
	a := z.trust("client", z.sign(t, nil, z.ec()))
	dns := func(names ...string) func(t *x509.Certificate) {
		return func(t *x509.Certificate) { t.DNSNames = names }
	}
	z.add("within-constraints", a, dns("a.example.test"))
	z.add("against-constraints", a, dns("a.example.test", "a.evil.test"))
	z.add("against-constraints-uri", a, func(t *x509.Certificate) {
		t.URIs = []*url.URL{{Scheme: "spiffe", Host: "evil.test", Path: "/x"}}
	})
	z.add("constrained-without-names", a, nil)
	z.add("constrained-cn", a, func(t *x509.Certificate) { t.Subject.CommonName = "a.evil.test" })

	ip := authorityOf("constrained intermediate")
	ip.ExcludedEmailAddresses = []string{"evil.test"}
	mid := z.sign(ip, a, z.ec())
	z.add("against-an-intermediates-constraints", mid, func(t *x509.Certificate) {
		t.EmailAddresses = []string{"a@evil.test"}
	}, mid)
}

func (z *zoo) algorithms(a *issuer) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	z.check(err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	z.check(err)
	z.put("p384", z.sign(leafOf("p384"), a, p384))
	z.put("ed25519", z.sign(leafOf("ed25519"), a, ed))

	r := z.trust("client", z.sign(authorityOf("of RSA"), nil, z.rsaKey(2048)))
	z.put("rsa", z.sign(leafOf("rsa"), r, z.rsaKey(2048)))
	z.put("rsa-1024", z.sign(leafOf("rsa-1024"), r, z.rsaKey(1024)))
	t := leafOf("rsa-pss")
	t.SignatureAlgorithm = x509.SHA256WithRSAPSS
	z.put("rsa-pss", z.sign(t, r, z.ec()))
	z.put("sha1", z.weakly(z.sign(leafOf("sha1"), r, z.ec()), r, crypto.SHA1, rsaSHA1))
	z.put("md5", z.weakly(z.sign(leafOf("md5"), r, z.ec()), r, crypto.MD5, rsaMD5))
	mid := z.weakly(z.sign(authorityOf("sha1 intermediate"), r, z.ec()), r, crypto.SHA1, rsaSHA1)
	z.add("sha1-intermediate", mid, nil, mid)
}

func (z *zoo) names(a *issuer) {
	const utf8s, prints, t61, bmp, octets = 12, 19, 20, 30, 4
	bmpOf := func(s string) string {
		var b []byte
		for _, r := range s {
			b = append(b, byte(r>>8), byte(r))
		}
		return string(b)
	}
	z.named("nul", a, part{oidCN, utf8s, "admin\x00.evil.test"})
	z.named("nul-at-the-end", a, part{oidCN, utf8s, "admin\x00"})
	z.named("nul-printable", a, part{oidCN, prints, "admin\x00"})
	z.named("nul-in-the-group", a, part{oidCN, utf8s, "admin"}, part{oidOrg, utf8s, "system:masters\x00x"})
	z.named("utf8", a, part{oidCN, utf8s, "zoë\u2028☃"})
	z.named("utf8-broken", a, part{oidCN, utf8s, "zo\xff"})
	z.named("utf8-overlong", a, part{oidCN, utf8s, "\xc1\xa1dmin"})
	z.named("bmp", a, part{oidCN, bmp, bmpOf("zoë")})
	z.named("bmp-odd", a, part{oidCN, bmp, "\x00a\x00"})
	z.named("bmp-surrogates", a, part{oidCN, bmp, "\xd8\x3d\xde\x00"})
	z.named("t61", a, part{oidCN, t61, "zo\xeb"})
	z.named("octets", a, part{oidCN, octets, "admin"})
	z.named("two-cns", a, part{oidCN, utf8s, "admin"}, part{oidCN, utf8s, "last"})
	z.named("two-cns-one-empty", a, part{oidCN, utf8s, "admin"}, part{oidCN, utf8s, ""})
	z.named("empty-cn", a, part{oidCN, utf8s, ""}, part{oidOrg, utf8s, "system:masters"})
	z.named("no-cn", a, part{oidOrg, utf8s, "system:masters"})
	z.named("no-name", a)
	z.named("two-uids", a, part{oidCN, utf8s, "admin"}, part{oidUID, utf8s, "1"}, part{oidUID, utf8s, "2"})
	z.named("line-breaks", a, part{oidCN, utf8s, "a\r\nX-Remote-User: \"root\""})
	z.named("long-cn", a, part{oidCN, utf8s, string(bytes.Repeat([]byte("long"), 2000))})
	var many []part
	for i := 0; i < 1001; i++ {
		many = append(many, part{oidOrg, utf8s, fmt.Sprint("g", i)})
	}
	z.named("many-groups", a, append(many, part{oidCN, utf8s, "many"})...)
}

func (z *zoo) fronts(client *issuer) {
	const utf8s, bmp = 12, 30
	const cn = "front-proxy-client"
	a := z.trust("front", z.sign(authorityOf("zoo front"), nil, z.ec()))
	mid := z.sign(authorityOf("zoo front intermediate"), a, z.ec())
	named := func(to string) func(t *x509.Certificate) {
		return func(t *x509.Certificate) { t.Subject.CommonName = to }
	}
	z.add("front", a, named(cn))
	z.add("front-intermediate-sent", mid, named(cn), mid)
	z.add("front-intermediate-not-sent", mid, named(cn))
	z.add("front-of-the-clients", client, named(cn))
	z.add("front-case", a, named("Front-Proxy-Client"))
	z.add("front-space", a, named(cn+" "))
	z.add("front-longer", a, named(cn+"s"))
	z.add("front-looks-alike", a, named("frоnt-proxy-client"))
	z.named("front-nul", a, part{oidCN, utf8s, cn + "\x00.evil.test"})
	z.named("front-then-another", a, part{oidCN, utf8s, cn}, part{oidCN, utf8s, "evil"})
	z.named("front-after-another", a, part{oidCN, utf8s, "evil"}, part{oidCN, utf8s, cn})
	z.named("front-in-the-group", a, part{oidCN, utf8s, "evil"}, part{oidOrg, utf8s, cn})
	z.add("front-in-dns", a, func(t *x509.Certificate) {
		t.Subject.CommonName, t.DNSNames = "evil", []string{cn}
	})
	z.named("front-nameless", a)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (z *zoo) write(name string, data []byte) {
	z.check(os.WriteFile(filepath.Join(z.dir, name), data, 0o644))
}

func (z *zoo) writeKey(name string, key crypto.Signer) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	z.check(err)
	z.write(name, pemOf("PRIVATE KEY", der))
}

// judge is what Kubernetes' authenticators would say with these bundles.
func (z *zoo) judge(b *beast) verdict {
	var v verdict
	pool := x509.NewCertPool()
	var certs []*x509.Certificate
	for _, der := range b.chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return verdict{Client: err.Error(), Front: err.Error()}
		}
		certs = append(certs, c)
		if len(certs) > 1 {
			pool.AddCert(c)
		}
	}
	for name, to := range map[string]*string{"client": &v.Client, "front": &v.Front} {
		roots := x509.NewCertPool()
		for _, c := range z.bundle[name] {
			roots.AddCert(c)
		}
		_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: pool,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil {
			*to = err.Error()
		}
	}
	v.User, v.Groups = certs[0].Subject.CommonName, certs[0].Subject.Organization
	return v
}

// makeZoo writes NAME.crt (the chain to send) and NAME.key of every beast, the
// bundles front.pem and client.pem, Go's verdicts.json, and the clients' CA
// with its key, for certificates that are made later.
func makeZoo(dir string) error {
	z := &zoo{dir: dir, bundle: map[string][]*x509.Certificate{}}
	z.check(os.MkdirAll(dir, 0o755))
	a := z.trust("client", z.sign(authorityOf("zoo"), nil, z.ec()))
	z.usages(a)
	z.chains(a)
	z.constraints()
	z.algorithms(a)
	z.names(a)
	z.fronts(a)
	if z.err != nil {
		return z.err
	}

	verdicts := map[string]verdict{}
	for _, b := range z.beasts {
		var out []byte
		for _, der := range b.chain {
			out = append(out, pemOf("CERTIFICATE", der)...)
		}
		z.write(b.name+".crt", out)
		z.writeKey(b.name+".key", b.key)
		verdicts[b.name] = z.judge(b)
	}
	for name, cas := range z.bundle {
		var out []byte
		for _, c := range cas {
			out = append(out, pemOf("CERTIFICATE", c.Raw)...)
		}
		z.write(name+".pem", out)
	}
	z.write("ca.crt", pemOf("CERTIFICATE", a.der))
	z.writeKey("ca.key", a.key)
	out, err := json.Marshal(verdicts)
	z.check(err)
	z.write("verdicts.json", out)
	return z.err
}

// makeLate is one more certificate of the clients' CA, for so long.
func makeLate(dir, name string, life time.Duration) error {
	z := &zoo{dir: dir, serial: time.Now().UnixNano()}
	a, err := loadBeast(dir, "ca")
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(a.chain[0])
	if err != nil {
		return err
	}
	t := leafOf(name)
	t.NotAfter = time.Now().Add(life)
	c := z.sign(t, &issuer{a.chain[0], cert, a.key}, z.ec())
	z.write(name+".crt", pemOf("CERTIFICATE", c.der))
	z.writeKey(name+".key", c.key)
	return z.err
}

func loadBeast(dir, name string) (*beast, error) {
	b := &beast{name: name}
	data, err := os.ReadFile(filepath.Join(dir, name+".crt"))
	if err != nil {
		return nil, err
	}
	for {
		var p *pem.Block
		if p, data = pem.Decode(data); p == nil {
			break
		}
		b.chain = append(b.chain, p.Bytes)
	}
	if data, err = os.ReadFile(filepath.Join(dir, name+".key")); err != nil {
		return nil, err
	}
	p, _ := pem.Decode(data)
	if p == nil || len(b.chain) == 0 {
		return nil, fmt.Errorf("%s: no PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(p.Bytes)
	if err != nil {
		return nil, err
	}
	b.key = key.(crypto.Signer)
	return b, nil
}
