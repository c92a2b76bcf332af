// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/logdir"
)

// Whatever the last segment holds, reading ends, and what it passes on without an error
// is what the log held.
func FuzzRead(f *testing.F) {
	l, newest := threeSegments(f)
	last := l.names[len(l.names)-1]
	good := l.files[last].Data
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(append([]byte("{\"checkpoint\":\"x\"}\n"), good...))
	f.Add(bytes.Replace(good, []byte("\n"), []byte("\n\n"), 1))
	f.Fuzz(func(t *testing.T, content []byte) {
		files := fstest.MapFS{}
		for name, file := range l.files {
			files[name] = file
		}
		files[last] = &fstest.MapFile{Data: content, Mode: 0o600}
		n, same := 0, true
		err := export.Read(t.Context(), files, export.Options{Checkpoint: newest}, func(e *export.Event) error {
			n++
			same = same && bytes.Equal(e.Canonical, l.canonical[e.Index])
			return nil
		})
		if err == nil && (n != len(l.canonical) || !same) {
			t.Errorf("%d events passed, and not those of the log", n)
		}
		if err != nil && !errors.Is(err, logdir.ErrDamaged) {
			t.Error(err)
		}
	})
}
