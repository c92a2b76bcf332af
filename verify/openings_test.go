// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/opening"
	"github.com/otel-auditlog/auditlogexporter/internal/segname"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/verify"
)

// withholding is an event in which values are withheld, with the openings for its leaf.
func withhold(a *logtest.Forger, values ...string) (openings [][]byte) {
	a.T.Helper()
	leaf := a.Tree.Size()
	metadata := ""
	for i, v := range values {
		o := opening.Opening{Leaf: leaf, Pointer: fmt.Sprintf("/metadata/k%d", i), Salt: [32]byte{byte(leaf), byte(i)}, Value: []byte(v)}
		c := o.Commitment()
		metadata += fmt.Sprintf(`,"k%d":{"$commit":"%s"}`, i, base64.StdEncoding.EncodeToString(c[:]))
		openings = append(openings, append(opening.Append(nil, &o), '\n'))
	}
	canonical := forgedTime(fmt.Sprint("id-", leaf), logtest.ForgedAt)
	a.Add(bytes.Replace(canonical, []byte(`"metadata":{}`), []byte(`"metadata":{`+strings.TrimPrefix(metadata, ",")+`}`), 1))
	return openings
}

// valuesName is the file of openings of the newest segment.
func valuesName(a *logtest.Forger) string {
	n, err := segment.ParseName(a.Name)
	if err != nil {
		a.T.Fatal(err)
	}
	return segname.Values(n)
}

func TestOpeningsOfWithheldValues(t *testing.T) {
	a := logtest.NewForger(t)
	all := withhold(a, `"alice"`, `{"a":1}`)
	all = append(all, withhold(a, `"bob"`)...)
	a.Add(forgedTime("plain", logtest.ForgedAt))
	a.Commit()
	name := valuesName(a)
	a.Next(nil) // a sealed one is complete
	a.Commit()
	other := slices.Clone(all)
	other[1] = bytes.Replace(other[1], []byte(`{"a":1}`), []byte(`{"a":2}`), 1)
	elsewhere := bytes.Replace(all[2], []byte("/metadata/k0"), []byte("/metadata/k7"), 1)
	for what, c := range map[string]struct {
		file             []byte
		opened, withheld uint64
		bad              bool
	}{
		"all there":             {bytes.Join(all, nil), 3, 0, false},
		"no file":               {nil, 0, 3, false},
		"an empty file":         {[]byte{}, 0, 3, false},
		"one is missing":        {bytes.Join(all[1:], nil), 2, 1, false},
		"another is":            {bytes.Join(all[:2], nil), 2, 1, false},
		"in another order":      {bytes.Join([][]byte{all[1], all[0], all[2]}, nil), 3, 0, false},
		"leaves out of order":   {bytes.Join([][]byte{all[2], all[0], all[1]}, nil), 1, 2, true},
		"another value":         {bytes.Join(other, nil), 2, 1, true},
		"another salt":          {bytes.Replace(bytes.Join(all, nil), []byte(`"salt":"AQAA`), []byte(`"salt":"AQAB`), 1), 2, 1, true},
		"one twice":             {bytes.Join([][]byte{all[0], all[0], all[1], all[2]}, nil), 3, 0, true},
		"for no such place":     {bytes.Join([][]byte{all[0], all[1], all[2], elsewhere}, nil), 3, 0, true},
		"for a plain event":     {append(bytes.Join(all, nil), bytes.Replace(all[2], []byte(`"leaf":2`), []byte(`"leaf":3`), 1)...), 3, 0, true},
		"for a header":          {append(bytes.Replace(bytes.Clone(all[0]), []byte(`"leaf":1`), []byte(`"leaf":0`), 1), bytes.Join(all, nil)...), 3, 0, true},
		"for the next segment":  {append(bytes.Join(all, nil), bytes.Replace(all[2], []byte(`"leaf":2`), []byte(`"leaf":900`), 1)...), 3, 0, true},
		"junk":                  {[]byte("junk\n"), 0, 3, true},
		"a line without an end": {bytes.TrimSuffix(bytes.Join(all, nil), []byte("\n")), 2, 1, true},
	} {
		fsys := a.Dir()
		if c.file != nil {
			fsys[name] = &fstest.MapFile{Data: c.file, Mode: 0o600}
		}
		r := check(t, fsys, verify.Options{Keys: logtest.PublicKeys(a.Signer)})
		assert.Equal(t, []uint64{c.opened, c.withheld}, []uint64{r.Opened, r.Withheld}, "%s: %+v", what, r.Findings)
		if assert.Equal(t, c.bad, len(bad(r)) > 0, "%s: %+v", what, r.Findings); c.bad {
			assert.Equal(t, verify.ValueInvalid, bad(r)[0].Kind, what)
			assert.Equal(t, name, bad(r)[0].Segment)
		} else {
			assert.Empty(t, r.Findings, what)
		}
		assert.Equal(t, r.TotalEvents, r.VerifiedEvents, what)
	}
	// In the newest segment more may be being written.
	b := logtest.NewForger(t)
	lines := withhold(b, `"alice"`)
	b.Commit()
	lines = append(lines, withhold(b, `"bob"`)...)
	fsys := b.Dir()
	fsys[valuesName(b)] = &fstest.MapFile{Data: bytes.TrimSuffix(bytes.Join(lines, nil), []byte("\n")), Mode: 0o600}
	r := check(t, fsys, verify.Options{Keys: logtest.PublicKeys(b.Signer)})
	assert.Equal(t, []verify.Kind{verify.Kind("torn_tail")}, kinds(r.Findings), "%+v", r.Findings)
	assert.Equal(t, uint64(1), r.Opened)
	// What is there of events that no checkpoint covers is of nothing that counts, but for its
	// form. It counts once a checkpoint covers them.
	noPlace := bytes.Replace(lines[1], []byte("/metadata/k0"), []byte("/body"), 1)
	for what, c := range map[string]struct {
		line []byte
		bad  [2]bool // uncovered, covered
	}{
		"no such place":        {noPlace, [2]bool{false, true}},
		"twice":                {slices.Concat(lines[1], lines[1]), [2]bool{false, true}},
		"another value":        {bytes.Replace(lines[1], []byte("bob"), []byte("eve"), 1), [2]bool{false, true}},
		"of a leaf to come":    {bytes.Replace(lines[1], []byte(`"leaf":3`), []byte(`"leaf":9`), 1), [2]bool{false, false}},
		"of one that counts":   {slices.Concat(lines[0], lines[1]), [2]bool{true, true}},
		"junk":                 {[]byte("junk\n"), [2]bool{true, true}},
		"junk after one":       {slices.Concat(noPlace, []byte("junk\n")), [2]bool{true, true}},
		"junk after one later": {slices.Concat(bytes.Replace(lines[1], []byte(`"leaf":3`), []byte(`"leaf":9`), 1), []byte("junk\n")), [2]bool{true, true}},
	} {
		b := logtest.NewForger(t)
		withhold(b, `"alice"`)
		b.Commit()
		withhold(b, `"bob"`)
		for i, want := range c.bad {
			fsys := b.Dir()
			fsys[valuesName(b)] = &fstest.MapFile{Data: slices.Concat(lines[0], c.line), Mode: 0o600}
			r := check(t, fsys, verify.Options{Keys: logtest.PublicKeys(b.Signer)})
			assert.Equal(t, want, slices.Contains(kinds(bad(r)), verify.ValueInvalid), "%s: %+v", what, r.Findings)
			if i == 0 {
				b.Commit()
			}
		}
	}
	// A file of openings of nothing is told of.
	fsys["audit-00000000000000000900-20261123T100000Z.values"] = &fstest.MapFile{Mode: 0o600}
	assert.Contains(t, kinds(check(t, fsys, verify.Options{}).Findings), verify.Kind("unknown_file"))
}
