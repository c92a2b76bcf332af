// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// fingerprintPrefix begins the reference to a certificate by the hash of its DER.
const fingerprintPrefix = "sha256:"

// issued is the certificate that a resource brought last, and what it is worth: a
// producer sends the same one again and again.
type issued struct {
	text    string
	trusted *trusted // nil if verdict has a status
	verdict Result
	at      time.Time // when it was looked at
}

// lookAgainAfter is how long a certificate is taken for what it was worth: that of its
// authority may expire, or its own time begin.
const lookAgainAfter = time.Minute

// resolveReference finds the key that audit.integrity.certificate means.
func (c *Checker) resolveReference(reference string) Result {
	t, verdict := c.find(reference)
	if verdict.Status != "" {
		return verdict
	}
	if !t.key.serves(c.algorithm) {
		return Result{Status: Failed, Reason: ReasonAlgorithmNotForKey, Producer: t.producer, KeyID: t.key.id}
	}
	c.keys, c.certain = append(c.keys, t), true
	return Result{}
}

func (c *Checker) find(reference string) (*trusted, Result) {
	if digest, ok := strings.CutPrefix(reference, fingerprintPrefix); ok {
		return c.verifier.findFingerprint(digest)
	}
	now := c.verifier.now()
	if age := now.Sub(c.latest.at); reference != c.latest.text || age < 0 || age >= lookAgainAfter {
		t, verdict := c.verifier.findCertificate(reference)
		c.latest = issued{strings.Clone(reference), t, verdict, now}
	}
	return c.latest.trusted, c.latest.verdict
}

// findFingerprint finds a certificate of the configuration by SHA-256 of its DER.
func (v *Verifier) findFingerprint(digest string) (*trusted, Result) {
	sum, err := hex.DecodeString(digest)
	if err != nil || len(sum) != sha256.Size || strings.ToLower(digest) != digest {
		return nil, Result{Status: Unsupported, Reason: ReasonKeyReference}
	}
	for i := range v.trusted {
		if t := &v.trusted[i]; t.certificate != nil && t.fingerprint == [sha256.Size]byte(sum) {
			return t, Result{}
		}
	}
	return nil, Result{Status: UnknownKey}
}

// findCertificate finds whose a whole certificate is: one of the configuration, one with
// a public key of the configuration, or one issued by an authority of it.
func (v *Verifier) findCertificate(text string) (*trusted, Result) {
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, Result{Status: Unsupported, Reason: ReasonKeyReference}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Result{Status: Unsupported, Reason: ReasonKeyReference}
	}
	for i := range v.trusted {
		if t := &v.trusted[i]; t.certificate != nil && t.certificate.Equal(certificate) {
			return t, Result{}
		}
	}
	k, err := newPublicKey(certificate.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, Result{Status: UnknownKey}
	}
	for i := range v.trusted {
		// The key is trusted whatever a certificate says of it.
		if t := &v.trusted[i]; t.certificate == nil && t.key.secret == nil && t.key.id == k.id && t.key.same(k) {
			return t, Result{}
		}
	}
	return v.findIssuer(certificate, k)
}

// findIssuer finds the authority that has issued a certificate. The certificate's own
// times are looked at again with each record.
func (v *Verifier) findIssuer(certificate *x509.Certificate, k *key) (*trusted, Result) {
	for _, a := range v.authorities {
		switch {
		case a.issued(certificate, v.now()):
			if certificate.IsCA { // one that issues does not sign records
				return nil, Result{Status: Failed, Reason: ReasonCertificateUsage, Producer: a.producer, KeyID: k.id}
			}
			return &trusted{a.producer, k, certificate, sha256.Sum256(certificate.Raw)}, Result{}
		case a.issued(certificate, certificate.NotBefore), a.issued(certificate, certificate.NotAfter):
			return nil, Result{Status: Failed, Reason: ReasonCertificateTime, Producer: a.producer, KeyID: k.id}
		}
	}
	return nil, Result{Status: UnknownKey}
}

// issued reports whether the authority has issued a certificate that is valid at a time.
func (a *authority) issued(certificate *x509.Certificate, at time.Time) bool {
	_, err := certificate.Verify(x509.VerifyOptions{Roots: a.roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// same reports whether both are the same public key.
func (k *key) same(other *key) bool {
	switch {
	case k.ecdsa != nil:
		return other.ecdsa != nil && k.ecdsa.Equal(other.ecdsa)
	case k.ed25519 != nil:
		return other.ed25519 != nil && k.ed25519.Equal(other.ed25519)
	default:
		return k.rsa != nil && other.rsa != nil && k.rsa.Equal(other.rsa)
	}
}

// objection says why a certificate's key may not sign records, or "". Its times are held
// against this machine's clock: when a record was made is what its producer says, and a
// thief of an expired certificate's key would say that it was before.
func (v *Verifier) objection(certificate *x509.Certificate) Reason {
	if certificate == nil {
		return ""
	}
	now := v.now()
	switch {
	case now.Before(certificate.NotBefore), now.After(certificate.NotAfter):
		return ReasonCertificateTime
	case !signs(certificate):
		return ReasonCertificateUsage
	}
	return ""
}

// signs reports whether a certificate's key may sign (RFC 5280, section 4.2.1.3).
func signs(certificate *x509.Certificate) bool {
	return certificate.KeyUsage == 0 || certificate.KeyUsage&x509.KeyUsageDigitalSignature != 0
}
