// SPDX-License-Identifier: Apache-2.0

// Package health judges what was seen of this host.
//
// It holds what trusted metadata requires against what the installed clients
// can, and ages against limits; it defines the facts that are looked for, the
// catalogue of conditions, and which of them are problems now. It promises that
// what could not be judged is reported as unknown, and that text from outside is
// quoted in every summary. It does no I/O: package checkup gathers the facts,
// packages status and alert tell what came of them.
package health

import "time"

// Condition is one entry of the catalogue. Its code outlives its wording.
type Condition struct {
	Code string
	// Severity is the gravest it takes. Judge says in which cases it is less.
	Severity Severity
	Summary  string // a template: names in braces are filled in
	Remedy   string // what to type; a template too
	// Hold is how long the condition must last before it is raised, and be gone
	// before it is cleared: zero where nobody can afford to wait, minutes where
	// a thing comes and goes.
	Hold time.Duration
	// ClearedBy says what makes it go away, or what keeps it silent.
	ClearedBy string
	// Reserved codes belong to parts this version does not have: never raised.
	Reserved bool
}

// The condition codes.
const (
	MetadataExpiring    = "metadata-expiring"
	MetadataExpired     = "metadata-expired"
	RefreshFailing      = "refresh-failing"
	MirrorUnreachable   = "mirror-unreachable"
	MirrorInconsistent  = "mirror-inconsistent"
	MirrorMisconfigured = "mirror-misconfigured"
	MirrorUnfit         = "mirror-unfit"
	RollbackRefused     = "rollback-refused"
	ClockSkewed         = "clock-skewed"
	StoreDamaged        = "store-damaged"
	StateUnwritable     = "state-unwritable"
	CacheDamaged        = "cache-damaged"
	CacheBehind         = "cache-behind"
	CacheAhead          = "cache-ahead"
	CacheUnwritable     = "cache-unwritable"
	CacheLegacy         = "cache-legacy"
	CacheCollision      = "cache-collision"
	WatchDegraded       = "watch-degraded"
	HomesUnseen         = "homes-unseen"
	CosignOutdated      = "cosign-outdated"
	ClientOutdated      = "client-outdated"
	ClientEndangered    = "client-endangered"
	ClientVulnerable    = "client-vulnerable"
	ClientBelowMinimum  = "client-below-minimum"
	ClientUnknown       = "client-unknown"
	KeyTypeUnknown      = "key-type-unknown"
	ProbeDisagrees      = "probe-disagrees"
	AgentOutdated       = "agent-outdated"
	ExportStale         = "export-stale"
	AlertUndelivered    = "alert-undelivered"
	ConfigInvalid       = "config-invalid"
)

// Catalogue returns every condition, in the order of docs/conditions.md. The
// caller owns the slice.
func Catalogue() []Condition {
	return []Condition{
		{
			Code: MetadataExpiring, Severity: Critical,
			Summary:   `{role} {version} of mirror {mirror} expires in {left}, at {expires}; {why}`,
			Remedy:    `tufkeeper refresh; if that brings nothing newer, ask whoever runs {url} to sign the {role} role again`,
			Hold:      5 * time.Minute,
			ClearedBy: `metadata that lives longer than the warning threshold of its role; thresholds are set per role`,
		},
		{
			Code: MetadataExpired, Severity: Critical,
			Summary:   `{role} {version} of mirror {mirror} expired {left} ago, at {expires}; {why}; no cache is written from it`,
			Remedy:    `tufkeeper refresh; if that brings nothing newer, ask whoever runs {url} to sign the {role} role again`,
			ClearedBy: `metadata that has not expired; not judged at all while this host's clock is wrong (clock-skewed)`,
		},
		{
			Code: RefreshFailing, Severity: Critical,
			Summary:   `mirror {mirror} cannot be refreshed ({failures}, {since}): {error}`,
			Remedy:    `tufkeeper refresh, and read the error`,
			Hold:      10 * time.Minute,
			ClearedBy: `one successful refresh`,
		},
		{
			Code: MirrorUnreachable, Severity: Critical,
			Summary:   `mirror {mirror} does not answer ({failures}, {since}): {error}`,
			Remedy:    `curl -sS -o /dev/null -w '%{http_code}\n' {probe}; check DNS, proxy and firewall, or give the mirror a fallback URL`,
			Hold:      30 * time.Minute,
			ClearedBy: `one successful refresh; a critical severity means that there is nothing to fall back on`,
		},
		{
			Code: MirrorInconsistent, Severity: Critical,
			Summary:   `mirror {mirror} serves files that do not fit together ({failures}, {since}): {error}`,
			Remedy:    `wait for the mirror's own update to finish; if it lasts, have {url} copied again: targets first, then snapshot, timestamp last`,
			Hold:      10 * time.Minute,
			ClearedBy: `one successful refresh; not raised before the third failure in a row`,
		},
		{
			Code: MirrorMisconfigured, Severity: Critical,
			Summary:   `mirror {mirror} answers with something that is not a TUF repository ({failures}, {since}): {error}`,
			Remedy:    `curl -sSi {probe} | head -20; a missing file must be answered with 404, a present one with its bytes and no redirect to another host; where only a missing root is answered with 403, set forbidden_ends_chain for this mirror`,
			Hold:      10 * time.Minute,
			ClearedBy: `one successful refresh`,
		},
		{
			Code: MirrorUnfit, Severity: Critical,
			Summary:   `mirror {mirror} fails clients that would read it if it were whole ({clients}): {reason}`,
			Remedy:    `have the mirror copied again from where it comes from, whole`,
			Hold:      10 * time.Minute,
			ClearedBy: `a mirror that is whole; a warning when it fails clients in homes only, and for a preview; told of the mirror, not of each client, since replacing them does not help`,
		},
		{
			Code: RollbackRefused, Severity: Critical,
			Summary:   `mirror {mirror} offers {offered}, older than {trusted}; refused ({failures})`,
			Remedy:    `tufkeeper refresh; if it stays, ask whoever runs {url} whether the repository was restored from a backup; delete nothing`,
			ClearedBy: `one successful refresh; a warning at the first refusal, which a CDN can cause, critical from the second in a row`,
		},
		{
			Code: ClockSkewed, Severity: Critical,
			Summary:   `this host's clock says {now}, {difference}; {consequence}`,
			Remedy:    `timedatectl status; timedatectl set-ntp true`,
			ClearedBy: `a clock that is not before the newest time this agent has seen, and within 5 minutes of the mirror's Date header`,
		},
		{
			Code: StoreDamaged, Severity: Critical,
			Summary:   `the store of mirror {mirror} is damaged: {error}`,
			Remedy:    `tufkeeper refresh fetches what was set aside again; then look at the disk: dmesg --level=err,warn`,
			ClearedBy: `a store that can be read, and a restart once the files set aside were looked at`,
		},
		{
			Code: StateUnwritable, Severity: Critical,
			Summary:   `the state directory cannot be written: {error}`,
			Remedy:    `df -h; ls -ld and namei -l on the directory named; tufkeeper must own it`,
			ClearedBy: `a write that succeeds`,
		},
		{
			Code: CacheDamaged, Severity: Critical,
			Summary:   `cache {path} of {owner} is damaged: {detail}{consequence}`,
			Remedy:    `tufkeeper caches --mend`,
			Hold:      2 * time.Minute,
			ClearedBy: `mending, by us or by its client; critical outside homes only, and when a client cannot get over it alone; silent for caches with the policy ignore, and with the policy report when its client repairs it`,
		},
		{
			Code: CacheBehind, Severity: Warning,
			Summary:   `cache {path} of {owner} is behind mirror {mirror}: {detail}`,
			Remedy:    `tufkeeper caches --mend`,
			Hold:      time.Hour,
			ClearedBy: `bringing it forward, by us or by its client; silent for caches with the policy report or ignore, whose clients bring them forward`,
		},
		{
			Code: CacheAhead, Severity: Warning,
			Summary:   `cache {path} of {owner} is newer than what mirror {mirror} gives: {detail}{consequence}`,
			Remedy:    `tufkeeper refresh; if it stays, the mirror went back or the cache was filled from elsewhere: ask its owner before anything is removed`,
			Hold:      time.Hour,
			ClearedBy: `a refresh that brings the same versions; held for one refresh interval longer than stated, since a client may simply have been first`,
		},
		{
			Code: CacheUnwritable, Severity: Critical,
			Summary:   `cache {path} of {owner} cannot be used: {detail}{consequence}`,
			Remedy:    `ls -la {typed}; give it back to its owner with chown -R`,
			Hold:      2 * time.Minute,
			ClearedBy: `right ownership, mode and kind of file, by its owner or, where that is all that is wrong with single files, by mending; critical outside homes only`,
		},
		{
			Code: CacheLegacy, Severity: Warning,
			Summary:   `cache {path} of {owner} is in the legacy layout, which tufkeeper does not write, and {client} reads no other`,
			Remedy:    `install a client that uses the current layout (cosign 2.5.1 or newer)`,
			Hold:      time.Hour,
			ClearedBy: `no client found that depends on the legacy layout; silent while such a client is reported as outdated anyway, and for caches with the policy ignore`,
		},
		{
			Code: CacheCollision, Severity: Warning,
			Summary:   `cache directory {path} is of {one} and of {other}: {consequence}`,
			Remedy:    `keep one of the two in the configuration`,
			ClearedBy: `a configuration without the collision; where remote.json of cosign names another mirror than the configuration for one directory, an initialize`,
		},
		{
			Code: WatchDegraded, Severity: Warning,
			Summary:   `caches are compared every few seconds, not watched, so damage is noticed later: {error}`,
			Remedy:    `sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances; raise the one that is used up`,
			Hold:      10 * time.Minute,
			ClearedBy: `watches that work again; silent where a file system (a network, an overlay, FUSE) does not tell of every change: that is no fault, and tufkeeper caches tells it`,
		},
		{
			Code: HomesUnseen, Severity: Warning, Reserved: true,
			Summary:   `the homes of this host have not been looked at since {since}`,
			Remedy:    `systemctl status tufkeeper-publish`,
			Hold:      10 * time.Minute,
			ClearedBy: `a facts file younger than three scans`,
		},
		{
			Code: CosignOutdated, Severity: Critical,
			Summary:   `cosign {version} at {path} cannot read mirror {mirror}: {reason}{needs}{until}`,
			Remedy:    `install the newest cosign in place of {typed}`,
			ClearedBy: `a newer cosign, or none, at that path; a warning for a file in a home; exclude the path in the configuration to silence it`,
		},
		{
			Code: ClientOutdated, Severity: Critical,
			Summary:   `{client} at {path} cannot read mirror {mirror}: {reason}{needs}{until}`,
			Remedy:    `install the newest {name} in place of {typed}`,
			ClearedBy: `a newer client, or none, at that path; a warning for a file in a home; exclude the path in the configuration to silence it`,
		},
		{
			Code: ClientEndangered, Severity: Warning,
			Summary:   `{client} at {path} cannot read mirror {mirror}, a preview: it will break when production adopts this: {reason}{needs}`,
			Remedy:    `replace {typed} before the change reaches the mirror it uses`,
			ClearedBy: `a newer client at that path; silent while the same file is reported as outdated`,
		},
		{
			Code: ClientVulnerable, Severity: Warning,
			Summary:   `{client} at {path} has a known vulnerability: {reason}`,
			Remedy:    `install the newest {name} in place of {typed}`,
			ClearedBy: `a newer client, or none, at that path`,
		},
		{
			Code: ClientBelowMinimum, Severity: Warning,
			Summary:   `{client} at {path} is not accepted by the configuration: {reason}`,
			Remedy:    `install the newest {name} in place of {typed}`,
			ClearedBy: `a client at that path which is not older than its minimum in the configuration, or none; it counts as outdated whatever it can read`,
		},
		{
			Code: ClientUnknown, Severity: Warning,
			Summary:   `nobody can tell whether {client} at {path} reads mirror {mirror}: {reason}`,
			Remedy:    `install a released build in place of {typed}, or exclude it in the configuration`,
			ClearedBy: `a client whose libraries can be told, or none, at that path; exclude the path in the configuration to silence it`,
		},
		{
			Code: KeyTypeUnknown, Severity: Critical,
			Summary:   `mirror {mirror} publishes a key of type {keytype} with scheme {scheme} {where}, which no client is known to read: {coming}`,
			Remedy:    `look for newer clients, and ask whoever runs {url} which releases read it`,
			ClearedBy: `metadata without such keys, or a tufkeeper that knows them; a warning for a preview, which shows it before it is in force. Every client counts as outdated for such a mirror and as endangered by such a preview, and one that is newer than all that are known as unknown`,
		},
		{
			Code: ProbeDisagrees, Severity: Warning,
			Summary:   `{client} at {path} does otherwise with mirror {mirror} than its libraries say: {reason}`,
			Remedy:    `tufkeeper probe {typed}; if it stays, report it to the makers of tufkeeper: the compatibility table is wrong about this build`,
			ClearedBy: `a probe and a table that agree; a probe counts for that very file and that very set of metadata only`,
		},
		{
			Code: AgentOutdated, Severity: Critical,
			Summary:   `this tufkeeper cannot read what mirror {mirror} publishes: {error}`,
			Remedy:    `install the newest tufkeeper`,
			ClearedBy: `one successful refresh; a warning for a preview`,
		},
		{
			Code: ExportStale, Severity: Warning, Reserved: true,
			Summary:   `the export of mirror {mirror} is older than what is trusted`,
			Remedy:    `tufkeeper export`,
			Hold:      10 * time.Minute,
			ClearedBy: `an export of the last good set`,
		},
		{
			Code: AlertUndelivered, Severity: Warning,
			Summary:   `alerts wait to be delivered: {error}`,
			Remedy:    `read the log for "alert failed" and check the sink it names`,
			Hold:      10 * time.Minute,
			ClearedBy: `a sink that takes them; they are offered again in every cycle`,
		},
		{
			Code: ConfigInvalid, Severity: Warning,
			Summary:   `the configuration on disk was refused, the one before it stays in force: {error}`,
			Remedy:    `tufkeeper config check, then reload`,
			ClearedBy: `a reload that is accepted`,
		},
	}
}
