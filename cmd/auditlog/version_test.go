// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVersionSaysWhichBuildItIs(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for name, tt := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		"a release":               {"v1.2.3", []debug.BuildSetting{{Key: "vcs.revision", Value: revision}}, "v1.2.3 revision " + revision},
		"of a module cache":       {"v1.2.3", nil, "v1.2.3"},
		"a pseudo-version":        {"v0.0.0-20261123101500-0123456789ab", []debug.BuildSetting{{Key: "vcs.revision", Value: revision}}, "v0.0.0-20261123101500-0123456789ab"},
		"of a changed work tree":  {"(devel)", []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: "true"}}, "(devel) revision " + revision + ", modified"},
		"without version control": {"", nil, "(devel)"},
	} {
		got := describe(&debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: tt.version}, Settings: tt.settings})
		assert.Equal(t, buildOf{tt.want, "go1.26.0"}, got, name)
	}
}
