// SPDX-License-Identifier: Apache-2.0

// Package leveldb reads a LevelDB as files, within bounds, without its lock.
//
// A database is never opened: that would take the lock its owner needs, and rewrite
// its files. What lies in its directory is copied into memory, the lock left out, and
// the copy is read. Nothing on disk changes, and no length that the files claim is
// believed.
//
// The owner may write while the copy is made. A copy that is not whole, or cannot be
// read, is therefore looked at a second time, and is called damaged only when not a
// byte of it has changed by then; else the answer is [ErrChanging]: unknown.
package leveldb

import (
	"errors"
	"os"
	"time"
)

// The bounds of a database that is read. One that holds a client's four documents is
// some hundred kilobytes, however often it was rewritten.
const (
	maxNames = 4096 // in the directory
	maxFiles = 64
	maxFile  = 8 << 20
	maxTotal = 32 << 20
	// maxUnpacked bounds what all blocks may unpack to, each counted as often as it is
	// named.
	maxUnpacked = 2 * maxTotal
)

// ErrTooBig is a database of more data than is read.
var ErrTooBig = errors.New("more data than is read of a database")

// ErrChanging is a database that its owner is writing to: what it holds is not known.
var ErrChanging = errors.New("the database changes while it is read")

// settles is how long a copy that cannot be read is given to turn out torn. It is
// longer than a file system's clock ticks, so that a change shows.
const (
	looks   = 3
	settles = 50 * time.Millisecond
)

// Read returns the newest values of keys in the database that lies in dir: what its
// owner reads on its next start, recovering what its owner recovers. Keys that it does
// not hold are left out. Memory and time are bounded, whatever the files hold.
//
// An error that is neither [ErrChanging] nor [fs.ErrPermission] says what is wrong
// with the database, in words of this package and quoted names.
func Read(dir *os.Root, keys ...string) (map[string][]byte, error) {
	before, err := take(dir)
	if err != nil {
		return nil, err
	}
	for range looks {
		held, err := before.values(keys, whole)
		if err == nil && len(held) > 0 { // a database that its owner is opening may look empty
			return held, nil
		}
		time.Sleep(settles)
		again, err := take(dir)
		if err != nil {
			return nil, err
		}
		if again.same(before) {
			return again.values(keys, recovering)
		}
		before = again
	}
	return nil, ErrChanging
}
