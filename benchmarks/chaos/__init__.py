"""A seeded run of faults against two replicas behind Envoy, and what clients saw compared with the database."""
