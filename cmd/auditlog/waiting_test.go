// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A pipe that is handed over is read, and waited for until the command is told to end.
func TestPipesThatAreHandedOver(t *testing.T) {
	dir := t.TempDir()
	log := writeLog(t, dir, records()...)
	note, err := os.ReadFile(filepath.Join(log, "checkpoint"))
	require.NoError(t, err)
	key := filepath.Join(dir, "key.pub.pem")
	public, err := os.ReadFile(key)
	require.NoError(t, err)
	pipe := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "pipe")
		require.NoError(t, unix.Mkfifo(path, 0o600))
		return path
	}
	for name, c := range map[string]struct {
		content []byte
		args    func(pipe string) []string
	}{
		"checkpoint": {note, func(pipe string) []string { return []string{"verify", log, "--key", key, "--checkpoint", pipe} }},
		"key":        {public, func(pipe string) []string { return []string{"verify", log, "--key", pipe} }},
		"tiles": {public, func(pipe string) []string {
			return []string{"tiles", log, "--out", filepath.Join(filepath.Dir(pipe), "out"), "--key", pipe}
		}},
	} {
		waits := pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var none, errs bytes.Buffer
		code := run(ctx, c.args(waits), &none, &errs)
		assert.Equal(t, exitUnchecked, code, "%s: exit code %d, %s", name, code, none.String())
		assert.Contains(t, errs.String(), "canceled", "%s: exit code %d, %s", name, code, none.String())
		writer, err := os.OpenFile(waits, os.O_WRONLY, 0) // lets go of what waits
		require.NoError(t, err)
		writer.Close()
		path := pipe(t)
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(path, c.content, 0) }()
		var out bytes.Buffer
		if code := run(t.Context(), c.args(path), &out, &errs); code != exitGood {
			t.Errorf("%s: exit code %d, %s%s", name, code, out.String(), errs.String())
		}
		assert.NoError(t, <-written)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = openInput(ctx, r, "-")
	assert.ErrorIs(t, err, context.Canceled, "standard input")
	w.Close()
}
