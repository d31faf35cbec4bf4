"""StridedNet, and other small networks of about its multiply-adds."""
