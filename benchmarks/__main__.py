"""`python -m benchmarks`: every benchmark that needs no peer."""

from benchmarks.agents_shell import main

main()
