# Needs GNU make, bash, git and Go; nothing here needs root.

SHELL := bash
GO    := go

# At least this release of Go, which the go command fetches if the machine's is
# older: earlier ones have vulnerabilities that the programs would call.
export GOTOOLCHAIN ?= go1.26.11+auto

export VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export BUILT   ?= $(shell git log -1 --format=%cI 2>/dev/null)
CACHE     := $(CURDIR)/.cache
MINIMAL   := nos3,noarchive,noline,nozstd,nohawkbit,noquecthing
TARGETS   := amd64 arm64 armv7 mipsle riscv64

LINT      := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0
VM_KERNEL := $(CACHE)/vm-kernel
MOSQUITTO := /usr/sbin/mosquitto

FUZZTIME  := 10s
SOAK      := 1h
SEEDS     := 2000
# How long the tests of one package may take on a machine that does much else.
PATIENCE  := 40m
# More packages and tests at a time than a small machine has cores: many of them wait.
TESTING   := -timeout $(PATIENCE) -p 4 -parallel 6
BENCHTIME := 1s

.PHONY: help
help: ## show this list (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build run
build: ## both programs, static and stripped, into bin/
	@mkdir -p bin
	scripts/build.sh ota-agent bin/ota-agent
	scripts/build.sh ota-sim bin/ota-sim

run: build ## a thousand virtual devices through one upgrade
	bin/ota-sim run thousand

.PHONY: quick
quick: ## before each commit, in less than a minute: formatting, vet, both programs, the rules of the tree, fast tests and those of what differs from main
	scripts/quick.sh

.PHONY: test test-race test-plain test-real mosquitto versitygw
test: test-race test-plain ## every test that needs nothing but Go and a C compiler; with -j2 both halves at once

# What computes on one goroutine: there is nothing to race, and the detector takes a multiple of the
# time. A test in the root directory holds these packages to it.
ALONE := agent/download/policy firmware/file firmware/slot firmware/transfer internal/bsdiff internal/bundle \
	internal/bzip2 internal/chart internal/cli internal/exposition internal/ota internal/quecthing \
	internal/quecthing/trial internal/release internal/shell internal/suffixes internal/terminal internal/wire \
	internal/yamlform reporter scenarios simulator/compare simulator/enrol simulator/fleet \
	simulator/platform/engine simulator/preflight simulator/report simulator/scenario simulator/selection \
	simulator/trace simulator/verdict
# So do these tests of the machine, which is cut at every output.
CUTS  := ^(TestCuts|TestPauseAnywhere)$$
# test/catalogue is in virtual time, but for programs that are built without the detector, as are those of
# test/e2e and test/commands. The rules of the tree, in the root directory, read files.
PLAIN := ./test/catalogue ./test/e2e ./test/commands . $(ALONE:%=./%)

test-race:
	$(GO) test -race $(TESTING) $$($(GO) list ./... | grep -vxF "$$($(GO) list ./agent $(PLAIN))")
	$(GO) test -race $(TESTING) -skip '$(CUTS)' ./agent

test-plain: # the longest begin first
	$(GO) test $(TESTING) $(PLAIN)
	$(GO) test $(TESTING) -run '$(CUTS)' ./agent
	$(GO) test -tags $(MINIMAL) -run Without ./firmware ./cmd/ota-agent

.PHONY: differ
differ: ## random scenarios in both worlds, which must agree: SEEDS of them (2000), or the one of SEED=17
	$(GO) test -count 1 -timeout 0 -v -run TestWorldsAgree ./test/differ $(if $(SEED),-first $(SEED) -seeds 1,-seeds $(SEEDS))

test-real: mosquitto versitygw ## against mosquitto and versitygw, third-party servers
	MOSQUITTO=$(MOSQUITTO) VERSITYGW=$(CACHE)/bin/versitygw $(GO) test -tags real -count 1 $(TESTING) ./test/real/... ./firmware/serial
	MOSQUITTO=$(MOSQUITTO) $(GO) test -race -tags real -count 1 -timeout $(PATIENCE) ./agent/link/native

.PHONY: goosebit test-platforms
test-platforms: goosebit ## the agent against other platforms' servers: goosebit, which speaks hawkBit's device API (Debian's python3-venv)
	GOOSEBIT=$(CACHE)/goosebit/bin/python $(GO) test -tags platforms -count 1 $(TESTING) ./test/platforms

goosebit:
	scripts/goosebit.sh $(CACHE)/goosebit

.PHONY: test-tools test-vm
TOOLS := rauc swupdate fw_setenv grub-editenv dbus-daemon mksquashfs openssl busybox bsdiff bspatch bzip2 groff mandoc zsh fish
test-tools: ## slots and handlers with Debian's rauc, swupdate, libubootenv and grub-editenv, patches with its bsdiff, the manual page, completion in zsh and fish, a full disk; as root, which mounts
	@for tool in $(TOOLS); do command -v $$tool >/dev/null || { echo "make: $$tool is missing:" \
		'apt-get install rauc swupdate libubootenv-tool grub-common dbus-daemon squashfs-tools openssl busybox-static bsdiff bzip2 groff mandoc zsh fish' >&2; exit 1; }; done
	@test "$$(id -u)" = 0 || { echo 'make: test-tools needs root, to mount' >&2; exit 1; }
	$(GO) test -tags real -count 1 $(TESTING) -run '^TestTools' ./firmware/slot ./firmware/command ./agent/statefile ./cmd/ota-agent ./internal/bsdiff ./internal/bzip2 ./internal/cli

VM_TOOLS := qemu-system-x86_64 /bin/busybox /sbin/mke2fs /sbin/sfdisk grub-mkimage grub-editenv
test-vm: ## boots two emulated machines, by a flag file and by GRUB, and kills each VM_KILLS times (15); VM_SEED draws the moments
	@for tool in $(VM_TOOLS); do command -v $$tool >/dev/null && test -e /usr/lib/grub/i386-pc/boot.img || { echo "make: $$tool or GRUB for a BIOS is missing:" \
		'apt-get install qemu-system-x86 busybox-static e2fsprogs fdisk grub-common grub-pc-bin' >&2; exit 1; }; done
	scripts/vm-kernel.sh $(VM_KERNEL)
	VM_KERNEL=$(VM_KERNEL) $(GO) test -tags vm -count 1 -timeout 60m -v ./test/vm

.PHONY: kubernetes test-kubernetes
# The programs of a node, from their Go modules: the first time, ten minutes of a processor.
kubernetes:
	scripts/kubernetes.sh $(CACHE)/kubernetes

test-kubernetes: mosquitto versitygw kubernetes ## scenarios as Jobs on a real node of Kubernetes: pods deleted, out of memory, drained; histories in versitygw (root)
	IMAGE=localhost/ota-sim:test scripts/image.sh $$($(GO) env GOARCH) $(CACHE)/kubernetes/ota-sim.tar
	scripts/build.sh ota-sim $(CACHE)/bin/ota-sim
	KUBERNETES=$(CACHE)/kubernetes IMAGE=localhost/ota-sim:test IMAGES=$(CACHE)/kubernetes/ota-sim.tar OTA_SIM=$(CACHE)/bin/ota-sim \
		MOSQUITTO=$(MOSQUITTO) VERSITYGW=$(CACHE)/bin/versitygw $(GO) test -tags kubernetes -count 1 -timeout $(PATIENCE) -v ./test/kubernetes

.PHONY: slurm test-slurm hundred-thousand-slurm
slurm:
	scripts/unpack.sh $(CACHE)/slurm munge slurmctld slurmd slurm-client
	scripts/build.sh ota-sim $(CACHE)/bin/ota-sim

test-slurm: slurm ## scenarios as arrays of Debian's Slurm, on a cluster of one node, with tasks that are requeued (root)
	SLURM=$(CACHE)/slurm OTA_SIM=$(CACHE)/bin/ota-sim $(GO) test -tags slurm -count 1 -timeout $(PATIENCE) ./test/slurm

hundred-thousand-slurm: slurm ## a hundred thousand real devices as one array of Slurm, one verdict (root, 14 GiB of memory); seven minutes, or ARRIVE=6m for longer
	SLURM=$(CACHE)/slurm SLURM_CPUS=16 OTA_SIM=$(CACHE)/bin/ota-sim test/slurm/cluster.sh scripts/hundred-thousand-slurm.sh

.PHONY: test-compare
test-compare: ## a download rule that is slower by a fifth is found by real runs, and nothing in ten runs that are the same; recorded lines are as fast in both worlds
	$(GO) test -tags compare -count 1 -timeout $(PATIENCE) ./test/compare
	$(GO) test -tags compare -count 1 -timeout $(PATIENCE) -run TestATraceIsAsFastInBothWorlds ./test/differ

.PHONY: test-deb
test-deb: ## the Debian packages in a clean Debian (root, mmdebstrap, systemd-container)
	$(GO) test -tags deb -count 1 -timeout $(PATIENCE) ./test/deb

.PHONY: test-crash
test-crash: ## power cuts under a file system, about CRASHES of them (2500; root, /dev/fuse, loop devices)
	$(GO) test -tags crash -count 1 -timeout 60m -parallel 24 -v -run PowerCuts ./test/crash | grep -vE '^(=== |    --- PASS|        --- PASS)'

.PHONY: test-release test-page
test-release: ## a release, and the image, are the same bytes when they are made again, elsewhere, and say what is in them
	PROCESSORS='$(PROCESSORS)' $(GO) test -tags release -count 1 -timeout $(PATIENCE) ./test/release

test-page: ## the report and the platform's pages in a browser (Debian's chromium, or CHROMIUM=PATH)
	scripts/axe.sh $(CACHE)/axe.min.js
	AXE=$(CACHE)/axe.min.js $(GO) test -tags page -count 1 -timeout $(PATIENCE) ./test/page

# What the network is needed for, Debian's packages aside.
.PHONY: tools
tools: versitygw goosebit ## fetches modules, the linter, versitygw, goosebit, the tools for vulnerabilities and bills of materials, and axe-core
	$(GO) mod download
	$(GO) -C test/peers mod download
	$(LINT) version
	scripts/vuln.sh $(CACHE)
	scripts/sbom.sh version
	scripts/axe.sh $(CACHE)/axe.min.js

mosquitto:
	@test -x $(MOSQUITTO) || { echo 'make: $(MOSQUITTO) is missing: apt-get install mosquitto, or MOSQUITTO=PATH' >&2; exit 1; }

versitygw:
	GOBIN=$(CACHE)/bin $(GO) install $(VERSITYGW)

.PHONY: check format vet lint rules tidy size
check: format vet lint rules tidy size ## everything that can be wrong without running it

format:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted, run gofmt -w:" $$files >&2; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags compare,crash,deb,kubernetes,page,platforms,real,release,slurm,vm ./...
	$(GO) vet -tags $(MINIMAL) ./cmd/ota-agent ./agent/... ./firmware/...
	cd test/peers && $(GO) vet ./...

lint:
	$(LINT) run ./...

rules: # on packages, files and documents: the tests in the root directory
	$(GO) test -count 1 .

tidy:
	$(GO) mod tidy -diff

size: # the agent is not larger than a device can bear
	scripts/footprint.sh --check

.PHONY: vuln
vuln: ## no program calls a function with a known vulnerability
	scripts/vuln.sh $(CACHE)

.PHONY: memory
memory: ## the agent's memory, idle and at work, is not more than a device can bear
	scripts/memory.sh --check

.PHONY: bench delta large fleet herd devices soak hundred-thousand peers profile scaling fuzz cover
bench: mosquitto ## benchmarks, then binary sizes and memory beside the design's numbers
	MOSQUITTO=$(MOSQUITTO) $(GO) test -tags real -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	scripts/footprint.sh
	scripts/memory.sh

delta: ## what a delta of two real images saves and costs (Debian: apt-get, mke2fs, mksquashfs)
	scripts/delta.sh

large: ## how long the agent downloads 1 GiB, beside curl, sync and sha256sum, and on a line with 100 ms and 1 % loss (as root)
	scripts/large.sh

fleet: ## ten thousand virtual devices against mosquitto, with the memory that they take
	MOSQUITTO=$(MOSQUITTO) scripts/fleet.sh

herd: ## the memory of ten thousand devices that arrive at once, beside that of the same arriving slowly
	MOSQUITTO=$(MOSQUITTO) scripts/herd.sh

devices: ## what an idle virtual device takes of memory, with and without TLS, and a session of the embedded broker
	MOSQUITTO=$(MOSQUITTO) scripts/devices.sh

soak: build ## three hundred virtual devices on real sockets, upgraded every minute for SOAK (1h): neither memory nor times grow
	SOAK=$(SOAK) scripts/soak.sh

hundred-thousand: ## a hundred thousand devices over TCP and MQTT, in six processes; six minutes
	MOSQUITTO=$(MOSQUITTO) scripts/hundred-thousand.sh

peers: mosquitto ## ota-sim beside what one would write instead: memory a device, upgrades a second
	cd test/peers && $(GO) vet ./... && $(GO) test ./...
	MOSQUITTO=$(MOSQUITTO) scripts/peers.sh

profile: mosquitto ## where the processor time of a real device's upgrade goes
	MOSQUITTO=$(MOSQUITTO) scripts/profile.sh

scaling: mosquitto ## how processor time and memory grow with devices, components, plans, images, scenarios, histories and pages; fifteen minutes
	MOSQUITTO=$(MOSQUITTO) scripts/scaling.sh --check

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
	@mkdir -p dist/linux-$*
	scripts/build.sh ota-agent dist/linux-$*/ota-agent
	scripts/build.sh ota-sim dist/linux-$*/ota-sim

DEBS := amd64 arm64 armhf mipsel riscv64
.PHONY: deb
deb: ## Debian packages of both programs for the same processors, into dist/
	@for arch in $(DEBS); do for program in ota-agent ota-sim; do packaging/deb.sh $$program $$arch dist || exit 1; done; done

.PHONY: image
PROCESSOR ?= $(shell $(GO) env GOARCH)
image: ## a container image of ota-sim, without Docker, into dist/: PROCESSOR=arm64 (or amd64), IMAGE=registry.example/ota-sim:v1
	scripts/image.sh $(PROCESSOR) dist/ota-sim-$(PROCESSOR).oci.tar

.PHONY: release
PROCESSORS ?= $(TARGETS)
release: ## programs, Debian packages, bills of materials, notices and checksums, signed: VERSION=v0.1.0 KEY=release.key
	@test -n '$(KEY)' || { echo "make: KEY is missing: the private key that signs, such as KEY=release.key ('bin/ota-sim keygen release' makes one)" >&2; exit 1; }
	PROCESSORS='$(PROCESSORS)' scripts/release.sh '$(KEY)' dist/$(VERSION)

.PHONY: notices
notices: build ## the licences of what the programs contain of third parties, into bin/
	scripts/notices.sh bin/ota-agent >bin/ota-agent.notices
	scripts/notices.sh bin/ota-sim >bin/ota-sim.notices

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin dist out .cache
