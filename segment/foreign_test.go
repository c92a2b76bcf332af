// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"errors"
	"io"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/segment"
)

// readForeign is readAll for a file that somebody else may have compressed.
func readForeign(stored []byte, c segment.Compression) (lines []string, how string, err error) {
	name := plainName + c.Suffix()
	r, err := segment.OpenForeign(fstest.MapFS{name: {Data: stored}}, name, -1)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	for {
		line, err := r.Next()
		if err == io.EOF {
			return lines, r.Foreign(), nil
		}
		if err != nil {
			return lines, r.Foreign(), err
		}
		lines = append(lines, string(line))
	}
}

// What is in the form that the format demands, both readers read alike; what is not, the one
// that takes more says.
func FuzzForeign(f *testing.F) {
	for _, c := range []segment.Compression{segment.Zstd, segment.Gzip} {
		one := compressed(f, "a\nb\n", c)
		f.Add(one, c == segment.Zstd)
		f.Add(append(one[:len(one):len(one)], one...), c == segment.Zstd)
		f.Add(one[:len(one)-2], c == segment.Zstd)
	}
	f.Add([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\xa8\x01\x00\x00"), true)
	f.Add([]byte("\xfd7zXZ\x00"), false)
	f.Fuzz(func(t *testing.T, stored []byte, isZstd bool) {
		c := segment.Gzip
		if isZstd {
			c = segment.Zstd
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
		_, err := readAll(frame, segment.Zstd)
		require.ErrorIs(t, err, segment.ErrBadCompression)
		assert.ErrorContains(t, err, "size")
		_, _, err = readForeign(frame, segment.Zstd)
		require.ErrorIs(t, err, segment.ErrForeign)
	}
}

func TestParseForeignName(t *testing.T) {
	for name, good := range map[string]bool{
		plainName + ".xz": true, plainName + ".bz2": true, plainName + ".7z": true,
		plainName: false, plainName + ".gz": false, plainName + ".zst": false, plainName + ".gz.xz": false, plainName + ".rar": false, "audit.xz": false, ".xz": false,
	} {
		n, err := segment.ParseForeignName(name)
		assert.Equal(t, good, err == nil, "%s: %v", name, err)
		if good {
			assert.Equal(t, plainName, n.Plain().String())
		}
	}
	_, err := segment.OpenForeign(fstest.MapFS{plainName + ".xz": {Data: []byte("junk")}}, plainName+".xz", -1)
	assert.False(t, err == nil || errors.Is(err, segment.ErrForeign), "%v", err)
}
