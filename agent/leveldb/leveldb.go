// SPDX-License-Identifier: Apache-2.0

// Package leveldb reads a LevelDB as files, within bounds, without its lock.
//
// A database is never opened: that would take the lock its owner needs, and rewrite
// its files. What lies in its directory is copied into memory, the lock left out, and
// the copy is read. Nothing on disk changes, and no length that the files claim is
// believed.
package leveldb
