"""The benchmark: this package against libopendkim and dkimpy, the look-up server, the filter (`make bench`)."""
