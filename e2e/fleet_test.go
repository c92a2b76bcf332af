// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/verify/fleet"
)

// treeReport is what auditlog verify --recursive --json prints.
type treeReport struct {
	Logs     []fleet.Log     `json:"logs"`
	Findings []fleet.Finding `json:"findings"`
	Summary  fleet.Summary   `json:"summary"`
}

// verifyTree runs auditlog verify --recursive.
func verifyTree(t *testing.T, root string, args ...string) (code int, r treeReport) {
	t.Helper()
	code, out := runAuditlog(t, append([]string{"verify", root, "--recursive", "--json"}, args...)...)
	require.NoError(t, json.Unmarshal(out, &r), "%s", out)
	return code, r
}

// tenants makes a request with a resource for each tenant, with these ids, the tenant's
// name before them.
func tenants(names []string, ids ...string) plog.Logs {
	logs := plog.NewLogs()
	for _, name := range names {
		own := make([]string, len(ids))
		for i, id := range ids {
			own[i] = name + "/" + id
		}
		one := request(100, own...)
		if name != "" {
			one.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", name)
		}
		one.ResourceLogs().MoveAndAppendTo(logs.ResourceLogs())
	}
	return logs
}

// shownIDs returns the ids of a log's events, its own left out.
func shownIDs(t *testing.T, dir string) (ids []string) {
	t.Helper()
	for _, e := range show(t, dir) {
		if e.Log == nil {
			ids = append(ids, e.EventID)
		}
	}
	return ids
}

// Each tenant has a log that stands by itself, through kills of the collector; a flood of
// tenants fills one more; and whatever is done to one of them is found.
func TestTenants(t *testing.T) {
	t.Parallel()
	s := newSite(t, "partition_by: tenant.id\n    max_partitions: 4")
	names := []string{"acme", "Acme", "../../escape", ""}
	acknowledged := map[string][]string{}
	for round := range 3 {
		p := s.start(t)
		stop := make(chan struct{})
		var clients sync.WaitGroup
		var mu sync.Mutex
		for client := range 3 {
			clients.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprintf("%d-%d-%d", round, client, n)
					if s.post(tenants(names, id)) == nil {
						mu.Lock()
						for _, name := range names {
							acknowledged[name] = append(acknowledged[name], name+"/"+id)
						}
						mu.Unlock()
					}
				}
			})
		}
		eventually(t, "the collector has acknowledged enough", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged["acme"]) > 20*(round+1)
		})
		p.kill(t)
		close(stop)
		clients.Wait()
	}
	p := s.start(t)
	for i := range 100 {
		require.NoError(t, s.post(tenants([]string{fmt.Sprint("flood-", i)}, "x")))
	}
	p.stop(t)

	directories := map[string]string{"acme": "acme", "Acme": "%41cme", "../../escape": "%2e.%2f..%2fescape", "": "_none", "flood-0": "flood-0"}
	var want []string
	for name, dir := range directories {
		want = append(want, dir)
		got := shownIDs(t, filepath.Join(s.log, dir))
		for _, id := range got {
			assert.True(t, strings.HasPrefix(id, name+"/"), "%s is in the log of %s", id, dir)
		}
		slices.Sort(got)
		for _, id := range acknowledged[name] {
			_, found := slices.BinarySearch(got, id)
			assert.True(t, found, "%s was acknowledged and is not in the log", id)
		}
	}
	assert.Len(t, shownIDs(t, filepath.Join(s.log, "_overflow")), 99)

	code, r := verifyTree(t, s.log, "--key", s.public)
	require.Zero(t, code, "%+v", r.Summary)
	var paths []string
	for _, l := range r.Logs {
		paths = append(paths, l.Path)
		assert.Equal(t, "e2e.example/auditlog/"+l.Path, l.Report.Origin)
	}
	assert.ElementsMatch(t, append(want, "_overflow"), paths)

	// Everybody keeps checkpoints; then a tenant's log goes, and another's event is changed.
	args := []string{"--key", s.public}
	for i, path := range paths {
		code, note := runAuditlog(t, "checkpoint", filepath.Join(s.log, path))
		require.Zero(t, code)
		kept := filepath.Join(s.dir, fmt.Sprint("kept-", i))
		require.NoError(t, os.WriteFile(kept, note, 0o600))
		args = append(args, "--checkpoint", kept)
	}
	code, r = verifyTree(t, s.log, args...)
	require.Zero(t, code, "%+v", r.Summary)
	require.NoError(t, os.RemoveAll(filepath.Join(s.log, "acme")))
	code, r = verifyTree(t, s.log, args...)
	assert.Equal(t, 1, code)
	assert.Zero(t, r.Summary.Tampered)
	require.NotEmpty(t, r.Summary.Findings)
	assert.Equal(t, verify.Rollback, r.Summary.Findings[0].Kind)
	assert.Contains(t, r.Summary.Findings[0].Message, `"e2e.example/auditlog/acme"`)

	// The collector does not begin it anew, unless somebody permits it, who cannot hide that.
	p = s.start(t)
	require.ErrorContains(t, s.post(tenants([]string{"acme"}, "new")), "the log is missing")
	p.stop(t)
	states, err := filepath.Glob(filepath.Join(s.dir, "*acme.state"))
	require.NoError(t, err)
	require.Len(t, states, 1)
	code, _ = runAuditlog(t, "begin-anew", states[0])
	require.Zero(t, code)
	p = s.start(t)
	require.NoError(t, s.post(tenants([]string{"acme"}, "new")))
	p.stop(t)
	code, r = verifyTree(t, s.log, args...)
	assert.Equal(t, 1, code)
	assert.Equal(t, 1, r.Summary.Tampered)
}

// Two instances of one configuration, each with the directory and the origin of its own,
// are verified together; a third with the name of the first does not start.
func TestInstances(t *testing.T) {
	t.Parallel()
	first, second, third := newSite(t, ""), newSite(t, ""), newSite(t, "")
	root := filepath.Join(first.dir, "audit")
	run := func(s *site, pod string) *process {
		s.log, s.key = root+"/${env:POD_NAME}", `"`+first.dir+"/${env:POD_NAME}.pem"+`"`
		config := strings.Replace(s.config(), "e2e.example/auditlog", "fleet.example/${env:POD_NAME}", 1)
		path := filepath.Join(s.dir, "config.yaml")
		require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
		return launch(t, s.dir, "env", "POD_NAME="+pod, collector, "--config", path)
	}
	pods := map[string]*site{"pod-0": first, "pod-1": second}
	running := map[string]*process{}
	for pod, s := range pods {
		running[pod] = run(s, pod)
	}
	for pod, s := range pods {
		running[pod].awaitReady(t, s.health)
		s.fill(t, pod, 200)
	}
	again := run(third, "pod-0")
	eventually(t, "the third collector ends", again.ended)
	assert.Contains(t, again.output.String(), "give this one a directory of its own")
	again.killed = true // its output is of no interest

	// While they run, and afterwards.
	keys := []string{"--key", filepath.Join(first.dir, "pod-0.pub.pem"), "--key", filepath.Join(first.dir, "pod-1.pub.pem")}
	code, r := verifyTree(t, root, keys...)
	assert.Zero(t, code, "%+v", r)
	for _, p := range running {
		p.stop(t)
	}
	code, r = verifyTree(t, root, keys...)
	require.Zero(t, code, "%+v", r)
	require.Len(t, r.Logs, 2)
	for i, l := range r.Logs {
		pod := fmt.Sprint("pod-", i)
		assert.Equal(t, pod, l.Path)
		assert.Equal(t, "fleet.example/"+pod, l.Report.Origin)
		assert.EqualValues(t, 200, l.Report.VerifiedEvents-l.Report.OwnEvents)
	}
	assert.EqualValues(t, 400, r.Summary.VerifiedEvents-r.Summary.OwnEvents)
}
