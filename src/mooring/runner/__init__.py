"""The program inside the instance. Standard library alone, Python 3.9 or later; knows nothing of the rest of Mooring."""
