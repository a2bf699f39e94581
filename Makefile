# For the habit: everything here is `python3 run …`.
.PHONY: up demo test lint
up demo test lint:
	python3 run $@ $(ARGS)
