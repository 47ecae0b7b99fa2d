"""What benchmarks run on: servers, the peer, and pipelines that do nothing."""
