// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// bomb is a file of a few kilobytes that expands to far more.
func bomb(t testing.TB, header []byte, unit string, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	z, err := compression.NewWriter(&buf, compression.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(header); err != nil {
		t.Fatal(err)
	}
	part := []byte(strings.Repeat(unit, 1<<20/len(unit)))
	for range n {
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDecompressionBombs(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{}, 1)
	header := w.Lines(0)[0]
	for what, unit := range map[string]string{"one line": "x", "empty lines": "\n", "junk": "junk\n", "events": "{\"event\":{}}\n", "checkpoints": "{\"checkpoint\":\"\"}\n"} {
		c := w.Clone()
		c.Files[c.Segments[0]+".zst"] = &fstest.MapFile{Data: bomb(t, header, unit, 40), Mode: 0o600}
		delete(c.Files, c.Segments[0])
		r := checkCopy(t, c)
		found := bad(r)
		if !slices.Contains(kinds(found), verify.SegmentUnreadable) {
			t.Errorf("%s: was read to its end; %d findings", what, len(r.Findings)+r.FindingsOmitted)
		}
		if len(r.Findings) > 1000 || len(r.FailedEventIDs) > 1000 {
			t.Errorf("%s: %d findings, %d ids", what, len(r.Findings), len(r.FailedEventIDs))
		}
	}
}

// What a file holds does not make the report large.
func TestGiantValuesInFindings(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	giant := strings.Repeat("é", 1<<20)
	event := bytes.Replace(logtest.OwnEvent("opened", `{"action":"opened"}`), []byte("own-opened"), []byte(giant), 1)
	member := []byte(`{"` + giant + `":1}`)
	w.SetLines(0, append(w.Lines(0), logtest.BareLine(event), logtest.BareLine(member), []byte(`{"checkpoint":"`+giant+"\\n\\n\"}\n")))
	r := checkCopy(t, w)
	if len(bad(r)) < 3 {
		t.Fatalf("%d findings", len(r.Findings))
	}
	for _, f := range r.Findings {
		if len(f.EventID) > 300 || len(f.Message) > 1100 {
			t.Errorf("%s: an id of %d and a message of %d bytes", f.Kind, len(f.EventID), len(f.Message))
		}
	}
}

func TestManyStrayFiles(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	for i := range 3000 {
		w.Files["stray-"+strings.Repeat("i", i%50)+string(rune('a'+i%26))+base64Of([]byte{byte(i), byte(i >> 8)})] = &fstest.MapFile{}
	}
	r := checkCopy(t, w)
	if r.TamperingDetected || len(r.Findings) != 1000 || r.FindingsOmitted == 0 || r.FindingCounts[verify.Info] != 1000+r.FindingsOmitted {
		t.Errorf("%d findings, %d omitted, %v", len(r.Findings), r.FindingsOmitted, r.FindingCounts)
	}
}

func TestTheCheckpointFileIsNotFollowed(t *testing.T) {
	w := logtest.Write(t, rotation.Options{}, 1)
	w.Files["checkpoint"] = &fstest.MapFile{Data: []byte("/etc/passwd"), Mode: fs.ModeSymlink}
	if found := bad(checkCopy(t, w)); len(found) != 1 || found[0].Kind != verify.Rollback || found[0].Segment != "checkpoint" {
		t.Errorf("%+v", found)
	}
	w.Files["checkpoint"] = &fstest.MapFile{Data: []byte("junk"), Mode: 0o600}
	if found := bad(checkCopy(t, w)); len(found) != 1 || found[0].Kind != verify.Rollback {
		t.Errorf("%+v", found)
	}
}
