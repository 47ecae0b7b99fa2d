"""A sandbox of the kernel for child processes that read untrusted files.

`policy` says what a child may do and what the kernel offers. The other modules apply it in the
child: `app.worker.die_with_parent` imports them in a Python without site-packages, so they import
the standard library alone.
"""
