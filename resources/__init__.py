"""Data that travels with the program: icons, presets, translations, the sample maker, installer scripts."""
