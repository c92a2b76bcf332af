// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe that is handed over is read, and waited for until the command is told to end.
func TestPipesThatAreHandedOver(t *testing.T) {
	dir := t.TempDir()
	log := writeLog(t, dir, records()...)
	note, err := os.ReadFile(filepath.Join(log, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key.pub.pem")
	public, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	pipe := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
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
		if code := run(ctx, c.args(waits), &none, &errs); code != exitUnchecked || !strings.Contains(errs.String(), "canceled") {
			t.Errorf("%s: exit code %d, %s%s", name, code, none.String(), errs.String())
		}
		writer, err := os.OpenFile(waits, os.O_WRONLY, 0) // lets go of what waits
		if err != nil {
			t.Fatal(err)
		}
		writer.Close()
		path := pipe(t)
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(path, c.content, 0) }()
		var out bytes.Buffer
		if code := run(t.Context(), c.args(path), &out, &errs); code != exitGood {
			t.Errorf("%s: exit code %d, %s%s", name, code, out.String(), errs.String())
		}
		if err := <-written; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openInput(ctx, r, "-"); !errors.Is(err, context.Canceled) {
		t.Errorf("standard input: %v", err)
	}
	w.Close()
}
