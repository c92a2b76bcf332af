// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"errors"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-auditlog/auditlogexporter/internal/configvalues"
)

var _ confmap.Unmarshaler = (*Config)(nil)

// Unmarshal refuses values that confmap would take for something else: a duration without
// a unit, a fraction where a whole number belongs, and an origin that is there and empty,
// which is not meant to be the default.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := configvalues.Unmarshal(conf, c); err != nil {
		return err
	}
	if conf.IsSet("origin") && c.Origin == "" {
		return errors.New("origin: it is empty, as a variable that is not set leaves it: write a name such as host.example.com/auditlog, or leave the key out")
	}
	return nil
}
