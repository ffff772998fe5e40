# ngx_http_k8s_metrics_module: "make help" lists what there is.

BUILD    ?= build
CC       ?= cc
CFLAGS_UNIT = -g -O1 -W -Wall -Wpointer-arith -Wno-unused-parameter -Werror \
              -fno-omit-frame-pointer -fsanitize=address,undefined \
              -fno-sanitize-recover=undefined
MODULE    = $(BUILD)/ngx_http_k8s_metrics_module.so
SUITES    = $(wildcard t/base t/store t/fetch t/kube t/scrape t/auth t/api \
                       t/fault)
UNITS     = $(patsubst t/unit/%.c,%,$(wildcard t/unit/test_*.c))
NGINX_DIR = $(BUILD)/nginx
UNIT_INCS = -It/unit $(addprefix -Isrc/,base answer store fetch kube scrape \
              auth api) \
            $(addprefix -I$(NGINX_DIR)/,src/core src/event src/event/modules \
              src/os/unix src/http src/http/modules src/http/v2 objs)

export MODULE := $(abspath $(MODULE))

.PHONY: all build deps deps-test test unit suites lint e2e demo bench-scrape \
        bench-api install clean help standin

all: build

build: deps	## build the module for the installed nginx (the default)
	@BUILD=$(BUILD) CC=$(CC) util/build

deps:
	@util/deps

deps-test:
	@util/deps --test

test: deps-test build unit suites	## unit tests and the Test::Nginx suites

suites: deps-test build standin
	prove -r -I t/lib $(SUITES)

unit: deps-test build $(UNITS:%=$(BUILD)/unit/%)	## unit tests, with sanitizers
	prove -e '' $(UNITS:%=$(BUILD)/unit/%)

# a test's first line may name more sources: /* unit: src/store/*.c */
$(BUILD)/unit/%: t/unit/%.c t/unit/stubs.c t/unit/tap.h \
                 $(wildcard src/*/*.[ch]) $(wildcard t/unit/*.[ch])
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_UNIT) $(UNIT_INCS) -o $@ $< t/unit/stubs.c src/base/*.c \
	    $$(sed -n '1s,^/\* unit: \(.*\) \*/$$,\1,p' $<) -lm -lpthread

lint: deps-test	## style, includes, function length, locks, gcc and clang
	@util/lint

e2e: deps-test build	## the core against a real control plane (minutes when cached)
	@t/e2e/run

demo: deps build	## this machine's figures, as kubectl top shows them
	@util/demo

standin: $(BUILD)/standin

$(BUILD)/standin: $(wildcard t/standin/*.go) t/standin/go.mod
	@mkdir -p $(BUILD)
	cd t/standin && go build -o $(abspath $(BUILD))/standin .

bench-scrape: deps-test build standin	## CPU for a scrape, memory at 1,000 nodes
	@bench/scrape

bench-api: deps-test build standin	## CPU and time of the 30,000-pod list
	@bench/api

install: build	## copy the module to the installed nginx's modules
	@util/install

clean:	## remove what was built
	rm -rf $(BUILD)

help:	## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' Makefile \
	    | awk -F '\t' '{ printf "%-14s %s\n", $$1, $$2 }'
