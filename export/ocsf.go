// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework whose classes
// are written.
const ocsfVersion = "1.9.0"

// ocsfWriter writes OCSF events in JSON, one a line. See ocsf_class.go for the class
// that an event gets, and ocsf_object.go for the objects in it.
//
// What OCSF has no attribute for is in unmapped: the members and metadata of the
// event, and where in the log it is. raw_data is the line of the log, which the
// signature and the leaf hash are over.
//
// The profile record_integrity (OCSF 1.9) defines an attestation over the OCSF event
// itself. The log's signatures are not that: they are over another form. So the
// attestation here has a fingerprint, SHA-256 over the event in the form of RFC 8785
// without that fingerprint, and no signature: it shows accidental changes of the export, no
// more. Evidence is what raw_data and unmapped.auditlog hold.
type ocsfWriter struct {
	w          *bufio.Writer
	checkpoint ocsfCheckpoint
	origin     string
}

func newOCSF(w *bufio.Writer, c signing.Checkpoint) *ocsfWriter {
	return &ocsfWriter{w: w, origin: c.Origin, checkpoint: ocsfCheckpoint{
		TreeSize:  c.Size,
		RootHash:  base64.StdEncoding.EncodeToString(c.Root[:]),
		KeyHashes: keyHashes(c.Note),
	}}
}

// keyHashes returns the key hashes of the signatures of a signed note, in hex.
func keyHashes(text []byte) (hashes []string) {
	var n *note.Note
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(text, note.VerifierList()); errors.As(err, &unverified) {
		n = unverified.Note
	} else {
		return nil
	}
	for _, s := range n.UnverifiedSigs {
		hashes = append(hashes, fmt.Sprintf("%08x", s.Hash))
	}
	return hashes
}

func (o *ocsfWriter) Write(ev *Event) error {
	e, err := ev.Parse()
	if err != nil {
		return err
	}
	if err := o.write(ev, e); err != nil {
		return fmt.Errorf("leaf %d: %w", ev.Index, err)
	}
	return nil
}

func (o *ocsfWriter) write(ev *Event, e *event.Event) error {
	record, err := o.record(ev, e)
	if err != nil {
		return err
	}
	text, err := marshal(record)
	if err != nil {
		return err
	}
	canonical, err := jcs.Transform(text)
	if err != nil {
		return fmt.Errorf("put it in the form of RFC 8785: %w", err)
	}
	record.Attestations[0].Fingerprint = sha256Fingerprint(canonical)
	if text, err = marshal(record); err != nil {
		return err
	}
	_, err = o.w.Write(text)
	return err
}

func (o *ocsfWriter) Flush() error { return o.w.Flush() }

// marshal returns v as a line of JSON.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// record is the OCSF event, without the fingerprint of its attestation.
func (o *ocsfWriter) record(ev *Event, e *event.Event) (*ocsfEvent, error) {
	var raw struct {
		Body      json.RawMessage `json:"body"`
		Metadata  json.RawMessage `json:"metadata"`
		Timestamp string          `json:"timestamp"`
	}
	if err := json.Unmarshal(ev.Canonical, &raw); err != nil {
		return nil, err
	}
	m := mapping{e: e}
	r := m.classify()
	r.SeverityID, r.Severity = severities[e.Level].id, severities[e.Level].caption
	r.StatusID, r.Status = statuses[e.Success].id, statuses[e.Success].caption
	r.StatusDetail = e.ErrorMessage
	r.Time = e.Timestamp / 1e6
	r.Message = messageOf(e, raw.Body)
	r.Metadata = ocsfMetadata{
		Version:      ocsfVersion,
		Product:      m.product(),
		UID:          e.EventID,
		EventCode:    e.EventName,
		LogName:      o.origin,
		LogProvider:  "auditlog",
		LogFormat:    segment.Format,
		LoggedTime:   e.ObservedTimestamp / 1e6,
		OriginalTime: raw.Timestamp,
		Sequence:     ev.Index,
		Profiles:     []string{"record_integrity"},
	}
	if e.TraceID != [16]byte{} {
		r.Metadata.CorrelationUID = hex.EncodeToString(e.TraceID[:])
	}
	if r.AIAgent != nil {
		r.Metadata.Profiles = append(r.Metadata.Profiles, "ai_operation")
	}
	if r.ClassUID == applicationLifecycle.uid {
		r.Metadata.Profiles = append(r.Metadata.Profiles, "host") // which gives it an actor
	}
	r.Attestations = []ocsfAttestation{{UID: strconv.FormatUint(ev.Index, 10), ChainUID: o.origin}}
	r.RawData = string(ev.Line)
	r.RawDataHash = sha256Fingerprint(ev.Line)
	r.Unmapped = ocsfUnmapped{
		Auditlog: ocsfPlace{
			Origin:         o.origin,
			LeafIndex:      ev.Index,
			LeafHash:       base64.StdEncoding.EncodeToString(ev.LeafHash[:]),
			SignatureKeyID: ev.KeyID,
			Checkpoint:     o.checkpoint,
		},
		Level:        string(e.Level),
		Category:     string(e.Category),
		Operation:    e.Operation,
		ResourceType: e.ResourceType,
		ResourceID:   e.ResourceID,
		Metadata:     raw.Metadata,
		Log:          e.Log,
		Ingress:      e.Ingress,
	}
	return r, nil
}

// messageOf is the body for people to read.
func messageOf(e *event.Event, body json.RawMessage) string {
	if s, ok := e.Body.(string); ok && s != "" {
		return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
	}
	if e.Body != nil {
		return string(body)
	}
	return ""
}

func sha256Fingerprint(b []byte) *ocsfFingerprint {
	sum := sha256.Sum256(b)
	return &ocsfFingerprint{AlgorithmID: 3, Algorithm: "SHA-256", EncodingID: 1, Encoding: "Hex", Value: hex.EncodeToString(sum[:])}
}

// enumerated is a value of an enumeration of OCSF.
type enumerated struct {
	id      int
	caption string
}

var severities = map[event.Level]enumerated{
	event.LevelDebug:    {1, "Informational"},
	event.LevelInfo:     {1, "Informational"},
	event.LevelWarning:  {2, "Low"},
	event.LevelSecurity: {3, "Medium"},
	event.LevelError:    {4, "High"},
	event.LevelCritical: {5, "Critical"},
}

var statuses = map[event.Outcome]enumerated{
	event.OutcomeUnknown: {0, "Unknown"},
	event.OutcomeSuccess: {1, "Success"},
	event.OutcomeFailure: {2, "Failure"},
}
