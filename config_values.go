// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-auditlog/auditlogexporter/internal/configvalues"
)

var _ confmap.Unmarshaler = (*Config)(nil)

// Unmarshal refuses values that confmap would take for something else: a duration without
// a unit, and a fraction where a whole number belongs.
func (c *Config) Unmarshal(conf *confmap.Conf) error { return configvalues.Unmarshal(conf, c) }
