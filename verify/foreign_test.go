// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/trust"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// byHand is a way in which somebody compresses a segment.
type byHand struct {
	suffix   string
	compress func(t testing.TB, plain []byte) []byte
	// unread says that it takes another reader, how what to do.
	unread bool
	how    string
}

func zstdWith(options ...zstd.EOption) func(t testing.TB, plain []byte) []byte {
	return func(t testing.TB, plain []byte) []byte {
		t.Helper()
		var buf bytes.Buffer
		z, err := zstd.NewWriter(&buf, append(options, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))...)
		require.NoError(t, err)
		half := len(plain) / 2
		_, err = z.Write(plain[:half])
		require.NoError(t, err)
		require.NoError(t, z.Flush()) // or else a small file is its own window
		_, err = z.Write(plain[half:])
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return buf.Bytes()
	}
}

func gzipWith(change func(h *gzip.Header)) func(t testing.TB, plain []byte) []byte {
	return func(t testing.TB, plain []byte) []byte {
		t.Helper()
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		change(&z.Header)
		_, err := z.Write(plain)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return buf.Bytes()
	}
}

// halves compresses each half by itself.
func halves(compress func(t testing.TB, plain []byte) []byte) func(t testing.TB, plain []byte) []byte {
	return func(t testing.TB, plain []byte) []byte {
		half := len(plain) / 2
		return append(compress(t, plain[:half]), compress(t, plain[half:])...)
	}
}

func begins(magic string) func(t testing.TB, plain []byte) []byte {
	return func(testing.TB, []byte) []byte { return []byte(magic + "anything") }
}

var skippableFrame = []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00note")

var handmade = map[string]byHand{
	"gzip":                 {".gz", gzipWith(func(h *gzip.Header) { h.Name = "audit.jsonl" }), false, "gzip -d"},
	"gzip with a comment":  {".gz", gzipWith(func(h *gzip.Header) { h.Comment, h.Extra = "a comment", []byte("more") }), false, "gzip -d"},
	"several gzip members": {".gz", halves(gzipWith(func(*gzip.Header) {})), false, "gzip -d"},
	"gzip members that hold nothing": {".gz", func(t testing.TB, p []byte) []byte {
		pack := gzipWith(func(*gzip.Header) {})
		nothing := bytes.Repeat(pack(t, nil), 300)
		return slices.Concat(nothing, pack(t, p[:len(p)/2]), nothing, pack(t, p[len(p)/2:]), nothing)
	}, false, "gzip -d"},
	"zstd without a checksum":  {".zst", zstdWith(zstd.WithEncoderCRC(false)), false, "zstd -d"},
	"several zstd frames":      {".zst", halves(zstdWith()), false, "zstd -d"},
	"a skippable frame, first": {".zst", func(t testing.TB, p []byte) []byte { return append(bytes.Clone(skippableFrame), zstdWith()(t, p)...) }, false, "zstd -d"},
	"a skippable frame, last":  {".zst", func(t testing.TB, p []byte) []byte { return append(zstdWith()(t, p), skippableFrame...) }, false, "zstd -d"},
	"gzip, called zstd":        {".zst", gzipWith(func(*gzip.Header) {}), false, "Decompress"},
	"zstd with a large window": {".zst", zstdWith(zstd.WithWindowSize(16 << 20)), true, "zstd -d --rm --long=31"},
	"a large window, later": {".zst", func(t testing.TB, p []byte) []byte {
		return append(zstdWith()(t, p[:len(p)/2]), zstdWith(zstd.WithWindowSize(16<<20))(t, p[len(p)/2:])...)
	}, true, "zstd -d --rm --long=31"},
	"zstd with a dictionary":   {".zst", func(t testing.TB, p []byte) []byte { f := zstdWith()(t, p); f[4] |= 1; return slices.Insert(f, 6, 7) }, true, "zstd -d -D"},
	"a whole file as a window": {".zst", begins("\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x40"), true, "zstd -d --rm --long=31"},
	"xz":                       {".xz", begins("\xfd7zXZ\x00"), true, "xz -d"},
	"bzip2":                    {".bz2", begins("BZh9"), true, "bzip2 -d"},
	"lz4":                      {".lz4", begins("\x04\x22\x4d\x18"), true, "lz4 -d"},
	"xz, called gzip":          {".gz", begins("\xfd7zXZ\x00"), true, "Decompress"},
}

// A segment that somebody has compressed by hand is not evidence against anybody: what can be
// read is checked, and says what to do.
func TestCompressedByHand(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	n := len(w.Segments)
	require.Greater(t, n, 3)
	whole := checkCopy(t, w)
	for form, hand := range handmade {
		for position, i := range map[string]int{"first": 0, "middle": n / 2, "newest sealed": n - 2, "newest": n - 1} {
			t.Run(form+", "+position, func(t *testing.T) {
				c, plain := w.Clone(), w.Segments[i]
				packed := plain + hand.suffix
				c.Files[packed] = &fstest.MapFile{Data: hand.compress(t, c.Files[plain].Data), Mode: 0o600}
				both := checkCopy(t, c)
				assert.Empty(t, bad(both), "next to the plain one")
				assert.Equal(t, whole.VerifiedEvents, both.VerifiedEvents)
				delete(c.Files, plain)
				r := check(t, c.Files, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: w.Files[sidefile.CheckpointName].Data}}})
				assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%+v", r.Findings)
				kind := verify.ForeignCompression
				if hand.unread {
					kind = verify.SegmentUnreadable
				} else {
					assert.Equal(t, whole.VerifiedEvents, r.VerifiedEvents)
				}
				assert.Equal(t, !hand.unread, r.EndChecked, "not all leaves were read")
				found := ofKind(r, kind)
				require.Len(t, found, 1, "%+v", r.Findings)
				assert.Equal(t, packed, found[0].Segment)
				assert.Contains(t, found[0].Message, hand.how)
				assert.Contains(t, found[0].Message, "verify again")
			})
		}
		t.Run(form+", all", func(t *testing.T) {
			c := w.Clone()
			for _, name := range w.Segments {
				c.Files[name+hand.suffix] = &fstest.MapFile{Data: hand.compress(t, c.Files[name].Data), Mode: 0o600}
				delete(c.Files, name)
			}
			r := checkCopy(t, c)
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%+v", r.Findings)
		})
	}
}

// What a compressor is not to blame for stays tampering.
func TestCompressedByHandAndChanged(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	n := len(w.Segments)
	change := func(plain []byte) []byte { return bytes.Replace(plain, []byte("user-00"), []byte("user-99"), 1) }
	for form, hand := range handmade {
		for i := range n {
			t.Run(form+", "+w.Segments[i], func(t *testing.T) {
				good := hand.compress(t, w.Files[w.Segments[i]].Data)
				tampered := func(what string, do func(c *logtest.Copy, packed string), o verify.Options) {
					t.Helper()
					c, packed := w.Clone(), w.Segments[i]+hand.suffix
					c.Files[packed] = &fstest.MapFile{Data: bytes.Clone(good), Mode: 0o600}
					delete(c.Files, c.Segments[i])
					do(c, packed)
					o.Keys = trusting(w)
					r := check(t, c.Files, o)
					assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s: %+v", what, r.Findings)
				}
				if !hand.unread {
					tampered("its content", func(c *logtest.Copy, packed string) {
						c.Files[packed].Data = hand.compress(t, change(w.Files[w.Segments[i]].Data))
					}, verify.Options{})
					tampered("its end", func(c *logtest.Copy, packed string) { f := c.Files[packed]; f.Data = f.Data[:len(f.Data)-13] }, verify.Options{})
					tampered("more after it", func(c *logtest.Copy, packed string) { f := c.Files[packed]; f.Data = append(f.Data, "x"...) }, verify.Options{})
				}
				if other := (i + 2) % n; other != n-1 {
					tampered("another one's content", func(c *logtest.Copy, _ string) { f := c.Files[w.Segments[other]]; f.Data = change(f.Data) }, verify.Options{})
				}
				if i > 0 && i < n-1 {
					tampered("the one before is gone, and this stands for both", func(c *logtest.Copy, packed string) {
						c.Files[w.Segments[i-1]+hand.suffix] = c.Files[packed]
						delete(c.Files, w.Segments[i-1])
						delete(c.Files, packed)
					}, verify.Options{})
				}
				note := w.Files[sidefile.CheckpointName].Data
				if i < n-2 || i == n-2 && !hand.unread {
					tampered("the end is gone", func(c *logtest.Copy, _ string) { delete(c.Files, w.Segments[n-1]) }, verify.Options{Checkpoints: []verify.Kept{{Note: note}}})
				}
				forked, err := signing.SignCheckpoint("test.example/auditlog", 3, [32]byte{1}, w.Signer)
				require.NoError(t, err)
				if i > 0 || !hand.unread {
					tampered("another history", func(*logtest.Copy, string) {}, verify.Options{Checkpoints: []verify.Kept{{Note: forked}}})
				}
			})
		}
	}
}

// Nobody knows how far a last segment goes that was not read. What was kept of its end is told,
// and is never OK.
func TestTheEndIsCompressedByHand(t *testing.T) {
	w := logtest.WriteKeys(t, rotation.Options{}, logtest.ThreeKeys(t)...)
	for form, hand := range handmade {
		if !hand.unread {
			continue
		}
		for last := 1; last <= len(w.Segments); last++ {
			c := w.Clone()
			for _, name := range w.Segments[len(w.Segments)-last:] {
				c.Files[name+hand.suffix] = &fstest.MapFile{Data: hand.compress(t, c.Files[name].Data), Mode: 0o600}
				delete(c.Files, name)
			}
			r := check(t, c.Files, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: w.Files[sidefile.CheckpointName].Data}}})
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s, the last %d: %+v", form, last, r.Findings)
			assert.GreaterOrEqual(t, len(ofKind(r, verify.Rollback)), 2, form)
			assert.False(t, r.EndChecked)
		}
	}
}

// After it there may be one of which nothing counts yet.
func TestCompressedByHandBeforeAnEmptyEnd(t *testing.T) {
	t.Parallel()
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	n := len(w.Segments)
	sealed := w.Lines(n - 2)
	note, err := segment.ParseCheckpoint(bytes.TrimSuffix(sealed[len(sealed)-1], []byte("\n")))
	require.NoError(t, err)
	beyond := w.Files[sidefile.CheckpointName].Data
	for form, hand := range handmade {
		for lines := range 2 {
			c := w.Clone()
			c.SetLines(n-1, c.Lines(n - 1)[:lines])
			c.Files[sidefile.CheckpointName].Data = note
			c.Files[w.Segments[n-2]+hand.suffix] = &fstest.MapFile{Data: hand.compress(t, c.Files[w.Segments[n-2]].Data), Mode: 0o600}
			delete(c.Files, w.Segments[n-2])
			r := check(t, c.Files, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: note}}})
			assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s, %d lines: %+v", form, lines, bad(r))
			r = check(t, c.Files, verify.Options{Keys: trusting(w), Checkpoints: []verify.Kept{{Note: beyond}}})
			assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s, %d lines: no segment may hold what is beyond the last one's beginning", form, lines)
		}
	}
}

// What the log says of retention may be in what was not read.
func TestTheWordOfRetentionIsCompressedByHand(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1)
	prune(t, w, 1)
	said := w.Segments[len(w.Segments)-1]
	delete(w.Files, w.Segments[0])
	require.Equal(t, verify.VerdictOK, checkCopy(t, w).Verdict)
	for form, hand := range handmade {
		c := w.Clone()
		c.Files[said+hand.suffix] = &fstest.MapFile{Data: hand.compress(t, c.Files[said].Data), Mode: 0o600}
		delete(c.Files, said)
		r := checkCopy(t, c)
		assert.Equal(t, verify.VerdictUnchecked, r.Verdict, "%s: %+v", form, bad(r))
		if hand.unread {
			assert.NotEmpty(t, ofKind(r, verify.SegmentMissing), form)
		}
	}
}

// What was read of a segment is held against the others, whatever follows that nobody can read.
func TestWhatIsUnreadHidesNothingThatWasRead(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	large := []byte("\x28\xb5\x2f\xfd\xa4\x00\x00\x00\x40")
	for i := range len(w.Segments) - 1 {
		one := w.Clone()
		one.Segments = one.Segments[:i+1]
		one.Extend(t, append(one.SignedLine(t, []byte(`{"event_id":"another","time":"2026-11-23T12:00:00.000000000Z"}`), w.Signer), '\n'))
		c := w.Clone()
		c.Files[w.Segments[i]+".zst"] = &fstest.MapFile{Data: append(zstdWith()(t, one.Files[w.Segments[i]].Data), large...), Mode: 0o600}
		delete(c.Files, w.Segments[i])
		assert.Contains(t, kinds(bad(checkCopy(t, c))), verify.SegmentOverlap, w.Segments[i])
	}

	keys := logtest.ThreeKeys(t)
	k := logtest.WriteKeys(t, rotation.Options{}, keys...)
	early := trust.Keys{{Public: keys[0].Public()}, {Public: keys[1].Public(), From: &trust.Point{ByIndex: true, Index: logtest.FirstIndex(t, k, 1) - 1}}}
	last := k.Segments[2]
	k.Files[last+".xz"] = &fstest.MapFile{Data: []byte("\xfd7zXZ\x00"), Mode: 0o600}
	delete(k.Files, last)
	found := ofKind(check(t, k.Files, verify.Options{Trust: early}), verify.KeyNotValid)
	require.NotEmpty(t, found)
	assert.Equal(t, verify.Tampering, found[0].Severity)
}

// A name alone, or junk in a compressed file, is no compressor's work.
func TestNotCompressedByHand(t *testing.T) {
	w := logtest.Write(t, rotation.Options{MaxSegmentBytes: 2000}, 1, 1, 1, 1, 1)
	for suffix, content := range map[string]string{".xz": "", ".bz2": "junk", ".gz": "junk", ".zst": "", ".xz.gz": "\xfd7zXZ\x00", ".gz.xz": "\xfd7zXZ\x00"} {
		c := w.Clone()
		delete(c.Files, w.Segments[1])
		c.Files[w.Segments[1]+suffix] = &fstest.MapFile{Data: []byte(content), Mode: 0o600}
		r := checkCopy(t, c)
		assert.Equal(t, verify.VerdictTampering, r.Verdict, "%s: %+v", suffix, r.Findings)
	}
	// Next to the plain one, another compressor's file is none of the log's.
	c := w.Clone()
	c.Files[w.Segments[1]+".xz"] = &fstest.MapFile{Data: []byte("\xfd7zXZ\x00"), Mode: 0o600}
	r := checkCopy(t, c)
	assert.Equal(t, verify.VerdictOK, r.Verdict)
	assert.True(t, slices.ContainsFunc(r.Findings, func(f verify.Finding) bool {
		return f.Kind == verify.Kind("unknown_file") && strings.HasSuffix(f.Segment, ".xz")
	}))
}
