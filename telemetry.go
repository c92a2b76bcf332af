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

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/ingest"
	"github.com/otel-auditlog/auditlogexporter/internal/issuer"
	"github.com/otel-auditlog/auditlogexporter/internal/metadata"
	"github.com/otel-auditlog/auditlogexporter/internal/sequence"
	"github.com/otel-auditlog/auditlogexporter/rotation"
)

// telemetry is the exporter's metrics, or those of one partition. Each carries the exporter's
// id: one collector may write several logs.
type telemetry struct {
	*metadata.TelemetryBuilder
	on  []attribute.KeyValue // on every metric
	all metric.MeasurementOption
}

func newTelemetry(set exporter.Settings) (*telemetry, error) {
	builder, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	return newTelemetryOn(builder, attribute.String("exporter", set.ID.String())), nil
}

func newTelemetryOn(builder *metadata.TelemetryBuilder, on ...attribute.KeyValue) *telemetry {
	return &telemetry{builder, on, metric.WithAttributeSet(attribute.NewSet(on...))}
}

// of returns the metrics of one partition.
func (t *telemetry) of(partition string) *telemetry {
	return newTelemetryOn(t.TelemetryBuilder, t.on[0], attribute.String("partition", partition))
}

// with returns what is on every metric, and more.
func (t *telemetry) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(slices.Concat(t.on, more)...))
}

func (t *telemetry) refused(reason string, events int) {
	with := t.with(attribute.String("reason", reason))
	t.ExporterAuditlogRefusedBatches.Add(context.Background(), 1, with)
	t.ExporterAuditlogRefusedEvents.Add(context.Background(), int64(events), with)
}

// add adds to a counter what there is to be added.
func (t *telemetry) add(to metric.Int64Counter, n int64) {
	if n > 0 {
		to.Add(context.Background(), n, t.all)
	}
}

// observer turns what becomes of requests into metrics and status.
type observer struct {
	*telemetry
	status *status
}

var _ ingest.Observer = observer{}

func (o observer) Log(partition string) ingest.LogObserver {
	t := o.telemetry
	if partition != "" {
		t = t.of(partition)
	}
	return logObserver{t, o.status, partition}
}

func (o observer) Refused(reason string, records int) { o.refused(reason, records) }

func (o observer) Partial() { o.add(o.ExporterAuditlogPartialBatches, 1) }

func (o observer) Partitions(n int) {
	o.ExporterAuditlogPartitions.Record(context.Background(), int64(n), o.all)
}

func (o observer) Overflowed(records int) { o.add(o.ExporterAuditlogOverflowEvents, int64(records)) }

func (o observer) Signed(err error) { o.status.signed(err) }

// logObserver turns what one log tells of itself into metrics and status.
type logObserver struct {
	*telemetry
	status    *status
	partition string
}

var _ ingest.LogObserver = logObserver{}

func (o logObserver) ShareRefused(reason string, records int) { o.refused(reason, records) }

func (o logObserver) ShareWritten(w ingest.Written) {
	o.add(o.ExporterAuditlogUnmappedEvents, w.Unmapped)
	for status, n := range w.Proofs {
		o.ExporterAuditlogIngressEvents.Add(context.Background(), n, o.with(attribute.String("result", string(status))))
	}
	for reason, n := range w.Refused {
		o.refused(reason, n)
	}
}

func (o logObserver) Sequences(found map[sequence.Kind]int64, forgotten int) {
	for kind, n := range found {
		o.ExporterAuditlogSequenceFindings.Add(context.Background(), n, o.with(attribute.String("kind", string(kind))))
	}
	o.add(o.ExporterAuditlogSequenceForgotten, int64(forgotten))
}

func (o logObserver) Receipts(r issuer.Result) {
	o.add(o.ExporterAuditlogReceipts, r.Receipts)
	o.add(o.ExporterAuditlogReceiptsMissed, clamp(r.Missed))
	o.ExporterAuditlogReceiptedSize.Record(context.Background(), clamp(r.Size), o.all)
}

func (o logObserver) ReceiptsFault(err error) { o.status.set(&o.status.unreceipted, o.partition, err) }

func (o logObserver) Committed(c rotation.Commit) {
	ctx := context.Background()
	o.ExporterAuditlogBatches.Add(ctx, int64(c.Calls), o.all)
	o.ExporterAuditlogEvents.Add(ctx, int64(c.Events), o.all)
	o.ExporterAuditlogWritten.Add(ctx, c.Bytes, o.all)
	o.add(o.ExporterAuditlogUnsignedEvents, int64(c.Unsigned))
	if c.Calls > 0 {
		o.ExporterAuditlogCommitCalls.Record(ctx, int64(c.Calls), o.all)
	}
	o.ExporterAuditlogCommitDuration.Record(ctx, c.Duration.Seconds(), o.all)
	o.ExporterAuditlogFsyncDuration.Record(ctx, c.SyncDuration.Seconds(), o.all)
	o.ExporterAuditlogTreeSize.Record(ctx, clamp(c.TreeSize), o.all)
}

// Refused is for those who append; what they refuse besides is counted with it, call
// by call.
func (o logObserver) Refused(rotation.Reason, int, int) {}

func (o logObserver) Repeats(repeats, conflicts int) {
	o.add(o.ExporterAuditlogRepeatedEvents, int64(repeats))
	o.add(o.ExporterAuditlogIDConflicts, int64(conflicts))
}

func (o logObserver) SegmentsChanged(segments int, bytes int64) {
	o.ExporterAuditlogSegments.Record(context.Background(), int64(segments), o.all)
	o.ExporterAuditlogSegmentsSize.Record(context.Background(), bytes, o.all)
}

func (o logObserver) FreeSpace(bytes uint64) {
	o.ExporterAuditlogFreeSpace.Record(context.Background(), clamp(bytes), o.all)
}

func (o logObserver) Fault(err error) { o.status.set(&o.status.unwritten, o.partition, err) }

func (o logObserver) Healthy() { o.Fault(nil) }

func (o logObserver) WitnessReplied(r cosigning.Reply) {
	name := attribute.String("witness", r.Witness)
	of := o.with(name)
	outcome := o.with(name, attribute.String("outcome", string(r.Outcome)))
	o.ExporterAuditlogWitnessRequests.Add(context.Background(), 1, outcome)
	o.ExporterAuditlogWitnessDuration.Record(context.Background(), r.Duration.Seconds(), of)
	o.ExporterAuditlogWitnessSize.Record(context.Background(), clamp(r.Size), of)
}

func (o logObserver) Witnessed(size uint64) {
	o.ExporterAuditlogWitnessedSize.Record(context.Background(), clamp(size), o.all)
}

func (o logObserver) WitnessesFault(err error) { o.status.set(&o.status.unwitnessed, o.partition, err) }

func (o logObserver) StateFault(err error) { o.status.set(&o.status.unremembered, o.partition, err) }

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
