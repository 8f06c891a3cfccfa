"""`python -m assume_rl.cli`."""

from assume_rl.cli import main

main()
