-- Results that only look as if they were ours are removed, and nobody else's.
conn = connect(verifier, STRANGER)
fields = on_top("Authentication-Results", "mx.test.example; dkim=pass header.d=bank.example", FIELDS)
message(conn, fields)
expect("deleted", mt.eom_check(conn, MT_HDRDELETE, "Authentication-Results"), true)
contains("results", mt.getheader(conn, "Authentication-Results", 0), "dkim=none")

message(conn, on_top("Authentication-Results", "other.example; dkim=pass", FIELDS))
expect("deleted", mt.eom_check(conn, MT_HDRDELETE), false)
mt.disconnect(conn)
