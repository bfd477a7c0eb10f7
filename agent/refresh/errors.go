// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/mirror"
	"github.com/tufkeeper/tufkeeper/agent/store"
	"github.com/tufkeeper/tufkeeper/agent/trust"
)

// RollbackError says that a mirror offers an older version of a role than the one
// that was trusted before, well signed. Offered is 0 when the role is gone.
type RollbackError struct {
	Role             string
	Trusted, Offered int64
	Err              error // go-tuf's, if it noticed too; may be nil
}

func (e *RollbackError) Error() string {
	if e.Offered == 0 {
		return fmt.Sprintf("role %q of version %d has been seen, and the mirror no longer has it", e.Role, e.Trusted)
	}
	return fmt.Sprintf("%s of version %d has been seen, and the mirror offers version %d", name(e.Role), e.Trusted, e.Offered)
}

func (e *RollbackError) Unwrap() error { return e.Err }

// ClockError says that the clock is before a time at which a refresh succeeded.
// Nothing was asked for, since no expiry can be judged.
type ClockError struct {
	Now, Highest time.Time
}

func (e *ClockError) Error() string {
	return fmt.Sprintf("the clock says %s, and it has been %s already: set the clock",
		e.Now.UTC().Format(time.RFC3339), e.Highest.UTC().Format(time.RFC3339))
}

// LimitError says that a mirror has more new roots than one refresh takes. Those
// up to Version were verified and kept, and the next refresh goes on from there.
type LimitError struct {
	Limit   int
	Version int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d new roots: stopped at root %d, the next refresh goes on", e.Limit, e.Version)
}

// InconsistentError says that files of a mirror do not belong together: a version
// that was announced is missing or another one, or a fallback lags behind. It
// often passes by itself, while a publication is on its way through a CDN.
type InconsistentError struct {
	What string // safe to print
	Err  error
}

func (e *InconsistentError) Error() string {
	return fmt.Sprintf("mirror is inconsistent at %s: %v", e.What, e.Err)
}

func (e *InconsistentError) Unwrap() error { return e.Err }

// StoreError says that our own directory could not be read or written.
type StoreError struct{ Err error }

func (e *StoreError) Error() string { return e.Err.Error() }

func (e *StoreError) Unwrap() error { return e.Err }

// name prints a role: as it is for those that the specification names, quoted for
// those that a mirror names.
func name(role string) string {
	switch role {
	case trust.Root, trust.Timestamp, trust.Snapshot, trust.Targets:
		return role
	}
	return fmt.Sprintf("role %q", role)
}

// Kind says what kind of failure the error of a refresh is. A refresh that was
// called off by its context is none.
func Kind(err error) health.FailureKind {
	var (
		clock        *ClockError
		failed       *StoreError
		panicked     *trust.PanicError
		inconsistent *InconsistentError
		rollback     *RollbackError
		limit        *LimitError
		key          *trust.UnknownKeyError
		malformed    *trust.MalformedError
		status       *mirror.StatusError
		redirect     *mirror.RedirectError
		page         *mirror.NotJSONError
		encoding     *mirror.EncodingError
	)
	is := func(target error) bool { return errors.Is(err, target) }
	as := func(target any) bool { return errors.As(err, target) }
	switch {
	case err == nil || is(context.Canceled):
		return health.FailNone
	case as(&clock):
		return health.FailClock
	case is(store.ErrUnfit):
		return health.FailMisconfigured
	case as(&failed):
		return health.FailStore
	case as(&panicked):
		return health.FailInternal
	case as(&inconsistent) || as(&limit):
		return health.FailInconsistent
	case as(&rollback):
		return health.FailRollback
	case as(&key):
		return health.FailKeyType
	case is(&metadata.ErrExpiredMetadata{}):
		return health.FailExpired
	case is(&metadata.ErrUnsignedMetadata{}):
		return health.FailSignature
	case as(&malformed) || as(&redirect) || as(&page) || as(&encoding) || is(mirror.ErrTooLarge) || is(mirror.ErrMissing):
		return health.FailMisconfigured
	case reachedNot(err):
		return health.FailUnreachable
	case as(&status):
		return health.FailMisconfigured
	case is(&metadata.ErrRepository{}):
		return health.FailInconsistent
	default:
		return health.FailInternal
	}
}
