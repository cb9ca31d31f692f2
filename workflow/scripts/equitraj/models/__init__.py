"""Models, a file each: the folder is the list."""
