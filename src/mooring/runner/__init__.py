"""The program inside the instance. Standard library alone, Python ≥ 3.9; knows nothing of the rest of Mooring."""
