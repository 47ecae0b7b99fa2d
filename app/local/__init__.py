"""The whole platform on one machine: `celeriac up`, with processes as the replicas of pools.

Composition: starts the embedded broker, the API and beat, and runs the loop of `app.control` over
local worker processes. The command line calls `local_platform.run(options)`.
"""
