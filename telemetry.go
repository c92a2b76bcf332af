// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"context"
	"math"
	"slices"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/metadata"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// telemetry is the exporter's metrics. Each carries the exporter's id: one collector
// may write several logs.
type telemetry struct {
	builder *metadata.TelemetryBuilder
	on      []attribute.KeyValue // on every metric
	all     metric.MeasurementOption
}

func newTelemetry(set exporter.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return newTelemetryOn(builder, attribute.String("exporter", set.ID.String())), nil
}

func newTelemetryOn(builder *metadata.TelemetryBuilder, on ...attribute.KeyValue) *telemetry {
	return &telemetry{builder: builder, on: on, all: metric.WithAttributeSet(attribute.NewSet(on...))}
}

// of returns the metrics of one partition.
func (t *telemetry) of(partition string) *telemetry {
	return newTelemetryOn(t.builder, t.on[0], attribute.String("partition", partition))
}

// with returns what is on every metric, and more.
func (t *telemetry) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(slices.Concat(t.on, more)...))
}

func (t *telemetry) refused(reason string, events int) {
	with := t.with(attribute.String("reason", reason))
	t.builder.ExporterAuditlogRefusedBatches.Add(context.Background(), 1, with)
	t.builder.ExporterAuditlogRefusedEvents.Add(context.Background(), int64(events), with)
}

// refusedRecords counts the records of a call that were refused one by one.
func (t *telemetry) refusedRecords(r *refusals) {
	for reason, n := range r.counts {
		t.refused(reason, n)
	}
}

func (t *telemetry) unmapped(events int64) {
	if events > 0 {
		t.builder.ExporterAuditlogUnmappedEvents.Add(context.Background(), events, t.all)
	}
}

// partial counts a call of which a part was written.
func (t *telemetry) partial() {
	t.builder.ExporterAuditlogPartialBatches.Add(context.Background(), 1, t.all)
}

// overflowed counts events that were written to the partition for the overflow.
func (t *telemetry) overflowed(events int) {
	if events > 0 {
		t.builder.ExporterAuditlogOverflowEvents.Add(context.Background(), int64(events), t.all)
	}
}

// partitions tells how many values have a partition of their own.
func (t *telemetry) partitions(n int) {
	t.builder.ExporterAuditlogPartitions.Record(context.Background(), int64(n), t.all)
}

// proofs counts records by what came of their proofs.
func (t *telemetry) proofs(counts *proofCounts) {
	for i, status := range statuses {
		if n := counts[i].Load(); n > 0 {
			t.builder.ExporterAuditlogIngressEvents.Add(context.Background(), n, t.with(attribute.String("result", string(status))))
		}
	}
}

// sequences counts what does not fit in streams, and streams that were forgotten.
func (t *telemetry) sequences(found map[sequence.Kind]int64, forgotten int) {
	for kind, n := range found {
		t.builder.ExporterAuditlogSequenceFindings.Add(context.Background(), n, t.with(attribute.String("kind", string(kind))))
	}
	if forgotten > 0 {
		t.builder.ExporterAuditlogSequenceForgotten.Add(context.Background(), int64(forgotten), t.all)
	}
}

// receipts counts what came of writing receipts.
func (t *telemetry) receipts(r issuer.Result) {
	if r.Receipts > 0 {
		t.builder.ExporterAuditlogReceipts.Add(context.Background(), r.Receipts, t.all)
	}
	if r.Missed > 0 {
		t.builder.ExporterAuditlogReceiptsMissed.Add(context.Background(), clamp(r.Missed), t.all)
	}
	t.builder.ExporterAuditlogReceiptedSize.Record(context.Background(), clamp(r.Size), t.all)
}

// observer turns what the log tells of itself into metrics and status.
type observer struct {
	telemetry *telemetry
	health    *health
}

var _ rotation.Observer = observer{}

func (o observer) Committed(c rotation.Commit) {
	ctx, b, all := context.Background(), o.telemetry.builder, o.telemetry.all
	b.ExporterAuditlogBatches.Add(ctx, int64(c.Calls), all)
	b.ExporterAuditlogEvents.Add(ctx, int64(c.Events), all)
	b.ExporterAuditlogWritten.Add(ctx, c.Bytes, all)
	if c.Unsigned > 0 {
		b.ExporterAuditlogUnsignedEvents.Add(ctx, int64(c.Unsigned), all)
	}
	if c.Calls > 0 {
		b.ExporterAuditlogCommitCalls.Record(ctx, int64(c.Calls), all)
	}
	b.ExporterAuditlogCommitDuration.Record(ctx, c.Duration.Seconds(), all)
	b.ExporterAuditlogFsyncDuration.Record(ctx, c.SyncDuration.Seconds(), all)
	b.ExporterAuditlogTreeSize.Record(ctx, clamp(c.TreeSize), all)
}

// Refused is for those who append; what they refuse besides is counted with it, call
// by call.
func (o observer) Refused(rotation.Reason, int, int) {}

func (o observer) Repeats(repeats, conflicts int) {
	b, all := o.telemetry.builder, o.telemetry.all
	if repeats > 0 {
		b.ExporterAuditlogRepeatedEvents.Add(context.Background(), int64(repeats), all)
	}
	if conflicts > 0 {
		b.ExporterAuditlogIDConflicts.Add(context.Background(), int64(conflicts), all)
	}
}

func (o observer) SegmentsChanged(segments int, bytes int64) {
	o.telemetry.builder.ExporterAuditlogSegments.Record(context.Background(), int64(segments), o.telemetry.all)
	o.telemetry.builder.ExporterAuditlogSegmentsSize.Record(context.Background(), bytes, o.telemetry.all)
}

func (o observer) FreeSpace(bytes uint64) {
	o.telemetry.builder.ExporterAuditlogFreeSpace.Record(context.Background(), clamp(bytes), o.telemetry.all)
}

func (o observer) Fault(err error) { o.health.written(err) }

func (o observer) Healthy() { o.health.written(nil) }

func (o observer) WitnessReplied(r rotation.WitnessReply) {
	t, name := o.telemetry, attribute.String("witness", r.Witness)
	of := t.with(name)
	outcome := t.with(name, attribute.String("outcome", string(r.Outcome)))
	t.builder.ExporterAuditlogWitnessRequests.Add(context.Background(), 1, outcome)
	t.builder.ExporterAuditlogWitnessDuration.Record(context.Background(), r.Duration.Seconds(), of)
	t.builder.ExporterAuditlogWitnessSize.Record(context.Background(), clamp(r.Size), of)
}

func (o observer) Witnessed(size uint64) {
	o.telemetry.builder.ExporterAuditlogWitnessedSize.Record(context.Background(), clamp(size), o.telemetry.all)
}

func (o observer) WitnessesFault(err error) { o.health.witnessed(err) }

func (o observer) StateFault(err error) { o.health.remembered(err) }

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
