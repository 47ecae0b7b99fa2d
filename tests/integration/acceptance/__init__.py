"""The whole platform as a user starts it: `celeriac up`, then jobs by HTTP."""
