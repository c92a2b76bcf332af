# Copyright The auditlogexporter Authors
# SPDX-License-Identifier: Apache-2.0

# Go and make are all that has to be installed to build; README.md says what the tests
# need. Tools are built at fixed versions into .tools/bin; what is built from this
# repository goes to build/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

OCB_VERSION          := v0.159.0
TELEMETRYGEN_VERSION := v0.161.0
STATICCHECK_VERSION  := v0.8.2
KUBE_SCORE_VERSION   := v1.20.0

# Names of files are relative, because make takes a blank for the end of one. Where a path has
# to be absolute it is "$(CURDIR)/…", in quotes.
TOOLS        := .tools/bin
OCB          := $(TOOLS)/builder-$(OCB_VERSION)
TELEMETRYGEN := $(TOOLS)/telemetrygen
STATICCHECK  := $(TOOLS)/staticcheck-$(STATICCHECK_VERSION)
KUBE_SCORE   := $(TOOLS)/kube-score-$(KUBE_SCORE_VERSION)
COLLECTOR    := build/otelcol-auditlog/otelcol-auditlog
AUDITLOG     := build/auditlog
DUCKDB       := build/duckdb/duckdb

# Everything that ends up in the binaries.
SOURCES := $(shell find . -name '*.go' -not -name '*_test.go' -not -path './build/*' -not -path './.tools/*' -not -path './interop/*' -not -path './e2e/*' 2>/dev/null) \
  go.mod go.sum go.work cmd/auditlog/go.mod cmd/auditlog/go.sum

# The modules that are released, and those that are not.
RELEASED := . cmd/auditlog emit
MODULES  := $(RELEASED) e2e interop interop/witness interop/kafka interop/duckdb benchmarks examples/emit examples/kubernetes tools

# A module is built and tested with the versions of its own go.mod, which its users get, too,
# and not with those of go.work. cmd/auditlog alone needs that: it requires the root at a version
# that may not be released yet.
export GOWORK := off
WORKSPACE := env GOWORK=

# in runs a command in a module.
define in
cd $(1) && $(if $(filter cmd/auditlog,$(1)),$(WORKSPACE) )$(2)

endef

FUZZTIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(COLLECTOR) $(AUDITLOG) ## Build the collector and run it on sample logs; audit-log/ fills within seconds
	@printf '%s\n' '' \
	  'The collector listens for OTLP on 127.0.0.1:4317 (gRPC) and :4318 (HTTP), and tails testdata/quickstart/*.log.' \
	  'In another terminal:' \
	  '  build/auditlog verify audit-log --key audit-log-key.pub.pem' \
	  '  build/auditlog show audit-log' \
	  'Then change a byte in a copy of audit-log/ and verify that. Stop with Ctrl-C.' ''
	$(COLLECTOR) --config testdata/quickstart/config.yaml --feature-gates=+extension.healthcheck.useComponentStatus

# testrun is go test with a line a minute, and with what is skipped in a file.
TESTRUN := build/testrun
SKIPPED := build/skipped
GOTEST  := "$(CURDIR)/$(TESTRUN)" -skipped "$(CURDIR)/$(SKIPPED)" test

# Without these nothing can be tested. Without node the second verifier is skipped, which
# is an error where everybody relies on it.
NEEDED = go git $(firstword $(shell go env CC)) $(if $(CI),node npm)

.PHONY: test
test: $(TESTRUN) ## Run every check and every test
	@$(TESTRUN) -needs '$(NEEDED)'
	@rm -f $(SKIPPED)
	@status=0; $(MAKE) check unit e2e || status=$$?; $(TESTRUN) -report $(SKIPPED); \
	  [ $$status != 0 ] || echo 'All checks and tests passed.'; exit $$status

$(TESTRUN): $(wildcard internal/testrun/*.go)
	go build -o $@ ./internal/testrun

.PHONY: check
check: format vet cross lint manifests tidy generated ## Formatting, vet, linters, go.mod and generated files

.PHONY: format
format:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt'ed: $$unformatted"; exit 1; fi

.PHONY: vet
vet:
	$(foreach m,$(MODULES),$(call in,$(m),go vet -tags e2e ./...))

# The systems that README.md names. Type-checked, not compiled: that takes seconds for each,
# not minutes, and finds the same.
CROSSCHECK := build/crosscheck
SYSTEMS := linux/386 linux/arm linux/arm64 darwin/arm64 freebsd/amd64 netbsd/amd64 openbsd/amd64 windows/amd64

.PHONY: cross
cross: $(CROSSCHECK) ## Check that all of it would compile for other systems
	$(foreach m,$(RELEASED),$(call in,$(m),"$(CURDIR)/$(CROSSCHECK)" ./... $(SYSTEMS)))

$(CROSSCHECK): $(wildcard internal/crosscheck/*.go)
	go build -o $@ ./internal/crosscheck

.PHONY: lint
lint: $(STATICCHECK)
	$(foreach m,$(MODULES),$(call in,$(m),"$(CURDIR)/$(STATICCHECK)" -tags e2e ./...))

# Left out: limits of a CPU, which throttle who waits for fsync; pulling an image that has a
# fixed version again and again; disk beside the volumes, of which nothing is used. The
# agent has a container that is root: what it may do is in manifests_test.go.
MANIFEST_CHECKS := --output-format ci --exit-one-on-warning --ignore-container-cpu-limit --ignore-test container-image-pull-policy \
  --ignore-test container-ephemeral-storage-request-and-limit --enable-optional-test container-ports-check
UNLESS_GOOD := sed -E '/^\[(OK|SKIPPED)\]/d'

.PHONY: manifests
manifests: $(KUBE_SCORE)
	cd examples/kubernetes && "$(CURDIR)/$(KUBE_SCORE)" score $(MANIFEST_CHECKS) namespace.yaml gateway.yaml | $(UNLESS_GOOD)
	cd examples/kubernetes && "$(CURDIR)/$(KUBE_SCORE)" score $(MANIFEST_CHECKS) --ignore-test container-security-context-user-group-id agent.yaml | $(UNLESS_GOOD)

# Not interop/duckdb: go mod tidy fetches DuckDB for every operating system, 120 MB. And
# cmd/auditlog by a copy that replaces the root, since go mod tidy does not look at go.work.
.PHONY: tidy
tidy:
	$(foreach m,$(filter-out cmd/auditlog interop/duckdb,$(MODULES)),$(call in,$(m),go mod tidy -diff))
	@mkdir -p build
	cp cmd/auditlog/go.mod build/tidy.mod && cp cmd/auditlog/go.sum build/tidy.sum
	go mod edit -replace github.com/otel-auditlog/auditlogexporter=../.. build/tidy.mod
	cd cmd/auditlog && go mod tidy -diff -modfile=../../build/tidy.mod

.PHONY: generated
generated:
	go generate ./...
	git diff --exit-code -- documentation.md internal generated_component_test.go generated_package_test.go

# The arithmetic of elliptic curves is loops over memory of its own, and much of what the
# race detector would look at: it watches the callers instead.
RACE := -race -gcflags=crypto/internal/fips140/nistec/...=-race=false -gcflags=crypto/internal/fips140/bigmod=-race=false \
  -gcflags=crypto/internal/fips140/edwards25519/...=-race=false -gcflags=filippo.io/edwards25519/...=-race=false

# Where the temporary directory is on a disk, the unit tests wait for fsync most of the time,
# and none needs one: what a power cut leaves is what a model says. So their directories are in
# memory, where there is room. What go builds stays where it is, and so does e2e.
IN_MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4 * 1024 * 1024 { print "/dev/shm" }')
ON_DISK   := $(or $(shell go env GOTMPDIR),$(TMPDIR),/tmp)
UNITENV   := $(if $(IN_MEMORY),GOTMPDIR="$(ON_DISK)" TMPDIR=$(IN_MEMORY))

# In these it is others' programs that run, or nothing that runs beside anything.
UNRACED := interop interop/witness interop/kafka benchmarks examples/kubernetes

.PHONY: unit
unit: $(TESTRUN) ## Unit tests with the race detector, the fuzz targets' seeds among them
	$(UNITENV) $(GOTEST) $(RACE) -timeout 15m ./...
	$(foreach m,$(filter-out .,$(RELEASED)) e2e,$(call in,$(m),$(UNITENV) $(GOTEST) $(RACE) -timeout 15m ./...))
	$(GOTEST) -timeout 10m -run 'TestMemory' . ./verify # which the race detector changes
	$(call in,cmd/auditlog,$(GOTEST) -timeout 10m -run 'TestMemory' .)
	$(foreach m,$(UNRACED),$(call in,$(m),$(GOTEST) -timeout 15m ./...))

.PHONY: e2e
e2e: $(TESTRUN) $(COLLECTOR) $(AUDITLOG) $(DUCKDB) $(TELEMETRYGEN) ## End-to-end tests with the real collector
	cd e2e && $(GOTEST) -tags e2e -count 1 -timeout 15m .
	cd benchmarks && AUDITLOG_COLLECTOR="$(CURDIR)/$(COLLECTOR)" $(GOTEST) -run TestQuick -count 1 -timeout 5m .

.PHONY: build
build: $(COLLECTOR) $(AUDITLOG) ## Build the collector and the command

.PHONY: auditlog
auditlog: $(AUDITLOG) ## Build the command build/auditlog

.PHONY: bench
bench: ## Run the benchmarks of the packages
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: compare
compare: $(COLLECTOR) ## Measure beside the file exporter and bare loops, for the tables of docs/benchmarks.md
	cd benchmarks && go run . -collector "$(CURDIR)/$(COLLECTOR)"

.PHONY: fuzz
# Minimizing each input that covers something new would take all of the time where what is
# covered differs from run to run, as it does with goroutines.
fuzz: ## Fuzz every target for FUZZTIME (30s)
	@for pkg in $$(go list ./...); do \
	  dir=$$(go list -f '{{.Dir}}' $$pkg); \
	  for target in $$(cat "$$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; \
	  done; \
	done

.PHONY: crash-campaign
crash-campaign: ## Run many random workloads against the model of a power cut
	go test -run TestCrashes -v -timeout 0 ./rotation -crash.rounds $(or $(ROUNDS),5000)

.PHONY: attack-campaign
attack-campaign: ## Change every byte of every kind of log, and thousands of logs at random
	go test -run TestEveryByteOfEveryLog -v -timeout 0 ./verify -attack.stride $(or $(STRIDE),3)
	go test -run 'TestRandomMutationsAreFound|TestRandomLogsAreGood' -v -timeout 0 ./verify -rapid.checks $(or $(ROUNDS),5000)
	go test -run TestMemoryOfHostileNumbers -v -timeout 0 ./verify

# More of the campaign: KILLS (200) per kind of log, SEED (1), ONLY a regular expression
# of tests, PARALLEL (4).
.PHONY: fault-campaign
fault-campaign: $(COLLECTOR) $(AUDITLOG) $(TELEMETRYGEN) ## Real faults on the real collector, each system call and many kills
	cd e2e && go test -tags e2e -v -count 1 -timeout 0 -parallel $(or $(PARALLEL),4) -run '$(ONLY)' . \
	  -kill.rounds $(or $(KILLS),200) -kill.seed $(or $(SEED),1) -inject.all -intruder.all

.PHONY: clean
clean: ## Remove what was built; logs and keys stay
	rm -rf build .tools

$(COLLECTOR): $(OCB) builder-config.yaml $(SOURCES)
	mkdir -p build
	$(OCB) --config builder-config.yaml

$(AUDITLOG): $(SOURCES)
	$(WORKSPACE) go build -trimpath -o $@ ./cmd/auditlog

$(DUCKDB): interop/duckdb/main.go interop/duckdb/go.mod interop/duckdb/go.sum
	@if command -v c++ >/dev/null; then \
	  cd interop/duckdb && go build -trimpath -ldflags='-s -w' -o "$(CURDIR)/$@" .; \
	else \
	  echo 'There is no C++ compiler to link DuckDB with: the recipes that need it will be skipped.' >&2; \
	fi

$(OCB):
	GOBIN="$(CURDIR)/$(TOOLS)/tmp" go install go.opentelemetry.io/collector/cmd/builder@$(OCB_VERSION)
	mv $(TOOLS)/tmp/builder $@

$(TELEMETRYGEN):
	GOBIN="$(CURDIR)/$(TOOLS)" go install github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@$(TELEMETRYGEN_VERSION)

$(STATICCHECK):
	GOBIN="$(CURDIR)/$(TOOLS)/tmp" go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv $(TOOLS)/tmp/staticcheck $@

$(KUBE_SCORE):
	GOBIN="$(CURDIR)/$(TOOLS)/tmp" go install github.com/zegl/kube-score/cmd/kube-score@$(KUBE_SCORE_VERSION)
	mv $(TOOLS)/tmp/kube-score $@

.PHONY: differential-campaign
differential-campaign: ## Change logs of every kind at random and have both verifiers agree on each
	cd interop && go test -run TestVerifiersAgree -v -timeout 0 . -differential.count $(or $(COUNT),20000) -differential.seed $(or $(SEED),1000000) -differential.keep "$(CURDIR)/build/differential"
