// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning/client"
	"github.com/otel-auditlog/auditlogexporter/internal/ingest"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// auditExporter is the component: it makes an ingester of the configuration, and the
// collector's metrics and status of what that tells.
type auditExporter struct {
	config    *Config
	logger    *zap.Logger
	warnings  *zap.Logger // a line a minute
	telemetry *telemetry
	status    *status
	ingester  *ingest.Ingester

	// openKeys returns the keys to sign with; see the function of that name.
	openKeys func(*Config, *zap.Logger) (keys, error)
	// witnesses is set by start.
	witnesses []*client.Client
}

func newAuditExporter(set exporter.Settings, config *Config) (*auditExporter, error) {
	mapper, err := mapping.NewMapper(config.Mapping)
	if err != nil {
		return nil, err
	}
	telemetry, err := newTelemetry(set)
	if err != nil {
		return nil, err
	}
	own := *config
	own.Origin = originFor(config, set.ID)
	warnings := set.Logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
	e := &auditExporter{
		config: &own, logger: set.Logger, warnings: warnings,
		telemetry: telemetry, status: &status{logger: warnings}, openKeys: openKeys,
	}
	e.ingester = ingest.New(ingest.Options{
		Layout:          own.layout(),
		Mapper:          mapper,
		Limits:          own.Limits.options(),
		WriteUnsigned:   own.Signing.OnFailure == onFailureWriteUnsigned,
		RequireProof:    own.IngressVerification == ingressRefuse,
		MaxRemembered:   own.Idempotency.MaxEvents,
		RecordConflicts: own.Idempotency.OnConflict == onConflictRecord,
		MaxAge:          own.Idempotency.MaxAge,
		MaxStreams:      own.Sequences.MaxStreams,
		Receipts:        own.Receipts.options(),
		ReturnRest:      own.RetryConfig.Enabled,
		Observer:        observer{telemetry, e.status},
		Logger:          set.Logger,
		Warnings:        warnings,
	})
	return e, nil
}

// start opens the log, or begins one; with partitions, those there are.
func (e *auditExporter) start(ctx context.Context, host component.Host) error {
	e.status.host = host
	k, err := e.openKeys(e.config, e.logger)
	if err != nil {
		return err
	}
	producers, err := openProducers(e.config)
	if err != nil {
		return err
	}
	o := e.config.logOptions(k)
	if o.Witnesses, err = e.openWitnesses(k); err != nil {
		return err
	}
	return e.ingester.Start(ctx, o, producers)
}

// shutdown refuses further calls, waits for those in flight as long as the context
// allows, and closes the log, or all of them.
func (e *auditExporter) shutdown(ctx context.Context) error {
	defer e.telemetry.Shutdown()
	err := e.ingester.Close(ctx)
	for _, w := range e.witnesses {
		w.Close()
	}
	return err
}

// consume returns nil when all records are in the log; see [ingest.Ingester.Write].
func (e *auditExporter) consume(ctx context.Context, logs plog.Logs) error {
	err := e.ingester.Write(ctx, logs)
	if err != nil && !consumererror.IsPermanent(err) {
		e.advise()
	}
	return err
}

// advise says, once a minute at the most, what to do about refusals that may be tried again. A
// queue is not the answer, since it acknowledges what is not in the log.
func (e *auditExporter) advise() {
	if e.config.QueueConfig.HasValue() {
		return
	}
	e.warnings.Warn("The audit log has refused records for now, and nobody has been told that they are in it. Their senders have to send them again: OTLP clients do; " +
		"receivers that read files or a journal do with retry_on_failure: {enabled: true, max_elapsed_time: 0} of their own. No sending_queue is needed for that, and one without wait_for_result: true acknowledges what is not written")
}

// logOptions are what all logs of the configuration have in common.
func (c *Config) logOptions(k keys) rotation.Options {
	return rotation.Options{
		Signer:                   k.signer,
		PreviousSigner:           k.previous,
		CheckpointSigner:         k.checkpoint,
		PreviousCheckpointSigner: k.previousCheckpoint,
		SegmentKeys:              k.segment,
		Permit:                   k.permit,
		Scope:                    c.Signing.Scope,
		Sync:                     c.Sync == syncAlways,
		MaxSegmentBytes:          c.Rotation.MaxSizeMiB * mebibyte,
		MaxSegmentAge:            c.Rotation.MaxAge,
		Compression:              c.Rotation.Compression,
		WitnessQuorum:            c.WitnessQuorum,
		WitnessInterval:          c.WitnessInterval,
		Retention: rotation.Retention{
			MinAge:        c.Retention.MinAge,
			MaxSegments:   c.Retention.MaxSegments,
			MaxAge:        c.Retention.MaxAge,
			MaxTotalBytes: c.Retention.MaxTotalSizeMiB * mebibyte,
		},
		MinFreeBytes: c.MinFreeSpaceMiB * mebibyte,
		MaxLeafBytes: c.Limits.MaxLeafBytes,
	}
}

// openProducers loads the keys of trusted producers; nil if proofs are not checked.
func openProducers(c *Config) (*ingress.Verifier, error) {
	if c.IngressVerification == ingressOff {
		return nil, nil
	}
	sources := make([]ingress.Source, len(c.Producers))
	for i, p := range c.Producers {
		sources[i] = p.source()
	}
	v, err := ingress.Load(sources, nil)
	if err != nil {
		return nil, fmt.Errorf("producers: %w", err)
	}
	return v, nil
}

// openWitnesses makes a client for each witness, and says by what key they must know
// the log.
func (e *auditExporter) openWitnesses(k keys) (all []cosigning.Witness, err error) {
	for i, w := range e.config.Witnesses {
		key, err := witness.ParseKey(w.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("witnesses[%d]::public_key: %w", i, err)
		}
		one, err := client.New(w.URL, key)
		if err != nil {
			return nil, fmt.Errorf("witnesses[%d]::url: %w", i, err)
		}
		e.witnesses = append(e.witnesses, one)
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, nil
	}
	known := k.signer.Public()
	if k.checkpoint != nil && k.checkpoint.Public().Algorithm() == signing.Ed25519 {
		known = k.checkpoint.Public()
	}
	vkey, err := known.VKey(e.config.Origin)
	if err != nil {
		return nil, err
	}
	e.logger.Info("The audit log has witnesses. Their operators must know it by this key",
		zap.Int("witnesses", len(all)), zap.String("origin", e.config.Origin), zap.String("vkey", vkey))
	return all, nil
}
