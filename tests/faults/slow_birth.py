"""`slow_birth.py serve …`: the `rybbit` command on a machine so busy that a forked worker waits to begin."""

import os
import time

SECONDS = 2.0

if __name__ == "__main__":
    # Before the command's own, so that what comes meanwhile comes before a worker's first step.
    os.register_at_fork(after_in_child=lambda: time.sleep(SECONDS))

    from rybbit.cli import main

    main(prog_name="rybbit")
