// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logdir_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logfile"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/logdir"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

func TestSegments(t *testing.T) {
	l := newLog(t)
	l.commit(1)
	l.rotate()
	l.commit(1)
	l.rotate()
	l.commit(1)
	// The second is being compressed, and somebody has put another file in its place, too.
	plain := l.files[l.names[1].String()]
	l.compress(1, compression.Gzip)
	l.files[l.names[1].String()] = plain
	other := l.names[1]
	other.Created = created.AddDate(1, 0, 0)
	l.files[other.String()] = &fstest.MapFile{Mode: 0o600}
	l.files["unknown"] = &fstest.MapFile{}

	all := l.segments()
	require.Len(t, all, 3, "segments")
	for i, s := range all {
		if s.Name != l.names[i].String() || s.Parsed.FirstIndex != l.names[i].FirstIndex {
			t.Errorf("segment %d: %s begins at leaf %d", i, s.Name, s.Parsed.FirstIndex)
		}
	}
	others := func(s logdir.Segment) (names []string) {
		for _, f := range s.Others {
			names = append(names, f.Name)
		}
		return names
	}
	if got, want := others(all[1]), []string{l.names[1].String() + ".gz", other.String()}; !slices.Equal(got, want) || len(all[0].Others)+len(all[2].Others) > 0 {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestReadHead(t *testing.T) {
	l := newLog(t)
	l.event("opened")
	l.event("rotated")
	l.event("beyond the head")
	l.commit(1)
	s := l.segments()[0]
	lines := bytes.Split(l.files[s.Name].Data, []byte("\n"))
	whole := l.files[s.Name].Data

	h, err := logdir.ReadHead(t.Context(), l.files, s)
	if err != nil || h.Header.Log != logID || h.Header.Origin != origin || h.Leaf != merkle.LeafHash(lines[0]) || h.KeyChanged != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if h.Rotated == nil || h.Rotated.Action != logevent.Rotated {
		t.Errorf("%+v", h.Rotated)
	}
	malformed := errors.New("malformed")
	tests := []struct {
		name    string
		content []byte
		rotated bool
		is      error
	}{
		{"empty", nil, false, segline.ErrPartial},
		{"half a header", lines[0][:20], false, segline.ErrPartial},
		{"a header", append(bytes.Clone(lines[0]), '\n'), false, nil},
		{"half an event", whole[:len(lines[0])+20], false, nil},
		{"an event", append(bytes.Join(lines[:2], []byte("\n")), '\n'), false, nil},
		{"two events", append(bytes.Join(lines[:3], []byte("\n")), '\n'), true, nil},
		{"an event beyond the head", append(bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2]}, []byte("\n")), '\n'), false, nil},
		{"an event on another line of the head", append(bytes.Join([][]byte{lines[0], lines[2]}, []byte("\n")), '\n'), true, nil},
		{"a checkpoint", append(bytes.Join([][]byte{lines[0], lines[len(lines)-2]}, []byte("\n")), '\n'), false, nil},
		{"another header", []byte("{\"segment\":{}}\n"), false, malformed},
		{"newer", append(bytes.Replace(lines[0], []byte("auditlog/v1"), []byte("auditlog/v2"), 1), '\n'), false, segment.ErrNewer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l.files[s.Name].Data = test.content
			h, err := logdir.ReadHead(t.Context(), l.files, s)
			if test.is == malformed && logfile.Malformed(err) && !errors.Is(err, segment.ErrNewer) {
				test.is = err
			}
			assert.ErrorIs(t, err, test.is, "%+v", h)
			assert.Equal(t, test.rotated, h.Rotated != nil, "%+v", h)
			assert.Equal(t, test.is == nil || test.is == segment.ErrNewer, h.Header.Log == logID, "%+v", h.Header)
		})
	}
	l.prune(0)
	_, err = logdir.ReadHead(t.Context(), l.files, s)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
