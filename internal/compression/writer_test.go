// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package compression_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text is so many bytes that compress as lines of a log do, different for each seed.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		b = append(b, strings.Repeat(fmt.Sprintf("{\"event\":{\"event_id\":\"%016x\"}}\n", r.Uint64()), 10)...)
	}
	return b[:n]
}

func store(content []byte, m compression.Method) ([]byte, error) {
	var buf bytes.Buffer
	w, err := compression.NewWriter(&buf, m)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(content)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte("more")); err == nil {
		return nil, errors.New("a closed writer takes more")
	}
	return buf.Bytes(), nil
}

func load(stored []byte, m compression.Method) (content []byte, err error) {
	r, err := compression.NewReader(bytes.NewReader(stored), m)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}

// fresh is content in the form that an encoder gives that was never used.
func fresh(t *testing.T, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	enc, err := zstd.NewWriter(&buf, zstd.WithEncoderCRC(true), zstd.WithWindowSize(4<<20), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = enc.Write(content)
	require.NoError(t, err)
	require.NoError(t, enc.Close())
	return buf.Bytes()
}

// What an encoder has compressed before leaves no trace in what it compresses next: the form
// of a segment says nothing of another.
func TestAnEncoderUsedAgainWritesTheSameBytes(t *testing.T) {
	for seed, n := range []int{0, 1, 100, 5 << 20, 70_000, 0, 200_000, 3} {
		content := text(uint64(seed), n)
		want := fresh(t, content)
		for range 3 {
			got, err := store(content, compression.Zstd)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", n)
		}
	}
}

func TestWritersAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 10 {
				content := text(uint64(100*g+i), 1000*(g+1)*(i+1))
				stored, err := store(content, compression.Zstd)
				if !assert.NoError(t, err) {
					return
				}
				got, err := load(stored, compression.Zstd)
				if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(content, got), "%d bytes come back as %d others", len(content), len(got)) {
					return
				}
			}
		})
	}
	wg.Wait()
}

// full takes so many bytes, and then fails.
type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

// An encoder whose destination has failed does not fail the next one, nor write to it.
func TestAfterAFailedDestination(t *testing.T) {
	content := text(1, 2<<20)
	for _, left := range []int{0, 10_000} {
		w, err := compression.NewWriter(&full{left}, compression.Zstd)
		require.NoError(t, err)
		_, err = w.Write(content)
		require.ErrorIs(t, errors.Join(err, w.Close()), errFull)
		got, err := store([]byte("a\nb\n"), compression.Zstd)
		require.NoError(t, err)
		assert.Equal(t, fresh(t, []byte("a\nb\n")), got)
	}
}

// A writer that was left before its end keeps its encoder.
func TestAWriterThatIsLeft(t *testing.T) {
	var abandoned bytes.Buffer
	w, err := compression.NewWriter(&abandoned, compression.Zstd)
	require.NoError(t, err)
	_, err = w.Write([]byte("half of it"))
	require.NoError(t, err)
	got, err := store([]byte("whole"), compression.Zstd)
	require.NoError(t, err)
	assert.Equal(t, fresh(t, []byte("whole")), got)
	assert.Empty(t, abandoned.Bytes())
}

func TestNewWriterRefuses(t *testing.T) {
	for _, m := range []compression.Method{compression.None, compression.Foreign, "", "lz4"} {
		_, err := compression.NewWriter(io.Discard, m)
		assert.Error(t, err, "%q", m)
	}
}
