# Shortcuts: everything here is `python3 run …`. ARGS passes options, as in `make test ARGS="tests/api -k predict"`.
COMMANDS = up demo test lint format browse fuzz chaos month bench accuracy screenshots audit lock build
.PHONY: $(COMMANDS)
$(COMMANDS):
	python3 run $@ $(ARGS)
