// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/cache"
)

// plain is a name from outside, quoted where it would do more than name something.
func plain(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// text is a duration as a person and a JSON log both read it.
func text(d time.Duration) string { return d.Round(time.Millisecond).String() }

// reason is why a cache was not brought forward.
func (o Outcome) reason() string {
	if o.Err != nil {
		return o.Err.Error()
	}
	return o.Skipped
}

// expected takes the errors out that only say why a cache is left as it is.
func expected(err error) error {
	for _, known := range []error{cache.ErrBusy, cache.ErrAhead, cache.ErrLegacy, cache.ErrExpired, cache.ErrForeign} {
		if errors.Is(err, known) {
			return nil
		}
	}
	return err
}

// tell logs what happened to one cache: at info what was changed, at warn what went
// wrong, once, and at debug the rest.
func (p *Publisher) tell(out Outcome) {
	log := p.o.Log.With("mirror", out.Cache.Mirror, "path", plain(out.Cache.Path), "layout", out.Cache.Layout)
	for _, d := range out.Change.Mended {
		log.Info(evMended, "file", plain(d.File), "what", d.What, "took", text(out.Took))
	}
	repaired := func(file string) bool {
		return slices.ContainsFunc(out.Change.Mended, func(d cache.Damage) bool { return d.File == file })
	}
	told := make([]string, 0, len(out.Change.Updates))
	for _, u := range out.Change.Updates {
		told = append(told, u.File)
		if u.Previous == 0 && repaired(u.File) {
			continue // it was mended, and is told as that
		}
		log.Info(evPublished, "role", plain(u.Role), "version", u.Version, "previous", u.Previous, "took", text(out.Took))
	}
	for _, file := range out.Change.Written {
		if !repaired(file) && !slices.Contains(told, file) {
			log.Info(evPublished, "file", plain(filepath.Base(file)), "took", text(out.Took))
		}
	}
	switch {
	case p.news(out):
		log.Warn(evSkipped, "error", out.Err)
	case out.Err != nil, out.Skipped != "":
		log.Debug(evSkipped, "next", text(out.RetryAfter), "error", out.reason())
	}
}

// news says whether an error is another than this cache's last one, and remembers it.
func (p *Publisher) news(out Outcome) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := out.Cache.Key()
	if out.Err == nil {
		delete(p.failed, key)
		return false
	}
	before := p.failed[key]
	p.failed[key] = out.Err.Error()
	return before != p.failed[key]
}
