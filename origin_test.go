// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"

	"github.com/otel-auditlog/auditlogexporter/internal/metadata"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
)

func TestOriginIsMadeOfAnyNames(t *testing.T) {
	for _, one := range []struct{ host, component, want string }{
		{"web-1.example.com", "", "web-1.example.com/auditlog"},
		{"web-1.example.com", "b", "web-1.example.com/auditlog-b"},
		{"web-1.example.com", "b/c d", "web-1.example.com/auditlog-b-c-d"},
		{"", "", "localhost/auditlog"},
		{"", "b", "localhost/auditlog-b"},
		{"Anna's laptop", "", "Anna's-laptop/auditlog"},
		{"{a+b}\n", "", "-a-b}-/auditlog"},
		{"\xff", "", "-/auditlog"},
		{"a/b", "", "a-b/auditlog"},
		{"büro", "", "büro/auditlog"},
		{string(make([]byte, 300)), "", "localhost/auditlog"},
	} {
		got := defaultOrigin(one.host, component.NewIDWithName(metadata.Type, one.component))
		assert.Equal(t, one.want, got)
		assert.NoError(t, signednote.ValidateOrigin(got))
		assert.False(t, emptyPart(got))
	}
}

// The logs of two components of one collector have two origins, and what is configured
// stays.
func TestOriginForEachComponent(t *testing.T) {
	c := createDefaultConfig().(*Config)
	a, b := component.NewID(metadata.Type), component.NewIDWithName(metadata.Type, "b")
	assert.NotEqual(t, originFor(c, a), originFor(c, b))
	c.Origin = "host.example.com/auditlog"
	assert.Equal(t, c.Origin, originFor(c, b))
}
