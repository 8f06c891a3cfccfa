"""`python -m benchmarks`: every benchmark that needs no peer."""

from benchmarks import agents_shell, experience, update

for benchmark in (agents_shell, experience, update):
    benchmark.main()
