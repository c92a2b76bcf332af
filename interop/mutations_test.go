// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/timestamp"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// files is a log's directory.
type files map[string][]byte

func readFiles(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
	}
	return all
}

// Whoever has linked for content is a link to the file called elsewhere.
const (
	linked    = "a link"
	elsewhere = "elsewhere"
)

// write makes a directory what the files say.
func (f files) write(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for name, b := range f {
		path := filepath.Join(dir, name)
		var err error
		if string(b) == linked {
			err = os.Symlink(elsewhere, path)
		} else {
			err = os.WriteFile(path, b, 0o600)
		}
		require.NoError(t, err)
	}
}

func (f files) clone() files {
	c := files{}
	for name, b := range f {
		c[name] = bytes.Clone(b)
	}
	return c
}

func (f files) names() []string { return slices.Sorted(maps.Keys(f)) }

// segments are the names of segments, in order.
func (f files) segments() []string {
	return slices.DeleteFunc(f.names(), func(name string) bool {
		_, err := segment.ParseName(name)
		return err != nil
	})
}

// lines returns what a segment, or a text file, holds, by line with LF; false if it cannot
// be read.
func (f files) lines(name string) ([][]byte, bool) {
	b := f[name]
	if parsed, err := segment.ParseName(name); err == nil && parsed.Compression != compression.None {
		r, err := compression.NewReader(bytes.NewReader(b), parsed.Compression)
		if err != nil {
			return nil, false
		}
		defer r.Close()
		if b, err = io.ReadAll(r); err != nil {
			return nil, false
		}
	}
	return slices.Collect(bytes.Lines(b)), true
}

// setLines is the other direction.
func (f files) setLines(name string, lines [][]byte) {
	b := bytes.Join(lines, nil)
	if parsed, err := segment.ParseName(name); err == nil {
		b = compressed(b, parsed.Compression)
	}
	f[name] = b
}

func compressed(b []byte, c compression.Method) []byte {
	if c == compression.None {
		return b
	}
	var out bytes.Buffer
	w, err := compression.NewWriter(&out, c)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes all
	}
	return out.Bytes()
}

// mutator changes directories at random. It has others to take parts from.
type mutator struct {
	*rand.Rand
	donors []files
	before files // the same log as it once was
}

// pick returns one of a list, or the zero value if there is none.
func pick[T any](m *mutator, list []T) (one T) {
	if len(list) == 0 {
		return one
	}
	return list[m.IntN(len(list))]
}

// donor returns the files of another log, or of this one as it once was.
func (m *mutator) donor() files {
	if m.IntN(2) == 0 {
		return m.before
	}
	return pick(m, m.donors)
}

// mutation changes a directory and says how, or "" if there is nothing to change so.
type mutation func(m *mutator, f files) string

// mutations are grouped, so that each group comes as often as any other.
var mutations = [][]mutation{byteMutations, lineMutations, segmentMutations, headerMutations, besideMutations}

var byteMutations = []mutation{
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		b := f[name]
		if len(b) == 0 {
			return ""
		}
		at, bit := m.IntN(len(b)), m.IntN(8)
		b[at] ^= 1 << bit
		return fmt.Sprintf("flip bit %d of byte %d of %s", bit, at, name)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		b := f[name]
		if len(b) == 0 {
			return ""
		}
		at, to := m.IntN(len(b)), pick(m, []byte("\x00\n\"0 }{,=A\xff"))
		if b[at] == to {
			return ""
		}
		b[at] = to
		return fmt.Sprintf("byte %d of %s becomes %q", at, name, to)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		at, b := m.IntN(len(f[name])+1), pick(m, []byte("\x00\n\"0 },a"))
		f[name] = slices.Insert(f[name], at, b)
		return fmt.Sprintf("insert %q at byte %d of %s", b, at, name)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		if len(f[name]) == 0 {
			return ""
		}
		at := m.IntN(len(f[name]))
		to := min(len(f[name]), at+1+m.IntN(3))
		f[name] = slices.Delete(f[name], at, to)
		return fmt.Sprintf("delete bytes %d to %d of %s", at, to, name)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		at := m.IntN(len(f[name]) + 1)
		f[name] = f[name][:at]
		return fmt.Sprintf("cut %s off at byte %d", name, at)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		at := m.IntN(len(f[name]) + 1)
		clear(f[name][at:])
		return fmt.Sprintf("zeros in %s from byte %d on", name, at)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		more := pick(m, []string{"\n", "\x00\x00\x00", "junk", "junk\n", "{}\n", `{"event":`, "\x00\n", `{"commit":{"number":1,"time":"2026-11-23T10:00:00.000000000Z"}}` + "\n", " "})
		f[name] = append(f[name], more...)
		return fmt.Sprintf("append %q to %s", more, name)
	},
}

// aSegment returns one that can be read, and its lines.
func (m *mutator) aSegment(f files) (name string, lines [][]byte) {
	for _, i := range m.Perm(len(f.segments())) {
		name = f.segments()[i]
		if lines, ok := f.lines(name); ok && len(lines) > 0 {
			return name, lines
		}
	}
	return "", nil
}

// linesOf returns the places of lines of a kind.
func linesOf(lines [][]byte, kind segline.Kind) (at []int) {
	for i, l := range lines {
		if segment.KindOf(l) == kind {
			at = append(at, i)
		}
	}
	return at
}

var lineMutations = []mutation{
	func(m *mutator, f files) string {
		name, lines := m.aSegment(f)
		if lines == nil {
			return ""
		}
		i := m.IntN(len(lines))
		f.setLines(name, slices.Delete(lines, i, i+1))
		return fmt.Sprintf("delete line %d of %s", i+1, name)
	},
	func(m *mutator, f files) string {
		name, lines := m.aSegment(f)
		if lines == nil {
			return ""
		}
		i, to := m.IntN(len(lines)), m.IntN(len(lines)+1)
		f.setLines(name, slices.Insert(lines, to, lines[i]))
		return fmt.Sprintf("repeat line %d of %s before line %d", i+1, name, to+1)
	},
	func(m *mutator, f files) string {
		name, lines := m.aSegment(f)
		if len(lines) < 2 {
			return ""
		}
		i, j := m.IntN(len(lines)), m.IntN(len(lines))
		if bytes.Equal(lines[i], lines[j]) {
			return ""
		}
		lines[i], lines[j] = lines[j], lines[i]
		f.setLines(name, lines)
		return fmt.Sprintf("swap lines %d and %d of %s", i+1, j+1, name)
	},
	func(m *mutator, f files) string { // from one segment to another
		from, a := m.aSegment(f)
		to, b := m.aSegment(f)
		if from == to || a == nil {
			return ""
		}
		i, j := m.IntN(len(a)), m.IntN(len(b)+1)
		line := a[i]
		f.setLines(from, slices.Delete(a, i, i+1))
		f.setLines(to, slices.Insert(b, j, line))
		return fmt.Sprintf("move line %d of %s to line %d of %s", i+1, from, j+1, to)
	},
	func(m *mutator, f files) string { // from another log, or another time
		name, lines := m.aSegment(f)
		d := m.donor()
		from, others := m.aSegment(d)
		if lines == nil || others == nil {
			return ""
		}
		i, j := m.IntN(len(others)), m.IntN(len(lines))
		if m.IntN(2) == 0 {
			f.setLines(name, slices.Insert(lines, j, others[i]))
			return fmt.Sprintf("insert line %d of another log's %s at line %d of %s", i+1, from, j+1, name)
		}
		if bytes.Equal(lines[j], others[i]) {
			return ""
		}
		lines[j] = others[i]
		f.setLines(name, lines)
		return fmt.Sprintf("line %d of %s becomes line %d of another log's %s", j+1, name, i+1, from)
	},
	func(m *mutator, f files) string { // what ends commits
		name, lines := m.aSegment(f)
		kind := pick(m, []segline.Kind{segline.KindCommit, segline.KindCheckpoint})
		at := linesOf(lines, kind)
		if len(at) == 0 {
			return ""
		}
		i := pick(m, at)
		f.setLines(name, slices.Delete(lines, i, i+1))
		return fmt.Sprintf("delete line %d of %s, which ends a commit", i+1, name)
	},
	func(m *mutator, f files) string { // two commits become one
		name, lines := m.aSegment(f)
		at := linesOf(lines, segline.KindCheckpoint)
		if len(at) < 2 {
			return ""
		}
		i := at[m.IntN(len(at)-1)]
		if i == 0 {
			return ""
		}
		f.setLines(name, slices.Delete(lines, i-1, i+1))
		return fmt.Sprintf("join the commits of %s at line %d", name, i+1)
	},
	func(m *mutator, f files) string { // all after some checkpoint
		name, lines := m.aSegment(f)
		at := linesOf(lines, segline.KindCheckpoint)
		if len(at) == 0 {
			return ""
		}
		i := pick(m, at) + m.IntN(2)
		f.setLines(name, lines[:i])
		return fmt.Sprintf("cut %s off after line %d", name, i)
	},
	func(m *mutator, f files) string { // digits, wherever they mean something
		name, lines := m.aSegment(f)
		if lines == nil {
			return ""
		}
		i := m.IntN(len(lines))
		at := pick(m, regexp.MustCompile(`[:"T-]\d+`).FindAllIndex(lines[i], -1))
		if at == nil {
			return ""
		}
		digit := at[0] + 1 + m.IntN(at[1]-at[0]-1)
		old := lines[i][digit]
		lines[i] = bytes.Clone(lines[i])
		lines[i][digit] = '0' + (old-'0'+1+byte(m.IntN(9)))%10
		f.setLines(name, lines)
		return fmt.Sprintf("a digit of line %d of %s: byte %d, %c to %c", i+1, name, digit, old, lines[i][digit])
	},
	func(m *mutator, f files) string { // a signature line of a checkpoint
		name, lines := m.aSegment(f)
		at := linesOf(lines, segline.KindCheckpoint)
		if len(at) == 0 {
			return ""
		}
		i := pick(m, at)
		note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[i], []byte("\n")))
		if err != nil {
			return ""
		}
		changed, how := m.signatureLines(note)
		if how == "" {
			return ""
		}
		lines[i] = append(segline.AppendCheckpoint(nil, changed), '\n')
		f.setLines(name, lines)
		return fmt.Sprintf("%s on line %d of %s", how, i+1, name)
	},
}

// signatureLines changes the signature lines of a note.
func (m *mutator) signatureLines(note []byte) (_ []byte, how string) {
	split := bytes.LastIndex(note, []byte("\n\n"))
	if split < 0 {
		return nil, ""
	}
	text, lines := note[:split+2], slices.Collect(bytes.Lines(note[split+2:]))
	if len(lines) == 0 {
		return nil, ""
	}
	i := m.IntN(len(lines))
	fields := strings.Fields(string(lines[i]))
	if len(fields) != 3 {
		return nil, ""
	}
	b, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(b) < 10 {
		return nil, ""
	}
	line := func(b []byte) []byte {
		return fmt.Appendf(nil, "%s %s %s\n", fields[0], fields[1], base64.StdEncoding.EncodeToString(b))
	}
	bad := bytes.Clone(b)
	bad[5+m.IntN(len(b)-5)] ^= 1 << m.IntN(8)
	stranger := bytes.Clone(b)
	stranger[m.IntN(4)] ^= 1 << m.IntN(8)
	switch m.IntN(7) {
	case 0:
		lines, how = slices.Delete(lines, i, i+1), "delete a signature line"
	case 1:
		lines, how = append(lines, lines[i]), "repeat a signature line"
	case 2:
		lines, how = append(lines, line(bad)), "append a bad signature line of the same key"
	case 3:
		lines, how = slices.Insert(lines, 0, line(bad)), "insert a bad signature line of the same key"
	case 4:
		lines, how = append(lines, line(stranger)), "append a signature line of a stranger"
	case 5:
		lines[i], how = line(stranger), "a signature line becomes a stranger's"
	default:
		lines[i], how = line(bad), "a signature line becomes bad"
	}
	return slices.Concat(text, bytes.Join(lines, nil)), how
}

var segmentMutations = []mutation{
	func(m *mutator, f files) string {
		name := pick(m, f.segments())
		if name == "" {
			return ""
		}
		delete(f, name)
		return "delete " + name
	},
	func(m *mutator, f files) string {
		a, b := pick(m, f.segments()), pick(m, f.segments())
		if a == b {
			return ""
		}
		f[a], f[b] = f[b], f[a]
		return fmt.Sprintf("swap the contents of %s and %s", a, b)
	},
	func(m *mutator, f files) string { // another index, time or suffix
		name := pick(m, f.segments())
		parsed, err := segment.ParseName(name)
		if err != nil {
			return ""
		}
		switch m.IntN(4) {
		case 0:
			parsed.FirstIndex += uint64(m.IntN(3) + 1)
		case 1:
			parsed.FirstIndex = max(parsed.FirstIndex, 3) - uint64(m.IntN(3)+1)
		case 2:
			parsed.Created = parsed.Created.Add(time.Duration(m.IntN(5)-2) * time.Second)
		case 3:
			parsed.Compression = pick(m, []compression.Method{compression.None, compression.Gzip, compression.Zstd})
		}
		to := parsed.String()
		if to == name {
			return ""
		}
		b := f[name]
		delete(f, name)
		f[to] = b
		return fmt.Sprintf("rename %s to %s", name, to)
	},
	func(m *mutator, f files) string { // a date that does not exist
		name := pick(m, f.segments())
		to := regexp.MustCompile(`-\d{8}T`).ReplaceAllString(name, pick(m, []string{"-20260230T", "-20261301T", "-20261123t"}))
		if name == "" || to == name {
			return ""
		}
		f[to] = f[name]
		delete(f, name)
		return fmt.Sprintf("rename %s to %s", name, to)
	},
	func(m *mutator, f files) string { // both forms
		name, lines := m.aSegment(f)
		parsed, err := segment.ParseName(name)
		if err != nil {
			return ""
		}
		parsed.Compression = pick(m, []compression.Method{compression.None, compression.Gzip, compression.Zstd})
		to := parsed.String()
		if f[to] != nil {
			return ""
		}
		how := "the same"
		switch m.IntN(3) {
		case 0:
			lines, how = lines[:len(lines)-1], "a line less"
		case 1:
			from, others := m.aSegment(m.donor())
			lines, how = others, "another log's "+from
		}
		f.setLines(to, lines)
		return fmt.Sprintf("%s next to %s, with %s", to, name, how)
	},
	func(m *mutator, f files) string { // one form for another
		name, lines := m.aSegment(f)
		parsed, err := segment.ParseName(name)
		if err != nil {
			return ""
		}
		parsed.Compression = pick(m, []compression.Method{compression.None, compression.Gzip, compression.Zstd})
		to := parsed.String()
		if to == name {
			return ""
		}
		delete(f, name)
		f.setLines(to, lines)
		return fmt.Sprintf("%s in the form of %s", name, to)
	},
	func(m *mutator, f files) string { // two frames, or something after the only one
		name := pick(m, f.segments())
		if parsed, err := segment.ParseName(name); err != nil || parsed.Compression == compression.None {
			return ""
		}
		f[name] = append(f[name], pick(m, [][]byte{bytes.Clone(f[name]), {0}, []byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x")})...)
		return "more after the compressed content of " + name
	},
	func(m *mutator, f files) string { // replayed
		d := m.donor()
		from := pick(m, d.segments())
		name := pick(m, f.segments())
		if from == "" || name == "" || bytes.Equal(f[name], d[from]) {
			return ""
		}
		switch m.IntN(3) {
		case 0:
			f[name] = bytes.Clone(d[from])
			return fmt.Sprintf("%s becomes another log's %s", name, from)
		case 1:
			if bytes.Equal(f[from], d[from]) {
				return ""
			}
			f[from] = bytes.Clone(d[from])
			return "add another log's " + from
		default:
			for _, name := range f.names() {
				if d := m.before[name]; d != nil {
					f[name] = bytes.Clone(d)
				} else if m.IntN(3) > 0 {
					delete(f, name)
				}
			}
			return "go back to how the log once was"
		}
	},
	func(m *mutator, f files) string { // stubs
		name, lines := m.aSegment(f)
		if lines == nil {
			return ""
		}
		switch m.IntN(5) {
		case 0:
			f.setLines(name, nil)
			return "empty " + name
		case 1:
			f.setLines(name, lines[:1])
			return "nothing but the header in " + name
		case 2:
			f.setLines(name, [][]byte{lines[0][:m.IntN(len(lines[0]))]})
			return "a part of the header in " + name
		case 3:
			f.setLines(name, [][]byte{make([]byte, 1+m.IntN(4000))})
			return "zeros in " + name
		default:
			for other := range f {
				if other != name {
					delete(f, other)
				}
			}
			f.setLines(name, lines[:m.IntN(min(3, len(lines))+1)])
			return "nothing but the beginning of " + name
		}
	},
	func(m *mutator, f files) string { // a segment more
		all := f.segments()
		if len(all) == 0 {
			return ""
		}
		parsed, err := segment.ParseName(all[len(all)-1])
		if err != nil {
			return ""
		}
		parsed.Compression = compression.None
		parsed.FirstIndex += uint64(m.IntN(40))
		if f[parsed.String()] != nil {
			return ""
		}
		content := []byte{}
		if m.IntN(2) == 0 {
			_, lines := m.aSegment(f)
			if len(lines) == 0 {
				return ""
			}
			content = bytes.Clone(lines[0])
		}
		f[parsed.String()] = content
		return fmt.Sprintf("add %s of %d bytes", parsed, len(content))
	},
	func(m *mutator, f files) string { // a hole, or a beginning less
		all := f.segments()
		if len(all) < 2 {
			return ""
		}
		from := m.IntN(len(all) - 1)
		to := from + 1 + m.IntN(len(all)-1-from)
		for _, name := range all[from:to] {
			delete(f, name)
		}
		return fmt.Sprintf("delete segments %d to %d of %d", from+1, to, len(all))
	},
	func(m *mutator, f files) string { // the end
		all := f.segments()
		if len(all) < 2 {
			return ""
		}
		n := 1 + m.IntN(len(all)-1)
		for _, name := range all[n:] {
			delete(f, name)
		}
		return fmt.Sprintf("delete all segments after the first %d", n)
	},
	func(m *mutator, f files) string {
		name := pick(m, f.names())
		if name == "" {
			return ""
		}
		f[elsewhere] = f[name]
		f[name] = []byte(linked)
		return name + " becomes a link"
	},
}

// editHeader changes a header by a pattern.
func editHeader(pattern string, to func(m *mutator, old string) string) mutation {
	re := regexp.MustCompile(pattern)
	return func(m *mutator, f files) string {
		name, lines := m.aSegment(f)
		if lines == nil {
			return ""
		}
		at := re.FindSubmatchIndex(lines[0])
		if at == nil {
			return ""
		}
		old := string(lines[0][at[2]:at[3]])
		line := slices.Concat(lines[0][:at[2]], []byte(to(m, old)), lines[0][at[3]:])
		if bytes.Equal(line, lines[0]) {
			return ""
		}
		lines[0] = line
		f.setLines(name, lines)
		return fmt.Sprintf("the header of %s: %.60s becomes %.60s", name, old, line[at[2]:])
	}
}

func oneOf(choices ...string) func(*mutator, string) string {
	return func(m *mutator, _ string) string { return pick(m, choices) }
}

var headerMutations = []mutation{
	editHeader(`"features":(\[[^\]]*\])`, oneOf(`[]`, `["ids"]`, `["partition"]`, `["ids","partition"]`, `["partition","ids"]`, `["later"]`, `["ids","ids"]`)),
	editHeader(`"scope":("[a-z]+")`, oneOf(`"event"`, `"checkpoint"`, `"other"`, `"later"`)),
	editHeader(`"format":"(auditlog/v1)"`, oneOf("auditlog/v2", "auditlog/v0", "", "other")),
	editHeader(`"min_age":(\d+)`, oneOf("0", "1", "86400", "4611686018", "4611686019", "-1", "01")),
	editHeader(`"retain":"([^"]+)"`, oneOf("1970-01-01T00:00:00.000000000Z", "2999-01-01T00:00:00.000000000Z", "2026-02-30T00:00:00.000000000Z", "2026-01-01T00:00:00Z")),
	editHeader(`"log":"([^"]+)"`, func(m *mutator, _ string) string {
		id := make([]byte, 32)
		id[0] = byte(m.IntN(256))
		return base64.StdEncoding.EncodeToString(id)
	}),
	editHeader(`"origin":"([^"]+)"`, oneOf("vectors.example/other", "a b", "{", "")),
	editHeader(`"first_index":(\d+)`, func(m *mutator, old string) string {
		n, _ := strconv.Atoi(old)
		return strconv.Itoa(max(0, n+m.IntN(5)-2))
	}),
	editHeader(`"created":"([^"]+)"`, func(m *mutator, old string) string {
		t, err := time.Parse(timestamp.Layout, old)
		if err != nil {
			return old
		}
		return t.Add(time.Duration(m.IntN(5)-2) * 400 * time.Millisecond).Format(timestamp.Layout)
	}),
	editHeader(`"keys":\[(.*)\]\}`, func(m *mutator, old string) string {
		keys := strings.SplitAfter(old, "},")
		switch m.IntN(3) {
		case 0:
			slices.Reverse(keys)
		case 1:
			keys = keys[1:]
		case 2:
			keys = append(keys, keys[0])
		}
		for i, k := range keys {
			keys[i] = strings.TrimSuffix(k, ",")
		}
		return strings.Join(keys, ",")
	}),
	editHeader(`"keys":\[.*\](\}\})`, oneOf(`,"succeeds":{"log":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","size":1,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}`, `,"later":1}}`)),
	editHeader(`"frontier":(\[[^\]]*\])`, func(m *mutator, old string) string {
		hashes := strings.Split(strings.Trim(old, "[]"), ",")
		slices.Reverse(hashes)
		return "[" + strings.Join(hashes[m.IntN(2):], ",") + "]"
	}),
}

// aSideFile returns one of the files beside the segments that consist of lines.
func (m *mutator) aSideFile(f files) (name string, lines [][]byte) {
	names := slices.DeleteFunc(f.names(), func(name string) bool {
		return name != sidefile.KeyChangesName && name != sidefile.PrunedRangesName && !strings.HasSuffix(name, ".values")
	})
	if name = pick(m, names); name == "" {
		return "", nil
	}
	return name, slices.Collect(bytes.Lines(f[name]))
}

var besideMutations = []mutation{
	func(m *mutator, f files) string {
		name, lines := m.aSideFile(f)
		if len(lines) == 0 {
			return ""
		}
		i := m.IntN(len(lines))
		f[name] = bytes.Join(slices.Delete(lines, i, i+1), nil)
		return fmt.Sprintf("delete line %d of %s", i+1, name)
	},
	func(m *mutator, f files) string {
		name, lines := m.aSideFile(f)
		if len(lines) == 0 {
			return ""
		}
		i, j := m.IntN(len(lines)), m.IntN(len(lines))
		if i == j {
			lines = append(lines, lines[i])
		} else {
			lines[i], lines[j] = lines[j], lines[i]
		}
		f[name] = bytes.Join(lines, nil)
		return fmt.Sprintf("swap lines %d and %d of %s, or repeat one", i+1, j+1, name)
	},
	func(m *mutator, f files) string { // digits and base64
		name, lines := m.aSideFile(f)
		if len(lines) == 0 {
			return ""
		}
		i := m.IntN(len(lines))
		at := m.IntN(len(lines[i]))
		old := lines[i][at]
		lines[i][at] = pick(m, []byte("0123456789ABCabc"))
		if lines[i][at] == old {
			return ""
		}
		return fmt.Sprintf("byte %d of line %d of %s: %c to %c", at, i+1, name, old, lines[i][at]) // lines are views of the file
	},
	func(m *mutator, f files) string { // another log's
		d := m.donor()
		name := pick(m, []string{sidefile.KeyChangesName, sidefile.PrunedRangesName, sidefile.CheckpointName})
		if d[name] == nil || bytes.Equal(f[name], d[name]) {
			return ""
		}
		if name != sidefile.CheckpointName && m.IntN(2) == 0 {
			f[name] = slices.Concat(f[name], d[name])
			return "append another log's " + name
		}
		f[name] = bytes.Clone(d[name])
		return "put another log's " + name + " in its place"
	},
	func(m *mutator, f files) string {
		name := pick(m, []string{sidefile.KeyChangesName, sidefile.PrunedRangesName, sidefile.CheckpointName})
		how := pick(m, []string{"", "junk\n", "junk", "\n"})
		if how == "" && m.IntN(2) == 0 && f[name] != nil {
			delete(f, name)
			return "delete " + name
		}
		if bytes.Equal(f[name], []byte(how)) {
			return ""
		}
		f[name] = []byte(how)
		return fmt.Sprintf("%s becomes %q", name, how)
	},
	func(m *mutator, f files) string {
		note := f[sidefile.CheckpointName]
		changed, how := m.signatureLines(note)
		if how == "" {
			return ""
		}
		f[sidefile.CheckpointName] = changed
		return how + " in the file checkpoint"
	},
	func(m *mutator, f files) string { // an older checkpoint of the log, or another one
		source := f
		if m.IntN(2) == 0 {
			source = m.donor()
		}
		_, lines := m.aSegment(source)
		at := linesOf(lines, segline.KindCheckpoint)
		if len(at) == 0 {
			return ""
		}
		note, err := segment.ParseCheckpoint(bytes.TrimSuffix(lines[pick(m, at)], []byte("\n")))
		if err != nil || bytes.Equal(note, f[sidefile.CheckpointName]) {
			return ""
		}
		f[sidefile.CheckpointName] = note
		return "another checkpoint in the file checkpoint"
	},
	func(m *mutator, f files) string { // openings for what has none
		name := pick(m, f.segments())
		parsed, err := segment.ParseName(name)
		if err != nil || f[segname.Values(parsed)] != nil {
			return ""
		}
		f[segname.Values(parsed)] = fmt.Appendf(nil, `{"leaf":%d,"pointer":"/body","salt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","value":1}`+"\n", parsed.FirstIndex+uint64(m.IntN(4)))
		return "openings for " + name
	},
	func(m *mutator, f files) string { // files that are no part of the log
		name := pick(m, []string{"x.tmp", "torn-00000000000000000007-0123456789abcdef.tail", ".lock", "other", "audit-00000000000000000099-20261123T100000Z.values"})
		if f[name] != nil {
			return ""
		}
		f[name] = []byte("x")
		return "add " + name
	},
}
