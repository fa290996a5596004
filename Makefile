# sluice: make demo runs the main job with embedded defaults; make test runs
# all tests. Both install what they need, or say what to install.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# A third of a binary is code that was inlined where it does not count. Calls
# stay calls but in the packages that each event passes: it is a tenth smaller.
HOT      = runtime/... internal/runtime/... internal/bytealg internal/sync sync/... internal/poll internal/strconv strconv \
           bytes bufio unicode/utf8 encoding/binary hash/... time math/bits crypto/cipher \
           crypto/internal/fips140/aes/... crypto/internal/fips140/sha256 \
           crypto/internal/fips140/nistec crypto/internal/fips140/subtle crypto/internal/fips140/alias vendor/golang.org/x/crypto/... \
           github.com/cespare/xxhash/v2 sluice/tailer sluice/logstash sluice/internal/deflate sluice/internal/event sluice/internal/durable
# HTTP/2 is not spoken to anyone.
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -tags nethttpomithttp2$(TAGS) -gcflags=all=-l $(HOT:%=-gcflags=%=) -ldflags '$(LDFLAGS)'
# Releases for 32-bit ARM have no demo: its broker and receiver are 0.8 MB.
bin/sluice bin/sluice-arm6-demo: TAGS = ,demo
# The largest arm6 binary that a release may have, in bytes.
MAX_ARM6 = 12000000
# RACE=-race needs a C compiler; CI sets it.
RACE    ?=
DEMO    ?=

.PHONY: all build demo test test-elasticsearch lint vet fuzz bench cross test-arm test-arm-package dist firmware generate clean deps

all: build

build: bin/sluice

bin/sluice: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@$(BUILD) -o $@ ./cmd/sluice
FORCE:

demo: build
	bin/sluice demo $(DEMO)

# What compiles the sketches for their chips.
CHIP_TOOLS = avr-g++:gcc-avr /usr/lib/avr/include/avr/io.h:avr-libc \
	/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h:arduino-core-avr \
	xtensa-lx106-elf-g++:gcc-xtensa-lx106 /usr/lib/xtensa-lx106-elf/include/stdio.h:picolibc-xtensa-lx106-elf

# The system's packages that tests use: Mosquitto, and what builds and simulates
# the firmware.
deps:
	@scripts/deps mosquitto:mosquitto mosquitto_sub:mosquitto-clients make:make gcc:gcc g++:g++ $(CHIP_TOOLS) \
		/usr/include/simavr/sim_avr.h:libsimavr-dev /usr/include/libelf.h:libelf-dev /usr/include/bearssl.h:libbearssl-dev \
		qemu-system-xtensa:qemu-system-misc \
		$(SETUP_TOOLS)

# What set-up, units, packages and VPN are tested with: booted containers, network
# namespaces, and the tools of packagers.
SETUP_TOOLS = systemd-nspawn:systemd-container systemd-analyze:systemd git:git lintian:lintian shellcheck:shellcheck rpm:rpm \
	openssl:openssl man:man-db setpriv:util-linux nsenter:util-linux script:bsdutils dpkg-parsechangelog:dpkg-dev \
	openvpn:openvpn wg:wireguard-tools nft:nftables ip:iproute2 rotatelogs:apache2-utils crontab:cron jq:jq curl:curl

# The sketches, compiled for their chips: Uno, Mega 2560 and ESP8266. That of the
# ESP8266 is linked by the Arduino IDE only, with the board package.
firmware:
	@scripts/deps make:make $(CHIP_TOOLS)
	@$(MAKE) --no-print-directory -C firmware/avr all mega
	@$(MAKE) --no-print-directory -C firmware/esp8266 chip

# The timeout ends a test that hangs; a busy machine needs its time.
test: deps vet
	$(GO) test -timeout 60m $(RACE) ./...

# output.elasticsearch, and the files for the server, against real nodes, which come
# from Maven Central: some 200 MB the first time. CI leaves out what only measures.
test-elasticsearch:
	@scripts/deps javac:default-jdk-headless mvn:maven curl:curl python3:python3
	ELASTIC=1 $(GO) test -count=1 -timeout 30m ./internal/esnode ./internal/e2e/elastic
	ELASTIC=1 $(GO) test -count=1 -timeout 15m -run 'TestLab$$|TestServer$$$(if $(CI),,|TestServerSizing$$)' ./docs

vet:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) vet ./...

# The linters of .golangci.yml, built from a module of their own.
lint:
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 10s
fuzz:
	@scripts/fuzz $(FUZZTIME)

bench: build deps
	bench/run

# The parts of a 32-bit binary begin at pages of 16 KiB, the largest that a Pi's
# kernel has, and not at the linker's 64 KiB.
bin/sluice-arm6 bin/sluice-arm7: LDFLAGS += -R 0x4000

# Static binaries for every machine that we serve.
cross: bin/sluice-arm6 bin/sluice-arm7 bin/sluice-arm64 bin/sluice-amd64
	@size=$$(stat -c %s bin/sluice-arm6); echo "bin/sluice-arm6: $$size bytes (limit $(MAX_ARM6))"; test $$size -le $(MAX_ARM6)
bin/sluice-arm6: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@GOOS=linux GOARCH=arm GOARM=6 $(BUILD) -o $@ ./cmd/sluice
bin/sluice-arm6-demo: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@GOOS=linux GOARCH=arm GOARM=6 $(BUILD) -o $@ ./cmd/sluice
bin/sluice-arm7: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@GOOS=linux GOARCH=arm GOARM=7 $(BUILD) -o $@ ./cmd/sluice
bin/sluice-arm64: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@GOOS=linux GOARCH=arm64 $(BUILD) -o $@ ./cmd/sluice
bin/sluice-amd64: FORCE
	@echo "go build -o $@ ./cmd/sluice"
	@GOOS=linux GOARCH=amd64 $(BUILD) -o $@ ./cmd/sluice

# The demo on emulated processors: a Pi Zero's ARMv6, and 64-bit ARM. SLOW=1 also
# boots the armhf package.
test-arm: cross bin/sluice-arm6-demo
	@scripts/deps qemu-arm-static:qemu-user-static qemu-aarch64-static:qemu-user-static
	qemu-arm-static -cpu arm1176 bin/sluice-arm6-demo demo --messages 300
	qemu-aarch64-static bin/sluice-arm64 demo --messages 300
	$(if $(SLOW),$(MAKE) --no-print-directory test-arm-package)

# Packages, archives, checksums and bills of materials, in dist. The binaries know
# nothing of a repository, so that they are the same from an archive of the sources.
MAINTAINER ?=
dist: export GOFLAGS := $(GOFLAGS) -buildvcs=false
dist: cross
	@$(GO) run ./deploy/package/pack -version '$(VERSION)' $(if $(MAINTAINER),-maintainer '$(MAINTAINER)')

# The armhf package in a Debian for armhf, booted on an emulated processor. The tree
# of that Debian is made once, in minutes.
ARM_TREE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sluice/armhf-bookworm
test-arm-package:
	@scripts/deps qemu-arm-static:qemu-user-static mmdebstrap:mmdebstrap arch-test:arch-test systemd-nspawn:systemd-container
	scripts/armhf-tree '$(ARM_TREE)'
	ARM_TREE='$(ARM_TREE)' $(GO) test ./deploy/package -run TestArmhf -count=1 -v -timeout 30m

generate:
	$(GO) generate ./...

clean:
	rm -rf bin dist
