// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// URL is the base URL for Client.
func (r *Repo) URL() string { return "http://sandbox.invalid/" }

// Client calls Handler in this process, without a socket: everything it waits
// for is a timer, a channel or a context, so it works inside a synctest bubble.
func (r *Repo) Client() *http.Client { return &http.Client{Transport: r.Transport()} }

// Transport is Client's transport.
func (r *Repo) Transport() http.RoundTripper { return transport{r} }

type transport struct{ r *Repo }

func (t transport) isDown() bool {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	return t.r.server.down
}

// RoundTrip runs the handler in a goroutine that ends when the handler returns,
// the body is closed, or the request's context ends, whichever is first for a
// handler that heeds its request's context.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if t.isDown() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	ctx, cancel := context.WithCancel(req.Context())
	reader, writer := io.Pipe()
	// What waits on the pipe ends with the context, and with its error.
	unhook := context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })
	e := &exchange{header: http.Header{}, body: writer, started: make(chan struct{})}
	go func() {
		defer cancel()
		defer unhook()
		e.run(t.r.Handler(), req.Clone(ctx))
	}()
	select {
	case <-e.started:
	case <-ctx.Done():
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
		<-e.started // the handler has ended, not the request
	}
	if e.err != nil {
		cancel()
		return nil, e.err
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)), StatusCode: e.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: e.sent, ContentLength: e.length, Request: req,
		Body: body{reader, cancel},
	}
	return resp, nil
}

// An exchange is the handler's side of one request.
type exchange struct {
	header http.Header
	body   *io.PipeWriter

	once    sync.Once
	started chan struct{} // closed when the fields below are set
	status  int
	sent    http.Header
	length  int64 // announced; -1 where not
	err     error // no answer came

	written int64
}

func (e *exchange) run(h http.Handler, req *http.Request) {
	defer func() {
		v := recover()
		if v != nil && v != http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
			panic(v)
		}
		aborted := v != nil
		e.once.Do(func() {
			if aborted {
				e.err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
			} else if err := req.Context().Err(); err != nil {
				e.err = err
			} else {
				e.announce(http.StatusOK)
			}
			close(e.started)
		})
		switch err := req.Context().Err(); {
		case err != nil: // the handler may have seen this before the pipe did
			e.body.CloseWithError(err)
		case aborted || e.length >= 0 && e.written < e.length:
			e.body.CloseWithError(io.ErrUnexpectedEOF)
		default:
			e.body.Close()
		}
	}()
	h.ServeHTTP(e, req)
}

func (e *exchange) announce(status int) {
	e.status, e.sent, e.length = status, e.header.Clone(), -1
	if n, err := strconv.ParseInt(e.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		e.length = n
	}
}

func (e *exchange) Header() http.Header { return e.header }

func (e *exchange) WriteHeader(status int) {
	e.once.Do(func() {
		e.announce(status)
		close(e.started)
	})
}

func (e *exchange) Write(p []byte) (int, error) {
	e.WriteHeader(http.StatusOK)
	if e.length >= 0 && e.written+int64(len(p)) > e.length {
		return 0, http.ErrContentLength
	}
	n, err := e.body.Write(p)
	e.written += int64(n)
	return n, err
}

// body ends the handler's goroutine when it is closed.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b body) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
