"""A campaign of damaged things: recipes, media, weights and bundles, folders, tables."""
