// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// DirName is the directory that sigstore-go, and so cosign from 2.5.1 and gh, keeps
// the cache of a mirror in: the URL without its scheme, '/' and ':' turned into '-',
// in lower case, nothing else (sigstore-go pkg/tuf, URLToPath). It is "" for a URL
// that makes no directory of its own: "https://..", and one that its client would mix
// up with its other files ("https://remote" has its time of the last check in
// remote.json).
func DirName(url string) string {
	name := strings.TrimPrefix(url, "https://")
	name = strings.TrimPrefix(name, "http://")
	name = strings.ReplaceAll(name, "/", "-")
	name = strings.ReplaceAll(name, ":", "-")
	name = strings.ToLower(name)
	switch name {
	case strings.TrimSuffix(remoteName, ".json"), remoteName, targetsDir, legacyName:
		return ""
	}
	return plainName(name)
}

// Spelled is a mirror's URL as it is usually written: scheme and host in lower case, no
// port that goes without saying, no slash at the end.
func Spelled(raw string) string {
	bare := strings.TrimRight(raw, "/")
	u, err := url.Parse(bare)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return bare
	}
	u.Host = strings.ToLower(u.Host)
	switch u.Scheme + u.Port() {
	case "https443", "http80":
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	return u.String()
}

// DirName is the directory that clients of this layout keep the cache of a mirror in,
// by each client's own rule; "" where the layout has none, or the URL makes none.
func (l Layout) DirName(url string) string {
	if dir := l.rules().dir; dir != nil {
		return dir(url)
	}
	return ""
}

// dirNameJS is encodeURIComponent of host and path, without the last slash, as the
// URL parser of browsers reads them. It is "" for a URL that Go's parser may read
// otherwise than that one: no name is better than another mirror's.
func dirNameJS(raw string) string {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }) {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	name, port := host, ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	}
	// A host of digits and dots is an address to a browser, in any of its spellings.
	plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && !strings.HasPrefix(name, "xn--")
	if last := name[strings.LastIndexByte(name, '.')+1:]; name == "" || !plain ||
		last == "" || last[0] >= '0' && last[0] <= '9' && !isIPv4(name) || strings.Contains(name, "..") || strings.Contains(name, ".xn--") {
		return ""
	}
	if port != "" && (port[0] == '0' || len(port) > 5 || strings.Trim(port, "0123456789") != "") || strings.HasSuffix(host, ":") {
		return ""
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = name
	}
	path, _, _ := strings.Cut(raw, "#")
	path, _, _ = strings.Cut(path, "?")
	path = path[strings.Index(path, "://")+3:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		path = path[i:]
	} else {
		path = ""
	}
	for _, part := range strings.Split(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(part), "%2e", ".") {
		case ".", "..":
			return ""
		}
	}
	if percent(path, "-._~!$&'()*+,;=:@%/") != path {
		return "" // written anew by the parsers of some browsers
	}
	return plainName(escapeJS(host + strings.TrimSuffix(path, "/")))
}

func isIPv4(name string) bool {
	ip := net.ParseIP(name)
	return ip != nil && ip.To4() != nil && ip.String() == name
}

func dirNamePython(url string) string { return plainName(escapePython(strings.TrimRight(url, "/"))) }

func dirNameRuby(url string) string {
	return plainName(percent(url, "*-._"))
}

// How each client makes a file name of a role or a target path.
func escapeJS(s string) string     { return percent(s, "-_.!~*'()") }
func escapePython(s string) string { return percent(s, "_.-~") }
func asItIs(s string) string       { return s }

// escapeForm is how form fields are encoded: a space becomes '+'.
func escapeForm(s string) string { return strings.ReplaceAll(percent(s, "*-._"), "%20", "+") }

// percent writes every byte as %XX that is no letter, no digit and not kept.
func percent(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plainName returns name if it names an entry of a directory, else "".
func plainName(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return ""
	}
	return name
}

// resembles says whether a client of this layout may have given a directory this name.
func (l Layout) resembles(name string) bool {
	plain, err := url.PathUnescape(name)
	hasScheme := strings.HasPrefix(plain, "http://") || strings.HasPrefix(plain, "https://")
	switch l {
	case LayoutSigstoreGo:
		return DirName(name) == name
	case LayoutSigstoreJS:
		return err == nil && !hasScheme && escapeJS(plain) == name
	case LayoutSigstorePython:
		return err == nil && hasScheme && escapePython(plain) == name
	case LayoutSigstoreRuby:
		return err == nil && hasScheme && percent(plain, "*-._") == name
	}
	return false
}
