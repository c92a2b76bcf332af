// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// countingFS counts what is read of each file.
type countingFS struct {
	fs.FS
	read map[string]int
}

func (c countingFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	return countedFile{f, c.read, name}, nil
}

type countedFile struct {
	fs.File
	read map[string]int
	name string
}

func (f countedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.read[f.name] += n
	return n, err
}

func (f countedFile) Seek(offset int64, whence int) (int64, error) {
	return f.File.(io.Seeker).Seek(offset, whence)
}

// Of segments without an event in the range of times, show reads the beginning at most,
// and it misses no event within.
func TestShowReadsWithinItsTimes(t *testing.T) {
	dir := t.TempDir()
	s, err := keyfile.Create(filepath.Join(dir, "key.pem"), signing.Ed25519)
	require.NoError(t, err)
	log := filepath.Join(dir, "log")
	clock := began
	w := logtest.New(t, rotation.Options{
		Directory: log, Signer: s, Scope: segline.ScopeEvent, MaxSegmentBytes: 1 << 20, BindIDs: true, Now: func() time.Time { return clock },
	})
	const hours, each, late = 8, 30, 7
	for hour := range hours {
		for n := range each {
			r := plog.NewLogRecord()
			at := began.Add(time.Duration(hour)*time.Hour + time.Duration(n)*time.Minute)
			clock = at
			if hour == 5 && n == late {
				at = began.Add(2*time.Hour + time.Second) // an event of the third hour that came late
			}
			r.SetTimestamp(pcommon.NewTimestampFromTime(at))
			r.Attributes().PutStr("audit.record.id", fmt.Sprintf("id-%d-%d", hour, n))
			r.Body().SetStr(strings.Repeat("x", 30<<10))
			w.Records(r)
		}
		if hour == 3 { // what is known of the times survives a restart
			w.Reopen()
		}
	}
	w.Close()
	fsys := countingFS{os.DirFS(log), map[string]int{}}
	var out bytes.Buffer
	f := filter{since: began.Add(2 * time.Hour), until: began.Add(3 * time.Hour)}
	show := shower{fsys: fsys, filter: &f, out: bufio.NewWriter(&out), warn: io.Discard, json: true}
	require.NoError(t, show.show(t.Context()))
	assert.Equal(t, each+1, strings.Count(out.String(), `"event_id":"id-`))
	assert.Contains(t, out.String(), fmt.Sprintf(`"id-5-%d"`, late))
	files, err := filepath.Glob(filepath.Join(log, "*.jsonl"))
	require.NoError(t, err)
	whole := 0
	for _, name := range files {
		info, err := os.Stat(name)
		require.NoError(t, err)
		if read := fsys.read[filepath.Base(name)]; int64(read) >= info.Size() {
			whole++
		}
	}
	// Two segments have events of the hour, one has the late event, in one the restart
	// (by a clock that was set back) is an event, and of the newest nobody has said
	// anything yet.
	assert.GreaterOrEqual(t, len(files), 8, "%d of %d segments were read: %v", whole, len(files), fsys.read)
	assert.LessOrEqual(t, whole, 5, "%d of %d segments were read: %v", whole, len(files), fsys.read)
}
