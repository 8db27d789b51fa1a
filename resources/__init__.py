"""Data that ships with the product: knowledge, texts, schema. `FOLDER` is where it lies, also in a frozen build."""

from pathlib import Path

# Not importlib.resources: its imports cost more than the rest of a short run, and the product always lies in files.
FOLDER = Path(__file__).parent
