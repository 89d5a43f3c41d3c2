# make help says what there is. Everything made on the way is kept in .dev, which git ignores.

SHELL := /bin/sh
TOOLS := .dev/bin/tools
export GOBIN := $(CURDIR)/$(TOOLS)

# The version is in each tool's file name, so that a new one here is installed by itself.
SQLC          := $(TOOLS)/sqlc-v1.31.1
OAPI_CODEGEN  := $(TOOLS)/oapi-codegen-v2.8.2
GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0
GOVULNCHECK   := $(TOOLS)/govulncheck-v1.9.0
OASDIFF       := $(TOOLS)/oasdiff-v1.38.0
ESBUILD       := $(TOOLS)/esbuild-v0.28.2

.DEFAULT_GOAL := help
.PHONY: console contract breaking lint-spec help run dev test test-quick check generated vet lint vuln unit race race-short vet-sql loop-test loop-time pgbouncer smoke versions alerts build quick seed generate generate-go types client python tools tools-built vet-queries bench load reset clean-tools

help: ## Say what each target does.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## Start the databases, migrate, seed and serve on 127.0.0.1:33931 (HOST and PORT change it).
	@$(MAKE) --no-print-directory -s build && exec .dev/bin/dev run

dev: ## The same, and on a change of SQL or Go: generate, build, migrate and restart.
	@mkdir -p .dev/bin && go build $(QUICK) -o .dev/bin/ ./cmd/foldbook ./cmd/dev && exec .dev/bin/dev watch

test: ## Run all tests; they bring their own PostgreSQL.
	go test -timeout 30m ./...

test-quick: ## Run the tests that need no server but PostgreSQL, and leave out the slow ones.
	go test -short ./...

check: generated vet-sql ## All that has to hold before a merge: the steps two at a time, each with the time it took.
	@.ci/steps test loop-test race-short contract versions lint lint-spec smoke breaking alerts vuln unit

generated: ## Generate, and fail when that changes, adds or removes a file.
	@state() { git status --porcelain --untracked-files=all && git diff; }; \
	before=$$(state) && $(MAKE) --no-print-directory generate && after=$$(state) || exit 1; \
	[ "$$before" = "$$after" ] || { git status --short --untracked-files=all; git diff --stat; \
		echo "the generated files were not up to date; they are now: commit them"; exit 1; }

vet: ## Run go vet.
	go vet ./...

unit: build ## Verify the systemd unit, where systemd-analyze is installed.
	@command -v systemd-analyze >/dev/null || { echo "systemd-analyze is not installed: skipped"; exit 0; }; \
	mkdir -p .dev/unit && sed 's|/usr/local/bin/|$(CURDIR)/.dev/bin/|' deploy/foldbook.service >.dev/unit/foldbook.service && \
	said=$$(systemd-analyze verify .dev/unit/foldbook.service 2>&1) && [ -z "$$said" ] && echo "deploy/foldbook.service: nothing to complain about" || \
	{ echo "$$said"; exit 1; } # it warns of unknown keys with status 0

race: ## Run all tests with the race detector, which takes half an hour.
	go test -race -timeout 60m ./...

race-short: ## The same without the slow tests, and through PgBouncer in transaction mode, which has to be installed.
	TEST_PGBOUNCER=1 go test -race -short -vet=off -timeout 30m ./...

loop-test: build tools ## Edit a copy of the repository beside make dev: mutations, and the recipes of the docs.
	LOOP_TEST=1 go test ./cmd/dev -count=1 -v -vet=off -timeout 30m -run 'TestLoop|TestClientTypes' -skip TestLoop/edits

loop-time: build tools ## Print the time from an edit of a query to its answer, of twenty edits beside make dev.
	LOOP_TEST=1 go test ./cmd/dev -count=1 -v -vet=off -timeout 30m -run TestLoop/edits

pgbouncer: ## Run the tests of the API through PgBouncer in transaction mode, which has to be installed.
	TEST_PGBOUNCER=1 go test -short ./api ./db

smoke: ## Try what a new user does in a clean clone of HEAD: make run, ask all six routes, stop, again.
	.ci/smoke

build: ## Build foldbook and dev into .dev/bin.
	@mkdir -p .dev/bin
	go build -o .dev/bin/ ./cmd/foldbook ./cmd/dev

# make dev builds the module without optimizing it: an edit of SQL compiles all that imports db, and this takes half of the time.
QUICK := -buildvcs=false -gcflags='foldbook/...=-N -l -dwarf=false' -ldflags=-s

quick: # Build the server beside the one that runs.
	@go build $(QUICK) -o .dev/bin/foldbook.new ./cmd/foldbook

seed: # Store the samples as the sources are now.
	@go run $(QUICK) ./cmd/dev seed

GEN := .dev/bin/gen -sqlc $(SQLC) -oapi-codegen $(OAPI_CODEGEN)

generate: ## Regenerate Go, the row schemas and the client's types from migrations, queries and the API description.
	@$(MAKE) --no-print-directory generate-go
	@$(MAKE) --no-print-directory types

generate-go: tools # What make dev waits for before it builds.
	@$(GEN) $(GENFLAGS)

CLIENT := clients/typescript
PACKAGES := $(CLIENT)/node_modules/.package-lock.json
NPM ?= npm

types: # Make the types of the TypeScript client, unless what they are made of is the same as the last time.
	@mkdir -p .dev; state() { cksum api/spec/openapi.gen.json $(CLIENT)/package-lock.json $(CLIENT)/src/schema.gen.ts; }; \
	if [ "$$(state)" = "$$(cat .dev/types.sum 2>/dev/null)" ]; then exit 0; fi; \
	command -v "$(NPM)" >/dev/null || { echo "npm is not installed: $(CLIENT)/src/schema.gen.ts stays as it is"; exit 0; }; \
	$(MAKE) -s $(PACKAGES) && $(NPM) --prefix $(CLIENT) --silent run generate >.dev/types.log 2>&1 && state >.dev/types.sum || \
	{ cat .dev/types.log; exit 1; }

$(PACKAGES): $(CLIENT)/package-lock.json
	@cd $(CLIENT) && $(NPM) ci --silent && touch node_modules/.package-lock.json

client: $(PACKAGES) ## Build the TypeScript client and pack it as .dev/foldbook-client.tgz, for npm install.
	@mkdir -p .dev && cd $(CLIENT) && $(NPM) --silent pack --pack-destination ../../.dev >/dev/null && mv ../../.dev/foldbook-client-*.tgz ../../.dev/foldbook-client.tgz

CONSOLE := console/dist

console: $(ESBUILD) ## Build the console from its sources; what comes of it is committed.
	@mkdir -p $(CONSOLE) && $(ESBUILD) console=console/src/main.tsx console=console/src/style.css --bundle --minify --format=esm --log-level=warning \
		--tsconfig=console/lib/tsconfig.json --outdir=$(CONSOLE) && cp console/src/index.html $(CONSOLE)/

python: ## Build the Python client as .dev/foldbook_client-….whl, for pip install.
	@mkdir -p .dev && python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir .dev ./clients/python && ls .dev/foldbook_client-*.whl

tools: $(SQLC) $(OAPI_CODEGEN) # Build what make generate runs.
	@mkdir -p .dev/bin && go build -o .dev/bin/gen ./internal/gen

tools-built: $(SQLC) $(OAPI_CODEGEN) # For make -q: whether they are there.

vet-queries: tools # Let the server at DATABASE_URL prepare every query.
	@$(GEN) -vet

vet-sql: build tools ## Let a real server prepare every query (sqlc vet).
	@.dev/bin/dev with -- $(GEN) -vet

alerts: ## Let each alert of deploy/prometheus fire and clear; promtool has to be installed.
	promtool check rules deploy/prometheus/rules.yaml && promtool test rules deploy/prometheus/rules_test.yaml

versions: build tools ## Prepare every query, migrate up, down and up, and ask every route, on each supported PostgreSQL.
	@for version in 14 15 16 17 18; do \
		echo "PostgreSQL $$version"; export DEV_POSTGRES_VERSION=$$version; \
		timeout 120 .dev/bin/dev with -- $(GEN) -vet && \
		go test -count=1 -vet=off -timeout 3m -run '^(TestSmoke|TestUpDownUp)$$' ./cmd/foldbook ./internal/migrator || exit 1; \
	done

lint: $(GOLANGCI_LINT) ## Run golangci-lint.
	$(GOLANGCI_LINT) run

SPEC_LINT := api/spec/lint

lint-spec: $(SPEC_LINT)/node_modules/.package-lock.json ## Lint the API description with redocly and spectral, at their recommended rules.
	@cd $(SPEC_LINT) && export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true && \
	node_modules/.bin/redocly lint --config redocly.yaml ../openapi.yaml && \
	node_modules/.bin/spectral lint --ruleset spectral.yaml --fail-severity hint ../openapi.yaml

$(SPEC_LINT)/node_modules/.package-lock.json: $(SPEC_LINT)/package-lock.json
	@cd $(SPEC_LINT) && $(NPM) ci --silent && touch node_modules/.package-lock.json

CONTRACT := .dev/contract

contract: $(CONTRACT)/requirements.txt ## Let schemathesis call every operation of the service with requests made of its description.
	CONTRACT_TEST=$(CURDIR)/$(CONTRACT)/bin/schemathesis go test ./api -count=1 -timeout 10m -run TestSchemathesis

$(CONTRACT)/requirements.txt: api/spec/contract/requirements.txt
	@rm -rf $(CONTRACT) && python3 -m venv $(CONTRACT) && $(CONTRACT)/bin/pip install -q --disable-pip-version-check -r $< && cp $< $@

breaking: ## Compare the API description with that of the last release: nothing may break clients.
	@release=$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null) || { echo "nothing is released yet"; exit 0; }; \
	$(MAKE) --no-print-directory $(OASDIFF) && git show "$$release:api/spec/openapi.yaml" >.dev/released.yaml && $(OASDIFF) breaking --fail-on ERR .dev/released.yaml api/spec/openapi.yaml

vuln: $(GOVULNCHECK) ## Look for known vulnerabilities; skipped, and said so, where their database cannot be reached.
	@out=$$($(GOVULNCHECK) ./... 2>&1); status=$$?; \
	case "$$status $$out" in \
	0*) echo "govulncheck: nothing known" ;; \
	*"fetching vulnerabilities"*) echo "govulncheck: skipped, its database cannot be reached" ;; \
	*) echo "$$out"; exit $$status ;; \
	esac

bench: build ## Measure the service against the version before, PostgreSQL and QuestDB; the tables are kept in .dev/bench.md.
	go run ./cmd/bench | tee .dev/bench.md

load: build ## Load the service as on a working day for half a minute: readers, charts and an exporter at once.
	go run ./cmd/bench --only mixed

reset: ## Remove .dev: databases, fetched programs, tools. Refuses while something runs there.
	@mkdir -p .dev/bin && go build -o .dev/bin/ ./cmd/dev && exec .dev/bin/dev reset

clean-tools: ## Remove the installed tools.
	rm -rf $(TOOLS)

# $(call install,module/path): the binary is installed under its own name and then gets the version's.
define install
	@mkdir -p $(TOOLS)
	@echo "$(notdir $@) is not there yet: it is fetched and compiled, once, which takes a minute or two"
	go install $(1)@$(lastword $(subst -v, v,$@))
	mv $(TOOLS)/$(notdir $(patsubst %/v2,%,$(1))) $@
endef

$(SQLC):
	$(call install,github.com/sqlc-dev/sqlc/cmd/sqlc)

$(OAPI_CODEGEN):
	$(call install,github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen)

$(GOLANGCI_LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

$(GOVULNCHECK):
	$(call install,golang.org/x/vuln/cmd/govulncheck)

$(OASDIFF):
	$(call install,github.com/oasdiff/oasdiff)

$(ESBUILD):
	$(call install,github.com/evanw/esbuild/cmd/esbuild)
