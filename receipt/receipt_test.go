// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package receipt_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/receiptline"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/receipt"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

func leafHash(n uint64) merkle.Hash { return merkle.LeafHash(fmt.Appendf(nil, "leaf %d", n)) }

func newSigner(t require.TestingT) *signing.Signer {
	signer, err := signing.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil)
	require.NoError(t, err)
	return signer
}

func idHash(id string) merkle.Hash { return merkle.LeafHash([]byte(id)) }

// commitLine returns the line of a commit with such events.
func commitLine(number uint64, ids []merkle.Hash) []byte {
	var tree merkle.Frontier
	for _, id := range ids {
		tree.Append(id)
	}
	return segline.AppendCommit(nil, number, time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC), &segline.IDs{Count: tree.Size(), Root: tree.Root()})
}

// exampleID is the id of the event that the example is for, leaf 3 of 6.
const exampleID = "order-17 \"x\"\u2028<\x01>"

func example(t testing.TB) (*receipt.Receipt, *signing.PublicKey) {
	t.Helper()
	signer := newSigner(t)
	var tree merkle.Frontier
	var commit receiptline.Commit
	ids := []merkle.Hash{idHash("own"), idHash("order-16"), idHash(exampleID), idHash("order-18")}
	line := commitLine(1, ids)
	leaves := []merkle.Hash{leafHash(0), leafHash(1), leafHash(2), leafHash(3), leafHash(4), merkle.LeafHash(line)}
	commit.Set(&tree, leaves, ids)
	grown, err := commit.Tree()
	require.NoError(t, err)
	note, err := signing.SignCheckpoint("test.example/auditlog", 6, grown.Root(), signer)
	require.NoError(t, err)
	commit.Sign(line, note)
	r, err := receipt.Parse(commit.Append(nil, 3, []byte(exampleID)))
	require.NoError(t, err)
	return r, signer.Public()
}

// The form is what docs/receipts.md says, byte for byte, and a pipeline that reorders or
// adds members does no harm.
func TestReceiptText(t *testing.T) {
	r, key := example(t)
	line := r.Append(nil)
	golden := filepath.Join("testdata", "receipt.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, append(line, '\n'), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(line)+"\n", "Ed25519 signatures are the same each time")
	assert.True(t, receiptline.Is(line))

	parsed, err := receipt.Parse(line)
	require.NoError(t, err)
	assert.Equal(t, r, parsed)
	var members map[string]any
	require.NoError(t, json.Unmarshal(line, &members))
	members["log.file.name"] = "receipts-0.jsonl"
	other, err := json.MarshalIndent(members, "", " ")
	require.NoError(t, err)
	parsed, err = receipt.Parse(other)
	require.NoError(t, err)
	assert.Equal(t, r, parsed)

	// But none is there twice, nor spelled in another way: others might read another receipt.
	for _, twice := range []string{`"event_id":"order-18",`, `"index":2,`} {
		_, err = receipt.Parse([]byte(`{` + twice + string(line[1:])))
		assert.ErrorContains(t, err, "twice", twice)
	}
	parsed, err = receipt.Parse([]byte(strings.TrimSuffix(string(line), "}") + `,"Event_ID":"order-18","INDEX":2}`))
	require.NoError(t, err)
	assert.Equal(t, r, parsed)
	for _, bad := range []string{`[]`, `"x"`, `1`, `null`, ``, `{`, `{"receipt":}`, string(line) + `{}`, string(line[:len(line)-1])} {
		_, err = receipt.Parse([]byte(bad))
		assert.Error(t, err, bad)
	}

	c, err := parsed.Check()
	require.NoError(t, err)
	_, by, err := signing.OpenCheckpoint(parsed.Checkpoint, c.Origin, []*signing.PublicKey{key})
	require.NoError(t, err)
	assert.Len(t, by, 1)

	r.EventID, r.IDPath = "", nil
	parsed, err = receipt.Parse(r.Append(nil))
	require.NoError(t, err)
	assert.Equal(t, r, parsed)
}

func TestReceiptRefused(t *testing.T) {
	r, _ := example(t)
	good := string(r.Append(nil))
	for name, bad := range map[string]string{
		"empty":                      "",
		"no object":                  "17",
		"cut off":                    good[:len(good)-1],
		"another form":               strings.Replace(good, "auditlog/v1", "auditlog/v2", 1),
		"no form":                    strings.Replace(good, `"receipt"`, `"proof"`, 1),
		"negative index":             strings.Replace(good, `"index":3`, `"index":-3`, 1),
		"index is no integer":        strings.Replace(good, `"index":3`, `"index":3.0`, 1),
		"no index":                   strings.Replace(good, `"index":3,`, ``, 1),
		"index beyond the tree":      strings.Replace(good, `"index":3`, `"index":6`, 1),
		"no commit":                  strings.Replace(good, `"commit":`, `"committed":`, 1),
		"commit of another form":     strings.Replace(good, `"commit":"{`, `"commit":"{ `, 1),
		"commit without ids":         regexp.MustCompile(`,\\"ids\\":\{.*?\}`).ReplaceAllString(good, ""),
		"commit is a checkpoint":     strings.Replace(good, `{\"commit\"`, `{\"checkpoint\"`, 1),
		"commit is an object":        regexp.MustCompile(`"commit":"(.*?\}\}\})"`).ReplaceAllString(good, `"commit":{"number":1}`),
		"two commits":                strings.Replace(good, `"commit":`, `"commit":"","commit":`, 1),
		"short hash in id_path":      strings.Replace(good, `"id_path":["`, `"id_path":["AAAA","`, 1),
		"short hash in commit_path":  strings.Replace(good, `"commit_path":["`, `"commit_path":["AAAA","`, 1),
		"id_path too long":           strings.Replace(good, `"id_path":[`, `"id_path":[`+strings.Repeat(`"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`, 64), 1),
		"id_path without an id":      strings.Replace(good, `"event_id":`, `"event":`, 1),
		"short leaf hash":            strings.Replace(good, `"leaf_hash":"`, `"leaf_hash":"AAAA`, 1),
		"leaf hash not base64":       strings.Replace(good, `"leaf_hash":"`, `"leaf_hash":"!`, 1),
		"short hash in path":         strings.Replace(good, `"path":["`, `"path":["AAAA","`, 1),
		"path too long":              strings.Replace(good, `"path":[`, `"path":[`+strings.Repeat(`"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",`, 64), 1),
		"origin of another":          strings.Replace(good, `"origin":"test`, `"origin":"best`, 1),
		"no checkpoint":              strings.Replace(good, `"checkpoint":`, `"checked":`, 1),
		"checkpoint is none":         strings.Replace(good, `"checkpoint":"test.example/auditlog\n`, `"checkpoint":"test.example/auditlog\n\n`, 1),
		"an id of more than a KiB":   strings.Replace(good, `"event_id":"`, `"event_id":"`+strings.Repeat("x", 1025), 1),
		"more than 64 KiB of spaces": good + strings.Repeat(" ", 64<<10),
		"two indexes":                strings.Replace(good, `"index":3`, `"index":2,"index":3`, 1),
		"two ids":                    strings.Replace(good, `"event_id":`, `"event_id":"order-18","event_id":`, 1),
		"a name in other letters":    strings.Replace(good, `"index":3`, `"Index":3`, 1),
		"an id that is not UTF-8":    strings.Replace(good, `"event_id":"`, "\"event_id\":\"\xff", 1),
		"two on one line":            good + good,
		"index in quotes":            strings.Replace(good, `"index":3`, `"index":"3"`, 1),
		"gigantic index":             strings.Replace(good, `"index":3`, `"index":18446744073709551616`, 1),
		"deep nesting":               strings.Replace(good, `"index":3`, `"x":`+strings.Repeat("[", 30000)+strings.Repeat("]", 30000)+`,"index":3`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, good, bad)
			_, err := receipt.Parse([]byte(bad))
			require.ErrorContains(t, err, "not a receipt: ")
		})
	}
}

// Whatever is changed of what a receipt proves, it does not prove it any more.
func TestReceiptProvesNothingElse(t *testing.T) {
	for name, change := range map[string]func(r *receipt.Receipt){
		"index":         func(r *receipt.Receipt) { r.Index = 2 },
		"leaf":          func(r *receipt.Receipt) { r.LeafHash[0] ^= 1 },
		"path":          func(r *receipt.Receipt) { r.Path[1][0] ^= 1 },
		"shorter":       func(r *receipt.Receipt) { r.Path = r.Path[1:] },
		"longer":        func(r *receipt.Receipt) { r.Path = append(r.Path, merkle.Hash{}) },
		"the header":    func(r *receipt.Receipt) { r.Index, r.LeafHash = 0, leafHash(0) },
		"the commit":    func(r *receipt.Receipt) { r.Index, r.LeafHash, r.Path = 5, merkle.LeafHash(r.Commit), r.CommitPath },
		"id":            func(r *receipt.Receipt) { r.EventID = "order-18" },
		"id's path":     func(r *receipt.Receipt) { r.IDPath[0][0] ^= 1 },
		"no id's path":  func(r *receipt.Receipt) { r.IDPath = nil },
		"commit's path": func(r *receipt.Receipt) { r.CommitPath[0][0] ^= 1 },
		"commit": func(r *receipt.Receipt) {
			r.Commit = commitLine(2, []merkle.Hash{idHash("x"), idHash(exampleID), idHash("y")})
		},
		"a commit that binds it": func(r *receipt.Receipt) {
			ids := []merkle.Hash{idHash("own"), idHash("order-16"), idHash("order-99"), idHash("order-18")}
			r.EventID, r.Commit = "order-99", commitLine(1, ids)
		},
		"checkpoint": func(r *receipt.Receipt) {
			c, err := signing.ParseCheckpoint(r.Checkpoint)
			require.NoError(t, err)
			root := base64.StdEncoding.EncodeToString(c.Root[:])
			r.Checkpoint = bytes.Replace(r.Checkpoint, []byte(root), []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := example(t)
			_, err := r.Check()
			require.NoError(t, err)
			change(r)
			_, err = r.Check()
			require.ErrorContains(t, err, "its hashes do not lead to its checkpoint")
		})
	}
}

func FuzzParse(f *testing.F) {
	r, _ := example(f)
	f.Add(r.Append(nil))
	f.Add([]byte(`{"receipt":"auditlog/v1","origin":"a","index":0,"leaf_hash":"","path":[],"checkpoint":""}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := receipt.Parse(line)
		if err != nil {
			return
		}
		_, _ = r.Check()
		again, err := receipt.Parse(r.Append(nil))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		assert.Equal(t, r, again)
		// However it is read, it says the same.
		spaced, err := receipt.Parse(append(bytes.TrimRight(r.Append(nil), "}"), " }"...))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		assert.Equal(t, r, spaced)
	})
}
