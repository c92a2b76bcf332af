// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/signers"
	"github.com/otel-auditlog/auditlogexporter/internal/signingtest"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
)

// entry is a list item with the key in PEM, and more lines.
func entry(k *signing.PublicKey, more ...string) string {
	pem := strings.ReplaceAll(strings.TrimSpace(string(keyfile.MarshalPublic(k))), "\n", "\n      ")
	s := "  - public_key: |\n      " + pem + "\n"
	for _, line := range more {
		s += "    " + line + "\n"
	}
	return s
}

func TestObjection(t *testing.T) {
	k := signingtest.New(t, signing.ECDSAP256).Public()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		lines []string
		index uint64
		at    time.Time
		want  string
	}{
		{nil, 7, noon, ""},
		{[]string{"valid_from: 7"}, 7, noon, ""},
		{[]string{"valid_from: 7"}, 6, noon, "valid from leaf 7"},
		{[]string{"valid_until: 7"}, 6, noon, ""},
		{[]string{"valid_until: 7"}, 7, noon, "valid up to leaf 7"},
		{[]string{"valid_from: 2026-06-01T12:00:00Z"}, 0, noon, ""},
		{[]string{"valid_from: 2026-06-01T12:00:01Z"}, 0, noon, "valid from 2026-06-01T12:00:01Z"},
		{[]string{"valid_until: 2026-06-01T14:00:00+02:00"}, 0, noon, "valid up to 2026-06-01T12:00:00Z"},
		{[]string{"revoked: 8", "reason: lost"}, 7, noon, ""},
		{[]string{"revoked: 8", "reason: lost"}, 8, noon, "revoked from leaf 8 on (lost)"},
		{[]string{"revoked: 2026-06-01T12:00:00Z"}, 8, noon, "revoked from 2026-06-01T12:00:00Z"},
		{[]string{"revoked: 2026-06-01T12:00:00Z"}, 8, noon.Add(-1), ""},
	} {
		keys, err := trust.Parse([]byte("keys:\n"+entry(k, c.lines...)), nil)
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
			continue
		}
		_, got := signers.Objection(signers.Find(keys, k), c.index, c.at)
		assert.Equal(t, c.want == "", got == "", "%q at leaf %d, %s", c.lines, c.index, c.at)
		assert.Contains(t, got, c.want, "%q at leaf %d, %s", c.lines, c.index, c.at)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	a, b := signingtest.New(t, signing.ECDSAP256).Public(), signingtest.New(t, signing.ECDSAP256).Public()
	vkey, err := b.VKey("test.example/log")
	require.NoError(t, err)
	for name, content := range map[string]string{
		"a.pub.pem":  string(keyfile.MarshalPublic(a)),
		"trust.yaml": "keys:\n  - file: a.pub.pem\n  - public_key: " + vkey + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	keys, err := trust.Load(filepath.Join(dir, "trust.yaml"))
	require.NoError(t, err)
	if len(keys) != 2 || signers.Find(keys, a) == nil || signers.Find(keys, b) == nil || signers.Find(keys, signingtest.New(t, signing.ECDSAP256).Public()) != nil {
		t.Errorf("loaded %+v", keys)
	}
	_, err = trust.Load(filepath.Join(dir, "none.yaml"))
	assert.ErrorIs(t, err, os.ErrNotExist, "a file that is not there")
	require.NoError(t, os.Truncate(filepath.Join(dir, "trust.yaml"), 5<<20))
	_, err = trust.Load(filepath.Join(dir, "trust.yaml"))
	assert.ErrorContains(t, err, "larger", "a huge file")
}

func TestRefused(t *testing.T) {
	k := signingtest.New(t, signing.ECDSAP256).Public()
	for name, c := range map[string]struct{ content, want string }{
		"empty":                 {"", "empty"},
		"no keys":               {"keys: []\n", "no key"},
		"unknown member":        {"keys:\n" + entry(k, "valid_form: 7"), "valid_form"},
		"key twice":             {"keys:\n" + entry(k) + entry(k), "keys[1]: the key " + k.ID() + " is listed twice"},
		"neither":               {"keys:\n  - valid_from: 7\n", "keys[0]: give either public_key or file"},
		"both":                  {"keys:\n" + entry(k, "file: x"), "give either"},
		"no such file":          {"keys:\n  - file: x\n", "no file x"},
		"not a key":             {"keys:\n  - public_key: x\n", "keys[0]: not a public key"},
		"not a point":           {"keys:\n" + entry(k, "revoked: yesterday"), `"yesterday" is neither a time`},
		"a list for a point":    {"keys:\n" + entry(k, "revoked: [1]"), "want a time"},
		"backwards":             {"keys:\n" + entry(k, "valid_from: 8", "valid_until: 8"), "valid_until is not after valid_from"},
		"reason alone":          {"keys:\n" + entry(k, "reason: x"), "reason is for a revoked key"},
		"an unknown use":        {"keys:\n" + entry(k, "use: signing"), `"signing" is no use of a key: write events, checkpoints`},
		"a use of all":          {"keys:\n" + entry(k, "use: '*'"), `"*" is no use`},
		"a use in capitals":     {"keys:\n" + entry(k, "use: Events"), `"Events" is no use`},
		"an unknown use of two": {"keys:\n" + entry(k, "use: [events, root]"), `"root" is no use`},
		"no use in the list":    {"keys:\n" + entry(k, "use: []"), "list of uses is empty"},
		"a use twice":           {"keys:\n" + entry(k, "use: [anchor, anchor]"), "anchor is listed twice"},
		"a list in the list":    {"keys:\n" + entry(k, "use: [[events]]"), "is no use"},
		"a map for a use":       {"keys:\n" + entry(k, "use: {events: true}"), "is no use"},
		"a log's key, witness":  {"keys:\n" + entry(k, "use: [events, witness]"), "use witness is for the verifier key"},
		"a witness for events":  {"keys:\n  - public_key: " + witnessKey + "\n    use: events\n", "whose one use is witness"},
		"a witness, two uses":   {"keys:\n  - public_key: " + witnessKey + "\n    use: [witness, checkpoints]\n", "whose one use is witness"},
		"an index too large":    {"keys:\n" + entry(k, "valid_from: 18446744073709551615"), "no leaf has the index"},
		"a bound left empty":    {"keys:\n" + entry(k, "revoked:"), "revoked: nothing is there"},
		"a bound that is null":  {"keys:\n" + entry(k, "valid_until: ~"), "valid_until: nothing is there"},
		"a start of none":       {"keys:\n" + entry(k, "valid_from: null # ${FROM}"), "valid_from: nothing is there"},
		"a use left empty":      {"keys:\n" + entry(k, "use:"), "use: nothing is there"},
		"a reason left empty":   {"keys:\n" + entry(k, "revoked: 3", "reason:"), "reason: nothing is there"},
		"an alias of nothing":   {"keys:\n" + entry(k, "reason: &none ~", "revoked: *none"), "nothing is there"},
		"a bound merged in":     {"keys:\n" + entry(k, "<<: {revoked: ~}"), "revoked: nothing is there"},
		"two documents":         {"keys:\n" + entry(k) + "---\nkeys: []\n", "follows the first"},
	} {
		_, err := trust.Parse([]byte(c.content), func(name string) ([]byte, error) { return nil, fmt.Errorf("no file %s", name) })
		assert.ErrorContains(t, err, c.want, name)
	}
}

// witnessKey is a witness's verifier key.
const witnessKey = "witness.example.com/w1+b0bfc668+BDCU50txP46at76QGFS8XYxoYFwdwLr3SlnLh9LKFKKY"

// A key is for what its use says and nothing else; without one it is for events, or a
// witness's.
func TestUses(t *testing.T) {
	k := signingtest.New(t, signing.ECDSAP256).Public()
	for content, want := range map[string]trust.Use{
		entry(k):                                                   trust.UseEvents,
		entry(k, "use: events"):                                    trust.UseEvents,
		entry(k, "use: [checkpoints]"):                             trust.UseCheckpoints,
		entry(k, "use: [events, checkpoints]"):                     trust.UseEvents | trust.UseCheckpoints,
		entry(k, "use: [delegate, anchor]"):                        trust.UseDelegate | trust.UseAnchor,
		"  - public_key: " + witnessKey + "\n":                     trust.UseWitness,
		"  - public_key: " + witnessKey + "\n    use: [witness]\n": trust.UseWitness,
	} {
		keys, err := trust.Parse([]byte("keys:\n"+content), nil)
		if err != nil {
			t.Errorf("%s: %v", content, err)
			continue
		}
		assert.Equal(t, want, keys[0].Use, content)
		for _, use := range []trust.Use{trust.UseEvents, trust.UseCheckpoints, trust.UseDelegate, trust.UseWitness, trust.UseAnchor} {
			assert.Equal(t, want&use != 0, keys[0].For(use), "%s: for %s", content, use)
		}
	}
}

// The indices in a trust file say how far the log has got.
func TestSize(t *testing.T) {
	a, b := signingtest.New(t, signing.ECDSAP256).Public(), signingtest.New(t, signing.ECDSAP256).Public()
	for content, want := range map[string]uint64{
		entry(a):                  0,
		entry(a, "valid_from: 0"): 1,
		entry(a, "valid_from: 7"): 8,
		entry(a, "valid_from: 7", "valid_until: 9"):                            9,
		entry(a, "valid_until: 9") + entry(b, "valid_from: 9"):                 10,
		entry(a, "revoked: 9") + entry(b):                                      9,
		entry(a, "valid_from: 2026-06-01T12:00:00Z"):                           0,
		entry(a, "revoked: 3") + entry(b, "use: checkpoints", "valid_from: 9"): 10,
		entry(a, "revoked: 3") + entry(b, "use: anchor", "valid_from: 9"):      3,
		entry(a) + "  - public_key: " + witnessKey + "\n    valid_until: 9\n":  0,
		entry(a, "valid_until: 9007199254740991"):                              1<<53 - 1,
		entry(a, "valid_from: 9007199254740991"):                               1 << 53,
	} {
		keys, err := trust.Parse([]byte("keys:\n"+content), nil)
		if err != nil {
			t.Errorf("%s: %v", content, err)
			continue
		}
		got, by := signers.LeastSize(keys)
		assert.Equal(t, want, got, "%s: %d by %v", content, got, by)
		assert.Equal(t, want == 0, by == nil, "%s: %d by %v", content, got, by)
	}
}

func FuzzParse(f *testing.F) {
	k := signingtest.New(f, signing.ECDSAP256).Public()
	f.Add([]byte("keys:\n" + entry(k, "valid_from: 7", "valid_until: 2026-06-01T12:00:00Z", "revoked: 9", "reason: lost")))
	f.Add([]byte("keys:\n  - file: x\n"))
	f.Add([]byte("keys:\n" + entry(k, "use: [events, checkpoints]")))
	f.Add([]byte("keys:\n  - public_key: " + witnessKey + "\n    use: &a [witness, *a]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := trust.Parse(b, func(string) ([]byte, error) { return keyfile.MarshalPublic(k), nil })
		if err != nil {
			return
		}
		for i := range keys {
			one := &keys[i]
			if (one.Public == nil) == (one.Witness == nil) {
				t.Error("a key without a key, or with two")
			}
			if (one.Witness != nil) != one.For(trust.UseWitness) || one.Use == 0 {
				t.Errorf("the key %s is for %q", one.Name(), one.Use)
			}
			if size, _ := signers.LeastSize(keys); size > 1<<53 {
				t.Errorf("a log of %d leaves", size)
			}
			signers.Objection(one, 1, time.Unix(0, 0))
		}
	})
}
