# Two commands do everything: `make run` ends with a served model that answers, `make test` passes.
.PHONY: run up test setup lint bench drill down status help

help:      ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

run:       ## Set up and run the main job, from pictures to a served model
	@infra/setup.sh
	@.venv/bin/diptych run

up:        ## Start PostgreSQL, S3, Prefect with workers, MLflow, the receiver and the gateway, and keep them
	@infra/setup.sh
	@.venv/bin/diptych up

down:      ## Stop every server, the model server that `make run` leaves running too
	@.venv/bin/diptych down

status:    ## Say what is served
	@.venv/bin/diptych status

setup:     ## Make .venv and .venv-serving
	@infra/setup.sh

# A file's tests share what was costly to make, so a file goes to one worker; a worker's torch takes one core.
test:      ## Set up and pass the tests, a worker a core, at most four
	@infra/setup.sh test
	@$(MAKE) --no-print-directory lint
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

bench:     ## Run one benchmark beside its peers, whose environments are made first: make bench BENCH=loader
	@infra/setup.sh test
	@.venv/bin/python -m tests.benchmarks.$(BENCH)

drill:     ## Drill one fault on real processes: make drill DRILL=deploy_under_load
	@infra/setup.sh test
	@.venv/bin/python -m tests.drills $(DRILL)

# The first two ask PyPI, and the advisories that it has; what they run is fetched for the moment, and is no part of .venv.
# cpu is cuda with a build of torch that PyPI does not know, so nothing is asked of it.
.PHONY: locks audit sbom
UVX = .venv/bin/python -m uv tool run
LOCKED = cpu cuda triton

locks:     ## Bring .venv up to date, and lock what it has in infra/locks: each package by version and sha256, for production images and for set-up
	@infra/setup.sh newest
	@eval "$$(.venv/bin/python infra/pip_to_uv.py)"; .venv/bin/python -m infra.locks --write

audit:     ## Say which locked packages have a known weakness, and in which version it is mended
	@infra/setup.sh
	@for name in cuda setup triton; do $(UVX) pip-audit==2.10.1 --strict --require-hashes --disable-pip --requirement infra/locks/$$name.txt || wrong=1; done; exit $${wrong:-0}

sbom:      ## Write build/sbom/*.json, what production images are made of, as CycloneDX; asks nobody
	@infra/setup.sh test
	@mkdir -p build/sbom
	@for name in $(LOCKED); do .venv/bin/python -m cyclonedx_py requirements infra/locks/$$name.txt --output-reproducible --validate --output-file build/sbom/$$name.json || exit 1; done

LINT = ruff format mypy lint-imports stage_code results proof_table
.PHONY: $(LINT)

lint:      ## Style, types, import layers; dvc.yaml against the code, the pages against results and proofs
	@$(MAKE) --no-print-directory --output-sync -j $$(nproc) $(LINT)

mypy lint-imports:
	.venv/bin/$@
ruff:
	.venv/bin/ruff check .
format:
	.venv/bin/ruff format --check .
stage_code results proof_table:
	.venv/bin/python -m infra.$@
