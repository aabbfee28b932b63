"""Measures search at scale: indexes of vectors, tenants of every size, and the whole search beside bare SQL."""
