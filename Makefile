# make demo   see it work: a loopback mirror, a cache, an old client (about a minute)
# make test   everything that needs no root and no long build (a few minutes)
# make check  what CI asks of every commit: format, vet, lint, test
# make bench  what a look at a host with 3,000 executables costs
# make e2e    the incident, and every cache damage, with real clients (long builds, once)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# Tools and old clients are built once, outside the tree.
CACHE := $(or $(TUFKEEPER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tufkeeper)

GOLANGCI_LINT := $(CACHE)/bin/golangci-lint-v2.15.0/golangci-lint
NFPM          := $(CACHE)/bin/nfpm-v2.43.4/nfpm
OLD_CLIENT    := $(CACHE)/bin/tuf-client-v0.5.2/tuf-client

FUZZTIME ?= 20s

# A package needs a number: before the first tag it is 0.0.0 and the commit.
PACKAGE_VERSION := $(if $(filter v%,$(VERSION)),$(patsubst v%,%,$(VERSION)),0.0.0-$(VERSION))

.PHONY: build
build: ## bin/tufkeeper and bin/tuf-client
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: test
test: ## every test that needs no root and no long build, with the race detector
	go test -race -timeout 10m ./...
	go test ./agent/health # what it leaves out with the race detector

.PHONY: check
check: fmt-check vet lint test ## what CI asks of every commit

.PHONY: vet
vet: ## go vet, the end-to-end tests and the benchmark included
	go vet -tags e2e,bench ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## the linters of .golangci.yml
	$(GOLANGCI_LINT) run ./...

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w .

.PHONY: fmt-check
fmt-check:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi

.PHONY: bench
bench: ## a look at 3,000 executables, held against its limits (2 GB of disk; a slow machine: TUFKEEPER_BENCH_FACTOR=3)
	go test -tags bench -count=1 -timeout 15m -v -run '^TestCost$$' ./agent/client

.PHONY: fuzz
fuzz: ## every fuzz test in turn, FUZZTIME each
	@grep -rEoH --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' agent cmd | sed 's/:func / /' | \
	while read -r file name; do \
		echo "== $$name in $${file%/*}"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x "./$${file%/*}" || exit 1; \
	done

.PHONY: cover
cover: ## which lines the tests reach, as a page: bin/cover.html
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -n 1

.PHONY: demo
demo: build $(OLD_CLIENT) ## the whole job on this machine, without root
	bin/tufkeeper demo --old-client $(OLD_CLIENT)

.PHONY: e2e
e2e: build ## real cosign 2.0.1 and 3.1.3, sigstore-go and @sigstore/tuf (node, npm): the incident, damaged caches, crowds
	go test -tags e2e -count=1 -timeout 40m -v -run '^TestE2E' ./cmd/tufkeeper

.PHONY: e2e-full
e2e-full: build ## the same for ten releases and every kind of root, held against what tufkeeper says
	go test -tags e2e -count=1 -timeout 120m -v -run '^Test(E2E|Full)' ./cmd/tufkeeper

# The public TUF conformance suite, from your checkout of it:
#   make conformance SUITE=../tuf-conformance
.PHONY: conformance
conformance: build ## the public TUF conformance suite: SUITE=<its checkout>
	@test -n "$(SUITE)" || { echo "usage: make conformance SUITE=<checkout of theupdateframework/tuf-conformance>"; exit 2; }
	cd $(SUITE) && python3 -m pytest tuf_conformance --entrypoint "$(CURDIR)/bin/tuf-client"

.PHONY: package
package: build $(NFPM) ## deb, rpm and apk packages: dist/
	rm -rf dist && mkdir -p dist/completions
	bin/tufkeeper completion bash >dist/completions/tufkeeper.bash
	bin/tufkeeper completion fish >dist/completions/tufkeeper.fish
	bin/tufkeeper completion zsh >dist/completions/_tufkeeper
	for kind in deb rpm apk; do \
		GOARCH=$$(go env GOARCH) VERSION=$(PACKAGE_VERSION) $(NFPM) package -f packaging/nfpm.yaml -p $$kind -t dist/ || exit 1; \
	done

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: clean
clean: ## what builds and tests left in the tree
	rm -rf bin dist

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

$(NFPM):
	GOBIN=$(@D) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4

$(OLD_CLIENT):
	GOBIN=$(@D) go install github.com/theupdateframework/go-tuf/cmd/tuf-client@v0.5.2
