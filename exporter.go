// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/witness/client"
)

// auditExporter maps, signs and appends what it is given, in the goroutine that
// gives it.
type auditExporter struct {
	config    *Config
	logger    *zap.Logger
	telemetry *telemetry
	health    *health
	intake    intake
	inFlight  inFlight

	mapper  *event.Mapper
	workers sync.Pool     // of *worker
	helpers chan struct{} // a place for each goroutine that may help a large call

	// openKeys returns the keys to sign with; see the function of that name.
	openKeys func(*Config, *zap.Logger) (keys, error)
	// log and witnesses are set by start; with partitions, those are instead of log.
	log        *rotation.Log
	partitions *partitions
	witnesses  []*client.Client
	// receipts is set by start; nil if none are written.
	receipts *receipts
	// producers is set by start, too; nil if no proofs are checked.
	producers *ingress.Verifier
}

func newAuditExporter(set exporter.Settings, config *Config) (*auditExporter, error) {
	mapper, err := event.NewMapper(config.Mapping)
	if err != nil {
		return nil, err
	}
	telemetry, err := newTelemetry(set)
	if err != nil {
		return nil, err
	}
	own := *config
	own.Origin = originFor(config, set.ID)
	e := &auditExporter{
		config:    &own,
		logger:    set.Logger,
		telemetry: telemetry,
		health:    new(health),
		mapper:    mapper,
		inFlight:  inFlight{limits: config.Limits},
		helpers:   make(chan struct{}, runtime.GOMAXPROCS(0)-1),
		openKeys:  openKeys,
	}
	// What goes wrong with each event is worth a line a minute.
	e.health.logger = set.Logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
	e.workers.New = func() any { return newWorker(e) }
	return e, nil
}

// start opens the log, or begins one; with partitions, those there are.
func (e *auditExporter) start(ctx context.Context, host component.Host) (err error) {
	c := e.config
	e.health.host = host
	k, err := e.openKeys(c, e.logger)
	if err != nil {
		return err
	}
	if e.producers, err = openProducers(c); err != nil {
		return err
	}
	e.receipts = e.openReceipts()
	defer func() {
		if err != nil {
			err = errors.Join(err, e.receipts.close(ctx))
		}
	}()
	if c.PartitionBy != "" {
		if e.partitions, err = openPartitions(ctx, e, k); err != nil {
			return err
		}
		e.intake.open()
		return nil
	}
	o := e.logOptions(k)
	if o.Witnesses, err = e.openWitnesses(k); err != nil {
		return err
	}
	o.Follower = e.followStreams(e.telemetry)
	receipted := e.receipts.of(c, "", &o, e.telemetry)
	if e.log, err = openLog(ctx, o); err != nil {
		return err
	}
	if err := receipted.begin(e.log); err != nil {
		return errors.Join(err, e.log.Close(context.WithoutCancel(ctx)))
	}
	e.intake.open()
	e.logger.Info("The audit log is open",
		zap.String("directory", absolute(c.Directory)),
		zap.String("origin", c.Origin),
		zap.String("scope", string(c.Signing.Scope)),
		zap.String("key_id", e.log.Signer().Public().ID()))
	return nil
}

// openLog opens a log. What the configuration can put right names its key.
func openLog(ctx context.Context, o rotation.Options) (*rotation.Log, error) {
	log, err := rotation.Open(ctx, o)
	if errors.Is(err, rotation.ErrCheckpointKeyLeaves) {
		return nil, fmt.Errorf("signing::previous_checkpoint_key_file: %w", err)
	}
	return log, err
}

// logOptions are the options of the log that the configuration describes.
func (e *auditExporter) logOptions(k keys) rotation.Options {
	c := e.config
	return rotation.Options{
		Directory:                c.Directory,
		StateDirectory:           c.stateDirectory(),
		Origin:                   c.Origin,
		Signer:                   k.signer,
		PreviousSigner:           k.previous,
		CheckpointSigner:         k.checkpoint,
		PreviousCheckpointSigner: k.previousCheckpoint,
		BindIDs:                  c.Receipts.Directory != "",
		SegmentKeys:              k.segment,
		Permit:                   k.permit,
		Scope:                    c.Signing.Scope,
		Sync:                     c.Sync == SyncAlways,
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

		Index:           c.Idempotency.index(),
		ProducerOf:      producerOf,
		RecordConflicts: c.Idempotency.OnConflict == OnConflictRecord,
		MaxLeafBytes:    c.Limits.MaxLeafBytes,

		Observer: observer{e.telemetry, e.health},
		Logger:   e.logger,
	}
}

// shutdown refuses further calls, waits for those in flight as long as the context
// allows, and closes the log, or all of them.
func (e *auditExporter) shutdown(ctx context.Context) error {
	defer e.telemetry.builder.Shutdown()
	if e.partitions != nil {
		return errors.Join(e.intake.close(ctx), e.partitions.close(ctx), e.receipts.close(ctx))
	}
	if e.log == nil {
		return nil
	}
	err := errors.Join(e.intake.close(ctx), e.log.Close(ctx))
	for _, w := range e.witnesses {
		w.Close()
	}
	return errors.Join(err, e.receipts.close(ctx))
}

// consume returns nil when all records are in the log: signed, covered by a signed
// checkpoint and on disk. A permanent error says which of them are not and never will be: see
// refusedError, and limitError for none of them. Any other says that none is, and that it is
// worth trying again. With partitions that holds for each of them: see sharesError.
func (e *auditExporter) consume(ctx context.Context, logs plog.Logs) error {
	records := logs.LogRecordCount()
	if records == 0 {
		return nil
	}
	err := e.write(ctx, logs, records)
	if err == nil {
		return nil
	}
	var shares *sharesError
	if errors.As(err, &shares) {
		e.advise()
		return e.refuseShares(logs, shares)
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		if refused.refused.len() < records {
			e.telemetry.partial()
		}
		return consumererror.NewPermanent(err)
	}
	reason, permanent := classify(err)
	e.telemetry.refused(reason, records)
	if permanent {
		return consumererror.NewPermanent(fmt.Errorf("none of %d records is in the audit log: %w", records, err))
	}
	e.advise()
	return fmt.Errorf("none of %d records is in the audit log: %w", records, err)
}

// advise says, once a minute at the most, what to do about refusals that may be tried again. A
// queue is not the answer, since it acknowledges what is not in the log.
func (e *auditExporter) advise() {
	if e.config.QueueConfig.HasValue() {
		return
	}
	e.health.logger.Warn("The audit log has refused records for now, and nobody has been told that they are in it. Their senders have to send them again: OTLP clients do; " +
		"receivers that read files or a journal do with retry_on_failure: {enabled: true, max_elapsed_time: 0} of their own. No sending_queue is needed for that, and one without wait_for_result: true acknowledges what is not written")
}

func (e *auditExporter) write(ctx context.Context, logs plog.Logs, records int) error {
	if err := e.intake.enter(); err != nil {
		return err
	}
	defer e.intake.leave()
	if err := e.config.Limits.admit(records); err != nil {
		return err
	}
	if e.partitions != nil {
		return e.partitions.write(ctx, logs)
	}
	for {
		err := e.writeOnce(ctx, logs, records)
		// The log may go over to another key between the signatures and the commit. Each
		// time it does, a segment has been filled, so this comes to an end.
		if !errors.Is(err, rotation.ErrKeyChanged) {
			return err
		}
	}
}

func (e *auditExporter) writeOnce(ctx context.Context, logs plog.Logs, records int) error {
	call := newCall(e, e.log, e.inFlight.claim(), spansOf(logs), records)
	defer call.release()
	if err := call.encode(ctx); err != nil {
		return err
	}
	if err := call.append(ctx); err != nil {
		return err
	}
	call.count(e.telemetry)
	if call.refused.len() > 0 {
		return &refusedError{&call.refused, records}
	}
	return nil
}

// followStreams begins to follow the streams in a log that is about to be opened; nil if
// none are to be followed.
func (e *auditExporter) followStreams(t *telemetry) rotation.Follower {
	if !e.followsStreams() {
		return nil // and not a nil *sequence.Follower
	}
	return sequence.NewFollower(e.config.Sequences.MaxStreams, t.sequences)
}

func (e *auditExporter) followsStreams() bool { return e.config.Sequences.MaxStreams > 0 }

// signsEvents reports whether each event is signed by itself.
func (e *auditExporter) signsEvents() bool {
	return e.config.Signing.Scope == segment.ScopeEvent
}

// classify gives the reason of a refusal, in a word fit for a metric, and whether
// the same records would be refused again.
func classify(err error) (reason string, permanent bool) {
	var unopened *unopenedError
	var limit *limitError
	var unsigned *rotation.SigningError
	var refused *rotation.Error
	switch {
	case errors.As(err, &unopened):
		return "partition", false
	case errors.As(err, &limit):
		return limit.reason, limit.permanent
	case errors.As(err, &unsigned):
		return string(rotation.ReasonSigning), false
	case errors.As(err, &refused):
		return string(refused.Reason), false
	case errors.Is(err, errNotRunning):
		return string(rotation.ReasonClosed), false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled", false
	default:
		return "internal", false
	}
}

// absolute makes a path good for a reader who does not know the working directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
