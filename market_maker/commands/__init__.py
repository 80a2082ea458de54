"""What can be typed, by kind: flags and their help. Each command calls the module that does the work."""
