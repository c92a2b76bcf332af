// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package ctxread_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/ctxread"
)

func TestReadingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := ctxread.New(ctx, strings.NewReader("abcd"))
	b := make([]byte, 2)
	n, err := r.Read(b)
	require.Equal(t, 2, n, "%d bytes, %q", n, b)
	require.NoError(t, err, "%d bytes, %q", n, b)
	require.Equal(t, "ab", string(b), "%d bytes, %q", n, b)
	cancel()
	if n, err := r.Read(b); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestErrorsAreTheReaders(t *testing.T) {
	broken := errors.New("broken")
	for _, want := range []error{io.EOF, broken} {
		if _, err := ctxread.New(t.Context(), iotest.ErrReader(want)).Read(make([]byte, 1)); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
