// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/otel-auditlog/auditlogexporter/event"
)

// unknown stands where OCSF demands a name and the event has none.
const unknown = "unknown"

// ocsfEvent is an event of any of the classes that are written. What a class does not
// have is nil or empty.
type ocsfEvent struct {
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	TypeUID      int    `json:"type_uid"`
	TypeName     string `json:"type_name"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	StatusID     int    `json:"status_id"`
	Status       string `json:"status"`
	StatusDetail string `json:"status_detail,omitempty"`
	Time         uint64 `json:"time"` // milliseconds since the Unix epoch
	Message      string `json:"message,omitempty"`

	Metadata ocsfMetadata `json:"metadata"`

	Actor       *ocsfActor     `json:"actor,omitempty"`
	User        *ocsfUser      `json:"user,omitempty"`
	Session     *ocsfSession   `json:"session,omitempty"`
	Service     *ocsfEntity    `json:"service,omitempty"`
	SrcEndpoint *ocsfEndpoint  `json:"src_endpoint,omitempty"`
	DstEndpoint *ocsfEndpoint  `json:"dst_endpoint,omitempty"`
	Device      *ocsfDevice    `json:"device,omitempty"`
	File        *ocsfFile      `json:"file,omitempty"`
	API         *ocsfAPI       `json:"api,omitempty"`
	Group       *ocsfEntity    `json:"group,omitempty"`
	Process     *ocsfProcess   `json:"process,omitempty"`
	Application *ocsfEntity    `json:"application,omitempty"`
	Database    *ocsfDatabase  `json:"database,omitempty"`
	Table       *ocsfEntity    `json:"table,omitempty"`
	Type        string         `json:"type,omitempty"`
	TypeID      int            `json:"type_id,omitempty"`
	Privileges  []string       `json:"privileges,omitempty"`
	IAMRole     *ocsfEntity    `json:"iam_role,omitempty"`
	IAMRoles    []ocsfEntity   `json:"iam_roles,omitempty"`
	Resources   []ocsfResource `json:"resources,omitempty"`
	AIAgent     *ocsfEntity    `json:"ai_agent,omitempty"`
	LogName     string         `json:"log_name,omitempty"`
	LogProvider string         `json:"log_provider,omitempty"`

	Observables  []ocsfObservable  `json:"observables,omitempty"`
	Attestations []ocsfAttestation `json:"attestation_list"`
	RawData      string            `json:"raw_data"`
	RawDataHash  *ocsfFingerprint  `json:"raw_data_hash"`
	Unmapped     ocsfUnmapped      `json:"unmapped"`
}

type ocsfMetadata struct {
	Version          string     `json:"version"`
	Product          ocsfEntity `json:"product"`
	UID              string     `json:"uid"`
	OriginalEventUID string     `json:"original_event_uid"`
	EventCode        string     `json:"event_code,omitempty"`
	LogName          string     `json:"log_name"`
	LogProvider      string     `json:"log_provider"`
	LogFormat        string     `json:"log_format"`
	LoggedTime       uint64     `json:"logged_time,omitempty"`
	OriginalTime     string     `json:"original_time"`
	CorrelationUID   string     `json:"correlation_uid,omitempty"`
	Sequence         uint64     `json:"sequence"`
	Profiles         []string   `json:"profiles"`
}

// ocsfEntity is any object that has a name or an id.
type ocsfEntity struct {
	Name    string `json:"name,omitempty"`
	UID     string `json:"uid,omitempty"`
	Version string `json:"version,omitempty"`
}

type ocsfActor struct {
	User        *ocsfUser    `json:"user,omitempty"`
	Session     *ocsfSession `json:"session,omitempty"`
	Application *ocsfEntity  `json:"application,omitempty"`
}

type ocsfUser struct {
	Name   string `json:"name,omitempty"`
	UID    string `json:"uid,omitempty"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfSession struct {
	UID string `json:"uid"`
}

type ocsfEndpoint struct {
	IP       string `json:"ip,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	Name     string `json:"name,omitempty"`
	Port     int64  `json:"port,omitempty"`
}

type ocsfProcess struct {
	Name    string `json:"name,omitempty"`
	Path    string `json:"path,omitempty"`
	CmdLine string `json:"cmd_line,omitempty"`
	PID     int64  `json:"pid,omitempty"`
	UID     string `json:"uid,omitempty"`
}

type ocsfDevice struct {
	Hostname string `json:"hostname,omitempty"`
	UID      string `json:"uid,omitempty"`
	Name     string `json:"name,omitempty"`
	TypeID   int    `json:"type_id"`
	Type     string `json:"type"`
}

type ocsfFile struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfAPI struct {
	Operation string      `json:"operation"`
	Service   *ocsfEntity `json:"service,omitempty"`
}

type ocsfDatabase struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfResource struct {
	UID  string `json:"uid"`
	Type string `json:"type"`
}

type ocsfAttestation struct {
	UID         string           `json:"uid"`
	ChainUID    string           `json:"chain_uid"`
	Fingerprint *ocsfFingerprint `json:"fingerprint,omitempty"`
}

type ocsfFingerprint struct {
	AlgorithmID     int    `json:"algorithm_id"`
	Algorithm       string `json:"algorithm"`
	EncodingID      int    `json:"encoding_id"`
	Encoding        string `json:"encoding"`
	SerializationID int    `json:"serialization_id"`
	Serialization   string `json:"serialization"`
	Value           string `json:"value"`
}

// ocsfUnmapped is what OCSF has no place for.
type ocsfUnmapped struct {
	Auditlog     ocsfPlace       `json:"auditlog"`
	Level        string          `json:"level"`
	Category     string          `json:"category"`
	Operation    string          `json:"operation"`
	ResourceType string          `json:"resource_type"`
	ResourceID   string          `json:"resource_id"`
	Metadata     json.RawMessage `json:"metadata"`
	Log          json.RawMessage `json:"log,omitempty"`
	Replaced     json.RawMessage `json:"replaced,omitempty"`
	Ingress      json.RawMessage `json:"ingress,omitempty"`
}

// ocsfPlace says where in which log the event is, and which checkpoint covers it.
type ocsfPlace struct {
	Origin         string         `json:"origin"`
	LogID          string         `json:"log_id"`
	LeafIndex      uint64         `json:"leaf_index"`
	LeafHash       string         `json:"leaf_hash"`
	SignatureKeyID string         `json:"signature_key_id,omitempty"`
	Checkpoint     ocsfCheckpoint `json:"checkpoint"`
}

type ocsfCheckpoint struct {
	TreeSize uint64 `json:"tree_size"`
	RootHash string `json:"root_hash"`
	// Note is the checkpoint itself, a signed note, whose signatures have not been checked
	// here.
	Note string `json:"note"`
}

// mapping finds what an event says for the objects of OCSF.
type mapping struct{ e *event.Event }

// resource returns an attribute of the resource that the record came from.
func (m mapping) resource(key string) string { return text(m.e.Resource.Attributes, key) }

// metadata returns an attribute that no member of the event accounts for.
func (m mapping) metadata(key string) string { return text(m.e.Metadata, key) }

func text(attributes event.Map, key string) string {
	v, _ := attributes.Get(key)
	s, _ := v.(string)
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (m mapping) product() ocsfEntity {
	if m.e.Log != nil {
		return ocsfEntity{Name: "auditlog"}
	}
	return ocsfEntity{Name: cmp.Or(m.resource("service.name"), unknown), Version: m.resource("service.version")}
}

func (m mapping) service() *ocsfEntity {
	return &ocsfEntity{Name: cmp.Or(m.resource("service.name"), unknown)}
}

// principal is the user, service or system that acted. An AI agent is none: it acts on
// somebody's behalf.
func (m mapping) principal() *ocsfUser {
	switch {
	case m.e.UserID != "":
		return &ocsfUser{UID: m.e.UserID, TypeID: 1, Type: "User"}
	case m.e.AgentID == "" || m.isAI():
		return &ocsfUser{Name: unknown, TypeID: 0, Type: "Unknown"}
	case strings.EqualFold(m.metadata("audit.actor.type"), "system"):
		return &ocsfUser{UID: m.e.AgentID, TypeID: 3, Type: "System"}
	default:
		return &ocsfUser{UID: m.e.AgentID, TypeID: 4, Type: "Service"}
	}
}

// isAI reports whether the event's agent is an AI agent.
func (m mapping) isAI() bool {
	return strings.HasPrefix(m.e.MappedFrom["agent_id"], "gen_ai.")
}

func (m mapping) aiAgent() *ocsfEntity {
	if !m.isAI() {
		return nil
	}
	return &ocsfEntity{UID: m.e.AgentID, Name: m.metadata("gen_ai.agent.name")}
}

func (m mapping) actor() *ocsfActor {
	a := &ocsfActor{User: m.principal(), Session: m.session()}
	if m.isAI() && m.e.AgentID != m.e.ResourceID {
		a.Application = m.aiAgent()
	}
	return a
}

func (m mapping) session() *ocsfSession {
	if m.e.SessionID == "" {
		return nil
	}
	return &ocsfSession{UID: m.e.SessionID}
}

// sourceNames are attributes that may hold a host's name where an address is meant.
var sourceNames = []string{"audit.source.id", "client.address", "source.address"}

// source is where it came from, or nil if the event does not say.
func (m mapping) source() *ocsfEndpoint {
	if m.e.SourceIP != "" {
		return &ocsfEndpoint{IP: m.e.SourceIP}
	}
	for _, key := range sourceNames {
		if name := m.metadata(key); name != "" {
			return endpoint(name)
		}
	}
	return nil
}

// endpoint is the endpoint of a name, an address or anything else.
func endpoint(name string) *ocsfEndpoint {
	if address, err := netip.ParseAddr(name); err == nil && address.Zone() == "" {
		return &ocsfEndpoint{IP: name}
	} else if isHostname(name) {
		return &ocsfEndpoint{Hostname: name}
	}
	return &ocsfEndpoint{Name: name}
}

// destination is what a connection was made to, or nil if the event does not say.
func (m mapping) destination() *ocsfEndpoint {
	for _, of := range []string{"destination", "server"} {
		if name := m.metadata(of + ".address"); name != "" {
			e := endpoint(name)
			e.Port = m.number(of+".port", math.MaxUint16)
			return e
		}
	}
	switch m.e.ResourceType {
	case "host", "server", "endpoint":
		return endpoint(m.e.ResourceID)
	}
	return nil
}

// number returns a number between 1 and most that no member of the event accounts for, or 0.
func (m mapping) number(key string, most int64) int64 {
	v, _ := m.e.Metadata.Get(key)
	if n, _ := v.(int64); n > 0 && n <= most {
		return n
	}
	return 0
}

// process is the process that an event is about. Its id is the resource's where the system's
// is not known: the schema demands one of the two.
func (m mapping) process() *ocsfProcess {
	p := &ocsfProcess{
		Name: m.metadata("process.executable.name"), CmdLine: m.metadata("process.command_line"),
		PID: m.number("process.pid", math.MaxInt32),
	}
	id := m.e.ResourceID
	n, err := strconv.ParseInt(id, 10, 32)
	switch {
	case m.e.ResourceType != "process" && p.PID != 0: // the resource is another
	case err == nil && n > 0 && p.PID == 0:
		p.PID = n
	case strings.ContainsAny(id, `/\`):
		p.Path, p.Name = id, cmp.Or(p.Name, baseName(id))
		if p.PID == 0 {
			p.UID = id
		}
	default:
		p.UID = id
	}
	return p
}

// baseName is the last element of a path, of whatever system.
func baseName(path string) string {
	name := strings.TrimRight(path, `/\`)
	return cmp.Or(name[strings.LastIndexAny(name, `/\`)+1:], path)
}

// isHostname reports whether a name can be a host's: OCSF checks.
func isHostname(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}

// knownSource is the same where a class demands one.
func (m mapping) knownSource() *ocsfEndpoint {
	return cmp.Or(m.source(), &ocsfEndpoint{Name: unknown})
}

func (m mapping) device() *ocsfDevice {
	d := &ocsfDevice{UID: m.resource("host.id"), TypeID: 0, Type: "Unknown"}
	if name := m.resource("host.name"); isHostname(name) {
		d.Hostname = name
	} else if d.Name = name; d.Name == "" && d.UID == "" {
		d.Name = unknown
	}
	return d
}

func (m mapping) file() *ocsfFile {
	f := &ocsfFile{Name: baseName(m.e.ResourceID), Path: m.e.ResourceID, TypeID: 0, Type: "Unknown"}
	switch m.e.ResourceType {
	case "directory", "folder":
		f.TypeID, f.Type = 2, "Folder"
	case "symlink":
		f.TypeID, f.Type = 7, "Symbolic Link"
	}
	return f
}

// target is the user that something was done to.
func (m mapping) target() *ocsfUser {
	u := &ocsfUser{UID: m.e.ResourceID, TypeID: 99, Type: m.e.ResourceType}
	switch m.e.ResourceType {
	case "user":
		u.TypeID, u.Type = 1, "User"
	case "service_account":
		u.TypeID, u.Type = 4, "Service"
	}
	return u
}

func (m mapping) resources() []ocsfResource {
	return []ocsfResource{{UID: m.e.ResourceID, Type: m.e.ResourceType}}
}

// privileges are what is granted or revoked.
func (m mapping) privileges() []string { return m.names("permission.name") }

// roles are the roles that are assigned or removed.
func (m mapping) roles() (all []ocsfEntity) {
	for _, name := range m.names("role.name", "user.roles") {
		all = append(all, ocsfEntity{Name: name})
	}
	return all
}

// names returns the strings that attributes are, or hold in lists.
func (m mapping) names(keys ...string) (all []string) {
	for _, key := range keys {
		v, _ := m.e.Metadata.Get(key)
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, one := range list {
			if s, _ := one.(string); s != "" {
				all = append(all, strings.ToValidUTF8(s, "\uFFFD"))
			}
		}
	}
	return all
}
