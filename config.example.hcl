# tufkeeper: every setting there is, with its default.
#
# tufkeeper works without any file. Copy what you want to change into
# /etc/tufkeeper/config.hcl (for a user: ~/.config/tufkeeper/config.hcl), then:
#
#   tufkeeper config check      says what is wrong, with line and column
#   tufkeeper config show       prints what is in effect
#
# The agent reads the file again on SIGHUP. A file with a mistake in it is
# refused, and the old configuration stays in force.
#
# Values are plain: no variables, no functions. Durations are "90s", "10m",
# "4h", "15d", "2w" and combinations such as "1d12h". Paths are absolute or
# start with ~/ . In globs * stays within a name and ** crosses directories.
#
# A line that is commented out is a setting without a default, or one whose
# default depends on who runs the agent; the comment says on what.

# Where the agent keeps its own verified copies and its memory.
# Default: /var/lib/tufkeeper for root, $XDG_STATE_HOME/tufkeeper for a user.
# Not inside a cache: clients delete those.
# state_dir = "/var/lib/tufkeeper"

# The report that "tufkeeper status" and "tufkeeper check" read.
# Default: /run/tufkeeper/status.json for root, $XDG_RUNTIME_DIR/tufkeeper/status.json
# for a user, and status.json in state_dir where there is no runtime directory.
# status_file = "/run/tufkeeper/status.json"

# A mirror is one TUF repository to keep fresh. Without any mirror block there
# is Sigstore's public one, as it stands here. As soon as you write one, only
# those you write are there.
mirror "sigstore" {
  # Where the repository is: https, http or file.
  # "sigstore" and "sigstage" are known by name; every other mirror needs a url.
  url = "https://tuf-repo-cdn.sigstore.dev"

  # Other places of the same repository, tried in this order when url cannot be reached.
  fallback_urls = []

  # The root.json that trust starts from: built in for "sigstore" and "sigstage",
  # otherwise a file you got from the people who run the mirror.
  initial_root = "builtin:sigstore"

  # What sha256sum prints for that file. With it, another file is refused.
  # initial_root_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

  # A preview shows what is coming: clients are judged against it ahead of time,
  # and it is never published into a cache.
  preview = false

  # Which target files to hold.
  targets = ["**"]

  # Some servers answer 403 for a file that is not there. Set true for such a
  # mirror, so that 403 for the next root means "there is none".
  forbidden_ends_chain = false

  # Plain http is refused, but for this host itself, unless you allow it.
  allow_http = false

  # New metadata goes into caches only when it has been seen for this long:
  # longer than a CDN may go on serving the old, and than a client's slowest run.
  # For a mirror without a CDN a minute is enough; with "0s" a client that asked just
  # before a change can fail that once.
  soak = "10m"

  # How long one file, and a whole refresh, may take; how often a file is tried.
  file_timeout    = "30s"
  refresh_timeout = "5m"
  attempts        = 3

  # The way out: "none", "environment" (HTTPS_PROXY and so on) or the URL of a
  # proxy: http, https or socks5, with user name and password if it wants them.
  # Default: none.
  # proxy = "http://proxy.example:3128"

  # PEM files: certificate authorities to believe beside the system's,
  # and a client certificate with its key. Default: none.
  # ca_file          = "/etc/tufkeeper/mirror-ca.pem"
  # client_cert_file = "/etc/tufkeeper/client.pem"
  # client_key_file  = "/etc/tufkeeper/client.key"

  # A file of "Name: value" lines, sent with every request to url and to its
  # fallbacks, such as an
  # Authorization. Default: none.
  # headers_file = "/etc/tufkeeper/headers"

  # A schedule of its own, for what differs from the common one below.
  # schedule {
  #   interval = "1h"
  # }
}

# Sigstore's staging shows new roots and key types days or weeks before they
# are in force. As a preview it warns you of clients that will break.
# mirror "sigstage" {
#   preview = true
# }

# When mirrors are refreshed.
schedule {
  # Either an interval, or a cron expression in local time instead of it.
  interval = "4h"
  # cron = "17 */4 * * *"

  # A host is late by up to this much, so that many hosts do not come at once.
  jitter = "15m"

  # After a failure the next attempt comes this soon, then ever later up to the maximum.
  retry_min = "1m"
  retry_max = "1h"

  # A refresh is due at the latest this long before something expires.
  lead = "2d"
}

# The caches of Sigstore clients to look after.
caches {
  # Those of cosign, and of other programs on sigstore-go or the legacy client.
  # Default: ~/.sigstore/root, and $TUF_ROOT where that is set.
  # paths = ["~/.sigstore/root"]

  # Those of other clients: gh, npm, sigstore-js, sigstore-python, sigstore-ruby,
  # sigstore-java. Without any place block there are the usual ones of who runs the
  # agent ("tufkeeper config show" lists them). As soon as you write one, only those
  # you write are there. A place need not exist.
  # Default: where XDG_DATA_HOME, XDG_CACHE_HOME and npm_config_cache say.
  # place "~/.npm/_tuf" {
  #   client = "npm"
  # }
  # targets: only for sigstore-python and sigstore-ruby, which keep target files apart.
  # place "~/.local/share/sigstore-python/tuf" {
  #   client  = "sigstore-python"
  #   targets = "~/.cache/sigstore-python/tuf"
  # }
  # url: only for sigstore-java, whose directories do not say which mirror they are
  # of; without it they are taken to be of Sigstore's public one.
  # Default: none but for the staging directory.
  # place "/srv/build/sigstore-java" {
  #   client = "sigstore-java"
  #   url    = "https://tuf.example.org"
  # }

  # What may be done to a cache:
  #   "mend"     bring it forward, and repair what is damaged
  #   "publish"  bring it forward; damage is reported
  #   "report"   look and report, never write
  #   "ignore"   do not even look
  # This holds for the caches that tufkeeper keeps: those of configured mirrors, in a
  # layout that it is known to write as its client does. All others are reported on,
  # whatever stands here ("tufkeeper caches --json" has the policy of each).
  policy = "mend"

  # Other policies for some caches, also for those that are only reported on by
  # default. The first rule that matches the path of the cache counts.
  # rule "/srv/ci/**" {
  #   policy = "report"
  # }

  # Metadata newer than what its mirror has fails its client, and protects it from a
  # mirror that went back. It is left alone for ever ("0s"), or removed when it has
  # been there for this long (at least "1d", counted from when the file was put there,
  # whatever its own date says) and the mirror has answered without it after that.
  drop_ahead = "0s"

  # A change on disk is looked at when the cache has been still for this long. What is
  # damaged is mended within 100 ms after that as a rule, once quiet has passed too. Where a client
  # writes its files in place (npm, sigstore-js, sigstore-java), damage may be a file that
  # it is writing: that is left alone until it is 5 s old.
  debounce = "2s"

  # A cache that changed within this time is in use, and is left alone.
  quiet = "2s"

  # Every cache is looked at this often, whatever was noticed. A file system that does
  # not tell of every change (a network, an overlay) is compared beside, every 2 s as a rule.
  scan = "5m"
}

# Where Sigstore clients (cosign and other programs that use TUF) are looked
# for. They are read, and never run.
clients {
  # The directories of the agent's PATH.
  search_path = true

  # Other files, and directories of files.
  # Default: the usual directories beside PATH, and those of plug-ins of docker,
  # notation and gh; "tufkeeper config show" lists them.
  # globs = ["/usr/local/bin", "/opt/*/bin", "~/go/bin", "~/.local/bin", "~/bin"]

  # What to leave out.
  exclude = []

  # Directories that hold packages of Python, JavaScript, Ruby and Java: their
  # metadata is read. [] looks for none.
  # Default: where those are installed by the system, below /opt, in the tool
  # caches of CI hosts and at home; "tufkeeper config show" lists them.
  # packages = ["/usr/lib/python3/dist-packages", "/usr/lib/node_modules", "~/.local/lib/python3*/site-packages"]

  # How often to look, and the biggest file to read (holes in it do not count).
  scan          = "15m"
  max_file_size = "512MiB"

  # A compatibility table that is newer than the one built in (compat.json of a
  # newer release). One that is older, malformed, contradicts itself or is from
  # the future is refused, and the configuration with it. "": the one built in.
  model = ""

  # What clients did when they were run ("tufkeeper probe"): read here, never run here.
  # Default: as it stands here for root, and
  # $XDG_STATE_HOME/tufkeeper/probe/results.json for a user.
  # probe_results = "/var/lib/tufkeeper-probe/results.json"

  # The oldest version you accept of a client. An older one is a problem, also
  # where it can read everything.
  # minimum "cosign" {
  #   version = "2.6.3"
  # }
}

# How long before its expiry a role becomes a problem. Sigstore signs a
# timestamp for 7 days, every day; a root for about half a year.
threshold "timestamp" {
  warning  = "48h"
  critical = "12h"
}

threshold "root" {
  warning  = "15d"
  critical = "5d"
}

threshold "snapshot" {
  warning  = "15d"
  critical = "5d"
}

threshold "targets" {
  warning  = "15d"
  critical = "5d"
}

# A problem is called out when it begins and when it ends, and again this often
# while it lasts. "0s": never again.
alerts {
  reminder = "1d"
}

# What the agent says while it runs.
log {
  level  = "info" # trace, debug, info, warn, error
  format = "text" # text, json
}
