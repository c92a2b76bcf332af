// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What one system has and another lacks is found for the one that lacks it.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module cross.example\n\ngo 1.26\n",
		"large.go":         "package cross\n\nfunc large() int { return limit }\n",
		"limit_386.go":     "package cross\n\nconst limit = 1 << 40\n",
		"limit_amd64.go":   "package cross\n\nconst limit = 1 << 40\n",
		"other_linux.go":   "package cross\n\nfunc other() {}\n",
		"other_freebsd.go": "package cross\n\nfunc other() {}\n",
		"use.go":           "package cross\n\nfunc use() { other() }\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for system, want := range map[string]string{
		"linux/amd64":   "",
		"freebsd/amd64": "",
		"linux/386":     "overflows",
		"windows/amd64": "undefined: other",
		"linux/abacus":  "unknown architecture",
	} {
		if err := check(dir, ".", system); want == "" {
			assert.NoError(t, err, system)
		} else {
			assert.ErrorContains(t, err, want, system)
		}
	}
}
