// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/internal/witnesstest"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// witnessedBy adds witnesses, and the key that they know the log by.
func witnessedBy(t *testing.T, all ...*witnesstest.Witness) func(*auditlogexporter.Config) {
	return func(c *auditlogexporter.Config) {
		c.Signing.CheckpointKeyFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "checkpoint.pem")
		s, err := keyfile.Create(c.Signing.CheckpointKeyFile, signing.Ed25519)
		require.NoError(t, err)
		for _, w := range all {
			w.Trust(t, c.Origin, s.Public())
			c.Witnesses = append(c.Witnesses, auditlogexporter.WitnessConfig{URL: w.Listen(t), PublicKey: w.Key.String()})
		}
	}
}

func newWitnesses(t *testing.T, names ...string) (all []*witnesstest.Witness) {
	for _, name := range names {
		all = append(all, witnesstest.New(t, name))
	}
	return all
}

// quorum verifies the log with witnesses.
func quorum(t *testing.T, c *auditlogexporter.Config, n int, all ...*witnesstest.Witness) *verify.Report {
	t.Helper()
	key, err := keyfile.LoadPublic(keyfile.PublicPath(c.Signing.KeyFile))
	require.NoError(t, err)
	o := verify.Options{Keys: []*signing.PublicKey{key}, Quorum: n}
	for _, w := range all {
		o.Witnesses = append(o.Witnesses, w.Key)
	}
	r, err := verify.Log(t.Context(), os.DirFS(c.Directory), o)
	require.NoError(t, err)
	return r
}

func TestWitnessesCosignTheLog(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			all := newWitnesses(t, "witness.example/w1", "witness.example/w2")
			c := testConfig(t, inScope(scope), witnessedBy(t, all...))
			var at uint64
			for _, id := range []string{"a", "b", "c"} {
				r := start(t, c)
				before := at
				require.NoError(t, r.ConsumeLogs(t.Context(), records(id)))
				r.stop(t)
				at = all[0].Size(c.Origin)
				assert.Greater(t, at, before)
				assert.Equal(t, at, all[1].Size(c.Origin))
				assert.NotContains(t, r.host.reported(), componentstatus.StatusRecoverableError)
			}
			report := quorum(t, c, 2, all...)
			assert.False(t, report.TamperingDetected, "%+v", report.Findings)
			assert.Equal(t, at, report.WitnessedSize)

			// The convenience copy carries the cosignatures.
			note, err := os.ReadFile(filepath.Join(c.Directory, sidefile.CheckpointName))
			require.NoError(t, err)
			for _, w := range all {
				_, err := w.Key.Cosignature(note)
				assert.NoError(t, err)
			}
		})
	}
}

// A call returns while the only witness holds its request.
func TestAStuckWitnessHoldsNoCall(t *testing.T) {
	w := witnesstest.New(t, "witness.example/w1")
	asked := make(chan struct{}, 1)
	w.Misbehave(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	})
	c := testConfig(t, witnessedBy(t, w))
	r := start(t, c)
	<-asked
	for _, id := range []string{"a", "b", "c"} {
		require.NoError(t, r.ConsumeLogs(t.Context(), records(id)))
	}
	assert.Zero(t, w.Asked(), "the witness has answered")
	assert.Equal(t, []string{"a", "b", "c"}, writtenIDs(t, c))
	r.stop(t)
}

func TestMetricsAndStatusTellOfWitnesses(t *testing.T) {
	all := newWitnesses(t, "witness.example/w1", "witness.example/w2")
	c := testConfig(t, witnessedBy(t, all...))
	c.WitnessInterval = 5 * time.Millisecond
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	status := func(want componentstatus.Status) func() bool {
		return func() bool {
			reported := r.host.reported()
			return len(reported) > 0 && reported[len(reported)-1] == want
		}
	}
	await := func(name string, done func(metricdata.Metrics) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			m, err := r.telemetry.GetMetric(name)
			return err == nil && done(m)
		}, waitAtMost, pollEvery, name)
	}
	await("otelcol_exporter_auditlog_witnessed_size", func(m metricdata.Metrics) bool {
		return m.Data.(metricdata.Gauge[int64]).DataPoints[0].Value >= 3
	})
	await("otelcol_exporter_auditlog_witness_size", func(m metricdata.Metrics) bool {
		points := m.Data.(metricdata.Gauge[int64]).DataPoints
		return len(points) == 2 && points[0].Value >= 3 && points[1].Value >= 3
	})
	await("otelcol_exporter_auditlog_witness_duration", func(m metricdata.Metrics) bool {
		return len(m.Data.(metricdata.Histogram[float64]).DataPoints) == 2
	})
	answered := func(outcomes ...string) {
		t.Helper()
		await("otelcol_exporter_auditlog_witness_requests", func(m metricdata.Metrics) bool {
			seen := map[string]bool{}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				outcome, _ := p.Attributes.Value("outcome")
				name, _ := p.Attributes.Value("witness")
				seen[name.AsString()+" "+outcome.AsString()] = p.Value > 0
			}
			return !slices.ContainsFunc(outcomes, func(o string) bool { return !seen[o] })
		})
	}

	// One of them fails, for longer than three intervals. On a slow machine both may be late
	// before it has been asked.
	all[1].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "gone", http.StatusBadGateway) })
	require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
	require.Eventually(t, status(componentstatus.StatusRecoverableError), waitAtMost, pollEvery)
	assert.ErrorContains(t, r.host.lastError(), "witness.example/w2")
	answered("witness.example/w2 failed")
	all[1].Misbehave(nil)
	require.Eventually(t, status(componentstatus.StatusOK), waitAtMost, pollEvery)

	// One of them says that the log was forked.
	all[0].Misbehave(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnprocessableEntity) })
	require.NoError(t, r.ConsumeLogs(t.Context(), records("c")))
	require.Eventually(t, func() bool {
		return status(componentstatus.StatusRecoverableError)() && r.host.says("forked")
	}, waitAtMost, pollEvery)
	require.NotEmpty(t, r.logged.FilterLevelExact(zap.ErrorLevel).FilterMessageSnippet("contradicts").All())
	answered("witness.example/w1 cosigned", "witness.example/w1 contradicted", "witness.example/w2 cosigned", "witness.example/w2 failed")
	r.stop(t)
	report := quorum(t, c, 1, all[0])
	assert.True(t, report.TamperingDetected)
}

// The key that witnesses know the log by is made with a new log, and never for one that
// there is already.
func TestCheckpointKeyFile(t *testing.T) {
	w := witnesstest.New(t, "witness.example/w1")
	c := testConfig(t, func(c *auditlogexporter.Config) {
		c.Witnesses = []auditlogexporter.WitnessConfig{{URL: w.Listen(t), PublicKey: w.Key.String()}}
	})
	assert.ErrorContains(t, startError(t, c), "signing::checkpoint_key_file: ", "the key that is made is P-256")

	c.Signing.CheckpointKeyFile = filepath.Join(filepath.Dir(c.Signing.KeyFile), "checkpoint.pem")
	r := start(t, c)
	r.stop(t)
	key, err := keyfile.Load(c.Signing.CheckpointKeyFile)
	require.NoError(t, err)
	require.Equal(t, signing.Ed25519, key.Public().Algorithm())
	vkey, err := key.Public().VKey(c.Origin)
	require.NoError(t, err)
	said := r.logged.FilterField(zap.String("vkey", vkey)).All()
	assert.Len(t, said, 1, "the log says by what key witnesses must know it")

	previous := c.Signing.CheckpointKeyFile + ".previous"
	require.NoError(t, os.Rename(c.Signing.CheckpointKeyFile, previous))
	assert.ErrorContains(t, startError(t, c), "auditlog keygen")
	// A P-256 key is no use to witnesses.
	require.NoError(t, os.Remove(keyfile.PublicPath(c.Signing.CheckpointKeyFile)))
	_, err = keyfile.Create(c.Signing.CheckpointKeyFile, signing.ECDSAP256)
	require.NoError(t, err)
	assert.ErrorContains(t, startError(t, c), "Ed25519")
	c.Witnesses = nil
	// The key before leaves by its own signature only.
	assert.ErrorContains(t, startError(t, c), "signing::previous_checkpoint_key_file")
	c.Signing.PreviousCheckpointKeyFile = previous
	start(t, c).stop(t)
	c.Signing.PreviousCheckpointKeyFile = ""
	start(t, c).stop(t)
}

// A log that there is gets witnesses, and the key for them, later.
func TestALogGetsWitnessesLater(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("a")))
	r.stop(t)
	w := witnesstest.New(t, "witness.example/w1")
	witnessedBy(t, w)(c)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), records("b")))
	r.stop(t)
	report := quorum(t, c, 1, w)
	assert.False(t, report.TamperingDetected, "%+v", report.Findings)
	assert.Equal(t, w.Size(c.Origin), report.WitnessedSize)
	assert.Len(t, report.Segments, 2, "the header names the key, so there is another segment")
	note, err := os.ReadFile(filepath.Join(c.Directory, sidefile.CheckpointName))
	require.NoError(t, err)
	_, err = w.Key.Cosignature(note)
	require.NotErrorIs(t, err, witness.ErrNoCosignature)
}
