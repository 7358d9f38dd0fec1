.PHONY: setup demo up test test-quick test-long lint bench docs
setup: ; @scripts/setup dev
demo: ; @scripts/demo
up: ; @scripts/setup && exec .venv/bin/moor up
test: ; @scripts/test
test-quick: ; @scripts/test quick
test-long: ; @scripts/test long
lint: ; @scripts/lint
bench: ; @scripts/bench
docs: ; @scripts/docs
