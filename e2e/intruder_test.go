// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

var (
	intruderAll  = flag.Bool("intruder.all", false, "have TestIntruder make each attack on each kind of log, instead of every other one on one kind")
	intruderOnly = flag.String("intruder.only", "", "have TestIntruder make only the attacks whose names match this")
)

// estate is a collector with two exporters that keep many logs each: an attack has a log,
// a partition, to itself, and all attacks share the collector. The one exporter keeps
// sealed segments plain, the other compresses them.
type estate struct {
	dir       string
	health    string
	kinds     []*kindOfLog
	oldKey    string
	key       string
	rotation  string
	retention string
}

type kindOfLog struct {
	compression string
	suffix      string // of sealed segments
	logs        string // a directory
	http        string // address of its receiver
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	dir := t.TempDir()
	addresses := freeAddresses(t, 3)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "keys"), 0o700))
	e := &estate{dir: dir, health: addresses[2], oldKey: filepath.Join(dir, "keys", "old.pem"), key: filepath.Join(dir, "keys", "new.pem")}
	for n, kind := range []kindOfLog{{compression: "none", suffix: ".jsonl"}, {compression: "gzip", suffix: ".jsonl.gz"}} {
		kind.logs, kind.http = filepath.Join(dir, kind.compression), addresses[n]
		e.kinds = append(e.kinds, &kind)
	}
	for _, key := range []string{e.oldKey, e.key} {
		_, err := keyfile.Create(key, signing.ECDSAP256)
		require.NoError(t, err)
	}
	return e
}

// start starts the collector with a key and, if it is another, the one before.
func (e *estate) start(t *testing.T, signing string) *process {
	t.Helper()
	receivers, exporters, pipelines := "", "", ""
	for _, k := range e.kinds {
		receivers += fmt.Sprintf("\n  otlp/%s: {protocols: {http: {endpoint: %s}}}", k.compression, k.http)
		exporters += fmt.Sprintf(`
  auditlog/%[1]s:
    directory: %[2]s
    origin: e2e.example/%[1]s
    signing: {%[3]s}
    partition_by: tenant.id
    max_partitions: 1000
    min_free_space_mib: 0
    rotation: {%[4]s, compression: %[1]s}
    retention: {%[5]s}`, k.compression, k.logs, signing, e.rotation, e.retention)
		pipelines += fmt.Sprintf("\n    logs/%[1]s: {receivers: [otlp/%[1]s], exporters: [auditlog/%[1]s]}", k.compression)
	}
	path := filepath.Join(e.dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(`
extensions: {health_check: {endpoint: %s}}
receivers:%s
exporters:%s
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:%s
`, e.health, receivers, exporters, pipelines)), 0o600))
	return startCollector(t, e.dir, e.health, "--config", path)
}

// post sends records and returns the status of the answer, 0 if there is none.
func (k *kindOfLog) post(logs plog.Logs) (int, string) {
	body, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
	if err != nil {
		return 0, err.Error()
	}
	response, err := http.Post("http://"+k.http+"/v1/logs", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(answer)
}

// target is a log that is attacked.
type target struct {
	attack
	kind    *kindOfLog
	tenant  string
	dir     string
	kept    string          // a file with a checkpoint from before the attack
	pruned  int             // events about deletions, before it
	acked   map[string]bool // ids, those that no deletion before the attack may have reached
	outcome map[string]string
	status  int // of the last answer
	i       *intruder
}

// The ids of records that are sent while an attack lasts: of the one an intruder may have
// written the line, of the other's id a line with another content, and one that leaves a
// gap in a stream.
const (
	knownID  = "known"
	reusedID = "reused"
	gapID    = "gap"
)

const streamID = "ledger"

// aRecord makes a request with one record of a tenant's. A number other than 0 is its
// place in a stream.
func aRecord(tenant, id, body string, number int64) plog.Logs {
	logs := request(0, tenant+"/"+id)
	rl := logs.ResourceLogs().At(0)
	rl.Resource().Attributes().PutStr("tenant.id", tenant)
	r := rl.ScopeLogs().At(0).LogRecords().At(0)
	r.Body().SetStr(body)
	if number > 0 {
		r.Attributes().PutStr("audit.sequence.stream_id", streamID)
		r.Attributes().PutInt("audit.sequence.number", number)
	}
	return logs
}

// severalRecords makes a request with n records of a tenant's.
func severalRecords(tenant, prefix string, n int) plog.Logs {
	logs := request(0, numbered(tenant+"/"+prefix, n)...)
	logs.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", tenant)
	return logs
}

// forged is the line that the log would write for a record, but for the signature, which
// is one of another line.
func forged(t *testing.T, logs plog.Logs, signedLine []byte) []byte {
	t.Helper()
	enc, err := mapping.NewEncoder(mapping.Default())
	require.NoError(t, err)
	rl := logs.ResourceLogs().At(0)
	enc.SetResource(rl.Resource(), rl.SchemaUrl())
	enc.SetScope(rl.ScopeLogs().At(0).Scope(), "")
	line, _, err := enc.Append([]byte(`{"event":`), rl.ScopeLogs().At(0).LogRecords().At(0))
	require.NoError(t, err)
	return slices.Concat(line, signature.Find(signedLine), []byte("}\n"))
}

// send sends a record, and has the target remember what came of it.
func (o *target) send(id, body string, number int64) (status int) {
	status, answer := o.kind.post(aRecord(o.tenant, id, body, number))
	o.status = status
	if status == http.StatusOK {
		o.acked[o.tenant+"/"+id] = true
		answer = ""
	}
	o.outcome[id] = strings.TrimSpace(fmt.Sprint(status, " ", answer))
	return status
}

func (o *target) path(name string) string { return filepath.Join(o.dir, name) }

// each does something for all targets, eight at a time.
func each(targets []*target, do func(o *target)) {
	var all sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, o := range targets {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			do(o)
		})
	}
	all.Wait()
}

// fill sends n records to each target, and expects them to be acknowledged.
func fillAll(t *testing.T, targets []*target, prefix string, n int) {
	t.Helper()
	for at := range n {
		each(targets, func(o *target) {
			assert.Equal(t, http.StatusOK, o.send(fmt.Sprint(prefix, at), "x", 0), "%s", o.outcome)
		})
	}
	require.False(t, t.Failed())
}

// maintained waits until the background work has been done once more in all logs whose
// checkpoint file shows that it is: it is replaced at the beginning of each round.
func maintained(t *testing.T, targets []*target, send func(o *target, round int)) {
	t.Helper()
	for round := range 3 {
		before := map[*target]string{}
		for _, o := range targets {
			if !regular(o.path("checkpoint")) {
				continue
			}
			if content, err := os.ReadFile(o.path("checkpoint")); err == nil {
				before[o] = string(content)
			}
		}
		each(targets, func(o *target) { send(o, round) })
		maps.DeleteFunc(before, func(o *target, _ string) bool { return o.status != http.StatusOK })
		deadline := time.Now().Add(6 * time.Second)
		eventually(t, "the background work has been done", func() bool {
			maps.DeleteFunc(before, func(o *target, was string) bool {
				if !regular(o.path("checkpoint")) {
					return true
				}
				now, err := os.ReadFile(o.path("checkpoint"))
				return err != nil || string(now) != was
			})
			// What does no work, because of what was done to it, is not waited for.
			return len(before) == 0 || time.Now().After(deadline)
		})
	}
}

func regular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// whole waits until segments are stored as they are to be.
func whole(t *testing.T, targets []*target) {
	t.Helper()
	for _, o := range targets {
		eventually(t, "sealed segments have their form", func() bool {
			names := segments(t, o.dir)
			return len(names) > 1 && !slices.ContainsFunc(names[:len(names)-1], func(name string) bool { return !hasSuffix(name, o.kind.suffix) })
		})
	}
}

// An intruder changes a log's directory between a stop and a start, or while the
// collector runs, and undoes it. Whatever the writer took from the directory meanwhile, no
// evidence is gone afterwards, and the verifiers agree on that.
func TestIntruder(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	var targets []*target
	only := regexp.MustCompile(*intruderOnly)
	for n, a := range attacks() {
		for k, kind := range e.kinds {
			if !*intruderAll && (n%len(e.kinds) != k || a.rare && n%3 != 0) && a.name != unchanged || !only.MatchString(a.name) && a.name != unchanged {
				continue
			}
			tenant := fmt.Sprintf("t%03d", n)
			targets = append(targets, &target{
				attack: a, kind: kind, tenant: tenant, dir: filepath.Join(kind.logs, tenant),
				acked: map[string]bool{}, outcome: map[string]string{},
			})
		}
	}
	e.prepare(t, targets)

	// The attacks.
	for _, o := range targets {
		o.keep(t, targets)
		if o.when == stopped {
			o.change(o.i)
		}
	}
	p := e.start(t, "key_file: "+e.key)
	meanwhile := map[*target]bool{} // refused
	var late []*target
	for _, o := range targets {
		if o.when == running {
			late = append(late, o)
		}
	}
	whole(t, late)
	for _, o := range late {
		o.change(o.i)
	}
	maintained(t, targets, func(o *target, round int) {
		switch round {
		case 0:
			o.send(knownID, "known", 0)
		case 1:
			o.send(reusedID, "reused", 0)
		case 2:
			o.send(gapID, "gap", 9)
		}
	})
	for _, o := range targets {
		meanwhile[o] = !slices.ContainsFunc([]string{knownID, reusedID, gapID}, func(id string) bool { return o.acked[o.tenant+"/"+id] })
	}
	p.end(t)
	for _, o := range targets {
		o.i.undo()
	}

	// What was not acknowledged is sent again, as clients do.
	p = e.start(t, "key_file: "+e.key)
	deadline := time.Now().Add(10 * time.Second)
	again := slices.Clone(targets)
	for len(again) > 0 && time.Now().Before(deadline) {
		each(again, func(o *target) {
			for id, body := range map[string]string{knownID: "known", reusedID: "reused", gapID: "gap"} {
				if !o.acked[o.tenant+"/"+id] && !strings.HasPrefix(o.outcome[id], "400") {
					number := int64(0)
					if id == gapID {
						number = 9
					}
					o.send(id, body, number)
				}
			}
		})
		again = slices.DeleteFunc(again, func(o *target) bool {
			for _, id := range []string{knownID, reusedID, gapID} {
				if !o.acked[o.tenant+"/"+id] && !strings.HasPrefix(o.outcome[id], "400") {
					return false
				}
			}
			return true
		})
	}
	p.end(t)
	public := keyfile.PublicPath(e.oldKey)
	ours := e.verify(t, targets, public)
	others := secondVerifier(t, targets, public)
	for _, o := range targets {
		t.Run(fmt.Sprintf("%s/%s/%s", o.when, o.kind.compression, o.name), func(t *testing.T) {
			o.judge(t, ours[o], others[o], meanwhile[o])
		})
	}
}

// verdict is what a verifier says of a log: its exit status, had it looked at that log
// alone, and its reasons.
type verdict struct {
	code    int
	reasons string
}

// verify has the command check all logs, each against the checkpoint kept of it.
func (e *estate) verify(t *testing.T, targets []*target, public string) map[*target]verdict {
	t.Helper()
	all := map[*target]verdict{}
	for _, k := range e.kinds {
		args := []string{"--key", public}
		byPath := map[string]*target{}
		for _, o := range targets {
			if o.kind == k {
				args = append(args, "--checkpoint", o.kept)
				byPath[o.tenant] = o
			}
		}
		_, report := verifyTree(t, k.logs, args...)
		for _, f := range report.Findings {
			if o := byPath[f.Path]; o != nil {
				all[o] = verdict{1, f.Message}
			}
		}
		for _, l := range report.Logs {
			o := byPath[l.Path]
			switch {
			case o == nil || all[o].code != 0:
			case l.Report == nil:
				all[o] = verdict{2, l.Error}
			case l.Report.TamperingDetected:
				all[o] = verdict{1, fmt.Sprintf("%+v", l.Report.Findings)}
			default:
				all[o] = verdict{}
			}
			delete(byPath, l.Path)
		}
		require.Empty(t, byPath, "logs that were not looked at")
	}
	return all
}

// secondVerifier does the same with the verifier in the other language; nil if it cannot
// run.
func secondVerifier(t *testing.T, targets []*target, public string) map[*target]verdict {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Log("SKIPPED in part: node is not installed, so the second verifier cannot run")
		return nil
	}
	script, err := filepath.Abs(filepath.Join("..", "interop", "verify_log.mjs"))
	require.NoError(t, err)
	// One process for all: the script runs once for each time it is imported.
	const driver = `
import { pathToFileURL } from 'node:url';
import { readFileSync } from 'node:fs';
const [script, jobs] = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const [n, args] of jobs.entries()) {
  let said = '';
  process.argv = ['node', script, ...args];
  process.exitCode = 0;
  console.log = console.error = (line) => { said += line + '\n'; };
  await import(pathToFileURL(script).href + '?' + n);
  results.push({ code: process.exitCode, said });
}
process.exitCode = 0;
process.stdout.write(JSON.stringify(results));
`
	var jobs [][]string
	for _, o := range targets {
		jobs = append(jobs, []string{o.dir, public, "--checkpoint", o.kept})
	}
	in, err := json.Marshal([]any{script, jobs})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "--eval", driver)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var results []struct {
		Code int
		Said string
	}
	require.NoError(t, json.Unmarshal(out, &results))
	all := map[*target]verdict{}
	for n, o := range targets {
		all[o] = verdict{results[n].Code, results[n].Said}
	}
	return all
}

// prepare has the collector write the logs: each has deleted segments, gone over to
// another key, sealed segments, and a newest one that holds events.
func (e *estate) prepare(t *testing.T, targets []*target) {
	t.Helper()
	e.rotation, e.retention = "max_age: 1ms, max_size_mib: 1", "max_segments: 3"
	p := e.start(t, "key_file: "+e.oldKey)
	fillAll(t, targets, "deleted-", 5)
	for _, o := range targets {
		eventually(t, "old segments are deleted", func() bool {
			return len(segments(t, o.dir)) <= 3 && regular(o.path("pruned-ranges"))
		})
	}
	p.stop(t)
	for _, o := range targets {
		clear(o.acked)
	}
	e.retention = fmt.Sprintf("max_age: 24h, max_total_size_mib: %d, max_segments: %d", mostBytes>>20, mostSegments)
	over := fmt.Sprintf("key_file: %s, previous_key_file: %s", e.key, e.oldKey)
	p = e.start(t, over)
	fillAll(t, targets, "sealed-", 3)
	each(targets, func(o *target) { // leaves room for indexes between those of two segments
		status, answer := o.kind.post(severalRecords(o.tenant, "together-", mostSegments))
		assert.Equal(t, http.StatusOK, status, answer)
	})
	fillAll(t, targets, "last-", 1)
	whole(t, targets)
	p.stop(t)
	e.rotation = "max_size_mib: 1"
	p = e.start(t, "key_file: "+e.key)
	fillAll(t, targets, "active-", 2)
	for number := range int64(3) {
		each(targets, func(o *target) { o.send(fmt.Sprint("number-", number+1), "x", number+1) })
	}
	p.stop(t)
	e.rotation = "max_age: 1ms, max_size_mib: 1"
}

// keep keeps a checkpoint of a target, and readies an intruder for it.
func (o *target) keep(t *testing.T, all []*target) {
	t.Helper()
	away := t.TempDir()
	o.kept = filepath.Join(t.TempDir(), "kept")
	content, err := os.ReadFile(o.path("checkpoint"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(o.kept, content, 0o600))
	other := all[slices.IndexFunc(all, func(one *target) bool { return one != o && one.kind == o.kind && one.name == unchanged })]
	o.i = &intruder{t: t, dir: o.dir, away: away, other: other.dir}
	names := segments(t, o.dir)
	content, err = os.ReadFile(o.path(names[len(names)-1]))
	require.NoError(t, err)
	o.i.known = forged(t, aRecord(o.tenant, knownID, "known", 0), content)
	o.i.reused = forged(t, aRecord(o.tenant, reusedID, "another", 0), content)
	o.i.ahead = forged(t, aRecord(o.tenant, "ahead", "x", 8), content)
	_, says := contents(t, o.dir)
	o.pruned = says["pruned"]
}

// judge looks at what is left when an attack has been undone.
func (o *target) judge(t *testing.T, ours, other verdict, refused bool) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("answers: %v; files: %v", o.outcome, o.files(t))
		}
	}()
	if other.reasons != "" {
		assert.Equal(t, ours.code, other.code, "the two verifiers disagree: %s, %s", ours.reasons, other.reasons)
	}
	if o.must == lossFound {
		assert.Equal(t, 1, ours.code, "%s", ours.reasons)
		return
	}
	assert.Equal(t, 0, ours.code, "%s", ours.reasons)
	for id, answer := range o.outcome {
		assert.True(t, o.acked[o.tenant+"/"+id] || strings.HasPrefix(id, "deleted-"), "%s was never taken: %s", id, answer)
	}
	there, says := contents(t, o.dir)
	for id := range o.acked {
		assert.Positive(t, there[id], "%s was acknowledged", id)
	}
	assert.Equal(t, o.pruned, says["pruned"], "the log says that it has deleted something")
	assert.Positive(t, says["sequence_gap"]+says["damaged"], "nothing is said of the gap in a stream, nor that streams are not known any more: %v", says)
	if o.must == refusedMeanwhile {
		assert.True(t, refused, "records were acknowledged while this was so")
	}
}

// contents returns how often a log holds each id of a client's, and how often it has said
// each thing of itself. What cannot be read is not there.
func contents(t *testing.T, dir string) (ids, says map[string]int) {
	t.Helper()
	ids, says = map[string]int{}, map[string]int{}
	fsys := os.DirFS(dir)
	listing, err := segment.List(fsys)
	require.NoError(t, err)
	for _, f := range listing.Segments {
		r, err := segment.Open(fsys, f.Name, -1)
		if err != nil {
			continue
		}
		for line, err := r.Next(); err == nil; line, err = r.Next() {
			var l struct {
				Event struct {
					ID  string `json:"event_id"`
					Log struct{ Action string }
				}
			}
			if json.Unmarshal(line, &l) != nil {
				continue
			}
			if action := l.Event.Log.Action; action != "" {
				says[action]++
			} else if l.Event.ID != "" {
				ids[l.Event.ID]++
			}
		}
		require.NoError(t, r.Close())
	}
	return ids, says
}

func (o *target) files(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(o.dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
