"""`python -m rybbit.store.maintenance`: rewrites a store in a process of its own.

Compaction costs hundreds of megabytes and seconds of computing, and erasing minutes of waiting, which no
worker shall pay. What `engines.write_options` gave stands on standard input: it may hold a password, and
everybody on a machine can read command lines.
"""

import logging
import os
import sys

from rybbit.errors import Unavailable
from rybbit.store.engines import open_store, read_options


def main(options: str) -> None:
    """Rewrite what is due."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(10)
    store = open_store(read_options(options))
    try:
        if store.needs_rewrite():
            store.rewrite()
    except Unavailable as error:
        logging.getLogger(__name__).warning("%s", error)
    finally:
        store.close()


if __name__ == "__main__":
    main(sys.stdin.read())
