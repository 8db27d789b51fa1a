"""`python -m core` is the command line."""

from core.cli import main

main()
