"""The contents of `import equitraj`: functions for plain arrays, without a study."""
