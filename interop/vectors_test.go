// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package interop_test holds what other implementations of the format are checked
// with: the vectors in testdata/vectors, and a verifier in another language.
package interop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectors = "../testdata/vectors"

// lineVector is a record, its event, and the lines and hashes that follow from it.
type lineVector struct {
	Name string `json:"name"`
	// Record is the log record, its resource and its scope in OTLP's JSON form.
	Record    json.RawMessage `json:"record"`
	Canonical string          `json:"canonical"`
	// ECDSA and Ed25519 are the event's signatures with the keys of this directory, as an
	// event of the log vectorOrigin with the id vectorLogID, in base64; the former with a
	// nonce as RFC 6979 has it.
	ECDSA   string `json:"ecdsa_p256_sha256"`
	Ed25519 string `json:"ed25519"`
	// Line is the event line with the ECDSA signature, LeafHash its leaf hash, in
	// hex.
	Line     string `json:"line"`
	LeafHash string `json:"leaf_hash"`
}

// treeVector is the tree of the first Size of the leaf hashes in lines.json,
// repeated as often as it takes.
type treeVector struct {
	Size     uint64   `json:"size"`
	Root     string   `json:"root"`
	Frontier []string `json:"frontier"`
	// Checkpoint is the signed checkpoint with the Ed25519 key, CheckpointLine its
	// line with both keys' signatures.
	Checkpoint     string `json:"checkpoint_ed25519"`
	CheckpointLine string `json:"checkpoint_line"`
}

const vectorOrigin = "vectors.example/auditlog"

// vectorLogID is the identity of the log that the lines are signed for.
var vectorLogID = signing.LogID(sha256.Sum256([]byte("test vectors")))

func key(t *testing.T, name string) *signing.Signer {
	t.Helper()
	// A repository keeps no file modes to rely on.
	b, err := os.ReadFile(filepath.Join(vectors, name))
	require.NoError(t, err)
	private := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(private, b, 0o600))
	s, err := keyfile.Load(private)
	require.NoError(t, err)
	public, err := keyfile.LoadPublic(filepath.Join(vectors, keyfile.PublicPath(name)))
	require.NoError(t, err)
	require.True(t, public.Equal(s.Public()), "%s and its public key do not belong together", name)
	return s
}

func sign(t *testing.T, s *signing.Signer, canonical string) string {
	t.Helper()
	sig, err := s.SignEvent(vectorOrigin, vectorLogID, []byte(canonical))
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(sig)
}

// golden compares what was made with what the file holds, or writes the file.
func golden(t *testing.T, name string, made any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(made))
	path := filepath.Join(vectors, name)
	if *update {
		require.NoError(t, os.WriteFile(path, buf.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, buf.Bytes(), "%s is not what the code makes: if the format has not changed, the code is wrong", path)
}

func TestVectors(t *testing.T) {
	if *update {
		for name, a := range map[string]signing.Algorithm{"ecdsa-p256.pem": signing.ECDSAP256, "ed25519.pem": signing.Ed25519} {
			if _, err := keyfile.Create(filepath.Join(vectors, name), a); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
	}
	p256, ed := key(t, "ecdsa-p256.pem"), key(t, "ed25519.pem")
	records, err := os.ReadFile(filepath.Join(vectors, "records.json"))
	require.NoError(t, err)
	var inputs []struct {
		Name   string          `json:"name"`
		Record json.RawMessage `json:"record"`
	}
	require.NoError(t, json.Unmarshal(records, &inputs))
	enc, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	var lines []lineVector
	var leaves []merkle.Hash
	for _, in := range inputs {
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(in.Record)
		require.NoError(t, err, in.Name)
		rl := logs.ResourceLogs().At(0)
		sl := rl.ScopeLogs().At(0)
		enc.SetResource(rl.Resource(), rl.SchemaUrl())
		enc.SetScope(sl.Scope(), sl.SchemaUrl())
		canonical, _, err := enc.Append(nil, sl.LogRecords().At(0))
		require.NoError(t, err, in.Name)
		v := lineVector{Name: in.Name, Record: in.Record, Canonical: string(canonical), ECDSA: sign(t, p256, string(canonical)), Ed25519: sign(t, ed, string(canonical))}
		signature, err := base64.StdEncoding.DecodeString(v.ECDSA)
		require.NoError(t, err)
		line := segline.AppendSignature(append(segline.AppendEventStart(nil), canonical...), signature, p256.Public().ID())
		leaf := merkle.LeafHash(line)
		if want := sha256.Sum256(append([]byte{0}, line...)); leaf != want {
			t.Errorf("%s: leaf hash %x, want %x", in.Name, leaf, want)
		}
		v.Line, v.LeafHash = string(line), hex.EncodeToString(leaf[:])
		lines, leaves = append(lines, v), append(leaves, leaf)
	}
	golden(t, "lines.json", lines)

	var trees []treeVector
	var tree merkle.Frontier
	for size := uint64(0); size <= 20; size++ {
		root := tree.Root()
		v := treeVector{Size: size, Root: base64.StdEncoding.EncodeToString(root[:]), Frontier: []string{}}
		for _, h := range tree.Hashes() {
			v.Frontier = append(v.Frontier, base64.StdEncoding.EncodeToString(h[:]))
		}
		one, err := signing.SignCheckpoint(vectorOrigin, size, root, ed)
		require.NoError(t, err)
		both, err := signing.SignCheckpoint(vectorOrigin, size, root, p256, ed)
		require.NoError(t, err)
		v.Checkpoint, v.CheckpointLine = string(one), string(segline.AppendCheckpoint(nil, both))
		trees = append(trees, v)
		tree.Append(leaves[size%uint64(len(leaves))])
	}
	golden(t, "trees.json", trees)
}
