// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// ParseDuration reads a duration in Go's units, and in d (24 hours) and w
// (7 days), which take whole numbers and come first: "1w2d12h", "15d", "90s".
// A duration is never negative.
func ParseDuration(s string) (time.Duration, error) {
	rest, sum := s, time.Duration(0)
	for _, u := range []struct {
		name byte
		unit time.Duration
	}{{'w', week}, {'d', day}} {
		i := strings.IndexByte(rest, u.name)
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(rest[:i], 10, 31)
		if err != nil || time.Duration(n) > (math.MaxInt64-sum)/u.unit {
			return 0, notDuration(s)
		}
		sum, rest = sum+time.Duration(n)*u.unit, rest[i+1:]
		if rest == "" {
			return sum, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > math.MaxInt64-sum {
		return 0, notDuration(s)
	}
	return sum + d, nil
}

func notDuration(s string) error {
	return wrong(`write a number and a unit: "90s", "10m", "4h", "15d", "2w"`, "%s is not a duration", quoted(s))
}

// FormatDuration prints a duration as ParseDuration reads it, without the
// zeros that Go prints: 4h, 15d, 1h30m.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if n := d / day; n > 0 {
		b.WriteString(strconv.FormatInt(int64(n), 10) + "d")
		d -= n * day
	}
	if d > 0 {
		s := d.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Size is a number of bytes.
type Size int64

// The binary units.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

// units are tried in this order by String; the first that divides wins.
var units = [...]struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// ParseSize reads a whole number of bytes with its unit: "200MiB", "1GB", "512B".
func ParseSize(s string) (Size, error) {
	number := strings.TrimRightFunc(s, unicode.IsLetter)
	unit := strings.ToLower(s[len(number):])
	for _, u := range units {
		if strings.ToLower(u.name) != unit {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
		if err != nil || Size(n) > math.MaxInt64/u.size {
			break
		}
		return Size(n) * u.size, nil
	}
	return 0, wrong(`write a number and a unit: "512KiB", "200MiB", "1GiB"`, "%s is not a size", quoted(s))
}

// String prints the size as ParseSize reads it, in the greatest unit that
// leaves a whole number.
func (s Size) String() string {
	for _, u := range units {
		if s%u.size == 0 && s != 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0B"
}

// Glob is a pattern for slash-separated paths: "*" and "?" stay within a name,
// "**" crosses directories, "[a-z]" and "{a,b}" choose, "\" takes the next
// character as it is. The zero Glob matches nothing.
type Glob string

// ParseGlob checks a pattern.
func ParseGlob(s string) (Glob, error) {
	if s == "" || len(s) > maxText || strings.ContainsRune(s, 0) || !doublestar.ValidatePattern(s) {
		return "", wrong(`"*" matches within a name, "**" across directories; brackets and braces must be closed`,
			"%s is not a glob", quoted(s))
	}
	return Glob(s), nil
}

// Match reports whether the whole path fits the pattern.
func (g Glob) Match(path string) bool {
	ok, err := doublestar.Match(string(g), path)
	return err == nil && ok && g != ""
}

func (g Glob) String() string { return string(g) }

// literal is the glob that matches exactly this path.
func literal(path string) Glob {
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune(`*?[]{}\`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return Glob(b.String())
}

// parseMirrorURL accepts what a path can be appended to: http, https and file.
// Whether plain http is allowed is decided where the whole mirror is known.
func parseMirrorURL(s string) (*url.URL, error) {
	u, err := canonical(s)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" || u.Opaque != "" {
			return nil, wrong("", "URL %s names no host", quoted(s))
		}
	case "file":
		if (u.Host != "" && u.Host != "localhost") || !strings.HasPrefix(u.Path, "/") {
			return nil, wrong("write file:///srv/tuf", "URL %s names no absolute path of this host", quoted(s))
		}
	default:
		return nil, wrong("a mirror is reached by https, http or file", "URL %s has scheme %s", quoted(u.Redacted()), quoted(u.Scheme))
	}
	if u.User != nil {
		return nil, wrong("put credentials into headers_file", "URL %s holds a user name or password", quoted(u.Redacted()))
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#") {
		return nil, wrong("file names are appended to a mirror's URL", "URL %s has a query or a fragment", quoted(s))
	}
	return u, nil
}

// parseProxy accepts "none", "environment" or the URL of a proxy, whose user
// name and password are allowed.
func parseProxy(s string) (string, error) {
	switch s {
	case "", "none":
		return "", nil
	case "environment":
		return s, nil
	}
	const hint = `write "none", "environment", or a URL such as "http://proxy.example:3128"`
	u, err := canonical(s)
	if err != nil {
		return "", wrong(hint, "proxy is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return "", wrong(hint, "proxy %s is not reached by http, https or socks5", quoted(u.Redacted()))
	}
	if u.Hostname() == "" || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", wrong(hint, "proxy %s is more or less than a host and a port", quoted(u.Redacted()))
	}
	return u.String(), nil
}

// redactProxy hides the password of a proxy's URL.
func redactProxy(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		return u.Redacted()
	}
	return s
}

// canonical parses a URL so that printing and parsing it again changes nothing.
func canonical(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxText {
		return nil, wrong("", "not a URL") // the text of url's error may repeat a password
	}
	v, err := url.Parse(u.String())
	if err != nil || v.String() != u.String() {
		return nil, wrong("", "not a URL")
	}
	return v, nil
}

// loopback reports whether a URL's host is this host.
func loopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// clientDirectory is the name of the directory in which a sigstore-go client
// caches a mirror: the rule of sigstore-go's pkg/tuf, URLToPath.
func clientDirectory(u *url.URL) string {
	name := strings.TrimPrefix(strings.TrimPrefix(u.String(), "https://"), "http://")
	return strings.ToLower(strings.NewReplacer("/", "-", ":", "-").Replace(name))
}
