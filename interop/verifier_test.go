// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/proof"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// other runs the verifier in the other language and returns its exit status.
func other(t *testing.T, dir, key string, more ...string) (status int, output string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not installed, so the second verifier cannot run")
	}
	out, err := exec.Command(node, append([]string{"verify_log.mjs", dir, key}, more...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, string(out)
}

// ours runs our own verifier.
func ours(t *testing.T, dir, key string) *verify.Report {
	t.Helper()
	public, err := keyfile.LoadPublic(key)
	require.NoError(t, err)
	r, err := verify.Log(t.Context(), os.DirFS(dir), verify.Options{Keys: []*signing.PublicKey{public}})
	require.NoError(t, err)
	return r
}

// writeLog writes a log of several segments, sealed ones compressed with gzip, which
// every version of Node can read.
func writeLog(t *testing.T, dir string, scope segline.Scope, s *signing.Signer) {
	t.Helper()
	l := logtest.New(t, rotation.Options{
		Directory: dir, Origin: vectorOrigin, Signer: s, Scope: scope, Sync: true, MaxSegmentBytes: 4000, Compression: compression.Gzip,
	})
	enc, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	enc.SetResource(pcommon.NewResource(), "")
	enc.SetScope(pcommon.NewInstrumentationScope(), "")
	for i := range 12 {
		var events [][]byte
		for j := range i%3 + 1 {
			r := plog.NewLogRecord()
			r.SetTimestamp(1_795_428_900_000_000_000)
			r.SetEventName("file.read")
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("event-%d-%d", i, j))
			r.Attributes().PutStr("file.path", "/reports/q3.pdf")
			r.Attributes().PutDouble("double", 5)
			r.Attributes().PutInt("$int", 1<<60)
			r.Body().SetStr("read \u20ac \U0001F600 \x1b[31m")
			enc.SetIngress(nil)
			if j == 1 {
				enc.SetIngress(ingress.Result{Status: ingress.Failed, Reason: ingress.ReasonMalformed}.AppendJSON(nil))
			}
			canonical, _, err := enc.Append(nil, r)
			require.NoError(t, err)
			events = append(events, canonical)
		}
		l.Canonical(events...)
	}
	l.Settle()
	l.Close()
}

// A log that changes its key, and has a second one for checkpoints, can be followed
// from its first key by the specification alone.
func TestSecondVerifierFollowsKeys(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		t.Run(string(scope), func(t *testing.T) {
			dir, keys := filepath.Join(t.TempDir(), "log"), t.TempDir()
			var public []string
			o := rotation.Options{Directory: dir, Origin: vectorOrigin, Scope: scope, Sync: true, MaxSegmentBytes: 1}
			for i, a := range []signing.Algorithm{signing.ECDSAP256, signing.Ed25519, signing.ECDSAP256} {
				file := filepath.Join(keys, fmt.Sprintf("%d.pem", i))
				s, err := keyfile.Create(file, a)
				require.NoError(t, err)
				public = append(public, keyfile.PublicPath(file))
				if o.PreviousSigner, o.Signer = o.Signer, s; i == 1 {
					o.CheckpointSigner, err = keyfile.Create(filepath.Join(keys, "checkpoint.pem"), signing.Ed25519)
					require.NoError(t, err)
				}
				logtest.New(t, o).Close()
			}
			r := ours(t, dir, public[0])
			require.False(t, r.TamperingDetected, "%+v", r)
			require.Len(t, r.Segments, 3, "%+v", r)
			status, out := other(t, dir, public[0])
			require.Zero(t, status, "the other says %d: %s", status, out)
			segments := segmentsOf(t, dir)
			// The first checkpoint under the second key, without a signature at a time.
			b, err := os.ReadFile(segments[1])
			require.NoError(t, err)
			signatures := regexp.MustCompile(regexp.QuoteMeta("\u2014 "+vectorOrigin)+` [A-Za-z0-9+/=]+\\n`).FindAllIndex(b, -1)
			for _, at := range signatures[len(signatures)-3:] {
				require.NoError(t, os.WriteFile(segments[1], slices.Delete(bytes.Clone(b), at[0], at[1]), 0o600))
				assert.True(t, ours(t, dir, public[0]).TamperingDetected, "a signature less: ours finds nothing")
				if status, out := other(t, dir, public[0]); status != 1 || !strings.Contains(out, "checkpoint_signature_invalid "+filepath.Base(segments[1])) {
					t.Errorf("a signature less: the other says %d: %s", status, out)
				}
			}
			require.NoError(t, os.WriteFile(segments[1], b, 0o600))
			// A key change less: the third segment's key comes from nowhere.
			require.NoError(t, os.Remove(segments[1]))
			assert.True(t, ours(t, dir, public[0]).TamperingDetected, "a segment less: ours finds nothing")
			if status, out := other(t, dir, public[0]); status != 1 || !strings.Contains(out, "unknown_key "+filepath.Base(segments[2])) {
				t.Errorf("a segment less: the other says %d: %s", status, out)
			}
		})
	}
}

// keyVectors are the keys of the vector log that changes its key, in their order.
var keyVectors = []string{"ecdsa-p256.pem", "ed25519.pem"}

// The vectors' proof of an event under the first of two keys is good with either key.
func TestVectorProof(t *testing.T) {
	dir, proofFile := filepath.Join(vectors, "logs", "key-change"), filepath.Join(vectors, "proof.txt")
	if *update {
		p, err := proof.Prove(t.Context(), os.DirFS(dir), proof.Query{Index: 1, ByIndex: true})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(proofFile, p.Marshal(), 0o600))
	}
	text, err := os.ReadFile(proofFile)
	require.NoError(t, err)
	for _, name := range keyVectors {
		p, err := proof.Check(text, proof.Options{Keys: []*signing.PublicKey{key(t, name).Public()}})
		if err != nil || p.Index != 1 {
			t.Errorf("the proof with %s: %+v, %v", name, p, err)
		}
	}
	first := filepath.Join(vectors, keyfile.PublicPath(keyVectors[0]))
	status, out := other(t, dir, first, "--proof", proofFile)
	assert.Zero(t, status, "the other verifier says %d: %s", status, out)
}

// A verifier that somebody wrote from the specification alone accepts our logs, and
// finds what ours finds.
func TestSecondVerifier(t *testing.T) {
	for _, scope := range []segline.Scope{segline.ScopeEvent, segline.ScopeCheckpoint} {
		for name, a := range map[string]signing.Algorithm{"p256.pem": signing.ECDSAP256, "ed.pem": signing.Ed25519} {
			t.Run(string(scope)+"/"+name, func(t *testing.T) {
				keyFile := filepath.Join(t.TempDir(), name)
				s, err := keyfile.Create(keyFile, a)
				require.NoError(t, err)
				public := keyfile.PublicPath(keyFile)
				good := filepath.Join(t.TempDir(), "log")
				writeLog(t, good, scope, s)
				require.Empty(t, ours(t, good, public).Findings)
				status, out := other(t, good, public)
				require.Zero(t, status, "a good log: %d %s", status, out)
				for name, change := range tamperings {
					dir := filepath.Join(t.TempDir(), "log")
					require.NoError(t, os.CopyFS(dir, os.DirFS(good)))
					newest := change(t, dir)
					assert.True(t, ours(t, dir, public).TamperingDetected, "%s: ours finds nothing", name)
					status, out := other(t, dir, public)
					assert.Equal(t, 1, status, "%s: the other", name)
					assert.Contains(t, out, filepath.Base(newest), "%s: the other", name)
				}
				stranger := filepath.Join(t.TempDir(), "stranger.pem")
				_, err = keyfile.Create(stranger, a)
				require.NoError(t, err)
				if status, out := other(t, good, keyfile.PublicPath(stranger)); status != 2 {
					t.Errorf("with another key: %d %s", status, out)
				}
			})
		}
	}
}

// tamperings change a log and return the file that is to be named.
var tamperings = map[string]func(t *testing.T, dir string) string{
	"byte changed": editNewest(func(l [][]byte) [][]byte {
		l[1] = bytes.Replace(l[1], []byte(`"level":"info"`), []byte(`"level":"debug"`), 1)
		return l
	}),
	"line deleted":  editNewest(func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }),
	"lines swapped": editNewest(func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }),
	"line repeated": editNewest(func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[1]) }),
	"white space":   editNewest(func(l [][]byte) [][]byte { l[1] = bytes.Replace(l[1], []byte(`":`), []byte(`": `), 1); return l }),
	"member twice": editNewest(func(l [][]byte) [][]byte {
		l[1] = bytes.Replace(l[1], []byte(`"metadata"`), []byte(`"level":"info","metadata"`), 1)
		return l
	}),
	"junk": editNewest(func(l [][]byte) [][]byte { return slices.Insert(l, 2, []byte("junk\n")) }),
	"header changed": editNewest(func(l [][]byte) [][]byte {
		l[0] = bytes.Replace(l[0], []byte(`"scope":"`), []byte(`"scope": "`), 1)
		return l
	}),
	"checkpoint stripped": editNewest(func(l [][]byte) [][]byte {
		l[len(l)-1] = bytes.Replace(l[len(l)-1], []byte(`\n"}`), []byte(`"}`), 1)
		return l
	}),
	"middle segment removed": func(t *testing.T, dir string) string {
		all := segmentsOf(t, dir)
		if err := os.Remove(all[1]); err != nil {
			t.Fatal(err)
		}
		return all[2]
	},
}

func segmentsOf(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "audit-*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 3)
	return all
}

func editNewest(f func(lines [][]byte) [][]byte) func(*testing.T, string) string {
	return func(t *testing.T, dir string) string {
		all := segmentsOf(t, dir)
		newest := all[len(all)-1]
		b, err := os.ReadFile(newest)
		require.NoError(t, err)
		lines := bytes.SplitAfter(b, []byte("\n"))
		changed := bytes.Join(f(lines[:len(lines)-1]), nil)
		require.False(t, bytes.Equal(changed, b), "nothing was changed")
		require.NoError(t, os.WriteFile(newest, changed, 0o600))
		return newest
	}
}
