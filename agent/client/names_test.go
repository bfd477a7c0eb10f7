// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"strings"
	"testing"
)

// TestClientsByTheirNames gives a program the build information that each of the
// named tools has: the package that was built, and the main module, where there
// is one. Both were taken from go.mod files and package clauses.
func TestClientsByTheirNames(t *testing.T) {
	for _, tt := range []struct{ path, module, want string }{
		{"github.com/sigstore/cosign/cmd/cosign", "github.com/sigstore/cosign", "cosign"},
		{"github.com/sigstore/cosign/v2/cmd/cosign", "github.com/sigstore/cosign/v2", "cosign"},
		{"github.com/sigstore/cosign/v3/cmd/cosign", "github.com/sigstore/cosign/v3", "cosign"},
		{"github.com/sigstore/cosign/v4/cmd/cosign", "github.com/sigstore/cosign/v4", "cosign"}, // a major version to come
		{"github.com/sigstore/gitsign", "github.com/sigstore/gitsign", "gitsign"},
		{"github.com/cli/cli/v2/cmd/gh", "github.com/cli/cli/v2", "gh"},
		{"github.com/slsa-framework/slsa-verifier/v2/cli/slsa-verifier", "github.com/slsa-framework/slsa-verifier/v2", "slsa-verifier"},
		{"github.com/sigstore/policy-controller/cmd/webhook", "github.com/sigstore/policy-controller", "policy-controller"},
		{"github.com/sigstore/policy-controller/cmd/tester", "github.com/sigstore/policy-controller", "policy-tester"},
		{"github.com/kyverno/kyverno/cmd/kyverno", "github.com/kyverno/kyverno", "kyverno"},
		{"github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno", "github.com/kyverno/kyverno", "kyverno-cli"},
		{"github.com/kyverno/kyverno/cmd/background-controller", "github.com/kyverno/kyverno", "kyverno-background-controller"},
		{"github.com/kyverno/kyverno/cmd/cleanup-controller", "github.com/kyverno/kyverno", "kyverno-cleanup-controller"},
		{"github.com/kyverno/kyverno/cmd/reports-controller", "github.com/kyverno/kyverno", "kyverno-reports-controller"},
		{"github.com/kyverno/kyverno/cmd/kyverno-init", "github.com/kyverno/kyverno", "kyverno-init"},
		{"github.com/fluxcd/source-controller", "github.com/fluxcd/source-controller", "source-controller"},
		{"github.com/controlplaneio-fluxcd/flux-operator/cmd/operator", "github.com/controlplaneio-fluxcd/flux-operator", "flux-operator"},
		{"github.com/sigstore/rekor/cmd/rekor-cli", "github.com/sigstore/rekor", "rekor-cli"},
		{"github.com/sigstore/rekor/cmd/rekor-server", "github.com/sigstore/rekor", "rekor-server"},
		{"github.com/google/ko", "github.com/google/ko", "ko"},
		{"github.com/goreleaser/goreleaser/v2", "github.com/goreleaser/goreleaser/v2", "goreleaser"},
		{"github.com/goreleaser/goreleaser", "github.com/goreleaser/goreleaser", "goreleaser"},
		{"github.com/docker/buildx/cmd/buildx", "github.com/docker/buildx", "buildx"}, // whatever the file is called: docker-buildx
		{"github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit", "buildkitd"},
		{"github.com/moby/moby/v2/cmd/dockerd", "github.com/moby/moby/v2", "dockerd"},
		{"github.com/in-toto/witness", "github.com/in-toto/witness", "witness"},
		{"github.com/falcosecurity/falcoctl", "github.com/falcosecurity/falcoctl", "falcoctl"},
		{"github.com/containerd/nerdctl/v2/cmd/nerdctl", "github.com/containerd/nerdctl/v2", "nerdctl"},
		{"github.com/tektoncd/chains/cmd/controller", "github.com/tektoncd/chains", "tekton-chains"},
		{"github.com/ratify-project/ratify/cmd/ratify", "github.com/ratify-project/ratify", "ratify"},
		{"github.com/sigstore/k8s-manifest-sigstore/cmd/kubectl-sigstore", "github.com/sigstore/k8s-manifest-sigstore", "kubectl-sigstore"},
		{"github.com/zarf-dev/zarf", "github.com/zarf-dev/zarf", "zarf"},
		{"github.com/terraform-linters/tflint", "github.com/terraform-linters/tflint", "tflint"},
		{"github.com/stacklok/toolhive/cmd/thv", "github.com/stacklok/toolhive", "toolhive"},
		{"github.com/sigstore/sigstore-go/cmd/sigstore-go", "github.com/sigstore/sigstore-go", "sigstore-go"},
		{"github.com/theupdateframework/go-tuf/cmd/tuf-client", "github.com/theupdateframework/go-tuf", "tuf-client"},
		{"github.com/theupdateframework/go-tuf/v2/examples/cli/tuf-client", "github.com/theupdateframework/go-tuf/v2", "tuf-client"},

		// What has no name here goes by its module path, or by what was built.
		{"example.com/tools/v3/cmd/x", "example.com/tools/v3", "example.com/tools/v3"},
		{"github.com/theupdateframework/go-tuf/cmd/tuf", "github.com/theupdateframework/go-tuf", "github.com/theupdateframework/go-tuf"},
		{"github.com/somebody/cosign/cmd/cosign", "github.com/somebody/cosign", "github.com/somebody/cosign"},
		{"github.com/sigstore/cosignature", "github.com/sigstore/cosignature", "github.com/sigstore/cosignature"},
		{"command-line-arguments", "github.com/sigstore/cosign/v2", "cosign"}, // go build main.go

		// Debian builds without modules, with import paths of its own (measured).
		{"github.com/sigstore/cosign/cmd/cosign", "", "cosign"},
		{"github.com/sigstore/cosign/v3/cmd/cosign", "", "cosign"},
		{"github.com/sigstore/gitsign", "", "gitsign"},
		{"github.com/sigstore/rekor/cmd/rekor-cli", "", "rekor-cli"},
		{"command-line-arguments", "", "command-line-arguments"},
		{"", "", "unknown"},
	} {
		lines := []string{"path\t" + tt.path}
		if tt.module != "" {
			lines = append(lines, "mod\t"+tt.module+"\tv9.8.7\t")
		}
		c, err := read(t, program(modinfo(lines...), fnV2))
		if err != nil || c.Name != tt.want || c.MainModule != tt.module {
			t.Errorf("%q of module %q is called %q (%v), want %q", tt.path, tt.module, c.Name, err, tt.want)
		}
		if note := strings.Contains(strings.Join(c.Notes, "\n"), "without module information"); note != (tt.module == "") {
			t.Errorf("%q of module %q: notes %q", tt.path, tt.module, c.Notes)
		}
	}
}

// TestImportPathsOfDebian: its go-tuf is called go-tuf/v0, and its go-tuf/v2 was
// called go-tuf (measured on cosign 2.5.0-2+b4).
func TestImportPathsOfDebian(t *testing.T) {
	c, err := read(t, program(modinfo("path\tgithub.com/sigstore/cosign/cmd/cosign", "build\t-trimpath=true"),
		"\x00github.com/theupdateframework/go-tuf/v0/client.(*Client).Update\x00",
		"\x00github.com/theupdateframework/go-tuf/metadata/updater.(*Updater).Refresh\x00",
		"\x00github.com/theupdateframework/go-tuf/v0/pkg/keys.NewDeprecatedEcdsaVerifier\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Linked; !l.LegacyTUF || !l.TUFv2 || !l.HexVerifier || len(c.Libraries) != 0 {
		t.Errorf("linked %+v, libraries %v", l, c.Libraries)
	}
}
