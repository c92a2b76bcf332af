// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"slices"
	"strings"
	"unicode"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/logevent"
)

// ocsfCategories are the names of OCSF's categories.
var ocsfCategories = map[int]string{
	0: "Uncategorized", 1: "System Activity", 3: "Identity & Access Management", 4: "Network Activity", 6: "Application Activity",
}

// class is a class of OCSF 1.9: its number, of which the thousands are the category's,
// its name, and its activities.
type class struct {
	uid        int
	name       string
	activities []activity
}

// activity is an activity of a class, and the words of an operation that tell it.
type activity struct {
	id      int
	caption string
	words   string
}

// other is the activity of an operation that is none of the class's: the activity's name is
// then the operation, and the type's is that of the class's Other, as the schema has it.
const other = 99

// apiRead is the activity Read of API Activity.
const apiRead = 2

// The classes that events get. Of those that OCSF 1.9 has deprecated, none: User
// Management (3007) takes the place of Account Change (3001).
var (
	baseEvent = class{0, "Base Event", nil}

	fileSystemActivity = class{1001, "File System Activity", []activity{
		{1, "Create", "create created new add added upload uploaded"},
		{2, "Read", "read get view viewed download downloaded"},
		{3, "Update", "write written update updated modify modified change changed append truncate"},
		{4, "Delete", "delete deleted remove removed unlink unlinked"},
		{5, "Rename", "rename renamed move moved"},
		{6, "Set Attributes", "chattr touch setattr"},
		{7, "Set Security", "chmod chown chgrp setfacl"},
		{8, "Get Attributes", "stat getattr"},
		{9, "Get Security", "getfacl"},
		{10, "Encrypt", "encrypt encrypted"},
		{11, "Decrypt", "decrypt decrypted"},
		{12, "Mount", "mount mounted"},
		{13, "Unmount", "unmount unmounted umount"},
		{14, "Open", "open opened"},
	}}

	processActivity = class{1007, "Process Activity", []activity{
		{1, "Launch", "launch launched start started run exec execute executed spawn spawned fork forked create created"},
		{2, "Terminate", "terminate terminated stop stopped exit exited end ended kill killed"},
		{3, "Open", "open opened attach attached"},
		{4, "Inject", "inject injected"},
		{5, "Set User ID", "setuid su sudo"},
	}}

	eventLogActivity = class{1008, "Event Log Activity", []activity{
		{2, "Delete", string(logevent.Pruned)},
		{5, "Rotate", string(logevent.Rotated)},
		{6, "Start", string(logevent.Opened)},
	}}

	authentication = class{3002, "Authentication", []activity{
		{1, "Logon", "login logon signin authenticate authenticated attempt"},
		{2, "Logoff", "logout logoff signout"},
		{7, "Account Switch", "su sudo impersonate impersonated"},
	}}

	// sessionAuthentication is the same for events about sessions.
	sessionAuthentication = class{3002, "Authentication", []activity{
		{1, "Logon", "login logon signin create created start started open opened begin new"},
		{2, "Logoff", "logout logoff signout end ended close closed stop stopped terminate terminated expire expired destroy destroyed delete deleted revoke revoked"},
	}}

	authorizeSession = class{3003, "Authorize Session", []activity{
		{1, "Assign Privileges", "grant granted assign assigned add added elevate elevated"},
		{3, "Assign Roles", ""},
	}}

	groupManagement = class{3006, "Group Management", []activity{
		{1, "Assign Privileges", "grant granted assign assigned"},
		{2, "Revoke Privileges", "revoke revoked unassign unassigned"},
		{3, "Add User", "join joined"},
		{4, "Remove User", "leave left"},
		{5, "Delete", "delete deleted remove removed destroy destroyed"},
		{6, "Create", "create created new add added register registered"},
		{7, "Add Subgroup", ""},
		{8, "Remove Subgroup", ""},
	}}

	userManagement = class{3007, "User Management", []activity{
		{1, "Create", "create created register registered"},
		{2, "Update", "update updated modify modified change changed"},
		{3, "Delete", "delete deleted remove removed"},
		{4, "Enable", "enable enabled activate activated"},
		{5, "Disable", "disable disabled deactivate deactivated suspend suspended"},
		{6, "Lock", "lock locked lockout"},
		{7, "Unlock", "unlock unlocked"},
		{8, "Password Change", ""},
		{9, "Password Reset", ""},
		{12, "Enable MFA Factors", ""},
		{13, "Disable MFA Factors", ""},
		{14, "Assign Privileges", "grant granted assign assigned"},
		{15, "Remove Privileges", "revoke revoked unassign unassigned"},
		{16, "Assign Roles", ""},
		{17, "Remove Roles", ""},
	}}

	roleManagement = class{3008, "Role Management", []activity{
		{1, "Create", "create created new add added"},
		{2, "Update", "update updated modify modified change changed"},
		{3, "Delete", "delete deleted remove removed"},
		{4, "Assign Privileges", "grant granted assign assigned"},
		{5, "Remove Privileges", "revoke revoked unassign unassigned"},
	}}

	networkActivity = class{4001, "Network Activity", []activity{
		{1, "Open", "connect connected open opened accept accepted establish established"},
		{2, "Close", "close closed disconnect disconnected end ended"},
		{3, "Reset", "reset"},
		{4, "Fail", "fail failed timeout"},
		{5, "Refuse", "refuse refused reject rejected deny denied block blocked drop dropped"},
		{6, "Traffic", "send sent receive received transfer transferred traffic flow query"},
		{7, "Listen", "listen listening bind"},
	}}

	applicationLifecycle = class{6002, "Application Lifecycle", []activity{
		{1, "Install", "install installed create created deploy deployed register registered"},
		{2, "Remove", "remove removed uninstall uninstalled delete deleted destroy destroyed undeploy deregister"},
		{3, "Start", "start started launch launched run invoke"},
		{4, "Stop", "stop stopped exit exited terminate terminated end ended shutdown kill killed"},
		{5, "Restart", "restart restarted"},
		{6, "Enable", "enable enabled activate activated"},
		{7, "Disable", "disable disabled deactivate deactivated"},
		{8, "Update", "update updated upgrade upgraded configure configured"},
	}}

	apiActivity = class{6003, "API Activity", []activity{
		{1, "Create", "create created add added new post insert generate generated issue issued register registered import imported"},
		{2, "Read", "read get list view viewed query search fetch describe"},
		{3, "Update", "update updated modify modified change changed set put patch write rotate rotated renew renewed grant granted"},
		{4, "Delete", "delete deleted remove removed destroy destroyed revoke revoked"},
	}}

	datastoreActivity = class{6005, "Datastore Activity", []activity{
		{1, "Read", "read get view viewed select fetch"},
		{2, "Update", "update updated modify modified change changed set patch"},
		{3, "Connect", "connect connected"},
		{4, "Query", "query search find"},
		{5, "Write", "write written put upsert"},
		{6, "Create", "create created insert add added import imported"},
		{7, "Delete", "delete deleted remove removed drop truncate"},
		{8, "List", "list"},
		{9, "Encrypt", "encrypt encrypted"},
		{10, "Decrypt", "decrypt decrypted"},
	}}

	applicationError = class{6008, "Application Error", []activity{{1, "General Error", ""}}}
)

// classify returns an event of the class that fits, with the attributes that the class
// has beside those of every event.
func (m mapping) classify() *ocsfEvent {
	e, words := m.e, wordsOf(m.e.Operation)
	switch {
	case e.Log != nil:
		r := eventLogActivity.event(words, e.Operation)
		r.LogName, r.LogProvider = e.ResourceID, "auditlog"
		return r
	case e.Category == event.CategoryAuthentication:
		if r := m.management(words); r != nil {
			return r
		}
		return m.authentication(authentication, words)
	case e.Category == event.CategorySessionManagement:
		return m.authentication(sessionAuthentication, words)
	case m.isProcess():
		return m.processActivity(words)
	case m.isNetwork():
		return m.networkActivity(words)
	case e.ResourceType == "group":
		if r := m.group(words); r != nil {
			return r
		}
	}
	switch {
	case e.Category == event.CategoryAuthorization:
		return m.authorization(words)
	case e.Category == event.CategoryAgentLifecycle:
		r := applicationLifecycle.event(words, e.Operation)
		r.Application, r.Actor = m.application(), m.actor()
		return r
	case e.Category == event.CategoryErrorHandling:
		return applicationError.of(1, e.Operation)
	case e.Category == event.CategoryFileSystem, e.Category == event.CategoryCryptographic, e.Category == event.CategoryCommunication:
		return m.access(words)
	default: // system health and performance
		if r := m.access(words); r.ActivityID != other {
			return r
		}
		return baseEvent.event(words, e.Operation)
	}
}

func (m mapping) authentication(c class, words []string) *ocsfEvent {
	r := c.event(words, m.e.Operation)
	r.User, r.Actor, r.Session = m.principal(), m.actor(), m.session()
	r.Service, r.SrcEndpoint, r.AIAgent = m.service(), m.source(), m.aiAgent()
	return r
}

func (m mapping) authorization(words []string) *ocsfEvent {
	if privileges, roles := m.privileges(), m.roles(); m.e.ResourceType == "session" && (privileges != nil || roles != nil) {
		if id := authorizeSession.find(words); id != other {
			if privileges == nil {
				id = 3
			}
			r := authorizeSession.of(id, m.e.Operation)
			r.User, r.Actor, r.SrcEndpoint, r.AIAgent = m.principal(), m.actor(), m.source(), m.aiAgent()
			r.Session, r.Privileges, r.IAMRoles = &ocsfSession{UID: m.e.ResourceID}, privileges, roles
			return r
		}
	}
	if r := m.management(words); r != nil {
		return r
	}
	return m.access(words)
}

// management is an event about an account, a group or a role, or nil if it is not about one or
// does nothing to it.
func (m mapping) management(words []string) *ocsfEvent {
	var r *ocsfEvent
	switch m.e.ResourceType {
	case "user", "account", "service_account":
		id := m.accountActivity(words)
		if id == other {
			return nil
		}
		r = userManagement.of(id, m.e.Operation)
		r.User, r.IAMRoles = m.target(), m.roles()
	case "role":
		id := roleManagement.find(words)
		if id == other {
			return nil
		}
		r = roleManagement.of(id, m.e.Operation)
		r.IAMRole = &ocsfEntity{UID: m.e.ResourceID}
	case "group":
		return m.group(words)
	default:
		return nil
	}
	r.Actor, r.SrcEndpoint, r.AIAgent = m.actor(), m.source(), m.aiAgent()
	r.Privileges = m.privileges()
	return r
}

// accountActivity is the activity of User Management that an operation is.
func (m mapping) accountActivity(words []string) int {
	has := func(any ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
	}
	switch {
	case has("password", "credential") && has("reset"):
		return 9
	case has("password", "credential") && has("change", "changed", "update", "updated", "set"):
		return 8
	case has("mfa", "otp", "factor") && has("enable", "enabled", "add", "added", "enroll", "enrolled", "register", "registered"):
		return 12
	case has("mfa", "otp", "factor") && has("disable", "disabled", "remove", "removed", "reset"):
		return 13
	}
	id := userManagement.find(words)
	if onlyRoles := m.roles() != nil && m.privileges() == nil; onlyRoles && id == 14 {
		return 16
	} else if onlyRoles && id == 15 {
		return 17
	}
	return id
}

// access is an event about a file, data, or anything else.
func (m mapping) access(words []string) *ocsfEvent {
	switch e := m.e; e.ResourceType {
	case "file", "directory", "folder", "symlink":
		r := fileSystemActivity.event(words, e.Operation)
		r.Actor, r.Device, r.File, r.AIAgent = m.actor(), m.device(), m.file(), m.aiAgent()
		return r
	case "db_collection", "table":
		r := datastoreActivity.event(words, e.Operation)
		r.Actor, r.SrcEndpoint, r.AIAgent = m.actor(), m.knownSource(), m.aiAgent()
		r.Table, r.TypeID, r.Type = &ocsfEntity{Name: e.ResourceID}, 3, "Table"
		return r
	case "database":
		r := datastoreActivity.event(words, e.Operation)
		r.Actor, r.SrcEndpoint, r.AIAgent = m.actor(), m.knownSource(), m.aiAgent()
		r.Database, r.TypeID, r.Type = &ocsfDatabase{Name: e.ResourceID, Type: "Unknown"}, 1, "Database"
		return r
	default:
		r := apiActivity.event(words, e.Operation)
		r.Actor, r.SrcEndpoint, r.AIAgent = m.actor(), m.knownSource(), m.aiAgent()
		r.API = &ocsfAPI{Operation: e.Operation, Service: m.service()}
		r.Resources = m.resources()
		return r
	}
}

// group is an event about a group, or nil if it does no more than read it. The words tell
// whether the group is meant or one of its members: group.create, group.member.add.
func (m mapping) group(words []string) *ocsfEvent {
	id := groupManagement.find(words)
	has := func(any ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(any, w) })
	}
	added, removed := id == 1 || id == 6, id == 2 || id == 5
	switch {
	case has("subgroup", "nested") && added:
		id = 7
	case has("subgroup", "nested") && removed:
		id = 8
	case has("member", "members", "membership", "user", "users") && added:
		id = 3
	case has("member", "members", "membership", "user", "users") && removed:
		id = 4
	case id == other && apiActivity.find(words) == apiRead:
		return nil
	}
	r := groupManagement.of(id, m.e.Operation)
	r.Group = &ocsfEntity{UID: m.e.ResourceID}
	r.Actor, r.SrcEndpoint, r.Privileges = m.actor(), m.source(), m.privileges()
	return r
}

// isProcess reports whether the event is about a process of an operating system: its
// resource is one, or its name says so and no other resource is named.
func (m mapping) isProcess() bool {
	switch m.e.ResourceType {
	case "process":
		return true
	case "service", unknown:
		return firstWord(m.e.EventName) == "process"
	}
	return false
}

func (m mapping) processActivity(words []string) *ocsfEvent {
	r := processActivity.event(words, m.e.Operation)
	r.Actor, r.Device, r.Process, r.AIAgent = m.actor(), m.device(), m.process(), m.aiAgent()
	return r
}

// isNetwork reports whether the event is about a connection or its traffic. What is sent
// over one by a protocol of applications (http, rpc, messages) is an API Activity.
func (m mapping) isNetwork() bool {
	switch m.e.ResourceType {
	case "connection", "network_connection", "socket":
		return true
	case "network", "host", "server", "port", "endpoint":
		return m.e.Category == event.CategoryCommunication
	}
	switch firstWord(m.e.EventName) {
	case "network", "connection", "tcp", "udp", "socket", "dns":
		return m.e.Category == event.CategoryCommunication
	}
	return false
}

func (m mapping) networkActivity(words []string) *ocsfEvent {
	r := networkActivity.event(words, m.e.Operation)
	r.Actor, r.AIAgent = m.actor(), m.aiAgent()
	r.SrcEndpoint, r.DstEndpoint = m.source(), m.destination()
	if r.DstEndpoint == nil {
		r.SrcEndpoint = m.knownSource() // the class demands one of the two
	}
	return r
}

// firstWord is what a dotted name begins with.
func firstWord(name string) string {
	word, _, _ := strings.Cut(name, ".")
	return strings.ToLower(word)
}

// application is the application whose life an event is about.
func (m mapping) application() *ocsfEntity {
	if m.e.ResourceType == "service" {
		return &ocsfEntity{Name: m.e.ResourceID}
	}
	return &ocsfEntity{UID: m.e.ResourceID, Name: m.metadata("gen_ai.agent.name")}
}

// event returns an event of the class, with the activity that the operation's words
// tell.
func (c class) event(words []string, operation string) *ocsfEvent {
	return c.of(c.find(words), operation)
}

// of returns an event of the class and activity.
func (c class) of(id int, operation string) *ocsfEvent {
	name, caption := operation, "Other"
	for _, a := range c.activities {
		if a.id == id {
			name, caption = a.caption, a.caption
		}
	}
	return &ocsfEvent{
		ActivityID: id, ActivityName: name,
		CategoryUID: c.uid / 1000, CategoryName: ocsfCategories[c.uid/1000],
		ClassUID: c.uid, ClassName: c.name,
		TypeUID: c.uid*100 + id, TypeName: c.name + ": " + caption,
	}
}

// find returns the activity that the last telling one of the words stands for: an
// operation's name goes from the general to the particular.
func (c class) find(words []string) (id int) {
	for _, w := range slices.Backward(words) {
		for _, a := range c.activities {
			if slices.Contains(strings.Fields(a.words), w) {
				return a.id
			}
		}
	}
	return other
}

// wordsOf splits an operation into words, in lower case: user.login, DeleteObject,
// READ.
func wordsOf(operation string) (words []string) {
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	for _, r := range operation {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			end()
			continue
		}
		if unicode.IsUpper(r) && len(word) > 0 && !unicode.IsUpper(word[len(word)-1]) {
			end()
		}
		word = append(word, r)
	}
	end()
	return words
}
