// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// identity is a key with a certificate.
type identity struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

func (i identity) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw})
}

func (i identity) publicPEM(t testing.TB) []byte {
	der, err := x509.MarshalPKIXPublicKey(i.key.Public())
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (i identity) full() string { return base64.StdEncoding.EncodeToString(i.certificate.Raw) }

func (i identity) fingerprint() string {
	sum := sha256.Sum256(i.certificate.Raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// issue makes a key and a certificate of a year from now on; issuer nil: signed by
// itself.
func issue(t testing.TB, issuer *identity, change func(*x509.Certificate)) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return issueTo(t, key, issuer, change)
}

func issueTo(t testing.TB, key crypto.Signer, issuer *identity, change func(*x509.Certificate)) identity {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: t.Name()}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return identity{key, certificate}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.Subject.CommonName = true, x509.KeyUsageCertSign, "authority"
}

// signed makes a record with an ECDSA proof.
func signed(t testing.TB, by identity, reference string) plog.Logs {
	t.Helper()
	return proven(t, "ES256", reference, func(text []byte) []byte {
		digest := sha256.Sum256(text)
		proof, err := by.key.Sign(rand.Reader, digest[:], crypto.SHA256)
		require.NoError(t, err)
		return proof
	})
}

// proven makes a record with a proof.
func proven(t testing.TB, algorithm, reference string, prove func(text []byte) []byte) plog.Logs {
	t.Helper()
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	attributes(resource.Resource().Attributes(), "service.name", "shop", "audit.integrity.algorithm", algorithm)
	if reference != "" {
		resource.Resource().Attributes().PutStr("audit.integrity.certificate", reference)
	}
	r := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(1_795_428_900_000_000_000)
	r.SetEventName("user.login")
	attributes(r.Attributes(), "audit.record.id", "id", "audit.action", "LOGIN")
	text, err := new(ingress.Form).Append(nil, r)
	require.NoError(t, err)
	r.Attributes().PutStr("audit.integrity.value", base64.StdEncoding.EncodeToString(prove(text)))
	return logs
}

func TestCertificates(t *testing.T) {
	ca := issue(t, nil, authority)
	other := issue(t, nil, authority)
	leaf := issue(t, &ca, nil)
	pinned := issue(t, nil, nil)
	expired := issue(t, &ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.Add(-time.Second) })
	early := issue(t, &ca, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) })
	pinnedExpired := issue(t, nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.Add(-time.Second) })
	encipherment := issue(t, &ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })
	intermediate := issue(t, &ca, authority)
	below := issue(t, &intermediate, nil)
	foreign := issue(t, &other, nil)
	foreignExpired := issue(t, &other, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.Add(-time.Second) })
	forged := issueTo(t, leaf.key, nil, func(c *x509.Certificate) { c.Subject.CommonName = "authority" })

	v := load(t, now,
		ingress.Source{Name: "ca", CertificateFile: write(t, "ca.pem", ca.pem())},
		ingress.Source{Name: "pinned", CertificateFile: write(t, "pinned.pem", append(pinned.pem(), pinnedExpired.pem()...))})
	for name, one := range map[string]struct {
		by        identity
		reference string
		want      ingress.Result
	}{
		"issued by the authority":               {leaf, leaf.full(), ingress.Result{Status: ingress.Verified, Producer: "ca"}},
		"the same, by its fingerprint only":     {leaf, leaf.fingerprint(), ingress.Result{Status: ingress.UnknownKey}},
		"pinned":                                {pinned, pinned.full(), ingress.Result{Status: ingress.Verified, Producer: "pinned"}},
		"pinned, by its fingerprint":            {pinned, pinned.fingerprint(), ingress.Result{Status: ingress.Verified, Producer: "pinned"}},
		"pinned, without reference":             {pinned, "", ingress.Result{Status: ingress.Verified, Producer: "pinned"}},
		"pinned and expired":                    {pinnedExpired, pinnedExpired.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateTime, Producer: "pinned"}},
		"pinned and expired, without reference": {pinnedExpired, "", ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateTime, Producer: "pinned"}},
		"expired":                               {expired, expired.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateTime, Producer: "ca"}},
		"not yet valid":                         {early, early.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateTime, Producer: "ca"}},
		"not for signatures":                    {encipherment, encipherment.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateUsage, Producer: "ca"}},
		"an authority below the authority":      {intermediate, intermediate.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateUsage, Producer: "ca"}},
		"issued by one that is not there":       {below, below.full(), ingress.Result{Status: ingress.UnknownKey}},
		"issued by a namesake":                  {foreign, foreign.full(), ingress.Result{Status: ingress.UnknownKey}},
		"issued by a namesake, and expired":     {foreignExpired, foreignExpired.full(), ingress.Result{Status: ingress.UnknownKey}},
		"signed by itself, in another's name":   {forged, forged.full(), ingress.Result{Status: ingress.UnknownKey}},
		"the authority's own key":               {ca, ca.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonCertificateUsage, Producer: "ca"}},
		"another's certificate":                 {pinned, leaf.full(), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonSignature, Producer: "ca"}},
		"a SHA-1 fingerprint":                   {pinned, "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", ingress.Result{Status: ingress.Unsupported, Reason: ingress.ReasonKeyReference}},
		"a fingerprint in capitals":             {pinned, strings.ToUpper(pinned.fingerprint()), ingress.Result{Status: ingress.Unsupported, Reason: ingress.ReasonKeyReference}},
		"a fingerprint cut short":               {pinned, pinned.fingerprint()[:60], ingress.Result{Status: ingress.Unsupported, Reason: ingress.ReasonKeyReference}},
		"a certificate with line ends":          {pinned, pinned.full()[:64] + "\n" + pinned.full()[64:], ingress.Result{Status: ingress.Unsupported, Reason: ingress.ReasonKeyReference}},
		"a certificate and more":                {pinned, base64.StdEncoding.EncodeToString(append(pinned.certificate.Raw, 0)), ingress.Result{Status: ingress.Unsupported, Reason: ingress.ReasonKeyReference}},
		"far too long":                          {pinned, strings.Repeat("A", 16<<10+4), ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonOversized}},
	} {
		t.Run(name, func(t *testing.T) {
			got := check(v, signed(t, one.by, one.reference))
			assert.Equal(t, one.want.Status, got.Status, "%+v", got)
			assert.Equal(t, one.want.Reason, got.Reason)
			assert.Equal(t, one.want.Producer, got.Producer)
			assert.Equal(t, got.Producer != "", got.KeyID != "", "%+v", got)
		})
	}
}

// A certificate that was looked at once is looked at again when its time may have come
// or gone.
func TestCertificateOverTime(t *testing.T) {
	ca := issue(t, nil, func(c *x509.Certificate) { authority(c); c.NotAfter = now.Add(time.Hour) })
	leaf := issue(t, &ca, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now, now.Add(2*time.Hour) })
	clock := now.Add(-time.Hour)
	v, err := ingress.Load([]ingress.Source{{Name: "ca", CertificateFile: write(t, "ca.pem", ca.pem())}}, func() time.Time { return clock })
	require.NoError(t, err)
	logs := signed(t, leaf, leaf.full())
	c := v.NewChecker()
	at := func(when time.Time) ingress.Result {
		clock = when
		c.SetResource(logs.ResourceLogs().At(0).Resource())
		return c.Check(firstRecord(logs))
	}
	assert.Equal(t, ingress.ReasonCertificateTime, at(now.Add(-time.Hour)).Reason, "before its time")
	assert.Equal(t, ingress.Verified, at(now.Add(time.Second)).Status)
	assert.Equal(t, ingress.Verified, at(now.Add(2*time.Second)).Status)
	assert.Equal(t, ingress.ReasonCertificateTime, at(now.Add(90*time.Minute)).Reason, "its authority has expired")
	assert.Equal(t, ingress.ReasonCertificateTime, at(now.Add(3*time.Hour)).Reason)
}

// A public key is trusted whatever a certificate says of it.
func TestPublicKeyWithCertificate(t *testing.T) {
	expired := issue(t, nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.Add(-time.Second) })
	v := load(t, now, ingress.Source{Name: "p", PublicKeyFile: write(t, "p.pem", expired.publicPEM(t))})
	assert.Equal(t, ingress.Verified, check(v, signed(t, expired, expired.full())).Status)
	assert.Equal(t, ingress.Verified, check(v, signed(t, expired, "")).Status)
	assert.Equal(t, ingress.UnknownKey, check(v, signed(t, expired, expired.fingerprint())).Status)
}

// Whoever knows a public key cannot make a MAC of it, and no record can choose how its
// key is used.
func TestKeyConfusion(t *testing.T) {
	pinned := issue(t, nil, nil)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsaPinned := issueTo(t, r, nil, nil)
	_, e, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edPinned := issueTo(t, e, nil, nil)
	secret := []byte(strings.Repeat("s", 32))
	v := load(t, now,
		ingress.Source{Name: "ec", CertificateFile: write(t, "a.pem", pinned.pem())},
		ingress.Source{Name: "rsa", CertificateFile: write(t, "b.pem", rsaPinned.pem())},
		ingress.Source{Name: "ed", CertificateFile: write(t, "c.pem", edPinned.pem())},
		ingress.Source{Name: "mac", HMACKeyFile: write(t, "d.key", []byte(base64.StdEncoding.EncodeToString(secret)))})
	mac := func(key []byte) func([]byte) []byte {
		return func(text []byte) []byte {
			m := hmac.New(sha256.New, key)
			m.Write(text)
			return m.Sum(nil)
		}
	}
	for _, i := range []identity{pinned, rsaPinned, edPinned} {
		for _, key := range [][]byte{i.certificate.Raw, i.certificate.RawSubjectPublicKeyInfo, i.pem(), i.publicPEM(t), nil} {
			for _, algorithm := range []string{"HMAC-SHA256", "ES256", "EdDSA", "RS256", "RS512"} {
				for _, reference := range []string{"", i.full(), i.fingerprint()} {
					got := check(v, proven(t, algorithm, reference, mac(key)))
					assert.NotEqual(t, ingress.Verified, got.Status, "%s %.10s", algorithm, reference)
				}
			}
		}
	}
	assert.Equal(t, ingress.Result{Status: ingress.Verified, Producer: "mac", Algorithm: ingress.HMACSHA256}, check(v, proven(t, "HMAC-SHA256", "", mac(secret))))
	assert.Equal(t, ingress.ReasonKeyReference, check(v, proven(t, "HMAC-SHA256", pinned.full(), mac(secret))).Reason)
	for _, algorithm := range []string{"", "none", "None", "HS256", "es256", "ES384", "PS256", "HMAC-SHA1", "HMAC-SHA512", "Ed25519"} {
		logs := proven(t, algorithm, "", func([]byte) []byte { return []byte("proof") })
		assert.NotEqual(t, ingress.Verified, check(v, logs).Status, algorithm)
	}
	// No proof at all.
	for _, algorithm := range []string{"HMAC-SHA256", "ES256", "EdDSA", "RS256"} {
		for _, proof := range [][]byte{nil, {0}, make([]byte, 64), make([]byte, 32), make([]byte, 256), {0x30, 6, 2, 1, 0, 2, 1, 0}, {0x30, 6, 2, 1, 1, 2, 1, 1}} {
			got := check(v, proven(t, algorithm, "", func([]byte) []byte { return proof }))
			assert.Equal(t, ingress.Failed, got.Status, "%s %x", algorithm, proof)
		}
	}
}

func TestAttributesOfTheProof(t *testing.T) {
	pinned := issue(t, nil, nil)
	v := load(t, now, ingress.Source{Name: "p", CertificateFile: write(t, "p.pem", pinned.pem())})
	for name, one := range map[string]struct {
		want   ingress.Status
		reason ingress.Reason
		change func(plog.LogRecord)
	}{
		"as it was":                {ingress.Verified, "", nil},
		"an empty proof":           {ingress.Failed, ingress.ReasonMalformed, put("audit.integrity.value", "")},
		"not base64":               {ingress.Failed, ingress.ReasonMalformed, put("audit.integrity.value", "?")},
		"base64 for URLs":          {ingress.Failed, ingress.ReasonMalformed, put("audit.integrity.value", "-_-_")},
		"bits behind the end":      {ingress.Failed, ingress.ReasonMalformed, put("audit.integrity.value", "AB==")},
		"without padding":          {ingress.Failed, ingress.ReasonMalformed, put("audit.integrity.value", "AA")},
		"far too long":             {ingress.Failed, ingress.ReasonOversized, put("audit.integrity.value", strings.Repeat("A", 2052))},
		"of 2048 bytes":            {ingress.Failed, ingress.ReasonSignature, put("audit.integrity.value", strings.Repeat("A", 2048))},
		"another form":             {ingress.Unsupported, ingress.ReasonCanonicalization, put("audit.integrity.canonicalization", "JCS")},
		"no form":                  {ingress.Unsupported, ingress.ReasonCanonicalization, put("audit.integrity.canonicalization", "")},
		"a second proof by number": {ingress.Unsupported, ingress.ReasonSeveralProofs, put("audit.integrity.value.0", "AA==")},
		"a proof that is a number": {ingress.Failed, ingress.ReasonMalformed, func(r plog.LogRecord) {
			r.Attributes().PutInt("audit.integrity.value", 1)
		}},
		"a list of proofs": {ingress.Unsupported, ingress.ReasonSeveralProofs, func(r plog.LogRecord) {
			r.Attributes().PutEmptySlice("audit.integrity.value").AppendEmpty().SetStr("AA==")
		}},
		"no proof": {ingress.Unsigned, "", func(r plog.LogRecord) {
			r.Attributes().Remove("audit.integrity.value")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			logs := signed(t, pinned, pinned.fingerprint())
			if one.change != nil {
				one.change(firstRecord(logs))
			}
			got := check(v, logs)
			assert.Equal(t, one.want, got.Status, "%+v", got)
			assert.Equal(t, one.reason, got.Reason)
		})
	}
}

func put(key, value string) func(plog.LogRecord) {
	return func(r plog.LogRecord) { r.Attributes().PutStr(key, value) }
}

// What one resource was found to be is not taken for the next.
func TestResourcesOneAfterAnother(t *testing.T) {
	first, second := issue(t, nil, nil), issue(t, nil, nil)
	v := load(t, now,
		ingress.Source{Name: "first", CertificateFile: write(t, "a.pem", first.pem())},
		ingress.Source{Name: "second", CertificateFile: write(t, "b.pem", second.pem())})
	c := v.NewChecker()
	see := func(logs plog.Logs) ingress.Result {
		c.SetResource(logs.ResourceLogs().At(0).Resource())
		return c.Check(firstRecord(logs))
	}
	for range 2 {
		assert.Equal(t, "first", see(signed(t, first, first.full())).Producer)
		assert.Equal(t, "second", see(signed(t, second, second.fingerprint())).Producer)
		assert.Equal(t, ingress.Failed, see(signed(t, second, first.full())).Status)
		assert.Equal(t, ingress.UnknownKey, see(signed(t, first, "sha256:"+strings.Repeat("0", 64))).Status)
		assert.Equal(t, ingress.ReasonAlgorithm, see(proven(t, "none", "", func([]byte) []byte { return []byte("x") })).Reason)
	}
}

func TestResultInEvents(t *testing.T) {
	for _, r := range []ingress.Result{
		{Status: ingress.Unsigned},
		{Status: ingress.Verified, Producer: "shop", KeyID: "0011223344556677", Algorithm: ingress.ES256},
		{Status: ingress.Failed, Reason: ingress.ReasonSignature, Algorithm: ingress.HMACSHA256},
		{Status: ingress.Unsupported, Reason: ingress.ReasonTooDeep},
	} {
		got, err := ingress.ParseResult(r.AppendJSON(nil))
		require.NoError(t, err)
		assert.Equal(t, r, got)
	}
	assert.Equal(t, `{"algorithm":"ES256","form":"audit-jcs-typed-1","key_id":"00","producer":"shop","result":"verified"}`,
		string(ingress.Result{Status: ingress.Verified, Producer: "shop", KeyID: "00", Algorithm: ingress.ES256}.AppendJSON(nil)))
	for _, bad := range []string{"", "{}", `{"result":"good"}`, `{"result":"verified","more":1}`, "null"} {
		_, err := ingress.ParseResult([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func BenchmarkCheck(b *testing.B) {
	pinned := issue(b, nil, nil)
	v := load(b, now, ingress.Source{Name: "p", CertificateFile: write(b, "p.pem", pinned.pem())})
	logs := signed(b, pinned, pinned.full())
	c := v.NewChecker()
	b.ReportAllocs()
	for b.Loop() {
		c.SetResource(logs.ResourceLogs().At(0).Resource())
		if c.Check(firstRecord(logs)).Status != ingress.Verified {
			b.Fatal("not verified")
		}
	}
}
