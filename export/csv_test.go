// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However a spreadsheet divides the lines, at commas or at semicolons, no cell begins a
// formula, whatever stands in which member.
func TestCSVHasNoFormula(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{";", "=", "+", "-", "@", "'", `"`, ",", " ", "x", `=cmd|' /C calc'!A0`, "\t", "\r", "\n", "\\", "＝"}), 1, 8).Draw(r, "text"), "")
		l := newLog(t)
		logs := login("id", text)
		record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		for _, name := range []string{"audit.action", "session.id", "note", "audit.resource.id"} {
			record.Attributes().PutStr(name, text)
		}
		record.Body().SetStr(text)
		l.record(logs)
		table, _ := write(t, l, l.commit(), "csv")
		for _, comma := range []rune{',', ';'} {
			in := csv.NewReader(strings.NewReader(table))
			in.Comma, in.LazyQuotes, in.FieldsPerRecord = comma, true, -1
			rows, err := in.ReadAll()
			require.NoError(r, err)
			for _, row := range rows[1:] {
				for _, cell := range row {
					bare := cell
					if comma == ';' { // quotes within a field may be taken for those around one
						bare = strings.TrimLeft(cell, `" `)
					}
					if bare != "" && strings.ContainsAny(bare[:1], "=+-@\t\r") || strings.HasPrefix(bare, "＝") {
						r.Fatalf("divided at %q, the text %q begins a cell %q", comma, text, cell)
					}
				}
			}
		}
	})
}
