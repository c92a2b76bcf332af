// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package logevent_test

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ownevent"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/logevent"
	"github.com/otel-auditlog/auditlogexporter/merkle"
)

var encodedRoot = base64.StdEncoding.EncodeToString(root[:])

// said are events with all that goes with their actions, as the log has them on disk.
var said = map[string]struct {
	event logevent.Event
	log   string
}{
	"opened":  {logevent.Event{Action: logevent.Opened, Version: "auditlog/v1"}, `{"action":"opened","version":"auditlog/v1"}`},
	"closed":  {logevent.Event{Action: logevent.Closed}, `{"action":"closed"}`},
	"resumed": {logevent.Event{Action: logevent.Resumed, Reason: "disk_full", Detail: "no \"space\" <left> & gone"}, `{"action":"resumed","detail":"no \"space\" <left> & gone","reason":"disk_full"}`},
	"rotated": {
		logevent.Event{Action: logevent.Rotated, Reason: "size", Previous: &logevent.Segment{
			FirstIndex: 0, TreeSize: 7, RootHash: root, Segment: "audit-x.jsonl", Range: []merkle.Hash{root, root}, FirstTime: now, LastTime: now,
		}},
		`{"action":"rotated","previous":{"first_index":0,"first_time":"2026-11-24T10:15:00.123456789Z","last_time":"2026-11-24T10:15:00.123456789Z","range":["` + encodedRoot + `","` + encodedRoot + `"],"root_hash":"` + encodedRoot + `","segment":"audit-x.jsonl","tree_size":7},"reason":"size"}`,
	},
	"rotated, without events": {
		logevent.Event{Action: logevent.Rotated, Reason: "age", Previous: &logevent.Segment{TreeSize: 7, RootHash: root, Segment: "audit-x.jsonl"}},
		`{"action":"rotated","previous":{"first_index":0,"root_hash":"` + encodedRoot + `","segment":"audit-x.jsonl","tree_size":7},"reason":"age"}`,
	},
	"key_changed": {
		logevent.Event{Action: logevent.KeyChanged, KeyChange: "a note\n\n— origin signature\n", KeyID: "00", PreviousKeyID: "01", Reason: "segment"},
		`{"action":"key_changed","key_change":"a note\n\n— origin signature\n","key_id":"00","previous_key_id":"01","reason":"segment"}`,
	},
	"recovered": {
		logevent.Event{Action: logevent.Recovered, File: "torn-7", SHA256: "5e", Size: 12, Segment: "audit-x.jsonl", Reason: "sync_failed", Detail: "d"},
		`{"action":"recovered","detail":"d","file":"torn-7","reason":"sync_failed","segment":"audit-x.jsonl","sha256":"5e","size":12}`,
	},
	"damaged": {logevent.Event{Action: logevent.Damaged, Reason: "unreadable", Detail: "d"}, `{"action":"damaged","detail":"d","reason":"unreadable"}`},
	"pruned": {
		logevent.Event{Action: logevent.Pruned, Before: 7, RootHash: root, Segments: []logevent.Segment{{TreeSize: 3, RootHash: root, Segment: "a"}, {FirstIndex: 3, TreeSize: 7, RootHash: root, Segment: "b"}}},
		`{"action":"pruned","before":7,"root_hash":"` + encodedRoot + `","segments":[{"first_index":0,"root_hash":"` + encodedRoot + `","segment":"a","tree_size":3},{"first_index":3,"root_hash":"` + encodedRoot + `","segment":"b","tree_size":7}]}`,
	},
	"witnessed": {
		logevent.Event{Action: logevent.Witnessed, Checkpoint: "a note\n", Proof: []merkle.Hash{root}, Size: 7},
		`{"action":"witnessed","checkpoint":"a note\n","proof":["` + encodedRoot + `"],"size":7}`,
	},
	"contradicted": {
		logevent.Event{Action: logevent.Contradicted, Detail: "d", Reason: "forked", Size: 7, Witness: "w"},
		`{"action":"contradicted","detail":"d","reason":"forked","size":7,"witness":"w"}`,
	},
	"signing_degraded": {logevent.Event{Action: logevent.SigningDegraded}, `{"action":"signing_degraded"}`},
	"sequence_gap": {
		logevent.Event{Action: logevent.SequenceGap, Sequence: &logevent.Sequence{Expected: 1, Missing: 1<<64 - 1, Number: 2, Producer: "p", RecordID: "r", Stream: "s"}},
		`{"action":"sequence_gap","sequence":{"expected":"1","missing":"18446744073709551615","number":"2","producer":"p","record_id":"r","stream":"s"}}`,
	},
	"sequence_suppressed": {
		logevent.Event{Action: logevent.SequenceSuppressed, Sequence: &logevent.Sequence{Count: 3}}, `{"action":"sequence_suppressed","sequence":{"count":"3"}}`,
	},
	"id_conflict": {
		logevent.Event{Action: logevent.IDConflict, Conflict: &logevent.Conflict{ContentHash: "5e", LoggedHash: "5f"}},
		`{"action":"id_conflict","conflict":{"content_hash":"5e","event_id":"","logged_hash":"5f"}}`,
	},
	"refused": {
		logevent.Event{Action: logevent.Refused, Refused: &logevent.Refusal{EventID: "i", Reason: "too_large", Record: "resource 0, scope 0, record 3", SHA256: "5e"}},
		`{"action":"refused","refused":{"event_id":"i","reason":"too_large","record":"resource 0, scope 0, record 3","sha256":"5e"}}`,
	},
	"refused_suppressed": {
		logevent.Event{Action: logevent.RefusedSuppressed, Refused: &logevent.Refusal{Count: 9}}, `{"action":"refused_suppressed","refused":{"count":9}}`,
	},
	"clock_jumped":  {logevent.Event{Action: logevent.ClockJumped, Detail: "d", Until: now}, `{"action":"clock_jumped","detail":"d","until":"2026-11-24T10:15:00.123456789Z"}`},
	"state_adopted": {logevent.Event{Action: logevent.StateAdopted, Detail: "d", Size: 7}, `{"action":"state_adopted","detail":"d","size":7}`},
}

// An event is written in one form, and reads as what was written.
func TestEvents(t *testing.T) {
	for name, tt := range said {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.log, written(t, tt.event))
			got, err := logevent.Parse([]byte(tt.log))
			require.NoError(t, err)
			assert.Equal(t, tt.event, got)
		})
	}
}

// The event around what the log says is one of the log's own, whatever the action.
func TestAppend(t *testing.T) {
	const origin = "test.example/auditlog"
	levels := map[logevent.Action]event.Level{
		logevent.Opened: event.LevelInfo, logevent.Rotated: event.LevelInfo, logevent.Pruned: event.LevelInfo, logevent.SequenceAfterEnd: event.LevelWarning,
		logevent.StateAdopted: event.LevelWarning, logevent.KeyChanged: event.LevelSecurity, logevent.Damaged: event.LevelCritical, logevent.Contradicted: event.LevelCritical,
	}
	for action, level := range levels {
		e := logevent.Event{Action: action}
		got, err := event.Parse(ownevent.Append(nil, &e, "an id", now, origin))
		require.NoError(t, err)
		category := event.CategorySystemHealth
		if action == logevent.KeyChanged || action == logevent.Contradicted {
			category = event.CategoryCryptographic
		}
		assert.Equal(t, "auditlog."+string(action), got.Operation)
		assert.Equal(t, []any{"an id", timestamp.Nanoseconds(now), origin, level, category}, []any{got.EventID, got.Timestamp, got.ResourceID, got.Level, got.Category}, action)
	}
}

// Texts of others are written as readers take them, and no longer than they may be.
func TestTextsOfOthers(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, tt := range map[string]struct{ text, want, id string }{
		"plain":          {"plain", "plain", "plain"},
		"no UTF-8":       {"a\xff\xfeb", "a\uFFFDb", "a\uFFFDb"},
		"separators":     {"a\u2028b\u2029c", "a b c", "a b c"},
		"long":           {long, long[:4096] + "…", long[:128]},
		"half a rune":    {long[:4095] + "é", long[:4095] + "\uFFFD…", long[:128]},
		"half an id":     {long[:127] + "é", long[:127] + "é", long[:127] + "\uFFFD"},
		"ends of a line": {"\"},\"signature\":null}\n\x00\x7f", "\"},\"signature\":null}\n\x00\x7f", "\"},\"signature\":null}\n\x00\x7f"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := logevent.Parse([]byte(written(t, logevent.Event{
				Action: logevent.Damaged, Detail: tt.text, File: tt.text, Reason: tt.text, Segment: tt.text, Version: tt.text, Witness: tt.text,
				Conflict: &logevent.Conflict{EventID: tt.text}, Refused: &logevent.Refusal{EventID: tt.text},
				Sequence: &logevent.Sequence{Producer: tt.text, RecordID: tt.text, Stream: tt.text},
			})))
			require.NoError(t, err)
			assert.Equal(t, logevent.Event{
				Action: logevent.Damaged, Detail: tt.want, File: tt.want, Reason: tt.want, Segment: tt.want, Version: tt.want, Witness: tt.want,
				Conflict: &logevent.Conflict{EventID: tt.id}, Refused: &logevent.Refusal{EventID: tt.id},
				Sequence: &logevent.Sequence{Producer: tt.want, RecordID: tt.want, Stream: tt.want},
			}, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	hashes := func(n int) string { return strings.TrimSuffix(strings.Repeat(`"`+encodedRoot+`",`, n), ",") }
	for name, tt := range map[string]struct{ log, want string }{
		"nothing":               {``, "expected"},
		"no object":             {`[]`, "expected"},
		"something after it":    {`{"action":"opened"}{}`, "something follows"},
		"white space":           {`{"action": "opened"}`, ""},
		"no UTF-8":              {"{\"action\":\"opened\",\"detail\":\"\xff\"}", "UTF-8"},
		"no action":             {`{"detail":"x"}`, "no action"},
		"an empty action":       {`{"action":""}`, "no action"},
		"another case":          {`{"ACTION":"pruned"}`, "no action"},
		"an action twice":       {`{"action":"opened","action":"pruned"}`, "twice"},
		"an action of a number": {`{"action":1}`, "action: not a text"},
		"members out of order":  {`{"detail":"x","action":"opened"}`, "out of order"},
		"null":                  {`{"action":"damaged","detail":null}`, "detail: not a text"},
		"a text as a number":    {`{"action":"pruned","before":"7"}`, "before: not an integer"},
		"a fraction":            {`{"action":"pruned","before":1.5}`, "before: not an integer"},
		"a negative number":     {`{"action":"contradicted","size":-1}`, "size: not an integer"},
		"2^53":                  {`{"action":"pruned","before":9007199254740992}`, "before: not an integer"},
		"a hash too short":      {`{"action":"pruned","root_hash":"AAAA"}`, "root_hash: not a hash"},
		"a hash in hex":         {`{"action":"pruned","root_hash":"` + strings.Repeat("5e", 32) + `"}`, "root_hash: not a hash"},
		"a loose hash":          {`{"action":"pruned","root_hash":"` + strings.Repeat("A", 42) + `B="}`, "root_hash: not a hash"},
		"a line break in one":   {`{"action":"pruned","root_hash":"` + strings.Repeat("A", 41) + `\n="}`, "root_hash: not a hash"},
		"a hash of numbers":     {`{"action":"pruned","root_hash":[1,2,3]}`, "root_hash: not a hash"},
		"no object before":      {`{"action":"rotated","previous":7}`, "previous"},
		"nothing of a segment":  {`{"action":"rotated","previous":{}}`, "no first_index"},
		"a segment of null":     {`{"action":"pruned","segments":[null]}`, "segments"},
		"segments of nothing":   {`{"action":"pruned","segments":[{}]}`, "no first_index"},
		"segments, not a list":  {`{"action":"pruned","segments":{}}`, "segments: not a list"},
		"an endless range":      {`{"action":"rotated","previous":{"first_index":0,"range":[` + hashes(129) + `],"root_hash":"` + encodedRoot + `","segment":"x","tree_size":7}}`, "more than 128"},
		"an endless proof":      {`{"action":"witnessed","proof":[` + hashes(64) + `]}`, "more than 63"},
		"a time with a comma":   {`{"action":"clock_jumped","until":"2026-11-24T10:15:00,123456789Z"}`, "until: not a time"},
		"a time of an offset":   {`{"action":"clock_jumped","until":"2026-11-24T10:15:00.123456789+00:00"}`, "until: not a time"},
		"a number of a stream":  {`{"action":"sequence_gap","sequence":{"number":7}}`, "number: not a text"},
		"and with a zero":       {`{"action":"sequence_gap","sequence":{"number":"07"}}`, "number: not a decimal"},
		"a count as a text":     {`{"action":"refused_suppressed","refused":{"count":"7"}}`, "count: not an integer"},
		"conflicts":             {`{"action":"id_conflict","conflict":[]}`, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := logevent.Parse([]byte(tt.log))
			assert.ErrorContains(t, err, tt.want)
			assert.Equal(t, logevent.Event{Action: e.Action}, e, "more than the action")
		})
	}
}

// What a later version may add does not keep this one from reading on.
func TestParsePassesOver(t *testing.T) {
	for log, want := range map[string]logevent.Event{
		`{"action":"later","before":"x","previous":7,"size":-1}`: {Action: "later"},
		`{"a":1,"action":"opened","b":{"c":[]},"version":"v"}`:   {Action: logevent.Opened, Version: "v"},
		`{"Before":7,"action":"pruned","before":5}`:              {Action: logevent.Pruned, Before: 5},
		`{"action":"refused","refused":{"later":1,"reason":"r"}}`: {
			Action: logevent.Refused, Refused: &logevent.Refusal{Reason: "r"},
		},
	} {
		got, err := logevent.Parse([]byte(log))
		require.NoError(t, err, log)
		assert.Equal(t, want, got, log)
	}
}

// The format's page names each action that there is, and no other.
func TestActionsAreTheFormats(t *testing.T) {
	page, err := os.ReadFile("../docs/format.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "### 6.4 ")
	section, _, _ = strings.Cut(section, "### 6.5 ")
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^(?:\\||-) (`[^:|]*)").FindAllStringSubmatch(section, -1) {
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[1], -1) {
			named[word[1]] = true
		}
	}
	for name := range named {
		assert.True(t, logevent.Action(name).Known(), name)
	}
	for _, a := range []logevent.Action{
		logevent.Opened, logevent.Closed, logevent.Rotated, logevent.KeyChanged, logevent.Recovered, logevent.Damaged, logevent.Pruned, logevent.Witnessed, logevent.Contradicted,
		logevent.Resumed, logevent.SigningDegraded, logevent.SigningRestored, logevent.SequenceGap, logevent.SequenceRepeat, logevent.SequenceBrokenLink, logevent.SequenceAfterEnd,
		logevent.SequenceMalformed, logevent.SequenceSuppressed, logevent.IDConflict, logevent.Refused, logevent.RefusedSuppressed, logevent.ClockJumped, logevent.StateAdopted,
	} {
		assert.True(t, named[string(a)], a)
		assert.True(t, a.Known(), a)
	}
	assert.False(t, logevent.Action("sequence_").Known())
	assert.Contains(t, section, "its first three lines")
	assert.Equal(t, 3, logevent.HeadLines)
}
