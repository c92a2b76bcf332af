// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
)

// now is the clock of the tests.
var now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func vectorFile(name string) string {
	return filepath.Join("..", "..", "testdata", "vectors", "ingress", name)
}

// vectorSources are the producers of the vectors. A checkout does not keep modes, so the
// secret is copied.
func vectorSources(t testing.TB) []ingress.Source {
	t.Helper()
	secret, err := os.ReadFile(vectorFile("hmac.key"))
	require.NoError(t, err)
	return []ingress.Source{
		{Name: "self-signed", CertificateFile: vectorFile("p256.crt")},
		{Name: "authority", CertificateFile: vectorFile("authority.crt")},
		{Name: "public-key", PublicKeyFile: vectorFile("ed25519.pub.pem")},
		{Name: "secret", HMACKeyFile: write(t, "hmac.key", secret)},
	}
}

// write writes a file of mode 0600 and returns its path.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func load(t testing.TB, at time.Time, sources ...ingress.Source) *ingress.Verifier {
	t.Helper()
	v, err := ingress.Load(sources, func() time.Time { return at })
	require.NoError(t, err)
	return v
}

// check checks the first record.
func check(v *ingress.Verifier, logs plog.Logs) ingress.Result {
	resource := logs.ResourceLogs().At(0)
	c := v.NewChecker()
	c.SetResource(resource.Resource())
	return c.Check(firstRecord(logs))
}

func firstRecord(logs plog.Logs) plog.LogRecord {
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// attributes makes attributes of pairs of texts.
func attributes(m pcommon.Map, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		m.PutStr(pairs[i], pairs[i+1])
	}
}
