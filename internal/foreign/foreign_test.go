// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package foreign_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/foreign"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

const plainName = "audit-00000000000000000000-20261123T101500Z.jsonl"

func compressed(t testing.TB, content string, c compression.Method) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := compression.NewWriter(&buf, c)
	require.NoError(t, err)
	_, err = io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

// reader is what both readers have.
type reader interface {
	Next() ([]byte, error)
	Close() error
}

func linesOf(r reader) (lines []string, err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		line, err := r.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

// readAll returns the lines of a segment in the form that the format demands.
func readAll(stored []byte, c compression.Method) ([]string, error) {
	name := plainName + c.Suffix()
	r, err := segment.Open(fstest.MapFS{name: {Data: stored}}, name, -1)
	if err != nil {
		return nil, err
	}
	return linesOf(r)
}

// readForeign is readAll for a file that somebody else may have compressed.
func readForeign(stored []byte, c compression.Method) (lines []string, how string, err error) {
	name := plainName + c.Suffix()
	r, err := foreign.Open(fstest.MapFS{name: {Data: stored}}, name, -1)
	if err != nil {
		return nil, "", err
	}
	lines, err = linesOf(r)
	return lines, r.Foreign(), err
}

// What is in the form that the format demands, both readers read alike; what is not, the one
// that takes more says.
func FuzzForeign(f *testing.F) {
	for _, c := range []compression.Method{compression.Zstd, compression.Gzip} {
		one := compressed(f, "a\nb\n", c)
		f.Add(one, c == compression.Zstd)
		f.Add(append(one[:len(one):len(one)], one...), c == compression.Zstd)
		f.Add(one[:len(one)-2], c == compression.Zstd)
	}
	f.Add([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\xa8\x01\x00\x00"), true)
	f.Add([]byte("\xfd7zXZ\x00"), false)
	f.Fuzz(func(t *testing.T, stored []byte, isZstd bool) {
		c := compression.Gzip
		if isZstd {
			c = compression.Zstd
		}
		want, strict := readAll(stored, c)
		got, how, err := readForeign(stored, c)
		switch {
		case strict == nil && (err != nil || how != ""):
			t.Errorf("it is as it should be, but %v, %q", err, how)
		case strict == nil:
			assert.Equal(t, want, got)
		case err == nil && how == "":
			t.Errorf("it is not as it should be (%v), and nothing is said", strict)
		}
	})
}

// A frame that is its own window takes as much memory as it says that it holds.
func TestAWindowOfAWholeFile(t *testing.T) {
	for _, size := range []byte{0x01, 0x40, 0xff} {
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, size, 1, 0, 0, 0, 0, 0, 0}
		_, err := readAll(frame, compression.Zstd)
		require.ErrorIs(t, err, compression.ErrDamaged)
		assert.ErrorContains(t, err, "size")
		_, _, err = readForeign(frame, compression.Zstd)
		require.ErrorIs(t, err, compression.ErrForeign)
	}
}

func TestParseForeignName(t *testing.T) {
	for name, good := range map[string]bool{
		plainName + ".xz": true, plainName + ".bz2": true, plainName + ".7z": true,
		plainName: false, plainName + ".gz": false, plainName + ".zst": false, plainName + ".gz.xz": false, plainName + ".rar": false, "audit.xz": false, ".xz": false,
	} {
		n, err := foreign.ParseName(name)
		assert.Equal(t, good, err == nil, "%s: %v", name, err)
		if good {
			assert.Equal(t, plainName, segname.Plain(n).String())
		}
	}
	_, err := foreign.Open(fstest.MapFS{plainName + ".xz": {Data: []byte("junk")}}, plainName+".xz", -1)
	assert.False(t, err == nil || errors.Is(err, compression.ErrForeign), "%v", err)
}
