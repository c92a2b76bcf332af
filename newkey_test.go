// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// A new log under a key that exists may stand in the place of one that is gone with its
// state: the collector's log says so, and nowhere else.
func TestANewLogUnderAnOldKeyIsWarnedOf(t *testing.T) {
	const warning = "A new audit log is begun with a key that exists"
	for what, tt := range map[string]struct {
		keyExists bool
		want      int
	}{"its own key": {false, 0}, "a key that exists": {true, 1}} {
		t.Run(what, func(t *testing.T) {
			c := testConfig(t)
			if tt.keyExists {
				require.NoError(t, os.RemoveAll(c.Signing.KeyFile))
				require.NoError(t, os.RemoveAll(keyfile.PublicPath(c.Signing.KeyFile)))
				_, err := keyfile.Create(c.Signing.KeyFile, signing.ECDSAP256)
				require.NoError(t, err)
			}
			r := start(t, c)
			assert.Equal(t, tt.want, r.logged.FilterMessageSnippet(warning).Len())
			r.stop(t)
			r = start(t, c)
			assert.Zero(t, r.logged.FilterMessageSnippet(warning).Len(), "the log is there")
			r.stop(t)
		})
	}
}
