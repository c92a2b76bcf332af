// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package keyfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// othersWrite are the bits of a mode that let others than the owner write.
const othersWrite fs.FileMode = 0o022

// checkOwner refuses a key that another user, root excepted, could change, and one that has
// a second name, under which it would outlive what is done to the first.
func checkOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return nil
	case !ours(st):
		return fmt.Errorf("%s belongs to user %d, not to this one (%d): chown it", path, st.Uid, os.Geteuid())
	case st.Nlink > 1:
		return fmt.Errorf("%s has %d names (hard links), and who has another one has the key, also after this one is gone: cp -p %s %[1]s.new, mv %[1]s.new %[1]s, and remove the other name (find -samefile finds it)", path, st.Nlink, path)
	}
	return nil
}

// ours reports whether something belongs to this user, or to root, who can do anything.
func ours(st *syscall.Stat_t) bool { return st.Uid == 0 || st.Uid == uint32(os.Geteuid()) }

// checkKeyDirectory refuses a directory in which others could put another file in the place
// of the key. In a sticky one, such as /tmp, they can neither move nor remove what is ours;
// but they can take the names of files to come, which is why a key that is to be replaced
// does not belong there (comes). It may belong to another user, for whom the key is (others).
// What is mounted read-only here is changed by nobody here.
func checkKeyDirectory(path string, comes, others bool) error {
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || mountedReadOnly(directory) {
		return nil
	}
	const remedy = "keep the key in a directory of its own, of mode 0700"
	sticky := info.Mode()&fs.ModeSticky != 0
	switch {
	case !ours(st) && !others:
		return fmt.Errorf("the directory %s of the key belongs to user %d, who can put another file in its place: chown it, or %s", directory, st.Uid, remedy)
	case info.Mode().Perm()&othersWrite == 0, sticky && !comes:
		return nil
	case sticky:
		return fmt.Errorf("others can write to the directory %s, in which one key takes the place of another: %s", directory, remedy)
	default:
		return fmt.Errorf("the directory %s of the key has mode %#o, so others can put another file in its place: chmod go-w %[1]s, or %[3]s", directory, info.Mode().Perm(), remedy)
	}
}
