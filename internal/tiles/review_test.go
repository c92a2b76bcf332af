// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package tiles_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/durable"
	"github.com/otel-auditlog/auditlogexporter/internal/tiles"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// What is changed behind the first checkpoint of the newest segment is not passed over
// as if the log ended there.
func TestExportRefusesAChangeInTheNewestSegment(t *testing.T) {
	for name, c := range map[string]struct {
		segmentBytes int64
		old, new     string
	}{
		"an event of a later commit":               {0, `"id-100-`, `"ID-100-`},
		"an event of the last of several segments": {1, `"id-101-`, `"ID-101-`},
		"a header":            {1, `{"format":`, `{"farmat":`},
		"a checkpoint's root": {0, `auditlog\n108\n`, `auditlog\n208\n`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, c.segmentBytes)
			l.grow(100, 0)
			l.grow(1, 0)
			l.grow(1, 0)
			edit(t, newest(t, l), func(b []byte) []byte { return bytes.Replace(b, []byte(c.old), []byte(c.new), 1) })
			dir := filepath.Join(t.TempDir(), "out")
			if r, err := l.export(dir, tiles.Options{}); err == nil {
				t.Errorf("exported %+v of a log of %d lines", r, len(l.lines()))
			}
		})
	}
}

// When the log has been restored after a change was found, the export goes on.
func TestExportGoesOnWhenTheLogIsRestored(t *testing.T) {
	for _, again := range []bool{false, true} {
		l := newLog(t, 1) // each commit takes a segment
		dir := filepath.Join(t.TempDir(), "out")
		l.grow(100, 0)
		if again {
			l.mustExport(dir, tiles.Options{})
		}
		l.grow(600, 0)
		l.grow(10, 0)
		names, err := filepath.Glob(filepath.Join(l.Options.Directory, "audit-*"))
		require.NoError(t, err)
		i := slices.IndexFunc(names, func(name string) bool {
			b, err := os.ReadFile(name)
			return err == nil && bytes.Contains(b, []byte(`"id-110-`))
		})
		changed := names[i]
		edit(t, changed, func(b []byte) []byte { return bytes.Replace(b, []byte(`"id-110-`), []byte(`"ID-110-`), 1) })
		_, err = l.export(dir, tiles.Options{})
		require.ErrorIs(t, err, tiles.ErrTampered, "exported")
		edit(t, changed, func(b []byte) []byte { return bytes.Replace(b, []byte(`"ID-110-`), []byte(`"id-110-`), 1) })
		if _, err := l.export(dir, tiles.Options{}); err != nil {
			t.Errorf("exported before: %v; %v", again, err)
			continue
		}
		holds(t, dir, expected(t, l.lines(), false))
	}
}

// Hashes alone do not silently take the place of entries: the directory would be one
// whose checkpoint covers entries that are not there.
func TestExportOfHashesOnlyBesideEntries(t *testing.T) {
	l := newLog(t, 0)
	dir := filepath.Join(t.TempDir(), "out")
	l.grow(300, 0)
	l.mustExport(dir, tiles.Options{})
	l.grow(300, 0)
	_, err := l.export(dir, tiles.Options{HashesOnly: true})
	assert.Error(t, err, "exported; the entries end before the checkpoint")
}

// compressing is a log's directory in which a segment is compressed when it is first
// opened, as the writer does in the background.
type compressing struct {
	fs.FS
	t    *testing.T
	dir  string
	name string
}

func (c *compressing) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(c.FS, name) }

func (c *compressing) ReadLink(name string) (string, error) { return fs.ReadLink(c.FS, name) }

func (c *compressing) Open(name string) (fs.File, error) {
	if name == "." || c.name == "" {
		return c.FS.Open(name)
	}
	plain := filepath.Join(c.dir, c.name)
	content, err := os.ReadFile(plain)
	require.NoError(c.t, err)
	w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
	require.NoError(c.t, err)
	c.name = ""
	require.NoError(c.t, errors.Join(os.WriteFile(plain+".zst", w.EncodeAll(content, nil), 0o600), os.Remove(plain)))
	return c.FS.Open(name)
}

// A segment that is compressed during the export does not end it.
func TestExportWhileASegmentIsCompressed(t *testing.T) {
	l := newLog(t, 1)
	for range 4 {
		l.grow(20, 0)
	}
	l.Close()
	want := expected(t, l.lines(), false)
	listing, err := segment.List(os.DirFS(l.Options.Directory))
	require.NoError(t, err)
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	fsys := &compressing{FS: os.DirFS(l.Options.Directory), t: t, dir: l.Options.Directory, name: listing.Segments[1].Name}
	_, err = tiles.Export(context.Background(), fsys, root, tiles.Options{})
	require.NoError(t, err)
	holds(t, dir, want)
}

// syncing is a directory whose files call do before they are synced.
type syncing struct {
	durable.FS
	do func() error
}

type syncingFile struct {
	durable.File
	d *syncing
}

func (d *syncing) Edit(name string) (durable.File, error) { return d.wrap(name)(d.FS.Edit(name)) }

func (d *syncing) Create(name string) (durable.File, error) { return d.wrap(name)(d.FS.Create(name)) }

func (d *syncing) wrap(name string) func(durable.File, error) (durable.File, error) {
	return func(f durable.File, err error) (durable.File, error) {
		if err == nil && strings.HasPrefix(name, "audit-") {
			f = syncingFile{f, d}
		}
		return f, err
	}
}

func (f syncingFile) Sync() error {
	if do := f.d.do; do != nil {
		f.d.do = nil
		if err := do(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

// A checkpoint that is not durable yet is not published: the disk may still refuse it,
// and then the log goes on otherwise.
func TestExportDoesNotPublishWhatIsNotDurable(t *testing.T) {
	l := newLog(t, 0)
	l.grow(10, 0)
	l.Close()
	l.Options.Sync = true
	under, err := durable.OpenLocked(l.Options.Directory)
	require.NoError(t, err)
	t.Cleanup(func() { under.Close() })
	d := &syncing{FS: under}
	l.Options.FS = d
	l.Open()
	t.Cleanup(l.Close) // before the directory
	dir := filepath.Join(t.TempDir(), "out")
	l.grow(10, 0)
	_, err = l.exportLive(dir, tiles.Options{})
	require.NoError(t, err)
	d.do = func() error {
		_, err := l.exportLive(dir, tiles.Options{})
		assert.NoError(t, err)
		return syscall.EIO
	}
	b := l.Writer.NewBatch()
	defer b.Release()
	require.NoError(t, b.Add(func(dst []byte) ([]byte, uint64, error) { return append(dst, `{}`...), 0, nil }, nil, ""))
	_, err = l.Writer.Append(context.Background(), b)
	require.Error(t, err, "appended, though the disk failed")
	l.grow(30, 0)
	_, err = l.exportLive(dir, tiles.Options{})
	assert.NoError(t, err)
}

// A compressed segment that is damaged is a damaged log, not a failure to read it.
func TestExportSaysThatACompressedSegmentIsDamaged(t *testing.T) {
	l := newLog(t, 1)
	for range 3 {
		l.grow(20, 0)
	}
	listing, err := segment.List(os.DirFS(l.Options.Directory))
	require.NoError(t, err)
	fsys := &compressing{FS: os.DirFS(l.Options.Directory), t: t, dir: l.Options.Directory, name: listing.Segments[1].Name}
	f, err := fsys.Open(listing.Segments[0].Name)
	require.NoError(t, err)
	f.Close()
	edit(t, filepath.Join(l.Options.Directory, listing.Segments[1].Name+".zst"), func(b []byte) []byte { b[0] ^= 1; return b })
	_, err = l.export(filepath.Join(t.TempDir(), "out"), tiles.Options{})
	if !errors.Is(err, tiles.ErrTampered) && !errors.Is(err, logdir.ErrDamaged) {
		t.Errorf("exported: %v", err)
	}
}

// overtaken is a log's directory in which something happens when a segment is opened
// for the nth time.
type overtaken struct {
	fs.FS
	n  int
	do func()
}

func (o *overtaken) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(o.FS, name) }

func (o *overtaken) ReadLink(name string) (string, error) { return fs.ReadLink(o.FS, name) }

func (o *overtaken) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "audit-") {
		if o.n--; o.n == 0 {
			o.do()
		}
	}
	return o.FS.Open(name)
}

// An export that another one has overtaken does not take the published checkpoint back
// to an earlier one.
func TestExportThatIsOvertaken(t *testing.T) {
	l := newLog(t, 0)
	dir := filepath.Join(t.TempDir(), "out")
	l.grow(10, 0)
	l.mustExport(dir, tiles.Options{})
	l.grow(10, 0)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	var latest tiles.Result
	var failed error
	fsys := &overtaken{os.DirFS(l.Options.Directory), 2, func() {
		l.grow(300, 0)
		latest, failed = l.export(dir, tiles.Options{})
	}}
	// Either one may be refused.
	_, err = tiles.Export(context.Background(), fsys, root, tiles.Options{})
	text, rerr := os.ReadFile(filepath.Join(dir, "checkpoint"))
	require.NoError(t, rerr)
	c, cerr := signing.ParseCheckpoint(text)
	require.NoError(t, cerr)
	if failed == nil && c.Size < latest.To {
		t.Errorf("the checkpoint over %d leaves has been replaced with one over %d; %v", latest.To, c.Size, err)
	}
}
