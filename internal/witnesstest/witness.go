// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

// Package witnesstest has a witness for tests, which keeps strictly to
// c2sp.org/tlog-witness, written from it, and can be made to misbehave. It serves
// over HTTP, or, where a test has a clock of its own, within the process.
package witnesstest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otel-auditlog/auditlogexporter/internal/cosigning"
	"github.com/otel-auditlog/auditlogexporter/merkle"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Witness is a witness. Its methods are safe for concurrent use.
type Witness struct {
	Key *witness.Key
	// Now is the clock by which it cosigns; nil means time.Now.
	Now func() time.Time

	signer  note.Signer
	private ed25519.PrivateKey

	mu      sync.Mutex
	logs    map[string]*state
	answer  http.HandlerFunc
	changed chan struct{} // closed and replaced with each request answered
	asked   int
}

// state is what a witness remembers of a log.
type state struct {
	keys []*signing.PublicKey
	size int64
	root tlog.Hash
}

// New makes a witness.
func New(t testing.TB, name string) *Witness {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(key []byte) string { return base64.StdEncoding.EncodeToString(append([]byte{4}, key...)) }
	signer, err := formats.NewSignerForCosignatureV1(fmt.Sprintf("PRIVATE+KEY+%s+00000000+%s", name, encode(private.Seed())))
	if err != nil {
		t.Fatal(err)
	}
	key, err := witness.ParseKey(fmt.Sprintf("%s+%08x+%s", name, signer.KeyHash(), encode(public)))
	if err != nil {
		t.Fatal(err)
	}
	return &Witness{Key: key, signer: signer, private: private, logs: map[string]*state{}, changed: make(chan struct{})}
}

// Listen serves until the test ends, and returns the witness's URL.
func (w *Witness) Listen(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return server.URL + prefix
}

const prefix = "/prefix"

// Name returns the witness's name.
func (w *Witness) Name() string { return w.Key.Name() }

// AddCheckpoint asks the witness within the process.
func (w *Witness) AddCheckpoint(ctx context.Context, old uint64, proof []merkle.Hash, checkpoint []byte) (none witness.Cosignature, _ error) {
	body, err := cosigning.AppendRequest(nil, old, proof, checkpoint)
	if err != nil {
		return none, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, prefix+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return none, err
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, req)
	if err := ctx.Err(); err != nil {
		return none, err
	}
	return cosigning.ParseAnswer(w.Key, checkpoint, rec.Code, rec.Header().Get("Content-Type"), rec.Body.Bytes())
}

// Trust makes the witness know a log by a key.
func (w *Witness) Trust(t testing.TB, origin string, key *signing.PublicKey) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.logs[origin] == nil {
		w.logs[origin] = &state{}
	}
	w.logs[origin].keys = append(w.logs[origin].keys, key)
}

// Size returns the size of the newest tree of a log that the witness has cosigned.
func (w *Witness) Size(origin string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.logs[origin] == nil {
		return 0
	}
	return uint64(w.logs[origin].size)
}

// Asked returns how many requests have been answered.
func (w *Witness) Asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// Await waits until so many requests have been answered.
func (w *Witness) Await(t testing.TB, asked int) {
	t.Helper()
	for {
		w.mu.Lock()
		changed, n := w.changed, w.asked
		w.mu.Unlock()
		if n >= asked {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("the witness has been asked %d times, not %d", n, asked)
		}
	}
}

// Misbehave makes the witness answer with something else; nil makes it behave.
// [Witness.Behave] is the right answer.
func (w *Witness) Misbehave(answer http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// Clone returns a witness with the same key that knows the same.
func (w *Witness) Clone() *Witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &Witness{Key: w.Key, Now: w.Now, signer: w.signer, private: w.private, logs: map[string]*state{}, changed: make(chan struct{})}
	for origin, s := range w.logs {
		copied := *s
		c.logs[origin] = &copied
	}
	return c
}

// Forget makes the witness lose what it knows of a log's tree.
func (w *Witness) Forget(origin string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[origin].size, w.logs[origin].root = 0, tlog.Hash{}
}

func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	// Only once the body has been read does a server notice that the client has gone.
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 16<<10))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if answer == nil {
		answer = w.Behave
	}
	answer(rw, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	close(w.changed)
	w.changed = make(chan struct{})
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	why    string
}

func (r refusal) Error() string { return r.why }

// Behave answers as the specification says.
func (w *Witness) Behave(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != prefix+"/add-checkpoint" {
		http.Error(rw, "no such page", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(rw, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	lines, err := w.addCheckpoint(string(body))
	var refused refusal
	switch {
	case errors.As(err, &refused):
		if refused.status == http.StatusConflict {
			rw.Header().Set("Content-Type", "text/x.tlog.size")
			rw.WriteHeader(refused.status)
			_, _ = io.WriteString(rw, refused.why+"\n")
			return
		}
		http.Error(rw, refused.why, refused.status)
	case err != nil:
		http.Error(rw, err.Error(), http.StatusInternalServerError)
	default:
		_, _ = io.WriteString(rw, lines)
	}
}

// addCheckpoint returns the signature lines of an answer.
func (w *Witness) addCheckpoint(body string) (string, error) {
	bad := func(why string) error { return refusal{http.StatusBadRequest, why} }
	head, signed, ok := strings.Cut(body, "\n\n")
	if !ok {
		return "", bad("no empty line before the checkpoint")
	}
	lines := strings.Split(head, "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || old < 0 || strconv.FormatInt(old, 10) != digits {
		return "", bad("bad old size line")
	}
	if len(lines[1:]) > 63 {
		return "", bad("more than 63 consistency proof lines")
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return "", bad("bad consistency proof line")
		}
		proof = append(proof, tlog.Hash(h))
	}
	checkpoint, err := signing.ParseCheckpoint([]byte(signed))
	if err != nil {
		return "", bad(err.Error())
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.logs[checkpoint.Origin]
	if log == nil {
		return "", refusal{http.StatusNotFound, "unknown log"}
	}
	if _, _, err := signing.OpenCheckpoint([]byte(signed), checkpoint.Origin, log.keys); err != nil {
		return "", refusal{http.StatusForbidden, err.Error()}
	}
	text := signed[:strings.LastIndex(signed, "\n\n")+1]
	size := int64(checkpoint.Size)
	if old > size {
		return "", bad("the old size is larger than the checkpoint's")
	}
	conflict := refusal{http.StatusConflict, strconv.FormatInt(log.size, 10)}
	root := tlog.Hash(checkpoint.Root)
	inconsistent := refusal{http.StatusUnprocessableEntity, "bad consistency proof"}
	switch {
	case old != log.size:
		return "", conflict
	case old == size && old > 0 && root != log.root:
		return "", conflict
	case old == 0 || old == size:
		if len(proof) > 0 {
			return "", inconsistent
		}
	default:
		if err := tlog.CheckTree(proof, size, root, old, log.root); err != nil {
			return "", inconsistent
		}
	}
	log.size, log.root = size, root
	return w.sign(text)
}

// sign returns the signature line for a note's text.
func (w *Witness) sign(text string) (string, error) {
	if w.Now != nil {
		return w.signAt(text, w.Now()), nil
	}
	signed, err := note.Sign(&note.Note{Text: text}, w.signer)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(string(signed), text+"\n"), nil
}

// Cosign returns the witness's signature line for a checkpoint, whatever it is.
func (w *Witness) Cosign(t testing.TB, checkpoint []byte) string {
	t.Helper()
	text, _, ok := strings.Cut(string(checkpoint), "\n\n")
	if !ok {
		t.Fatalf("no note: %q", checkpoint)
	}
	line, err := w.sign(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// CosignAt is Cosign at another time than now.
func (w *Witness) CosignAt(t testing.TB, checkpoint []byte, at time.Time) string {
	t.Helper()
	text, _, ok := strings.Cut(string(checkpoint), "\n\n")
	if !ok {
		t.Fatalf("no note: %q", checkpoint)
	}
	return w.signAt(text+"\n", at)
}

// signAt is sign at another time than now.
func (w *Witness) signAt(text string, at time.Time) string {
	b := binary.BigEndian.AppendUint32(nil, w.signer.KeyHash())
	b = binary.BigEndian.AppendUint64(b, uint64(at.Unix()))
	b = append(b, ed25519.Sign(w.private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at.Unix(), text))...)
	return fmt.Sprintf("\u2014 %s %s\n", w.Name(), base64.StdEncoding.EncodeToString(b))
}
