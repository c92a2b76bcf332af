// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package export

// ocsfObservable is a value of the event that searches begin with, and where it stands.
type ocsfObservable struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// The types of observables, as OCSF 1.9 numbers them.
var (
	observableHostname   = enumerated{1, "Hostname"}
	observableIP         = enumerated{2, "IP Address"}
	observableUserName   = enumerated{4, "User Name"}
	observableFileName   = enumerated{7, "File Name"}
	observableProcess    = enumerated{9, "Process Name"}
	observableUser       = enumerated{31, "User Object: uid"}
	observableGroupUID   = enumerated{33, "Group Object: uid"}
	observableProcessUID = enumerated{39, "Process Entity Object: uid"}
	observableFilePath   = enumerated{45, "File Path"}
)

// observables are the users, addresses, groups, files and processes that the event names.
// What stands for something that is not known is none.
func (r *ocsfEvent) observables() (all []ocsfObservable) {
	add := func(name string, kind enumerated, value string) {
		if value != "" && value != unknown {
			all = append(all, ocsfObservable{name, kind.id, kind.caption, value})
		}
	}
	user := func(name string, u *ocsfUser) {
		if u != nil {
			add(name+".name", observableUserName, u.Name)
			add(name+".uid", observableUser, u.UID)
		}
	}
	endpoint := func(name string, e *ocsfEndpoint) {
		if e != nil {
			add(name+".ip", observableIP, e.IP)
			add(name+".hostname", observableHostname, e.Hostname)
		}
	}
	if r.Actor != nil {
		user("actor.user", r.Actor.User)
	}
	user("user", r.User)
	endpoint("src_endpoint", r.SrcEndpoint)
	endpoint("dst_endpoint", r.DstEndpoint)
	if r.Device != nil {
		add("device.hostname", observableHostname, r.Device.Hostname)
	}
	if r.Group != nil {
		add("group.uid", observableGroupUID, r.Group.UID)
	}
	if r.File != nil {
		add("file.name", observableFileName, r.File.Name)
		add("file.path", observableFilePath, r.File.Path)
	}
	if r.Process != nil {
		add("process.name", observableProcess, r.Process.Name)
		add("process.uid", observableProcessUID, r.Process.UID)
	}
	return all
}
