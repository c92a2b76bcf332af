// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package rotation_test

import (
	"github.com/otel-auditlog/auditlogexporter/internal/durable/durabletest"
	"github.com/otel-auditlog/auditlogexporter/segment"
)

// model is a directory in memory that knows what a power cut may leave of it.
type model = durabletest.Model

// newModel returns an empty directory in which faults come to segments only.
func newModel() *model {
	m := durabletest.New()
	m.Only = func(name string) bool {
		_, err := segment.ParseName(name)
		return err == nil
	}
	return m
}
