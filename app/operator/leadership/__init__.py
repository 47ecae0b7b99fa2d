"""Leader election: one operator acts on a namespace at a time. Leases, and their holder."""
