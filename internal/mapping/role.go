// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package mapping

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
