# ngx_http_k8s_metrics_module: "make help" lists what there is.
#
#     BUILD=DIR    where things are built (build)
#     CC=clang     another compiler; best with a BUILD of its own
#     JOBS=N       compilers at a time (one for each processor)
#     SUITE_JOBS=N suites at a time (3): they mostly wait
#     TESTS=...    the suites or test files of "make suites" (all)

BUILD    ?= build
CC       ?= cc
JOBS     ?= $(shell nproc)
JOBS     := $(JOBS)

SUITE_JOBS ?= 3

# absolute: the tests and the build run elsewhere
DIR      := $(abspath $(BUILD))
MODULE   := $(DIR)/ngx_http_k8s_metrics_module.so

SUITES    = $(wildcard $(addprefix t/,base store fetch kube scrape conf auth \
              api fault demo))
TESTS     = $(SUITES)
UNITS     = $(patsubst t/unit/%.c,$(DIR)/unit/%,$(wildcard t/unit/test_*.c))

# nginx's own headers, as configured for the module
NGINX     = $(DIR)/nginx
NGINX_H   = $(NGINX)/objs/ngx_auto_config.h

export BUILD := $(DIR)
export CC JOBS MODULE

export TEST_NGINX_BINARY       ?= $(shell PATH=$$PATH:/usr/sbin \
                                    command -v nginx)
export TEST_NGINX_LOAD_MODULES ?= $(MODULE)
export TEST_NGINX_SERVROOT     ?= $(DIR)/servroot

.PHONY: all build deps deps-test test unit suites lint e2e demo bench-scrape \
        bench-auth bench-api bench-reflector bench-standin bench-parts soak \
        standin install clean help

.DELETE_ON_ERROR:

all: build

build: deps	## build the module for the installed nginx (the default)
	@util/build

deps:
	@util/deps

deps-test:
	@util/deps --test

test: unit suites	## unit tests and the Test::Nginx suites

suites: deps-test build standin	## the Test::Nginx suites, or TESTS="t/kube t/api/list.t"
	@if [ -n "$(TESTS)" ]; then \
	    prove -r -j $(SUITE_JOBS) --timer -I t/lib $(TESTS); fi

lint: deps-test	## style, includes, function length, locks, gcc and clang
	@util/lint

e2e: deps-test build	## the core against a real control plane (minutes when cached)
	@t/e2e/run

demo: deps-test build standin	## this machine's figures, as kubectl top shows them
	@util/demo

bench-scrape: deps-test build standin bench-parts	## collection: CPU, memory, age, beside metrics-server
	@bench/scrape/run

bench-reflector: deps-test build standin	## lists and watches of 150,000 pods
	@bench/reflector/run

bench-auth: deps-test build standin	## CPU of the access phase, beside metrics-server
	@bench/auth/run

bench-api: deps-test build standin	## CPU and time of the 30,000-pod list
	@bench/api

bench-standin: deps-test standin	## what the stand-in itself costs at 15,000 nodes
	@bench/standin

soak: deps-test build standin	## 30 minutes of churn, faults and reloads
	@bench/soak/run -o bench/results/soak.txt

install: build	## copy the module to the installed nginx's modules
	@util/install

clean:	## remove what was built
	rm -rf $(DIR)

help:	## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' Makefile \
	    | awk -F '\t' '{ printf "%-14s %s\n", $$1, $$2 }'


# The stand-in cluster, of Go's standard library alone.

standin: $(DIR)/standin

$(DIR)/standin: $(wildcard t/standin/*.go t/standin/go.mod) | deps-test
	@mkdir -p $(@D)
	cd t/standin && go build -o $@ .


# What parsing and storing a scrape take, compiled as nginx is.

PARTS_SRC = bench/scrape/parts.c $(wildcard t/unit/stubs*.c src/base/*.c \
              src/scrape/ngx_http_k8s_metrics_exposition*.c)

bench-parts: $(DIR)/bench-parts

$(DIR)/bench-parts: $(PARTS_SRC) $(wildcard src/*/*.[ch] t/unit/*.h) \
                    | $(NGINX_H)
	@echo "cc $(@F)"
	@$(CC) -O2 -g -W -Wall -Wno-unused-parameter $(UNIT_INCS) -o $@ \
	    $(PARTS_SRC) -lm -lpthread


# Unit tests: t/unit/test_*.c, each a program of its own that is linked with
# src/base and stubs for nginx.  First lines, four at most, name more sources:
#
#     /* unit: src/store/ngx_*.c */

UNIT_CFLAGS = -g -O1 -W -Wall -Wpointer-arith -Wno-unused-parameter -Werror \
              -fno-omit-frame-pointer -MMD -MP $(SANITIZE)
UNIT_INCS   = -It/unit $(addprefix -I,$(wildcard src/*)) \
              $(addprefix -I$(NGINX)/,src/core src/event src/event/modules \
                src/os/unix src/http src/http/modules src/http/v2 objs)
UNIT_BASE   = $(wildcard src/base/*.c) $(wildcard t/unit/stubs*.c)

# asked once, and only where it is used
SANITIZE    = $(eval SANITIZE := $(shell f="-fsanitize=address,undefined \
                -fno-sanitize-recover=undefined"; \
                echo 'int main(void) { return 0; }' \
                | $(CC) $$f -x c -o /dev/null - 2> /dev/null && echo $$f \
                ))$(SANITIZE)

unit_objs   = $(patsubst %.c,$(DIR)/unit/obj/%.o,$(wildcard $(1)))
unit_more   = $(call unit_objs,$(shell sed -n \
                '1,4s,^/\* unit: \(.*\) \*/$$,\1,p' t/unit/$(1).c))

unit: deps-test $(UNITS)	## unit tests, with sanitizers where the compiler has them
	@if [ -n "$(UNITS)" ]; then prove -e '' $(UNITS); fi
	@cd t/standin && go test ./...

.SECONDARY:
.SECONDEXPANSION:

$(UNITS): $(DIR)/unit/%: $(DIR)/unit/obj/t/unit/%.o $$(call unit_more,$$*) \
          $(call unit_objs,$(UNIT_BASE))
	@echo "link $(@F)"
	@$(CC) $(SANITIZE) -o $@ $^ -lcjson -lm -lpthread

$(DIR)/unit/obj/%.o: %.c | $(NGINX_H)
	@mkdir -p $(@D)
	@echo "cc $<"
	@$(CC) $(UNIT_CFLAGS) $(UNIT_INCS) -c -o $@ $<

# made by the build; its prerequisite is phony, so it is up to date here
$(NGINX_H): | build
	@test -f $@

-include $(wildcard $(DIR)/unit/obj/*/*/*.d)
