"""Work that goes past one process: parts of it on Ray, with the results of one process."""
