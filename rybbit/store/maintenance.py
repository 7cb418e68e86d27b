"""`python -m rybbit.store.maintenance OPTIONS`: rewrites a lake in a process of its own.

Compaction costs hundreds of megabytes and seconds of computing, which no worker shall pay.
"""

import logging
import os
import sys

from rybbit.store.lake import LakeOptions, LakeStore


def main(options: str) -> None:
    """Rewrite what is due; `options` is what `LakeOptions.to_json` gave."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(10)
    store = LakeStore(LakeOptions.from_json(options))
    try:
        if store.needs_rewrite():
            store.rewrite()
    finally:
        store.close()


if __name__ == "__main__":
    main(sys.argv[1])
