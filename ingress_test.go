// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/metadatatest"
)

// proofVector is a record with a proof, and what is to come of checking it.
type proofVector struct {
	Name   string
	Expect struct {
		Result   ingress.Status
		Reason   ingress.Reason
		Producer string
	}
	Logs json.RawMessage
}

func proofVectors(t testing.TB) (all []proofVector) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", "ingress", "vectors.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &all))
	return all
}

func (v proofVector) logs(t testing.TB) plog.Logs {
	t.Helper()
	logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(v.Logs)
	require.NoError(t, err)
	return logs
}

// withProducers trusts the producers of the vectors.
func withProducers(t testing.TB, mode string) func(*auditlogexporter.Config) {
	file := func(name string) string { return filepath.Join("testdata", "vectors", "ingress", name) }
	secret, err := os.ReadFile(file("hmac.key"))
	require.NoError(t, err)
	private := filepath.Join(t.TempDir(), "hmac.key") // a checkout does not keep modes
	require.NoError(t, os.WriteFile(private, secret, 0o600))
	return func(c *auditlogexporter.Config) {
		c.IngressVerification = "mark"
		if mode == "refuse" {
			c.IngressVerification = "refuse"
		}
		c.Producers = []auditlogexporter.ProducerConfig{
			{Name: "self-signed", CertificateFile: file("p256.crt")},
			{Name: "authority", CertificateFile: file("authority.crt")},
			{Name: "public-key", PublicKeyFile: file("ed25519.pub.pem")},
			{Name: "secret", HMACKeyFile: private},
		}
	}
}

func TestMarkSaysInTheEventWhatCameOfTheProof(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), forgetful, withProducers(t, "mark"))
			r := start(t, c)
			all := proofVectors(t)
			together := plog.NewLogs()
			counts := map[ingress.Status]int64{}
			for _, v := range all {
				v.logs(t).ResourceLogs().MoveAndAppendTo(together.ResourceLogs())
				counts[v.Expect.Result]++
			}
			require.NoError(t, r.ConsumeLogs(t.Context(), together))
			events := written(t, c)
			require.Len(t, events, len(all))
			for i, v := range all {
				got, err := ingress.ParseResult(events[i].Ingress)
				require.NoError(t, err, v.Name)
				assert.Equal(t, v.Expect.Result, got.Status, v.Name)
				assert.Equal(t, v.Expect.Reason, got.Reason, v.Name)
				assert.Equal(t, v.Expect.Producer, got.Producer, v.Name)
				// What the producer has sent is what it was.
				back, err := mapping.Logs(events[i])
				require.NoError(t, err)
				want, have := v.logs(t).ResourceLogs().At(0), back.ResourceLogs().At(0)
				assert.Equal(t, want.Resource().Attributes().AsRaw(), have.Resource().Attributes().AsRaw(), v.Name)
				assert.Equal(t, want.ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw(), have.ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw(), v.Name)
			}
			verified(t, c)
			var points []metricdata.DataPoint[int64]
			for status, n := range counts {
				points = append(points, metricdata.DataPoint[int64]{Attributes: attributesWith("result", string(status)), Value: n})
			}
			metadatatest.AssertEqualExporterAuditlogIngressEvents(t, r.telemetry, points, metricdatatest.IgnoreTimestamp())
		})
	}
}

func attributesWith(key, value string) attribute.Set {
	id := attributes("")
	return attribute.NewSet(append(id.ToSlice(), attribute.String(key, value))...)
}

// A record without a good proof is not written, and the others of its call are.
func TestRefuseRefusesUnverifiedRecordsForGood(t *testing.T) {
	c := testConfig(t, forgetful, withProducers(t, "refuse"))
	r := start(t, c)
	good, refused := 0, 0
	for _, v := range proofVectors(t) {
		good++
		logs := plog.NewLogs()
		proofVectors(t)[0].logs(t).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		v.logs(t).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
		err := r.ConsumeLogs(t.Context(), logs)
		if v.Expect.Result == ingress.Verified {
			require.NoError(t, err, v.Name)
			good++
			continue
		}
		refused++
		require.Error(t, err, v.Name)
		assert.True(t, consumererror.IsPermanent(err), v.Name)
		assert.ErrorContains(t, err, "resource 1, scope 0, record 0: ingress_verification: refuse: the record is "+string(v.Expect.Result), v.Name)
		assert.ErrorContains(t, err, string(v.Expect.Reason), v.Name)
	}
	assert.Len(t, written(t, c), good)
	said := refusedIn(t, c)
	assert.Len(t, said, refused)
	for _, one := range said {
		assert.Equal(t, "unverified", one.Reason)
		assert.Equal(t, "resource 1, scope 0, record 0", one.Record)
		assert.Len(t, one.SHA256, 64)
	}
	assert.Empty(t, r.host.reported(), "a bad record is no trouble of the exporter's")
}

// A large call is checked by several goroutines, each with a checker of its own.
func TestProofsOfALargeCall(t *testing.T) {
	c := testConfig(t, forgetful, withProducers(t, "mark"))
	r := start(t, c)
	all := proofVectors(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			logs := plog.NewLogs()
			for range 5 {
				for _, v := range all {
					v.logs(t).ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
				}
			}
			assert.NoError(t, r.ConsumeLogs(t.Context(), logs))
		})
	}
	wg.Wait()
	for i, e := range written(t, c) {
		got, err := ingress.ParseResult(e.Ingress)
		require.NoError(t, err)
		require.Equal(t, all[i%len(all)].Expect.Result, got.Status, all[i%len(all)].Name)
	}
}

func TestOffLeavesNoTrace(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), proofVectors(t)[0].logs(t)))
	for _, e := range written(t, c) {
		assert.Nil(t, e.Ingress)
	}
	_, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_ingress_events")
	assert.Error(t, err)
}

func TestKeysOfProducersAreReadAtTheStart(t *testing.T) {
	c := testConfig(t, withProducers(t, "mark"))
	c.Producers[2].PublicKeyFile = filepath.Join(t.TempDir(), "gone.pem")
	err := startError(t, c)
	assert.ErrorContains(t, err, "producers: producer public-key: ")
	assert.ErrorContains(t, err, "gone.pem")
	assert.NoDirExists(t, c.Directory)
}

// sequenced makes a request with one record for each number.
func sequenced(stream string, numbers ...int64) plog.Logs {
	logs := plog.NewLogs()
	scope := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for _, n := range numbers {
		r := record(scope, fmt.Sprint(stream, "-", n))
		r.Attributes().PutStr("audit.sequence.stream_id", stream)
		r.Attributes().PutInt("audit.sequence.number", n)
	}
	return logs
}

// remarks are what the log says of streams.
func remarks(t testing.TB, c *auditlogexporter.Config) (said []string) {
	t.Helper()
	for _, e := range everything(t, c) {
		if e.Log == nil {
			continue
		}
		var l struct {
			Action   string
			Sequence struct{ Stream, Number, Expected, Missing, Count, Producer string }
		}
		require.NoError(t, json.Unmarshal(e.Log, &l))
		if action, ok := strings.CutPrefix(l.Action, "sequence_"); ok {
			s := l.Sequence
			assert.Equal(t, event.LevelWarning, e.Level)
			said = append(said, strings.TrimRight(fmt.Sprintln(action, s.Producer, s.Stream, s.Number, s.Expected, s.Missing, s.Count), " \n"))
		}
	}
	return said
}

func TestStreamsAreFollowed(t *testing.T) {
	for _, scope := range bothScopes {
		t.Run(string(scope), func(t *testing.T) {
			c := testConfig(t, inScope(scope), forgetful)
			r := start(t, c)
			require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2, 3)))
			assert.Empty(t, remarks(t, c))
			require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 6)))
			assert.Equal(t, []string{"gap  s 6 4 2"}, remarks(t, c), "it is there with the record")
			require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 6, 7)))
			assert.Equal(t, []string{"gap  s 6 4 2", "repeat  s 6 7"}, remarks(t, c))
			verified(t, c)
			metadatatest.AssertEqualExporterAuditlogSequenceFindings(t, r.telemetry, []metricdata.DataPoint[int64]{
				{Attributes: attributesWith("kind", "gap"), Value: 1}, {Attributes: attributesWith("kind", "repeat"), Value: 1},
			}, metricdatatest.IgnoreTimestamp())
		})
	}
}

// A start finds out from the log where streams are, with and without proofs.
func TestStreamsAreKnownAfterARestart(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.Rotation.MaxSizeMiB = 1 })
	c.Mapping.SessionID = []string{"audit.sequence.stream_id"} // kept in a member, not in metadata
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("old", 1)))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2)))
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 3)))
	assert.Empty(t, remarks(t, c))
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 5)))
	assert.Equal(t, []string{"gap  s 5 4 1"}, remarks(t, c))
	// What is too far back is not known, and nothing is said of it.
	for i := range 20 {
		logs := records(ids(fmt.Sprint(i), 400)...)
		for _, one := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			one.Body().SetStr(strings.Repeat("x", 2000))
		}
		require.NoError(t, r.ConsumeLogs(t.Context(), logs))
	}
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("old", 9)))
	r.stop(t) // or a segment might be compressed while it is being read
	assert.Len(t, remarks(t, c), 1)
	verified(t, c)
}

// Whenever the collector is started anew, what it says of streams is what one says that
// runs on, whatever comes: repeats and retries, links, ends, refused calls, proofs.
func TestRestartsMakeNoDifferenceToStreams(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			mark := withProducers(t, "mark")
			on, anew := testConfig(t, mark), testConfig(t, mark)
			rOn, rAnew := start(t, on), start(t, anew)
			for range 25 {
				stream := string(rune('a' + random.IntN(3)))
				from := random.Int64N(12)
				logs := sequenced(stream, from, from+1)
				last := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1)
				switch random.IntN(6) {
				case 0:
					last.Attributes().PutStr("audit.sequence.previous_record_id", fmt.Sprint(stream, "-", random.Int64N(12)))
				case 1:
					last.Attributes().PutBool("audit.sequence.end", random.IntN(4) == 0)
				case 2:
					last.Attributes().PutStr("audit.sequence.number", "malformed")
				case 3:
					last.Body().SetStr("another record with this id")
				}
				if random.IntN(2) == 0 {
					prove(t, logs)
				}
				if random.IntN(3) == 0 {
					rAnew.stop(t)
					rAnew = start(t, anew)
				}
				again := plog.NewLogs()
				logs.CopyTo(again)
				assert.Equal(t, rOn.ConsumeLogs(t.Context(), logs) == nil, rAnew.ConsumeLogs(t.Context(), again) == nil)
			}
			said := remarks(t, on)
			assert.Equal(t, said, remarks(t, anew))
			assert.NotEmpty(t, said)
		})
	}
}

// What was not written did not happen: it can be sent again.
func TestStreamsAndRefusedCalls(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1)))
	away := c.Directory + "-away"
	require.NoError(t, os.Rename(c.Directory, away))
	for range 3 {
		require.Error(t, r.ConsumeLogs(t.Context(), sequenced("s", 2, 9)))
	}
	require.NoError(t, os.Rename(away, c.Directory))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 2, 3)))
	assert.Empty(t, remarks(t, c))
	_, err := r.telemetry.GetMetric("otelcol_exporter_auditlog_sequence_findings")
	assert.Error(t, err)
}

// prove signs all records with the key of the producer public-key.
func prove(t testing.TB, logs plog.Logs) plog.Logs {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", "ingress", "ed25519.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	var form ingress.Form
	for _, resource := range logs.ResourceLogs().All() {
		resource.Resource().Attributes().PutStr("audit.integrity.algorithm", "EdDSA")
		for _, r := range resource.ScopeLogs().At(0).LogRecords().All() {
			text, err := form.Append(nil, r)
			require.NoError(t, err)
			r.Attributes().PutStr("audit.integrity.value", base64.StdEncoding.EncodeToString(ed25519.Sign(key.(ed25519.PrivateKey), text)))
		}
	}
	return logs
}

// Whoever has no key cannot disturb the stream of who has, before a restart and after.
func TestStreamsOfProducersWithProofs(t *testing.T) {
	c := testConfig(t, withProducers(t, "mark"))
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 1, 2))))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 100)))
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 3))))
	assert.Empty(t, remarks(t, c))
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 4))))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 101)))
	assert.Empty(t, remarks(t, c))
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 6))))
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 103)))
	assert.Equal(t, []string{"gap public-key s 6 5 1", "gap  s 103 102 1"}, remarks(t, c))
}

// Whoever has no key cannot use up the ids of who has, before a restart and after; and a
// retry is known all the same.
func TestIDsOfProducersWithProofs(t *testing.T) {
	c := testConfig(t, refusingConflicts, withProducers(t, "mark"))
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2, 3))) // the ids are s-1, s-2, s-3
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("public-key\x00s", 1)))
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 1))), "it is not the one that another has written")
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 2))))
	for range 2 { // two retries
		require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 1, 2))))
		require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 2, 3)))
		r.stop(t)
		r = start(t, c)
	}
	assert.Equal(t, []string{"s-1", "s-2", "s-3", "public-key\x00s-1", "s-1", "s-2"}, writtenIDs(t, c))
	other := sequenced("s", 2)
	firstOf(other).Body().SetStr("something else")
	err := r.ConsumeLogs(t.Context(), prove(t, other))
	assert.ErrorContains(t, err, "s-2", "nor can the producer itself give an id to two records")
	assert.True(t, consumererror.IsPermanent(err))
}

func firstOf(logs plog.Logs) plog.LogRecord {
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// The hash that a record links to is that of the canonical form of the one before.
func TestStreamsLinkedByHash(t *testing.T) {
	c := testConfig(t)
	r := start(t, c)
	first := sequenced("s", 1)
	text, err := new(ingress.Form).Append(nil, first.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
	require.NoError(t, err)
	sum := sha256.Sum256(text)
	linked := func(n int64, hash string) plog.Logs {
		logs := sequenced("s", n)
		logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("audit.sequence.previous_hash", hash)
		return logs
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), first))
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), linked(2, hex.EncodeToString(sum[:]))))
	assert.Empty(t, remarks(t, c))
	require.NoError(t, r.ConsumeLogs(t.Context(), linked(3, hex.EncodeToString(sum[:]))))
	assert.Equal(t, []string{"broken_link  s"}, remarks(t, c))
}

// Every record of a hostile client has a finding. The log says so much, and no more.
func TestFindingsAreLimited(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.Sequences.MaxStreams = 100 })
	r := start(t, c)
	const n = 5000
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = int64(i) * 10
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("hostile", numbers...)))
	said := remarks(t, c)
	assert.GreaterOrEqual(t, len(said), 60)
	assert.Less(t, len(said), 100, "more only if the call took that many seconds")
	metadatatest.AssertEqualExporterAuditlogSequenceFindings(t, r.telemetry, []metricdata.DataPoint[int64]{{Attributes: attributesWith("kind", "gap"), Value: n - 1}}, metricdatatest.IgnoreTimestamp())

	many := plog.NewLogs()
	for i := range 300 {
		sequenced(fmt.Sprint("stream-", i), 1).ResourceLogs().MoveAndAppendTo(many.ResourceLogs())
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), many))
	metadatatest.AssertEqualExporterAuditlogSequenceForgotten(t, r.telemetry, []metricdata.DataPoint[int64]{{Attributes: attributes(""), Value: 201}}, metricdatatest.IgnoreTimestamp())
}

// However much noise those make who prove nothing, the log says what does not fit in a
// stream whose producer is proven.
func TestNoiseWithoutProofHidesNothing(t *testing.T) {
	c := testConfig(t, withProducers(t, "mark"), func(c *auditlogexporter.Config) { c.Sequences.MaxStreams = 100 })
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 1, 2))))
	many := plog.NewLogs()
	for i := range 300 { // more streams than are remembered, and more findings than are told of
		sequenced(fmt.Sprint("stream-", i), 1, 9).ResourceLogs().MoveAndAppendTo(many.ResourceLogs())
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), many))
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", 9))))
	assert.Contains(t, remarks(t, c), "gap public-key s 9 3 6")
	verified(t, c)
}

// What was suppressed is told of by producer.
func TestSuppressedByProducer(t *testing.T) {
	c := testConfig(t, withProducers(t, "mark"))
	r := start(t, c)
	var numbers []int64
	for i := range int64(70) {
		numbers = append(numbers, 10*i)
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), prove(t, sequenced("s", numbers...))))
	require.Eventually(t, func() bool {
		err := r.ConsumeLogs(t.Context(), records(fmt.Sprint("later-", len(everything(t, c)))))
		said := remarks(t, c)
		return err == nil && strings.HasPrefix(said[len(said)-1], "suppressed public-key ")
	}, waitAtMost, pollEvery)
	verified(t, c)
}

// Each partition follows its own streams, and one bad record refuses what a call brings
// for all of them.
func TestProofsAndStreamsInPartitions(t *testing.T) {
	c := testConfig(t, withProducers(t, "refuse"))
	c.PartitionBy = "tenant.id"
	r := start(t, c)
	of := func(tenant string, n int64) plog.Logs {
		logs := prove(t, sequenced("s", n))
		logs.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", tenant) // which no proof covers
		return logs
	}
	both := func(a, b plog.Logs) plog.Logs {
		b.ResourceLogs().MoveAndAppendTo(a.ResourceLogs())
		return a
	}
	require.NoError(t, r.ConsumeLogs(t.Context(), both(of("one", 1), of("two", 5))))
	unsigned := of("two", 6)
	unsigned.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Remove("audit.integrity.value")
	err := r.ConsumeLogs(t.Context(), both(of("one", 2), unsigned))
	require.Error(t, err)
	assert.True(t, consumererror.IsPermanent(err))
	assert.ErrorContains(t, err, "unsigned")
	require.NoError(t, r.ConsumeLogs(t.Context(), both(of("one", 2), of("two", 9))))
	r.stop(t)
	r = start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), both(of("one", 3), of("two", 11))))
	r.stop(t)
	in := func(tenant string) *auditlogexporter.Config {
		one := *c
		one.Directory = filepath.Join(c.Directory, tenant)
		return &one
	}
	assert.Len(t, written(t, in("one")), 3)
	assert.Empty(t, remarks(t, in("one")))
	assert.Equal(t, []string{"gap public-key s 9 6 3", "gap public-key s 11 10 1"}, remarks(t, in("two")))
}

func TestStreamsCanBeLeftAlone(t *testing.T) {
	c := testConfig(t, func(c *auditlogexporter.Config) { c.Sequences.MaxStreams = 0 })
	r := start(t, c)
	require.NoError(t, r.ConsumeLogs(t.Context(), sequenced("s", 1, 9)))
	assert.Empty(t, remarks(t, c))
}
