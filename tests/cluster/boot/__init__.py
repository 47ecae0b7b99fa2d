"""A real single-node Kubernetes for tests, on a bare Debian-like machine, without Docker.

`python -m tests.cluster.boot up` boots it, `down` removes every trace of it; `make cluster` and
`make cluster-down` call these two. containerd, runc, etcd and the CNI plugins are Debian's; the
control plane, kubelet, kube-proxy and CoreDNS are compiled from the Go modules that `kubernetes`
and `dns` name; kubectl and helm come out of a wheel.

This package imports the standard library alone, so that the system's Python can run it.
"""
