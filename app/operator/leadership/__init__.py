"""One operator acts on a namespace at a time: Leases, and the process that holds them."""
