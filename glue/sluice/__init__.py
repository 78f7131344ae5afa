"""The modules of the Glue job, which Glue adds to Python's path as one archive."""
