// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
)

// Whatever is found of an earlier export, either it is that, and the export goes on, or
// it is refused and its checkpoint is left alone.
func FuzzExportGoesOnFrom(f *testing.F) {
	l := newLog(f, 0)
	l.grow(296, 0) // with the header, the event of opening and two commit lines, 300
	earlier := filepath.Join(f.TempDir(), "earlier")
	l.mustExport(earlier, tiles.Options{})
	l.grow(10, 0)
	l.Close()
	want := expected(f, l.lines(), false)
	names := []string{"checkpoint", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"}
	var content [][]byte
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(earlier, name))
		if err != nil {
			f.Fatal(err)
		}
		content = append(content, b)
	}
	f.Add(content[0], content[1], content[2], content[3])
	f.Add(content[0], content[1][:32], content[2], content[3])
	f.Add(content[0], content[1], append(bytes.Clone(content[2]), content[2]...), content[3])
	f.Add(content[0], content[1], content[2], append(bytes.Clone(content[3]), 0, 0))
	f.Add(bytes.Replace(content[0], []byte("\n300\n"), []byte("\n9223372036854775807\n"), 1), content[1], content[2], content[3])
	f.Add(bytes.Replace(content[0], []byte("\n300\n"), []byte("\n0\n"), 1), content[1], content[2], content[3])
	f.Fuzz(func(t *testing.T, checkpoint, leaves, above, entries []byte) {
		dir := filepath.Join(t.TempDir(), "out")
		if err := os.CopyFS(dir, os.DirFS(earlier)); err != nil {
			t.Fatal(err)
		}
		for i, b := range [][]byte{checkpoint, leaves, above, entries} {
			if err := os.WriteFile(filepath.Join(dir, names[i]), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		here := &log{logtest.Closed(t, l.Options), t} // F must not be used in here
		_, err := here.export(dir, tiles.Options{})
		if err == nil {
			holds(t, dir, want)
			return
		}
		after, rerr := os.ReadFile(filepath.Join(dir, "checkpoint"))
		if rerr != nil || !bytes.Equal(after, checkpoint) {
			t.Errorf("refused with %v, and the checkpoint is %q, %v", err, after, rerr)
		}
	})
}
