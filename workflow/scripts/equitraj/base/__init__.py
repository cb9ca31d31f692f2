"""What every room stands on: files, registries, commands, devices, the words of the audit."""
