// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otel-auditlog/auditlogexporter/internal/metadata"
)

// NewFactory returns the factory of the auditlog exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	config := cfg.(*Config)
	e, err := newAuditExporter(set, config)
	if err != nil {
		return nil, err
	}
	options := []exporterhelper.Option{
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		exporterhelper.WithTimeout(config.TimeoutConfig),
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
	}
	// A queue that is off is left out, and so are retries: with each refusal the helper would
	// advise to turn them on. See auditExporter.advise.
	if config.QueueConfig.HasValue() {
		options = append(options, exporterhelper.WithQueue(config.QueueConfig))
	}
	if config.QueueConfig.HasValue() || config.RetryConfig.Enabled {
		options = append(options, exporterhelper.WithRetry(config.RetryConfig))
	}
	return exporterhelper.NewLogs(ctx, set, cfg, e.consume, options...)
}
