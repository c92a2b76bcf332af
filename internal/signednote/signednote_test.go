// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package signednote_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
)

func TestValidateOrigin(t *testing.T) {
	for _, good := range []string{"a", "host.example/auditlog", "hôte/журнал", strings.Repeat("x", 255)} {
		assert.NoError(t, signednote.ValidateOrigin(good), good)
	}
	for _, bad := range []string{"", "{x", "a b", "a\nb", "a+b", "a\u2028b", "a\u00a0b", "a\x00", "\xff", strings.Repeat("x", 256)} {
		assert.Error(t, signednote.ValidateOrigin(bad), "%q was taken", bad)
	}
}
