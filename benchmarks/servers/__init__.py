"""What else answers on the machine of a benchmark: the least that a server can cost, and what users pick instead."""
