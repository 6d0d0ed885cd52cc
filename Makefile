# Two commands do everything: `make run` ends with a served model that answers, `make test` passes.
.PHONY: run test setup lint bench down status help

help:      ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

run:       ## Set up and run the main job, from pictures to a served model
	@infra/setup.sh
	@.venv/bin/diptych run

down:      ## Stop the model server that `make run` leaves running
	@.venv/bin/diptych down

status:    ## Say what is served
	@.venv/bin/diptych status

setup:     ## Make .venv and .venv-serving
	@infra/setup.sh

test:      ## Set up and pass the tests
	@infra/setup.sh test
	@$(MAKE) --no-print-directory lint
	.venv/bin/python -m pytest

lint:      ## Style, types, import layers; dvc.yaml against the code, the README against the results
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m infra.stage_code
	.venv/bin/python -m infra.results

bench:     ## Run one benchmark beside its peers, such as make bench BENCH=data_check; their environments are made first
	@.venv/bin/python -m tests.benchmarks.$(BENCH)
