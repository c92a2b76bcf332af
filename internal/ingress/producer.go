// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

// MaxProducers is how many producers may be trusted: so many keys, at most, are tried
// for a record that does not say which it means.
const MaxProducers = 32

const (
	maxKeyFileBytes      = 64 << 10
	maxCertificatesOfOne = 16
	maxNameBytes         = 64

	certificatePEM = "CERTIFICATE"
	publicKeyPEM   = "PUBLIC KEY"

	privateKeyAdvice = "this is a private key: give the public key, or the certificate. A private key belongs with the producer alone"
	secretAdvice     = "write a secret in base64, such as openssl rand -base64 32 gives"
)

// namePattern is of names that stand for themselves wherever they are shown.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/@-]*[A-Za-z0-9])?$`)

// Source says where the key of a producer is.
type Source struct {
	// Name is what events call the producer.
	Name string
	// PublicKeyFile is a public key (SubjectPublicKeyInfo) in PEM: P-256, Ed25519 or
	// RSA.
	PublicKeyFile string
	// CertificateFile is one or more X.509 certificates in PEM. Each is trusted itself;
	// one of a certification authority also for the certificates that it has issued.
	CertificateFile string
	// HMACKeyFile is a secret in base64, at least 32 bytes, that nobody else can read.
	HMACKeyFile string
}

// Validate checks what can be told without the files.
func (s Source) Validate() error {
	if len(s.Name) > maxNameBytes || !namePattern.MatchString(s.Name) {
		return fmt.Errorf("name: %.80q: give a name of letters, digits and . _ / @ -, such as shop-frontend", s.Name)
	}
	given := 0
	for _, file := range []string{s.PublicKeyFile, s.CertificateFile, s.HMACKeyFile} {
		if file != "" {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("%d files are given: give exactly one of public_key_file, certificate_file and hmac_key_file", given)
	}
	return nil
}

// trusted is a key of a producer's, with the certificate it comes from, if any.
type trusted struct {
	producer    string
	key         *key
	certificate *x509.Certificate
	fingerprint [sha256.Size]byte // of the certificate
}

// authority is what a producer's certificates may be issued by.
type authority struct {
	producer string
	roots    *x509.CertPool
}

// Verifier checks proofs against the keys of trusted producers. It is immutable and
// safe for concurrent use; each goroutine gets a [Checker] of its own from it.
type Verifier struct {
	trusted     []trusted
	authorities []authority
	now         func() time.Time
}

// Load reads the keys. now is the clock that certificates are held against; nil means
// time.Now. Errors name the file.
func Load(sources []Source, now func() time.Time) (*Verifier, error) {
	if now == nil {
		now = time.Now
	}
	if len(sources) > MaxProducers {
		return nil, fmt.Errorf("%d producers are more than %d", len(sources), MaxProducers)
	}
	l := loader{&Verifier{now: now}, map[string]string{}}
	for _, s := range sources {
		if err := s.Validate(); err != nil {
			return nil, err
		}
		if err := l.load(s); err != nil {
			return nil, fmt.Errorf("producer %s: %w", s.Name, err)
		}
	}
	return l.verifier, nil
}

// loader makes a verifier.
type loader struct {
	verifier *Verifier
	owner    map[string]string // of a key
}

// claim takes note that a key is a producer's, and nobody else's. It is named by its id,
// or, if it has none, by itself.
func (l loader) claim(producer, key string) error {
	if other, again := l.owner[key]; again && other != producer {
		return fmt.Errorf("it has the same key as producer %s, so that nobody could tell the two apart: give each a key of its own", other)
	}
	l.owner[key] = producer
	return nil
}

func (l loader) load(s Source) error {
	switch {
	case s.PublicKeyFile != "":
		k, err := loadPublicKey(s.PublicKeyFile)
		if err != nil {
			return fmt.Errorf("read the public key %s: %w", s.PublicKeyFile, err)
		}
		l.verifier.trusted = append(l.verifier.trusted, trusted{producer: s.Name, key: k})
		return l.claim(s.Name, k.id)
	case s.HMACKeyFile != "":
		k, err := loadSecret(s.HMACKeyFile)
		if err != nil {
			return fmt.Errorf("read the secret %s: %w", s.HMACKeyFile, err)
		}
		l.verifier.trusted = append(l.verifier.trusted, trusted{producer: s.Name, key: k})
		return l.claim(s.Name, string(k.secret))
	default:
		certificates, err := loadCertificates(s.CertificateFile)
		if err == nil {
			err = l.take(s.Name, certificates)
		}
		if err != nil {
			return fmt.Errorf("read the certificate %s: %w", s.CertificateFile, err)
		}
		return nil
	}
}

// take trusts certificates.
func (l loader) take(producer string, certificates []*x509.Certificate) error {
	v := l.verifier
	roots := x509.NewCertPool()
	authorities := 0
	for _, c := range certificates {
		if err := l.claim(producer, keyID(c.RawSubjectPublicKeyInfo)); err != nil {
			return err
		}
		k, err := newPublicKey(c.RawSubjectPublicKeyInfo)
		switch {
		case c.IsCA:
			roots.AddCert(c)
			authorities++
			if err != nil {
				continue // it need not sign records itself
			}
		case err != nil:
			return err
		case !signs(c):
			return errors.New("its key usage is not for signatures (digitalSignature): have one issued that is")
		}
		v.trusted = append(v.trusted, trusted{producer, k, c, sha256.Sum256(c.Raw)})
	}
	if authorities > 0 {
		v.authorities = append(v.authorities, authority{producer, roots})
	}
	return nil
}

// readFile reads a small regular file.
func readFile(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file but %s", info.Mode().Type())
	}
	if perm := info.Mode().Perm(); private && perm&0o007 != 0 {
		return nil, fmt.Errorf("it has mode %#o, so anybody on this machine can make proofs with it: chmod 600 it, and consider the secret as known", perm)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxKeyFileBytes {
		return nil, fmt.Errorf("it is larger than %d bytes", maxKeyFileBytes)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("the file is empty")
	}
	return b, nil
}

func loadPublicKey(path string) (*key, error) {
	b, err := readFile(path, false)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(b)
	switch {
	case block == nil:
		return nil, errors.New("it holds no PEM block")
	case block.Type == certificatePEM:
		return nil, errors.New("this is a certificate: name it in certificate_file")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New(privateKeyAdvice)
	case block.Type != publicKeyPEM:
		return nil, fmt.Errorf("a PEM block of type %.40q: it must be of type %s", block.Type, publicKeyPEM)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("something follows the first PEM block: one key a file")
	}
	return newPublicKey(block.Bytes)
}

func loadCertificates(path string) (all []*x509.Certificate, err error) {
	b, err := readFile(path, false)
	if err != nil {
		return nil, err
	}
	for rest := b; len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return nil, errors.New("it holds something that is not a PEM block")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New(privateKeyAdvice)
		case block.Type != certificatePEM:
			return nil, fmt.Errorf("a PEM block of type %.40q: it must be of type %s", block.Type, certificatePEM)
		case len(all) == maxCertificatesOfOne:
			return nil, fmt.Errorf("it holds more than %d certificates", maxCertificatesOfOne)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func loadSecret(path string) (*key, error) {
	b, err := readFile(path, true)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		return nil, fmt.Errorf("it holds a PEM block of type %.40q, not a secret: a public key used as the secret would let anybody make proofs; %s", block.Type, secretAdvice)
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(b)))
	if err != nil {
		return nil, fmt.Errorf("it is not in base64: %s", secretAdvice) // no part of it belongs in a log
	}
	if _, err := x509.ParsePKIXPublicKey(secret); err == nil {
		return nil, fmt.Errorf("it holds a public key, not a secret: anybody could make proofs with it; %s", secretAdvice)
	}
	if _, err := x509.ParseCertificate(secret); err == nil {
		return nil, fmt.Errorf("it holds a certificate, not a secret: anybody could make proofs with it; %s", secretAdvice)
	}
	return newSecret(secret)
}
