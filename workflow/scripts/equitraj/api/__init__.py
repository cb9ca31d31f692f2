"""What `import equitraj` offers: the library for plain arrays, without a study."""
