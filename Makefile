# Every target sets up what it needs in $(VENV), once, and again only when what it was made from changed: the
# names of the stamps in $(VENV)/.stamps hold checksums of that, so no clock and no copying can mislead them.
#
#   make demo      unmodified programs over a simulated module
#   make test      the whole test suite
#   make test-build  the part of it that depends on how the framing was built, compiled or pure
#   make test-programs  servers of others, with workers and reloaders, unmodified; some minutes
#   make soak      100,000 commands of random walks through the simulator, half a minute; a process stopped for a
#                  minute; then 20,000 seeds of chaos, two to three hours of one core, which go on where they
#                  were stopped
#   make compat    CPython's own network tests over a simulated module, some minutes; a part is in `make test`
#   make fuzz      every fuzz target for SECONDS, one minute; then the compiled framing under ASAN and UBSAN
#   make docs      the manual, as web pages in build/docs
#   make site      the manual of every released version and of this tree, with a search, in build/site
#   make man       man pages of the command line, in build/man
#   make linkcheck whether the links to other hosts lead anywhere; the others are checked by `make docs`
#   make coverage  how much of the code the tests reach, branches, on both builds; some 20 minutes
#   make mutants   whether a test fails if the code is broken in 300 random places; hours, stopped it goes on
#   make wheels    sdist, this machine's wheel and the pure one, in dist; `make wheels-all` in containers
#   make release-check  a release rehearsed: built, installed, used; `make release RELEASE=X.Y.Z` makes one
#   make workflows the workflows of .github, by their schema and by actionlint
#   make bench     every bench of bench/
#   make lint      style; `make format` repairs what can be repaired
#   make types     strict type check
#   make ready     only the set-up for the tests
#   make clean     removes what was built, keeps the downloads; `make distclean` removes $(VENV) too
#
# Variables: PYTHON (3.11 or newer), VENV, ARGS (more words for pytest, the compatibility run, the demo or the
# benches), SECONDS (of each fuzz target), WORKERS (test processes; a file's tests stay in one of them).
# On another interpreter: make PYTHON=/path/to/python3.13 VENV=.venv-3.13 compat
# The compiled part lies in the tree, one for each Python version: two venvs of one version share it.

VENV ?= .venv
WORKERS ?= 3
PY := $(VENV)/bin/python
STAMPS := $(VENV)/.stamps

# A venv is good if it was made for this very place, runs, and is what PYTHON asks for.
PLACE := $(abspath $(VENV))
VERSION := import sys; print(*sys.version_info[:2])
define VENV_CHECK
case "$$(sed -n 's/^command = //p' $(VENV)/pyvenv.cfg 2>/dev/null)" in *" $(PLACE)") ;; *) exit ;; esac; \
$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || exit; \
if test -n '$(PYTHON)'; then test "$$('$(PYTHON)' -c '$(VERSION)' 2>&1)" = "$$($(PY) -c '$(VERSION)')" || exit; fi; \
echo good
endef
VENV_GOOD := $(shell $(VENV_CHECK))

FUZZ_TARGETS := $(filter-out __init__,$(basename $(notdir $(wildcard fuzz/targets/*.py))))
SECONDS ?= 60
BENCHES := $(filter-out _% conftest,$(basename $(notdir $(wildcard bench/*.py))))

# What was installed is told by pyproject.toml; what was built, also by the sources, by the switches and by the
# compiler asked for (`make CC=...` and `CC=... make` both count).
SUM := cksum | cut -d' ' -f1
LISTED := $(shell cat pyproject.toml tests/foreign.txt | $(SUM))
SWITCHES := $(if $(filter-out default,$(origin CC)),$(CC)) $(CFLAGS) \
  pure=$(ESP32SOCK_PUREPYTHON) require=$(ESP32SOCK_REQUIRE_EXT) trace=$(ESP32SOCK_LINETRACE)
BUILT := $(STAMPS)/built-$(shell { echo '$(SWITCHES)'; cat pyproject.toml setup.py $(wildcard _speedups/*.pyx _speedups/*.pxd); } | $(SUM))
needs = $(STAMPS)/needs-$(1)-$(LISTED)

# The packages of an extra, or of the build itself, out of the one place that lists them.
define NEEDS
import sys, tomllib; \
p = tomllib.load(open("pyproject.toml", "rb")); \
print(*(p["project"]["optional-dependencies"] | {"build": p["build-system"]["requires"] + p["project"]["dependencies"]})[sys.argv[1]], sep="\n", end="")
endef
# The compiled files of this Python version; a stale one would go on being used if its successor fails to build.
define COMPILED
import pathlib, sysconfig; found = list(pathlib.Path("_speedups").glob("*" + sysconfig.get_config_var("EXT_SUFFIX")))
endef
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --progress-bar off

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: ready demo test test-build test-programs soak compat fuzz docs site man linkcheck coverage mutants wheels wheels-all \
  release-check release release-tag workflows bench lint format types clean distclean which-build FORCE

demo: $(call needs,demo) which-build
	@$(PY) -m esp32sock demo $(ARGS)

ready: $(call needs,test) which-build

test: $(call needs,test) which-build
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/programs --ignore=tests/first_hour $(ARGS)

test-programs: $(call needs,test) $(call needs,programs) which-build
	@$(PY) -m tests.programs.tools
	@$(PY) -m pytest tests/programs tests/first_hour $(ARGS)

# The two builds differ in what reads the module's bytes, and tests/at holds them equal token by token. The simulator
# has no part in them; command line, cases, pages and architecture use them through what is tested here.
BUILD_TESTS := $(addprefix tests/,at chaos compat e2e engine net shims) $(wildcard tests/packaging/test_[ils]*.py)
test-build: $(call needs,test) which-build
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(BUILD_TESTS) $(ARGS)

soak: $(call needs,test) which-build
	@mkdir -p build
	@$(PY) -m tests.simulator.walks 100000
	@$(PY) tests/simulator/chaos.py 0 2000 > build/simulator-chaos.txt
	@ESP32SOCK_STOPPED_S=60 $(PY) -m pytest -q --timeout 300 tests/chaos/test_recovery_pty.py -k stopped
	@$(PY) -m tests.chaos --range 0 20000 --jobs $(WORKERS) --state build/soak.jsonl $(ARGS)

compat: which-build
	@$(PY) -m tests.compat --jobs $(WORKERS) $(ARGS)

fuzz: $(call needs,fuzz) which-build
	@for target in $(FUZZ_TARGETS); do $(PY) -m fuzz $$target --seconds $(SECONDS) $(ARGS) || exit 1; done
	@$(PY) -m fuzz.sanitize --seconds $(SECONDS)

docs: $(call needs,docs) which-build
	@$(PY) -m sphinx -W --keep-going -n -q -d build/doctrees docs build/docs $(ARGS)
	@$(PY) docs/check_links.py build/docs
	@echo "the manual is in build/docs/index.html"

site: $(call needs,docs) which-build
	@$(PY) docs/build_site.py build/site $(ARGS)

man: $(call needs,docs) which-build
	@mkdir -p build/man
	@$(VENV)/bin/argparse-manpage --module esp32sock.cli.parser --function full_parser --prog esp32sock \
	  --project-name esp32sock --version "$$($(PY) -c 'import esp32sock; print(esp32sock.__version__)')" \
	  --description "the sockets of an ESP32 behind a serial port" --manual-title "esp32sock manual" \
	  --output build/man/esp32sock.1
	@echo "man -l build/man/esp32sock.1"

linkcheck: $(call needs,docs) which-build
	@$(PY) -m sphinx -q -b linkcheck docs build/linkcheck

# The tests of both builds, then the compiled framing once more in a copy that is built to be traced.
coverage: $(call needs,test) $(call needs,coverage) which-build
	@$(PY) -m tests.coverage --workers $(WORKERS) $(ARGS)

mutants: $(call needs,test) $(call needs,coverage) which-build
	@$(PY) -m tests.mutants --jobs $(WORKERS) $(ARGS)

wheels: $(call needs,release)
	@$(PY) -m tests.packaging.release build && ls dist

# Where there are containers; ARCH is x86_64, aarch64 or armv7l.
wheels-all: $(call needs,release)
	@$(VENV)/bin/cibuildwheel --platform linux --archs $(ARCH) --output-dir dist .

release-check: $(call needs,release)
	@$(PY) -m tests.packaging.release check $(RELEASE)

release: $(call needs,release)
	@$(PY) -m tests.packaging.release cut $(RELEASE)

release-tag: $(call needs,release)
	@$(PY) -m tests.packaging.release tag $(TAG)

workflows: $(call needs,release)
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(VENV)/bin/actionlint .github/workflows/*.yml

bench: $(call needs,bench) which-build
	@failed=; for name in $(BENCHES); do \
	  echo "== bench $$name"; $(PY) -m bench $$name $(ARGS) || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "benches with a bound that does not hold:$$failed" >&2; exit 1; }

lint: $(call needs,test)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(call needs,test)
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

types: $(call needs,test) links
	@$(PY) -m mypy $(ARGS)

# Git keeps these links, an sdist does not: inside the package, the outer folders are where type checkers look.
links:
	@for folder in _speedups shims; do test -e esp32sock/$$folder || ln -s ../$$folder esp32sock/$$folder; done

which-build: $(BUILT)
	@$(PY) -c 'from esp32sock._build import BUILD; print(f"esp32sock: {BUILD} build")'

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(STAMPS)/built-*
	rm -f _speedups/*.so _speedups/*.c _speedups/*.html
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	test ! -e $(VENV) || { test -e $(VENV)/pyvenv.cfg && rm -rf $(VENV); }

# ---- set-up

CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

$(VENV)/pyvenv.cfg: $(if $(VENV_GOOD),,FORCE)
	@{ test ! -L $(VENV) && { test ! -e $(VENV) || test -e $@; }; } \
	  || { echo "$(VENV) is a link, or is there and is no venv; not touched" >&2; exit 1; }
	@for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "== $(VENV): a venv of $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear "$(PLACE)"; \
	  fi; \
	done; \
	echo "esp32sock needs Python 3.11 or newer with the modules venv and ensurepip. Looked at:" >&2; \
	for python in $(CANDIDATES); do \
	  echo "  $$python: $$("$$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3]); import venv, ensurepip' 2>&1 | tail -n 2 | tr '\n' ' ')" >&2; \
	done; \
	echo "Name another one with: make PYTHON=/path/to/python3" >&2; exit 1

$(call needs,%): $(VENV)/pyvenv.cfg
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/needs-$*-*
	@$(PY) -c '$(NEEDS)' $* > $(STAMPS)/$*.txt
	@test ! -s $(STAMPS)/$*.txt || { echo "== $(VENV): the packages of '$*' (log: $(STAMPS)/$*.log)"; \
	  $(PIP) -r $(STAMPS)/$*.txt > $(STAMPS)/$*.log 2>&1; } || { tail -n 30 $(STAMPS)/$*.log >&2; exit 1; }
	@test '$*' != test || $(PIP) --no-deps -r tests/foreign.txt >> $(STAMPS)/$*.log 2>&1 \
	  || { tail -n 30 $(STAMPS)/$*.log >&2; exit 1; }
	@test '$*' != test || $(PY) -m tests.e2e.servers
	@touch $@

$(BUILT): $(VENV)/pyvenv.cfg $(call needs,build) | links
	@echo "== $(VENV): esp32sock itself, editable (log: $(STAMPS)/built.log)"
	@rm -f $(STAMPS)/built-*
	@test '$(ESP32SOCK_PUREPYTHON)' = 1 || $(PY) -c '$(COMPILED); [file.unlink() for file in found]'
	@$(PIP) --verbose --no-build-isolation --no-deps -e . > $(STAMPS)/built.log 2>&1 \
	  || { tail -n 40 $(STAMPS)/built.log; sed -n '/^ *esp32sock: /{s/^ *//p;q}' $(STAMPS)/built.log; exit 1; } >&2
	@test '$(ESP32SOCK_PUREPYTHON)' = 1 || $(PY) -c '$(COMPILED); raise SystemExit(not found)' \
	  || echo "esp32sock: the C compiler failed or is missing: a pure Python build, which does the same, slower"
	@touch $@
