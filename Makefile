# Needs GNU make, bash, git and Go; nothing here needs root.

SHELL := bash
GO    := go

PROGRAMS  := ./cmd/ota-agent ./cmd/ota-sim
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Packages are fetched by ranges over HTTP/1.1, so HTTP/2 need not take 0.6 MB.
BUILD     := -trimpath -buildvcs=false -tags nethttpomithttp2 -ldflags '-s -w -X main.version=$(VERSION)'
CACHE     := $(CURDIR)/.cache
TARGETS   := amd64 arm64 armv7 mipsle riscv64

LINT      := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0
MOSQUITTO := /usr/sbin/mosquitto

FUZZTIME  := 10s
BENCHTIME := 1s

.PHONY: help
help: ## show this list (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build run
build: ## both programs, static and stripped, into bin/
	CGO_ENABLED=0 $(GO) build $(BUILD) -o bin/ $(PROGRAMS)

run: build ## a thousand virtual devices through one upgrade
	bin/ota-sim run thousand

.PHONY: test test-real mosquitto versitygw
test: ## every test that needs nothing but Go and a C compiler
	$(GO) test -race ./...

test-real: mosquitto versitygw ## against mosquitto and versitygw, servers that others wrote
	MOSQUITTO=$(MOSQUITTO) VERSITYGW=$(CACHE)/bin/versitygw $(GO) test -tags real -count 1 ./test/real/...

.PHONY: test-page
test-page: ## the report in a browser (Debian's chromium, or CHROMIUM=PATH)
	$(GO) test -tags page -count 1 ./test/page

mosquitto:
	@test -x $(MOSQUITTO) || { echo 'make: $(MOSQUITTO) is missing: apt-get install mosquitto, or MOSQUITTO=PATH' >&2; exit 1; }

versitygw:
	GOBIN=$(CACHE)/bin $(GO) install $(VERSITYGW)

.PHONY: check format vet lint house tidy
check: format vet lint house tidy ## everything that can be wrong without running it

format:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted, run gofmt -w:" $$files >&2; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags real,page ./...
	$(GO) vet -tags nos3,noarchive ./cmd/ota-agent ./agent/...
	cd test/peers && $(GO) vet ./...

lint:
	$(LINT) run ./...

house: # the rules of the house are the tests in the root directory
	$(GO) test -count 1 .

tidy:
	$(GO) mod tidy -diff

.PHONY: bench fleet herd devices hundred-thousand peers fuzz cover
bench: ## benchmarks, then binary sizes and memory beside the design's numbers
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	scripts/footprint.sh
	scripts/memory.sh

fleet: ## ten thousand virtual devices against mosquitto, with the memory that they take
	MOSQUITTO=$(MOSQUITTO) scripts/fleet.sh

herd: ## the memory of ten thousand devices that arrive at once, beside that of the same arriving slowly
	MOSQUITTO=$(MOSQUITTO) scripts/herd.sh

devices: ## what an idle virtual device takes of memory, with and without TLS, and a session of the embedded broker
	MOSQUITTO=$(MOSQUITTO) scripts/devices.sh

hundred-thousand: ## a hundred thousand devices over TCP and MQTT, in six processes; six minutes
	MOSQUITTO=$(MOSQUITTO) scripts/hundred-thousand.sh

peers: mosquitto ## ota-sim beside what one would write instead: memory a device, upgrades a second
	cd test/peers && $(GO) vet ./... && $(GO) test ./...
	MOSQUITTO=$(MOSQUITTO) scripts/peers.sh

fuzz: ## every fuzz test, FUZZTIME each (10s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

cover: ## share of statements that the tests reach, by package; the page is .cache/cover.html
	@mkdir -p $(CACHE)
	$(GO) test -coverpkg ./... -coverprofile $(CACHE)/cover.out ./...
	@$(GO) tool cover -html $(CACHE)/cover.out -o $(CACHE)/cover.html
	@scripts/cover.sh $(CACHE)/cover.out

CROSS := $(TARGETS:%=cross-%)
.PHONY: cross $(CROSS)
cross: $(CROSS) ## static builds for the devices' processors, into dist/

cross-amd64:   export GOARCH := amd64
cross-arm64:   export GOARCH := arm64
cross-armv7:   export GOARCH := arm
cross-armv7:   export GOARM  := 7
cross-mipsle:  export GOARCH := mipsle
cross-mipsle:  export GOMIPS := softfloat
cross-riscv64: export GOARCH := riscv64
$(CROSS): cross-%:
	CGO_ENABLED=0 GOOS=linux $(GO) build $(BUILD) -o dist/linux-$*/ $(PROGRAMS)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin dist out .cache
