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
	"fmt"
	"strconv"

	"github.com/gowebpki/jcs"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
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
// more. Its chain is the log, and its id the leaf. It has no authority_uid, because who
// made it is whoever ran the export, and not who signed the log; and no prev_event: a
// chain of fingerprints that nobody signed can be made anew by who changes it, and the
// same event would come out otherwise with each filter.
//
// Evidence is what raw_data and unmapped.auditlog hold: the line, the origin and the log's
// id, of which the event's signature can be checked, and a signed checkpoint, which is one more that is kept away
// from the log and can be held against it (auditlog verify --checkpoint).
type ocsfWriter struct {
	exact
	w          *bufio.Writer
	checkpoint ocsfCheckpoint
	origin     string
}

func newOCSF(w *bufio.Writer, c signing.Checkpoint) *ocsfWriter {
	return &ocsfWriter{w: w, origin: c.Origin, checkpoint: ocsfCheckpoint{
		TreeSize: c.Size,
		RootHash: base64.StdEncoding.EncodeToString(c.Root[:]),
		Note:     string(c.Note),
	}}
}

func (o *ocsfWriter) Write(ev *Event) error {
	e, err := ev.parse()
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
	record.Attestations[0].Fingerprint = sha256Fingerprint(canonical, enumerated{2, "JCS"})
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
		Replaced  json.RawMessage `json:"replaced"`
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
		Version:          ocsfVersion,
		Product:          m.product(),
		UID:              fmt.Sprintf("%s#%d", o.origin, ev.Index), // unlike event ids it cannot come twice
		OriginalEventUID: e.EventID,
		EventCode:        e.EventName,
		LogName:          o.origin,
		LogProvider:      "auditlog",
		LogFormat:        segline.Format,
		LoggedTime:       e.ObservedTimestamp / 1e6,
		OriginalTime:     raw.Timestamp,
		Sequence:         ev.Index,
		Profiles:         []string{"record_integrity"},
	}
	if e.TraceID != [16]byte{} {
		r.Metadata.CorrelationUID = hex.EncodeToString(e.TraceID[:])
	}
	if r.AIAgent != nil {
		r.Metadata.Profiles = append(r.Metadata.Profiles, "ai_operation")
	}
	if r.ClassUID == applicationLifecycle.uid || r.ClassUID == networkActivity.uid {
		r.Metadata.Profiles = append(r.Metadata.Profiles, "host") // which gives it an actor
	}
	r.Observables = r.observables()
	r.Attestations = []ocsfAttestation{{UID: strconv.FormatUint(ev.Index, 10), ChainUID: o.origin}}
	r.RawData = string(ev.Line)
	r.RawDataHash = sha256Fingerprint(ev.Line, enumerated{1, "Flat"})
	r.Unmapped = ocsfUnmapped{
		Auditlog: ocsfPlace{
			Origin:         o.origin,
			LogID:          ev.LogID.String(),
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
		Replaced:     raw.Replaced,
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

// sha256Fingerprint is the fingerprint of bytes, and says what made the bytes.
func sha256Fingerprint(b []byte, serialization enumerated) *ocsfFingerprint {
	sum := sha256.Sum256(b)
	return &ocsfFingerprint{
		AlgorithmID: 3, Algorithm: "SHA-256", EncodingID: 1, Encoding: "Hex",
		SerializationID: serialization.id, Serialization: serialization.caption,
		Value: hex.EncodeToString(sum[:]),
	}
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
