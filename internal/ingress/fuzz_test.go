// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// No attributes make a proof good that no trusted key made, nor do they make the checker
// fail.
func FuzzCheck(f *testing.F) {
	ca, pinned := issue(f, nil, authority), issue(f, nil, nil)
	leaf := issue(f, &ca, nil)
	secret := []byte(base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")))
	v := load(f, now,
		ingress.Source{Name: "ca", CertificateFile: write(f, "ca.pem", ca.pem())},
		ingress.Source{Name: "pinned", CertificateFile: write(f, "p.pem", pinned.pem())},
		ingress.Source{Name: "secret", HMACKeyFile: write(f, "s.key", secret)})
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256", "HMAC-SHA256", "none", ""} {
		for _, reference := range []string{"", pinned.full(), leaf.full(), pinned.fingerprint(), "sha256:", "sha1:00", "key-1", "CN=a/1"} {
			f.Add(algorithm, reference, "AAAA", "jcs", "text")
		}
	}
	good := signed(f, pinned, pinned.full())
	value, _ := firstRecord(good).Attributes().Get("audit.integrity.value")
	f.Add("ES256", pinned.full(), value.Str(), "", "\x00\xff")
	c := v.NewChecker()
	f.Fuzz(func(t *testing.T, algorithm, reference, value, form, body string) {
		logs := plog.NewLogs()
		resource := logs.ResourceLogs().AppendEmpty()
		attributes(resource.Resource().Attributes(), "audit.integrity.algorithm", algorithm, "audit.integrity.certificate", reference)
		r := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		attributes(r.Attributes(), "audit.integrity.value", value, "audit.integrity.canonicalization", form)
		r.Body().SetStr(body)
		c.SetResource(resource.Resource())
		got := c.Check(r)
		require.NotEqual(t, ingress.Verified, got.Status)
		require.NotEqual(t, ingress.Unsigned, got.Status)
		back, err := ingress.ParseResult(got.AppendJSON(nil))
		require.NoError(t, err)
		require.Equal(t, got, back)
	})
}

// Any record that OTLP can carry has one canonical form, the reference's, or none.
func FuzzForm(f *testing.F) {
	for _, one := range vectors(f) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(one.Logs)
		require.NoError(f, err)
		b, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
		require.NoError(f, err)
		f.Add(b)
	}
	form := new(ingress.Form)
	f.Fuzz(func(t *testing.T, b []byte) {
		logs, err := new(plog.ProtoUnmarshaler).UnmarshalLogs(b)
		if err != nil {
			return
		}
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, r := range scope.LogRecords().All() {
					text, err := form.Append(nil, r)
					if err != nil {
						continue
					}
					want, err := reference(r)
					require.NoError(t, err)
					require.Equal(t, string(want), string(text))
				}
			}
		}
	})
}

// Files of keys may hold anything.
func FuzzLoad(f *testing.F) {
	pinned := issue(f, nil, nil)
	f.Add(pinned.pem())
	f.Add(pinned.publicPEM(f))
	f.Add([]byte(base64.StdEncoding.EncodeToString(make([]byte, 32))))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := write(t, "file", b)
		for _, s := range []ingress.Source{{Name: "a", PublicKeyFile: path}, {Name: "a", CertificateFile: path}, {Name: "a", HMACKeyFile: path}} {
			v, err := ingress.Load([]ingress.Source{s}, nil)
			require.Equal(t, err == nil, v != nil)
		}
	})
}
