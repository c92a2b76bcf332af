// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
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
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning/client"
	"github.com/otel-auditlog/auditlogexporter/internal/keyfile"
	"github.com/otel-auditlog/auditlogexporter/internal/logtest"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/sidefile"
	"github.com/otel-auditlog/auditlogexporter/rotation"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/verify"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// litewitness is a witness that others wrote: filippo.io/torchwood/cmd/litewitness, in a
// process of its own.
type litewitness struct {
	t       *testing.T
	program string
	dir     string // short, because a socket's path must be
	address string
	key     string // the fingerprint
	process *exec.Cmd
	exited  chan error
	vkey    *witness.Key
}

const witnessName = "witness.example/litewitness"

// newLitewitness builds a witness that knows a log by a key, and starts it.
func newLitewitness(t *testing.T, origin string, log *signing.PublicKey) *litewitness {
	t.Helper()
	w := &litewitness{t: t, program: filepath.Join(t.TempDir(), "litewitness")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.program, "filippo.io/torchwood/cmd/litewitness")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "build litewitness: %v\n%s", err, out)
	w.dir, err = os.MkdirTemp("", "lw")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(w.dir) })
	w.serveKey()
	w.know(origin, log)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.address = listener.Addr().String()
	listener.Close()
	w.start()
	t.Cleanup(w.stop)
	return w
}

// serveKey makes the witness's key and serves it as an ssh-agent.
func (w *litewitness) serveKey() {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	keys := agent.NewKeyring()
	require.NoError(w.t, keys.Add(agent.AddedKey{PrivateKey: private}))
	public, err := ssh.NewPublicKey(private.Public())
	require.NoError(w.t, err)
	w.key = ssh.FingerprintSHA256(public)
	listener, err := net.Listen("unix", filepath.Join(w.dir, "agent"))
	require.NoError(w.t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = agent.ServeAgent(keys, conn) // until the witness hangs up
				conn.Close()
			})
		}
	})
	w.t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
}

// know enters a log into the witness's database.
func (w *litewitness) know(origin string, log *signing.PublicKey) {
	w.t.Helper()
	vkey, err := log.VKey(origin)
	require.NoError(w.t, err)
	db, err := sqlite.OpenConn(filepath.Join(w.dir, "db"))
	require.NoError(w.t, err)
	defer db.Close()
	err = sqlitex.ExecScript(db, `
		CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
		CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));`)
	if err == nil {
		// The hash is SHA-256 of nothing.
		err = sqlitex.Execute(db, "INSERT INTO log VALUES (?, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=')", &sqlitex.ExecOptions{Args: []any{origin}})
	}
	if err == nil {
		err = sqlitex.Execute(db, "INSERT INTO key VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{origin, vkey}})
	}
	require.NoError(w.t, err)
}

var vkeySaid = regexp.MustCompile(`vkey=(\S+)`)

// start starts the process and learns the witness's key from what it says.
func (w *litewitness) start() {
	w.t.Helper()
	w.process = exec.Command(w.program, "-name", witnessName, "-db", filepath.Join(w.dir, "db"),
		"-ssh-agent", filepath.Join(w.dir, "agent"), "-key", w.key, "-listen", w.address)
	said, err := w.process.StderrPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, w.process.Start())
	vkey, listening := make(chan string, 1), make(chan struct{})
	w.exited = make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if m := vkeySaid.FindStringSubmatch(lines.Text()); m != nil {
				vkey <- strings.Trim(m[1], `"`)
			}
			if strings.Contains(lines.Text(), "msg=listening") {
				close(listening)
			}
		}
		w.exited <- w.process.Wait()
	}()
	select {
	case <-listening:
	case err := <-w.exited:
		w.t.Fatalf("litewitness ended: %v", err)
	}
	w.vkey, err = witness.ParseKey(<-vkey)
	require.NoError(w.t, err)
}

// stop ends the process.
func (w *litewitness) stop() {
	if w.process == nil {
		return
	}
	assert.NoError(w.t, w.process.Process.Signal(os.Interrupt))
	assert.NoError(w.t, <-w.exited)
	w.process = nil
}

// size returns how many leaves of a log the witness has cosigned.
func (w *litewitness) size(origin string) (size int64) {
	w.t.Helper()
	db, err := sqlite.OpenConn(filepath.Join(w.dir, "db"))
	require.NoError(w.t, err)
	defer db.Close()
	require.NoError(w.t, sqlitex.Execute(db, "SELECT tree_size FROM log WHERE origin = ?", &sqlitex.ExecOptions{
		Args:       []any{origin},
		ResultFunc: func(s *sqlite.Stmt) error { size = s.ColumnInt64(0); return nil },
	}))
	return size
}

// follower notes what a log tells of its witnesses.
type follower struct {
	logtest.Quiet
	mu        sync.Mutex
	changed   chan struct{} // holds one when something has changed
	witnessed uint64
	problem   error
	replies   []cosigning.Reply
}

func (f *follower) note(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *follower) Witnessed(size uint64) { f.note(func() { f.witnessed = size }) }

func (f *follower) WitnessesFault(err error) { f.note(func() { f.problem = err }) }

func (f *follower) WitnessReplied(r cosigning.Reply) {
	f.note(func() { f.replies = append(f.replies, r) })
}

// await waits until something holds of what the log has told.
func (f *follower) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for {
		f.mu.Lock()
		ok := holds()
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-f.changed:
		case <-t.Context().Done():
			t.Fatalf("waited for %s", what)
		case <-time.After(time.Minute):
			f.mu.Lock()
			defer f.mu.Unlock()
			t.Fatalf("waited a minute for %s; the replies were %+v", what, f.replies)
		}
	}
}

// witnessedLog is a log that litewitness follows.
type witnessedLog struct {
	*logtest.Log
	t *testing.T
	*follower
}

// options are those of a log signed with P-256, and with the Ed25519 key that witnesses
// take.
func witnessedOptions(t *testing.T) rotation.Options {
	t.Helper()
	o := rotation.Options{Directory: filepath.Join(t.TempDir(), "log"), Origin: "host.example/auditlog", Scope: segline.ScopeEvent, Sync: true}
	var err error
	o.Signer, err = keyfile.Create(filepath.Join(t.TempDir(), "key.pem"), signing.ECDSAP256)
	require.NoError(t, err)
	o.CheckpointSigner, err = keyfile.Create(filepath.Join(t.TempDir(), "checkpoint.pem"), signing.Ed25519)
	require.NoError(t, err)
	return o
}

func openWitnessed(t *testing.T, o rotation.Options, w *litewitness) *witnessedLog {
	t.Helper()
	c, err := client.New("http://"+w.address, w.vkey)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	f := &follower{changed: make(chan struct{}, 1)}
	o.Observer, o.Witnesses, o.WitnessInterval = f, []cosigning.Witness{c}, 20*time.Millisecond
	return &witnessedLog{logtest.New(t, o), t, f}
}

// append appends some events, and returns the size of the tree with them.
func (l *witnessedLog) append(prefix string, events int) uint64 {
	l.t.Helper()
	ids := make([]string, events)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", prefix, len(l.IDs)+i)
	}
	l.Add(ids...)
	return l.Newest().TreeSize
}

// awaitWitnessed waits until the witness has cosigned so many leaves.
func (l *witnessedLog) awaitWitnessed(size uint64) {
	l.t.Helper()
	l.await(l.t, fmt.Sprintf("%d cosigned leaves", size), func() bool { return l.witnessed >= size })
}

func (l *witnessedLog) verify(kept [][]byte, keys ...*witness.Key) *verify.Report {
	l.t.Helper()
	var all []verify.Kept
	for _, note := range kept {
		all = append(all, verify.Kept{Note: note})
	}
	r, err := verify.Log(l.t.Context(), os.DirFS(l.Options.Directory), verify.Options{
		Keys: []*signing.PublicKey{l.Options.Signer.Public()}, Witnesses: keys, Checkpoints: all,
	})
	require.NoError(l.t, err)
	return r
}

// filed is the checkpoint file.
func (l *witnessedLog) filed() []byte {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(l.Options.Directory, sidefile.CheckpointName))
	require.NoError(l.t, err)
	return b
}

func rollbacks(r *verify.Report) (n int) {
	for _, f := range r.Findings {
		if f.Kind == verify.Rollback && f.Severity == verify.Tampering {
			n++
		}
	}
	return n
}

func TestLitewitnessFollowsALog(t *testing.T) {
	o := witnessedOptions(t)
	o.MaxSegmentBytes = 6000
	w := newLitewitness(t, o.Origin, o.CheckpointSigner.Public())
	l := openWitnessed(t, o, w)
	for i := range 10 {
		l.awaitWitnessed(l.append("first", i+1))
	}
	// The witness is away for a while; writing goes on.
	w.stop()
	var last uint64
	for i := range 10 {
		last = l.append("away", i+1)
	}
	l.await(t, "a request that fails", func() bool {
		return slices.ContainsFunc(l.replies, func(r cosigning.Reply) bool { return r.Err != nil })
	})
	w.start()
	l.awaitWitnessed(last)
	l.Close()

	// After a restart, the log goes on from where the witness says that it is.
	l = openWitnessed(t, o, w)
	l.awaitWitnessed(l.append("second", 5))
	l.Close()
	for _, r := range l.replies {
		assert.NoError(t, r.Err, "%+v", r)
	}
	r := l.verify([][]byte{l.filed()}, w.vkey)
	if r.TamperingDetected || int64(r.WitnessedSize) != w.size(o.Origin) {
		t.Errorf("witnessed up to %d; the witness has cosigned %d: %+v", r.WitnessedSize, w.size(o.Origin), r.Findings)
	}
	_, err := w.vkey.Cosignature(l.filed())
	assert.NoError(t, err, "the checkpoint file")
}

func copyLog(t *testing.T, from string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	require.NoError(t, os.Chmod(to, 0o700))
	return to
}

// A directory is put back from an older copy, and continued.
func TestLitewitnessFindsARollback(t *testing.T) {
	o := witnessedOptions(t)
	w := newLitewitness(t, o.Origin, o.CheckpointSigner.Public())
	l := openWitnessed(t, o, w)
	l.awaitWitnessed(l.append("kept", 3))
	l.Close()
	older := o
	older.Directory = copyLog(t, o.Directory)
	l = openWitnessed(t, o, w)
	l.awaitWitnessed(l.append("lost", 50))
	l.Close()
	kept := l.filed()
	at := w.size(o.Origin)

	l = openWitnessed(t, older, w)
	l.await(t, "the contradiction", func() bool { return l.problem != nil })
	assert.ErrorContains(t, l.problem, "rolled back", "the problem")
	// Grown beyond what it was, it is a fork, and refused all the same.
	l.append("again", 100)
	l.await(t, "the fork", func() bool {
		return slices.ContainsFunc(l.replies, func(r cosigning.Reply) bool {
			return r.Outcome == cosigning.OutcomeContradicted && strings.Contains(r.Err.Error(), "forked")
		})
	})
	l.Close()
	assert.Equal(t, at, w.size(o.Origin), "the witness went from")
	r := l.verify(nil, w.vkey)
	assert.NotZero(t, rollbacks(r), "the verifier finds %+v", r.Findings)
	if r := l.verify([][]byte{kept}); rollbacks(r) == 0 {
		t.Errorf("with a kept checkpoint, the verifier finds %+v", r.Findings)
	}
}

// A directory is copied, and both copies are continued with the same key.
func TestLitewitnessFindsAFork(t *testing.T) {
	o := witnessedOptions(t)
	w := newLitewitness(t, o.Origin, o.CheckpointSigner.Public())
	l := openWitnessed(t, o, w)
	l.awaitWitnessed(l.append("common", 3))
	l.Close()
	other := o
	other.Directory = copyLog(t, o.Directory)

	one := openWitnessed(t, o, w)
	one.awaitWitnessed(one.append("one", 5))
	two := openWitnessed(t, other, w)
	two.append("two", 50) // ahead of the other, so that size alone tells nothing
	two.await(t, "the fork", func() bool { return two.problem != nil })
	one.awaitWitnessed(one.append("one", 5))
	one.Close()
	two.Close()
	assert.NoError(t, one.problem, "the log that the witness follows")
	r := one.verify(nil, w.vkey)
	assert.False(t, r.TamperingDetected, "the log that the witness follows: %+v", r.Findings)
	if r := two.verify(nil, w.vkey); rollbacks(r) == 0 {
		t.Errorf("the verifier finds %+v", r.Findings)
	}
	if r := two.verify([][]byte{one.filed()}); rollbacks(r) == 0 {
		t.Errorf("with the other's checkpoint, the verifier finds %+v", r.Findings)
	}
}
