// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault is what a mirror does wrong. The fields combine; the zero value is no
// fault.
type Fault struct {
	Status   int           // instead of 200 (or of 302 for a Redirect)
	Header   http.Header   // set on the answer, over what is set otherwise
	Body     []byte        // instead of the file, which need not exist
	Redirect string        // the Location of a redirect
	Delay    time.Duration // before the headers
	Stall    time.Duration // after the headers and half of the body
	Truncate int           // bytes sent of a body whose whole length is announced, then the connection ends
	Endless  bool          // a body without end, and without a length
	Gzip     bool          // compressed, whether asked for or not
}

func (f Fault) none() bool {
	return f.Status == 0 && f.Header == nil && f.Body == nil && f.Redirect == "" && f.Delay == 0 &&
		f.Stall == 0 && f.Truncate == 0 && !f.Endless && !f.Gzip
}

// server is what stands between the files and those who ask.
type server struct {
	edits    map[string]func([]byte) []byte
	faults   map[string]Fault
	down     bool
	requests []string
}

// SetFault sets the fault of the files at a path ("timestamp.json"), of those
// that match a pattern of path.Match ("*.root.json"), or of all (""). The exact
// path goes before a pattern, and that before "". Fault{} clears.
func (r *Repo) SetFault(path string, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server.faults == nil {
		r.server.faults = map[string]Fault{}
	}
	if f.none() {
		delete(r.server.faults, path)
		return
	}
	r.server.faults[path] = f
}

// Edit changes what is served under a name, at each request anew; f gets nil
// where there is no such file, and answers nil for none. A nil f clears.
func (r *Repo) Edit(file string, f func([]byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server.edits == nil {
		r.server.edits = map[string]func([]byte) []byte{}
	}
	if f == nil {
		delete(r.server.edits, file)
		return
	}
	r.server.edits[file] = f
}

// Down makes the mirror unreachable: Client gets "connection refused", a client
// of Handler a connection that is closed without an answer.
func (r *Repo) Down(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server.down = down
}

// Requests are the paths asked for, in order, without their first slash. What
// was asked while down is not there.
func (r *Repo) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.server.requests)
}

// ResetRequests forgets the requests so far.
func (r *Repo) ResetRequests() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server.requests = nil
}

// Handler serves the repository at the root of its host.
func (r *Repo) Handler() http.Handler { return http.HandlerFunc(r.serve) }

func (r *Repo) serve(w http.ResponseWriter, req *http.Request) {
	name := strings.TrimPrefix(req.URL.Path, "/")
	data, fault, down := r.answer(name)
	if down {
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	}
	if !wait(req, fault.Delay) {
		return
	}
	w.Header().Set("Date", r.opts.Now().UTC().Format(http.TimeFormat))
	status := http.StatusOK
	switch {
	case fault.Redirect != "":
		w.Header().Set("Location", fault.Redirect)
		status, data = http.StatusFound, []byte{}
	case fault.Body != nil:
		data = fault.Body
	case data == nil && !fault.Endless:
		status, data = http.StatusNotFound, []byte("not found\n")
	}
	if fault.Status != 0 {
		status = fault.Status
		if status != http.StatusOK && fault.Body == nil {
			data = fmt.Appendf(nil, "%d %s\n", status, http.StatusText(status))
		}
	}
	w.Header().Set("Content-Type", contentType(name, status))
	if fault.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
		data = compress(data)
	}
	if !fault.Endless && hasBody(status) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	}
	for name, values := range fault.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(status)
	if hasBody(status) {
		send(w, req, data, fault)
	}
}

// answer finds what to answer with, and notes the request.
func (r *Repo) answer(name string) (data []byte, f Fault, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server.down {
		return nil, Fault{}, true
	}
	r.server.requests = append(r.server.requests, name)
	data = r.served().files[name]
	if edit := r.server.edits[name]; edit != nil {
		data = edit(bytes.Clone(data))
	}
	if f, ok := r.server.faults[name]; ok {
		return data, f, false
	}
	for pattern, f := range r.server.faults {
		if ok, err := path.Match(pattern, name); ok && err == nil && pattern != "" {
			return data, f, false
		}
	}
	return data, r.server.faults[""], false
}

func send(w http.ResponseWriter, req *http.Request, data []byte, f Fault) {
	write := func(p []byte) bool {
		_, err := w.Write(p)
		flush(w)
		return err == nil
	}
	switch {
	case f.Truncate > 0 && f.Truncate < len(data):
		write(data[:f.Truncate])
		panic(http.ErrAbortHandler)
	case f.Stall > 0:
		half := len(data) / 2
		if write(data[:half]) && wait(req, f.Stall) {
			write(data[half:])
		}
	case f.Endless:
		if len(data) > 0 && !write(data) {
			return
		}
		for spaces := bytes.Repeat([]byte(" "), 4096); req.Context().Err() == nil && write(spaces); {
		}
	default:
		write(data)
	}
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// wait waits, and says whether the request still lives.
func wait(req *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func contentType(name string, status int) string {
	switch {
	case status >= 300:
		return "text/plain; charset=utf-8"
	case path.Ext(name) == ".json":
		return "application/json"
	}
	return "application/octet-stream"
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}
