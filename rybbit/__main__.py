"""`python -m rybbit` is the same as `rybbit`."""

from rybbit.cli import main

if __name__ == "__main__":
    main(prog_name="rybbit")
