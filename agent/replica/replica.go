// SPDX-License-Identifier: Apache-2.0

// Package replica serves a last good set as a TUF mirror does.
//
// It answers from memory, with exactly the bytes that were verified, under the
// names by which TUF clients ask for them, and with 404 for everything else: that
// ends the root chain of every client there is. Where it is served, and to whom,
// is the caller's affair.
package replica

import (
	"bytes"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// A Replica is one mirror of one set. It never changes, and is safe for concurrent use.
type Replica struct {
	files map[string][]byte // by path as it is asked for, decoded
	first int64             // the oldest root that is served
}

// New returns the mirror of a set. Former are the roots before the set's initial
// one, ascending to it without a gap; a real mirror has them, too, and a client
// that starts from an older root walks through them.
func New(set *trust.Set, former ...[]byte) *Replica {
	f := set.Files()
	r := &Replica{files: map[string][]byte{}}
	version := func(role string) int64 {
		known, _ := set.Role(role) // a set has its top-level roles and those in Delegated
		return known.Version
	}
	newest := version(trust.Root)
	r.first = newest - int64(len(f.Roots)) - int64(len(former))
	for i, data := range slices.Concat(former, [][]byte{f.Initial}, f.Roots) {
		r.role(trust.Root, r.first+int64(i), data)
	}
	r.files["/timestamp.json"] = f.Timestamp // never versioned
	r.role(trust.Snapshot, version(trust.Snapshot), f.Snapshot)
	r.role(trust.Targets, version(trust.Targets), f.Targets)
	for role, data := range f.Delegated {
		r.role(role, version(role), data)
	}
	for name, data := range f.Artifacts {
		r.artifact(set, name, data)
	}
	return r
}

// role adds metadata with and without its version: repositories without consistent
// snapshots, and clients from before there were any, ask without. Of the roots the
// last one added is the newest.
func (r *Replica) role(name string, version int64, data []byte) {
	r.files["/"+strconv.FormatInt(version, 10)+"."+name+".json"] = data
	r.files["/"+name+".json"] = data
}

// artifact adds a target file under its path, and with each of its hashes.
func (r *Replica) artifact(set *trust.Set, name string, data []byte) {
	r.files["/targets/"+name] = data
	t, _ := set.Target(name) // without it there are no hashes to be asked by
	dir, base := path.Split(name)
	for _, hash := range t.Hashes {
		r.files["/targets/"+dir+hash+"."+base] = data
	}
}

// FirstRoot is the version of the oldest root that is served: a client that starts
// from one before its predecessor finds a gap.
func (r *Replica) FirstRoot() int64 { return r.first }

// ServeHTTP answers GET and HEAD.
func (r *Replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a mirror is only read", http.StatusMethodNotAllowed)
		return
	}
	data, ok := r.files[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	if strings.HasSuffix(req.URL.Path, ".json") {
		w.Header().Set("Content-Type", "application/json")
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}
