// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package event

// member is one of an event's members that the mapping feeds, in canonical order.
type member uint8

const (
	mAgentID member = iota
	mCategory
	mErrorMessage
	mEventID
	mLevel
	mOperation
	mResourceID
	mResourceType
	mSessionID
	mSourceIP
	mSuccess
	mUserAgent
	mUserID
	members
)

var memberNames = [members]string{
	"agent_id", "category", "error_message", "event_id", "level", "operation", "resource_id", "resource_type",
	"session_id", "source_ip", "success", "user_agent", "user_id",
}

// memberOf returns the member of a name, or members if there is none.
func memberOf(name string) member {
	for m, known := range memberNames {
		if name == known {
			return member(m)
		}
	}
	return members
}

// role is what an attribute may be good for: to feed a member, or to help find
// out which attribute does.
type role uint8

const (
	roleEventID role = iota
	roleLevel
	roleCategory
	roleOperation
	roleActorType
	roleActorID
	roleUserID
	roleAgentID
	roleSessionID
	roleSuccess
	roleErrorType
	roleHTTPStatus
	roleErrorMessage
	roleSourceIP
	roleUserAgent
	roleEventName
	roleTarget
	rolePairType
	rolePairID
	roles
)

// paired says that attributes of a role belong, place by place, to a list of
// something else.
func (r role) paired() bool { return r == roleTarget || r == rolePairType || r == rolePairID }
