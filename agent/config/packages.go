// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// The directories in which package managers of other languages put packages.
// One that is not there costs a look, and no more.
const (
	systemPackages = `
/usr/lib/python3/dist-packages
/usr/lib/python3*/site-packages
/usr/lib64/python3*/site-packages
/usr/local/lib/python3*/{site,dist}-packages
/opt/*/lib/python3*/site-packages
/opt/pipx/venvs/*/lib/python3*/site-packages
/opt/hostedtoolcache/Python/*/*/lib/python3*/site-packages
/usr/lib/node_modules
/usr/local/lib/node_modules
/usr/share/nodejs
/opt/*/lib/node_modules
/opt/hostedtoolcache/node/*/*/lib/node_modules
/var/lib/gems/*/specifications
/usr/share/rubygems-integration/*/specifications
/usr/{lib,lib64,share,local/lib}/ruby/gems/*/specifications
/usr/share/gems/specifications
/usr/local/bundle/specifications
/opt/hostedtoolcache/Ruby/*/*/lib/ruby/gems/*/specifications
/usr/share/java
/opt/*/lib
/usr/share/maven-repo/dev/sigstore/sigstore-java
`
	homePackages = `
/.local/lib/python3*/site-packages
/.local/{share/,}pipx/venvs/*/lib/python3*/site-packages
/.local/share/uv/tools/*/lib/python3*/site-packages
/.pyenv/versions/*/lib/python3*/site-packages
/.virtualenvs/*/lib/python3*/site-packages
/{.local,.npm-global}/lib/node_modules
/.nvm/versions/node/*/lib/node_modules
/.volta/tools/image/node/*/lib/node_modules
/.local/share/fnm/node-versions/*/installation/lib/node_modules
/.local/share/pnpm/global/*/node_modules
/.npm/_npx/*/node_modules
/.{gem,local/share/gem}/ruby/*/specifications
/.rbenv/versions/*/lib/ruby/gems/*/specifications
/.rvm/gems/*/specifications
/.m2/repository/dev/sigstore/sigstore-java
/.gradle/caches/modules-2/files-2.1/dev.sigstore/sigstore-java
`
)

func defaultPackages(env Env) []Glob {
	var globs []Glob
	for _, g := range strings.Fields(systemPackages) {
		globs = append(globs, Glob(g))
	}
	if env.Home == "" {
		return globs
	}
	for _, g := range strings.Fields(homePackages) {
		globs = append(globs, literal(env.Home)+Glob(g))
	}
	return globs
}
