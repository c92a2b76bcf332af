// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/export"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/rootfs"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// read returns the leaf indices of the events that are read.
func read(ctx context.Context, files fs.FS, o export.Options) (indices []uint64, err error) {
	err = export.Read(ctx, files, o, func(e *export.Event) error {
		indices = append(indices, e.Index)
		return nil
	})
	return indices, err
}

func TestRead(t *testing.T) {
	l, newest := threeSegments(t)
	all := []uint64{1, 2, 5, 6, 9, 10} // 0, 4 and 8 are headers, 3, 7 and 11 are of commits
	require.Equal(t, uint64(12), newest.Size, "leaves")
	older := signing.Checkpoint{Origin: origin, Size: 6}
	var part merkle.Frontier
	for _, name := range l.names {
		for line := range bytes.Lines(l.files[name].Data) {
			if segment.KindOf(line) != segline.KindCheckpoint && part.Size() < older.Size {
				part.Append(merkle.LeafHash(bytes.TrimSuffix(line, []byte("\n"))))
			}
		}
	}
	older.Root = part.Root()

	for name, c := range map[string]struct {
		o    export.Options
		want []uint64
	}{
		"all":                              {export.Options{Checkpoint: newest}, all},
		"up to an older checkpoint":        {export.Options{Checkpoint: older}, all[:3]},
		"from the middle of a segment":     {export.Options{Checkpoint: newest, From: 6}, all[3:]},
		"from a header":                    {export.Options{Checkpoint: newest, From: 8}, all[4:]},
		"from the end":                     {export.Options{Checkpoint: newest, From: 12}, nil},
		"from far behind the end":          {export.Options{Checkpoint: newest, From: 1 << 40}, nil},
		"of nothing":                       {export.Options{Checkpoint: signing.Checkpoint{Origin: origin, Root: new(merkle.Frontier).Root()}}, nil},
		"what is wanted":                   {export.Options{Checkpoint: newest, Keep: func(e *export.Event) bool { return string(e.Summary.UserID) == "bob" }}, all[2:3]},
		"what is wanted, from there on":    {export.Options{Checkpoint: newest, From: 6, Keep: func(e *export.Event) bool { return string(e.Summary.UserID) == "bob" }}, nil},
		"but the log's own events":         {export.Options{Checkpoint: newest, Keep: func(e *export.Event) bool { return e.Summary.Log == nil }}, all[1:]},
		"by what the canonical JSON holds": {export.Options{Checkpoint: newest, Keep: func(e *export.Event) bool { return bytes.Contains(e.Canonical, []byte(`"event_id":"e"`)) }}, all[5:]},
	} {
		got, err := read(t.Context(), l.files, c.o)
		assert.NoError(t, err, "%s: leaves", name)
		assert.Equal(t, c.want, got, "%s: leaves", name)
	}
	err := export.Read(t.Context(), l.files, export.Options{Checkpoint: newest}, func(e *export.Event) error {
		if !bytes.Equal(e.Canonical, l.canonical[e.Index]) || e.LeafHash != merkle.LeafHash(e.Line) || (e.Summary.Log != nil) != (e.Index == 1) ||
			!l.signer.Public().VerifyEvent(origin, logID, e.Canonical, e.Signature) || e.KeyID != l.signer.Public().ID() {
			t.Errorf("leaf %d: %+v", e.Index, e)
		}
		return nil
	})
	assert.NoError(t, err)
}

// What is written behind the checkpoint while the log is read is not read: a torn
// line, another segment.
func TestReadALogInUse(t *testing.T) {
	l, newest := threeSegments(t)
	last := l.names[len(l.names)-1]
	l.files[last].Data = append(l.files[last].Data, `{"event":{"torn`...)
	l.files["audit-00000000000000000009-20261123T120000Z.jsonl"] = &fstest.MapFile{Data: []byte("not yet"), Mode: 0o600}
	got, err := read(t.Context(), l.files, export.Options{Checkpoint: newest})
	assert.NoError(t, err, "leaves")
	assert.Len(t, got, 6, "leaves")
}

// changing is a log whose writer compresses a segment while it is being read.
type changing struct {
	fstest.MapFS
	from, to string
	opened   bool
}

func (c *changing) Open(name string) (fs.File, error) {
	if name == c.from && !c.opened {
		c.opened = true
		c.MapFS[c.to] = c.MapFS[c.from]
		delete(c.MapFS, c.from)
	}
	return c.MapFS.Open(name)
}

func TestReadWhileSegmentsAreReplaced(t *testing.T) {
	l, newest := threeSegments(t)
	to := segment.Name{FirstIndex: 4, Created: created.AddDate(0, 0, 1), Compression: compression.None}.String()
	got, err := read(t.Context(), &changing{MapFS: l.files, from: l.names[1], to: to}, export.Options{Checkpoint: newest})
	assert.NoError(t, err, "leaves")
	assert.Len(t, got, 6, "leaves")
}

// pruning is a log whose retention deletes segments while the first is being read.
type pruning struct {
	fstest.MapFS
	names []string
}

func (p *pruning) Open(name string) (fs.File, error) {
	f, err := p.MapFS.Open(name)
	if err == nil && name == p.names[0] {
		for _, gone := range p.names {
			delete(p.MapFS, gone)
		}
	}
	return f, err
}

// Segments that retention deletes while the log is read are no damage, but what they held
// is missing, and that is said. A segment that is missing in the middle is damage.
func TestReadWhileSegmentsArePruned(t *testing.T) {
	l, newest := threeSegments(t)
	got, err := read(t.Context(), &pruning{MapFS: l.files, names: l.names[:2]}, export.Options{Checkpoint: newest})
	if err == nil || errors.Is(err, logdir.ErrDamaged) || !strings.Contains(err.Error(), "leaves 4 to 7 were deleted") || !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("leaves %v, %v", got, err)
	}

	l, newest = threeSegments(t)
	delete(l.files, l.names[1])
	if got, err := read(t.Context(), l.files, export.Options{Checkpoint: newest}); !errors.Is(err, logdir.ErrDamaged) {
		t.Errorf("leaves %v, %v", got, err)
	}
}

// Whatever byte is changed, either nothing else is passed on, or Read says that the log
// is damaged.
func TestReadFindsEveryChange(t *testing.T) {
	l, newest := threeSegments(t)
	for _, name := range l.names {
		good := l.files[name].Data
		step := 1
		if name != l.names[1] {
			step = 7 // the others are like it
		}
		for i := 0; i < len(good); i += step {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			l.files[name] = &fstest.MapFile{Data: bad, Mode: 0o600}
			same := true
			n := 0
			err := export.Read(t.Context(), l.files, export.Options{Checkpoint: newest}, func(e *export.Event) error {
				n++
				same = same && bytes.Equal(e.Canonical, l.canonical[e.Index])
				return nil
			})
			if err == nil && (!same || n != 6) {
				t.Errorf("%s, byte %d: passed unseen", name, i)
			}
			if err != nil && !errors.Is(err, logdir.ErrDamaged) {
				t.Errorf("%s, byte %d: %v", name, i, err)
			}
		}
		l.files[name] = &fstest.MapFile{Data: good, Mode: 0o600}
	}
}

func TestReadFindsWhatIsMissing(t *testing.T) {
	for name, damage := range map[string]func(l *madeLog, c *signing.Checkpoint){
		"a segment in the middle":  func(l *madeLog, _ *signing.Checkpoint) { delete(l.files, l.names[1]) },
		"the first segments":       func(l *madeLog, _ *signing.Checkpoint) { delete(l.files, l.names[0]); l.files[l.names[1]].Data = nil },
		"the last segment":         func(l *madeLog, _ *signing.Checkpoint) { delete(l.files, l.names[2]) },
		"all":                      func(l *madeLog, _ *signing.Checkpoint) { clear(l.files) },
		"the end of a segment":     func(l *madeLog, _ *signing.Checkpoint) { f := l.files[l.names[1]]; f.Data = f.Data[:len(f.Data)/2] },
		"the log of the name":      func(_ *madeLog, c *signing.Checkpoint) { c.Origin = "other.example/auditlog" },
		"the root":                 func(_ *madeLog, c *signing.Checkpoint) { c.Root[0]++ },
		"more than there ever was": func(_ *madeLog, c *signing.Checkpoint) { c.Size++ },
		"all but an unknown line": func(l *madeLog, _ *signing.Checkpoint) {
			f := l.files[l.names[2]]
			f.Data = append([]byte("{}\n"), f.Data...)
		},
	} {
		l, c := threeSegments(t)
		damage(l, &c)
		got, err := read(t.Context(), l.files, export.Options{Checkpoint: c})
		assert.ErrorIs(t, err, logdir.ErrDamaged, "%s: leaves %v", name, got)
	}
}

// Retention deletes the first segments; what is left is read.
func TestReadAPrunedLog(t *testing.T) {
	l, newest := threeSegments(t)
	delete(l.files, l.names[0])
	got, err := read(t.Context(), l.files, export.Options{Checkpoint: newest})
	assert.NoError(t, err, "leaves")
	assert.Equal(t, []uint64{5, 6, 9, 10}, got, "leaves")
}

// An event is told when its commit was made, if that is asked for.
func TestReadCommitTimes(t *testing.T) {
	l, newest := threeSegments(t)
	var got []int
	err := export.Read(t.Context(), l.files, export.Options{Checkpoint: newest, CommitTimes: true}, func(e *export.Event) error {
		got = append(got, int(e.Committed.Sub(created).Hours()))
		return nil
	})
	assert.NoError(t, err, "commits")
	assert.Equal(t, []int{1, 1, 2, 2, 3, 3}, got, "commits")
}

func TestReadEnds(t *testing.T) {
	l, newest := threeSegments(t)
	stop := errors.New("stop")
	n := 0
	if err := export.Read(t.Context(), l.files, export.Options{Checkpoint: newest}, func(*export.Event) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("%v after %d events", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := read(ctx, l.files, export.Options{Checkpoint: newest})
	assert.ErrorIs(t, err, context.Canceled, "leaves %v", got)
	l.files[l.names[1]].Mode = fs.ModeNamedPipe
	if got, err := read(t.Context(), l.files, export.Options{Checkpoint: newest}); !errors.Is(err, rootfs.ErrNotRegular) {
		t.Errorf("leaves %v, %v", got, err)
	}
}
