"""Pure market economics on batched tensors: no I/O, clock, logging or sampling."""
