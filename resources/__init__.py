"""Data that ships with the product: knowledge, texts, icons, templates. Read through importlib.resources."""
